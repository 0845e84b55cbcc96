"""Rows beyond one machine's memory: calibration, a question and a regression over Parquet parts on a small dask cluster.

``python -m benchmarks.scale --folder DIR`` makes Parquet parts in DIR (28 bytes a row), works on them with two workers of
1 GiB each, and writes ``scale.md``. What was measured is kept in DIR, so that a run that was stopped goes on; every size and
task has a cluster of its own.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROWS_A_PART = 500_000
LABELS = 20_000
"""Rows with an expert label, on average, whatever the number of rows."""
LIMIT = 2**30
BYTES_A_ROW = 28
LARGEST = {"infer": 10_000_000}
"""Most rows of a task: it keeps a number of every row of the batch with the caller."""
TRUTH = np.array([1.0, 0.5, -0.25])


def part(number: int, rows: int, n: int) -> Any:
    """Make one part: five columns of float32 and one of float64, the label that a few rows have."""
    import pyarrow as pa

    rng = np.random.default_rng([n, number])
    a, b = rng.standard_normal((2, rows), dtype=np.float32)
    y = (TRUTH[0] + TRUTH[1] * a + TRUTH[2] * b + rng.standard_normal(rows, dtype=np.float32)).astype(
        np.float32
    )
    machine = (0.9 * y + 0.5 * rng.standard_normal(rows, dtype=np.float32)).astype(np.float32)
    expert = np.where(rng.random(rows) < LABELS / n, y.astype(np.float64), np.nan)
    week = ((number * ROWS_A_PART + np.arange(rows)) * 100 // n).astype(np.float32)
    return pa.table({"a": a, "b": b, "machine": machine, "y": y, "week": week, "expert": expert})


def written(folder: Path, n: int) -> Path:
    """Write the parts that are not there yet."""
    import pyarrow.parquet as pq

    place = folder / f"rows_{n}"
    place.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < 2 * BYTES_A_ROW * n:
        raise SystemExit(f"{n:,} rows take {BYTES_A_ROW * n / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free.")
    for number, begin in enumerate(range(0, n, ROWS_A_PART)):
        file = place / f"{number:05}.parquet"
        if not file.exists():
            pq.write_table(part(number, min(ROWS_A_PART, n - begin), n), place / "new", compression="none")
            (place / "new").rename(file)
    return place


def predictor(target: Any = None, bounds: tuple[float | None, float | None] = (None, None)) -> Any:
    """Return a predictor around a fitted line, for the median of the residuals of a batch or another target."""
    from sklearn.frozen import FrozenEstimator
    from sklearn.linear_model import LinearRegression

    from validstats.batch import BatchPredictor, BatchQuantile

    # of float32 the digits of the line would depend on where the numbers lie in memory
    sample = part(0, 100_000, 100_000).to_pandas().astype(np.float64)
    line = LinearRegression().fit(sample[["a", "b"]], sample["y"])
    return BatchPredictor(
        FrozenEstimator(line),
        BatchQuantile(0.5) if target is None else target,
        conformity_score="signed",
        bounds=bounds,
        random_state=0,
    )


def calibrated(rows: Any, y: Any = "y") -> list[float]:
    """Calibrate on all rows, and ask about a batch: the median of the residuals of 1,000 rows."""
    found = predictor().calibrate(rows, y)
    return [*map(float, np.ravel(found.infer(batch_rows()).conf_low)), found.calibration_.n]


def mean_of(rows: Any, y: Any = "y") -> list[float]:
    """Calibrate on all rows, and ask about a batch: the mean of 1,000 labels in known bounds, by bets."""
    from validstats.batch import BatchMean

    result = predictor(BatchMean(), (-20, 20)).calibrate(rows, y).infer(batch_rows())
    return [*map(float, np.ravel(result.conf_low)), *map(float, np.ravel(result.conf_high))]


def batch_rows() -> Any:
    return part(1, 1_000, 100_000).to_pandas()[["a", "b"]]


def inferred(rows: Any) -> list[float]:
    """Ask about all rows as one batch, from 100,000 calibration rows in memory."""
    known = part(3, 100_000, 100_000).to_pandas()
    found = predictor().calibrate(known[["a", "b"]], known["y"])
    result = found.infer(rows)
    return [*map(float, np.ravel(result.conf_low)), *map(float, np.ravel(result.conf_high))]


def regressed(rows: Any) -> list[float]:
    """Regress the expert label on two columns, with the machine's label for the rows that have none."""
    from validstats import DesignSupervised

    study = DesignSupervised("linear", random_state=0).fit(rows, surrogate="machine", features=["a", "b"])
    result = study.calibrate("expert").infer("expert ~ a + b")
    return [*map(float, result.estimate), *map(float, result.std_error)]


