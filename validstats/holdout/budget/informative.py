"""Whether a declared budget can say anything, and how many rows that would take."""

from __future__ import annotations

from typing import Any

import numpy as np

from validstats.exceptions import UninformativeWarning, uninformative_holdout_message, warn
from validstats.holdout.budget.books import Session
from validstats.holdout.budget.epochs import Declaration, fresh_state, main_options
from validstats.holdout.mechanisms import mechanism
from validstats.holdout.widths import thresholdout_rows, thresholdout_width

__all__ = ["dry_half_widths", "is_proved", "least_rows", "unproved_tolerance", "warn_if_silent"]

SILENT = 0.49
"""At this half-width the interval of a score of one half leaves out one percent of [0, 1] at either end."""

MOST_ROWS = 10**12
"""Where the search for enough rows ends."""


def is_proved(name: str, state: Any) -> bool:
    """Tell whether the intervals of a mechanism, as it was opened, are proved.

    Parameters
    ----------
    name : str
        Name of the mechanism.
    state : State
        Its state.

    Returns
    -------
    bool
        False for mechanisms without a proof, and for Thresholdout with a tolerance that is too small for its rows.
    """
    return mechanism(name).certified and bool(getattr(state, "proved", True))


def unproved_tolerance(state: Any) -> str:
    """Say what Theorem 25 proves for Thresholdout, where it is not the declared tolerance.

    Parameters
    ----------
    state : ThresholdState
        With a tolerance that is not proved.

    Returns
    -------
    str
        One sentence, without its full stop.
    """
    counts = (state.queries, state.failures, state.log_alpha)
    width = thresholdout_width(state.n, *counts)
    rows = thresholdout_rows(state.tolerance, *counts)
    return (
        f"Theorem 25 proves the declared tolerance {state.tolerance:g} from n = {rows:,} on, and no tolerance below "
        f"{width:.3g} for n = {state.n:,}"
    )


def dry_half_widths(name: str, state: Any, log_carry: float = 0.0) -> dict[str, float]:
    """Work out the half-widths of the next answer, on the scale of [0, 1], by a step that nobody sees.

    Parameters
    ----------
    name : str
        Name of the mechanism.
    state : State
        Its state, which stays.
    log_carry : float, default 0
        Log-weight of what else the epoch has released.

    Returns
    -------
    dict of str to float
        By what happens, at a score of one half, where intervals are widest. Empty if the mechanism refuses.
    """
    chosen = mechanism(name)
    values: Any = np.broadcast_to(np.float64(0.5), (state.n,)) if chosen.needs_rows else 0.5
    guesses = {"if its guess holds": 0.5, "if not": 0.0} if chosen.needs_guess else {"": None}
    widths = {}
    for case, guess in guesses.items():
        release = chosen.step(state, values, guess, lambda role, law: 0.0, log_carry=log_carry)[1]
        if release.half_width is not None:
            widths[case] = release.half_width
    return widths


def least_rows(declared: Declaration, log_alpha: float) -> int | None:
    """Return the smallest number of rows at which a declared budget says something.

    Parameters
    ----------
    declared : Declaration
        The budget; its own number of rows is where the search starts.
    log_alpha : float
        Logarithm of the epoch's failure probability.

    Returns
    -------
    int or None
        Rows; None if no number of rows is enough.
    """
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
    options = {"n": n, "log_alpha": log_alpha, **main_options(declared)}
    state = fresh_state(declared.mechanism, tuple(sorted(options.items())))
    return _is_silent(dry_half_widths(declared.mechanism, state))


def _is_silent(widths: dict[str, float]) -> bool:
    """Whether the best case, a guess that holds where there are guesses, says nothing."""
    return bool(widths) and next(iter(widths.values())) >= SILENT


def warn_if_silent(session: Session) -> None:
    """Warn if the next answer will say nothing, whatever is asked.

    Parameters
    ----------
    session : Session
        For looking; nothing is charged.
    """
    declared, state = session.declared, session.load_main()
    if not _is_silent(dry_half_widths(declared.mechanism, state, session.log_carry(declared.mechanism))):
        return
    warn(
        uninformative_holdout_message.format(
            mechanism=declared.mechanism,
            n=declared.n,
            queries=declared.queries,
            remedy=_remedy(declared, float(session.state["log_alpha"])),
        ),
        UninformativeWarning,
    )


def _remedy(declared: Declaration, log_alpha: float) -> str:
    if declared.tolerance is not None:
        return f"tolerance={declared.tolerance:g} is its half-width: declare one below {SILENT:g}."
    rows = least_rows(declared, log_alpha)
    parts = [] if rows is None else [f"The smallest n that says something is {rows:,}."]
    parts.append("plan() shows what other mechanisms and smaller budgets give.")
    if declared.mechanism == "thresholdout":
        parts.append("With tolerance=... it works on these rows, and its intervals are then not proved.")
    return " ".join(parts)
