"""Dry runs: whether a declared budget can say anything, and how many rows that would take."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from validstats.exceptions import UninformativeWarning, uninformative_holdout_message, warn
from validstats.holdout.budget.books import Session, fresh_state
from validstats.holdout.mechanisms import SILENT, Declaration, mechanism

__all__ = ["dry_half_widths", "least_rows", "warn_if_silent"]

MOST_ROWS = 10**12
"""Where the search for enough rows ends."""


def dry_half_widths(name: str, state: Any, log_carry: float = 0.0) -> dict[str, float]:
    """Work out the half-widths of the next answer, on the scale of [0, 1], by a step that nobody sees."""
    chosen = mechanism(name)
    values: Any = np.broadcast_to(np.float64(0.5), (state.n,)) if chosen.needs_rows else 0.5
    if chosen.counts:
        values = np.zeros(state.n, dtype=np.bool_)
        values[: state.n // 2] = True
    guesses: dict[str, float | None] = (
        {"if its guess holds": 0.5, "if not": 0.0} if chosen.takes_guess else {"": None}
    )
    if chosen.takes_guess and not chosen.needs_guess:
        guesses["without a guess"] = None
    widths = {}
    for case, guess in guesses.items():
        release = chosen.step(state, values, guess, lambda role, law: 0.0, log_carry=log_carry)[1]
        if release.half_width is not None:
            widths[case] = release.half_width
    return widths


def least_rows(declared: Declaration, log_alpha: float) -> int | None:
    """Return the smallest number of rows at which a declared budget says something."""
    low, high = declared.n, 2 * declared.n
    while _is_silent_at(high, declared, log_alpha):
        low, high = high, 2 * high
        if high > MOST_ROWS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        if _is_silent_at(middle, declared, log_alpha):
            low = middle
        else:
            high = middle
    return high


def _is_silent_at(n: int, declared: Declaration, log_alpha: float) -> bool:
    options = {"n": n, "log_alpha": log_alpha, **mechanism(declared.mechanism).options(declared)}
    state = fresh_state(declared.mechanism, tuple(sorted(options.items())))
    return _is_silent(dry_half_widths(declared.mechanism, state))


def _is_silent(widths: dict[str, float]) -> bool:
    """Whether the best case, a guess that holds where there are guesses, says nothing."""
    return bool(widths) and next(iter(widths.values())) >= SILENT


def warn_if_silent(session: Session) -> None:
    """Warn if the next answer will say nothing, whatever is asked."""
    declared, state = session.declared, session.load_main()
    if not _is_silent(dry_half_widths(declared.mechanism, state, session.log_carry(declared.mechanism))):
        return
    warn(
        uninformative_holdout_message.format(
            mechanism=declared.mechanism,
            n=declared.n,
            queries=declared.queries,
            remedy=mechanism(declared.mechanism).remedy(
                declared, functools.partial(least_rows, declared, float(session.state["log_alpha"]))
            ),
        ),
        UninformativeWarning,
    )
