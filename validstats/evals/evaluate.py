"""``evaluate``: how good one system is, with error bars, overall and by category."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, get_args

import numpy as np

from validstats._typing import Bool1D, Float1D, RandomState
from validstats.evals.agreement import agreement
from validstats.evals.doctor import check_skewness, unseen_tail
from validstats.evals.inputs import Errors, EvalInput, Population, load
from validstats.evals.judged import judged_mean
from validstats.evals.readers import Check, EvalFileError, check_names, codes_of
from validstats.evals.results import EvaluationResult, inputs_of_data
from validstats.evals.sentences import Verdict, percent, say, score_words
from validstats.evals.statistics import (
    cluster_mean,
    effective_score_interval,
    no_spread,
    simultaneous_level,
    t_quantile,
)
from validstats.guarantee import Guarantee
from validstats.intake import check_confidence_level, check_literal, check_random_state, read_array
from validstats.results import NotApplicable, rounded

__all__ = ["evaluate"]

_Units: TypeAlias = dict[str, Float1D | None]

_CITATION = "Miller (2024), Adding error bars to evals, arXiv 2411.00640"
_JUDGED_CITATION = "Egami, Hinck, Stewart and Wei (2023), arXiv 2306.04746"


def evaluate(
    data: Any,
    *,
    score: str | None = None,
    judge: str | Sequence[str] | None = None,
    human: str | None = None,
    system: str | None = None,
    item: str | None = None,
    by: str | None = None,
    clusters: Any = None,
    sampling_probability: Any = None,
    strata: Any = None,
    features: Sequence[str] = (),
    weights: Any = None,
    filter: str | None = None,
    errors: Errors = "fail",
    population: Population = "superpopulation",
    confidence_level: float = 0.95,
    random_state: RandomState = None,
) -> EvaluationResult:
    """Estimate how good one system is.

    With human labels of some answers the judge's verdicts of all answers are corrected; the answer is what humans
    would say, however good or bad the judge. Without them scores are averaged, with items (or coarser clusters) as
    units.

    Parameters
    ----------
    data : str, Path, data frame, mapping of str to array-like, EvalTable, or sequence of these
        Scores, as for :func:`validstats.evals.read`.
    score : str or None, default None
        Column of automatic scores of a benchmark. None where there is one only.
    judge : str, sequence of str or None, default None
        Column of a judge's verdicts; None where there is one only. Several judges are combined: labels are compared within
        cells of equal verdicts of all of them, or, where a combination expects fewer than five labels, within bins of
        their mean rank.
    human : str or None, default None
        Column of human scores, missing where an answer was not labelled.
    system : str or None, default None
        Which system, where the data hold several.
    item : str or None, default None
        Column that names the items.
    by : str or None, default None
        Column of categories, each of which gets a row.
    clusters : str, array-like of shape (n,) or None, default None
        Dependent items (a passage with several questions); None takes items.
    sampling_probability : str, float, array-like of shape (n,) or None, default None
        Probability with which an answer was to be labelled; None asserts a simple random sample.
    strata : str, array-like of shape (n,) or None, default None
        Groups within which a fixed number of answers was labelled, in place of ``sampling_probability``.
    features : sequence of str, default ()
        Columns that are known of every answer and may tell what humans would say (a topic, a length), beside the judge's
        verdict. They narrow intervals of scores without bounds, of weighted items, and of labels drawn inside clusters; other
        answers are compared within cells of equal verdict alone, and a note says so.
    weights : str, array-like of shape (n,) or None, default None
        Share of the target population that an item stands for; never a sampling probability.
    filter : str or None, default None
        Of a log with several filters, the one to use.
    errors : {"fail", "drop"}, default "fail"
        What becomes of rows in which the tool failed.
    population : {"superpopulation", "finite"}, default "superpopulation"
        Whether the statement is about all items like these, or about these items.
    confidence_level : float, default 0.95
        Level of the intervals.
    random_state : int, numpy.random.Generator or None, default None
        Seed of the folds and draws; None is a fixed one.

    Returns
    -------
    EvaluationResult
        The answer, with the judge's agreement in ``judge``.

    Raises
    ------
    EvalFileError
        If the data cannot be read, or would give a wrong number; the message says what to do.
    ValueError
        If an option is out of range.

    References
    ----------
    Miller (2024), arXiv 2411.00640. Egami, Hinck, Stewart and Wei (2023), arXiv 2306.04746.

    Examples
    --------
    >>> from validstats import evals
    >>> print(evals.evaluate({"score": [1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 1, 1]}).answer)
    The pass rate is 83.3 % (50.6 to 96.1 %)
    """
    level = float(check_confidence_level(confidence_level))
    check_literal(population, "population", get_args(Population))
    check_names(system=system, by=by)
    # ``system`` is a column where the data have it, else a name in the data's own column of systems.
    inputs = load(
        data,
        score=score,
        judge=judge,
        human=human,
        item=item,
        clusters=clusters,
        sampling_probability=sampling_probability,
        strata=strata,
        features=features,
        weights=weights,
        filter=filter,
        errors=errors,
        one_system=(system,),
    )
    name = inputs.system_names[0] if inputs.table.has("system") else ""
    categories = [] if by is None else _categories(inputs, by)
    parts = [("all", inputs), *((title, inputs.rows(members)) for title, members in categories)]
    bounds = (0.0, 1.0) if inputs.in_unit_range else None
    rows = [
        _estimate(part, bounds, level, population, random_state, category=k > 0)
        for k, (_, part) in enumerate(parts)
    ]
    overall = rows[0]
    found = agreement(inputs, level, random_state) if inputs.judged else None
    verdict = _verdict(inputs, overall, name, bounds is not None)
    alone = np.array([_alone(part) for _, part in parts]) if inputs.further else np.zeros((len(parts), 0))
    if categories:
        estimated = [(*category, row) for category, row in zip(categories, rows[1:], strict=True)]
        verdict = _with_worst(verdict, inputs, estimated, level, bounds is not None, random_state)
    units = _units_of_means(parts, rows)
    skewed = [c for each in units for c in check_skewness(each, level, "scores", judged=inputs.judged)]
    hidden = next((words for each in units if (words := unseen_tail(each, "scores"))), "")
    return EvaluationResult(
        guarantee=_guarantee(inputs, level, population, hidden),
        backend=inputs.backend,
        verdict=verdict,
        checks=tuple(dict.fromkeys([*inputs.checks, *_findings(inputs, overall), *skewed])),
        inputs=inputs_of_data(inputs),
        options={
            "confidence_level": level,
            "population": population,
            "errors": errors,
            "clusters": inputs.clustered_by,
        },
        study=overall.study,
        judge=found if found is not None else NotApplicable("there is no judge that humans checked"),
        terms=tuple(title for title, _ in parts),
        estimates=np.array([r.estimate for r in rows]),
        std_errors=np.array([r.std_error for r in rows]),
        lows=np.array([r.low for r in rows]),
        highs=np.array([r.high for r in rows]),
        judge_estimates=np.array([r.judge for r in rows]),
        human_estimates=np.array([r.humans for r in rows]),
        each_judge=dict(zip(inputs.judges, alone.T, strict=False)),
        n_items=np.array([len(part.item_names) for _, part in parts]),
        n_human=np.array([int(part.labelled.sum()) for _, part in parts]),
        share=bounds is not None,
        title=f"Evaluation of {name}" if name else "Evaluation",
        measure=_measure(inputs, bounds is not None),
    )


def _categories(data: EvalInput, by: str) -> list[tuple[str, Bool1D]]:
    """Names of the categories of a column, in their order, and the rows of each."""
    codes, names = codes_of(read_array(data.table.column(by), f"by={by!r}", dates=True))
    titles = [name or "(missing)" for name in names]
    order = sorted(range(len(titles)), key=lambda k: str(titles[k]))
    return [(str(titles[k]), codes == k) for k in order]


def _units_of_means(parts: list[tuple[str, EvalInput]], rows: list[_Estimate]) -> list[_Units]:
    """What independent units add to means of numbers without bounds, by name: to that of all rows, and to those of categories."""
    if parts[0][1].in_unit_range:
        return []
    units: _Units = {}
    for (title, part), row in zip(parts, rows, strict=True):
        units[repr(title) if units else ""] = (
            part.sums_by_labelled_unit(row.study.influence[:, 0]) if row.study is not None else row.influence
        )
    return [{"": units.pop("")}, units]


def _findings(data: EvalInput, overall: _Estimate) -> list[Check]:
    """What is to be said of an estimate beside what is wrong with the data."""
    found = []
    if data.features and (overall.study.interval_name != "normal" or overall.study.estimator == "gold"):
        unused = "features= are not used: answers are compared within cells of equal verdict, or labels are too few to learn from."
        found.append(Check("features-unused", "warning", unused))
    units = int(data.cluster.max()) + 1
    if units < 10:
        few = f"There are {units} independent units ({data.clustered_by}) only; intervals are approximate."
        found.append(Check("few-clusters", "warning", few))
    return found


def _alone(data: EvalInput) -> list[float]:
    """What each of several judges alone says; NaN where it says nothing."""
    weight = np.ones(len(data.score)) if data.weight is None else data.weight
    known = [(score, ~np.isnan(score)) for score in data.judges.values()]
    return [
        float(np.average(score[there], weights=weight[there])) if there.any() else float("nan")
        for score, there in known
    ]


def _measure(data: EvalInput, share: bool) -> str:
    return "pass rate" if data.binary and share else "mean score"


@dataclass(frozen=True, eq=False)
class _Estimate:
    """What one row of the table rests on."""

    estimate: float
    std_error: float
    low: float
    high: float
    judge: float = float("nan")
    humans: float = float("nan")
    study: Any = None
    degrees_of_freedom: float = 1.0
    influence: Float1D | None = None
    """Deviation that each unit adds to the estimate."""
    ends: Callable[[float], tuple[float, float]] | None = None
    """Interval at any level; None where nothing is known."""


def _estimate(
    data: EvalInput,
    bounds: tuple[float, float] | None,
    level: float,
    population: Population,
    random_state: RandomState,
    category: bool,
) -> _Estimate:
    """Estimate and interval of some rows; a category of one unit is open where a whole would be refused."""
    nan = float("nan")
    open_low, open_high = bounds or (-np.inf, np.inf)
    if data.human is not None:
        if not data.labelled.any():
            return _Estimate(nan, nan, open_low, open_high, judge=float(np.nanmean(data.score)))
        if (
            category
            and len(np.unique(data.cluster[data.labelled])) == 1
            and data.cluster.max() + 1 < max(len(data.cluster), 2)
        ):
            # One unit with labels says nothing about others.
            judge, known = float(np.nanmean(data.score)), float(np.nanmean(data.human))
            return _Estimate(known, nan, open_low, open_high, judge=judge, humans=known)
        found = judged_mean(
            data,
            confidence_level=level,
            population=population,
            random_state=random_state,
            bounds=bounds,
            binary=data.binary,
        )
        return _Estimate(
            found.estimate,
            found.std_error,
            found.conf_low,
            found.conf_high,
            found.judge_estimate,
            found.human_estimate,
            found.study,
            max(len(np.unique(data.cluster[data.labelled])) - 1.0, 1.0),
            _by_unit(data, found.study.influence),
            found.ends,
        )
    mean = cluster_mean(data.score, data.cluster, data.weight)
    n, df, std_error = mean.effective_units, mean.degrees_of_freedom, mean.std_error
    if population == "finite":
        std_error, n, df = _sampling_error(data)
    elif len(mean.weights) == 1:
        if category:
            return _Estimate(mean.estimate, nan, open_low, open_high)
        raise EvalFileError(
            f"All rows belong to one unit ({data.clustered_by}); nothing can be said about others. Cluster by something finer."
        )

    def ends(at: float) -> tuple[float, float]:
        critical = t_quantile(at, df)
        if bounds is not None:
            low, high = effective_score_interval(mean.estimate, std_error, n, critical)
            return float(low), float(high)
        if no_spread(mean.estimate, std_error):
            return -np.inf, np.inf
        return mean.estimate - critical * std_error, mean.estimate + critical * std_error

    deviation = (mean.contributions - mean.estimate) / len(mean.contributions)
    return _Estimate(
        mean.estimate, std_error, *ends(level), degrees_of_freedom=df, influence=deviation, ends=ends
    )


def _by_unit(data: EvalInput, influence: Any) -> Float1D | None:
    """Sums of influence values over the rows of each unit."""
    if influence is None:
        return None
    return np.bincount(data.cluster, np.asarray(influence)[:, 0]) / len(data.score)


def _sampling_error(data: EvalInput) -> tuple[float, float, float]:
    """Standard error over repeated samples of these items alone, effective items and degrees of freedom."""
    count = np.bincount(data.item)
    if count.min() < 2:
        raise EvalFileError(
            "population='finite' means these items alone, whose scores are known exactly: there is no uncertainty with one "
            "sample an item. It takes two or more samples of every item."
        )
    mean = np.bincount(data.item, data.score) / count
    within = np.bincount(data.item, (data.score - mean[data.item]) ** 2) / (count - 1)
    # Weighted by rows, as the estimate is: sum count_i within_i / n^2.
    n = len(data.score)
    return float(np.sqrt(np.sum(count * within)) / n), float(n), float(n - len(count))


def _verdict(data: EvalInput, row: _Estimate, name: str, share: bool) -> Verdict:
    noun = _measure(data, share)
    if name:
        noun = f"{noun} of {name}"
    estimate, low, high, judge = row.estimate, row.low, row.high, row.judge
    if not np.isfinite(estimate):
        return say("no_labels", noun=noun)
    value = score_words(estimate, low, high, share)
    if not np.isfinite(judge):
        return say("estimate", noun=noun, value=value)
    code = "judge_lenient" if judge > high else "judge_strict" if judge < low else "judge_within"
    words = percent(judge) if share else rounded(judge, (high - low) / 2)
    who = f"The first judge ({data.score_name})" if data.further else "The judge"
    return say(code, noun=noun, value=value, judge=words, who=who)


def _with_worst(
    verdict: Verdict,
    data: EvalInput,
    categories: list[tuple[str, Bool1D, _Estimate]],
    level: float,
    share: bool,
    random_state: RandomState,
) -> Verdict:
    """The verdict with words on the worst category, whose interval holds for all categories at once."""
    known = [each for each in categories if each[2].ends is not None and each[2].influence is not None]
    if not known:
        return verdict
    # Influence values of all categories by unit of the whole: categories that share units depend on each other.
    influence = np.zeros((int(data.cluster.max()) + 1, len(known)))
    for column, (_, rows, found) in enumerate(known):
        influence[np.unique(data.cluster[rows]), column] = found.influence
    joint = simultaneous_level(
        influence.T @ influence,
        np.array([found.degrees_of_freedom for _, _, found in known]),
        level,
        check_random_state(0 if random_state is None else random_state),
    )
    title, _, worst = min(known, key=lambda each: each[2].estimate)
    assert worst.ends is not None
    value = score_words(worst.estimate, *worst.ends(joint), share)
    return Verdict(
        verdict.code,
        f"{verdict.sentence} The lowest category is {title}: {value}, allowing for {len(known)} categories.",
    )


def _guarantee(data: EvalInput, level: float, population: Population, hidden: str) -> Guarantee:
    share = f"{100 * level:g}"
    these = "these items" if population == "finite" else "all items like these"
    units = int(data.cluster.max()) + 1
    if data.judged:
        judges = "the judges" if data.further else "the judge"
        how = f"the {int(data.labelled.sum()):,} labelled answers were drawn at random"
        if data.strata is not None:
            how += " within the strata"
        elif data.probability is not None:
            how = "answers were labelled with the probabilities that were given"
        return Guarantee(
            holds=(
                f"however good or bad {judges}, about {share} of 100 such intervals contain the score that humans would give "
                f"to {these}"
            ),
            check=(
                how,
                "the humans judge what you mean by a pass",
                f"units ({data.clustered_by}) do not depend on each other{hidden}; this is the first look",
            ),
            details=(
                "The estimate is the mean of the cross-fitted judge plus the weighted human correction",
                "The interval is a score interval with the effective number of labelled units, exact in the limit",
            ),
            kind="asymptotic",
            n_reference=int(data.labelled.sum()),
            citation=_JUDGED_CITATION,
            confidence_level=level,
        )
    return Guarantee(
        holds=f"about {share} of 100 such intervals contain the mean score over {these}",
        check=(
            f"units ({data.clustered_by}) do not depend on each other{hidden}",
            "items stand for those that you care about",
            "this is the first look at these items",
        ),
        details=(
            f"The unit is the {data.clustered_by}; repeated samples count as one unit",
            "The interval is a score interval with the sample size that the clustered standard error implies and a t "
            "quantile; it is approximate with few units",
        ),
        kind="asymptotic",
        n_reference=units,
        citation=_CITATION,
        confidence_level=level,
    )
