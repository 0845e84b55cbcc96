"""Noisy mechanisms with a proof: Gaussian answers, and Thresholdout as published at NIPS 2015."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, get_args

from scipy import special

from validstats.holdout.mechanisms._base import (
    Mechanism,
    Noise,
    Release,
    State,
    check_counts,
    holdout_mean,
    log_level,
)
from validstats.holdout.widths import (
    GaussianWidth,
    bassily_optimum,
    grid_cell,
    jung_optimum,
    mixed_half_width,
    rogers_optimum,
    thresholdout_width,
    tight_half_width,
    tight_optimum,
)
from validstats.intake import check_in_range, check_literal, check_positive_int

__all__ = ["Analysis", "Gaussian", "Thresholdout", "gaussian_optimum", "pure_dp_to_mu"]

Analysis: TypeAlias = Literal["tight", "rogers2020", "jung2020", "bassily2016"]
"""Whose bound the Gaussian mechanism states."""

_OPTIMA = {
    "tight": tight_optimum,
    "rogers2020": rogers_optimum,
    "jung2020": jung_optimum,
    "bassily2016": bassily_optimum,
}


def gaussian_optimum(n: int, queries: int, log_alpha: float, analysis: str = "tight") -> GaussianWidth:
    """Return the best noise level of the Gaussian mechanism under one analysis.

    Parameters
    ----------
    n, queries : int
        Rows and declared number of answers.
    log_alpha : float
        Logarithm of the failure probability.
    analysis : {"tight", "rogers2020", "jung2020", "bassily2016"}, default "tight"
        Whose bound.

    Returns
    -------
    GaussianWidth
        Noise and half-width, before rounding to the grid.

    Examples
    --------
    >>> round(gaussian_optimum(10_000, 100, math.log(0.05), "rogers2020").half_width, 4)
    0.247
    """
    return _OPTIMA[check_literal(analysis, "analysis", get_args(Analysis))](n, queries, log_alpha)


@dataclass(frozen=True, kw_only=True)
class GaussianState(State):
    """State of the Gaussian mechanism.

    Attributes
    ----------
    sigma : float
        Standard deviation of the noise.
    node_half_width : float
        What all answers keep, rounding included.
    cell : float
        Grid of the answers; 0 for none.
    analysis : str
        Whose bound.
    """

    sigma: float
    node_half_width: float
    cell: float
    analysis: Analysis = "tight"

    @property
    def declared_mu2(self) -> float:
        """Squared Gaussian-DP parameter of all declared answers."""
        assert self.queries is not None
        return self.queries / (self.n * self.sigma) ** 2


class Gaussian(Mechanism):
    """Release the holdout's value plus normal noise, rounded to a fine grid.

    References
    ----------
    :mod:`validstats.holdout.widths.gaussian` for the bound that is the default; Rogers et al. (2020), Jung et al. (2020) and
    Bassily et al. (2016) for the others.

    Examples
    --------
    >>> state = Gaussian.initial_state(10_000, queries=100)
    >>> state, release = Gaussian.step(state, 0.5, noise=lambda role, law: 1.0)
    >>> round(release.value, 2), round(release.half_width, 3), release.source
    (0.52, 0.129, 'noisy')
    """

    name = "gaussian"
    noisy = True

    @classmethod
    def initial_state(
        cls,
        n: int,
        *,
        queries: int | None = None,
        confidence_level: Any = 0.95,
        analysis: Analysis = "tight",
        sigma: float | None = None,
        grid: bool = True,
        failures: int | None = None,
    ) -> GaussianState:
        """Declare the counts.

        Parameters
        ----------
        n : int
            Rows, at least 2.
        queries : int
            Declared number of answers.
        confidence_level : float, default 0.95
            Of all intervals together, at least 0.5.
        analysis : {"tight", "rogers2020", "jung2020", "bassily2016"}, default "tight"
            Whose bound.
        sigma : float or None, default None
            Noise level; the best one by default, and only with the tight analysis another one.
        grid : bool, default True
            Whether answers are rounded to a power of two below ``sigma / 64``; half of it is added to the half-width.
        failures : None
            Ignored.

        Returns
        -------
        GaussianState
            Before the first query.

        Examples
        --------
        >>> round(Gaussian.initial_state(1000, queries=10).sigma, 4)
        0.0338
        """
        n, queries, _ = check_counts(n, queries, failures, need_queries=cls.name)
        assert queries is not None
        log_alpha = log_level(confidence_level)
        if sigma is None:
            best = gaussian_optimum(n, queries, log_alpha, analysis)
        elif analysis == "tight":
            sigma = check_in_range(sigma, "sigma", 0, low_open=True)
            best = GaussianWidth(tight_half_width(n, queries, sigma, log_alpha), sigma, analysis)
        else:
            raise ValueError(f"sigma can be chosen with analysis='tight' only, got analysis={analysis!r}.")
        cell = grid_cell(best.sigma) if grid else 0.0
        return GaussianState(
            n=n,
            log_alpha=log_alpha,
            queries=queries,
            sigma=best.sigma,
            node_half_width=best.half_width + 0.5 * cell,
            cell=cell,
            analysis=analysis,
        )

    @classmethod
    def _answer(
        cls, state: GaussianState, values: Any, guess: float | None, noise: Noise | None, log_carry: float
    ) -> tuple[GaussianState, Release]:
        assert noise is not None
        assert state.queries is not None
        half_width = state.node_half_width
        if log_carry < 0.0:
            if state.analysis != "tight":
                raise ValueError("only analysis='tight' keeps its guarantee beside rounded answers.")
            level = state.log_alpha + log_carry
            half_width = mixed_half_width(level, state.n, state.queries, state.sigma, state.cell)
        value = holdout_mean(values) + state.sigma * noise("answer", "normal")
        if state.cell:
            value = round(value / state.cell) * state.cell
        value = min(max(value, 0.0), 1.0)
        return replace(state, asked=state.asked + 1), Release(
            value=value,
            low=max(value - half_width, 0.0),
            high=min(value + half_width, 1.0),
            source="noisy",
            mu2=1.0 / (state.n * state.sigma) ** 2,
        )


def pure_dp_to_mu(epsilon: float) -> float:
    """Return the smallest mu for which epsilon-DP implies mu-Gaussian-DP.

    Parameters
    ----------
    epsilon : float
        At least 0.

    Returns
    -------
    float
        ``-2 Phi^-1(1 / (1 + e^epsilon))``: the Gaussian trade-off curve is convex, and meets that of epsilon-DP, which
        is made of two chords, at its ends and at its kink.

    Examples
    --------
    >>> round(pure_dp_to_mu(0.1), 4)
    0.1253
    """
    return -2.0 * float(special.ndtri_exp(-math.log1p(math.exp(epsilon)))) if epsilon < 700 else math.inf


@dataclass(frozen=True, kw_only=True)
class ThresholdState(State):
    """State of Thresholdout.

    Attributes
    ----------
    threshold, sigma : float
        Threshold T and noise scale.
    noisy_threshold : float or None
        T plus its present noise, drawn at the first query and again only when an answer is taken from the holdout.
    tolerance : float
        Half-width that is stated.
    proved : bool
        Whether Theorem 25 covers these numbers.
    """

    threshold: float
    sigma: float
    tolerance: float
    proved: bool
    noisy_threshold: float | None = None

    @property
    def exhausted(self) -> str | None:
        """The reason why every further query is refused, or None."""
        if self.failures is not None and self.failed >= self.failures:
            return f"the budget of {self.failures} answers from the holdout is spent."
        return super().exhausted

    @property
    def declared_mu2(self) -> float:
        """Squared Gaussian-DP parameter of the whole epoch, from its pure DP parameter ``2 B / (sigma n)``."""
        assert self.failures is not None
        return (
            math.inf if self.sigma == 0 else pure_dp_to_mu(2.0 * self.failures / (self.sigma * self.n)) ** 2
        )

    def fresh(self) -> ThresholdState:
        """Return the state before the first query."""
        return replace(self, asked=0, failed=0, noisy_threshold=None)


class Thresholdout(Mechanism):
    """Release the training value unless it overfits by more than a noisy threshold; then a noisy holdout value.

    Theorem 25 covers every answer given while fewer than B queries have a training value farther than half the
    tolerance from the truth. The threshold's noise is drawn again only after an answer from the holdout.

    References
    ----------
    Dwork et al. (2015), arXiv 1506.02629, Figure 1, Lemmas 23 and 24, Theorem 25.

    Examples
    --------
    >>> state = Thresholdout.initial_state(10**8, queries=100, failures=2)
    >>> state, release = Thresholdout.step(state, 0.5, guess=0.9, noise=lambda role, law: 0.0)
    >>> release.value, release.passed, release.certified, state.remaining["failures"]
    (0.5, False, True, 1)
    """

    name = "thresholdout"
    noisy = True
    needs_guess = True
    mixes = False

    @classmethod
    def initial_state(
        cls,
        n: int,
        *,
        queries: int | None = None,
        failures: int | None = 10,
        confidence_level: Any = 0.95,
        tolerance: float | None = None,
        threshold: float | None = None,
        sigma: float | None = None,
    ) -> ThresholdState:
        """Declare the counts.

        Parameters
        ----------
        n : int
            Rows.
        queries : int
            Declared number of queries.
        failures : int, default 10
            Budget B of answers taken from the holdout, at least 1.
        confidence_level : float, default 0.95
            Of all answers together.
        tolerance : float or None, default None
            Half-width tau; the smallest one that Theorem 25 proves by default, which is above 1 for small n. A smaller
            one makes the mechanism usable and its intervals uncertified.
        threshold, sigma : float or None, default None
            T and the noise scale; ``3 tau / 4`` and ``tau / (96 ln(4 k / alpha))`` by default, the theorem's. Other
            values make the intervals uncertified.

        Returns
        -------
        ThresholdState
            Before the first query.

        Examples
        --------
        >>> Thresholdout.initial_state(10_000, queries=100, tolerance=0.1).proved
        False
        """
        n, queries, failures = check_counts(n, queries, failures, need_queries=cls.name)
        assert queries is not None
        budget = check_positive_int(failures, "failures")
        log_alpha = log_level(confidence_level)
        needed = thresholdout_width(n, queries, budget, log_alpha)
        tau = needed if tolerance is None else check_in_range(tolerance, "tolerance", 0, low_open=True)
        free = threshold is not None or sigma is not None
        scale = tau / (96.0 * (math.log(4.0 * queries) - log_alpha)) if sigma is None else sigma
        return ThresholdState(
            n=n,
            log_alpha=log_alpha,
            queries=queries,
            failures=budget,
            threshold=0.75 * tau if threshold is None else check_in_range(threshold, "threshold", 0),
            sigma=check_in_range(scale, "sigma", 0),
            tolerance=tau,
            proved=tau >= needed and not free,
        )

    @classmethod
    def _answer(
        cls, state: ThresholdState, values: Any, guess: float | None, noise: Noise | None, log_carry: float
    ) -> tuple[ThresholdState, Release]:
        assert noise is not None
        assert guess is not None
        mean = holdout_mean(values)
        sigma = state.sigma
        mu2 = state.declared_mu2 if state.asked == 0 else 0.0
        current = state.noisy_threshold
        if current is None:
            current = state.threshold + 2.0 * sigma * noise("threshold", "laplace")
        overfit = abs(mean - guess) > current + 4.0 * sigma * noise("comparison", "laplace")
        after = replace(state, asked=state.asked + 1, noisy_threshold=current)
        value = guess
        if overfit:
            value = mean + sigma * noise("answer", "laplace")
            refreshed = state.threshold + 2.0 * sigma * noise("threshold", "laplace")
            after = replace(after, failed=state.failed + 1, noisy_threshold=refreshed)
        value = min(max(value, 0.0), 1.0)
        return after, Release(
            value=value,
            low=max(value - state.tolerance, 0.0),
            high=min(value + state.tolerance, 1.0),
            certified=state.proved,
            source="noisy" if overfit else "guess",
            passed=not overfit,
            mu2=mu2,
        )
