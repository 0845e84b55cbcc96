"""``pass_at_k``: how often one of k samples is right, what is delivered, and how many samples are best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from validstats._typing import Bool1D, Float1D, Float2D, Int1D, RandomState
from validstats.evals.doctor import check_table
from validstats.evals.inputs import (
    Population,
    deduplicated,
    library_of,
    numbers_beside_rows,
    of_one_system,
    refuse,
    single_filter,
)
from validstats.evals.readers import Check, EvalFileError, EvalTable, check_names, codes_of, read
from validstats.evals.results import PassAtKResult, inputs_of
from validstats.evals.sentences import Verdict, percent, say
from validstats.evals.statistics import (
    Band,
    audited_pass_at_k,
    best_of_n_utility,
    column_means,
    corrected_rows,
    delivery_weights,
    expected_samples,
    finite_pass_at_k_covariance,
    kish_size,
    linear_guess,
    simultaneous_band,
    unseen_errors,
)
from validstats.evals.statistics import pass_at_k as pass_rows
from validstats.guarantee import Guarantee
from validstats.intake import (
    check_confidence_level,
    check_in_range,
    check_literal,
    check_random_state,
)

__all__ = ["AuditDesign", "pass_at_k"]

AuditDesign: TypeAlias = Literal["problems", "samples"]
"""What was drawn for audit: whole problems (all or several of their passing samples), or single samples."""

_FEWEST = 5
"""Audited problems below which nothing is claimed."""

_FOLDS = 5
_STEPS = (1, 2, 5)
_MOST_N = 50


@dataclass(frozen=True, eq=False)
class _Samples:
    """Samples by row, and problems by their numbers of samples and passes."""

    table: EvalTable
    problem: Int1D
    passed: Bool1D
    audit: Float1D
    """Human verdict, NaN where a sample was not audited."""
    probability: Float1D | None
    size: Int1D
    passing: Int1D
    cluster: Int1D | None
    drawn: Bool1D
    """Problems that were drawn for audit."""

    @property
    def n_problems(self) -> int:
        return len(self.size)

    @property
    def audited(self) -> Bool1D:
        return ~np.isnan(self.audit)

    def count(self, rows: Bool1D) -> Int1D:
        """Number of such rows in each problem."""
        return np.bincount(self.problem[rows], minlength=self.n_problems).astype(np.int64)

    def of_problem(self, values: Float1D) -> Float1D:
        """Value of the first row of each problem."""
        return values[np.unique(self.problem, return_index=True)[1]]


@dataclass(frozen=True, eq=False)
class _Audited:
    """Contributions of the problems to the audited pass@k, and how many audits they rest on."""

    rows_low: Float2D
    rows_high: Float2D
    n_effective: float
    n_audited: int


def pass_at_k(
    data: Any,
    *,
    problem: str | None = None,
    passed: str | None = None,
    system: str | None = None,
    human: str | None = None,
    sampling_probability: Any = None,
    k: Any = None,
    design: AuditDesign | None = None,
    drawn: str | None = None,
    score: str | None = None,
    filter: str | None = None,
    wrong_costs: float | None = None,
    sample_costs: float = 0.0,
    clusters: str | None = None,
    population: Population = "superpopulation",
    confidence_level: float = 0.95,
    random_state: RandomState = None,
) -> PassAtKResult:
    """Estimate pass@k from repeated samples, and with audits how often one of k is right and what is delivered.

    The number of samples of a problem must be fixed before the results, and audits must not stop at the first right
    sample.

    Parameters
    ----------
    data : str, Path, data frame, mapping of str to array-like, EvalTable, or sequence of these
        One row a sample, as for :func:`validstats.evals.read`.
    problem, passed : str or None, default None
        Columns of problems, and of whether the sample passed the tests.
    system : str or None, default None
        Which system, where the data hold several.
    human : str or None, default None
        Column of audits: whether a sample is really right, missing where it was not audited.
    sampling_probability : str, float or None, default None
        Probability with which a problem (or a sample) was drawn for audit; None asserts a simple random sample.
    k : sequence of int or None, default None
        Numbers of samples; None takes 1, 2, 5, 10, ... up to the fewest samples of a problem.
    design : {"problems", "samples"} or None, default None
        What was drawn for audit; None decides where the file leaves no doubt.
    drawn : str or None, default None
        Column that says of every problem whether it was drawn for audit (1 or 0), so that drawn problems without a
        passing sample are known; None takes the problems with an audit. It implies ``design="problems"``.
    score : str or None, default None
        Column by which the delivered sample is chosen among those that pass; None delivers one at random.
    filter : str or None, default None
        Of a log with several filters, the one to use.
    wrong_costs : float or None, default None
        What a wrong answer costs, in right ones; gives the best numbers of samples.
    sample_costs : float, default 0.0
        What a sample costs, in right answers.
    clusters : str or None, default None
        Column of dependent problems.
    population : {"superpopulation", "finite"}, default "superpopulation"
        Whether the statement is about all problems like these, or about these problems.
    confidence_level : float, default 0.95
        Probability with which a curve is covered at all k together.
    random_state : int, numpy.random.Generator or None, default None
        Seed of folds and draws; None is a fixed one.

    Returns
    -------
    PassAtKResult
        Curves over k with bands.

    Raises
    ------
    EvalFileError
        If the data cannot be read, k exceeds the samples of a problem, or there are too few audits.

    References
    ----------
    Chen et al. (2021), arXiv 2107.03374. Brown et al. (2024), arXiv 2407.21787. Stroebl, Kapoor and Narayanan (2024),
    arXiv 2411.17501.

    Examples
    --------
    >>> import numpy as np
    >>> from validstats import evals
    >>> rng = np.random.default_rng(0)
    >>> p = np.repeat(rng.beta(0.7, 1.2, 100), 10)
    >>> samples = {"problem": np.repeat(np.arange(100), 10), "passed": (rng.random(1000) < p).astype(int)}
    >>> print(evals.pass_at_k(samples).answer)
    With 10 tries a solution that passes is found for 85.0 % of problems (74.7 to 91.6 %)
    """
    level = float(check_confidence_level(confidence_level))
    check_names(problem=problem, passed=passed, system=system, drawn=drawn, score=score, clusters=clusters)
    check_literal(population, "population", get_args(Population))
    if design is not None:
        check_literal(design, "design", get_args(AuditDesign))
    if wrong_costs is not None:
        check_in_range(wrong_costs, "wrong_costs", 0.0)
    check_in_range(sample_costs, "sample_costs", 0.0)
    if drawn is not None and design == "samples":
        raise ValueError(
            "drawn= names problems that were drawn for audit; it does not go with design='samples'."
        )
    table = read(
        data,
        item=problem,
        judge=passed,
        human=human,
        sampling_probability=sampling_probability if isinstance(sampling_probability, str) else None,
        filter=filter,
    )
    samples, checks = _samples(table, system, sampling_probability, clusters, drawn)
    ks = _steps(k, samples)
    generator = check_random_state(0 if random_state is None else random_state)
    tests = _tests_band(samples, ks, population, level, generator)
    if not samples.audited.any():
        return _unaudited(samples, checks, ks, tests, population, level, library_of(data))
    if population == "finite":
        raise ValueError(
            "population='finite' goes with unaudited samples; audits speak about all problems like these."
        )
    chosen = design or ("problems" if drawn is not None else _guess_design(samples))
    return _with_audits(
        samples,
        checks,
        ks,
        tests,
        chosen,
        score,
        wrong_costs,
        sample_costs,
        level,
        generator,
        library_of(data),
    )


def _samples(
    table: EvalTable,
    system: str | None,
    probability: Any,
    clusters: str | None,
    drawn: str | None,
) -> tuple[_Samples, list[Check]]:
    """Rows of samples with everything that is known about them."""
    table = of_one_system(deduplicated(single_filter(table)), system)
    found = check_table(table)
    refuse(found, judged=False)
    scores = [s for s in table.scores if s != table.roles.get("human")]
    column = table.roles.get("judge") or (scores[0] if len(scores) == 1 else None)
    if column is None:
        raise EvalFileError("Name the column that says whether a sample passed, with passed=.")
    codes, _ = table.codes("item")
    values = table.values(column)
    if table.has("size"):
        codes, values = _expanded(table, codes, values)
    if np.isnan(values).any() or not set(np.unique(values).tolist()) <= {0.0, 1.0}:
        raise EvalFileError(
            f"The column {column!r} must say of every sample whether it passed: 1 or 0, nothing missing."
        )
    audit = table.values("human") if table.has("human") else np.full(len(values), np.nan)
    if not set(np.unique(audit[~np.isnan(audit)]).tolist()) <= {0.0, 1.0}:
        raise EvalFileError("Audits must be 1 (right) or 0 (wrong), or missing.")
    pi: Float1D | None = None
    if table.has("human"):
        source = probability if probability is not None else table.roles.get("probability")
        if source is not None:
            pi = numbers_beside_rows(table, source, "sampling_probability")
            if pi.shape != values.shape or not np.all((pi > 0) & (pi <= 1)):
                raise EvalFileError("sampling_probability must lie in (0, 1] for every sample.")
    size = np.bincount(codes).astype(np.int64)
    passing = np.bincount(codes, values).astype(np.int64)
    cluster = None
    if clusters is not None:
        cluster = codes_of(table.column(clusters))[0][np.unique(codes, return_index=True)[1]]
    checks = [c for c in found if c.severity != "error"]
    known = np.bincount(codes, ~np.isnan(audit)) > 0
    if drawn is not None:
        known = _drawn_problems(table, drawn, codes, known, passing)
    return _Samples(table, codes, values == 1.0, audit, pi, size, passing, cluster, known), checks


def _drawn_problems(table: EvalTable, name: str, codes: Int1D, audited: Bool1D, passing: Int1D) -> Bool1D:
    """Problems that a column says were drawn, which must have their audits."""
    values = table.values(name)
    first = values[np.unique(codes, return_index=True)[1]]
    if not np.isin(values, (0.0, 1.0)).all() or not np.array_equal(values, first[codes]):
        raise EvalFileError(f"drawn={name!r} must say 1 or 0, and the same for all samples of a problem.")
    drawn = first == 1.0
    for wrong, what in (
        (audited & ~drawn, "have audits and are not drawn"),
        (drawn & ~audited & (passing > 0), "are drawn and have passing samples, none of which was audited"),
    ):
        if wrong.any():
            raise EvalFileError(f"{int(wrong.sum())} problems {what} according to {name!r}; mend the column.")
    return drawn


def _expanded(table: EvalTable, codes: Int1D, rates: Float1D) -> tuple[Int1D, Float1D]:
    """One row a sample from counts of successes."""
    size = table.values("size").astype(np.int64)
    right = np.rint(rates * size).astype(np.int64)
    return np.repeat(codes, size), np.concatenate(
        [np.r_[np.ones(r), np.zeros(s - r)] for r, s in zip(right, size)]
    )


def _steps(k: Any, samples: _Samples) -> Int1D:
    """The numbers of samples asked for; a problem with fewer samples refuses, it is never dropped."""
    fewest = int(samples.size.min())
    if k is None:
        steps = [s * 10**e for e in range(6) for s in _STEPS if s * 10**e <= fewest]
        return np.array(sorted({*steps, fewest}), dtype=np.int64)
    ks = np.unique(np.atleast_1d(np.asarray(k)))
    if ks.dtype.kind not in "iu" or ks.min() < 1:
        raise ValueError(f"k must hold whole numbers of at least 1, got {k!r}.")
    if ks.max() > fewest:
        short = int(np.sum(samples.size < ks.max()))
        raise EvalFileError(
            f"k = {int(ks.max())} needs {int(ks.max())} samples of every problem; {short} of {samples.n_problems} have fewer (the "
            f"fewest is {fewest}). Leaving them out would bias the rest: draw more samples, or ask for k up to {fewest}."
        )
    return ks.astype(np.int64)


def _tests_band(
    samples: _Samples, ks: Int1D, population: Population, level: float, generator: np.random.Generator
) -> Band:
    """pass@k by the tests alone."""
    if samples.n_problems < 2:
        raise EvalFileError("pass@k needs two problems or more.")
    rows = pass_rows(samples.size, samples.passing, ks)
    if population == "finite":
        between = int(np.sum((samples.passing > 0) & (samples.passing < samples.size)))
        if 2 * ks.max() > samples.size.min():
            raise EvalFileError(
                f"population='finite' takes k up to half of the fewest samples ({int(samples.size.min()) // 2}); pass k=."
            )
        if between < _FEWEST:
            raise EvalFileError(
                f"Only {between} problems have both passing and failing samples, too few to see the noise of sampling; use "
                "population='superpopulation'."
            )
        covariance = finite_pass_at_k_covariance(samples.size, samples.passing, ks)
        return simultaneous_band(rows.mean(axis=0), covariance, samples.n_problems, 1e9, level, generator)
    mean, covariance = column_means(rows, samples.cluster)
    units = (
        samples.n_problems
        if samples.cluster is None
        else kish_size(np.bincount(samples.cluster).astype(float))
    )
    return simultaneous_band(mean, covariance, units, max(units - 1.0, 1.0), level, generator)


def _unaudited(
    samples: _Samples,
    checks: list[Check],
    ks: Int1D,
    tests: Band,
    population: Population,
    level: float,
    backend: Any,
) -> PassAtKResult:
    last = len(ks) - 1
    verdict = say("pass_at_k", k=int(ks[-1]), **_share_words(tests, last))
    these = "these problems" if population == "finite" else "all problems like these"
    guarantee = Guarantee(
        holds=f"about {100 * level:g} of 100 such bands contain the whole curve for {these}",
        check=(
            "a sample that passes is what you mean by a success: nothing was audited",
            "the number of samples was fixed before the results",
            "problems do not depend on each other",
        ),
        details=(
            "1 - C(S - c, k)/C(S, k) is unbiased for every problem; nothing is said beyond the samples that were drawn",
            "The band is a score interval at the critical value of the largest deviation over all k",
        ),
        kind="asymptotic",
        n_reference=samples.n_problems,
        citation="Chen et al. (2021), arXiv 2107.03374",
        confidence_level=level,
    )
    return PassAtKResult(
        guarantee=guarantee,
        backend=backend,
        verdict=verdict,
        checks=tuple(checks),
        inputs=inputs_of(samples.table),
        options={"confidence_level": level, "population": population},
        k=ks,
        quantity=("pass_by_tests",) * len(ks),
        estimate=tests.estimate,
        std_error=tests.std_error,
        conf_low=tests.low,
        conf_high=tests.high,
        best_n=(),
        n_problems=samples.n_problems,
        n_audited=0,
    )


def _share_words(band: Band, at: int) -> dict[str, str]:
    """A share of problems and the ends of its interval."""
    return {
        "value": percent(band.estimate[at]),
        "low": percent(band.low[at]).removesuffix(" %"),
        "high": percent(band.high[at]),
    }


def _guess_design(samples: _Samples) -> AuditDesign:
    """Whole problems if every problem has all of its passing samples audited, or none; otherwise the caller must say."""
    m = samples.count(samples.audited & samples.passed)
    whole = np.all((m == 0) | (m == samples.passing))
    pi = samples.probability
    constant = pi is None or np.array_equal(pi, samples.of_problem(pi)[samples.problem])
    if whole and constant and samples.passing[m > 0].max(initial=0) >= 2:
        return "problems"
    if not constant:
        return "samples"
    raise EvalFileError(
        "The file does not say whether whole problems or single samples were drawn for audit. Pass design='problems' "
        "(a random number of the passing samples of each drawn problem) or design='samples'."
    )


def _with_audits(
    samples: _Samples,
    checks: list[Check],
    ks: Int1D,
    tests: Band,
    design: AuditDesign,
    score: str | None,
    wrong_costs: float | None,
    sample_costs: float,
    level: float,
    generator: np.random.Generator,
    backend: Any,
) -> PassAtKResult:
    """Curves of what is right, delivered and wrong."""
    fold_of_problem = generator.permutation(samples.n_problems) % _FOLDS
    chance = _sample_probability(samples, design)
    rule = np.zeros(len(samples.problem)) if score is None else samples.table.values(score)
    if np.isnan(rule).any():
        raise EvalFileError(
            f"The score {score!r} is missing for some samples, so it cannot say what is delivered."
        )
    contributions = _delivered_right(samples, chance, rule, fold_of_problem)
    n_audit_problems = int((samples.count(samples.audited & samples.passed) > 0).sum())
    if n_audit_problems < _FEWEST:
        raise EvalFileError(
            f"Only {n_audit_problems} problems have audited passing samples; {_FEWEST} are the fewest, some 30 are useful."
        )
    inflation = n_audit_problems / (n_audit_problems - 2.0)
    delivered = pass_rows(samples.size, samples.passing, ks)
    right = contributions(ks)
    units = _audit_units(samples, chance)
    right_band = _band(right, samples, units, inflation, level, generator)
    wrong_band = _band(delivered - right, samples, units, inflation, level, generator)
    parts: list[tuple[str, Band]] = [
        ("best_of_n", right_band),
        ("wrong", wrong_band),
        ("pass_by_tests", tests),
    ]
    n_audited, exact = n_audit_problems, False
    if design == "problems":
        passes, n_audited, exact = _pass_of_problems(samples, ks, fold_of_problem, level, generator)
    else:
        # One audit a problem leaves a range: low end of what is delivered, high end by the tests; pass@1 is linear.
        first, unknown = ks == 1, np.full(len(ks), np.nan)
        passes = Band(
            np.where(first, right_band.estimate, unknown),
            unknown,
            right_band.low,
            np.where(first, right_band.high, tests.high),
            right_band.critical,
        )
    parts.insert(0, ("pass", passes))
    best: tuple[int, ...] = ()
    if wrong_costs is not None:
        best, utility = _best_n(
            samples, contributions, score, wrong_costs, sample_costs, units, inflation, level, generator, ks
        )
        parts.append(("utility", utility))
    ceiling = None
    if score is None:
        # B_S <= B_inf <= B_S + P(no pass among S), S the fewest samples of a problem: false where a score chooses.
        most = np.array([samples.size.min()])
        top = contributions(most)
        none_passes = 1.0 - pass_rows(samples.size, samples.passing, most)
        ends = _band(np.hstack([top, top + none_passes]), samples, units, inflation, level, generator)
        ceiling = (float(ends.low[0]), float(ends.high[1]))
    failing_audited = bool((samples.audited & ~samples.passed).any())
    return PassAtKResult(
        guarantee=_guarantee(samples, design, n_audited, failing_audited, level),
        backend=backend,
        verdict=_verdict(ks, parts, exact, score, wrong_costs, best),
        checks=tuple(checks),
        inputs=inputs_of(samples.table, int(samples.audited.sum())),
        options={
            "confidence_level": level,
            "design": design,
            "score": score,
            "wrong_costs": wrong_costs,
            "sample_costs": sample_costs,
        },
        k=np.concatenate([ks] * len(parts)),
        quantity=tuple(name for name, _ in parts for _ in ks),
        estimate=np.concatenate([b.estimate for _, b in parts]),
        std_error=np.concatenate([b.std_error for _, b in parts]),
        conf_low=np.concatenate([b.low for _, b in parts]),
        conf_high=np.concatenate([b.high for _, b in parts]),
        best_n=best,
        n_problems=samples.n_problems,
        n_audited=n_audited,
        ceiling=ceiling,
    )


def _pass_of_problems(
    samples: _Samples, ks: Int1D, folds: Int1D, level: float, generator: np.random.Generator
) -> tuple[Band, int, bool]:
    """Band of pass@k by whole audited problems, how many of them count, and whether audits reach every k."""
    audited = _audited_problems(samples, ks, folds)
    more = audited.n_effective / max(audited.n_effective - 2.0, 1.0)
    low = _band(audited.rows_low, samples, audited.n_effective, more, level, generator)
    if np.allclose(audited.rows_low, audited.rows_high):
        return low, audited.n_audited, True
    high = _band(audited.rows_high, samples, audited.n_effective, more, level, generator)
    return (
        Band(np.full(len(ks), np.nan), low.std_error, low.low, high.high, low.critical),
        audited.n_audited,
        False,
    )


def _band(
    rows: Float2D,
    samples: _Samples,
    units: float,
    inflation: float,
    level: float,
    generator: np.random.Generator,
) -> Band:
    mean, covariance = column_means(rows, samples.cluster)
    return simultaneous_band(mean, covariance * inflation, units, max(units - 1.0, 1.0), level, generator)


def _problem_probability(samples: _Samples, relevant: Bool1D) -> Float1D:
    """Probability with which a problem was drawn; equal among the relevant ones where none is given."""
    if samples.probability is not None:
        pi = samples.of_problem(samples.probability)
        if not np.array_equal(samples.probability, pi[samples.problem]):
            raise EvalFileError(
                "design='problems' needs one probability a problem; they differ within a problem."
            )
        return pi
    return np.full(samples.n_problems, samples.drawn[relevant].mean())


def _audited_problems(samples: _Samples, ks: Int1D, folds: Int1D) -> _Audited:
    """Corrected contributions of problems that were audited as a whole."""
    drawn = samples.drawn
    failing = samples.audited & ~samples.passed
    with_failing = bool(failing.any())
    m, b = (
        samples.count(samples.audited & samples.passed),
        samples.count((samples.audit == 1.0) & samples.passed),
    )
    m0, b0 = samples.count(failing), samples.count(failing & (samples.audit == 1.0))
    relevant = np.ones(samples.n_problems, bool) if with_failing else samples.passing > 0
    known = drawn & relevant
    if with_failing and np.any(known & ((m0 == 0) & (samples.passing < samples.size))):
        raise EvalFileError(
            "Failing samples were audited in some of the drawn problems only; audit some in every drawn problem, or none."
        )
    if np.any(known & (m == 0) & (samples.passing > 0)):
        raise EvalFileError(
            "A drawn problem has passing samples, none of which was audited; audit them before the failing ones."
        )
    n_audited = int(known.sum())
    if n_audited < _FEWEST:
        raise EvalFileError(
            f"Only {n_audited} audited problems have a passing sample; {_FEWEST} are the fewest, some 30 are useful."
        )
    pi = _problem_probability(samples, relevant)
    base = pass_rows(samples.size, samples.passing, ks)
    low, high = np.zeros_like(base), np.zeros_like(base)
    extra = (m0[known], b0[known]) if with_failing else ()
    low[known], high[known] = audited_pass_at_k(
        samples.size[known], samples.passing[known], m[known], b[known], ks, *extra
    )
    rows = []
    for target in (low, high):
        guess = linear_guess(target, base, known, folds, 1.0 / pi)
        corrected = corrected_rows(guess, target, known, pi)
        # Without a passing sample nothing is right (failing samples are taken to be wrong): known to be 0.
        corrected[~relevant] = 0.0
        rows.append(corrected)
    return _Audited(rows[0], rows[1], kish_size(1.0 / pi[known]), n_audited)


def _sample_probability(samples: _Samples, design: AuditDesign) -> Float1D:
    """Probability with which each passing sample was audited."""
    passing_audits = samples.audited & samples.passed
    if design == "samples":
        if samples.probability is not None:
            return samples.probability
        return np.full(len(samples.problem), passing_audits.sum() / max(samples.passed.sum(), 1))
    pi = _problem_probability(samples, samples.passing > 0)
    m = samples.count(passing_audits)
    share = np.divide(
        m, samples.passing, out=np.ones(samples.n_problems), where=(samples.passing > 0) & (m > 0)
    )
    return (pi * share)[samples.problem]


def _audit_units(samples: _Samples, chance: Float1D) -> float:
    """Kish's number of problems with audited passing samples, by their total inverse probability."""
    rows = samples.audited & samples.passed
    total = np.bincount(samples.problem[rows], 1.0 / chance[rows], samples.n_problems)
    # Within a problem several audits are one unit: their mean inverse probability is its weight.
    count = np.maximum(samples.count(rows), 1)
    weight = (total / count)[total > 0]
    return kish_size(weight)


