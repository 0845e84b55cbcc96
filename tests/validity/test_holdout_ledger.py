from __future__ import annotations

import numpy as np
import pytest
from joblib import Parallel, delayed

from tests.holdout.crash import charging, crash_repeatedly, inferring
from validstats.holdout import Ledger, ReusableHoldout, betting_e_value
from validstats.validity import binomial_acceptance

pytestmark = pytest.mark.validity


@pytest.mark.parametrize("asking", [charging, inferring])
def test_killed_while_asking_200_times(tmp_path, monkeypatch, asking):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    given, charged = crash_repeatedly(tmp_path / "crash.ledger", 200, seed=2, asking=asking)
    assert 200 <= given <= charged


# ---------------------------------------------------------------- coverage through the estimator
#
# Labels are fair coins that depend on nothing, so every accuracy is 1/2 in the population and every paired
# difference is 0, whatever an analyst chooses after looking at answers.

N_SEEDS = 200
N_ROWS = 200
N_GUESSES = 30


def coin_holdout(seed, **options):
    generator = np.random.default_rng([71, seed])
    X, y = generator.normal(size=(N_ROWS, 1)), generator.integers(0, 2, N_ROWS)
    ledger = Ledger.in_memory(secret=generator.bytes(32))
    rh = ReusableHoldout(ledger=ledger, **options).calibrate(X, y)
    return rh, y, generator


def aggregate(answers, predictions):
    """The sign attack: add each labelling with the sign of its answer, submit the majority."""
    signs = np.sign(np.asarray(answers) - 0.5)
    return ((2 * predictions - 1) * signs[:, None]).sum(axis=0) > 0


def sign_attack(rh, generator, guess):
    predictions = generator.integers(0, 2, (N_GUESSES, N_ROWS))
    answers = [rh.infer(prediction, guess=guess) for prediction in predictions]
    final = rh.infer(aggregate([float(a) for a in answers], predictions).astype(int), guess=guess)
    return [*answers, final], final


def misses(answers, truth=0.5):
    return any(not a.bounds[0] <= truth <= a.bounds[1] for a in answers if a.bounds is not None)


MECHANISMS = {
    "guess_and_check": {"guess": "cv"},
    "description_length": {"guess": None},
    "gaussian": {"guess": None},
    "fresh_chunks": {"guess": None},
}


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_all_answers_of_a_sign_attack_are_covered(mechanism):
    covered, gains = 0, []
    for seed in range(N_SEEDS):
        rh, _, generator = coin_holdout(
            seed, queries=N_GUESSES + 5, mechanism=mechanism, **MECHANISMS[mechanism]
        )
        answers, final = sign_attack(rh, generator, 0.5)
        assert all(a.certified for a in answers)
        covered += not misses(answers)
        gains.append(float(final) - 0.5)
    assert binomial_acceptance(covered, N_SEEDS, 0.95).accepted


def test_the_same_attack_breaks_the_naive_holdout():
    """The test of the test: ordinary intervals, corrected for the number of questions, miss the truth."""
    covered = 0
    for seed in range(N_SEEDS):
        generator = np.random.default_rng([71, seed])
        generator.normal(size=(N_ROWS, 1))
        y = generator.integers(0, 2, N_ROWS)
        predictions = generator.integers(0, 2, (N_GUESSES, N_ROWS))
        exact = (predictions == y).mean(axis=1)
        final = (aggregate(exact, predictions) == y).mean()
        half_width = np.sqrt(np.log(2 * (N_GUESSES + 1) / 0.05) / (2 * N_ROWS))
        covered += abs(final - 0.5) <= half_width
    assert not binomial_acceptance(covered, N_SEEDS, 0.95).accepted
    assert covered < 0.8 * N_SEEDS


def test_all_kinds_of_answers_together_are_covered_over_two_epochs():
    """Scores, winners, differences, bits, a board, and a second epoch: no statement is wrong."""
    covered = 0
    for seed in range(N_SEEDS):
        options = {"mechanism": "guess_and_check"}
        rh, _, generator = coin_holdout(seed, queries=40, **options)
        answers, bits, differences = [], [], []
        predictions = generator.integers(0, 2, (12, N_ROWS))
        answers += [rh.infer(p, guess=0.5) for p in predictions[:6]]
        vote = aggregate([float(a) for a in answers], predictions[:6]).astype(int)
        board = rh.leaderboard(baseline=0.5)
        answers += [board.submit(p) for p in (vote, *predictions[6:9])]
        differences += [rh.compare(vote, p) for p in predictions[9:11]]
        bits += [rh.validate(p, at_least=0.5 + 0.02) for p in (vote, predictions[11])]
        second = ReusableHoldout(ledger=rh.ledger, queries=10, **options)
        second.calibrate(np.asarray(rh.desk_.parts.reusable.X), rh.desk_.parts.reusable.y)
        answers += [second.infer(vote, guess=0.6), second.infer(1 - vote, guess=0.4)]
        wrong = misses(answers) or misses(differences, 0.0) or any(b.passed for b in bits)
        covered += not wrong
    assert binomial_acceptance(covered, N_SEEDS, 0.95).accepted


