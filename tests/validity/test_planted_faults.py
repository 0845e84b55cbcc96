"""Faults planted in the package itself are found by short hunts of its own claims, whose priors are as they are."""

from __future__ import annotations

import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest

from validstats.batch.laws import ranks
from validstats.holdout import audit
from validstats.validity import hunt
from validstats.validity.claims import claims_of

pytestmark = pytest.mark.validity


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


PLANTED = {
    "a forgotten variance term": (
        forgotten_variance,
        "evals",
        "rate of a benchmark with repeated samples",
        800,
    ),
    "an off-by-one rank": (rank_too_low, "batch", "quantile of a batch", 800),
    "an uncounted bit": (uncounted_bits, "holdout", "scores of a test set that was looked at before", 1000),
    "a recoded label": (recoded_labels, "batch", "quantile of a batch", 300),
}
"""What is planted, and the claim and the trials of the search that find it."""


@pytest.mark.parametrize("fault", PLANTED)
def test_a_fault_in_the_package_is_found(fault, monkeypatch) -> None:
    plant, domain, name, n_trials = PLANTED[fault]
    [claim] = [claim for claim in claims_of(domain) if claim.name == name]
    plant(monkeypatch)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = hunt([claim], n_trials=n_trials, n_confirmed=2, confirm_trials=200, random_state=1)
    assert any(f.fault and not f.errors for f in found.findings), str(found.summary())
