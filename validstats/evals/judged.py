"""Judge-corrected means: the call of the dsl domain, its interval, and the agreement behind every answer."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from validstats._typing import Bool1D, Float1D, Float2D, Int1D, RandomState
from validstats.dsl import DesignSupervised
from validstats.dsl.fit.cell_intervals import cell_estimate, cell_interval, cell_sums
from validstats.dsl.fit.cells import form_cells
from validstats.evals.doctor import drawn_level
from validstats.evals.inputs import EvalInput, Population
from validstats.evals.readers import EvalFileError
from validstats.evals.statistics import (
    cell_mean,
    effective_score_interval,
    effective_size,
    kish_size,
    t_quantile,
)
from validstats.exceptions import LabellingWarning

__all__ = ["JudgedMean", "JudgedSystems", "judged_mean", "judged_systems", "labelled_units"]


@dataclass(frozen=True, eq=False)
class JudgedMean:
    """Mean of what humans would say, from a judge on all rows and humans on some."""

    estimate: float
    conf_low: float
    conf_high: float
    std_error: float
    degrees_of_freedom: float
    p_value: float
    judge_estimate: float
    human_estimate: float
    n_human: int
    n_units: int
    study: Any


def labelled_units(labelled: Bool1D, clusters: Int1D, weights: Float1D) -> tuple[float, int]:
    """Kish's number of labelled clusters by their total weight a/pi, and how many there are."""
    totals = np.bincount(clusters[labelled], weights[labelled])
    totals = totals[totals > 0]
    return kish_size(totals), len(totals)


def _study(
    frame: Any, surrogates: list[str], human: Float1D, data: EvalInput, seed: RandomState
) -> DesignSupervised:
    """Calibrated study of the human labels; clusters that were labelled as a whole are the sampling units."""
    level, groups = drawn_level(data.table, ~np.isnan(human))
    whole = level != "rows" and int(groups.max()) + 1 < len(human)
    study = DesignSupervised(random_state=0 if seed is None else seed)
    study.fit(frame, surrogate=surrogates, features=[])
    study.calibrate(
        {"human": human},
        sampling_probability=data.probability,
        clusters=groups.astype(str) if whole else None,
    )
    return study


