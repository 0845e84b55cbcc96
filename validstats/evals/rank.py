"""``rank``: which systems are best, from scores or from battles, with ranges of ranks that hold at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from scipy import stats

from validstats._typing import AnyArray, Bool1D, Float1D, Float2D, Int1D, RandomState
from validstats.evals.doctor import check_skewness, check_table, unseen_tail
from validstats.evals.inputs import (
    Errors,
    EvalInput,
    Population,
    cluster_codes,
    in_strata,
    item_matrix,
    library_of,
    load,
    numbers_beside_rows,
)
from validstats.evals.judged import judged_systems
from validstats.evals.readers import Check, EvalFileError, EvalTable, codes_of, judge_names, read
from validstats.evals.results import RankingResult, inputs_of, inputs_of_data
from validstats.evals.sentences import Verdict, joined_names, number_words, say
from validstats.evals.statistics import (
    BattlesNotIdentifiedError,
    RankSets,
    cluster_mean,
    connected_components,
    corrected_rows,
    davidson_fit,
    letter_groups,
    pointwise,
    rank_sets,
    sign_test_vetoes,
    win_rate,
)
from validstats.guarantee import Guarantee
from validstats.intake import (
    check_confidence_level,
    check_literal,
    check_random_state,
    is_missing,
)

__all__ = ["Scale", "rank"]

Scale: TypeAlias = Literal["strength", "win_rate"]
"""What battles are summarised by: Davidson's strengths, or the mean rate of wins over opponents."""

PairWeights: TypeAlias = Literal["observed", "uniform"]
"""Whether pairs count as often as they met, or all alike."""

_TIES = frozenset({"tie", "tie (bothbad)", "both_bad", "bothbad", "both bad", "draw", "equal", "both_good"})
_BOTH_BAD = frozenset({"tie (bothbad)", "both_bad", "bothbad", "both bad"})
_FIRST = frozenset({"model_a", "a", "system_a", "left", "first"})
_SECOND = frozenset({"model_b", "b", "system_b", "right", "second"})
_FOLDS = 5


def rank(
    data: Any,
    *,
    score: str | None = None,
    judge: str | Sequence[str] | None = None,
    human: str | None = None,
    item: str | None = None,
    system: str | None = None,
    battles: tuple[str, str] | None = None,
    clusters: Any = None,
    sampling_probability: Any = None,
    strata: Any = None,
    weights: Any = None,
    filter: str | None = None,
    errors: Errors = "fail",
    common_items: bool = False,
    scale: Scale = "strength",
    order_effect: bool = False,
    pair_weights: PairWeights = "observed",
    population: Population = "superpopulation",
    confidence_level: float = 0.95,
    random_state: RandomState = None,
) -> RankingResult:
    """Rank systems, with a range of ranks for each such that all ranges hold at once.

    Parameters
    ----------
    data : str, Path, data frame, mapping of str to array-like, EvalTable, or sequence of these
        Scores or battles, as for :func:`validstats.evals.read`; one file a system is a sequence.
    score, judge, human, item, clusters, sampling_probability, strata, weights, filter, errors, population
        As for :func:`validstats.evals.evaluate`; for battles ``judge`` (one) and ``human`` name the columns of winners,
        and ``clusters`` the column of prompts.
    system : str or None, default None
        Column that names the systems.
    battles : tuple of (str, str) or None, default None
        Columns of the two systems of a battle; None recognises ``model_a`` and ``model_b``.
    common_items : bool, default False
        Whether to keep the items that all systems answered, where they differ.
    scale : {"strength", "win_rate"}, default "strength"
        What battles are summarised by.
    order_effect : bool, default False
        Whether the system shown first may have an advantage.
    pair_weights : {"observed", "uniform"}, default "observed"
        Whether pairs of systems count as often as they met, or all alike.
    confidence_level : float, default 0.95
        Probability with which all ranges hold.
    random_state : int, numpy.random.Generator or None, default None
        Seed of the draws; None is a fixed one.

    Returns
    -------
    RankingResult
        Estimates, ranges of ranks, and letters for those that cannot be told apart.

    Raises
    ------
    EvalFileError
        If the data cannot be read, or would give a wrong ranking.
    BattlesNotIdentifiedError
        If the battles do not determine the strengths.

    References
    ----------
    Romano and Wolf (2005), JASA 100, 94. Mogstad, Romano, Shaikh and Wilhelm (2024), REStud 91, 476. Davidson (1970),
    JASA 65, 317.

    Examples
    --------
    >>> import numpy as np
    >>> from validstats import evals
    >>> rng = np.random.default_rng(0)
    >>> scores = (rng.random((200, 3)) < [0.4, 0.6, 0.9]).astype(int)
    >>> long = {
    ...     "item": np.repeat(np.arange(200), 3),
    ...     "system": ["ash", "birch", "cedar"] * 200,
    ...     "score": scores.ravel(),
    ... }
    >>> result = evals.rank(long)
    >>> dict(zip(result.systems, result.rank_high.tolist()))
    {'cedar': 1, 'birch': 2, 'ash': 3}
    """
    level = float(check_confidence_level(confidence_level))
    check_literal(population, "population", get_args(Population))
    check_literal(scale, "scale", get_args(Scale))
    check_literal(pair_weights, "pair_weights", get_args(PairWeights))
    table = _as_battles(data, battles)
    if table is not None:
        return _rank_battles(
            table,
            library_of(data),
            judge=judge,
            human=human,
            clusters=clusters,
            sampling_probability=sampling_probability,
            strata=strata,
            scale=scale,
            order_effect=order_effect,
            pair_weights=pair_weights,
            level=level,
            random_state=random_state,
        )
    inputs = load(
        data,
        score=score,
        judge=judge,
        human=human,
        item=item,
        system=system,
        clusters=clusters,
        sampling_probability=sampling_probability,
        strata=strata,
        weights=weights,
        filter=filter,
        errors=errors,
    )
    return _rank_scores(inputs, common_items, population, level, random_state)


