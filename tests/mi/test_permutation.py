"""Permutations: streams, exceedances, sequential stops."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform

from validstats.mi import independence_test
from validstats.mi.permutation import Permuter, exceedance_threshold, permutation_p_value


class TestPermutations:
    def test_ties_with_the_observed_statistic_count(self):
        assert exceedance_threshold(2.0) < 2.0 and exceedance_threshold(np.inf) == np.inf
        assert exceedance_threshold(1e6) <= 1e6 * (1 - 1e-13)
        constant = independence_test(
            np.arange(12.0), np.arange(12.0), statistic=lambda x, y: 0.25, n_permutations=19, random_state=0
        )
        assert constant.p_value == 1.0
        stopped = independence_test(
            np.arange(12.0), np.arange(12.0), statistic=lambda x, y: 0.25, n_permutations=19, stop_after=4,
            random_state=0,
        )  # fmt: skip
        assert stopped.p_value == 1.0 and stopped.n_permutations == 4

    def test_the_histogram_statistic_reads_ranks_alone(self):
        rng = np.random.default_rng(7)
        x = rng.normal(size=80)
        y = x + rng.normal(size=80)
        found = [
            independence_test(u, y, statistic=name, n_permutations=1, random_state=0).statistic
            for name in ("histogram", "ksg")
            for u in (x, np.exp(2 * x))
        ]
        assert found[0] == pytest.approx(found[1], rel=1e-12) and abs(found[2] - found[3]) > 1e-6

    def test_distance_correlation_takes_a_row_at_the_mean(self):
        x = np.arange(-5.0, 6.0)
        found = independence_test(x, x**2, statistic="distance_correlation", n_permutations=9, random_state=0)
        a, b = (np.abs(v[:, None] - v[None, :]) for v in (x, x**2))
        a, b = (d - d.mean(axis=0) - d.mean(axis=1)[:, None] + d.mean() for d in (a, b))
        expected = np.sqrt((a * b).mean() / np.sqrt((a**2).mean() * (b**2).mean()))
        assert found.statistic == pytest.approx(expected, rel=1e-9)

    def test_draws_show_no_bar_unless_asked(self, monkeypatch):
        asked = []

        def watched(items, total, description, verbose):
            asked.append(verbose)
            return items

        monkeypatch.setattr("validstats.mi.permutation.permuter.progress", watched)
        permuter = Permuter(10, seed=0)
        permutation_p_value(lambda order: 0.0, 0.0, permuter, 3)
        permutation_p_value(lambda order: 0.0, 0.0, permuter, 3, verbose=True)
        assert asked == [False, True]

    def test_distance_correlation_is_the_definition(self):
        rng = np.random.default_rng(6)
        x, y = rng.normal(size=(40, 2)) + 1e3, rng.normal(size=(40, 1))
        y[:, 0] += x[:, 0] ** 2 / 1e3
        a, b = squareform(pdist(x)), squareform(pdist(y))
        a, b = (d - d.mean(axis=0) - d.mean(axis=1)[:, None] + d.mean() for d in (a, b))
        expected = np.sqrt((a * b).mean() / np.sqrt((a**2).mean() * (b**2).mean()))
        found = independence_test(x, y, statistic="distance_correlation", n_permutations=9, random_state=0)
        assert found.statistic == pytest.approx(expected, rel=1e-6)
        flat = independence_test(x, np.ones(40), statistic="distance_correlation", n_permutations=9)
        assert flat.statistic == 0.0 and flat.p_value == 1.0
