"""Checks of what a caller hands over, before anything is charged."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from validstats._typing import AnyArray, RandomState
from validstats.exceptions import DataReuseWarning, data_reuse_message, warn
from validstats.holdout.asking.desk import Parts, digests_of, is_estimator
from validstats.intake import (
    check_bounds,
    check_positive_int,
    check_random_state,
    holdout_fingerprint,
    read_array,
)

__all__ = [
    "check_finite_bounds",
    "check_labels",
    "check_users",
    "classes_of",
    "is_list_of_targets",
    "seed_of",
    "user_tag",
    "warn_about_reuse",
]


def check_labels(values: Any, n: int, name: str) -> AnyArray:
    """Return one label a row."""
    array = read_array(values, name)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1 or len(array) != n or n == 0:
        raise ValueError(
            f"{name} must have one value for each of the {n} rows of X, at least one, got shape {array.shape}."
        )
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f"{name} must not contain NaN or infinity.")
    if array.dtype.kind == "O" and any(value is None or value != value for value in array):
        raise ValueError(f"{name} must not contain missing values.")
    return array


def classes_of(labels: AnyArray) -> AnyArray:
    """Return the distinct labels in order; empty for a continuous target (numbers with fractions)."""
    distinct = np.unique(labels)
    continuous = labels.dtype.kind == "f" and not np.array_equal(distinct, np.round(distinct))
    return np.empty(0) if continuous else distinct


def seed_of(random_state: RandomState) -> int:
    """Draw the seed of the splits."""
    return int(check_random_state(random_state).integers(2**31))


def user_tag(X: Any, y: AnyArray, key: bytes) -> str:
    """Tag holdout rows under their user's key, so that a second ledger of the same rows is noticed."""
    return holdout_fingerprint(key, digests_of(key, X, y))


def warn_about_reuse(training: Any, parts: Parts) -> None:
    """Warn if holdout rows were trained on, as they are or with other features; labels are not looked at."""
    shared = parts.shared_with(training)
    if shared:
        rows = f"Rows of the holdout ({shared})"
        warn(data_reuse_message.format(rows=rows), DataReuseWarning)


def check_users(users: Mapping[str, int] | None, queries: int, user: str) -> dict[str, int]:
    """Return the queries of each user."""
    shares = {str(name): check_positive_int(count, "users") for name, count in (users or {}).items()}
    if sum(shares.values()) > queries:
        raise ValueError(
            f"users may have {sum(shares.values())} queries together, more than queries={queries}. Raise queries "
            "or lower the shares."
        )
    if shares and user not in shares:
        raise ValueError(f"user={user!r} has no share; users are {', '.join(map(repr, shares))}.")
    return shares


def check_finite_bounds(bounds: Any) -> tuple[float, float]:
    """Return two finite bounds."""
    low, high = check_bounds(bounds)
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError(
            f"bounds must be two finite numbers, got {bounds!r}: without bounds there is no guarantee. Clip the "
            "values to bounds that are fixed without looking at the holdout."
        )
    return low, high


def is_list_of_targets(target: Any) -> bool:
    """Tell whether a target is a list of estimators."""
    return isinstance(target, list | tuple) and len(target) > 0 and all(is_estimator(t) for t in target)
