"""Permutations of rows as keyed streams, and exact p-values from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from scipy.stats import rankdata

from validstats._typing import Float1D, Float2D, Int1D, RandomState
from validstats.intake import check_random_state
from validstats.runtime import progress

__all__ = [
    "PermutationPValue",
    "Permuter",
    "exceedance_threshold",
    "permutation_p_value",
    "rotations",
    "serial_length",
]

BoundStatistic: TypeAlias = Callable[[Int1D], float]
"""A statistic of X and of the rows of Y taken in the given order."""


@dataclass(frozen=True)
class Permuter:
    """Random permutations of rows, each a function of its number alone."""

    n_rows: int  # Number of rows
    seed: int  # Key of the stream
    strata: Int1D | None = None  # Rows are only exchanged within a stratum; None exchanges all
    offset: int = 0  # Number of the first permutation
    fixed: tuple[Int1D, ...] = ()  # The orders themselves, where they are not drawn

    @classmethod
    def from_random_state(
        cls, n_rows: int, random_state: RandomState, strata: Int1D | None = None
    ) -> Permuter:
        """Make the stream of a seed."""
        return cls(n_rows, int(check_random_state(random_state).integers(2**63)), strata)

    def within(self, strata: Int1D | None) -> Permuter:
        """The same stream, with rows exchanged within other strata."""
        return replace(self, strata=strata)

    def after(self, count: int) -> Permuter:
        """The stream after so many permutations."""
        return replace(self, offset=self.offset + count)

    def rotating(self, orders: list[Int1D]) -> Permuter:
        """Given orders in place of drawn ones."""
        return replace(self, fixed=tuple(orders))

    def permutation(self, number: int) -> Int1D:
        """Return permutation ``number``, the same at every call."""
        if self.fixed:
            return self.fixed[number]
        generator = np.random.default_rng([self.seed, number + self.offset])
        if self.strata is None:
            return generator.permutation(self.n_rows)
        order = np.arange(self.n_rows)
        for stratum in np.unique(self.strata):
            members = np.flatnonzero(self.strata == stratum)
            order[members] = generator.permutation(members)
        return order


@dataclass(frozen=True)
class PermutationPValue:
    """An exact permutation p-value."""

    p_value: float  # Under the null hypothesis at most ``a`` with probability at most ``a``, for every ``a``
    n_exceeding: int  # Permuted statistics at least as large as the observed one
    n_drawn: int  # Permutations drawn
    null: Float1D  # Permuted statistics


def permutation_p_value(
    statistic: BoundStatistic,
    observed: float,
    permuter: Permuter,
    n_permutations: int,
    stop_after: int | None = None,
    verbose: bool = False,
) -> PermutationPValue:
    """Compare a statistic with its values under permutations."""
    # Returns ``(1 + exceedances) / (B + 1)`` unless stopped early.
    # Besag and Clifford (1991), "Sequential Monte Carlo p-values", Biometrika 78, 301-304.
    null: list[float] = []
    exceeding = 0
    threshold = exceedance_threshold(observed)
    for number in progress(range(n_permutations), n_permutations, "permutations", verbose):
        null.append(statistic(permuter.permutation(number)))
        exceeding += null[-1] >= threshold
        if stop_after is not None and exceeding == stop_after:
            return PermutationPValue(exceeding / len(null), exceeding, len(null), np.array(null))
    return PermutationPValue(
        (exceeding + 1) / (n_permutations + 1), exceeding, n_permutations, np.array(null)
    )


def exceedance_threshold(observed: float) -> float:
    """Value from which a permuted statistic counts as equal to the observed one, rounding included."""
    return observed - 1e-12 * (1.0 + abs(observed)) if np.isfinite(observed) else observed


# --- series -----------------------------------------------------------------------------------------------


def serial_length(x: Float2D, y: Float2D) -> int:
    """Twice the first lag at which the rank autocorrelations of both sides are below 2 / sqrt(n), at most a quarter of the rows."""
    n = len(x)
    series = [rankdata(column) for column in np.hstack([x, y]).T]
    series = [ranks - ranks.mean() for ranks in series]
    for lag in range(1, n // 8):
        values = [float(r[lag:] @ r[:-lag]) / float(r @ r) for r in series if r.any()]
        if max(np.abs(values), default=0.0) < 2 / np.sqrt(n):
            return 2 * lag
    return n // 4


def rotations(n: int, least: int, count: int, generator: np.random.Generator) -> list[Int1D]:
    """Circular rotations by at least ``least`` rows either way, drawn without replacement: at most ``count``."""
    shifts = np.arange(least, n - least + 1)
    chosen = generator.permutation(shifts)[:count]
    return [np.roll(np.arange(n), int(shift)) for shift in chosen]