def test_claims_chosen_after_an_attack_are_no_false_discoveries():
    """Majority votes built from the answers look good on the holdout; naive e-values confirm them."""
    wrong, naive_wrong = 0, 0
    for seed in range(N_SEEDS):
        rh, y, generator = coin_holdout(seed, queries=16, mechanism="description_length", guess=None)
        predictions = generator.integers(0, 2, (15, N_ROWS))
        answers = [float(rh.infer(p)) for p in predictions]
        vote = aggregate(answers, predictions).astype(int)
        wrong += rh.discover([vote], at_least=0.5).any()
        naive_wrong += betting_e_value((vote == y).astype(float), 0.5) >= 1 / 0.05
    assert binomial_acceptance(N_SEEDS - int(wrong), N_SEEDS, 0.95).accepted
    assert not binomial_acceptance(N_SEEDS - int(naive_wrong), N_SEEDS, 0.95).accepted


def attacked(seed, **options):
    """A holdout whose answers were aggregated to a vote, and the naive e-value of that vote."""
    rh, y, generator = coin_holdout(seed, queries=20, **options)
    predictions = generator.integers(0, 2, (15, N_ROWS))
    guess = {"guess": 0.0} if options["mechanism"] == "guess_and_check" else {}
    answers = np.array([float(rh.infer(p, **guess)) for p in predictions])
    if options.get("metric") == "error":
        answers = 1 - answers
    vote = aggregate(answers, predictions).astype(int)
    return rh, y, generator, vote, betting_e_value((vote == y).astype(float), 0.5)


@pytest.mark.parametrize(
    "options",
    [
        {"mechanism": "guess_and_check"},
        {"mechanism": "description_length", "guess": None, "metric": "error"},
    ],
    ids=["failed guesses", "a loss"],
)
def test_no_false_discoveries_after_other_answers(options):
    wrong, naive_wrong = 0, 0
    for seed in range(N_SEEDS):
        rh, _, _, vote, e_value = attacked(seed, **options)
        wrong += rh.discover([vote, 1 - vote], at_least=0.5).any()
        naive_wrong += e_value >= 1 / 0.05
    assert binomial_acceptance(N_SEEDS - int(wrong), N_SEEDS, 0.95).accepted
    assert not binomial_acceptance(N_SEEDS - int(naive_wrong), N_SEEDS, 0.95).accepted


def test_the_false_discovery_rate_among_true_and_false_claims():
    """Models that know the labels beside votes that overfit them: true claims are found, few false ones with them."""
    false, found = 0, 0
    options = {"mechanism": "description_length", "guess": None}
    for seed in range(N_SEEDS):
        rh, y, generator, vote, _ = attacked(seed, **options)
        knowing = [np.where(generator.random(N_ROWS) < 0.97, y, 1 - y) for _ in range(2)]
        confirmed = rh.discover([*knowing, vote, vote[::-1]], at_least=0.5).confirmed
        share = confirmed[2:].sum() / max(confirmed.sum(), 1)
        false += generator.random() < share
        found += int(confirmed[:2].sum())
    assert binomial_acceptance(N_SEEDS - int(false), N_SEEDS, 0.95).accepted
    assert found > N_SEEDS


def test_gains_confirmed_after_an_attack_are_true():
    """A vote built from the answers beats other guesses on the holdout; the bits say so for few seeds only."""
    wrong, naive_wrong = 0, 0
    for seed in range(N_SEEDS):
        rh, y, generator, vote, _ = attacked(seed, mechanism="description_length", guess=None)
        others = generator.integers(0, 2, (3, N_ROWS))
        wrong += any(rh.validate_gain(vote, other).passed for other in others)
        gains = [0.5 + 0.5 * ((vote == y).astype(float) - (other == y)) for other in others]
        naive_wrong += any(betting_e_value(gain, 0.5) >= 3 / 0.05 for gain in gains)
    assert binomial_acceptance(N_SEEDS - int(wrong), N_SEEDS, 0.95).accepted
    assert not binomial_acceptance(N_SEEDS - int(naive_wrong), N_SEEDS, 0.95).accepted


