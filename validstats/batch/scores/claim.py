"""The score of a false claim, which selections and envelopes of claims bring with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from validstats._typing import AnyArray, Bool1D, Float1D
from validstats.batch.scores.residual import Bounds, Score, numeric_predictions, probabilities, unwritable
from validstats.intake import check_in_range, check_vector, column

__all__ = ["ClaimScore", "Limit"]

Limit: TypeAlias = float | str | Callable[[Any], Any] | None
"""Limit of a claim: a number, a column of X by name, a callable of X, or None."""


class ClaimScore(Score):
    """Score of a false claim about a label: how convincing it looks if false, minus infinity if true.

    Parameters
    ----------
    above, below : float, str, callable or None, default None
        The claim is that the label exceeds ``above``, is less than ``below``, or both. A column of X by name, or a callable
        of X, gives every row its own limit.
    label : object, default None
        The claim is that the label is this class.

    Examples
    --------
    >>> import numpy as np
    >>> ClaimScore(above=0.5).scores(np.array([0.2, 0.9]), np.array([0.0, 1.0]))
    array([ 0.2, -inf])
    >>> ClaimScore(below=0.5).scores(np.array([-0.2, -0.9]), np.array([0.0, 1.0]))
    array([-inf, -0.9])
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
        for name in stated[:2]:
            if isinstance(value := getattr(self, name), int | float):
                check_in_range(value, name)
        if _number(self.above) and _number(self.below) and not self.above < self.below:  # type: ignore[operator]
            raise ValueError(
                f"above must be less than below, got above={self.above!r} and below={self.below!r}."
            )

    @property
    def has_row_limits(self) -> bool:
        """Whether limits differ by row."""
        return any(limit is not None and not _number(limit) for limit in (self.above, self.below))

    @property
    def limit(self) -> float:
        """Strength beyond which the plain prediction makes the claim."""
        if self.label is not None:
            return 0.5
        if self.has_row_limits or (self.above is not None and self.below is not None):
            return 0.0
        return float(self.above) if self.above is not None else -float(self.below)  # type: ignore[arg-type]

    def words(self) -> str:
        """Say what is claimed."""
        if self.label is not None:
            return f"of class {self.label!r}"
        if self.has_row_limits:
            return "within their limits"
        if self.above is not None and self.below is not None:
            return f"between {self.above:g} and {self.below:g}"
        return f"above {self.above:g}" if self.above is not None else f"below {self.below:g}"

    def label_bounds(self, bounds: Any, classes: AnyArray | None) -> Bounds:
        """Known bounds of the labels; none for a claimed class."""
        return super().label_bounds(bounds, classes) if self.label is None else (-np.inf, np.inf)

    def encode(self, model: Any, y: AnyArray) -> AnyArray:
        """Return labels as numbers, or 1 where the label is the claimed class."""
        if self.label is None:
            return super().encode(model, y)
        if self.label not in np.asarray(model.classes_).tolist():
            raise ValueError(
                f"label={self.label!r} is not among the classes {np.asarray(model.classes_).tolist()} of the learner."
            )
        return np.asarray(y == self.label, dtype=np.float64)

    def outputs(self, model: Any, X: Any) -> AnyArray:
        """Return strengths; with limits by row, strengths, lower and upper limits as columns."""
        if self.label is not None:
            place = np.asarray(model.classes_).tolist().index(self.label)
            return probabilities(model, X)[:, place]
        predictions = numeric_predictions(model, X)
        if not self.has_row_limits:
            return self._strength(predictions, self.above, self.below)
        limits = [
            np.full(predictions.size, end) if limit is None else _row_values(limit, X, predictions.size)
            for limit, end in ((self.above, -np.inf), (self.below, np.inf))
        ]
        return np.column_stack([self._strength(predictions, *limits), *limits])

    def _strength(self, predictions: Float1D, above: Any, below: Any) -> Float1D:
        """The prediction, its negative, or its distance inside the limits."""
        if below is None:
            return predictions
        if above is None:
            return -predictions
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
        above, below = (outputs[:, 1], outputs[:, 2]) if outputs.ndim > 1 else (self.above, self.below)
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
