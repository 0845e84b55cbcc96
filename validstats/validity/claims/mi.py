"""Claims about mutual information: certified bounds, intervals, tests of dependence, and selections of features."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from scipy import stats

from validstats._typing import AnyArray, Float1D, Float2D
from validstats.exceptions import RepeatedRowsWarning, SerialDependenceWarning
from validstats.mi import (
    MISelector,
    conditional_independence_test,
    default_family,
    independence_test,
    mutual_info,
)
from validstats.validity.claims.words import documented
from validstats.validity.hunt import Claim, Refused, Trial
from validstats.validity.priors import Choice, LogUniform, Prior, Setting, Uniform

__all__ = ["CLAIMS"]

CURVES: dict[str, Callable[[Float1D], Float1D]] = {
    "line": lambda u: 2 * u - 1,
    "parabola": lambda u: 4 * (u - 0.5) ** 2,
    "cosine": lambda u: np.cos(6 * np.pi * u),
    "step": lambda u: np.where(u > 0.7, 1.0, 0.0),
    "saw": lambda u: (5 * u) % 1.0,
}
"""Functions of a uniform side; the other side is the function plus normal noise."""

SHAPES: dict[str, Callable[[AnyArray], AnyArray]] = {
    "plain": lambda v: v,
    "heavy": lambda v: np.sinh(2 * v),
    "skewed": lambda v: np.exp(1.5 * v),
    "cubed": lambda v: v**3,
    "float32": lambda v: np.asarray(v, dtype=np.float32).astype(float),
}
"""One-to-one maps of a column: the mutual information stays."""


@lru_cache(maxsize=4096)
def curve_information(curve: str, noise: float) -> float:
    """I(U; f(U) + noise N) = h(f(U) + noise N) - h(noise N), by the trapezoid rule."""
    u = (np.arange(2000) + 0.5) / 2000
    level = CURVES[curve](u)
    grid = np.linspace(level.min() - 8 * noise, level.max() + 8 * noise, 2001)
    density = np.mean(stats.norm.pdf((grid[:, None] - level) / noise), axis=1) / noise
    entropy = -np.trapezoid(np.where(density > 0, density * np.log(np.maximum(density, 1e-300)), 0.0), grid)
    return max(float(entropy - 0.5 * math.log(2 * math.pi * math.e * noise**2)), 0.0)


@lru_cache(maxsize=4096)
def shift_information(classes: int, shift: float) -> float:
    """I(K; shift K + N) for K uniform on 0..classes-1, by the trapezoid rule."""
    grid = np.linspace(-8, shift * (classes - 1) + 8, 4001)
    density = np.mean(stats.norm.pdf(grid[:, None] - shift * np.arange(classes)), axis=1)
    entropy = -np.trapezoid(density * np.log(np.maximum(density, 1e-300)), grid)
    return max(float(entropy - 0.5 * math.log(2 * math.pi * math.e)), 0.0)


def table_information(table: Float2D) -> float:
    """Mutual information of a table of probabilities."""
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0)
    return float(np.sum(np.where(table > 0, table * np.log(np.where(table > 0, table / expected, 1.0)), 0.0)))


def draw_pair(setting: Setting, rng: np.random.Generator) -> tuple[AnyArray, AnyArray, float]:
    """Rows of both sides, and the mutual information of their law."""
    n, law, d = setting["n"], setting["law"], setting["dims"]
    strength = setting["strength"]
    shape = SHAPES[setting["shape"]]
    if law == "gaussian":
        x, e = rng.normal(size=(n, d)), rng.normal(size=(n, d))
        y = strength * x + math.sqrt(1 - strength**2) * e
        return shape(x), shape(y), -0.5 * d * math.log(1 - strength**2)
    if law in CURVES:
        noise = round(2.0 - 1.95 * strength, 2)
        u = rng.random((n, d))
        y = CURVES[law](u) + noise * rng.normal(size=(n, d))
        return shape(u), shape(y), d * curve_information(law, noise)
    if law == "table":
        rows, columns = setting["levels"]
        table = rng.dirichlet(np.full(rows * columns, 1.1 - strength)).reshape(rows, columns)
        cell = rng.choice(rows * columns, n, p=table.ravel())
        return cell // columns, cell % columns, table_information(table)
    if law == "labels":
        classes, shift = setting["levels"][0], round(4 * strength, 1)
        label = rng.integers(classes, size=n)
        return label.astype(str), shape(shift * label + rng.normal(size=n)), shift_information(classes, shift)
    # zeros on both sides at once, otherwise independent: I = H(share of zeros)
    zero = rng.random(n) < strength
    truth = float(stats.entropy([strength, 1 - strength]))
    sides = shape(rng.normal(size=(2, n)))
    return np.where(zero, 0.0, sides[0]), np.where(zero, 0.0, sides[1]), truth


LAWS = ("gaussian", *CURVES, "table", "labels", "zeros")
LEVELS = ((2, 2), (2, 5), (3, 3), (6, 4), (12, 12))


def _pairs(**more: object) -> Prior:
    return Prior(
        {
            "n": LogUniform(10, 3000, says="rows"),
            "dims": Choice((1, 1, 1, 2, 5, 20, 50), says="columns of each side"),
            "law": Choice(LAWS),
            "strength": Uniform(0.01, 0.99, says="from hardly any dependence to nearly a function"),
            "shape": Choice(tuple(SHAPES), says="map of the columns"),
            "levels": Choice(LEVELS, says="levels of discrete sides"),
            "copies": Choice((1, 1, 1, 2), says="how often each row is there"),
            **more,  # type: ignore[dict-item]
        }
    )


def _copied(setting: Setting, x: AnyArray, y: AnyArray) -> tuple[AnyArray, AnyArray]:
    rows = np.repeat(np.arange(len(x)), setting["copies"])
    return x[rows], y[rows]


def _certified_trial(setting: Setting, rng: np.random.Generator) -> Trial:
    """A lower bound for any law; the reference is the lower end of the interval."""
    x, y, truth = draw_pair(setting, rng)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", RepeatedRowsWarning)
        try:
            result = mutual_info(*_copied(setting, x, y), certify=True)
        except ValueError as error:
            raise documented(error) from error
    bound = result.certified
    value, low = float(bound.value), result.low
    copies = setting["copies"] > 1 and setting["law"] in ("gaussian", *CURVES)
    if copies and not any(issubclass(w.category, RepeatedRowsWarning) for w in said):
        return Trial(True, fault="copies of rows without a warning")
    if math.isnan(value):
        raise Refused(str(bound.value))
    fault = "the estimate is NaN" if math.isnan(result.estimate) else ""
    return Trial(value <= truth + 1e-3, truth - value, bool(np.isnan(low) or low <= truth), math.nan, fault)


def _family_trial(setting: Setting, rng: np.random.Generator) -> Trial:
    """An interval on average over the family that calibrates it, with laws drawn anew."""
    sample = default_family().draw(rng, setting["n"])
    try:
        result = mutual_info(sample.x, sample.y, confidence_level=setting["level"], certify=False)
    except ValueError as error:
        raise documented(error) from error
    if np.isnan(result.low):
        raise Refused("no interval")
    return Trial(result.low <= sample.mutual_information <= result.high, result.high - result.low)


def _interval_trial(method: str) -> Callable[[Setting, np.random.Generator], Trial]:
    def trial(setting: Setting, rng: np.random.Generator) -> Trial:
        x, y, truth = draw_pair(setting, rng)
        try:
            result = mutual_info(x, y, method=method)  # type: ignore[arg-type]
        except ValueError as error:
            raise documented(error) from error
        if np.isnan(result.low):
            raise Refused("no interval")
        fault = "" if 0 <= result.low <= result.high else f"interval {result.low}, {result.high}"
        return Trial(result.low <= truth <= result.high, result.high - result.low, fault=fault)

    return trial


def _null_side(kind: str, shape: tuple[int, int], rng: np.random.Generator) -> AnyArray:
    """One side on its own: continuous, heavy, tied, rare, text."""
    n = shape[0]
    if kind == "text":
        return np.array(["a", "b", "c", "d"])[rng.choice(4, n, p=[0.6, 0.3, 0.07, 0.03])]
    if kind == "rare":
        return (rng.random(shape) < 0.05).astype(float)
    if kind == "heavy":
        return rng.standard_cauchy(shape)
    return np.round(rng.normal(size=shape)) if kind == "rounded" else rng.normal(size=shape)


SIDES = ("normal", "heavy", "rounded", "rare", "text")


def _independence_trial(setting: Setting, rng: np.random.Generator) -> Trial:
    """Independent sides: a p-value at most the level comes up no more often than it says."""
    n = setting["n"]
    x = _null_side(setting["x"], (n, setting["dims"]), rng)
    y = _null_side(setting["y"], (n, 1), rng)
    try:
        found = independence_test(x, y, n_permutations=199, random_state=int(rng.integers(2**31)))
    except ValueError as error:
        raise documented(error) from error
    fault = "" if 0 < found.p_value <= 1 else f"p-value {found.p_value}"
    return Trial(found.p_value > setting["alpha"], fault=fault)


def _series_trial(setting: Setting, rng: np.random.Generator) -> Trial:
    """Two independent autoregressive series, permuted in blocks; the reference permutes single rows."""
    from scipy.signal import lfilter

    n, memory = setting["n"], setting["memory"]
    x, y = (lfilter([1.0], [1.0, -memory], rng.normal(size=n + 200))[200:] for _ in range(2))
    seed = int(rng.integers(2**31))
    try:
        found = independence_test(x, y, blocks="auto", n_permutations=199, random_state=seed)
    except ValueError as error:
        raise documented(error) from error
    naive = independence_test(x, y, n_permutations=199, exchangeable=True, random_state=seed)
    return Trial(found.p_value > setting["alpha"], reference_held=naive.p_value > setting["alpha"])


def _strata_trial(setting: Setting, rng: np.random.Generator) -> Trial:
    """Two sides that depend on a stratum only, permuted within strata; the reference forgets the strata."""
    n = setting["n"]
    stratum = rng.integers(setting["strata"], size=n)
    centre = setting["gap"] * stratum
    x = centre + _null_side(setting["x"], (n, 1), rng)[:, 0]
    y = centre + _null_side(setting["y"], (n, 1), rng)[:, 0]
    seed = int(rng.integers(2**31))
    try:
        found = independence_test(x, y, strata=stratum, n_permutations=199, random_state=seed)
    except ValueError as error:
        raise documented(error) from error
    naive = stats.spearmanr(x, y).pvalue
    fault = "" if 0 < found.p_value <= 1 else f"p-value {found.p_value}"
    return Trial(found.p_value > setting["alpha"], reference_held=bool(naive > setting["alpha"]), fault=fault)


def _power_trial(setting: Setting, rng: np.random.Generator) -> Trial:
    """Dependent sides: whether the test and Spearman's find it. There is nothing that could be false."""
    x, y, _ = draw_pair(setting, rng)
    try:
        found = independence_test(x, y, n_permutations=199, random_state=int(rng.integers(2**31)))
    except ValueError as error:
        raise documented(error) from error
    peer = stats.spearmanr(np.asarray(x).ravel(), np.asarray(y).ravel()).pvalue
    return Trial(True, decided=found.p_value <= 0.05, reference_decided=bool(peer <= 0.05))


