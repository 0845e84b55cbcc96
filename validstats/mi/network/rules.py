"""What the network may not overrule: splits into pairs, tables, and lower limits that data processing gives."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from validstats._typing import Float1D
from validstats.mi.statistics import ANCHOR_NAMES, CLASSICAL_ANCHORS, STATISTIC_NAMES, SummaryTable

__all__ = [
    "BELOW",
    "FIRST_STAGE",
    "FREE",
    "STRUCTURE",
    "allowed_candidates",
    "is_split",
    "is_table",
    "least_information",
    "ruling",
    "shift_share",
]

FREE, FIRST_STAGE, STRUCTURE = 0.0, 1.0, -1.0
"""Who answers: the network's own mixture, the first stage alone, or candidates of structure alone."""
RULED_ROWS, TABLE_ROWS = 200, 100
"""Rows from which a split, and a table, is believed."""
MOST_RESIDUAL = 3.5
INTERACTION = 3.0
SLACK, LEAST_SLACK = 0.02, 0.02
GAUSSIAN_SHARE = 0.8
"""Where the Gaussian copula explains this share of a split, the networks are free: on training kinds the first stage was nearer then."""
BELOW = 2.0
"""A summary is taken as a lower limit less so many times n^(-1/2): at independence the largest is .06 on average at n = 100."""
ROWS_OF_STRUCTURE = 2_500
OF_A_SPLIT = ("blocks", "block_summaries", "matched")
OF_A_TABLE = ("table", "log_loss", "chosen_columns")
LOWER_LIMITS = ("summary", "summaries", "radius", "log_loss")


def _statistic(sets: SummaryTable, name: str) -> Float1D:
    return sets.statistics[:, STATISTIC_NAMES.index(name)].astype(np.float64)


def _candidates(sets: SummaryTable, names: tuple[str, ...]) -> npt.NDArray[np.float64]:
    """Candidates in nats, minus infinity where one does not apply."""
    chosen = sets.anchors[:, [ANCHOR_NAMES.index(name) for name in names]].astype(np.float64)
    return np.where(np.isfinite(chosen), chosen, -np.inf)


def is_split(sets: SummaryTable) -> npt.NDArray[np.bool_]:
    """Sets whose columns fall into independent pairs, by every sign there is: then I is the sum over pairs.

    All blocks have one column of each side, nothing is left between blocks, products of columns say nothing about others, no other
    estimate sees more, and a Gaussian model sees clearly less.
    """
    n = sets.shape[:, 0]
    fewest = np.minimum(2, sets.shape[:, 1])
    others = tuple(name for name in ANCHOR_NAMES if name not in OF_A_SPLIT)
    value, gaussian = _candidates(sets, ("blocks", "gaussian")).T
    return np.asarray(
        (n >= RULED_ROWS)
        & (sets.shape[:, 2] > 1)
        & (_statistic(sets, "blocks_count") >= fewest)
        & (_statistic(sets, "blocks_largest") == 2)
        & (np.abs(_statistic(sets, "blocks_residual")) < MOST_RESIDUAL)
        & (_statistic(sets, "blocks_interaction") < INTERACTION / np.sqrt(n))
        & (_candidates(sets, others).max(axis=1) <= (1.0 + SLACK) * value + LEAST_SLACK)
        & (np.log1p(2 * gaussian) < GAUSSIAN_SHARE * np.log1p(2 * np.maximum(value, 0.0)))
    )


def is_table(sets: SummaryTable) -> npt.NDArray[np.bool_]:
    """Sets whose sides are both read as levels."""
    return np.asarray(
        (sets.shape[:, 0] >= TABLE_ROWS)
        & (_statistic(sets, "coded_sides") == 2)
        & np.isfinite(_candidates(sets, ("table",))[:, 0])
    )


def ruling(sets: SummaryTable) -> Float1D:
    """Who answers for each set; of two single columns without structure the first stage, and with it its consistency."""
    single = (sets.shape[:, 1] == 1) & (sets.shape[:, 2] == 1)
    plain = ~np.isfinite(sets.anchors[:, len(CLASSICAL_ANCHORS) :]).any(axis=1)
    structured = is_split(sets) | is_table(sets)
    return np.where(single & plain, FIRST_STAGE, np.where(structured, STRUCTURE, FREE))


def shift_share(sets: SummaryTable) -> Float1D:
    """Share of its shift of the median that a network keeps: all where it is free, none for tables, (200/n)^(1/2) for splits.

    For kinds that were left out of training the shift of a table was harmful at every n, that of a split the more the longer the data.
    """
    n = np.minimum(sets.shape[:, 0], ROWS_OF_STRUCTURE).astype(np.float64)
    of_splits = np.where(is_split(sets), np.sqrt(RULED_ROWS / n), 0.0)
    return np.where(ruling(sets) == STRUCTURE, of_splits, 1.0)


def allowed_candidates(sets: SummaryTable) -> npt.NDArray[np.bool_]:
    """Candidates that may be mixed: those that apply, and of a split or a table only those made for it."""
    known = np.isfinite(sets.anchors)
    for holds, names in ((is_split(sets), ("blocks",)), (is_table(sets), OF_A_TABLE)):
        made = np.isin(ANCHOR_NAMES, names)
        known = np.where(holds[:, None], known & made, known)
    return np.asarray(known)


def least_information(sets: SummaryTable) -> Float1D:
    """Lower limit in nats: the largest estimate from summaries, which lose information, less what chance may add; at least 0."""
    n = np.minimum(sets.shape[:, 0], ROWS_OF_STRUCTURE)
    return np.maximum(_candidates(sets, LOWER_LIMITS).max(axis=1) - BELOW / np.sqrt(n), 0.0)
