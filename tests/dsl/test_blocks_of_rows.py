"""Rows in memory are worked on in blocks: the blocks change no number, and sums of squares are those of the rows."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from tests.checks import in_turn
from tests.dsl.test_one_path import CASES as EVERY
from tests.dsl.test_one_path import DESIGNS, calibrated, study

pytestmark = pytest.mark.filterwarnings("ignore::validstats.exceptions.LabellingWarning")

BLOCKS = {
    "validstats.dsl.fit.augmentation._BLOCK": 37,
    "validstats.dsl.fit.augmentation._NUMBERS": 1,
    "validstats.dsl.fit.augmentation._FEW_BLOCKS": 11,
    "validstats.dsl.labels.crossfit._FOLDS_AT_ONCE": 29,
    "validstats.dsl.regression.assembly._BLOCK": 41,
    "validstats.dsl.labels.crossfit._MOST_NUMBERS": 300,
}


def answer(case, design, **options):
    """Return one inference of a case."""
    how = {"learner": "linear", "n_folds": 2, "n_repeats": 2, "random_state": 0}
    _, formula, own = EVERY[case]
    return calibrated(*study(design), case, design, how).infer(formula, **(own | options))


CASES = [
    "linear",
    "logit",
    "multinomial",
    "quantile",
    "predicted covariate",
    "instruments",
    "effects",
    "effects and predicted covariate",
]


@pytest.mark.parametrize(("case", "design"), in_turn(CASES, list(DESIGNS)))
def test_blocks_change_no_number(monkeypatch, case, design):
    whole = answer(case, design)
    for name, size in BLOCKS.items():
        monkeypatch.setattr(name, size)
    parts = answer(case, design)
    np.testing.assert_allclose(parts.params, whole.params, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(parts.covariance, whole.covariance, rtol=1e-9, atol=1e-13)
    assert parts.naive == pytest.approx(whole.naive, rel=1e-9)


@pytest.mark.parametrize(("estimator", "design"), in_turn(["tuned", "gold", "ppi++"], list(DESIGNS)))
@pytest.mark.parametrize("case", ["linear", "logit"])
def test_the_covariance_is_that_of_the_rows(case, estimator, design):
    found = answer(case, design, estimator=estimator)
    values = found.influence_values()
    np.testing.assert_allclose(values.T @ values / found.n_rows**2, found.covariance, rtol=1e-9, atol=1e-15)


def test_a_pickled_result_has_its_influence_functions():
    found = answer("linear", "simple")
    again = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(again.influence, found.influence)
