"""e-values after adaptive choice, and what controls false discoveries among them."""

from __future__ import annotations

import numpy as np
import pytest

from tests.oracles import holdout as oracle
from validstats.exceptions import NoisyReleaseError
from validstats.holdout.evalues import ELond, betting_e_value, e_bh, e_lond, kraft_e_value
from validstats.holdout.mechanisms import DescriptionLength
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


def overfitted_e_values(replicates: int, paid: bool) -> np.ndarray:
    """The analyst flips each of 8 coins, keeps those the holdout favours, and claims that their vote beats 1/2."""
    rng = np.random.default_rng(9)
    out = np.empty(replicates)
    for r in range(replicates):
        answers = rng.integers(0, 2, (8, 40)).astype(float)
        state = DescriptionLength.initial_state(40, queries=9, cells=2)
        nats, signs = state.opening_nats, []
        for row in answers:
            state, release = DescriptionLength.step(state, row)
            nats += release.nats
            signs.append(1 if release.value > 0.5 else -1)
        vote = (np.sign(np.array(signs) @ (2 * answers - 1) + 0.1) + 1) / 2
        e = betting_e_value(vote, 0.5)
        out[r] = kraft_e_value(e, nats) if paid else e
    return out


def test_claims_chosen_by_looking() -> None:
    """Paid for, the chosen claim is rejected at 5 % in at most 5 % of the runs; unpaid, far more often."""
    paid, naive = overfitted_e_values(300, paid=True), overfitted_e_values(300, paid=False)
    assert binomial_acceptance(int((paid < 20).sum()), 300, 0.95).accepted
    assert not binomial_acceptance(int((naive < 20).sum()), 300, 0.95).accepted
