"""Mechanisms of 2014 for categorical data on a small domain: private multiplicative weights and the median mechanism.

A query is a vector of values in [0, 1] on the cells of the domain, and the holdout is a histogram over them. Time and
memory grow with the number of cells (of candidate histograms, for the median mechanism), which is why the domain must
be small. Their constants are not proved here: ``certified=False``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

import numpy as np

from validstats._typing import Float1D, Float2D
from validstats.holdout.mechanisms.base import Mechanism, Noise, Release, State, check_counts, log_level
from validstats.intake import check_in_range, check_vector

__all__ = ["MAX_CELLS", "MedianMechanism", "PrivateMultiplicativeWeights"]

MAX_CELLS = 100_000
"""Largest number of cells (candidate histograms) that is accepted."""


@dataclass(frozen=True, kw_only=True)
class DomainState(State):
    """State of a mechanism on a small domain."""

    tolerance: float  # tolerance tau and noise scale
    sigma: float
    private_histogram: Float1D = field(repr=False)  # the holdout's shares: never to be stored or shown
    # Public: the weights, or the histograms that are still consistent
    hypothesis: Float2D = field(repr=False)
    opening_hypothesis: Float2D = field(repr=False)
    noisy_threshold: float | None = None  # threshold with its present noise

    @property
    def exhausted(self) -> str | None:
        """The reason why every further query is refused, or None."""
        if self.failures is not None and self.failed >= self.failures:
            return f"the budget of {self.failures} updates is spent."
        return super().exhausted

    @property
    def declared_mu2(self) -> float:
        """No privacy accounting is proved for the heuristics: infinite."""
        return math.inf


def _open(
    n: int,
    histogram: Any,
    hypothesis: Float2D,
    failures: int,
    queries: int | None,
    tolerance: float,
    sigma: float | None,
    confidence_level: Any,
) -> DomainState:
    n, queries, _ = check_counts(n, queries)
    return DomainState(
        n=n,
        log_alpha=log_level(confidence_level),
        queries=queries,
        failures=failures,
        tolerance=tolerance,
        sigma=1.0 / math.sqrt(n) if sigma is None else check_in_range(sigma, "sigma", 0),
        private_histogram=histogram,
        hypothesis=hypothesis,
        opening_hypothesis=hypothesis,
    )


def check_histogram(histogram: Any) -> Float1D:
    """Return the shares of the cells."""
    counts = check_vector(histogram, "histogram")
    if counts.size > MAX_CELLS:
        raise ValueError(f"histogram must have at most {MAX_CELLS:,} cells, got {counts.size:,}.")
    if counts.min() < 0 or counts.sum() <= 0:
        raise ValueError("histogram must have counts of at least 0 and at least one row.")
    return counts / counts.sum()


def _query(values: Any, cells: int) -> Float1D:
    q = check_vector(values, "values")
    if q.size != cells:
        raise ValueError(
            f"values must give the query on the {cells} cells of the domain, got {q.size} values."
        )
    if q.min() < 0 or q.max() > 1:
        raise ValueError("values must lie in [0, 1]; rescale a query with other bounds first.")
    return q


def _stale(state: DomainState, distance: float, noise: Noise) -> tuple[DomainState, bool]:
    current = state.noisy_threshold
    if current is None:
        current = 0.75 * state.tolerance + 2.0 * state.sigma * noise("threshold", "laplace")
    above = distance > current + 4.0 * state.sigma * noise("comparison", "laplace")
    kept = None if above else current
    return replace(state, asked=state.asked + 1, failed=state.failed + above, noisy_threshold=kept), above


def _domain_release(value: float, state: DomainState, *, stale: bool) -> Release:
    value = min(max(value, 0.0), 1.0)
    return Release(
        value=value,
        low=max(value - state.tolerance, 0.0),
        high=min(value + state.tolerance, 1.0),
        certified=False,
        source="noisy" if stale else "guess",
        passed=not stale,
        mu2=math.inf,
    )


class PrivateMultiplicativeWeights(Mechanism):
    """Answer from public weights on the domain, and correct them where a noisy comparison finds them wrong."""

    # Source: Hardt and Rothblum (2010); Dwork et al. (2015), arXiv 1411.2664, section 4.

    name = "private_multiplicative_weights"
    verb = "its step()"
    certified = False
    noisy = True
    mixes = False

    @classmethod
    def initial_state(
        cls,
        n: int,
        *,
        histogram: Any,
        queries: int | None = None,
        failures: int | None = None,
        tolerance: float = 0.1,
        sigma: float | None = None,
        confidence_level: Any = 0.95,
    ) -> DomainState:
        """Declare the numbers."""
        shares = check_histogram(histogram)
        tau = check_in_range(tolerance, "tolerance", 0, 1, low_open=True)
        updates = max(1, math.ceil(4.0 * math.log(shares.size) / tau**2)) if failures is None else failures
        uniform = np.full(shares.size, 1.0 / shares.size)
        return _open(n, shares, uniform, updates, queries, tau, sigma, confidence_level)

    @classmethod
    def _answer(
        cls, state: DomainState, values: Any, guess: float | None, noise: Noise | None, log_carry: float
    ) -> tuple[DomainState, Release]:
        assert noise is not None
        q = _query(values, state.private_histogram.size)
        truth, public = float(q @ state.private_histogram), float(q @ state.hypothesis)
        after, stale = _stale(state, abs(truth - public), noise)
        if not stale:
            return after, _domain_release(public, state, stale=False)
        value = min(max(truth + state.sigma * noise("answer", "laplace"), 0.0), 1.0)
        sign = 1.0 if value > public else -1.0
        weights = state.hypothesis * np.exp(sign * 0.25 * state.tolerance * q)
        after = replace(after, hypothesis=weights / weights.sum())
        return after, _domain_release(value, state, stale=True)


def all_histograms(cells: int, size: int) -> Float2D:
    """Return the shares of every data set of a size on a domain."""
    count = math.comb(size + cells - 1, size)
    if count > MAX_CELLS:
        raise ValueError(
            f"the median mechanism would keep {count:,} data sets of {size} rows on {cells} cells, more than "
            f"{MAX_CELLS:,}; use fewer cells, a smaller size, or private multiplicative weights."
        )
    bars = np.array(list(combinations(range(size + cells - 1), cells - 1)), dtype=np.int64).reshape(
        count, cells - 1
    )
    edges = np.column_stack([np.full(count, -1), bars, np.full(count, size + cells - 1)])
    return (np.diff(edges, axis=1) - 1) / size


class MedianMechanism(Mechanism):
    """Answer with the median over all small data sets that agree with the answers so far."""

    # Source: Roth and Roughgarden (2010); Dwork et al. (2015), arXiv 1411.2664, section 4.

    name = "median_mechanism"
    verb = "its step()"
    certified = False
    noisy = True
    mixes = False

    @classmethod
    def initial_state(
        cls,
        n: int,
        *,
        histogram: Any,
        size: int = 20,
        queries: int | None = None,
        failures: int | None = None,
        tolerance: float = 0.1,
        sigma: float | None = None,
        confidence_level: Any = 0.95,
    ) -> DomainState:
        """Declare the numbers."""
        shares = check_histogram(histogram)
        tau = check_in_range(tolerance, "tolerance", 0, 1, low_open=True)
        candidates = all_histograms(shares.size, size)
        updates = max(1, math.ceil(math.log2(len(candidates)))) if failures is None else failures
        return _open(n, shares, candidates, updates, queries, tau, sigma, confidence_level)

    @classmethod
    def _answer(
        cls, state: DomainState, values: Any, guess: float | None, noise: Noise | None, log_carry: float
    ) -> tuple[DomainState, Release]:
        assert noise is not None
        q = _query(values, state.private_histogram.size)
        answers = state.hypothesis @ q
        truth, public = float(q @ state.private_histogram), float(np.median(answers))
        after, stale = _stale(state, abs(truth - public), noise)
        if not stale:
            return after, _domain_release(public, state, stale=False)
        value = min(max(truth + state.sigma * noise("answer", "laplace"), 0.0), 1.0)
        kept = state.hypothesis[np.abs(answers - value) <= 0.5 * state.tolerance]
        if len(kept):
            after = replace(after, hypothesis=kept)
        return after, _domain_release(value, state, stale=True)
