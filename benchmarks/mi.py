"""Mutual information: time and memory against peers (``specs``), and accuracy on laws with known values.

``python -m benchmarks mi`` measures time and memory. ``python -m benchmarks.mi --output DIR`` measures errors on the
40 benchmark laws and writes ``mi_accuracy.csv`` (one row an estimate) and ``mi_accuracy.md`` (medians over seeds); with
``--power`` it writes ``mi_power.md``, the rejection rates of the independence test, and with ``--learned`` the learned estimators alone are
measured anew on the same draws, the stored rows of the others stay, and ``mi_intervals.md`` gets the coverage of their intervals.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.feature_selection import mutual_info_regression

from benchmarks._peers import LazyPeer, server
from benchmarks._runner import Implementations, Spec
from benchmarks.mi_tasks import BenchmarkTask, bmi_tasks
from validstats.mi import LearnedMI, independence_test, mutual_info
from validstats.mi.anchors.neighbours import gaussian_copula, gaussian_plug_in, ksg, scale_columns
from validstats.mi.estimators import interval_ends, medians
from validstats.mi.network import prepare_pair, read_pairs, shipped_weights_path
from validstats.mi.sides import prepare_sides

Estimator = Callable[[np.ndarray, np.ndarray], float]

SIZES = (100, 500, 1000, 5000)
SPEED_SIZES = (10, 100, 1000, 10_000, 100_000)


# --- estimators -------------------------------------------------------------------------------------------


def ksg_standard(x: np.ndarray, y: np.ndarray) -> float:
    """KSG 1 with k = 3 on standardised columns: our default nearest-neighbour estimate."""
    return max(0.0, ksg(scale_columns(x, "standard"), scale_columns(y, "standard"), 3))


def ksg_scores(x: np.ndarray, y: np.ndarray) -> float:
    """KSG 1 with k = 3 on normal scores."""
    return max(0.0, ksg(scale_columns(x, "normal_scores"), scale_columns(y, "normal_scores"), 3))


def ksg_ten_euclidean(x: np.ndarray, y: np.ndarray) -> float:
    """KSG 1 with k = 10 and Euclidean distances on standardised columns: the setting of benchmark-mi."""
    return max(0.0, ksg(scale_columns(x, "standard"), scale_columns(y, "standard"), 10, "euclidean"))


def gaussian(x: np.ndarray, y: np.ndarray) -> float:
    """Gaussian copula with bias correction."""
    return max(0.0, gaussian_copula(x, y).value)


def cca(x: np.ndarray, y: np.ndarray) -> float:
    """Plug-in from canonical correlations."""
    return gaussian_plug_in(x, y).value


def scikit_learn(x: np.ndarray, y: np.ndarray) -> float:
    """scikit-learn's estimator, for single columns only."""
    if x.shape[1] + y.shape[1] > 2:
        raise ValueError("mutual_info_regression takes single columns.")
    return float(mutual_info_regression(x, y[:, 0], random_state=0)[0])


def neighbours_in_python(x: np.ndarray, y: np.ndarray) -> float:
    """KSG 1 as the common scripts write it: scipy trees and a Python loop over the rows."""
    from scipy.spatial import cKDTree
    from scipy.special import digamma

    x, y = scale_columns(x, "standard"), scale_columns(y, "standard")
    joint = cKDTree(np.hstack([x, y]))
    trees = cKDTree(x), cKDTree(y)
    radius = joint.query(joint.data, k=4, p=np.inf)[0][:, 3]
    total = 0.0
    for rows, tree in zip((x, y), trees):
        for row, r in zip(rows, radius):
            total += digamma(len(tree.query_ball_point(row, r - 1e-15, p=np.inf)))
    return float(digamma(3) + digamma(len(x)) - total / len(x))


def estimators() -> dict[str, Estimator]:
    """Estimators by name, ours first; the learned ones where their weights are installed."""
    return {
        **learned_estimators(),
        "KSG-3, standardised": ksg_standard,
        "KSG-3, normal scores": ksg_scores,
        "KSG-10, Euclidean": ksg_ten_euclidean,
        "Gaussian copula": gaussian,
        "CCA": cca,
        "scikit-learn": scikit_learn,
    }