def _rank_scores(
    inputs: EvalInput, common_items: bool, population: Population, level: float, random_state: RandomState
) -> RankingResult:
    """Ranking by mean scores, automatic or corrected by humans."""
    n_systems = len(inputs.system_names)
    if n_systems < 2:
        raise EvalFileError("Ranking needs two systems or more; for one call evaluate.")
    checks = list(inputs.checks)
    present = np.zeros((len(inputs.item_names), n_systems), dtype=bool)
    present[inputs.item, inputs.system] = True
    complete: Bool1D = np.asarray(present.all(axis=1))
    if common_items and not complete.all():
        if complete.sum() < 2:
            raise EvalFileError(
                "Fewer than two items were answered by all systems; common_items=True leaves nothing."
            )
        inputs = inputs.rows(complete[inputs.item])
        complete = np.ones(int(complete.sum()), dtype=bool)
    elif not complete.all():
        checks.append(
            Check(
                "items-not-shared",
                "warning",
                f"Systems answered different items ({int(complete.sum())} of {len(complete)} are shared): a hard set of items "
                "looks like a weak system. common_items=True keeps the shared ones.",
            )
        )
    generator = check_random_state(0 if random_state is None else random_state)
    judge_rank = np.zeros(n_systems, dtype=np.int64)
    n_human = np.zeros(n_systems, dtype=np.int64)
    vetoes = None
    study: Any = None
    if inputs.judged:
        found = judged_systems(
            inputs, confidence_level=level, population=population, random_state=random_state
        )
        theta, covariance, df, study = found.estimate, found.covariance, found.degrees_of_freedom, found.study
        low, high = found.conf_low, found.conf_high
        units = {
            repr(name): inputs.sums_by_labelled_unit(found.study.influence[:, s], inputs.system == s)
            for s, name in enumerate(inputs.system_names)
        }
        judge_rank, n_human = _ranks(found.judge_estimate), found.n_human
    else:
        theta, covariance, df, effective, vetoes, units = _score_means(inputs)
        low, high = pointwise(theta, covariance, df, level, effective if inputs.in_unit_range else None)
    hidden = ""
    if not inputs.in_unit_range:
        checks += check_skewness(units, level, "scores", judged=inputs.judged)
        hidden = unseen_tail(units, "scores")
    sets = rank_sets(theta, covariance, df, level, generator=generator, vetoes=vetoes)
    share = inputs.in_unit_range
    fewest = ""
    if inputs.judged:
        fewest = f"fewest human labels: {inputs.system_names[int(np.argmin(n_human))]}, {int(n_human.min())}"
    return _result(
        inputs.system_names,
        theta,
        covariance,
        (low, high),
        sets,
        n_human,
        judge_rank,
        unit="Pass rate" if inputs.binary and share else "Mean score",
        facts={"Systems": n_systems, "Items": len(inputs.item_names), "Unit": inputs.clustered_by},
        guarantee=_guarantee(
            level,
            len(inputs.item_names),
            int(df),
            fewest,
            bool(complete.all()),
            inputs.judged,
            hidden=hidden,
        ),
        verdict_checks=checks,
        inputs=inputs_of_data(inputs),
        options={"confidence_level": level, "population": population, "common_items": common_items},
        study=study,
        backend=inputs.backend,
    )


