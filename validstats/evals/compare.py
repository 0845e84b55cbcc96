"""``compare``: whether one system is better than another, with an interval and a p-value that agree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
from scipy import stats

from validstats._typing import Bool1D, Float1D, RandomState
from validstats.evals.agreement import agreement
from validstats.evals.doctor import MOST_LEFT_OUT, check_skewness, unseen_tail
from validstats.evals.inputs import Errors, EvalInput, Population, item_matrix, library_of, load
from validstats.evals.judged import JudgedMean, judged_mean, judged_systems, score_p_value
from validstats.evals.ledger import LedgerComparisonResult, compare_through_ledger
from validstats.evals.readers import Check, EvalFileError, EvalTable, check_names, codes_of, read
from validstats.evals.results import ComparisonResult, inputs_of_data
from validstats.evals.sentences import Verdict, difference_words, needed, points, say
from validstats.evals.statistics import (
    PairedAnswer,
    PairedInterval,
    agresti_caffo,
    cluster_mean,
    consistent_answer,
    detectable_difference,
    direction_code,
    effective_score_interval,
    paired_binary,
    pointwise,
    sign_flip_p_value,
    t_quantile,
    welch_difference,
)
from validstats.guarantee import Guarantee
from validstats.intake import (
    check_confidence_level,
    check_in_range,
    check_literal,
    check_positive_int,
    check_random_state,
    is_frame,
)
from validstats.results import NotApplicable

__all__ = ["compare"]

_BOTH_LABELLED = 0.80
"""Share of labelled items that must have labels of both systems for a comparison of differences."""


@dataclass(frozen=True, eq=False)
class _Difference:
    """A difference with its method, before words are found for it."""

    answer: PairedAnswer
    std_error: float
    mean_a: float
    mean_b: float
    n_items: int
    n_discordant: int
    method: str
    units: str
    study: Any = None
    judge_difference: float = math.nan
    flips: float = math.nan
    units_of_means: dict[str, Float1D] = field(default_factory=dict)
    """By name, what each independent unit adds to a mean on which a t interval rests."""


def compare(
    data: Any,
    a: Any = None,
    b: Any = None,
    *,
    candidate: str | None = None,
    baseline: str | None = None,
    score: str | None = None,
    judge: str | Sequence[str] | None = None,
    human: str | None = None,
    item: str | None = None,
    system: str | None = None,
    clusters: Any = None,
    sampling_probability: Any = None,
    strata: Any = None,
    weights: Any = None,
    filter: str | None = None,
    errors: Errors = "fail",
    margin: float = 0.0,
    interval: PairedInterval = "buehler",
    unpaired: str | None = None,
    looks: int | None = None,
    ledger: Any = None,
    population: Population = "superpopulation",
    confidence_level: float = 0.95,
    random_state: RandomState = None,
) -> ComparisonResult | LedgerComparisonResult:
    """Compare a candidate with a baseline on the items that both answered.

    Parameters
    ----------
    data : str, Path, data frame, mapping of str to array-like, EvalTable, or sequence of these
        Scores, as for :func:`validstats.evals.read`; two files are given as a list, or as ``data`` and ``a``.
    a, b : str, path or None, default None
        Candidate and baseline: names of systems, or of two columns of scores. None takes the two systems there are,
        the first one as candidate.
    candidate, baseline : str or None, default None
        Other words for ``a`` and ``b``.
    score, judge, human, item, clusters, sampling_probability, strata, weights, filter, errors, population
        As for :func:`validstats.evals.evaluate`.
    system : str or None, default None
        Column that names the systems.
    margin : float, default 0.0
        Difference that does not matter, on the scale of the scores.
    interval : {"buehler", "bonett-price"}, default "buehler"
        Interval of paired 0/1 scores: exact, or the adjusted Wald interval.
    unpaired : {"ok"} or None, default None
        ``"ok"`` accepts that more than a tenth of the items was answered by one system only.
    looks : int or None, default None
        Number of comparisons that were fixed beforehand, none in the light of another; the level is shared out among
        them. None is 1. With ``ledger`` the number that its budget is declared for; None is what was declared, or 100.
    ledger : str, Path, Ledger or None, default None
        Ledger (``validstats holdout create FILE``) of many comparisons on these items, each perhaps in the light of
        those before: a gate on every commit. The result is then one word (better, worse, undecided) without any
        number. Items are known by their names; items that are only numbered are known in this ledger alone.
    confidence_level : float, default 0.95
        Level of the interval.
    random_state : int, numpy.random.Generator or None, default None
        Seed of random sign flips; None is a fixed one.

    Returns
    -------
    ComparisonResult or LedgerComparisonResult
        Difference a - b; its verdict is about a. With ``ledger`` the verdict alone.

    Raises
    ------
    EvalFileError
        If the data cannot be read, or would give a wrong number.
    ValueError
        If an option is out of range.
    BudgetExhaustedError, LedgerError
        If the ledger has nothing left, is missing, or belongs to other items.

    References
    ----------
    Buehler (1957), JASA 52, 482. Bonett and Price (2012), JEBS 37, 479. Miller (2024), arXiv 2411.00640.

    Examples
    --------
    >>> from validstats import evals
    >>> new = [1] * 30 + [0] * 10
    >>> old = [1] * 18 + [0] * 22
    >>> print(evals.compare({"new": new, "old": old}, "new", "old").answer)
    new beats old by 30.0 points (13.5 to 46.7; p < .001) on 40 shared items
    """
    level = float(check_confidence_level(confidence_level))
    check_literal(population, "population", get_args(Population))
    check_literal(interval, "interval", get_args(PairedInterval))
    check_in_range(margin, "margin", 0.0)
    check_positive_int(1 if looks is None else looks, "looks")
    if unpaired not in (None, "ok"):
        raise ValueError(f"unpaired must be None or 'ok', got {unpaired!r}.")
    if ledger is not None and margin > 0.0:
        raise ValueError(
            f"ledger= tells which system is better, without a margin; leave margin={margin!r} out."
        )
    n_looks = 1 if looks is None else looks
    single = 1.0 - (1.0 - level) / n_looks  # Bonferroni over comparisons that were fixed beforehand
    check_names(candidate=candidate, baseline=baseline, system=system, human=human)
    data, name_a, name_b = _sources(data, candidate or a, baseline or b)
    library = library_of(data)
    data, columns = _two_columns(data, name_a, name_b, system, human)
    inputs = load(
        data,
        score=score if not columns else None,
        judge=judge,
        human=human,
        item=item,
        system="system" if columns else system,
        clusters=clusters,
        sampling_probability=sampling_probability,
        strata=strata,
        weights=weights,
        filter=filter,
        errors=errors,
    )
    inputs, name_a, name_b = _two_systems(inputs, name_a, name_b)
    paired, checks, shared = _shared_items(inputs, unpaired)
    if ledger is not None:
        if not shared:
            raise EvalFileError("ledger= compares systems on items that both answered; there are none.")
        return compare_through_ledger(replace(paired, backend=library), name_a, name_b, ledger, looks, level)
    found = _difference(paired if shared else inputs, shared, single, interval, population, random_state)
    agreed = agreement(paired if shared else inputs, level, random_state) if inputs.judged else None
    share = inputs.in_unit_range
    what = "differences" if shared else "scores"
    checks += check_skewness(found.units_of_means, single, what, judged=inputs.judged, bounded=share)
    code = direction_code(found.answer.conf_low, found.answer.conf_high, margin)
    detectable, wanted = _reach(found)
    return ComparisonResult(
        guarantee=_guarantee(paired if shared else inputs, level, n_looks, found, shared),
        backend=library,
        verdict=_verdict(code, name_a, name_b, found, margin, detectable, wanted, share),
        checks=tuple(dict.fromkeys([*inputs.checks, *checks])),
        inputs=inputs_of_data(inputs),
        options={
            "confidence_level": level,
            "looks": n_looks,
            "margin": margin,
            "population": population,
            "errors": errors,
            "clusters": inputs.clustered_by,
        },
        study=found.study,
        judge=agreed if agreed is not None else NotApplicable("there is no judge that humans checked"),
        a=name_a,
        b=name_b,
        estimate=found.answer.estimate,
        std_error=found.std_error,
        conf_low=found.answer.conf_low,
        conf_high=found.answer.conf_high,
        p_value=found.answer.p_value,
        mean_a=found.mean_a,
        mean_b=found.mean_b,
        n_items=found.n_items,
        n_discordant=found.n_discordant,
        margin=float(margin),
        detectable=detectable,
        needed_items=wanted,
        share=share,
        method=found.method,
        naive_difference=found.judge_difference,
        sign_flip_p_value=found.flips,
    )


def _reach(found: _Difference) -> tuple[float, float]:
    """The difference that so many items can find, and how many items would find the one that was seen."""
    answer = found.answer
    half = (answer.conf_high - answer.conf_low) / 2.0
    detectable = detectable_difference(half, found.std_error if found.std_error > 0 else half / 2.0)
    if answer.estimate == 0 or found.std_error <= 0:
        return detectable, math.inf
    # intervals shrink with the root of the number of items
    return detectable, found.n_items * (detectable / answer.estimate) ** 2


def _sources(data: Any, a: Any, b: Any) -> tuple[Any, Any, Any]:
    """Two files may be given as ``data`` and ``a``; the first one is the candidate."""
    second = isinstance(a, Path | EvalTable) or is_frame(a)
    if isinstance(a, str) and b is None and isinstance(data, str | Path) and Path(a).is_file():
        second = True
    return ([data, a], None, b) if second else (data, a, b)


def _two_columns(data: Any, a: Any, b: Any, system: str | None, human: str | None) -> tuple[Any, bool]:
    """Two columns of scores, one row an item, become two systems."""
    if a is None or b is None or system is not None:
        return data, False
    try:
        table = read(data)
    except EvalFileError:  # read again with the columns that the caller names, which says what is wrong
        return data, False
    columns = list(table.frame.columns)
    if table.has("system") or a not in columns or b not in columns:
        return data, False
    import pandas as pd

    rest = table.frame.drop(columns=[c for c in dict.fromkeys([a, b]) if c in table.frame.columns])
    parts = []
    for name in (a, b):
        part = rest.copy()
        part["system"], part["score"] = str(name), table.values(name)
        parts.append(part)
    roles = {
        k: v
        for k, v in table.roles.items()
        if v not in (a, b) and k in ("item", "sample", "probability", "error")
    }
    long = EvalTable(
        frame=pd.concat(parts, ignore_index=True),
        format=table.format,
        roles={**roles, "system": "system", "judge": "score"},
        scores=("score",),
        clusters=table.clusters,
        categories=table.categories,
        checks=tuple(c for c in table.checks if c.code != "no-items"),
        files=table.files,
        origin=np.tile(table.origins[0], 2),
        n_read=table.origins[1],
        index=table.index,
    )
    return long, True


def _two_systems(inputs: EvalInput, a: Any, b: Any) -> tuple[EvalInput, str, str]:
    """The rows of candidate and baseline, which become systems 0 and 1."""
    names = inputs.system_names
    if a is None and b is None:
        if len(names) != 2:
            raise EvalFileError(
                f"There are {len(names)} systems ({', '.join(map(repr, names[:8]))}); name two of them, or call rank."
            )
        a, b = names
    elif a is None or b is None:
        given = a if b is None else b
        others = [n for n in names if n != str(given)]
        if len(names) != 2 or str(given) not in names:
            raise EvalFileError(
                f"One system of several was named ({given!r}); name both of {', '.join(map(repr, names))}."
            )
        a, b = (given, others[0]) if b is None else (others[0], given)
    if str(a) == str(b):
        raise EvalFileError(f"Candidate and baseline are the same system, {str(a)!r}.")
    first, second = inputs.system_code(a, "a"), inputs.system_code(b, "b")
    kept = inputs.rows((inputs.system == first) | (inputs.system == second))
    kept = replace(kept, system=(kept.system == second).astype(np.int64), system_names=[str(a), str(b)])
    return kept, str(a), str(b)


def _shared_items(inputs: EvalInput, unpaired: str | None) -> tuple[EvalInput, list[Check], bool]:
    """Rows of the items that both answered; too many others are refused."""
    present = np.zeros((len(inputs.item_names), 2), dtype=bool)
    present[inputs.item, inputs.system] = True
    both: Bool1D = np.asarray(present.all(axis=1))
    if not both.any():
        note = Check(
            "no-shared-items",
            "warning",
            "No item was answered by both systems; they are compared as two samples.",
        )
        return inputs, [note], False
    alone = int((~both).sum())
    if alone == 0:
        return inputs, [], True
    lost = [str(inputs.item_names[i]) for i in np.flatnonzero(~both)[:5]]
    share = alone / len(both)
    if share > MOST_LEFT_OUT and unpaired != "ok":
        raise EvalFileError(
            f"{alone} of {len(both)} items ({share:.0%}) were answered by one system only (for example "
            f"{', '.join(map(repr, lost))}). Run both on all items, or pass unpaired='ok' to leave these out."
        )
    note = Check(
        "items-left-out",
        "note",
        f"{alone} items were answered by one system only and are left out: {', '.join(lost)}.",
    )
    return inputs.rows(both[inputs.item]), [note], True


def _difference(
    data: EvalInput,
    shared: bool,
    level: float,
    interval: PairedInterval,
    population: Population,
    random_state: RandomState,
) -> _Difference:
    """The difference by the method that fits: exact pairs, sign flips, two samples, or a judge with humans."""
    if data.judged:
        return _judged(data, shared, level, population, random_state)
    if not shared:
        return _two_samples(data, level)
    n_items = len(data.item_names)
    scores, counts = item_matrix(data.score, data.item, data.system, n_items, 2)
    means = scores.mean(axis=0)
    cluster_of_item = np.zeros(n_items, dtype=np.int64)
    cluster_of_item[data.item] = data.cluster
    weight = None
    if data.weight is not None:
        weight = np.bincount(data.item, data.weight) / np.bincount(data.item)
        means = np.average(scores, axis=0, weights=weight)
    independent = int(cluster_of_item.max()) + 1 == n_items
    d = scores[:, 0] - scores[:, 1]
    discordant = int(np.count_nonzero(d))
    size = data.table.values("size") if data.table.has("size") else np.ones(1)
    if data.binary and counts.max() == 1 and size.max() == 1 and independent and weight is None:
        wins, losses = int((d > 0).sum()), int((d < 0).sum())
        answer = paired_binary(wins, losses, n_items, level, interval)
        sd = float(np.std(d, ddof=1)) if n_items > 1 else 0.0
        name = "Buehler's bound" if interval == "buehler" else "Bonett and Price"
        return _Difference(
            answer,
            sd / math.sqrt(n_items),
            float(means[0]),
            float(means[1]),
            n_items,
            discordant,
            f"exact McNemar test and {name}",
            "shared items",
        )
    mean = cluster_mean(d, cluster_of_item, weight)
    answer, flips = _clustered_answer(
        mean, cluster_of_item, d, weight, level, data.in_unit_range, random_state
    )
    return _Difference(
        answer,
        mean.std_error,
        float(means[0]),
        float(means[1]),
        n_items,
        discordant,
        f"t interval over {len(mean.weights)} units ({data.clustered_by}), sign flips",
        "shared items",
        flips=flips,
        units_of_means={"": mean.contributions},
    )


def _clustered_answer(
    mean: Any,
    cluster: Any,
    d: Float1D,
    weight: Float1D | None,
    level: float,
    bounded: bool,
    random_state: RandomState,
) -> tuple[PairedAnswer, float]:
    """A t interval with its p-value, and the exact p-value of sign flips where they disagree about 0."""
    if len(mean.weights) == 1:
        raise EvalFileError(
            "All items belong to one unit; nothing can be said about others. Cluster by something finer."
        )
    df = len(mean.weights) - 1.0 if weight is None else mean.degrees_of_freedom
    critical, se = t_quantile(level, df), mean.std_error
    low, high = mean.estimate - critical * se, mean.estimate + critical * se
    sums = np.bincount(cluster, d if weight is None else d * weight)
    flips = sign_flip_p_value(sums, check_random_state(0 if random_state is None else random_state))
    if se <= 1e-12 * max(1.0, abs(mean.estimate)):
        # No spread is no certainty: a score interval on [-1, 1], nothing without bounds.
        low, high = -math.inf, math.inf
        if bounded:
            ends = effective_score_interval((mean.estimate + 1) / 2, 0.0, mean.effective_units, critical)
            low, high = 2 * float(ends[0]) - 1, 2 * float(ends[1]) - 1
    elif bounded:
        low, high = max(low, -1.0), min(high, 1.0)
    own = 2.0 * float(stats.t.sf(abs(mean.estimate) / se, df)) if se > 0 else 1.0
    if low <= 0.0 <= high:
        # Undecided: never a p-value that rejects.
        return consistent_answer(
            mean.estimate, low, high, max(own, float(np.nextafter(1.0 - level, 2.0))), level
        ), flips
    return consistent_answer(mean.estimate, low, high, own if flips <= 1.0 - level else flips, level), flips


def _two_samples(data: EvalInput, level: float) -> _Difference:
    """Two samples of items, as Welch compares them; scores in [0, 1] with pseudo-units."""
    parts = [data.of_system(s) for s in (0, 1)]
    means = [cluster_mean(p.score, p.cluster, p.weight) for p in parts]
    if min(len(m.weights) for m in means) < 2:
        raise EvalFileError("Each system needs two items or more that do not depend on each other.")
    d = means[0].estimate - means[1].estimate
    bounded = data.in_unit_range
    centre, se, df = (agresti_caffo if bounded else welch_difference)(means[0], means[1])
    half = t_quantile(level, df) * se if se > 0 else math.inf  # no spread is no certainty
    low, high = min(centre - half, d), max(centre + half, d)
    if bounded:
        low, high = max(low, -1.0), min(high, 1.0)
    p_value = 2.0 * float(stats.t.sf(abs(centre) / se, df)) if se > 0 else 1.0
    if low <= 0.0 <= high:
        # the centre is nearer to 0 than the difference: an interval that is drawn out to it may hold 0
        p_value = max(p_value, float(np.nextafter(1.0 - level, 2.0)))
    who = "Agresti and Caffo's" if bounded else "Welch's"
    return _Difference(
        consistent_answer(d, low, high, p_value, level),
        se,
        means[0].estimate,
        means[1].estimate,
        len(data.item_names),
        0,
        f"{who} comparison of two samples: no item is shared",
        "items, none of them shared",
        units_of_means={}
        if bounded
        else {repr(name): m.contributions for name, m in zip(data.system_names, means, strict=True)},
    )


def _judged(
    data: EvalInput, shared: bool, level: float, population: Population, random_state: RandomState
) -> _Difference:
    """Differences of pairs where both were labelled, else the contrast of two judged systems."""
    pairs = _labelled_pairs(data) if shared else None
    n_items = len(data.item_names)
    if pairs is not None:
        bounds = (-1.0, 1.0) if data.in_unit_range else None
        mean = judged_mean(
            _one_verdict(pairs, data),
            confidence_level=level,
            population=population,
            random_state=random_state,
            bounds=bounds,
            null=0.0,
        )
        answer = _from_mean(mean, level)
        means = [judged_mean_of(data, s, level, population, random_state) for s in (0, 1)]
        d = pairs.score
        return _Difference(
            answer,
            mean.std_error,
            means[0],
            means[1],
            n_items,
            int(np.count_nonzero(np.nan_to_num(d))),
            f"differences of pairs, {mean.n_human} of them labelled by humans",
            "shared items",
            mean.study,
            _judge_alone(pairs),
            units_of_means={}
            if bounds is not None
            else {"": pairs.sums_by_labelled_unit(mean.study.influence[:, 0])},
        )
    systems = judged_systems(data, confidence_level=level, population=population, random_state=random_state)
    gap = float(systems.estimate[0] - systems.estimate[1])
    v = systems.covariance
    se = float(np.sqrt(max(v[0, 0] + v[1, 1] - 2 * v[0, 1], 0.0)))
    df = systems.degrees_of_freedom
    units = systems.effective_units
    if data.in_unit_range:
        ends = effective_score_interval((gap + 1) / 2, se / 2, units, t_quantile(level, df))
        low, high = 2 * float(ends[0]) - 1, 2 * float(ends[1]) - 1
        p_value = score_p_value((gap + 1) / 2, se / 2, units, 0.5, df)
    else:
        ends = pointwise(np.array([gap]), np.array([[se**2]]), df, level, None)
        low, high = float(ends[0][0]), float(ends[1][0])
        p_value = 2.0 * float(stats.t.sf(abs(gap) / se, df)) if math.isfinite(low) else 1.0
    return _Difference(
        consistent_answer(gap, low, high, p_value, level),
        se,
        float(systems.estimate[0]),
        float(systems.estimate[1]),
        n_items,
        0,
        f"contrast of two judged systems, {systems.n_human.sum()} answers labelled by humans",
        "shared items" if shared else "items",
        systems.study,
        float(systems.judge_estimate[0] - systems.judge_estimate[1]),
        units_of_means={}
        if data.in_unit_range
        else {"": data.sums_by_labelled_unit(systems.study.influence @ np.array([1.0, -1.0]))},
    )


def judged_mean_of(
    data: EvalInput, system: int, level: float, population: Population, random_state: RandomState
) -> float:
    """Judge-corrected mean of one system."""
    part = data.of_system(system)
    bounds = (0.0, 1.0) if data.in_unit_range else None
    return judged_mean(
        part,
        confidence_level=level,
        population=population,
        random_state=random_state,
        bounds=bounds,
        binary=part.binary,
    ).estimate


def _from_mean(mean: JudgedMean, level: float) -> PairedAnswer:
    low, high, p = mean.conf_low, mean.conf_high, mean.p_value
    if p <= 1.0 - level and low <= 0.0 <= high:
        p = float(np.nextafter(1.0 - level, 2.0))
    return consistent_answer(mean.estimate, low, high, p, level)


def _judge_alone(pairs: EvalInput) -> float:
    """Difference according to the (first) judge alone."""
    known = ~np.isnan(pairs.score)
    weight = None if pairs.weight is None else pairs.weight[known]
    return float(np.average(pairs.score[known], weights=weight)) if known.any() else math.nan


def _one_verdict(pairs: EvalInput, data: EvalInput) -> EvalInput:
    """Differences of several judges as their mean, each in units of its range: nine combinations would be thin cells."""
    if not pairs.further:
        return pairs
    ranges = [np.nanmax(scores) - np.nanmin(scores) for scores in data.judges.values()]
    scaled = np.stack([d / r for d, r in zip(pairs.judges.values(), ranges, strict=True)])
    known = ~np.isnan(scaled)
    count = known.sum(axis=0)
    total = np.where(known, scaled, 0.0).sum(axis=0)
    mean = np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)
    return replace(pairs, score=np.round(mean, 12), further={})


def _labelled_pairs(data: EvalInput) -> EvalInput | None:
    """Differences a - b by item and sample, if most labelled items have both labels and equal probabilities."""
    assert data.human is not None
    sample = (
        data.table.names("sample") if data.table.has("sample") else np.full(len(data.score), "", dtype=object)
    )
    pair, _ = codes_of(data.item.astype(object), sample)
    n_pairs = int(pair.max()) + 1
    rows = np.full((n_pairs, 2), -1, dtype=np.int64)
    if np.bincount(pair * 2 + data.system, minlength=2 * n_pairs).max() > 1:
        return None
    rows[pair, data.system] = np.arange(len(pair))
    complete = (rows >= 0).all(axis=1)
    rows = rows[complete]
    if len(rows) == 0:
        return None
    human = data.human[rows]
    labelled = ~np.isnan(human)
    touched = labelled.any(axis=1)
    if not touched.any() or labelled.all(axis=1).sum() < _BOTH_LABELLED * touched.sum():
        return None
    if data.probability is not None and not np.allclose(
        data.probability[rows[:, 0]], data.probability[rows[:, 1]]
    ):
        return None
    if data.strata is not None and np.any(data.strata[rows[:, 0]] != data.strata[rows[:, 1]]):
        return None
    if data.probability is not None and labelled.all(axis=1).sum() < touched.sum():
        return None
    first = data.rows(np.isin(np.arange(len(pair)), rows[:, 0]))
    order = np.argsort(np.argsort(rows[:, 0], kind="stable"), kind="stable")
    inverse = np.argsort(order)
    score = (data.score[rows[:, 0]] - data.score[rows[:, 1]])[inverse]
    difference = (human[:, 0] - human[:, 1])[inverse]
    further = {
        name: (values[rows[:, 0]] - values[rows[:, 1]])[inverse] for name, values in data.further.items()
    }
    return replace(first, score=score, human=difference, further=further)


def _verdict(
    code: str,
    a: str,
    b: str,
    found: _Difference,
    margin: float,
    detectable: float,
    wanted: float,
    share: bool,
) -> Verdict:
    answer = found.answer
    if code == "worse":
        value = difference_words(-answer.estimate, -answer.conf_high, -answer.conf_low, answer.p_value, share)
        return say("worse", a=a, b=b, value=value, n=f"{found.n_items:,}", units=found.units)
    value = difference_words(answer.estimate, answer.conf_low, answer.conf_high, answer.p_value, share)
    if code == "undecided":
        value = difference_words(answer.estimate, answer.conf_low, answer.conf_high, None, share)
        size = points(abs(answer.estimate), None, share)
        limits = f"These {found.n_items:,} items find differences from {points(detectable, None, share)} up"
        limits += (
            "."
            if answer.estimate == 0
            else f"; {size} {'needs' if size.startswith('1 ') else 'need'} about {needed(wanted)}."
        )
        if not math.isfinite(detectable):
            limits = f"The differences of these {found.n_items:,} items are all alike, so nothing is known of their spread."
        return say("undecided", value=value, limits=limits)
    shown = points(margin, None, share)
    verdict = say(code, a=a, b=b, value=value, n=f"{found.n_items:,}", units=found.units, margin=shown)
    if code == "not_worse" and answer.conf_low > 0:
        return Verdict(code, f"{verdict.sentence} {a} is better than {b}, by more or less than that margin.")
    return verdict


def _guarantee(data: EvalInput, level: float, looks: int, found: _Difference, shared: bool) -> Guarantee:
    often = f"{100 * (1 - level):g}"
    checks = [
        "both systems answered the same items and were graded alike"
        if shared
        else "items of both systems are alike"
    ]
    if data.judged:
        checks.append(
            f"the {int(data.labelled.sum()):,} labelled answers were drawn at random, or with the probabilities given"
        )
    else:
        checks.append(f"units ({data.clustered_by}) do not depend on each other")
    checks[-1] += unseen_tail(found.units_of_means, "differences" if shared else "scores")
    checks.append(
        "this is the first look at these items"
        if looks == 1
        else f"all {looks} comparisons were fixed beforehand, none in the light of another"
    )
    exact = found.method.startswith("exact McNemar test and Buehler")
    return Guarantee(
        holds=(
            f"if both were equally good, such a statement would appear in at most {often} of 100 "
            f"{'comparisons' if looks == 1 else f'sets of {looks} comparisons'}"
        ),
        check=tuple(checks),
        details=(
            f"Method: {found.method}",
            "Interval and p-value are made to agree: where the test does not reject, the interval touches 0, and where the "
            "interval holds 0, its own p-value is printed",
        ),
        kind="finite-sample" if exact else "asymptotic",
        n_reference=int(data.labelled.sum()) if data.judged else found.n_items,
        citation="Buehler (1957), JASA 52, 482; Miller (2024), arXiv 2411.00640",
        confidence_level=level,
    )
