"""e-values after adaptive choice, and what controls false discoveries among them."""

from __future__ import annotations

import numpy as np
import pytest

from tests.oracles import holdout as oracle
from validstats.exceptions import NoisyReleaseError
from validstats.holdout import ELond, Ledger, ReusableHoldout, betting_e_value, e_bh, e_lond, kraft_e_value
from validstats.holdout.mechanisms import DescriptionLength
from validstats.holdout.widths import paid_betting_e_value
from validstats.validity import binomial_acceptance


def test_nats_are_paid_for() -> None:
    assert kraft_e_value(100.0, 0.0) == 100.0
    assert kraft_e_value(100.0, np.log(10.0)) == pytest.approx(10.0)
    assert kraft_e_value(1e300, 5_000.0) == 0.0


def test_after_a_noisy_answer_it_refuses() -> None:
    with pytest.raises(NoisyReleaseError, match="deterministic mechanisms only"):
        kraft_e_value(100.0, 1.0, mu2=1e-9)


@pytest.mark.parametrize(("e", "nats"), [(-1.0, 0.0), (1.0, -0.5), (np.nan, 0.0), (1.0, np.inf)])
def test_bad_arguments(e, nats) -> None:
    with pytest.raises(ValueError, match="must be finite and in"):
        kraft_e_value(e, nats)


def test_betting_e_values_have_mean_at_most_one_under_the_null() -> None:
    rng = np.random.default_rng(0)
    for null, draw in ((0.5, lambda: rng.integers(0, 2, 60) * 1.0), (0.3, lambda: rng.beta(3, 7, 60))):
        values = np.array([betting_e_value(draw(), null) for _ in range(1_500)])
        assert values.mean() <= 1 + 4 * values.std() / np.sqrt(len(values))
        below = np.array([betting_e_value(draw(), null, "less") for _ in range(1_500)])
        assert below.mean() <= 1 + 4 * below.std() / np.sqrt(len(below))


def test_betting_e_values_grow_under_the_alternative() -> None:
    x = (np.random.default_rng(1).random(400) < 0.7).astype(float)
    assert betting_e_value(x, 0.5) > 1_000 > 1 > betting_e_value(x, 0.8)
    assert betting_e_value(1 - x, 0.5, "less") == pytest.approx(betting_e_value(x, 0.5))
    with pytest.raises(ValueError, match="alternative must be one of"):
        betting_e_value(x, 0.5, "two-sided")
    with pytest.raises(ValueError, match=r"values must lie in \[0, 1\]"):
        betting_e_value(2 * x, 0.5)


def test_e_bh_against_its_definition() -> None:
    rng = np.random.default_rng(2)
    for _ in range(200):
        e = np.exp(rng.normal(1, 2, rng.integers(1, 12)))
        assert np.flatnonzero(e_bh(e, 0.2)).tolist() == oracle.e_bh(e.tolist(), 0.2)
    assert not e_bh(np.zeros(3), 0.1).any()


def test_e_lond_is_the_stream() -> None:
    e = np.array([50.0, 0.0, 30.0, 1e6, 2.0])
    stream, hits = ELond(0.1), []
    for value in e:
        stream, hit = stream.step(value)
        hits.append(hit)
    assert e_lond(e, 0.1).tolist() == hits == [True, False, False, True, False]
    assert (stream.tested, stream.discoveries) == (5, 2)
    total = sum(1 / (0.1 * ELond(0.1, t).threshold) for t in range(20_000))
    assert total == pytest.approx(1.0, abs=1e-3)
    with pytest.raises(ValueError, match="e_value"):
        stream.step(-1.0)


@pytest.mark.share(2)
@pytest.mark.parametrize("log_target", [0.5, np.log(20.0), 30.0, 2_000.0])
def test_whatever_the_stakes_aim_at_the_mean_is_at_most_one(log_target: float) -> None:
    """Betting against fair coins: all 2^10 sequences, so that the mean is exact."""
    rows = (np.arange(1024)[:, None] >> np.arange(10)) & 1
    for side in ("greater", "less"):
        mean = np.mean([betting_e_value(row / 1.0, 0.5, side, log_target=log_target) for row in rows])
        assert mean == pytest.approx(1.0, rel=1e-9)


def test_the_usual_target_is_a_twentieth() -> None:
    rows = np.random.default_rng(1).random(200)
    assert betting_e_value(rows, 0.4) == betting_e_value(rows, 0.4, log_target=np.log(20.0))
    paid = paid_betting_e_value(rows, 0.4, nats=2.0, log_target=3.0)
    assert paid == pytest.approx(kraft_e_value(betting_e_value(rows, 0.4, log_target=5.0), 2.0), rel=1e-12)
    assert paid_betting_e_value(1 - rows, 0.6, "less", nats=2.0, log_target=3.0) == pytest.approx(paid)
    for wrong in (0.0, -1.0, np.inf, np.nan):
        with pytest.raises(ValueError, match="log_target must be"):
            betting_e_value(rows, 0.4, log_target=wrong)
        with pytest.raises(ValueError, match="log_target must be"):
            paid_betting_e_value(rows, 0.4, nats=0.0, log_target=wrong)
    with pytest.raises(ValueError, match="nats must be"):
        paid_betting_e_value(rows, 0.4, nats=-1.0, log_target=3.0)


