"""Answers of the verbs on small data, beside the same numbers in a few obvious lines."""

from __future__ import annotations

import math
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tests.oracles import evals as oracle
from validstats import evals
from validstats.evals import EvalFileError
from validstats.evals.inputs import load
from validstats.evals.judged import _level_at, judged_mean, judged_systems, score_p_value
from validstats.evals.statistics import (
    agreement_draws,
    agreement_measures,
    davidson_fit,
    effective_score_interval,
    finite_pass_at_k_covariance,
    kish_size,
    pass_at_k,
    pointwise,
    rank_sets,
    sign_test_vetoes,
    simultaneous_band,
    simultaneous_level,
    win_rate,
)
from validstats.results import NotApplicable

DATA = Path(__file__).parent / "data"
Z = stats.norm.isf(0.025)


def mean_of_clusters(values, clusters, weights=None):
    """Weighted mean, its standard error over clusters, and the effective number of these."""
    weights = np.ones(len(values)) if weights is None else np.asarray(weights, float)
    names = sorted(set(clusters))
    size = np.array([weights[np.asarray(clusters) == c].sum() for c in names])
    sums = np.array([(weights * values)[np.asarray(clusters) == c].sum() for c in names])
    mean = sums.sum() / size.sum()
    off = (sums - mean * size) / size.mean()
    error = math.sqrt(np.sum(off**2) / (len(names) - 1) / len(names)) if len(names) > 1 else math.nan
    return mean, error, size.sum() ** 2 / np.sum(size**2)


def two_systems(d, scale=1.0, each=2, more=None):
    """Items in order with ``each`` samples a system whose means differ by d."""
    a = np.clip(np.repeat(0.5 + np.asarray(d) / 2, each), -9, 9) * scale
    b = np.clip(np.repeat(0.5 - np.asarray(d) / 2, each), -9, 9) * scale
    n = len(d)
    data = {
        "item": np.tile(np.repeat(np.arange(n), each), 2),
        "system": ["new"] * (n * each) + ["old"] * (n * each),
        "score": np.concatenate([a, b]),
    }
    return pd.DataFrame({**data, **{k: np.tile(np.repeat(v, each), 2) for k, v in (more or {}).items()}})


D = [0.5, 0.25, 0.5, 0.0, 0.75, 0.25, -0.25, 0.5, 0.25, 1.0, 0.5, 0.25]


@pytest.mark.parametrize("scale", [1.0, 10.0])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("clusters", [None, "passage"])
def test_differences_of_repeated_samples(scale, weighted, clusters) -> None:
    weights = np.arange(12) % 3 + 1.0
    passage = [f"p{k // 2}" for k in range(12)] if clusters else list(range(12))
    data = two_systems(D, scale, more={"passage": passage, "w": weights})
    if weighted:
        data = data.drop(index=0)  # an item weighs what its rows do on average, however many there are
    result = evals.compare(data, clusters=clusters, weights="w" if weighted else None, score="score")
    w = weights if weighted else None
    mean, error, units = mean_of_clusters(scale * np.array(D), passage, w)
    n = len(set(passage))
    df = max(units - 1, 0.1) if weighted else n - 1
    half = stats.t.isf(0.025, df) * error
    sums = [
        sum(D[i] * (weights[i] if weighted else 1) for i in range(12) if passage[i] == c)
        for c in dict.fromkeys(passage)
    ]
    flips = oracle.sign_flips(sums)
    assert (result.estimate, result.std_error) == pytest.approx((mean, error))
    assert result.sign_flip_p_value == pytest.approx(flips)
    assert (result.conf_low, result.conf_high) == pytest.approx((mean - half, mean + half))
    assert result.p_value == pytest.approx(2 * stats.t.sf(mean / error, df))
    assert result.mean_a == pytest.approx(scale * (0.5 + np.average(D, weights=w) / 2))
    assert result.mean_b == pytest.approx(scale * (0.5 - np.average(D, weights=w) / 2))
    assert (result.n_items, result.n_discordant) == (12, 11)
    unit = clusters or "item"
    assert result.method == f"t interval over {n} units ({unit}), sign flips"
    assert result.detectable == pytest.approx(half + stats.norm.ppf(0.8) * error)
    assert result.needed_items == pytest.approx(12 * (result.detectable / mean) ** 2)
    assert result.verdict.code == "better"
    assert result.options["clusters"] == unit
    assert result.guarantee.kind == "asymptotic" and result.guarantee.n_reference == 12
    assert result.guarantee.check[1].startswith(f"units ({unit}) do not depend on each other, and the diff")
    assert re.search(rf"p of sign flips *:? *{flips:.3g}", str(result.summary()))


def test_flips_that_do_not_reject_let_the_interval_touch_0() -> None:
    """Five items all won: the t interval excludes 0, flips give 2/32."""
    result = evals.compare(two_systems([0.5, 0.4, 0.5, 0.6, 0.5]))
    assert result.sign_flip_p_value == result.p_value == 2 / 32
    assert result.conf_low == 0.0 and result.verdict.code == "undecided"
    mean, error = 0.5, math.sqrt(0.005) / math.sqrt(5)
    assert result.conf_high == pytest.approx(mean + stats.t.isf(0.025, 4) * error)
    assert evals.compare(two_systems([0.5, 0.4, 0.5, 0.6, 0.5]), confidence_level=0.9).conf_low > 0.3


def test_an_interval_that_holds_0_has_no_p_value_that_rejects() -> None:
    d = [1.0, -0.5, 0.5, 0.25, 0.5, -0.25]
    result = evals.compare(two_systems(d))
    mean, error, _ = mean_of_clusters(np.array(d), range(6))
    assert result.p_value == pytest.approx(2 * stats.t.sf(mean / error, 5))
    assert result.answer.startswith("Not settled: 25.0 points (")
    assert "; p" not in result.answer
    wide = evals.compare(two_systems([1.0, -1.0, 1.0]), confidence_level=0.99)
    assert (wide.conf_low, wide.conf_high) == (-1.0, 1.0)
    assert not wide.informative
    wide = evals.compare(two_systems([1.0, -1.0, 1.0], 10.0), confidence_level=0.99)
    assert wide.conf_low < -10 and wide.conf_high > 10 and wide.informative


@pytest.mark.parametrize("scale", [1.0, 10.0])
def test_differences_without_spread_are_no_certainty(scale) -> None:
    result = evals.compare(two_systems([0.5] * 6, scale))
    assert result.std_error == 0.0 and result.estimate == pytest.approx(0.5 * scale)
    if scale == 1.0:
        low, high = effective_score_interval(0.75, 0.0, 6.0, stats.t.isf(0.025, 5))
        assert (result.conf_low, result.conf_high) == pytest.approx((2 * low - 1, 2 * high - 1))
        half = (result.conf_high - result.conf_low) / 2
        assert result.detectable == pytest.approx(half + stats.norm.ppf(0.8) * half / 2)
    else:
        assert (result.conf_low, result.conf_high, result.p_value) == (-math.inf, math.inf, 1.0)
        assert not result.informative
        assert result.answer.endswith(
            "The differences of these 6 items are all alike, so nothing is known of their spread"
        )
        assert result.answer.startswith("Not settled: 5.000 (no finite interval). ")
    assert result.needed_items == math.inf


@pytest.mark.parametrize("interval", ["buehler", "bonett-price"])
def test_paired_verdicts_of_0_and_1(interval) -> None:
    a, b = [1] * 14 + [0] * 6, [1] * 4 + [0] * 10 + [1, 0, 0, 0, 0, 0]
    result = evals.compare({"new": a, "old": b}, "new", "old", interval=interval)
    assert (result.n_items, result.n_discordant, result.mean_a, result.mean_b) == (20, 11, 0.7, 0.25)
    assert result.estimate == pytest.approx(0.45)
    assert result.std_error == pytest.approx(np.std(np.array(a) - np.array(b), ddof=1) / math.sqrt(20))
    assert result.p_value == pytest.approx(2 * 12 / 2**11)
    name = "Buehler's bound" if interval == "buehler" else "Bonett and Price"
    assert result.method == f"exact McNemar test and {name}"
    assert result.guarantee.kind == ("finite-sample" if interval == "buehler" else "asymptotic")
    assert math.isnan(result.sign_flip_p_value)
    assert "p of sign flips" not in str(result.summary())
    one = evals.compare({"new": [1], "old": [0]}, "new", "old")
    assert (one.std_error, one.p_value, one.needed_items) == (0.0, 1.0, math.inf)


def apart(a, b) -> dict:
    """Scores of two systems on items of their own."""
    n = len(a) + len(b)
    return {"item": np.arange(n), "system": ["a"] * len(a) + ["b"] * len(b), "score": np.concatenate([a, b])}


def test_two_samples_are_compared_as_welch_does() -> None:
    a, b = np.array([1, 0, 1, 1, 1, 0, 1, 1.0]) * 3, np.array([0, 0, 1, 0, 0.5]) * 3
    result = evals.compare(apart(a, b))
    known = stats.ttest_ind(a, b, equal_var=False)
    ends = known.confidence_interval(0.95)
    assert result.method == "Welch's comparison of two samples: no item is shared"
    assert result.p_value == pytest.approx(known.pvalue)
    assert (result.conf_low, result.conf_high) == pytest.approx((min(ends.low, 0), max(ends.high, 0)))
    assert (result.mean_a, result.mean_b, result.n_items, result.n_discordant) == (a.mean(), b.mean(), 13, 0)
    assert result.guarantee.check[0] == "items of both systems are alike"
    assert {c.code for c in result.checks} >= {"no-shared-items"}
    found = evals.compare(apart(np.full(8, 3.0), np.zeros(5)))
    assert (found.estimate, found.conf_low, found.conf_high) == (3.0, -math.inf, math.inf)
    assert found.p_value == 1.0 and found.std_error == 0.0
    two = {"item": [0, 1, 2, 3], "system": ["a", "a", "b", "b"], "score": [1, 0, 1, 0]}
    assert evals.compare(two).estimate == 0.0
    with pytest.raises(EvalFileError, match="Each system needs two items or more"):
        evals.compare({k: v[1:] for k, v in two.items()})


@pytest.mark.parametrize("level", [0.8, 0.95])
@pytest.mark.parametrize(
    ("a", "b"), [([1, 0, 1, 1, 1, 0, 1, 1], [0, 0, 1, 0, 0.5]), ([1] * 8, [0] * 5), ([1, 0], [0, 0, 0])]
)
def test_two_samples_of_shares_are_compared_with_two_more_units_each(a, b, level) -> None:
    """Agresti and Caffo: the mean and variance of each sample with a 0 and a 1 beside it."""
    result = evals.compare(apart(np.array(a, dtype=float), np.array(b, dtype=float)), confidence_level=level)
    x, y = np.array([*a, 0, 1]), np.array([*b, 0, 1])
    parts = np.array([x.var() / len(x), y.var() / len(y)])
    df = parts.sum() ** 2 / (parts**2 / [len(x) - 1, len(y) - 1]).sum()
    d, centre = np.mean(a) - np.mean(b), x.mean() - y.mean()
    half = stats.t.isf((1 - level) / 2, df) * math.sqrt(parts.sum())
    low, high = max(min(centre - half, d), -1), min(max(centre + half, d), 1)
    assert result.method == "Agresti and Caffo's comparison of two samples: no item is shared"
    assert (result.estimate, result.conf_low, result.conf_high) == pytest.approx((d, low, high))
    assert result.std_error == pytest.approx(math.sqrt(parts.sum()))
    p = 2 * stats.t.sf(abs(centre) / math.sqrt(parts.sum()), df)
    assert result.p_value == pytest.approx(p)
    assert (result.p_value <= 1 - level) == (low > 0)