def _score_means(
    inputs: EvalInput,
) -> tuple[Float1D, Float2D, float, Float1D, Float2D | None, dict[str, Float1D]]:
    """Means of all systems, their covariance over clusters, degrees of freedom, effective units, vetoes; means of clusters."""
    n_systems, n_items = len(inputs.system_names), len(inputs.item_names)
    n_clusters = int(inputs.cluster.max()) + 1
    if n_clusters < 2:
        raise EvalFileError(
            "All items belong to one unit; nothing can be said about others. Cluster by something finer."
        )
    contributions = np.zeros((n_clusters, n_systems))
    theta, units = np.zeros((2, n_systems))
    of_clusters = {}
    effective = float(n_clusters)
    for s in range(n_systems):
        rows = inputs.system == s
        clusters = np.unique(inputs.cluster[rows], return_inverse=True)
        weight = None if inputs.weight is None else inputs.weight[rows]
        mean = cluster_mean(inputs.score[rows], clusters[1].astype(np.int64), weight)
        theta[s], units[s] = mean.estimate, mean.effective_units
        of_clusters[repr(inputs.system_names[s])] = mean.contributions
        # Deviation of each cluster, scaled so that V = sum over clusters of products times G/(G - 1).
        if mean.variance > 0.0:
            contributions[clusters[0], s] = (mean.contributions - mean.estimate) / len(mean.contributions)
        effective = min(
            effective, mean.effective_units if inputs.weight is not None else len(mean.contributions)
        )
    covariance = contributions.T @ contributions * (n_clusters / (n_clusters - 1))
    matrix, counts = item_matrix(inputs.score, inputs.item, inputs.system, n_items, n_systems)
    exact = (
        inputs.binary
        and inputs.weight is None
        and n_clusters == n_items
        and np.all(counts == 1)
        and not inputs.table.has("size")
    )
    vetoes = sign_test_vetoes(np.ascontiguousarray(matrix)) if exact else None
    return theta, covariance, max(effective - 1.0, 1.0), units, vetoes, of_clusters


def _as_battles(data: Any, battles: tuple[str, str] | None) -> EvalTable | None:
    """The table, if it holds battles."""
    if battles is not None:
        a, b = battles
        table = read(data)
        for name in (a, b):
            table.column(name)
        from dataclasses import replace

        roles = {
            k: v
            for k, v in table.roles.items()
            if k not in ("system", "system_a", "system_b") and v not in (a, b)
        }
        return replace(table, format="battles", roles={**roles, "system_a": a, "system_b": b})
    if isinstance(data, EvalTable):
        return data if data.format == "battles" else None
    if isinstance(data, list | tuple):
        return None
    try:
        table = read(data)
    except EvalFileError:  # read again with the columns that the caller names, which says what is wrong
        return None
    return table if table.format == "battles" else None


def winners(table: EvalTable, column: str) -> tuple[Float1D, Float1D, Bool1D, int]:
    """Outcome (1/2 first wins, -1/2 second), tie, known rows, and how many were both bad."""
    values = table.column(column)
    first, second = table.names("system_a"), table.names("system_b")
    outcome, tie = np.zeros(len(values)), np.zeros(len(values))
    known = np.ones(len(values), dtype=bool)
    both_bad = 0
    unknown: dict[str, int] = {}
    for row, value in enumerate(values.tolist()):
        if is_missing(value) or str(value).strip() == "":
            known[row] = False
            continue
        word = str(value).strip()
        lower = word.lower()
        if word == first[row] or lower in _FIRST:
            outcome[row] = 0.5
        elif word == second[row] or lower in _SECOND:
            outcome[row] = -0.5
        elif lower in _TIES:
            tie[row] = 1.0
            both_bad += lower in _BOTH_BAD
        else:
            unknown.setdefault(word[:40], row + 1)
    if unknown:
        shown = ", ".join(f"{w!r} (row {r})" for w, r in list(unknown.items())[:8])
        raise EvalFileError(
            f"The column {column!r} holds winners that are neither of the two systems nor a tie: {shown}. Known words are "
            "model_a, model_b, tie, both_bad, or the name of the system."
        )
    return outcome, tie, known, both_bad


