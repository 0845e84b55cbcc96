"""Settings with known coefficients, and one replicate of every estimator on arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import statsmodels.api as sm
from scipy.special import expit

from validstats.dsl import NoRootError
from validstats.dsl.fit import Component, Estimate, LabelledSample, estimate, naive_fit
from validstats.dsl.labels import (
    Completion,
    CrossFitter,
    FoldPlan,
    Outcome,
    expected_completions,
    plug_in_completions,
)
from validstats.dsl.moments import (
    GLMMoment,
    InstrumentalMoment,
    LinearMoment,
    ModelMoment,
    MultinomialMoment,
    RegressionRows,
    SamplingDesign,
    cluster_codes,
)


@dataclass(frozen=True, kw_only=True)
class Draw:
    """One data set: the model, the truth of every row, machine labels, and always-observed features."""

    moment: ModelMoment
    coefficients: np.ndarray
    make_rows: Callable[[Mapping[str, np.ndarray], np.ndarray | None], RegressionRows]
    covariates: Mapping[str, np.ndarray] = field(default_factory=dict)
    outcome: np.ndarray | None = None
    raw_covariates: Mapping[str, np.ndarray] = field(default_factory=dict)
    raw_outcome: np.ndarray | None = None
    surrogate_features: np.ndarray = field(default_factory=lambda: np.empty(0))
    all_features: np.ndarray = field(default_factory=lambda: np.empty(0))
    probability: np.ndarray | None = None
    clusters: np.ndarray | None = None


def _flip(rng, truth, accuracy):
    return np.where(rng.random(len(truth)) < accuracy, truth, 1.0 - truth)


def predicted_outcome_logit(rng, n=5000, accuracy=0.85):
    """Logit with a machine-labelled outcome whose errors depend on a covariate (setting 5.1)."""
    x1, x2 = rng.normal(size=n), (rng.random(n) < 0.4).astype(float)
    b = np.array([-0.375, 0.969, -0.521])
    X = np.column_stack([np.ones(n), x1, x2])
    y = (rng.random(n) < expit(X @ b)).astype(float)
    shift = 0.9 * (1.0 - accuracy)
    q = _flip(
        rng, y, np.clip(accuracy + shift * np.where(x2 > 0, -1.0, 0.65) * (1 - 2 * y * (x2 > 0)), 0.02, 1)
    )
    return Draw(
        moment=GLMMoment(sm.families.Binomial()),
        coefficients=b,
        make_rows=lambda r, y_: RegressionRows(y=y if y_ is None else y_, X=X),
        outcome=y,
        raw_outcome=q,
        surrogate_features=q[:, None],
        all_features=np.column_stack([q, x1, x2]),
    )


def predicted_covariate_linear(rng, n=5000, accuracy=0.865):
    """Linear model with a machine-labelled binary covariate; errors depend on outcome and z (setting 5.2)."""
    z = rng.normal(size=n)
    d = (rng.random(n) < expit(-0.3 + 0.6 * z)).astype(float)
    b = np.array([0.5, 1.0, -0.7])
    y = b[0] + b[1] * d + b[2] * z + rng.normal(size=n)
    q = _flip(
        rng, d, np.clip(accuracy + (1 - accuracy) * 0.9 * np.tanh(y * (2 * d - 1) + 0.5 * z), 0.02, 0.99)
    )
    return Draw(
        moment=LinearMoment(),
        coefficients=b,
        make_rows=lambda r, y_: RegressionRows(y=y, X=np.column_stack([np.ones(n), r.get("d", d), z])),
        covariates={"d": d},
        raw_covariates={"d": q},
        surrogate_features=q[:, None],
        all_features=np.column_stack([q, z, y]),
    )


PAPER_COEFFICIENTS = np.array([0.20083789, 1.07786701, 0.09982476, 0.80635661, 0.2735973])
"""Best logit approximation of the paper's law: the root of the population moment over 6e6 draws."""


