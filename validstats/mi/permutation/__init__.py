"""Permutation tests: keyed permutations, statistics bound to two sides, the combined statistic and exact p-values."""

from __future__ import annotations

from validstats.mi.permutation.combined import (
    CombinedStatistic,
    bind_combined,
    combine_ranks,
    combined_values,
)
from validstats.mi.permutation.permuter import (
    BoundStatistic,
    PermutationPValue,
    Permuter,
    exceedance_threshold,
    permutation_p_value,
    rotations,
    serial_length,
)
from validstats.mi.permutation.rank_tables import RankTest, rank_p_values, rank_screen
from validstats.mi.permutation.residuals import (
    conditional_scores,
    inflation,
    left_out_fits,
    left_out_residuals,
    multiplier_p_value,
)
from validstats.mi.permutation.statistics import (
    Statistic,
    StatisticName,
    bind_statistic,
    distance_correlation,
    reads_cells,
)

__all__ = [
    "BoundStatistic",
    "CombinedStatistic",
    "PermutationPValue",
    "RankTest",
    "Permuter",
    "Statistic",
    "StatisticName",
    "bind_combined",
    "bind_statistic",
    "combine_ranks",
    "conditional_scores",
    "combined_values",
    "distance_correlation",
    "exceedance_threshold",
    "inflation",
    "left_out_fits",
    "left_out_residuals",
    "multiplier_p_value",
    "permutation_p_value",
    "rank_p_values",
    "rank_screen",
    "reads_cells",
    "rotations",
    "serial_length",
]