def _players(table: EvalTable) -> tuple[list[str], Int1D, Int1D]:
    """Names of the systems, and the numbers of the two that meet in each battle."""
    first_names, second_names = table.names("system_a"), table.names("system_b")
    names = sorted(set(first_names.tolist()) | set(second_names.tolist()))
    if "" in names:
        row = int(np.argmax((first_names == "") | (second_names == "")))
        raise EvalFileError(
            f"Row {row + 1} is a battle that does not name both systems; name them, or remove it."
        )
    index = {name: k for k, name in enumerate(names)}
    first = np.array([index[n] for n in first_names], dtype=np.int64)
    second = np.array([index[n] for n in second_names], dtype=np.int64)
    if np.any(first == second):
        row = int(np.argmax(first == second))
        raise EvalFileError(f"Row {row + 1} is a battle of {names[first[row]]!r} with itself.")
    _refuse_unconnected(first, second, names)
    return names, first, second


def _one_judge(table: EvalTable, judge: str | Sequence[str] | None) -> str:
    """The column of winners of battles."""
    judges = judge_names(judge) or table.judges
    if len(judges) > 1:
        raise EvalFileError(
            f"Battles take one judge, not several ({', '.join(map(repr, judges))}); name the column of winners that agrees best "
            "with the humans, or put the most frequent winner into one column."
        )
    if not judges:
        raise EvalFileError("There is no column of winners; name it with judge=.")
    return judges[0]


def _rank_battles(
    table: EvalTable,
    backend: Any,
    *,
    judge: str | Sequence[str] | None,
    human: str | None,
    clusters: Any,
    sampling_probability: Any,
    strata: Any,
    scale: Scale,
    order_effect: bool,
    pair_weights: PairWeights,
    level: float,
    random_state: RandomState,
) -> RankingResult:
    """Ranking by battles, with winners named by a judge on all and by humans on some."""
    judge_name = _one_judge(table, judge)
    generator = check_random_state(0 if random_state is None else random_state)
    names, first, second = _players(table)
    human_name = human or table.roles.get("human")
    if strata is not None:
        drawn = None if human_name is None else winners(table, human_name)[2]
        table = in_strata(table, strata, sampling_probability, drawn)
    prompts = _prompts(table, clusters)
    outcome, tie, known, both_bad = winners(table, judge_name)
    checks = [c for c in check_table(table) if c.severity == "warning" or c.code in ("class-without-labels",)]
    n_human, judge_rank = np.zeros((2, len(names)), dtype=np.int64)
    n_prompts = int(prompts.max()) + 1
    df = float(n_prompts - 1)

    def strengths(outcome: Float1D, tie: Float1D, n_judged: int) -> Any:
        how = (prompts, len(names), scale, order_effect, pair_weights, n_judged)
        return _strengths(first, second, outcome, tie, *how)

    if human_name is None:
        if not known.all():
            raise EvalFileError(f"The winner is missing in {int((~known).sum())} rows of {judge_name!r}.")
        labelled = known
    else:
        human_outcome, human_tie, labelled, _ = winners(table, human_name)
        if labelled.sum() < 10:
            raise EvalFileError(f"Only {int(labelled.sum())} battles were judged by humans; label more.")
        judge_rank = _ranks(strengths(outcome, tie, len(first))[0])
        n_human = np.bincount(first[labelled], minlength=len(names)) + np.bincount(
            second[labelled], minlength=len(names)
        )
        pi = _battle_probability(table, sampling_probability, labelled)
        target = np.column_stack([human_outcome, human_tie])
        verdict = np.where(known, np.where(tie > 0, 1, np.where(outcome > 0, 2, 0)), 3)
        outcome, tie = _corrected(
            target, verdict, first, second, len(names), labelled, prompts, pi, generator
        ).T
        df = float(max(len(np.unique(prompts[labelled])) - 1, 1))
    theta, covariance, facts = strengths(outcome, tie, int(labelled.sum()))
    sets = rank_sets(theta, covariance, df, level, generator=generator)
    units = np.full(len(names), df + 1.0) if scale == "win_rate" else None
    interval = pointwise(theta, covariance, df, level, units)
    facts = {
        "Battles": len(first),
        "Prompts": n_prompts,
        "Ties": int(np.sum(tie > 0)) if human_name is None else "corrected by humans",
        "Both bad (counted as ties)": both_bad,
        **facts,
    }
    fewest = ""
    if human_name is not None:
        facts["Battles judged by humans"] = int(labelled.sum())
        fewest = f"fewest human labels: {names[int(np.argmin(n_human))]}, {int(n_human.min())}"
    return _result(
        names,
        theta,
        covariance,
        interval,
        sets,
        n_human,
        judge_rank,
        unit="Strength" if scale == "strength" else "Win rate",
        facts=facts,
        guarantee=_guarantee(level, n_prompts, int(df), fewest, True, human_name is not None, battles=True),
        verdict_checks=checks,
        inputs=inputs_of(table, int(labelled.sum()) if human_name is not None else 0),
        options={
            "confidence_level": level,
            "scale": scale,
            "order_effect": order_effect,
            "pair_weights": pair_weights,
        },
        study=None,
        backend=backend,
    )


