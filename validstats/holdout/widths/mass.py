"""Mass of a ledger: the one number that every statement and every released outcome divides.

A node of the tree of releases has mass M. What is stated there holds at level ``alpha * M * s``, and outcome y leads to
a node of mass ``M * kappa(y)``, where ``s + sum_y kappa(y) <= 1`` and both are functions of what was released. By
induction over the depth, the levels of all statements of the tree add up to at most alpha: any mixture of releases, at
any stopping time, is wrong anywhere with probability at most alpha. A refusal because a count is used up depends on no
row and is free; one that depends on rows is an outcome and pays.

All functions here return logarithms of ``s`` and ``kappa``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy import special

from validstats.holdout.widths.counting import log_binomial
from validstats.intake import check_in_range, check_positive_int

__all__ = [
    "BitCode",
    "GuessAllocation",
    "LOG_ERROR",
    "LOG_NO_ERROR",
    "RESERVE",
    "SIDE_SHARE",
    "log_board_outcome",
    "log_cell_code",
    "log_coded_outcome",
    "log_coded_share",
    "log_distance_code",
    "log_near_code",
    "log_side_outcome",
    "log_side_share",
]

RESERVE = 0.01
"""Share of the mass that is kept for what follows when the declared questions are used up."""

SIDE_SHARE = 0.1
"""Share of the mass that a release beside the plan takes for its own statement."""

LOG_NO_ERROR, LOG_ERROR = math.log(0.999), math.log(0.001)
"""Outcomes "value" and "error" of functions of the user's that see labels: an error costs 6.9 nats."""

_NEAR = 0.9
"""Mass of numbers near the ones that were released before; the rest is uniform."""

_BIT_RATES = (1.0, 0.98, 0.9)  # how fast the three estimators of a bit forget
_BIT_START = (0.2, 0.8)  # counts of keeps and discards they start with: few proposals are kept
_BIT_CLIP = (0.001, 0.999)  # a probability handed in by the analyst


@dataclass(frozen=True)
class GuessAllocation:
    """Shares of the questions of a plan that checks guesses, at most so many of which may fail."""

    # Statements below a node are counted with weight ``failure_weight`` for each failure on the way; ``R(r,
    # g)`` of them lie below a node with r questions and g failures left, and ``L(r, g)`` closed states, which
    # keep the reserve.

    queries: int
    failures: int | None = None
    failure_weight: float | None = None
    reserve: float = RESERVE

    def __post_init__(self) -> None:
        k = check_positive_int(self.queries, "queries")
        f = k if self.failures is None else check_positive_int(self.failures, "failures", minimum=0)
        weight = min(1.0, 2.0 / k) if self.failure_weight is None else self.failure_weight
        check_in_range(weight, "failure_weight", 0.0, 1.0, low_open=True)
        check_in_range(self.reserve, "reserve", 0.0, 1.0, low_open=True, high_open=True)
        object.__setattr__(self, "failures", min(max(f, 1), k))
        object.__setattr__(self, "failure_weight", float(weight))

    @property
    def start(self) -> tuple[int, int]:
        """Questions and failures left before the first question."""
        return self.queries, int(self.failures or 1)

    def log_share(self, left: int, failures_left: int) -> float:
        """Return ``ln s = -ln V(r, g)``, the share of the next statement."""
        return -self._log_volume(left, failures_left)

    def log_pass(self, left: int, failures_left: int) -> float:
        """Return ``ln kappa(pass) = ln V(r - 1, g) - ln V(r, g)``."""
        return self._log_volume(left - 1, failures_left) - self._log_volume(left, failures_left)

    def log_fail(self, left: int, failures_left: int) -> float:
        """Return ``ln kappa(fail) = ln F + ln V(r - 1, g - 1) - ln V(r, g)``, to which the code of the cell is added."""
        below = self._log_volume(left - 1, failures_left - 1)
        return math.log(float(self.failure_weight or 1.0)) + below - self._log_volume(left, failures_left)

    def _log_volume(self, left: int, failures_left: int) -> float:
        """``ln V(r, g)``, ``V = R + rho L`` with rho such that closed states keep the reserve of the whole."""
        weight = float(self.failure_weight or 1.0)
        statements, closed = _log_counts(left, failures_left, weight)
        whole, all_closed = _log_counts(*self.start, weight)
        log_rho = math.log(self.reserve / (1.0 - self.reserve)) + whole - all_closed
        return float(np.logaddexp(statements, log_rho + closed))


@lru_cache(maxsize=65_536)
def _log_counts(left: int, failures_left: int, weight: float) -> tuple[float, float]:
    """``ln R = ln sum_{j<g} C(r, j+1) F^j`` and ``ln L = ln sum_{j<=g} C(r, j) F^j``."""
    r, g, log_weight = left, min(failures_left, left), math.log(weight)
    if r == 0 or failures_left == 0:
        return -math.inf, 0.0
    if g == r:
        closed = r * math.log1p(weight)  # (1 + F)^r, all subsets
        return closed + math.log(-math.expm1(-closed)) - log_weight, closed
    j = np.arange(g + 1)
    terms = special.gammaln(r + 1) - special.gammaln(j + 1) - special.gammaln(r - j + 1) + j * log_weight
    above = special.gammaln(r + 1) - special.gammaln(g + 2) - special.gammaln(r - g) if g < r else -math.inf
    shifted = np.append(terms[1:], above + (g + 1) * log_weight)[:g] - log_weight
    return float(special.logsumexp(shifted)), float(special.logsumexp(terms))


