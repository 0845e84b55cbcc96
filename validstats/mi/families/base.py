"""What a family of joint distributions is: procedurally drawn data sets whose mutual information is known."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import numpy as np

from validstats._typing import Float1D, Float2D

__all__ = ["Family", "FamilyMixture", "JointSample", "draw_dims", "draw_sample_size", "log_uniform"]

CELL_BUDGET = 120_000
"""Largest number of cells, n times (dim X + dim Y), that a family draws."""


@dataclass(frozen=True)
class JointSample:
    """A sample of (X, Y) together with the mutual information of the law it was drawn from.

    Parameters
    ----------
    x : ndarray of shape (n, dim_x)
        Sample of X.
    y : ndarray of shape (n, dim_y)
        Sample of Y, row by row with ``x``.
    mutual_information : float
        True mutual information of the law in nats, at least 0.
    family : str
        Name of the family that the law belongs to.
    standard_error : float, default 0
        Standard error of a truth that is a mean over draws of the density, in nats; 0 where it comes from a formula, a sum or a
        quadrature.
    """

    x: Float2D
    y: Float2D
    mutual_information: float
    family: str
    standard_error: float = 0.0

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.x.shape[0])


class Family(ABC):
    """A distribution over joint distributions, sampled procedurally.

    The data set number ``index`` under ``seed`` is a pure function of the two numbers: a counter-based
    generator keyed by both, so that sets can be made in any order and on any machine.

    Attributes
    ----------
    name : str
        Name stored with every set.
    """

    name: str = "family"

    @abstractmethod
    def draw(self, generator: np.random.Generator, n: int) -> JointSample:
        """Draw a law and ``n`` rows from it.

        Parameters
        ----------
        generator : numpy.random.Generator
            Source of randomness.
        n : int
            Number of rows, at least 10.

        Returns
        -------
        JointSample
            The rows and the true mutual information of the law.
        """

    def sample_size(self, generator: np.random.Generator) -> int:
        """Draw the number of rows of a set."""
        return draw_sample_size(generator)

    def sample(self, seed: int, index: int) -> JointSample:
        """Return the data set number ``index`` under ``seed``.

        Parameters
        ----------
        seed : int
            Non-negative, below 2**64.
        index : int
            Non-negative, below 2**64.

        Returns
        -------
        JointSample
            The same set at every call.

        Examples
        --------
        >>> from validstats.mi.families.default import default_family
        >>> family = default_family()
        >>> family.sample(0, 7).mutual_information == family.sample(0, 7).mutual_information
        True
        """
        generator = keyed_generator(seed, index)
        return self.draw(generator, self.sample_size(generator))


class FamilyMixture(Family):
    """Families joined with weights; each set keeps the name of the member that it came from.

    Parameters
    ----------
    members : dict of str to Family
        Members by name. The name replaces the family name in the sets drawn.
    weights : sequence of float
        Positive, one per member; normalised here.
    name : str, default "mixture"
        Name of the whole.

    Raises
    ------
    ValueError
        If there is no member, or the weights are not as many positive finite numbers.
    """

    def __init__(
        self, members: dict[str, Family], weights: Float1D | list[float], name: str = "mixture"
    ) -> None:
        if len(members) != len(weights):
            raise ValueError(f"{len(members)} families need as many weights, got {len(weights)}.")
        shares = np.asarray(weights, dtype=np.float64)
        if not (len(shares) and np.isfinite(shares).all() and (shares > 0).all()):
            raise ValueError(f"weights must be positive and finite, one a family, got {list(weights)}.")
        self.members = members
        self.weights = shares / shares.sum()
        self.name = name

    def draw(self, generator: np.random.Generator, n: int) -> JointSample:
        """Draw a member by weight, then a law and ``n`` rows from it."""
        name = self._member(generator)
        return replace(self.members[name].draw(generator, n), family=name)

    def sample(self, seed: int, index: int) -> JointSample:
        """Return the data set number ``index`` under ``seed``."""
        generator = keyed_generator(seed, index)
        name = self._member(generator)
        member = self.members[name]
        return replace(member.draw(generator, member.sample_size(generator)), family=name)

    def _member(self, generator: np.random.Generator) -> str:
        position = int(np.searchsorted(np.cumsum(self.weights), generator.random(), side="right"))
        return list(self.members)[min(position, len(self.members) - 1)]


def keyed_generator(seed: int, index: int) -> np.random.Generator:
    """Return the generator whose stream belongs to (``seed``, ``index``) alone."""
    return np.random.Generator(np.random.Philox(key=np.array([seed, index], dtype=np.uint64)))


def log_uniform(generator: np.random.Generator, low: float, high: float) -> float:
    """Draw a number whose logarithm is uniform between those of ``low`` and ``high``."""
    return float(np.exp(generator.uniform(np.log(low), np.log(high))))


def draw_sample_size(generator: np.random.Generator) -> int:
    """Draw n: log-uniform on 10..500 (78 %), 500..2,000 (15 %) and 2,000..10,000 (7 %)."""
    share = generator.random()
    if share < 0.78:
        return round(log_uniform(generator, 10, 500))
    if share < 0.93:
        return round(log_uniform(generator, 500, 2000))
    return round(log_uniform(generator, 2000, 10_000))


def draw_dims(
    generator: np.random.Generator, n: int, low: int = 1, high: int = 50, univariate: float = 0.27
) -> tuple[int, int]:
    """Draw the dimensions of X and Y: 1x1 with a given share, else log-uniform and half the time unequal.

    The sum of the two is kept below ``CELL_BUDGET / n``.
    """
    if low == 1 and generator.random() < univariate:
        return 1, 1
    high = int(max(low, min(high, CELL_BUDGET // (2 * n))))
    dim_x = int(np.clip(round(log_uniform(generator, low - 0.4, high + 0.5)), low, high))
    dim_y = dim_x
    if generator.random() < 0.55:
        dim_y = int(np.clip(round(log_uniform(generator, low - 0.4, high + 0.5)), low, high))
    return dim_x, dim_y
