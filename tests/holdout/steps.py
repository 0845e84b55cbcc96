"""What every mechanism must do, whatever it answers: steps are pure, bad values change nothing, nats add up."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from validstats.holdout.mechanisms import Mechanism

Values = Callable[[np.random.Generator], np.ndarray]
"""Draws the values of one query."""


def quiet(role: str, law: str) -> float:
    """No noise."""
    return 0.0


def normal_noise(seed: int) -> Callable[[str, str], float]:
    """Standard draws."""
    rng = np.random.default_rng(seed)
    return lambda role, law: float(rng.normal() if law == "normal" else rng.laplace())


def check_steps_are_pure(kind: type[Mechanism], state: Any, values_of: Values) -> None:
    """The same draws give the same release, nothing that was handed over changes, and the end is a refusal."""
    rng, noise = np.random.default_rng(5), normal_noise(7)
    for _ in range(40):
        values, guess = values_of(rng), float(rng.random())
        before, kept = pickle.dumps(state), values.copy()
        draws: list[float] = []

        def recorded(role: str, law: str, draws: list[float] = draws) -> float:
            draws.append(noise(role, law))
            return draws[-1]

        after, release = kind.step(state, values, guess=guess, noise=recorded)
        replay = iter(list(draws))
        again = kind.step(state, values, guess=guess, noise=lambda role, law, replay=replay: next(replay))[1]
        assert again == release
        assert pickle.dumps(state) == before
        np.testing.assert_array_equal(values, kept)
        assert bool(draws) <= kind.noisy
        if state.exhausted is not None:
            assert after is state
            assert release.source == "refused" and release.value is None and release.nats == release.mu2 == 0
        else:
            assert after.asked == state.asked + 1
            assert release.certified <= kind.certified
            if release.low is not None:
                assert 0 <= release.low <= release.high <= 1
        state = after
    assert state.exhausted is not None and state.asked <= 6


def check_bad_values(kind: type[Mechanism], state: Any, size: int) -> None:
    """Values that are missing or not in [0, 1] are refused."""
    for bad in (np.full(size, np.nan), np.full(size, 1.2), np.full(size, -0.1), np.ones(0)):
        with pytest.raises(ValueError, match="values"):
            kind.step(state, bad, guess=0.5, noise=quiet)
    assert state.asked == 0


def check_noise_is_asked_for(kind: type[Mechanism], state: Any, values_of: Values) -> None:
    """A noisy mechanism does not answer without noise."""
    with pytest.raises(ValueError, match="draws noise"):
        kind.step(state, values_of(np.random.default_rng(0)), guess=0.5)


def check_it_shares_no_epoch(kind: type[Mechanism], state: Any, values_of: Values) -> None:
    """What does not mix refuses to answer beside others."""
    with pytest.raises(ValueError, match="new epoch"):
        kind.step(state, values_of(np.random.default_rng(0)), guess=0.5, noise=quiet, log_carry=-1.0)


def check_nats_add_up(kind: type[Mechanism], opened: Any, values_of: Values) -> None:
    """What was charged is the weight of the node that was reached."""
    rng, state = np.random.default_rng(2), opened
    total = 0.0
    for _ in range(6):
        state, release = kind.step(state, values_of(rng), guess=float(rng.random()), noise=quiet)
        total += release.nats
    assert total == pytest.approx(-state.log_mass)
