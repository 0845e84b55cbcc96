"""Regressions with few labels and surrogates from good to useless: laws, labels, and every estimator on arrays."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Literal

import numpy as np
import statsmodels.api as sm
from scipy import stats
from scipy.special import expit

from validstats.dsl.fit import Component, LabelledSample, finish, gold_only, identity_augmentation
from validstats.dsl.fit.augmentation import fit_augmented
from validstats.dsl.fit.inference import (
    bounded_share,
    carrier_degrees,
    control_variate,
    controlled,
    kurtosis_degrees,
    label_error,
)
from validstats.dsl.labels import FoldPlan
from validstats.dsl.moments import GLMMoment, LinearMoment, RegressionRows, SamplingDesign

Model = Literal["linear", "logit", "poisson"]
Covariates = Literal["normal", "lognormal", "dummy", "groups"]
Errors = Literal["normal", "skewed"]
Surrogate = Literal["noise", "weak", "good", "judge"]

LABELS = (30, 60, 100, 300, 1000)


@dataclass(frozen=True)
class WeakSetting:
    """A model, its covariates and errors, a surrogate, and how many labels are drawn how.

    Attributes
    ----------
    unequal : bool
        Whether probabilities are log-uniform with ratio 30 and tied to the first covariate.
    """

    model: Model
    covariates: Covariates
    errors: Errors
    surrogate: Surrogate
    n_labels: int
    unequal: bool

    @property
    def n_rows(self) -> int:
        """Units."""
        return 4000 if self.n_labels >= 1000 else 2000

    @property
    def informative(self) -> bool:
        """Whether the surrogate carries the outcome with no more noise than its own spread."""
        return self.surrogate in ("good", "judge")


def all_settings(models: tuple[Model, ...] = ("linear", "logit")) -> list[WeakSetting]:
    """Return the grid."""
    found = []
    for model, covariates in itertools.product(models, ("normal", "lognormal", "dummy", "groups")):
        if (model, covariates) == ("poisson", "lognormal"):
            continue  # counts would have no mean
        for errors in ("normal", "skewed") if model == "linear" else ("normal",):
            surrogates = ("noise", "weak", "good") + (("judge",) if model == "logit" else ())
            for surrogate, n_labels, unequal in itertools.product(surrogates, LABELS, (False, True)):
                if covariates == "groups" and n_labels < 60:
                    continue
                found.append(WeakSetting(model, covariates, errors, surrogate, n_labels, unequal))
    return found


@dataclass(frozen=True)
class WeakDraw:
    """Data of one replicate."""

    X: np.ndarray
    y: np.ndarray
    surrogate: np.ndarray
    coefficients: np.ndarray
    probability: np.ndarray
    labelled: np.ndarray
    unequal: bool
    clusters: np.ndarray | None = None


def _covariates(kind: Covariates, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return design and coefficients."""
    one = np.ones(n)
    if kind == "normal":
        return np.column_stack([one, rng.normal(size=(n, 3))]), np.array([0.2, 0.5, -0.5, 0.3])
    if kind == "lognormal":
        x = np.exp(1.3 * rng.normal(size=n))
        return np.column_stack([one, x, rng.normal(size=n)]), np.array([0.2, 0.2, -0.4])
    if kind == "dummy":
        rare = (rng.random(n) < 0.04).astype(float)
        return np.column_stack([one, rare, rng.normal(size=n)]), np.array([0.2, 0.7, -0.4])
    group = rng.permutation(np.arange(n) % 15)
    dummies = (group[:, None] == np.arange(1, 15)[None, :]).astype(float)
    return np.column_stack([one, dummies, rng.normal(size=n)]), np.r_[0.2, np.linspace(-0.5, 0.5, 14), 0.4]