def _refuse_unconnected(first: Int1D, second: Int1D, names: list[str]) -> None:
    parts = connected_components(first, second, len(names))
    if len(np.unique(parts)) > 1:
        groups = [[names[i] for i in np.flatnonzero(parts == p)] for p in np.unique(parts)]
        shown = "; ".join(", ".join(g[:6]) for g in groups[:4])
        raise BattlesNotIdentifiedError(
            f"The systems fall into {len(groups)} groups that never met: {shown}. Rank each group by itself, or add battles "
            "between them."
        )


def _prompts(table: EvalTable, clusters: Any) -> Int1D:
    """Codes of what battles have in common: the given clusters, else the prompt."""
    if clusters is None:
        return (
            codes_of(table.names("item"))[0] if table.has("item") else np.arange(len(table), dtype=np.int64)
        )
    return cluster_codes(table, clusters)


def _battle_probability(table: EvalTable, given: Any, labelled: Bool1D) -> Float1D:
    """Labelling probabilities; equal ones where none are given."""
    source = given if given is not None else table.roles.get("probability")
    if source is None:
        return np.full(len(labelled), float(labelled.mean()))
    values = numbers_beside_rows(table, source, "sampling_probability")
    if not np.all((values > 0) & (values <= 1)):
        raise EvalFileError("sampling_probability must be one number in (0, 1] for every battle.")
    return values


def _corrected(
    target: Float2D,
    verdict: Int1D,
    first: Int1D,
    second: Int1D,
    n_systems: int,
    labelled: Bool1D,
    prompts: Int1D,
    pi: Float1D,
    generator: np.random.Generator,
) -> Float2D:
    """Outcome and tie of every battle as guessed from the judge, corrected where humans judged: ``h + (R/pi)(s - h)``."""
    guess = _battle_guess(target, verdict, first, second, n_systems, labelled, prompts, 1.0 / pi, generator)
    return corrected_rows(guess, target, labelled, pi)


def _battle_guess(
    target: Float2D,
    verdict: Int1D,
    first: Int1D,
    second: Int1D,
    n_systems: int,
    labelled: Bool1D,
    prompts: Int1D,
    weights: Float1D,
    generator: np.random.Generator,
) -> Float2D:
    """Guess of outcome and tie from the judge's verdict and both systems, cross-fitted by prompt, unit ridge."""
    n = len(verdict)
    design = np.zeros((n, 4 + 2 * n_systems))
    design[np.arange(n), verdict] = 1.0
    # Systems shift the outcome by their difference and ties by their sum, penalised towards none.
    design[np.arange(n), 4 + first] += 1.0
    design[np.arange(n), 4 + second] -= 1.0
    design[np.arange(n), 4 + n_systems + first] += 1.0
    design[np.arange(n), 4 + n_systems + second] += 1.0
    fold_of_prompt = generator.permutation(int(prompts.max()) + 1) % _FOLDS
    folds = fold_of_prompt[prompts]
    guess = np.zeros((n, 2))
    scale = weights / weights[labelled].mean()
    for fold in range(_FOLDS):
        train, test = labelled & (folds != fold), folds == fold
        x, w = design[train], scale[train][:, None]
        gram = x.T @ (w * x) + np.eye(design.shape[1])
        guess[test] = design[test] @ np.linalg.solve(gram, x.T @ (w * target[train]))
    return guess


