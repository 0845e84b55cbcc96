"""What is declared before the first look: mechanism, analysis, tolerance, and budgets that say nothing."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest

from tests.holdout import study
from tests.holdout.study import MODEL, TEN_THOUSAND, TRUE_MEAN, X_HOLD, Y_HOLD, N, make
from validstats.exceptions import (
    LedgerMismatchError,
    UninformativeWarning,
)
from validstats.holdout import (
    Ledger,
    ReusableHoldout,
    plan,
)
from validstats.holdout.budget import confidence_of, dry_half_widths, guarantee_of
from validstats.holdout.budget.books import fresh_state
from validstats.holdout.mechanisms import Declaration, Gaussian, Thresholdout, mechanism
from validstats.holdout.widths import thresholdout_width


def test_auto_takes_the_tightest_of_the_plan():
    rh = make()
    assert rh.calibration_.declared.mechanism == rh.plan().choice
    without = make(guess=None, fit=False)
    assert without.calibration_.declared.mechanism != "guess_and_check"
    assert without.calibration_.declared.mechanism == without.plan().choice


ANALYSES = ("tight", "rogers2020", "jung2020", "bassily2016")


def gaussian(ledger=None, **options):
    X, y = TEN_THOUSAND
    return make(ledger, X=X, y=y, mechanism="gaussian", **options)


@pytest.mark.share(2)
@pytest.mark.parametrize("analysis", ANALYSES)
def test_the_analysis_of_gaussian_answers_can_be_chosen(analysis):
    rh = gaussian(analysis=analysis)
    answer = rh.infer(MODEL)
    level = np.log(0.05)
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
    with pytest.raises(LedgerMismatchError, match="opened a plan with other budgets"):
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
    said = next(w for w in caught if issubclass(w.category, UninformativeWarning))
    message = str(said.message)
    assert said.filename == study.__file__
    rows = int(re.search(r"smallest n that says something is ([\d,]+)", message)[1].replace(",", ""))
    level = np.log(0.05)
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
    assert failed.left == {"queries": 18, "overfits": 2}
    assert "no tolerance below" in rh.outlook() and "approximate" in rh.outlook()
    text = " ".join(str(rh.summary()).split())
    assert "Tolerance: 0.1 (not proved)" in text and "Theorem 25 proves the declared tolerance 0.1" in text


@pytest.mark.parametrize("factor, proved", [(1.001, True), (0.999, False)])
def test_a_tolerance_is_certified_exactly_where_the_theorem_proves_it(factor, proved):
    """Enough rows are too many to hold, so the level and the budget are what is turned: the width is the tolerance."""
    level = np.log(0.5) + np.log(0.99)
    needed = thresholdout_width(10_000, 1, 1, level)
    declared = Declaration(
        n=10_000, queries=1, overfits=1, rounds=None, mechanism="thresholdout", confidence_level=0.5,
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
        {"mechanism": "fresh_chunks", "queries": 1100},
        {"mechanism": "rounds", "queries": 1000, "rounds": 400},
        {"mechanism": "description_length", "queries": 10**4},
        {"mechanism": "thresholdout", "queries": 100, "overfits": 5},
    ],
)
def test_any_budget_that_says_nothing_is_warned_about(options):
    with pytest.warns(UninformativeWarning, match="smallest n that says something") as caught:
        rh = make(**options)
    said = next(str(w.message) for w in caught if issubclass(w.category, UninformativeWarning))
    rows = int(re.search(r"something is ([\d,]+)", said)[1].replace(",", ""))
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


@pytest.mark.parametrize(
    "options, message",
    [
        ({"queries": 0}, "queries"),
        ({"overfits": -1}, "overfits"),
        (
            {"overfits": 3, "mechanism": "guess_and_check"},
            "overfits=3 is a number of answers: it is for mechanism=",
        ),
        ({"mechanism": "magic"}, "magic"),
        ({"metric": "rmse"}, "metric must be one of"),
        ({"guess": "bootstrap"}, "guess"),
        ({"vault": 1.0}, "vault"),
        ({"confidence_level": 1.0}, "confidence_level"),
        ({"guess": None, "mechanism": "thresholdout"}, "guess=None gives none"),
        ({"mechanism": "ladder"}, r"call leaderboard\(\)"),
        ({"mechanism": "argmax"}, r"call best\(\)"),
        ({"mechanism": "sparse_validate"}, r"call validate\(\)"),
        ({"mechanism": "gaussian", "analysis": "dwork2015"}, "analysis must be one of"),
        ({"mechanism": "description_length", "analysis": "dwork2015"}, "analysis must be one of"),
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


ROWS = np.arange(400.0).reshape(-1, 1)


@pytest.mark.parametrize(
    ("y", "declared", "known"),
    [
        (np.arange(400) % 2, None, [0, 1]),
        (np.arange(400) % 2 == 0, None, [False, True]),
        (np.arange(400) % 2 * 1.0, None, [0.0, 1.0]),
        (np.zeros(400, dtype=int), None, [0, 1]),
        (np.ones(400, dtype=int), None, [0, 1]),
        (np.arange(400) % 3, None, []),
        (1 + np.arange(400) % 2, None, []),
        (np.arange(400) % 4 / 2, None, []),
        (np.array(["a", "b"])[np.arange(400) % 2], None, []),
        (np.array(["a", "b"])[np.arange(400) % 2], ["c", "b", "a"], ["a", "b", "c"]),
        (np.arange(400) % 2, [1, 0], [0, 1]),
    ],
)
def test_classes_are_those_declared_or_zero_and_one(y, declared, known):
    desk = ReusableHoldout(ledger=Ledger.in_memory(secret=b"k")).calibrate(ROWS, y, classes=declared).desk_
    assert desk.classes.tolist() == known and (
        not known or desk.classes.dtype.kind == np.asarray(known).dtype.kind
    )
    places = [known.index(v) if v in known else -1 for v in y.tolist()]
    part = desk.parts.reusable
    assert part.labels.tolist() == [places[i] for i in part.given]


def test_classes_that_do_not_fit_are_refused():
    y = np.array(["a", "b", "c"])[np.arange(400) % 3]
    with pytest.raises(
        ValueError, match=r"y has labels that are not among classes=\['a', 'b'\]; nothing was"
    ):
        ReusableHoldout().calibrate(ROWS, y, classes=["a", "b"])
    with pytest.raises(ValueError, match="classes must name at least two classes, got "):
        ReusableHoldout().calibrate(ROWS, np.full(400, "a"), classes=["a"])
    with pytest.raises(ValueError, match="classes is for a holdout without training labels; leave it out"):
        ReusableHoldout().fit(ROWS + 0.5, y).calibrate(ROWS, y, classes=["a", "b", "c"])
    with pytest.raises(
        ValueError, match="metric='brier' compares with classes, and none are known: pass classes="
    ):
        ReusableHoldout(metric="brier").calibrate(ROWS, y)
    assert ReusableHoldout().calibrate(ROWS, y).desk_.classes.size == 0
    with pytest.raises(ValueError, match="allow_overlap must be one of"):
        ReusableHoldout().calibrate(ROWS + 0.25, y, allow_overlap="share")


def test_what_is_declared_where_nothing_is_said():
    """Of counts that a mechanism takes, and of no others."""
    y = np.arange(400) % 2

    def declared(**options):
        holdout = ReusableHoldout(queries=7, ledger=Ledger.in_memory(secret=b"k"), **options)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UninformativeWarning)
            return holdout.fit(-1 - ROWS, y).calibrate(ROWS, y).calibration_

    plain = declared(mechanism="description_length").declared
    assert (plain.n, plain.queries, plain.mechanism) == (400, 7, "description_length")
    assert (plain.overfits, plain.rounds, plain.analysis, plain.tolerance) == (None, None, None, None)
    assert (plain.confidence_level, plain.vault, plain.users) == (0.95, 0.0, {})
    counted = declared(mechanism="thresholdout")
    assert (counted.declared.overfits, counted.declared.analysis, counted.declared.tolerance) == (
        10,
        None,
        None,
    )
    assert (counted.n_rows, counted.n_units, counted.n_vault, counted.epoch) == (400, 400, 0, 0)
    assert declared(mechanism="thresholdout", overfits=2, tolerance=0.4).declared.overfits == 2
    assert declared(mechanism="thresholdout", tolerance=1.0).declared.tolerance == 1.0
    noisy = declared(mechanism="gaussian", analysis="jung2020", rounds=3, confidence_level=0.5)
    assert (noisy.declared.analysis, noisy.declared.rounds, noisy.declared.overfits) == ("jung2020", 3, None)
    assert declared(mechanism="gaussian").declared.analysis == "tight"
    assert declared(vault=0.25).n_vault == 100 and declared(vault=0.25).declared.n == 300


def test_a_plan_of_a_holdout_is_that_of_what_it_declares():
    y = np.arange(400) % 2

    def planned(**options):
        return (
            ReusableHoldout(queries=7, ledger=Ledger.in_memory(secret=b"k"), **options)
            .calibrate(ROWS, y)
            .plan()
        )

    assert planned() is plan(400, 7, release="guess", overfits=10)
    assert planned(guess=None) is plan(400, 7, release="numeric", overfits=10)
    assert planned(mechanism="thresholdout", overfits=2) is plan(400, 7, release="guess", overfits=2)
    assert planned(rounds=2, confidence_level=0.9) is plan(400, 7, rounds=2, confidence_level=0.9)
    assert planned(mechanism="gaussian", analysis="rogers2020") is plan(400, 7, analysis="rogers2020")


def test_other_rows_in_memory_have_a_budget_of_their_own():
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(2, 300, 2))
    y = np.arange(300) % 2
    holdout = ReusableHoldout(queries=5).calibrate(one, y)
    first = holdout.ledger_
    holdout.infer(y, guess=0.5)
    assert holdout.calibrate(one[::-1], y[::-1]).ledger_ is first
    assert holdout.calibrate(other, y).ledger_ is not first
    assert holdout.infer(y, guess=0.5).left["queries"] == 4
    assert holdout.calibrate(one, y).ledger_ is first
    assert holdout.infer(1 - y, guess=0.5).left["queries"] == 3


def test_identifiers_are_one_a_row():
    y = np.arange(400) % 2
    with pytest.raises(ValueError, match="ids"):
        ReusableHoldout().calibrate(ROWS, y, ids=[f"r{i}" for i in range(399)])
    named = ReusableHoldout().calibrate(ROWS, y, ids=[f"r{i}" for i in range(400)]).desk_.parts
    assert named.handed("ids").tolist() == [f"r{i}" for i in range(400)] and named.bound.ids
    assert named.order == named.bound.ids and named.handed("clusters") is None
    assert named.handed("y").tolist() == y.tolist() and named.handed("X").tolist() == ROWS.tolist()
