"""The experiment of "The reusable holdout" (Science 2015): feature selection by correlations, with and without a guard.

There are n rows in each of a training sample, a holdout and a fresh sample, with d standard normal features and fair
labels in {-1, 1}. The analyst keeps the features whose correlations with the label agree in sign on training sample and
holdout and both exceed ``1 / sqrt(n)``, takes the k largest training correlations, and classifies by the sign of the
signed sum. :func:`simulate_in_law` draws what the experiment needs from its exact law instead of the n x d features;
:func:`run_literally` draws the features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from validstats._typing import Float1D, Float2D, Int1D
from validstats.intake import check_literal
from validstats.kernels.thresholdout import thresholdout_path

__all__ = ["FEATURE_COUNTS", "Experiment", "ScienceRun", "Variant", "run_literally", "simulate_in_law"]

FEATURE_COUNTS = (0, 10, 20, 30, 45, 70, 100, 150, 200, 250, 300, 400, 500)
"""Numbers of selected features at which the classifier is evaluated."""

Variant: TypeAlias = Literal["supplement", "nips"]
"""Noise of Thresholdout: normal and fresh at every query, or Laplace with a persistent threshold."""


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Settings of the experiment."""

    n: int = 10_000
    d: int = 10_000
    n_signal: int = 0
    effect: float = 0.06
    variant: Variant = "supplement"
    feature_counts: tuple[int, ...] = FEATURE_COUNTS

    @property
    def threshold(self) -> float:
        """Threshold T of Thresholdout, ``4 / sqrt(n)``."""
        return 4.0 / np.sqrt(self.n)

    @property
    def scale(self) -> float:
        """Noise scale, ``1 / sqrt(n)``."""
        return 1.0 / np.sqrt(self.n)


@dataclass(frozen=True)
class ScienceRun:
    """Accuracies of one repetition."""

    # Columns: training accuracy, accuracy that the holdout reports, fresh accuracy, the holdout's own
    # accuracy. For the naive analyst the second and the fourth are the same.
    naive: Float2D
    guarded: Float2D
    # Correlations, and accuracies of classifiers, that Thresholdout answered from the holdout.
    feature_overfits: int
    classifier_overfits: int


class _Samples:
    """Where correlations and accuracies come from: the exact law, or literal features."""

    correlations: Float2D

    def accuracies(self, features: Int1D, signs: Float1D, counts: tuple[int, ...]) -> Float2D:
        """Return accuracies on the three samples of the signed sums of the first k features, for each count k."""
        raise NotImplementedError


class _InLaw(_Samples):
    """Correlations are normal; given them, the rows of a sum of m columns are normal, shifted to their known mean."""

    def __init__(self, experiment: Experiment, generator: np.random.Generator) -> None:
        mean = np.zeros(experiment.d)
        mean[: experiment.n_signal] = experiment.effect
        noise = generator.standard_normal((2, experiment.d)) / np.sqrt(experiment.n)
        self.correlations = mean + noise
        self._mean = mean
        self._n = experiment.n
        self._generator = generator

    def accuracies(self, features: Int1D, signs: Float1D, counts: tuple[int, ...]) -> Float2D:
        out = np.full((len(counts), 3), 0.5)
        margins = np.zeros((3, self._n))
        done = 0
        for row, count in enumerate(counts):
            new = slice(done, min(count, features.size))
            width = max(new.stop - new.start, 0)
            if width:
                block = self._generator.standard_normal((3, self._n), dtype=np.float32) * np.sqrt(width)
                block[:2] -= block[:2].mean(axis=1, keepdims=True)
                chosen = features[new]
                totals = np.vstack([self.correlations[:, chosen], self._mean[chosen]]) @ signs[new]
                margins += block + totals[:, None]
                done = new.stop
            if done:
                out[row] = np.mean(margins > 0, axis=1)
        return out