def answers_of_two(seed=0, n=60, both=False, scale=1.0):
    """Two systems with a judge; humans on some rows, on the same items of both or on others."""
    rng = np.random.default_rng(seed)
    truth = (rng.random((n, 2)) < [0.8, 0.5]).astype(float)
    judge = np.where(rng.random((n, 2)) < 0.85, truth, 1 - truth)
    known = rng.random((n, 2)) < 0.5
    if both:
        known[:, 1] = known[:, 0]
    return pd.DataFrame(
        {
            "item": np.repeat(np.arange(n), 2),
            "system": ["a", "b"] * n,
            "judge": scale * judge.ravel(),
            "human": np.where(known, scale * truth, np.nan).ravel(),
        }
    )


@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_contrasts_of_two_judged_systems(scale) -> None:
    data = answers_of_two(scale=scale)
    result = evals.compare(data)
    found = judged_systems(load(data), confidence_level=0.95, population="superpopulation", random_state=None)
    gap = found.estimate[0] - found.estimate[1]
    v = found.covariance
    error = math.sqrt(v[0, 0] + v[1, 1] - 2 * v[0, 1])
    assert (result.estimate, result.std_error) == pytest.approx((gap, error))
    t = stats.t.isf(0.025, found.degrees_of_freedom)
    if scale == 1.0:
        low, high = effective_score_interval((gap + 1) / 2, error / 2, found.effective_units, t)
        assert (result.conf_low, result.conf_high) == pytest.approx((2 * low - 1, 2 * high - 1))
        p = score_p_value((gap + 1) / 2, error / 2, found.effective_units, 0.5, found.degrees_of_freedom)
    else:
        assert (result.conf_low, result.conf_high) == pytest.approx((gap - t * error, gap + t * error))
        p = 2 * stats.t.sf(abs(gap) / error, found.degrees_of_freedom)
    assert result.p_value == pytest.approx(p)
    rows = [data["system"] == s for s in "ab"]
    assert result.naive == pytest.approx(data["judge"][rows[0]].mean() - data["judge"][rows[1]].mean())
    n = int(data["human"].notna().sum())
    assert result.method == f"contrast of two judged systems, {n} answers labelled by humans"
    assert result.guarantee.n_reference == n
    assert result.guarantee.check[1].startswith(f"the {n} labelled answers were drawn at random")
    swapped = evals.compare(data, "b", "a")
    assert swapped.estimate == pytest.approx(-gap) and swapped.mean_a == pytest.approx(result.mean_b)
    sizes = [np.bincount(data["item"][rows[s] & data["human"].notna()]).sum() for s in (0, 1)]
    assert found.n_human.tolist() == sizes and found.degrees_of_freedom == min(sizes) - 1
    assert found.effective_units == pytest.approx(min(sizes))


@pytest.mark.parametrize("population", ["superpopulation", "finite"])
def test_covariances_of_judged_systems_are_sums_over_items(population) -> None:
    data = answers_of_two(1)
    inputs = load(data)
    found = judged_systems(inputs, confidence_level=0.9, population=population, random_state=None)
    result = found.study
    alone = np.asarray(result.std_error) ** 2
    if population == "finite":
        np.testing.assert_allclose(found.covariance, np.diag(alone))
        ends = np.asarray(result.confidence_interval(0.9))
        np.testing.assert_allclose([found.conf_low, found.conf_high], ends.T)
        return
    influence = np.asarray(result.influence)
    sums = np.array([influence[inputs.item == i].sum(0) for i in range(60)])
    expected = sums.T @ sums * 60 / 59 / 120**2
    assert abs(expected[0, 1]) > 1e-5
    np.testing.assert_allclose(found.covariance[0, 1], expected[0, 1])
    np.testing.assert_allclose(np.diag(found.covariance), np.maximum(np.diag(expected), alone))
    wider = np.sqrt(np.diag(found.covariance) / alone)
    ends = np.asarray(result.confidence_interval(0.9)) - found.estimate[:, None]
    np.testing.assert_allclose(found.conf_low, np.clip(found.estimate + wider * ends[:, 0], 0, 1))
    np.testing.assert_allclose(found.conf_high, np.clip(found.estimate + wider * ends[:, 1], 0, 1))


def test_a_system_with_one_label_is_named() -> None:
    data = answers_of_two(2)
    rows = np.flatnonzero((data["system"] == "b") & data["human"].notna())
    data.loc[rows[1:], "human"] = np.nan
    with pytest.raises(EvalFileError, match="'b' has fewer than 2 human labels"):
        evals.rank(data)
    data.loc[rows[1], "human"] = 1.0
    assert evals.rank(data).n_human.min() == 2
    data["human"] = np.where(data.index < 1, data["human"].fillna(1.0), np.nan)
    with pytest.raises(EvalFileError, match="'a', 'b' have fewer than 2"):
        evals.rank(data)


def test_p_values_belong_to_intervals() -> None:
    units, error, df = 30.0, 0.08, 17.0
    p = score_p_value(0.7, error, units, 0.5, df)
    low, _ = effective_score_interval(0.7, error, units, stats.t.isf(p / 2, df))
    assert float(low) == pytest.approx(0.5)
    low, _ = effective_score_interval(
        1.0, 0.0, units, stats.t.isf(score_p_value(1.3, 0.0, units, 0.9, df) / 2, df)
    )
    assert float(low) == pytest.approx(0.9)

    def ends(level):
        half = stats.norm.isf((1 - level) / 2)
        return 1.5 - half, 1.5 + half

    assert _level_at(ends, 1.5, 0.0) == pytest.approx(2 * stats.norm.sf(1.5), abs=1e-11)
    assert _level_at(ends, 1.5, 1.5) == _level_at(ends, math.nan, 0.0) == 1.0
    inputs = load(answers_of_two(3).query("system == 'a'"))
    how = {"confidence_level": 0.95, "population": "superpopulation", "random_state": None, "binary": True}
    found = judged_mean(inputs, bounds=(0.0, 1.0), null=0.6, **how)
    assert min(abs(end - 0.6) for end in found.ends(1 - found.p_value)) < 1e-6
    assert math.isnan(judged_mean(inputs, bounds=(0.0, 1.0), **how).p_value)
    assert found.ends(0.95) == (found.conf_low, found.conf_high)
    assert found.n_human == int(inputs.labelled.sum())
    assert found.judge_estimate == pytest.approx(inputs.score.mean())
    assert found.human_estimate == pytest.approx(np.nanmean(inputs.human))


@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_pairs_with_labels_of_both_are_a_mean_of_differences(scale) -> None:
    data = answers_of_two(4, both=True, scale=scale)
    result = evals.compare(data)
    d = data.pivot(index="item", columns="system")
    judge, human = (d[name]["a"] - d[name]["b"] for name in ("judge", "human"))
    alone = load({"item": np.arange(60), "judge": judge.to_numpy(), "human": human.to_numpy()})
    how = {"confidence_level": 0.95, "population": "superpopulation", "random_state": None}
    bounds = (-1.0, 1.0) if scale == 1.0 else None
    found = judged_mean(alone, bounds=bounds, null=0.0, **how)
    assert (result.estimate, result.conf_low, result.conf_high) == pytest.approx(
        (found.estimate, found.conf_low, found.conf_high)
    )
    assert result.p_value == pytest.approx(found.p_value)
    assert result.naive == pytest.approx(judge.mean())
    n = int(human.notna().sum())
    assert result.method == f"differences of pairs, {n} of them labelled by humans"
    assert result.n_discordant == int((judge != 0).sum())
    bounds = (0.0, 1.0) if scale == 1.0 else None
    for mean, s in ((result.mean_a, "a"), (result.mean_b, "b")):
        part = load(data[data["system"] == s].drop(columns="system"))
        expected = judged_mean(part, bounds=bounds, binary=scale == 1.0, **how).estimate
        assert mean == pytest.approx(expected)


def shuffled(data, seed=0):
    return data.sample(frac=1.0, random_state=seed).reset_index(drop=True)


@pytest.mark.parametrize("kind", ["pairs", "pairs of samples", "contrast", "weights", "counts"])
def test_the_order_of_rows_changes_nothing(kind) -> None:
    options = {}
    if kind in ("pairs", "contrast"):
        data = answers_of_two(4, both=kind == "pairs")
    elif kind == "pairs of samples":
        data = pd.concat([answers_of_two(k, both=True).assign(sample=k) for k in (4, 5)])
    else:
        data = two_systems(
            D, more={"passage": [f"p{k // 2}" for k in range(12)], "w": np.arange(12) % 3 + 1.0}
        )
        data = data.assign(score=data["score"].round()) if kind == "counts" else data
        options = {"weights": "w", "clusters": "passage"} if kind == "weights" else {"score": "score"}
    one = evals.compare(data, "a" if "a" in set(data["system"]) else "new", **options)
    for seed in (1, 2):
        other = evals.compare(shuffled(data, seed), one.a, one.b, **options)
        assert (other.method, other.n_items, other.n_discordant) == (
            one.method,
            one.n_items,
            one.n_discordant,
        )
        if kind == "pairs of samples":  # whose folds are of rows
            assert other.naive == pytest.approx(one.naive)
            assert abs(other.estimate - one.estimate) < one.std_error / 4
            continue
        for name in ("estimate", "conf_low", "conf_high", "std_error", "p_value", "mean_a", "mean_b"):
            assert getattr(other, name) == pytest.approx(getattr(one, name), rel=1e-9), name


def test_two_answers_of_one_system_to_one_sample_are_no_pair() -> None:
    """Differences of pairs need one answer of each system; else the systems are contrasted."""
    data = answers_of_two(4, both=True).assign(sample=1)
    assert evals.compare(data).method.startswith("differences of pairs")
    twice = pd.concat([data, data.iloc[[0]].assign(sample=2)])
    assert evals.compare(twice).method.startswith("differences of pairs, ")
    unnumbered = pd.concat([data, data.iloc[[0]]]).drop(columns="sample")
    assert evals.compare(unnumbered).method.startswith("contrast of two judged systems")
    apart = data.assign(sample=data["system"].map({"a": 1, "b": 2}))
    assert evals.compare(apart).method.startswith("contrast of two judged systems")


def test_four_in_five_labelled_pairs_are_enough_for_differences() -> None:
    """Of ten items with labels eight have both, or seven."""
    data = answers_of_two(5, n=40)
    human = np.full((40, 2), np.nan)
    human[:10] = np.arange(20).reshape(10, 2) % 3 > 0
    for alone, pairs in ((2, True), (3, False)):
        some = human.copy()
        some[:alone, 1] = np.nan
        result = evals.compare(data.assign(human=some.ravel()))
        assert result.method.startswith("differences of pairs, 8" if pairs else "contrast of two")
    probability = np.tile([0.25, 0.25], 40)
    known = data.assign(human=human.ravel(), pi=probability)
    assert evals.compare(known, sampling_probability="pi").method.startswith("differences of pairs, 10")
    for change in (
        {"pi": np.tile([0.25, 0.26], 40)},
        {"human": np.where(np.arange(80) == 1, np.nan, human.ravel())},
    ):
        other = evals.compare(known.assign(**change), sampling_probability="pi")
        assert other.method.startswith("contrast of two")


