"""Why a regression has no root: too few labels, columns that others nearly span, or separation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import optimize

from validstats._typing import Bool1D, Float1D, Float2D
from validstats.dsl.fit import NoRootError, Sample, no_root_message
from validstats.dsl.moments import (
    GLMMoment,
    column_names,
    labelled_units,
    nearly_spanned_columns,
    unit_columns,
)
from validstats.exceptions import near_collinearity_message, separation_message, too_few_labels_message

__all__ = ["no_root", "separating_direction"]

_NO_DIGITS = 1e-7
"""Smallest over largest singular value of the labelled design, columns scaled, below which no root is found."""


def no_root(sample: Sample, names: Sequence[str]) -> NoRootError:
    """Return the error that says why there is no root, or that nothing is known about it."""
    message = _too_few(sample, names) or _nearly_spanned(sample, names) or _separated(sample, names)
    nothing = isinstance(sample.moment, GLMMoment) and not np.any(sample.gold.y)
    zeros = ": all expert labels are 0" if nothing else ""
    unsaid = no_root_message.format(n_labelled=sample.n_labelled, n_params=len(names), reason=zeros)
    return NoRootError(message or unsaid)


def _too_few(sample: Sample, names: Sequence[str]) -> str:
    units = labelled_units(sample.drawn, np.ones(sample.n_labelled, dtype=np.bool_))
    if units >= len(names):
        return ""
    return too_few_labels_message.format(n_labelled=units, n_params=len(names), needed=len(names) + 10)


def _nearly_spanned(sample: Sample, names: Sequence[str]) -> str:
    columns = column_names(sample.gold, names)
    found = None if columns is None else nearly_spanned_columns(sample.gold.X, columns, _NO_DIGITS)
    if found is None:
        return ""
    involved, condition = found
    return near_collinearity_message.format(
        columns=", ".join(map(repr, involved)), condition=condition, n_labelled=sample.gold.n_rows
    )


def _separated(sample: Sample, names: Sequence[str]) -> str:
    """Say along which columns covariates separate the classes of the labels, if they do."""
    rows = sample.gold
    columns = column_names(rows, names)
    if not sample.moment.has_classes or columns is None:
        return ""
    shares = np.column_stack([1.0 - rows.y, rows.y]) if rows.y.ndim == 1 else rows.y
    present = np.flatnonzero(shares.max(axis=0) > 0.0)
    if len(present) == 1:
        return separation_message.format(
            columns="the intercept", what="all expert labels are of one class", n_labelled=rows.n_rows
        )
    scaled = unit_columns(rows.X)
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
