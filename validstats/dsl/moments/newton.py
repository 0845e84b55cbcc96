"""Newton's method on estimating equations, and what to say when there is no root."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg

from validstats._typing import Float1D, Float2D

__all__ = [
    "NewtonResult",
    "collinear_columns",
    "find_root",
    "invert_bread",
    "scale_rows_and_columns",
    "singular_reason",
]

_SINGULAR = 1e-13
"""Smallest over largest singular value, rows and columns scaled, below which a Jacobian counts as singular."""

_SCALING_PASSES = 3
"""Passes of the scaling of rows and columns."""


@dataclass(frozen=True, kw_only=True)
class NewtonResult:
    """Outcome of Newton's method."""

    params: Float1D  # last iterate
    converged: bool  # whether the last Newton step is below the tolerance
    reason: str  # why it stopped
    n_iterations: int  # number of Newton steps
    largest_moment: float  # largest absolute mean score at ``params``


def scale_rows_and_columns(jacobian: Float2D) -> tuple[Float1D, Float1D]:
    """Return factors of the rows (equations) and columns (parameters) that bring the largest entries to about one.

    Parameters
    ----------
    jacobian : ndarray of shape (p, p)
        Any finite matrix; rows and columns of zeros keep the factor one.

    Returns
    -------
    rows, columns : ndarray of shape (p,)
        ``rows[:, None] * jacobian * columns`` is the scaled matrix.

    References
    ----------
    Ruiz (2001), A scaling algorithm to equilibrate both rows and columns norms in matrices, RAL-TR-2001-034.
    """
    rows, columns = np.ones(len(jacobian)), np.ones(len(jacobian))
    for _ in range(_SCALING_PASSES):
        for factors, axis in ((rows, 1), (columns, 0)):
            largest = np.max(np.abs(rows[:, None] * jacobian * columns), axis=axis)
            factors /= np.where(largest > 0.0, largest, 1.0)
    return rows, columns


def _newton_step(jacobian: Float2D, moment: Float1D) -> Float1D | None:
    if len(moment) == 1:
        with np.errstate(divide="ignore", invalid="ignore"):
            step = moment / jacobian[0, 0]
        return step if np.isfinite(step[0]) else None
    if not np.all(np.isfinite(jacobian)):
        return None
    rows, columns = scale_rows_and_columns(jacobian)
    try:
        # J^-1 = C (R J C)^-1 R, whatever the order of the equations
        step = np.linalg.solve(rows[:, None] * jacobian * columns, rows * moment) * columns
    except np.linalg.LinAlgError:
        return None
    return step if np.all(np.isfinite(step)) else None


def find_root(
    moment: Callable[[Float1D], Float1D],
    jacobian: Callable[[Float1D], Float2D],
    start: Float1D,
    *,
    tolerance: float = 1e-12,
    max_iterations: int = 100,
    max_halvings: int = 30,
    is_affine: bool = False,
) -> NewtonResult:
    """Solve ``moment(b) = 0`` by Newton's method with step halving."""
    # A step is accepted when it passes the natural monotonicity test: the Newton correction that the old
    # Jacobian assigns to the new point is shorter than the step itself. The test does not change under linear
    # reparametrisation, so badly scaled columns need no standardisation.
    # The root, or the last iterate with ``converged=False`` and the reason.
    # Source: P. Deuflhard (2011), Newton Methods for Nonlinear Problems, Section 2.1.
    params = np.array(start, dtype=np.float64)
    value = moment(params)
    reason, converged, n_steps = "the number of iterations is exhausted", False, 0
    slope: Float2D | None = None
    with np.errstate(all="ignore"):
        for _ in range(max_iterations):
            n_steps += 1
            slope = jacobian(params) if slope is None or not is_affine else slope
            step = _newton_step(slope, value)
            if step is None:
                reason = "the Jacobian is singular"
                break
            length = _relative_length(step, params)
            factor, accepted = 1.0, False
            correction: Float1D | None = None
            for _ in range(max_halvings):
                trial = params + factor * step
                trial_value = moment(trial)
                correction = _newton_step(slope, trial_value) if np.all(np.isfinite(trial_value)) else None
                if correction is not None and (
                    length < 1e-8 or _relative_length(correction, params) <= (1.0 - factor / 4.0) * length
                ):
                    accepted = True
                    break
                factor /= 2.0
            if not accepted or correction is None:
                reason = "no step along the Newton direction reduces the moment"
                break
            params, value = trial, trial_value
            remaining = _relative_length(correction, params)
            if factor == 1.0 and (length < tolerance or (is_affine and remaining < tolerance)):
                converged, reason = True, "converged"
                break
            if length < 1e-8 and factor == 1.0 and remaining >= length / 2.0:
                converged, reason = True, "converged to the accuracy of the arithmetic"
                break
    return NewtonResult(
        params=params,
        converged=converged,
        reason=reason,
        n_iterations=n_steps,
        largest_moment=float(np.max(np.abs(value))) if np.all(np.isfinite(value)) else float("inf"),
    )


