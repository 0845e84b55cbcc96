"""Coverage of narrow bounds of means, of class shares, and of whole batches as units; levels and power of the checks.

Everything is redrawn in each replicate. The last tests are tests of the test: tempting shortcuts that lose their level.
"""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

from validstats.batch import (
    BatchPredictor,
    BatchTotal,
    conformal_martingale,
    covariate_test,
    unit_order_test,
    weight_test,
    within_batch_test,
)
from validstats.batch.laws import (
    DriftTest,
    class_share_bounds,
    mean_interval,
    textbook_interval,
    unit_interval,
    unit_scale,
    unit_variances,
)
from validstats.batch.laws.betting import betting_upper_mean
from validstats.batch.laws.swap import swap_bounds
from validstats.batch.laws.units import unit_totals
from validstats.exceptions import DependentRowsWarning
from validstats.validity import binomial_acceptance, simulate

pytestmark = pytest.mark.validity

LAWS = {
    "narrow normal": (lambda rng, k: np.clip(0.5 * rng.normal(size=k), -6, 6), (-6.0, 6.0)),
    "uniform": (lambda rng, k: rng.random(k), (0.0, 1.0)),
    "arcsine": (lambda rng, k: rng.beta(0.5, 0.5, size=k), (0.0, 1.0)),
    "exponential": (lambda rng, k: np.minimum(rng.exponential(size=k), 10.0), (0.0, 10.0)),
    "rare ones": (lambda rng, k: (rng.random(k) < 0.03).astype(float), (0.0, 1.0)),
    "pareto": (lambda rng, k: np.minimum(rng.pareto(1.1, size=k), 50.0), (0.0, 50.0)),
    "five values": (lambda rng, k: rng.integers(1, 6, size=k).astype(float), (1.0, 5.0)),
    "atom at the bound": (
        lambda rng, k: np.where(rng.random(k) < 0.02, 1.0, 0.2 * rng.random(k)),
        (0.0, 1.0),
    ),
    "near the bound": (lambda rng, k: 1 - 0.001 * rng.random(k), (0.0, 1.0)),
    "few of a hundred": (
        lambda rng, k: rng.permutation(np.repeat([1.0, 0.1], [max(k // 8, 1), k - max(k // 8, 1)])),
        (0.0, 1.0),
    ),
    "constant": (lambda rng, k: np.full(k, 0.4), (0.0, 1.0)),
}
SIZES = [(30, 10), (40, 40), (100, 100), (20, 80)]


def mirrored(scores, bounds, turned):
    return (-scores, (-bounds[1], -bounds[0])) if turned else (scores, bounds)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("turned", [False, True], ids=["upper", "mirror"])
@pytest.mark.parametrize("law", LAWS)
def test_bets_keep_the_level(law, turned, sizes):
    n, m = sizes
    draw, bounds = LAWS[law]

    def replicate(rng, index):
        scores, (low, high) = mirrored(draw(rng, n + m), bounds, turned)
        scores = rng.permutation(scores)
        return scores[n:].mean() <= betting_upper_mean(scores[:n], m, 0.1, high, low=low) + 1e-12

    check = simulate(replicate, 2000, 0.9, random_state=n + m + turned)
    assert check.accepted, str(check)


@pytest.mark.parametrize(("n", "m", "level"), [(60, 20, 0.2), (24, 3, 0.2), (80, 10, 0.1), (240, 8, 0.3)])
@pytest.mark.parametrize("law", LAWS)
def test_exchanges_keep_the_level(law, n, m, level):
    draw, bounds = LAWS[law]

    def replicate(rng, index):
        scores = rng.permutation(draw(rng, n + m))
        found = swap_bounds(scores[:n], m, level, bounds, seed=index)
        return found.low - 1e-12 <= scores[n:].mean() <= found.high + 1e-12

    check = simulate(replicate, 150, 1 - level, random_state=n * m)
    assert check.accepted, str(check)


@pytest.mark.parametrize(("n", "m"), [(100, 5), (100, 12)])
def test_exchanges_without_extremes_keep_the_level_of_unbounded_scores(n, m):
    def replicate(rng, index):
        scores = rng.standard_t(2, size=n + m)
        found = swap_bounds(scores[:n], m, 0.3, (-np.inf, np.inf), drop=(True, True), seed=index)
        return found.low <= scores[n:].mean() <= found.high

    check = simulate(replicate, 300, 0.7, random_state=n + m)
    assert check.accepted, str(check)


@pytest.mark.parametrize("confidence", ["0.8", "0.9", "0.95"])
@pytest.mark.parametrize(("n", "m"), [(200, 20), (100, 50)])
@pytest.mark.parametrize("law", ["exponential", "five values", "atom at the bound", "pareto"])
def test_the_chosen_method_keeps_two_sided_levels(law, n, m, confidence):
    draw, bounds = LAWS[law]

    def replicate(rng, index):
        scores = draw(rng, n + m)
        found = mean_interval(
            scores[:n], m, str(round(1 - float(confidence), 2)), bounds=bounds, random_state=rng
        )
        return found.low - 1e-12 <= scores[n:].mean() <= found.high + 1e-12

    check = simulate(replicate, 200, float(confidence), random_state=n + m)
    assert check.accepted, str(check)


@pytest.mark.parametrize(("n", "m"), [(300, 10), (300, 30), (300, 100)])
def test_one_known_bound_keeps_the_level(n, m):
    def replicate(rng, index):
        scores = rng.exponential(size=n + m)
        found = mean_interval(scores[:n], m, 0.2, bounds=(0.0, np.inf), width=6.0, random_state=rng)
        return found.low <= scores[n:].mean() <= found.high

    check = simulate(replicate, 400, 0.8, random_state=n + m)
    assert check.accepted, str(check)


@pytest.mark.parametrize("k", [3, 5, 10])
def test_class_shares_hold_jointly_and_are_near_the_exact_width(k):
    n, m = 400, 200
    shares = np.full(k, 1 / k)
    widths = []

    def replicate(rng, index):
        past, new = rng.multinomial(n, shares), rng.multinomial(m, shares)
        low, high = class_share_bounds(past, m, 0.1)
        widths.append((high - low).mean())
        return bool(((low - 1e-12 <= new / m) & (new / m <= high + 1e-12)).all())

    check = simulate(replicate, 1000, 0.9, random_state=k)
    assert check.accepted, str(check)
    # exact simultaneous quantile of the largest of k correlated normal deviations, by simulation
    rng = np.random.default_rng(0)
    past, new = rng.multinomial(n, shares, 20_000) / n, rng.multinomial(m, shares, 20_000) / m
    exact = 2 * np.quantile(np.abs(new - past).max(axis=1), 0.9)
    assert np.mean(widths) <= 1.2 * exact


def weeks(rng, shock, sizes):
    """Poisson rows of weeks that share a relative shock."""
    unit = np.repeat(np.arange(sizes.size), sizes)
    rates = 110 * np.maximum(1 + shock * rng.normal(size=sizes.size), 0)[unit]
    return rng.poisson(rates).astype(float), unit


@pytest.mark.parametrize("shock", [0.0, 0.03, 0.1])
def test_whole_weeks_cover_and_rows_do_not(shock):
    sizes = np.full(61, 140)
    rows = []

    def replicate(rng, index):
        y, unit = weeks(rng, shock, sizes)
        _, totals, _ = unit_totals(y, unit)
        found = unit_interval(totals[:60], 0.1)
        low, high = textbook_interval(y[unit < 60], 140, 0.1)
        rows.append(140 * low <= totals[60] <= 140 * high)
        return found.low <= totals[60] <= found.high

    check = simulate(replicate, 400, 1 - 6 / 61, random_state=int(100 * shock), alternative="two-sided")
    assert check.accepted, str(check)
    if shock > 0:
        assert np.mean(rows) < 0.5


@pytest.mark.parametrize("scale", ["size", "sqrt", "one", "fitted"])
@pytest.mark.parametrize("shock", [0.0, 0.03])
def test_units_of_unequal_sizes_cover_with_every_scale(scale, shock):
    def replicate(rng, index):
        sizes = rng.integers(20, 401, size=81)
        y, unit = weeks(rng, shock, sizes)
        y -= 110.0
        _, totals, counts = unit_totals(y, unit)
        variances = unit_variances(y[unit < 40], unit[unit < 40])
        scales = unit_scale(counts, scale, variances)
        found = unit_interval((totals / scales)[40:80], 0.1)
        return scales[80] * found.low <= totals[80] <= scales[80] * found.high

    check = simulate(replicate, 800, 1 - 4 / 41, random_state=3, alternative="two-sided")
    assert check.accepted, str(check)


def test_the_within_batch_check_has_its_level_and_finds_a_shock_of_three_per_cent():
    rejected = {0.0: [], 0.03: []}
    for shock, found in rejected.items():
        for seed in range(300 if shock == 0.0 else 100):
            y, unit = weeks(np.random.default_rng(seed), shock, np.full(60, 140))
            found.append(within_batch_test(y, unit, n_permutations=199, random_state=seed).p_value <= 0.05)
    assert binomial_acceptance(sum(rejected[0.0]), 300, 0.05, "greater").accepted
    assert np.mean(rejected[0.03]) >= 0.95


@pytest.mark.parametrize("shock", [0.0, 0.03])
def test_infer_warns_of_weeks_that_move_together_and_rarely_of_others(shock):
    """Rows are the units, the labelled rows carry weeks, and the alarm is that of the public call."""
    warned = 0
    for seed in range(60):
        y, unit = weeks(np.random.default_rng([seed, 5]), shock, np.full(60, 140))
        model = BatchPredictor(None, BatchTotal(method="asymptotic"), unit="row", random_state=seed)
        model.calibrate(np.full(y.size, 110.0), y, batches=unit)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.infer(np.full(140, 110.0))
        warned += any(w.category is DependentRowsWarning for w in caught)
    if shock == 0:
        assert binomial_acceptance(warned, 60, 0.01, "greater").accepted
    else:
        assert warned >= 57


@pytest.mark.parametrize(("shift", "columns"), [(0.0, 2), (0.0, 20), (0.6, 2)])
def test_the_drift_check_of_infer_has_its_level_and_power(shift, columns):
    found = []
    for seed in range(800 if shift == 0 else 150):
        rng = np.random.default_rng([seed, 6])
        known, new = rng.normal(size=(200, columns)), rng.normal(size=(120, columns))
        new[:, 0] += shift
        found.append(DriftTest.of(known, new, rng).p_value)
    for level in (0.01, 0.05):
        if shift == 0:
            count = int((np.array(found) <= level).sum())
            assert binomial_acceptance(count, len(found), level, "greater").accepted
        else:
            assert np.mean(np.array(found) <= level) >= 0.9


@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_the_covariate_check_has_its_level_and_power(shift):
    found = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        calibration, batch = rng.normal(size=(200, 3)), rng.normal(size=(60, 3)) + shift
        found.append(covariate_test(calibration, batch, n_permutations=99, random_state=seed).p_value <= 0.05)
    if shift == 0:
        assert binomial_acceptance(sum(found), 300, 0.05, "greater").accepted
    else:
        assert np.mean(found) >= 0.9


WEIGHTS = {
    "right": lambda x: 2 * x,
    "ignored": np.ones_like,
    "reversed": lambda x: 2 * (1 - x),
    "twice as large": lambda x: 4 * x,
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_the_check_of_weights_flags_wrong_ones(name):
    """Calibration rows uniform on [0, 1], a batch of 40 with density 2 x: the design of covariate shift above."""
    flagged = 0
    for seed in range(300):
        rng = np.random.default_rng([seed, 7])
        past, new = rng.random((300, 1)), np.sqrt(rng.random((40, 1)))
        test = weight_test(past, WEIGHTS[name](past[:, 0]), new)
        flagged += min(test.p_value, test.mean_p_value) <= 0.025
    if name == "right":
        assert flagged <= 0.1 * 300  # normal theory at .05: approximate
    else:
        assert flagged >= 0.8 * 300


@pytest.mark.parametrize("trend", [0.0, 0.1])
def test_the_check_of_the_order_of_units_has_its_level_and_power(trend):
    found = []
    for seed in range(400):
        rng = np.random.default_rng(seed)
        scores = rng.normal(size=40) + trend * np.arange(40)
        found.append(unit_order_test(scores, n_permutations=199, random_state=seed).p_value <= 0.05)
    if trend == 0:
        assert binomial_acceptance(sum(found), 400, 0.05, "greater").accepted
    else:
        assert np.mean(found) >= 0.9


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_the_martingale_rarely_alarms_without_cause_and_soon_with_it(shift):
    alarms = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        scores = rng.integers(0, 6, size=400) + np.where(np.arange(400) < 200, 0.0, 3 * shift)
        alarms.append(conformal_martingale(scores, level=0.05, random_state=seed).alarm is not None)
    if shift == 0:
        assert binomial_acceptance(sum(alarms), 300, 0.05, "greater").accepted
    else:
        assert np.mean(alarms) >= 0.95


def test_the_best_of_ten_orders_loses_the_level():
    def replicate(rng, index):
        scores = rng.random(200)
        orders = [rng.permutation(scores[:100]) for _ in range(10)]
        return scores[100:].mean() <= min(betting_upper_mean(x, 100, 0.1, 1.0, low=0.0) for x in orders)

    assert not simulate(replicate, 500, 0.9, random_state=1).accepted


def test_bounds_taken_from_the_sample_lose_the_level():
    draw, _ = LAWS["atom at the bound"]

    def replicate(rng, index):
        scores = draw(rng, 80)
        return scores[40:].mean() <= betting_upper_mean(scores[:40], 40, 0.1, scores[:40].max(), low=0.0)

    assert not simulate(replicate, 500, 0.9, random_state=2).accepted


def test_the_narrower_of_both_methods_at_full_level_is_never_taken():
    """Sizes decide; a method that is asked for by name is the one that answers."""
    scores = np.random.default_rng(0).random(400)
    for m, expected in [(50, "swap"), (51, "bet")]:
        assert mean_interval(scores, m, 0.1, bounds=(0, 1)).method == expected


def test_a_confidence_interval_and_skewed_normal_theory_fail():
    def naive(rng, index):
        scores = rng.normal(size=500)
        half = 1.645 * scores[:400].std() / math.sqrt(400)
        return abs(scores[400:].mean() - scores[:400].mean()) <= half

    def skewed(rng, index):
        scores = np.where(rng.random(60) < 0.02, 10.0, rng.random(60))
        low, high = textbook_interval(scores[:30], 30, 0.1)
        return low <= scores[30:].mean() <= high

    assert simulate(naive, 500, 0.9, random_state=4).frequency < 0.7
    assert not simulate(skewed, 500, 0.9, random_state=5).accepted
