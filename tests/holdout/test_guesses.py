"""Guess-and-check and a single look: what they release, what they keep to themselves, and what they cost."""

from __future__ import annotations

import math

import numpy as np
import pytest

from validstats.holdout.mechanisms import GuessAndCheck, SingleLook
from validstats.holdout.widths import clopper_pearson, free_cell, free_count


def rows(right: int, n: int) -> np.ndarray:
    return np.arange(n) < right


def test_a_confirmed_guess_reveals_nothing_but_the_bit() -> None:
    state = GuessAndCheck.initial_state(500, queries=50)
    steps = [GuessAndCheck.step(state, rows(right, 500), guess=0.7) for right in range(501)]
    confirmed = {(after, release) for after, release in steps if release.passed}
    assert len(confirmed) == 1
    assert sum(release.passed for _, release in steps) > 10


def test_a_failed_guess_reveals_nothing_but_its_cell() -> None:
    state = GuessAndCheck.initial_state(500, queries=50)
    released: dict[float, set] = {}
    for right in range(501):
        after, release = GuessAndCheck.step(state, rows(right, 500), guess=0.7)
        released.setdefault(release.value, set()).add((after, release))
        own = clopper_pearson(right, 500, state.log_alpha + state.log_weight)
        assert release.low <= own[0] and own[1] <= release.high
    assert all(len(outcomes) == 1 for outcomes in released.values())


def test_only_failures_are_expensive() -> None:
    state = GuessAndCheck.initial_state(2000, queries=50)
    passed = GuessAndCheck.step(state, rows(1400, 2000), guess=0.7)[1]
    near = GuessAndCheck.step(state, rows(1490, 2000), guess=0.7)[1]
    far = GuessAndCheck.step(state, rows(1900, 2000), guess=0.7)[1]
    assert passed.passed and not near.passed and not far.passed
    assert passed.nats < 0.1 < 3.0 < near.nats < far.nats


def test_failures_need_not_be_declared_and_end_the_budget_if_they_are() -> None:
    for failures, answered in ((None, 5), (2, 2), (0, 1)):
        state = GuessAndCheck.initial_state(500, queries=5, failures=failures)
        sources = []
        for _ in range(6):
            state, release = GuessAndCheck.step(state, rows(20, 500), guess=0.7)
            sources.append(release.source)
        assert sources == ["holdout"] * answered + ["refused"] * (6 - answered)


def test_training_values_count_as_rows_of_the_guess() -> None:
    state = GuessAndCheck.initial_state(500, queries=5)
    few, many = (
        GuessAndCheck.step(state, rows(350, 500), guess=rows(int(0.7 * m), m))[1] for m in (20, 5000)
    )
    assert few.passed and many.passed
    assert few.half_width > many.half_width


def test_other_values_follow_their_variance() -> None:
    rng = np.random.default_rng(0)
    state = GuessAndCheck.initial_state(2000, queries=20)
    narrow = GuessAndCheck.step(state, rng.beta(20, 80, 2000), guess=rng.beta(20, 80, 2000))[1]
    wide = GuessAndCheck.step(state, rng.beta(0.2, 0.8, 2000), guess=rng.beta(0.2, 0.8, 2000))[1]
    assert narrow.low < 0.2 < narrow.high and wide.low < 0.2 < wide.high
    assert narrow.half_width < 0.25 * wide.half_width


def test_a_number_alone_is_a_guess_for_the_largest_variance() -> None:
    state = GuessAndCheck.initial_state(400, queries=5)
    release = GuessAndCheck.step(state, np.random.default_rng(0).beta(20, 80, 400), guess=0.2)[1]
    assert release.low < 0.2 < release.high


def test_mass_and_shares_add_up_along_a_day() -> None:
    state = GuessAndCheck.initial_state(500, queries=6)
    for right in (350, 100, 349, 20, 351, 350):
        left = math.exp(state.log_mass)
        state, release = GuessAndCheck.step(state, rows(right, 500), guess=0.7)
        assert math.exp(state.log_mass) < left
        assert release.nats == pytest.approx(math.log(left) - state.log_mass)
    assert state.exhausted is not None and state.log_mass > math.log(1e-12)


