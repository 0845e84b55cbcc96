"""Laws of ranks, means and sums of a batch: exact probabilities and the bounds that follow from them."""

from __future__ import annotations

from validstats.batch.laws.compositional import (
    Step,
    compositional_interval,
    default_rank_weights,
    evaluate_steps,
    ignored_extremes,
    smallest_drop_n,
)
from validstats.batch.laws.counts import class_share_bounds, count_bounds, count_is_preferred
from validstats.batch.laws.envelope import (
    EnvelopeShape,
    RankBand,
    ShapeFunction,
    false_claim_curve,
    interpolated_curve,
    order_statistic_box,
    rank_envelope,
    shape_weights,
    weighted_envelope,
)
from validstats.batch.laws.exchangeability import (
    DriftTest,
    ExchangeabilityTest,
    Martingale,
    WeightTest,
    WithinBatchTest,
    conformal_martingale,
    covariate_test,
    unit_order_test,
    weight_test,
    within_batch_test,
)
from validstats.batch.laws.interval import Interval, reach_out, rounding_of_means
from validstats.batch.laws.levels import BoundSide, ceil_fraction, product_share
from validstats.batch.laws.means import MeanMethod, mean_interval, smallest_partition_n
from validstats.batch.laws.order_statistics import order_statistic_interval, score_at_rank, scores_at_ranks
from validstats.batch.laws.ranks import (
    batch_coverage_probability,
    error_count_upper,
    quantile_index,
    rank_lower,
    rank_upper,
    selection_rank,
    simultaneous_rank,
    smallest_informative_n,
)
from validstats.batch.laws.selection import benjamini_hochberg, conformal_p_values, selection_scores
from validstats.batch.laws.textbook import skewness_of, textbook_interval, textbook_is_doubtful
from validstats.batch.laws.units import (
    UnitScale,
    smallest_unit_number,
    unit_asymptotic_interval,
    unit_interval,
    unit_scale,
    unit_variances,
)

__all__ = [
    "DriftTest",
    "EnvelopeShape",
    "ShapeFunction",
    "ExchangeabilityTest",
    "Interval",
    "Martingale",
    "MeanMethod",
    "RankBand",
    "BoundSide",
    "Step",
    "UnitScale",
    "WeightTest",
    "WithinBatchTest",
    "batch_coverage_probability",
    "benjamini_hochberg",
    "ceil_fraction",
    "class_share_bounds",
    "compositional_interval",
    "conformal_martingale",
    "conformal_p_values",
    "count_bounds",
    "count_is_preferred",
    "covariate_test",
    "default_rank_weights",
    "error_count_upper",
    "evaluate_steps",
    "false_claim_curve",
    "ignored_extremes",
    "interpolated_curve",
    "mean_interval",
    "order_statistic_box",
    "order_statistic_interval",
    "product_share",
    "quantile_index",
    "rank_envelope",
    "shape_weights",
    "weighted_envelope",
    "rank_lower",
    "rank_upper",
    "reach_out",
    "rounding_of_means",
    "score_at_rank",
    "scores_at_ranks",
    "selection_rank",
    "selection_scores",
    "simultaneous_rank",
    "skewness_of",
    "smallest_drop_n",
    "smallest_informative_n",
    "smallest_partition_n",
    "smallest_unit_number",
    "textbook_interval",
    "textbook_is_doubtful",
    "unit_asymptotic_interval",
    "unit_interval",
    "unit_order_test",
    "unit_scale",
    "unit_variances",
    "weight_test",
    "within_batch_test",
]
