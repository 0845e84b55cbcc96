"""Simulated coverage of every certified mechanism under adaptive attack: all answers together, 200 seeds.

Labels are fair coins, so the truth of every query is 1/2. Queries are bits of a random pattern and the majority vote of
those that scored well: rows fall into ``2^k`` cells, whose counts are multinomial, so that the attack is simulated
exactly in law for any number of rows.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.experiments.ladders import ParameterFreeLadder
from validstats.holdout import ReusableHoldout, betting_e_value
from validstats.holdout.mechanisms import Rounds, SparseValidate, mechanism
from validstats.holdout.widths import clopper_pearson, nonadaptive_width, tight_half_width, tight_optimum
from validstats.validity import binomial_acceptance
from validstats.validity.adaptive import GuardedHoldout, NaiveHoldout, hill_climb, sign_aggregation
from validstats.validity.freedman import freedman

pytestmark = pytest.mark.validity

SEEDS = 200
BITS = 8


class Patterns:
    """A holdout of n rows that matters only through how many rows show each pattern of right and wrong answers."""

    def __init__(self, n: int, rng: np.random.Generator, bits: int = BITS) -> None:
        self.n = n
        self.bits = bits
        self.correct = (np.arange(2**bits)[:, None] >> np.arange(bits)) & 1
        self.counts = rng.multinomial(n, np.full(2**bits, 2.0**-bits))

    def query(self, index: int) -> np.ndarray:
        """Values of the query on the cells."""
        return self.correct[:, index].astype(float)

    def vote(self, signs: np.ndarray) -> np.ndarray:
        """Values, on the cells, of the majority of some queries and of the opposites of others; 1/2 for a tie."""
        return 0.5 + 0.5 * np.sign((2 * self.correct - 1) @ signs)

    def values(self, query: np.ndarray, rows: bool, rng: np.random.Generator):
        """The mean, or per-row values in an order fixed by the data alone."""
        if not rows:
            return float(query @ self.counts) / self.n
        return np.repeat(query, self.counts)[self.order(rng)]

    def order(self, rng: np.random.Generator) -> np.ndarray:
        """A shuffle of the rows, the same for every query."""
        if not hasattr(self, "_order"):
            self._order = rng.permutation(self.n)
        return self._order


def attack(name: str, n: int, declarations: dict, rng: np.random.Generator) -> tuple[bool, float]:
    """Ask every bit, then the vote of the well-scoring ones: whether all intervals cover 1/2, and the vote's answer."""
    sample, kind = Patterns(n, rng), mechanism(name)
    form = declarations.get("form", "plain")
    state = kind.initial_state(n, **{key: value for key, value in declarations.items() if key != "form"})
    guess = {"no guess": None, "values without a guess": None}.get(
        form, 0.4 if name == "sparse_validate" else 0.5
    )
    signs, covered, last = np.zeros(BITS), True, 0.5

    def noise(role: str, law: str) -> float:
        return float(rng.normal() if law == "normal" else rng.laplace())

    for step in range(BITS + 1):
        query = sample.query(step) if step < BITS else sample.vote(signs + 1e-9)
        if kind.counts and not form.startswith("values"):  # a count has no halves: ties go with the first bit
            query = np.where(query == 0.5, sample.query(0), query)
        if name in ("ladder", "parameter_free_ladder"):
            query = 1.0 - query
        if name == "argmax":
            pair = np.array([query, 1.0 - query]) @ sample.counts / n
            state, release = kind.step(state, pair)
        else:
            values = sample.values(query, kind.needs_rows, rng)
            if kind.counts:  # shares as truth values; other values have the same mean and half the spread
                values = 0.25 + 0.5 * values if form.startswith("values") else values > 0.5
            state, release = kind.step(state, values, guess=guess, noise=noise)
        if name == "rounds" and step == BITS - 1:
            state = Rounds.next_round(state)
        if release.low is not None:
            covered &= release.low - 1e-12 <= 0.5 <= release.high + 1e-12
        if step < BITS:
            if name == "argmax":
                signs[step] = 1.0 - 2.0 * release.winner
            elif release.value is not None and release.value != 0.5:
                signs[step] = np.sign(release.value - 0.5)
            elif release.passed is not None:
                signs[step] = 1.0 if release.passed else -1.0
        elif release.value is not None:
            last = release.value
    return covered, last


