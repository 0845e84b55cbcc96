"""Evaluations: CPU seconds of what users call, beside what is asked of them, and what an import loads.

``python -m benchmarks.evals_speed --output benchmarks/results`` writes ``evals_speed.md``. CPU seconds of one thread, not of
the clock, so that a busy machine gives the same answer; the first call, which may load libraries, is not counted except where a
command is run in a process of its own.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from benchmarks.evals import battles_of, board_of, samples_of
from validstats import evals

HEAVY = ("numba", "pandas", "click")
"""What an import should not load."""

IMPORT = """
import sys
if hide:
    sys.modules.update(dict.fromkeys(["pandas"]))
import validstats.evals
print(*[name for name in {heavy} if sys.modules.get(name) is not None])
"""


class Row(NamedTuple):
    """One measurement."""

    what: str
    asked: str
    found: str


def cpu_seconds(call: Callable[[], Any], repeats: int) -> float:
    """Fewest CPU seconds of a call after one that is not counted."""
    call()
    found = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        found.append(time.process_time() - start)
    return min(found)


def cpu_seconds_of_process(command: list[str], repeats: int) -> float:
    """Fewest CPU seconds of a command in a process of its own, start and imports with it."""
    found = []
    for _ in range(repeats):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(found)


def loaded_by_import(hide: bool) -> str:
    """Which of the heavy packages ``import validstats.evals`` loads, with pandas hidden from scikit-learn or not."""
    code = f"hide = {hide}" + IMPORT.format(heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return done.stdout.strip() or "none"


def rows_of(share: float, repeats: int) -> Iterator[Row]:
    """All measurements; ``share`` scales the sizes."""
    rng = np.random.default_rng(0)
    n, items = int(1_000_000 * share), int(10_000 * share)
    scores = pd.DataFrame({"item": np.arange(n) // 5, "score": rng.integers(0, 2, n)})

    def seconds(what: str, asked: str, call: Callable[[], Any]) -> Row:
        return Row(what, asked, f"{cpu_seconds(call, repeats):.2f} s")

    yield seconds(f"evaluate: {n:,} rows, five samples an item", "2 s", lambda: evals.evaluate(scores))
    board = board_of(rng, 30, items)
    yield seconds(f"rank: 30 systems on {items:,} items", "5 s, aim .5 s", lambda: evals.rank(board))
    battles = battles_of(rng, 30, 10 * items)
    yield seconds(f"rank: {10 * items:,} battles of 30 systems", "", lambda: evals.rank(battles))
    samples = samples_of(rng, items, 100)
    ks = list(range(1, 101))
    yield seconds(
        f"pass_at_k: k = 1 to 100 of {items:,} problems", "", lambda: evals.pass_at_k(samples, k=ks)
    )
    with tempfile.TemporaryDirectory(prefix="validstats-benchmark-") as folder:
        paths = [Path(folder) / name for name in ("new.csv", "old.csv")]
        for name, path in zip(sorted(board["system"].unique()), paths, strict=False):
            board[board["system"] == name].to_csv(path, index=False)
        command = [
            sys.executable,
            "-c",
            "from validstats.cli import main; main()",
            "compare",
            *map(str, paths),
        ]
        took = cpu_seconds_of_process(command, repeats)
    yield Row(f"file to verdict: `validstats compare` of two files of {items:,} rows", "3 s", f"{took:.2f} s")
    yield Row("import of validstats.evals loads of numba, pandas, click", "none", loaded_by_import(False))
    yield Row("the same where scikit-learn finds no pandas", "none", loaded_by_import(True))


def table_of(rows: list[Row]) -> str:
    """The measurements as Markdown."""
    lines = [
        "# Evaluations: speed",
        "",
        "CPU seconds of one thread, the fewest of several calls after one that was not counted; the command in a process of its "
        "own, with its start and imports. The package itself imports pandas where a function needs it; scikit-learn, "
        "whose base classes it has, loads pandas wherever that is installed.",
        "",
        "| what | asked | found |",
        "| :--- | :--- | :--- |",
    ]
    return "\n".join([*lines, *(f"| {row.what} | {row.asked} | {row.found} |" for row in rows)]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--share", type=float, default=1.0, help="Of the sizes.")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    rows = []
    for row in rows_of(given.share, given.repeats):
        rows.append(row)
        print(*row, sep="  ", flush=True)
    given.output.mkdir(parents=True, exist_ok=True)
    (given.output / "evals_speed.md").write_text(table_of(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