class _Literal(_Samples):
    """Features are drawn in blocks of columns from seeds of their own, so that they can be drawn again."""

    def __init__(self, experiment: Experiment, generator: np.random.Generator, block: int = 500) -> None:
        self._experiment = experiment
        self._block = block
        self._seeds = generator.integers(0, 2**63, size=-(-experiment.d // block))
        self._labels = (2 * generator.integers(0, 2, (3, experiment.n)) - 1).astype(np.float32)
        self.correlations = np.hstack(
            [
                np.stack([self._labels[s] @ x[s] / experiment.n for s in range(2)])
                for x in map(self._features, range(self._seeds.size))
            ]
        ).astype(np.float64)

    def _features(self, index: int) -> npt.NDArray[np.float32]:
        """Return columns of the three samples, shape (3, n, block)."""
        start = index * self._block
        width = min(self._block, self._experiment.d - start)
        rng = np.random.default_rng(self._seeds[index])
        x = rng.standard_normal((3, self._experiment.n, width), dtype=np.float32)
        signal = np.arange(start, start + width) < self._experiment.n_signal
        x[:, :, signal] += self._experiment.effect * self._labels[:, :, None]
        return x

    def accuracies(self, features: Int1D, signs: Float1D, counts: tuple[int, ...]) -> Float2D:
        used = features[: max(counts)]
        columns = np.empty((3, self._experiment.n, used.size), dtype=np.float32)
        for index in np.unique(used // self._block):
            here = np.flatnonzero(used // self._block == index)
            columns[:, :, here] = self._features(int(index))[:, :, used[here] - index * self._block]
        sums = np.cumsum(columns * signs[: used.size].astype(np.float32), axis=2)
        out = np.full((len(counts), 3), 0.5)
        for row, count in enumerate(counts):
            k = min(count, used.size)
            if k:
                out[row] = np.mean(sums[:, :, k - 1] * self._labels > 0, axis=1)
        return out


def _select(train: Float1D, holdout: Float1D, cut: float) -> tuple[Int1D, Float1D]:
    """Return features that agree in sign and both exceed the cut, by falling training correlation, and their signs."""
    agree = (np.sign(train) == np.sign(holdout)) & (np.abs(train) > cut) & (np.abs(holdout) > cut)
    features = np.flatnonzero(agree)
    features = features[np.argsort(-np.abs(train[features]), kind="stable")]
    return features, np.sign(train[features])


def _guard(
    experiment: Experiment, train: Float1D, holdout: Float1D, generator: np.random.Generator
) -> tuple[Float1D, int]:
    """Return what Thresholdout releases for a sequence of queries, without a budget, and its overfits."""
    size, scale = train.size, experiment.scale
    if experiment.variant == "supplement":
        comparison, answer = generator.standard_normal((2, size)) * scale
        overfit = np.abs(holdout - train) > experiment.threshold + comparison
        return np.where(overfit, holdout + answer, train), int(overfit.sum())
    released = np.empty(size)
    gamma = generator.laplace(scale=2 * scale, size=size + 1)
    eta, xi = generator.laplace(scale=4 * scale, size=size), generator.laplace(scale=scale, size=size)
    used = thresholdout_path(
        np.ascontiguousarray(train),
        np.ascontiguousarray(holdout),
        experiment.threshold,
        size + 1,
        gamma,
        eta,
        xi,
        released,
    )
    return released, int(used)


def _run(experiment: Experiment, samples: _Samples, generator: np.random.Generator) -> ScienceRun:
    check_literal(experiment.variant, "variant", get_args(Variant))
    train, holdout = samples.correlations
    counts = experiment.feature_counts
    naive = samples.accuracies(*_select(train, holdout, experiment.scale), counts)
    reported, overfits = _guard(experiment, train, holdout, generator)
    guarded = samples.accuracies(*_select(train, reported, experiment.scale), counts)
    released, more = _guard(experiment, guarded[:, 0], guarded[:, 1], generator)
    used = np.array(counts) > 0
    released = np.where(used, released, 0.5)
    return ScienceRun(
        naive=np.column_stack([naive, naive[:, 1]]),
        guarded=np.column_stack([guarded[:, 0], released, guarded[:, 2], guarded[:, 1]]),
        feature_overfits=overfits,
        classifier_overfits=more,
    )


def simulate_in_law(experiment: Experiment, generator: np.random.Generator) -> ScienceRun:
    """Simulate one repetition exactly in law, without drawing the features."""
    # The correlations with the label are independent normal variables with variance 1/n. Given its
    # correlation, a signed feature times the label has rows that are normal around it, so the sum of a
    # block of m features has rows distributed as sqrt(m) (z - mean(z)) plus the sum of their correlations.
    # On the fresh sample nothing is given.
    # Source: Dwork et al. (2015), "The reusable holdout: preserving validity in adaptive data analysis",
    # Science 349.
    return _run(experiment, _InLaw(experiment, generator), generator)


def run_literally(experiment: Experiment, generator: np.random.Generator) -> ScienceRun:
    """Run one repetition with every feature drawn; about ten seconds for n = d = 10,000."""
    # Source: Dwork et al. (2015), "The reusable holdout: preserving validity in adaptive data analysis",
    # Science 349.
    return _run(experiment, _Literal(experiment, generator), generator)
