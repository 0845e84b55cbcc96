"""Worked numbers: one value of every function of the rooms that can be checked by hand or in its paper."""

from __future__ import annotations

import math
from dataclasses import asdict

import numpy as np
import pytest

from validstats.holdout import betting_e_value, kraft_e_value
from validstats.holdout.asking import as_metric, classes_of
from validstats.holdout.asking.desk import subject_of
from validstats.holdout.asking.metrics import in_class_order, lent
from validstats.holdout.budget import confidence_of
from validstats.holdout.budget.books import declared_alike
from validstats.holdout.budget.reports import ordinal
from validstats.holdout.ledger.anchor import Receipt
from validstats.holdout.ledger.store import counter_generator
from validstats.holdout.mechanisms import (
    Argmax,
    Declaration,
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
)
from validstats.holdout.mechanisms.base import (
    cell_of,
    check_counts,
    holdout_mean,
    log_level,
    node_interval,
    row_values,
)
from validstats.holdout.mechanisms.chunked import chunk_bounds
from validstats.holdout.mechanisms.heuristic import sparse_comparison
from validstats.holdout.mechanisms.noisy import gaussian_optimum, pure_dp_to_mu
from validstats.holdout.widths import (
    argmax_width,
    bassily_optimum,
    betting_interval,
    clopper_pearson,
    description_length_width,
    fresh_chunk_width,
    grid_cell,
    hoeffding_half_width,
    jung_optimum,
    kl_divergence,
    kl_interval,
    ladder_width,
    log_argmax_nodes,
    log_binomial,
    log_capital,
    log_full_nodes,
    log_independent_level,
    log_ladder_nodes,
    log_position_weight,
    mixed_half_width,
    nonadaptive_width,
    paid_betting_e_value,
    predictable_stakes,
    rogers_optimum,
    rounds_width,
    sparse_validate_width,
    thresholdout_rows,
    thresholdout_width,
    tight_half_width,
    tight_optimum,
)
from validstats.holdout.widths.counts import kl_bounds
from validstats.holdout.widths.gaussian import (
    gaussian_dp_bias,
    gaussian_dp_delta,
    gaussian_dp_mu,
    stability_bias,
    tail_mean_of_maximum,
    tail_quantile_of_maximum,
)
from validstats.holdout.widths.half_widths import best_integer
from validstats.holdout.widths.published import zcdp_log_delta
from validstats.intake import ask_digest, derive_key, holdout_fingerprint, keyed_row_digests

