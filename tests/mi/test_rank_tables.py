"""Rank tests of many features: exact levels with ties and labels, one shared table, and the longer table."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest
from scipy.stats import binom, chi2_contingency

from validstats.exceptions import SpeedWarning
from validstats.kernels.rank_tables import permuted_chi_squares
from validstats.mi import MISelector, selection
from validstats.mi.permutation import rank_p_values, rank_tables
from validstats.mi.sides import prepare_side


def test_chi_squares_are_pearsons_and_the_compiled_text_equals_its_python():
    generator = np.random.default_rng(0)
    feature, target = generator.integers(0, 4, (1, 80)), generator.integers(0, 3, (1, 80))
    sizes = np.bincount(feature[0])[None, :].astype(float), np.bincount(target[0])[None, :].astype(float)
    drawn = permuted_chi_squares(feature, target, *sizes, 50, 1)
    with np.errstate(over="ignore"):
        plain = permuted_chi_squares.py_func(feature, target, *sizes, 50, 1)
    np.testing.assert_allclose(drawn, plain, atol=1e-9)
    table = np.zeros((4, 3))
    np.add.at(table, (feature[0], target[0]), 1)
    ours = rank_tables._chi_squares((feature, sizes[0]), (target, sizes[1]))[0]
    assert ours == pytest.approx(chi2_contingency(table, correction=False)[0])
    # Mean of Pearson's chi-square under permutation: n / (n - 1) times the degrees of freedom.
    many = permuted_chi_squares(feature, target, *sizes, 20_000, 2)[:, 0]
    assert many.mean() == pytest.approx(80 / 79 * 6, abs=4 * many.std() / np.sqrt(20_000))


@pytest.mark.slow
@pytest.mark.parametrize("target", ["continuous", "label", "rounded"])
def test_the_level_is_kept_by_every_kind_of_feature(target, monkeypatch):
    monkeypatch.setattr(rank_tables, "FIRST_TABLE", 2_000)
    monkeypatch.setattr(rank_tables, "FEW_LEVELS_TABLE", 1_000)
    monkeypatch.setattr(rank_tables, "LONGER", 1)
    rejected, runs = 0, 0
    for seed in range(12):
        generator = np.random.default_rng(seed)
        y = {"continuous": generator.standard_cauchy(60), "label": generator.integers(0, 3, 60),
             "rounded": np.round(generator.normal(size=60), 1)}[target]  # fmt: skip
        columns = [generator.normal(size=60) for _ in range(8)] + [
            generator.integers(0, 2, 60) for _ in range(4)
        ]
        columns += [np.round(generator.normal(size=60), 1) for _ in range(4)]
        sides = [prepare_side(column, "x") for column in columns]
        p = [float(v) for v in rank_p_values(sides, prepare_side(y, "y"), 0.1, seed).p_values]
        rejected += sum(v <= 0.05 for v in p)
        runs += len(p)
    assert binom.sf(rejected - 1, runs, 0.05) > 1e-3


def test_a_feature_without_an_exceedance_takes_the_longer_table(monkeypatch):
    monkeypatch.setattr(rank_tables, "FIRST_TABLE", 500)
    generator = np.random.default_rng(3)
    x = generator.normal(size=(200, 40))
    sides = [prepare_side(column, "x") for column in x.T]
    found = rank_p_values(sides, prepare_side(x[:, 0] ** 2 + 0.3 * generator.normal(size=200), "y"), 0.1, 0)
    assert found.n_permutations[0] == 15 * 40 / 0.1
    assert found.p_values[0] < 1 / 501
    assert (found.n_permutations[1:] == 500).sum() >= 35


@pytest.mark.slow
def test_many_features_are_selected_in_one_pass_and_old_settings_test_by_the_estimator():
    generator = np.random.default_rng(4)
    X = generator.normal(size=(400, 1200))
    y = 1.5 * X[:, 5] ** 2 + 1.5 * X[:, 9] + 0.3 * generator.normal(size=400)
    selector = MISelector("ksg", control="fdr", random_state=0).fit(X, y)
    assert set(selector.get_support(indices=True)) >= {5, 9}
    assert selector.get_support().sum() <= 6
    assert np.isfinite(selector.scores_[[5, 9]]).all() and np.isnan(selector.scores_).sum() > 1100
    assert "theorem 1.3" in selector.guarantee_.citation
    few = MISelector("ksg", control="fdr_bh", n_permutations=99, random_state=0).fit(X[:, :3], y)
    assert few.n_permutations_.max() <= 99
    with pytest.raises(ValueError, match="n_permutations=99 is for test='method' only"):
        MISelector("ksg", control="fdr_bh", n_permutations=99, test="ranks").fit(X[:, :3], y)


def test_without_the_longer_table_nothing_is_selected_of_many_features(monkeypatch):
    """The naive way: p-values that end at 1 / (M + 1) are too large for two signals among 1,500 features."""
    monkeypatch.setattr(rank_tables, "FIRST_TABLE", 15_000)
    generator = np.random.default_rng(5)
    X = generator.normal(size=(120, 1500))
    X[:, 8] = X[:, 3] + 0.1 * X[:, 8]
    y = X[:, 3] ** 2 + 0.2 * generator.normal(size=120)
    found = MISelector("ksg", control="fdr", random_state=0).fit(X, y)
    assert {3, 8} <= set(found.get_support(indices=True)) and found.get_support().sum() <= 4
    assert "theorem 1.3" in found.guarantee_.citation  # Yekutieli: any dependence between features.
    monkeypatch.setattr(rank_tables, "MOST_PERMUTATIONS", 15_000)
    naive = MISelector("ksg", control="fdr", random_state=0).fit(X, y)
    assert naive.pvalues_[[3, 8]].tolist() == [1 / 15_001] * 2
    assert naive.get_support().sum() == 0


def test_work_of_more_than_a_minute_is_told_from_its_first_items(monkeypatch):
    generator = np.random.default_rng(6)
    X, y = generator.normal(size=(60, 40)), generator.normal(size=60)
    for limit, told in ((60.0, 0), (0.0, 1)):
        monkeypatch.setattr("validstats.runtime.replicates.LONG_WORK", limit)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            MISelector("gaussian", control="fdr_bh", n_permutations=400, random_state=0).fit(X, y)
        texts = [str(w.message) for w in caught if issubclass(w.category, SpeedWarning)]
        assert len(texts) == told
    stated = r"Permuting 40 features will take about [\d.]+ more minutes at the rate of the first 20 \("
    assert re.match(stated, texts[0])
    assert texts[0].endswith("a second). test='ranks' takes seconds.")


def test_of_very_many_features_a_screen_leaves_those_worth_scoring(monkeypatch):
    monkeypatch.setattr(selection, "MOST_SCORED", 4)
    monkeypatch.setattr(selection, "SCREENED_FOR_EACH", 2)
    generator = np.random.default_rng(6)
    X = generator.normal(size=(150, 12))
    X[:, 10] = 1.0
    X[:, 11] = generator.integers(0, 2, 150)
    y = X[:, 7] ** 2 + 1.5 * X[:, 11] + 0.1 * generator.normal(size=150)
    screened = MISelector(k=1).fit(X, y)
    monkeypatch.setattr(selection, "SCREENED_FOR_EACH", 100)
    everything = MISelector(k=1).fit(X, y)
    scored = np.isfinite(screened.scores_)
    assert scored.sum() == 4 and scored[[7, 11]].all() and not scored[10]
    np.testing.assert_array_equal(screened.scores_[scored], everything.scores_[scored])
    assert screened.get_support(indices=True).tolist() == everything.get_support(indices=True).tolist()
    assert any("Of 12 features the 4" in line for line in screened.guarantee_.details)
    assert len(everything.guarantee_.details) == 1
    told = str(screened.summary())
    assert max(told.index("x7"), told.index("x11")) < told.index("x10")  # those without a score come last
    # without learned scores, or where all are kept, nothing is left out
    assert np.isfinite(MISelector("ksg", k=1).fit(X, y).scores_).all()
    monkeypatch.setattr(selection, "SCREENED_FOR_EACH", 1)
    assert np.isfinite(MISelector(k="all").fit(X[:, 5:], y).scores_).all()
