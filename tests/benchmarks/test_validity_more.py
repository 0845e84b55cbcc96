"""Further settings of the page of coverage: enough of each guarantee, and ours hold where the naive statement fails."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from benchmarks.validity import dsl_quantiles, dsl_sequences, mi_intervals, mi_selection
from benchmarks.validity.__main__ import SETTINGS
from benchmarks.validity.holdout_cases import CoinCase, coins, ordinary_interval_covers, vote
from benchmarks.validity.holdout_releases import release_cases
from benchmarks.validity.rows import LEVELS, Setting
from validstats.validity import binomial_acceptance

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::UserWarning")]

BY_PREFIX = {
    "quantile ": "dsl",
    "anytime, ": "dsl",
    "all coefficients, ": "dsl",
    "own calibration, ": "mi",
    "test, ": "mi",
    "test given strata, ": "mi",
    "selection, ": "mi",
    "interval, ": "mi",
    "vault, ": "holdout",
    "claims after a search, ": "holdout",
}
"""How the names of a guarantee's settings begin, and its domain."""


@cache
def settings_of(domain: str) -> dict[str, Setting]:
    return {setting.name: setting for setting in SETTINGS[domain]()}


@pytest.mark.parametrize(("prefix", "domain"), BY_PREFIX.items())
def test_every_guarantee_has_at_least_twenty_settings(prefix: str, domain: str) -> None:
    assert sum(name.startswith(prefix) for name in settings_of(domain)) >= 20


@pytest.mark.parametrize("controls", [("max-T", "Holm"), ("Benjamini-Hochberg", "Benjamini-Yekutieli")])
def test_either_error_rate_of_a_selection_has_twenty_settings(controls: tuple[str, str]) -> None:
    names = [name for name in settings_of("mi") if name.startswith("selection, ")]
    assert sum(name.split(", ")[1] in controls for name in names) >= 20
    assert len({mi_selection.CONTROLS[control][0] for control in controls}) == 1


def test_releases_of_the_holdout_have_twenty_settings() -> None:
    assert len(set(release_cases()) & set(settings_of("holdout"))) >= 20


def test_calibration_on_the_own_family_holds_where_the_shipped_one_fails() -> None:
    """Parity of four to six signs: thresholds of the shipped family cover .67 for .8; their ends at .9 and .95 are wide enough there."""
    rows = settings_of("mi")["own calibration, parity, 39 sets"].run(300)
    for row in rows:
        assert binomial_acceptance(row.hits, row.trials, row.level).accepted
    narrow = min(rows, key=lambda row: row.level)
    assert not binomial_acceptance(narrow.naive_hits, narrow.naive_trials, narrow.level).accepted


@pytest.mark.parametrize("domain", SETTINGS)
def test_names_are_unique(domain: str) -> None:
    names = [setting.name for setting in SETTINGS[domain]()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("domain", "name", "replicates"),
    [
        ("dsl", "quantile 0.5, normal", 5),
        ("dsl", "quantile 0.7, strata", 5),
        ("dsl", "anytime, two classes, 10% labelled", 60),
        ("dsl", "anytime, normal, unequal probabilities", 40),
        ("dsl", "all coefficients, logit, accuracy 0.7", 15),
        ("dsl", "all coefficients, predicted covariate, accuracy 0.8", 15),
        ("mi", "test, gaussian, 3 and 2 dependent columns", 60),
        ("mi", "test given strata, cca, 3 shifted groups", 50),
        ("mi", "test given strata, distance_correlation, groups of other spread", 50),
        ("mi", "selection, Holm, gaussian, no signal", 40),
        ("mi", "selection, Benjamini-Hochberg, gaussian, no signal", 40),
        ("mi", "interval, Gaussian copula, correlation 0.5, n = 200", 50),
        ("mi", "interval, canonical correlations, 2 and 2 columns, n = 1,000", 30),
        ("holdout", "vault, best of 30 with accuracy 0.7, vault 30%", 30),
        ("holdout", "vault, vote of 10, n = 200, vault 40%", 30),
        ("holdout", "best of 30 with accuracy 0.5", 30),
        ("holdout", "bits about votes, description_length", 30),
        ("holdout", "claims after a search, description_length, 25 answers, 0 true claims", 30),
    ],
)
def test_ours_hold_and_the_naive_statement_does_not(domain: str, name: str, replicates: int) -> None:
    rows = settings_of(domain)[name].run(replicates)
    assert [row.level for row in rows] == list(LEVELS)
    for row in rows:
        assert (row.setting, row.trials, row.naive_trials) == (name, replicates, replicates)
        check = binomial_acceptance(row.hits, row.trials, row.level)
        assert check.accepted, f"{row.level}: {check}"
    assert not all(binomial_acceptance(row.naive_hits, row.naive_trials, row.level).accepted for row in rows)


def test_a_setting_repeats() -> None:
    setting = settings_of("holdout")["vault, vote of 10, gaussian"]
    assert setting.run(3) == setting.run(3)


@pytest.mark.parametrize(
    "case",
    [dsl_quantiles.QuantileCase(0.4, law) for law in dsl_quantiles.LAWS if law != "counts"]
    + [dsl_quantiles.QuantileCase(0.4, sampling=kind) for kind in ("unequal", "strata", "clusters")],
    ids=str,
)
def test_quantiles_are_those_of_the_law(case: dsl_quantiles.QuantileCase) -> None:
    rng = np.random.default_rng(3)
    draws = [dsl_quantiles.quantile_draw(rng, case) for _ in range(30)]
    below = np.mean([draw.outcome <= draw.truth for draw in draws])
    assert below == pytest.approx(case.level, abs=0.02)
    weighted = [(d.labelled / d.probability * (d.outcome <= d.truth)).mean() for d in draws]
    assert np.mean(weighted) == pytest.approx(case.level, abs=5 * np.std(weighted) / np.sqrt(30) + 0.01)


@pytest.mark.parametrize("name", dsl_sequences.CASES)
def test_means_of_streams_are_those_of_the_law(name: str) -> None:
    values, mean = dsl_sequences.pseudo_outcomes(np.random.default_rng(4), dsl_sequences.CASES[name])
    assert values.mean() == pytest.approx(mean, abs=5 * values.std() / np.sqrt(len(values)))


def test_information_of_a_table_is_that_of_its_draws() -> None:
    from validstats.mi.anchors import plug_in

    table = mi_intervals.joint_table((3, 4), 2.0)
    x, y = mi_intervals.table_draw(np.random.default_rng(5), 200_000, table)
    assert plug_in(x, y).value == pytest.approx(mi_intervals.table_information(table), abs=0.004)


def test_a_vote_of_exact_scores_overfits_and_its_ordinary_interval_misses() -> None:
    labels, predictions = coins(np.random.default_rng(6), CoinCase(400, 0.5, 101))
    chosen = vote((predictions == labels).mean(axis=1), predictions) == labels
    assert chosen.mean() > 0.6
    assert not ordinary_interval_covers(chosen, 0.5, 0.95)
    assert ordinary_interval_covers(predictions[0] == labels, 0.5, 0.99)


def test_a_share_of_false_selections_becomes_a_chance() -> None:
    selected = np.array([True, True, True, False, True])
    coin = np.linspace(0.005, 0.995, 100)
    held = [mi_selection._holds(selected, 2, mi_selection.FALSE_SHARE, c) for c in coin]
    assert np.mean(held) == pytest.approx(0.5)
    assert not mi_selection._holds(selected, 2, mi_selection.FAMILYWISE, 0.0)
    assert mi_selection._holds(selected[:2], 2, mi_selection.FAMILYWISE, 0.0)