WORKED = {
    # asking.inputs
    "classes_of": (lambda: classes_of(np.array(["b", "a", "b"])).tolist(), ["a", "b"]),
    "classes_of 2": (lambda: classes_of(np.array([0.5, 1.0])).tolist(), []),
    # asking.metrics
    "as_metric": (lambda: as_metric("brier").greater_is_better, False),
    # asking.desk
    "subject_of": (
        lambda: subject_of(as_metric("accuracy"), (0, 1)),
        "the metric 'accuracy' with bounds (0.0, 1.0)",
    ),
    "subject_of 2": (lambda: subject_of(abs, (0, 2)), "the function 'abs' with bounds (0.0, 2.0)"),
    # budget.books
    "confidence_of": (lambda: round(float(1 - confidence_of(math.log(0.05))), 12), 0.05),
    # budget.reports
    "ordinal": (
        lambda: [ordinal(i) for i in (1, 2, 3, 4, 11, 12, 21, 112)],
        ["1st", "2nd", "3rd", "4th", "11th", "12th", "21st", "112th"],
    ),
    # ledger.store
    "ask_digest": (
        lambda: ask_digest(b"key", "accuracy", [0, 1]) == ask_digest(b"key", "accuracy", [0, 1]),
        True,
    ),
    "derive_key": (lambda: derive_key(b"k", "noise", 1) == derive_key(b"k", "noise", 1), True),
    "derive_key 2": (lambda: derive_key(b"k", "noise", 1) == derive_key(b"k", "noise", 2), False),
    # mechanisms.base
    "log_level": (lambda: log_level(0.95) == math.log(0.05), True),
    "holdout_mean": (lambda: holdout_mean([0.0, 1.0]), 0.5),
    "row_values": (lambda: row_values([0, 1], 2), np.array([0.0, 1.0])),
    "cell_of": (lambda: cell_of(0.502, 20), (0.525, 0.5, 0.55)),
    "check_counts": (lambda: check_counts(100, 5), (100, 5, None)),
    # mechanisms.chunked
    "chunk_bounds": (lambda: [chunk_bounds(10, 3, i) for i in range(3)], [(0, 4), (4, 7), (7, 10)]),
    "FreshChunks.initial_state": (lambda: FreshChunks.initial_state(100, queries=4).chunks, 4),
    "Rounds.initial_state": (lambda: Rounds.initial_state(100, queries=10, rounds=2).chunks, 2),
    "Rounds.next_round": (
        lambda: Rounds.next_round(Rounds.initial_state(100, queries=10, rounds=1)).exhausted,
        "all 1 chunks have been used.",
    ),
    # mechanisms.counted
    "GuessAndCheck.initial_state": (lambda: GuessAndCheck.initial_state(1000, queries=10).t, 1.0),
    "DescriptionLength.initial_state": (
        lambda: DescriptionLength.initial_state(10_000, queries=100).cells,
        26,
    ),
    "SparseValidate.initial_state": (
        lambda: SparseValidate.initial_state(1000, queries=10).remaining,
        {"queries": 10, "failures": 10},
    ),
    # mechanisms.heuristic
    "ThresholdoutScience.initial_state": (lambda: ThresholdoutScience.initial_state(10_000).threshold, 0.04),
    "Sparse.initial_state": (lambda: Sparse.initial_state(10_000).failures, 10),
    "EffectiveRounds.initial_state": (lambda: EffectiveRounds.initial_state(400, rounds=3).chunks, 4),
    # mechanisms.ladder
    "Ladder.initial_state": (lambda: Ladder.initial_state(10_000, queries=100).steps, 52),
    # mechanisms.noisy
    "gaussian_optimum": (
        lambda: round(gaussian_optimum(10_000, 100, math.log(0.05), "rogers2020").half_width, 4),
        0.247,
    ),
    "Gaussian.initial_state": (lambda: round(Gaussian.initial_state(1000, queries=10).sigma, 4), 0.0338),
    "pure_dp_to_mu": (lambda: round(pure_dp_to_mu(0.1), 4), 0.1253),
    "Thresholdout.initial_state": (
        lambda: Thresholdout.initial_state(10_000, queries=100, tolerance=0.1).proved,
        False,
    ),
    # mechanisms.winner
    "Argmax.initial_state": (lambda: Argmax.initial_state(10_000, queries=5, candidates=20).candidates, 20),
    # widths.counting
    "log_binomial": (lambda: round(math.exp(log_binomial(5, 2))), 10),
    "log_position_weight": (
        lambda: round(sum(math.exp(log_position_weight(t)) for t in range(20_000)), 3),
        1.0,
    ),
    "log_full_nodes": (lambda: round(math.exp(log_full_nodes(3, 10))), 111),
    "log_argmax_nodes": (lambda: round(math.exp(log_argmax_nodes(2, 3, 4))), 39),
    "log_ladder_nodes": (lambda: round(math.exp(log_ladder_nodes(2, 3))), 5),
    # widths.gaussian
    "tail_quantile_of_maximum": (lambda: round(tail_quantile_of_maximum(1, math.log(0.05)), 4), 1.96),
    "tail_mean_of_maximum": (lambda: round(tail_mean_of_maximum(100, math.log(0.05)), 4), 3.73),
    "gaussian_dp_mu": (lambda: gaussian_dp_mu(100, 25, 0.05), 1.0),
    "gaussian_dp_delta": (lambda: round(gaussian_dp_delta(0.5, 1.0), 6), 0.238422),
    "gaussian_dp_bias": (lambda: round(gaussian_dp_bias(0.1, math.log(0.05)), 6), 0.116469),
    "stability_bias": (lambda: round(stability_bias(1001, 100, 0.05, math.log(0.04)), 6), 0.25),
    "tight_half_width": (lambda: round(tight_half_width(10_000, 100, 0.0173139, math.log(0.05)), 4), 0.1292),
    "grid_cell": (lambda: grid_cell(1.0), 0.015625),
    # widths.half_widths
    "best_integer": (lambda: best_integer(lambda m: 1 / (2 * m) + 0.001 * m, 2, 4000), 22),
    "nonadaptive_width": (lambda: round(nonadaptive_width(1000, 10, math.log(0.05)), 4), 0.0547),
    "fresh_chunk_width": (lambda: round(fresh_chunk_width(1000, 10, math.log(0.05)), 4), 0.1727),
    "log_independent_level": (lambda: round(math.exp(log_independent_level(2, math.log(0.19))), 6), 0.1),
    "rounds_width": (lambda: round(rounds_width(10_000, 100, 2, math.log(0.05)), 4), 0.0288),
    "sparse_validate_width": (lambda: round(sparse_validate_width(1000, 10, 0, math.log(0.05)), 4), 0.0812),
    "ladder_width": (lambda: round(ladder_width(10_000, 100, math.log(0.05)).half_width, 4), 0.0897),
    "argmax_width": (lambda: round(argmax_width(10_000, 5, 20, math.log(0.05)).half_width, 4), 0.0471),
    "thresholdout_width": (lambda: round(thresholdout_width(1000, 10, 10, math.log(0.05)), 2), 10.13),
    # widths.counts
    "hoeffding_half_width": (lambda: round(hoeffding_half_width(1000, math.log(0.05)), 4), 0.0429),
    "kl_divergence": (lambda: round(kl_divergence(0.5, 0.25), 4), 0.1438),
    "kl_interval": (
        lambda: [round(end, 4) for end in kl_interval(0.95, 10_000, math.log(0.05))],
        [0.9439, 0.9557],
    ),
    "clopper_pearson": (
        lambda: [round(end, 4) for end in clopper_pearson(9, 10, math.log(0.05))],
        [0.555, 0.9975],
    ),
    "predictable_stakes": (
        lambda: predictable_stakes(np.array([0.5, 0.5]), 1.0),
        np.array([2.0, math.sqrt(8.0)]),
    ),
    "log_capital": (lambda: round(log_capital(np.array([1.0, 1.0]), np.array([1.0, 1.0]), 0.5), 4), 0.8109),
    # widths.published
    "zcdp_log_delta": (lambda: round(zcdp_log_delta(1.0, 0.01), 3), -26.233),
    "rogers_optimum": (lambda: round(rogers_optimum(10_000, 100, math.log(0.05)).half_width, 4), 0.247),
    "jung_optimum": (lambda: round(jung_optimum(10_000, 100, math.log(0.05)).half_width, 4), 0.2812),
    "bassily_optimum": (lambda: round(bassily_optimum(10_000, 100, math.log(0.05)).half_width, 4), 0.4356),
}


