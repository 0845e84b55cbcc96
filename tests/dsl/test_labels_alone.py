"""Labels alone: the other rows are coded when something that needs them is asked for, with the same answers."""

from __future__ import annotations

import warnings
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest

from validstats import DesignSupervised
from validstats.dsl.regression.assembly import DesignBuilder

N = 900


def rows(seed: int = 0) -> tuple[pd.DataFrame, pd.Series]:
    """Two covariates, a machine label, and expert labels of a third of the rows."""
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=N), rng.integers(0, 5, N)
    truth = (x + 0.2 * z + rng.normal(size=N) > 0).astype(float)
    machine = np.where(rng.random(N) < 0.85, truth, 1 - truth)
    labels = pd.Series(np.where(rng.random(N) < 0.3, truth, np.nan), name="y")
    return pd.DataFrame({"x": x, "z": z, "machine": machine}), labels


def answer(formula: str, estimator: str = "gold", **options: Any) -> Any:
    """One inference on these rows."""
    frame, labels = rows()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study = DesignSupervised(estimator=estimator, random_state=0).fit(frame, surrogate="machine")
        return study.calibrate(labels, sampling_probability=0.3).infer(formula, **options)


@pytest.mark.parametrize("model", ["linear", "logit"])
def test_answers_are_those_of_a_design_of_all_rows(model: str) -> None:
    # a factor in braces is coded by the formula's own library, for all rows at once
    found, whole = answer("y ~ x + z", model=model), answer("y ~ x + {z}", model=model)
    for mine, other in (
        (found.params, whole.params),
        (found.std_error, whole.std_error),
        (found.naive, whole.naive),
        (found.influence, whole.influence),
    ):
        np.testing.assert_allclose(mine, other, rtol=1e-12, atol=1e-14)
    if model == "logit":
        np.testing.assert_allclose(found.marginal.estimate, whole.marginal.estimate, rtol=1e-12)


def test_other_rows_are_coded_when_they_are_asked_for() -> None:
    sizes: list[int] = []
    design = DesignBuilder.design

    def noted(self: DesignBuilder, *arguments: Any, **options: Any) -> Any:
        sizes.append(len(design(self, *arguments, **options)))
        return design(self, *arguments, **options)

    with patch.object(DesignBuilder, "design", noted):
        found = answer("y ~ x + z")
        assert sizes and max(sizes) < N
        assert found.naive is not None
        assert max(sizes) == N


def test_columns_that_only_unlabelled_rows_tell_apart_are_said() -> None:
    frame, labels = rows()
    twin = np.where(labels.notna(), frame["x"], frame["x"] + 1.0)
    study = DesignSupervised(estimator="gold", random_state=0).fit(
        frame.assign(twin=twin), surrogate="machine"
    )
    with pytest.warns(Warning, match="twin"):
        found = study.calibrate(labels, sampling_probability=0.3).infer("y ~ x + twin")
    assert np.isnan(found.params).any()
    same = DesignSupervised(estimator="gold").fit(frame.assign(twin=frame["x"]), surrogate="machine")
    with pytest.raises(ValueError, match="spanned"):
        same.calibrate(labels, sampling_probability=0.3).infer("y ~ x + twin")
