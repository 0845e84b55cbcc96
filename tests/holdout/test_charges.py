"""What is charged: declared counts, refusals, shares of users, the cache, and names of questions."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from tests.holdout.study import MODEL, Y_HOLD, N, make, noise_predictions
from validstats.exceptions import (
    BudgetExhaustedError,
)
from validstats.holdout import (
    Ledger,
)


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
    rh = make(mechanism="thresholdout", tolerance=0.2, overfits=2)
    for i in range(2):
        assert not rh.infer(noise_predictions(i), guess=0.95).passed
    with pytest.raises(BudgetExhaustedError):
        rh.infer(MODEL)
    assert rh.exhausted_


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
        keys.append(rh.desk_.values(MODEL, rh.desk_.chosen(None))[1])
    same = make(ledger=Ledger.in_memory(secret=b"s" * 32))
    flipped = make(ledger=Ledger.in_memory(secret=b"s" * 32), y=1 - Y_HOLD)
    prediction = np.zeros(N, dtype=int)
    digests = {rh.desk_.values(prediction, rh.desk_.chosen(None))[1] for rh in (same, flipped)}
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


class Shares:
    def __call__(self, X, y):
        return y.astype(float)


def share_of_zeros(X, y):
    return 1.0 - y


@pytest.mark.share(3)
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
    assert ben.infer(noise_predictions(3), guess=0.5).left == {"queries": 2, "own queries": 2}
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
