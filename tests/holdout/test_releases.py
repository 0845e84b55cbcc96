"""Cheap releases: best, compare, validate, leaderboard and discover."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression

from tests.holdout.study import (
    MODEL,
    TRUE_MEAN,
    X_HOLD,
    X_TRAIN,
    Y_HOLD,
    Y_TRAIN,
    draw,
    make,
    noise_predictions,
)


def test_best_releases_the_winner_only():
    rh = make()
    candidates = [noise_predictions(i) for i in range(5)] + [MODEL.predict(X_HOLD)]
    assert make().best(candidates).winner == 5  # predictions alone give no guess, and need none
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


def test_leaderboard_shows_improvements_only():
    board = make().leaderboard(baseline=0.5)
    first = board.submit(MODEL)
    assert first.passed and float(first) > 0.55
    worse = board.submit(noise_predictions(1))
    assert not worse.passed and float(worse) == float(first) and worse.source == "unchanged"
    assert worse.nats < first.nats
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
    assert entry.release == "discover" and entry.nats == pytest.approx(5 * np.log(2), abs=0.2)
    assert rh.discover(targets, at_least=0.55).tolist() == confirmed.tolist()
    assert rh.ledger_.entries()[-1].release == "cached"
    rh.infer(MODEL)
    before = rh.nats_
    assert before > 5 * np.log(2)
    assert rh.discover([MODEL], at_least=0.5).all()
    assert not rh.discover([MODEL], at_least=0.76).any()
    assert rh.nats_ == pytest.approx(before + 2 * np.log(2))
    assert make(metric="error").discover([MODEL], at_least=0.4).all()
    with pytest.raises(ValueError, match="needs at least one target"):
        make(mechanism="gaussian").discover([MODEL], at_least=0.5)


def test_bits_cost_little_where_most_are_alike():
    costs = {}
    for bits in ("y" * 12, "n" * 12, "yn" * 6):
        rh = make()
        for i, bit in enumerate(bits):
            assert rh.validate(MODEL, at_least=(0.4 if bit == "y" else 0.95) + i / 1e4).passed == (bit == "y")
        costs[bits] = rh.nats_
    assert costs["n" * 12] < costs["y" * 12] < costs["yn" * 6] < 12.5


def test_a_sign_says_which_is_better_and_costs_less():
    rh, number = make(), make()
    worse = 1 - MODEL.predict(X_HOLD)
    assert rh.compare(MODEL, worse, release="sign").passed is True
    assert make().compare(worse, MODEL, release="sign").passed is False
    assert make().compare(MODEL, MODEL, release="sign").passed is None
    number.compare(MODEL, worse)
    assert rh.nats_ < number.nats_
    with pytest.raises(ValueError, match="release must be one of"):
        rh.compare(MODEL, worse, release="rank")


def test_differences_of_other_values_follow_their_variance():
    rh = make()
    other = LogisticRegression(C=0.05).fit(X_TRAIN, Y_TRAIN)
    answer = rh.compare(MODEL, other, metric="brier")
    truth = [np.square(m.predict_proba(X_HOLD)[:, 1] - Y_HOLD).mean() for m in (MODEL, other)]
    assert answer.bounds[0] <= truth[0] - truth[1] <= answer.bounds[1] and answer.half_width < 0.03
