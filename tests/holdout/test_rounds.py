"""Declared rounds: every batch that asks something new takes the next chunk, whatever else is in it."""

from __future__ import annotations

import numpy as np
import pytest

from validstats.exceptions import BudgetExhaustedError
from validstats.holdout import Ledger, ReusableHoldout

N = 600
GENERATOR = np.random.default_rng(5)
X = GENERATOR.normal(size=(N, 2))
Y = GENERATOR.integers(0, 2, N)
CONSTANT = np.zeros(N, dtype=int)


def rounds_of(ledger=None, **options):
    settings = {
        "queries": 900,
        "rounds": 2,
        "mechanism": "rounds",
        "guess": None,
        "ledger": ledger,
        **options,
    }
    return ReusableHoldout(**settings).calibrate(X, Y)


def guesses(k):
    return np.random.default_rng([6, k]).integers(0, 2, N)


def current(rh):
    return rh.desk_.books.look().load_main().current


def charged(rh):
    state = rh.desk_.books.look().state
    return state["asked"], rh.ledger_.totals(), current(rh)


def rounds_until_refused(rh, batch):
    for k in range(20):
        try:
            rh.score_many(batch(k))
        except BudgetExhaustedError:
            return k
    return 20


@pytest.mark.parametrize(
    "batch",
    [
        lambda k: [CONSTANT, guesses(k)],
        lambda k: [guesses(k), CONSTANT],
        lambda k: [CONSTANT, CONSTANT, guesses(k), CONSTANT, guesses(1_000 + k)],
    ],
    ids=["the cached question first", "last", "between"],
)
def test_sign_aggregation_cannot_stay_in_a_round_by_repeating_a_question(batch):
    rh = rounds_of()
    rh.score_many([CONSTANT])
    assert rounds_until_refused(rh, batch) == 1
    assert current(rh) == 1


def test_each_round_answers_from_its_own_chunk():
    rh = rounds_of()
    order = rh.desk_.parts.reusable.given
    right = (guesses(0) == Y)[order]
    assert float(rh.score_many([CONSTANT, guesses(0)])[1]) == pytest.approx(right[: N // 2].mean(), abs=1e-6)
    other = (guesses(1) == Y)[order]
    answer = rh.score_many([CONSTANT, guesses(0), guesses(1)])
    assert [a.cached for a in answer] == [True, True, False]
    assert float(answer[2]) == pytest.approx(other[N // 2 :].mean(), abs=1e-6)


def test_what_is_new_in_one_batch_shares_a_round():
    rh = rounds_of()
    rh.score_many([guesses(0), guesses(1), guesses(0)])
    assert current(rh) == 0
    rh.score_many([guesses(1), guesses(2), guesses(3)])
    assert current(rh) == 1 and rh.desk_.books.look().state["asked"] == 4


def test_a_batch_of_cached_answers_is_no_round_and_costs_nothing():
    rh = rounds_of()
    first = rh.score_many([CONSTANT, guesses(0)])
    before = charged(rh)
    for _ in range(3):
        again = rh.score_many([guesses(0), CONSTANT])
        assert [float(a) for a in again] == [float(first[1]), float(first[0])]
        assert all(a.cached and a.nats == 0.0 for a in again)
    assert charged(rh) == before
    assert not rh.score_many([guesses(1)])[0].cached and current(rh) == 1


def test_a_refused_round_charges_nothing_and_keeps_what_was_answered():
    rh = rounds_of()
    first = rh.score_many([CONSTANT])[0]
    rh.score_many([CONSTANT, guesses(0)])
    before = charged(rh)
    for k in (1, 2):
        with pytest.raises(BudgetExhaustedError, match="all 2 chunks have been used") as caught:
            rh.score_many([CONSTANT, guesses(k), guesses(0)])
        assert [float(a) for a in caught.value.answered] == [float(first)]
    assert charged(rh) == before
    assert rh.score_many([CONSTANT, guesses(0)])[0].cached
    assert rh.exhausted_


def test_a_ledger_file_keeps_the_round(tmp_path):
    path = Ledger.create(tmp_path / "rounds.ledger").path
    first = rounds_of(path).score_many([CONSTANT])[0]
    second = rounds_of(path).score_many([CONSTANT, guesses(0)])
    assert second[0].cached and float(second[0]) == float(first)
    other = rounds_of(path)
    assert current(other) == 1
    with pytest.raises(BudgetExhaustedError):
        other.score_many([CONSTANT, guesses(1)])
    assert float(other.score_many([guesses(0)])[0]) == float(second[1])
    assert other.ledger_.verify().nats == 0.0


@pytest.mark.parametrize(
    "ask",
    [
        lambda rh, k: rh.infer(guesses(k)),
        lambda rh, k: rh.best([guesses(k), guesses(100 + k)]),
        lambda rh, k: rh.compare(CONSTANT, guesses(k)),
        lambda rh, k: rh.validate(guesses(k), at_least=0.5),
    ],
    ids=["infer", "best", "compare", "validate"],
)
def test_every_other_question_is_a_round_of_its_own(ask):
    rh = rounds_of()
    for k in range(2):
        ask(rh, k)
        assert current(rh) == k
    with pytest.raises(BudgetExhaustedError):
        ask(rh, 2)


@pytest.mark.parametrize("options", [{"mechanism": "fresh_chunks"}, {"mechanism": "rounds", "rounds": 2}])
def test_equal_rows_are_in_no_order_of_labels(options):
    """Rows without features: chunks of them are random all the same, and their answers hold."""
    missed = 0
    for seed in range(20):
        y = np.random.default_rng(seed).integers(0, 2, 600)
        rh = ReusableHoldout(queries=2, guess=None, ledger=Ledger.in_memory(secret=bytes([seed])), **options)
        answer = rh.calibrate(np.zeros((600, 1)), y).infer(np.zeros(600, dtype=int))
        missed += not answer.conf_low <= 0.5 <= answer.conf_high
    assert (
        missed <= 4
    )  # at a level of .05 five or more of 20 have probability .003; all were missed by chunks of one label


def test_the_order_in_which_equal_rows_are_handed_over_makes_no_discovery():
    """Right on 70 %, handed over from the surest on: that more are right is claimed in one study of 20."""
    false = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        y, chances = rng.integers(0, 2, 600), np.sort(rng.uniform(0.4, 1.0, 600))[::-1]
        said = np.where(rng.random(600) < chances, y, 1 - y)
        rh = ReusableHoldout(mechanism="description_length", ledger=Ledger.in_memory(secret=bytes([seed])))
        rh.calibrate(np.zeros((600, 1)), y)
        false += bool(rh.discover([said], at_least=0.7, false_discovery_rate=0.05).any())
    assert false <= 4  # ten of 20 where equal rows stood in the order in which they were handed over
