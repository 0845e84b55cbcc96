"""A test of independence by permutation, exact for every sample size whatever the statistic is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import joblib
import numpy as np

from validstats._typing import Float1D, Int1D, RandomState
from validstats.guarantee import Guarantee
from validstats.intake import align, check_positive_int, frames, row_labels
from validstats.mi.methods import refuse_unused
from validstats.mi.permutation import (
    BoundStatistic,
    PermutationPValue,
    Permuter,
    Statistic,
    bind_statistic,
    exceedance_threshold,
    permutation_p_value,
    reads_cells,
)
from validstats.mi.sides import Declared, prepare_side, prepare_sides
from validstats.results import Report, Result, Table
from validstats.results.formats import Format
from validstats.runtime import progress

__all__ = ["IndependenceTestResult", "independence_test"]

CHUNK = 25
"""Permutations evaluated in one joblib task."""


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class IndependenceTestResult(Result):
    """Outcome of a permutation test of independence.

    Attributes
    ----------
    statistic : float
        Observed statistic; an estimate of mutual information is in nats and unclipped.
    p_value : float
        Exact permutation p-value.
    null : ndarray of shape (n_permutations,)
        Statistics under permutation.
    n_permutations : int
        Permutations drawn (fewer than asked for if stopped early).
    statistic_name : str
        Statistic used: "plug-in" where two discrete sides are compared by their cells.
    n_samples : int
        Number of rows.
    n_strata : int
        Strata within which rows were exchanged; 1 without strata.
    """

    statistic: float
    p_value: float
    null: Float1D
    n_permutations: int
    statistic_name: str
    n_samples: int
    n_strata: int

    def _tidy_columns(self) -> Mapping[str, Sequence[Any]]:
        return {"term": [self.statistic_name], "statistic": [self.statistic], "p_value": [self.p_value]}

    def _glance_columns(self) -> Mapping[str, Any]:
        return {
            "n": self.n_samples,
            "n_permutations": self.n_permutations,
            "n_strata": self.n_strata,
            "null_median": float(np.median(self.null)),
            "null_q95": float(np.quantile(self.null, 0.95)),
        }

    def _report(self) -> Report:
        quantiles = np.quantile(self.null, [0.5, 0.95])
        columns: dict[str, list[Any]] = {
            "Statistic": [self.statistic_name],
            "Value": [self.statistic],
            "Null median": [float(quantiles[0])],
            "Null 95 %": [float(quantiles[1])],
            "p-value": [self.p_value],
        }
        formats: dict[str, Format] = {
            "Value": "estimate",
            "Null median": "estimate",
            "Null 95 %": "estimate",
            "p-value": "p_value",
        }
        title = "Permutation test of independence"
        return Report(
            title=title if self.n_strata == 1 else f"{title} given strata",
            header=[
                ("Rows", self.n_samples),
                ("Permutations", self.n_permutations),
                *([("Strata", self.n_strata)] if self.n_strata > 1 else []),
            ],
            tables=[Table(columns, formats=formats)],
            guarantees=[self.guarantee],
        )


def independence_test(
    x: Any,
    y: Any,
    *,
    statistic: Statistic = "learned",
    strata: Any = None,
    n_permutations: int = 199,
    stop_after: int | None = None,
    discrete_x: Declared = "auto",
    discrete_y: Declared = "auto",
    n_neighbors: int = 3,
    random_state: RandomState = None,
    n_jobs: int | None = None,
    verbose: bool = False,
) -> IndependenceTestResult:
    """Test whether two sides are independent, with an exact permutation p-value.

    The rows of Y are permuted and the statistic is computed anew; the p-value is
    ``(1 + exceedances) / (n_permutations + 1)``. It is valid for every statistic, because the statistic only
    decides about power.

    Parameters
    ----------
    x, y : array-like of shape (n,) or (n, p), series or data frame
        The two sides, row by row.
    statistic : {"learned", "ksg", "gaussian", "cca", "histogram", "distance_correlation"} or callable, \
