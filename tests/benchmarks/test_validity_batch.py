from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy import stats

from benchmarks.validity import batch, batch_arrays
from benchmarks.validity.batch import batch_settings
from benchmarks.validity.rows import LEVELS
from validstats.validity import binomial_acceptance

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

KINDS = {
    batch.share_settings: ("t3, n = 200, m = 100", 1000),
    batch_arrays.mean_settings: ("mean, auto, upper, exponential, n = 200, m = 10", 200),
    batch_arrays.quantile_settings: ("quantile 0.5, two-sided, t3, n = 200, m = 40", 1000),
    batch_arrays.joint_quantile_settings: ("5 quantiles at once, two-sided, normal, n = 300, m = 60", 1000),
    batch_arrays.error_settings: ("error count, rate 0.1, n = 100, m = 20", 1000),
    batch_arrays.selection_settings: ("selection, 0 false claims, normal noise, n = 1000, m = 50", 500),
    batch_arrays.discovery_settings: ("share of false claims, useless predictions, n = 100, m = 50", 200),
    batch_arrays.envelope_settings: ("envelope, two-sided, beta, n = 100, m = 30", 1000),
    batch.total_settings: ("total, partition, two-sided, unbounded labels, n = 200, m = 5", 100),
}
ADAPTED = (
    "8 batches at once, error count",
    "strata, share 0.3 to 0.7, 90 % of the sets",
    "covariate shift, n = 300, median",
)


def named(name):
    return next(setting for setting in batch_settings() if setting.name == name)


def accepted(rows):
    return [binomial_acceptance(row.hits, row.trials, row.level).accepted for row in rows]


def naive_accepted(rows):
    return [binomial_acceptance(row.naive_hits, row.naive_trials, row.level).accepted for row in rows]


@pytest.mark.parametrize("settings", [*KINDS, batch.adapted_settings], ids=lambda s: s.__name__)
def test_every_guarantee_has_at_least_twenty_settings_and_three_levels(settings):
    chosen = list(settings())
    assert len(chosen) >= 20
    rows = chosen[0].run(3)
    assert [row.level for row in rows] == list(LEVELS)
    assert {(row.setting, row.trials, row.naive_trials) for row in rows} == {(chosen[0].name, 3, 3)}


def test_names_are_unique_in_the_domain():
    names = Counter(setting.name for setting in batch_settings())
    assert names.most_common(1)[0][1] == 1


@pytest.mark.parametrize("settings", KINDS, ids=lambda s: s.__name__)
def test_the_statement_holds_and_the_naive_one_does_not(settings):
    name, replicates = KINDS[settings]
    assert name in {setting.name for setting in settings()}
    rows = named(name).run(replicates)
    assert all(accepted(rows)), rows
    assert not naive_accepted(rows)[-1], rows


@pytest.mark.parametrize("name", ADAPTED)
def test_the_adjustment_is_needed(name):
    rows = named(name).run(100)
    assert all(accepted(rows)), rows
    assert not any(naive_accepted(rows)), rows


def test_a_stream_keeps_its_level_after_updates():
    rows = named("stream after 4 updates, 90 % of the sets").run(100)
    assert all(accepted(rows)), rows
    assert not naive_accepted(rows)[-1], rows


def test_the_curve_of_false_claims_holds_after_looking():
    rows = named("envelope, false claims above any threshold, few true claims, n = 200, m = 40").run(300)
    assert all(accepted(rows)), rows
    assert not any(naive_accepted(rows)), rows


def test_parts_of_the_replicates_are_seeded_by_name_and_number():
    seeds = []

    def simulate(seed, size):
        seeds.append((*seed, size))
        return np.full((len(LEVELS), 2), size)

    guarantee = batch_arrays.Guarantee("g", "naive")
    rows = guarantee.setting("one", simulate).run(2500)
    guarantee.setting("two", simulate).run(10)
    assert [size for *_, size in seeds] == [1000, 1000, 500, 10]
    assert len({seed[:2] for seed in seeds}) == 4
    assert [(row.hits, row.trials, row.naive_hits) for row in rows] == [(2500, 2500, 2500)] * 3


def test_a_setting_gives_the_same_rows_again():
    setting = named("8 batches at once, median")
    assert setting.run(5) == setting.run(5)


def test_hits_of_a_share_of_false_claims_have_its_mean():
    """Useless predictions claim rows whose labels are below the limit of 0.5 with the normal probability of that."""
    rows = named("share of false claims, useless predictions, n = 100, m = 50").run(300)
    for row in rows:
        check = binomial_acceptance(row.naive_hits, row.naive_trials, stats.norm.sf(0.5), "two-sided")
        assert check.accepted, str(check)


def test_the_normal_interval_has_the_sides_that_are_wanted():
    scores = np.array([0.0, 2.0])
    low, high = batch_arrays.normal_interval(scores, "two-sided", 0.1)
    assert (low + high) / 2 == pytest.approx(1.0)
    assert high == pytest.approx(1 + 1.6449 / np.sqrt(2), abs=1e-4)
    assert batch_arrays.normal_interval(scores, "upper", 0.1)[0] == -np.inf
    assert batch_arrays.normal_interval(scores, "lower", 0.1)[1] == np.inf
