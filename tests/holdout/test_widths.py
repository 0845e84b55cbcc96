"""Intervals, tree counts and half-widths against the golden cases and the slow oracles."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from tests.oracles import holdout as oracle
from validstats.holdout.mechanisms import SparseValidate
from validstats.holdout.widths import counting, gaussian, published
from validstats.holdout.widths import counts as intervals
from validstats.holdout.widths import half_widths as widths

GOLDEN = json.loads((Path(__file__).parent / "golden" / "holdout.json").read_text())
ROWS = GOLDEN["widths"]["rows"]
LEVEL = math.log(0.05)

SECTION_2_1 = [  # n, k, fresh chunk, description length, Rogers 2020, Jung 2020, tight; None where vacuous
    (1_000, 100, 0.6430, 0.3844, 0.7812, 0.9160, 0.4086),
    (10_000, 10, 0.0546, 0.0525, 0.1411, 0.1503, 0.0662),
    (10_000, 1_000, 0.7270, 0.3828, 0.4470, 0.5287, 0.2459),
    (100_000, 100_000, None, 0.8387, 0.4764, 0.5699, 0.2714),
    (1_000_000, 1_000_000, None, 0.8387, 0.2766, 0.3249, 0.1586),
]
BASSILY_2016 = [  # n, k and the column of section 2.1
    (1_000, 10, 0.7442),
    (10_000, 10, 0.2340),
    (10_000, 100, 0.4356),
    (10_000, 1_000, 0.8156),
    (100_000, 10, 0.0749),
    (100_000, 100, 0.1379),
    (100_000, 1_000, 0.2538),
    (100_000, 10_000, 0.4689),
    (100_000, 100_000, 0.8729),
    (1_000_000, 10, 0.0241),
    (1_000_000, 100, 0.0441),
    (1_000_000, 1_000, 0.0807),
    (1_000_000, 10_000, 0.1474),
    (1_000_000, 100_000, 0.2699),
    (1_000_000, 1_000_000, 0.4965),
]
SECTION_2_2 = [  # n, k, ladder, ladder from 1/2
    (1_000, 10, 0.1362, 0.1242),
    (1_000, 1_000_000, 0.3628, 0.2977),
    (10_000, 10_000, 0.1354, 0.1109),
    (100_000, 1_000, 0.0504, 0.0419),
    (1_000_000, 1_000_000, 0.0327, 0.0264),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"n={row['n']}-k={row['k']}")
def test_golden_half_widths(row) -> None:
    n, k = row["n"], row["k"]
    level = math.log(row["beta"])
    ours = {
        "nonadaptive": widths.nonadaptive_width(n, k, level),
        "split": widths.fresh_chunk_width(n, k, level),
        "description_length": widths.description_length_width(n, k, level).half_width,
        "gaussian_tight": gaussian.tight_optimum(n, k, level).half_width,
        "gaussian_rogers": published.rogers_optimum(n, k, level).half_width,
        "gaussian_jung": published.jung_optimum(n, k, level).half_width,
        "ladder_exact": widths.ladder_width(n, k, level).half_width,
        "ladder_blum_hardt": oracle.blum_hardt_width(n, k, level),
        "thresholdout_nips_B10": widths.thresholdout_width(n, k, 10, level),
    }
    for name, value in ours.items():
        assert value == pytest.approx(row[name], rel=2e-3), name
    assert gaussian.tight_optimum(n, k, level).sigma == pytest.approx(row["gaussian_tight_sigma"], rel=2e-2)
    assert widths.description_length_width(n, k, level).cells == row["description_cells"]


@pytest.mark.parametrize("row", SECTION_2_1, ids=lambda row: f"n={row[0]}-k={row[1]}")
def test_half_widths_without_guesses(row) -> None:
    n, k, split, description, rogers, jung, tight = row
    if split is None:
        assert widths.fresh_chunk_width(n, k, LEVEL) > 1
    else:
        assert widths.fresh_chunk_width(n, k, LEVEL) == pytest.approx(split, rel=2e-3)
    if description is not None:
        assert widths.description_length_width(n, k, LEVEL).half_width == pytest.approx(description, rel=2e-3)
    assert published.rogers_optimum(n, k, LEVEL).half_width == pytest.approx(rogers, rel=2e-3)
    assert published.jung_optimum(n, k, LEVEL).half_width == pytest.approx(jung, rel=2e-3)
    assert gaussian.tight_optimum(n, k, LEVEL).half_width == pytest.approx(tight, rel=2e-3)


@pytest.mark.parametrize(("n", "k", "expected"), BASSILY_2016)
def test_half_widths_by_the_monitor_argument(n, k, expected) -> None:
    assert published.bassily_optimum(n, k, LEVEL).half_width == pytest.approx(expected, rel=2e-4, abs=5.1e-5)


def test_half_widths_by_the_monitor_argument_where_they_say_nothing() -> None:
    for n, k in ((1_000, 100), (10_000, 10_000), (100_000, 1_000_000)):
        assert published.bassily_optimum(n, k, LEVEL).half_width > 1


def test_the_monitor_argument_at_its_best_noise() -> None:
    """Written out, with as many copies as the level has parts: 20 at 5 %, though exp(log(0.05)) is above 1 / 20."""
    n, k = 10_000, 100
    for copies in (5, 10, 20, 100):
        found = published.bassily_optimum(n, k, math.log(1 / copies))
        rho = k / (2 * (n * found.sigma) ** 2)
        slow = min(
            math.expm1(epsilon) + 2 * copies * math.exp(log_delta)
            + found.sigma * math.sqrt(2 * (math.log(4 * k) - log_delta))
            for epsilon in np.linspace(0.001, 1.0, 20_000)
            for log_delta in [published.zcdp_log_delta(epsilon, rho)]
        ) / (1 - (1 - 1 / copies) ** copies)  # fmt: skip
        assert found.half_width == pytest.approx(slow, rel=1e-5)


@pytest.mark.parametrize("row", SECTION_2_2, ids=lambda row: f"n={row[0]}-k={row[1]}")
def test_half_widths_with_structure(row) -> None:
    n, k, ladder, ladder_half = row
    close = {"rel": 2e-3, "abs": 5.1e-5}
    assert widths.ladder_width(n, k, LEVEL).half_width == pytest.approx(ladder, **close)
    assert widths.ladder_width(n, k, LEVEL, baseline=0.5).half_width == pytest.approx(ladder_half, **close)


def test_half_widths_of_rounds_and_winners() -> None:
    for rounds, expected in (
        (2, (0.029, 0.036, 0.042)),
        (5, (0.046, 0.057, 0.066)),
        (20, (0.091, 0.114, 0.132)),
    ):
        for k, value in zip((100, 10_000, 1_000_000), expected, strict=True):
            assert widths.rounds_width(10_000, k, rounds, LEVEL) == pytest.approx(value, abs=5.1e-4)
    published_widths = {(5, 20): 0.050, (5, 1000): 0.059, (20, 20): 0.093, (100, 1000): 0.243}
    for (batches, candidates), value in published_widths.items():
        ours = widths.argmax_width(10_000, batches, candidates, LEVEL).half_width
        assert 0.9 * value < ours <= value + 5e-4  # the last answer's cells are not counted here


def test_the_tight_bound_is_narrower_than_the_published_ones() -> None:
    for n in (1_000, 10_000, 1_000_000):
        for k in (10, 1_000, 100_000):
            tight = gaussian.tight_optimum(n, k, LEVEL).half_width
            others = (published.rogers_optimum, published.jung_optimum, published.bassily_optimum)
            assert all(tight < other(n, k, LEVEL).half_width for other in others)


# ------------------------------------------------------------------------------------------ gaussian


@pytest.mark.parametrize("case", GOLDEN["cvar_max_abs_gauss"], ids=lambda c: f"k={c['k']}")
def test_golden_tail_means(case) -> None:
    log_p = math.log(case["beta"])
    assert gaussian.tail_mean_of_maximum(case["k"], log_p) == pytest.approx(case["expected"], rel=1e-9)


@pytest.mark.parametrize(("k", "p"), [(1, 0.05), (7, 0.3), (1000, 1e-6)])
def test_tail_means_against_quadrature(k, p) -> None:
    assert gaussian.tail_mean_of_maximum(k, math.log(p)) == pytest.approx(
        oracle.tail_mean_quad(k, p), rel=1e-7
    )


def test_tail_means_against_simulation() -> None:
    mean, error = oracle.tail_mean_monte_carlo(50, 0.05, 40_000, np.random.default_rng(1))
    assert gaussian.tail_mean_of_maximum(50, LEVEL) == pytest.approx(mean, abs=4 * error)


def test_tail_means_far_out_are_finite_and_grow() -> None:
    values = [gaussian.tail_mean_of_maximum(100, -x) for x in (1.0, 50.0, 700.0, 5000.0)]
    assert values == sorted(values)
    assert values[-1] == pytest.approx(math.sqrt(2 * 5000), rel=0.01)


@pytest.mark.parametrize("case", GOLDEN["bias_gdp"], ids=lambda c: f"mu={c['mu']}")
def test_golden_biases(case) -> None:
    assert gaussian.gaussian_dp_bias(case["mu"], math.log(case["beta"])) == pytest.approx(
        case["expected"], rel=1e-8
    )


@pytest.mark.parametrize(("mu", "p"), [(0.05, 0.2), (0.4, 0.01), (2.5, 0.05), (6.0, 0.05)])
def test_biases_against_a_grid(mu, p) -> None:
    ours = gaussian.gaussian_dp_bias(mu, math.log(p))
    slow = oracle.gaussian_bias_grid(mu, p)
    assert slow - 1e-12 <= ours <= slow + 2e-4


def test_bias_per_probability_falls_with_the_probability() -> None:
    for mu in (0.01, 0.3, 2.0):
        values = [gaussian.gaussian_dp_bias(mu, math.log(p)) for p in (1e-30, 1e-6, 1e-3, 0.05, 0.3)]
        assert values == sorted(values, reverse=True)
        assert all(0 <= value <= 1 for value in values)


@pytest.mark.parametrize("case", GOLDEN["gdp_delta"], ids=lambda c: f"eps={c['eps']}")
def test_golden_deltas(case) -> None:
    ours = gaussian.gaussian_dp_delta(case["eps"], case["mu"])
    assert ours == pytest.approx(case["expected"], rel=1e-9)
    assert ours == pytest.approx(oracle.gdp_delta_integral(case["eps"], case["mu"]), rel=1e-6)


def test_zcdp_conversion_is_never_below_the_exact_delta() -> None:
    for rho in (0.001, 0.05, 0.5):
        for epsilon in (0.2, 0.7, 1.4):
            exact = gaussian.gaussian_dp_delta(epsilon, math.sqrt(2 * rho))
            assert math.exp(published.zcdp_log_delta(epsilon, rho)) >= exact


def test_the_optimal_noise_is_optimal() -> None:
    for n, k, level in ((1_000, 10, LEVEL), (10_000, 1_000, LEVEL), (10_000, 100, math.log(0.01))):
        best = gaussian.tight_optimum(n, k, level)
        for factor in (0.8, 0.95, 1.05, 1.3):
            assert gaussian.tight_half_width(n, k, best.sigma * factor, level) >= best.half_width - 1e-9
        assert gaussian.tight_half_width(n, k, best.sigma, level) == pytest.approx(best.half_width, rel=1e-9)


def test_mixing_costs_and_reduces_to_the_plain_bound() -> None:
    plain = gaussian.tight_half_width(5_000, 50, 0.02, LEVEL)
    assert gaussian.mixed_half_width(LEVEL, 5_000, 50, 0.02, 0.0) == plain
    assert gaussian.mixed_half_width(LEVEL, 5_000, 50, 0.02, 0.01) == pytest.approx(plain + 0.005)
    assert gaussian.mixed_half_width(LEVEL - 5.0, 5_000, 50, 0.02, 0.0) > plain


# -------------------------------------------------------------------------------------------- counts


def test_other_trees() -> None:
    for k in (1, 2, 4):
        for m in (1, 2, 3):
            assert math.exp(counting.log_full_nodes(k, m)) == pytest.approx(oracle.count_full_nodes(k, m))
            assert math.exp(counting.log_ladder_nodes(k, m)) == pytest.approx(oracle.count_ladder_nodes(k, m))
            for c in (1, 2):
                ours = math.exp(counting.log_argmax_nodes(k, c, m))
                assert ours == pytest.approx(oracle.count_argmax_intervals(k, c, m))


def test_weights_of_positions_sum_to_at_most_one() -> None:
    assert math.log(sum(math.exp(counting.log_position_weight(t)) for t in range(100_000))) <= 0


@pytest.mark.parametrize(("queries", "failures"), [(1, 0), (10, 3), (200, 10), (40, 39)])
def test_planned_bits_are_as_wide_as_the_last_claim_of_such_a_day(queries: int, failures: int) -> None:
    state = SparseValidate.initial_state(1000)
    refuted = set(np.linspace(0, queries - 2, failures, dtype=int)) if failures else set()
    for i in range(queries - 1):
        state = state.after(i not in refuted)
    last = intervals.hoeffding_half_width(1000, LEVEL + state.log_weight)
    assert last <= widths.sparse_validate_width(1000, queries, failures, LEVEL) <= 1.15 * last


# ----------------------------------------------------------------------------------------- intervals


@pytest.mark.parametrize("case", GOLDEN["kl_interval"], ids=lambda c: f"p={c['phat']}")
def test_golden_kl_intervals(case) -> None:
    ours = intervals.kl_bounds(case["phat"], case["n"], case["log_inv_alpha"])
    assert ours == pytest.approx(case["expected"], abs=1e-8)


@pytest.mark.parametrize(
    ("mean", "n", "log_inverse"), [(0.3, 50, 2.0), (0.999, 400, 30.0), (0.0, 10, 1.0), (1.0, 7, 3.0)]
)
def test_kl_intervals_against_root_finding(mean, n, log_inverse) -> None:
    assert intervals.kl_bounds(mean, n, log_inverse) == pytest.approx(
        oracle.kl_interval(mean, n, log_inverse), abs=1e-10
    )


def test_kl_intervals_are_inside_hoeffdings_and_contain_the_exact_ones() -> None:
    for successes in (0, 3, 250, 497, 500):
        for log_alpha in (LEVEL, -40.0):
            low, high = intervals.kl_interval(successes / 500, 500, log_alpha)
            w = intervals.hoeffding_half_width(500, log_alpha)
            exact_low, exact_high = intervals.clopper_pearson(successes, 500, log_alpha)
            assert successes / 500 - w <= low + 1e-12 <= exact_low + 2e-12
            assert exact_high <= high + 1e-12 <= successes / 500 + w + 2e-12


@pytest.mark.parametrize(
    ("successes", "n", "alpha"), [(0, 12, 0.05), (12, 12, 0.05), (7, 30, 0.1), (499, 500, 1e-9)]
)
def test_clopper_pearson_against_binomial_tails(successes, n, alpha) -> None:
    ours = intervals.clopper_pearson(successes, n, math.log(alpha))
    assert ours == pytest.approx(oracle.clopper_pearson(successes, n, alpha), abs=1e-10)


def test_levels_that_underflow() -> None:
    low, high = intervals.clopper_pearson(900, 1000, -5000.0)
    assert 0 <= low < 0.9 < high <= 1
    assert intervals.hoeffding_half_width(10**6, -5000.0) == pytest.approx(0.05, rel=1e-3)


def test_betting_interval_against_the_row_by_row_game() -> None:
    rng = np.random.default_rng(3)
    for x in (rng.beta(2, 5, 200), (rng.random(150) < 0.9).astype(float), rng.uniform(0.4, 0.6, 300)):
        low, high = intervals.betting_interval(x, LEVEL)
        assert low <= x.mean() <= high
        for inside in np.linspace(low + 1e-6, high - 1e-6, 5):
            assert not oracle.betting_excludes(x, inside, LEVEL)
        assert low == 0 or oracle.betting_excludes(x, low - 1e-6, LEVEL)
        assert high == 1 or oracle.betting_excludes(x, high + 1e-6, LEVEL)


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match=r"mean must be finite and in \[0, 1\]"):
        intervals.kl_interval(float("nan"), 10, -3.0)
    with pytest.raises(ValueError, match="successes must be between 0 and 10"):
        intervals.clopper_pearson(11, 10, -3.0)
    with pytest.raises(ValueError, match=r"values must lie in \[0, 1\]"):
        intervals.betting_interval(np.array([0.5, 1.5]), -3.0)
    with pytest.raises(ValueError, match="n must be"):
        intervals.hoeffding_half_width(0, -3.0)
    with pytest.raises(ValueError, match="queries must be at least 1"):
        counting.log_full_nodes(0, 2)


@pytest.mark.parametrize("tolerance", [0.02, 0.1, 0.45, 3.0])
@pytest.mark.parametrize(("queries", "overfits"), [(1, 1), (20, 3), (10**6, 10), (50, 4000)])
def test_the_rows_that_a_tolerance_of_thresholdout_needs(tolerance, queries, overfits) -> None:
    level = math.log(0.05)
    rows = widths.thresholdout_rows(tolerance, queries, overfits, level)
    assert widths.thresholdout_width(rows, queries, overfits, level) <= tolerance * (1 + 1e-12)
    fewer = min(rows - 1, math.floor(rows * (1 - 1e-8)))
    assert widths.thresholdout_width(fewer, queries, overfits, level) > tolerance


@pytest.mark.parametrize("k", [1, 10, 300])
def test_levels_of_parts_multiply_to_the_level_of_all(k) -> None:
    part = math.exp(intervals.split_log_level(k, math.log(0.05)))
    assert 1 - (1 - part) ** k == pytest.approx(0.99 * 0.05, rel=1e-9)


def test_an_honest_guess_misses_by_the_noise_of_both_samples() -> None:
    assert intervals.guess_deviation(0.85, 2000, 2000) == pytest.approx(
        math.sqrt(0.85 * 0.15 / 1000), rel=1e-2
    )
    assert intervals.guess_deviation(1.0, 50, 50) > 0
