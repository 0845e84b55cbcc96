"""Cheap releases: best, compare, validate, leaderboard and discover."""

from __future__ import annotations

import math
from types import SimpleNamespace

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
from validstats.holdout import Ledger, ReusableHoldout, absolute_error
from validstats.holdout.asking.metrics import NAMED_METRICS
from validstats.holdout.asking.releases import _two_sides
from validstats.holdout.asking.whole import WholeMetric
from validstats.holdout.mechanisms import DIFFERENCE_CELL, Release
from validstats.holdout.widths import (
    capital_interval,
    coded_mean,
    coded_pairs,
    f_score_interval,
    free_cell,
    log_board_outcome,
    log_coded_outcome,
    log_coded_share,
    paid_betting_e_value,
    paired_difference_interval,
    tied_models,
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


HALF = np.arange(1000) % 2


def right(share):
    """Predictions that are right on a share of the rows: the first ones."""
    first = np.arange(1000) < share * 1000
    return np.where(first, HALF, 1 - HALF)


NOTHING = np.zeros((1000, 1))


def plain(X=NOTHING, **options):
    """A holdout without training rows; every one has the same secret, and so the same order of rows."""
    options = {"queries": 10, "mechanism": "description_length", "random_state": 0, **options}
    holdout = ReusableHoldout(**options, ledger=Ledger.in_memory(secret=b"the same"))
    return holdout.calibrate(X, HALF, check_reuse=False)


def test_claims_about_errors_are_those_about_what_is_right():
    for claim in (0.5, 0.62, 0.66, 0.69, 0.8):
        up, down = plain(), plain()
        least = up.validate(right(0.7), at_least=claim)
        most = down.validate(right(0.7), at_most=1 - claim, metric="error")
        assert (least.passed, least.nats) == (most.passed, pytest.approx(most.nats))
        assert up.validate(right(0.7), at_most=claim).passed is (claim == 0.8)
    assert (
        plain().validate(right(0.7), at_least=0.62).passed
        and not plain().validate(right(0.7), at_least=0.69).passed
    )
    for claims in ({}, {"at_least": 0.5, "at_most": 0.5}):
        with pytest.raises(ValueError, match="exactly one of at_least="):
            plain().validate(HALF, **claims)
    for wrong in (-0.01, 1.01):
        with pytest.raises(ValueError, match="at_least must be"):
            plain().validate(HALF, at_least=wrong)


def test_a_gain_is_that_of_the_first_model_whatever_is_measured():
    for gain, passed in ((0.0, True), (0.1, True), (0.19, False), (0.3, False), (-0.5, True)):
        assert plain().validate_gain(right(0.8), right(0.6), at_least=gain).passed is passed
        assert plain().validate_gain(right(0.8), right(0.6), at_least=gain, metric="error").passed is passed
    assert not plain().validate_gain(right(0.6), right(0.8), at_least=0.0).passed
    assert plain().validate_gain(right(0.6), right(0.8), at_least=-0.4).passed
    for wrong in (-1.01, 1.01):
        with pytest.raises(ValueError, match="at_least must be"):
            plain().validate_gain(HALF, HALF, at_least=wrong)


def test_a_difference_is_the_first_less_the_second_and_mirrored_for_errors():
    ours = plain().compare(right(0.8), right(0.6))
    theirs = plain().compare(right(0.6), right(0.8))
    errors = plain().compare(right(0.8), right(0.6), metric="error")
    assert ours.bounds[0] <= 0.2 <= ours.bounds[1] and ours.half_width < 0.1
    assert float(theirs) == pytest.approx(-float(ours)) == float(errors)
    assert theirs.bounds == pytest.approx((-ours.bounds[1], -ours.bounds[0])) == errors.bounds
    assert ours.left["queries"] == 9
    assert ours.nats == pytest.approx(theirs.nats)


@pytest.mark.parametrize(
    ("first", "second", "passed"), [(0.8, 0.6, True), (0.6, 0.8, False), (0.7, 0.7, None)]
)
def test_a_sign_costs_its_place_in_the_code(first, second, passed):
    """A tenth for each of the two that are better, eight tenths for none, beside the share of the level."""
    holdout = plain()
    answer = holdout.compare(right(first), right(second), release="sign")
    assert answer.passed is passed
    kept = math.log1p(-math.exp(log_coded_share(10)))
    assert answer.nats == pytest.approx(-kept - math.log(0.8 if passed is None else 0.1))
    low, high = {True: (0.0, 1.0), False: (-1.0, 0.0), None: (-1.0, 1.0)}[passed]
    assert answer.bounds == (low, high)


def test_the_best_is_named_at_the_price_of_its_name():
    targets = [right(0.6), right(0.8), right(0.7)]
    for metric in ("accuracy", "error"):
        holdout = plain()
        answer = holdout.best(targets, metric=metric)
        alone = plain().infer(targets[1], metric=metric)
        assert answer.winner == 1 and answer.left["queries"] == 9
        assert answer.nats == pytest.approx(alone.nats + math.log(3), rel=1e-6)
        value = 0.8 if metric == "accuracy" else 0.2
        assert answer.bounds[0] <= value <= answer.bounds[1]
    with pytest.raises(ValueError, match="best needs at least one candidate"):
        plain().best([])


def test_mechanisms_that_host_nothing_answer_by_what_they_have():
    """By noisy numbers: the best costs as many as there are, a difference two, and a bit one."""
    noisy = plain(mechanism="gaussian", queries=8)
    best = noisy.best([right(0.2), right(0.99), right(0.3)])
    assert best.winner == 1 and best.left["queries"] == 5 and best.bounds[0] <= 0.99 <= best.bounds[1]
    errors = plain(mechanism="gaussian", queries=8).best(
        [right(0.2), right(0.99), right(0.3)], metric="error"
    )
    assert errors.winner == 1 and errors.bounds[0] <= 0.01 <= errors.bounds[1]
    difference = noisy.compare(right(0.9), right(0.1))
    assert difference.left["queries"] == 3
    assert difference.bounds[0] <= 0.8 <= difference.bounds[1] and difference.bounds[0] > 0
    claimed = noisy.validate(right(0.99), at_least=0.2)
    assert claimed.passed and claimed.left["queries"] == 2
    assert not noisy.validate(right(0.3), at_least=0.9).passed
    # the low end itself is confirmed
    assert plain(mechanism="gaussian", queries=8).infer(right(0.0)).bounds[0] == 0.0
    assert plain(mechanism="gaussian", queries=8).validate(right(0.0), at_least=0.0).passed
    with pytest.raises(ValueError, match=r"compare\(release='sign'\) needs mechanism='guess_and_check'"):
        noisy.compare(HALF, HALF, release="sign")


@pytest.mark.parametrize("n", [30, 1000])
def test_a_difference_of_other_values_is_coded_around_what_is_known(n):
    """Without training rows, around values of which a twentieth lies at each end, and one row at least."""
    holdout = ReusableHoldout(
        queries=10,
        mechanism="description_length",
        random_state=0,
        ledger=Ledger.in_memory(secret=b"the same"),
    ).calibrate(np.zeros((n, 1)), np.arange(n) % 2)
    first, second = np.linspace(0.1, 0.9, n), np.full(n, 0.5)
    session = holdout.desk_.books.look()
    level = float(session.state["log_alpha"]) + session.log_mass + log_coded_share(10)
    part, brier = holdout.desk_.parts.reusable, holdout.desk_.chosen("brier")
    losses = [holdout.desk_.values(p, brier, part)[0] for p in (first, second)]
    known = np.full(n, 0.5)
    known[: n // 20], known[n - n // 20 :] = 0.0, 1.0
    cell, guess = coded_mean(0.5 + 0.5 * (losses[0] - losses[1]), known, t=DIFFERENCE_CELL, log_alpha=level)
    answer = holdout.compare(first, second, metric="brier")
    assert answer.bounds == pytest.approx((2 * cell.low - 1, 2 * cell.high - 1))
    centre = 2 * guess.centre - 1 + cell.distance * 2 * guess.width
    assert float(answer) == pytest.approx(min(max(centre, answer.bounds[0]), answer.bounds[1]))
    assert answer.nats == pytest.approx(-log_coded_outcome(10, cell.distance, cell.enlarged))


def test_a_difference_of_models_is_coded_around_that_of_the_training_rows():
    """Where the training rows say the difference, it costs less than its mirror image would."""
    holdout = make()
    good, bad = LogisticRegression(), LogisticRegression(C=1e-5)
    answer = holdout.compare(good, bad, metric="brier")
    training = holdout.desk_.training_values(good, NAMED_METRICS["brier"])
    training = training - holdout.desk_.training_values(bad, NAMED_METRICS["brier"])
    assert training.mean() < -0.01
    assert abs(float(answer) - training.mean()) < 0.03
    mirrored = make().compare(bad, good, metric="brier")
    assert float(mirrored) == pytest.approx(-float(answer)) and mirrored.nats == pytest.approx(answer.nats)
    assert answer.nats < 3.0


def test_no_end_of_the_scale_of_a_negated_loss_is_minus_zero():
    assert [math.copysign(1.0, end) for end in NAMED_METRICS["neg_brier_score"].bounds] == [-1.0, 1.0]
    holdout, target = plain(), np.full(1000, 0.5)
    refused = r"must be finite and in \[-1, 0\], got 0.5"
    for name in ("at_least", "at_most"):
        with pytest.raises(ValueError, match=f"{name} {refused}"):
            holdout.validate(target, metric="neg_brier_score", **{name: 0.5})
    with pytest.raises(ValueError, match=f"at_least {refused}"):
        holdout.discover([target], at_least=0.5, false_discovery_rate=0.1, metric="neg_brier_score")


def test_a_board_starts_at_the_worst_possible_score_or_at_the_one_that_is_known():
    holdout = plain()
    for metric in ("accuracy", "error", "neg_brier_score", "brier"):
        assert holdout.leaderboard(metric=metric).baseline_loss == 1.0
    assert holdout.leaderboard(baseline=0.25).baseline_loss == 0.75
    assert holdout.leaderboard(baseline=0.25, metric="error").baseline_loss == 0.25
    assert holdout.leaderboard(baseline=-0.25, metric="neg_brier_score").baseline_loss == 0.25
    with pytest.raises(ValueError, match=r"baseline must be finite and in \[-1, 0\], got 0.5"):
        holdout.leaderboard(baseline=0.5, metric="neg_brier_score")
    for baseline, metric in ((1.0, "accuracy"), (0.0, "error")):
        with pytest.raises(ValueError, match=f"baseline={baseline} is the best possible score already"):
            holdout.leaderboard(baseline=baseline, metric=metric)


def before_the_last_question() -> tuple[ReusableHoldout, float, float]:
    """A holdout with one declared question left, the share of the level that is for it, and the level of its statement."""
    holdout = plain(queries=2)
    holdout.infer(right(0.55))
    session = holdout.desk_.books.look()
    assert (session.queries_left, session.log_mass) == (
        1,
        pytest.approx(-holdout.nats_),
    ) and holdout.nats_ > 0.5
    level = math.log(0.05) - holdout.nats_ + log_coded_share(1)
    assert session.log_level == pytest.approx(level - log_coded_share(1))
    return holdout, log_coded_share(1), level


def test_what_was_said_before_lowers_the_level_of_a_difference():
    holdout, _, level = before_the_last_question()
    answer = holdout.compare(right(0.8), right(0.6))
    cell, guess = coded_pairs(200, 0, 1000, (50, 50, 1000), t=DIFFERENCE_CELL, log_alpha=level)
    assert answer.bounds == pytest.approx((cell.low, cell.high))
    assert answer.nats == pytest.approx(-log_coded_outcome(1, cell.distance, cell.enlarged))
    centre = guess.centre + cell.distance * guess.width
    assert float(answer) == pytest.approx(min(max(centre, cell.low), cell.high))


def flipped(gains: int, losses: int) -> np.ndarray:
    """Predictions beside ``right(0.5)`` that are right on so many rows more, and wrong on so many others."""
    said = right(0.5).copy()
    said[500 : 500 + gains], said[:losses] = HALF[500 : 500 + gains], 1 - HALF[:losses]
    return said


def test_a_sign_is_said_where_the_interval_of_the_difference_leaves_zero_out():
    _, share, level = before_the_last_question()
    least = next(k for k in range(30, 500) if paired_difference_interval(k, 30, 1000, level)[0] > 0)
    for gains, better in ((least - 1, None), (least, True)):
        found, mirrored = (before_the_last_question()[0] for _ in range(2))
        answer = found.compare(flipped(gains, 30), right(0.5), release="sign")
        assert answer.passed is better
        assert answer.nats == pytest.approx(-math.log1p(-math.exp(share)) - math.log(0.1 if better else 0.8))
        opposite = mirrored.compare(right(0.5), flipped(gains, 30), release="sign")
        assert opposite.passed is (False if better else None)


def test_a_sign_of_other_values_follows_their_capital():
    """Of squared errors; what is known beforehand is a twentieth of the rows at each end."""
    prior = np.repeat([0.0, 0.5, 1.0], [50, 900, 50]).var()

    def answers(step: float) -> tuple[bool | None, bool | None]:
        holdout, _, level = before_the_last_question()
        sure, unsure = np.where(HALF, 0.5 + step, 0.5 - step), np.full(1000, 0.5)
        losses = [holdout.desk_.values(p, NAMED_METRICS["brier"])[0] for p in (unsure, sure)]
        low, high = capital_interval(0.5 + 0.5 * (losses[0] - losses[1]), prior, level)
        said = holdout.compare(unsure, sure, metric="brier", release="sign").passed
        return said, True if low > 0.5 else False if high < 0.5 else None

    found = [answers(step) for step in (0.0, 0.01, 0.02, 0.03, 0.05, 0.08, 0.2, -0.2)]
    assert [one for one, _ in found] == [other for _, other in found]
    assert {one for one, _ in found} == {True, False, None}


@pytest.mark.parametrize("metric", ["accuracy", "error", "brier"])
def test_ties_are_those_of_the_level_that_is_left(metric):
    holdout, share, level = before_the_last_question()
    targets = [right(0.77 + 0.001 * k) for k in range(0, 31, 2)]
    answer = holdout.ties([t.astype(float) for t in targets] if metric == "brier" else targets, metric=metric)
    units = np.array([(t == HALF)[holdout.desk_.parts.reusable.given].astype(float) for t in targets])
    expected = tied_models(units, level, binary=metric != "brier")
    assert answer.tied == tuple(expected) and 1 < len(expected) < len(targets) and not answer.passed
    if metric == "accuracy":  # with ten questions left each has a small share of the level
        fresh = plain()
        whole, share_of_ten = fresh.desk_.books.look().log_level, log_coded_share(10)
        tied = [tied_models(units, whole + by, binary=True) for by in (share_of_ten, 0.0)]
        assert fresh.ties(targets).tied == tuple(tied[0]) and len(tied[0]) > len(tied[1])
    nats = -math.log1p(-math.exp(share)) - log_board_outcome(len(targets), len(expected))
    assert answer.nats == pytest.approx(nats)


def test_a_score_of_all_rows_has_the_level_that_is_left():
    holdout, share, level = before_the_last_question()
    answer = holdout.infer(right(0.8), metric="f1")
    given = holdout.desk_.parts.reusable.given
    low, high = f_score_interval(HALF[given], right(0.8)[given], level, positive=1, beta=1.0)
    cell = free_cell(low, high, 1000, (), None)
    assert (answer.value, *answer.bounds) == pytest.approx((cell.value, cell.low, cell.high))
    assert answer.nats == pytest.approx(-math.log1p(-math.exp(share)) - cell.log_code)
    levels = []

    def bound(truth, said, log_alpha):
        levels.append(log_alpha)
        return 0.0, 1.0

    own = WholeMetric(name="own", measure=lambda truth, said: 0.5, bound=bound, classes=2)
    before_the_last_question()[0].infer(right(0.8), metric=own)
    session = plain(queries=7).desk_.books.look()
    plain(queries=7).infer(right(0.8), metric=own)
    assert levels[1] == pytest.approx(session.log_level + log_coded_share(7), abs=1e-9)
    assert levels[0] == pytest.approx(level, abs=1e-9)


def test_a_board_of_errors_is_that_of_what_is_right_upside_down():
    shown = {}
    for metric, start in (("accuracy", 0.6), ("error", 0.4)):
        board = plain().leaderboard(metric=metric, baseline=start)
        answers = [board.submit(right(share)) for share in (0.5, 0.7, 0.65, 0.9)]
        assert [a.passed for a in answers] == [False, True, False, True]
        assert [a.source for a in answers] == ["unchanged", "holdout", "unchanged", "holdout"]
        shown[metric] = np.array([(float(a), *a.bounds) for a in answers])
        assert answers[0].value == pytest.approx(start) and answers[1].value == answers[2].value
    right_ones, wrong_ones = shown["accuracy"], shown["error"]
    assert (right_ones[:, 1] <= right_ones[:, 0]).all() and (right_ones[:, 0] <= right_ones[:, 2]).all()
    np.testing.assert_allclose(wrong_ones, 1.0 - right_ones[:, [0, 2, 1]])
    np.testing.assert_allclose(right_ones[[1, 3], 0], [0.7, 0.9], atol=0.02)  # but for the board's grid


@pytest.mark.parametrize("metric", ["accuracy", "error"])
def test_a_discovery_is_where_its_paid_bet_reaches_what_two_claims_need(metric):
    """Found by halving: of two models one is right on 70 %, and the other at random."""
    chance = np.random.default_rng(3).integers(0, 2, 1000)
    rows = np.arange(1000.0).reshape(
        -1, 1
    )  # unlike one another, so that they stand in an order of the ledger's
    units = plain(rows).desk_.values(right(0.7), NAMED_METRICS["accuracy"])[0]

    def bet(claim: float) -> float:
        return paid_betting_e_value(units, claim, nats=0.0, log_target=math.log(2 / 0.1))

    low, high = 0.5, 0.7  # reached, and not
    while high - low > 1e-7:
        middle = (low + high) / 2
        low, high = (middle, high) if bet(middle) >= 20 else (low, middle)
    assert 0.6 < low < 0.69
    for claim, found in ((low, True), (high, False)):
        fresh = plain(rows)
        level = claim if metric == "accuracy" else 1 - claim
        said = fresh.discover([right(0.7), chance], at_least=level, false_discovery_rate=0.1, metric=metric)
        assert said.tolist() == [found, False]
        assert fresh.ledger_.entries()[-1].passed is found
        assert fresh.nats_ == pytest.approx(2 * math.log(2))


def test_discoveries_say_what_they_need():
    for rate in (0, 1, 1.5, -0.1):
        with pytest.raises(ValueError, match="false_discovery_rate must"):
            plain().discover([HALF], at_least=0.5, false_discovery_rate=rate)
    for refused, targets, metric, got in (
        (plain(), [], "accuracy", "got 0 targets, 'accuracy' and 'description_length'"),
        (plain(), [HALF], "auc", "got 1 targets, 'auc' and 'description_length'"),
        (plain(mechanism="gaussian"), [HALF], "accuracy", "got 1 targets, 'accuracy' and 'gaussian'"),
    ):
        with pytest.raises(ValueError, match=f"needs at least one target, a mean .*, {got}; nothing was"):
            refused.discover(targets, at_least=0.5, metric=metric)


def test_a_gain_is_confirmed_where_the_paired_claim_is():
    """Beside what the mechanism itself says of values of which one half is no difference."""
    difference = (right(0.8) == HALF).astype(float) - (right(0.6) == HALF)
    passed = []
    for gain in np.arange(-1.0, 1.01, 0.02).round(2):
        holdout = plain()
        values = 0.5 + 0.5 * difference[holdout.desk_.parts.reusable.given]
        options = {"queries": None, "failures": None, "interval": "betting"}
        expected = holdout.desk_.books.look().step(
            "sparse_validate", values, 0.5 + 0.5 * gain, key="paired_validate", options=options
        )
        passed.append(holdout.validate_gain(right(0.8), right(0.6), at_least=gain).passed)
        assert passed[-1] is bool(expected.passed)
    assert passed == sorted(passed, reverse=True) and 50 < sum(passed) < 60


@pytest.mark.parametrize("gain", [0.0, 0.05, 0.1, 0.15, 0.18, 0.3])
def test_gains_and_claims_are_on_the_scale_of_their_metric(gain):
    """The same values on three scales: of errors of up to 4, of losses, and of losses times minus one."""
    first, second = (np.where(right(share) == HALF, HALF, HALF + 4.0) for share in (0.8, 0.6))
    expected = plain().validate_gain(right(0.8), right(0.6), at_least=gain).passed
    wide = absolute_error(bound=4.0)
    assert plain().validate_gain(first, second, at_least=4 * gain, metric=wide).passed is expected
    losses = [(right(share) != HALF) * np.where(HALF, -1.0, 1.0) + HALF for share in (0.8, 0.6)]
    for metric in ("brier", "neg_brier_score"):
        assert plain().validate_gain(*losses, at_least=gain, metric=metric).passed is expected
    least = plain().validate(losses[0], at_least=-0.2 - gain, metric="neg_brier_score")
    most = plain().validate(losses[0], at_most=0.2 + gain, metric="brier")
    wider = plain().validate(first, at_most=4 * (0.2 + gain), metric=wide)
    assert least.passed is most.passed is wider.passed


def test_differences_are_on_the_scale_of_their_metric():
    first, second = (np.where(right(share) == HALF, HALF, HALF + 4.0) for share in (0.8, 0.6))
    wide = plain().compare(first, second, metric=absolute_error(bound=4.0))
    losses = [(right(share) != HALF) * np.where(HALF, -1.0, 1.0) + HALF for share in (0.8, 0.6)]
    narrow, negative = (plain().compare(*losses, metric=metric) for metric in ("brier", "neg_brier_score"))
    assert (wide.value, *wide.bounds) == pytest.approx(4 * np.array([narrow.value, *narrow.bounds]))
    assert (negative.value, *negative.bounds) == pytest.approx(
        (-narrow.value, -narrow.bounds[1], -narrow.bounds[0])
    )
    assert wide.scale == (-4.0, 4.0) and negative.scale == (-1.0, 1.0)
    noisy = plain(mechanism="gaussian", queries=8).compare(first, second, metric=absolute_error(bound=4.0))
    assert noisy.bounds[0] <= -0.8 <= noisy.bounds[1] and abs(noisy.value + 0.8) < 0.8
    assert noisy.passed is None and noisy.certified


def test_a_difference_of_two_answers_has_the_ends_of_both():
    """What is more less what is less: its low end is that of the first less the high end of the second."""
    certified = iter((True, True, True, False))

    def number(part, guess):
        assert guess == 0.0 and part.min() >= 0.0
        mean = float(part.mean())
        return Release(
            value=mean,
            low=mean - 0.1,
            high=mean + 0.03,
            source="holdout",
            certified=next(certified),
            passed=True,
        )

    for sure in (True, False):
        found = _two_sides(np.array([0.5, -1.0, 0.25, 0.0]))(SimpleNamespace(number=number))
        assert (found.value, found.low, found.high) == pytest.approx((-0.0625, -0.1925, 0.0675))
        assert found.certified is sure and found.passed is None


def test_a_difference_of_models_is_coded_around_the_rows_that_one_of_them_has_right_in_training():
    """Rows won and lost out of all training rows; those that both have right or wrong are neither."""
    holdout, good, bad = make(), LogisticRegression(), LogisticRegression(C=1e-3)
    session, part = holdout.desk_.books.look(), holdout.desk_.parts.reusable
    level = session.log_level + log_coded_share(session.queries_left)
    first, second = (holdout.training_.values(m, NAMED_METRICS["accuracy"], "cv") for m in (good, bad))
    prior = int((first > second).sum()), int((first < second).sum()), len(Y_TRAIN)
    assert prior[0] > 0 and prior[1] > 0 and sum(prior[:2]) < prior[2] / 2
    ours, theirs = (
        m.fit(X_TRAIN, Y_TRAIN).predict(X_HOLD)[part.given] == part.y
        for m in (LogisticRegression(), LogisticRegression(C=1e-3))
    )
    n10, n01 = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    cell, guess = coded_pairs(n10, n01, part.n_rows, prior, t=DIFFERENCE_CELL, log_alpha=level)
    answer = holdout.compare(good, bad)
    assert answer.bounds == pytest.approx((cell.low, cell.high))
    centre = guess.centre + cell.distance * guess.width
    assert float(answer) == pytest.approx(min(max(centre, cell.low), cell.high))
    # between a model and predictions nothing is known beforehand
    fresh = make()
    said = bad.fit(X_TRAIN, Y_TRAIN).predict(X_HOLD)
    few = round(0.05 * part.n_rows)
    cell, _ = coded_pairs(n10, n01, part.n_rows, (few, few, part.n_rows), t=DIFFERENCE_CELL, log_alpha=level)
    assert fresh.compare(good, said).bounds == pytest.approx((cell.low, cell.high))


def test_a_gain_in_losses_is_confirmed_where_the_paired_claim_is():
    """Differences of any size between -1 and 1, as the mechanism itself judges them."""
    rng = np.random.default_rng(5)
    first, second = (np.clip(HALF + rng.normal(scale=scale, size=1000), 0, 1) for scale in (0.2, 0.6))
    difference = (second - HALF) ** 2 - (first - HALF) ** 2
    passed = []
    for gain in np.arange(0.0, 0.31, 0.01).round(2):
        holdout = plain()
        values = 0.5 + 0.5 * difference[holdout.desk_.parts.reusable.given]
        expected = holdout.desk_.books.look().step(
            "sparse_validate", values, 0.5 + 0.5 * gain, key="paired_validate",
            options={"queries": None, "failures": None, "interval": "betting"},
        )  # fmt: skip
        passed.append(holdout.validate_gain(first, second, at_least=gain, metric="brier").passed)
        assert passed[-1] is bool(expected.passed)
    assert passed == sorted(passed, reverse=True) and 2 < sum(passed) < 30


def test_claims_of_scores_and_of_gains_are_counted_apart():
    """A ledger keeps the state of each under a name of its own."""
    holdout = plain()
    for ask, names in (
        (lambda: holdout.validate(right(0.8), at_least=0.5), ["sparse_validate"]),
        (
            lambda: holdout.validate_gain(right(0.8), right(0.6), at_least=0.0),
            ["paired_validate", "sparse_validate"],
        ),
    ):
        assert ask().passed
        assert sorted(holdout.desk_.books.look().state["mechanisms"]) == names