def _delivered_right(samples: _Samples, chance: Float1D, rule: Float1D, folds: Int1D) -> Any:
    """Function of n that gives every problem's unbiased chance that the delivered sample is right."""
    rows = samples.audited & samples.passed
    rate = (samples.passing / samples.size)[samples.problem]
    spread = float(np.std(rule)) or 1.0
    design = np.column_stack([np.ones(len(rule)), rate, (rule - rule.mean()) / spread])
    guess = np.zeros(len(rule))
    fold_of_row = folds[samples.problem]
    for fold in range(_FOLDS):
        train, test = rows & (fold_of_row != fold), fold_of_row == fold
        if train.any():
            x, w = design[train], 1.0 / chance[train]
            w = w / w.mean()
            beta = np.linalg.solve(x.T @ (w[:, None] * x) + np.eye(3), x.T @ (w * samples.audit[train]))
            guess[test] = design[test] @ beta
    value = guess.copy()
    value[rows] += (samples.audit[rows] - guess[rows]) / chance[rows]
    value = np.where(samples.passed, value, 0.0)

    def contributions(ns: Int1D) -> Float2D:
        omega = delivery_weights(samples.problem, samples.passed, rule, ns)
        out = np.empty((samples.n_problems, len(ns)))
        for column in range(len(ns)):
            out[:, column] = np.bincount(samples.problem, omega[:, column] * value, samples.n_problems)
        return out

    return contributions


