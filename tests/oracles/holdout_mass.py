"""Slow, obvious twins: the tree of releases on fractions, and exact laws by enumeration."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from typing import Any

State = Any
Ask = tuple[Fraction, list[tuple[Fraction, State]]]
Kind = Callable[[State], list[Ask]]

RESERVE = Fraction(1, 100)
SIDE = Fraction(1, 10)


def guess_kind(
    queries: int, failures: int, weight: Fraction, cells: int = 2, kappa: Fraction = Fraction(1)
) -> Kind:
    """Guess-coded answers; ``kappa`` multiplies what is kept after a pass, for a test of the test."""

    @cache
    def counts(r: int, g: int) -> tuple[Fraction, Fraction]:
        if r == 0 or g == 0:
            return Fraction(0), Fraction(1)
        passed, failed = counts(r - 1, g), counts(r - 1, g - 1)
        return 1 + passed[0] + weight * failed[0], passed[1] + weight * failed[1]

    whole, closed = counts(queries, failures)
    rho = RESERVE / (1 - RESERVE) * whole / closed

    def volume(r: int, g: int) -> Fraction:
        return counts(r, g)[0] + rho * counts(r, g)[1]

    def asks(state: tuple[int, int]) -> list[Ask]:
        r, g = state
        if r == 0 or g == 0:
            return [(Fraction(0), [(Fraction(1), state)])]  # refused by a count: free, and no statement
        here = volume(r, g)
        outcomes = [(kappa * volume(r - 1, g) / here, (r - 1, g))]
        outcomes += [(weight * volume(r - 1, g - 1) / here / cells, (r - 1, g - 1))] * cells
        return [(1 / here, outcomes)]

    return asks


def coded_kind(queries: int) -> Kind:
    """Answers that follow the variance: ``s = .99 / r``, cells near and far."""

    def asks(left: int) -> list[Ask]:
        if left == 0:
            return [(Fraction(0), [(Fraction(1), 0)])]
        s = (1 - RESERVE) / left
        return [
            (s, [((1 - s) * part, left - 1) for part in (Fraction(8, 10), Fraction(1, 10), Fraction(1, 10))])
        ]

    return asks


def free_kind(queries: int, failures: int, weight: Fraction, cells: int = 5) -> Kind:
    """Answers without a guess: the share of a guess-coded one, and cells that are coded around the one before."""
    guesses = guess_kind(queries, failures, weight)

    def near(d: int) -> Fraction:
        close = Fraction(1, 2) if d == 0 else Fraction(1, 2 * (abs(d) + 1) * (abs(d) + 2))
        return Fraction(9, 10) * close + Fraction(1, 10 * cells)

    def asks(state: tuple[int, int, int]) -> list[Ask]:
        r, g, last = state
        if r == 0 or g == 0:
            return [(Fraction(0), [(Fraction(1), state)])]
        s = guesses((r, g))[0][0]
        code = [Fraction(1, cells)] * cells if last < 0 else [near(j - last) for j in range(cells)]
        return [(s, [((1 - s) * code[j], (r - 1, g, j)) for j in range(cells)])]

    return asks


def bit_kind() -> Kind:
    """A bit of the gate by one estimator that counts, and a certificate that takes half."""

    def asks(state: tuple[int, int]) -> list[Ask]:
        keeps, discards = state
        total = keeps + discards + 1
        keep = (keeps + Fraction(1, 5)) / total
        bit = (Fraction(0), [(keep, (keeps + 1, discards)), (1 - keep, (keeps, discards + 1))])
        return [bit, (Fraction(1, 2), [(Fraction(1, 2), state)])]

    return asks


def side_kind(outcomes: int) -> Kind:
    """A release beside the plan: a tenth for its statement, the rest divided by the code of its outcome."""

    def asks(state: int) -> list[Ask]:
        return [(SIDE, [((1 - SIDE) / outcomes, state)] * outcomes)]

    return asks


def user_code_kind(inner: Kind) -> Kind:
    """A function of the user's on top of another kind: "error" is an outcome of its own, and counts as asked."""

    def asks(state: State) -> list[Ask]:
        found = []
        for s, outcomes in inner(state):
            ok, error = Fraction(999, 1000), Fraction(1, 1000)
            found.append(
                (ok * s, [(ok * kappa, after) for kappa, after in outcomes] + [(error, outcomes[-1][1])])
            )
        return found

    return asks


def uniform_kind(queries: int) -> Kind:
    """The rule that was used before: weight 1 / k at each node, the refusal after a failure unpaid, others go on."""

    def asks(state: tuple[int, bool]) -> list[Ask]:
        left, refused = state
        if left == 0 or refused:
            return [(Fraction(0), [(Fraction(1), state)])]
        kept = Fraction(left - 1, queries)  # weight of the answers that are still to come
        return [(Fraction(1, queries), [(kept, (left - 1, False)), (kept, (left - 1, True))])]

    return asks


def worst_sum(kinds: tuple[Kind, ...], starts: tuple[State, ...], depth: int) -> tuple[Fraction, Fraction]:
    """Largest ``sum M s`` over all trees of a depth, and the largest ``s + sum kappa`` met at a node.

    What is left at the end counts as well: it is what later statements may still use.
    """
    largest = Fraction(0)

    @cache
    def total(states: tuple[State, ...], left: int) -> Fraction:
        nonlocal largest
        if left == 0:
            return Fraction(1)
        best = Fraction(0)
        for i, kind in enumerate(kinds):
            for s, outcomes in kind(states[i]):
                largest = max(largest, s + sum(kappa for kappa, _ in outcomes))
                value = s + sum(
                    kappa * total((*states[:i], after, *states[i + 1 :]), left - 1)
                    for kappa, after in outcomes
                )
                best = max(best, value)
        return best

    return total(starts, depth), largest


def stated_sum(kinds: tuple[Kind, ...], starts: tuple[State, ...], depth: int) -> Fraction:
    """Largest ``sum M s`` of the statements alone, what is left at the end not counted."""

    @cache
    def total(states: tuple[State, ...], left: int) -> Fraction:
        if left == 0:
            return Fraction(0)
        return max(
            s
            + sum(
                kappa * total((*states[:i], after, *states[i + 1 :]), left - 1) for kappa, after in outcomes
            )
            for i, kind in enumerate(kinds)
            for s, outcomes in kind(states[i])
        )

    return total(starts, depth)


def paired_miss(n: int, p10: float, p01: float, lower: Callable[[int, int], float]) -> float:
    """Exact probability that a lower bound of ``p10 - p01`` lies above it, by all outcomes of n rows."""
    miss = 0.0
    for a, b in itertools.product(range(n + 1), repeat=2):
        if a + b > n:
            continue
        log_p = math.lgamma(n + 1) - math.lgamma(a + 1) - math.lgamma(b + 1) - math.lgamma(n - a - b + 1)
        for count, p in ((a, p10), (b, p01), (n - a - b, 1 - p10 - p01)):
            log_p += count * math.log(p) if count else 0.0
        if lower(a, b) > p10 - p01:
            miss += math.exp(log_p)
    return miss


def capital(values: list[float], mean: float, stakes: list[float]) -> float:
    """Average over stakes of the product of ``1 + lam (x - m)``, one row after the other."""
    total = 0.0
    for stake in stakes:
        lam = min(stake, 0.95 / mean) if mean > 0 else stake
        product = 1.0
        for x in values:
            product *= 1.0 + lam * (x - mean)
        total += product
    return total / len(stakes)
