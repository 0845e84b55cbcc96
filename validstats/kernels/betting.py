"""Capital of bets against a population mean, along a grid of means that are tested from the top."""

from __future__ import annotations

import functools

import numpy as np

from validstats.kernels._jit import jit

__all__ = ["chain_of_rejections", "chain_of_rejections_plain"]

_BROKE = 0.999
"""Share of the largest bet that keeps capital positive."""
_POINTS_AT_ONCE = 512


def chain_of_rejections_plain(  # type: ignore[no-untyped-def]
    x, scale, size, top, step, first, alpha, tau, low, high, slack, hedge
):
    """:func:`chain_of_rejections` without a compiler: capitals of 512 means at a time."""
    n, cells, start = x.size, hedge.size - 1, first
    while True:
        goal = size * (top - np.arange(start, start + _POINTS_AT_ONCE) * step)
        capital, rejected = np.ones(goal.size), np.zeros(goal.size, dtype=bool)
        before = 0.0
        for i in range(n):
            before += x[i - 1] if i else 0.0
            mu = (goal - before) * (1.0 / (size - i))
            rejected |= mu > high + slack
            open_ = ~rejected & (mu > low) & (mu < high)
            if rejected.all():
                break
            mu, p = mu[open_], alpha * capital[open_] / tau
            bet = hedge[np.minimum((np.sqrt(p) * cells).astype(np.int64), cells)] * scale[i]
            if low > -np.inf:
                bet = np.where(bet * p * (mu - low) > 1.0 - p, (1.0 - p) / (p * (mu - low)), bet)
            bet = np.where(bet * (high - mu) > _BROKE, _BROKE / (high - mu), bet)
            capital[open_] *= 1.0 + bet * (mu - x[i])
            rejected |= alpha * capital >= 1.0
        rejected |= goal - before - x[n - 1] > (size - n) * (high + slack)
        if not rejected.all():
            return start + int(np.argmin(rejected))
        start += _POINTS_AT_ONCE


@functools.partial(jit, plain=chain_of_rejections_plain)
def chain_of_rejections(  # type: ignore[no-untyped-def]
    x, scale, size, top, step, first, alpha, tau, low, high, slack, hedge
):
    """Number j of the first mean ``top - j * step``, from ``first`` on, that the bets do not reject."""
    n = x.size
    cells = hedge.size - 1
    j = first
    while True:
        goal = size * (top - j * step)
        capital = 1.0
        rejected = False
        before = 0.0
        for i in range(n):
            # mean of what is still to come, if the grid's is the mean of all
            if i > 0:
                before += x[i - 1]
            mu = (goal - before) * (1.0 / (size - i))
            if mu > high + slack:
                rejected = True
                break
            if mu <= low or mu >= high:
                continue
            p = alpha * capital / tau
            bet = hedge[min(int(np.sqrt(p) * cells), cells)] * scale[i]
            if low > -np.inf and bet * p * (mu - low) > 1.0 - p:
                bet = (1.0 - p) / (p * (mu - low))
            if bet * (high - mu) > _BROKE:
                bet = _BROKE / (high - mu)
            capital *= 1.0 + bet * (mu - x[i])
            if alpha * capital >= 1.0:
                rejected = True
                break
        if not rejected:
            left = goal - before - x[n - 1]
            rejected = left > (size - n) * (high + slack)
        if not rejected:
            return j
        j += 1
