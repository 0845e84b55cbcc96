"""Plug-in, Ross and mixture estimates against hand calculations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform

from validstats.mi.anchors import entropy, mixed_ksg, plug_in, ross


class TestDiscrete:
    def test_plug_in_by_hand(self):
        table = np.array([[6, 2, 0], [1, 5, 4]])
        x, y = (
            np.repeat(np.arange(2), table.sum(axis=1)),
            np.concatenate([np.repeat(np.arange(3), r) for r in table]),
        )
        n, p = table.sum(), table / table.sum()
        expected = p.sum(axis=1, keepdims=True) * p.sum(axis=0)
        seen = p > 0
        ratio = np.log(p[seen] / expected[seen])
        value = (p[seen] * ratio).sum()
        found = plug_in(x, y)
        assert found.plug_in == pytest.approx(value)
        assert found.value == pytest.approx(value + (2 + 3 - 5 - 1) / (2 * n))
        assert plug_in(x, y, miller_madow=False).value == pytest.approx(value)
        variance = (p[seen] * ratio**2).sum() - value**2
        assert found.standard_error == pytest.approx(np.sqrt(variance / n))

    def test_levels_of_one_two_and_more_rows(self):
        """Rows of a level that occurs once are left out; a level of two has one neighbour."""
        codes = np.array([0, 0, 1, 1, 1, 1, 2])
        rows = np.array([[0.0], [0.3], [1.0], [1.1], [1.5], [3.0], [0.1]])
        from scipy.special import digamma

        kept, size = codes < 2, np.array([2, 2, 4, 4, 4, 4])
        distance = squareform(pdist(rows[kept]))
        total = 0.0
        for i, code in enumerate(codes[kept]):
            same = np.sort(distance[i][(codes[kept] == code) & (np.arange(6) != i)])
            k = min(3, len(same))
            within = (distance[i] < np.nextafter(same[k - 1], 0) + 0.0).sum() - 1 + 1
            total += digamma(k) - digamma(size[i]) - digamma(within)
        assert ross(codes, rows, 3) == pytest.approx(digamma(6) + total / 6, abs=1e-9)

    def test_mixed_neighbours_by_hand(self):
        """Where one row lies at the k-th distance Kraskov's counts, where several do the closed balls'."""
        from scipy.special import digamma

        rng = np.random.default_rng(4)
        x = np.concatenate([rng.normal(size=30), rng.integers(0, 2, 30)])[:, None]
        y = np.concatenate([rng.normal(size=30), rng.integers(0, 2, 30)])[:, None]
        dx, dy = np.abs(x - x.T), np.abs(y - y.T)
        joint, k, total = np.maximum(dx, dy), 3, 0.0
        for i in range(60):
            others = np.arange(60) != i
            radius = np.sort(joint[i][others])[k - 1]
            at_most = (joint[i][others] <= radius).sum()
            closed = [(d[i][others] <= radius).sum() for d in (dx, dy)]
            opened = [(d[i][others] < radius).sum() for d in (dx, dy)]
            alone = at_most == k and sum(closed) == sum(opened) + 1
            counts = [c + 1 for c in opened] if alone else closed
            total += digamma(at_most) - digamma(counts[0]) - digamma(counts[1])
        assert mixed_ksg(x, y, k) == pytest.approx(np.log(60) + total / 60, abs=1e-9)


def test_levels_that_do_not_occur_add_nothing_to_an_entropy():
    assert entropy(np.array([0, 3, 0, 3])) == pytest.approx(np.log(2))
