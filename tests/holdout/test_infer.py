"""How one question is answered: guesses, mechanisms, metrics, queries and batches."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression

from tests.holdout.study import MODEL, TRUE_MEAN, X_HOLD, Y_HOLD, N, make, noise_predictions
from validstats.exceptions import (
    BudgetExhaustedError,
    NoisyReleaseError,
)
from validstats.holdout import (
    Answer,
    Ledger,
    ReusableHoldout,
    absolute_error,
    kraft_e_value,
    r2,
    squared_error,
    subgroup_accuracy,
)


def test_a_confirmed_guess_is_the_answer():
    rh = make()
    answer = rh.infer(MODEL, guess=0.75)
    assert isinstance(answer, Answer)
    assert (answer.source, answer.passed, float(answer)) == ("guess", True, 0.75)
    assert answer.bounds[0] <= TRUE_MEAN <= answer.bounds[1]
    assert answer.certified and answer.left == {"queries": 19}
    assert answer.half_width == pytest.approx((answer.bounds[1] - answer.bounds[0]) / 2)


@pytest.mark.parametrize("guess", [0.75, 0.2])
def test_the_ledger_keeps_the_half_width_of_the_answer(guess):
    rh = make()
    answer = rh.infer(MODEL, guess=guess)
    assert rh.ledger_.entries()[-1].half_width == pytest.approx(answer.half_width, rel=1e-12)


def test_a_failed_guess_releases_the_rounded_holdout():
    answer = make().infer(MODEL, guess=0.2)
    assert (answer.source, answer.passed) == ("holdout", False)
    assert abs(float(answer) - TRUE_MEAN) < 0.05 and float(answer) != TRUE_MEAN
    assert answer.left == {"queries": 19}


def test_the_guess_of_an_estimator_is_cross_validated():
    rh = make()
    answer = rh.infer(MODEL)
    guess = rh.training_.guess(MODEL, rh.desk_.chosen(None), "cv")
    assert answer.passed and float(answer) == pytest.approx(guess)


def test_an_unfitted_estimator_is_fitted_on_the_training_rows():
    rh = make()
    a = rh.infer(LogisticRegression(), guess=0.75)
    b = rh.infer(MODEL, guess=0.75)
    assert b.cached and a.index + 1 == b.index


def test_predict_gives_plain_values():
    rh = make()
    values = rh.predict([MODEL, DummyClassifier()])
    assert values.shape == (2,) and rh.predict(MODEL) == values[0]


@pytest.mark.parametrize(
    "mechanism", ["description_length", "gaussian", "fresh_chunks", "thresholdout_science"]
)
def test_other_mechanisms_answer_too(mechanism):
    rh = make(mechanism=mechanism)
    answer = rh.infer(MODEL)
    assert answer.certified == (mechanism != "thresholdout_science")
    assert 0.4 < float(answer) < 1.0
    assert rh.guarantee_.finite_sample == answer.certified
    assert answer.mu_squared > 0 if mechanism == "gaussian" else True
    winner = rh.best([DummyClassifier(), MODEL])
    assert winner.winner in (0, 1)
    assert winner.left["queries"] == (18 if mechanism == "description_length" else 17)


def test_rounds_use_a_fresh_chunk_for_each_batch():
    rh = make(mechanism="rounds", rounds=2, guess=None)
    first = rh.score_many([noise_predictions(0), noise_predictions(1)])
    second = rh.score_many([noise_predictions(2)])
    assert len(first) == 2 and len(second) == 1
    with pytest.raises(BudgetExhaustedError):
        rh.score_many([noise_predictions(3)])


def test_metrics_keep_their_scale():
    rh = make()
    brier = rh.infer(MODEL, metric="brier")
    loss = rh.infer(MODEL, metric="log_loss")
    truth = -np.log(np.clip(MODEL.predict_proba(X_HOLD)[np.arange(N), Y_HOLD], 0.01, 1)).mean()
    assert 0 < float(brier) < 0.25 and brier.half_width < 0.05
    assert loss.bounds[0] <= truth <= loss.bounds[1] and loss.half_width < 0.2
    group = subgroup_accuracy(lambda X: X[:, 1] > 0, share=0.5, name="positive")
    part = X_HOLD[:, 1] > 0
    accuracy = (MODEL.predict(X_HOLD) == Y_HOLD)[part].mean()
    answer = rh.infer(MODEL, metric=group)
    assert answer.bounds[0] <= accuracy <= answer.bounds[1]


def test_regression_has_clipped_errors():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(800, 2))
    y = X[:, 0] + generator.normal(size=800)
    rh = ReusableHoldout(metric=absolute_error(bound=4.0), queries=10, random_state=0)
    rh.fit(X[:400], y[:400]).calibrate(X[400:], y[400:])
    answer = rh.infer(LinearRegression())
    assert answer.bounds[0] < np.sqrt(2 / np.pi) < answer.bounds[1]
    assert rh.infer(LinearRegression(), metric=squared_error(bound=16.0)).bounds[1] <= 16.0


def test_auc_has_a_bound_of_its_own():
    rh = make(X=np.vstack([X_HOLD] * 1), queries=30)
    answer = rh.infer(MODEL, metric="auc")
    from sklearn.metrics import roc_auc_score

    assert answer.bounds[0] <= roc_auc_score(Y_HOLD, MODEL.decision_function(X_HOLD)) <= answer.bounds[1]
    # pairs depend on the order that the ledger's secret gives: cells of .0591 and of .0703 are as frequent
    assert answer.half_width < 0.0704 and 1.0 < answer.nats < 12.0
    assert rh.infer(MODEL, metric="auc").cached and rh.infer(MODEL, metric="roc_auc").cached


def test_a_query_of_any_function():
    rh = make()
    answer = rh.query(lambda X, y: np.clip(X[:, 0], -2, 2), bounds=(-2, 2))
    assert answer.bounds[0] < 0 < answer.bounds[1]
    assert rh.infer(lambda X, y: y.astype(float)).bounds[0] < 0.5
    # training rows are the guess where there are any, and none is needed
    known = {
        fit: make(mechanism="guess_and_check", fit=fit).query(lambda X, y: y == 1) for fit in (True, False)
    }
    assert known[False].passed is None and known[True].passed is not None
    assert known[True].nats < known[False].nats - 3.0


def test_score_many_names_the_predictions_that_fit_no_row():
    rh = make(X=pd.DataFrame(X_HOLD, index=[f"r{i}" for i in range(len(X_HOLD))]))
    fits = pd.Series(Y_HOLD, index=[f"r{i}" for i in range(len(X_HOLD))])
    with pytest.raises(ValueError, match=r"^targets\[1\] has"):
        rh.score_many([fits, fits.add_prefix("old ")])
    with pytest.raises(ValueError, match=r"^targets\[0\]: predictions must not contain NaN"):
        rh.score_many([np.full(len(X_HOLD), np.nan), fits])
    assert rh.score_many([fits.iloc[::-1]])[0].value > 0.99


def test_score_many_is_charged_as_one_transaction():
    rh = make(queries=3)
    answers = rh.score_many([MODEL, DummyClassifier()])
    assert [a.index for a in answers] == [answers[0].index, answers[0].index + 1]
    assert answers.tidy().shape[0] == 2
    with pytest.raises(BudgetExhaustedError, match="2 of 3 declared queries are used and this asks 2 more"):
        rh.score_many([LogisticRegression(C=1e-4), LogisticRegression(C=1e-3)])
    assert rh.ledger_.verify().nats == sum(a.nats for a in answers)


def test_what_was_answered_before_the_budget_ran_out_is_in_the_error(monkeypatch):
    rh = make(overfits=1, mechanism="thresholdout", tolerance=0.2)
    models = [MODEL, DummyClassifier(strategy="constant", constant=0), LogisticRegression(C=1e-4)]
    monkeypatch.setattr(type(rh.training_), "values", lambda *asked: np.repeat([1.0, 0.0], [750, 250]))
    with pytest.raises(BudgetExhaustedError) as caught:
        rh.score_many(models)
    given = caught.value.answered
    assert [type(answer) for answer in given] == [Answer, Answer]
    assert [answer.passed for answer in given] == [True, False]
    assert [answer.index for answer in given] == [
        e.idx for e in rh.ledger_.entries() if e.release == "answer"
    ]
    with pytest.raises(BudgetExhaustedError) as caught:
        rh.infer(noise_predictions(1), guess=0.5)
    assert caught.value.answered == []


@pytest.mark.filterwarnings("ignore::validstats.exceptions.UninformativeWarning")
@pytest.mark.parametrize("mechanism", ["gaussian", "thresholdout", "thresholdout_science", "sparse"])
def test_after_a_noisy_answer_no_e_value_is_paid_for(mechanism):
    rh = make(mechanism=mechanism)
    assert kraft_e_value(10.0, rh.nats_) == 10.0
    rh.infer(MODEL)
    with pytest.raises(NoisyReleaseError, match="countable transcripts only"):
        kraft_e_value(10.0, rh.nats_)


@pytest.mark.share(3)
@pytest.mark.parametrize(
    "ask, message",
    [
        (lambda rh: rh.infer(np.zeros(N - 1), guess=0.5), "for all 1200 holdout rows"),
        (lambda rh: rh.infer(np.full(N, np.nan), guess=0.5), "NaN or infinity"),
        (lambda rh: rh.infer(MODEL, guess=float("nan")), "guess must be a finite number"),
        (lambda rh: rh.infer(MODEL, metric="kappa"), "metric must be one of"),
        (lambda rh: rh.infer(MODEL, metric="r2"), r"pass metric=r2\(bounds=\(low, high\)\)"),
        (lambda rh: rh.infer(MODEL, confidence_level=0.9), "declared before the first look"),
        (lambda rh: rh.infer(lambda X, y: y, metric="brier"), r"metric='brier'\) is for estimators and"),
        (lambda rh: rh.predict(lambda X, y: y / 1.0, metric=absolute_error(bound=1.0)), "Leave metric out"),
        (lambda rh: rh.query(lambda X, y: X[:, 0], bounds=(0, None)), "two finite numbers"),
        (lambda rh: rh.score_many([]), "at least one target"),
        (lambda rh: rh.best([]), "at least one candidate"),
        (lambda rh: rh.validate(MODEL, at_least=1.5), "at_least must be finite and in"),
        (lambda rh: rh.leaderboard(baseline=2.0), "baseline must be finite and in"),
    ],
)
def test_bad_questions_are_refused_and_not_charged(ask, message):
    rh = make()
    before = len(rh.ledger_)
    with pytest.raises(ValueError, match=message):
        ask(rh)
    assert len(rh.ledger_) == before


def test_noise_does_not_depend_on_the_random_state():
    a, b = (make(mechanism="gaussian", guess=None, fit=False, random_state=0) for _ in range(2))
    assert float(a.infer(noise_predictions(0))) != float(b.infer(noise_predictions(0)))


def test_noise_has_the_law_that_the_mechanism_asks_for():
    rh = make(Ledger.in_memory(secret=b"s" * 32), mechanism="gaussian", guess=None)
    session = rh.desk_.books.look()
    laws = {"normal": stats.norm, "laplace": stats.laplace}
    for law in laws:
        draws = [session._noise(f"mechanism {i}")("answer", law) for i in range(2_000)]
        fits = {name: stats.kstest(draws, known.cdf).pvalue > 1e-3 for name, known in laws.items()}
        assert fits == {name: name == law for name in laws}


def test_a_restart_does_not_repeat_noise(tmp_path):
    path = tmp_path / "study.ledger"
    Ledger.create(path)
    make(path, mechanism="gaussian", guess=None).infer(noise_predictions(0))
    make(path, mechanism="gaussian", guess=None).infer(noise_predictions(1))
    entries = [e for e in Ledger.open(path).entries() if e.release == "answer"]
    exact = [(noise_predictions(i) == Y_HOLD).mean() for i in range(2)]
    noise = [e.answer - m for e, m in zip(entries, exact, strict=True)]
    assert abs(noise[0] - noise[1]) > 1e-6


def test_parameters_that_are_no_part_of_the_budget_may_change_after_the_calibration():
    rh = make(mechanism="description_length")
    rh.set_params(metric="error")
    answer = rh.infer(MODEL)
    assert answer.question == "error: LogisticRegression"
    assert answer.conf_low < 1 - TRUE_MEAN < answer.conf_high


def _exits(X, y):
    raise SystemExit(3)


@pytest.mark.parametrize(
    "function",
    [
        lambda X, y: 2.0 + y,
        lambda X, y: y[:5].astype(float),
        lambda X, y: 1 / 0,
        lambda X, y: np.full(len(y), np.nan),
        _exits,
    ],
    ids=["out of bounds", "too few", "raises", "not a number", "exits"],
)
def test_a_function_that_fails_is_charged_and_tells_nothing_else(function, capsys):
    rh = make()
    texts = set()
    with pytest.raises(ValueError, match="counts as asked") as caught:
        rh.query(lambda X, y: print("secret", y[0]) or function(X, y), guess=0.5)
    texts.add(str(caught.value))
    assert capsys.readouterr().out == ""
    assert rh.nats_ == pytest.approx(np.log(1000))
    assert rh.infer(MODEL).left["queries"] == 18
    assert texts == {str(caught.value)} and "secret" not in str(caught.value)


def test_a_function_that_works_costs_a_thousandth_more():
    asked = make()
    asked.query(lambda X, y: np.full(len(y), 0.5), guess=0.5)
    assert 0.0 < asked.nats_ < 0.5


@pytest.mark.slow
def test_a_process_that_dies_inside_a_function_has_paid(tmp_path):
    path = Ledger.create(tmp_path / "x.ledger").path
    code = (
        "import os; from tests.holdout.study import make\n"
        f"make({str(path)!r}).query(lambda X, y: os._exit(3), guess=0.5)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    assert done.returncode == 3
    rh = make(path)
    assert rh.nats_ == pytest.approx(np.log(1000))
    assert [e.release for e in rh.ledger_.entries()].count("error") == 1


def test_questions_are_called_by_their_name_or_by_what_is_asked():
    import functools

    def first_column(X, y):
        return (X[:, 0] > 0).astype(float)

    class Share:
        def __call__(self, X, y):
            return (X[:, 0] > 0).astype(float)

    rh = make()
    for function, name, called in (
        (first_column, None, "first_column"),
        (first_column, "share of the first", "share of the first"),
        (functools.partial(first_column), None, "query"),
        (Share(), None, "query"),
        (Share(), "another", "another"),
    ):
        assert rh.query(function, bounds=(0, 1), guess=0.5, query_id=name).question == called
    assert rh.infer(MODEL, guess=0.7).question == "accuracy: LogisticRegression"
    assert rh.infer(MODEL, guess=0.7, query_id="week 3").question == "accuracy: week 3"
    assert rh.infer(1 - MODEL.predict(X_HOLD), guess=0.75).question == "accuracy: predictions"
    with pytest.raises(ValueError, match=r"stands for the function '.*Share' with bounds \(0\.0, 1\.0\)"):
        rh.query(lambda X, y: y, bounds=(0, 1), guess=0.5, query_id="another")


def test_an_explained_variance_may_be_guessed_as_low_as_one_likes():
    rng = np.random.default_rng(0)
    x = rng.random((900, 1))
    rh = ReusableHoldout(queries=4, mechanism="description_length").calibrate(x, x[:, 0])
    metric = r2(bounds=(0, 1))
    assert rh.infer(x[:, 0], metric=metric, guess=-7.0).conf_high == 1.0
    with pytest.raises(ValueError, match="guess must be at most 1, on the scale of 'r2"):
        rh.infer(1 - x[:, 0], metric=metric, guess=1.1)
    awful = rh.infer(np.round(1 - x[:, 0]), metric=metric)
    assert awful.conf_low == -np.inf and awful.conf_high < 0