def paper_design(rng, n=10000, accuracy=0.9):
    """The simulation of the paper: ten normals, a misspecified logit, label noise at random (setting 5.3)."""
    covariance = np.full((10, 10), 0.3) + 0.7 * np.eye(10)
    x = rng.multivariate_normal(np.zeros(10), covariance, size=n, method="cholesky")
    x[:, 1] = (x[:, 1] > 0.8416212335729143).astype(float)
    w = 0.1 / (1 + np.exp(0.5 * x[:, 2] - 0.5 * x[:, 1])) + 1.3 * x[:, 3] / (1 + np.exp(-0.1 * x[:, 1]))
    w += 1.5 * x[:, 3] * x[:, 5] + 0.5 * x[:, 0] * x[:, 1] + 1.3 * x[:, 0] + x[:, 1]
    y = (rng.random(n) < expit(w)).astype(float)
    X = np.column_stack([np.ones(n), x[:, 0], x[:, 0] ** 2, x[:, 1], x[:, 3]])
    q = _flip(rng, y, accuracy)
    return Draw(
        moment=GLMMoment(sm.families.Binomial()),
        coefficients=PAPER_COEFFICIENTS,
        make_rows=lambda r, y_: RegressionRows(y=y if y_ is None else y_, X=X),
        outcome=y,
        raw_outcome=q,
        surrogate_features=q[:, None],
        all_features=np.column_stack([q, X[:, 1:]]),
    )


def poisson_outcome(rng, n=4000):
    """Counts with machine counts whose error depends on a covariate."""
    x, z = rng.normal(size=n), (rng.random(n) < 0.5).astype(float)
    b = np.array([0.4, 0.3, -0.5])
    X = np.column_stack([np.ones(n), x, z])
    y = rng.poisson(np.exp(X @ b)).astype(float)
    q = rng.binomial(y.astype(int), 0.8).astype(float) + rng.poisson(0.6 * z)
    return Draw(
        moment=GLMMoment(sm.families.Poisson()),
        coefficients=b,
        make_rows=lambda r, y_: RegressionRows(y=y if y_ is None else y_, X=X),
        outcome=y,
        raw_outcome=q,
        surrogate_features=q[:, None],
        all_features=np.column_stack([q, x, z]),
    )


def multinomial_outcome(rng, n=4000, accuracy=0.8):
    """Three classes; the machine confuses the last two more often where x is large."""
    x = rng.normal(size=n)
    X = np.column_stack([np.ones(n), x])
    b = np.array([0.3, 0.6, -0.2, -0.8])
    eta = np.column_stack([np.zeros(n), X @ b[:2], X @ b[2:]])
    chance = np.exp(eta) / np.exp(eta).sum(axis=1, keepdims=True)
    y = (rng.random(n)[:, None] > np.cumsum(chance, axis=1)).sum(axis=1)
    wrong = rng.random(n) > accuracy - 0.15 * np.tanh(x)
    q = np.where(wrong, np.where(y == 2, 1, 2), y)
    codes, machine = np.eye(3)[y], np.eye(3)[q]
    return Draw(
        moment=MultinomialMoment(3),
        coefficients=b,
        make_rows=lambda r, y_: RegressionRows(y=codes if y_ is None else y_, X=X),
        outcome=codes,
        raw_outcome=machine,
        surrogate_features=machine,
        all_features=np.column_stack([machine, x]),
    )


def instrumental(rng, n=4000):
    """An endogenous binary treatment that a machine labels with errors that depend on the outcome."""
    z, u = rng.normal(size=n), rng.normal(size=n)
    d = (z + u + rng.normal(size=n) > 0).astype(float)
    b = np.array([0.5, 1.0])
    y = b[0] + b[1] * d + u
    q = _flip(rng, d, np.clip(0.85 + 0.1 * np.tanh(y * (2 * d - 1)), 0, 1))
    Z = np.column_stack([np.ones(n), z])
    return Draw(
        moment=InstrumentalMoment(),
        coefficients=b,
        make_rows=lambda r, y_: RegressionRows(y=y, X=np.column_stack([np.ones(n), r.get("d", d)]), Z=Z),
        covariates={"d": d},
        raw_covariates={"d": q},
        surrogate_features=q[:, None],
        all_features=np.column_stack([q, z, y]),
    )


def unequal_logit(rng, n=5000):
    """Setting 5.1 with labelling probabilities between 0.08 and 0.6 that depend on machine label and x."""
    draw = predicted_outcome_logit(rng, n)
    q, x = draw.all_features[:, 0], draw.all_features[:, 1]
    return replace(draw, probability=np.clip(0.22 + 0.12 * q + 0.1 * x, 0.08, 0.6))