def test_systems_are_named_or_the_two_there_are() -> None:
    data = two_systems(D)
    assert (evals.compare(data).a, evals.compare(data).b) == ("new", "old")
    columns = {"a": [1, 0, 1, 1] * 3, "b": [0, 0, 1, 1] * 3}
    assert "no-items" not in {c.code for c in evals.compare(columns, "a", "b").checks}
    copied = {**columns, "topic": ["x", "y"] * 6, "item": ["q", "Q", *range(10)]}
    assert "near-miss-names" in {c.code for c in evals.compare(copied, "a", "b").checks}
    pages = {**columns, "judge": ["pass", "fail"] * 6}
    assert "words" in {c.code for c in evals.compare(pages, "a", "b").checks}
    for options in ({"a": "old"}, {"b": "new"}, {"candidate": "old"}, {"baseline": "new"}):
        result = evals.compare(data, **options)
        assert (result.a, result.b) == ("old", "new") and result.estimate < 0
    three = pd.concat([data, data[data["system"] == "old"].assign(system="third")])
    with pytest.raises(EvalFileError, match=r"There are 3 systems \('new', 'old', 'third'\); name two"):
        evals.compare(three)
    for options in ({"a": "new"}, {"b": "new"}):
        with pytest.raises(EvalFileError, match=r"\('new'\); name both of 'new', 'old', 'third'"):
            evals.compare(three, **options)
    with pytest.raises(EvalFileError, match=r"\('nobody'\); name both"):
        evals.compare(data, "nobody")
    with pytest.raises(EvalFileError, match="a='nobody' is no system"):
        evals.compare(data, "nobody", "new")
    assert evals.compare(three, "third", "new").estimate == pytest.approx(
        evals.compare(data, "old", "new").estimate
    )


@pytest.mark.parametrize("alone", [1, 2])
def test_a_tenth_of_the_items_may_be_left_out(alone) -> None:
    data = two_systems([*D[:9], 0.25])
    data = data[~((data["system"] == "old") & (data["item"] >= 10 - alone))]
    if alone == 2:
        with pytest.raises(
            EvalFileError,
            match=r"2 of 10 items \(20%\) were answered by one system only \(for example '8', '9'\)",
        ):
            evals.compare(data)
    result = evals.compare(data, unpaired=None if alone == 1 else "ok")
    names = ", ".join(str(i) for i in range(10 - alone, 10))
    assert f"{alone} items were answered by one system only and are left out: {names}." in {
        c.sentence for c in result.checks
    }
    assert result.n_items == 10 - alone
    assert result.estimate == pytest.approx(np.mean([*D[:9], 0.25][: 10 - alone]))


def test_one_item_in_eight_is_more_than_a_tenth() -> None:
    data = two_systems(D[:8])
    with pytest.raises(EvalFileError, match=r"1 of 8 items \(12%\)"):
        evals.compare(data[~((data["system"] == "old") & (data["item"] == 3))])


def test_what_a_judge_alone_says_of_pairs_leaves_out_missing_verdicts() -> None:
    data = answers_of_two(4, both=True)
    data["second"] = 1.0 - data["judge"]
    data.loc[data["item"] % 7 == 0, "judge"] = np.nan
    data.loc[data["item"] % 14 == 0, "second"] = np.nan
    d = data.pivot(index="item", columns="system", values="judge")
    result = evals.compare(data, judge="judge")
    assert result.naive == pytest.approx((d["a"] - d["b"]).mean())
    several = evals.compare(data, judge=["judge", "second"])
    assert several.naive == pytest.approx(result.naive)
    both = [data.pivot(index="item", columns="system", values=name) for name in ("judge", "second")]
    mean = pd.concat([x["a"] - x["b"] for x in both], axis=1).mean(axis=1)
    one = {"item": np.arange(60), "judge": mean.round(12).to_numpy()}
    human = data.pivot(index="item", columns="system", values="human")
    alone = load({**one, "human": (human["a"] - human["b"]).to_numpy()})
    found = judged_mean(
        alone, bounds=(-1.0, 1.0), confidence_level=0.95, population="superpopulation", random_state=None
    )
    assert (several.conf_low, several.conf_high) == pytest.approx((found.conf_low, found.conf_high))