def _withheld_trial(setting: Setting, rng: np.random.Generator) -> Trial:
    """Two independent series: an interval above 0 would be false, and a warning is due where there is no interval."""
    from scipy.signal import lfilter

    n, memory = setting["n"], setting["memory"]
    x, y = (lfilter([1.0], [1.0, -memory], rng.normal(size=n + 200))[200:] for _ in range(2))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", SerialDependenceWarning)
        try:
            result = mutual_info(x, y)
        except ValueError as error:
            raise documented(error) from error
    heard = any(issubclass(w.category, SerialDependenceWarning) for w in said)
    withheld = bool(np.isnan(result.low))
    fault = "no interval, and no warning" if withheld and not heard else ""
    return Trial(withheld or result.low <= 1e-3, fault=fault)


def _conditional_trial(setting: Setting, rng: np.random.Generator) -> Trial:
    """Two sides that depend on a third only; the reference leaves the third out."""
    n, noise = setting["n"], setting["noise"]
    z = rng.random((n, setting["dims"]))
    signal = CURVES[setting["law"]](z[:, 0])
    scale = noise * (0.2 + z[:, 0]) if setting["uneven"] else noise
    x, y = signal + scale * rng.normal(size=n), signal + scale * rng.normal(size=n)
    seed = int(rng.integers(2**31))
    try:
        found = conditional_independence_test(x, y, z, n_multipliers=199, random_state=seed)
    except ValueError as error:
        raise documented(error) from error
    naive = stats.pearsonr(x, y).pvalue
    return Trial(found.p_value > setting["alpha"], reference_held=bool(naive > setting["alpha"]))