def _strengths(
    first: Int1D,
    second: Int1D,
    outcome: Float1D,
    tie: Float1D,
    prompts: Int1D,
    n_systems: int,
    scale: Scale,
    order_effect: bool,
    pair_weights: PairWeights,
    n_labels: int,
) -> tuple[Float1D, Float2D, dict[str, Any]]:
    """Strengths or win rates with their covariance, and figures to print."""
    # Small samples: (N - 1)/(N - K) beside the sandwich's G/(G - 1), as in clustered regressions, N labelled battles.
    small = (n_labels - 1) / max(n_labels - n_systems - 1, 1)
    cycles = _cycles(first, second, outcome, prompts, n_systems)
    if scale == "win_rate":
        rate, covariance = win_rate(first, second, outcome, prompts, n_systems)
        return rate, covariance * small, {"Cycles of three": cycles}
    weights = None
    if pair_weights == "uniform":
        low, high = np.minimum(first, second), np.maximum(first, second)
        count = np.bincount(low * n_systems + high)
        weights = 1.0 / count[low * n_systems + high]
        weights *= len(first) / weights.sum()
    fit = davidson_fit(
        first, second, outcome, tie, prompts, n_systems, weights=weights, order_effect=order_effect
    )
    expected = 0.5 * (fit.fitted[:, 0] - fit.fitted[:, 1])
    facts: dict[str, Any] = {
        "Fit of pairs": _fit_check(first, second, outcome - expected, prompts, n_systems),
        "Cycles of three": cycles,
    }
    if fit.order_variance is not None:
        facts["Advantage of being shown first"] = (
            f"{fit.order_effect:z.3f} (standard error {math.sqrt(fit.order_variance):.3f})"
        )
    return fit.strength, fit.covariance * small, facts


def _pair_statistics(
    first: Int1D, second: Int1D, values: Float1D, prompts: Int1D, n_systems: int
) -> tuple[Float2D, float]:
    """Matrix of the mean value of each pair in its standard errors over prompts (0 below ten of them), and the limit."""
    low, high = np.minimum(first, second), np.maximum(first, second)
    pair = low * n_systems + high
    keys, unit = np.unique(np.column_stack([pair, prompts]), axis=0, return_inverse=True)
    of_unit = keys[:, 0]
    value = np.bincount(unit.ravel(), np.where(first == low, values, -values))
    battles = np.bincount(pair, minlength=n_systems**2)
    total = np.bincount(of_unit, value, n_systems**2)
    mean = total / np.maximum(battles, 1)
    off = value - np.bincount(unit.ravel()) * mean[of_unit]
    square = np.bincount(of_unit, off**2, n_systems**2)
    enough = (np.bincount(of_unit, minlength=n_systems**2) >= 10) & (square > 0)
    z = np.where(enough, total / np.sqrt(np.where(enough, square, 1.0)), 0.0).reshape(n_systems, n_systems)
    return z - z.T, float(stats.norm.isf(0.025 / max(int(enough.sum()), 1)))