def _best_n(
    samples: _Samples,
    contributions: Any,
    score: str | None,
    wrong_costs: float,
    sample_costs: float,
    units: float,
    inflation: float,
    level: float,
    generator: np.random.Generator,
    ks: Int1D,
) -> tuple[tuple[int, ...], Band]:
    """Numbers of samples that may be best, and the utility at the k of the table."""
    fewest = int(samples.size.min())
    ns = np.unique(np.r_[np.arange(1, min(fewest, _MOST_N) + 1), ks]).astype(np.int64)
    right, delivered = contributions(ns), pass_rows(samples.size, samples.passing, ns)
    if score is None:
        # One stops at the first sample that passes.
        cost = sample_costs * expected_samples(samples.size, samples.passing, ns)
    else:
        cost = np.broadcast_to(sample_costs * ns, right.shape)
    rows = samples.audited & samples.passed
    count = samples.count(rows)
    good = np.bincount(samples.problem[rows], samples.audit[rows], samples.n_problems) / np.maximum(count, 1)
    unseen = unseen_errors(samples.passing / samples.size, (count > 0).astype(float), good, delivered)
    mean, covariance, sets = best_of_n_utility(
        right, delivered, cost, wrong_costs, max(units - 1.0, 1.0), level, generator, inflation, unseen
    )
    at = np.searchsorted(ns, ks)
    error = np.sqrt(np.diag(covariance))[at]
    band = Band(
        mean[at], error, mean[at] - sets.critical * error, mean[at] + sets.critical * error, sets.critical
    )
    return tuple(int(n) for n in ns[sets.may_be_best]), band


