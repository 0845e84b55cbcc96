"""Quantiles by inversion of a distribution."""

from __future__ import annotations

import numpy as np
import pytest

from validstats.dsl.regression.quantiles import invert_distribution


def within(distribution, critical):
    """Shares with ends of their intervals, from shares and their errors."""

    def limits(points):
        value, error = distribution(points)
        return value, value - critical * error, value + critical * error

    return limits


class TestQuantileInversion:
    def test_the_empirical_distribution_gives_its_order_statistics(self):
        values = np.sort(np.random.default_rng(0).normal(size=501))
        found = invert_distribution(
            within(lambda q: (np.searchsorted(values, q, side="right") / 501, np.full(len(q), 0.02)), 1.96),
            values,
            0.5,
        )
        assert found.value == values[250]
        inside = [v for k, v in enumerate(values) if abs((k + 1) / 501 - 0.5) <= 1.96 * 0.02]
        assert found.low <= inside[0] and found.high >= inside[-1]
        assert found.low >= values[228] and found.high <= values[272]

    def test_non_monotone_functions_are_rearranged(self):
        points = np.arange(5.0)
        bumpy = dict(zip(points, [0.1, 0.6, 0.4, 0.7, 1.0], strict=True))
        found = invert_distribution(
            within(lambda q: (np.array([bumpy[x] for x in q]), np.full(len(q), 0.01)), 1.0), points, 0.5
        )
        assert found.value == 2.0

    def test_an_unbounded_end_is_infinite(self):
        points = np.arange(3.0)
        found = invert_distribution(
            within(lambda q: (np.array([0.9, 0.95, 1.0])[q.astype(int)], np.full(len(q), 0.1)), 2.0),
            points,
            0.9,
        )
        assert found.low == -np.inf and found.high == np.inf

    @pytest.mark.parametrize("below", [False, True])
    @pytest.mark.parametrize("above", [False, True])
    def test_ends_beyond_all_labels_are_open_where_the_quantile_may_lie_there(self, below, above):
        """At the last label the share below is 1 without an error, and below the first one it is 0."""
        share, error = np.array([0.2, 0.5, 0.8, 1.0]), np.array([0.1, 0.1, 0.1, 0.0])

        def shares(points):
            return share[points.astype(int)], error[points.astype(int)]

        for level, low, high in ((0.3, 0.0, 1.0), (0.75, 2.0, 3.0)):
            found = invert_distribution(within(shares, 1.5), np.arange(4.0), level, (below, above))
            assert found.low == (-np.inf if below and low == 0.0 else low)
            assert found.high == (np.inf if above and high == 3.0 else high)