def _selection_trial(control: str) -> Callable[[Setting, np.random.Generator], Trial]:
    """No feature depends on the target: nothing may be selected, but in so many of 100 data sets."""

    def trial(setting: Setting, rng: np.random.Generator) -> Trial:
        n, d = setting["n"], setting["features"]
        common = rng.normal(size=(n, 1)) * setting["shared"]
        X = SHAPES[setting["shape"]](common + rng.normal(size=(n, d)))
        y = _null_side(setting["y"], (n, 1), rng)
        y = y if y.ndim == 1 else y[:, 0]
        selector = MISelector(
            control=control,  # type: ignore[arg-type]
            alpha=setting["alpha"],
            random_state=int(rng.integers(2**31)),
        )
        try:
            found = selector.fit(X, y).get_support()
        except ValueError as error:
            raise documented(error) from error
        return Trial(not found.any())

    return trial


def _one_minus_alpha(setting: Setting) -> float:
    return 1.0 - float(setting["alpha"])


def _printed_of_conditional(setting: Setting) -> float:
    """What the summary promises beside Z of several columns or with jumps: one in seven at .05."""
    return 1.0 - 0.14 * float(setting["alpha"]) / 0.05


ALPHA = Choice((0.01, 0.05, 0.1))
NULL_FEATURES = Prior(
    {
        "n": LogUniform(20, 300),
        "features": LogUniform(2, 60),
        "shared": Uniform(0, 3, says="how much the features have in common"),
        "shape": Choice(tuple(SHAPES)),
        "y": Choice(SIDES),
        "alpha": ALPHA,
    }
)