CASES = [
    ("description_length", 400, {"queries": BITS + 1}),
    ("description_length", 4_000, {"cells": 50}),
    ("gaussian", 400, {"queries": BITS + 1}),
    ("gaussian", 4_000, {"queries": BITS + 1, "analysis": "rogers2020"}),
    ("gaussian", 4_000, {"queries": BITS + 1, "analysis": "jung2020"}),
    ("gaussian", 4_000, {"queries": BITS + 1, "analysis": "bassily2016"}),
    ("thresholdout", 10**8, {"queries": BITS + 1, "overfits": 2}),
    ("sparse_validate", 100, {"queries": BITS + 1, "failures": 3}),
    ("rounds", 400, {"queries": BITS + 1, "rounds": 2}),
    ("fresh_chunks", 450, {"queries": BITS + 1}),
    ("ladder", 400, {"queries": BITS + 1}),
    ("ladder", 400, {"queries": BITS + 1, "step": 0.02, "baseline": 0.5}),
    ("parameter_free_ladder", 400, {"queries": BITS + 1, "max_improvements": 3}),
    ("argmax", 400, {"queries": BITS + 1, "candidates": 2}),
    ("guess_and_check", 400, {"queries": BITS + 1}),
    # no gap and cells of half a standard error: every answer tells its sign
    ("guess_and_check", 401, {"queries": BITS + 1, "t": 1e-9, "c": 0.5}),
    (
        "guess_and_check",
        401,
        {"queries": BITS + 1, "failures": 3, "t": 1e-9, "c": 0.5, "failure_weight": 0.5},
    ),
    ("guess_and_check", 400, {"queries": BITS + 1, "form": "no guess"}),
    ("guess_and_check", 400, {"queries": BITS + 1, "form": "values"}),
    ("guess_and_check", 400, {"queries": BITS + 1, "form": "values without a guess"}),
]


@pytest.mark.parametrize(("name", "n", "declarations"), CASES, ids=lambda value: str(value).replace(" ", ""))
def test_all_answers_are_covered(name, n, declarations) -> None:
    rng = np.random.default_rng(20_26)
    covered = sum(attack(name, n, declarations, rng)[0] for _ in range(SEEDS))
    assert binomial_acceptance(covered, SEEDS, 0.95).accepted


def test_every_certified_mechanism_is_simulated() -> None:
    from validstats.holdout.mechanisms import MECHANISMS

    ours = [
        kind for kind in MECHANISMS.values() if kind.__module__.split(".")[0] in ("validstats", "benchmarks")
    ]
    certified = {kind.name for kind in ours if kind.certified}
    # a single look has nothing to adapt to: its interval is Clopper and Pearson's, which is enumerated elsewhere
    assert certified == {name for name, _, _ in CASES} | {"single_look"}


def test_guess_and_check_at_a_level_that_pays_for_nothing_is_noticed() -> None:
    """The same attack through the cells, with the interval that each answer would have if it were the only one."""
    rng, covered = np.random.default_rng(6), 0
    settings = {"queries": BITS + 1, "t": 1e-9, "c": 0.5}
    kind = mechanism("guess_and_check")
    for _ in range(SEEDS):
        sample, state, signs, good = (
            Patterns(401, rng),
            kind.initial_state(401, **settings),
            np.zeros(BITS),
            True,
        )
        for step in range(BITS + 1):
            query = sample.query(step) if step < BITS else sample.vote(signs + 1e-9)
            query = np.where(query == 0.5, sample.query(0), query)
            values = sample.values(query, True, rng) > 0.5
            state, release = kind.step(state, values, guess=0.5)
            low, high = clopper_pearson(int(values.sum()), 401, math.log(0.05))
            good &= low <= 0.5 <= high
            if step < BITS:
                signs[step] = np.sign(release.value - 0.5)
        covered += good
    assert not binomial_acceptance(covered, SEEDS, 0.95).accepted
    assert covered < 0.5 * SEEDS


def signed_day(clusters: bool, n: int, asked: int, rng: np.random.Generator) -> tuple[bool, float]:
    """Signs through the estimator itself: random labelings, then their vote, as a pair with a fixed one or in clusters.

    Labels are fair coins; in clusters of five rows labels and labelings are alike, and half of the labelings of a pair
    are those of the fixed one. Returns whether all intervals cover, and the excess of the vote of a search that was told
    the exact scores.
    """
    copies = 5 if clusters else 1
    y, fixed = rng.integers(0, 2, n), rng.integers(0, 2, n)
    unit = np.repeat(np.arange(n), copies)
    holdout = ReusableHoldout(queries=asked + 1).calibrate(
        rng.random((n * copies, 1)), y[unit], clusters=unit if clusters else None
    )
    votes, good = np.zeros(n), True
    for step in range(asked + 1):
        trial = np.where(votes > 0, 1, 0) if step == asked else rng.integers(0, 2, n)
        if clusters:
            answer, truth = holdout.infer(trial[unit], guess=0.5), 0.5
        else:
            answer, truth = holdout.compare(trial, fixed), 0.0
        good &= answer.conf_low <= truth <= answer.conf_high
        votes += (2 * trial - 1) * np.sign(answer.value - truth)
    labelings = rng.integers(0, 2, (5 * asked, n))
    base = 0.5 if clusters else (fixed == y).mean()
    told = np.sign((labelings == y).mean(axis=1) - base) @ (2 * labelings - 1)
    naive = np.where(told == 0, rng.integers(0, 2, n), told > 0)
    return good, float((naive == y).mean() - base)


