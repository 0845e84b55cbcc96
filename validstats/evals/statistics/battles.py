"""Davidson's model of battles with ties: strengths, their sandwich covariance, and what cannot be estimated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from validstats._typing import Float1D, Float2D, Int1D

__all__ = ["BattleFit", "BattlesNotIdentifiedError", "connected_components", "davidson_fit", "win_rate"]

_STEP = 2.0
"""Largest change of a strength in one Newton step."""

_LIMIT = 12.0
"""Strengths beyond it belong to a system that never loses or never wins."""

_CONDITION = 1e10
"""Condition number of the Hessian from which strengths are not told apart by the battles."""


class BattlesNotIdentifiedError(ValueError):
    """The battles do not determine the strengths: a system never loses, never wins, or never meets the others."""


@dataclass(frozen=True)
class BattleFit:
    """Strengths of mean 0 with their covariance."""

    strength: Float1D
    log_tie: float | None
    """Logarithm of nu; None without ties (Bradley and Terry's model)."""
    order_effect: float | None
    """Advantage of the system shown first, on the scale of strengths."""
    covariance: Float2D
    """Covariance of the strengths, from sums over prompts."""
    order_variance: float | None
    fitted: Float2D
    """Fitted P(first wins), P(second wins), P(tie) of every battle."""


def connected_components(first: Int1D, second: Int1D, n_systems: int) -> Int1D:
    """Component of every system in the graph of who met whom."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components as components

    graph = coo_array((np.ones(len(first)), (first, second)), shape=(n_systems, n_systems))
    return components(graph, directed=False)[1].astype(np.int64)


def _probabilities(d: Float1D, nu: float) -> Float2D:
    """``e^{d/2}/Z, e^{-d/2}/Z, nu/Z`` with ``Z = e^{d/2} + e^{-d/2} + nu`` (Davidson 1970)."""
    up, down = np.exp(0.5 * d), np.exp(-0.5 * d)
    z = up + down + nu
    return np.column_stack([up / z, down / z, nu / z])


def davidson_fit(
    first: Int1D,
    second: Int1D,
    outcome: Float1D,
    tie: Float1D,
    prompts: Int1D,
    n_systems: int,
    *,
    weights: Float1D | None = None,
    order_effect: bool = False,
) -> BattleFit:
    """Root of Davidson's moments ``sum x (s - E s) = 0``, ``sum (t - E t) = 0`` with ``x = e_a - e_b``.

    ``outcome`` is (1{first wins} - 1{second wins})/2 and ``tie`` 1{tie}, either observed or corrected for a judge.
    """
    weights = np.ones(len(first)) if weights is None else weights
    has_ties = bool(np.any(tie != 0.0))
    n_extra = int(order_effect)
    theta, extra, log_nu = np.zeros(n_systems), np.zeros(n_extra), 0.0
    total = float(weights.sum())
    size = n_systems + n_extra + int(has_ties)
    tie_share = float(np.sum(weights * tie) / total)
    if has_ties and not 0.0 < tie_share < 1.0:
        raise BattlesNotIdentifiedError(
            f"The corrected share of ties is {tie_share:.3g}; a share in (0, 1) is needed. Give scale='win_rate'."
        )
    for _ in range(200):
        d = theta[first] - theta[second] + (extra[0] if n_extra else 0.0)
        p = _probabilities(d, np.exp(log_nu) if has_ties else 0.0)
        s_mean, t_mean = 0.5 * (p[:, 0] - p[:, 1]), p[:, 2]
        score = _assemble(
            first,
            second,
            weights * (outcome - s_mean),
            weights * (tie - t_mean),
            n_systems,
            n_extra,
            has_ties,
        )
        hessian = _hessian(first, second, p, weights, n_systems, n_extra, has_ties)
        # The direction of equal shifts has no information: 1 1'/M trace/M fixes the mean.
        shift = np.zeros(size)
        shift[:n_systems] = 1.0
        scale = np.trace(hessian[:n_systems, :n_systems]) / n_systems
        fixed = hessian + np.outer(shift, shift) * scale / n_systems
        if not np.all(np.isfinite(fixed)) or np.linalg.cond(fixed) > _CONDITION:
            raise BattlesNotIdentifiedError(_not_identified(theta))
        step = np.linalg.solve(fixed, score)
        step *= min(1.0, _STEP / max(float(np.max(np.abs(step))), 1e-300))
        theta = theta + step[:n_systems] - step[:n_systems].mean()
        extra = extra + step[n_systems : n_systems + n_extra]
        log_nu += float(step[-1]) if has_ties else 0.0
        if np.max(np.abs(theta)) > _LIMIT:
            raise BattlesNotIdentifiedError(_not_identified(theta))
        if np.max(np.abs(step)) < 1e-11:
            break
    # Sandwich of sums over prompts, factor G/(G - 1).
    rows_s, rows_t = weights * (outcome - s_mean), weights * (tie - t_mean)
    n_prompts = int(prompts.max()) + 1
    sums = np.zeros((n_prompts, size))
    np.add.at(sums, (prompts, first), rows_s)
    np.add.at(sums, (prompts, second), -rows_s)
    if n_extra:
        sums[:, n_systems] = np.bincount(prompts, rows_s, n_prompts)
    if has_ties:
        sums[:, -1] = np.bincount(prompts, rows_t, n_prompts)
    influence = np.linalg.solve(fixed, sums.T).T
    influence[:, :n_systems] -= influence[:, :n_systems].mean(axis=1, keepdims=True)
    covariance = influence.T @ influence * (n_prompts / max(n_prompts - 1, 1))
    return BattleFit(
        strength=theta,
        log_tie=log_nu if has_ties else None,
        order_effect=float(extra[0]) if n_extra else None,
        covariance=covariance[:n_systems, :n_systems],
        order_variance=float(covariance[n_systems, n_systems]) if n_extra else None,
        fitted=p,
    )


def _assemble(
    first: Int1D, second: Int1D, s: Float1D, t: Float1D, n_systems: int, n_extra: int, has_ties: bool
) -> Float1D:
    """Totals of the moments."""
    parts = [np.bincount(first, s, n_systems) - np.bincount(second, s, n_systems)]
    if n_extra:
        parts.append(np.array([s.sum()]))
    if has_ties:
        parts.append(np.array([t.sum()]))
    return np.concatenate(parts)


def _hessian(
    first: Int1D, second: Int1D, p: Float2D, weights: Float1D, n_systems: int, n_extra: int, has_ties: bool
) -> Float2D:
    """Expected information: covariances of (s, t) under the fitted probabilities."""
    s = 0.5 * (p[:, 0] - p[:, 1])
    ss = weights * (0.25 * (p[:, 0] + p[:, 1]) - s * s)  # Var s
    st = -weights * s * p[:, 2]  # Cov(s, t), since s t = 0
    tt = weights * p[:, 2] * (1.0 - p[:, 2])  # Var t
    size = n_systems + n_extra + int(has_ties)
    h = np.zeros((size, size))
    pair = np.bincount(first * n_systems + second, ss, n_systems * n_systems).reshape(n_systems, n_systems)
    pair = pair + pair.T
    h[:n_systems, :n_systems] = np.diag(pair.sum(axis=1)) - pair
    if n_extra:
        cross = np.bincount(first, ss, n_systems) - np.bincount(second, ss, n_systems)
        h[:n_systems, n_systems] = h[n_systems, :n_systems] = cross
        h[n_systems, n_systems] = ss.sum()
    if has_ties:
        cross = np.bincount(first, st, n_systems) - np.bincount(second, st, n_systems)
        h[:n_systems, -1] = h[-1, :n_systems] = cross
        if n_extra:
            h[n_systems, -1] = h[-1, n_systems] = st.sum()
        h[-1, -1] = tt.sum()
    return h


def _not_identified(theta: Float1D) -> str:
    if not theta.any():  # singular before the first step, whatever the outcomes
        return (
            "These battles do not tell the strengths from each other, or from the advantage of being shown first; swap the "
            "order in some of them, leave order_effect= out, or add battles between the systems."
        )
    worst = int(np.argmax(np.abs(theta)))
    how = "never loses" if theta[worst] > 0 else "never wins"
    return (
        f"System number {worst} {how} in these battles (after correction), so its strength has no finite value. "
        "Give scale='win_rate', or add battles between systems of neighbouring strength."
    )


def win_rate(
    first: Int1D, second: Int1D, outcome: Float1D, prompts: Int1D, n_systems: int
) -> tuple[Float1D, Float2D]:
    """Mean over opponents of P(win) + P(tie)/2, and its covariance from sums over prompts."""
    n_prompts = int(prompts.max()) + 1
    # Win plus half a tie of the first system is 1/2 + outcome; of the second 1/2 - outcome.
    a, b = np.concatenate([first, second]), np.concatenate([second, first])
    points = np.concatenate([0.5 + outcome, 0.5 - outcome])
    prompt = np.concatenate([prompts, prompts])
    cell = a * n_systems + b
    count = np.bincount(cell, minlength=n_systems**2).astype(float)
    mean = np.divide(
        np.bincount(cell, points, n_systems**2), count, out=np.zeros_like(count), where=count > 0
    )
    met = (count > 0).reshape(n_systems, n_systems)
    opponents = met.sum(axis=1)
    rate = mean.reshape(n_systems, n_systems).sum(axis=1) / np.maximum(opponents, 1)
    influence = np.zeros((n_prompts, n_systems))
    np.add.at(influence, (prompt, a), (points - mean[cell]) / (count[cell] * opponents[a]))
    return rate, influence.T @ influence * (n_prompts / max(n_prompts - 1, 1))
