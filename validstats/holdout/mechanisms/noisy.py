"""Noisy mechanisms with a proof: Gaussian answers, and Thresholdout as published at NIPS 2015."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, get_args

from scipy import special

from validstats.holdout.mechanisms.base import (
    SILENT,
    Mechanism,
    Noise,
    Release,
    State,
    check_counts,
    holdout_mean,
    log_level,
)
from validstats.holdout.mechanisms.declared import NUMBERS, Analysis, Candidate, Declaration, Use
from validstats.holdout.widths import (
    GaussianWidth,
    bassily_optimum,
    grid_cell,
    jung_optimum,
    mixed_half_width,
    rogers_optimum,
    thresholdout_rows,
    thresholdout_width,
    tight_half_width,
    tight_optimum,
)
from validstats.intake import check_in_range, check_literal, check_positive_int

__all__ = ["Gaussian", "Thresholdout", "gaussian_optimum", "pure_dp_to_mu"]

_CITATIONS = {
    "tight": "leave-one-out information bound for Gaussian noise, and Gaussian differential privacy",
    "rogers2020": "Rogers et al. (2020), arXiv 1906.09231, Theorem 2.1, for Gaussian noise",
    "jung2020": "Jung et al. (2020), arXiv 1909.03577, Theorem 3.5, for Gaussian noise",
    "bassily2016": "Bassily et al. (2016), arXiv 1511.02513, Theorem 3.4, for Gaussian noise",
}
"""Analysis -> paper and theorem."""

_OPTIMA = {
    "tight": tight_optimum,
    "rogers2020": rogers_optimum,
    "jung2020": jung_optimum,
    "bassily2016": bassily_optimum,
}


def gaussian_optimum(n: int, queries: int, log_alpha: float, analysis: str = "tight") -> GaussianWidth:
    """Return the best noise level of the Gaussian mechanism under one analysis."""
    return _OPTIMA[check_literal(analysis, "analysis", get_args(Analysis))](n, queries, log_alpha)


@dataclass(frozen=True, kw_only=True)
class GaussianState(State):
    """State of the Gaussian mechanism."""

    sigma: float  # standard deviation of the noise
    node_half_width: float  # what all answers keep, rounding included
    cell: float  # grid of the answers; 0 for none
    analysis: Analysis = "tight"  # whose bound

    @property
    def declared_mu2(self) -> float:
        """Squared Gaussian-DP parameter of all declared answers."""
        assert self.queries is not None
        return self.queries / (self.n * self.sigma) ** 2


class Gaussian(Mechanism):
    """Release the holdout's value plus normal noise, rounded to a fine grid."""

    # Source: :mod:`validstats.holdout.widths.gaussian` for the bound that is the default; Rogers et al.
    # (2020), Jung et al. (2020) and Bassily et al. (2016) for the others.

    name = "gaussian"
    serves = NUMBERS
    takes = ("queries", "analysis")
    noisy = True

    @classmethod
    def options(cls, declared: Declaration) -> dict[str, Any]:
        """Return the keyword arguments of ``initial_state`` that a declaration gives."""
        return {**super().options(declared), "analysis": declared.analysis or "tight"}

    @classmethod
    def candidates(cls, use: Use) -> Iterator[Candidate]:
        """Yield what each listed analysis would promise for a planned use."""
        for analysis in use.analyses:
            width = gaussian_optimum(use.n, use.asked, use.log_alpha, analysis)
            # Rounding to the grid moves an answer by half a cell.
            half_width = width.half_width + 0.5 * grid_cell(width.sigma)
            note = f"normal noise, sd {width.sigma:.4f}"
            yield Candidate(name=cls.name, half_width=half_width, note=note, analysis=analysis)

    @classmethod
    def source(cls, declared: Declaration) -> str:
        """Return whose theorem its intervals rest on, as declared."""
        return _CITATIONS[declared.analysis or "tight"]

    @classmethod
    def facts(cls, state: GaussianState) -> list[tuple[str, str]]:
        """Return what it was declared with beside the counts, for reports."""
        return [("Analysis", state.analysis)]

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
    ) -> GaussianState:
        """Declare the counts."""
        n, queries, _ = check_counts(n, queries, need_queries=cls.name)
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
    """Return the smallest mu for which epsilon-DP implies mu-Gaussian-DP."""
    # ``-2 Phi^-1(1 / (1 + e^epsilon))``: the Gaussian trade-off curve is convex, and meets that of
    # epsilon-DP, which is made of two chords, at its ends and at its kink.
    return -2.0 * float(special.ndtri_exp(-math.log1p(math.exp(epsilon)))) if epsilon < 700 else math.inf


