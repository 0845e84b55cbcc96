"""Claims about batches: every target, with learners as users have them and labels as they are."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import stats

from validstats._typing import AnyArray, Float1D
from validstats.batch import (
    BatchMean,
    BatchPredictor,
    BatchQuantile,
    BatchShares,
    BatchTotal,
    Envelope,
    ErrorCount,
    Selection,
    Simultaneous,
)
from validstats.batch.laws import quantile_index
from validstats.exceptions import DependentRowsWarning
from validstats.validity.hunt import Claim, Trial
from validstats.validity.priors import Choice, LogUniform, Prior, Setting, Uniform

__all__ = ["CLAIMS"]

BOUNDS = (-6.0, 6.0)

LAWS = ("normal", "skewed", "heavy", "rounded", "two-valued", "near a bound", "ties", "constant")
LEARNERS = ("fitted", "frozen", "wrong", "useless", "overfitted")


def draw_labels(law: str, size: int, rng: np.random.Generator) -> tuple[AnyArray, Float1D]:
    """Features and labels within the bounds; the first feature explains half of the label."""
    X = rng.normal(size=(size, 2))
    draws: dict[str, Callable[[], AnyArray]] = {
        "normal": lambda: rng.normal(size=size),
        "skewed": lambda: rng.exponential(1.5, size) - 1.5,
        "heavy": lambda: rng.standard_t(2.2, size),
        "rounded": lambda: np.round(rng.normal(size=size)),
        "two-valued": lambda: rng.choice([-1.0, 1.0], size),
        "near a bound": lambda: 4.0 + rng.exponential(1.0, size),
        "ties": lambda: rng.choice([0.0, 0.5], size),
        "constant": lambda: np.zeros(size),
    }
    noise = draws[law]()
    signal = np.round(X[:, 0]) if law in ("rounded", "ties") else X[:, 0]
    y = np.where(X[:, 0] > 0, 1.0, 0.0) if law == "two-valued" else signal + noise
    if law == "two-valued":
        y = np.where(rng.random(size) < 0.15, 1.0 - y, y)
    return X, np.clip(y, *BOUNDS)


def make_learner(kind: str) -> Any:
    """A learner as users have them: fitted here, useless, or one that knows its training rows by heart."""
    from sklearn.dummy import DummyRegressor
    from sklearn.linear_model import Ridge
    from sklearn.neighbors import KNeighborsRegressor

    return {"overfitted": KNeighborsRegressor(1), "useless": DummyRegressor()}.get(kind, Ridge())


def calibrated(setting: Setting, target: Any, rng: np.random.Generator, **options: Any) -> Any:
    """A predictor that was trained on 120 rows and calibrated on n others."""
    from sklearn.frozen import FrozenEstimator

    n, learner = setting["n"], make_learner(setting["learner"])
    X, y = draw_labels(setting["law"], 120 + n, rng)
    options = {"bounds": BOUNDS, "n_resamples": 999, "random_state": int(rng.integers(2**31)), **options}
    if setting["learner"] not in ("frozen", "wrong"):
        model = BatchPredictor(
            learner,
            target,
            confidence_level=setting["level"],
            calibration_size=n,
            check_reuse=False,
            **options,
        )
        return model.fit(X, y)
    # a frozen model that is badly wrong learned labels of the other sign, thrice as large
    frozen = FrozenEstimator(
        learner.fit(X[n:], y[n:] if setting["learner"] == "frozen" else 2.0 - 3.0 * y[n:])
    )
    model = BatchPredictor(frozen, target, confidence_level=setting["level"], **options)
    return model.calibrate(X[:n], y[:n])


def _checked(
    low: Float1D, high: Float1D, truth: Float1D, width_of_reference: float, reference: bool | None
) -> Trial:
    """A trial of intervals that hold together; NaN and ends in the wrong order are faults."""
    fault = ""
    if np.isnan(low).any() or np.isnan(high).any():
        fault = "an end is NaN"
    elif (low > high).any():
        fault = "a lower end lies above the upper one"
    held = bool(((low <= truth) & (truth <= high)).all())
    width = float(np.mean(high - low))
    return Trial(held, width, reference, width_of_reference, fault)


def _mean_trial(total: bool) -> Callable[[Setting, np.random.Generator], Trial]:
    def trial(setting: Setting, rng: np.random.Generator) -> Trial:
        model = calibrated(setting, BatchTotal() if total else BatchMean(), rng)
        n, m = setting["n"], setting["m"]
        X, y = draw_labels(setting["law"], m, rng)
        result = model.infer(X)
        factor = m if total else 1
        truth = np.array([factor * y.mean()])
        # the textbook's prediction interval of a mean of residuals
        Xr, yr = draw_labels(setting["law"], n, rng)
        residual = yr - np.asarray(model.predict(Xr)) if hasattr(model, "predict") else yr
        half = factor * stats.t.ppf((1 + setting["level"]) / 2, max(n - 1, 1)) * residual.std(ddof=1)
        half *= math.sqrt(1 / n + 1 / m)
        centre = factor * (np.asarray(model.predict(X)).mean() + residual.mean())
        return _checked(
            result.conf_low[0], result.conf_high[0], truth, 2 * half, bool(abs(truth[0] - centre) <= half)
        )

    return trial


def _quantile_trial(setting: Setting, rng: np.random.Generator) -> Trial:
    model = calibrated(setting, BatchQuantile(setting["q"], side=setting["side"]), rng)
    X, y = draw_labels(setting["law"], setting["m"], rng)
    result = model.infer(X)
    # the quantile of the labels, whose index ceil(q m) is exact
    truth = np.sort(y)[[quantile_index(setting["m"], setting["q"]) - 1]]
    return _checked(result.conf_low[0], result.conf_high[0], truth, math.nan, None)


def _sets_trial(setting: Setting, rng: np.random.Generator) -> Trial:
    model = calibrated(setting, Simultaneous(miss=setting["miss"]), rng)
    X, y = draw_labels(setting["law"], setting["m"], rng)
    result = model.infer(X)
    missed = int((~result.contains(y)).sum())
    naive = int((~result.contains(y, naive=True)).sum())
    allowed = math.floor(setting["miss"] * setting["m"] + 1e-9)
    return Trial(missed <= allowed, reference_held=naive <= allowed)


def _errors_trial(setting: Setting, rng: np.random.Generator) -> Trial:
    from sklearn.linear_model import LogisticRegression

    n, m, classes = setting["n"], setting["m"], np.array(["a", "b", "c"])

    def draw(size: int) -> tuple[AnyArray, AnyArray]:
        X = rng.normal(size=(size, 2))
        y = np.where(X[:, 0] > setting["rare"], 1, 0) + (X[:, 1] > 1)
        return X, classes[np.where(rng.random(size) < setting["noise"], rng.integers(3, size=size), y)]

    X, y = draw(120 + n)
    model = BatchPredictor(
        LogisticRegression(),
        ErrorCount(),
        confidence_level=setting["level"],
        calibration_size=n,
        random_state=0,
    )
    model.fit(X, y)
    X, y = draw(m)
    result: Any = model.infer(X)
    truth = np.array([float((np.asarray(model.predict(X)) != y).sum())])
    return _checked(result.conf_low[0], result.conf_high[0], truth, math.nan, None)


def _selection_trial(setting: Setting, rng: np.random.Generator) -> Trial:
    model = calibrated(setting, Selection(above=setting["above"], max_false=setting["max_false"]), rng)
    X, y = draw_labels(setting["law"], setting["m"], rng)
    result = model.infer(X)
    false = int(np.asarray(result.false_claims(y))[0])
    naive = int(np.asarray(result.false_claims(y, naive=True))[0])
    return Trial(false <= setting["max_false"], reference_held=naive <= setting["max_false"])


def _envelope_trial(setting: Setting, rng: np.random.Generator) -> Trial:
    model = calibrated(setting, Envelope(above=setting["above"], side="upper"), rng)
    X, y = draw_labels(setting["law"], setting["m"], rng)
    result = model.infer(X)
    curve = result.discoveries()
    predictions, wrong = np.asarray(model.predict(X)), y <= setting["above"]
    false = np.array([np.sum(wrong & (predictions > t)) for t in curve.threshold])
    return Trial(bool((false <= curve.max_false).all()))


def _joint_trial(setting: Setting, rng: np.random.Generator) -> Trial:
    model = calibrated(setting, BatchMean(), rng)
    sizes = [max(1, setting["m"] // k) for k in range(1, setting["batches"] + 1)]
    names = np.repeat(np.arange(len(sizes)), sizes)
    X, y = draw_labels(setting["law"], len(names), rng)
    result: Any = model.infer(X, batches=names, joint=True)
    truth = np.array([y[names == name].mean() for name in result.batches])
    return _checked(result.conf_low[:, 0], result.conf_high[:, 0], truth, math.nan, None)


def _week_trial(setting: Setting, rng: np.random.Generator) -> Trial:
    """The total of a new week from whole past weeks, whose rows share a shock."""
    from sklearn.frozen import FrozenEstimator
    from sklearn.linear_model import Ridge

    weeks, rows = setting["weeks"] + 1, setting["rows"]
    sizes = rng.integers(max(rows // 3, 1), 2 * rows, weeks) if setting["unequal"] else np.full(weeks, rows)
    week = np.repeat(np.arange(weeks), sizes)
    X, y = draw_labels(setting["law"], week.size, rng)
    y = y + setting["shock"] * rng.standard_t(3, weeks)[week]
    learner = FrozenEstimator(Ridge().fit(*draw_labels(setting["law"], 60, rng)))
    model = BatchPredictor(
        learner,
        BatchTotal(scale=setting["scale"]),
        confidence_level=setting["level"],
        random_state=int(rng.integers(2**31)),
    )
    past = week < weeks - 1
    result: Any = model.calibrate(X[past], y[past], batches=week[past]).infer(X[~past])
    truth = np.array([y[~past].sum()])
    text = result.textbook[0, 0]
    return _checked(
        result.conf_low[0],
        result.conf_high[0],
        truth,
        float(text[1] - text[0]),
        bool(text[0] <= truth[0] <= text[1]),
    )


def _shares_trial(setting: Setting, rng: np.random.Generator) -> Trial:
    """Shares of all classes at once, rare ones among them."""
    from sklearn.dummy import DummyClassifier
    from sklearn.frozen import FrozenEstimator

    k, n, m = setting["classes"], setting["n"], setting["m"]
    p = rng.dirichlet(np.full(k, setting["evenness"]))
    names = np.array([f"class {i}" for i in range(k)])
    learner = FrozenEstimator(DummyClassifier(strategy="prior").fit(np.zeros((k, 1)), names))
    y, new = (names[rng.choice(k, size, p=p)] for size in (n, m))
    model = BatchPredictor(learner, BatchShares(), confidence_level=setting["level"], check_reuse=False)
    result: Any = model.calibrate(np.zeros((n, 1)), y).infer(np.zeros((m, 1)))
    truth = np.array([(new == name).mean() for name in names])
    return _checked(result.conf_low[0] - 1e-12, result.conf_high[0] + 1e-12, truth, math.nan, None)


def _strata_trial(joint: bool) -> Callable[[Setting, np.random.Generator], Trial]:
    def trial(setting: Setting, rng: np.random.Generator) -> Trial:
        """Means of batches that mix strata otherwise than the calibration; the reference forgets the strata."""
        k, sizes = setting["strata"], [setting["m"]]
        if joint:
            sizes = [max(1, setting["m"] // part) for part in (1, 2, 3)]
        names = np.repeat(np.arange(len(sizes)), sizes)
        # every stratum that a batch holds was calibrated
        known = np.concatenate([np.arange(k), rng.integers(k, size=max(setting["n"] - k, 0))])
        new = rng.choice(k, names.size, p=rng.dirichlet(np.full(k, setting["evenness"])))
        shift = setting["gap"] * np.linspace(-1, 1, k)

        def draw(stratum: AnyArray) -> tuple[AnyArray, Float1D]:
            X, y = draw_labels(setting["law"], len(stratum), rng)
            return X, np.clip(y + shift[stratum], *BOUNDS)

        (Xc, yc), (Xn, yn) = draw(known), draw(new)
        seed = int(rng.integers(2**31))
        learner = _frozen(setting, rng)
        options: dict[str, Any] = {"confidence_level": setting["level"], "bounds": BOUNDS, "n_resamples": 999}
        model = BatchPredictor(learner, BatchMean(), random_state=seed, **options)
        found: Any = model.calibrate(Xc, yc, strata=known).infer(Xn, batches=names, strata=new, joint=joint)
        plain = BatchPredictor(learner, BatchMean(), random_state=seed, **options).calibrate(Xc, yc)
        forgot: Any = plain.infer(Xn, batches=names, joint=joint)
        truth = np.array([yn[names == name].mean() for name in found.batches])
        missed = (forgot.conf_low[:, 0] > truth) | (truth > forgot.conf_high[:, 0])
        return _checked(
            found.conf_low[:, 0],
            found.conf_high[:, 0],
            truth,
            float(np.mean(forgot.conf_high - forgot.conf_low)),
            not missed.any(),
        )

    return trial


def _frozen(setting: Setting, rng: np.random.Generator) -> Any:
    """A learner that was fitted elsewhere, a good one or one that is badly wrong."""
    from sklearn.frozen import FrozenEstimator

    X, y = draw_labels(setting["law"], 120, rng)
    learner = make_learner(setting["learner"])
    return FrozenEstimator(learner.fit(X, 2.0 - 3.0 * y if setting["learner"] == "wrong" else y))


def _alarm_trial(setting: Setting, rng: np.random.Generator) -> Trial:
    """Whether rows of one past batch that move together are noticed; without a shock a warning would be false."""
    from sklearn.frozen import FrozenEstimator

    weeks, rows = setting["weeks"], setting["rows"]
    sizes = rng.integers(max(rows // 3, 2), 2 * rows, weeks) if setting["unequal"] else np.full(weeks, rows)
    week = np.repeat(np.arange(weeks), sizes)
    X, y = draw_labels(setting["law"], week.size, rng)
    fitted = make_learner("fitted").fit(*draw_labels(setting["law"], 120, rng))
    if setting["shock"]:
        # the shock's share of the variance of a residual
        spread = float(np.std(y - fitted.predict(X))) or 1.0
        y = (
            y
            + spread * math.sqrt(setting["shock"] / (1 - setting["shock"])) * rng.normal(size=(weeks,))[week]
        )
    model = BatchPredictor(
        FrozenEstimator(fitted),
        BatchMean(),
        bounds=(None, None),
        unit="row",
        random_state=0,
        check_reuse=False,
    )
    model.calibrate(X, y, batches=week)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model.infer(draw_labels(setting["law"], rows, rng)[0])
    heard = any(issubclass(w.category, DependentRowsWarning) for w in said)
    if not setting["shock"]:
        return Trial(not heard)
    residual = y - fitted.predict(X)
    p_value = stats.f_oneway(*np.split(residual, np.cumsum(sizes)[:-1])).pvalue
    return Trial(True, decided=heard, reference_decided=bool(p_value <= 0.01))


def _prior(**more: Any) -> Prior:
    return Prior(
        {
            "n": LogUniform(5, 5000, says="calibration rows"),
            "m": LogUniform(1, 5000, says="rows of the batch"),
            "law": Choice(LAWS, says="what the labels are like"),
            "learner": Choice(LEARNERS, says="where predictions come from"),
            "level": Choice((0.8, 0.9, 0.95)),
            **more,
        }
    )


def _level(setting: Setting) -> float:
    return float(setting["level"])


CLAIMS = (
    Claim("mean of a batch", _prior(), _mean_trial(False), _level, reference="textbook prediction interval"),
    Claim("total of a batch", _prior(), _mean_trial(True), _level, reference="textbook prediction interval"),
    Claim("means of several batches at once", _prior(batches=Choice((2, 3, 7))), _joint_trial, _level),
    Claim(
        "total of a whole week from whole past weeks",
        Prior(
            {
                "weeks": LogUniform(19, 150, says="past weeks"),
                "rows": LogUniform(2, 60, says="rows of a week"),
                "unequal": Choice((False, True), says="whether weeks have different sizes"),
                "shock": Uniform(0, 1, says="what the rows of a week share, in units of the noise"),
                "scale": Choice(("size", "sqrt", "one")),
                "law": Choice(LAWS, says="what the labels are like"),
                "level": Choice((0.8, 0.9, 0.95)),
            }
        ),
        _week_trial,
        _level,
        reference="textbook prediction interval of totals of weeks",
    ),
    Claim(
        "shares of all classes of a batch",
        Prior(
            {
                "n": LogUniform(5, 5000),
                "m": LogUniform(1, 5000),
                "classes": Choice((2, 3, 5, 10)),
                "evenness": LogUniform(0.2, 5.0, whole=False),
                "level": Choice((0.8, 0.9, 0.95)),
            }
        ),
        _shares_trial,
        _level,
    ),
    Claim(
        "quantile of a batch",
        _prior(q=Choice((0.1, 0.5, 0.9)), side=Choice(("upper", "lower", "two-sided"))),
        _quantile_trial,
        _level,
    ),
    Claim(
        "sets that hold for a share of a batch",
        _prior(miss=Choice((0.0, 0.1, 0.3))),
        _sets_trial,
        _level,
        reference="split conformal sets",
    ),
    Claim(
        "number of errors in a batch",
        Prior(
            {
                "n": LogUniform(5, 5000),
                "m": LogUniform(1, 5000),
                "rare": Uniform(-2.5, 2.5),
                "noise": Uniform(0, 0.6),
                "level": Choice((0.8, 0.9, 0.95)),
            }
        ),
        _errors_trial,
        _level,
    ),
    Claim(
        "false claims of a selection",
        _prior(above=Uniform(-2, 2), max_false=Choice((0, 1, 5))),
        _selection_trial,
        _level,
        reference="claims by prediction",
    ),
    Claim(
        "false claims of every selection, after looking",
        _prior(above=Uniform(-2, 2)),
        _envelope_trial,
        _level,
    ),
    *(
        Claim(
            name,
            _prior(
                m=LogUniform(1, 1000, says="rows of the batch"),
                learner=Choice(("frozen", "wrong", "useless", "overfitted")),
                strata=Choice((2, 3, 5, 10)),
                gap=Uniform(0, 3, says="distance of the outer strata from the middle"),
                evenness=LogUniform(0.2, 5.0, whole=False, says="how even a batch mixes the strata"),
            ),
            _strata_trial(joint),
            _level,
            reference="one stratum",
        )
        for name, joint in (
            ("mean of a batch that mixes strata otherwise", False),
            ("means of several batches with strata at once", True),
        )
    ),
    Claim(
        "warning that rows of one batch move together",
        Prior(
            {
                "weeks": LogUniform(5, 150, says="past weeks"),
                "rows": LogUniform(4, 60, says="rows of a week"),
                "unequal": Choice((False, True), says="whether weeks have different sizes"),
                "shock": Choice((0.0, 0.0, 0.05, 0.1, 0.2), says="share of the variance that a week shares"),
                "law": Choice(
                    tuple(law for law in LAWS if law != "constant"), says="what the labels are like"
                ),
            }
        ),
        _alarm_trial,
        0.99,
        reference="analysis of variance",
    ),
)
