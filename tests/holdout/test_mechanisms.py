"""Every mechanism's step against the golden transcripts, the oracles, and what it promises about budgets."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tests.holdout import steps
from tests.holdout.steps import normal_noise, quiet
from tests.oracles import holdout as oracle
from validstats.holdout import widths as intervals
from validstats.holdout.mechanisms import (
    MECHANISMS,
    Argmax,
    DescriptionLength,
    EffectiveRounds,
    FreshChunks,
    Gaussian,
    GuessAndCheck,
    Ladder,
    Rounds,
    Sparse,
    SparseValidate,
    Thresholdout,
    ThresholdoutScience,
    mechanism,
)

GOLDEN = json.loads((Path(__file__).parent / "golden" / "holdout.json").read_text())


class Injected:
    """Noise read from lists, one a role, scaled back to standard draws."""

    def __init__(self, scales: dict[str, float], **lists: list[float]) -> None:
        self.scales = scales
        self.lists = {role: iter(values) for role, values in lists.items()}

    def __call__(self, role: str, law: str) -> float:
        return next(self.lists[role]) / self.scales[role]


OPENINGS = {
    "guess_and_check": {"queries": 6, "failures": 2},
    "single_look": {"queries": 1},
    "description_length": {"queries": 6},
    "gaussian": {"queries": 6},
    "thresholdout": {"queries": 6, "overfits": 2},
    "sparse_validate": {"queries": 6, "failures": 2},
    "rounds": {"queries": 6, "rounds": 2},
    "fresh_chunks": {"queries": 6},
    "ladder": {"queries": 6},
    "argmax": {"queries": 6, "candidates": 4},
    "thresholdout_science": {"queries": 6, "overfits": 2},
    "sparse": {"queries": 6, "overfits": 2},
    "effective_rounds": {"queries": 6, "rounds": 2},
}


def values_for(name: str, rng: np.random.Generator):
    if name == "single_look":
        return rng.random(120) < 0.5
    return rng.random((3, 120) if name == "argmax" else 120)


def opened(name: str):
    return mechanism(name).initial_state(120, **OPENINGS[name])


# --------------------------------------------------------------------------------------- golden cases


def check_thresholdout(case: str, gamma, eta, xi, sigma: float) -> None:
    data = GOLDEN[case]
    state = Thresholdout.initial_state(
        10_000, queries=1000, overfits=data["B"], tolerance=0.04, threshold=data["T"], sigma=sigma
    )
    noise = quiet
    if sigma:
        scales = {"threshold": 2 * sigma, "comparison": 4 * sigma, "answer": sigma}
        noise = Injected(scales, threshold=gamma, comparison=eta, answer=xi)
    slow = oracle.thresholdout(data["train"], data["holdout"], data["T"], data["B"], gamma, eta, xi)
    triples = zip(data["train"], data["holdout"], data["expected"], slow, strict=True)
    for train, holdout, (value, overfit, left), (slow_value, slow_overfit, slow_left) in triples:
        state, release = Thresholdout.step(state, holdout, guess=train, noise=noise)
        assert state.remaining["failures"] == left == slow_left
        if value == "EXHAUSTED" or value is None:
            assert release.source == "refused" and release.value is None and slow_value is None
        else:
            assert release.value == pytest.approx(value, abs=1e-9)
            assert slow_value == pytest.approx(value, abs=1e-9)
            assert release.passed is (not overfit) is (not slow_overfit)
            assert release.certified is False  # these numbers are not Theorem 25's


def test_golden_thresholdout_without_noise() -> None:
    zeros = [0.0] * 200
    check_thresholdout("thresholdout_no_noise", zeros, zeros, zeros, 0.0)


def test_golden_thresholdout_with_given_noise() -> None:
    data = GOLDEN["thresholdout_injected_noise"]
    check_thresholdout("thresholdout_injected_noise", data["gamma"], data["eta"], data["xi"], 0.01)


def test_golden_thresholdout_tells_a_redrawn_threshold_apart() -> None:
    data = GOLDEN["thresholdout_injected_noise"]
    assert data["expected"] != data["wrong_if_threshold_noise_redrawn_every_query"]


def test_golden_ladder() -> None:
    data = GOLDEN["ladder"]
    state = Ladder.initial_state(5_000, queries=len(data["losses"]), step=data["eta"])
    boards = []
    for loss in data["losses"]:
        state, release = Ladder.step(state, loss)
        boards.append(release.value)
    assert boards == pytest.approx(data["expected"], abs=1e-9)
    assert boards == pytest.approx(oracle.ladder(data["losses"], data["eta"]), abs=1e-9)


# --------------------------------------------------------------------------------- common behaviour


@pytest.mark.parametrize("name", OPENINGS)
def test_steps_are_deterministic_pure_and_refuse_once_exhausted(name) -> None:
    steps.check_steps_are_pure(mechanism(name), opened(name), partial(values_for, name))


def test_every_mechanism_of_the_package_is_opened_here() -> None:
    ours = {name for name, kind in MECHANISMS.items() if kind.__module__.startswith("validstats.")}
    assert ours == set(OPENINGS)


@pytest.mark.parametrize("name", OPENINGS)
def test_bad_values_change_nothing(name) -> None:
    state = opened(name)
    steps.check_bad_values(mechanism(name), state, 120)
    assert state == opened(name)


@pytest.mark.parametrize("name", [name for name in OPENINGS if mechanism(name).needs_guess])
def test_a_missing_or_bad_guess_is_refused(name) -> None:
    with pytest.raises(ValueError, match="needs a guess"):
        mechanism(name).step(opened(name), 0.5, noise=quiet)
    with pytest.raises(ValueError, match="guess must be"):
        mechanism(name).step(opened(name), 0.5, guess=1.5, noise=quiet)


@pytest.mark.parametrize("name", [name for name in OPENINGS if mechanism(name).noisy])
def test_noisy_mechanisms_ask_for_noise(name) -> None:
    steps.check_noise_is_asked_for(mechanism(name), opened(name), partial(values_for, name))


@pytest.mark.parametrize("name", [name for name in OPENINGS if mechanism(name).needs_rows])
def test_mechanisms_on_rows_say_how_many(name) -> None:
    with pytest.raises(ValueError, match="120 rows"):
        mechanism(name).step(opened(name), np.ones(5), guess=0.5, noise=quiet)


@pytest.mark.parametrize("name", [name for name in OPENINGS if not mechanism(name).mixes])
def test_mechanisms_that_cannot_share_an_epoch_refuse_to(name) -> None:
    steps.check_it_shares_no_epoch(mechanism(name), opened(name), partial(values_for, name))


@pytest.mark.parametrize("name", OPENINGS)
def test_nats_add_up_to_the_weight_of_the_node(name) -> None:
    steps.check_nats_add_up(mechanism(name), opened(name), partial(values_for, name))


def test_states_hold_plain_numbers() -> None:
    for name in OPENINGS:
        json.dumps(asdict(opened(name)))


def test_unknown_names_and_missing_declarations() -> None:
    with pytest.raises(ValueError, match="must be one of"):
        mechanism("magic")
    for kind in (Gaussian, FreshChunks, Rounds, Ladder, Thresholdout):
        with pytest.raises(ValueError, match="declared number of queries"):
            kind.initial_state(100)
    with pytest.raises(ValueError, match="a row for every query"):
        FreshChunks.initial_state(10, queries=11)
    with pytest.raises(ValueError, match="confidence_level"):
        Ladder.initial_state(100, queries=5, confidence_level=95)


# ---------------------------------------------------------------------------------------- one by one


def test_the_edges_of_the_unit_interval() -> None:
    for mean in (0.0, 1.0):
        for kind in (GuessAndCheck, DescriptionLength, SparseValidate):
            state = kind.initial_state(50, queries=5)
            values = np.full(50, bool(mean)) if kind is GuessAndCheck else mean
            _, release = kind.step(state, values, guess=mean)
            assert release.low <= mean <= release.high


def test_description_length_keeps_the_plan() -> None:
    state = DescriptionLength.initial_state(10_000, queries=100, interval="hoeffding")
    _, release = DescriptionLength.step(state, 0.5001)
    assert release.half_width == pytest.approx(0.1469569719910866, rel=2e-3)


def test_an_open_horizon_costs_more_at_every_query() -> None:
    state, widths = DescriptionLength.initial_state(10_000, cells=20), []
    for _ in range(5):
        state, release = DescriptionLength.step(state, 0.5)
        widths.append(release.half_width)
    assert widths == sorted(widths) and widths[0] < widths[-1]
    assert state.exhausted is None and state.remaining == {"queries": None, "failures": None}


def test_a_bit_depends_on_the_holdout_only_through_itself() -> None:
    for interval in ("kl", "hoeffding"):
        state = SparseValidate.initial_state(500, queries=20, failures=3, interval=interval)
        releases = [SparseValidate.step(state, float(m), guess=0.6)[1] for m in np.linspace(0, 1, 301)]
        assert len({r for r in releases if r.passed}) == 1
        refuted = {r for r in releases if not r.passed}
        assert len(refuted) == 1
        largest = max(m for m, r in zip(np.linspace(0, 1, 301), releases, strict=True) if not r.passed)
        level = state.log_alpha + state.log_weight
        own = intervals.kl_interval(largest, 500, level)[1] if interval == "kl" else 0.0
        assert refuted.pop().high >= own


def test_winner_only() -> None:
    state = Argmax.initial_state(1_000, queries=3, candidates=5)
    rows = np.random.default_rng(0).random((4, 1_000)) < np.array([[0.4], [0.8], [0.6], [0.5]])
    _, release = Argmax.step(state, rows.astype(float))
    assert release.winner == 1 and abs(release.value - rows[1].mean()) <= 0.5 / state.cells
    with pytest.raises(ValueError, match="at most 5 candidates"):
        Argmax.step(state, np.ones(6))


def test_chunks_are_disjoint_and_cover_every_row() -> None:
    state = FreshChunks.initial_state(10, queries=3)
    seen = np.zeros(10)
    for _ in range(3):
        rows = np.arange(10) / 10
        before = state
        state, release = FreshChunks.step(state, rows)
        used = [i for i in range(10) if FreshChunks.step(before, np.eye(10)[i])[1].value > 0]
        assert release.value == pytest.approx(rows[used].mean())
        seen[used] += 1
    assert (seen == 1).all()


def test_rounds_move_on_only_when_told() -> None:
    state = Rounds.initial_state(100, queries=4, rounds=2)
    rows = np.repeat([1.0, 0.0], 50)
    answers = []
    for i in range(4):
        state, release = Rounds.step(state, rows)
        answers.append(release.value)
        if i == 1:
            state = Rounds.next_round(state)
    assert answers == [1.0, 1.0, 0.0, 0.0]
    assert "4 declared queries" in state.exhausted


def test_gaussian_noise_has_the_declared_scale_and_price() -> None:
    state = Gaussian.initial_state(1_000, queries=200, sigma=0.05)
    noise, values = normal_noise(11), []
    spent = 0.0
    while state.exhausted is None:
        state, release = Gaussian.step(state, 0.5, noise=noise)
        values.append(release.value)
        spent += release.mu2
        assert release.value % state.cell == 0
    assert np.std(values) == pytest.approx(0.05, rel=0.2)
    assert spent == pytest.approx(state.declared_mu2) == pytest.approx(200 / (1_000 * 0.05) ** 2)


def test_gaussian_analyses_are_selectable() -> None:
    half = {}
    for analysis in ("tight", "rogers2020", "jung2020", "bassily2016"):
        state = Gaussian.initial_state(100_000, queries=100, analysis=analysis)
        half[analysis] = Gaussian.step(state, 0.5, noise=quiet)[1].half_width
    assert min(half, key=half.get) == "tight"
    assert half["rogers2020"] == pytest.approx(0.0781, rel=5e-3)
    with pytest.raises(ValueError, match="analysis must be one of"):
        Gaussian.initial_state(100, queries=5, analysis="magic")
    with pytest.raises(ValueError, match="sigma can be chosen"):
        Gaussian.initial_state(100, queries=5, analysis="jung2020", sigma=0.1)


def test_gaussian_beside_rounded_answers_is_wider() -> None:
    state = Gaussian.initial_state(100_000, queries=100)
    alone = Gaussian.step(state, 0.5, noise=quiet)[1].half_width
    assert Gaussian.step(state, 0.5, noise=quiet, log_carry=-3.0)[1].half_width > alone
    published = Gaussian.initial_state(100_000, queries=100, analysis="rogers2020")
    with pytest.raises(ValueError, match="only analysis='tight'"):
        Gaussian.step(published, 0.5, noise=quiet, log_carry=-3.0)


def test_thresholdout_is_certified_only_with_the_theorems_numbers() -> None:
    assert Thresholdout.initial_state(10**7, queries=100, overfits=2).proved
    assert not Thresholdout.initial_state(10_000, queries=100, overfits=2, tolerance=0.1).proved
    assert not Thresholdout.initial_state(10**7, queries=100, overfits=2, sigma=0.001).proved


def test_thresholdout_keeps_its_threshold_noise_until_an_overfit() -> None:
    roles = []

    def noise(role: str, law: str) -> float:
        roles.append(role)
        return 0.0

    state = Thresholdout.initial_state(1_000, queries=9, overfits=3, tolerance=0.2)
    for guess in (0.5, 0.5, 0.9, 0.5):
        state, _ = Thresholdout.step(state, 0.5, guess=guess, noise=noise)
    assert roles == [
        "threshold",
        "comparison",
        "comparison",
        "comparison",
        "answer",
        "threshold",
        "comparison",
    ]


def test_the_science_variant_has_no_budget_and_redraws_nothing() -> None:
    state = ThresholdoutScience.initial_state(10_000)
    for _ in range(30):
        state, release = ThresholdoutScience.step(state, 0.5, guess=0.9, noise=quiet)
        assert release.value == 0.5 and not release.certified
    assert state.exhausted is None


def test_effective_rounds_walk_through_their_chunks() -> None:
    """The checker chunk says 3/8: chunks at 1 and 7/8 are stale (threshold 0.4), the one at 3/4 is not."""
    state = EffectiveRounds.initial_state(400, rounds=3)
    rows = np.repeat([1.0, 0.875, 0.75, 0.375], 100)
    seen = []
    for _ in range(4):
        state, release = EffectiveRounds.step(state, rows, noise=quiet)
        seen.append((release.value, release.passed, state.current))
    assert seen == [(0.875, False, 1), (0.75, False, 2), (0.75, True, 2), (0.75, True, 2)]
    rows[200:300] = 1.0
    state, release = EffectiveRounds.step(state, rows, noise=quiet)
    assert release.value is None and "3 answers" in state.exhausted


def test_sparse_stops_at_its_budget() -> None:
    sparse = Sparse.initial_state(100, overfits=1)
    sparse, release = Sparse.step(sparse, 1.0, guess=0.0, noise=quiet)
    assert release.value == 1.0 and sparse.exhausted is not None


def test_ladder_baseline_without_improvement() -> None:
    state = Ladder.initial_state(1_000, queries=10, baseline=0.5)
    state, release = Ladder.step(state, 0.7)
    assert release.value == release.high == 0.5 and release.passed is False


def test_claims_tested_by_betting_against_a_slow_gambler() -> None:
    rng = np.random.default_rng(0)
    outcomes = set()
    for gain in np.linspace(0.0, 0.1, 12):
        rows = 0.5 + 0.5 * rng.choice([-1.0, 0.0, 1.0], p=[0.02, 0.98 - 0.02 - gain, 0.02 + gain], size=600)
        state = SparseValidate.initial_state(600, queries=5, failures=2, interval="betting")
        after, release = SparseValidate.step(state, rows, guess=0.5)
        aim = -(state.log_alpha + state.log_weight)
        capital, total, squares = 1.0, 0.5, 0.25
        for i, x in enumerate(rows):
            stake = min(math.sqrt(2 * aim / (600 * squares / (i + 1))), 1.0)
            capital *= 1 + stake * (x - 0.5)
            total += x
            squares += (x - total / (i + 2)) ** 2
        assert release.passed == (capital >= math.exp(aim))
        assert (release.low, release.high) == ((0.5 if release.passed else 0.0), 1.0)
        assert (after.asked, after.failed) == (1, not release.passed)
        outcomes.add(release.passed)
    assert outcomes == {True, False}


def test_betting_needs_the_values_of_all_rows() -> None:
    state = SparseValidate.initial_state(50, queries=5, interval="betting")
    for values in (0.7, np.full(49, 0.7)):
        with pytest.raises(ValueError, match="50 rows, one value for each"):
            SparseValidate.step(state, values, guess=0.5)
    with pytest.raises(ValueError, match="interval must be one of 'kl', 'hoeffding', 'betting'"):
        SparseValidate.initial_state(50, queries=5, interval="exact")  # type: ignore[arg-type]