def learned_estimators() -> dict[str, Estimator]:
    """The learned estimator with each file of weights that is installed.

    The evaluation weights never saw spirals, swiss rolls, uniform additive noise or exotic mixtures; the shipped ones
    saw every family, so their errors on the benchmark laws are not out of family.
    """
    found: dict[str, Estimator] = {}
    for name in ("evaluation", "shipped"):
        if shipped_weights_path(name).exists():
            estimator = LearnedMI(weights=name).fit()
            found[f"learned, {name} weights"] = estimator.predict
    return found


# --- accuracy ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One estimate."""

    task: str
    group: str
    n: int
    seed: int
    estimator: str
    truth: float
    estimate: float
    abs_error: float
    cpu_seconds: float


def measure_accuracy(
    tasks: Sequence[BenchmarkTask], sizes: Sequence[int], seeds: dict[int, int], chosen: dict[str, Estimator]
) -> Iterator[Row]:
    """Estimate every task at every size; an estimator that does not take a task is left out of it.

    Parameters
    ----------
    tasks : sequence of BenchmarkTask
        Laws.
    sizes : sequence of int
        Sample sizes.
    seeds : dict of int to int
        Number of seeds for each size.
    chosen : dict of str to callable
        Estimators.
    """
    for n in sizes:
        for number, task in enumerate(tasks):
            print(f"n = {n}: {number + 1}/{len(tasks)} {task.name}", file=sys.stderr, flush=True)
            for seed in range(seeds[n]):
                x, y = task.sample(n, random_state=np.random.default_rng([n, seed, number]))
                for name, function in chosen.items():
                    start = time.process_time()
                    try:
                        value = function(x, y)
                    except ValueError:
                        continue
                    seconds = time.process_time() - start
                    truth = task.mutual_information
                    yield Row(task.name, task.group, n, seed, name, truth, value, abs(value - truth), seconds)


def accuracy_table(rows: Sequence[Row]) -> str:
    """Mean and median absolute error over the tasks, of medians over seeds, overall and by group.

    Parameters
    ----------
    rows : sequence of Row
        Estimates.

    Returns
    -------
    str
        Markdown.
    """
    sizes = sorted({row.n for row in rows})
    lines = []
    for title, group in (("All 40 tasks", None), *((g, g) for g in sorted({row.group for row in rows}))):
        chosen = [row for row in rows if group in (None, row.group)]
        count = len({row.task for row in chosen})
        lines += [
            f"\n**{title}** ({count} tasks): mean (median) absolute error in nats\n",
            f"| estimator | {' | '.join(f'n = {n:,}' for n in sizes)} | tasks |",
            f"| :--- | {' | '.join('---:' for _ in sizes)} | ---: |",
        ]
        for name in dict.fromkeys(row.estimator for row in chosen):
            mine = [row for row in chosen if row.estimator == name]
            cells = [_cell([row for row in mine if row.n == n]) for n in sizes]
            lines.append(f"| {name} | {' | '.join(cells)} | {len({row.task for row in mine})} |")
    return "\n".join(lines)


def _cell(rows: Sequence[Row]) -> str:
    by_task: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        by_task[row.task].append(row.abs_error)
    if not by_task:
        return ""
    medians = [float(np.median(errors)) for errors in by_task.values()]
    return f"{np.mean(medians):.3f} ({np.median(medians):.3f})"


def write_rows(rows: Sequence[Row], path: Path) -> None:
    """Write one row an estimate."""
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, fieldnames=list(asdict(rows[0])))
        writer.writeheader()
        for row in rows:
            values = asdict(row).items()
            writer.writerow({key: f"{v:.5g}" if isinstance(v, float) else v for key, v in values})


def read_rows(path: Path) -> list[Row]:
    """Rows that :func:`write_rows` wrote."""
    with path.open(newline="", encoding="utf-8") as handle:
        return [
            Row(
                row["task"], row["group"], int(row["n"]), int(row["seed"]), row["estimator"],
                *(float(row[key]) for key in ("truth", "estimate", "abs_error", "cpu_seconds")),
            )
            for row in csv.DictReader(handle)
        ]  # fmt: skip


