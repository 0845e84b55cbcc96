"""Judge-corrected means: the calls of the dsl domain, and what an evaluation makes of their estimates."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from validstats._typing import Bool1D, Float1D, Float2D, Int1D, RandomState
from validstats.dsl import DesignSupervised, NoRootError
from validstats.evals.inputs import EvalInput, Population
from validstats.evals.readers import EvalFileError
from validstats.evals.statistics import (
    effective_score_interval,
    effective_size,
    kish_size,
    no_spread,
    pointwise,
    smoothed_variance,
    t_quantile,
)
from validstats.exceptions import LabellingWarning

__all__ = ["JudgedMean", "JudgedSystems", "judged_mean", "judged_systems", "score_p_value"]

_MOST_VERDICTS = 20
"""Verdicts up to which a judge is discrete, as in the cells of the dsl domain."""

_FOLDS = 5
"""Folds of the dsl domain; fewer units than that are a fold each."""

_FEWEST_TO_LEARN = 20
"""Labelled units below which a regression takes labels alone: folds would learn from a handful."""


@dataclass(frozen=True, eq=False)
class JudgedMean:
    """Mean of what humans would say, from a judge on all rows and humans on some."""

    estimate: float
    conf_low: float
    conf_high: float
    std_error: float
    p_value: float
    judge_estimate: float
    human_estimate: float
    n_human: int
    study: Any
    """Result of the dsl domain."""
    ends: Callable[[float], tuple[float, float]]
    """Interval at any level."""


def labelled_units(labelled: Bool1D, clusters: Int1D, weights: Float1D) -> tuple[float, int]:
    """Kish's number of labelled clusters by their total weight a/pi, and how many there are."""
    totals = np.bincount(clusters[labelled], weights[labelled])
    totals = totals[totals > 0]
    return kish_size(totals), len(totals)


def _infer(
    data: EvalInput,
    formula: str,
    columns: dict[str, Any],
    *,
    clustered: bool,
    level: float,
    random_state: RandomState,
    probability: Float1D | None = None,
    strata: Any = None,
    **options: Any,
) -> Any:
    """One inference of the dsl domain; ``columns`` holds what is known of every row, the judge's words among it."""
    import pandas as pd

    n_units = int(data.cluster.max()) + 1
    if n_units < 2:
        raise EvalFileError(
            "All items belong to one unit; nothing can be said about others. Cluster by something finer."
        )
    single = n_units == len(data.cluster)
    names = [name for name in columns if name.startswith("judge")]
    with warnings.catch_warnings():
        # Few labels are said by the checks, in the words of an evaluation.
        warnings.simplefilter("ignore", LabellingWarning)
        study = DesignSupervised(
            n_folds=None if n_units >= _FOLDS else n_units,
            random_state=0 if random_state is None else random_state,
        )
        known = [name for name in columns if name.startswith("known_")]
        study.fit(pd.DataFrame(columns), surrogate=names, features=known or "all")
        # Clusters that were labelled as a whole become the sampling units; labels inside clusters are clustered.
        study.calibrate(
            {"human": data.human},
            sampling_probability=probability,
            strata=strata,
            clusters=data.cluster.astype(str) if clustered and not single else None,
        )
        try:
            return study.infer(formula, weights=data.weight, confidence_level=level, **options)
        except NoRootError as error:
            raise EvalFileError(f"The labels are too few for these weights or scores. {error}") from error


def _drawn_as_a_whole(data: EvalInput) -> bool:
    """Whether labels were drawn by independent unit, which cells of equal verdict take at any number."""
    known, size = np.bincount(data.cluster, data.labelled), np.bincount(data.cluster)
    return data.weight is None and bool(np.all((known == 0) | (known == size)))


def _verdict_columns(data: EvalInput, bounded: bool) -> dict[str, Any]:
    """The judges' verdicts as columns of numbers; a missing one is a class of its own, below all others or apart."""
    columns: dict[str, Any] = {}
    for k, score in enumerate(data.judges.values()):
        name, missing = f"judge_{k + 1}" if k else "judge", np.isnan(score)
        if not missing.any():
            columns[name] = score
        elif bounded:
            lowest = 0.0 if missing.all() else float(np.nanmin(score))
            columns[name] = np.where(missing, lowest - 1.0, score)
        else:
            columns[name] = np.where(missing, np.nanmean(score), score)
            columns[f"{name}_missing"] = missing.astype(float)
    return columns


def _smoothing(data: EvalInput, weights: Float1D, share_of: Float1D) -> tuple[float, float]:
    """Variance that one pseudo-label of each kind adds in verdicts with labels, and that of verdicts without any."""
    assert data.human is not None
    verdict = data.joint_verdicts()
    if verdict.max() >= _MOST_VERDICTS:
        verdict = data.verdict_classes()[0]
    if verdict.max() >= _MOST_VERDICTS:
        return 0.0, 0.0
    labelled, n = data.labelled, int(verdict.max()) + 1
    share = np.bincount(verdict, share_of, n) / share_of.sum()
    labels, right = np.zeros(n), np.zeros(n)
    for q in np.unique(verdict[labelled]):
        rows = labelled & (verdict == q)
        units = np.bincount(data.cluster[rows], weights[rows])
        labels[q] = kish_size(units[units > 0])
        right[q] = labels[q] * np.average(data.human[rows], weights=weights[rows])
    known = labels > 0
    return (
        smoothed_variance(share[known], labels[known], right[known]),
        smoothed_variance(share[~known], labels[~known], right[~known]),
    )