def _surrogates(data: EvalInput, score: Float1D) -> tuple[dict[str, Any], list[str]]:
    """The judge's verdict as columns of numbers; a missing one is a class of its own."""
    missing = np.isnan(score)
    columns: dict[str, Any] = {"judge": np.where(missing, np.nanmean(score), score)}
    names = ["judge"]
    if missing.any():
        columns["judge_missing"] = missing.astype(float)
        names.append("judge_missing")
    return columns, names


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

    Bounded scores whose labels were drawn by the independent unit (rows, or whole clusters) have the interval of cells
    of equal verdict; labels drawn inside clusters the same estimate with clustered variance and a score interval;
    scores without bounds the clustered mean of the dsl domain.
    """
    assert data.human is not None
    labelled = data.labelled
    weight = np.ones(len(data.score)) if data.weight is None else data.weight
    pi = np.full(len(data.score), labelled.mean()) if data.probability is None else data.probability
    n_units = labelled_units(labelled, data.cluster, weight / pi)[1]
    judged = ~np.isnan(data.score)
    parts = {
        "judge_estimate": float(np.average(data.score[judged], weights=weight[judged]))
        if judged.any()
        else np.nan,
        "human_estimate": float(np.average(data.human[labelled], weights=(weight / pi)[labelled])),
        "n_human": int(labelled.sum()),
        "n_units": n_units,
    }
    if bounds is None:
        return _by_regression(data, confidence_level, population, random_state, null, n_units, parts)
    units = _units(data, labelled, pi) if data.weight is None else None
    if units is not None:
        return _by_cells(units, bounds, confidence_level, population, binary, null, n_units, parts)
    return _inside_clusters(data, bounds, weight, pi, confidence_level, population, null, parts)


@dataclass(frozen=True, eq=False)
class _Units:
    """Independent units with their verdict, label mean, labelling probability and size."""

    verdict: Float1D
    verdict_known: Bool1D
    label: Float1D
    labelled: Bool1D
    probability: Float1D
    size: Float1D
    equal_probability: bool


def _units(data: EvalInput, labelled: Bool1D, pi: Float1D) -> _Units | None:
    """Rows, or whole clusters that were labelled entirely or not at all; None where labels were drawn inside clusters."""
    assert data.human is not None
    size = np.bincount(data.cluster).astype(float)
    known = np.bincount(data.cluster, labelled)
    if size.max() > 1 and np.any((known > 0) & (known < size)):
        return None
    total = np.bincount(data.cluster, pi)
    if size.max() > 1 and not np.allclose(total / size, pi[np.unique(data.cluster, return_index=True)[1]]):
        return None
    judged = ~np.isnan(data.score)
    n_judged = np.bincount(data.cluster, judged)
    verdict = np.bincount(data.cluster, np.where(judged, data.score, 0.0)) / np.maximum(n_judged, 1)
    label = np.bincount(data.cluster, np.where(labelled, data.human, 0.0)) / size
    return _Units(verdict, n_judged > 0, label, known > 0, total / size, size, data.probability is None)


def _by_cells(
    units: _Units,
    bounds: tuple[float, float],
    level: float,
    population: Population,
    binary: bool,
    null: float | None,
    n_units: int,
    parts: dict[str, Any],
) -> JudgedMean:
    """Interval of cells of equal verdict; its p-value is the level at which it touches the tested value."""
    low_bound, high_bound = bounds
    width = high_bound - low_bound
    # An answer without a verdict is a class of its own: a value below all others keeps verdicts discrete.
    lowest = units.verdict[units.verdict_known].min() if units.verdict_known.any() else 0.0
    verdict = np.where(units.verdict_known, units.verdict, lowest - 1.0)
    cells = form_cells(units.probability, [verdict], equal_probability=units.equal_probability)
    sums = cell_sums(
        (units.label[units.labelled] - low_bound) / width,
        cells.cell,
        units.labelled,
        units.probability,
        cells.n_cells,
        size=units.size if units.size.max() > 1 else None,
        finite=population == "finite",
        stratum=cells.stratum,
    )
    declared = binary and units.size.max() == 1

    def ends(at: float) -> tuple[float, float]:
        found = cell_interval(sums, at, binary=declared)
        return float(found.conf_low), float(found.conf_high)

    estimate = float(cell_estimate(sums))
    low, high = ends(level)
    p_value = float("nan")
    if null is not None:
        p_value = _level_at(ends, estimate, (null - low_bound) / width)
    return JudgedMean(
        estimate=low_bound + width * estimate,
        conf_low=low_bound + width * low,
        conf_high=low_bound + width * high,
        std_error=width * (high - low) / (2.0 * t_quantile(level, None)),
        degrees_of_freedom=max(n_units - 1.0, 1.0),
        p_value=p_value,
        study=sums,
        **parts,
    )


def _level_at(ends: Any, estimate: float, null: float) -> float:
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


def _verdict_cells(score: Float1D, probability: Float1D, equal: bool) -> Int1D:
    """Cells of equal verdict, a missing one below all others, merged where few labels are expected."""
    missing = np.isnan(score)
    lowest = float(np.nanmin(score)) if not missing.all() else 0.0
    return form_cells(probability, [np.where(missing, lowest - 1.0, score)], equal_probability=equal).cell


def _inside_clusters(
    data: EvalInput,
    bounds: tuple[float, float],
    weight: Float1D,
    pi: Float1D,
    level: float,
    population: Population,
    null: float | None,
    parts: dict[str, Any],
) -> JudgedMean:
    """Cells of equal verdict with clustered variance, for labels that were drawn inside clusters."""
    assert data.human is not None
    low_bound, high_bound = bounds
    width = high_bound - low_bound
    cell = _verdict_cells(data.score, pi, data.probability is None)
    found = cell_mean(
        (data.human - low_bound) / width,
        data.labelled,
        weight,
        pi,
        cell,
        data.cluster,
        int(data.cluster.max()) + 1,
    )
    std_error = float(np.sqrt(found.labelling if population == "finite" else found.variance))
    df = max(found.n_units - 1.0, 1.0)
    low, high = effective_score_interval(
        found.estimate, std_error, found.effective_units, t_quantile(level, df)
    )
    p_value = float("nan")
    if null is not None:
        p_value = score_p_value(
            found.estimate, std_error, found.effective_units, (null - low_bound) / width, df
        )
    return JudgedMean(
        estimate=low_bound + width * found.estimate,
        conf_low=low_bound + width * float(low),
        conf_high=low_bound + width * float(high),
        std_error=width * std_error,
        degrees_of_freedom=df,
        p_value=p_value,
        study=found,
        **parts,
    )


def _by_regression(
    data: EvalInput,
    level: float,
    population: Population,
    random_state: RandomState,
    null: float | None,
    n_units: int,
    parts: dict[str, Any],
) -> JudgedMean:
    """Mean by the dsl domain with clustered standard errors and a t interval."""
    import pandas as pd

    assert data.human is not None
    columns, names = _surrogates(data, data.score)
    frame = pd.DataFrame(columns)
    with warnings.catch_warnings():
        # Few labels are said by the checks, in the words of an evaluation.
        warnings.simplefilter("ignore", LabellingWarning)
        study = _study(frame, names, data.human, data, random_state)
        result = study.infer(
            "human",
            model="mean",
            weights=data.weight,
            clusters=None if population == "finite" or _single(data.cluster) else data.cluster.astype(str),
            population=population,
            confidence_level=level,
        )
    estimate, std_error = float(result.params[0]), float(result.std_error[0])
    df = max(n_units - 1.0, 1.0)
    critical = t_quantile(level, df)
    p_value = float("nan")
    if null is not None:
        p_value = float(2.0 * stats.t.sf(abs(estimate - null) / std_error, df)) if std_error > 0 else 1.0
    return JudgedMean(
        estimate=estimate,
        conf_low=estimate - critical * std_error,
        conf_high=estimate + critical * std_error,
        std_error=std_error,
        degrees_of_freedom=df,
        p_value=p_value,
        study=result,
        **parts,
    )


def score_p_value(mean: float, std_error: float, n_units: float, null: float, df: float) -> float:
    """Two-sided p-value that belongs to the effective score interval: ``|m - null| = c sqrt(null (1 - null)/n_e)``."""
    m = float(np.clip(mean, 0.0, 1.0))
    n_eff = float(effective_size(m, std_error, n_units))
    return float(2.0 * stats.t.sf(abs(m - null) / np.sqrt(null * (1.0 - null) / n_eff), df))


@dataclass(frozen=True, eq=False)
class JudgedSystems:
    """Means of several systems from one judge, their covariance with smoothing, and degrees of freedom."""

    estimate: Float1D
    covariance: Float2D
    degrees_of_freedom: float
    effective_units: float
    judge_estimate: Float1D
    human_estimate: Float1D
    n_human: Int1D
    study: Any


def judged_systems(
    data: EvalInput, *, confidence_level: float, population: Population, random_state: RandomState
) -> JudgedSystems:
    """Human means of all systems, with the covariance of their contributions by cluster and smoothed variances.

    Scores in [0, 1] by cells of system and verdict; others by one dsl regression on systems.
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
    if data.probability is None:
        share = np.array([labelled[rows].mean() for rows in parts])
        pi = share[data.system]
    else:
        pi = data.probability
    units = [labelled_units(labelled & rows, data.cluster, weight / pi) for rows in parts]
    judge = np.array([np.nanmean(data.score[rows]) for rows in parts])
    human = np.array(
        [np.average(data.human[labelled & r], weights=(weight / pi)[labelled & r]) for r in parts]
    )
    study: Any = None
    if data.in_unit_range:
        n_clusters = int(data.cluster.max()) + 1
        means = []
        for rows in parts:
            cell = _verdict_cells(data.score[rows], pi[rows], data.probability is None)
            means.append(
                cell_mean(
                    data.human[rows],
                    labelled[rows],
                    weight[rows],
                    pi[rows],
                    cell,
                    data.cluster[rows],
                    n_clusters,
                )
            )
        theta = np.array([m.estimate for m in means])
        if population == "finite":
            covariance = np.diag([m.labelling + m.smoothing for m in means])
        else:
            influence = np.column_stack([m.influence for m in means])
            covariance = influence.T @ influence * (n_clusters / max(n_clusters - 1, 1))
            covariance += np.diag([m.opening + m.smoothing for m in means])
        study = tuple(means)
    else:
        study = _regression_on_systems(data, confidence_level, population, random_state)
        theta, covariance = np.asarray(study.params, dtype=float), np.array(study.covariance, dtype=float)
    return JudgedSystems(
        estimate=theta,
        covariance=covariance,
        # Independent labelled units of the system that has fewest.
        degrees_of_freedom=float(max(min(n for _, n in units) - 1, 1)),
        effective_units=float(min(k for k, _ in units)),
        judge_estimate=judge,
        human_estimate=human,
        n_human=per_system,
        study=study,
    )


def _regression_on_systems(
    data: EvalInput, level: float, population: Population, random_state: RandomState
) -> Any:
    """``human ~ 0 + C(system)`` of the dsl domain, clustered."""
    import pandas as pd

    assert data.human is not None
    columns, names = _surrogates(data, data.score)
    width = len(str(len(data.system_names)))
    # Codes with leading zeros keep the order of systems in the formula's categories.
    columns["system"] = [f"s{code:0{width}d}" for code in data.system]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LabellingWarning)
        study = _study(pd.DataFrame(columns), names, data.human, data, random_state)
        return study.infer(
            "human ~ 0 + C(system)",
            model="linear",
            weights=data.weight,
            clusters=None if population == "finite" or _single(data.cluster) else data.cluster.astype(str),
            population=population,
            confidence_level=level,
        )


def _single(clusters: Int1D) -> bool:
    """Whether every row is a cluster of its own."""
    return int(clusters.max()) + 1 == len(clusters)
