"""Faults planted in the package itself are found by short hunts of its own claims; without them the same hunts find nothing."""

from __future__ import annotations

import sys
import warnings
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import special

from benchmarks.hunt import within
from validstats.batch.laws import ranks
from validstats.holdout import audit
from validstats.validity import hunt
from validstats.validity.claims import claims_of

pytestmark = pytest.mark.validity


def normal_for_student(patch) -> None:
    """Intervals of coefficients take the normal quantile, however few clusters there are."""

    def stdtrit(degrees, probability):
        return special.ndtri(probability) + np.zeros_like(degrees)

    patch.setattr(
        sys.modules["validstats.dsl.results.coefficients"],
        "special",
        SimpleNamespace(**{**vars(special), "stdtrit": stdtrit}),
    )


def forgotten_variance(patch) -> None:
    """What the samples of an item share is left out of the variance."""
    module = sys.modules["validstats.evals.evaluate"]
    whole = module.cluster_mean

    def of_rows(values, clusters, weights=None):
        return whole(values, np.arange(len(values)), weights)

    patch.setattr(module, "cluster_mean", of_rows)


def rank_too_low(patch) -> None:
    """The rank of an order statistic is one too small."""
    whole = ranks._rank_upper.__wrapped__

    def lower(n, m, zeta, alpha):
        bound = whole(n, m, zeta, alpha)
        return replace(bound, rank=max(bound.rank - 1, 1))

    patch.setattr(ranks, "_rank_upper", lower)


def uncounted_bits(patch) -> None:
    """The list of scores that was seen costs nothing."""
    patch.setattr(audit, "log_record", lambda units, values: 0.0)


def recoded_labels(patch) -> None:
    """The smallest label becomes 0, and the others with it."""
    rows = sys.modules["validstats.batch.rows"]
    whole = rows.label_array

    def recoded(y):
        labels = whole(y)
        few = labels.dtype.kind == "f" and len(np.unique(labels)) < 20
        return np.minimum(labels - labels.min(), 6.0) if few else labels

    patch.setattr(rows, "label_array", recoded)


FEW_CLUSTERS = (
    ("design", "clusters"),
    ("clusters", "5:8"),
    ("labels", "15:80"),
    ("learner", "linear"),
    ("population", "superpopulation"),
    ("n_covariates", "1:2"),
)
"""Where quantiles matter: with 50 labels and more, .95 by Student is .944 by the normal law."""

PLANTED = {
    "z for the t quantile": (normal_for_student, "dsl", "slope of a linear regression", 100, FEW_CLUSTERS),
    "a forgotten variance term": (
        forgotten_variance,
        "evals",
        "rate of a benchmark with repeated samples",
        400,
        (),
    ),
    "an off-by-one rank": (rank_too_low, "batch", "quantile of a batch", 800, ()),
    "an uncounted bit": (
        uncounted_bits,
        "holdout",
        "scores of a test set that was looked at before",
        1000,
        (),
    ),
    "a recoded label": (recoded_labels, "batch", "quantile of a batch", 300, ()),
}
"""What is planted, and the claim, the trials of the search and the part of the prior that find it."""


@pytest.mark.parametrize("planted", [True, False])
@pytest.mark.parametrize("fault", PLANTED)
def test_a_fault_in_the_package_is_found(fault, planted, monkeypatch) -> None:
    plant, domain, name, n_trials, where = PLANTED[fault]
    [claim] = [within(claim, where) for claim in claims_of(domain) if claim.name == name]
    if planted:
        plant(monkeypatch)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = hunt([claim], n_trials=n_trials, n_confirmed=1, confirm_trials=200, random_state=1)
    assert bool(found.faults) is planted, str(found.summary())
    assert not any(f.errors for f in found.findings)