def _relative_length(step: Float1D, params: Float1D) -> float:
    return float(np.max(np.abs(step) / (1.0 + np.abs(params))))


def collinear_columns(matrix: Float2D, names: Sequence[str], tolerance: float = 1e-10) -> list[str]:
    """Return the names of columns that the columns before them already span."""
    norms = np.linalg.norm(matrix, axis=0)
    scaled = matrix / np.where(norms > 0.0, norms, 1.0)
    if matrix.shape[0] < matrix.shape[1]:
        scaled = np.vstack([scaled, np.zeros((matrix.shape[1] - matrix.shape[0], matrix.shape[1]))])
    triangle = scipy.linalg.qr(scaled, mode="r", check_finite=False)[0][: matrix.shape[1]]
    return [names[j] for j in range(matrix.shape[1]) if abs(triangle[j, j]) <= tolerance]


def invert_bread(jacobian: Float2D) -> Float2D | None:
    """Return the inverse of a mean Jacobian, or None where it is singular to working precision.

    Parameters
    ----------
    jacobian : ndarray of shape (p, p)
        Mean negative derivative of the score, equations in any order.

    Returns
    -------
    ndarray of shape (p, p) or None
        Inverse, computed after scaling rows and columns.
    """
    if not np.all(np.isfinite(jacobian)):
        return None
    if len(jacobian) == 1:
        return None if jacobian[0, 0] == 0.0 else 1.0 / jacobian
    rows, columns = scale_rows_and_columns(jacobian)
    scaled = rows[:, None] * jacobian * columns
    left, values, right = np.linalg.svd(scaled)
    if values[-1] < _SINGULAR * values[0]:
        return None
    return (columns[:, None] * right.T) @ (left / values).T * rows


def singular_reason(jacobian: Float2D, names: Sequence[str]) -> str | None:
    """Say why a Jacobian cannot be inverted, or None where it can.

    Parameters
    ----------
    jacobian : ndarray of shape (p, p)
        Mean negative derivative of the score: row an equation, column a parameter.
    names : sequence of str
        Names of the parameters.

    Returns
    -------
    str or None
        The equation that depends on no parameter, the parameter that no equation depends on, or the parameters that
        the equations do not tell apart.

    Examples
    --------
    >>> import numpy as np
    >>> singular_reason(np.array([[1.0, 2.0], [2.0, 4.0]]), ["a", "b"])
    "the equations do not tell the parameters 'a', 'b' apart"
    """
    if not np.all(np.isfinite(jacobian)):
        return "the derivative of the equations is not finite"
    dead = np.flatnonzero(~np.any(jacobian != 0.0, axis=1))
    if len(dead):
        return f"equation {int(dead[0]) + 1} does not depend on any parameter"
    unused = np.flatnonzero(~np.any(jacobian != 0.0, axis=0))
    if len(unused):
        return f"no equation depends on the parameter {names[int(unused[0])]!r}"
    rows, columns = scale_rows_and_columns(jacobian)
    _, values, right = np.linalg.svd(rows[:, None] * jacobian * columns)
    if values[-1] >= _SINGULAR * values[0]:
        return None
    involved = np.flatnonzero(np.abs(right[-1]) > 0.1 * np.abs(right[-1]).max())
    return (
        f"the equations do not tell the parameters {', '.join(repr(names[int(k)]) for k in involved)} apart"
    )
