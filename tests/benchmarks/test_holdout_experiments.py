"""The mechanisms of the first papers at work, as the experiment prints them."""

from __future__ import annotations

from benchmarks.experiments.holdout_2014 import climb, largest_errors


def test_small_domain_mechanisms_stay_within_their_tolerance() -> None:
    worst = largest_errors(rows=500, questions=12, seed=0)
    assert set(worst) == {"naive", "private_multiplicative_weights", "median_mechanism"}
    assert all(0 < error < 0.2 for error in worst.values())


def test_ladders_are_not_climbed_by_coin_flips() -> None:
    boards = climb(rows=300, submissions=60, seed=1)
    assert boards["naive"] < 0.47
    assert boards["parameter_free_ladder"] >= boards["naive"] and boards["ladder"] > boards["naive"] - 0.05
    assert all(board <= 0.5 for board in boards.values())
