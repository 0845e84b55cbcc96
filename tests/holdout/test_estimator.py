from __future__ import annotations

import copy
import functools
import pickle
import re
import warnings

import matplotlib as mpl
import numpy as np
import pytest
from scipy import stats
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from validstats.exceptions import (
    BudgetExhaustedError,
    DataReuseWarning,
    LedgerMismatchError,
    LedgerMissingError,
    NoisyReleaseError,
    NotCalibratedError,
    UninformativeWarning,
)
from validstats.holdout import (
    Answer,
    Ledger,
    Metric,
    ReusableHoldout,
    absolute_error,
    kraft_e_value,
    plan,
    squared_error,
    subgroup_accuracy,
)
from validstats.holdout.budget import confidence_of, dry_half_widths, guarantee_of, next_half_widths
from validstats.holdout.budget.books import fresh_state
from validstats.holdout.mechanisms import Declaration, Gaussian, Thresholdout, mechanism
from validstats.holdout.widths.half_widths import thresholdout_width

mpl.use("Agg")

N = 1200


def draw(n=N, seed=0, p=3):
    generator = np.random.default_rng(seed)
    X = generator.normal(size=(n, p))
    return X, (X[:, 0] + generator.normal(size=n) > 0).astype(int)


X_TRAIN, Y_TRAIN = draw(seed=1)
X_HOLD, Y_HOLD = draw(seed=2)
MODEL = LogisticRegression().fit(X_TRAIN, Y_TRAIN)
TRUE_MEAN = float((MODEL.predict(X_HOLD) == Y_HOLD).mean())


def make(ledger=None, fit=True, X=X_HOLD, y=Y_HOLD, clusters=None, **options):
    settings = {"queries": 20, "failures": 3, "random_state": 0, "ledger": ledger, **options}
    rh = ReusableHoldout(**settings)
    if fit:
        rh.fit(X_TRAIN, Y_TRAIN)
    return rh.calibrate(X, y, clusters=clusters)


def noise_predictions(seed, n=N):
    return np.random.default_rng(1000 + seed).integers(0, 2, n)


# ---------------------------------------------------------------- answers


def test_a_confirmed_guess_is_the_answer():
    rh = make()
    answer = rh.infer(MODEL, guess=0.75)
    assert isinstance(answer, Answer)
    assert (answer.source, answer.passed, float(answer)) == ("guess", True, 0.75)
    assert answer.bounds[0] <= TRUE_MEAN <= answer.bounds[1]
    assert answer.certified and answer.left == {"queries": 19, "failures": 3}
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
    assert answer.left == {"queries": 19, "failures": 2}


def test_the_guess_of_an_estimator_is_cross_validated():
    rh = make()
    answer = rh.infer(MODEL)
    guess = rh.training_.guess(MODEL, rh.desk_.metric, "cv")
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


def test_auto_takes_the_tightest_of_the_plan():
    rh = make()
    assert rh.calibration_.declared.mechanism == rh.plan().choice
    without = make(guess=None, fit=False)
    assert without.calibration_.declared.mechanism != "guess_and_check"
    assert without.calibration_.declared.mechanism == without.plan().choice


ANALYSES = ("tight", "rogers2020", "jung2020", "bassily2016")
TEN_THOUSAND = draw(10_000, seed=3)


def gaussian(ledger=None, **options):
    X, y = TEN_THOUSAND
    return make(ledger, X=X, y=y, mechanism="gaussian", **options)


@pytest.mark.parametrize("analysis", ANALYSES)
def test_the_analysis_of_gaussian_answers_can_be_chosen(analysis):
    rh = gaussian(analysis=analysis)
    answer = rh.infer(MODEL)
    level = np.log(0.05) + np.log(0.99)
    state = Gaussian.initial_state(
        10_000, queries=20, analysis=analysis, confidence_level=confidence_of(level)
    )
    assert answer.certified and rh.guarantee_.finite_sample
    low, high = answer.bounds
    assert float(answer) - low == pytest.approx(state.node_half_width, abs=1e-12)
    assert high == pytest.approx(min(float(answer) + state.node_half_width, 1), abs=1e-12)
    planned = plan(10_000, 20).half_width_of("gaussian", analysis)
    assert state.node_half_width == pytest.approx(planned, rel=0.01)
    assert answer.mu_squared == pytest.approx(1 / (10_000 * state.sigma) ** 2)
    assert rh.ledger_.entries()[-1].state["declared"]["analysis"] == analysis
    text = " ".join(str(rh.summary()).split())
    assert f"Analysis: {analysis}" in text
    author = {"tight": "leave-one-out", "rogers2020": "Rogers", "jung2020": "Jung", "bassily2016": "Bassily"}
    assert author[analysis] in rh.guarantee_.citation


def test_a_reopened_ledger_keeps_its_analysis(tmp_path):
    path = tmp_path / "study.ledger"
    Ledger.create(path)
    first = gaussian(path, analysis="rogers2020")
    again = gaussian(path, analysis="rogers2020")
    assert again.calibration_.epoch == 0
    other = gaussian(path, analysis="jung2020")  # nothing was answered yet
    assert other.calibration_.epoch == 1
    with pytest.raises(LedgerMismatchError, match="opened an epoch with other budgets"):
        first.infer(MODEL)
    other.infer(MODEL)
    with pytest.raises(LedgerMismatchError, match="Answers of 'gaussian' were released"):
        gaussian(path)
    assert gaussian(path, analysis="jung2020").infer(MODEL).cached


def test_a_ledger_without_an_analysis_is_continued_as_tight():
    rh = gaussian(ledger=Ledger.in_memory())
    with rh.ledger_.turn() as turn:
        old = {k: v for k, v in turn.state["declared"].items() if k not in ("analysis", "tolerance")}
        turn.append("epoch", state={**turn.state, "declared": old})
    assert gaussian(ledger=rh.ledger_).calibration_.epoch == 0


def test_auto_compares_the_analysis_that_was_chosen():
    options = {"queries": 60, "guess": None, "X": TEN_THOUSAND[0], "y": TEN_THOUSAND[1]}
    assert make(**options).calibration_.declared.analysis == "tight"
    rh = make(**options, analysis="bassily2016")
    assert rh.calibration_.declared.mechanism == rh.plan().choice == "description_length"
    assert rh.calibration_.declared.analysis is None
    listed = {c.analysis for c in rh.plan().candidates if c.name == "gaussian"}
    assert listed == {"bassily2016"}