def log_cell_code(cell: int, below: int, above: int) -> float:
    """Return ``ln q(cell)``: where a count lies that is beside the guess."""
    here, there = (above, below) if cell > 0 else (below, above)
    d = abs(cell)
    if not 1 <= d <= here:
        raise ValueError(f"cell={cell} is not among the {below} cells below and {above} above.")
    half = -math.log(2.0) if there else 0.0
    return half - (math.log(d) if d == here else math.log(d * (d + 1.0)))


# ---------------------------------------------------------------- intervals published as cells, side releases


def log_coded_share(left: int) -> float:
    """Return ``ln s = ln(.99 / r)`` of an answer that follows the variance, r such questions being left."""
    return math.log((1.0 - RESERVE) / check_positive_int(left, "left"))


def log_coded_outcome(left: int, distance: int, enlarged: int) -> float:
    """Return ``ln kappa(d, e)`` of the cell in which an unpublished interval lies."""
    # Returns ``ln((1 - s) (15/16) 16^-e c(d))``, c(0) = .8 and c(d) = .1 / (|d| (|d| + 1)).
    d = abs(distance)
    place = math.log(0.8) if d == 0 else math.log(0.1 / (d * (d + 1.0)))
    kept = math.log1p(-math.exp(log_coded_share(left)))
    return kept + math.log(15.0 / 16.0) - enlarged * math.log(16.0) + place


def log_side_share(share: float = SIDE_SHARE) -> float:
    """Return ``ln s`` of a statement beside the plan."""
    return math.log(check_in_range(share, "share", 0.0, 1.0, low_open=True, high_open=True))


def log_side_outcome(log_code: float, share: float = SIDE_SHARE) -> float:
    """Return ``ln kappa`` of an outcome of a release beside the plan."""
    # Returns ``ln(1 - eps) + log_code``.
    return math.log1p(-math.exp(log_side_share(share))) + log_code


def log_board_outcome(candidates: int, tied: int) -> float:
    """Return the code of a set of tied models: ``1 / ((m + 1) C(m, |T|))``."""
    return -math.log(candidates + 1.0) - log_binomial(candidates, tied)


def log_distance_code(distance: int) -> float:
    """Return ``ln c(j)``, c(0) = 1/2 and c(+-j) = 1 / (2 (j + 1) (j + 2)): an integer that is near zero if honest."""
    j = abs(distance)
    return -math.log(2.0) if j == 0 else -math.log(2.0 * (j + 1.0) * (j + 2.0))


def log_near_code(number: int, near: Sequence[int], values: float) -> float:
    """Return the code of one of so many numbers 0, 1, ..., by its distance from those that were released before."""
    # ``ln(.9 mean_j c(number - near_j) + .1 / values)``, and ``-ln values`` without any near one.
    if not near:
        return -math.log(values)
    close = sum(math.exp(log_distance_code(number - other)) for other in near) / len(near)
    return math.log(_NEAR * close + (1.0 - _NEAR) / values)


# ------------------------------------------------------------------------------------------ bits


@dataclass(frozen=True)
class BitCode:
    """A code for answers keep or discard whose number need not be declared."""

    # Three estimators with different memories predict the next bit by ``a / (a + b)``; their weights are
    # multiplied by what they gave the bits that came. The probabilities of all strings of one length add up
    # to 1, for every length.
    # Krichevsky and Trofimov (1981) for the estimator, Willems, Shtarkov and Tjalkens (1995) for mixing.

    keeps: tuple[float, ...] = (_BIT_START[0],) * len(_BIT_RATES)
    discards: tuple[float, ...] = (_BIT_START[1],) * len(_BIT_RATES)
    log_weights: tuple[float, ...] = (0.0,) * len(_BIT_RATES)

    def log_probability(self, keep: bool, p_keep: float | None = None) -> float:
        """Return the logarithm of the probability of the next bit."""
        if p_keep is not None:
            p = min(max(float(p_keep), _BIT_CLIP[0]), _BIT_CLIP[1])
            return math.log(p) if keep else math.log1p(-p)
        weights = np.asarray(self.log_weights)
        return float(special.logsumexp(weights + self._log_each(keep)) - special.logsumexp(weights))

    def after(self, keep: bool) -> BitCode:
        """Return the code after a bit."""
        weights = np.asarray(self.log_weights) + self._log_each(keep)
        weights = weights - special.logsumexp(weights)
        a0, b0 = _BIT_START
        keeps = (a0 + rate * (a - a0) + keep for rate, a in zip(_BIT_RATES, self.keeps, strict=True))
        discards = (
            b0 + rate * (b - b0) + (not keep) for rate, b in zip(_BIT_RATES, self.discards, strict=True)
        )
        return replace(
            self, keeps=tuple(keeps), discards=tuple(discards), log_weights=tuple(weights.tolist())
        )

    def _log_each(self, keep: bool) -> np.ndarray:
        a, b = np.asarray(self.keeps), np.asarray(self.discards)
        return np.log(a if keep else b) - np.log(a + b)