@pytest.mark.parametrize(
    ("clusters", "n", "asked", "runs"), [(False, 60, 8, 60), (True, 100, 12, 100)], ids=["pairs", "clusters"]
)
def test_pairs_and_clusters_are_covered_under_sign_attack(clusters, n, asked, runs) -> None:
    rng = np.random.default_rng(31)
    found = [signed_day(clusters, n, asked, rng) for _ in range(runs)]
    assert binomial_acceptance(sum(good for good, _ in found), runs, 0.95).accepted
    # what the plain interval of the vote would have said: for pairs with half of the rows discordant, for clusters with
    # every row counted as one of its own
    error = math.sqrt(0.5 / n) if not clusters else 0.5 / math.sqrt(5 * n)
    plain = sum(abs(vote) <= 1.96 * error for _, vote in found)
    assert not binomial_acceptance(plain, runs, 0.95).accepted


def test_the_simulation_notices_intervals_that_are_too_narrow() -> None:
    """The same attack, with the half-width that would hold for queries fixed beforehand, on a naive holdout."""
    rng, k = np.random.default_rng(1), 400
    width = nonadaptive_width(k, k + 1, math.log(0.05))
    covered = 0
    for _ in range(SEEDS):
        labels = rng.integers(0, 2, k)
        covered += abs(sign_aggregation(NaiveHoldout(labels), k, k, rng).released - 0.5) <= width
    assert not binomial_acceptance(covered, SEEDS, 0.95).accepted
    assert covered < 0.05 * SEEDS


