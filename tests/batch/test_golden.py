"""The golden cases, every group; expected values come from brute force in exact arithmetic."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.oracles import batch as oracle
from validstats.batch.laws import (
    compositional_interval,
    error_count_upper,
    mean_interval,
    order_statistic_interval,
    rank_envelope,
    rank_lower,
    rank_upper,
    simultaneous_rank,
)
from validstats.batch.laws.envelope import envelope_probability
from validstats.batch.laws.extremal_sums import hull_bound
from validstats.batch.laws.rank_sum import rank_sum_counts, rank_sum_quantile, weight_sum_quantile
from validstats.batch.laws.ranks import order_statistic_counts
from validstats.batch.laws.sampling import monte_carlo_quantile
from validstats.batch.laws.selection import selection_threshold

GOLDEN = json.loads((Path(__file__).parent / "golden" / "batch_pi.json").read_text())


def cases(task):
    return [pytest.param(c, id=c["id"]) for c in GOLDEN["cases"] if c["task"] == task]


def scores_of(case):
    if "scores" in case:
        return np.array(case["scores"])
    rng = np.random.default_rng(case["seed"])
    draw = {
        "uniform": rng.random,
        "standard_normal": rng.standard_normal,
        "exponential": rng.standard_exponential,
    }
    scores = draw[case["dist"]](case["n"])
    assert scores.sum() == pytest.approx(case["score_sum"], rel=1e-12)
    return scores


def test_every_group_is_tested():
    marks = [mark for value in list(globals().values()) for mark in getattr(value, "pytestmark", [])]
    parameters = [
        p for mark in marks if mark.args[0] == "case" for p in mark.args[1] if not isinstance(p, dict)
    ]
    assert {p.values[0]["id"] for p in parameters if "id" in p.values[0]} == {
        c["id"] for c in GOLDEN["cases"]
    }


@pytest.mark.parametrize("case", cases("order_stat_rank"))
def test_order_statistic_rank(case):
    upper = rank_upper(case["n"], case["m"], case["zeta"], case["alpha"])
    lower = rank_lower(case["n"], case["m"], case["zeta"], case["alpha"])
    assert (upper.rank, lower.rank) == (case["rank_upper"], case["rank_lower"])
    assert upper.probability == pytest.approx(case["prob_upper"], rel=1e-12)
    assert lower.probability == pytest.approx(case["prob_lower"], rel=1e-12)
    assert (upper.informative, lower.informative) == (case["informative_upper"], case["informative_lower"])


@pytest.mark.parametrize("case", cases("order_stat_pmf_counts"))
def test_order_statistic_counts(case):
    assert order_statistic_counts(case["n"], case["m"], case["zeta"]) == case["counts"]


@pytest.mark.parametrize("case", cases("two_order_stat_box_prob"))
def test_two_order_statistics(case):
    lower, upper = np.ones(case["m"], int), np.full(case["m"], case["n"] + 1)
    lower[case["zeta1"] - 1], upper[case["zeta2"] - 1] = case["lo"], case["hi"]
    assert envelope_probability(case["n"], lower, upper) == pytest.approx(case["prob"], rel=1e-12)


@pytest.mark.parametrize("case", cases("order_stat_interval"))
def test_order_statistic_interval(case):
    bound = order_statistic_interval(
        scores_of(case), case["m"], case["zeta"], case["alpha"], side=case["side"]
    )
    assert bound.low == pytest.approx(float(case["lower"]), rel=1e-12)
    assert bound.high == pytest.approx(float(case["upper"]), rel=1e-12)


@pytest.mark.parametrize("case", cases("rank_sum_counts"))
def test_rank_sum_counts(case):
    assert rank_sum_counts(case["n"], case["m"]) == case["counts"]


@pytest.mark.parametrize("case", cases("rank_sum_upper_quantile"))
def test_rank_sum_quantile(case):
    found = rank_sum_quantile(case["n"], case["m"], case["alpha"])
    assert found.q == case["q"]
    assert found.probability == pytest.approx(case["prob"], rel=1e-12)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("case", cases("mean_interval"))
def test_mean_interval(case, exact):
    bounds = (float(case["bound_lower"]), float(case["bound_upper"]))
    found = mean_interval(
        scores_of(case),
        case["m"],
        case["alpha"],
        side=case["side"],
        bounds=bounds,
        method="rank-sum",
        exact=exact,
        drop_extreme=case["drop_extreme"],
    )
    kind = "exact" if exact else "lp"
    assert found.low == pytest.approx(float(case[f"{kind}_lower"]), rel=1e-9)
    assert found.high == pytest.approx(float(case[f"{kind}_upper"]), rel=1e-9)


STEPS = {
    "max": (lambda j, acc, s: s, 0.0),
    "min": (lambda j, acc, s: s if j == 1 else acc, 0.0),
    "sum": (lambda j, acc, s: acc + s, 0.0),
    "median_low": (lambda j, acc, s: s if j <= 2 else acc, 0.0),
    "product": (lambda j, acc, s: acc * s, 1.0),
    "top2_mean": (lambda j, acc, s: acc + (s / 2 if j >= 2 else 0.0), 0.0),
    "trimmed_mean_drop_top": (lambda j, acc, s: acc + (s / 2 if j <= 2 else 0.0), 0.0),
    "sumsq": (lambda j, acc, s: acc + s * s, 0.0),
}


def statistic(name):
    step, start = STEPS[name]

    def g(values):
        total = start
        for j, s in enumerate(sorted(values), start=1):
            total = step(j, total, s)
        return total

    return g


@pytest.mark.parametrize("case", cases("enumerated"))
def test_enumerated(case):
    """The oracle reproduces every case; the dynamic programme those with an additive rank function."""
    alpha, h = Fraction(case["alpha"]), {"sum": sum, "max": max}[case["h"]]
    if case["side"] == "two-sided":
        found = oracle.two_sided_bounds(
            case["scores"],
            case["m"],
            statistic(case["g"]),
            h,
            alpha,
            case["bound_lower"],
            case["bound_upper"],
        )
        assert found == pytest.approx((case["lower"], case["upper"]), rel=1e-9)
        return
    found = oracle.upper_bound(case["scores"], case["m"], statistic(case["g"]), h, alpha, case["bound_upper"])
    assert found == pytest.approx(case["upper"], rel=1e-9)
    step, start = STEPS[case["g"]]
    bound = compositional_interval(
        step,
        case["scores"],
        case["m"],
        case["alpha"],
        start=start,
        weights=np.arange(len(case["scores"]) + 1),
        side="upper",
        bounds=(case["bound_lower"], case["bound_upper"]),
    )
    assert bound.high == pytest.approx(case["upper"], rel=1e-9)


@pytest.mark.parametrize("case", cases("phi_sum"))
def test_phi_sum(case):
    found = weight_sum_quantile(np.array(case["phi"]), case["m"], case["alpha"])
    assert found.q == case["q"]
    assert found.probability == pytest.approx(case["prob"], rel=1e-12)
    padded = np.append(case["scores"], case["bound_upper"])
    assert hull_bound(padded, np.array(case["phi"], float), case["m"], found.q) == pytest.approx(
        case["lp_upper_sum"], rel=1e-9
    )
    bound = compositional_interval(
        STEPS["sum"][0],
        case["scores"],
        case["m"],
        case["alpha"],
        weights=np.array(case["phi"]),
        side="upper",
        bounds=(0.0, case["bound_upper"]),
    )
    assert bound.high == pytest.approx(case["exact_upper_sum"], rel=1e-9)


@pytest.mark.parametrize("case", cases("simultaneous_rank"))
def test_simultaneous_rank(case):
    k, bound = simultaneous_rank(case["n"], case["m"], float(case["delta"]), case["alpha"])
    assert (k, bound.rank, bound.informative) == (case["k"], case["rank"], case["informative"])
    assert bound.probability == pytest.approx(case["prob"], rel=1e-12)


@pytest.mark.parametrize("case", cases("selection_threshold"))
def test_selection_threshold(case):
    rng = np.random.default_rng(case["seed"])
    x = rng.normal(size=case["n"])
    y = x + rng.normal(size=case["n"])
    found = selection_threshold(x, y, 0.5, case["m"], case["eta"], case["alpha"])
    assert found.threshold == pytest.approx(float(case["threshold"]), rel=1e-12)
    assert found.rank == case["rank"]
    assert found.probability == pytest.approx(case["prob"], rel=1e-12)


@pytest.mark.parametrize("case", cases("envelope_equal_local_levels"))
def test_envelope(case):
    band = rank_envelope(case["n"], case["m"], case["alpha"], case["side"])
    assert band.lower.tolist() == case["L"]
    assert band.upper.tolist() == case["U"]
    assert band.probability == pytest.approx(case["joint_prob"], rel=1e-12)


@pytest.mark.parametrize("case", cases("envelope_prob"))
def test_envelope_probability(case):
    found = envelope_probability(case["n"], case["L"], case["U"])
    assert found == pytest.approx(float(Fraction(case["prob_fraction"])), rel=1e-13)


@pytest.mark.parametrize("case", cases("mc_upper_quantile"))
def test_monte_carlo_quantile(case):
    assert monte_carlo_quantile(case["draws"], case["alpha"]) == case["q"]


@pytest.mark.parametrize("case", cases("error_count_upper"))
def test_error_count(case):
    assert (
        error_count_upper(case["n"], case["cal_errors"], case["m"], case["alpha"]) == case["max_test_errors"]
    )


@pytest.mark.parametrize("case", GOLDEN["bad_inputs"], ids=lambda c: c["what"])
def test_bad_inputs(case):
    inputs = dict(case["inputs"])
    error = {"ValueError": ValueError, "TypeError": TypeError}[case["error"]]
    alpha = math.nan if inputs["alpha"] == "nan" else inputs["alpha"]
    with pytest.raises(error, match=case["message_mentions"]):
        _run_bad(inputs, alpha)


def _run_bad(inputs, alpha):
    if "pred" in inputs:
        return selection_threshold(
            inputs["pred"], inputs["y"], inputs["c"], inputs["m"], inputs["eta"], alpha
        )
    scores = [math.nan if s == "nan" else s for s in inputs["scores"]]
    bounds = (inputs.get("lower"), inputs.get("upper"))
    return order_statistic_interval(scores, inputs["m"], inputs.get("zeta", 1), alpha, bounds=bounds)


def test_uninformative_is_not_an_error():
    case = GOLDEN["uninformative_not_error"][0]
    scores = np.arange(float(case["n"]))
    bound = order_statistic_interval(scores, case["m"], case["zeta"], case["alpha"], side="upper")
    assert bound.ranks[0][1] == case["rank_upper"]
    assert bound.high == math.inf
    assert not bound.informative
    assert bound.smallest_n == 45
