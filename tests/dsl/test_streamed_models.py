"""Models of rows that arrive in parts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from tests.dsl.streams import clustered_rows, streamed_rows
from validstats import DesignSupervised


@pytest.mark.share(6)
@pytest.mark.parametrize("estimator", ["tuned", "dsl", "gold"])
@pytest.mark.parametrize("clusters", [None, "group"])
def test_the_gold_only_fit_of_a_stream_is_that_of_memory(estimator, clusters) -> None:
    frame = clustered_rows()
    stream = streamed_rows(frame, covariates=["x"], estimator=estimator, clusters=clusters)
    calibrated = (
        DesignSupervised(random_state=0, n_repeats=1)
        .fit(frame[["x", "machine", "group"]], surrogate="machine")
        .calibrate(frame["y"], sampling_probability=0.4)
    )
    memory = calibrated.infer("y ~ x", estimator=estimator, clusters=clusters)
    np.testing.assert_allclose(stream.gold.params, memory.gold.params, rtol=1e-9)
    np.testing.assert_allclose(stream.gold.std_error, memory.gold.std_error, rtol=1e-9)
    if estimator == "gold":
        np.testing.assert_allclose(stream.gold.std_error, stream.std_error, rtol=1e-9)


def test_the_family_of_a_stream_is_an_instance() -> None:
    with pytest.raises(ValueError, match="family must be an instance of a statsmodels family"):
        streamed_rows(clustered_rows(20), covariates=["x"], model="glm", family="gaussian")
    by_family = streamed_rows(
        clustered_rows(20), covariates=["x"], model="glm", family=sm.families.Gaussian()
    )
    linear = streamed_rows(clustered_rows(20), covariates=["x"])
    np.testing.assert_allclose(by_family.params, linear.params, rtol=1e-6)


def test_counts_of_a_stream_are_not_negative() -> None:
    with pytest.raises(ValueError, match="outcome 'y' of this model must lie at 0 or above"):
        streamed_rows(clustered_rows(20), covariates=["x"], model="poisson")


@pytest.mark.parametrize("model", ["shares", "multinomial"])
def test_machine_classes_that_begin_like_expert_classes_are_other_classes(model) -> None:
    rng = np.random.default_rng(0)
    truth = rng.choice(["negative", "positive"], 600)
    data = pd.DataFrame({"x": rng.normal(size=600), "machine": [v[:3] for v in truth]})
    known = pd.Series(np.where(rng.random(600) < 0.4, truth, None), name="y")
    calibrated = DesignSupervised(random_state=0, n_repeats=1).fit(data, surrogate="machine").calibrate(known)
    formula = "y" if model == "shares" else "y ~ x"
    assert calibrated.infer(formula, model=model).naive_fit is None
    with pytest.raises(ValueError, match="needs a surrogate, with known classes"):
        calibrated.infer(formula, model=model, estimator="ppi")


def test_the_joint_test_leaves_out_intercepts_only() -> None:
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"timeIntercept": rng.normal(size=600), "machine": rng.normal(size=600)})
    topic = np.array(["a", "b", "c"])[(rng.random(600) < 0.3) + (data["timeIntercept"] > 0).astype(int)]
    labels = {"y": data["timeIntercept"].to_numpy() + rng.normal(size=600), "topic": topic.astype(object)}
    calibrated = DesignSupervised(estimator="gold").fit(data).calibrate(labels)
    assert calibrated.infer("y ~ timeIntercept").joint_test().null == "timeIntercept = 0"
    joint = calibrated.infer("topic ~ timeIntercept", model="multinomial").joint_test()
    assert joint.null == "b: timeIntercept = 0 and c: timeIntercept = 0"
