"""Questions: what an analyst asks, how it is answered, and what is recorded before the answer."""

from __future__ import annotations

from validstats.holdout.asking.discoveries import DiscoveryRelease
from validstats.holdout.asking.inputs import (
    check_finite_bounds,
    check_labels,
    check_users,
    classes_of,
    is_list_of_targets,
    seed_of,
    user_tag,
    warn_about_other_ledger,
    warn_about_reuse,
)
from validstats.holdout.asking.looking import Looking
from validstats.holdout.asking.metrics import (
    Metric,
    absolute_error,
    as_metric,
    coverage,
    log_loss,
    squared_error,
    subgroup_accuracy,
)
from validstats.holdout.asking.questions import (
    Question,
    TrainingPart,
    class_indices,
    is_estimator,
    subject_of,
    values_of_query,
)
from validstats.holdout.asking.releases import SpecialReleases
from validstats.holdout.asking.responses import respond
from validstats.holdout.asking.sample import HoldoutSample, count_rows, lent, split_sample
from validstats.holdout.asking.sealing import SealedState
from validstats.holdout.asking.vault import VaultRelease

__all__ = [
    "DiscoveryRelease",
    "HoldoutSample",
    "Looking",
    "Metric",
    "Question",
    "SealedState",
    "SpecialReleases",
    "TrainingPart",
    "VaultRelease",
    "absolute_error",
    "as_metric",
    "check_finite_bounds",
    "check_labels",
    "check_users",
    "class_indices",
    "classes_of",
    "count_rows",
    "coverage",
    "is_estimator",
    "is_list_of_targets",
    "lent",
    "log_loss",
    "respond",
    "seed_of",
    "split_sample",
    "squared_error",
    "subgroup_accuracy",
    "subject_of",
    "user_tag",
    "values_of_query",
    "warn_about_other_ledger",
    "warn_about_reuse",
]
