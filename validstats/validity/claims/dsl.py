"""Claims about regressions from machine labels: judges from useless to near perfect, few labels, rare outcomes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from validstats._typing import AnyArray, Float1D
from validstats.dsl import DesignSupervised
from validstats.validity.hunt import Choice, Claim, LogUniform, Prior, Refused, Setting, Trial, Uniform

__all__ = ["CLAIMS"]

DESIGNS = ("simple", "independent", "stratified", "unequal", "clusters")
JUDGES = ("binary", "five grades", "continuous", "none")


def _prior(**more: Any) -> Prior:
    return Prior(
        {
            "labels": LogUniform(15, 3000, says="expert labels"),
            "times": LogUniform(2, 40, whole=False, says="rows for each label"),
            "design": Choice(DESIGNS, says="how rows were drawn for labelling"),
            "judge": Choice(JUDGES, says="what the machine labels are"),
            "sensitivity": Uniform(0.5, 0.995),
            "specificity": Uniform(0.5, 0.995),
            **more,
        },
        valid=lambda s: s["labels"] * s["times"] <= 20_000,
    )


def _judged(y: Float1D, setting: Setting, rng: np.random.Generator) -> Float1D:
    """Labels of a judge who is right as often as the setting says."""
    right = np.where(y == 1, setting["sensitivity"], setting["specificity"])
    verdict = np.where(rng.random(len(y)) < right, y, 1 - y)
    if setting["judge"] == "binary":
        return verdict
    if setting["judge"] == "none":
        return rng.integers(2, size=len(y)).astype(float)
    score = np.where(verdict == 1, rng.beta(4, 1.5, len(y)), rng.beta(1.5, 4, len(y)))
    return np.round(4 * score) if setting["judge"] == "five grades" else score


def _drawn(
    setting: Setting, y: Float1D, judged: Float1D, rng: np.random.Generator
) -> tuple[AnyArray, dict[str, Any]]:
    """Which rows are labelled, and what calibrate is told of the design."""
    n, k = len(y), setting["labels"]
    if setting["design"] == "independent":
        return rng.random(n) < k / n, {"sampling_probability": np.full(n, k / n)}
    if setting["design"] == "unequal":
        weight = np.exp(1.5 * rng.normal(size=n))
        probability = np.clip(k * weight / weight.sum(), k / n / 10, 1.0)
        return rng.random(n) < probability, {"sampling_probability": probability}
    chosen = np.zeros(n, dtype=bool)
    if setting["design"] == "stratified":
        strata = np.digitize(judged, np.quantile(judged, [0.5, 0.8]))
        for stratum in np.unique(strata):
            rows = np.flatnonzero(strata == stratum)
            take = min(max(2, k // len(np.unique(strata))), len(rows))
            chosen[rng.choice(rows, take, replace=False)] = True
        return chosen, {"strata": strata}
    if setting["design"] == "clusters":
        size = max(1, n // max(2 * math.isqrt(n), 10))
        groups = np.arange(n) // size
        n_groups = groups[-1] + 1
        picked = rng.choice(n_groups, min(max(5, round(k / size)), n_groups - 1), replace=False)
        chosen[np.isin(groups, picked)] = True
        return chosen, {"clusters": groups, "sampling_probability": np.full(n, len(picked) / n_groups)}
    chosen[rng.choice(n, k, replace=False)] = True
    return chosen, {"sampling_probability": np.full(n, k / n)}


def _study(rows: Any, y: Float1D, judged: Float1D, setting: Setting, rng: np.random.Generator) -> Any:
    chosen, design = _drawn(setting, y, judged, rng)
    if chosen.sum() < 5:
        raise Refused("fewer than five labels were drawn")
    study = DesignSupervised(random_state=int(rng.integers(2**31))).fit(rows, surrogate="judge")
    return study.calibrate({"y": np.where(chosen, y, np.nan)}, **design)


def _share_trial(setting: Setting, rng: np.random.Generator) -> Trial:
    import pandas as pd

    n = round(setting["labels"] * setting["times"])
    rate = 1 / (1 + math.exp(-setting["logit"]))
    y = (rng.random(n) < rate).astype(float)
    judged = _judged(y, setting, rng)
    study = _study(pd.DataFrame({"judge": judged}), y, judged, setting, rng)
    result = study.infer("y", model="proportion", confidence_level=setting["level"])
    low, high = (float(np.ravel(end)[0]) for end in (result.conf_low, result.conf_high))
    fault = ""
    if math.isnan(low) or math.isnan(high):
        fault = "an end is NaN"
    elif low < -1e-12 or high > 1 + 1e-12:
        fault = "an end lies outside 0 and 1"
    reference, width = _wilson(y, study.calibration_.labelled, rate, setting["level"])
    return Trial(low <= rate <= high, high - low, reference, width, fault)


def _wilson(y: Float1D, labelled: AnyArray, rate: float, level: float) -> tuple[bool, float]:
    """The interval of Wilson (1927) from the labels alone, as if they were a simple random sample."""
    from scipy import stats

    found = stats.binomtest(int(y[labelled].sum()), int(labelled.sum())).proportion_ci(level, "wilson")
    return bool(found.low <= rate <= found.high), float(found.high - found.low)


def _regression_trial(model: str) -> Callable[[Setting, np.random.Generator], Trial]:
    def trial(setting: Setting, rng: np.random.Generator) -> Trial:
        import pandas as pd

        n, slope = round(setting["labels"] * setting["times"]), 0.7
        x = rng.normal(size=n)
        if setting["covariate"] == "skewed":
            x = rng.exponential(size=n) - 1
        elif setting["covariate"] == "dummy":
            x = (rng.random(n) < 0.15).astype(float)
        if model == "linear":
            noise = rng.standard_t(4, n) if setting["errors"] == "heavy" else rng.normal(size=n)
            noise *= 1 + 0.5 * np.abs(x) if setting["errors"] == "uneven" else 1.0
            y = slope * x + noise
            judged = setting["sensitivity"] * y + (1 - setting["sensitivity"]) * 3 * rng.normal(size=n)
        else:
            y = (rng.random(n) < 1 / (1 + np.exp(-(slope * x - setting["rare"])))).astype(float)
            judged = _judged(y, setting, rng)
        rows = pd.DataFrame({"judge": judged, "x": x})
        study = _study(rows, y, judged, setting, rng)
        try:
            result = study.infer("y ~ x", model=model, confidence_level=setting["level"])
        except ValueError as error:
            raise Refused(str(error)) from error
        low, high = (float(np.ravel(end)[-1]) for end in (result.conf_low, result.conf_high))
        fault = "an end is NaN" if math.isnan(low) or math.isnan(high) else ""
        return Trial(low <= slope <= high, high - low, fault=fault)

    return trial


def _level(setting: Setting) -> float:
    return float(setting["level"])


CLAIMS = (
    Claim(
        "share by a judge",
        _prior(logit=Uniform(-6.9, 6.9, says="log odds of the share"), level=Choice((0.9, 0.95))),
        _share_trial,
        _level,
        "asymptotic",
        reference="Wilson on the labels alone",
    ),
    Claim(
        "slope of a linear regression",
        _prior(
            covariate=Choice(("normal", "skewed", "dummy")),
            errors=Choice(("normal", "heavy", "uneven")),
            level=Choice((0.9, 0.95)),
        ),
        _regression_trial("linear"),
        _level,
        "asymptotic",
    ),
    Claim(
        "slope of a logistic regression",
        _prior(
            covariate=Choice(("normal", "skewed", "dummy")),
            rare=Uniform(-1, 2.5),
            level=Choice((0.9, 0.95)),
        ),
        _regression_trial("logit"),
        _level,
        "asymptotic",
    ),
)
