"""Every public entry point under hostile input; ``VALIDSTATS_EXAMPLES=10000`` for the long lane (a domain each)."""

from __future__ import annotations

import traceback

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import validstats
from tests.properties import batch, dsl, holdout, mi
from tests.properties.probes import EXAMPLES, share

DOMAINS = {"batch": batch.PROBES, "holdout": holdout.PROBES, "dsl": dsl.PROBES, "mi": mi.PROBES}
EVERY = [
    pytest.param(probe, share(probes), id=f"{name}-{probe}")
    for name, probes in DOMAINS.items()
    for probe in probes
]


@pytest.mark.parametrize(("probe", "n_examples"), EVERY)
def test_a_right_answer_or_a_refusal_that_names_the_argument(probe, n_examples):
    @settings(
        max_examples=n_examples,
        deadline=None,
        derandomize=EXAMPLES <= 1000,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data())
    def check(data):
        probe.check(data.draw(probe.strategy()))

    check()


def test_column_numbers_are_names_too():
    """A pandas frame made from an array has integers for names."""
    generator = np.random.default_rng(0)
    array = generator.normal(size=(30, 3))
    frame = pd.DataFrame(array)
    ours, plain = (validstats.mutual_info_matrix(d, method="gaussian").values for d in (frame, array))
    np.testing.assert_array_equal(ours, plain)
    assert validstats.mutual_info(frame, array[:, 0], method="ksg").dim_x == 3


@pytest.mark.parametrize("argument", ["weights", "offset", "clusters"])
def test_an_empty_list_is_not_the_default(argument):
    with pytest.raises(ValueError, match=argument):
        dsl.coefficients(dsl.study(), **{argument: []})


def test_dates_are_no_weights():
    with pytest.raises(TypeError, match="weights"):
        dsl.coefficients(dsl.study(), weights=np.arange(dsl.N).astype("datetime64[D]"))


@pytest.mark.parametrize("name", list(batch.TARGETS))
def test_masked_labels_are_not_read_through_the_mask(name):
    y = np.ma.MaskedArray(batch.Y, batch.Y > 1)
    with pytest.raises(ValueError, match=r"y has \d+ masked"):
        batch.TARGETS[name]().calibrate(batch.X, y)


def test_masked_predictions_are_refused_by_the_holdout():
    with pytest.raises(ValueError, match="target has 1 masked"):
        holdout.ask(np.ma.MaskedArray(holdout.Y, np.arange(holdout.N) == 0))


def test_the_text_of_a_failing_metric_is_withheld():
    from validstats.holdout import Metric

    def fails(y, p, X):
        raise RuntimeError(f"row {y[0]} is secret")

    metric = Metric(name="leaky", rows=fails, bounds=(0, 1))
    asked = holdout.holdout()
    with pytest.raises(ValueError, match="metric 'leaky' failed on the holdout") as refusal:
        asked.infer(holdout.Y, metric=metric)
    shown = "".join(traceback.format_exception(refusal.value))
    assert "secret" not in str(refusal.value) and "RuntimeError" not in str(refusal.value)
    assert f"row {holdout.Y[0]}" not in shown and "RuntimeError: " not in shown
    assert "6.9 nats are charged" in str(refusal.value) and asked.nats_ == pytest.approx(-np.log(0.001))
    assert asked.infer(holdout.Y).left["queries"] == 3  # of five, the failed question counts
