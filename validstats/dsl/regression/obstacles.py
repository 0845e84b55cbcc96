"""Why a regression has no root: too few labels, columns that others nearly span, or separation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import optimize

from validstats._typing import Bool1D, Float1D, Float2D
from validstats.dsl.fit import NoRootError, Sample, estimable, no_root_message
from validstats.dsl.moments import RegressionRows, labelled_units
from validstats.exceptions import (
    LabellingWarning,
    near_collinearity_message,
    separation_message,
    too_few_labels_message,
    warn,
)

__all__ = ["check_labels_suffice", "check_separation", "no_root", "warn_about_near_collinearity"]

_NO_DIGITS = 1e-7
"""Smallest over largest singular value of the labelled design, columns scaled, below which no root is found."""

_FEW_DIGITS = 1e-4
"""The same, below which standard errors are thousands of times those of columns that are told apart."""

_PART = 0.1
"""Columns that take part in a direction: those whose entry is a tenth of its largest."""


def no_root(sample: Sample, names: Sequence[str]) -> NoRootError:
    """Return the error that says why there is no root, or that nothing is known about it."""
    message = (
        _too_few(sample, names) or _nearly_spanned(sample, names, _NO_DIGITS) or _separated(sample, names)
    )
    reason = no_root_message.format(n_labelled=sample.n_labelled, n_params=len(names), reason="")
    return NoRootError(message or reason)


def check_labels_suffice(sample: Sample, names: Sequence[str]) -> None:
    """Refuse labels that are fewer than the coefficients and tell nothing about any of them."""
    message = _too_few(sample, names)
    if message and not np.any(estimable(sample)):
        raise NoRootError(message)


def check_separation(sample: Sample, params: Float1D, names: Sequence[str]) -> None:
    """Refuse a binomial or multinomial fit whose curvature has vanished in some direction."""
    if not sample.moment.has_classes:
        return
    rows = sample.gold
    curvature = sample.moment.jacobian(rows, params, np.ones(rows.n_rows))
    with np.errstate(all="ignore"):
        flat = sample.moment.jacobian(rows, np.zeros_like(params), np.ones(rows.n_rows))
    if not (np.all(np.isfinite(flat)) and np.all(np.isfinite(curvature))):
        return
    relative = np.linalg.eigvals(np.linalg.lstsq(flat, curvature, rcond=None)[0]).real
    if relative.min() < 1e-6:
        raise no_root(sample, names)


def warn_about_near_collinearity(sample: Sample, names: Sequence[str]) -> None:
    """Warn of columns that the labelled rows hardly tell apart."""
    message = _nearly_spanned(sample, names, _FEW_DIGITS)
    if message:
        warn(message, LabellingWarning)


def _too_few(sample: Sample, names: Sequence[str]) -> str:
    units = labelled_units(sample.drawn, np.ones(sample.n_labelled, dtype=np.bool_))
    if units >= len(names):
        return ""
    return too_few_labels_message.format(n_labelled=units, n_params=len(names), needed=len(names) + 10)


def _unit_columns(design: Float2D) -> Float2D:
    """Return a design with columns of length one."""
    length = np.linalg.norm(design, axis=0)
    return np.asarray(design / np.where(length > 0.0, length, 1.0), dtype=np.float64)


def _column_names(rows: RegressionRows, names: Sequence[str]) -> list[str] | None:
    """Return the names of the columns of the design; a multinomial model repeats them behind each class."""
    k = rows.X.shape[1]
    if k == 0 or len(names) % k:
        return None
    return [name if len(names) == k else name.rpartition(": ")[2] for name in names[:k]]


def _nearly_spanned(sample: Sample, names: Sequence[str], bound: float) -> str:
    rows = sample.gold
    columns = _column_names(rows, names)
    if columns is None or rows.n_rows < len(columns):
        return ""
    design = rows.X
    constant = np.ptp(design, axis=0) == 0.0
    if constant.any():
        # beside an intercept the origin of a column does not matter: years are no near-constant
        columns = [name for name, fixed in zip(columns, constant, strict=True) if not fixed]
        design = design[:, ~constant] - design[:, ~constant].mean(axis=0)
    if len(columns) < 2:
        return ""
    triangle = np.linalg.qr(_unit_columns(design), mode="r")
    _, values, right = np.linalg.svd(triangle)
    # exact spans have their own messages
    if not 1e-12 * values[0] < values[-1] < bound * values[0]:
        return ""
    direction = np.abs(right[-1])
    involved = [repr(columns[int(j)]) for j in np.flatnonzero(direction > _PART * direction.max())]
    return near_collinearity_message.format(
        columns=", ".join(involved), condition=values[0] / values[-1], n_labelled=rows.n_rows
    )


def _separated(sample: Sample, names: Sequence[str]) -> str:
    """Say along which columns covariates separate the classes of the labels, if they do."""
    rows = sample.gold
    columns = _column_names(rows, names)
    if not sample.moment.has_classes or columns is None:
        return ""
    shares = np.column_stack([1.0 - rows.y, rows.y]) if rows.y.ndim == 1 else rows.y
    present = np.flatnonzero(shares.max(axis=0) > 0.0)
    if len(present) == 1:
        return separation_message.format(
            columns="the intercept", what="all expert labels are of one class", n_labelled=rows.n_rows
        )
    scaled = _unit_columns(rows.X)
    classes = range(shares.shape[1] if shares.shape[1] > 2 else 1)

    def separated(kept: Bool1D) -> Bool1D:
        """Return which columns some separating direction uses."""
        used = np.zeros(len(columns), dtype=np.bool_)
        for k in classes:
            used[kept] |= np.abs(separating_direction(scaled[:, kept], shares[:, k])) > 1e-6
        return used

    everything = np.ones(len(columns), dtype=np.bool_)
    used = separated(everything)
    # those without which the others separate nothing, if there are any
    needed = [
        j
        for j in np.flatnonzero(used).tolist()
        if columns[j] != "Intercept" and not separated(everything & (np.arange(len(columns)) != j)).any()
    ]
    involved = [columns[j] for j in needed or np.flatnonzero(used).tolist()]
    if not involved:
        return ""
    return separation_message.format(
        columns=", ".join(map(repr, involved)),
        what="the covariates separate the classes of the expert labels",
        n_labelled=rows.n_rows,
    )


def separating_direction(design: Float2D, share: Float1D) -> Float1D:
    """Return a direction along which all rows of a class lie on one side of all others, or zeros.

    It solves ``max sum_i s_i x_i'b`` subject to ``s_i x_i'b >= 0`` and ``|b_j| <= 1``, with ``s_i`` the sign of the
    class; rows that belong to both must have ``x_i'b = 0`` (Albert and Anderson 1984, Biometrika 71, 1-10).
    """
    sign = np.sign(share - 0.5)
    pure = (share <= 0.0) | (share >= 1.0)
    directed = design[pure] * sign[pure, None]
    found = optimize.linprog(
        -directed.sum(axis=0),
        A_ub=-directed,
        b_ub=np.zeros(len(directed)),
        A_eq=design[~pure] if np.any(~pure) else None,
        b_eq=np.zeros(int(np.sum(~pure))) if np.any(~pure) else None,
        bounds=(-1.0, 1.0),
    )
    separated = found.status == 0 and -found.fun > 1e-9 * np.sqrt(len(directed))
    return np.asarray(found.x, dtype=np.float64) if separated else np.zeros(design.shape[1])
