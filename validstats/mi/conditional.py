"""Conditional mutual information I(X; Y | Z) of continuous, discrete and mixed variables."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from scipy.special import digamma
from scipy.stats import norm

from validstats._typing import Float2D, Int1D, RandomState
from validstats.guarantee import Guarantee
from validstats.intake import (
    align,
    check_confidence_level,
    check_literal,
    check_positive_int,
    frames,
    row_labels,
)
from validstats.mi.anchors import (
    ball_counts,
    canonical_correlations,
    entropy,
    gaussian_plug_in,
    information_interval,
    neighbour_radii,
    normal_scores,
    orthonormal_basis,
    plug_in,
    rank_scores,
    row_codes,
    scale_columns,
    standardise,
    subsample_standard_error,
)
from validstats.mi.estimators import NATS_PER_UNIT, Unit
from validstats.mi.independence import FEWEST_CONDITIONAL, IndependenceTestResult, run_given, run_within
from validstats.mi.learned import learned_chain_rule, learned_columns
from validstats.mi.methods import (
    MOST_FILLED,
    Estimate,
    Options,
    entropy_bound,
    estimate_sides,
    known_estimate,
    refuse_unused,
)
from validstats.mi.permutation import conditional_scores
from validstats.mi.sides import (
    MIN_ROWS,
    Declared,
    Repeats,
    Side,
    is_functional,
    join_sides,
    prepare_side,
    without_copies,
    without_repeats,
)
from validstats.mi.statistics import keyed_order
from validstats.results import NotApplicable, Report, Result, Table, rounded
from validstats.results.formats import Format
from validstats.runtime import one_thread

__all__ = ["ConditionalMutualInformationResult", "conditional_ksg", "conditional_mutual_info"]

ConditionalMethod: TypeAlias = Literal["ksg", "gaussian", "learned"]
"""Estimators that :func:`conditional_mutual_info` offers."""


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class ConditionalMutualInformationResult(Result):
    """Conditional mutual information of two sides given a third.

    Attributes
    ----------
    estimate : float
        Value in ``unit``, at least 0 and at most ``upper_bound``; infinite where the sample shows an exact functional
        relation between the continuous sides that Z does not explain.
    low, high : float
        Interval in ``unit``; NaN where there is none. ``conf_low`` and ``conf_high`` give them, or say why there are none.
    std_error : float
        Approximate standard error in ``unit``; NaN where there is none.
    withheld : str
        Why there is no interval; empty where there is one.
    p_value : float or NotApplicable
        P-value of conditional independence, or why there is none.
    test : IndependenceTestResult or None
        The test itself.
    unclipped : float
        Value before it was clipped.
    upper_bound : float
        Smaller entropy of the discrete ones of X and Y, in ``unit``; infinite if neither is discrete.
    unit : {"nats", "bits"}
        Unit.
    confidence_level : float
        Level of the interval.
    estimator : str
        What was computed.
    n_samples, dim_x, dim_y, dim_z : int
        Shape of the data.
    """

    estimate: float
    low: float
    high: float
    std_error: float
    withheld: str
    test: IndependenceTestResult | None
    unclipped: float
    upper_bound: float
    unit: Unit
    confidence_level: float
    estimator: str
    n_samples: int
    dim_x: int
    dim_y: int
    dim_z: int

    @property
    def p_value(self) -> Any:
        """P-value of conditional independence, or why there is none."""
        if self.test is None:
            return NotApplicable(
                "no test was run: it was not asked for (test=True), or there is nothing to test"
            )
        return self.test.p_value

    @property
    def conf_low(self) -> Any:
        """Lower end of the interval, or why there is none."""
        return NotApplicable(self.withheld) if np.isnan(self.low) else self.low

    @property
    def conf_high(self) -> Any:
        """Upper end of the interval, or why there is none."""
        return NotApplicable(self.withheld) if np.isnan(self.high) else self.high

    @property
    def naive(self) -> NotApplicable:
        """There is no simpler answer beside it."""
        return NotApplicable("a partial correlation would see linear dependence only")

    def __float__(self) -> float:
        return self.estimate

    def _display(self, labels: Mapping[str, str] | None, drop: Collection[str]) -> Any:
        """Draw the estimate with its interval."""
        from validstats.plotting.mutual_information import MutualInformationDisplay

        name = "conditional mutual information"
        return MutualInformationDisplay(
            [(labels or {}).get(name, name)],
            *(np.array([value]) for value in (self.estimate, self.low, self.high)),
            unit=self.unit,
            sort=False,
        )

    def _answer(self) -> str:
        if np.isinf(self.estimate):
            return "X and Y are in an exact relation that Z does not explain"
        interval = " (no interval)"
        if not np.isnan(self.low):
            interval = f" [{rounded(self.low)}, {rounded(self.high)}]"
        tested = "" if self.test is None else f"; conditional independence: p = {self.test.p_value:.3g}"
        return f"Given Z, X and Y share about {rounded(self.estimate)} {self.unit} of information{interval}{tested}"

    def _tidy_columns(self) -> Mapping[str, Sequence[Any]]:
        return {
            "term": ["conditional mutual information"],
            "estimate": [self.estimate],
            "std_error": [self.std_error],
            "conf_low": [self.low],
            "conf_high": [self.high],
            "p_value": [float("nan") if self.test is None else self.test.p_value],
        }

    def _glance_columns(self) -> Mapping[str, Any]:
        return {
            "unit": self.unit,
            "estimator": self.estimator,
            "n": self.n_samples,
            "dim_x": self.dim_x,
            "dim_y": self.dim_y,
            "dim_z": self.dim_z,
            "confidence_level": self.confidence_level,
            "withheld": self.withheld,
        }

    def _report(self) -> Report:
        columns: dict[str, list[Any]] = {
            "Estimate": [self.estimate],
            "Std. error": [self.std_error],
            "Low": [self.low],
            "High": [self.high],
        }
        formats: dict[str, Format] = dict.fromkeys(columns, "estimate")
        if self.test is not None:
            columns["p-value"] = [self.test.p_value]
            formats["p-value"] = "p_value"
        notes = [f"No interval: {self.withheld}."] if self.withheld else []
        return Report(
            title="Conditional mutual information",
            header=[
                ("Estimator", self.estimator),
                ("Rows", self.n_samples),
                ("Columns of X, Y, Z", f"{self.dim_x}, {self.dim_y}, {self.dim_z}"),
                ("Unit", self.unit),
            ],
            tables=[Table(columns, formats=formats)],
            guarantees=[self.guarantee] + ([] if self.test is None else [self.test.guarantee]),
            notes=notes,
        )


def conditional_mutual_info(
    x: Any,
    y: Any,
    z: Any,
    *,
    method: ConditionalMethod = "ksg",
    discrete_x: Declared = "auto",
    discrete_y: Declared = "auto",
    discrete_z: Declared = "auto",
    n_neighbors: int = 3,
    confidence_level: float = 0.95,
    unit: Unit = "nats",
    test: bool | None = None,
    repeats: Repeats = "auto",
    random_state: RandomState = None,
) -> ConditionalMutualInformationResult:
    """Estimate the mutual information of X and Y given Z, with an interval where there is an honest one, and test whether it is 0.

    Parameters
    ----------
    x, y, z : array-like of shape (n,) or (n, p), series or data frame
        The three sides, row by row; at least 10 rows.
    method : {"ksg", "gaussian", "learned"}, default "ksg"
        * "ksg": with continuous or mixed Z, nearest neighbours (Frenzel and Pompe; with ties, Mesner and
          Shalizi), with a standard error and no interval, because the bias outweighs the spread; with discrete Z, the
          average of :func:`mutual_info` over its levels; with all three discrete, plug-in. The last two have an interval.
        * "gaussian": Gaussian copula by the chain rule, with bias correction and an asymptotic interval.
        * "learned": what regressions on Z leave of the place and the spread of X and Y, U and V, and :class:`LearnedMI` of U with
          (V, Z), averaged over both forms, with an interval. Continuous sides and at least 30 rows; for others the chain
          rule with :class:`LearnedMI`, without an interval. With discrete Z the average over its levels.
    discrete_x, discrete_y, discrete_z : bool or "auto", default "auto"
        As in :func:`mutual_info`.
    n_neighbors : int, default 3
        Neighbours for "ksg".
    confidence_level : float, default 0.95
        Level of the interval.
    unit : {"nats", "bits"}, default "nats"
        Unit of all values.
    test : bool or None, default None
        Whether conditional independence is tested too; None tests up to 1,000 rows. The test is exact, by
        :func:`independence_test`, within the levels of a discrete Z, and approximate, by
        :func:`conditional_independence_test`, otherwise.
    repeats : {"auto", "keep", "collapse"}, default "auto"
        What to do where joint rows repeat. "auto" reads one of each where rows of measurements look like copies, as in a bootstrap
        sample; "keep" reads all, without an interval and without the guarantee of the test.
    random_state : int, Generator or None, default None
        Seed of the test.

    Returns
    -------
    ConditionalMutualInformationResult
        Estimate, interval and p-value, and how they were obtained.

    Raises
    ------
    ValueError, TypeError
        As :func:`mutual_info`; also if a level of a discrete Z has fewer than 10 rows.

    Warns
    -----
    RepeatedRowsWarning
        If rows look like copies of each other.

    References
    ----------
    Frenzel and Pompe (2007), Physical Review Letters 99, 204101; Mesner and Shalizi (2021), IEEE
    Transactions on Information Theory 67, 464-484.

    Examples
    --------
    >>> generator = np.random.default_rng(0)
    >>> z = generator.standard_normal(500)
    >>> x, y = z + generator.standard_normal((2, 500))
    >>> result = conditional_mutual_info(x, y, z, random_state=0)
    >>> round(result.estimate, 2), result.p_value > 0.05
    (0.0, True)
    """
    check_literal(method, "method", get_args(ConditionalMethod))
    check_literal(unit, "unit", get_args(Unit))
    level = float(check_confidence_level(confidence_level))
    rows = row_labels(x, name="x")
    y, z = align(y, rows, "y"), align(z, rows, "z")
    sides = (
        prepare_side(x, "x", discrete_x),
        prepare_side(y, "y", discrete_y),
        prepare_side(z, "z", discrete_z),
    )
    n = sides[0].n_rows
    if len({side.n_rows for side in sides}) > 1:
        raise ValueError(
            "x, y and z must have the same number of rows; "
            f"x has {n}, y has {sides[1].n_rows}, z has {sides[2].n_rows}."
        )
    kept, _, copies = without_copies(sides, repeats, "interval")
    sides = (kept[0], kept[1], kept[2])
    n = sides[0].n_rows
    check_positive_int(n_neighbors, "n_neighbors", maximum=n - 1)
    refuse_unused(method, n_neighbors)
    wanted = n <= MOST_TESTED if test is None else test
    found = _estimate(*sides, Options(method, n_neighbors, confidence_level=level))
    if copies:
        guarantee = _guarantee(found.guarantee.citation, n)
        found = replace(found, interval=NO_INTERVAL, withheld=copies, guarantee=guarantee)
    scale = 1.0 / NATS_PER_UNIT[unit]
    bound = min(sides[0].entropy, sides[1].entropy)
    value = float(np.clip(found.value, 0.0, bound))
    # The estimate lies inside; the upper end may exceed the entropy in the sample, because that of the law may.
    low, high = np.clip(found.interval[0], 0.0, value), np.maximum(found.interval[1], value)
    return ConditionalMutualInformationResult(
        guarantee=found.guarantee,
        backend=frames.backend_of(x),
        estimate=value * scale,
        low=float(low) * scale,
        high=float(high) * scale,
        std_error=found.standard_error * scale,
        withheld=found.withheld if np.isnan(low) else "",
        test=_test(*sides, random_state, frames.backend_of(x), copies) if wanted else None,
        unclipped=found.value * scale,
        upper_bound=bound * scale,
        unit=unit,
        confidence_level=level,
        estimator=found.estimator,
        n_samples=n,
        dim_x=sides[0].n_columns,
        dim_y=sides[1].n_columns,
        dim_z=sides[2].n_columns,
    )


def _test(
    x: Side, y: Side, z: Side, random_state: RandomState, backend: Any, copies: str
) -> IndependenceTestResult | None:
    """Exact test within the levels of a discrete Z, else the approximate one; None where there is nothing to test."""
    if x.is_constant or y.is_constant:
        return None
    if z.codes is not None:
        return run_within(x, y, z.codes, random_state, backend, copies)
    if z.is_constant or x.n_rows < FEWEST_CONDITIONAL:
        return None
    return run_given(x, y, z, random_state, backend, copies=copies)


MOST_TESTED = 1_000
"""Rows up to which conditional independence is tested where nothing was said: the test costs about a second there."""
COVER = "Cover and Thomas (2006), chapter 2"
NAN = float("nan")
NO_INTERVAL = (NAN, NAN)


def _estimate(x: Side, y: Side, z: Side, options: Options) -> Estimate:
    method, k, n, level = options.method, options.n_neighbors, x.n_rows, options.confidence_level
    if x.is_constant or y.is_constant:
        return known_estimate(0.0, "a constant side carries no information", n)
    if x.codes is not None and y.codes is not None and z.codes is not None and method != "learned":
        return _plug_in(x.codes, y.codes, z.codes, level)
    if z.codes is not None:
        return _average_over_levels(x, y, z.codes, options)
    x, y = without_repeats(x, z), without_repeats(y, z)
    if x.is_constant or y.is_constant:
        return known_estimate(0.0, "Z determines a side", n)
    if not (is_functional(x, z) or is_functional(y, z)):
        if is_functional(x, join_sides(y, z)):
            return known_estimate(float("inf"), "exact functional relation", n)
    elif method != "ksg":
        return _determined(x, y, z)
    if method == "learned":
        return _learned(x, y, z, level)
    if method == "gaussian":
        return _gaussian(x, y, z, level)
    scaled_x, scaled_y, scaled_z = _scaled(x), _scaled(y), _scaled(z)
    value = conditional_ksg(scaled_x, scaled_y, scaled_z, k)
    name, source = f"mixture conditional KSG, k = {k}", "Mesner and Shalizi (2021), algorithm 1"
    if x.kind == y.kind == z.kind == "continuous":
        name, source = f"conditional KSG (Frenzel-Pompe), k = {k}", "Frenzel and Pompe (2007), equation (7)"
    error = NAN
    if n >= 8 * (k + MIN_ROWS):
        error = subsample_standard_error(
            lambda part: conditional_ksg(scaled_x[part], scaled_y[part], scaled_z[part], k),
            np.hstack([scaled_x, scaled_y, scaled_z]),
        )
    withheld = "the bias of a nearest-neighbour estimate given Z outweighs its spread"
    holds = "the standard error shows how much the estimate varies from sample to sample, not how far it is from the truth"
    guarantee = _guarantee(f"{source}; Holmes and Nemenman (2019) for the spread", n, holds)
    return Estimate(value, error, NO_INTERVAL, name, guarantee, withheld)


def _gaussian(x: Side, y: Side, z: Side, level: float) -> Estimate:
    """Gaussian copula by the chain rule; the interval by the delta method on partial canonical correlations."""
    n = x.n_rows
    for side in (x, y):
        if side.kind == "discrete":
            raise ValueError(f"method='gaussian' needs numeric measurements, but {side.name} is discrete.")
    scores = [normal_scores(side.rows) for side in (x, y, z)]
    value = gaussian_chain_rule(*scores)
    if (bounding := entropy_bound((x, y), value)) is not None:
        name = f"entropy of {bounding.name}, below the Gaussian value"
        withheld = "the entropy of a side in the sample stands in place of the Gaussian value"
        return Estimate(
            entropy(row_codes(bounding.rows)), NAN, NO_INTERVAL, name, _guarantee(COVER, n), withheld
        )
    centred = [standardise(part) for part in scores]
    basis = orthonormal_basis(centred[2])
    partial = [part - basis @ (basis.T @ part) for part in centred[:2]]
    correlations = canonical_correlations(*partial)[0]
    # Var I = sum of squared partial canonical correlations / n, by the delta method for a Gaussian law.
    error = float(np.sqrt((correlations**2).sum() / max(n - basis.shape[1], 1)))
    half = float(norm.isf((1 - level) / 2)) * error
    if len(correlations) == 1 and n - basis.shape[1] > 3 and correlations[0] < 1:
        # Fisher's z of one partial correlation: its interval in correlations, put into -log(1 - r^2) / 2.
        place, spread = (
            np.arctanh(correlations[0]),
            float(norm.isf((1 - level) / 2)) / np.sqrt(n - basis.shape[1] - 3),
        )
        ends = np.tanh([max(0.0, place - spread), place + spread])
        interval = tuple(float(v) for v in -0.5 * np.log1p(-(ends**2)))
    else:
        interval = (value - half, value + half)
    guarantee = Guarantee(
        holds=f"in about {100 * level:g} of 100 samples the interval contains the true value, if the copula is Gaussian",
        kind="asymptotic",
        check=("the copula of all columns is Gaussian", "the rows are independent of each other"),
        n_reference=n,
        citation="Ince et al. (2017), Human Brain Mapping 38; Fisher (1924) for partial correlations; delta method",
        confidence_level=level,
    )
    return Estimate(value, error, (interval[0], interval[1]), "Gaussian copula, bias-corrected", guarantee)


MOST_PART_ROWS = 1_000
"""Rows of one regression on Z; more rows are regressed in so many parts, chosen by their content."""
MOST_PARTS = 4
COVERED = "23 of 24"
"""How often 95 % intervals of the learned form contained the truth at n = 300: benchmarks/results/mi_conditional_estimates.md."""


def _learned(x: Side, y: Side, z: Side, level: float) -> Estimate:
    """I(U; (V, Z)) and I((U, Z); V) averaged, U and V being what regressions on Z leave of X and Y."""
    n = x.n_rows
    if x.kind != "continuous" or y.kind != "continuous" or n < FEWEST_CONDITIONAL:
        value = learned_chain_rule(x, y, z)
        withheld = "the learned form that has one needs continuous X and Y and at least 30 rows"
        return Estimate(
            value,
            NAN,
            NO_INTERVAL,
            "learned, chain rule",
            _guarantee("the chain rule and LearnedMI", n),
            withheld,
        )
    order = keyed_order(np.hstack([x.rows, y.rows]), z.rows)[: MOST_PARTS * MOST_PART_ROWS]
    parts = np.array_split(order, -(-len(order) // MOST_PART_ROWS))
    width = x.width
    with one_thread():
        left, given = (
            np.concatenate(found)
            for found in zip(*(_left_over(x, y, z, part) for part in parts), strict=True)
        )
    u, v = left[:, :width], left[:, width:]
    forms = [
        learned_columns(u, np.hstack([v, given]), level),
        learned_columns(np.hstack([u, given]), v, level),
    ]
    value, low, high = (float(np.mean(found)) for found in zip(*forms, strict=True))
    read = f"; {len(order):,} of {n:,} rows were read, chosen by their content" if len(order) < n else ""
    guarantee = Guarantee(
        holds=f"in simulations of smooth laws 95 % intervals contained the true value in {COVERED} data sets; no law is guaranteed",
        kind="heuristic",
        check=(
            "X and Y depend on Z through their place and their spread, and smoothly",
            "the rows are independent of each other",
        ),
        n_reference=len(order),
        citation="LearnedMI of what regressions on Z leave over; Cover and Thomas (2006), chapter 2, for the chain rule",
        confidence_level=level,
        details=(
            f"The average of two intervals of LearnedMI, whose coverage is on average over simulated laws{read}",
        ),
    )
    return Estimate(value, NAN, (low, high), "learned, of what regressions on Z leave over", guarantee)


def _left_over(x: Side, y: Side, z: Side, part: Int1D) -> tuple[Float2D, Float2D]:
    given = rank_scores(z.rows[part])
    return conditional_scores(rank_scores(np.hstack([x.rows, y.rows])[part]), given), given


def _determined(x: Side, y: Side, z: Side) -> Estimate:
    for side in (x, y):
        if is_functional(side, z) and side.width > 1:
            raise ValueError(
                f"Z determines a combination of the columns of {side.name}, so that the chain rule subtracts infinities. "
                "Drop the columns that z determines, or use method='ksg'."
            )
    return known_estimate(0.0, "Z determines a side", x.n_rows)


def _scaled(side: Side) -> Float2D:
    rows = side.rows.copy()
    columns = side.numeric_columns
    if side.kind != "continuous":
        rows[:, columns] -= rows[:, columns].min(axis=0)
    rows[:, columns] = scale_columns(rows[:, columns], "standard")
    return rows


def conditional_ksg(x: Float2D, y: Float2D, z: Float2D, n_neighbors: int = 3) -> float:
    """Nearest-neighbour estimate of I(X; Y | Z), in nats and unclipped."""
    # With ``n_xz`` the number of other rows strictly closer in (X, Z) than the k-th neighbour in (X, Y, Z),
    # it is the mean of ``psi(k) - psi(n_xz + 1) - psi(n_yz + 1) + psi(n_z + 1)``. Where several rows lie at
    # the distance of the k-th neighbour, all rows in the closed ball are counted, in each space.
    # Frenzel and Pompe (2007), equation (7); Mesner and Shalizi (2021), algorithm 1.
    xz, yz = np.hstack([x, z]), np.hstack([y, z])
    radii = neighbour_radii(xz, y, n_neighbors)
    joint, _ = ball_counts(np.hstack([xz, y]), radii)
    closed, inside = zip(*(ball_counts(rows, radii) for rows in (xz, yz, z)))
    at_xz, at_yz, at_z = (outer - inner for outer, inner in zip(closed, inside))
    alone = (joint == n_neighbors) & (at_xz + at_yz - at_z == 1) & (np.maximum(at_xz, at_yz) == 1)
    log_xz, log_yz, log_z = (
        digamma(np.maximum(1, np.where(alone, inner + 1, outer))) for outer, inner in zip(closed, inside)
    )
    return float(np.mean(digamma(joint) - log_xz - log_yz + log_z))


def gaussian_chain_rule(x: Float2D, y: Float2D, z: Float2D) -> float:
    """Gaussian I(X; Y | Z) = I(X; (Y, Z)) - I(X; Z), bias-corrected, in nats."""
    both = gaussian_plug_in(x, np.hstack([y, z]), bias_correction=True).value
    given = gaussian_plug_in(x, z, bias_correction=True).value
    return both - given if np.isfinite(given) else 0.0


def _plug_in(x: Int1D, y: Int1D, z: Int1D, level: float) -> Estimate:
    """I(X; (Y, Z)) - I(X; Z) from counts, with the delta method for the difference."""
    n = len(x)
    yz, xz = (row_codes(np.column_stack([side, z]).astype(np.float64)) for side in (y, x))
    of_both, of_z = plug_in(x, yz), plug_in(x, z)
    value = of_both.value - of_z.value
    cells = row_codes(np.column_stack([x, yz]).astype(np.float64))
    shares = [np.bincount(codes)[codes] / n for codes in (cells, z, xz, yz)]
    # Standard deviation of the log density ratio p(x, y, z) p(z) / (p(x, z) p(y, z)), over sqrt(n).
    error = float(np.std(np.log(shares[0] * shares[1] / (shares[2] * shares[3]))) / np.sqrt(n))
    filled = (int(cells.max()) + 1) / n
    levels = [np.unique(np.column_stack(pair), axis=0)[:, -1] for pair in ((x, z), (y, z))]
    degrees = int(np.prod([np.bincount(of_side) - 1 for of_side in levels], axis=0).sum())
    likelihood = max(of_both.plug_in - of_z.plug_in, 0.0)
    withheld, interval = "", information_interval(value, likelihood, error, degrees, n, level)
    if filled > MOST_FILLED:
        withheld = (
            f"{100 * filled:.0f} filled cells in 100 rows are too many for the interval of a plug-in estimate"
        )
        interval = NO_INTERVAL
    guarantee = _interval_guarantee(
        n,
        level,
        "Wilks (1938), with the variance of the delta method; Paninski (2003) for the bias",
        near=True,
    )
    return Estimate(value, error, interval, "plug-in, Miller-Madow", guarantee, withheld)


def _average_over_levels(x: Side, y: Side, levels: Int1D, options: Options) -> Estimate:
    sizes = np.bincount(levels)
    needed = max(MIN_ROWS, options.n_neighbors + 2)
    if sizes.min() < needed:
        raise ValueError(
            f"A level of z has only {sizes.min()} row(s); each needs at least {needed}. Merge levels of z, or "
            "pass discrete_z=False if its numbers are a scale."
        )
    parts = []
    for level in range(len(sizes)):
        members = levels == level
        parts.append(estimate_sides(x.take(members), y.take(members), options))
    shares = sizes / len(levels)
    value = float(shares @ np.array([part.value for part in parts]))
    # The parts are independent given the sizes of the levels.
    error = float(np.sqrt((shares**2) @ np.array([part.standard_error**2 for part in parts])))
    half = float(norm.isf((1 - options.confidence_level) / 2)) * error
    reasons = [part.withheld for part in parts if part.withheld]
    withheld = reasons[0] if reasons else "the estimate within a level has no interval"
    interval = NO_INTERVAL if reasons else (value - half, value + half)
    if not reasons and np.isnan(half):
        ends = shares @ np.array([part.interval for part in parts])
        interval = float(ends[0]), float(ends[1])
    source = "Holmes and Nemenman (2019) and the delta method for the spread within a level"
    guarantee = _interval_guarantee(len(levels), options.confidence_level, source)
    if np.isnan(interval[0]):
        guarantee = _guarantee(COVER, len(levels))
    return Estimate(
        value, error, interval, f"average of {options.method!r} over the levels of Z", guarantee, withheld
    )


def _interval_guarantee(n: int, level: float, source: str, near: bool = False) -> Guarantee:
    """Promise of an interval; ``near`` tells that it holds near independence too."""
    return Guarantee(
        holds=f"the interval shows how much the estimate varies from sample to sample, at nominal level {level:g}",
        kind="asymptotic",
        check=(
            "the rows are independent of each other",
            *(
                ()
                if near
                else ("the sides are clearly dependent given Z; near independence the interval is rough",)
            ),
            "the bias of the estimate is small against its spread",
        ),
        n_reference=n,
        citation=source,
        confidence_level=level,
    )


def _guarantee(
    source: str, n: int, holds: str = "the value is a point estimate, whose bias and spread are not stated"
) -> Guarantee:
    return Guarantee(
        holds=holds,
        kind="heuristic",
        check=("the rows are independent of each other",),
        n_reference=n,
        citation=source,
        details=("For a test that is exact with discrete Z use independence_test(x, y, strata=z)",),
    )