def thresholdout(n, **options):
    X, y = (X_HOLD, Y_HOLD) if n == N else TEN_THOUSAND
    return make(X=X[:n], y=y[:n], mechanism="thresholdout", **options)


def test_thresholdout_that_says_nothing_warns_and_names_enough_rows():
    with pytest.warns(UninformativeWarning, match="mechanism='thresholdout' say nothing") as caught:
        rh = thresholdout(N)
    answer = rh.infer(MODEL, guess=0.99)
    assert answer.certified and answer.bounds[1] - answer.bounds[0] > 0.98
    message = str(caught[0].message)
    assert caught[0].filename == __file__
    rows = int(re.search(r"smallest n that says something is ([\d,]+)", message)[1].replace(",", ""))
    level = np.log(0.05) + np.log(0.99)
    assert thresholdout_width(rows, 20, 3, level) < 0.49 <= thresholdout_width(rows - 1, 20, 3, level)
    assert "With tolerance=..." in message


def test_a_tolerance_makes_thresholdout_work_and_its_interval_is_not_called_proved():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rh = thresholdout(10_000, tolerance=0.1)
    passed = rh.infer(MODEL, guess=TRUE_MEAN)
    failed = rh.infer(MODEL, guess=0.99, query_id="optimist")
    truth = float((MODEL.predict(TEN_THOUSAND[0]) == TEN_THOUSAND[1]).mean())
    assert passed.source == "guess" and float(passed) == TRUE_MEAN
    assert failed.source == "noisy" and float(failed) == pytest.approx(truth, abs=0.02)
    for answer in (passed, failed):
        assert not answer.certified and answer.half_width == pytest.approx(0.1)
        assert not answer.guarantee.finite_sample
    assert failed.left == {"queries": 18, "failures": 2}
    assert "no tolerance below" in rh.outlook() and "approximate" in rh.outlook()
    text = " ".join(str(rh.summary()).split())
    assert "Tolerance: 0.1 (not proved)" in text and "Theorem 25 proves the declared tolerance 0.1" in text


@pytest.mark.parametrize("factor, proved", [(1.001, True), (0.999, False)])
def test_a_tolerance_is_certified_exactly_where_the_theorem_proves_it(factor, proved):
    """Enough rows are too many to hold, so the level and the budget are what is turned: the width is the tolerance."""
    level = np.log(0.5) + np.log(0.99)
    needed = thresholdout_width(10_000, 1, 1, level)
    declared = Declaration(
        n=10_000, queries=1, failures=1, rounds=None, mechanism="thresholdout", confidence_level=0.5,
        tolerance=factor * needed,
    )  # fmt: skip
    options = {"n": 10_000, "log_alpha": level, **mechanism(declared.mechanism).options(declared)}
    state = fresh_state("thresholdout", tuple(sorted(options.items())))
    assert (state.tolerance, Thresholdout.proved(state)) == (factor * needed, proved)
    release = Thresholdout.step(state, 0.5, guess=0.5, noise=lambda role, law: 0.0)[1]
    assert release.certified is proved
    assert guarantee_of(declared, state, clustered=False).finite_sample is proved


def test_a_tolerance_belongs_to_the_declared_budget(tmp_path):
    path = tmp_path / "study.ledger"
    Ledger.create(path)
    thresholdout(N, ledger=path, tolerance=0.2).infer(MODEL)
    with pytest.raises(LedgerMismatchError, match="Answers of 'thresholdout' were released"):
        thresholdout(N, ledger=path, tolerance=0.1)
    assert thresholdout(N, ledger=path, tolerance=0.2).infer(MODEL).cached


@pytest.mark.parametrize(
    "options",
    [
        {"mechanism": "gaussian", "queries": 1000, "guess": None},
        {"mechanism": "gaussian", "queries": 100, "analysis": "bassily2016"},
        {"mechanism": "fresh_chunks", "queries": 500},
        {"mechanism": "rounds", "queries": 1000, "rounds": 400},
        {"mechanism": "description_length", "queries": 10**4},
        {"mechanism": "guess_and_check", "queries": 10**5, "failures": 200},
    ],
)
def test_any_budget_that_says_nothing_is_warned_about(options):
    with pytest.warns(UninformativeWarning, match="smallest n that says something") as caught:
        rh = make(**options)
    rows = int(re.search(r"something is ([\d,]+)", str(caught[0].message))[1].replace(",", ""))
    declared, level = rh.calibration_.declared, rh.desk_.books.look().state["log_alpha"]

    def width(n):
        state = fresh_state(
            declared.mechanism,
            tuple(
                sorted(
                    {"n": n, "log_alpha": level, **mechanism(declared.mechanism).options(declared)}.items()
                )
            ),
        )
        return next(iter(dry_half_widths(declared.mechanism, state).values()))

    assert width(rows) < 0.49 <= width(rows - 1)


def test_a_tolerance_of_half_or_more_says_nothing():
    with pytest.warns(UninformativeWarning, match=r"tolerance=0\.6 is its half-width: declare one below"):
        thresholdout(N, tolerance=0.6)


def test_metrics_keep_their_scale():
    rh = make()
    brier = rh.infer(MODEL, metric="brier")
    loss = rh.infer(MODEL, metric="log_loss")
    truth = -np.log(np.clip(MODEL.predict_proba(X_HOLD)[np.arange(N), Y_HOLD], 0.01, 1)).mean()
    assert 0 < float(brier) < 0.25
    assert loss.bounds[0] <= truth <= loss.bounds[1] and loss.bounds[1] > 1
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
    assert answer.nats > np.log(N + 1)
    assert rh.infer(MODEL, metric="auc").cached


def test_a_query_of_any_function():
    rh = make()
    answer = rh.query(lambda X, y: np.clip(X[:, 0], -2, 2), bounds=(-2, 2))
    assert answer.bounds[0] < 0 < answer.bounds[1]
    assert rh.infer(lambda X, y: y.astype(float)).bounds[0] < 0.5


