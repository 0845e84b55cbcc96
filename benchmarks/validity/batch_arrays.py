"""Statements about batches that scores alone decide: quantiles, means, error counts, selections, envelopes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, TypeAlias

import numpy as np
from scipy import stats

from benchmarks.validity.rows import LEVELS, Row, Setting
from benchmarks.validity.seeds import seed_of
from validstats.intake.arguments import alpha_fraction

PART = 1000
ALPHAS = tuple(alpha_fraction(level) for level in LEVELS)
Counts: TypeAlias = np.ndarray
"""How often the statement and the naive one held, of shape (levels, 2)."""


@dataclass(frozen=True)
class Guarantee:
    """A kind of statement, the naive method beside it, and the replicates of each of its settings."""

    name: str
    naive: str
    short: int = 1000
    long: int = 10_000

    def setting(self, name: str, simulate: Callable[[list[int], int], Counts]) -> Setting:
        """Return a setting; ``simulate(seed, size)`` gives the counts of that many replicates."""
        return Setting("batch", name, partial(self._rows, name, simulate), self.short, self.long)

    def _rows(self, name: str, simulate: Callable[[list[int], int], Counts], replicates: int) -> list[Row]:
        sizes = [min(PART, replicates - start) for start in range(0, replicates, PART)]
        parts = [simulate([seed_of(name), i], size) for i, size in enumerate(sizes)]
        return [
            Row("batch", self.name, name, level, int(held), replicates, self.naive, int(naive), replicates)
            for level, (held, naive) in zip(LEVELS, np.sum(parts, axis=0))
        ]


def count_each(replicate: Callable[[np.random.Generator], Any], seed: list[int], size: int) -> Counts:
    """Count over replicates, each of which says for every level whether statement and naive one held."""
    generators = np.random.default_rng(seed).spawn(size)
    return np.sum([np.asarray(replicate(g), dtype=np.int64) for g in generators], axis=0)


def array_settings() -> Iterator[Setting]:
    """Every guarantee of this file."""
    yield from mean_settings()
    yield from quantile_settings()
    yield from joint_quantile_settings()
    yield from error_settings()
    yield from selection_settings()
    yield from discovery_settings()
    yield from envelope_settings()


MEANS = Guarantee(
    "the mean of a batch", "normal confidence interval of the mean from the calibration rows", 300, 5000
)
BOUNDED_LAWS = {
    "uniform": (lambda rng, size: rng.random(size), (0.0, 1.0)),
    "beta": (lambda rng, size: rng.beta(0.5, 0.5, size=size), (0.0, 1.0)),
    "skewed": (lambda rng, size: rng.beta(0.3, 3.0, size=size), (0.0, 1.0)),
    "Bernoulli": (lambda rng, size: (rng.random(size) < 0.2) + 0.0, (0.0, 1.0)),
    "four values": (lambda rng, size: rng.integers(0, 4, size=size) + 0.0, (0.0, 3.0)),
}
UNBOUNDED_LAWS = {
    "exponential": (lambda rng, size: rng.exponential(size=size), (-np.inf, np.inf)),
    "t3": (lambda rng, size: rng.standard_t(3, size=size), (-np.inf, np.inf)),
}
MEAN_METHODS = {
    "rank-sum": (100, 5, "upper"),
    "phi-sum": (60, 30, "two-sided"),
    "phi-band": (100, 50, "lower"),
    "partition": (200, 5, "two-sided"),
    "auto": (120, 40, "two-sided"),
}
LARGE_MEANS = (
    ("rank-sum", "uniform", 1000, 600, "two-sided"),
    ("rank-sum", "skewed", 600, 900, "upper"),
    ("phi-sum", "beta", 1000, 600, "two-sided"),
    ("auto", "uniform", 2000, 1500, "two-sided"),
)


@dataclass(frozen=True)
class MeanCase:
    """A method for the mean or the total, a law of the scores or of the labels, and sizes."""

    method: str
    law: str
    n: int
    m: int
    side: str
    quantity: Literal["mean", "total"] = "mean"

    @property
    def name(self) -> str:
        """Name of the setting."""
        return f"{self.quantity}, {self.method}, {self.side}, {self.law}, n = {self.n}, m = {self.m}"


def mean_settings() -> Iterator[Setting]:
    """Every method under bounded laws; those that need no bounds also under unbounded ones; some large batches."""
    for method, sizes in MEAN_METHODS.items():
        for law in BOUNDED_LAWS:
            case = MeanCase(method, law, *sizes)
            yield MEANS.setting(case.name, partial(_means, case))
    for large in LARGE_MEANS:
        case = MeanCase(*large)
        yield replace(MEANS, short=30, long=1000).setting(case.name, partial(_means, case))
    for law in UNBOUNDED_LAWS:
        for method in ("rank-sum", "auto"):
            case = MeanCase(method, law, 200, 10, "upper")
            yield MEANS.setting(case.name, partial(_means, case))


def _means(case: MeanCase, seed: list[int], size: int) -> Counts:
    from validstats.batch.laws.means import mean_interval

    draw, bounds = {**BOUNDED_LAWS, **UNBOUNDED_LAWS}[case.law]
    reference = draw(np.random.default_rng([seed[0], 1_000_000]), 300)

    def replicate(rng: np.random.Generator) -> list[tuple[bool, bool]]:
        scores = draw(rng, case.n + case.m)
        calibration, target = scores[: case.n], scores[case.n :].mean()
        held = []
        for alpha in ALPHAS:
            found = mean_interval(
                calibration,
                case.m,
                alpha,
                side=case.side,  # type: ignore[arg-type]
                bounds=bounds,
                method=case.method,  # type: ignore[arg-type]
                reference_scores=reference,
                n_resamples=199,
                random_state=rng,
            )
            low, high = normal_interval(calibration, case.side, float(alpha))
            held.append((found.low <= target <= found.high, low <= target <= high))
        return held

    return count_each(replicate, seed, size)


def normal_interval(scores: np.ndarray, side: str, alpha: float) -> tuple[float, float]:
    """Return the normal confidence interval of the population's mean, which ignores the noise of the batch."""
    half = stats.norm.isf(alpha / 2 if side == "two-sided" else alpha) * scores.std() / math.sqrt(scores.size)
    low = -math.inf if side == "upper" else float(scores.mean() - half)
    return low, math.inf if side == "lower" else float(scores.mean() + half)