def _verdict(
    ks: Int1D,
    parts: list[tuple[str, Band]],
    exact: bool,
    score: str | None,
    wrong_costs: float | None,
    best: tuple[int, ...],
) -> Verdict:
    bands = dict(parts)
    last, k = len(ks) - 1, int(ks[-1])
    found = bands["pass"]
    if exact:
        tests = percent(bands["pass_by_tests"].estimate[last])
        head = say("pass_at_k_audited", k=k, tests=tests, **_share_words(found, last))
    else:
        head = say("pass_range", k=k, low=percent(found.low[last]), high=percent(found.high[last]))
    rule = "first that passes" if score is None else f"passing one with the best {score}"
    text = [
        head.sentence,
        say(
            "delivered",
            rule=rule,
            right=percent(bands["best_of_n"].estimate[last]),
            wrong=percent(bands["wrong"].estimate[last]),
        ).sentence,
    ]
    if wrong_costs is not None and best:
        words = {0.0: "nothing", 1.0: "as much as a right one brings", 2.0: "twice a right one"}
        cost = words.get(float(wrong_costs), f"{wrong_costs:g} right ones")
        contiguous = best[-1] - best[0] + 1 == len(best)
        if len(best) == 1:
            tries = f"{best[0]} {'try' if best[0] == 1 else 'tries'}"
        elif contiguous:
            tries = f"{best[0]} to {best[-1]} tries"
        else:
            tries = f"numbers between {best[0]} and {best[-1]} tries"
        text.append(say("best_n", cost=cost, tries=tries, are="is" if best == (1,) else "are").sentence)
    return Verdict(head.code, " ".join(text))


def _guarantee(
    samples: _Samples, design: AuditDesign, n_audited: int, failing: bool, level: float
) -> Guarantee:
    what = "problems were" if design == "problems" else "passing samples were"
    checks = [
        f"{what} audited at random, or with the probabilities given, and audits did not stop at the first right sample"
    ]
    checks.append("audits of failing samples are random too" if failing else "a sample that fails is wrong")
    checks.append(
        "the number of samples was fixed before the results, and problems do not depend on each other"
    )
    return Guarantee(
        holds=f"about {100 * level:g} of 100 such bands contain the whole curve for all problems like these",
        check=tuple(checks),
        details=(
            "What is delivered is linear in the audits and unbiased for any design with known probabilities",
            "pass@k needs audits of several samples of the same problem: one audit a problem does not determine it",
            f"Audited problems that something passed: {n_audited}; folds of the guess are by problem",
        ),
        kind="asymptotic",
        n_reference=n_audited,
        citation="Brown et al. (2024), arXiv 2407.21787; Stroebl, Kapoor and Narayanan (2024), arXiv 2411.17501",
        confidence_level=level,
    )
