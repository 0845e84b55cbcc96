"""Rows in memory are the stream of one part: every model, estimator and design gives the same numbers."""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from tests.checks import in_turn
from validstats.dsl import DesignSupervised, Moment
from validstats.dsl.regression import MODELS
from validstats.exceptions import LabellingWarning, StreamingError
from validstats.results import NotApplicable

pytestmark = pytest.mark.filterwarnings("ignore::validstats.exceptions.LabellingWarning")

VARIANCE = Moment(
    score=lambda c, b: np.column_stack([c["y"] - b[0], (c["y"] - b[0]) ** 2 - b[1]]),
    variables=("y",),
    start=(0.0, 1.0),
    names=("mean", "variance"),
)
GAMMA = sm.families.Gamma(sm.families.links.Log())
# name -> labels, formula, options
CASES = {
    "mean": ("y", "y", {"model": "mean"}),
    "mean by cells": ("y", "y", {"model": "mean", "outcome_range": (0.0, 80.0)}),
    "mean by group": ("y", "y ~ kind", {"model": "mean", "outcome_range": (0.0, 80.0)}),
    "proportion": ("b", "b", {"model": "proportion"}),
    "proportion, normal": ("b", "b", {"model": "proportion", "interval": "normal"}),
    "proportion, exact": ("b", "b", {"model": "proportion", "interval": "exact"}),
    "proportion by group": ("b", "b ~ kind", {"model": "proportion"}),
    "proportion by group, normal": ("b", "b ~ kind", {"model": "proportion", "interval": "normal"}),
    "proportion by groups of clusters": ("b", "b ~ region", {"model": "proportion"}),
    "shares": ("t", "t", {"model": "shares"}),
    "shares, normal": ("t", "t", {"model": "shares", "interval": "normal"}),
    "difference": ("b", "b ~ kind", {"model": "difference"}),
    "paired difference": (("b", "c"), "I(b - c)", {"model": "difference"}),
    "paired difference, normal": (("b", "c"), "I(b - c)", {"model": "difference", "interval": "normal"}),
    "quantile": ("y", "y", {"model": "quantile", "quantile": 0.3}),
    "linear": ("y", "y ~ x + kind", {}),
    "logit": ("b", "b ~ x + kind", {"model": "logit"}),
    "logit of a predicted covariate": (("b", "c"), "b ~ c + x", {"model": "logit"}),
    "probit": ("b", "b ~ x", {"model": "probit"}),
    "poisson": ("k", "k ~ x + kind", {"model": "poisson"}),
    "glm": ("y", "y ~ x", {"model": "glm", "family": GAMMA}),
    "multinomial": ("t", "t ~ x + kind", {"model": "multinomial"}),
    "instruments": ("y", "y ~ z | x ~ w", {}),
    "effects": ("y", "y ~ x | unit", {}),
    "two effects": ("y", "y ~ x | unit + time", {}),
    "effects and instruments": ("y", "y ~ 1 | unit | x ~ w + z", {}),
    "predicted covariate": ("b", "x ~ b + z", {}),
    "predicted classes": ("t", "x ~ C(t) + z", {}),
    "predicted number": ("y", "x ~ y + z", {}),
    "outcome and covariate": (("y", "b"), "y ~ b * x", {}),
    "effects and predicted covariate": ("b", "x ~ b + z | unit", {}),
    "moment": ("y", VARIANCE, {}),
}
SURROGATES = {"y": "qy", "b": "qb", "c": "qc", "t": "qt", "k": "qk"}
DESIGNS = {
    "independent": {"sampling_probability": "pi"},
    "simple": {},
    "stratified": {"strata": "stratum"},
    "clusters": {"clusters": "unit"},
    "clusters in strata": {"clusters": "unit", "strata": "stratum"},
    "rows of clusters": {"clusters": "unit"},
}