QUANTILES = Guarantee("a quantile of a batch", "exact confidence interval of the population's quantile")
QUANTILE_SIZES = ((200, 40, 0.5, "two-sided"), (100, 20, 0.9, "upper"), (120, 30, 0.2, "lower"))


def quantile_settings() -> Iterator[Setting]:
    """Median, upper and lower quantiles of every law."""
    from tests.validity.test_batch_coverage import LAWS

    for law in LAWS:
        for n, m, q, side in QUANTILE_SIZES:
            name = f"quantile {q}, {side}, {law}, n = {n}, m = {m}"
            yield QUANTILES.setting(name, partial(_quantiles, law, n, m, q, side))


def _quantiles(law: str, n: int, m: int, q: float, side: str, seed: list[int], size: int) -> Counts:
    from tests.validity.test_batch_coverage import draw
    from validstats.batch.laws.ranks import quantile_index

    calibration, batch = draw(law, n, m, size, seed)
    index = quantile_index(m, q)
    target, padded = batch[:, [index - 1]], _padded(calibration)
    return np.array(
        [
            (
                _inside(padded, target, *_single_ranks(n, m, [index], alpha, side)),
                _inside(padded, target, *_population_ranks(n, q, float(alpha), side)),
            )
            for alpha in ALPHAS
        ]
    )


def _padded(calibration: np.ndarray) -> np.ndarray:
    return np.pad(calibration, ((0, 0), (1, 1)), constant_values=(-np.inf, np.inf))


