"""Distributions over settings: what users have."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, get_args

import numpy as np

from validstats.intake import check_in_range

__all__ = ["Choice", "LogUniform", "Parameter", "Prior", "Setting", "Uniform"]

Setting: TypeAlias = dict[str, Any]
"""Names and plain values of one setting."""


@dataclass(frozen=True)
class Uniform:
    """A parameter that is uniform on an interval.

    Parameters
    ----------
    low, high : float
        Ends.
    says : str, default ""
        What it is, in words.
    """

    low: float
    high: float
    says: str = ""

    def __post_init__(self) -> None:
        _check_ends(self.low, self.high, -math.inf)

    def draw(self, rng: np.random.Generator) -> Any:
        """Draw a value.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of randomness.

        Returns
        -------
        float
            The value.
        """
        return round(float(rng.uniform(self.low, self.high)), 6)

    def mutate(self, value: Any, rng: np.random.Generator) -> Any:
        """Move a value by about a tenth of the range.

        Parameters
        ----------
        value : float
            The value.
        rng : numpy.random.Generator
            Source of randomness.

        Returns
        -------
        float
            A value nearby, within the ends.
        """
        moved = value + rng.normal(0, 0.1) * (self.high - self.low)
        return round(float(np.clip(moved, self.low, self.high)), 6)


@dataclass(frozen=True)
class LogUniform:
    """A parameter whose logarithm is uniform.

    Parameters
    ----------
    low, high : float
        Ends, above 0.
    whole : bool, default True
        Whether it is a whole number.
    says : str, default ""
        What it is, in words.
    """

    low: float
    high: float
    whole: bool = True
    says: str = ""

    def __post_init__(self) -> None:
        _check_ends(self.low, self.high, 0.0)

    def draw(self, rng: np.random.Generator) -> Any:
        """Draw a value.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of randomness.

        Returns
        -------
        int or float
            The value.
        """
        return self._form(math.exp(rng.uniform(math.log(self.low), math.log(self.high))))

    def mutate(self, value: Any, rng: np.random.Generator) -> Any:
        """Move a value by about a tenth of the range of logarithms.

        Parameters
        ----------
        value : int or float
            The value.
        rng : numpy.random.Generator
            Source of randomness.

        Returns
        -------
        int or float
            A value nearby, within the ends.
        """
        spread = 0.1 * math.log(self.high / self.low)
        return self._form(min(max(value * math.exp(rng.normal(0, spread)), self.low), self.high))

    def _form(self, value: float) -> Any:
        return round(value) if self.whole else round(value, 6)


@dataclass(frozen=True)
class Choice:
    """A parameter that is one of several values.

    Parameters
    ----------
    options : tuple
        The values, plain numbers or texts.
    says : str, default ""
        What it is, in words.
    """

    options: tuple[Any, ...]
    says: str = ""

    def __post_init__(self) -> None:
        given: Any = self  # whatever was handed over
        if isinstance(given.options, str) or not isinstance(given.options, Sequence) or not given.options:
            raise ValueError(f"options must be a tuple of one value or more, got {given.options!r}.")
        try:
            json.dumps(given.options)
        except (TypeError, ValueError):
            raise TypeError(
                f"options must be plain numbers, texts, or tuples of them, got {given.options!r}: settings are written to files. "
                "Name the objects, and look them up in the trial."
            ) from None

    def draw(self, rng: np.random.Generator) -> Any:
        """Draw a value.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of randomness.

        Returns
        -------
        object
            One of the options.
        """
        return self.options[int(rng.integers(len(self.options)))]

    def mutate(self, value: Any, rng: np.random.Generator) -> Any:
        """Keep a value in three of four cases, and draw another in the fourth.

        Parameters
        ----------
        value : object
            The value.
        rng : numpy.random.Generator
            Source of randomness.

        Returns
        -------
        object
            One of the options.
        """
        return value if rng.random() < 0.75 else self.draw(rng)


Parameter: TypeAlias = Uniform | LogUniform | Choice


def _check_ends(low: Any, high: Any, least: float) -> None:
    """Refuse ends that are not numbers above the least, or are in the wrong order."""
    for value, name in ((low, "low"), (high, "high")):
        check_in_range(value, name, least, math.inf, low_open=True, high_open=True)
    if low > high:
        raise ValueError(f"low must be at most high, got low={low!r} and high={high!r}.")


@dataclass(frozen=True)
class Prior:
    """A distribution over settings: what users have.

    Parameters
    ----------
    parameters : mapping of str to parameter
        Independent parameters by name.
    valid : callable or None, default None
        ``valid(setting)``: whether the values go together; others are drawn again.

    Examples
    --------
    >>> import numpy as np
    >>> prior = Prior({"n": LogUniform(5, 5000), "law": Choice(("normal", "two-valued"))})
    >>> sorted(prior.draw(np.random.default_rng(0)))
    ['law', 'n']
    """

    parameters: Mapping[str, Parameter]
    valid: Callable[[Setting], bool] | None = None

    def __post_init__(self) -> None:
        given: Any = self  # whatever was handed over
        if not isinstance(given.parameters, Mapping) or not given.parameters:
            raise ValueError(
                f"parameters must be a mapping of one name or more to parameters, got {given.parameters!r}."
            )
        for name, value in given.parameters.items():
            if not isinstance(name, str) or not isinstance(value, get_args(Parameter)):
                raise TypeError(
                    f"parameters must be Uniform, LogUniform or Choice by name, got {value!r} for {name!r}; one value alone is "
                    "Choice((value,))."
                )
        if given.valid is not None and not callable(given.valid):
            raise TypeError(f"valid must be a function of a setting, or None, got {given.valid!r}.")

    def draw(self, rng: np.random.Generator) -> Setting:
        """Draw a setting.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of randomness.

        Returns
        -------
        dict
            Values by name.
        """
        return self._first_valid(lambda: {name: p.draw(rng) for name, p in self.parameters.items()})

    def mutate(self, setting: Setting, rng: np.random.Generator) -> Setting:
        """Draw a setting near another.

        Parameters
        ----------
        setting : dict
            The other.
        rng : numpy.random.Generator
            Source of randomness.

        Returns
        -------
        dict
            Values by name.
        """
        return self._first_valid(
            lambda: {name: p.mutate(setting[name], rng) for name, p in self.parameters.items()}
        )

    def _first_valid(self, make: Callable[[], Setting]) -> Setting:
        for _ in range(1000):
            setting = make()
            if self.valid is None or self.valid(setting):
                return setting
        raise ValueError("No valid setting was found in 1,000 draws; widen the prior or loosen valid.")