def judged_mean(
    data: EvalInput,
    *,
    confidence_level: float,
    population: Population,
    random_state: RandomState,
    bounds: tuple[float, float] | None,
    binary: bool = False,
    null: float | None = None,
) -> JudgedMean:
    """Design-based mean of the human scores; ``bounds`` are known limits of a score, ``null`` a tested value.

    Bounded scores whose labels were drawn by the independent unit (rows, or whole clusters) have the cells' interval of
    the dsl domain; labels drawn inside clusters, or with weights, its clustered estimate and a score interval.
    """
    assert data.human is not None
    labelled = data.labelled
    weight = np.ones(len(data.score)) if data.weight is None else data.weight
    pi = np.full(len(data.score), labelled.mean()) if data.probability is None else data.probability
    judged = ~np.isnan(data.score)
    options: dict[str, Any] = {"model": "mean", "outcome_range": bounds}
    if binary and bounds == (0.0, 1.0):
        options = {"model": "proportion"}
    n_labelled = len(np.unique(data.cluster[labelled]))
    if n_labelled < 2 <= int(np.bincount(data.cluster).max()):
        raise EvalFileError(
            f"All human labels lie in one unit ({data.clustered_by}); nothing can be said about others. Label answers of "
            "other units too."
        )
    # Cells of equal verdict take any number of labels; what else there is learns the verdicts' worth.
    if bounds is None or not _drawn_as_a_whole(data):
        options["interval"] = "normal"
        if n_labelled < _FEWEST_TO_LEARN:
            options["estimator"] = "gold"
    result = _infer(
        data,
        "human",
        _verdict_columns(data, bounds is not None)
        | {f"known_{k}": values for k, values in enumerate(data.features.values())},
        clustered=True,
        level=confidence_level,
        random_state=random_state,
        probability=data.probability,
        strata=data.strata,
        population=population,
        **options,
    )
    estimate, std_error = float(result.params[0]), float(result.std_error[0])
    inverted = bounds is not None and result.interval_name == "normal"
    units, n_units = labelled_units(labelled, data.cluster, weight / pi)
    df = max(n_units - 1.0, 1.0)
    low_bound, width = (0.0, 1.0) if bounds is None else (bounds[0], bounds[1] - bounds[0])
    if inverted:
        # What no label was seen of is open by its share; outcomes in units of their range.
        opening = _smoothing(data, weight / pi, weight)[1]
        std_error = float(np.sqrt((std_error / width) ** 2 + opening))

    def ends(level: float) -> tuple[float, float]:
        if bounds is None and no_spread(estimate, std_error):
            return -np.inf, np.inf  # no spread is no certainty
        if not inverted:
            low, high = result.confidence_interval(level)[0]
            return float(low), float(high)
        score = effective_score_interval(
            (estimate - low_bound) / width, std_error, units, t_quantile(level, df)
        )
        return low_bound + width * float(score[0]), low_bound + width * float(score[1])

    low, high = ends(confidence_level)
    p_value = float("nan")
    if null is not None:
        centre = (null - low_bound) / width
        p_value = (
            score_p_value((estimate - low_bound) / width, std_error, units, centre, df)
            if inverted
            else _level_at(ends, estimate, null)
        )
    return JudgedMean(
        estimate=estimate if bounds is None else float(np.clip(estimate, *bounds)),
        conf_low=low,
        conf_high=high,
        std_error=std_error * width if inverted else std_error,
        p_value=p_value,
        judge_estimate=(
            float(np.average(data.score[judged], weights=weight[judged])) if judged.any() else float("nan")
        ),
        human_estimate=float(np.average(data.human[labelled], weights=(weight / pi)[labelled])),
        n_human=int(labelled.sum()),
        study=result,
        ends=ends,
    )


def _level_at(ends: Callable[[float], tuple[float, float]], estimate: float, null: float) -> float:
    """1 - the level at which an interval touches a value, by bisection: the p-value that belongs to it."""
    if not np.isfinite(estimate) or estimate == null:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = 0.5 * (low + high)
        conf_low, conf_high = ends(1.0 - middle)
        if conf_low <= null <= conf_high:
            low = middle
        else:
            high = middle
    return high


def score_p_value(mean: float, std_error: float, n_units: float, null: float, df: float) -> float:
    """Two-sided p-value that belongs to the effective score interval: ``|m - null| = c sqrt(null (1 - null)/n_e)``."""
    m = float(np.clip(mean, 0.0, 1.0))
    n_eff = float(effective_size(m, std_error, n_units))
    return float(2.0 * stats.t.sf(abs(m - null) / np.sqrt(null * (1.0 - null) / n_eff), df))


