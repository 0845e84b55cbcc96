"""What the learned estimate owes mutual information itself, by simulation: sums over independent copies, and more rows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import entr, ndtri

from validstats.mi import LearnedMI

FUNCTIONS = {
    "line": lambda x, e: 0.8 * x + 0.6 * e,
    "wave": lambda x, e: np.sin(1.3 * x + 0.4) + 0.4 * e,
    "absolute value": lambda x, e: np.abs(x) + 0.4 * e,
    "logarithm": lambda x, e: np.log(np.abs(x) + 0.2) + 0.3 * e,
    "square": lambda x, e: x**2 + 0.8 * e,
    "cubic": lambda x, e: x**3 - 3 * x + e,
    "spread": lambda x, e: np.exp(0.6 * x) * e,
    "step": lambda x, e: (x > 0) + 0.3 * e,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FUNCTIONS)
def test_independent_copies_side_by_side_add_up(name: str) -> None:
    """Two to six copies: the sum of the answers for single pairs within 5 % + .05, in the median of three data sets."""
    estimator = LearnedMI().fit()
    gaps: dict[int, list[float]] = {}
    sums: dict[int, list[float]] = {}
    for seed in range(3):
        x, e = np.random.default_rng([3, seed]).normal(size=(2, 1000, 6))
        y = FUNCTIONS[name](x, e)
        single = estimator.predict([(x[:, [j]], y[:, [j]]) for j in range(6)])
        for k in range(2, 7):
            gaps.setdefault(k, []).append(estimator.predict(x[:, :k], y[:, :k]) - single[:k].sum())
            sums.setdefault(k, []).append(single[:k].sum())
    for k, found in gaps.items():
        assert np.median(np.abs(found)) <= 0.05 * np.median(sums[k]) + 0.05, (k, found)
    # One pair is not the whole: the least of the answers would fail.
    assert min(np.median(sums[k]) - np.median(sums[2]) / 2 for k in sums) > 0.05 * np.median(sums[2]) + 0.05


def information(function, scale: float) -> float:
    """I(x; f(x) + scale e) for normal x and e, from the density of the sum on a grid."""
    values = function(ndtri((np.arange(4000) + 0.5) / 4000))
    grid = np.linspace(values.min() - 7 * scale, values.max() + 7 * scale, 3000)
    density = np.exp(-0.5 * ((grid[:, None] - values) / scale) ** 2).mean(axis=1) / (
        scale * np.sqrt(2 * np.pi)
    )
    return float(entr(density).sum() * (grid[1] - grid[0]) - 0.5 * np.log(2 * np.pi * np.e * scale**2))


LONG = {
    "line": (lambda x: 0.6 * x, 0.8, 1),
    "wave": (lambda x: np.sin(1.3 * x), 0.4, 1),
    "three lines": (lambda x: 0.6 * x, 0.8, 3),
    "three logarithms": (lambda x: np.log(np.abs(x) + 0.2), 0.3, 3),
}


@pytest.mark.slow
def test_errors_and_widths_do_not_grow_with_n() -> None:
    """A thousand to a hundred thousand rows, ten subsamples of which are read: slack of 5 %."""
    assert information(lambda x: 0.6 * x, 0.8) == pytest.approx(-0.5 * np.log(0.64), abs=1e-4)
    estimator = LearnedMI(confidence_level=0.9).fit()
    errors, widths = {}, {}
    for n, seeds in ((1_000, 5), (10_000, 3), (100_000, 1)):
        for name, (function, scale, dim) in LONG.items():
            truth, found = dim * information(function, scale), []
            for seed in range(seeds):
                x, e = np.random.default_rng([4, n, seed]).normal(size=(2, n, dim))
                found.append(estimator.infer(x, function(x) + scale * e, certify=False))
            errors[n, name] = np.median([abs(r.estimate - truth) for r in found])
            widths[n, name] = np.median([r.conf_high - r.conf_low for r in found])
    for few, many in ((1_000, 10_000), (10_000, 100_000)):
        # Errors of one law have a spread of their own, so their mean over laws is compared.
        assert np.mean([errors[many, name] for name in LONG]) <= 1.05 * np.mean(
            [errors[few, name] for name in LONG]
        )
        for name in LONG:
            assert widths[many, name] <= 1.05 * widths[few, name], (name, few, many)