def test_score_many_is_charged_as_one_transaction():
    rh = make(queries=3)
    answers = rh.score_many([MODEL, DummyClassifier()])
    assert [a.index for a in answers] == [answers[0].index, answers[0].index + 1]
    assert answers.tidy().shape[0] == 2
    with pytest.raises(BudgetExhaustedError, match="2 of 3 declared queries are used and this asks 2 more"):
        rh.score_many([LogisticRegression(C=1e-4), LogisticRegression(C=1e-3)])
    assert rh.ledger_.verify().nats == sum(a.nats for a in answers)


def test_what_was_answered_before_failures_ran_out_is_in_the_error(monkeypatch):
    rh = make(failures=1, mechanism="guess_and_check")
    models = [MODEL, DummyClassifier(strategy="constant", constant=0), LogisticRegression(C=1e-4)]
    monkeypatch.setattr(type(rh.training_), "guess", lambda *asked: 0.75)
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


def test_a_refusal_ends_the_batch_even_before_a_question_that_was_answered_earlier(monkeypatch):
    rh = make(failures=0, mechanism="guess_and_check")
    monkeypatch.setattr(type(rh.training_), "guess", lambda *asked: 0.75)
    assert rh.infer(MODEL).passed and rh.infer(MODEL).cached
    with pytest.raises(BudgetExhaustedError) as caught:
        rh.score_many([DummyClassifier(strategy="constant", constant=0), MODEL])
    assert caught.value.answered == []
    assert rh.ledger_.entries()[-1].release == "refused"


@pytest.mark.filterwarnings("ignore::validstats.exceptions.UninformativeWarning")
@pytest.mark.parametrize("mechanism", ["gaussian", "thresholdout", "thresholdout_science", "sparse"])
def test_after_a_noisy_answer_no_e_value_is_paid_for(mechanism):
    rh = make(mechanism=mechanism)
    assert kraft_e_value(10.0, rh.nats_) == 10.0
    rh.infer(MODEL)
    with pytest.raises(NoisyReleaseError, match="countable transcripts only"):
        kraft_e_value(10.0, rh.nats_)


def test_best_releases_the_winner_only():
    rh = make()
    candidates = [noise_predictions(i) for i in range(5)] + [MODEL.predict(X_HOLD)]
    with pytest.raises(ValueError, match=r"pass guess=\.\.\."):
        rh.best(candidates)
    answer = rh.best([DummyClassifier(), MODEL, LogisticRegression(C=1e-6)])
    assert answer.winner == 1 and answer.left["queries"] == 19
    assert answer.nats >= np.log(3)


def test_best_of_a_loss_is_the_smallest():
    rh = make(metric="error")
    assert rh.best([DummyClassifier(), MODEL]).winner == 1


def test_compare_is_paired_and_narrower_than_two_scores():
    rh = make()
    other = LogisticRegression(C=0.003).fit(X_TRAIN, Y_TRAIN)
    answer = rh.compare(MODEL, other)
    truth = TRUE_MEAN - (other.predict(X_HOLD) == Y_HOLD).mean()
    assert answer.bounds[0] <= truth <= answer.bounds[1]
    scores = [rh.infer(m) for m in (MODEL, other)]
    assert answer.half_width < sum(s.half_width for s in scores)


def test_validate_is_one_bit():
    rh = make()
    yes, no = rh.validate(MODEL, at_least=0.6), rh.validate(MODEL, at_least=0.9)
    assert (yes.passed, no.passed) == (True, False)
    assert bool(yes) and not bool(no) and yes.value is None
    with pytest.raises(TypeError, match="has no value"):
        float(yes)
    assert rh.validate(MODEL, at_most=0.4, metric="error").passed
    with pytest.raises(ValueError, match="exactly one of"):
        rh.validate(MODEL)


@pytest.mark.parametrize(
    "bits, nats", [("y" * 12, 6.1), ("n" * 12, 11.3), ("yn" * 6, 16.8), ("y" * 6 + "n" * 6, 16.8)]
)
def test_what_bits_cost_is_what_the_docstring_says(bits, nats):
    rh = make()
    for i, bit in enumerate(bits):
        assert rh.validate(MODEL, at_least=(0.4 if bit == "y" else 0.95) + i / 1e4).passed == (bit == "y")
    assert rh.ledger_.totals()[0] == pytest.approx(nats, abs=0.05)
    assert f"{nats}" in ReusableHoldout.validate.__doc__


def test_leaderboard_shows_improvements_only():
    board = make().leaderboard(baseline=0.5)
    first = board.submit(MODEL)
    assert first.passed and float(first) > 0.6
    worse = board.submit(noise_predictions(1))
    assert not worse.passed and float(worse) == float(first) and worse.source == "unchanged"
    assert worse.nats == 0.0
    with pytest.raises(ValueError, match="best possible"):
        make().leaderboard(baseline=1.0)


def test_discoveries_pay_for_what_was_seen():
    X, y = draw(n=4000, seed=8)
    rh = make(X=X, y=y, mechanism="guess_and_check")
    chance = np.random.default_rng(3).integers(0, 2, (3, 4000))
    targets = [MODEL, *chance, LogisticRegression(C=0.1)]
    confirmed = rh.discover(targets, at_least=0.55)
    assert confirmed.tolist() == [True, False, False, False, True]
    entry = rh.ledger_.entries()[-1]
    assert entry.release == "discover" and entry.nats == pytest.approx(5 * np.log(2))
    assert rh.discover(targets, at_least=0.55).tolist() == confirmed.tolist()
    assert rh.ledger_.entries()[-1].release == "cached"
    rh.infer(MODEL)
    before = rh.nats_
    assert before > 5 * np.log(2) + 10
    assert rh.discover([MODEL], at_least=0.5).all()
    assert not rh.discover([MODEL], at_least=0.76).any()
    assert rh.nats_ == pytest.approx(before + 2 * np.log(2))
    assert make(metric="error").discover([MODEL], at_least=0.4).all()
    with pytest.raises(ValueError, match="needs at least one target"):
        make(mechanism="gaussian").discover([MODEL], at_least=0.5)