def measure_learned(
    tasks: Sequence[BenchmarkTask], sizes: Sequence[int], seeds: dict[int, int]
) -> tuple[list[Row], str]:
    """Estimates of every task by each file of weights, from one summary a draw, and a table of the coverage of 90 % intervals.

    Parameters
    ----------
    tasks : sequence of BenchmarkTask
        Laws.
    sizes : sequence of int
        Sample sizes.
    seeds : dict of int to int
        Number of seeds for each size, the draws of :func:`measure_accuracy`.

    Returns
    -------
    rows : list of Row
        One row an estimate; seconds are those of the summary and of the network.
    table : str
        Markdown: the laws by sample size, then parity, which is outside every family.
    """
    from tests.validity.test_mi_learned import FRESH_SEED, Parity

    estimators = {name: LearnedMI(weights=name).fit() for name in ("evaluation", "shipped")}
    rows: list[Row] = []
    groups: dict[str, list[tuple[bool, float]]] = {}
    for n in sizes:
        for number, task in enumerate(tasks):
            print(f"n = {n}: {number + 1}/{len(tasks)} {task.name}", file=sys.stderr, flush=True)
            for seed in range(seeds[n]):
                x, y = task.sample(n, random_state=np.random.default_rng([n, seed, number]))
                truth = task.mutual_information
                for name, (value, low, high, seconds) in learned_answers(x, y, estimators).items():
                    label = f"learned, {name} weights"
                    error = abs(value - truth)
                    rows.append(Row(task.name, task.group, n, seed, label, truth, value, error, seconds))
                    groups.setdefault(f"{name}, the laws at n = {n:,}", []).append(
                        (low <= truth <= high, high - low)
                    )
    for index in range(120):
        sample = Parity().sample(FRESH_SEED, index)
        for name, (_, low, high, _) in learned_answers(sample.x, sample.y, estimators).items():
            inside = low <= sample.mutual_information <= high
            groups.setdefault(f"{name}, parity of 4 to 6 signs, n of 100 to 400", []).append(
                (inside, high - low)
            )
    lines = [
        "| weights, laws | data sets | 90 % intervals cover | median width |",
        "| :--- | ---: | ---: | ---: |",
    ]
    for name in sorted(groups, key=lambda name: name.split(",")[0]):
        inside_all, widths = zip(*groups[name], strict=True)
        lines.append(f"| {name} | {len(widths)} | {np.mean(inside_all):.3f} | {np.median(widths):.2f} |")
    return rows, "\n".join(lines)


def learned_answers(
    x: np.ndarray, y: np.ndarray, estimators: dict[str, LearnedMI]
) -> dict[str, tuple[float, float, float, float]]:
    """Estimate, ends of the 90 % interval and processor seconds with each file of weights."""
    start = time.process_time()
    prepared = [prepare_pair(*prepare_sides(x, y), structure=True)]
    shared = time.process_time() - start
    found = {}
    for name, estimator in estimators.items():
        start = time.process_time()
        sets, members = read_pairs(prepared, estimator.weights_)
        assert sets is not None
        quantiles = members.mean(axis=0)
        value = float(medians(prepared, sets, quantiles)[0])
        seconds = shared + time.process_time() - start
        low, high = interval_ends(estimator, sets, quantiles, 0.9, "meta")[0]
        found[name] = value, min(float(low), value), max(float(high), value), seconds
    return found


# --- time and memory --------------------------------------------------------------------------------------