def test_coverage_with_clusters_counts_the_clusters():
    """Rows of a cluster share their luck; counting rows as n fails, counting clusters holds."""
    covered, naive = 0, 0
    for seed in range(N_SEEDS):
        generator = np.random.default_rng([72, seed])
        clusters = np.repeat(np.arange(40), 20)
        luck = np.repeat(generator.integers(0, 2, 40), 20)
        X = generator.normal(size=(800, 1))
        rh = ReusableHoldout(
            queries=3, mechanism="description_length", guess=None, ledger=Ledger.in_memory(secret=b"c" * 32)
        ).calibrate(X, luck, clusters=clusters)
        answer = rh.infer(np.ones(800, dtype=int))
        covered += not misses([answer])
        plain = ReusableHoldout(
            queries=3, mechanism="description_length", guess=None, ledger=Ledger.in_memory(secret=b"c" * 32)
        ).calibrate(X, luck)
        naive += not misses([plain.infer(np.ones(800, dtype=int))])
    assert binomial_acceptance(covered, N_SEEDS, 0.95).accepted
    assert not binomial_acceptance(naive, N_SEEDS, 0.95).accepted


def test_the_vault_covers_after_the_attack():
    covered = 0
    for seed in range(N_SEEDS):
        rh, _, generator = coin_holdout(
            seed, queries=12, mechanism="description_length", guess=None, vault=0.4
        )
        predictions = generator.integers(0, 2, (10, N_ROWS))
        answers = [float(rh.infer(p)) for p in predictions]
        covered += not misses([rh.final(aggregate(answers, predictions).astype(int))])
    assert binomial_acceptance(covered, N_SEEDS, 0.95).accepted


# ---------------------------------------------------------------- averaging, replay, restart


def noisy_holdout(secret, random_state=0):
    generator = np.random.default_rng(5)
    X, y = generator.normal(size=(1000, 1)), generator.integers(0, 2, 1000)
    rh = ReusableHoldout(
        queries=2000,
        mechanism="gaussian",
        guess=None,
        ledger=Ledger.in_memory(secret=secret),
        random_state=random_state,
    )
    return rh.calibrate(X, y), y


def test_averaging_one_question_gains_nothing():
    rh, y = noisy_holdout(b"a" * 32)
    prediction = np.zeros(1000, dtype=int)
    exact = (prediction == y).mean()
    released = [float(rh.infer(prediction)) for _ in range(1000)]
    assert len(set(released)) == 1
    assert rh.desk_.books.look().state["asked"] == 1
    sigma = rh.desk_.books.look().load_main().sigma
    naive = exact + sigma * np.random.default_rng(0).normal(size=1000)
    assert abs(naive.mean() - exact) < sigma / 10 < abs(released[0] - exact) + sigma


def test_paraphrases_of_one_question_are_charged():
    rh, _ = noisy_holdout(b"a" * 32)
    asked = [rh.query(lambda X, y: y.astype(float)) for _ in range(50)]
    assert rh.desk_.books.look().state["asked"] == 50
    assert len({float(a) for a in asked}) > 25
    assert sum(a.mu_squared for a in asked) == pytest.approx(50 * asked[0].mu_squared)


def test_a_replayed_seed_does_not_cancel_noise():
    """With a seed of one's own, two questions share their noise and the difference is exact; here it is not."""
    first, second = np.zeros(1000, dtype=int), np.r_[1, np.zeros(999, dtype=int)]
    errors, naive_errors = [], []
    for secret in (bytes([i]) * 32 for i in range(100)):
        rh, y = noisy_holdout(secret)
        exact = (first == y).mean() - (second == y).mean()
        a = float(rh.infer(first))
        restarted = ReusableHoldout(
            queries=2000, mechanism="gaussian", guess=None, ledger=rh.ledger, random_state=0
        ).calibrate(rh.desk_.parts.reusable.X, rh.desk_.parts.reusable.y)
        b = float(restarted.infer(second[rh.desk_.parts.reusable.given]))
        errors.append(a - b - exact)
        sigma = rh.desk_.books.look().load_main().sigma
        noise = sigma * np.random.default_rng(0).normal()
        naive_errors.append(((first == y).mean() + noise) - ((second == y).mean() + noise) - exact)
    assert np.abs(naive_errors).max() < 1e-12
    expected = np.sqrt(2) * sigma
    assert 0.7 * expected < np.std(errors) < 1.3 * expected


def test_a_budget_in_a_python_object_is_lost_by_workers_and_the_ledger_is_not(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path = tmp_path / "workers.ledger"
    Ledger.create(path)
    naive = Parallel(n_jobs=2)(delayed(ask_naive)(Counter(20), i) for i in range(50))
    ours = Parallel(n_jobs=2)(delayed(ask_ledger)(path, 20) for _ in range(50))
    assert sum(naive) == 50
    assert sum(ours) == 20


class Counter:
    """A budget kept in an object."""

    def __init__(self, allowed):
        self.left = allowed


def ask_naive(counter, index):
    if counter.left == 0:
        return False
    counter.left -= 1
    return True


def ask_ledger(path, allowed):
    with Ledger.open(path).turn() as turn:
        asked = turn.state.get("asked", 0)
        if asked >= allowed:
            return False
        turn.append("answer", nats=1.0, state={"asked": asked + 1})
    return True