def majority_score(right: np.ndarray, signs: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Which rows the majority of labelings gets right, where each is turned over by its sign; ties are coins."""
    signs = signs.astype(np.float32)
    vote = 2.0 * (signs @ right.astype(np.float32)) - signs.sum()
    return np.where(vote == 0, rng.random(right.shape[1]) < 0.5, vote > 0).astype(float)


def aggregated(
    name: str, n: int, k: int, declarations: dict, rng: np.random.Generator
) -> tuple[bool, float, float]:
    """Sign aggregation of k labelings on n rows: are all answers covered, the majority's error, the naive release.

    Whether a random labeling is right about a row is a fair coin, whatever the labels are, so the coins are drawn.
    """
    kind = mechanism(name)
    state = kind.initial_state(n, **declarations)
    packed = np.frombuffer(rng.bytes(k * n // 8), dtype=np.uint8)
    right = np.unpackbits(packed).reshape(k, n)
    means = right.sum(axis=1, dtype=np.int64) / n
    signs, covered = np.zeros(k), True

    def noise(role: str, law: str) -> float:
        return float(rng.standard_normal() if law == "normal" else rng.laplace())

    def ask(rows: np.ndarray, mean: float) -> float:
        nonlocal state, covered
        state, release = kind.step(
            state, rows.astype(float) if kind.needs_rows else mean, guess=0.5, noise=noise
        )
        if release.value is None:
            return 0.5
        covered &= release.low - 1e-12 <= 0.5 <= release.high + 1e-12
        return release.value

    for i in range(k):
        signs[i] = np.sign(ask(right[i], float(means[i])) - 0.5)
    final = majority_score(right, signs, rng)
    ask(final, float(final.mean()))
    return covered, final.mean() - 0.5, majority_score(right, np.sign(means - 0.5), rng).mean()


@pytest.mark.parametrize(
    ("name", "k", "declarations"),
    [
        ("description_length", 1000, {"queries": 1001}),
        ("gaussian", 1000, {"queries": 1001}),
        ("fresh_chunks", 999, {"queries": 1000}),
    ],
    ids=["description_length", "gaussian", "fresh_chunks"],
)
def test_long_sign_aggregation(name, k, declarations) -> None:
    """A thousand labelings of a thousand rows and their majority: the golden acceptance, at its size."""
    rng, n = np.random.default_rng(3), 1_000
    runs = [aggregated(name, n, k, declarations, rng) for _ in range(SEEDS)]
    assert binomial_acceptance(sum(run[0] for run in runs), SEEDS, 0.95).accepted
    overfit = np.mean([run[1] for run in runs])
    limits = {"description_length": 0.3, "gaussian": 0.07, "fresh_chunks": 0.05}
    assert overfit < limits[name]
    naive = np.array([run[2] for run in runs])
    assert naive.mean() == pytest.approx(0.793, abs=0.01)
    width = nonadaptive_width(n, k + 1, math.log(0.05))
    assert (naive > 0.75).mean() > 0.95
    assert not (naive <= 0.5 + width).any()


def test_the_drawn_coins_have_the_law_of_the_literal_attack() -> None:
    rng, n, k = np.random.default_rng(8), 200, 200
    literal = [sign_aggregation(NaiveHoldout(rng.integers(0, 2, n)), n, k, rng).released for _ in range(100)]
    drawn = [aggregated("gaussian", n, k, {"queries": k + 1}, rng)[2] for _ in range(100)]
    error = math.sqrt((np.var(literal) + np.var(drawn)) / 100)
    assert abs(np.mean(literal) - np.mean(drawn)) < 4.5 * error
    literal, drawn = [], []
    for _ in range(100):
        guarded = GuardedHoldout(rng.integers(0, 2, n), "gaussian", {"queries": k + 1}, rng)
        outcome = sign_aggregation(guarded, n, k, rng)
        literal.append(np.mean(outcome.predictions == guarded.labels) - 0.5)
        drawn.append(aggregated("gaussian", n, k, {"queries": k + 1}, rng)[1])
    error = math.sqrt((np.var(literal) + np.var(drawn)) / 100)
    assert abs(np.mean(literal) - np.mean(drawn)) < 4.5 * error


def climbed(n: int, k: int, block: int, cap: int, runs: int, rng: np.random.Generator) -> np.ndarray:
    """What the parameter-free ladder shows after a hill climb of k block flips, for many runs at once.

    Of the b rows that are flipped, the number that was wrong is hypergeometric given how many are wrong in all, and
    it decides mean and variance of the differences of the losses: the attack in law.
    """
    wrong = rng.binomial(n, 0.5, runs)
    board, moves = wrong / n, np.ones(runs, dtype=int)  # the first submission improves on a loss of 1
    for _ in range(k):
        hits = rng.hypergeometric(wrong, n - wrong, block)
        trial = wrong + block - 2 * hits
        shift = (block - 2 * hits) / n
        step = np.sqrt(block / n - shift**2) / math.sqrt(n)
        better = (trial / n < board - step) & (moves < cap)
        wrong = np.where(better, trial, wrong)
        board = np.where(better, trial / n, board)
        moves += better
    return board


def shown_by_the_ladder(loss: float, n: int, k: int, cap: int):
    """The ladder's own release at a loss."""
    state = ParameterFreeLadder.initial_state(n, queries=k + 1, max_improvements=cap)
    ones = round(loss * n)
    return ParameterFreeLadder.step(state, np.repeat([1.0, 0.0], [ones, n - ones]))[1]


@pytest.mark.parametrize(("block", "loss"), [(63, 0.385), (126, 0.408)], ids=["sqrt(n)", "2sqrt(n)"])
def test_a_hill_climb_on_the_parameter_free_ladder(block, loss) -> None:
    """4,000 submissions on 4,000 rows: the board goes down to 0.385, the interval says so, and a cap stops it."""
    n = k = 4_000
    rng = np.random.default_rng(block)
    free = climbed(n, k, block, k, SEEDS, rng)
    assert free.mean() == pytest.approx(loss, abs=0.003)
    naive = 0.5 - nonadaptive_width(n, k + 1, math.log(0.05))
    assert (free < naive).all()
    honest = [shown_by_the_ladder(loss, n, k, k).high >= 0.5 for loss in free]
    assert binomial_acceptance(sum(honest), SEEDS, 0.95).accepted
    for cap in (3, 10):
        capped = climbed(n, k, block, cap, SEEDS, rng)
        releases = [shown_by_the_ladder(loss, n, k, cap) for loss in capped]
        assert binomial_acceptance(sum(r.high >= 0.5 for r in releases), SEEDS, 0.95).accepted
        assert capped.min() > free.max()
        assert releases[0].half_width < shown_by_the_ladder(free[0], n, k, k).half_width


def test_the_hill_climb_in_law_is_the_literal_one() -> None:
    n = k = 400
    rng, block = np.random.default_rng(13), round(2 * math.sqrt(n))
    for cap in (k, 3):
        declarations = {"queries": k + 1, "max_improvements": cap}
        boards = [
            GuardedHoldout(rng.integers(0, 2, n), "parameter_free_ladder", declarations, rng, loss=True)
            for _ in range(40)
        ]
        literal = [hill_climb(board, n, k, rng, block=block).released for board in boards]
        drawn = climbed(n, k, block, cap, 400, rng)
        error = math.sqrt(np.var(literal) / 40 + drawn.var() / 400)
        assert abs(np.mean(literal) - drawn.mean()) < 4.5 * error


def gaussian_sign_attack(
    n: int, k: int, sigma: float, repetitions: int, rng: np.random.Generator
) -> np.ndarray:
    """Largest error over all answers of the sign attack on n fair rows, the last query's mean by its normal law."""
    errors = np.empty(repetitions)
    for r in range(repetitions):
        bits = rng.integers(0, 2, (k, n), dtype=np.int8)
        noise = sigma * rng.standard_normal(k + 1)
        answers = bits.mean(axis=1) + noise[:k] - 0.5
        vote = 0.5 + 0.5 * np.sign(np.sign(answers) @ (2.0 * bits - 1.0))
        errors[r] = max(np.abs(answers).max(), abs(vote.mean() + noise[k] - 0.5))
    return errors


@pytest.mark.parametrize(("n", "k"), [(200, 5), (200, 50), (500, 200)])
def test_the_tight_gaussian_bound(n, k) -> None:
    """At the best noise and at a quarter of it, where the bias dominates."""
    level, rng = math.log(0.05), np.random.default_rng(n + k)
    best = tight_optimum(n, k + 1, level).sigma
    for sigma in (best, best / 4):
        width = tight_half_width(n, k + 1, sigma, level)
        errors = gaussian_sign_attack(n, k, sigma, SEEDS, rng)
        assert binomial_acceptance(int((errors <= width).sum()), SEEDS, 0.95).accepted


def test_the_gaussian_noise_term_halved_would_be_noticed() -> None:
    """A published code halves the noise term: at k = 1000 its share of the width is exceeded nearly always."""
    k, rng = 1_000, np.random.default_rng(5)
    beta = 0.05
    sigma = 1.0
    largest = np.abs(rng.standard_normal((SEEDS, k))).max(axis=1) * sigma
    right = sigma * math.sqrt(2 * math.log(4 * k / beta))
    assert binomial_acceptance(int((largest <= right).sum()), SEEDS, 0.95).accepted
    assert not binomial_acceptance(int((largest <= right / 2).sum()), SEEDS, 0.95).accepted


def test_freedmans_claim_as_one_bit() -> None:
    """The refit's F test at 5 %: rejected in most runs on the reused rows, in at most 5 % on a holdout."""
    rng = np.random.default_rng(6)
    runs = [freedman(rng) for _ in range(500)]
    honest = sum(run.p_holdout >= 0.05 for run in runs)
    naive = sum(run.p_reused >= 0.05 for run in runs)
    assert binomial_acceptance(honest, 500, 0.95).accepted
    assert not binomial_acceptance(naive, 500, 0.95).accepted


def test_claims_confirmed_by_betting_are_true_after_adaptive_bits() -> None:
    """Bits about random labellings steer a vote about which a false claim is made; hardly any is confirmed."""
    n, n_seeds, confirmed, naive = 400, 200, 0, 0
    for seed in range(n_seeds):
        rng = np.random.default_rng([91, seed])
        right = rng.integers(0, 2, (25, n)).astype(float)
        state = SparseValidate.initial_state(n, queries=30, failures=30, interval="betting")
        bits = []
        for rows in right:
            state, release = SparseValidate.step(state, rows, guess=0.36)
            bits.append(bool(release.passed))
        signs = np.where(bits, 1.0, -1.0)
        exact = np.where(right.mean(axis=1) > 0.5, 1.0, -1.0)
        votes = [((2 * right - 1) * s[:, None]).sum(axis=0) > 0 for s in (signs, exact)]
        state, release = SparseValidate.step(state, votes[0].astype(float), guess=0.5)
        confirmed += bool(release.passed)
        naive += betting_e_value(votes[1].astype(float), 0.5) >= 1 / 0.05
    assert binomial_acceptance(n_seeds - confirmed, n_seeds, 0.95).accepted
    assert not binomial_acceptance(n_seeds - int(naive), n_seeds, 0.95).accepted