@pytest.mark.parametrize("name", WORKED)
def test_a_worked_number(name) -> None:
    compute, expected = WORKED[name]
    if isinstance(expected, np.ndarray):
        np.testing.assert_allclose(compute(), expected, rtol=1e-12)
    else:
        assert compute() == expected


def test_in_class_order() -> None:
    probabilities = np.array([[0.25, 0.75]])
    assert in_class_order(probabilities, as_metric("brier"), np.array([0, 1, 2]), own=[0, 2]).tolist() == [
        [0.25, 0.0, 0.75]
    ]


def test_lent() -> None:
    kept = np.arange(3.0)
    lent(kept)[:] = 0
    assert kept.tolist() == [0.0, 1.0, 2.0]


def test_declared_alike() -> None:
    declared = Declaration(
        n=100,
        queries=5,
        overfits=None,
        rounds=None,
        mechanism="gaussian",
        confidence_level=0.95,
        analysis="tight",
    )
    assert declared_alike({"declared": asdict(declared)}, declared)
    assert not declared_alike({"declared": {**asdict(declared), "analysis": "jung2020"}}, declared)
    assert not declared_alike({}, declared)
    more = {"declared": {**asdict(declared), "n": 130}}
    assert not declared_alike(more, declared)
    assert declared_alike({**more, "sizes": [100, 130]}, declared)  # rows joined


def test_receipt() -> None:
    receipt = Receipt("0" * 32, 3, "a" * 64)
    assert Receipt.parse(str(receipt)) == receipt


def test_holdout_fingerprint() -> None:
    X = np.arange(6.0).reshape(3, 2)
    a = holdout_fingerprint(b"key", [keyed_row_digests(b"key", X)])
    b = holdout_fingerprint(b"key", [keyed_row_digests(b"key", X[::-1])])
    assert a == b


def test_counter_generator() -> None:
    a, b = (counter_generator(b"secret", 7).normal() for _ in range(2))
    assert (a == b, a == counter_generator(b"secret", 8).normal()) == (True, False)


def test_node_interval() -> None:
    low, high = node_interval(0.5, 0.55, 5000, math.log(0.01), "hoeffding")
    assert (round(low, 4), round(high, 4)) == (0.477, 0.573)


def test_fresh_chunks() -> None:
    state = FreshChunks.initial_state(100, queries=2)
    state, release = FreshChunks.step(state, [1.0] * 50 + [0.0] * 50)
    assert release.value == 1.0


def test_rounds() -> None:
    state = Rounds.initial_state(100, queries=10, rounds=2)
    state, first = Rounds.step(state, [1.0] * 50 + [0.0] * 50)
    state, second = Rounds.step(Rounds.next_round(state), [1.0] * 50 + [0.0] * 50)
    assert (first.value, second.value) == (1.0, 0.0)