@dataclass(frozen=True, kw_only=True)
class ThresholdState(State):
    """State of Thresholdout."""

    threshold: float  # threshold T and noise scale
    sigma: float
    tolerance: float  # half-width that is stated
    proved: bool  # whether Theorem 25 covers these numbers
    # T plus its present noise, drawn at the first query and again only when an answer is taken from the
    # holdout
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


class Thresholdout(Mechanism):
    """Release the training value unless it overfits by more than a noisy threshold; then a noisy holdout value."""

    # Theorem 25 covers every answer given while fewer than B queries have a training value farther than half
    # the tolerance from the truth. The threshold's noise is drawn again only after an answer from the
    # holdout.
    # Source: Dwork et al. (2015), arXiv 1506.02629, Figure 1, Lemmas 23 and 24, Theorem 25.

    name = "thresholdout"
    citation = "Dwork et al. (2015), arXiv 1506.02629, Theorem 25"
    serves = ("guess", "bit")
    takes = ("queries", "overfits", "tolerance")
    noisy = True
    takes_guess = True
    needs_guess = True
    mixes = False

    @classmethod
    def candidates(cls, use: Use) -> Iterator[Candidate]:
        """Yield what it would promise for a planned use; it needs a budget of overfits."""
        if use.overfits:
            width = thresholdout_width(use.n, use.asked, use.overfits, use.log_alpha)
            note = f"{use.overfits} overfits, Theorem 25"
            yield Candidate(name=cls.name, half_width=width, note=note)

    @classmethod
    def proved(cls, state: ThresholdState) -> bool:
        """Tell whether Theorem 25 proves the tolerance that it was opened with."""
        return state.proved

    @classmethod
    def without_proof(cls, state: ThresholdState) -> str:
        """Say what Theorem 25 proves, where it is not the declared tolerance."""
        assert state.queries is not None
        assert state.failures is not None
        counts = (state.queries, state.failures, state.log_alpha)
        width = thresholdout_width(state.n, *counts)
        rows = thresholdout_rows(state.tolerance, *counts)
        return (
            f"Theorem 25 proves the declared tolerance {state.tolerance:g} from n = {rows:,} on, and no tolerance "
            f"below {width:.3g} for n = {state.n:,}"
        )

    @classmethod
    def facts(cls, state: ThresholdState) -> list[tuple[str, str]]:
        """Return what it was declared with beside the counts, for reports."""
        return [("Tolerance", f"{state.tolerance:.4g} ({'proved' if state.proved else 'not proved'})")]

    @classmethod
    def remedy(cls, declared: Declaration, least_rows: Callable[[], int | None]) -> str:
        """Say what to do where a declared budget says nothing."""
        if declared.tolerance is not None:
            return f"tolerance={declared.tolerance:g} is its half-width: declare one below {SILENT:g}."
        more = "With tolerance=... it works on these rows, and its intervals are then not proved."
        return f"{super().remedy(declared, least_rows)} {more}"

    @classmethod
    def initial_state(
        cls,
        n: int,
        *,
        queries: int | None = None,
        overfits: int | None = 10,
        confidence_level: Any = 0.95,
        tolerance: float | None = None,
        threshold: float | None = None,
        sigma: float | None = None,
    ) -> ThresholdState:
        """Declare the counts."""
        n, queries, _ = check_counts(n, queries, need_queries=cls.name)
        assert queries is not None
        budget = check_positive_int(overfits, "overfits")
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