CLAIMS = (
    Claim(
        "certified lower bound",
        _pairs(n=LogUniform(10, 100_000, says="rows")),
        _certified_trial,
        0.95,
        reference="lower end of the interval",
    ),
    Claim(
        "interval of the network, on average over its family",
        Prior({"n": LogUniform(10, 3000), "level": Choice((0.8, 0.9, 0.95))}),
        _family_trial,
        lambda setting: float(setting["level"]),
        kind="marginal-over-family",
    ),
    Claim(
        "interval of a table of levels",
        _pairs(
            law=Choice(("table",)),
            n=LogUniform(200, 5000),
            strength=Uniform(0.3, 0.9),
            levels=Choice(((2, 2), (2, 5), (3, 3))),
        ),
        _interval_trial("plug-in"),
        0.95,
        kind="asymptotic",
    ),
    Claim(
        "interval of a Gaussian copula",
        _pairs(
            law=Choice(("gaussian",)),
            n=LogUniform(100, 5000),
            dims=Choice((1, 2)),
            strength=Uniform(0.2, 0.95),
        ),
        _interval_trial("gaussian"),
        0.95,
        kind="asymptotic",
    ),
    Claim(
        "p-value of the test of independence",
        Prior(
            {
                "n": LogUniform(10, 500),
                "dims": Choice((1, 2, 5)),
                "x": Choice(SIDES),
                "y": Choice(SIDES),
                "alpha": ALPHA,
            }
        ),
        _independence_trial,
        _one_minus_alpha,
    ),
    Claim(
        "p-value of the test of independence of two series",
        Prior({"n": LogUniform(200, 2000), "memory": Uniform(0, 0.9), "alpha": Choice((0.05, 0.1))}),
        _series_trial,
        _one_minus_alpha,
        kind="asymptotic",
        reference="permutations of single rows",
    ),
    Claim(
        "p-value of the test of conditional independence",
        Prior(
            {
                "n": LogUniform(100, 1000),
                "dims": Choice((1, 2, 3)),
                "law": Choice(("line", "parabola", "step")),
                "noise": Uniform(0.2, 2.0),
                "uneven": Choice((False, True), says="whether the noise grows with the third variable"),
                "alpha": Choice((0.05, 0.1)),
            }
        ),
        _conditional_trial,
        _printed_of_conditional,
        kind="asymptotic",
        reference="correlation without the third variable",
    ),
    Claim(
        "family-wise errors of a selection of features",
        NULL_FEATURES,
        _selection_trial("fwer"),
        _one_minus_alpha,
    ),
    Claim(
        "false discoveries among independent features",
        NULL_FEATURES,
        _selection_trial("fdr"),
        _one_minus_alpha,
    ),
    Claim(
        "p-value of the test of independence within strata",
        Prior(
            {
                "n": LogUniform(20, 500),
                "strata": Choice((2, 5, 10)),
                "gap": Uniform(0, 3, says="distance of the strata"),
                "x": Choice(("normal", "heavy", "rounded", "rare")),
                "y": Choice(("normal", "heavy", "rounded", "rare")),
                "alpha": ALPHA,
            }
        ),
        _strata_trial,
        _one_minus_alpha,
        reference="Spearman's test without the strata",
    ),
    Claim(
        "power of the test of independence",
        Prior(
            {
                "n": LogUniform(20, 500),
                "dims": Choice((1,)),
                "law": Choice(("gaussian", *CURVES, "zeros")),
                "strength": Uniform(0.1, 0.95),
                "shape": Choice(tuple(SHAPES)),
                "levels": Choice(LEVELS),
            }
        ),
        _power_trial,
        0.95,
        reference="Spearman's test",
    ),
    Claim(
        "estimates of two independent series",
        Prior({"n": LogUniform(50, 2000), "memory": Uniform(0, 0.99)}),
        _withheld_trial,
        0.95,
        "marginal-over-family",
    ),
    Claim(
        "interval of canonical correlations",
        _pairs(
            law=Choice(("gaussian",)),
            n=LogUniform(100, 5000),
            dims=Choice((1, 2)),
            strength=Uniform(0.2, 0.95),
            shape=Choice(("plain",)),
        ),
        _interval_trial("cca"),
        0.95,
        kind="asymptotic",
    ),
)
