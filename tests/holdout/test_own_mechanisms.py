"""Mechanisms and metrics of one's own: a class is enough, and a subclass keeps what its parent knows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.holdout.study import MODEL, TRUE_MEAN, N, make
from validstats.holdout import Metric, plan
from validstats.holdout.mechanisms import (
    MECHANISMS,
    Candidate,
    GuessAndCheck,
    Mechanism,
    Release,
    State,
    Thresholdout,
)
from validstats.holdout.widths import nonadaptive_width


@pytest.fixture(autouse=True)
def _forget_new_mechanisms() -> Iterator[None]:
    known = dict(MECHANISMS)
    yield
    MECHANISMS.clear()
    MECHANISMS.update(known)


def test_a_subclass_of_guess_and_check_keeps_its_guarantee_and_its_host_rights() -> None:
    class CarefulGuess(GuessAndCheck):
        name = "careful_guess"

        @classmethod
        def options(cls, declared):
            return {**super().options(declared), "t": 0.25}

    rh = make(mechanism="careful_guess")
    answer = rh.infer(MODEL, guess=TRUE_MEAN + 0.05)
    assert answer.certified and answer.passed is False
    assert answer.guarantee.finite_sample and answer.guarantee.citation == GuessAndCheck.citation
    assert answer.left["queries"] == 19
    assert rh.best([MODEL]).winner == 0 and rh.validate(MODEL, at_least=0.6)
    assert rh.ledger_.entries()[-1].state["declared"]["mechanism"] == "careful_guess"
    named = {c.name: c for c in plan(2000, 10, release="guess").candidates}
    assert named["careful_guess"].half_width == named["guess_and_check"].half_width


def test_a_subclass_of_thresholdout_takes_a_tolerance_and_says_what_is_proved() -> None:
    class Patient(Thresholdout):
        name = "patient_thresholdout"

    rh = make(mechanism="patient_thresholdout", tolerance=0.1, overfits=3)
    assert rh.calibration_.declared.tolerance == 0.1
    assert "Theorem 25 proves the declared tolerance 0.1 from n =" in rh.guarantee_.holds
    assert not rh.infer(MODEL).certified
    assert "0.1 (not proved)" in str(rh.summary())


def test_a_mechanism_is_one_class() -> None:
    class Exact(Mechanism):
        """Release the holdout's mean: fine for one question, and never proved for more."""

        name = "exact_mean"
        citation = "Hoeffding (1963)"
        serves = ("numeric",)
        certified = False

        @classmethod
        def initial_state(cls, n, *, queries, confidence_level=0.95):
            return State(n=n, log_alpha=math.log(1 - confidence_level), queries=queries)

        @classmethod
        def candidates(cls, use):
            width = nonadaptive_width(use.n, use.asked, use.log_alpha)
            yield Candidate(name=cls.name, half_width=width, note="nothing adapts")

        @classmethod
        def _answer(cls, state, values, guess, noise, log_carry):
            after = replace(state, asked=state.asked + 1)
            return after, Release(
                value=values, low=values - 0.1, high=values + 0.1, certified=False, source="holdout"
            )

    rh = make(mechanism="exact_mean", queries=2)
    assert float(rh.infer(MODEL)) == pytest.approx(TRUE_MEAN)
    assert rh.guarantee_.kind == "heuristic" and "no proof with constants" in rh.guarantee_.holds
    assert rh.summary().as_text().count("exact_mean") == 1
    assert plan(N, 10, release="numeric").choice == "exact_mean"
    with pytest.raises(ValueError, match="mechanism='guess_and_check' or 'description_length'"):
        rh.leaderboard()


def test_a_class_without_a_name_of_its_own_is_its_parent() -> None:
    class Slower(GuessAndCheck):
        pass

    assert MECHANISMS["guess_and_check"] is GuessAndCheck and Slower.name == "guess_and_check"


def test_a_mechanism_with_a_verb_of_its_own_is_refused_by_name() -> None:
    class Hidden(GuessAndCheck):
        name = "hidden"
        verb = "peek()"

    with pytest.raises(ValueError, match=r"'hidden' releases less than a score: call peek\(\)"):
        make(mechanism="hidden")


def test_the_name_of_a_metric_means_nothing() -> None:
    """A metric of rows that happens to be called like the area under the curve is a mean of rows."""
    mine = Metric(name="auc", rows=lambda y, prediction, X: (y == prediction) / 1.0)
    answer = make(mechanism="description_length").infer(MODEL, metric=mine)
    assert answer.conf_low < TRUE_MEAN < answer.conf_high