def test_the_vault_opens_once():
    rh = make(vault=0.25)
    assert rh.calibration_.n_vault == 300 and rh.calibration_.n_units == 900
    answer = rh.final(MODEL)
    low, high = answer.bounds
    from scipy.stats import beta

    ones = round(float(answer) * 300)
    assert low == pytest.approx(beta.ppf(0.025, ones, 301 - ones), abs=1e-9)
    assert high == pytest.approx(beta.ppf(0.975, ones + 1, 300 - ones), abs=1e-9)
    assert rh.final(MODEL).cached
    with pytest.raises(BudgetExhaustedError, match="the vault was opened by entry"):
        rh.final(DummyClassifier())
    assert "by itself" in answer.guarantee.paragraph()
    with pytest.raises(ValueError, match="needs a vault"):
        make().final(MODEL)


def vault_level(answer):
    return answer.guarantee.confidence_level


def test_the_vault_keeps_the_level_that_was_declared():
    rh = make(vault=0.25, confidence_level=0.5)
    rh.set_params(confidence_level=0.99)
    first = rh.final(MODEL)
    ones = round(float(first) * 300)
    assert first.bounds[0] == pytest.approx(stats.beta.ppf(0.25, ones, 301 - ones), abs=1e-9)
    assert vault_level(first) == 0.5 and "at least 50 of 100" in first.guarantee.holds
    rh.set_params(confidence_level=0.9)
    again = rh.final(MODEL)
    assert again.cached and again.bounds == first.bounds and vault_level(again) == 0.5


def test_a_later_epoch_does_not_relabel_the_vault(tmp_path):
    path = Ledger.create(tmp_path / "x.ledger").path
    first = make(path, vault=0.25, confidence_level=0.5).final(MODEL)
    later = make(path, vault=0.25, confidence_level=0.99)
    again = later.final(MODEL)
    assert later.calibration_.epoch == 1 and again.cached
    assert again.bounds == first.bounds and vault_level(again) == vault_level(first) == 0.5
    assert later.infer(MODEL, guess=0.75).guarantee is later.guarantee_


def test_a_later_epoch_promises_no_more_than_the_answers_before_it(tmp_path):
    path = Ledger.create(tmp_path / "x.ledger").path
    options = {"mechanism": "guess_and_check"}
    first = make(path, confidence_level=0.5, **options).infer(MODEL, guess=0.75)
    for level in (0.99, 0.9):
        later = make(path, confidence_level=level, **options)
        again = later.infer(MODEL, guess=0.75)
        assert again.cached and again.bounds == first.bounds
        assert later.guarantee_.confidence_level == again.guarantee.confidence_level == 0.5
        assert "at least 50 of 100" in later.guarantee_.holds
    assert make(confidence_level=0.9).guarantee_.confidence_level == 0.9


def test_a_vault_of_another_metric_has_a_betting_interval():
    answer = make(vault=0.25, metric="brier").final(MODEL)
    truth = ((MODEL.predict_proba(X_HOLD)[:, 1] - Y_HOLD) ** 2).mean()
    assert answer.bounds[0] < truth < answer.bounds[1] < 0.5


# ---------------------------------------------------------------- budget


def test_the_declared_number_of_queries_is_the_limit():
    rh = make(queries=5)
    for i in range(5):
        rh.infer(noise_predictions(i), guess=0.5)
    spent = rh.ledger_.totals()
    with pytest.raises(BudgetExhaustedError, match="this would be look 6 of 5 declared"):
        rh.infer(noise_predictions(5), guess=0.5)
    assert rh.exhausted_ and rh.ledger_.totals() == spent
    assert rh.infer(noise_predictions(0), guess=0.5).cached
    assert "6th look; the declared budget is used up" in rh.outlook()


def test_after_the_last_failure_everything_is_refused():
    rh = make(failures=2)
    for i in range(2):
        assert not rh.infer(noise_predictions(i), guess=0.95).passed
    with pytest.raises(BudgetExhaustedError):
        rh.infer(MODEL)
    assert rh.exhausted_


def test_an_unanswered_failure_is_charged_too():
    rh = make(failures=0)
    with pytest.raises(BudgetExhaustedError):
        rh.infer(noise_predictions(0), guess=0.95)
    with pytest.raises(BudgetExhaustedError):
        rh.infer(MODEL)
    assert rh.ledger_.totals()[0] > 0


def test_repeated_questions_come_from_the_cache_and_advance_the_index():
    rh = make(mechanism="gaussian")
    first = rh.infer(MODEL)
    again = rh.infer(MODEL)
    assert float(first) == float(again) and again.cached
    assert again.index == first.index + 1 and again.left == first.left
    assert rh.ledger_.entries()[-1].nats == 0


def test_the_cache_never_looks_at_labels():
    a, b = make(), make(y=1 - Y_HOLD)
    keys = []
    for rh in (a, b):
        keys.append(rh.desk_.values(MODEL, rh.desk_.metric)[1])
    same = make(ledger=Ledger.in_memory(secret=b"s" * 32))
    flipped = make(ledger=Ledger.in_memory(secret=b"s" * 32), y=1 - Y_HOLD)
    prediction = np.zeros(N, dtype=int)
    digests = {rh.desk_.values(prediction, rh.desk_.metric)[1] for rh in (same, flipped)}
    assert len(digests) == 1
    assert keys[0] != keys[1]


def test_opaque_callables_are_always_charged():
    rh = make(queries=2)

    def share(X, y):
        return y.astype(float)

    assert rh.query(share).left["queries"] == 1
    assert rh.query(share).left["queries"] == 0
    with pytest.raises(BudgetExhaustedError):
        rh.query(share)


def test_a_named_query_is_cached():
    rh = make(queries=1)
    assert not rh.query(lambda X, y: y.astype(float), query_id="share").cached
    assert rh.query(lambda X, y: y.astype(float), query_id="share").cached


def share_of_ones(X, y):
    return y.astype(float)


def share_of_zeros(X, y):
    return 1.0 - y


class Shares:
    def __call__(self, X, y):
        return y.astype(float)