def test_a_price_beyond_the_largest_number_can_be_paid() -> None:
    """At 800 nats an e-value that was cut at 1e300 first would be cut below one."""
    rows = np.ones(5_000)
    assert kraft_e_value(betting_e_value(rows, 0.5), 800.0) < 1e-40
    assert paid_betting_e_value(rows, 0.5, nats=800.0, log_target=np.log(20.0)) == pytest.approx(1e300)


def spent_holdout(seed: int, n: int = 1_000) -> tuple[ReusableHoldout, np.ndarray, np.ndarray]:
    """Fair labels, some 50 to 100 nats of answers about guesses, and a vote of those that the answers favour."""
    rng = np.random.default_rng([12, seed])
    y = rng.integers(0, 2, n)
    ledger = Ledger.in_memory(secret=rng.bytes(32))
    rh = ReusableHoldout(queries=40, mechanism="description_length", guess=None, ledger=ledger)
    rh.calibrate(rng.normal(size=(n, 1)), y)
    guesses = rng.integers(0, 2, (25, n))
    signs = np.array([1 if float(rh.infer(guess)) > 0.5 else -1 for guess in guesses])
    vote = (signs @ (2 * guesses - 1) > 0).astype(int)
    return rh, y, vote


def test_true_claims_are_found_after_much_was_spent() -> None:
    """Models that are right for 80 % of the rows beside the vote: stakes for 1/20 never find them."""
    found, found_untuned = 0, 0
    for seed in range(10):
        rh, y, vote = spent_holdout(seed)
        rng = np.random.default_rng([13, seed])
        knowing = [np.where(rng.random(y.size) < 0.8, y, 1 - y) for _ in range(2)]
        assert 50 < rh.nats_ < 160
        rows = [(guess == y)[rh.desk_.parts.reusable.given] / 1.0 for guess in (*knowing, vote)]
        untuned = e_bh(np.array([kraft_e_value(betting_e_value(x, 0.5), rh.nats_) for x in rows]), 0.05)
        confirmed = rh.discover([*knowing, vote], at_least=0.5)
        assert not confirmed[2]
        found += int(confirmed[:2].sum())
        found_untuned += int(untuned[:2].sum())
    assert found == 20 and found_untuned == 0


@pytest.mark.slow
def test_false_claims_are_rare_after_much_was_spent() -> None:
    """The vote and its opposite say nothing about fresh rows; unpaid, the bet on the vote finds something."""
    wrong = naive = 0
    for seed in range(40):
        rh, y, vote = spent_holdout(100 + seed, 200)
        rows = (vote == y)[rh.desk_.parts.reusable.given] / 1.0
        naive += betting_e_value(rows, 0.5, log_target=np.log(20.0)) >= 20
        assert rh.nats_ > 30
        wrong += rh.discover([vote, 1 - vote], at_least=0.5).any()
    assert binomial_acceptance(40 - int(wrong), 40, 0.95).accepted
    assert not binomial_acceptance(40 - int(naive), 40, 0.95).accepted


def overfitted_e_values(replicates: int, paid: bool) -> np.ndarray:
    """The analyst turns each of 9 coins as the holdout favours, and claims that their vote beats 1/2: it never does."""
    rng = np.random.default_rng(9)
    out = np.empty(replicates)
    for r in range(replicates):
        answers = rng.integers(0, 2, (9, 40)).astype(float)
        state = DescriptionLength.initial_state(40, queries=10, cells=2)
        nats, signs = 0.0, []
        for row in answers:
            state, release = DescriptionLength.step(state, row)
            nats += release.nats
            signs.append(1 if release.value > 0.5 else -1)
        vote = (np.sign(np.array(signs) @ (2 * answers - 1)) + 1) / 2
        tuned = paid_betting_e_value(vote, 0.5, nats=nats, log_target=np.log(20.0))
        out[r] = tuned if paid else betting_e_value(vote, 0.5)
    return out


@pytest.mark.slow
def test_claims_chosen_by_looking() -> None:
    """Paid for, the chosen claim is rejected at 5 % in at most 5 % of the runs; unpaid, far more often."""
    paid, naive = overfitted_e_values(300, paid=True), overfitted_e_values(300, paid=False)
    assert binomial_acceptance(int((paid < 20).sum()), 300, 0.95).accepted
    assert not binomial_acceptance(int((naive < 20).sum()), 300, 0.95).accepted
