"""Coverage of a guarantee by simulation, judged by the exact binomial law."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
from scipy import stats

from validstats._typing import RandomState
from validstats.intake import check_in_range, check_literal, check_positive_int
from validstats.runtime import map_replicates

__all__ = ["CoverageCheck", "binomial_acceptance", "simulate"]

Alternative: TypeAlias = Literal["less", "greater", "two-sided"]
"""Which departure from the stated probability is looked for."""


@dataclass(frozen=True)
class CoverageCheck:
    """How often a statement held, against the probability that was promised.

    Attributes
    ----------
    successes, trials : int
        How often it held, in how many replicates.
    probability : float
        What was promised.
    p_value : float
        Exact binomial p-value against the promise.
    accepted : bool
        Whether the p-value exceeds the significance level.
    """

    successes: int
    trials: int
    probability: float
    p_value: float
    accepted: bool

    @property
    def frequency(self) -> float:
        """Share of the replicates in which the statement held."""
        return self.successes / self.trials

    @property
    def standard_error(self) -> float:
        """Binomial standard error of the frequency."""
        return float(np.sqrt(self.frequency * (1 - self.frequency) / self.trials))

    def __str__(self) -> str:
        verdict = "accepted" if self.accepted else "REJECTED"
        return (
            f"{self.successes}/{self.trials} = {self.frequency:.4f} (se {self.standard_error:.4f}) against "
            f"{self.probability:.4f}: {verdict}, p = {self.p_value:.2g}"
        )


def binomial_acceptance(
    successes: int,
    trials: int,
    probability: float,
    alternative: Alternative = "less",
    significance: float = 1e-3,
) -> CoverageCheck:
    """Judge a frequency against a promised probability by the exact binomial test.

    Parameters
    ----------
    successes, trials : int
        How often the statement held, in how many independent replicates.
    probability : float
        Promised probability, in [0, 1].
    alternative : {"less", "greater", "two-sided"}, default "less"
        "less" rejects a frequency that is too low (a broken guarantee); "two-sided" also one too high (a
        probability said to be exact).
    significance : float, default 1e-3
        A p-value at or below it rejects.

    Returns
    -------
    CoverageCheck
        The verdict and what it rests on; prints as one line.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> print(binomial_acceptance(880, 1000, 0.9))
    880/1000 = 0.8800 (se 0.0103) against 0.9000: accepted, p = 0.022
    >>> binomial_acceptance(590, 1000, 0.9).accepted
    False
    """
    check_positive_int(trials, "trials")
    check_positive_int(successes, "successes", minimum=0, maximum=trials)
    check_in_range(probability, "probability", 0, 1)
    check_literal(alternative, "alternative", get_args(Alternative))
    p_value = float(stats.binomtest(int(successes), int(trials), probability, alternative).pvalue)
    return CoverageCheck(int(successes), int(trials), probability, p_value, p_value > significance)


def simulate(
    replicate: Callable[[np.random.Generator, int], bool],
    n_replicates: int,
    probability: float,
    random_state: RandomState,
    *,
    alternative: Alternative = "less",
    significance: float = 1e-3,
    n_jobs: int | None = None,
    verbose: bool = False,
) -> CoverageCheck:
    """Simulate a statement and judge how often it holds.

    Parameters
    ----------
    replicate : callable
        ``replicate(generator, index)`` draws everything afresh, reference included, and returns whether the
        statement held.
    n_replicates : int
        Number of independent replicates.
    probability : float
        Promised probability, in [0, 1].
    random_state : int, numpy.random.Generator or None
        Seed of all replicates.
    alternative, significance
        As in :func:`binomial_acceptance`.
    n_jobs : int or None, default None
        Number of joblib workers.
    verbose : bool, default False
        Whether to show a progress bar.

    Returns
    -------
    CoverageCheck
        The verdict.

    Examples
    --------
    >>> simulate(lambda rng, i: rng.random() < 0.9, 500, 0.9, random_state=0).accepted
    True
    """
    outcomes = map_replicates(
        replicate, n_replicates, random_state, n_jobs=n_jobs, verbose=verbose, description="coverage"
    )
    return binomial_acceptance(int(np.sum(outcomes)), n_replicates, probability, alternative, significance)
