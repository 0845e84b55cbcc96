"""What a result says does not change with the arrays and frames that the caller goes on working on."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

from validstats import DesignSupervised
from validstats._typing import AnyArray
from validstats.dsl import Moment

N = 600


def score(columns: dict[str, AnyArray], b: AnyArray) -> AnyArray:
    """Least squares of y on x, as a user writes it."""
    design = np.column_stack([np.ones(len(columns["x"])), columns["x"]])
    return design * (columns["y"] - design @ b)[:, None]


def answer(
    model: str, formula: str | Moment, estimator: str, vary: str, then_write: bool
) -> tuple[str, str, str, float]:
    """The summary of one inference and its companions, after the caller wrote over everything that was passed, or not."""
    rng = np.random.default_rng(7)
    x, g, two = rng.normal(size=N), rng.integers(0, 3, N), rng.integers(0, 2, N)
    truth = (x + rng.normal(size=N) > 0).astype(float)
    if model not in ("logit", "proportion"):
        truth += rng.normal(size=N)
    judge = np.where(rng.random(N) < 0.85, truth, 1 - truth)
    memory = np.asfortranarray(np.column_stack([x, g, two, judge]))
    frame = pd.DataFrame(memory, columns=["x", "g", "two", "judge"], copy=False)
    labels = np.where(rng.random(N) < 0.3, truth, np.nan)
    beside: dict[str, AnyArray] = {
        "weights": rng.uniform(0.5, 2, N),
        "offset": rng.normal(size=N),
        "clusters": rng.integers(0, 90, N),
        "cross_fitted": judge + rng.normal(scale=0.1, size=N),
    }
    probability = np.full(N, 0.3)
    options: dict[str, Any] = {vary: beside[vary]} if vary else {}
    if model == "quantile":
        options["quantile"] = 0.5
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study = DesignSupervised(estimator=estimator, random_state=0).fit(frame, surrogate="judge")
        study.calibrate({"y": labels}, sampling_probability=probability)
        result = study.infer(formula, model=model, **options)
        if then_write:
            for array in (memory, labels, probability, *beside.values()):
                array[...] = 0
            frame["judge"] = 1.0
        spread = 0.0 if result.influence is None else float(np.abs(result.influence).sum())
        return str(result.summary()), repr(result.gold), repr(result.marginal), spread


@pytest.mark.parametrize("estimator", ["tuned", "ppi++", "gold"])
def test_columns_of_a_moment_are_kept(estimator: str) -> None:
    moment = Moment(score=score, variables=("y", "x"), start=(0.0, 0.0))
    before, after = (answer("linear", moment, estimator, "weights", write) for write in (False, True))
    assert after == before


@pytest.mark.parametrize("formula", ["y ~ x + g", "y ~ x | g"])
def test_given_predictions_are_kept(formula: str) -> None:
    before, after = (answer("linear", formula, "dsl", "cross_fitted", write) for write in (False, True))
    assert after == before


@pytest.mark.parametrize(
    ("model", "formula", "vary"),
    [
        ("linear", "y ~ x + g", ""),
        ("linear", "x ~ y + g", "weights"),
        ("linear", "y ~ x | g", "clusters"),
        ("logit", "y ~ x * C(g)", "weights"),
        ("poisson", "g ~ y + x", "offset"),
        ("mean", "y ~ g", ""),
        ("proportion", "y", ""),
        ("difference", "y ~ two", ""),
        ("quantile", "y", ""),
    ],
)
@pytest.mark.share(3)
@pytest.mark.parametrize("estimator", ["tuned", "ppi++", "gold"])
def test_results_do_not_change_with_what_was_passed(
    model: str, formula: str, vary: str, estimator: str
) -> None:
    before, after = (answer(model, formula, estimator, vary, write) for write in (False, True))
    assert after == before