def _fit_check(first: Int1D, second: Int1D, residual: Float1D, prompts: Int1D, n_systems: int) -> str:
    """Largest deviation of a pair's outcome from the model, in standard errors over prompts."""
    z, limit = _pair_statistics(first, second, residual, prompts, n_systems)
    known = int(np.count_nonzero(z) // 2)
    if known == 0:
        return "too few battles a pair to tell"
    side = "above" if np.abs(z).max() > limit else "below"
    return f"largest deviation of {known} pairs {np.abs(z).max():.1f} standard errors ({side} {limit:.1f})"


def _cycles(first: Int1D, second: Int1D, outcome: Float1D, prompts: Int1D, n_systems: int) -> str:
    """Share of cycles (a beats b beats c beats a) among three systems whose pairs are all decided: 0 with strengths."""
    z, limit = _pair_statistics(first, second, outcome, prompts, n_systems)
    beats = (z > limit).astype(float)
    decided = beats + beats.T
    triples = round(np.trace(decided @ decided @ decided) / 6)
    if triples == 0:
        return "no three systems whose pairs are all decided"
    return f"{round(np.trace(beats @ beats @ beats) / 3):,} of {triples:,} whose pairs are all decided"


def _ranks(values: Float1D) -> Int1D:
    """1 + number of systems with a greater value."""
    return 1 + (values[None, :] > values[:, None]).sum(axis=1).astype(np.int64)


def _result(
    names: list[str],
    theta: Float1D,
    covariance: Float2D,
    interval: tuple[Float1D, Float1D],
    sets: RankSets,
    n_human: Int1D,
    judge_rank: Int1D,
    *,
    unit: str,
    facts: dict[str, Any],
    guarantee: Guarantee,
    verdict_checks: list[Check],
    inputs: Any,
    options: dict[str, Any],
    study: Any,
    backend: Any,
) -> RankingResult:
    """The result in order of the estimates."""
    order = np.argsort(-theta, kind="stable")
    letters = letter_groups(sets.above, order)
    ordered_names = [names[i] for i in order]
    return RankingResult(
        guarantee=guarantee,
        backend=backend,
        verdict=_verdict(ordered_names, sets.low[order], [letters[i] for i in order]),
        checks=tuple(dict.fromkeys(verdict_checks)),
        inputs=inputs,
        options=options,
        study=study,
        systems=tuple(ordered_names),
        estimate=theta[order],
        std_error=np.sqrt(np.maximum(np.diag(covariance), 0.0))[order],
        conf_low=interval[0][order],
        conf_high=interval[1][order],
        rank=_ranks(theta)[order],
        rank_low=sets.low[order],
        rank_high=sets.high[order],
        groups=tuple(letters[i] for i in order),
        above=sets.above[np.ix_(order, order)],
        n_human=n_human[order],
        judge_rank=judge_rank[order],
        unit=unit,
        facts=facts,
    )


def _verdict(names: list[str], low: AnyArray, letters: list[str]) -> Verdict:
    best = [n for n, rank_low in zip(names, low, strict=True) if rank_low == 1]
    if len(best) == len(names):
        return say("no_order")
    n_groups = len({group for text in letters for group in _letters(text)})
    groups = f"{number_words(n_groups)} groups"
    if len(best) == 1:
        return say("one_best", best=best[0], groups=groups)
    return say("shared_best", best=best[0], others=joined_names(best[1:]), groups=groups)


def _letters(text: str) -> list[str]:
    import re

    return re.findall(r"[a-z]\d*", text)


def _guarantee(
    level: float,
    units: int,
    df: int,
    fewest: str,
    same_items: bool,
    judged: bool,
    battles: bool = False,
    hidden: str = "",
) -> Guarantee:
    checks = []
    if battles:
        checks.append("prompts do not depend on each other and stand for those that you care about")
    else:
        checks.append(
            "all systems answered the same items"
            if same_items
            else "differences of items do not decide the order"
        )
        checks[0] += hidden
    if judged:
        checks.append(f"labels were drawn at random, or with the probabilities given; {fewest}")
    checks.append("this is the first look at these data")
    details = [
        "All pairs are compared by a step-down of the largest difference, each draw with its own standard errors; without a "
        "wrong direction every range holds the ranks of tied systems too",
        f"Degrees of freedom: {df}",
    ]
    if battles:
        details.append(
            "Strengths solve Davidson's moments; if the model is wrong they are their roots under the pairing that was used"
        )
    return Guarantee(
        holds=f"in about {100 * level:g} of 100 such leaderboards every true rank lies in its range",
        check=tuple(checks),
        details=tuple(details),
        kind="asymptotic",
        n_reference=units,
        citation="Romano and Wolf (2005); Mogstad, Romano, Shaikh and Wilhelm (2024), arXiv 2401.15205",
        confidence_level=level,
    )