def systematic_sample(probability: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a sample of fixed size with exactly these probabilities: systematic, in random order."""
    order = rng.permutation(len(probability))
    cumulated = np.cumsum(probability[order]) + rng.random()
    taken = np.floor(cumulated) > np.floor(np.r_[cumulated[0] - probability[order[0]], cumulated[:-1]])
    labelled = np.zeros(len(probability), dtype=bool)
    labelled[order[taken]] = True
    return labelled


def draw(setting: WeakSetting, rng: np.random.Generator) -> WeakDraw:
    """Draw units and labels."""
    n = setting.n_rows
    X, b = _covariates(setting.covariates, n, rng)
    eta = X @ b
    if setting.model == "linear":
        errors = rng.normal(size=n)
        if setting.errors == "skewed":
            # lognormal errors, centred and scaled
            errors = (np.exp(errors) - np.exp(0.5)) / np.sqrt((np.e - 1) * np.e)
        scale = 0.3 + 0.5 * X[:, 1] if setting.covariates == "lognormal" else 1.0
        y = eta + scale * errors
    elif setting.model == "poisson":
        eta, b = 0.6 * eta, 0.6 * b
        y = rng.poisson(np.exp(eta)).astype(float)
    else:
        y = (rng.random(n) < expit(eta)).astype(float)
    noise = rng.normal(size=n)
    surrogate = {
        "noise": noise,
        "weak": y + 3 * noise,
        "good": y + noise,
        "judge": np.where(rng.random(n) < 0.95, y, 1 - y),
    }[setting.surrogate]
    if setting.unequal:
        rank = stats.rankdata(X[:, 1] + 1e-9 * rng.normal(size=n)) / n
        size = np.exp(np.log(30) * rank)
        probability = size / size.sum() * setting.n_labels
        for _ in range(20):
            probability = np.minimum(probability, 1.0)
            free = probability < 1
            probability[free] *= (setting.n_labels - np.sum(~free)) / probability[free].sum()
        labelled = systematic_sample(probability, rng)
    else:
        probability = np.full(n, setting.n_labels / n)
        labelled = np.zeros(n, dtype=bool)
        labelled[rng.choice(n, setting.n_labels, replace=False)] = True
    return WeakDraw(X, y, surrogate, b, probability, labelled, setting.unequal)


def linear_first_stage(data: WeakDraw, rng: np.random.Generator, n_folds=5, n_repeats=2) -> np.ndarray:
    """Return cross-fitted linear predictions of the outcome from covariates and surrogate, averaged over repeats."""
    features = np.column_stack([data.X, data.surrogate])
    n = len(data.y)
    prediction = np.zeros(n)
    penalty = np.ones(features.shape[1])
    penalty[0] = 0.0
    for _ in range(n_repeats):
        folds = FoldPlan.of_rows(n, n_folds, 1, rng).folds[0]
        for k in range(n_folds):
            train = data.labelled & (folds != k)
            F = features[train]
            gram = F.T @ F + np.diag(penalty * F.var(axis=0).clip(1e-8))
            coefficients = np.linalg.lstsq(gram, F.T @ data.y[train], rcond=None)[0]
            prediction[folds == k] += features[folds == k] @ coefficients / n_repeats
    return prediction


def moment_of(model: Model):
    """Return the estimating function."""
    if model == "linear":
        return LinearMoment()
    return GLMMoment(sm.families.Binomial() if model == "logit" else sm.families.Poisson())


@dataclass(frozen=True)
class Answer:
    """Estimate, standard errors and half-lengths of intervals."""

    params: np.ndarray
    std_error: np.ndarray
    half: np.ndarray

    def covers(self, truth: np.ndarray) -> np.ndarray:
        """Whether each interval holds the truth."""
        return np.abs(self.params - truth) <= self.half


def _answer(fit, level: float = 0.95) -> Answer:
    error = np.sqrt(np.diag(fit.covariance))
    return Answer(fit.params, error, stats.t.isf((1 - level) / 2, fit.degrees) * error)


def parts_of_fit(data: WeakDraw, model: Model, prediction: np.ndarray, cell=None):
    """Return sample, labels alone with and without cells, control variate and expected score; None where the labels have no root."""
    moment = moment_of(model)
    rows = RegressionRows(y=data.y, X=data.X)
    sample = LabelledSample(
        moment=moment,
        gold=rows.take(data.labelled),
        labelled=data.labelled,
        probability=data.probability,
        design=SamplingDesign(scheme="independent" if data.unequal else "simple"),
        clusters=() if data.clusters is None else (data.clusters,),
    )
    if np.linalg.matrix_rank(data.X[data.labelled]) < data.X.shape[1]:
        return None
    gold = gold_only(sample)
    if gold is None or np.abs(gold.params).max() > 50:
        return None
    h = {"logit": lambda v: np.clip(v, 0, 1), "poisson": lambda v: np.maximum(v, 1e-3)}.get(
        model, lambda v: v
    )(prediction)
    term = (Component(rows=RegressionRows(y=h, X=data.X)),)
    plain = label_error(gold)
    labels = plain if cell is None else label_error(gold, cell=cell[data.labelled])
    return sample, (labels, plain), control_variate(sample, term), term


def fit_tuned(setting: WeakSetting, data: WeakDraw, rng: np.random.Generator):
    """Return the default estimate on one data set; None where the labels alone have no root."""
    parts = parts_of_fit(data, setting.model, linear_first_stage(data, rng))
    if parts is None:
        return None
    sample, labels, control, _ = parts
    return controlled(sample, labels[0], control, first_stage=data.X.shape[1] + 1.0)


def answers(
    data: WeakDraw, model: Model, prediction: np.ndarray, *, untuned: bool = False, cell=None, **options
) -> dict[str, Answer] | None:
    """Return the estimators on one data set; None where the labels alone have no root."""
    parts = parts_of_fit(data, model, prediction, cell)
    if parts is None:
        return None
    sample, (labels, without), control, term = parts
    common = {"first_stage": data.X.shape[1] + 1.0, **options}
    found = {
        "gold": _answer(controlled(sample, labels, None)),
        "tuned": _answer(controlled(sample, labels, control, **common)),
    }
    if cell is not None:
        found["tuned, no term"] = _answer(controlled(sample, without, control, **common))
    if untuned:
        root = fit_augmented(sample, identity_augmentation(term, data.X.shape[1]), labels.params)
        if root is not None:
            done = finish(root, kind="HC1")
            error = np.sqrt(np.diag(done.covariance))
            found["dsl"] = Answer(
                done.params,
                error,
                stats.t.isf(0.025, max(int(data.labelled.sum()) - data.X.shape[1], 1)) * error,
            )
            found["root form"] = _root_form(sample, labels, root)
    return found


def _root_form(sample, labels, root) -> Answer:
    """The older form: the segment from the labels alone to the root of the pseudo-outcome.

    Shares come from influence functions at one Jacobian, that of the root, as that form had them; the root divides by
    the Jacobian of all rows and the labels by their own, which a common Jacobian cannot see.
    """
    p, n = len(labels.params), sample.n_rows
    of_gold = np.zeros((n, p))
    of_gold[sample.positions] = labels.residuals(sample) * sample.gold_weights[:, None]
    gold = of_gold @ np.linalg.inv(labels.bread).T @ root.bread.T
    control = gold - root.psi @ root.bread.T
    m = sample.n_labelled - p
    few = np.minimum(kurtosis_degrees(of_gold[sample.positions], p), carrier_degrees(labels.carried))
    v = np.sum(of_gold**2, axis=0) / n**2
    own = np.sum(gold**2, axis=0) / n**2
    c, d = np.sum(gold * control, axis=0) / n**2, np.sum(control**2, axis=0) / n**2
    share, ratio = bounded_share(own, c, d, few, margin=m)
    degrees = np.minimum(kurtosis_degrees((gold - share * control)[sample.positions], p), few).clip(2)
    error = np.sqrt(v * ratio)
    params = labels.params - share * (labels.params - root.params)
    return Answer(params, error, stats.t.isf(0.025, degrees) * error)


@dataclass(frozen=True)
class Measured:
    """What a setting gave: arrays of shape (replicates, p) by estimator."""

    errors: dict[str, np.ndarray]
    std_errors: dict[str, np.ndarray]
    halves: dict[str, np.ndarray]
    n_labels: int

    def coverage(self, name: str) -> np.ndarray:
        """Coverage by coefficient."""
        return np.mean(np.abs(self.errors[name]) <= self.halves[name], axis=0)

    def rmse(self, name: str) -> np.ndarray:
        """Root mean squared error by coefficient."""
        return np.sqrt(np.mean(self.errors[name] ** 2, axis=0))


def measure(setting: WeakSetting, replicates: int, seed, *, untuned: bool = False) -> Measured:
    """Return errors, standard errors and half-lengths; data sets without a root on the labels are left out."""
    rng = np.random.default_rng(seed)
    collected: dict[str, list[tuple[np.ndarray, np.ndarray, np.ndarray]]] = {}
    for _ in range(replicates):
        data = draw(setting, rng)
        found = answers(data, setting.model, linear_first_stage(data, rng), untuned=untuned)
        if found is None or (untuned and "dsl" not in found):
            continue
        for name, answer in found.items():
            collected.setdefault(name, []).append(
                (answer.params - data.coefficients, answer.std_error, answer.half)
            )
    parts = {name: [np.array(part) for part in zip(*rows)] for name, rows in collected.items()}
    return Measured(
        errors={k: v[0] for k, v in parts.items()},
        std_errors={k: v[1] for k, v in parts.items()},
        halves={k: v[2] for k, v in parts.items()},
        n_labels=setting.n_labels,
    )


@dataclass(frozen=True)
class RareSetting:
    """Rare events, oversampled where a judge flags them."""

    sensitivity: float
    other_probability: float = 0.03
    n_rows: int = 20_000


RARE = {
    "sensitivity .8": RareSetting(0.8),
    "sensitivity .5": RareSetting(0.5),
    "sensitivity .95": RareSetting(0.95),
    "sensitivity .8, others .1": RareSetting(0.8, 0.1),
}


def rare_replicate(setting: RareSetting, rng: np.random.Generator) -> dict[str, Answer] | None:
    """Return labels alone and the default, with and without the term of unseen events; None without a root."""
    n, b = setting.n_rows, np.array([-5.0, 0.8])
    x = rng.normal(size=n)
    X = np.column_stack([np.ones(n), x])
    y = (rng.random(n) < expit(X @ b)).astype(float)
    flag = rng.random(n) < np.where(y == 1, setting.sensitivity, 0.01)
    probability = np.where(flag, 0.6, setting.other_probability)
    labelled = rng.random(n) < probability
    data = WeakDraw(X, y, flag.astype(float), b, probability, labelled, True)
    folds = FoldPlan.of_rows(n, 5, 1, rng).folds[0]
    prediction = np.empty(n)
    for k in range(5):
        train = labelled & (folds != k)
        rates = [y[train & (flag == f)].mean() for f in (False, True)]
        prediction[folds == k] = np.where(flag[folds == k], rates[1], rates[0])
    return answers(data, "logit", prediction, cell=flag.astype(int))