def test_guess_and_check() -> None:
    state = GuessAndCheck.initial_state(10_000, queries=100, failures=5)
    state, release = GuessAndCheck.step(state, np.arange(10_000) < 8100, guess=0.80)
    assert (release.passed, release.value, release.source) == (True, 0.8, "guess")


def test_description_length() -> None:
    state = DescriptionLength.initial_state(1000, queries=10)
    state, release = DescriptionLength.step(state, 0.5)
    assert (state.cells, round(release.value, 3), release.source) == (29, 0.5, "holdout")


def test_sparse_validate() -> None:
    state = SparseValidate.initial_state(1000, queries=10, failures=3)
    state, release = SparseValidate.step(state, 0.9, guess=0.8)
    assert (release.passed, release.value, release.low) == (True, None, 0.8)


def test_thresholdout_science() -> None:
    state = ThresholdoutScience.initial_state(10_000)
    state, release = ThresholdoutScience.step(state, 0.50, guess=0.52, noise=lambda role, law: 0.0)
    assert (release.value, release.certified) == (0.52, False)


def test_sparse() -> None:
    state = Sparse.initial_state(10_000, overfits=1)
    state, release = Sparse.step(state, 0.5, guess=0.7, noise=lambda role, law: 0.0)
    assert (release.value, state.exhausted) == (0.5, "the budget of 1 answers from the holdout is spent.")


def test_sparse_comparison() -> None:
    state = Sparse.initial_state(100)
    assert sparse_comparison(state, 1.0, lambda role, law: 0.0)[1]


def test_effective_rounds() -> None:
    state = EffectiveRounds.initial_state(400, rounds=3)
    rows = [1.0] * 100 + [0.5] * 300
    state, release = EffectiveRounds.step(state, rows, noise=lambda role, law: 0.0)
    assert (release.value, state.current) == (0.5, 1)


def test_ladder() -> None:
    state = Ladder.initial_state(1000, queries=10, step=0.02)
    state, release = Ladder.step(state, 0.477336)
    assert (release.value, release.passed) == (0.48, True)
    state, release = Ladder.step(state, 0.463427)
    assert (release.value, release.passed) == (0.48, False)


def test_gaussian() -> None:
    state = Gaussian.initial_state(10_000, queries=100)
    state, release = Gaussian.step(state, 0.5, noise=lambda role, law: 1.0)
    assert (round(release.value, 2), round(release.half_width, 3), release.source) == (0.52, 0.129, "noisy")


def test_thresholdout() -> None:
    state = Thresholdout.initial_state(10**8, queries=100, overfits=2)
    state, release = Thresholdout.step(state, 0.5, guess=0.9, noise=lambda role, law: 0.0)
    assert (release.value, release.passed, release.certified, state.remaining["failures"]) == (
        0.5,
        False,
        True,
        1,
    )


def test_argmax() -> None:
    state = Argmax.initial_state(1000, queries=5, candidates=3)
    state, release = Argmax.step(state, [0.7, 0.8, 0.6])
    assert (release.winner, release.low < 0.8 < release.high) == (1, True)


def test_paid_betting_e_value() -> None:
    rows = np.tile([1.0, 1.0, 1.0, 0.0], 100)
    tuned = paid_betting_e_value(rows, 0.5, nats=30.0, log_target=math.log(20.0))
    assert tuned > 20 > kraft_e_value(betting_e_value(rows, 0.5), 30.0)


def test_tight_optimum() -> None:
    best = tight_optimum(10_000, 100, math.log(0.05))
    assert (round(best.half_width, 6), round(best.sigma, 6)) == (0.129161, 0.017314)


def test_mixed_half_width() -> None:
    plain = tight_half_width(10_000, 100, 0.0173, math.log(0.05))
    mixed = mixed_half_width(math.log(0.05) - 10.0, 10_000, 100, 0.0173, 0.01)
    assert mixed > plain


def test_description_length_width() -> None:
    width = description_length_width(1000, 10, math.log(0.05))
    assert (round(width.half_width, 4), width.cells) == (0.1477, 29)


def test_thresholdout_rows() -> None:
    rows = thresholdout_rows(0.1, 100, 10, math.log(0.05))
    assert (rows, round(thresholdout_width(rows, 100, 10, math.log(0.05)), 6)) == (13804335, 0.1)


def test_kl_bounds() -> None:
    low, high = kl_bounds(0.5, 1000, 5.0)
    assert (round(low, 8), round(high, 8)) == (0.45012474, 0.54987526)


def test_betting_interval() -> None:
    rows = np.tile([0.4, 0.5, 0.6], 300)
    low, high = betting_interval(rows, math.log(0.05))
    assert (low <= 0.5 <= high, high - low < hoeffding_half_width(900, math.log(0.05))) == (True, True)
