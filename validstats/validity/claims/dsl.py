"""Claims about regressions from machine labels: judges from useless to near perfect, few labels, rare outcomes."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import special, stats

from validstats._typing import AnyArray, Float1D, Float2D
from validstats.dsl import DesignSupervised
from validstats.exceptions import LabellingWarning
from validstats.validity.claims.words import documented, fault_of_interval
from validstats.validity.hunt import Claim, Refused, Trial
from validstats.validity.priors import Choice, LogUniform, Prior, Setting, Uniform

__all__ = ["CLAIMS"]

DESIGNS = ("simple", "independent", "stratified", "unequal", "clusters", "rows of clusters")
CLUSTERED = ("clusters", "rows of clusters")
JUDGES = ("binary", "five grades", "continuous", "none")
COVARIATES = ("normal", "skewed", "dummy", "near-collinear", "of clusters")
ERRORS = ("normal", "heavy", "uneven")
LEARNERS = ("stack", "linear", "trees", "nearest")
NUMBERS: dict[str, tuple[Callable[[Any], Any], float]] = {
    "normal": (lambda u: stats.norm.ppf(u), 0.0),
    "heavy": (lambda u: stats.t.ppf(u, 3), 0.0),
    "skewed": (lambda u: np.exp(1.2 * stats.norm.ppf(u)), math.exp(0.72)),
    "counts": (lambda u: stats.poisson.ppf(u, 1.5), 1.5),
}
"""Quantile functions of numeric labels, with their means."""
SCORES: dict[str, tuple[Callable[[Any], Any], float]] = {
    "smooth": (lambda u: special.expit(stats.norm.ppf(u)), 0.5),
    "near the top": (lambda u: 0.99 + 0.01 * u, 0.995),
    "high": (lambda u: stats.beta.ppf(u, 20, 2), 20 / 22),
    "U-shaped": (lambda u: stats.beta.ppf(u, 0.3, 0.3), 0.5),
    "two values": (lambda u: np.where(u < 0.8, 0.9, 0.5), 0.82),
}
"""Quantile functions of scores in [0, 1], with their means."""


def _prior(**more: Any) -> Prior:
    return Prior(
        {
            "labels": LogUniform(15, 3000, says="expert labels"),
            "times": LogUniform(2, 40, whole=False, says="rows for each label"),
            "design": Choice(DESIGNS, says="how rows were drawn for labelling"),
            "cell": LogUniform(1, 50, says="labels of a stratum, where rows are drawn within strata"),
            "spread": LogUniform(
                2, 50, whole=False, says="largest over smallest probability, where they are unequal"
            ),
            "clusters": LogUniform(
                5, 200, says="clusters that hold as many rows as there are labels, where rows lie in clusters"
            ),
            "alike": Uniform(0, 0.8, says="correlation of the rows of a cluster"),
            "judge": Choice(JUDGES, says="what the machine labels are"),
            "sensitivity": Uniform(0.5, 0.995),
            "specificity": Uniform(0.5, 0.995),
            "population": Choice(("superpopulation", "finite"), says="what the statement is about"),
            "level": Choice((0.9, 0.95)),
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


def _measured(y: Float1D, setting: Setting, rng: np.random.Generator) -> Float1D:
    """A machine's version of numeric labels, as good as the sensitivity says."""
    if setting["judge"] == "none":
        return rng.normal(size=len(y))
    weight = 2 * setting["sensitivity"] - 1
    value = weight * y + (1 - weight) * (np.std(y) + 1e-9) * rng.normal(size=len(y))
    if setting["judge"] == "binary":
        return (value > np.median(value)).astype(float)
    return np.round(value) if setting["judge"] == "five grades" else value