default "learned"
        Large values speak for dependence. A callable gets the rows of both sides as float arrays of its own: categories as
        0/1 columns, constant columns left out.
    strata : array-like of shape (n,) or (n, p) or None, default None
        Discrete variable to condition on: rows are exchanged within its levels only, which tests independence
        of X and Y given it, exactly.
    n_permutations : int, default 199
        Permutations B; the smallest possible p-value is 1 / (B + 1).
    stop_after : int or None, default None
        Besag and Clifford's sequential rule: stop at so many exceedances. Still exact, and much cheaper where
        there is no dependence; runs on one worker.
    discrete_x, discrete_y : bool or "auto", default "auto"
        As in :func:`mutual_info`.
    n_neighbors : int, default 3
        Neighbours for "ksg".
    random_state : int, Generator or None, default None
        Seed of the permutations.
    n_jobs : int or None, default None
        Number of joblib workers.
    verbose : bool, default False
        Whether to show progress.

    Returns
    -------
    IndependenceTestResult
        Statistic, p-value and the null distribution.

    Raises
    ------
    ValueError, TypeError
        If the data or options are not usable; as :func:`mutual_info`.

    References
    ----------
    Besag and Clifford (1991), Biometrika 78, 301-304; Hemerik and Goeman (2018), TEST 27, 811-825.

    Examples
    --------
    >>> generator = np.random.default_rng(0)
    >>> x = generator.uniform(-1, 1, size=100)
    >>> y = x**2 + 0.2 * generator.standard_normal(100)
    >>> independence_test(x, y, n_permutations=39, random_state=0).p_value
    0.025
    """
    check_positive_int(n_permutations, "n_permutations")
    if stop_after is not None:
        check_positive_int(stop_after, "stop_after", maximum=n_permutations)
    side_x, side_y = prepare_sides(x, y, discrete_x, discrete_y)
    check_positive_int(n_neighbors, "n_neighbors", maximum=side_x.n_rows - 1)
    codes = _strata_codes(align(strata, row_labels(x, name="x"), "strata"), side_x.n_rows)
    refuse_unused(statistic if isinstance(statistic, str) else f"{_name(statistic)}()", n_neighbors)
    bound = bind_statistic(statistic, side_x, side_y, n_neighbors)
    permuter = Permuter.from_random_state(side_x.n_rows, random_state, codes)
    observed = bound(np.arange(side_x.n_rows))
    outcome = _run(bound, observed, permuter, n_permutations, stop_after, n_jobs, verbose)
    return IndependenceTestResult(
        guarantee=_guarantee(side_x.n_rows, codes),
        backend=frames.backend_of(x),
        statistic=observed,
        p_value=outcome.p_value,
        null=outcome.null,
        n_permutations=outcome.n_drawn,
        statistic_name="plug-in" if reads_cells(statistic, side_x, side_y) else _name(statistic),
        n_samples=side_x.n_rows,
        n_strata=1 if codes is None else int(codes.max()) + 1,
    )


def _name(statistic: Statistic) -> str:
    return statistic if isinstance(statistic, str) else getattr(statistic, "__name__", "statistic")


def _strata_codes(strata: Any, n_rows: int) -> Int1D | None:
    if strata is None:
        return None
    side = prepare_side(strata, "strata", True)
    if side.n_rows != n_rows:
        raise ValueError(
            f"x and strata must have the same number of rows; x has {n_rows}, strata has {side.n_rows}."
        )
    assert side.codes is not None
    if np.bincount(side.codes).max() == 1:
        raise ValueError(
            "Every row has a stratum of its own, so no rows can be exchanged and nothing can be tested. Use "
            "coarser strata."
        )
    return side.codes


def _run(
    bound: BoundStatistic,
    observed: float,
    permuter: Permuter,
    n_permutations: int,
    stop_after: int | None,
    n_jobs: int | None,
    verbose: bool,
) -> PermutationPValue:
    if stop_after is not None:
        return permutation_p_value(bound, observed, permuter, n_permutations, stop_after, verbose)
    chunks = np.array_split(np.arange(n_permutations), -(-n_permutations // CHUNK))
    tasks = (joblib.delayed(_evaluate_chunk)(bound, permuter, chunk) for chunk in chunks)
    stream = joblib.Parallel(n_jobs=n_jobs, return_as="generator")(tasks)
    parts = list(progress(stream, total=len(chunks), description="permutations", verbose=verbose))
    null = np.concatenate(parts)
    exceeding = int((null >= exceedance_threshold(observed)).sum())
    return PermutationPValue((exceeding + 1) / (n_permutations + 1), exceeding, n_permutations, null)


def _evaluate_chunk(bound: BoundStatistic, permuter: Permuter, numbers: Int1D) -> Float1D:
    return np.array([bound(permuter.permutation(int(number))) for number in numbers])


def _guarantee(n: int, strata: Int1D | None) -> Guarantee:
    if strata is None:
        hypothesis, assumption = "X and Y are independent", "rows are independent and identically distributed"
    else:
        hypothesis = "X and Y are independent given the strata"
        assumption = "rows are independent, and identically distributed within each stratum"
    return Guarantee(
        holds=f"if {hypothesis}, the p-value is at most a with probability at most a, for every a",
        kind="finite-sample",
        check=(assumption,),
        n_reference=n,
        citation="Hemerik and Goeman (2018), TEST 27, 811-825, theorem 2; Besag and Clifford (1991)",
        details=("The statistic decides about power only, not about validity",),
    )
