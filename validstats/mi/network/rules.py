"""What the network may not overrule: tables, and lower limits that data processing gives."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from validstats._typing import Float1D
from validstats.mi.statistics import ANCHOR_NAMES, CLASSICAL_ANCHORS, STATISTIC_NAMES, Readings

__all__ = [
    "BELOW",
    "FIRST_STAGE",
    "FREE",
    "STRUCTURE",
    "allowed_candidates",
    "is_table",
    "least_information",
    "ruling",
]

FREE, FIRST_STAGE, STRUCTURE = 0.0, 1.0, -1.0
"""Who answers: the network's own mixture, the first stage alone, or candidates of structure alone, to which no shift is added.

For kinds that were left out of training the shift of a table was harmful at every n.
"""
FEW_ROWS = 20
"""Rows below which the first stage answers alone: what a second stage adds there is its prior over the kinds that it was trained on.

Of kinds that were left out of training it knew no more than the first, and of laws without structure less.
"""
TABLE_ROWS = 100
"""Rows from which a table is believed."""
BELOW = 2.0
"""A summary is taken as a lower limit less so many times n^(-1/2): at independence the largest is .06 on average at n = 100."""
ROWS_OF_STRUCTURE = 2_500
OF_A_TABLE = ("table", "log_loss", "chosen_columns")
LOWER_LIMITS = ("summary", "summaries", "radius", "log_loss")


def _statistic(sets: Readings, name: str) -> Float1D:
    return sets.statistics[:, STATISTIC_NAMES.index(name)].astype(np.float64)


def _candidates(sets: Readings, names: tuple[str, ...]) -> npt.NDArray[np.float64]:
    """Candidates in nats, minus infinity where one does not apply."""
    chosen = sets.anchors[:, [ANCHOR_NAMES.index(name) for name in names]].astype(np.float64)
    return np.where(np.isfinite(chosen), chosen, -np.inf)


def is_table(sets: Readings) -> npt.NDArray[np.bool_]:
    """Sets whose sides are both read as levels."""
    return np.asarray(
        (sets.shape[:, 0] >= TABLE_ROWS)
        & (_statistic(sets, "coded_sides") == 2)
        & np.isfinite(_candidates(sets, ("table",))[:, 0])
    )


def ruling(sets: Readings) -> Float1D:
    """Who answers for each set; of few rows, and of two single columns without structure, the first stage and its consistency."""
    single = (sets.shape[:, 1] == 1) & (sets.shape[:, 2] == 1)
    plain = ~np.isfinite(sets.anchors[:, len(CLASSICAL_ANCHORS) :]).any(axis=1)
    few = sets.shape[:, 0] < FEW_ROWS
    return np.where(few | (single & plain), FIRST_STAGE, np.where(is_table(sets), STRUCTURE, FREE))


def allowed_candidates(sets: Readings) -> npt.NDArray[np.bool_]:
    """Candidates that may be mixed: those that apply, and of a table only those made for it."""
    known = np.isfinite(sets.anchors)
    return np.where(is_table(sets)[:, None], known & np.isin(ANCHOR_NAMES, OF_A_TABLE), known)


def least_information(sets: Readings) -> Float1D:
    """Lower limit in nats: the largest estimate from summaries, which lose information, less what chance may add; at least 0."""
    n = np.minimum(sets.shape[:, 0], ROWS_OF_STRUCTURE)
    return np.maximum(_candidates(sets, LOWER_LIMITS).max(axis=1) - BELOW / np.sqrt(n), 0.0)