@pytest.mark.parametrize("near", [(), (0.5,), (0.69, 0.71), (1.0, 0.0)])
def test_cells_without_a_guess_part_the_counts_and_have_a_code(near: tuple[float, ...]) -> None:
    for n, c in ((1, 1.0), (7, 0.5), (400, 1.0)):
        cells = {free_count(x, n, c, near) for x in range(n + 1)}
        assert sorted(x for low, high, _ in cells for x in range(low, high + 1)) == list(range(n + 1))
        assert sum(math.exp(code) for _, _, code in cells) <= 1.0 + 1e-12


def test_cells_of_means_without_a_guess_contain_the_interval_and_have_a_code() -> None:
    n = 50
    for near, size in (((), None), ((0.3, 0.9), 7)):
        codes = {}
        for half in 0.499 * 2.0 ** (-np.arange(29) / 4):
            for middle in np.arange(half / 16, 1.0, half / 8):
                cell = free_cell(middle - half, middle + half, n, near, size)
                assert cell.low <= max(middle - half, 0.0) and min(middle + half, 1.0) <= cell.high
                assert cell.high - cell.low <= 2.3 * half
                codes[cell.size, cell.value] = cell.log_code
        # near released values some of the code falls outside [0, 1]
        least = 0.99 if size is None else 0.8
        assert least < sum(map(math.exp, codes.values())) <= 1.0 + 1e-9
        small = free_cell(0.4, 0.4, n, near, size)
        assert small.low <= 0.4 <= small.high < small.low + 1 / n


def test_an_answer_without_a_guess_reveals_nothing_but_its_cell() -> None:
    state = GuessAndCheck.initial_state(500, queries=50)
    state = GuessAndCheck.step(state, rows(320, 500))[0]
    released: dict[float, set] = {}
    for right in range(501):
        after, release = GuessAndCheck.step(state, rows(right, 500))
        released.setdefault(release.value, set()).add((after, release))
        own = clopper_pearson(right, 500, state.log_alpha + state.log_weight)
        assert release.low <= own[0] and own[1] <= release.high and release.passed is None
    assert all(len(outcomes) == 1 for outcomes in released.values()) and len(released) > 20


def test_answers_without_a_guess_get_cheaper_near_released_ones() -> None:
    state = GuessAndCheck.initial_state(2000, queries=20)
    nats = []
    for right in (1700, 1705, 1698, 300):
        state, release = GuessAndCheck.step(state, rows(right, 2000))
        nats.append(release.nats)
    assert nats[2] < 0.5 * nats[0] and nats[3] > nats[2]
    rng = np.random.default_rng(0)
    first, second = (GuessAndCheck.initial_state(2000, queries=20) for _ in range(2))
    for _ in range(2):
        second, release = GuessAndCheck.step(second, rng.beta(2, 8, 2000))
    assert release.low < 0.2 < release.high
    assert 2 * release.nats < GuessAndCheck.step(first, rng.beta(2, 8, 2000))[1].nats + release.nats


def test_a_single_look_is_the_exact_interval_of_the_count() -> None:
    state = SingleLook.initial_state(2000)
    after, release = SingleLook.step(state, rows(1700, 2000))
    low, high = clopper_pearson(1700, 2000, math.log(0.05))
    assert release.value == 0.85 and release.half_width <= 1.005 * (high - low) / 2
    assert after.exhausted is not None
    assert after.log_mass == pytest.approx(math.log(0.01 / (2**16 + 1)))
    with pytest.raises(ValueError, match="one question"):
        SingleLook.initial_state(2000, queries=2)
    other = SingleLook.step(state, np.full(2000, 0.3))[1]
    assert other.low < 0.3 < other.high and other.value * 2**16 == round(other.value * 2**16)