def clustered_linear(rng, n_clusters=500, size=6):
    """Outcomes and machine errors share cluster effects."""
    codes = np.repeat(np.arange(n_clusters), size)
    n = len(codes)
    x = rng.normal(size=n_clusters)[codes] + 0.5 * rng.normal(size=n)
    b = np.array([1.0, 0.5])
    y = b[0] + b[1] * x + 0.8 * rng.normal(size=n_clusters)[codes] + rng.normal(size=n)
    q = 0.7 * y + 0.4 * x + 0.5 * rng.normal(size=n_clusters)[codes] + 0.5 * rng.normal(size=n)
    X = np.column_stack([np.ones(n), x])
    return Draw(
        moment=LinearMoment(),
        coefficients=b,
        make_rows=lambda r, y_: RegressionRows(y=y if y_ is None else y_, X=X),
        outcome=y,
        raw_outcome=q,
        surrogate_features=q[:, None],
        all_features=np.column_stack([q, x]),
        clusters=codes,
    )


def short_panel(rng, n_units=1250, n_times=4, noise=0.7):
    """Unit effects correlated with a covariate that the machine measures with error; truth 1."""
    units = np.repeat(np.arange(n_units), n_times)
    effect = rng.normal(size=n_units)[units]
    x = 0.7 * effect + rng.normal(size=len(units))
    y = x + effect + rng.normal(size=len(units))
    return units, x, y, x + noise * rng.normal(size=len(units))


def replicate(
    draw: Draw,
    rng: np.random.Generator,
    n_labels: int,
    estimators=("gold", "ppi", "ppi++", "dsl", "dsl-all", "tuned"),
    *,
    design: SamplingDesign | None = None,
    labelled: np.ndarray | None = None,
    population="superpopulation",
    kind=None,
    n_repeats: int = 1,
    tuning=None,
    learner=None,
) -> dict[str, Estimate | None]:
    """Draw labels and compute the estimators; None where there is no root."""
    n = draw.make_rows({}, None).n_rows
    probability = np.full(n, n_labels / n) if draw.probability is None else draw.probability
    if labelled is None:
        if draw.probability is None:
            labelled = np.zeros(n, dtype=bool)
            labelled[rng.choice(n, n_labels, replace=False)] = True
        else:
            labelled = rng.random(n) < probability
    if design is None:
        design = SamplingDesign(scheme="simple" if draw.probability is None else "independent")
    clusters = [] if draw.clusters is None else [cluster_codes(draw.clusters)]
    gold_rows = draw.make_rows({}, None).take(labelled)
    sample = LabelledSample(
        moment=draw.moment,
        gold=gold_rows,
        labelled=labelled,
        probability=probability,
        design=design,
        clusters=tuple(clusters),
    )
    folds = np.array(
        [FoldPlan.of_rows(n, 5, 1, rng, clusters[0] if clusters else None).folds[0] for _ in range(n_repeats)]
    )
    fitter = CrossFitter(
        learner=learner, folds=folds, labelled=labelled, n_surrogates=draw.surrogate_features.shape[1]
    )
    gold = {v: x[labelled] for v, x in draw.covariates.items()}
    outcome = None if draw.outcome is None else Outcome(name="y", values=draw.outcome[labelled])

    def term(completions):
        return tuple(
            Component(rows=draw.make_rows(c.replacements, c.outcome), weight=c.weight) for c in completions
        )

    raw = term((Completion(replacements=draw.raw_covariates, outcome=draw.raw_outcome),))
    found: dict[str, Estimate | None] = {}
    for name in estimators:
        if name == "naive":
            found[name] = naive_fit(sample, raw)
            continue
        terms = ()
        if name in ("dsl", "dsl-all"):
            features = draw.surrogate_features if name == "dsl" else draw.all_features
            terms = tuple(term(c) for c in plug_in_completions(fitter, gold, outcome, features))
        elif name == "tuned":
            terms = (term(expected_completions(fitter, gold, outcome, draw.all_features)),)
        try:
            found[name] = estimate(
                sample,
                terms,
                raw,
                estimator=name.removesuffix("-all"),
                kind=kind,
                population=population,
                tuning=tuning,
            )
        except NoRootError:
            found[name] = None
    return found
