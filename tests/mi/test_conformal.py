"""Conformal calibration: scores and intervals against the oracle, ranks in exact arithmetic, coverage."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from tests.oracles import mi as oracle
from validstats.mi.network import (
    DIM_CELLS,
    MEDIAN,
    N_CELLS,
    QUANTILE_LEVELS,
    MICalibration,
    calibrate_scores,
    cell_numbers,
    interval_at,
    interval_scores,
    pack_calibration,
    shipped_weights_path,
    thresholds,
)
from validstats.mi.network.calibration import CELL_MINIMUM, LEVEL_SCORES, conformal_rank, read_calibration


def some_quantiles(m, seed=0):
    return np.cumsum(
        np.abs(np.random.default_rng(seed).normal(size=(m, len(QUANTILE_LEVELS)))) + 0.01, axis=1
    )


def test_scores_and_intervals_match_the_oracle():
    quantiles = some_quantiles(60)
    generator = np.random.default_rng(1)
    target = generator.uniform(-2, 22, 60)
    scores = interval_scores(quantiles, target)
    assert (scores >= 0).all()
    for q, t, score in zip(quantiles, target, scores, strict=True):
        assert oracle.interval_contains(q, QUANTILE_LEVELS, score + 1e-9, t)
        assert score < 1e-6 or not oracle.interval_contains(q, QUANTILE_LEVELS, score * (1 - 1e-6), t)


def test_intervals_are_nested_and_start_at_the_median():
    quantiles = some_quantiles(20)
    low, high = interval_at(quantiles, np.zeros(20))
    middle = quantiles[:, QUANTILE_LEVELS.index(0.5)]
    assert np.allclose(low, middle)
    assert np.allclose(high, middle)
    for score in (0.5, 1.6448536269514722, 4.0):
        wider_low, wider_high = interval_at(quantiles, np.full(20, score))
        assert (wider_low < low).all() and (wider_high > high).all()
        low, high = wider_low, wider_high
    low, high = interval_at(quantiles, np.full(20, 1.6448536269514722))
    assert np.allclose(low, quantiles[:, QUANTILE_LEVELS.index(0.05)])
    assert np.allclose(high, quantiles[:, QUANTILE_LEVELS.index(0.95)])
    low, high = interval_at(quantiles, np.full(20, np.inf))
    assert np.isneginf(low).all() and np.isposinf(high).all()


@pytest.mark.parametrize(
    ("n_sets", "alpha", "rank"),
    [(9, Fraction(1, 10), 9), (19, Fraction(1, 10), 18), (20, Fraction(1, 10), 19), (99, Fraction(1, 20), 95), (8, Fraction(1, 10), 9)],
)  # fmt: skip
def test_ranks_are_exact(n_sets, alpha, rank):
    assert conformal_rank(n_sets, alpha) == rank


def test_too_few_sets_give_infinite_thresholds():
    shape = np.tile([[100, 1, 1]], (8, 1))
    table = calibrate_scores(some_quantiles(8), np.ones(8), shape)
    assert table.cells == {}
    assert np.isinf(thresholds(table, shape[:1], Fraction(1, 10))).all()
    assert np.isfinite(thresholds(table, shape[:1], Fraction(1, 2))).all()


def test_cells_with_enough_sets_stand_alone():
    quantiles = some_quantiles(50)
    shape = np.array([[100, 1, 1]] * 30 + [[1000, 5, 5]] * 20)
    target = np.where(np.arange(50) < 30, quantiles[:, 9], quantiles[:, 18] + 5)
    table = calibrate_scores(quantiles, target, shape, minimum=25)
    assert list(table.cells) == [tuple(cell_numbers(shape[:1])[0])]
    limit = thresholds(table, shape[[0, 49]], Fraction(1, 2))
    assert limit[0] == 0.0
    # The others share the scores of their own sets: pooled ones would let the large cell vouch for them.
    np.testing.assert_array_equal(table.scores_of((3, 2)), np.sort(interval_scores(quantiles, target)[30:]))
    np.testing.assert_array_equal(table.scores_of((0, 0)), table.rest)
    assert limit[1] == table.rest[10] > table.pooled[-21]


def test_an_easy_cell_does_not_vouch_for_the_rest():
    """Half of the sets have scores near 0: by pooled scores the others would be covered half as often as promised."""
    quantiles = some_quantiles(200, seed=5)
    shape = np.array([[100, 1, 1]] * 100 + [[1000, 5, 5]] * 50 + [[20, 5, 5]] * 50)
    far = np.random.default_rng(6).uniform(1, 30, 200)
    target = np.where(np.arange(200) < 100, quantiles[:, 9], quantiles[:, 18] + far)
    table = calibrate_scores(quantiles, target, shape, minimum=100)
    assert list(table.cells) == [tuple(cell_numbers(shape[:1])[0])]
    low, high = interval_at(quantiles, thresholds(table, shape, Fraction(1, 5)))
    covered = (low <= target) & (target <= high)
    assert 0.8 <= covered[100:].mean() < 0.84


def test_without_cells_all_sets_serve_and_an_unseen_cell_has_no_finite_interval():
    quantiles, shape = some_quantiles(40), np.tile([[100, 1, 1]], (40, 1))
    one = calibrate_scores(quantiles, np.ones(40), shape)
    np.testing.assert_array_equal(one.scores_of((3, 3)), one.pooled)
    full = calibrate_scores(quantiles, np.ones(40), shape, minimum=40)
    assert np.isinf(thresholds(full, np.array([[1000, 5, 5]]), Fraction(1, 2))).all()


def test_scores_come_back_from_the_file_of_weights(tmp_path):
    quantiles = some_quantiles(50)
    shape = np.array([[100, 1, 1]] * 30 + [[1000, 5, 5]] * 20)
    limits = read_calibration(shipped_weights_path(), "family").limits
    table = calibrate_scores(quantiles, quantiles[:, 3], shape, minimum=25)
    np.savez(tmp_path / "w.npz", **pack_calibration(MICalibration(table, limits, "family")))
    back = read_calibration(tmp_path / "w.npz", "family").table
    for got, expected in (
        (back.pooled, table.pooled),
        (back.rest, table.rest),
        (back.cells[1, 0], table.cells[1, 0]),
    ):
        np.testing.assert_allclose(got, expected, rtol=1e-6)
    older = replace(table, rest=None)
    np.savez(tmp_path / "o.npz", **pack_calibration(MICalibration(older, limits, "family")))
    assert read_calibration(tmp_path / "o.npz", "family").table.rest is None
    hostile = pack_calibration(MICalibration(table, limits, "family"))
    hostile["calibration/pooled"] = np.array([{}], dtype=object)
    np.savez(tmp_path / "h.npz", **hostile)
    with pytest.raises(ValueError, match="allow_pickle=False"):
        read_calibration(tmp_path / "h.npz", "family")


def test_coverage_is_as_promised_whatever_the_quantiles():
    # Useless quantiles, the same for every set: the conformal step alone must give coverage.
    generator = np.random.default_rng(3)
    hits = []
    for _ in range(400):
        target = generator.exponential(size=60)
        quantiles = np.tile(np.linspace(0.1, 0.3, len(QUANTILE_LEVELS)), (60, 1))
        shape = np.tile([[100, 1, 1]], (60, 1))
        table = calibrate_scores(quantiles[:59], target[:59], shape[:59])
        low, high = interval_at(quantiles[59:], thresholds(table, shape[59:], Fraction(1, 5)))
        hits.append(low[0] <= target[59] <= high[0])
    assert 0.73 < np.mean(hits) < 0.87


class TestConformal:
    def test_every_edge_of_a_cell(self):
        assert CELL_MINIMUM == 1000
        assert (N_CELLS, DIM_CELLS) == ((10, 40, 150, 500), (2, 3, 7, 17))
        for row, n in enumerate(N_CELLS):
            for column, dim in enumerate(DIM_CELLS):
                inside = cell_numbers(np.array([[n, 1, dim - 1]]))
                assert inside.tolist() == [[row, column]]
                below = cell_numbers(np.array([[n - 1, dim - 2, 1]]))
                assert below.tolist() == [[max(row - 1, 0), max(column - 1, 0)]]

    def test_scores_and_intervals_are_inverse_at_and_between_the_knots(self):
        rng = np.random.default_rng(0)
        quantiles = np.sort(rng.normal(size=(4, 19)), axis=1)
        assert LEVEL_SCORES[MEDIAN] == 0.0 and np.isclose(LEVEL_SCORES, 1.6449, atol=1e-4).sum() == 2
        for score in (*np.abs(LEVEL_SCORES), 0.3, 1.0, 2.5, 4.0):
            low, high = interval_at(quantiles, np.full(4, score))
            for end in (low, high):
                np.testing.assert_allclose(interval_scores(quantiles, end), score, atol=1e-9)
        for knot, level in enumerate(LEVEL_SCORES):
            np.testing.assert_allclose(interval_scores(quantiles, quantiles[:, knot]), abs(level), atol=1e-12)
        step = quantiles[:, -1] - quantiles[:, -2]
        slope = (LEVEL_SCORES[-1] - LEVEL_SCORES[-2]) / step
        np.testing.assert_allclose(
            interval_scores(quantiles, quantiles[:, -1] + 0.7), LEVEL_SCORES[-1] + 0.7 * slope
        )
        low, high = interval_at(quantiles, np.full(4, np.inf))
        assert np.all(low == -np.inf) and np.all(high == np.inf)

    def test_a_cell_stands_alone_from_its_least_number_on(self):
        quantiles = np.tile(np.linspace(-1, 1, 19), (11, 1))
        shape = np.array([[50, 1, 1]] * 5 + [[200, 1, 1]] * 6)
        target = np.linspace(0.0, 1.0, 11)
        table = calibrate_scores(quantiles, target, shape, minimum=6)
        assert list(table.cells) == [(2, 0)] and len(table.pooled) == 11
        np.testing.assert_array_equal(table.cells[2, 0], np.sort(interval_scores(quantiles, target)[5:]))

    def test_the_threshold_is_the_score_of_the_exact_rank(self):
        quantiles = np.tile(np.linspace(-1, 1, 19), (19, 1))
        shape = np.tile([200, 1, 1], (19, 1))
        table = calibrate_scores(quantiles, np.linspace(0.0, 1.0, 19), shape, minimum=19)
        scores = table.pooled
        for alpha in (Fraction(1, 20), Fraction(1, 10), Fraction(1, 2), Fraction(19, 20)):
            rank = conformal_rank(19, alpha)
            assert thresholds(table, shape[:1], alpha)[0] == scores[rank - 1]
        assert conformal_rank(19, Fraction(1, 20)) == 19
        assert thresholds(table, shape[:1], Fraction(1, 21))[0] == np.inf
