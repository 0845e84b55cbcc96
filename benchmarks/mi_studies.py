"""Studies of the learned estimator beyond time and accuracy: ``python -m benchmarks.mi_studies NAME --output DIR``.

``mist``: the test law of the original (arXiv 2511.18945) with the shipped weights and with weights trained on its
families alone. ``left-out``: heads trained without one family at a time, tested on it. ``digits``:
weights trained on a family fitted to images. ``speed``: seconds an estimate against a neural estimator and a set
transformer, and memory. ``neural``: errors beside those of neural estimators on twelve of the benchmark laws. Each writes
``mi_NAME.md``.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._peers import PEERS
from benchmarks._runner import in_environment
from benchmarks.mi_mist import study_mist
from validstats.exceptions import SupportWarning
from validstats.mi import LearnedMI
from validstats.mi.families.default import FAMILY_NAMES
from validstats.mi.network.forward_pass import (
    MEDIAN,
    NetworkConfig,
    NetworkWeights,
    forward,
    from_log_scale,
    to_log_scale,
)
from validstats.mi.training.shards import Shard, load_shards, make_shard

# --- families left out --------------------------------------------------------------------------------------


def quick_weights(train: Shard, config: NetworkConfig, epochs: int, ensemble: int = 1) -> NetworkWeights:
    """Train networks, early stopping on a twentieth of the sets."""
    from validstats.mi.training.ensemble import train_ensemble
    from validstats.mi.training.loop import Recipe

    held = len(train) // 20
    everything = np.arange(len(train))
    batch = int(np.clip(len(train) // 100, 64, 512))
    plan = [(config, Recipe(epochs=epochs, batch_size=batch, seed=k)) for k in range(ensemble)]
    weights, _ = train_ensemble(train.select(everything[held:]), train.select(everything[:held]), plan)
    return weights


def study_left_out(shards: Path, count: int, epochs: int) -> str:
    """Errors on each family of a head that never saw it beside one that saw them all."""
    from validstats.mi.training.ensemble import HEAD
    from validstats.mi.training.loop import pinball, without_families
    from validstats.mi.training.recipes import FIRST_TRAINING_SHARD, TEST_SHARDS, finished_shards

    numbers = range(FIRST_TRAINING_SHARD, FIRST_TRAINING_SHARD + count)
    train = load_shards(finished_shards(shards, numbers))
    test = load_shards(finished_shards(shards, TEST_SHARDS))
    everything = quick_weights(train, HEAD, epochs)
    lines = [
        f"one head, {len(train):,} sets, {epochs} epochs; pinball loss of log(1 + 2 I) (mean absolute error in nats)\n",
        "| family | sets of it tested | trained on all | without this family | KSG, mean absolute error |",
        "| :--- | ---: | ---: | ---: | ---: |",
    ]
    for number, name in enumerate(FAMILY_NAMES):
        part = test.select(test.family == number)
        without = quick_weights(without_families(train, (name,)), HEAD, epochs)
        cells = []
        for weights in (everything, without):
            quantiles = forward(part, weights)
            error = np.abs(from_log_scale(quantiles[:, MEDIAN]) - part.truth).mean()
            cells.append(f"{pinball(quantiles, to_log_scale(part.truth)).mean():.4f} ({error:.3f})")
        classical = np.abs(part.anchors[:, 0] - part.truth).mean()
        lines.append(f"| {name} | {len(part)} | {' | '.join(cells)} | {classical:.3f} |")
        print(lines[-1], file=sys.stderr, flush=True)
    return "\n".join(lines)


# --- images -------------------------------------------------------------------------------------------------


def study_digits(sets: int, test_sets: int) -> str:
    """Errors on pairs of image halves with known information: shipped weights, and weights trained on the family."""
    from sklearn.datasets import load_digits

    from validstats.mi.families.flow import FlowFamily

    images = load_digits().data
    top, bottom = images[:, :32], images[:, 32:]
    varies = [half[:, half.std(axis=0) > 0.5] for half in (top, bottom)]
    family = FlowFamily(*varies)
    test = make_shard(family, 99, 0, test_sets)
    shipped = LearnedMI().fit()
    own = replace_weights(shipped).fit(family, n_sets=sets)
    lines = [
        f"upper and lower halves of scikit-learn's digits ({varies[0].shape[1]} and {varies[1].shape[1]} pixels), dependence "
        f"by construction; {test_sets} fresh sets; trained on {sets:,}\n",
        "| estimator | mean absolute error, nats | median |",
        "| :--- | ---: | ---: |",
    ]
    estimates = {
        "learned, shipped weights": from_log_scale(forward(test, shipped.weights_)[:, MEDIAN]),
        "learned, trained on the fitted family": from_log_scale(forward(test, own.weights_)[:, MEDIAN]),
        "KSG on normal scores": test.anchors[:, 0].astype(np.float64),
        "Gaussian copula": test.anchors[:, 1].astype(np.float64),
    }
    for name, estimate in estimates.items():
        error = np.abs(estimate - test.truth)
        lines.append(f"| {name} | {error.mean():.3f} | {np.median(error):.3f} |")
    return "\n".join(lines)


def replace_weights(estimator: LearnedMI) -> LearnedMI:
    """Return an unfitted estimator with the same parameters."""
    from sklearn.base import clone

    return clone(estimator)


# --- speed --------------------------------------------------------------------------------------------------

NEURAL = """
import json, sys, time, numpy as np, bmi
n, dim = int(sys.argv[1]), int(sys.argv[2])
rng = np.random.default_rng(0)
x = rng.standard_normal((n, dim)); y = x + rng.standard_normal((n, dim))
out = {}
for name in ("MINEEstimator", "InfoNCEEstimator", "NWJEstimator"):
    estimator = getattr(bmi.estimators, name)(batch_size=min(256, n // 4), max_n_steps=3000, verbose=False)
    start = time.process_time(); value = float(estimator.estimate(x, y))
    out[name] = [time.process_time() - start, value]
print(json.dumps(out))
"""


def set_transformer(rows: int, width: int = 64) -> Callable[[], Any]:
    """The original's sizes with random weights: 5.5 million parameters, rows of 64 numbers as tokens."""
    import torch

    torch.manual_seed(0)
    layers = torch.nn

    class Block(layers.Module):
        def __init__(self, dim: int, inner: int, inducing: int | None) -> None:
            super().__init__()
            self.points = None if inducing is None else layers.Parameter(torch.randn(1, inducing, dim))
            self.first = layers.MultiheadAttention(dim, 16, batch_first=True)
            self.second = layers.MultiheadAttention(dim, 16, batch_first=True)
            self.forward_part = layers.Sequential(
                layers.Linear(dim, inner), layers.ReLU(), layers.Linear(inner, dim)
            )
            self.norms = layers.ModuleList([layers.LayerNorm(dim) for _ in range(2)])

        def forward(self, tokens: Any) -> Any:
            keys = tokens if self.points is None else self.first(self.points, tokens, tokens)[0]
            tokens = self.norms[0](tokens + self.second(tokens, keys, keys)[0])
            return self.norms[1](tokens + self.forward_part(tokens))

    network = layers.Sequential(
        layers.Linear(width, 512), layers.GELU(), layers.Linear(512, 256),
        *(Block(256, 256, None) for _ in range(2)), *(Block(256, 1536, 32) for _ in range(3)), layers.Linear(256, 256),
    ).eval()  # fmt: skip
    tokens = torch.randn(1, rows, width)

    def run() -> Any:
        with torch.no_grad():
            return network(tokens).mean()

    run.parameters = sum(p.numel() for p in network.parameters())  # type: ignore[attr-defined]
    return run


def cpu_seconds(function: Callable[[], Any], repeats: int = 5) -> float:
    """Median process time of a call after one warm-up."""
    function()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return float(np.median(times))


def study_speed(python: str | None) -> str:
    """Milliseconds of processor time an estimate, by size; neural estimators in an environment of their own."""
    from benchmarks.mi import ksg_standard

    lines = [
        "processor milliseconds an estimate (one thread), Gaussian pairs\n",
        "| n, dimensions | learned | KSG | set transformer | MINE | InfoNCE | NWJ |",
        "| :--- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    estimator = LearnedMI().fit()
    parameters = 0
    for n, dim in ((100, 1), (500, 1), (500, 5), (1000, 5), (5000, 5)):
        generator = np.random.default_rng(0)
        x = generator.standard_normal((n, dim))
        y = x + generator.standard_normal((n, dim))
        cells = [1e3 * cpu_seconds(partial(f, x, y)) for f in (estimator.predict, ksg_standard)]
        transformer = set_transformer(n)
        parameters = transformer.parameters  # type: ignore[attr-defined]
        cells.append(1e3 * cpu_seconds(transformer, 3))
        shown = [f"{c:.3g}" for c in cells]
        try:
            if python is None:
                raise RuntimeError("no environment")
            neural = in_environment(python, NEURAL, str(n), str(dim), timeout=1200)
            shown += [f"{1e3 * seconds:.3g}" for seconds, _ in neural.values()]
        except Exception as error:
            shown += [f"failed: {error}"[:60]] * 3
        lines.append(f"| {n:,}, {dim} x {dim} | {' | '.join(shown)} |")
        print(lines[-1], file=sys.stderr, flush=True)
    lines.append(
        f"\nThe set transformer has the original's sizes, {parameters:,} parameters, with random weights."
    )
    lines.append(memory_lines(estimator))
    return "\n".join(lines)


# --- neural estimators --------------------------------------------------------------------------------------

NEURAL_TASKS = (
    "1v1-normal-0.75",
    "multinormal-dense-5-5-0.5",
    "multinormal-sparse-5-5-2-2.0",
    "half_cube-multinormal-sparse-5-5-2-2.0",
    "multinormal-dense-25-25-0.5",
    "multinormal-sparse-25-25-2-2.0",
    "student-identity-2-2-1",
    "student-identity-5-5-2",
    "asinh-student-identity-5-5-2",
    "spiral-multinormal-sparse-5-5-2-2.0",
    "swissroll_x-normal_cdf-1v1-normal-0.75",
    "1v1-additive-0.1",
)
"""Laws on which a neural estimator is trained: it takes seconds to minutes each."""

NEURAL_ESTIMATES = """
import json, sys, numpy as np, bmi
with np.load(sys.argv[1], allow_pickle=False) as file:
    pairs = [(file[f"x{i}"], file[f"y{i}"]) for i in range(len(file.files) // 2)]
out = {"MINE": [], "InfoNCE": [], "NWJ": []}
for x, y in pairs:
    for name, values in out.items():
        estimator = getattr(bmi.estimators, name + "Estimator")(
            batch_size=min(256, len(x) // 4), max_n_steps=3000, verbose=False
        )
        try:
            values.append(float(estimator.estimate(x, y)))
        except Exception:
            values.append(float("nan"))
print(json.dumps(out))
"""


def study_neural(python: str | None, sizes: Sequence[int] = (100, 500, 1000)) -> str:
    """Absolute errors beside those of neural estimators, which run in an environment of their own."""
    from benchmarks.mi import cca, ksg_standard
    from benchmarks.mi_tasks import bmi_tasks

    if python is None:
        raise SystemExit("The study needs --neural, an interpreter with benchmark-mi.")
    tasks = [bmi_tasks()[name] for name in NEURAL_TASKS]
    truths = np.array([task.mutual_information for task in tasks])
    learned = LearnedMI(weights="evaluation").fit().predict
    errors: dict[str, list[np.ndarray]] = {}
    for n in sizes:
        pairs = [
            task.sample(n, random_state=np.random.default_rng([n, 0, i])) for i, task in enumerate(tasks)
        ]
        estimates = {
            name: [function(x, y) for x, y in pairs]
            for name, function in (
                ("learned, evaluation weights", learned),
                ("KSG", ksg_standard),
                ("CCA", cca),
            )
        }
        for name, values in {**estimates, **neural_estimates(python, pairs)}.items():
            errors.setdefault(name, []).append(np.abs(np.array(values, dtype=np.float64) - truths))
    lines = [
        "one draw a law; mean (median) absolute error in nats over twelve of the 40 benchmark laws; a negative bound "
        "counts as it is, and laws on which an estimator returned no number are left out of its mean\n",
        f"| estimator | {' | '.join(f'n = {n:,}' for n in sizes)} |",
        f"| :--- | {' | '.join('---:' for _ in sizes)} |",
    ]
    lines += [f"| {name} | {' | '.join(neural_cell(e) for e in found)} |" for name, found in errors.items()]
    return "\n".join(lines)


def neural_estimates(python: str, pairs: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, list[float]]:
    """Values of the neural estimators on every pair, trained by the other interpreter."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pairs.npz"
        np.savez(
            path,
            **{f"{side}{i}": v for i, pair in enumerate(pairs) for side, v in zip("xy", pair, strict=True)},
        )
        return in_environment(python, NEURAL_ESTIMATES, str(path), timeout=3600)


def neural_cell(errors: np.ndarray) -> str:
    """Mean and median over the laws with a number, and how many had none."""
    kept = errors[np.isfinite(errors)]
    failed = f", {len(errors) - len(kept)} without a number" if len(kept) < len(errors) else ""
    return f"{kept.mean():.3f} ({np.median(kept):.3f}){failed}" if len(kept) else "no number"


def memory_lines(estimator: LearnedMI) -> str:
    """Peak of the memory that one estimate allocates, by n."""
    import tracemalloc

    parts = []
    for n in (1000, 10_000, 100_000):
        x = np.random.default_rng(0).standard_normal((n, 5))
        estimator.predict(x[:500], x[:500, :2] + 1.0)
        tracemalloc.start()
        estimator.predict(x, x[:, :3] + np.random.default_rng(1).standard_normal((n, 3)))
        parts.append(f"{tracemalloc.get_traced_memory()[1] / 2**20:.0f} MiB at n = {n:,}")
        tracemalloc.stop()
    return f"Peak memory of an estimate, 5 x 3: {', '.join(parts)} (the data themselves apart)."


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one study."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mi_studies", description=__doc__)
    parser.add_argument("study", choices=["mist", "left-out", "digits", "speed", "neural"])
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--shards", type=Path, help="folder of training shards, for mist and left-out")
    parser.add_argument("--sets", type=int, default=20_000, help="sets to train on, for digits")
    parser.add_argument("--count", type=int, default=30, help="training shards, for mist and left-out")
    parser.add_argument("--epochs", type=int, default=8, help="epochs, for left-out")
    parser.add_argument(
        "--law-shards",
        type=Path,
        help="folder of sets of the original's law, drawn there where missing, for mist",
    )
    parser.add_argument("--law-count", type=int, default=30, help="shards of that law, for mist")
    parser.add_argument("--draws", type=int, default=30, help="draws of the law, for mist")
    parser.add_argument(
        "--neural",
        default=os.environ.get(PEERS["benchmark-mi"]),
        help="interpreter with benchmark-mi, for speed and neural",
    )
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore", SupportWarning)
    studies: dict[str, Callable[[], str]] = {
        "mist": lambda: study_mist(
            options.shards, options.law_shards, options.count, options.law_count, options.draws
        ),
        "left-out": lambda: study_left_out(options.shards, options.count, options.epochs),
        "digits": lambda: study_digits(options.sets, 300),
        "speed": lambda: study_speed(options.neural),
        "neural": lambda: study_neural(options.neural),
    }
    table = studies[options.study]()
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / f"mi_{options.study.replace('-', '_')}.md").write_text(table + "\n", encoding="utf-8")
    print(table)


if __name__ == "__main__":
    main()