@dataclass(frozen=True, eq=False)
class JudgedSystems:
    """Means of several systems from one judge with intervals, their covariance with smoothing, degrees of freedom."""

    estimate: Float1D
    conf_low: Float1D
    conf_high: Float1D
    covariance: Float2D
    degrees_of_freedom: float
    effective_units: float
    judge_estimate: Float1D
    n_human: Int1D
    study: Any
    """Result of the dsl domain."""


def _from_cells(
    data: EvalInput, result: Any, level: float, population: Population
) -> tuple[Float2D, Float1D, Float1D]:
    """Covariance of the systems' cells over clusters, and the cells' intervals with what clusters add."""
    estimate, alone = np.asarray(result.params, dtype=float), np.asarray(result.std_error, dtype=float)
    covariance = np.diag(alone**2)
    if population == "superpopulation":
        n_clusters = int(data.cluster.max()) + 1
        sums = np.zeros((n_clusters, len(alone)))
        np.add.at(sums, data.cluster, result.influence)
        covariance = sums.T @ sums * (n_clusters / max(n_clusters - 1, 1)) / len(data.score) ** 2
        # Labels of a system that agree with all verdicts have no influence; its cells hold what they have not shown.
        np.fill_diagonal(covariance, np.maximum(np.diag(covariance), alone**2))
    wider = np.sqrt(np.diag(covariance)) / np.where(alone > 0.0, alone, 1.0)
    ends = np.asarray(result.confidence_interval(level), dtype=float) - estimate[:, None]
    low, high = np.clip(estimate + wider * ends.T, 0.0, 1.0)
    return covariance, low, high


def judged_systems(
    data: EvalInput, *, confidence_level: float, population: Population, random_state: RandomState
) -> JudgedSystems:
    """Human means of all systems with the covariance of their influence values by cluster.

    Scores in [0, 1] by cells of system and verdict, whose variances hold what no label has shown; others, and weights,
    by the regression ``human ~ 0 + C(system)`` with smoothed variances.
    """
    assert data.human is not None
    n_systems = len(data.system_names)
    labelled = data.labelled
    per_system = np.bincount(data.system[labelled], minlength=n_systems)
    if per_system.min() < 2:
        lacking = [data.system_names[s] for s in np.flatnonzero(per_system < 2)]
        raise EvalFileError(
            f"{', '.join(map(repr, lacking))} {'has' if len(lacking) == 1 else 'have'} fewer than 2 human labels, so the judge "
            "cannot be corrected there; label some of its answers."
        )
    weight = np.ones(len(data.score)) if data.weight is None else data.weight
    parts = [data.system == s for s in range(n_systems)]
    # Without probabilities labels were drawn at random from the answers of each system.
    pi = data.probability
    if pi is None:
        pi = np.array([labelled[rows].mean() for rows in parts])[data.system]
    width = len(str(n_systems))
    # Codes with leading zeros keep the order of systems in the formula's categories.
    names = np.array([f"s{s:0{width}d}" for s in range(n_systems)])[data.system]
    # Which interval bounded scores have is decided by the dsl domain: cells, with any judge and at every number of labels.
    cells = data.in_unit_range and data.weight is None
    shared: dict[str, Any] = {
        "level": confidence_level,
        "random_state": random_state,
        "population": population,
    }
    columns = _verdict_columns(data, cells) | {"system": names}
    if cells:
        result = _infer(
            data,
            "human ~ system",
            columns,
            clustered=False,
            strata=names if data.probability is None else data.strata,
            probability=data.probability,
            model="mean",
            outcome_range=(0.0, 1.0),
            interval="cells",
            **shared,
        )
        covariance, low, high = _from_cells(data, result, confidence_level, population)
    else:
        result = _infer(
            data, "human ~ 0 + C(system)", columns, clustered=True, probability=pi, model="linear", **shared
        )
        covariance = np.array(result.covariance, dtype=float)
        if data.in_unit_range:
            for s, rows in enumerate(parts):
                covariance[s, s] += sum(_smoothing(data.rows(rows), (weight / pi)[rows], weight[rows]))
        alike = no_spread(result.params, np.sqrt(np.diag(covariance)))
        covariance[alike] = covariance[:, alike] = 0.0
    units = [labelled_units(labelled & rows, data.cluster, weight / pi) for rows in parts]
    # Independent labelled units of the system that has fewest.
    df = float(max(min(n for _, n in units) - 1, 1))
    effective = np.array([k for k, _ in units])
    estimate = np.asarray(result.params, dtype=float)
    if not cells:
        low, high = pointwise(
            estimate, covariance, df, confidence_level, effective if data.in_unit_range else None
        )
    return JudgedSystems(
        estimate=estimate,
        conf_low=low,
        conf_high=high,
        covariance=covariance,
        degrees_of_freedom=df,
        effective_units=float(effective.min()),
        judge_estimate=np.array([np.nanmean(data.score[rows]) for rows in parts]),
        n_human=per_system,
        study=result,
    )