def test_looks_share_the_level_and_are_said() -> None:
    data = two_systems(D)
    one, three = evals.compare(data), evals.compare(data, looks=3)
    assert three.conf_low == pytest.approx(evals.compare(data, confidence_level=1 - 0.05 / 3).conf_low)
    assert three.guarantee.holds.endswith("in at most 5 of 100 sets of 3 comparisons")
    assert (
        three.guarantee.check[-1] == "all 3 comparisons were fixed beforehand, none in the light of another"
    )
    assert one.guarantee.holds.endswith("in at most 5 of 100 comparisons")
    assert one.guarantee.check[-1] == "this is the first look at these items"
    assert (one.options["looks"], three.options["looks"]) == (1, 3)
    for bad in ({"unpaired": "yes"}, {"margin": -0.1}, {"looks": 0}, {"interval": "wald"}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            evals.compare(data, **bad)


def test_margins_are_compared_with_ends_and_said() -> None:
    a = np.r_[np.ones(95), np.zeros(5)]
    slightly = np.r_[np.ones(90), np.zeros(10)]
    found = evals.compare({"a": a, "b": slightly}, "a", "b", margin=0.04)
    assert found.verdict.code == "not_worse"
    assert found.answer.startswith("a is at most 4 points worse than b: 5.0 points (")
    better = evals.compare({"a": np.ones(100), "b": slightly}, "a", "b", margin=0.04)
    assert better.verdict.code == "not_worse" and better.conf_low > 0
    assert better.answer.endswith("a is better than b, by more or less than that margin")
    worse = evals.compare({"a": np.zeros(100), "b": slightly}, "a", "b", margin=0.04)
    assert worse.answer.startswith("a is worse than b by 90.0 points (")
    alike = evals.compare({"a": a, "b": a}, "a", "b")
    assert alike.answer.endswith("up") and "; 0 points" not in alike.answer
    one = evals.compare({"a": a, "b": np.r_[np.ones(94), np.zeros(6)]}, "a", "b")
    assert "; 1 point needs about" in one.answer
    two = evals.compare({"a": a, "b": np.r_[np.ones(93), np.zeros(7)]}, "a", "b")
    assert "; 2 points need about" in two.answer


# ---- evaluate ----


@pytest.mark.parametrize("scale", [1.0, 5.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_means_of_items_with_several_samples(scale, weighted) -> None:
    rng = np.random.default_rng(0)
    item, score = np.repeat(np.arange(10), 3), scale * rng.integers(0, 2, 30)
    weights = np.repeat(rng.random(10) + 0.2, 3) if weighted else None
    data = pd.DataFrame({"item": item, "score": score} | ({"w": weights} if weighted else {}))
    result = evals.evaluate(data, score="score", weights="w" if weighted else None)
    mean, error, units = mean_of_clusters(score, item, weights)
    t = stats.t.isf(0.025, units - 1)
    assert (result.estimate, result.std_errors[0]) == pytest.approx((mean, error))
    ends = (
        effective_score_interval(mean, error, units, t)
        if scale == 1.0
        else (mean - t * error, mean + t * error)
    )
    assert (result.conf_low, result.conf_high) == pytest.approx([float(end) for end in ends])
    assert (result.n_items[0], result.n_human[0], result.measure) == (
        10,
        0,
        "pass rate" if scale == 1.0 else "mean score",
    )
    assert result.guarantee.n_reference == 10
    # without weights the means of items have three values here
    tail = ", and the scores have no long tail that 10 units do not show (with one, some 88 of 100 intervals at 95 % hold)"
    assert (
        result.guarantee.check[0]
        == f"units (item) do not depend on each other{tail if scale > 1.0 and weighted else ''}"
    )
    assert isinstance(result.naive, NotApplicable) and result.verdict.code == "estimate"
    assert result.title == "Evaluation"
    assert not any(c.code == "few-clusters" for c in result.checks)
    few = evals.evaluate(data[data["item"] < 9], score="score")
    assert "There are 9 independent units (item) only; intervals are approximate." in {
        c.sentence for c in few.checks
    }


def test_these_items_alone_have_the_noise_of_their_samples() -> None:
    item = np.array([0, 0, 1, 1, 1, 2, 2, 3, 3])
    score = np.array([1, 0, 1, 1, 0, 0, 0, 1, 0.5])
    result = evals.evaluate({"item": item, "score": score}, population="finite")
    variance = sum(np.sum(item == i) * np.var(score[item == i], ddof=1) for i in range(4)) / 81
    error = math.sqrt(variance)
    assert (result.estimate, result.std_errors[0]) == pytest.approx((score.mean(), error))
    ends = effective_score_interval(score.mean(), error, 9.0, stats.t.isf(0.025, 5))
    assert (result.conf_low, result.conf_high) == pytest.approx([float(end) for end in ends])
    assert result.guarantee.holds == "about 95 of 100 such intervals contain the mean score over these items"
    with pytest.raises(EvalFileError, match="two or more samples of every item"):
        evals.evaluate({"item": [0, 0, 1], "score": [1, 0, 1]}, population="finite")


def test_scores_without_bounds_or_spread_say_nothing() -> None:
    result = evals.evaluate({"score": [3.0] * 12})
    assert (result.conf_low, result.conf_high, result.informative) == (-math.inf, math.inf, False)
    data = {"item": range(13), "score": [3.0, 4.0] * 6 + [9.0], "topic": ["x"] * 6 + ["y"] * 6 + ["z"]}
    found = evals.evaluate(data, by="topic")
    assert (found.lows[3], found.highs[3], found.estimates[3]) == (-math.inf, math.inf, 9.0)
    assert math.isnan(found.std_errors[3]) and found.informative
    assert evals.evaluate({"score": [1, 0] * 3}).informative
    assert found.n_items.tolist() == [13, 6, 6, 1]


def test_the_lowest_category_allows_for_all_by_its_influence() -> None:
    rng = np.random.default_rng(1)
    item = np.repeat(np.arange(12), 2)
    topic = np.where(np.arange(24) % 2 == 0, "x", "y")
    score = np.where(topic == "x", rng.integers(0, 2, 24), 1)
    score[1] = 0
    result = evals.evaluate({"item": item, "topic": topic, "score": score}, by="topic")
    influence = np.column_stack([(score[topic == t] - score[topic == t].mean()) / 12 for t in "xy"])
    joint = simultaneous_level(
        influence.T @ influence, np.array([11.0, 11.0]), 0.95, np.random.default_rng(0)
    )
    mean = score[topic == "x"].mean()
    error = np.std(score[topic == "x"], ddof=1) / math.sqrt(12)
    low, high = effective_score_interval(mean, error, 12.0, stats.t.isf((1 - joint) / 2, 11))
    assert result.answer.endswith(
        f"The lowest category is x: {100 * mean:.1f} % ({100 * low:.1f} to {100 * high:.1f} %), allowing for 2 categories"
    )


def test_categories_of_one_labelled_unit_or_of_none_are_open() -> None:
    n = 60
    passage = np.arange(n) // 4
    topic = np.where(passage == 0, "one", np.where(passage == 1, "none", "many"))
    rng = np.random.default_rng(0)
    human = (rng.random(n) < 0.6).astype(float)
    judge = np.where(rng.random(n) < 0.8, human, 1 - human)
    human[(passage % 2 == 1) & (passage > 1) | (passage == 1)] = np.nan
    data = {"item": np.arange(n), "passage": passage, "topic": topic, "judge": judge, "human": human}
    result = evals.evaluate(data, by="topic", clusters="passage")
    rows = dict(
        zip(
            result.terms,
            np.column_stack(
                [result.estimates, result.lows, result.highs, result.judge_estimates, result.human_estimates]
            ),
        )
    )
    known = human[topic == "one"].mean()
    np.testing.assert_allclose(rows["one"], [known, 0, 1, judge[topic == "one"].mean(), known])
    np.testing.assert_allclose(rows["none"], [np.nan, 0, 1, judge[topic == "none"].mean(), np.nan])
    assert 0 < rows["many"][1] < rows["many"][0] < rows["many"][2] < 1
    assert np.isnan(result.std_errors[[list(result.terms).index(t) for t in ("one", "none")]]).all()
    assert "The lowest category is many" in result.answer and "allowing for 1 categories" in result.answer
    numbers = evals.evaluate(
        {k: (10 * v if k in ("judge", "human") else v) for k, v in data.items()},
        by="topic",
        clusters="passage",
    )
    at = list(numbers.terms).index("one")
    assert (numbers.lows[at], numbers.highs[at], numbers.estimates[at]) == (-np.inf, np.inf, 10 * known)
    alone = evals.evaluate(
        {k: data[k] for k in ("item", "passage", "topic", "judge")}, by="topic", clusters="passage"
    )
    at = list(alone.terms).index("none")
    assert (alone.lows[at], alone.highs[at]) == (0.0, 1.0) and alone.estimates[at] == judge[
        topic == "none"
    ].mean()
    with pytest.raises(EvalFileError, match=r"All rows belong to one unit \(passage\)"):
        evals.evaluate({k: np.asarray(v)[:4] for k, v in data.items() if k != "human"}, clusters="passage")


def test_a_judge_is_lenient_strict_or_within() -> None:
    data = {"item": np.arange(40), "human": np.where(np.arange(40) < 30, np.arange(40) % 2, np.nan)}
    for judge, code, words in (
        (np.r_[np.ones(39), 0], "judge_lenient", "97.5 %, outside that: it is lenient"),
        (np.r_[np.zeros(39), 1], "judge_strict", "2.5 %, outside that: it is strict"),
        (np.arange(40) % 2, "judge_within", "50.0 %, inside that"),
    ):
        result = evals.evaluate({**data, "judge": judge})
        assert result.verdict.code == code and result.answer.endswith(f"The judge alone says {words}")
    many = evals.evaluate({**data, "judge": 3.0 * np.arange(40) % 7, "human": 3.0 * data["human"]})
    assert many.measure == "mean score" and many.title == "Evaluation"
    named = evals.evaluate({**data, "judge": np.arange(40) % 2, "system": ["m"] * 40})
    assert named.title == "Evaluation of m" and named.answer.startswith("The pass rate of m is ")


def test_judges_alone_are_weighted_means_of_what_they_said() -> None:
    rng = np.random.default_rng(2)
    n = 60
    data = pd.DataFrame(
        {"item": range(n), "a": rng.integers(0, 2, n) * 1.0, "b": rng.integers(0, 2, n) * 1.0}
    )
    data["human"] = np.where(np.arange(n) < 40, np.round(rng.random(n)), np.nan)
    data["w"] = rng.random(n) + 0.5
    data.loc[::7, "b"] = np.nan
    result = evals.evaluate(data, judge=["a", "b"], weights="w")
    known = data["b"].notna()
    assert result.each_judge["b"][0] == pytest.approx(np.average(data["b"][known], weights=data["w"][known]))
    assert result.judge_estimates[0] == pytest.approx(np.average(data["a"], weights=data["w"]))
    labelled = data["human"].notna()
    assert result.human_estimates[0] == pytest.approx(
        np.average(data["human"][labelled], weights=data["w"][labelled])
    )


@pytest.mark.parametrize(
    ("units", "whole", "weighted", "alone"),
    [
        (12, True, False, False),
        (12, False, False, True),
        (19, False, False, True),
        (20, False, False, False),
        (12, True, True, True),
    ],
)
def test_labels_stand_alone_where_a_regression_would_learn_from_fewer_than_twenty_units(
    units, whole, weighted, alone
) -> None:
    """Items of two samples, labelled as a whole (which cells take at any number) or in part."""
    rng = np.random.default_rng(0)
    item = np.repeat(np.arange(60), 2)
    judge = rng.integers(0, 2, 120)
    known = (item < units) & (whole | (np.arange(120) % 2 == 0))
    data = {"item": item, "judge": judge, "human": np.where(known, judge ^ (rng.random(120) < 0.2), np.nan)}
    options = {"weights": np.repeat(rng.random(60) + 0.5, 2)} if weighted else {}
    assert (evals.evaluate(data, **options).study.estimator == "gold") == alone


def test_agreement_is_that_of_drawn_tables() -> None:
    judge = np.array([1, 1, 1, 0, 0, 1, 0, 1, 0, 1] * 6, float)
    human = np.where(np.arange(60) < 40, np.array([1, 1, 0, 0, 0, 1, 1, 1, 0, 1] * 6), np.nan)
    found = evals.evaluate({"item": np.arange(60), "judge": judge, "human": human}).judge
    counts = np.array([24.0, 36.0])
    known = np.arange(60) < 40
    labels = np.array([[np.sum(known & (judge == q) & (human == h)) for h in (0, 1)] for q in (0, 1)], float)
    table = (counts / 60)[:, None] * labels / labels.sum(1, keepdims=True)
    point = agreement_measures(table)
    draws = agreement_measures(agreement_draws(counts, labels, np.random.default_rng(0)))
    assert found.terms == tuple(point)
    np.testing.assert_allclose(found.estimate, [float(value) for value in point.values()])
    ends = [np.nanquantile(draws[name], [0.025, 0.975]) for name in point]
    np.testing.assert_allclose(found.conf_low, np.minimum([end[0] for end in ends], found.estimate))
    np.testing.assert_allclose(found.conf_high, np.maximum([end[1] for end in ends], found.estimate))
    k = [rounded_half(found, i) for i in range(3)]
    assert (
        found.answer
        == f"Kappa {k[0]}; passes {100 * found.estimate[1]:.0f} % of good and {100 - 100 * found.estimate[2]:.0f} % of bad answers"
    )
    with pytest.raises(KeyError, match="There is no measure 'nothing'"):
        found.value("nothing")
    assert (found.n_human, found.confidence_level, found.judges) == (40, 0.95, ())


def rounded_half(found, i):
    from validstats.results import rounded

    spread = (found.conf_high[i] - found.conf_low[i]) / 2
    return f"{rounded(found.estimate[i], spread)} ({rounded(found.conf_low[i], spread)} to {rounded(found.conf_high[i], spread)})"


def test_agreement_counts_effective_labels() -> None:
    """Weights and clusters: Kish's number of units, shared out by inverse probabilities."""
    rng = np.random.default_rng(3)
    n = 48
    data = {
        "item": np.arange(n) // 2,
        "judge": rng.integers(0, 2, n),
        "w": np.repeat(rng.random(24) + 0.5, 2),
    }
    data["pi"] = np.repeat(np.where(np.arange(24) % 2, 0.8, 0.6), 2)
    known = rng.random(n) < 0.7
    data["human"] = np.where(known, rng.integers(0, 2, n), np.nan)
    found = evals.evaluate(data, judge="judge", human="human", weights="w", sampling_probability="pi").judge
    inverse, judge, human = data["w"] / data["pi"], data["judge"], data["human"]
    size = kish_size(np.bincount(data["item"], data["w"]))
    counts, labels = np.zeros(2), np.zeros((2, 2))
    for q in (0, 1):
        counts[q] = size * data["w"][judge == q].sum() / data["w"].sum()
        rows = known & (judge == q)
        units = [
            inverse[rows & (data["item"] == i)].sum() for i in range(24) if (rows & (data["item"] == i)).any()
        ]
        effective = min(kish_size(np.array(units)), rows.sum())
        for h in (0, 1):
            labels[q, h] = effective * inverse[rows & (human == h)].sum() / inverse[rows].sum()
    point = agreement_measures((counts / counts.sum())[:, None] * labels / labels.sum(1, keepdims=True))
    draws = agreement_measures(agreement_draws(counts, labels, np.random.default_rng(0)))
    np.testing.assert_allclose(found.estimate, [float(v) for v in point.values()])
    np.testing.assert_allclose(found.conf_low[0], np.quantile(draws["kappa"], 0.025))


def test_agreement_of_several_kinds_and_of_numbers() -> None:
    rng = np.random.default_rng(4)
    human = rng.integers(0, 3, 50) / 2
    judge = np.where(rng.random(50) < 0.7, human, rng.integers(0, 3, 50) / 2)
    judge[3] = np.nan
    found = evals.evaluate({"item": range(50), "judge": judge, "human": human}).judge
    from sklearn.metrics import cohen_kappa_score

    kept = ~np.isnan(judge)
    kappa = cohen_kappa_score(
        (2 * judge[kept]).astype(int), (2 * human[kept]).astype(int), weights="quadratic"
    )
    assert found.terms == ("kappa", "accuracy")
    assert found.estimate == pytest.approx([kappa, np.mean(judge[kept] == human[kept])])
    assert (
        f"over several kinds of verdicts; {100 * found.estimate[1]:.0f} % of answers get the same"
        in found.answer
    )
    judge, human = rng.normal(size=50), np.where(np.arange(50) < 20, rng.normal(size=50), np.nan)
    found = evals.evaluate({"item": range(50), "judge": judge, "human": human}, confidence_level=0.9).judge
    r = stats.spearmanr(judge[:20], human[:20]).statistic
    half = stats.norm.isf(0.05) * math.sqrt((1 + r * r / 2) / 17)
    assert found.estimate == pytest.approx([r])
    assert found.conf_low == pytest.approx([math.tanh(math.atanh(r) - half)])
    assert found.conf_high == pytest.approx([math.tanh(math.atanh(r) + half)])
    assert found.confidence_level == 0.9
    assert found.answer == f"Rank correlation of judge and humans {rounded_half(found, 0)}"
    close = np.where(np.arange(50) < 20, judge + 0.001 * human, np.nan)
    near = evals.evaluate({"item": range(50), "judge": judge, "human": close}).judge
    assert near.answer == f"Rank correlation of judge and humans {rounded_half(near, 0)}"
    few = {"item": range(50), "judge": judge, "human": np.where(np.arange(50) < 4, human, np.nan)}
    assert isinstance(evals.evaluate(few).judge, NotApplicable)
    few["human"] = np.where(np.arange(50) < 5, human, np.nan)
    assert not isinstance(evals.evaluate(few).judge, NotApplicable)


def test_measures_that_do_not_exist_say_why() -> None:
    human = np.where(np.arange(60) < 40, 1.0, np.nan)
    found = evals.evaluate({"item": range(60), "judge": np.arange(60) % 2, "human": human}).judge
    assert found.reasons == {"specificity": "no answer is bad according to the humans"}
    assert "passes 50 % of good and an unknown share of bad answers" in found.answer
    judge = (np.arange(60) > 57).astype(int)
    table = {
        "item": range(60),
        "judge": judge,
        "human": np.where(np.arange(60) < 40, np.arange(60) % 2, np.nan),
    }
    found = evals.evaluate(table).judge
    assert set(found.reasons.values()) == {"a verdict has no human label"} and np.isnan(found.estimate).all()
    assert isinstance(found.value("kappa"), NotApplicable)
    assert (
        found.answer == "Kappa unknown; passes an unknown share of good and an unknown share of bad answers"
    )


# ---- rank ----


@pytest.mark.parametrize("kind", ["exact", "half", "weights"])
def test_ranks_of_scores_are_those_of_their_means(kind) -> None:
    rng = np.random.default_rng(5)
    n = 40
    scores = (rng.random((n, 3)) < [0.35, 0.6, 0.95]).astype(float)
    if kind == "half":
        scores[0] = 0.5
    weights = np.repeat(rng.random(n) + 0.2, 3)
    data = {
        "item": np.repeat(np.arange(n), 3),
        "system": ["p", "q", "r"] * n,
        "score": scores.ravel(),
        "w": weights,
    }
    result = evals.rank(data, score="score", weights="w" if kind == "weights" else None)
    w = weights[::3] if kind == "weights" else np.ones(n)
    theta = (w[:, None] * scores).sum(0) / w.sum()
    off = w[:, None] * (scores - theta) / w.mean() / n
    covariance = off.T @ off * n / (n - 1)
    units = w.sum() ** 2 / np.sum(w**2)
    vetoes = sign_test_vetoes(scores) if kind == "exact" else None
    sets = rank_sets(theta, covariance, units - 1, 0.95, generator=np.random.default_rng(0), vetoes=vetoes)
    order = np.argsort(-theta)
    assert result.systems == tuple("pqr"[i] for i in order)
    np.testing.assert_allclose(result.estimate, theta[order])
    np.testing.assert_allclose(result.std_error, np.sqrt(np.diag(covariance))[order])
    low, high = pointwise(theta, covariance, units - 1, 0.95, np.full(3, units))
    np.testing.assert_allclose([result.conf_low, result.conf_high], [low[order], high[order]])
    np.testing.assert_array_equal(result.above, sets.above[np.ix_(order, order)])
    assert (result.rank_low.tolist(), result.rank_high.tolist()) == (
        sets.low[order].tolist(),
        sets.high[order].tolist(),
    )
    assert result.rank.tolist() == [1, 2, 3]
    assert result.facts == {"Systems": 3, "Items": 40, "Unit": "item"}
    assert result.unit == ("Mean score" if kind == "half" else "Pass rate")
    assert f"Degrees of freedom: {int(units - 1)}" in result.guarantee.details
    assert result.guarantee.check[0] == "all systems answered the same items"
    assert not result.judge_rank.any() and result.naive.tolist() == [1, 2, 3]


def test_systems_that_answered_other_items_are_ranked_by_what_they_answered() -> None:
    rng = np.random.default_rng(6)
    data = pd.DataFrame({"item": np.repeat(np.arange(30), 2), "system": ["a", "b"] * 30})
    data["score"] = 3.0 * rng.random(60)
    part = data[~((data["system"] == "b") & (data["item"] < 5))]
    result = evals.rank(part)
    a, b = (part.loc[part["system"] == s, "score"].to_numpy() for s in "ab")
    order = {s: k for k, s in enumerate(result.systems)}
    assert result.estimate[order["b"]] == pytest.approx(b.mean())
    for s, values in (("a", a), ("b", b)):
        error = math.sqrt(np.sum((values - values.mean()) ** 2) * 30 / 29) / len(values)
        assert result.std_error[order[s]] == pytest.approx(error)
        half = stats.t.isf(0.025, 24) * error
        assert result.conf_high[order[s]] == pytest.approx(values.mean() + half)
    warning = next(
        c.sentence for c in result.checks if c.code == "items-not-shared" and "hard set" in c.sentence
    )
    assert warning.startswith("Systems answered different items (25 of 30 are shared)")
    assert result.guarantee.check[0].startswith(
        "differences of items do not decide the order, and the scores"
    )
    common = evals.rank(part, common_items=True)
    both = data[data["item"] >= 5]
    np.testing.assert_allclose(common.estimate, evals.rank(both).estimate)
    assert common.options["common_items"] and common.inputs.items == 25
    one = part[(part["item"] < 6)]
    with pytest.raises(EvalFileError, match="Fewer than two items were answered by all"):
        evals.rank(one, common_items=True)


def battles(seed=7, n=120):
    rng = np.random.default_rng(seed)
    first = rng.integers(0, 3, n)
    second = (first + rng.integers(1, 3, n)) % 3
    names = np.array(["ash", "birch", "cedar"])
    y = np.where(rng.random(n) < np.array([0.3, 0.5, 0.7])[first], 0.5, -0.5)
    y[rng.random(n) < 0.2] = 0.0
    words = np.select([y > 0, y < 0], ["model_a", "model_b"], "tie")
    data = {
        "prompt_id": np.arange(n) // 2,
        "model_a": names[first],
        "model_b": names[second],
        "winner": words,
    }
    return data, first, second, y


@pytest.mark.parametrize(
    "options", [{}, {"order_effect": True}, {"pair_weights": "uniform"}, {"scale": "win_rate"}]
)
def test_ranks_of_battles_are_those_of_the_fit(options) -> None:
    data, first, second, y = battles()
    data["winner"] = np.where(np.arange(120) == np.flatnonzero(y == 0)[0], "both_bad", data["winner"])
    result = evals.rank(data, **options)
    prompts, tie = data["prompt_id"], (y == 0).astype(float)
    weights = None
    if "pair_weights" in options:
        pairs = [frozenset(pair) for pair in zip(first.tolist(), second.tolist())]
        weights = np.array([1 / pairs.count(pair) for pair in pairs])
        weights *= 120 / weights.sum()
    small = 119 / (120 - 3 - 1)
    if "scale" in options:
        theta, covariance = win_rate(first, second, y, prompts, 3)
        units = np.full(3, 60.0)
    else:
        fit = davidson_fit(
            first,
            second,
            y,
            tie,
            prompts,
            3,
            weights=weights,
            order_effect=options.get("order_effect", False),
        )
        theta, covariance, units = fit.strength, fit.covariance, None
    covariance = covariance * small
    order = np.argsort(-theta)
    np.testing.assert_allclose(result.estimate, theta[order])
    np.testing.assert_allclose(result.std_error, np.sqrt(np.diag(covariance))[order])
    low, high = pointwise(theta, covariance, 59.0, 0.95, units)
    np.testing.assert_allclose([result.conf_low, result.conf_high], [low[order], high[order]])
    sets = rank_sets(theta, covariance, 59.0, 0.95, generator=np.random.default_rng(0))
    np.testing.assert_array_equal(result.above, sets.above[np.ix_(order, order)])
    facts = result.facts
    assert (facts["Battles"], facts["Prompts"], facts["Ties"]) == (120, 60, int(tie.sum()))
    assert facts["Both bad (counted as ties)"] == 1
    assert "Battles judged by humans" not in facts
    assert result.unit == ("Win rate" if "scale" in options else "Strength")
    assert ("Advantage of being shown first" in facts) == ("order_effect" in options)
    if "order_effect" in options:
        expected = f"{fit.order_effect:.3f} (standard error {math.sqrt(fit.order_variance):.3f})"
        assert facts["Advantage of being shown first"] == expected
    if "scale" not in options:
        residual = y - 0.5 * (fit.fitted[:, 0] - fit.fitted[:, 1])
        assert facts["Fit of pairs"] == fit_of_pairs(first, second, residual, prompts)
    assert result.guarantee.check[0].startswith("prompts do not depend on each other")
    assert "Degrees of freedom: 59" in result.guarantee.details


def fit_of_pairs(first, second, residual, prompts):
    """Standardised sums of residuals of each pair over prompts, centred within the pair."""
    z = []
    for low in range(3):
        for high in range(low + 1, 3):
            of_pair = np.flatnonzero((np.minimum(first, second) == low) & (np.maximum(first, second) == high))
            signed = np.where(first[of_pair] == low, residual[of_pair], -residual[of_pair])
            mean = signed.mean()
            units = sorted(set(prompts[of_pair]))
            off = [np.sum(signed[prompts[of_pair] == u] - mean) for u in units]
            if len(units) >= 10:
                z.append(signed.sum() / math.sqrt(sum(x * x for x in off)))
    limit = stats.norm.isf(0.025 / len(z))
    most = max(abs(x) for x in z)
    return f"largest deviation of {len(z)} pairs {most:.1f} standard errors ({'above' if most > limit else 'below'} {limit:.1f})"


@pytest.mark.parametrize("probability", [None, "pi"])
def test_battles_judged_by_humans_correct_the_judge(probability) -> None:
    data, first, second, y = battles(8)
    rng = np.random.default_rng(9)
    human = np.where(rng.random(120) < 0.8, y, -y)
    known = rng.random(120) < 0.4
    words = np.select([human > 0, human < 0], [data["model_a"], data["model_b"]], "tie").astype(object)
    data = pd.DataFrame(
        {**data, "human_winner": np.where(known, words, None), "pi": rng.random(120) / 2 + 0.3}
    )
    data.loc[5, "winner"] = None
    result = evals.rank(data if probability else data.drop(columns="pi"), sampling_probability=probability)
    pi = data["pi"].to_numpy() if probability else np.full(120, known.mean())
    judged = data["winner"].notna().to_numpy()
    y = np.where(judged, y, 0.0)
    verdict = np.where(judged, np.where(y == 0, 1, np.where(y > 0, 2, 0)), 3)
    design = np.zeros((120, 10))
    for i in range(120):
        design[i, verdict[i]] = 1
        design[i, 4 + first[i]], design[i, 4 + second[i]] = 1, -1
        design[i, 7 + first[i]] = design[i, 7 + second[i]] = 1
    prompts = data["prompt_id"].to_numpy()
    folds = (np.random.default_rng(0).permutation(60) % 5)[prompts]
    w = 1 / pi / np.mean(1 / pi[known])
    target = np.column_stack([human, human == 0]).astype(float)
    corrected = np.zeros((120, 2))
    for i in range(120):
        train = [j for j in range(120) if known[j] and folds[j] != folds[i]]
        rows = np.vstack([np.sqrt(w[train])[:, None] * design[train], np.eye(10)])
        for k in (0, 1):
            right = np.r_[np.sqrt(w[train]) * target[train, k], np.zeros(10)]
            guess = design[i] @ np.linalg.lstsq(rows, right, rcond=None)[0]
            corrected[i, k] = guess + (target[i, k] - guess) / pi[i] if known[i] else guess
    fit = davidson_fit(first, second, corrected[:, 0], corrected[:, 1], prompts, 3)
    order = np.argsort(-fit.strength)
    n = int(known.sum())
    np.testing.assert_allclose(result.estimate, fit.strength[order], atol=1e-9)
    small = (n - 1) / (n - 4)
    np.testing.assert_allclose(result.std_error, np.sqrt(small * np.diag(fit.covariance))[order])
    df = len(set(prompts[known])) - 1
    half = stats.t.isf(0.025, df) * result.std_error
    np.testing.assert_allclose(result.conf_high, result.estimate + half)
    labels = np.bincount(np.r_[first[known], second[known]], minlength=3)
    assert result.n_human.tolist() == labels[order].tolist()
    alone = davidson_fit(first, second, y, np.where(judged, y == 0, 0.0).astype(float), prompts, 3).strength
    assert result.judge_rank.tolist() == (1 + (alone[None] > alone[:, None]).sum(1))[order].tolist()
    assert result.naive.tolist() == result.judge_rank.tolist()
    assert (result.facts["Ties"], result.facts["Battles judged by humans"]) == ("corrected by humans", n)
    fewest = ["ash", "birch", "cedar"][int(np.argmin(labels))]
    assert result.guarantee.check[1].endswith(f"fewest human labels: {fewest}, {labels.min()}")
    assert result.inputs.human_labels == n


def test_battles_need_ten_human_winners_and_a_winner_each() -> None:
    data, *_ = battles()
    words = np.asarray(data["winner"], dtype=object)
    with pytest.raises(EvalFileError, match="The winner is missing in 2 rows of 'winner'"):
        evals.rank({**data, "winner": np.where(np.arange(120) < 2, None, words)})
    few = {**data, "human_winner": np.where(np.arange(120) < 9, words, None)}
    with pytest.raises(EvalFileError, match="Only 9 battles were judged by humans"):
        evals.rank(few)
    evals.rank({**data, "human_winner": np.where(np.arange(120) < 10, words, None)}, scale="win_rate")
    for pi in (0.0, 1.1):
        with pytest.raises(EvalFileError, match=r"one number in \(0, 1\] for every battle"):
            evals.rank({**data, "human_winner": words}, sampling_probability=pi)
    same = {**data, "model_b": np.where(np.arange(120) == 3, data["model_a"], data["model_b"])}
    with pytest.raises(EvalFileError, match=r"Row 4 is a battle of '.*' with itself"):
        evals.rank(same)
    with pytest.raises(EvalFileError, match="Row 7 is a battle that does not name both"):
        evals.rank(
            {**data, "model_a": np.where(np.arange(120) == 6, None, np.asarray(data["model_a"], object))}
        )
    groups = {
        "model_a": [f"m{k}" for k in range(16)],
        "model_b": [f"n{k}" for k in range(16)],
        "winner": ["tie"] * 16,
    }
    with pytest.raises(
        ValueError, match=r"fall into 16 groups that never met: m0, n0; m1, n1; m10, n10; m11, n11. Rank"
    ):
        evals.rank(groups)


def test_too_few_battles_a_pair_say_nothing_of_fit_and_cycles() -> None:
    data, *_ = battles(10, 24)
    facts = evals.rank(data, scale="strength").facts
    assert facts["Fit of pairs"] == "too few battles a pair to tell"
    assert facts["Cycles of three"] == "no three systems whose pairs are all decided"


# ---- pass@k ----

PASSED = np.array(
    [
        [1, 0, 0, 1, 0, 0],
        [0] * 6,
        [1] * 6,
        [0, 1, 0, 0, 0, 0],
        [1, 1, 0, 1, 0, 1],
        [0, 0, 1, 0, 1, 0],
        [0] * 6,
        [1, 1, 1, 0, 1, 1],
    ]
)


def samples(**more):
    data = {"problem": np.repeat(np.arange(8), 6), "passed": PASSED.ravel()}
    return {**data, **{k: np.asarray(v).ravel() for k, v in more.items()}}


@pytest.mark.parametrize("clusters", [None, "source"])
def test_pass_at_k_and_its_band(clusters) -> None:
    source = np.repeat(np.arange(8) // 2, 6)
    result = evals.pass_at_k(samples(source=source), clusters=clusters)
    assert result.k.tolist() == [1, 2, 5, 6]
    rows = pass_at_k(np.full(8, 6), PASSED.sum(1), result.k)
    off = rows - rows.mean(0)
    if clusters:
        sums = off[::2] + off[1::2]
        covariance, units = sums.T @ sums * 4 / 3 / 64, 4.0
    else:
        covariance, units = np.cov(rows.T) / 8, 8.0
    band = simultaneous_band(rows.mean(0), covariance, units, units - 1, 0.95, np.random.default_rng(0))
    np.testing.assert_allclose(result.estimate, rows.mean(0))
    np.testing.assert_allclose(result.std_error, np.sqrt(np.diag(covariance)))
    np.testing.assert_allclose([result.conf_low, result.conf_high], [band.low, band.high])
    assert (result.quantity, result.best_n, result.n_problems, result.n_audited) == (
        ("pass_by_tests",) * 4,
        (),
        8,
        0,
    )
    assert result.ceiling is None
    assert result.answer == (
        f"With 6 tries a solution that passes is found for 75.0 % of problems ({100 * band.low[-1]:.1f} to {100 * band.high[-1]:.1f} %)"
    )
    assert result.terms == ("pass_by_tests@1", "pass_by_tests@2", "pass_by_tests@5", "pass_by_tests@6")
    assert result.guarantee.n_reference == 8 and result.guarantee.holds.endswith(
        "for all problems like these"
    )


@pytest.mark.parametrize(
    ("n", "ks"), [(9, [1, 2, 5, 9]), (10, [1, 2, 5, 10]), (21, [1, 2, 5, 10, 20, 21]), (1, [1])]
)
def test_numbers_of_samples_are_round_ones_up_to_the_fewest(n, ks) -> None:
    data = {"problem": np.repeat([0, 1, 2], n), "passed": (np.arange(3 * n) % 3 == 0).astype(int)}
    assert evals.pass_at_k(data).k.tolist() == ks


def test_what_is_asked_of_samples_is_checked() -> None:
    data = {"problem": np.repeat([0, 1, 2], 4), "passed": np.arange(12) % 2}
    for wrong, error in (
        ({"sample_costs": -0.1}, "sample_costs must be finite and in"),
        ({"wrong_costs": -1}, "wrong_costs must be finite and in"),
        ({"design": "x"}, "design must be"),
        ({"population": "all"}, "population must be"),
        ({"confidence_level": 1.2}, "confidence_level"),
        ({"drawn": "d", "design": "samples"}, "does not go with design='samples'"),
        ({"k": [0, 1]}, "whole numbers of at least 1"),
        ({"k": 1.5}, "whole numbers of at least 1"),
    ):
        with pytest.raises(ValueError, match=error):
            evals.pass_at_k(data, **wrong)
    for name in ("problem", "passed", "system", "drawn", "score", "clusters"):
        with pytest.raises(TypeError, match=f"{name} is a name"):
            evals.pass_at_k(data, **{name: np.ones(12)})
    with pytest.raises(
        EvalFileError, match=r"k = 5 needs 5 samples of every problem; 3 of 3 have fewer \(the fewest is 4\)"
    ):
        evals.pass_at_k(data, k=[1, 5])
    with pytest.raises(EvalFileError, match="pass@k needs two problems or more"):
        evals.pass_at_k({k: v[:4] for k, v in data.items()})


def test_pass_at_k_of_these_problems_alone() -> None:
    result = evals.pass_at_k(samples(), population="finite", k=[1, 3])
    rows = pass_at_k(np.full(8, 6), PASSED.sum(1), np.array([1, 3]))
    covariance = finite_pass_at_k_covariance(np.full(8, 6), PASSED.sum(1), np.array([1, 3]))
    band = simultaneous_band(rows.mean(0), covariance, 8, 1e9, 0.95, np.random.default_rng(0))
    np.testing.assert_allclose([result.conf_low, result.conf_high], [band.low, band.high])
    assert result.guarantee.holds.endswith("for these problems")
    with pytest.raises(EvalFileError, match=r"takes k up to half of the fewest samples \(3\)"):
        evals.pass_at_k(samples(), population="finite", k=[4])
    few = samples()
    few["passed"] = np.where(few["problem"] == 0, 0, few["passed"])
    with pytest.raises(EvalFileError, match="Only 4 problems have both passing and failing"):
        evals.pass_at_k(few, population="finite", k=[1])
    for k, words in (
        ([0], "at least 1"),
        ([1.5], "whole numbers"),
        ([7], "k = 7 needs 7 samples of every problem; 8 of 8"),
    ):
        with pytest.raises((EvalFileError, ValueError), match=words):
            evals.pass_at_k(samples(), k=k)
    with pytest.raises(EvalFileError, match="two problems or more"):
        evals.pass_at_k({"problem": [0, 0], "passed": [1, 0]})
    short = {k: v[1:] for k, v in samples().items()}
    with pytest.raises(EvalFileError, match=r"1 of 8 have fewer \(the fewest is 5\)"):
        evals.pass_at_k(short, k=6)
    assert evals.pass_at_k(short, k=5).k.tolist() == [5]


def delivered_by_hand(audit, chance, score, folds, ns):
    """Chance that the delivered sample of each problem is right: all subsets, with verdicts guessed and corrected."""
    rate = np.repeat(PASSED.mean(1), 6)
    spread = np.std(score) or 1.0
    x = np.column_stack([np.ones(48), rate, (score - score.mean()) / spread])
    problem, passed = np.repeat(np.arange(8), 6), PASSED.ravel() == 1
    rows = ~np.isnan(audit) & passed
    value = np.zeros(48)
    for i in range(48):
        train = [j for j in range(48) if rows[j] and folds[problem[j]] != folds[problem[i]]]
        w = 1 / chance[train]
        w = w / w.mean()
        beta = np.linalg.solve(
            x[train].T @ (w[:, None] * x[train]) + np.eye(3), x[train].T @ (w * audit[train])
        )
        guess = x[i] @ beta
        value[i] = (guess + (audit[i] - guess) / chance[i] if rows[i] else guess) if passed[i] else 0.0
    found = [
        [oracle.delivered_right(PASSED[p] == 1, value[6 * p :][:6], score[6 * p :][:6], n)[0] for n in ns]
        for p in range(8)
    ]
    return np.array(found)


AUDIT = np.where(
    (PASSED == 1) & (np.arange(48).reshape(8, 6) % 5 > 0), (np.arange(48).reshape(8, 6) % 3 > 0) * 1.0, np.nan
)


@pytest.mark.parametrize("score", [None, "confidence"])
@pytest.mark.parametrize("given", [False, True])
def test_single_audits_say_what_is_delivered(score, given) -> None:
    rng = np.random.default_rng(3)
    confidence, pi = rng.integers(0, 4, 48) * 1.0, np.round(rng.random(48) / 2 + 0.4, 2)
    data = samples(audit=AUDIT, confidence=confidence, pi=pi)
    options = {"sampling_probability": "pi"} if given else {}
    if not given:
        del data["pi"]
    result = evals.pass_at_k(
        data,
        design="samples",
        passed="passed",
        score=score,
        k=[1, 3, 6],
        wrong_costs=2.0,
        sample_costs=0.01,
        **options,
    )
    generator = np.random.default_rng(0)
    ks = np.array([1, 3, 6])
    rows = pass_at_k(np.full(8, 6), PASSED.sum(1), ks)
    tests = simultaneous_band(rows.mean(0), np.cov(rows.T) / 8, 8, 7, 0.95, generator)
    folds = generator.permutation(8) % 5
    audit, passed = AUDIT.ravel(), PASSED.ravel() == 1
    audited = ~np.isnan(audit) & passed
    chance = pi if given else np.full(48, audited.sum() / passed.sum())
    right = delivered_by_hand(audit, chance, confidence if score else np.zeros(48), folds, [1, 3, 6])
    problems = [p for p in range(8) if audited[6 * p :][:6].any()]
    mean_weight = [np.mean(1 / chance[6 * p :][:6][audited[6 * p :][:6]]) for p in problems]
    units, n = kish_size(np.array(mean_weight)), len(problems)
    inflation = n / (n - 2)
    for name, values in (("best_of_n", right), ("wrong", rows - right)):
        band = simultaneous_band(
            values.mean(0), np.cov(values.T) / 8 * inflation, units, units - 1, 0.95, generator
        )
        found = result.of(name)
        np.testing.assert_allclose(found["estimate"], np.clip(values.mean(0), 0, 1), atol=1e-12)
        np.testing.assert_allclose([found["conf_low"], found["conf_high"]], [band.low, band.high], atol=1e-9)
    passes = result.of("pass")
    assert (
        passes["estimate"][0] == result.of("best_of_n")["estimate"][0]
        and np.isnan(passes["estimate"][1:]).all()
    )
    np.testing.assert_array_equal(passes["conf_low"], result.of("best_of_n")["conf_low"])
    assert passes["conf_high"][0] == result.of("best_of_n")["conf_high"][0]
    np.testing.assert_allclose(passes["conf_high"][1:], tests.high[1:])
    drawn = np.array([1, 3, 6])
    cost = 0.01 * drawn * np.ones((8, 1))
    if score is None:  # one stops at the first that passes
        none = [[1.0, *(1 - oracle.pass_at_k(6, c, j) for j in range(1, 6))] for c in PASSED.sum(1)]
        cost = 0.01 * np.array([[sum(row[:k]) for k in drawn] for row in none])
    utility = (right - 2.0 * (rows - right) - cost).mean(0)
    np.testing.assert_allclose(result.of("utility")["estimate"], utility, atol=1e-12)
    ends = result.of("utility")
    np.testing.assert_allclose(ends["conf_low"] + ends["conf_high"], 2 * utility)
    errors = np.array([e for e, q in zip(result.std_error, result.quantity) if q == "utility"])
    critical = (ends["conf_high"] - ends["conf_low"]) / 2 / errors
    assert np.ptp(critical) < 1e-9 and 1.9 < critical[0] < 9
    assert (result.ceiling is None) == (score is not None)
    assert result.verdict.code == "pass_range" and result.n_audited == n
    who = "first that passes" if score is None else "passing one with the best confidence"
    assert f"Delivering the {who} is right for {100 * right.mean(0)[-1]:.1f} % and wrong" in result.answer
    assert "If a wrong answer costs twice a right one, " in result.answer
    assert result.guarantee.check[0].startswith("passing samples were audited at random")
    assert result.guarantee.check[1] == "a sample that fails is wrong"
    if result.ceiling:
        top, none_passes = right[:, 2:], 1 - rows[:, 2:]
        assert result.ceiling[0] < top.mean() < (top + none_passes).mean() < result.ceiling[1]


@pytest.mark.parametrize("failing", [False, True])
def test_whole_audited_problems_say_what_is_right(failing) -> None:
    drawn = np.arange(8) != 4
    audit = np.where(
        drawn[:, None] & ((PASSED == 1) | failing), (np.arange(48).reshape(8, 6) % 3 > 0) * 1.0, np.nan
    )
    pi = np.repeat(np.where(np.arange(8) % 2, 0.8, 0.9), 6)
    data = samples(audit=audit, audit_probability=pi, drawn=np.repeat(drawn, 6).astype(int))
    result = evals.pass_at_k(data, k=[1, 2], drawn="drawn")
    generator = np.random.default_rng(0)
    ks = np.array([1, 2])
    rows = pass_at_k(np.full(8, 6), PASSED.sum(1), ks)
    simultaneous_band(rows.mean(0), np.cov(rows.T) / 8, 8, 7, 0.95, generator)
    folds = generator.permutation(8) % 5
    relevant = np.ones(8, bool) if failing else PASSED.any(1)
    known = drawn & relevant
    right = np.nan_to_num(audit) * (PASSED if not failing else 1)
    target = np.array([[oracle.pass_at_k(6, int(r.sum()), k) for k in ks] for r in right])
    guess = oracle.ridge_guess(target, rows, known, folds, 1 / pi[::6])
    corrected = guess + known[:, None] * (target - guess) / pi[::6, None]
    corrected[~relevant] = 0
    found = result.of("pass")
    np.testing.assert_allclose(found["estimate"], np.clip(corrected.mean(0), 0, 1), atol=1e-9)
    units = kish_size(1 / pi[::6][known])
    covariance = np.cov(corrected.T) / 8 * units / (units - 2)
    errors = [e for e, q in zip(result.std_error, result.quantity) if q == "pass"]
    np.testing.assert_allclose(errors, np.sqrt(np.diag(covariance)))
    assert result.n_audited == int(known.sum())
    assert result.verdict.code == "pass_at_k_audited"
    assert f"not {100 * rows.mean(0)[-1]:.1f} % as the tests say" in result.answer
    expected = "audits of failing samples are random too" if failing else "a sample that fails is wrong"
    assert result.guarantee.check[1] == expected
    assert result.guarantee.check[0].startswith("problems were audited at random")


def test_drawn_problems_have_audits_of_passing_samples_and_of_failing_ones_everywhere_or_nowhere() -> None:
    passed = np.zeros((12, 4))
    passed[:, :2] = passed[3, 2:] = 1
    audit = np.where(np.arange(12)[:, None] < 8, 1.0, np.full((12, 4), np.nan))

    def answer(audit, passed=passed):
        rows = {"problem": np.repeat(np.arange(12), 4), "passed": passed.ravel(), "audit": audit.ravel()}
        return evals.pass_at_k(rows, design="problems", k=[1])

    assert answer(audit).n_audited == 8
    some = audit.copy()
    some[0, 2:] = np.nan
    with pytest.raises(
        EvalFileError, match="Failing samples were audited in some of the drawn problems only"
    ):
        answer(some)
    one, lacking = passed.copy(), audit.copy()
    one[0], lacking[0, 0] = [1, 0, 0, 0], np.nan
    with pytest.raises(EvalFileError, match="A drawn problem has passing samples, none of which was audited"):
        answer(lacking, one)
    for audited, said in ((5, ""), (4, "Only 4 audited problems have a passing sample; 5 are the fewest")):
        few = np.where(np.arange(12)[:, None] < audited, passed, np.nan)
        few[passed == 0] = np.nan
        if said:
            with pytest.raises(EvalFileError, match="Only 4 problems have audited passing samples"):
                answer(few)
        else:
            assert answer(few).n_audited == 5


@pytest.mark.parametrize(
    ("best", "words"),
    [
        (0.0, "costs nothing, "),
        (1.0, "costs as much as a right one brings, "),
        (3.5, "costs 3.5 right ones, "),
    ],
)
def test_costs_of_wrong_answers_in_words(best, words) -> None:
    result = evals.pass_at_k(samples(audit=AUDIT), design="samples", wrong_costs=best, sample_costs=0.05)
    assert words in result.answer
    low, high = min(result.best_n), max(result.best_n)
    if len(result.best_n) == 1:
        tries = "1 try is best" if low == 1 else f"{low} tries are best"
    else:
        between = high - low + 1 == len(result.best_n)
        tries = (
            f"{low} to {high} tries are best"
            if between
            else f"numbers between {low} and {high} tries are best"
        )
    assert result.answer.endswith(tries)
    glance = result.glance()
    assert (glance["best_n_low"].iloc[0], glance["best_n_high"].iloc[0]) == (low, high)
    assert (glance["ceiling_low"].iloc[0], glance["ceiling_high"].iloc[0]) == result.ceiling
    with pytest.raises(KeyError, match="no quantity 'none'"):
        result.of("none")


# ---- plan ----


def test_labels_are_divided_unequally_where_that_saves_more_than_15_in_100(monkeypatch) -> None:
    module = sys.modules["validstats.evals.plan"]  # whose name the verb has
    for n_ideal, unequal in ((86, False), (85, False), (84, True), (None, False)):
        with monkeypatch.context() as changed:
            changed.setattr(
                module,
                "labels_for_width",
                lambda width, share, rate, n, level, given, ideal=n_ideal: (
                    100 if np.array_equal(given, share) else ideal
                ),
            )
            found = evals.plan({"judge": [1, 1, 0] * 200}, width=0.1, sensitivity=0.9, specificity=0.6)
        assert found.estimate == (n_ideal if unequal else 100)


def test_what_is_asked_of_a_plan_is_checked() -> None:
    judged = {"judge": [1, 0] * 100}
    for options, said in (
        ({}, "Give either width"),
        ({"width": 0.1, "difference": 0.1}, "Give either width"),
        ({"width": 0.1}, "needs the judged answers"),
        ({"difference": 0.1}, "Give either discordance"),
        ({"difference": 0.1, "discordance": 0.2, "standard_deviation": 1}, "Give either discordance"),
        ({"difference": 0.1, "standard_deviation": 0.0}, "standard_deviation must be finite and in"),
        ({"difference": 0.1, "standard_deviation": 1, "n_systems": 1}, "at least 2, got 1"),
        ({"difference": 0.1, "standard_deviation": 1, "n_systems": 2.5}, "at least 2, got 2.5"),
        ({"difference": 0.1, "standard_deviation": 1, "power": 0.0}, "power must be finite and in"),
        ({"difference": 0.1, "standard_deviation": 1, "power": 1.0}, "power must be finite and in"),
        ({"data": judged, "width": 0.0}, "width must be finite and in"),
        ({"data": judged, "width": 1.0}, "width must be finite and in"),
        ({"data": judged, "width": 0.2, "sensitivity": 1.1}, "sensitivity must be finite and in"),
        ({"data": judged, "width": 0.2, "specificity": -0.1}, "specificity must be finite and in"),
        ({"data": judged, "width": 0.2, "sensitivity": 0.25, "specificity": 0.75}, "must exceed 1"),
        ({"data": {"judge": np.arange(42) % 21 / 20}, "width": 0.2}, "at most 20 kinds"),
        ({"data": {"judge": np.arange(40) % 20 / 19}, "width": 0.2}, "judge that says 0 or 1"),
    ):
        with pytest.raises(ValueError, match=said):
            evals.plan(**options)
    barely = evals.plan(judged, width=0.5, sensitivity=0.75, specificity=0.3)
    assert barely.options == {"confidence_level": 0.95, "width": 0.5}
    with pytest.raises(TypeError, match="system is a name"):
        evals.plan(judged, width=0.2, system=["a", "b"])


def test_plans_of_differences_by_hand() -> None:
    plan = evals.plan(difference=0.1, standard_deviation=0.5, n_systems=3, power=0.9)
    z = stats.norm.isf(0.05 / 3 / 2)
    n = math.ceil(((z + stats.norm.ppf(0.9)) * 5) ** 2)
    assert plan.estimate == n
    grid = np.unique(np.linspace(n // 4, 2 * n, 12).astype(int))
    np.testing.assert_array_equal(plan.curve["n"], grid)
    np.testing.assert_allclose(plan.curve["power"], stats.norm.sf(z - 0.1 * np.sqrt(grid) / 0.5))
    paired = evals.plan(difference=-0.3, discordance=0.5, power=0.7)
    n = int(paired.estimate)
    grid = np.unique(np.linspace(max(n // 4, 2), 2 * n, 12).astype(int))
    np.testing.assert_array_equal(paired.curve["n"], grid)
    np.testing.assert_allclose(
        paired.curve["power"], [oracle.mcnemar_power(int(m), 0.4, 0.1, 0.05) for m in grid], atol=1e-9
    )
    assert paired.answer == f"About {n} items find a difference of 30 points with 70 % probability"
    assert isinstance(paired.naive, NotApplicable) and paired.informative
    assert paired.glance()["needed"].iloc[0] == n
    for options, words in (
        ({"difference": 0.1}, "either discordance"),
        ({"difference": 0.1, "discordance": 0.2, "standard_deviation": 1.0}, "either discordance"),
        ({"difference": 0.1, "discordance": 0.2, "n_systems": 1}, "whole number of at least 2, got 1"),
        ({"difference": 0.1, "standard_deviation": 0.0}, "standard_deviation"),
        ({"difference": 0.1, "discordance": 0.2, "power": 1.0}, "power"),
        ({"difference": 0.1, "width": 0.1}, "either width"),
        ({}, "either width"),
        ({"width": 0.1}, "needs the judged answers"),
        ({"width": 1.0}, "width"),
    ):
        with pytest.raises(ValueError, match=words):
            evals.plan(**options)


@pytest.mark.parametrize("pilot", [9, 10, 60])
def test_plans_of_a_width_by_hand(pilot) -> None:
    from validstats.evals.statistics import allocation, labels_for_width, share_std_error

    judge = (np.arange(600) % 4 > 0).astype(int)
    human = np.where(np.arange(600) < pilot, np.where(np.arange(600) % 20 == 1, 0, judge), np.nan)
    plan = evals.plan({"item": range(600), "judge": judge, "human": human}, width=0.1)
    share = {"0": 0.25, "1": 0.75}
    if pilot >= 10:
        rate = {}
        for v in (0, 1):
            rows = (np.arange(600) < pilot) & (judge == v)
            rate[str(v)] = (human[rows].sum() + 1) / (rows.sum() + 2)
        source = f"the {pilot} labels there are"
    else:
        p = (0.75 - 0.2) / 0.7
        says = 0.9 * p + 0.2 * (1 - p)
        rate = {"1": 0.9 * p / says, "0": 0.1 * p / (1 - says)}
        source = "the assumed sensitivity and specificity"
    w, r = (np.array([x[v] for v in plan.verdicts]) for x in (share, rate))
    np.testing.assert_allclose(plan.share, w)
    np.testing.assert_allclose(plan.rate, r)
    ideal = allocation(w, r)
    equal, best = (labels_for_width(0.1, w, r, 600.0, 0.95, given) for given in (w, ideal))
    saves = best < 0.85 * equal
    n = best if saves else equal
    given = ideal if saves else w
    np.testing.assert_allclose(plan.allocation, given)
    mean = float(w @ r)
    alone = (2 * Z / 0.1) ** 2 * mean * (1 - mean)
    assert plan.humans_alone == math.ceil(alone) == plan.naive
    assert plan.guarantee.check[0] == f"rates by verdict are those of {source}"
    if n <= 600:
        assert plan.estimate == n
        assert plan.verdict.code == "plan_labels"
    top = min(2 * n, 600)
    grid = np.unique(np.linspace(max(top / 20, 5), top, 12).astype(int))
    np.testing.assert_array_equal(plan.curve["n"], grid)
    np.testing.assert_allclose(
        plan.curve["width"], [2 * Z * share_std_error(w, r, m * given, 600.0) for m in grid]
    )
    text = str(plan.summary())
    assert all(f"{100 * x:.1f}" in text or f"{100 * x:.0f}" in text for x in (*w, *given))
    impossible = evals.plan({"item": range(600), "judge": judge, "human": human}, width=0.001)
    assert impossible.estimate == math.inf and not impossible.informative
    assert impossible.curve["n"].max() == 600
    assert impossible.answer == (
        "No number of labels gives an interval of 0.1 points with 600 items; it needs more items"
    )


def test_assumed_judges_are_better_than_a_coin() -> None:
    data = {"item": range(40), "judge": np.arange(40) % 2}
    with pytest.raises(ValueError, match="must exceed 1"):
        evals.plan(data, width=0.2, sensitivity=0.6, specificity=0.4)
    with pytest.raises(ValueError, match="specificity"):
        evals.plan(data, width=0.2, specificity=1.2)
    with pytest.raises(EvalFileError, match="a judge that says 0 or 1"):
        evals.plan({"item": range(40), "judge": np.arange(40) % 3 / 2}, width=0.2)
    perfect = evals.plan(data, width=0.2, sensitivity=1.0, specificity=1.0)
    assert perfect.rate[list(perfect.verdicts).index("1")] == 1.0
    low = evals.plan({"item": range(40), "judge": np.r_[np.ones(4), np.zeros(36)]}, width=0.2)
    says = 0.9 * 0.01 + 0.2 * 0.99
    assert low.rate[list(low.verdicts).index("1")] == pytest.approx(0.9 * 0.01 / says)
    twenty = {"item": range(42), "judge": np.arange(42) // 2 / 20, "human": np.arange(42) % 2}
    with pytest.raises(EvalFileError, match="at most 20 kinds"):
        evals.plan(twenty, width=0.2)
    assert len(evals.plan({k: np.asarray(v)[:40] for k, v in twenty.items()}, width=0.9).verdicts) == 20
    with pytest.raises(EvalFileError, match=r"human scores in \[0, 1\]"):
        evals.plan(
            {"item": range(40), "judge": np.arange(40) % 2, "human": 2 * (np.arange(40) % 2)}, width=0.2
        )


# ---- release ----


def test_releases_say_what_goes_out() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random(400)
    right = rng.random(400) < scores**0.3
    result = evals.release(scores[:200], right[:200], scores[200:], fdr=0.2)
    n = int(result.selected.sum())
    assert (
        result.answer
        == f"{n} of 200 may go out unread: on average at most 20.0 % of those released are wrong"
    )
    assert result.guarantee.confidence_level is None and result.guarantee.citation.startswith(
        "Jin and Candes"
    )
    assert result.glance()["confidence_level"].iloc[0] is None and result.informative
    cut = scores[200:][result.selected].min()
    np.testing.assert_array_equal(result.selected, scores[200:] >= cut)
    number = evals.release(scores[:200], right[:200], scores[200:], max_false=300)
    assert "at most 200 are wrong" in number.answer
    assert number.guarantee.citation.startswith("Lee, Tchetgen") and number.guarantee.confidence_level == 0.95
    assert number.glance()["confidence_level"].iloc[0] == 0.95
    none = evals.release(scores[:5], right[:5], scores[200:], fdr=0.001)
    assert (
        none.answer
        == "None of the 200 answers may go out unread: too few answers were checked for a share of 0.1 %"
    )
    assert not none.informative
    for wrong, words in (
        ({"right_checked": right[:4]}, "one length, got 5 and 4|length"),
        ({"right_checked": [1, 0, 0.5, 1, 1]}, "must hold 1"),
        ({"max_false": 1, "fdr": 0.1}, "either max_false or fdr"),
    ):
        options = {
            "scores_checked": scores[:5],
            "right_checked": right[:5],
            "scores_new": scores[5:9],
            "fdr": 0.1,
        }
        with pytest.raises(ValueError, match=words):
            evals.release(**{**options, **wrong})
    for new, at in (
        (scores[200:] / 4, "higher"),
        (1 - scores[200:] / 4, "lower"),
        (0.5 + (scores[200:] - 0.5) / 20, ""),
    ):
        with pytest.raises(EvalFileError, match=f"The scores of the 200 checked answers are {at}"):
            evals.release(scores[:200], right[:200], new, fdr=0.1)


# ---- results ----


def glanced(result) -> dict:
    return {name: values[0] for name, values in result.glance().to_dict("list").items()}


def test_results_of_evaluations_at_a_glance_and_as_text() -> None:
    plain = evals.evaluate({"score": [1, 0, 1, 1, 0, 1, 1, 1, 1, 0, 1, 1]})
    found = glanced(plain)
    assert (found["n_judges"], found["n_items"], found["n_human"], found["code"]) == (0, 12, 0, "estimate")
    assert (found["estimate"], found["conf_low"], found["confidence_level"]) == (0.75, plain.conf_low, 0.95)
    text = " ".join(str(plain.summary()).split())
    assert "Level: 95 %" in text or "Level 95 %" in text
    assert "Humans" not in text and " N " in text and "Judge" not in text
    data = {
        "item": range(40),
        "judge": np.arange(40) % 2,
        "human": np.where(np.arange(40) < 20, np.arange(40) % 4 % 2, np.nan),
    }
    judged = evals.evaluate(data)
    found = glanced(judged)
    assert (found["n_judges"], found["n_items"], found["n_human"]) == (1, 40, 20)
    text = " ".join(str(judged.summary()).split())
    assert re.search("Estimate Low High Judge Humans Labels N", text) and judged.judge.answer[:12] in text
    assert judged.naive == 0.5 and judged.judge.glance()["n_human"].tolist() == [20]
    values = judged.to_dict()
    assert values["inputs"]["human_labels"] == 20 and values["inputs"]["items"] == 40
    assert values["exit_code"] == 0 and values["verdict"]["code"] == judged.verdict.code
    assert values["options"] == {
        "confidence_level": 0.95, "population": "superpopulation", "errors": "fail", "clusters": "item",
    }  # fmt: skip
    assert plain.to_dict()["judge"] == {"reason": "there is no judge that humans checked"}
    assert plain.to_dict()["inputs"]["human_labels"] == 0
    endless = evals.evaluate({"score": [3.0] * 12}).to_dict()
    assert endless["nulls"]["terms[0].conf_low"] == "no finite bound"
    assert endless["nulls"]["terms[0].judge_estimate"] == "not defined for these data"


def test_results_of_comparisons_ranks_and_samples_at_a_glance() -> None:
    compared = evals.compare(two_systems(D), margin=0.01)
    found = glanced(compared)
    for name in (
        "estimate",
        "conf_low",
        "conf_high",
        "p_value",
        "margin",
        "n_items",
        "detectable",
        "needed_items",
        "method",
    ):
        assert found[name] == getattr(compared, name), name
    assert compared.share and compared.informative and isinstance(compared.naive, NotApplicable)
    ranked = evals.rank(
        {
            "item": np.repeat(range(30), 3),
            "system": list("pqr") * 30,
            "score": np.tile([1, 0, 1, 1, 1, 0, 1, 0, 0], 10),
        }
    )
    found = glanced(ranked)
    assert (found["n_systems"], found["n_items"]) == (3, 30)
    assert found["n_may_be_best"] == len(ranked.may_be_best) == int((ranked.rank_low == 1).sum())
    assert found["pairs_told_apart"] == int(ranked.above.sum())
    assert ranked.informative == bool(ranked.above.any())
    assert "judge_rank" not in ranked.tidy() and "Judge's rank" not in str(ranked.summary())
    corrected = evals.rank(answers_of_two(6))
    fewest = int(np.argmin(corrected.n_human))
    said = f"fewest human labels: {corrected.systems[fewest]}, {corrected.n_human[fewest]}"
    assert corrected.guarantee.check[1].endswith(said) and "fewest" not in str(ranked.guarantee.check)
    assert {"judge_rank", "n_human"} <= set(corrected.tidy().columns)
    text = str(corrected.summary())
    assert "Judge's rank" in text and "Labels" in text
    low, high = corrected.rank_low[0], corrected.rank_high[0]
    assert (f"{low} to {high}" in text) == (low != high)
    sampled = evals.pass_at_k(samples())
    found = glanced(sampled)
    assert (found["n_problems"], found["n_audited"]) == (8, 0)
    assert pd.isna(found["best_n_low"]) and pd.isna(found["ceiling_low"]) and pd.isna(found["ceiling_high"])
    text = " ".join(str(sampled.summary()).split())
    assert "Problems" in text and "Audited problems" not in text and "any number of samples" not in text
    audited = evals.pass_at_k(samples(audit=AUDIT), design="samples")
    text = " ".join(str(audited.summary()).split())
    assert f"{audited.ceiling[0]:.3f} to {audited.ceiling[1]:.3f}" in text
    assert "Audited problems that something passed" in text and "delivered and wrong" in text
    np.testing.assert_array_equal(audited.naive, audited.of("pass_by_tests")["estimate"])


def test_comparisons_through_a_ledger_know_single_items_and_0_1_scores() -> None:
    from validstats.holdout import Ledger

    rng = np.random.default_rng(0)
    n = 400
    old = (rng.random(n) < 0.5).astype(float)
    for clustered in (False, True):
        for half in (False, True):
            new = np.maximum(old, rng.random(n) < 0.7) * (0.5 if half else 1.0) + (0.5 * old if half else 0.0)
            data = {
                "item": [f"q{k} {clustered} {half}" for k in range(n)],
                "passage": [f"p{k // 2}" for k in range(n)],
                "new": new,
                "old": old,
            }
            result = evals.compare(
                data, "new", "old", ledger=Ledger.in_memory(), clusters="passage" if clustered else None
            )
            unit = "passage" if clustered else "item"
            assert f"units ({unit}) do not depend on each other" in result.guarantee.check[1]
            assert result.verdict.code == "better" and result.informative
            assert glanced(result)["comparisons_left"] == 99
            assert result.guarantee.n_reference == (n // 2 if clustered else n)


def test_the_library_of_the_data_comes_back_whatever_they_consist_of() -> None:
    pl = pytest.importorskip("polars")
    a, b = [1, 0, 1, 1] * 5, [0, 0, 1, 0] * 5
    parts = [
        pl.DataFrame({"item": range(20), "system": [s] * 20, "score": x}) for s, x in (("a", a), ("b", b))
    ]
    columns = pl.DataFrame({"a": a, "b": b})
    for result in (
        evals.compare(columns, "a", "b"),
        evals.compare(pl.concat(parts), "a", "b"),
        evals.compare(parts),
        evals.compare(*parts),
        evals.rank(parts),
        evals.evaluate(parts[:1]),
        evals.pass_at_k([pl.DataFrame({"problem": [1, 1, 2, 2], "passed": [1, 0, 1, 1]})]),
    ):
        assert isinstance(result.tidy(), pl.DataFrame)
    assert isinstance(evals.compare(columns.to_pandas(), "a", "b").tidy(), pd.DataFrame)