@pytest.mark.parametrize(
    "ask, second, message",
    [
        (
            lambda rh: rh.infer(MODEL, query_id="a"),
            lambda rh: rh.infer(MODEL, query_id="a", metric="error"),
            r"stands for the metric 'accuracy' .* asks for the metric 'error'",
        ),
        (
            lambda rh: rh.infer(MODEL, query_id="a"),
            lambda rh: rh.query(share_of_ones, query_id="a"),
            r"stands for the metric 'accuracy' .* asks for the function 'share_of_ones'",
        ),
        (
            lambda rh: rh.query(share_of_ones, query_id="a"),
            lambda rh: rh.infer(share_of_zeros, query_id="a"),
            r"stands for the function 'share_of_ones' .* asks for the function 'share_of_zeros'",
        ),
        (
            lambda rh: rh.query(functools.partial(share_of_ones), query_id="a"),
            lambda rh: rh.query(Shares(), query_id="a"),
            r"'share_of_ones' .* asks for the function 'Shares'",
        ),
        (
            lambda rh: rh.query(share_of_ones, query_id="a"),
            lambda rh: rh.query(share_of_ones, bounds=(0, 2), query_id="a"),
            r"with bounds \(0\.0, 1\.0\) already, .* with bounds \(0\.0, 2\.0\)",
        ),
        (
            lambda rh: rh.infer(MODEL, query_id="a", metric="auc"),
            lambda rh: rh.infer(MODEL, query_id="a"),
            r"stands for the metric 'auc' .* asks for the metric 'accuracy'",
        ),
    ],
)
def test_a_name_stands_for_one_question(ask, second, message):
    rh = make(queries=2, mechanism="guess_and_check")
    first = ask(rh)
    before = len(rh.ledger_)
    with pytest.raises(ValueError, match=message):
        second(rh)
    assert len(rh.ledger_) == before
    again = ask(rh)
    assert again.cached and float(again) == float(first)


def test_a_name_is_remembered_by_the_ledger_file_and_by_later_epochs(tmp_path):
    path = tmp_path / "study.ledger"
    Ledger.create(path)
    make(path).infer(MODEL, query_id="a")
    make(path).infer(MODEL, query_id="a", metric="accuracy")
    later = make(path, queries=30)
    with pytest.raises(ValueError, match="One name is one question"):
        later.infer(MODEL, query_id="a", metric="error")
    assert later.infer(MODEL, query_id="a").cached


def test_what_a_name_stands_for_beyond_that_is_not_noticed():
    """As documented: other predictions, and another function of the same qualified name, get the first answer."""
    rh = make()
    first = rh.infer(noise_predictions(0), guess=0.5, query_id="a")
    assert float(rh.infer(1 - noise_predictions(0), guess=0.5, query_id="a")) == float(first)
    ones, zeros = (lambda X, y: y.astype(float)), (lambda X, y: 1.0 - y)
    assert float(rh.query(ones, query_id="b")) == float(rh.query(zeros, query_id="b"))


def test_users_have_their_own_shares(tmp_path):
    path = tmp_path / "team.ledger"
    Ledger.create(path)
    team = {"ana": 2, "ben": 3}
    ana = make(path, queries=5, users=team, user="ana", mechanism="guess_and_check")
    ben = make(path, queries=5, users=team, user="ben", mechanism="guess_and_check")
    for i in range(2):
        assert ana.infer(noise_predictions(i), guess=0.5).left["own queries"] == 1 - i
    with pytest.raises(BudgetExhaustedError, match="user 'ana' has used 2 of 2"):
        ana.infer(noise_predictions(9), guess=0.5)
    assert ben.infer(noise_predictions(3), guess=0.5).left == {"queries": 2, "own queries": 2, "failures": 3}
    assert [e.user for e in ben.ledger_.entries() if e.release == "answer"] == ["ana", "ana", "ben"]
    with pytest.raises(ValueError, match="more than queries"):
        make(queries=4, users=team, user="ana")
    with pytest.raises(ValueError, match="has no share"):
        make(queries=9, users=team, user="eve")


def test_a_share_of_one_query_is_enough_for_one_query():
    rh = make(queries=5, users={"ana": 1, "ben": 4}, user="ana", mechanism="guess_and_check")
    assert rh.infer(noise_predictions(0), guess=0.5).left["own queries"] == 0
    with pytest.raises(BudgetExhaustedError, match="user 'ana' has used 1 of 1"):
        rh.infer(noise_predictions(1), guess=0.5)


# ---------------------------------------------------------------- epochs and ledgers


def test_the_same_rows_in_another_order_continue_the_ledger(tmp_path):
    path = tmp_path / "study.ledger"
    Ledger.create(path)
    prediction = noise_predictions(0)
    first = make(path).infer(prediction, guess=0.5)
    order = np.random.default_rng(0).permutation(N)
    again = make(path, X=X_HOLD[order], y=Y_HOLD[order])
    assert again.infer(prediction[order], guess=0.5).cached
    assert again.infer(noise_predictions(1), guess=0.5).left["queries"] == 18
    assert first.left["queries"] == 19


def test_other_rows_are_refused(tmp_path):
    path = tmp_path / "study.ledger"
    Ledger.create(path)
    make(path)
    X, y = draw(seed=9)
    with pytest.raises(LedgerMismatchError, match="other holdout rows"):
        make(path, X=X, y=y)
    Ledger.create(tmp_path / "second.ledger")
    with pytest.raises(LedgerMismatchError, match="have a ledger already"):
        make(tmp_path / "second.ledger")


