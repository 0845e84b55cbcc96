"""Errors on the test law of the original (arXiv 2511.18945), by weights: the study ``mist`` of ``benchmarks.mi_studies``.

Nearly all squared error comes from the smallest samples, where a few sets with ten nats and more decide. The expected
error of the law is therefore estimated by strata of n, each with the weight that it has in the law, many more sets being
drawn where n < 100.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.mi_tasks import MIST_IN_FAMILY, MIST_OUT_OF_FAMILY, draw_mist_set
from validstats.mi import LearnedMI
from validstats.mi.families.base import Family, JointSample, log_uniform
from validstats.mi.families.default import FAMILY_NAMES
from validstats.mi.network.forward_pass import MEDIAN, NetworkWeights, forward, from_log_scale
from validstats.mi.statistics import summarise_data
from validstats.mi.training.shards import Shard, load_shards, pack_shard, write_shards

TRAINING_STRINGS = (
    "multi_normal-dense-base",
    "multi_normal-dense-halfcube",
    "multi_normal-dense-asinh",
    "multi_normal-sparse-wigglify",
    "multi_normal-sparse-base",
    "multi_normal-lvm-wigglify",
    "multi_normal-lvm-base",
    "multi_normal-2pair-base",
    "multi_student-dense-base",
    "multi_student-dense-wigglify",
    "multi_student-sparse-halfcube",
    "multi_student-sparse-base",
    "multi_student-sparse-asinh",
    "multi_student-2pair-asinh",
    "multi_student-2pair-halfcube",
    "multi_additive_noise-wigglify",
)
"""The sixteen strings of the original's training law."""

SAMPLE_SIZES = tuple(int(n) for n in np.linspace(10, 500, 20))
RANGES = ((10, 100), (100, 300), (300, 501))
SEED = 777
NETWORKS = 2


class SmallMistSets(Family):
    """The original's training law at 10 to 130 rows, log-uniform, where its errors are made."""

    name = "mist"

    def sample_size(self, generator: np.random.Generator) -> int:
        """Draw n."""
        return round(log_uniform(generator, 10, 130))

    def draw(self, generator: np.random.Generator, n: int) -> JointSample:
        """Draw a string, a dimension in 2..32 and n rows."""
        string = TRAINING_STRINGS[int(generator.integers(len(TRAINING_STRINGS)))]
        return draw_mist_set(string, n, int(generator.integers(2, 33)), generator)


def test_shard(families: Sequence[str], draws: int) -> Shard:
    """Sets of the test law: ``draws`` draws of its cells with n < 100, a tenth of them with a third of the sets elsewhere."""
    summaries, truths = [], []
    for draw in range(draws):
        generator = np.random.default_rng([5, draw])
        for n in SAMPLE_SIZES:
            if n >= 100 and draw >= max(draws // 10, 1):
                continue
            for family in families:
                dim = int(generator.integers(2, 33))
                for _ in range(9 if n < 100 else 3):
                    drawn = draw_mist_set(family, n, dim, generator)
                    summaries.append(summarise_data(drawn.x, drawn.y))
                    truths.append(drawn.mutual_information)
    return pack_shard(summaries, truths)


def stratified_mean(values: np.ndarray, sizes: np.ndarray) -> tuple[float, float]:
    """Mean over the sample sizes of the means within, and its standard error.

    Parameters
    ----------
    values : ndarray of shape (m,)
        Squared errors.
    sizes : ndarray of shape (m,)
        Sample size of each set.

    Returns
    -------
    mean, standard_error : float
        Each sample size has the same weight.
    """
    parts = [values[sizes == n] for n in np.unique(sizes)]
    error = np.sqrt(sum(part.var() / len(part) for part in parts)) / len(parts)
    return float(np.mean([part.mean() for part in parts])), float(error)


def table_row(name: str, shard: Shard, estimate: np.ndarray) -> str:
    """One line: mean squared error with its standard error, then by range of n beside the median absolute error."""
    error, n = estimate - shard.truth, shard.shape[:, 0]
    mean, spread = stratified_mean(error**2, n)
    cells = [f"{mean:.3f} ({spread:.3f})"]
    for low, high in RANGES:
        inside = (n >= low) & (n < high)
        part = stratified_mean(error[inside] ** 2, n[inside])[0]
        cells.append(f"{part:.3f} / {np.median(np.abs(error[inside])):.3f}")
    return f"| {name} | {' | '.join(cells)} |"


def own_weights(shards: Path, law_shards: Path, count: int, law_count: int) -> tuple[NetworkWeights, int]:
    """Train on the law itself at small n, and on the shipped weights' sets of its families."""
    from validstats.mi.training.ensemble import HEAD, train_ensemble
    from validstats.mi.training.loop import Recipe
    from validstats.mi.training.recipes import FIRST_TRAINING_SHARD, finished_shards
    from validstats.mi.training.shards import join_shards

    numbers = range(FIRST_TRAINING_SHARD, FIRST_TRAINING_SHARD + count)
    pool = load_shards(finished_shards(shards, numbers))
    families = [FAMILY_NAMES.index(name) for name in ("mist_gaussian", "mist_student", "uniform_noise")]
    small = load_shards(list(write_shards(SmallMistSets(), SEED, range(law_count), law_shards)))
    both = join_shards([small, pool.select(np.isin(pool.family, families))])
    both = both.select(np.random.default_rng(0).permutation(len(both)))
    config, held = replace(HEAD, width=320, depth=4), len(both) // 20
    plan = [
        (config, Recipe(epochs=20, batch_size=256, noise=0.01, dropout=0.15, seed=k, patience=8))
        for k in range(NETWORKS)
    ]
    everything = np.arange(len(both))
    weights, _ = train_ensemble(both.select(everything[held:]), both.select(everything[:held]), plan)
    return weights, len(both) - held


def study_mist(shards: Path, law_shards: Path, count: int, law_count: int, draws: int) -> str:
    """Return the table of errors on the original's test law."""
    own, size = own_weights(shards, law_shards, count, law_count)
    shipped = LearnedMI().fit().weights_
    lines = [
        f"expected over the law: {draws} draws of the cells with n < 100, {max(draws // 10, 1)} of the others; mean squared "
        f"error in nats (standard error), and by range of n mean squared / median absolute error; own weights: {NETWORKS} "
        f"networks, {size:,} sets\n",
        "| weights, families | all n | 10 to 100 | 100 to 300 | 300 to 500 |",
        "| :--- | ---: | ---: | ---: | ---: |",
    ]
    for title, families in (("in family", MIST_IN_FAMILY), ("out of family", MIST_OUT_OF_FAMILY)):
        shard = test_shard(families, draws)
        for name, weights in (("shipped", shipped), ("trained on its families", own)):
            quantiles = from_log_scale(forward(shard, weights))
            lines.append(table_row(f"{name}, {title}", shard, quantiles[:, MEDIAN]))
            lines.append(table_row(f"{name}, mean of the quantiles, {title}", shard, quantiles.mean(axis=1)))
        lines.append(table_row(f"KSG, {title}", shard, shard.anchors[:, 0]))
    return "\n".join(lines)
