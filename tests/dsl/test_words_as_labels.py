"""Labels and verdicts in words: one of them counts as 1, and a judge's silence is a category of its own."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from validstats import DesignSupervised

N = 300
rng = np.random.default_rng(0)
x = rng.normal(size=N)
truth = (x + 0.5 * rng.normal(size=N) > 0).astype(int)
machine = np.where(rng.random(N) < 0.85, truth, 1 - truth)
seen = rng.random(N) < 0.4
NUMBERS = np.where(seen, truth, np.nan)
WORDS = np.where(seen, np.where(truth, "pass", "fail"), None)
VERDICTS = np.where(machine, "pass", "fail")
WEIGHT = rng.uniform(0.1, 5, N)


def study(verdicts, labels, learner=None, positive=None, **fit_params):
    rows = pd.DataFrame({"x": x, "machine": verdicts}, index=[f"unit-{i}" for i in range(N)])
    model = DesignSupervised(learner or LogisticRegression(), n_repeats=1, n_folds=3, random_state=0)
    return model.fit(rows, surrogate="machine", **fit_params).calibrate({"y": labels}, positive=positive)


@pytest.mark.share(3)
@pytest.mark.parametrize(
    ("formula", "model"), [("y", "mean"), ("y", "proportion"), ("y ~ x", "linear"), ("y ~ x", "logit")]
)
@pytest.mark.parametrize("labels", [WORDS, NUMBERS], ids=["words", "numbers"])
def test_a_positive_word_is_one(formula, model, labels) -> None:
    expected = study(machine, NUMBERS).infer(formula, model=model)
    found = study(VERDICTS, labels, positive="pass").infer(formula, model=model)
    np.testing.assert_allclose(found.naive, expected.naive)
    np.testing.assert_allclose(found.params, expected.params, atol=0.01)
    np.testing.assert_allclose(found.std_error, expected.std_error, rtol=0.02)


@pytest.mark.parametrize("model", ["mean", "proportion", "linear", "logit"])
def test_words_without_it_are_refused_with_the_remedy(model) -> None:
    with pytest.raises(ValueError, match=r"'y'.* is not numeric: .*positive="):
        study(VERDICTS, WORDS).infer("y", model=model)
    with pytest.raises(ValueError, match=r"positive='yes' is no level of labels\['y'\]"):
        study(VERDICTS, WORDS, positive="yes")


def test_a_missing_verdict_is_a_category_of_its_own() -> None:
    silent = np.where(np.arange(N) % 7 == 0, None, VERDICTS)
    named = np.where(np.arange(N) % 7 == 0, "says nothing", VERDICTS)
    found, expected = (study(v, WORDS, positive="pass").infer("y ~ x") for v in (silent, named))
    np.testing.assert_allclose(found.params, expected.params, atol=1e-9)
    np.testing.assert_allclose(found.naive, expected.naive)


@pytest.mark.parametrize("learner", [LogisticRegression(), Ridge()])
def test_a_learner_takes_its_own_fit_parameters(learner) -> None:
    weight = pd.Series(WEIGHT, index=[f"unit-{i}" for i in range(N)])
    expected, shuffled = (
        study(machine, NUMBERS, learner, sample_weight=w).infer("y ~ x", estimator="dsl").params
        for w in (WEIGHT, weight.sample(frac=1, random_state=1))
    )
    np.testing.assert_array_equal(expected, shuffled)
    plain = study(machine, NUMBERS, learner).infer("y ~ x", estimator="dsl").params
    assert not np.array_equal(expected, plain)
    doubled = (
        study(machine, NUMBERS, learner, sample_weight=np.ones(N)).infer("y ~ x", estimator="dsl").params
    )
    np.testing.assert_allclose(doubled, plain, atol=1e-6)


def test_the_stack_takes_none() -> None:
    rows = pd.DataFrame({"x": x, "machine": machine})
    with pytest.raises(TypeError, match=r"fit\(\) got 'sample_weight'.*pass a learner=.*takes .*'surrogate'"):
        DesignSupervised(random_state=0).fit(rows, surrogate="machine", sample_weight=WEIGHT)
