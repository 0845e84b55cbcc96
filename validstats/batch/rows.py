"""Rows and labels on their way into a calibration: reading, splitting, taking, digesting, rejecting, grouping."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Self

import numpy as np
from scipy import sparse
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples, column_or_1d

from validstats._typing import AnyArray, Float1D, FrameBackend, Int1D, RandomState
from validstats.batch.scores import unwritable
from validstats.intake import (
    RowLabels,
    align,
    check_groups,
    check_in_range,
    check_random_state,
    check_same_length,
    check_vector,
    column,
    columns,
    fit_parameters,
    is_frame,
    is_missing,
    read_array,
    read_outcome,
    row_labels,
    take_parameters,
)

__all__ = [
    "AskedRows",
    "LabelledRows",
    "check_strata_kind",
    "check_units",
    "check_whole_batches",
    "column_values",
    "kept_rows",
    "looked_at",
    "numeric_columns",
    "numeric_values",
    "split_batches",
]

_DEFAULT_BATCH_SHARE = 0.5
"""Share of the whole batches that calibrate: they are few, and each counts once."""
_LOOKED_AT = 200
"""Random rows a side whose covariates are compared: enough to see half a standard deviation, and quick."""
_MOST_COLUMNS = 500
_DEFAULT_SHARE = 0.3
"""Share of the rows given to ``fit`` that calibrate where the user does not say."""


@dataclass(frozen=True, eq=False)
class LabelledRows:
    """Rows with labels, as they were handed over."""

    X: Any
    y: AnyArray
    # The same in the container that the learner gets.
    labels: Any
    strata: AnyArray | None = None
    # Known ratio of the batch's density to the density of these rows.
    weights: Float1D | None = None
    batches: AnyArray | None = None
    # What a batch is called, as in "week".
    batch_name: str = "batch"
    # The learner's own fit parameters.
    parameters: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(
        cls,
        X: Any,
        y: Any,
        strata: Any = None,
        weights: Any = None,
        batches: Any = None,
        ids: Any = None,
        weights_name: str = "weights",
        positive: Any = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> Self:
        """Check rows; ``strata`` and ``batches`` are columns of X by name or position, callables, arrays, or None."""
        rows = row_labels(X, ids)
        y, weights = align(y, rows, "y"), align(weights, rows, weights_name)
        if positive is not None and y is not None:
            y = read_outcome(y, "y", positive=positive).astype(np.int64)
        labels = label_array(y)
        arrays = {
            name: None if values is None or callable(values) or isinstance(values, str | int) else values
            for name, values in (("strata", strata), ("batches", batches))
        }
        check_same_length(X=_RowCount(X), y=labels, **{weights_name: weights}, **arrays)
        check_units(batches, strata, weights)
        return cls(
            X,
            labels,
            y if hasattr(y, "__getitem__") and not isinstance(y, memoryview) else labels,
            None if strata is None else column_values(X, strata, "strata", rows),
            None if weights is None else check_vector(weights, weights_name),
            None if batches is None else check_whole_batches(column_values(X, batches, "batches", rows)),
            _name_of(batches),
            fit_parameters(parameters or {}, rows),
        )

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.y.size)

    def take(self, index: Int1D) -> Self:
        """The rows at some positions."""
        return replace(
            self,
            X=take_rows(self.X, index),
            y=self.y[index],
            labels=take_rows(self.labels, index),
            strata=None if self.strata is None else self.strata[index],
            weights=None if self.weights is None else self.weights[index],
            batches=None if self.batches is None else self.batches[index],
            parameters=take_parameters(self.parameters, index, self.n),
        )

    def split(self, size: float | int | None, frozen: bool, rng: np.random.Generator) -> tuple[Self, Self]:
        """Training and calibration rows, split at random; no training rows for a learner that needs none."""
        if self.batches is None:
            train, reserve = split_rows(self.n, size, frozen, rng)
            return self.take(train), self.take(reserve)
        # whole batches go to one side: a learner that saw half of a batch shrinks the residuals of the other half
        names, codes = np.unique(self.batches, return_inverse=True)
        share = _DEFAULT_BATCH_SHARE if size is None and not frozen else size
        _, kept = split_rows(names.size, share, frozen, rng, unit="batch")
        inside = np.isin(codes, kept)
        return self.take(np.flatnonzero(~inside)), self.take(np.flatnonzero(inside))

    def kept(self, w_max: float | None, random_state: RandomState) -> tuple[Self, int]:
        """Rows kept under covariate shift, and the seed of everything random that follows."""
        keep, seed = kept_rows(self.weights, w_max, self.n, random_state)
        return self if keep is None else self.take(keep), seed


@dataclass(frozen=True, eq=False)
class AskedRows:
    """Unlabelled rows as an inquiry reads them."""

    # Model outputs of all rows.
    outputs: AnyArray
    # Batch and stratum of each row; None where there are none.
    batches: AnyArray | None
    strata: AnyArray | None
    # Who the rows are.
    named: RowLabels
    backend: FrameBackend
    # Numeric columns of the random rows that a generator chooses.
    compared: Callable[[np.random.Generator], dict[Any, Float1D]]

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.outputs)


def kept_rows(
    weights: Any, w_max: float | None, n: int, random_state: RandomState
) -> tuple[Int1D | None, int]:
    """Positions kept under covariate shift (None for all), and the seed of everything random that follows."""
    if weights is None and isinstance(random_state, int):
        rejection_keep(None, w_max, n, None)
        return None, _first_seed(random_state)
    rng = check_random_state(random_state)
    keep = rejection_keep(weights, w_max, n, rng)
    return keep, int(rng.integers(2**63))


def check_units(batches: Any, strata: Any, weights: Any) -> None:
    """Refuse batches beside what is for single rows."""
    if batches is not None and (strata is not None or weights is not None):
        other = "strata" if strata is not None else "weights"
        raise ValueError(f"Whole batches are calibrated without {other}: pass batches, or {other}, not both.")


def looked_at(n: int, rng: np.random.Generator) -> Int1D:
    """Positions of the random rows whose covariates are compared, in increasing order."""
    return np.arange(n) if n <= _LOOKED_AT else np.sort(rng.choice(n, _LOOKED_AT, replace=False))


def numeric_columns(X: Any, rng: np.random.Generator) -> dict[Any, Float1D]:
    """Numeric columns of at most 200 random rows of X, by name or position; empty for more than 500 columns."""
    return numeric_values(take_rows(X, looked_at(_num_samples(X), rng)))


def numeric_values(part: Any) -> dict[Any, Float1D]:
    """Numeric columns of rows, by name or position; empty for more than 500 columns."""
    if is_frame(part):
        names: list[Any] = [str(name) for name in getattr(part, "column_names", part.columns)]
        found = columns(part) if len(names) <= _MOST_COLUMNS else []
    else:
        width = part.shape[1] if getattr(part, "ndim", 1) > 1 else 1
        if width > _MOST_COLUMNS:
            return {}
        matrix = part.toarray() if sparse.issparse(part) else np.asarray(part)
        found = list(matrix.reshape(_num_samples(part), -1).T)
        names = list(range(len(found)))
    return {
        name: values.astype(np.float64) for name, values in zip(names, found) if values.dtype.kind in "iufb"
    }


def label_array(y: Any) -> AnyArray:
    """Labels as a one-dimensional array without missing values."""
    if y is None:
        raise ValueError("This estimator requires y to be passed, but the target y is None.")
    if getattr(y, "dtype", None) is not None and getattr(y.dtype, "kind", "") == "c":
        raise ValueError("Complex data not supported: y must hold real numbers or categories.")
    labels = read_array(y, "y")
    if labels.ndim != 1:
        if labels.ndim != 2 or labels.shape[1] != 1:
            raise ValueError(f"y must have one label a row, got shape {labels.shape}.")
        labels = column_or_1d(labels, warn=True)
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise ValueError("Input y contains NaN or infinity; remove those rows first.")
    if labels.dtype.kind == "O" and (missing := sum(is_missing(label) for label in labels.tolist())):
        raise ValueError(f"y has {missing} missing value(s); remove those rows first.")
    return labels


def split_rows(
    n: int,
    calibration_size: float | int | None,
    frozen: bool,
    rng: np.random.Generator,
    unit: str = "row",
) -> tuple[Int1D, Int1D]:
    """Positions for training and for calibration, each in increasing order."""
    if frozen and calibration_size is None:
        return np.empty(0, dtype=np.int64), np.arange(n)
    size = _DEFAULT_SHARE if calibration_size is None else calibration_size
    if isinstance(size, bool) or not isinstance(size, numbers.Real):
        raise TypeError(f"calibration_size must be a share, a number of rows or None, got {size!r}.")
    if isinstance(size, numbers.Integral):
        n_calibration = int(size)
    else:
        n_calibration = round(
            n * check_in_range(float(size), "calibration_size", 0, 1, low_open=True, high_open=True)
        )
    n_calibration = max(n_calibration, 1) if not isinstance(size, numbers.Integral) else n_calibration
    if not 1 <= n_calibration <= n - (0 if frozen else 1):
        raise ValueError(
            f"calibration_size={calibration_size!r} leaves no {unit} for training or for calibration: n_samples = {n}, "
            f"calibration {unit}{'es' if unit == 'batch' else 's'} = {n_calibration}."
        )
    order = rng.permutation(n)
    return np.sort(order[n_calibration:]), np.sort(order[:n_calibration])


def take_rows(X: Any, index: Int1D) -> Any:
    """Rows of an array, list, sparse matrix or data frame."""
    if type(X) is np.ndarray:
        return X[index]
    if sparse.issparse(X):
        compressed: Any = X
        return compressed.tocsr()[index]
    if not hasattr(X, "__getitem__") and not hasattr(X, "iloc"):
        X = np.asarray(X)
    return _safe_indexing(X, index)


def rejection_keep(
    weights: Any, w_max: float | None, n: int, rng: np.random.Generator | None
) -> Int1D | None:
    """Positions kept under covariate shift, each with probability weight / w_max; None without weights."""
    if weights is None:
        if w_max is not None:
            raise ValueError("w_max is given without weights; pass both for covariate shift, or neither.")
        return None
    w = check_vector(weights, "weights")
    if w.size != n:
        raise ValueError(f"weights must have one value for each of the {n} rows, got {w.size}.")
    if w_max is None:
        raise ValueError(
            "w_max is required with weights: a declared upper bound of the density ratio on its whole domain, not the "
            f"largest weight of this sample ({w.max():g})."
        )
    top = check_in_range(w_max, "w_max", 0, low_open=True)
    if w.min() < 0 or w.max() > top:
        raise ValueError(f"weights must lie in [0, w_max] = [0, {top:g}], got {w.min():g} to {w.max():g}.")
    keep = np.flatnonzero(check_random_state(rng).random(n) * top < w)
    if keep.size == 0:
        raise ValueError(
            f"Rejection by weights kept none of the {n} rows: the expected number is {w.sum() / top:.3g}. More calibration rows or a "
            "sharper w_max are needed."
        )
    return keep


@lru_cache(maxsize=256, typed=True)
def _first_seed(random_state: int) -> int:
    return int(check_random_state(random_state).integers(2**63))


def column_values(X: Any, chosen: Any, name: str, rows: RowLabels | None = None) -> AnyArray:
    """A copy of a column of X given by name or position, of a callable, or of an array; dates become text."""
    if callable(chosen):
        values = chosen(unwritable(X))
    elif isinstance(chosen, str):
        if not is_frame(X):
            raise TypeError(
                f"{name}={chosen!r} names a column, but X is no data frame; pass an array of labels."
            )
        values = column(X, chosen)
    elif isinstance(chosen, int) and not isinstance(chosen, bool):
        matrix = np.asarray(X)
        if matrix.ndim != 2 or not -matrix.shape[1] <= chosen < matrix.shape[1]:
            raise ValueError(
                f"{name}={chosen!r} is no position of a column of X, whose shape is {matrix.shape}."
            )
        values = matrix[:, chosen]
    else:
        values = align(chosen, row_labels(X) if rows is None else rows, name)
    groups = np.array(check_groups(values, name, _num_samples(X) if rows is None else rows.n))
    if groups.dtype.kind == "M":
        return np.datetime_as_string(groups, unit="auto")
    return groups.astype(str) if groups.dtype.kind == "m" else groups


def _name_of(batches: Any) -> str:
    """What a batch is called: the name of its column or series, as in "week"; "batch" where it has none."""
    name = batches if isinstance(batches, str) else getattr(batches, "name", None)
    return name if isinstance(name, str) and name else "batch"


def check_whole_batches(batches: AnyArray) -> AnyArray:
    """Batches of rows, refused where each has one row only: those are rows."""
    names = np.unique(batches)
    if names.size == batches.size and names.size > 1:
        raise ValueError(
            f"batches has a different value in each of the {names.size} rows; batches of one row are rows: leave it out."
        )
    return batches


def split_batches(n: int, batches: AnyArray | None) -> tuple[tuple[Any, ...], tuple[AnyArray, ...]]:
    """Labels of the batches of n rows and the positions of their rows; one batch where none are given."""
    if n == 0:
        raise ValueError("X has no rows: a batch needs at least one.")
    if batches is None:
        return ("all",), (np.arange(n),)
    names, codes = np.unique(batches, return_inverse=True)
    order = np.argsort(codes, kind="stable")
    return tuple(names.tolist()), tuple(np.split(order, np.cumsum(np.bincount(codes))[:-1]))


def check_strata_kind(calibrated: Any, added: AnyArray) -> None:
    """Raise if one array names strata by numbers and the other by text, which would make text of all of them."""
    kinds = ["text" if isinstance(v[:1].tolist()[0], str) else "numbers" for v in (calibrated, added)]
    if kinds[0] != kinds[1]:
        raise TypeError(
            f"strata were {kinds[0]} in the calibration and are {kinds[1]} in update(), such as {added.tolist()[0]!r}; name "
            "them in one way."
        )


class _RowCount:
    """Shape of anything with rows, so that lengths can be compared."""

    def __init__(self, X: Any) -> None:
        try:
            self.shape = (_num_samples(X),)
        except TypeError as error:
            raise TypeError(f"X must have rows: {error}") from None