def _groups(n: int, setting: Setting) -> AnyArray:
    """Clusters of rows: of whole ones about as many are labelled as the setting says."""
    size = max(1 if setting["design"] == "clusters" else 2, setting["labels"] // setting["clusters"])
    return np.asarray(np.arange(n) // size)


def _chances(n: int, setting: Setting, rng: np.random.Generator) -> Float1D:
    """Uniform numbers, alike within clusters where there are any: a Gaussian copula."""
    if setting["design"] not in CLUSTERED:
        return rng.random(n)
    groups, alike = _groups(n, setting), setting["alike"]
    common = rng.normal(size=int(groups[-1]) + 1)[groups]
    return np.asarray(
        special.ndtr(math.sqrt(alike) * common + math.sqrt(1 - alike) * rng.normal(size=n)), dtype=np.float64
    )


def _drawn(
    setting: Setting, judged: Float1D, groups: AnyArray, rng: np.random.Generator
) -> tuple[AnyArray, dict[str, Any]]:
    """Which rows are labelled, and what calibrate is told of the design."""
    n, k = len(judged), setting["labels"]
    if setting["design"] == "independent":
        return rng.random(n) < k / n, {"sampling_probability": np.full(n, k / n)}
    if setting["design"] == "unequal":
        weight = np.exp(math.log(setting["spread"]) * rng.random(n))
        probability = np.clip(k * weight / weight.sum(), 0.0, 1.0)
        return rng.random(n) < probability, {"sampling_probability": probability}
    chosen = np.zeros(n, dtype=bool)
    if setting["design"] == "stratified":
        order = np.argsort(judged + 1e-9 * rng.random(n))
        strata = np.empty(n, dtype=int)
        n_strata = max(1, k // setting["cell"])
        strata[order] = np.arange(n) * n_strata // n
        for stratum in range(n_strata):
            rows = np.flatnonzero(strata == stratum)
            chosen[rng.choice(rows, min(setting["cell"], len(rows)), replace=False)] = True
        return chosen, {"strata": strata}
    if setting["design"] == "clusters":
        n_groups = int(groups[-1]) + 1
        picked = rng.choice(n_groups, min(setting["clusters"], n_groups - 1), replace=False)
        chosen[np.isin(groups, picked)] = True
        return chosen, {"clusters": groups, "sampling_probability": np.full(n, len(picked) / n_groups)}
    chosen[rng.choice(n, k, replace=False)] = True
    clusters = {"clusters": groups} if setting["design"] == "rows of clusters" else {}
    return chosen, {"sampling_probability": np.full(n, k / n), **clusters}


def _learner(kind: str, classes: bool) -> Any:
    """A learner as users hand one over, or None for the stack that is the default."""
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

    if kind == "linear":
        return LogisticRegression() if classes else LinearRegression()
    if kind == "trees":
        return (RandomForestClassifier if classes else RandomForestRegressor)(10, random_state=0)
    if kind == "nearest":
        return (KNeighborsClassifier if classes else KNeighborsRegressor)(3)
    return None


def _infer(
    rows: Any,
    y: AnyArray,
    groups: AnyArray,
    setting: Setting,
    rng: np.random.Generator,
    formula: str,
    heard: list[str] | None = None,
    **options: Any,
) -> tuple[Any, AnyArray, str]:
    """The result, which rows were labelled, and a fault where a warning did not come."""
    import pandas as pd

    judged = rows["judge"] if pd.api.types.is_numeric_dtype(rows["judge"]) else pd.factorize(rows["judge"])[0]
    judged = np.asarray(judged, dtype=float)
    chosen, design = _drawn(setting, judged, groups, rng)
    if chosen.sum() < 5:
        raise Refused("fewer than five labels were drawn")
    finite = setting["population"] == "finite"
    if "clusters" in design and finite:
        options["clusters"] = None
    learner = _learner(setting.get("learner", "stack"), bool(setting.get("classes")))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", LabellingWarning)
        try:
            study = DesignSupervised(learner, random_state=int(rng.integers(2**31))).fit(
                rows, surrogate="judge"
            )
            study.calibrate({"y": pd.Series(y).where(pd.Series(chosen))}, **design)
            result = study.infer(
                formula,
                confidence_level=setting["level"],
                population=setting["population"],
                estimator=setting.get("estimator", "tuned"),
                **options,
            )
        except ValueError as error:
            raise documented(error) from error
    words = [str(w.message) for w in said if issubclass(w.category, LabellingWarning)]
    if heard is not None:
        heard += words
    several = len(groups) > groups[-1] + 1  # clusters of one row are rows
    dependent = setting["design"] in CLUSTERED and not finite and several
    few = dependent and len(np.unique(groups[chosen])) < 50
    return result, chosen, "few clusters without a warning" if few and not words else ""


def _compare(result: Any, truth: float, term: int, fault: str, reference: Any = None) -> Trial:
    low, high = float(np.ravel(result.conf_low)[term]), float(np.ravel(result.conf_high)[term])
    estimate = float(np.ravel(result.estimate)[term])
    held, width = (None, math.nan) if reference is None else reference
    fault = fault or fault_of_interval(low, high, estimate)
    return Trial(low <= truth <= high, high - low, held, width, fault)


def _share_trial(setting: Setting, rng: np.random.Generator) -> Trial:
    import pandas as pd

    n = round(setting["labels"] * setting["times"])
    rate, groups = 1 / (1 + math.exp(-setting["logit"])), _groups(n, setting)
    y = (_chances(n, setting, rng) < rate).astype(float)
    rows = pd.DataFrame({"judge": _judged(y, setting, rng)})
    result, chosen, fault = _infer(rows, y, groups, setting, rng, "y", model="proportion")
    truth = float(y.mean()) if setting["population"] == "finite" else rate
    low, high = float(np.ravel(result.conf_low)[0]), float(np.ravel(result.conf_high)[0])
    fault = fault or ("an end lies outside 0 and 1" if low < -1e-12 or high > 1 + 1e-12 else "")
    return _compare(result, truth, 0, fault, _wilson(y, chosen, truth, setting["level"]))


def _wilson(y: Float1D, labelled: AnyArray, rate: float, level: float) -> tuple[bool, float]:
    """The interval of Wilson (1927) from the labels alone, as if they were a simple random sample."""
    found = stats.binomtest(int(y[labelled].sum()), int(labelled.sum())).proportion_ci(level, "wilson")
    return bool(found.low <= rate <= found.high), float(found.high - found.low)


def _student(y: Float1D, labelled: AnyArray, truth: float, level: float) -> tuple[bool, float]:
    """Student's interval of the labels alone, as if they were a simple random sample."""
    k = int(labelled.sum())
    half = float(stats.t.ppf((1 + level) / 2, k - 1) * y[labelled].std(ddof=1) / math.sqrt(k))
    return abs(float(y[labelled].mean()) - truth) <= half, 2 * half


def _mean_trial(setting: Setting, rng: np.random.Generator) -> Trial:
    """A mean of numeric labels whose range nobody knows; it holds, or a warning says that the labels are too skewed."""
    import pandas as pd

    n = round(setting["labels"] * setting["times"])
    quantile, mean = NUMBERS[setting["law"]]
    y, groups = np.asarray(quantile(_chances(n, setting, rng))), _groups(n, setting)
    rows = pd.DataFrame({"judge": _measured(y, setting, rng)})
    heard: list[str] = []
    result, chosen, fault = _infer(rows, y, groups, setting, rng, "y", heard, model="mean")
    truth = float(y.mean()) if setting["population"] == "finite" else mean
    found = _compare(result, truth, 0, fault, _student(y, chosen, truth, setting["level"]))
    return replace(found, held=found.held or any("is skewed" in words for words in heard))


def _scores_trial(setting: Setting, rng: np.random.Generator) -> Trial:
    """A mean of scores in [0, 1], of which a few are zeros that the judge does not see."""
    import pandas as pd

    n, gross = round(setting["labels"] * setting["times"]), setting["gross"]
    quantile, mean = SCORES[setting["law"]]
    y, groups = np.asarray(quantile(_chances(n, setting, rng))), _groups(n, setting)
    rows = pd.DataFrame({"judge": _measured(y, setting, rng)})
    y = np.where(_chances(n, setting, rng) < gross, 0.0, y)
    result, chosen, fault = _infer(rows, y, groups, setting, rng, "y", model="mean", outcome_range=(0.0, 1.0))
    truth = float(y.mean()) if setting["population"] == "finite" else mean * (1 - gross)
    low, high = float(np.ravel(result.conf_low)[0]), float(np.ravel(result.conf_high)[0])
    fault = fault or ("an end lies outside 0 and 1" if low < -1e-12 or high > 1 + 1e-12 else "")
    return _compare(result, truth, 0, fault, _student(y, chosen, truth, setting["level"]))


def _quantile_trial(setting: Setting, rng: np.random.Generator) -> Trial:
    """A quantile of numeric labels."""
    import pandas as pd

    n, q = round(setting["labels"] * setting["times"]), setting["q"]
    quantile = NUMBERS[setting["law"]][0]
    y, groups = np.asarray(quantile(_chances(n, setting, rng))), _groups(n, setting)
    rows = pd.DataFrame({"judge": _measured(y, setting, rng)})
    heard: list[str] = []
    result, _, fault = _infer(rows, y, groups, setting, rng, "y", heard, model="quantile", quantile=q)
    # the least value whose distribution function reaches q
    truth = np.sort(y)[math.ceil(q * n) - 1] if setting["population"] == "finite" else quantile(q)
    return _compare(result, float(truth), 0, fault)


def _shares_trial(setting: Setting, rng: np.random.Generator) -> Trial:
    """Shares of several classes, each at the level."""
    import pandas as pd

    n, k = round(setting["labels"] * setting["times"]), setting["k"]
    p = np.arange(1, k + 1) ** setting["unequal_classes"]
    p = p / p.sum()
    names = np.array([f"class {i}" for i in range(k)])
    code = np.minimum(np.searchsorted(np.cumsum(p), _chances(n, setting, rng)), k - 1)
    right = rng.random(n) < setting["sensitivity"]
    rows = pd.DataFrame({"judge": names[np.where(right, code, rng.integers(k, size=n))].astype(object)})
    groups = _groups(n, setting)
    result, _, fault = _infer(rows, names[code].astype(object), groups, setting, rng, "y", model="shares")
    term = int(rng.integers(len(result.terms)))
    chosen = result.terms[term].removeprefix("y=") == names
    truth = float(
        (names[code] == names[chosen][0]).mean() if setting["population"] == "finite" else p[chosen][0]
    )
    return _compare(result, truth, term, fault)


def _difference_trial(setting: Setting, rng: np.random.Generator) -> Trial:
    """Difference of the shares of two groups: where cells cannot serve, an interval of rare labels holds or it is said."""
    import pandas as pd

    n = round(setting["labels"] * setting["times"])
    group = (rng.random(n) < setting["second"]).astype(float)
    rates = [1 / (1 + math.exp(-setting[name])) for name in ("logit", "logit_of_second")]
    y = (_chances(n, setting, rng) < np.where(group == 1, rates[1], rates[0])).astype(float)
    rows = pd.DataFrame({"judge": _judged(y, setting, rng), "group": group})
    heard: list[str] = []
    result, _, fault = _infer(
        rows, y, _groups(n, setting), setting, rng, "y ~ group", heard, model="difference"
    )
    truth = rates[1] - rates[0]
    if setting["population"] == "finite":
        truth = float(y[group == 1].mean() - y[group == 0].mean()) if 0 < group.sum() < n else math.nan
    low, high = float(result.conf_low[-1]), float(result.conf_high[-1])
    fault = fault or ("an end lies outside -1 and 1" if low < -1 - 1e-12 or high > 1 + 1e-12 else "")
    found = _compare(result, truth, -1, fault)
    return replace(found, held=found.held or any("a normal law for granted" in words for words in heard))


def _design_matrix(setting: Setting, n: int, rng: np.random.Generator) -> Float2D:
    """Covariates of which the last is as the setting says."""
    X = rng.normal(size=(n, setting["n_covariates"]))
    X[:, 1::3] = rng.exponential(size=X[:, 1::3].shape) - 1
    X[:, 2::3] = rng.random(X[:, 2::3].shape) < 0.3
    if setting["covariate"] == "skewed":
        X[:, -1] = rng.exponential(size=n) - 1
    elif setting["covariate"] == "dummy":
        X[:, -1] = rng.random(n) < 0.15
    elif setting["covariate"] == "near-collinear":
        X[:, -1] = X[:, 0] + 0.2 * rng.normal(size=n)
    elif setting["covariate"] == "of clusters":
        # a few whole clusters, as schools that are treated
        groups = _groups(n, setting)
        X[:, -1] = (rng.random(int(groups[-1]) + 1) < 0.15)[groups]
    return X


SLOPE = 0.7
LINKS: dict[str, Callable[[Float1D], Float1D]] = {
    "logit": lambda eta: 1 / (1 + np.exp(-eta)),
    "probit": lambda eta: stats.norm.cdf(eta),
    "poisson": lambda eta: np.exp(np.minimum(eta, 5.0)),
}


def _regression_trial(model: str) -> Callable[[Setting, np.random.Generator], Trial]:
    def trial(setting: Setting, rng: np.random.Generator) -> Trial:
        import pandas as pd

        n = round(setting["labels"] * setting["times"])
        X, groups = _design_matrix(setting, n, rng), _groups(n, setting)
        eta = SLOPE * X[:, -1] + 0.2 * X[:, :-1].sum(axis=1)
        options: dict[str, Any] = {"model": model}
        if model == "linear":
            chances = _chances(n, setting, rng)
            noise = stats.t.ppf(chances, 4) if setting["errors"] == "heavy" else stats.norm.ppf(chances)
            noise *= 1 + 0.5 * np.abs(X[:, -1]) if setting["errors"] == "uneven" else 1.0
            y = eta + noise
        elif model == "poisson":
            y = stats.poisson.ppf(_chances(n, setting, rng), LINKS[model](0.5 * eta - setting["rare"]))
        else:
            y = (_chances(n, setting, rng) < LINKS[model](eta - setting["rare"])).astype(float)
        judged = _measured(y, setting, rng) if model in ("linear", "poisson") else _judged(y, setting, rng)
        names = [f"x{j}" for j in range(X.shape[1])]
        rows = pd.DataFrame(X, columns=names).assign(judge=judged)
        heard: list[str] = []
        result, chosen, fault = _infer(
            rows,
            y,
            groups,
            {**setting, "classes": model in ("logit", "probit")},
            rng,
            "y ~ " + " + ".join(names),
            heard,
            **options,
        )
        truth = 0.5 * SLOPE if model == "poisson" else SLOPE
        if setting["population"] == "finite":
            truth = _whole(model, y, X)
        reference = _labels_alone(y, X, chosen, truth, setting["level"]) if model == "linear" else None
        found = _compare(result, truth, -1, fault, reference)
        # estimators as they were published hold, or a warning says that the labels are too far from normal for them
        return replace(found, held=found.held or any("a normal law for granted" in words for words in heard))

    return trial


def _whole(model: str, y: Float1D, X: Float2D) -> float:
    """The last coefficient that labels of all rows give."""
    import statsmodels.api as sm

    exog = sm.add_constant(X, has_constant="add")
    if model == "linear":
        return float(np.linalg.lstsq(exog, y, rcond=None)[0][-1])
    family = {
        "logit": sm.families.Binomial(),
        "probit": sm.families.Binomial(sm.families.links.Probit()),
        "poisson": sm.families.Poisson(),
    }[model]
    return float(sm.GLM(y, exog, family=family).fit(tol=1e-10).params[-1])


def _labels_alone(
    y: Float1D, X: Float2D, chosen: AnyArray, truth: float, level: float
) -> tuple[bool, float] | None:
    """Least squares on the labelled rows with HC3 standard errors, as if they were a simple random sample."""
    import statsmodels.api as sm

    k, d = int(chosen.sum()), X.shape[1] + 1
    if k <= d + 1:
        return None
    fitted = sm.OLS(y[chosen], sm.add_constant(X[chosen], has_constant="add")).fit(cov_type="HC3")
    half = float(stats.t.ppf((1 + level) / 2, k - d) * fitted.bse[-1])
    return abs(float(fitted.params[-1]) - truth) <= half, 2 * half


def _multinomial_trial(setting: Setting, rng: np.random.Generator) -> Trial:
    """A slope of one of three classes against the first."""
    import pandas as pd

    n = round(setting["labels"] * setting["times"])
    x = rng.normal(size=n)
    score = np.exp(np.outer(x, [0.0, SLOPE, -0.5]) - np.array([0.0, setting["rare"], 0.5]))
    code = (
        _chances(n, setting, rng)[:, None]
        > np.cumsum(score / score.sum(axis=1, keepdims=True), axis=1)[:, :2]
    ).sum(axis=1)
    names = np.array(["a", "b", "c"])
    judged = names[np.where(rng.random(n) < setting["sensitivity"], code, rng.integers(3, size=n))].astype(
        object
    )
    rows = pd.DataFrame({"judge": judged, "x": x})
    result, _, fault = _infer(
        rows, names[code].astype(object), _groups(n, setting), setting, rng, "y ~ x", model="multinomial"
    )
    if result.terms[1] != "b: x":
        raise Refused("a class was not labelled")
    return _compare(result, SLOPE, 1, fault)


def _effects_trial(setting: Setting, rng: np.random.Generator) -> Trial:
    """A slope beside absorbed effects of units, of which some have one labelled row or none."""
    import pandas as pd

    n = round(setting["labels"] * setting["times"])
    unit = np.arange(n) // setting["each"]
    effect = rng.normal(size=int(unit[-1]) + 1)[unit]
    x = effect + (rng.exponential(size=n) if setting["covariate"] == "skewed" else rng.normal(size=n))
    if setting["covariate"] == "dummy":
        x = (x > 0.8).astype(float)
    noise = rng.standard_t(4, n) if setting["errors"] == "heavy" else rng.normal(size=n)
    noise *= 1 + 0.5 * np.abs(x) if setting["errors"] == "uneven" else 1.0
    y = SLOPE * x + setting["effect"] * effect + noise
    rows = pd.DataFrame({"judge": _measured(y, setting, rng), "x": x, "unit": unit})
    groups = unit if setting["each"] > 1 else _groups(n, setting)
    result, _, fault = _infer(rows, y, groups, setting, rng, "y ~ x | unit", model="linear")
    return _compare(result, SLOPE, 0, fault)


GLM_MEANS: dict[str, Callable[[Float1D], Float1D]] = {
    "gamma, log": lambda eta: np.exp(np.clip(eta, -5.0, 5.0)),
    "binomial, complementary log-log": lambda eta: -np.expm1(-np.exp(np.clip(eta, -30.0, 3.0))),
    "gaussian, log": lambda eta: np.exp(np.clip(eta, -5.0, 3.0)),
}


def _glm_trial(setting: Setting, rng: np.random.Generator) -> Trial:
    """The slope of a generalised linear model."""
    import pandas as pd
    from statsmodels.genmod import families

    n = round(setting["labels"] * setting["times"])
    x = rng.normal(size=n) if setting["covariate"] != "dummy" else (rng.random(n) < 0.15).astype(float)
    mean = GLM_MEANS[setting["family"]](SLOPE * x - setting["rare"])
    if setting["family"] == "gamma, log":
        y, family = (
            stats.gamma.ppf(_chances(n, setting, rng), 2.0) * mean / 2.0,
            families.Gamma(families.links.Log()),
        )
    elif setting["family"] == "gaussian, log":
        y, family = (
            mean + 0.5 * stats.norm.ppf(_chances(n, setting, rng)),
            families.Gaussian(families.links.Log()),
        )
    else:
        y = (_chances(n, setting, rng) < mean).astype(float)
        family = families.Binomial(families.links.CLogLog())
    binary = set(np.unique(y)) <= {0.0, 1.0}
    rows = pd.DataFrame({"judge": (_judged if binary else _measured)(y, setting, rng), "x": x})
    setting = {**setting, "classes": binary}
    groups = _groups(n, setting)
    result, _, fault = _infer(rows, y, groups, setting, rng, "y ~ x", model="glm", family=family)
    return _compare(result, SLOPE, -1, fault)


def _sequence_trial(setting: Setting, rng: np.random.Generator) -> Trial:
    """A mean at all looks of labelling in sequence; the reference has an exact interval at every look, and so is never silent."""
    import pandas as pd

    n = setting["units"]
    rate = 1 / (1 + math.exp(-setting["logit"]))
    y = (rng.random((n,)) < rate).astype(float)
    study = DesignSupervised(
        _learner(setting["learner"], False),
        sequential=True,
        confidence_level=setting["level"],
        random_state=int(rng.integers(2**31)),
    ).fit(pd.DataFrame({"judge": _judged(y, setting, rng)}), surrogate="judge")
    asked, known, answers = 0, [], pd.Series(np.full(n, np.nan), name="y")
    while asked < n:
        request = study.next_labels(
            n // setting["looks"],
            label_share=setting["share"],
            rule=setting["rule"],
            n_first=setting["first"],
            start=n // 10,
        )
        asked += len(request.rows)
        answers[request.to_label] = y[request.to_label]
        known.append(int(answers.notna().sum()))
        study.calibrate(answers)
    try:
        result = study.infer("y", model="mean")
    except ValueError as error:
        raise documented(error) from error
    exact = _exact_at_looks(y, known, setting["level"])
    inside = (result.lows[:, 0] <= rate) & (rate <= result.highs[:, 0])
    return Trial(
        bool(inside.all()),
        float(2 * result.radii[-1, 0]),
        bool(np.all((exact[:, 0] <= rate) & (rate <= exact[:, 1]))),
        float(exact[-1, 1] - exact[-1, 0]),
        fault_of_interval(float(result.lows[-1, 0]), float(result.highs[-1, 0]), float(result.estimate[0])),
    )


def _exact_at_looks(y: Float1D, known: list[int], level: float) -> Float2D:
    """The intervals of Clopper and Pearson (1934) from as many labels drawn at random at each look, Bonferroni over looks."""
    k = np.array(known)
    ones = np.cumsum(y)[k - 1]
    tail = (1 - level) / (2 * len(k))
    low = np.where(ones > 0, stats.beta.ppf(tail, np.maximum(ones, 1), k - ones + 1), 0.0)
    high = np.where(ones < k, stats.beta.isf(tail, ones + 1, np.maximum(k - ones, 1)), 1.0)
    return np.column_stack([low, high])


def _level(setting: Setting) -> float:
    return float(setting["level"])


def _slope_prior(**more: Any) -> Prior:
    return _prior(
        n_covariates=LogUniform(1, 10),
        covariate=Choice(COVARIATES, says="the covariate whose slope is asked for"),
        **more,
    )


LOGIT = Uniform(-6.9, 6.9, says="log odds of the share")
CLAIMS = (
    Claim(
        "share by a judge",
        _prior(logit=LOGIT),
        _share_trial,
        _level,
        "asymptotic",
        reference="Wilson on the labels alone",
    ),
    Claim(
        "shares of several classes",
        _prior(k=Choice((3, 5, 8)), unequal_classes=Uniform(0, 3)),
        _shares_trial,
        _level,
        "asymptotic",
    ),
    Claim(
        "difference of the shares of two groups",
        _prior(
            logit=LOGIT, logit_of_second=LOGIT, second=Uniform(0.1, 0.9, says="share of the second group")
        ),
        _difference_trial,
        _level,
        "asymptotic",
    ),
    Claim(
        "mean of numbers",
        _prior(law=Choice(tuple(NUMBERS)), learner=Choice(LEARNERS)),
        _mean_trial,
        _level,
        "asymptotic",
        reference="Student on the labels alone",
    ),
    Claim(
        "mean of scores in a known range",
        _prior(
            law=Choice(tuple(SCORES)),
            gross=LogUniform(0.0003, 0.05, whole=False, says="share of zeros that the judge does not see"),
        ),
        _scores_trial,
        _level,
        "asymptotic",
        reference="Student on the labels alone",
    ),
    Claim(
        "quantile of numbers",
        _prior(law=Choice(tuple(NUMBERS)), q=Choice((0.1, 0.25, 0.5, 0.9))),
        _quantile_trial,
        _level,
        "asymptotic",
    ),
    Claim(
        "slope of a linear regression",
        _slope_prior(errors=Choice(ERRORS), learner=Choice(LEARNERS)),
        _regression_trial("linear"),
        _level,
        "asymptotic",
        reference="least squares with HC3 on the labels alone",
    ),
    Claim(
        "slope of a logistic regression",
        _slope_prior(rare=Uniform(-1, 2.5), learner=Choice(LEARNERS)),
        _regression_trial("logit"),
        _level,
        "asymptotic",
    ),
    Claim(
        "slope of a probit regression",
        _slope_prior(rare=Uniform(-1, 2)),
        _regression_trial("probit"),
        _level,
        "asymptotic",
    ),
    Claim(
        "slope of a Poisson regression",
        _slope_prior(rare=Uniform(-1, 2)),
        _regression_trial("poisson"),
        _level,
        "asymptotic",
    ),
    Claim(
        "slope of a multinomial regression",
        _prior(population=Choice(("superpopulation",)), rare=Uniform(-1, 2)),
        _multinomial_trial,
        _level,
        "asymptotic",
    ),
    Claim(
        "slope by the other estimators",
        _slope_prior(
            labels=LogUniform(200, 3000),
            errors=Choice(ERRORS),
            design=Choice(("simple", "independent", "unequal")),
            spread=LogUniform(2, 10, whole=False),
            estimator=Choice(("dsl", "ppi", "ppi++", "gold")),
        ),
        _regression_trial("linear"),
        _level,
        "asymptotic",
        reference="least squares with HC3 on the labels alone",
    ),
    Claim(
        "slope beside absorbed effects",
        _prior(
            labels=LogUniform(40, 2000),
            each=Choice((2, 3, 5, 20), says="rows of a unit"),
            effect=Uniform(0, 2, says="standard deviation of the effects"),
            covariate=Choice(("normal", "skewed", "dummy")),
            errors=Choice(ERRORS),
            population=Choice(("superpopulation",)),
            design=Choice(("simple", "independent", "unequal", "clusters")),
            spread=LogUniform(2, 10, whole=False),
        ),
        _effects_trial,
        _level,
        "asymptotic",
    ),
    Claim(
        "slope of a generalised linear model",
        _prior(
            family=Choice(tuple(GLM_MEANS)),
            covariate=Choice(("normal", "dummy")),
            rare=Uniform(-0.5, 2),
            population=Choice(("superpopulation",)),
        ),
        _glm_trial,
        _level,
        "asymptotic",
    ),
    Claim(
        "mean at every look of labelling in sequence",
        Prior(
            {
                "units": LogUniform(1000, 10_000, says="units, whose turn comes one after another"),
                "share": Uniform(0.05, 0.5, says="share of the units that is labelled"),
                "looks": Choice((5, 20), says="times that labels arrive"),
                "first": Choice((20, 100), says="units that are all labelled first"),
                "rule": Choice(("uniform", "active")),
                "learner": Choice(("stack", "linear")),
                "judge": Choice(JUDGES),
                "sensitivity": Uniform(0.5, 0.995),
                "specificity": Uniform(0.5, 0.995),
                "logit": Uniform(-4, 4, says="log odds of the share"),
                "level": Choice((0.9, 0.95)),
            }
        ),
        _sequence_trial,
        _level,
        "asymptotic",
        reference="exact intervals of as many labels drawn at random, Bonferroni over looks (seeds below 50: ordinary intervals)",
    ),
)