def _pair(n: int, dim: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng([n, dim])
    x = generator.standard_normal((n, dim))
    return x, x + generator.standard_normal((n, dim))


NPEET_SERVER = server("""
import math
import npeet_plus
def run():
    return {"estimate": float(npeet_plus.mi(data["x"], data["y"], k=3, base=math.e))}
tasks = {"run": run}
""")


NEURAL_SERVER = server("""
import bmi
def task(name):
    def run():
        estimator = getattr(bmi.estimators, name + "Estimator")(
            batch_size=min(256, len(data["x"]) // 4), max_n_steps=3000, verbose=False
        )
        return {"estimate": float(estimator.estimate(data["x"], data["y"]))}
    return run
tasks = {name: task(name) for name in ("MINE", "InfoNCE", "NWJ")}
""")


def neural(x: np.ndarray, y: np.ndarray) -> dict[str, Callable[[], Any]]:
    """Return the neural estimators of benchmark-mi, trained anew at every call in an environment of their own."""
    peer = LazyPeer("benchmark-mi", NEURAL_SERVER, {"x": x, "y": y})
    return {f"{name}, benchmark-mi": peer.task(name) for name in ("MINE", "InfoNCE", "NWJ")}


def neural_spec(n: int, dim: int) -> Spec:
    """Time of the learned estimate beside that of networks trained on the data set itself."""
    x, y = _pair(n, dim)
    note = f"truth {dim * np.log(2) / 2:.3f} nats; at most 3,000 steps, batches of min(256, n / 4)"
    ours = {"validstats, default": _bind(mutual_info, x, y)}
    return Spec("mi", f"{dim} x {dim}, neural", n, ours | neural(x, y), repeats=1, note=note)


def npeet(x: np.ndarray, y: np.ndarray) -> dict[str, Callable[[], Any]]:
    """Return NPEET's nearest-neighbour estimate (of its fork NPEET_plus), which runs in an environment of its own."""
    return {"NPEET_plus": LazyPeer("npeet-plus", NPEET_SERVER, {"x": x, "y": y}).task("run")}


def _bind(function: Estimator, x: np.ndarray, y: np.ndarray) -> Callable[[], Any]:
    return lambda: function(x, y)


def specs(quick: bool = False) -> list[Spec]:
    """What ``python -m benchmarks mi`` measures.

    Parameters
    ----------
    quick : bool, default False
        Small sizes only.

    Returns
    -------
    list of Spec
        Estimates of one pair of columns and of five against five, by size; all pairs of 20 columns.
    """
    found = [pair_spec(n, 1) for n in (SPEED_SIZES[:2] if quick else SPEED_SIZES)]
    found += [pair_spec(n, 5) for n in ((500,) if quick else (500, 2000, 10_000))]
    found += [independence_spec(b) for b in ((99,) if quick else (199, 9_999))]
    found += [neural_spec(500, dim) for dim in ((1,) if quick else (1, 5))]
    return [*found, _matrix_spec(quick)]


def pair_spec(n: int, dim: int) -> Spec:
    """One estimate from n rows of a Gaussian pair."""
    return Spec(
        "mi",
        f"{dim} x {dim}",
        n,
        lambda: pair_implementations(n, dim),
        repeats=11 if n <= 1000 else 3,
        note="the default reads networks and gives an interval of 95 %; method='ksg' gives KSG's estimate with a standard error "
        "on demand, as the others do without",
    )


def pair_implementations(n: int, dim: int) -> Implementations:
    """Return our estimators and the peers' that take columns of this number."""
    x, y = _pair(n, dim)
    functions: dict[str, Callable[[np.ndarray, np.ndarray], Any]] = {
        "validstats, default": mutual_info,
        "validstats, method='ksg'": partial(mutual_info, method="ksg"),
        "validstats, KSG alone": ksg_standard,
        "validstats, CCA alone": cca,
        "tree and Python loop": neighbours_in_python,
    }
    if dim == 1:
        functions["scikit-learn"] = scikit_learn
    return {name: _bind(function, x, y) for name, function in functions.items()} | npeet(x, y)


DCOR_SERVER = server("""
import dcor
def run():
    found = dcor.independence.distance_covariance_test(
        data["x"], data["y"], num_resamples=int(data["permutations"]), random_state=0
    )
    return {"p": float(found.pvalue)}
tasks = {"run": run}
""")


def independence_spec(permutations: int) -> Spec:
    """A test of independence of 600 rows."""
    x, y = _pair(600, 1)
    y = np.random.default_rng(1).permutation(y)
    data = {"x": x, "y": y, "permutations": np.array(permutations)}
    return Spec(
        "mi",
        f"test of independence, {permutations:,} permutations",
        600,
        {
            "validstats, default": lambda: independence_test(
                x, y, n_permutations=permutations, random_state=0
            ),
            "dcor": LazyPeer("dcor", DCOR_SERVER, data).task("run"),
        },
        repeats=3,
        note="the default has four statistics of each permutation, distance covariance among them",
    )


def _matrix_spec(quick: bool) -> Spec:
    from validstats.mi import mutual_info_matrix

    n, p = 500, 8 if quick else 20
    data = np.random.default_rng(0).standard_normal((n, p))
    data[:, 1:] += 0.3 * data[:, :1]

    def with_scikit_learn() -> None:
        for j in range(1, p):
            mutual_info_regression(data[:, :j], data[:, j], random_state=0)

    return Spec(
        "mi",
        f"all pairs of {p} columns",
        n,
        {
            "validstats, default": lambda: mutual_info_matrix(data),
            "validstats, method='ksg'": lambda: mutual_info_matrix(data, method="ksg"),
            "scikit-learn": with_scikit_learn,
        },
        repeats=3,
    )


# --- power ------------------------------------------------------------------------------------------------


def _linear(generator: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    x = generator.standard_normal((n, 1))
    return x, 0.3 * x + np.sqrt(1 - 0.09) * generator.standard_normal((n, 1))


def _quadratic(generator: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    x = generator.standard_normal((n, 1))
    return x, 0.6 * (x**2 - 1) / np.sqrt(2) + 0.8 * generator.standard_normal((n, 1))


def _sine(generator: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    x = generator.uniform(-1, 1, size=(n, 1))
    return x, np.sin(2 * np.pi * x) + 0.8 * generator.standard_normal((n, 1))


def _shared_scale(generator: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    rows = generator.standard_normal((n, 6)) / np.sqrt(generator.chisquare(2, size=(n, 1)) / 2)
    return rows[:, :3], rows[:, 3:]


def _one_pair_in_five(generator: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    x, y = generator.standard_normal((2, n, 5))
    y[:, 0] = 0.6 * x[:, 0] + 0.8 * y[:, 0]
    return x, y


def _independent(generator: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    return generator.standard_normal((n, 1)), generator.standard_normal((n, 1))


POWER_LAWS = {
    "independent": _independent,
    "linear, r = 0.3": _linear,
    "quadratic": _quadratic,
    "sine": _sine,
    "Student, 2 degrees of freedom, 3 x 3": _shared_scale,
    "one linear pair in 5 x 5": _one_pair_in_five,
}
"""Laws of the power table."""


def power_table(n: int, n_replicates: int, n_permutations: int) -> str:
    """Rejection rates of the permutation test at level 0.05, by statistic.

    Parameters
    ----------
    n : int
        Rows of each data set.
    n_replicates : int
        Data sets of each law, the same for every statistic.
    n_permutations : int
        Permutations of each test.

    Returns
    -------
    str
        Markdown; the standard error of a rate is at most ``0.5 / sqrt(n_replicates)``.
    """
    statistics = ("learned", "ksg", "distance_correlation", "gaussian")
    lines = [
        f"n = {n}, {n_permutations} permutations, {n_replicates} data sets a law, level 0.05\n",
        f"| law | {' | '.join(statistics)} |",
        f"| :--- | {' | '.join('---:' for _ in statistics)} |",
    ]
    for name, law in POWER_LAWS.items():
        rates = []
        for statistic in statistics:
            rejected = 0
            for replicate in range(n_replicates):
                x, y = law(np.random.default_rng([n, replicate]), n)
                test = independence_test(
                    x, y, statistic=statistic, n_permutations=n_permutations, random_state=replicate
                )
                rejected += test.p_value <= 0.05
            rates.append(f"{rejected / n_replicates:.2f}")
        print(name, rates, file=sys.stderr, flush=True)
        lines.append(f"| {name} | {' | '.join(rates)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure the accuracy, of the learned estimators alone with ``--learned``, or the power with ``--power``."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mi", description=main.__doc__)
    parser.add_argument(
        "--output", type=Path, default=Path("benchmarks/results"), help="folder for the results"
    )
    parser.add_argument("--sizes", type=int, nargs="*", default=list(SIZES))
    parser.add_argument(
        "--seeds", type=int, default=5, help="draws of each task (at most 2 from n = 5,000 on)"
    )
    parser.add_argument(
        "--power", action="store_true", help="rejection rates of the independence test instead"
    )
    parser.add_argument(
        "--learned", action="store_true", help="measure the learned estimators alone, and their intervals"
    )
    parser.add_argument("--replicates", type=int, default=60, help="data sets of each law for --power")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    seeds = {n: min(arguments.seeds, 2) if n >= 5000 else arguments.seeds for n in arguments.sizes}
    if arguments.power:
        table, name = power_table(100, arguments.replicates, 39), "mi_power"
    elif arguments.learned:
        path = arguments.output / "mi_accuracy.csv"
        rows, intervals = measure_learned(list(bmi_tasks().values()), arguments.sizes, seeds)
        rows += [row for row in read_rows(path) if not row.estimator.startswith("learned")]
        write_rows(rows, path)
        (arguments.output / "mi_intervals.md").write_text(intervals + "\n", encoding="utf-8")
        table, name = accuracy_table(rows), "mi_accuracy"
    else:
        rows = list(measure_accuracy(list(bmi_tasks().values()), arguments.sizes, seeds, estimators()))
        write_rows(rows, arguments.output / "mi_accuracy.csv")
        table, name = accuracy_table(rows), "mi_accuracy"
    (arguments.output / f"{name}.md").write_text(table + "\n", encoding="utf-8")
    print(table)


if __name__ == "__main__":
    main()