TASKS: dict[str, tuple[str, Callable[..., list[float]]]] = {
    "calibrate": ("`BatchPredictor.calibrate`, and `infer` of 1,000 rows", calibrated),
    "mean": ("`BatchPredictor.calibrate`, and `infer` of 1,000 rows: mean in known bounds", mean_of),
    "infer": ("`BatchPredictor.infer`, all rows one batch", inferred),
    "dsl": ("`DesignSupervised`: fit, calibrate, infer (learner `linear`)", regressed),
}


def processor() -> float:
    return time.process_time()


def resident() -> float:
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def columns_of(task: str) -> list[str]:
    labelled = ["a", "b", "y"]
    return {
        "calibrate": labelled,
        "mean": labelled,
        "infer": ["a", "b"],
        "dsl": ["a", "b", "machine", "expert"],
    }[task]


def measure(task: str, place: Path, n: int) -> dict[str, Any]:
    """Run one task on a fresh cluster, and return its answer with seconds and largest resident sizes."""
    import dask.dataframe as dd
    from dask.distributed import Client, LocalCluster

    warnings.simplefilter("ignore")
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, memory_limit=LIMIT, dashboard_address=None, silence_logs=50
        ) as cluster,
        Client(cluster) as client,
    ):
        rows = dd.read_parquet(place)[columns_of(task)]
        client.run(import_all)
        before = sum(client.run(processor).values()) + processor()
        began = time.perf_counter()
        with open("/proc/self/clear_refs", "w") as marks:
            marks.write("5")
        answer = TASKS[task][1](rows)
        seconds = time.perf_counter() - began
        used = sum(client.run(processor).values()) + processor() - before
        return {
            "n": n,
            "task": task,
            "seconds": seconds,
            "processor": used,
            "workers": sorted(client.run(resident).values()),
            "caller": resident(),
            "answer": answer,
        }


def import_all() -> None:
    import validstats.batch
    import validstats.dsl  # noqa: F401


def in_memory(task: str, place: Path) -> list[float]:
    """Return the answer for the same rows in memory."""
    import pandas as pd

    rows = pd.read_parquet(place)[columns_of(task)]
    if task in ("calibrate", "mean"):
        return TASKS[task][1](rows[["a", "b"]], rows["y"])
    return TASKS[task][1](rows)


def difference(one: list[float], other: list[float]) -> float:
    """Return the largest relative difference of two answers."""
    return float(np.max(np.abs(np.subtract(one, other)) / np.maximum(np.abs(other), 1e-300)))


def page(found: list[dict[str, Any]], differences: dict[str, float], command: str) -> str:
    """Return the table as Markdown."""
    lines = [
        "# Rows beyond one machine's memory",
        "",
        f"`{command}`: Parquet parts of {ROWS_A_PART:,} rows, five columns of float32 and one of float64; two workers of one "
        "thread and 1 GiB of memory each, on this machine. Seconds on the clock depend on what else ran; processor seconds are of "
        "both workers and the caller. Memory is the largest resident size of a process, its libraries included.",
        "",
        "| rows | data | what | seconds | processor seconds | microseconds a row | worker, at most | caller, at most |",
        "| ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in found:
        n = row["n"]
        lines.append(
            f"| {n:,} | {BYTES_A_ROW * n / 2**20:,.0f} MiB | {TASKS[row['task']][0]} | {row['seconds']:.1f} | "
            f"{row['processor']:.1f} | {1e6 * row['processor'] / n:.3f} | {max(row['workers']):,.0f} MiB | "
            f"{row['caller']:,.0f} MiB |"
        )
    lines += ["", "Largest relative difference from the answer for the same rows in memory:", ""]
    lines += [f"* {TASKS[task][0]}: {value:.1e}" for task, value in differences.items()]
    return "\n".join(lines) + "\n"


def kept(file: Path, work: Callable[[], Any]) -> Any:
    """Return what a file holds, or do the work and write it."""
    if not file.exists():
        found = json.dumps(work())
        file.write_text(found)
    return json.loads(file.read_text())


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000, 100_000_000])
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--keep", action="store_true", help="leave the parts where they are")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    found, differences = [], {}
    for n in sorted(arguments.rows):
        for task in (t for t in arguments.tasks if n <= LARGEST.get(t, n)):
            file = arguments.folder / f"{task}_{n}.json"
            found.append(kept(file, lambda task=task, n=n: measure(task, written(arguments.folder, n), n)))  # type: ignore[misc]
            print(json.dumps(found[-1]), flush=True)
            if n == min(arguments.rows):
                file = arguments.folder / f"memory_{task}_{n}.json"
                known = kept(file, lambda task=task, n=n: in_memory(task, written(arguments.folder, n)))  # type: ignore[misc]
                differences[task] = difference(found[-1]["answer"], known)
        if not arguments.keep:
            shutil.rmtree(arguments.folder / f"rows_{n}", ignore_errors=True)
    command = f"python -m benchmarks.scale --folder DIR --rows {' '.join(map(str, sorted(arguments.rows)))}"
    (arguments.output / "scale.md").write_text(page(found, differences, command))


if __name__ == "__main__":
    main()
