"""Statements about batches, each setting beside the naive method; those through the estimator are here."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.validity.batch_arrays import Guarantee, MeanCase, array_settings, count_each, normal_interval
from benchmarks.validity.rows import LEVELS, Row, Setting
from validstats.batch import BatchPredictor, BatchQuantile, BatchTotal, ErrorCount, Simultaneous, Target


def batch_settings() -> Iterator[Setting]:
    """Every guarantee about batches."""
    yield from share_settings()
    yield from array_settings()
    yield from total_settings()
    yield from adapted_settings()


def share_settings() -> Iterator[Setting]:
    """At least 90 % of the batch inside its sets, beside split conformal sets."""
    from tests.validity.test_batch_coverage import LAWS

    for law in LAWS:
        for n, m in ((50, 20), (200, 100), (500, 40)):
            yield Setting("batch", f"{law}, n = {n}, m = {m}", partial(_batch, law, n, m), 1000, 10_000)


def _batch(law: str, n: int, m: int, replicates: int) -> list[Row]:
    from tests.validity.test_batch_coverage import draw
    from validstats.batch.laws.ranks import simultaneous_rank

    calibration, batch = draw(law, n, m, replicates, seed=7 * n + m)

    def hits(rank: int, k: int) -> int:
        threshold = calibration[:, [rank - 1]] if rank <= n else np.inf
        return int(((batch <= threshold).sum(axis=1) >= k).sum())

    split, rows = math.ceil(0.9 * (n + 1)), []
    for level in LEVELS:
        k, bound = simultaneous_rank(n, m, 0.1, 1 - level)
        rows.append(
            Row(
                "batch", "at least 90 % of the batch", f"{law}, n = {n}, m = {m}", level, hits(bound.rank, k), replicates,
                "split conformal sets", hits(split, k), replicates,
            )
        )  # fmt: skip
    return rows


TOTALS = Guarantee(
    "the total of a batch", "normal confidence interval of the mean residual, times the batch size", 200, 2000
)


def _linear_labels(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    from tests.validity.test_batch_predictor import linear

    x, y = linear(rng, size)
    return x, np.clip(y, -6, 6)


def _unbounded_labels(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    from tests.validity.test_batch_predictor import linear

    return linear(rng, size)


def _rounded_labels(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    x, y = _linear_labels(rng, size)
    return np.round(x), np.round(y)


def _binary_labels(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    share = stats.logistic.cdf(rng.normal(-1.0, 1.0, size=(size, 1)))
    return share, (rng.random(size) < share[:, 0]) + 0.0


def _count_labels(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    mean = np.exp(rng.normal(size=(size, 1)))
    return mean, np.minimum(rng.poisson(mean[:, 0]), 20) + 0.0


TOTAL_LABELS: dict[str, tuple[Callable[..., Any], tuple[float | None, float | None]]] = {
    "linear labels": (_linear_labels, (-6.0, 6.0)),
    "rounded labels": (_rounded_labels, (-6.0, 6.0)),
    "binary labels": (_binary_labels, (0.0, 1.0)),
    "skewed counts labels": (_count_labels, (0.0, 20.0)),
    "unbounded labels": (_unbounded_labels, (None, None)),
}
TOTAL_METHODS = {
    "rank-sum": (200, 10, "upper"),
    "phi-sum": (60, 30, "two-sided"),
    "phi-band": (100, 30, "lower"),
    "partition": (200, 5, "two-sided"),
    "auto": (120, 40, "two-sided"),
}


def total_settings() -> Iterator[Setting]:
    """Every method with every kind of label; those that need no bounds also without them."""
    for method, sizes in TOTAL_METHODS.items():
        for labels in TOTAL_LABELS:
            if labels != "unbounded labels" or method in ("rank-sum", "partition"):
                case = MeanCase(method, labels, *sizes, quantity="total")
                yield TOTALS.setting(case.name, partial(count_each, partial(_total, case)))


def _total(case: MeanCase, rng: np.random.Generator) -> list[tuple[bool, bool]]:
    from tests.validity.test_batch_predictor import Identity

    draw, bounds = TOTAL_LABELS[case.law]
    x, y = draw(rng, 200 + case.n + case.m)
    estimator = BatchPredictor(
        Identity(),
        BatchTotal(case.side, case.method),  # type: ignore[arg-type]
        calibration_size=case.n,
        bounds=bounds,
        n_resamples=199,
        random_state=rng,
        confidence_level=0.9,
    ).fit(x[: -case.m], y[: -case.m])
    residuals = estimator.calibration_.scores
    predicted, total = x[-case.m :, 0].sum(), y[-case.m :].sum()
    held = []
    for level in LEVELS:
        result: Any = estimator.infer(x[-case.m :], confidence_level=level)
        low, high = (predicted + case.m * end for end in normal_interval(residuals, case.side, 1 - level))
        held.append(
            (bool(result.conf_low[0, 0] <= total <= result.conf_high[0, 0]), bool(low <= total <= high))
        )
    return held


ADAPTED = Guarantee(
    "joint statements, strata, covariate shift, streams",
    "the same without the adjustment; in streams the plain quantile or share",
    200,
    2000,
)
TARGETS = {
    "median": lambda tolerance: BatchQuantile(0.5, "upper"),
    "90 % of the sets": lambda tolerance: Simultaneous(0.1),
    "error count": lambda tolerance: ErrorCount(tolerance=tolerance),
}


def adapted_settings() -> Iterator[Setting]:
    """Six settings each: several batches at once, strata in another mix, known covariate shift, updates."""
    kinds: tuple[tuple[Callable[..., Any], float, dict[str, tuple[Any, ...]]], ...] = (
        (_several_batches, 1.0, {"{} batches at once": (3, 8)}),
        (_other_mix, 3.0, {"strata, share {} to 0.7": (0.3, 0.5)}),
        (_shift, 2.5, {"covariate shift, n = {}": (300, 800)}),
        (_stream, 1.0, {"stream after {} updates": (1, 4)}),
    )
    for replicate, tolerance, named in kinds:
        for title, values in named.items():
            for value in values:
                for what, make in TARGETS.items():
                    each = partial(replicate, make(tolerance), value)
                    yield ADAPTED.setting(f"{title.format(value)}, {what}", partial(count_each, each))


def _holds(target: Target, result: Any, y: np.ndarray, predictions: np.ndarray, n_batches: int = 1) -> bool:
    """Say whether the statement is true of every batch; batches follow one another and are of one size."""
    labels = y.reshape(n_batches, -1)
    if isinstance(target, Simultaneous):
        inside = np.reshape(result.contains(y), labels.shape).sum(axis=1)
        return bool((inside >= math.ceil(0.9 * labels.shape[1])).all())
    return bool((_truth(target, labels, predictions.reshape(labels.shape)) <= result.conf_high[:, 0]).all())


def _truth(target: Target, y: np.ndarray, predictions: np.ndarray) -> Any:
    """Median or number of errors of each row of an array."""
    if isinstance(target, ErrorCount):
        return (np.abs(y - predictions) > target.tolerance).sum(axis=-1)
    return np.quantile(y, 0.5, axis=-1, method="inverted_cdf")


def _several_batches(target: Target, n_batches: int, rng: np.random.Generator) -> list[list[bool]]:
    from tests.validity.test_batch_predictor import frozen, linear

    n, m = 200, 20
    x, y = linear(rng, n + n_batches * m)
    batches = np.repeat(np.arange(n_batches), m)
    estimator = frozen(target).calibrate(x[:n], y[:n])

    def held(level: float, joint: bool) -> bool:
        result = estimator.infer(x[n:], batches=batches, confidence_level=level, joint=joint)
        return _holds(target, result, y[n:], x[n:, 0], n_batches)

    return [[held(level, joint) for joint in (True, False)] for level in LEVELS]


def _other_mix(target: Target, share: float, rng: np.random.Generator) -> list[list[bool]]:
    from tests.validity.test_batch_predictor import frozen, strata_data

    x, y, group = strata_data(rng, 300, share)
    x_new, y_new, group_new = strata_data(rng, 80, 0.7)
    ours = frozen(target).calibrate(x, y, strata=group)
    naive = frozen(target).calibrate(x, y)
    held = []
    for level in LEVELS:
        results = (
            ours.infer(x_new, strata=group_new, confidence_level=level),
            naive.infer(x_new, confidence_level=level),
        )
        held.append([_holds(target, result, y_new, x_new[:, 0]) for result in results])
    return held


def _shift(target: Target, n: int, rng: np.random.Generator) -> list[list[bool]]:
    from tests.validity.test_batch_predictor import frozen, shifted

    X, x, y = shifted(rng, n, tilted=False)
    X_new, _, y_new = shifted(rng, 40, tilted=True)
    ours = frozen(target, random_state=rng).calibrate(X, y, weights=2 * x, w_max=2.0)
    naive = frozen(target).calibrate(X, y)
    return [
        [_holds(target, e.infer(X_new, confidence_level=level), y_new, X_new[:, 0]) for e in (ours, naive)]
        for level in LEVELS
    ]


def _stream(target: Target, n_updates: int, rng: np.random.Generator) -> list[tuple[bool, bool]]:
    """The statement about the batch after the last update."""
    from tests.validity.test_batch_predictor import frozen, linear

    n, m = 60, 30
    x, y = linear(rng, n + (n_updates + 1) * m)
    estimator = frozen(target).calibrate(x[:n], y[:n])
    for start in range(n, len(y) - m, m):
        estimator.infer(x[start : start + m])
        estimator.update(x[start : start + m], y[start : start + m])
    held = []
    for level in LEVELS:
        result = estimator.infer(x[-m:], confidence_level=level)
        held.append((_holds(target, result, y[-m:], x[-m:, 0]), _plain_holds(target, result, x[:, 0], y, m)))
    return held


def _plain_holds(target: Target, result: Any, predictions: np.ndarray, y: np.ndarray, m: int) -> bool:
    if isinstance(target, Simultaneous):
        return bool(result.contains(y[-m:], naive=True).sum() >= math.ceil(0.9 * m))
    so_far, now = (_truth(target, y[part], predictions[part]) for part in (slice(-m), slice(-m, None)))
    return bool(now <= (m * so_far / (len(y) - m) if isinstance(target, ErrorCount) else so_far))