def study(design, n_units=60, size=8, seed=0):
    """Return rows with machine labels and expert labels that were drawn by a design."""
    rng = np.random.default_rng(seed)
    n = n_units * size
    unit, x = np.repeat(np.arange(n_units), size), rng.normal(size=n)
    eta = 0.3 + 0.5 * x + 0.3 * rng.normal(size=n_units)[unit]
    truth = {
        "y": rng.gamma(2.0, np.exp(eta) / 2.0),
        "b": (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(float),
        "c": (rng.random(n) < 0.6).astype(float),
        "t": np.array(["p", "q", "r"])[(eta + rng.normal(size=n) > 0) + (rng.random(n) < 0.5).astype(int)],
    }
    truth["k"] = np.round(truth["y"])
    stratum = np.array(["s1", "s2", "s3"])[unit % 3]
    probability = rng.uniform(0.3, 0.6, size=n)
    labelled = rng.random(n) < probability
    if design in ("simple", "rows of clusters"):
        labelled = np.isin(np.arange(n), rng.choice(n, 180, replace=False))
    elif design == "stratified":
        labelled = np.zeros(n, dtype=bool)
        for level, count in zip(("s1", "s2", "s3"), (40, 60, 90), strict=True):
            labelled[rng.choice(np.flatnonzero(stratum == level), count, replace=False)] = True
    elif design.startswith("clusters"):
        labelled = np.isin(unit, rng.choice(n_units, 25, replace=False))
    known = {name: np.where(labelled, v, np.nan) for name, v in truth.items() if name != "t"}
    known["t"] = pd.Series(np.where(labelled, truth["t"], None), dtype=object)
    frame = pd.DataFrame(
        {
            "x": x,
            "z": rng.normal(size=n),
            "w": rng.uniform(0.5, 2.0, size=n) + 0.5 * x,
            "weight": rng.uniform(0.5, 2.0, size=n),
            "kind": rng.choice(["a", "b"], size=n),
            "region": np.array(["north", "south"])[unit // 3 % 2],
            "pi": probability,
            "stratum": stratum,
            "unit": [f"u{g}" for g in unit],
            "time": [f"t{j}" for j in np.tile(np.arange(size), n_units)],
            "qy": truth["y"] + rng.gamma(1.0, 0.5, size=n),
            "qb": np.where(rng.random(n) < 0.85, truth["b"], 1 - truth["b"]),
            "qc": np.where(rng.random(n) < 0.8, truth["c"], 1 - truth["c"]),
            "qt": np.where(rng.random(n) < 0.8, truth["t"], rng.choice(list("pqr"), n)),
            "qk": truth["k"] + rng.poisson(1.0, size=n),
        }
    )
    return frame, known


def calibrated(data, labels, case, design, how):
    """Return the study of one case; labels are values beside a frame, or names of columns of parts."""
    names = CASES[case][0]
    names = (names,) if isinstance(names, str) else names
    fitted = DesignSupervised(**how).fit(data, surrogate={name: SURROGATES[name] for name in names})
    known = list(names) if labels is None else {name: labels[name] for name in names}
    return fitted.calibrate(known, **DESIGNS[design])


QUICK = {"learner": "linear", "n_repeats": 1, "n_folds": 2, "random_state": 3}


@functools.cache
def in_memory(case, design):
    """Return the study of a case's rows in memory, which several tests hold against parts."""
    return calibrated(*study(design), case, design, QUICK)


def in_parts(case, design, n_parts, how=QUICK, frame=None):
    """Return the study of the same rows in parts."""
    data, labels = study(design) if frame is None else frame
    whole = data.assign(**labels)
    size = -(-len(whole) // n_parts)
    parts = [whole.iloc[a : a + size] for a in range(0, len(whole), size)]
    return calibrated(parts, None, case, design, how)


def both(case, design, n_parts=1, how=QUICK, frame=None, **options):
    """Return the results of rows in memory and of the same rows in parts."""
    _, formula, own = CASES[case]
    if how is QUICK and frame is None:
        memory = in_memory(case, design)
    else:
        memory = calibrated(*(study(design) if frame is None else frame), case, design, how)
    stream = in_parts(case, design, n_parts, how, frame)
    return memory.infer(formula, **(own | options)), stream.infer(formula, **(own | options))


def assert_same(memory, stream, rtol=1e-12):
    scale = np.nanmax(np.abs(memory.params))
    np.testing.assert_allclose(stream.params, memory.params, rtol=rtol, atol=rtol * scale)
    np.testing.assert_allclose(
        stream.covariance, memory.covariance, rtol=10 * rtol, atol=rtol * np.nanmax(memory.covariance)
    )
    np.testing.assert_allclose(
        stream.confidence_interval(), memory.confidence_interval(), rtol=10 * rtol, atol=rtol * scale
    )
    for one, other in ((stream.gold, memory.gold), (stream.naive_fit, memory.naive_fit)):
        assert (one is None) == (other is None)
        if one is not None:
            np.testing.assert_allclose(one.params, other.params, rtol=100 * rtol, atol=10 * rtol * scale)
            np.testing.assert_allclose(one.std_error, other.std_error, rtol=100 * rtol)
    assert_same_effects(memory.marginal, stream.marginal, rtol)
    assert stream.names == memory.names
    assert stream.tuning == memory.tuning
    assert stream.notes == memory.notes
    assert stream.interval_name == memory.interval_name
    assert stream.degrees_of_freedom == memory.degrees_of_freedom
    assert stream.guarantee.check == memory.guarantee.check
    assert (stream.n_rows, stream.n_labelled) == (memory.n_rows, memory.n_labelled)


def assert_same_effects(memory, stream, rtol):
    """Average marginal effects, or why there are none."""
    if isinstance(memory, NotApplicable):
        assert stream.reason == memory.reason
        return
    assert stream.terms == memory.terms
    # the kurtosis of the labelled rows, a sum over parts as well
    if memory.degrees_of_freedom is None:  # normal intervals
        assert stream.degrees_of_freedom is None
    else:
        assert stream.degrees_of_freedom == pytest.approx(memory.degrees_of_freedom, rel=10 * rtol)
    np.testing.assert_allclose(stream.estimate, memory.estimate, rtol=10 * rtol)
    np.testing.assert_allclose(stream.std_error, memory.std_error, rtol=10 * rtol)


def test_every_model_is_a_case() -> None:
    asked = {own.get("model", "linear") for _, _, own in CASES.values()}
    assert asked == set(MODELS)


EVERY_CASE = [case for case in CASES if case != "quantile"]


@pytest.mark.share(2)
@pytest.mark.parametrize(("case", "design"), in_turn(EVERY_CASE, list(DESIGNS)))
def test_one_part_is_the_frame(case, design) -> None:
    if case == "proportion, exact" and design == "independent":
        with pytest.raises(StreamingError, match="bets on all rows in random order"):
            both(case, design)
        return
    if case == "proportion, exact" and design == "rows of clusters":
        for door in (in_memory(case, design), in_parts(case, design, 1)):
            with pytest.raises(ValueError, match="rows depend on each other within clusters"):
                door.infer("b", model="proportion", interval="exact")
        return
    if case == "two effects" and design.startswith("clusters"):
        assert_same(*both("effects", design))
        return
    assert_same(*both(case, design))


@pytest.mark.slow
@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("case", list(CASES))
def test_several_parts_are_one(case, design) -> None:
    if (case, design) == ("proportion, exact", "independent") or (case == "quantile" and design != "simple"):
        return
    if (case, design) == ("proportion, exact", "rows of clusters"):
        return
    _, formula, own = CASES[case]
    parts = in_parts(case, design, 3)
    for population in ("superpopulation", "finite"):
        answers = [
            s.infer(formula, **(own | {"population": population})) for s in (in_memory(case, design), parts)
        ]
        assert_same(*answers, rtol=1e-10)


@pytest.mark.parametrize(
    "case",
    [
        "linear",
        *(
            pytest.param(c, marks=pytest.mark.slow)
            for c in ("proportion", "multinomial", "effects", "moment", "instruments")
        ),
    ],
)
def test_four_parts_are_one(case) -> None:
    assert_same(*both(case, "simple", n_parts=4), rtol=1e-10)
    assert_same(*both(case, "clusters", n_parts=7, population="finite"), rtol=1e-10)


@pytest.mark.share(2)
@pytest.mark.parametrize(
    ("estimator", "vcov"), in_turn(["tuned", "dsl", "ppi", "ppi++", "gold"], [None, "HC1", "HC3"])
)
def test_every_estimator_and_correction(estimator, vcov) -> None:
    how = {"learner": "linear", "n_repeats": 2, "n_folds": 2, "random_state": 3, "estimator": estimator}
    assert_same(*both("logit", "simple", how=how, vcov=vcov))
    assert_same(*both("effects", "independent", how=how, vcov=vcov))


@pytest.mark.slow
@pytest.mark.parametrize("tuning", ["scalar", "matrix", "none"])
def test_every_tuning_weights_offsets_and_clusters(tuning) -> None:
    assert_same(*both("linear", "simple", n_parts=3, tuning=tuning, weights="weight"), rtol=1e-10)
    assert_same(*both("poisson", "independent", n_parts=3, tuning=tuning, offset="z"), rtol=1e-10)
    assert_same(*both("logit", "simple", tuning=tuning, clusters=["unit", "time"]))
    assert_same(*both("effects", "simple", tuning=tuning, weights="weight", clusters="none"))


@pytest.mark.parametrize(
    "case", ["proportion", *(pytest.param(c, marks=pytest.mark.slow) for c in ("mean by group", "shares"))]
)
def test_clusters_of_an_answer_have_cells_as_in_the_frame(case) -> None:
    memory, stream = both(case, "simple", n_parts=3, clusters="unit")
    assert (
        (memory.interval_name, memory.clustered_by)
        == ("cells", "unit")
        == (stream.interval_name, stream.clustered_by)
    )
    assert_same(memory, stream, rtol=1e-10)


@pytest.mark.slow
def test_a_quantile_is_that_of_the_frame() -> None:
    frame = study("independent", n_units=30, size=6)
    assert_same(*both("quantile", "independent", frame=frame))
    assert_same(*both("quantile", "independent", n_parts=3, frame=frame), rtol=1e-9)


@pytest.mark.parametrize("n_parts", [1, pytest.param(3, marks=pytest.mark.slow)])
@pytest.mark.parametrize("design", ["stratified", "independent"])
def test_a_quantile_by_cells_is_that_of_the_frame(design, n_parts) -> None:
    frame, known = study("independent", n_units=60, size=8)
    rng, n = np.random.default_rng(1), len(frame)
    if design == "independent":  # rarely labelled rows may all lie below the quantile
        frame = frame.assign(pi=np.where(np.arange(n) % 4, 0.5, 0.02))
        labelled = rng.random(n) < frame["pi"]
    else:  # labels are alike within strata
        place = np.argsort(np.argsort(frame["qy"].to_numpy()))
        frame = frame.assign(stratum=[f"s{k:02d}" for k in place // 12])
        labelled = place % 12 < 2
    known = {**known, "y": np.where(labelled, frame["qy"] + 0.01 * rng.normal(size=n), np.nan)}
    memory, stream = both("quantile", design, n_parts=n_parts, frame=(frame, known))
    assert "that of cells too" in " ".join(memory.notes)
    assert_same(memory, stream, rtol=1e-9)


@pytest.mark.parametrize(
    "clusters", [("unit", "time"), *(pytest.param(c, marks=pytest.mark.slow) for c in (("unit",), ()))]
)
@pytest.mark.parametrize("case", ["logit", pytest.param("effects", marks=pytest.mark.slow)])
def test_clusters_given_after_the_fit(case, clusters) -> None:
    data, labels = study("simple")
    memory, stream = both(case, "simple", n_parts=3, frame=(data, labels))
    named = " and ".join(clusters)
    expected = memory.recluster(*(data[name].to_numpy() for name in clusters), name=named)
    found = stream.recluster(*clusters)
    np.testing.assert_allclose(found.covariance, expected.covariance, rtol=1e-10)
    np.testing.assert_array_equal(found.params, stream.params)
    assert found.degrees_of_freedom == expected.degrees_of_freedom
    assert (found.clustered_by, found.clusters) == (expected.clustered_by, ())
    pd.testing.assert_frame_equal(found.compare().tidy(), expected.compare().tidy(), rtol=1e-9)


@pytest.mark.slow
def test_clusters_given_after_the_fit_are_columns_of_two_clusters_or_more() -> None:
    data, labels = study("simple")
    gap = data["unit"].where(np.arange(len(data)) != 70)
    frame = data.assign(one="same", gap=gap), labels
    _, stream = both("logit", "simple", n_parts=3, frame=frame)
    for clusters, error, message in (
        (data["unit"], TypeError, "clusters must name a column where rows arrive in parts"),
        ("nothing", KeyError, "no column 'nothing'"),
        ("one", ValueError, "puts all rows in one cluster"),
        ("gap", ValueError, r"1 missing value\(s\) in the column 'gap' of part 0"),
    ):
        with pytest.raises(error, match=message):
            stream.recluster(clusters)
    with pytest.warns(LabellingWarning, match=r"Only 8 clusters \(time\)"):
        stream.recluster("time")
    _, finite = both("logit", "simple", frame=frame, population="finite")
    with pytest.raises(ValueError, match="finite population"):
        finite.recluster("unit")


@pytest.mark.parametrize(
    "case",
    [
        "multinomial",
        "proportion by group",
        *(pytest.param(c, marks=pytest.mark.slow) for c in ("linear", "shares", "predicted classes")),
    ],
)
def test_parts_without_labels_empty_parts_and_levels_that_appear_late(case) -> None:
    data, labels = study("simple")
    whole = data.assign(**labels)
    late = whole.sort_values(["kind", "qt"], kind="stable").reset_index(drop=True)
    unlabelled = late[late["y"].isna()]
    parts = [unlabelled.iloc[:50], late.iloc[:0], late.drop(unlabelled.index[:50]).iloc[:200]]
    parts += [late.drop(unlabelled.index[:50]).iloc[200:], late.iloc[:0]]
    order = pd.concat(parts, ignore_index=True)
    names = list(labels)
    _, formula, own = CASES[case]
    memory = calibrated(order.drop(columns=names), {n: order[n] for n in names}, case, "simple", QUICK)
    stream = calibrated(parts, None, case, "simple", QUICK)
    assert_same(memory.infer(formula, **own), stream.infer(formula, **own), rtol=1e-10)


def test_what_is_no_function_of_a_row_is_refused() -> None:
    data, labels = study("simple")
    parts = [data.assign(**labels)]
    fitted = DesignSupervised(n_repeats=1).fit(parts, surrogate="qy").calibrate("y")
    for formula in ("y ~ x + poly(z, 2)", "y ~ I(x - x.mean())", "y ~ x.rank()", "y ~ center(x)"):
        with pytest.raises(StreamingError, match="takes its values in a row from the other rows"):
            fitted.infer(formula)
    with pytest.raises(StreamingError, match="one number a row"):
        fitted.predict()
    with pytest.raises(StreamingError, match="fits a logistic regression on all rows"):
        DesignSupervised().fit(parts, surrogate="qy").calibrate("y", sampling_probability="estimated")
    with pytest.raises(StreamingError, match="gives every row a probability"):
        fitted.design_sampling("y ~ x", 20)
    changed = iter([parts, [parts[0].iloc[1:]]])
    current = next(changed)
    moving = DesignSupervised(n_repeats=1).fit(lambda: iter(current), surrogate="qy").calibrate("y")
    current = next(changed)
    with pytest.raises(ValueError, match="479 rows now and had 480 in the first pass"):
        moving.infer("y ~ x")