def _inside(padded: np.ndarray, targets: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> int:
    """Count the replicates in which every target is between the scores at its ranks less one, and at its ranks."""
    return int(((padded[:, lower - 1] <= targets) & (targets <= padded[:, upper])).all(axis=1).sum())


def _single_ranks(n: int, m: int, indices: Any, alpha: Any, side: str) -> tuple[np.ndarray, np.ndarray]:
    """Limits of order statistics, each at the level by itself."""
    from validstats.batch.laws.ranks import rank_lower, rank_upper

    share = alpha / 2 if side == "two-sided" else alpha
    lower = [1 if side == "upper" else rank_lower(n, m, j, share).rank for j in indices]
    upper = [n + 1 if side == "lower" else rank_upper(n, m, j, share).rank for j in indices]
    return np.array(lower), np.array(upper)


def _population_ranks(n: int, q: float, alpha: float, side: str) -> tuple[np.ndarray, np.ndarray]:
    """Ranks of the binomial confidence interval of the population's quantile."""
    share = alpha / 2 if side == "two-sided" else alpha
    lower = 1 if side == "upper" else int(stats.binom.ppf(share, n, q)) + 1
    upper = n + 1 if side == "lower" else min(int(stats.binom.isf(share, n, q)) + 1, n + 1)
    return np.array([lower]), np.array([upper])


JOINT_QUANTILES = Guarantee("several quantiles of a batch at once", "each quantile at the level by itself")
JOINT_SIZES = (
    (200, 40, (0.25, 0.5, 0.75), "two-sided"),
    (300, 60, (0.1, 0.3, 0.5, 0.7, 0.9), "two-sided"),
    (200, 30, (0.2, 0.5, 0.8), "upper"),
)


def joint_quantile_settings() -> Iterator[Setting]:
    """Three or five quantiles of every law."""
    from tests.validity.test_batch_coverage import LAWS

    for law in LAWS:
        for n, m, q, side in JOINT_SIZES:
            name = f"{len(q)} quantiles at once, {side}, {law}, n = {n}, m = {m}"
            yield JOINT_QUANTILES.setting(name, partial(_joint_quantiles, law, n, m, q, side))


def _joint_quantiles(
    law: str, n: int, m: int, q: tuple[float, ...], side: str, seed: list[int], size: int
) -> Counts:
    from tests.validity.test_batch_coverage import draw
    from validstats.batch.laws.envelope import order_statistic_box
    from validstats.batch.laws.ranks import quantile_index

    calibration, batch = draw(law, n, m, size, seed)
    indices = [quantile_index(m, p) for p in q]
    at = np.array(indices) - 1
    padded, counts = _padded(calibration), []
    for alpha in ALPHAS:
        box = order_statistic_box(n, m, indices, alpha, side)
        held = _inside(padded, batch[:, at], box.lower[at], box.upper[at])
        counts.append((held, _inside(padded, batch[:, at], *_single_ranks(n, m, indices, alpha, side))))
    return np.array(counts)


ERRORS = Guarantee("the number of errors in a batch", "calibration error rate times the batch size")


def error_settings() -> Iterator[Setting]:
    """Rare to frequent errors, small to large batches."""
    for rate in (0.02, 0.05, 0.1, 0.2, 0.35, 0.5):
        for n, m in ((50, 30), (100, 20), (200, 100), (500, 50)):
            name = f"error count, rate {rate:g}, n = {n}, m = {m}"
            yield ERRORS.setting(name, partial(_errors, rate, n, m))


def _errors(rate: float, n: int, m: int, seed: list[int], size: int) -> Counts:
    from validstats.batch.laws.ranks import error_count_upper

    rng = np.random.default_rng(seed)
    calibration, batch = rng.binomial(n, rate, size), rng.binomial(m, rate, size)
    seen, place = np.unique(calibration, return_inverse=True)
    naive = int((batch * n <= calibration * m).sum())
    bounds = [np.array([error_count_upper(n, k, m, alpha) for k in seen.tolist()]) for alpha in ALPHAS]
    return np.array([(int((batch <= bound[place]).sum()), naive) for bound in bounds])


def _linear_claims(noise: Callable[..., np.ndarray], step: float = 0.0) -> Callable[..., Any]:
    def draw(rng: np.random.Generator, size: Any) -> tuple[np.ndarray, np.ndarray]:
        x = rng.normal(size=size)
        predictions = np.round(x / step) * step if step else x
        return predictions, x + noise(rng, size)

    return draw


def _useless_claims(rng: np.random.Generator, size: Any) -> tuple[np.ndarray, np.ndarray]:
    return rng.normal(size=size), rng.normal(size=size)


def _probability_claims(rng: np.random.Generator, size: Any) -> tuple[np.ndarray, np.ndarray]:
    """Overconfident probabilities of a class that occurs or not."""
    x = rng.normal(size=size)
    return stats.logistic.cdf(3 * x), (rng.random(size) < stats.logistic.cdf(x)) + 0.0


def _normal(rng: np.random.Generator, size: Any) -> np.ndarray:
    return rng.normal(size=size)


CLAIMS: dict[str, tuple[Callable[..., Any], float]] = {
    "normal noise": (_linear_claims(_normal), 0.5),
    "heavy tails": (_linear_claims(lambda rng, size: rng.standard_t(3, size=size)), 0.5),
    "few true claims": (_linear_claims(_normal), 1.8),
    "few false claims": (_linear_claims(_normal), -1.0),
    "rounded predictions": (_linear_claims(_normal, 0.5), 0.6),
    "useless predictions": (_useless_claims, 0.5),
    "overconfident classifier": (_probability_claims, 0.5),
}
"""How predictions and labels are drawn, and the limit of the claim."""
CLAIM_NAIVE = "every prediction above the limit is a claim"

SELECTIONS = Guarantee("at most k false claims in a selection", CLAIM_NAIVE)


def selection_settings() -> Iterator[Setting]:
    """No, two and five false claims allowed."""
    for claim in CLAIMS:
        for n, m, allowed in ((1000, 50, 0), (100, 20, 2), (300, 60, 5)):
            name = f"selection, {allowed} false claims, {claim}, n = {n}, m = {m}"
            yield SELECTIONS.setting(name, partial(_selections, claim, n, m, allowed))


def _selections(claim: str, n: int, m: int, allowed: int, seed: list[int], size: int) -> Counts:
    from validstats.batch.laws.ranks import selection_rank

    draw, limit = CLAIMS[claim]
    predictions, labels = draw(np.random.default_rng(seed), (size, n + m))
    scores = np.where(labels <= limit, predictions, -np.inf)
    calibration = _padded(np.sort(scores[:, :n], axis=1))

    def held(threshold: Any) -> int:
        return int(((scores[:, n:] > threshold).sum(axis=1) <= allowed).sum())

    ranks = [selection_rank(n, m, allowed, alpha).rank for alpha in ALPHAS]
    return np.array([(held(calibration[:, [rank]]), held(limit)) for rank in ranks])


DISCOVERIES = Guarantee("expected share of false claims in a selection", CLAIM_NAIVE)


def discovery_settings() -> Iterator[Setting]:
    """The level is one minus the bound of the false discovery rate.

    That guarantee is about a mean. A replicate holds with probability one minus its share of false claims, by a seeded coin:
    hits are then exactly Bernoulli, and their mean is one minus the false discovery rate.
    """
    for claim in CLAIMS:
        for n, m, randomised in ((100, 50, False), (300, 60, True), (400, 100, False)):
            name = f"share of false claims, {claim}, n = {n}, m = {m}" + (
                ", randomised" if randomised else ""
            )
            yield DISCOVERIES.setting(name, partial(_discoveries, claim, n, m, randomised))


def _discoveries(claim: str, n: int, m: int, randomised: bool, seed: list[int], size: int) -> Counts:
    from tests.validity.test_batch_predictor import false_discovery_share
    from validstats.batch.laws.selection import benjamini_hochberg, conformal_p_values, selection_scores

    draw, limit = CLAIMS[claim]

    def replicate(rng: np.random.Generator) -> list[tuple[bool, bool]]:
        predictions, labels = draw(rng, n + m)
        scores = selection_scores(predictions[:n], labels[:n], limit)
        p_values = conformal_p_values(scores, predictions[n:], rng, randomised=randomised)
        chosen = [benjamini_hochberg(p_values, alpha) for alpha in ALPHAS]
        naive = predictions[n:] > limit
        return [
            tuple(false_discovery_share(selected, labels[n:], limit, rng) for selected in (c, naive))
            for c in chosen
        ]

    return count_each(replicate, seed, size)


ENVELOPES = Guarantee("every monotone question about a batch, after looking", "limits of each rank by itself")


def envelope_settings() -> Iterator[Setting]:
    """Judged by the worst monotone question found after looking.

    All monotone questions are answered rightly exactly where every sorted score of the batch is within its limits; for false
    claims, where no threshold has more of them than the curve allows.
    """
    from tests.validity.test_batch_coverage import LAWS

    for law in LAWS:
        for n, m, side in ((100, 30, "two-sided"), (60, 20, "upper"), (200, 50, "lower")):
            name = f"envelope, {side}, {law}, n = {n}, m = {m}"
            yield ENVELOPES.setting(name, partial(_envelopes, law, n, m, side))
    for claim in CLAIMS:
        name = f"envelope, false claims above any threshold, {claim}, n = 200, m = 40"
        yield ENVELOPES.setting(name, partial(_false_claim_curves, claim, 200, 40))


def _envelopes(law: str, n: int, m: int, side: str, seed: list[int], size: int) -> Counts:
    from tests.validity.test_batch_coverage import draw
    from validstats.batch.laws.envelope import rank_envelope

    calibration, batch = draw(law, n, m, size, seed)
    padded, indices, counts = _padded(calibration), range(1, m + 1), []
    for alpha in ALPHAS:
        band = rank_envelope(n, m, alpha, side)
        naive = _inside(padded, batch, *_single_ranks(n, m, indices, alpha, side))
        counts.append((_inside(padded, batch, band.lower, band.upper), naive))
    return np.array(counts)


def _false_claim_curves(claim: str, n: int, m: int, seed: list[int], size: int) -> Counts:
    from validstats.batch.laws.envelope import false_claim_curve, rank_envelope
    from validstats.batch.laws.selection import selection_scores

    draw, limit = CLAIMS[claim]
    limits = [
        (rank_envelope(n, m, a, "upper").upper, _single_ranks(n, m, range(1, m + 1), a, "upper")[1])
        for a in ALPHAS
    ]

    def replicate(rng: np.random.Generator) -> list[list[bool]]:
        predictions, labels = draw(rng, n + m)
        scores = selection_scores(predictions, labels, limit)
        padded = _padded(np.sort(scores[:n])[None])[0]
        thresholds = np.sort(predictions[n:])
        false = m - np.searchsorted(np.sort(scores[n:]), thresholds, side="right")
        return [
            [bool((false <= false_claim_curve(padded[ranks], thresholds)).all()) for ranks in pair]
            for pair in limits
        ]

    return count_each(replicate, seed, size)
