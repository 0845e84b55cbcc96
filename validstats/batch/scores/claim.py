"""The score of a false claim, which selections and envelopes of claims bring with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from validstats._typing import AnyArray, Bool1D, Float1D
from validstats.batch.scores.residual import Bounds, Score, numeric_predictions, probabilities, unwritable
from validstats.intake import check_in_range, check_vector, column

__all__ = ["ClaimScore", "Limit"]

Limit: TypeAlias = float | str | Callable[[Any], Any] | Sequence[Any] | None
"""Limit of a claim: a number, a column of X by name, a callable of X, several of these, or None."""


class ClaimScore(Score):
    """Score of a false claim about a label: how convincing it looks if false, minus infinity if true.

    Parameters
    ----------
    above, below : float, str, callable, sequence of these or None, default None
        The claim is that the label exceeds ``above``, is less than ``below``, or both; with numbers ``above > below`` that
        it lies outside, above the one or below the other. A column of X by name, or a callable of X, gives every row its own
        limit. Of several limits every one must hold.
    label : object or sequence of objects, default None
        The claim is that the label is this class, or one of these.

    Examples
    --------
    >>> import numpy as np
    >>> ClaimScore(above=0.5).scores(np.array([0.2, 0.9]), np.array([0.0, 1.0]))
    array([ 0.2, -inf])
    >>> ClaimScore(above=2.0, below=0.0).words()
    'above 2 or below 0'
    """

    quantity = "strength of the claim where it is false"

    def __init__(self, above: Limit = None, below: Limit = None, label: Any = None) -> None:
        self.above = above
        self.below = below
        self.label = label

    def check(self, classifier: bool) -> None:
        """Raise if the claim says nothing, or more than one thing."""
        stated = [name for name in ("above", "below", "label") if getattr(self, name) is not None]
        if not stated or (self.label is not None and len(stated) > 1):
            raise ValueError(
                f"A claim needs above, below, both of them, or label; got {', '.join(stated) or 'none'}."
            )
        if self.label is not None and not classifier:
            raise ValueError(f"label={self.label!r} claims a class, which needs a classifier.")
        if self.label is not None and not self.labels:
            raise ValueError("label must name at least one class, got none.")
        for name, limits in (("above", self._limits(self.above)), ("below", self._limits(self.below))):
            if getattr(self, name) is not None and not limits:
                raise ValueError(f"{name} must hold at least one limit, got {getattr(self, name)!r}.")
            for limit in limits:
                if _number(limit):
                    check_in_range(limit, name)
                elif not isinstance(limit, str) and not callable(limit):
                    raise TypeError(
                        f"{name} must be a number, a column of X, a callable of X, or several of these; got {limit!r}."
                    )
        if _number(self.above) and self.above == self.below:
            raise ValueError(
                f"above and below are both {self.above!r}: no label, or every other one, is claimed."
            )

    @staticmethod
    def _limits(limit: Limit) -> tuple[Any, ...]:
        """Limits as a tuple."""
        if limit is None:
            return ()
        return tuple(limit) if isinstance(limit, Sequence) and not isinstance(limit, str) else (limit,)

    @property
    def labels(self) -> tuple[Any, ...]:
        """Claimed classes."""
        if self.label is None:
            return ()
        return tuple(self.label) if isinstance(self.label, list | tuple | set | frozenset) else (self.label,)

    @property
    def has_row_limits(self) -> bool:
        """Whether limits differ by row."""
        return any(not _number(limit) for limit in (*self._limits(self.above), *self._limits(self.below)))

    @property
    def _ends(self) -> tuple[float | None, float | None]:
        """The binding limits, where they are the same for every row."""
        above, below = self._limits(self.above), self._limits(self.below)
        return (max(above) if above else None, min(below) if below else None)

    @property
    def _outside(self) -> bool:
        """Whether the claim is that the label lies outside of two limits."""
        return (
            _number(self.above) and _number(self.below) and bool(self.above > self.below)  # type: ignore[operator]
        )

    @property
    def limit(self) -> float:
        """Strength beyond which the plain prediction makes the claim."""
        if self.label is not None:
            return 0.5
        if self.has_row_limits or (self.above is not None and self.below is not None):
            return 0.0
        above, below = self._ends
        return float(above) if above is not None else -float(below)  # type: ignore[arg-type]

    def words(self) -> str:
        """Say what is claimed."""
        if self.label is not None:
            return f"of class {' or '.join(map(repr, self.labels))}"
        if self.has_row_limits:
            return "within their limits"
        above, below = self._ends
        if above is not None and below is not None:
            return (
                f"above {above:zg} or below {below:zg}"
                if self._outside
                else f"between {above:zg} and {below:zg}"
            )
        return f"above {above:zg}" if above is not None else f"below {below:zg}"

    def label_bounds(self, bounds: Any, classes: AnyArray | None) -> Bounds:
        """Known bounds of the labels; none for a claimed class."""
        return super().label_bounds(bounds, classes) if self.label is None else (-np.inf, np.inf)

    def encode(self, model: Any, y: AnyArray) -> AnyArray:
        """Return labels as numbers, or 1 where the label is a claimed class."""
        if self.label is None:
            return super().encode(model, y)
        self._places(model)
        return self.claimed(y)

    def claimed(self, y: AnyArray) -> Float1D:
        """Return 1 where a label is a claimed class, 0 elsewhere.

        Parameters
        ----------
        y : ndarray of shape (n,)
            Labels.

        Returns
        -------
        ndarray of shape (n,)
            Zeros and ones.
        """
        return np.any([y == label for label in self.labels], axis=0).astype(np.float64)

    def _places(self, model: Any) -> list[int]:
        """Positions of the claimed classes among those of the learner."""
        known = np.asarray(model.classes_).tolist()
        if unknown := [label for label in self.labels if label not in known]:
            raise ValueError(f"label={unknown[0]!r} is not among the classes {known} of the learner.")
        return [known.index(label) for label in self.labels]

    def outputs(self, model: Any, X: Any) -> AnyArray:
        """Return strengths; with limits by row, strengths, lower and upper limits as columns."""
        if self.label is not None:
            return np.asarray(probabilities(model, X)[:, self._places(model)].sum(axis=1))
        predictions = numeric_predictions(model, X)
        if not self.has_row_limits:
            return self._strength(predictions, *self._ends)
        n = predictions.size
        above = [_row_values(limit, X, n) for limit in self._limits(self.above)] or [np.full(n, -np.inf)]
        below = [_row_values(limit, X, n) for limit in self._limits(self.below)] or [np.full(n, np.inf)]
        limits = np.max(above, axis=0), np.min(below, axis=0)
        return np.column_stack([self._strength(predictions, *limits), *limits])

    def _strength(self, predictions: Float1D, above: Any, below: Any) -> Float1D:
        """The prediction, its negative, or its distance inside (or outside) the limits."""
        if below is None:
            return predictions
        if above is None:
            return -predictions
        if self._outside:
            return np.maximum(predictions - above, below - predictions)
        return np.minimum(predictions - above, below - predictions)

    def strengths(self, outputs: AnyArray) -> Float1D:
        """Return how convincing each claim looks.

        Parameters
        ----------
        outputs : ndarray with n rows
            From :meth:`outputs`.

        Returns
        -------
        ndarray of shape (n,)
            Strengths; larger is more convincing.
        """
        return np.asarray(outputs if outputs.ndim == 1 else outputs[:, 0], dtype=np.float64)

    def holds(self, outputs: AnyArray, y: AnyArray) -> Bool1D:
        """Tell for which labels the claim is true.

        Parameters
        ----------
        outputs : ndarray with n rows
            From :meth:`outputs`.
        y : ndarray of shape (n,)
            Labels from :meth:`encode`.

        Returns
        -------
        ndarray of bool, shape (n,)
            True where it holds.
        """
        if self.label is not None:
            return np.asarray(y == 1)
        above, below = (outputs[:, 1], outputs[:, 2]) if outputs.ndim > 1 else self._ends
        if self._outside:
            return np.asarray((y > above) | (y < below))
        true = np.ones(len(y), dtype=bool)
        if above is not None:
            true &= y > above
        if below is not None:
            true &= y < below
        return true

    def scores(self, outputs: AnyArray, y: AnyArray) -> Float1D:
        """Return strengths of false claims, minus infinity for true ones."""
        return np.where(self.holds(outputs, y), -np.inf, self.strengths(outputs))


def _number(limit: Limit) -> bool:
    return isinstance(limit, int | float | np.number)


def _row_values(limit: Limit, X: Any, n: int) -> Float1D:
    """Limits of the rows: a number, a column of X, or what a callable of X returns."""
    if callable(limit):
        found = limit(unwritable(X))
    elif isinstance(limit, str):
        found = column(X, limit)
    else:
        return np.full(n, limit, dtype=np.float64)
    values = check_vector(found, "the limits of the claim")
    if values.size != n:
        raise ValueError(
            f"The limits of the claim must be one number for each of the {n} rows, got {values.size}."
        )
    return values