def test_a_budget_in_memory_for_rows_that_have_a_ledger_file_is_warned_about(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make()
    path = tmp_path / "study.ledger"
    Ledger.create(path)
    make(path)
    order = np.random.default_rng(0).permutation(N)
    for ledger in (None, Ledger.in_memory()):
        with pytest.warns(DataReuseWarning, match=r"have a ledger already, at .*study\.ledger"):
            make(ledger, X=X_HOLD[order], y=Y_HOLD[order])
    X, y = draw(seed=9)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make(X=X, y=y)
        make(path)
        ReusableHoldout().fit(X_TRAIN, Y_TRAIN).calibrate(X_HOLD, Y_HOLD, check_reuse=False)


def test_a_path_without_a_ledger_is_refused(tmp_path):
    with pytest.raises(LedgerMissingError, match=r"Ledger\.create"):
        make(tmp_path / "nowhere.ledger")


def test_other_budgets_open_an_epoch_that_pays_for_the_earlier_ones(tmp_path):
    path = tmp_path / "study.ledger"
    Ledger.create(path)
    first = make(path)
    narrow = first.infer(MODEL, guess=0.75)
    second = make(path, queries=30)
    assert second.calibration_.epoch == 1
    wide = second.infer(noise_predictions(1), guess=0.5)
    assert wide.half_width > 1.3 * narrow.half_width
    assert second.infer(MODEL, guess=0.75).cached
    with pytest.raises(LedgerMismatchError, match="opened an epoch with other budgets"):
        first.infer(noise_predictions(2), guess=0.5)
    with pytest.raises(LedgerMismatchError, match="cannot be sealed now"):
        make(path, queries=40, vault=0.2)


def test_an_epoch_after_many_nats_still_works_and_a_noisy_one_is_refused():
    rh = make(ledger=Ledger.in_memory())
    rh.leaderboard(baseline=0.5).submit(MODEL)
    rh.infer(MODEL)
    assert rh.ledger_.totals()[0] > 30
    with pytest.raises(ValueError, match="cannot be opened after"):
        make(ledger=rh.ledger, mechanism="gaussian")
    late = make(ledger=rh.ledger, queries=21)
    assert late.calibration_.epoch == 1
    answer = late.infer(noise_predictions(0), guess=0.5)
    assert answer.bounds[0] <= 0.5 <= answer.bounds[1]
    assert answer.half_width < 0.5


@pytest.mark.parametrize("mechanism", ["gaussian", "fresh_chunks", "thresholdout_science"])
def test_no_epoch_follows_noisy_answers_or_exact_chunks(tmp_path, mechanism):
    path = tmp_path / "study.ledger"
    Ledger.create(path)
    make(path, mechanism=mechanism).infer(MODEL)
    with pytest.raises(LedgerMismatchError, match=f"Answers of '{mechanism}' were released"):
        make(path, queries=30)
    assert make(path, mechanism=mechanism).infer(MODEL).cached


@pytest.mark.parametrize("queries", [1, 2, 3])
def test_a_further_epoch_pays_for_the_last_answer_too(queries):
    rh = make(mechanism="description_length", queries=queries, ledger=Ledger.in_memory())
    for i in range(queries):
        rh.infer(noise_predictions(i))
    cells = rh.desk_.books.look().load_main().cells
    transcripts = sum(cells**i for i in range(queries + 1))
    assert rh.nats_ == pytest.approx(np.log(transcripts))
    later = make(mechanism="description_length", queries=5, ledger=rh.ledger)
    assert later.ledger_.totals()[0] == pytest.approx(np.log(transcripts))
    state = later.desk_.books.look().state
    assert state["log_alpha"] == pytest.approx(np.log(0.01 * 6 / np.pi**2 * 0.05) - np.log(transcripts))


def test_a_further_epoch_pays_for_refused_failures_too():
    rh = make(mechanism="guess_and_check", queries=4, failures=0)
    rh.infer(noise_predictions(0), guess=0.5)
    stops = 4 + 1 + 4
    assert rh.nats_ >= np.log(stops)


def test_calibrating_again_in_memory_does_not_refill():
    rh = make(queries=2)
    rh.infer(noise_predictions(0), guess=0.5)
    rh.calibrate(X_HOLD, Y_HOLD)
    assert rh.infer(noise_predictions(1), guess=0.5).left["queries"] == 0
    X, y = draw(seed=5)
    assert rh.calibrate(X, y).infer(MODEL).left["queries"] == 1


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


# ---------------------------------------------------------------- copies


def test_clone_and_get_params_work():
    rh = ReusableHoldout(queries=7, ledger=Ledger.in_memory())
    copied = clone(rh)
    assert copied.queries == 7 and copied.ledger is rh.ledger
    assert "ReusableHoldout(" in repr(rh)
    fitted = ReusableHoldout().fit(X_TRAIN, Y_TRAIN)
    assert not hasattr(clone(fitted), "_training")
    assert isinstance(pickle.loads(pickle.dumps(fitted)), ReusableHoldout)


def test_a_calibrated_holdout_in_memory_refuses_copies():
    rh = make()
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(rh)
    with pytest.raises(TypeError, match="cannot be"):
        copy.deepcopy(rh)


def test_pickles_share_the_budget_and_hide_the_rows(tmp_path):
    path = tmp_path / "study.ledger"
    Ledger.create(path)
    secret_value = 0.123456789012345
    X = X_HOLD.copy()
    X[7, 2] = secret_value
    rh = make(path, queries=2, X=X)
    raw = pickle.dumps(rh)
    assert np.float64(secret_value).tobytes() not in raw
    assert rh.ledger_.secret not in raw
    other = pickle.loads(raw)
    assert np.array_equal(other.desk_.parts.reusable.y, rh.desk_.parts.reusable.y)
    other.infer(noise_predictions(0), guess=0.5)
    assert rh.infer(noise_predictions(1), guess=0.5).left["queries"] == 0
    with pytest.raises(BudgetExhaustedError):
        other.infer(noise_predictions(2), guess=0.5)


# ---------------------------------------------------------------- clusters


def test_clusters_are_the_units():
    clusters = np.repeat(np.arange(N // 4), 4)
    rh = make(clusters=clusters, vault=0.2)
    assert (rh.calibration_.n_units, rh.calibration_.n_vault) == (240, 60)
    assert set(clusters[rh.desk_.parts.reusable.given]).isdisjoint(clusters[rh.desk_.parts.vault.given])
    answer = rh.infer(MODEL, guess=0.2)
    expected = (
        (MODEL.predict(X_HOLD) == Y_HOLD)
        .reshape(-1, 4)
        .mean(axis=1)[np.unique(clusters[rh.desk_.parts.reusable.given])]
    )
    assert abs(float(answer) - expected.mean()) < 0.06
    assert "mean over clusters" in answer.guarantee.paragraph()
    assert rh.final(MODEL).bounds[0] < TRUE_MEAN


# ---------------------------------------------------------------- bad input, nothing charged


@pytest.mark.parametrize(
    "ask, message",
    [
        (lambda rh: rh.infer(np.zeros(N - 1), guess=0.5), "for all 1200 holdout rows"),
        (lambda rh: rh.infer(np.full(N, np.nan), guess=0.5), "NaN or infinity"),
        (lambda rh: rh.infer(np.zeros(N)), "predictions alone give none"),
        (lambda rh: rh.infer(MODEL, guess=float("nan")), "guess must be a finite number"),
        (lambda rh: rh.infer(MODEL, metric="r2"), "metric must be one of"),
        (lambda rh: rh.infer(MODEL, confidence_level=0.9), "declared before the first look"),
        (lambda rh: rh.infer(lambda X, y: y, metric="brier"), r"metric='brier'\) is for estimators and"),
        (lambda rh: rh.predict(share_of_ones, metric=absolute_error(bound=1.0)), "Leave metric out"),
        (lambda rh: rh.query(lambda X, y: 2.0 + y), "outside its declared bounds"),
        (lambda rh: rh.query(lambda X, y: y[:5].astype(float)), "one number for each of the 1200 rows"),
        (lambda rh: rh.query(lambda X, y: X[:, 0], bounds=(0, None)), "two finite numbers"),
        (lambda rh: rh.query(lambda X, y: 1 / 0), "failed on the holdout with ZeroDivisionError"),
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


@pytest.mark.parametrize(
    "options, message",
    [
        ({"queries": 0}, "queries"),
        ({"failures": -1}, "failures"),
        ({"mechanism": "magic"}, "magic"),
        ({"metric": "rmse"}, "metric must be one of"),
        ({"guess": "bootstrap"}, "guess"),
        ({"vault": 1.0}, "vault"),
        ({"confidence_level": 1.0}, "confidence_level"),
        ({"guess": None, "mechanism": "guess_and_check"}, "guess=None gives none"),
        ({"mechanism": "ladder"}, r"call leaderboard\(\)"),
        ({"mechanism": "argmax"}, r"call best\(\)"),
        ({"mechanism": "sparse_validate"}, r"call validate\(\)"),
        ({"mechanism": "gaussian", "analysis": "dwork2015"}, "analysis must be one of"),
        ({"mechanism": "guess_and_check", "analysis": "jung2020"}, "bound for Gaussian noise"),
        ({"mechanism": "guess_and_check", "tolerance": 0.1}, "is for mechanism='thresholdout'"),
        ({"tolerance": 0.1}, "is for mechanism='thresholdout'"),
        ({"mechanism": "thresholdout", "tolerance": 0.0}, "tolerance must be"),
        ({"mechanism": "thresholdout", "tolerance": 1.5}, "tolerance must be"),
    ],
)
def test_bad_declarations_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)


def test_bad_data_are_refused():
    rh = ReusableHoldout().fit(X_TRAIN, Y_TRAIN)
    with pytest.raises(ValueError, match="one value for each of the 1200 rows"):
        rh.calibrate(X_HOLD, Y_HOLD[:-1])
    with pytest.raises(ValueError, match="at least one"):
        rh.calibrate(X_HOLD[:0], Y_HOLD[:0])
    with pytest.raises(ValueError, match="NaN or infinity"):
        rh.calibrate(X_HOLD, np.where(Y_HOLD == 1, np.nan, 0.0))
    with pytest.raises(ValueError, match="missing values"):
        rh.calibrate(X_HOLD, np.where(Y_HOLD == 1, None, "a"))


def test_states_are_checked():
    with pytest.raises(NotCalibratedError, match=r"infer\(\) needs a calibrated"):
        ReusableHoldout().infer(MODEL)
    with pytest.raises(NotCalibratedError):
        ReusableHoldout().summary()
    with pytest.raises(ValueError, match=r"call fit\(\.\.\.\) first"):
        make(fit=False).infer(MODEL)
    with pytest.raises(ValueError, match="needs the training labels"):
        make(fit=False, metric="brier")


def test_training_rows_in_the_holdout_are_noticed():
    rh = ReusableHoldout(random_state=0).fit(X_TRAIN, Y_TRAIN)
    with pytest.warns(DataReuseWarning, match="were also used to train"):
        rh.calibrate(X_TRAIN, Y_TRAIN)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ReusableHoldout(random_state=0).fit(X_TRAIN, Y_TRAIN).calibrate(X_TRAIN, Y_TRAIN, check_reuse=False)


def test_inputs_are_not_changed():
    X, y = X_HOLD.copy(), Y_HOLD.copy()
    prediction = noise_predictions(0)
    before = prediction.copy()
    rh = make(X=X, y=y, vault=0.2)
    rh.infer(prediction, guess=0.5)
    assert np.array_equal(X, X_HOLD) and np.array_equal(y, Y_HOLD) and np.array_equal(prediction, before)


def test_code_that_writes_into_rows_changes_neither_holdout_nor_training_part():
    """Scalers with copy=False and careless queries write into what they are given."""

    def careless(X, y):
        X[:] = 7.0
        y[:] = 0
        return np.ones(len(X))

    def overwriting(y, prediction, X):
        y[:] = prediction
        return y == prediction

    def emptying(y, prediction, X):
        if hasattr(X, "tocsr"):
            X.data[:] = 0.0
        elif hasattr(X, "loc"):
            X.loc[:, :] = 0.0
        return y == prediction

    frames = [np.asarray]
    for name in ("pandas", "polars", "scipy.sparse"):
        library = pytest.importorskip(name)
        frames.append(library.csr_matrix if name == "scipy.sparse" else library.DataFrame)
    for of in frames:
        train, hold, y_train, y_hold = of(X_TRAIN), of(X_HOLD), Y_TRAIN.copy(), Y_HOLD.copy()
        rh = ReusableHoldout(queries=20, failures=3, mechanism="guess_and_check", random_state=0)
        rh.fit(train, y_train).calibrate(hold, y_hold, check_reuse=False)
        kept = copy.deepcopy(rh.desk_.parts.reusable.X), rh.desk_.parts.reusable.y.copy()
        scaled = make_pipeline(StandardScaler(copy=False, with_mean=False), LogisticRegression())
        rh.infer(scaled)
        rh.infer(scaled.fit(X_TRAIN.copy(), Y_TRAIN))
        if of is np.asarray:
            rh.query(careless)
            with pytest.raises(ValueError, match="'writes' failed with ValueError"):
                rh.infer(MODEL, metric=Metric(name="writes", rows=overwriting), guess=0.5)
        else:
            rh.infer(MODEL, metric=Metric(name="writes", rows=emptying), guess=0.5)
        for now, before in ((rh.desk_.parts.reusable.X, kept[0]), (train, of(X_TRAIN)), (hold, of(X_HOLD))):
            now, before = (a.toarray() if hasattr(a, "toarray") else np.asarray(a) for a in (now, before))
            np.testing.assert_array_equal(now, before)
        np.testing.assert_array_equal(rh.desk_.parts.reusable.y, kept[1])
        np.testing.assert_array_equal(y_train, Y_TRAIN)
        np.testing.assert_array_equal(y_hold, Y_HOLD)


def test_frames_text_and_string_labels_work():
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    for library in (pd, pl):
        names = ["a", "b", "c"]
        train = library.DataFrame(dict(zip(names, X_TRAIN.T, strict=True)))
        hold = library.DataFrame(dict(zip(names, X_HOLD.T, strict=True)))
        words = np.array(["no", "yes"])
        rh = (
            ReusableHoldout(queries=5, random_state=0)
            .fit(train, words[Y_TRAIN])
            .calibrate(hold, words[Y_HOLD])
        )
        answer = rh.infer(LogisticRegression())
        assert answer.bounds[0] <= TRUE_MEAN <= answer.bounds[1]
        assert type(answer.tidy()).__module__.split(".")[0] == library.__name__
        assert rh.infer(LogisticRegression(), metric="brier").bounds[1] < 0.5
    from sklearn.feature_extraction.text import CountVectorizer

    texts = np.array(["good film", "bad film", "good", "bad"] * 100)
    target = np.array([1, 0, 1, 0] * 100)
    rh = ReusableHoldout(queries=5, random_state=0).fit(texts, target)
    rh.calibrate(np.array([f"{t} {i}" for i, t in enumerate(texts)]), target)
    assert rh.infer(make_pipeline(CountVectorizer(), LogisticRegression())).bounds[1] > 0.99


def test_sparse_features_work():
    sparse = pytest.importorskip("scipy.sparse")
    rh = ReusableHoldout(queries=5, random_state=0).fit(sparse.csr_matrix(X_TRAIN), Y_TRAIN)
    rh.calibrate(sparse.csr_matrix(X_HOLD), Y_HOLD)
    answer = rh.infer(LogisticRegression())
    assert answer.bounds[0] <= TRUE_MEAN <= answer.bounds[1]


# ---------------------------------------------------------------- what is shown


def test_nothing_reveals_rows_or_labels(tmp_path):
    path = tmp_path / "study.ledger"
    Ledger.create(path)
    mark = "PATIENT-4711"
    X = np.array([[f"{mark}-{i}"] for i in range(N)], dtype=object)
    rh = ReusableHoldout(queries=5, guess=None, ledger=path, mechanism="description_length").calibrate(
        X, Y_HOLD
    )
    rh.infer(np.zeros(N, dtype=int))
    errors = []
    for ask in (lambda: rh.infer(MODEL), lambda: rh.query(lambda X, y: float(X[0, 0]))):
        with pytest.raises(ValueError) as caught:
            ask()
        errors.append(str(caught.value))
        assert caught.value.__cause__ is None and caught.value.__context__ is None
    shown = [repr(rh), str(rh.summary()), repr(rh.desk_.parts.reusable), repr(rh.ledger_), *errors]
    assert not any(mark in text for text in shown)
    assert mark.encode() not in pickle.dumps(rh)
    rh.ledger_.close()
    stored = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert mark.encode() not in stored


def test_summary_has_ledger_budget_and_guarantee():
    rh = make()
    rh.infer(MODEL)
    rh.best([MODEL, DummyClassifier()])
    text = str(rh.summary())
    for part in (
        "Ledger",
        "Declared queries",
        "Left: queries",
        "What you can rely on",
        "3rd look",
        "best of 2",
        "verified",
    ):
        assert part in text
    assert "0x" not in text
    assert "<table" in rh.summary().as_html()


def test_messages_are_in_words():
    rh = make()
    assert "This would be your 1st look; with n = 1,200" in rh.outlook()
    assert "best() of 100 candidates would cost one query" in rh.outlook()
    assert len(rh.ledger_) == 3
    answer = rh.infer(MODEL)
    assert answer.message == "Left: 19 queries, 3 failures."
    assert "the guess, confirmed by the holdout" in str(answer)


def test_messages_say_what_has_no_proof():
    text = "which is approximate: this mechanism has no proof"
    assert text in make(mechanism="thresholdout_science").outlook()
    with pytest.warns(UninformativeWarning):
        assert text not in make(mechanism="thresholdout").outlook()


def test_the_outlook_keeps_its_word():
    rh = make(mechanism="description_length")
    promised = next_half_widths(rh.desk_.books.look())[""]
    values = np.tile([0.0, 1.0], N // 2)
    answer = rh.infer(np.where(values == 1, Y_HOLD, 1 - Y_HOLD))
    assert answer.half_width == pytest.approx(promised, rel=0.02)


def test_the_plot_draws_what_the_ledger_holds():
    from validstats.plotting.ledger import LedgerDisplay

    rh = make()
    with pytest.raises(ValueError, match="Nothing was asked"):
        rh.plot()
    for i in range(4):
        rh.infer(noise_predictions(i), guess=0.5 if i % 2 else 0.9)
    rh.validate(MODEL, at_least=0.6)
    display = rh.plot()
    assert isinstance(display, LedgerDisplay)
    assert display.left.tolist() == [19, 18, 17, 16, 15]
    assert display.passed == [False, True, False, True, True]
    assert np.isnan(display.answers[-1]) and display.guesses[0] == pytest.approx(0.9)
    assert [ax.get_title() for ax in display.ax_] == [
        "Budget",
        "Training against holdout",
        "Width of the answers",
    ]
    mpl.pyplot.close(display.figure_)
