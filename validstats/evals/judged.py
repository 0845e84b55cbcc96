"""Judge-corrected means: the call of the dsl domain, its interval, and the agreement behind every answer."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from validstats._typing import Bool1D, Float1D, Float2D, Int1D, RandomState
from validstats.dsl import DesignSupervised
from validstats.evals.inputs import EvalInput, Population
from validstats.evals.readers import EvalFileError
from validstats.evals.statistics import (
    effective_score_interval,
    kish_size,
    smoothed_variance,
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
    from validstats.evals.doctor import drawn_level

    level, groups = drawn_level(data.table, ~np.isnan(human))
    whole = level != "rows" and int(groups.max()) + 1 < len(human)
    study = DesignSupervised(random_state=0 if seed is None else seed)
    study.fit(frame, surrogate=surrogates, features=[])
    study.calibrate(
        {"human": human}, sampling_probability=data.probability, clusters=groups.astype(str) if whole else None
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
    null: float | None = None,
) -> JudgedMean:
    """Design-based mean of the human scores; ``bounds`` are known limits of a score, ``null`` a tested value."""
    import pandas as pd

    assert data.human is not None
    labelled = data.labelled
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
            confidence_level=confidence_level,
        )
    weight = np.ones(len(data.score)) if data.weight is None else data.weight
    pi = np.full(len(data.score), labelled.mean()) if data.probability is None else data.probability
    kish, n_units = labelled_units(labelled, data.cluster, weight / pi)
    estimate, std_error = float(result.params[0]), float(result.std_error[0])
    df = max(n_units - 1.0, 1.0)
    p_value = float("nan")
    if bounds is not None:
        low_bound, high_bound = bounds
        width = high_bound - low_bound
        scaled = (estimate - low_bound) / width
        critical = t_quantile(confidence_level, df)
        low, high = effective_score_interval(scaled, std_error / width, kish, critical)
        conf_low, conf_high = low_bound + width * float(low), low_bound + width * float(high)
        estimate = float(np.clip(estimate, low_bound, high_bound))
        if null is not None:
            p_value = score_p_value(scaled, std_error / width, kish, (null - low_bound) / width, df)
    else:
        critical = t_quantile(confidence_level, df)
        conf_low, conf_high = estimate - critical * std_error, estimate + critical * std_error
        if null is not None:
            p_value = float(2.0 * stats.t.sf(abs(estimate - null) / std_error, df)) if std_error > 0 else 1.0
    judged = data.score[~np.isnan(data.score)]
    judge_weight = weight[~np.isnan(data.score)]
    return JudgedMean(
        estimate=estimate,
        conf_low=conf_low,
        conf_high=conf_high,
        std_error=std_error,
        degrees_of_freedom=df,
        p_value=p_value,
        judge_estimate=float(np.average(judged, weights=judge_weight)),
        human_estimate=float(np.average(data.human[labelled], weights=(weight / pi)[labelled])),
        n_human=int(labelled.sum()),
        n_units=n_units,
        study=result,
    )


def score_p_value(mean: float, std_error: float, n_units: float, null: float, df: float) -> float:
    """Two-sided p-value that belongs to the effective score interval: ``|m - null| = c sqrt(null (1 - null)/n_e)``."""
    m = float(np.clip(mean, 0.0, 1.0))
    # n_e from the interval at any critical value: half-width at c -> 0 is c sqrt(m(1 - m)/n_e); take the same formula.
    n = n_units
    mean_2 = (n * m + 1.0) / (n + 2.0)
    variance_2 = (n * (n * std_error**2 + m**2) + 1.0) / (n + 2.0) - mean_2**2
    n_eff = n * mean_2 * (1.0 - mean_2) / variance_2
    return float(2.0 * stats.t.sf(abs(m - null) / np.sqrt(null * (1.0 - null) / n_eff), df))


@dataclass(frozen=True, eq=False)
class JudgedSystems:
    """Means of several systems from one judge, their covariance with smoothing, and degrees of freedom."""

    estimate: Float1D
    covariance: Float2D
    degrees_of_freedom: float
    judge_estimate: Float1D
    human_estimate: Float1D
    n_human: Int1D
    study: Any


def judged_systems(
    data: EvalInput, *, confidence_level: float, population: Population, random_state: RandomState
) -> JudgedSystems:
    """One design-based regression on systems; clusters are items, variances are smoothed by verdict."""
    import pandas as pd

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
    columns, names = _surrogates(data, data.score)
    width = len(str(n_systems))
    # Codes with leading zeros keep the order of systems in the formula's categories.
    columns["system"] = [f"s{code:0{width}d}" for code in data.system]
    frame = pd.DataFrame(columns)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LabellingWarning)
        study = _study(frame, names, data.human, data, random_state)
        result = study.infer(
            "human ~ 0 + C(system)",
            model="linear",
            weights=data.weight,
            clusters=None if population == "finite" or _single(data.cluster) else data.cluster.astype(str),
            population=population,
            confidence_level=confidence_level,
        )
    theta = np.asarray(result.params, dtype=float)
    covariance = np.array(result.covariance, dtype=float)
    weight = np.ones(len(data.score)) if data.weight is None else data.weight
    pi = np.full(len(data.score), labelled.mean()) if data.probability is None else data.probability
    verdicts, verdict_names = data.verdict_classes()
    discrete = len(verdict_names) <= 20
    units = []
    for s in range(n_systems):
        rows = data.system == s
        units.append(labelled_units(labelled & rows, data.cluster, weight / pi)[1])
        if not discrete:
            continue
        share, counts, right = [], [], []
        for q in np.unique(verdicts[rows]):
            member = rows & (verdicts == q)
            known = member & labelled
            share.append(weight[member].sum() / weight[rows].sum())
            if known.any():
                m = labelled_units(known, data.cluster, weight / pi)[0]
                rate = float(np.average(data.human[known], weights=(weight / pi)[known]))
            else:
                m, rate = 0.0, 0.0
            counts.append(m)
            right.append(m * np.clip(rate, 0.0, 1.0))
        covariance[s, s] += smoothed_variance(np.array(share), np.array(counts), np.array(right))
    judge = np.array([np.nanmean(data.score[data.system == s]) for s in range(n_systems)])
    human = np.array(
        [
            np.average(
                data.human[labelled & (data.system == s)], weights=(weight / pi)[labelled & (data.system == s)]
            )
            for s in range(n_systems)
        ]
    )
    return JudgedSystems(
        estimate=theta,
        covariance=covariance,
        degrees_of_freedom=float(max(min(units) - 1, 1)),
        judge_estimate=judge,
        human_estimate=human,
        n_human=per_system,
        study=result,
    )


def _single(clusters: Int1D) -> bool:
    """Whether every row is a cluster of its own."""
    return int(clusters.max()) + 1 == len(clusters)
