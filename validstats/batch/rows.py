"""Rows and labels on their way into a calibration: splitting, taking, digesting, rejecting."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import column_or_1d

from validstats._typing import AnyArray, Int1D
from validstats.batch.scores import ErrorScore, ProbabilityScore, Score
from validstats.intake import (
    check_in_range,
    check_random_state,
    check_vector,
    is_missing,
    read_array,
    row_digests,
)

__all__ = [
    "encode_labels",
    "label_array",
    "rejection_keep",
    "row_digests_with_labels",
    "split_rows",
    "take_labels",
    "take_rows",
]

_DEFAULT_SHARE = 0.3


def label_array(y: Any) -> AnyArray:
    """Return labels as a one-dimensional array.

    Parameters
    ----------
    y : array-like of shape (n,) or (n, 1)
        Labels of any type.

    Returns
    -------
    ndarray of shape (n,)
        The labels.

    Raises
    ------
    ValueError
        If y is None, not one-dimensional, or has missing values.
    """
    if y is None:
        raise ValueError("This estimator requires y to be passed, but the target y is None.")
    if np.asarray(y).dtype.kind == "c":
        raise ValueError("Complex data not supported: y must hold real numbers or categories.")
    labels = read_array(y, "y")
    if labels.ndim != 1:
        labels = column_or_1d(labels, warn=True)
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise ValueError("Input y contains NaN or infinity; remove those rows first.")
    if labels.dtype.kind == "O" and (missing := sum(is_missing(label) for label in labels.tolist())):
        raise ValueError(f"y has {missing} missing value(s); remove those rows first.")
    return labels


def split_rows(
    n: int, calibration_size: float | int | None, frozen: bool, rng: np.random.Generator
) -> tuple[Int1D, Int1D]:
    """Split row positions at random into training and calibration.

    Parameters
    ----------
    n : int
        Number of rows.
    calibration_size : float, int or None
        Share in (0, 1), number, or None for the default.
    frozen : bool
        Whether the learner needs no training.
    rng : numpy.random.Generator
        Stream.

    Returns
    -------
    tuple of ndarray
        Positions for training and for calibration, each in increasing order.

    Raises
    ------
    TypeError, ValueError
        If the size is invalid, or one of the parts would be empty.
    """
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
            f"calibration_size={calibration_size!r} leaves no row for training or for calibration: n_samples = {n}, "
            f"calibration rows = {n_calibration}."
        )
    order = rng.permutation(n)
    return np.sort(order[n_calibration:]), np.sort(order[:n_calibration])


def take_rows(X: Any, index: Int1D) -> Any:
    """Take rows of an array, list, sparse matrix or data frame.

    Parameters
    ----------
    X : array-like of n rows
        Rows.
    index : ndarray of int
        Positions.

    Returns
    -------
    object
        Of the type of X.
    """
    if sparse.issparse(X):
        compressed: Any = X
        return compressed.tocsr()[index]
    if not hasattr(X, "__getitem__") and not hasattr(X, "iloc"):
        X = np.asarray(X)
    return _safe_indexing(X, index)


def take_labels(y: Any, index: Int1D) -> Any:
    """Take labels, leaving their container to the learner.

    Parameters
    ----------
    y : array-like of n labels
        Labels.
    index : ndarray of int
        Positions.

    Returns
    -------
    object
        Of the type of y.
    """
    return take_rows(y, index)


def encode_labels(y: AnyArray, score: Score, model: Any) -> AnyArray:
    """Turn labels into what a score compares: class indices, indicators, or numbers.

    Parameters
    ----------
    y : ndarray of shape (n,)
        Labels.
    score : Score
        The score.
    model : estimator
        Fitted learner.

    Returns
    -------
    ndarray of shape (n,)
        Indices (-1 for an unseen class), labels, or float64 numbers.

    Raises
    ------
    TypeError, ValueError
        If the labels do not fit.
    """
    classes = getattr(model, "classes_", None)
    if isinstance(score, ProbabilityScore):
        known = np.asarray(classes)
        order = np.argsort(known, kind="stable")
        index = order[np.clip(np.searchsorted(known[order], y), 0, len(known) - 1)]
        return np.where(known[index] == y, index, -1)
    if isinstance(score, ErrorScore) and score.tolerance is None:
        return y
    if classes is not None:
        if len(classes) != 2:
            raise ValueError(
                f"This target needs numeric or binary labels, and the classifier has {len(classes)} classes."
            )
        if unseen := sorted(set(np.unique(y).tolist()) - set(np.asarray(classes).tolist())):
            raise ValueError(f"The labels {unseen} are not among the classes {np.asarray(classes).tolist()}.")
        return np.asarray(y == classes[1], dtype=np.float64)
    return check_vector(y, "y") if y.dtype != np.float64 else y


def rejection_keep(
    weights: Any, w_max: float | None, n: int, rng: np.random.Generator | None
) -> Int1D | None:
    """Draw the rows that are kept under covariate shift.

    Parameters
    ----------
    weights : array-like of shape (n,) or None
        Known density ratio of each row.
    w_max : float or None
        Declared bound of the ratio.
    n : int
        Number of rows.
    rng : numpy.random.Generator or None
        Stream; unused without weights.

    Returns
    -------
    ndarray of int or None
        Positions kept, each with probability weight / w_max; None without weights.

    Raises
    ------
    ValueError
        If w_max is missing, a weight is negative or above it, or no row is kept.
    """
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


def row_digests_with_labels(X: Any, y: AnyArray) -> AnyArray:
    """Digest rows together with their labels.

    Parameters
    ----------
    X : array-like of n rows
        Rows.
    y : ndarray of shape (n,)
        Labels.

    Returns
    -------
    ndarray of uint64, shape (n,)
        One digest a row.
    """
    with np.errstate(over="ignore"):
        return np.asarray(row_digests(X) * np.uint64(0x9E3779B97F4A7C15) ^ row_digests(y.reshape(-1, 1)))
