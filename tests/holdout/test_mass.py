"""The mass of a ledger: exact sums over the tree of releases, on fractions, and the codes of outcomes."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import pytest

from tests.oracles.holdout_mass import (
    bit_kind,
    coded_kind,
    free_kind,
    guess_kind,
    side_kind,
    stated_sum,
    uniform_kind,
    user_code_kind,
    worst_sum,
)
from validstats.holdout.widths import (
    BitCode,
    GuessAllocation,
    log_board_outcome,
    log_cell_code,
    log_coded_outcome,
    log_coded_share,
    log_distance_code,
    log_near_code,
    log_side_outcome,
    log_side_share,
)

GUESS = (guess_kind(5, 5, Fraction(2, 5)), (5, 5))
KINDS = {
    "guess": GUESS,
    "without guesses": (free_kind(4, 4, Fraction(1, 2)), (4, 4, -1)),
    "few failures": (guess_kind(6, 2, Fraction(1, 2)), (6, 2)),
    "coded": (coded_kind(4), 4),
    "bit": (bit_kind(), (0, 0)),
    "side": (side_kind(5), 0),
    "user code": (user_code_kind(GUESS[0]), (5, 5)),
}
DEPTH = 6


@pytest.mark.share(5)
@pytest.mark.parametrize("names", list(itertools.combinations_with_replacement(KINDS, 2)), ids="+".join)
def test_statements_of_any_pair_of_kinds_share_one_alpha(names: tuple[str, str]) -> None:
    kinds, starts = zip(*(KINDS[name] for name in names), strict=True)
    total, at_a_node = worst_sum(kinds, starts, DEPTH)
    assert at_a_node <= 1
    assert total <= 1
    assert 0 < stated_sum(kinds, starts, DEPTH) <= 1


@pytest.mark.parametrize(
    "names",
    [
        ("guess", "coded", "bit"),
        ("guess", "side", "bit"),
        ("guess", "without guesses", "side"),
        ("few failures", "coded", "side"),
    ],
    ids="+".join,
)
def test_statements_of_triples_share_one_alpha(names: tuple[str, ...]) -> None:
    kinds, starts = zip(*(KINDS[name] for name in names), strict=True)
    total, at_a_node = worst_sum(kinds, starts, DEPTH)
    assert at_a_node <= 1 and total <= 1


def test_the_old_rule_is_noticed() -> None:
    total, at_a_node = worst_sum((uniform_kind(5),), ((5, False),), 1)
    assert at_a_node == Fraction(1, 5) + Fraction(4, 5) + Fraction(4, 5)
    assert total == at_a_node
    # with a second mechanism that goes on after the first refused, its statements alone exceed alpha
    kinds, starts = (uniform_kind(5), uniform_kind(5)), ((5, False), (5, False))
    assert stated_sum(kinds, starts, DEPTH) > 1


def test_a_share_that_is_one_percent_too_large_is_noticed() -> None:
    mutant = guess_kind(5, 5, Fraction(2, 5), kappa=Fraction(101, 100))
    total, at_a_node = worst_sum((mutant,), ((5, 5),), DEPTH)
    assert at_a_node > 1 and total > 1


@pytest.mark.parametrize(
    ("queries", "failures", "weight"),
    [(5, 5, Fraction(2, 5)), (6, 2, Fraction(1, 2)), (7, 1, Fraction(1)), (1, 1, Fraction(1))],
)
def test_shares_are_those_of_the_recursion_on_fractions(
    queries: int, failures: int, weight: Fraction
) -> None:
    asks = guess_kind(queries, failures, weight, cells=1)
    plan = GuessAllocation(queries, failures, float(weight))
    for r in range(1, queries + 1):
        for g in range(1, failures + 1):
            ((s, outcomes),) = asks((r, g))
            assert math.exp(plan.log_share(r, g)) == pytest.approx(float(s), rel=1e-12)
            assert math.exp(plan.log_pass(r, g)) == pytest.approx(float(outcomes[0][0]), rel=1e-12)
            assert math.exp(plan.log_fail(r, g)) == pytest.approx(float(outcomes[1][0]), rel=1e-12)


def test_prices_of_the_method() -> None:
    # ln R(20, 20) = 4.05 and ln R(100, 100) = ln 312, the reserve of 1 % beside them
    assert -GuessAllocation(20).log_share(20, 20) == pytest.approx(math.log(57.27) + 0.01005, abs=2e-3)
    assert -GuessAllocation(100).log_share(100, 100) == pytest.approx(math.log(312.2) + 0.01005, abs=2e-3)


def test_no_failure_is_one_failure() -> None:
    assert GuessAllocation(20, 0) == GuessAllocation(20, 1)


@pytest.mark.parametrize("queries", [1, 2, 50, 3000])
@pytest.mark.parametrize("failures", [None, 1, 4, 40])
def test_shares_add_up_to_one_for_many_questions(queries: int, failures: int | None) -> None:
    plan = GuessAllocation(queries, failures)
    r, g = plan.start
    for left in {r, max(r // 2, 1), 1}:
        total = (
            math.exp(plan.log_share(left, g))
            + math.exp(plan.log_pass(left, g))
            + math.exp(plan.log_fail(left, g))
        )
        assert total == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize(("below", "above"), [(0, 1), (1, 0), (3, 0), (2, 5), (40, 40)])
def test_cells_of_a_failed_guess_have_a_code(below: int, above: int) -> None:
    cells = [*range(-below, 0), *range(1, above + 1)]
    assert sum(math.exp(log_cell_code(c, below, above)) for c in cells) == pytest.approx(1.0, abs=1e-12)
    with pytest.raises(ValueError, match="not among"):
        log_cell_code(above + 1, below, above)


@pytest.mark.parametrize("length", [1, 4, pytest.param(9, marks=pytest.mark.slow)])
def test_bits_of_every_length_have_a_code(length: int) -> None:
    total = 0.0
    for bits in itertools.product((False, True), repeat=length):
        code, log_p = BitCode(), 0.0
        for bit in bits:
            log_p += code.log_probability(bit)
            code = code.after(bit)
        total += math.exp(log_p)
    assert total == pytest.approx(1.0, abs=1e-12)


def test_a_keep_among_twenty_costs_some_four_nats() -> None:
    code, nats = BitCode(), 0.0
    for i in range(1000):
        nats -= code.log_probability(i % 20 == 0)
        code = code.after(i % 20 == 0)
    assert 3.5 < nats / 50 < 4.4


def test_a_probability_that_is_handed_in_is_clipped() -> None:
    for p in (-1.0, 0.0, 0.3, 1.0):
        total = sum(math.exp(BitCode().log_probability(bit, p)) for bit in (False, True))
        assert total == pytest.approx(1.0)
    assert BitCode().log_probability(True, 0.0) == pytest.approx(math.log(0.001))


def test_codes_of_outcomes_add_up_to_at_most_one() -> None:
    for left in (1, 3, 20):
        s = math.exp(log_coded_share(left))
        outcomes = sum(math.exp(log_coded_outcome(left, d, e)) for d in range(-3000, 3001) for e in range(8))
        assert s + outcomes <= 1.0 + 1e-12 and s + outcomes > 0.999
    assert sum(math.exp(log_distance_code(j)) for j in range(-5000, 5001)) == pytest.approx(1.0, abs=1e-3)
    for near in ((), (3,), (0, 99), (40, 44)):
        assert 0.6 < sum(math.exp(log_near_code(v, near, 100)) for v in range(100)) <= 1.0 + 1e-12
    sets = sum(math.comb(6, t) * math.exp(log_board_outcome(6, t)) for t in range(7))
    assert math.exp(log_side_share()) + sets * math.exp(log_side_outcome(0.0)) == pytest.approx(1.0)
