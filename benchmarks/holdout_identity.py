"""Identity of holdout rows: engineered copies, unrelated rows, searches on holdout rows, and programs that bind at once.

``python -m benchmarks.holdout_identity`` writes ``benchmarks/results/holdout_identity.md``; ``--seed`` gives other data.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn import datasets
from sklearn.linear_model import LogisticRegression

from validstats.exceptions import DataReuseError, DataReuseWarning, LedgerMismatchError
from validstats.holdout import HoldoutSearchCV, Ledger, ReusableHoldout

RESULTS = Path(__file__).parent / "results" / "holdout_identity.md"
Generator = np.random.Generator
Rows = tuple[Any, Any]


def variants(rng: Generator, n: int = 1000) -> tuple[Rows, dict[str, Rows]]:
    """A holdout of five columns, and what may become of it."""
    X = rng.normal(size=(n, 5))
    y = (X[:, 0] + rng.normal(size=n) > 0).astype(int)
    more, more_y = rng.normal(size=(4 * n, 5)), rng.integers(0, 2, 4 * n)
    order = rng.permutation(n)
    Z = (X - X.mean(0)) / X.std(0)
    found: dict[str, Rows] = {
        "permuted": (X[order], y[order]),
        "plus 1e-12": (X + 1e-12, y),
        "float32": (X.astype(np.float32), y),
        "columns reordered": (X[:, ::-1], y),
        "column added": (np.c_[X, more[:n, 0]], y),
        "column dropped": (X[:, 1:], y),
        "standardised": (Z, y),
        "min-max": ((X - X.min(0)) / np.ptp(X, axis=0), y),
        "999 of 1,000 rows": (X[:-1], y[:-1]),
        "half": (X[order[: n // 2]], y[order[: n // 2]]),
        "a row twice": (np.r_[X, X[:1]], np.r_[y, y[:1]]),
        "labels as text": (X, y.astype(str)),
        "labels turned": (X, 1 - y),
        "data frame": (pd.DataFrame(X, columns=list("abcde")), pd.Series(y)),
        "sparse": (sparse.csr_matrix(X), y),
        "logarithm": (np.log(X - X.min(0) + 1.0), y),
        "ranks": (X.argsort(0).argsort(0).astype(float), y),
        "float16": (X.astype(np.float16), y),
        "superset of 1.5": (np.r_[X, more[: n // 2]], np.r_[y, more_y[: n // 2]]),
        "superset of 5": (np.r_[X, more], np.r_[y, more_y]),
        "fold of 200": (X[:200], y[:200]),
        "fold of 100": (X[:100], y[:100]),
        "3 of 10 rows old": (np.r_[X[:300], more[:700]], np.r_[y[:300], more_y[:700]]),
    }
    return (X, y), found


def opened(rows: Rows, ledger: Any = None) -> ReusableHoldout:
    """Calibrate a holdout of three answers."""
    rh = ReusableHoldout(queries=3, mechanism="description_length", ledger=ledger)
    return rh.calibrate(*rows, check_reuse=False)


def elsewhere(folder: Path) -> None:
    """Let what follows be another user's."""
    os.environ["XDG_STATE_HOME"] = str(folder / f"state {time.perf_counter_ns()}")


def silent(first: Callable[[], ReusableHoldout], second: Callable[[], ReusableHoldout]) -> bool:
    """Whether a second holdout opens a fresh budget without an error."""
    ledger = first().ledger_
    try:
        again = second()
    except LedgerMismatchError as error:
        if "create" in str(error).lower() or "new ledger" in str(error):
            raise AssertionError(f"the error advises another ledger: {error}") from None
        return False
    return again.ledger_ is not ledger


def part_variants(rng: Generator) -> Iterator[str]:
    """Second ledgers on the same rows: fresh budgets that were opened silently, file after file, memory after memory, and across."""
    yield "| variant | file | memory | memory after file | file after memory | search on them refused |"
    yield "| --- | --- | --- | --- | --- | --- |"
    total = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows, changed = variants(rng)

        def file(given: Rows) -> Callable[[], ReusableHoldout]:
            return lambda: opened(given, Ledger.create(folder / f"{time.perf_counter_ns()}.ledger"))

        for label, given in changed.items():
            cells = []
            for first, second in (
                (file(rows), file(given)),
                (lambda: opened(rows), lambda given=given: opened(given)),
                (file(rows), lambda given=given: opened(given)),
                (lambda: opened(rows), file(given)),
            ):
                elsewhere(folder)
                cells.append(silent(first, second))
            total += sum(cells)
            yield (
                f"| {label} | "
                + " | ".join(str(int(c)) for c in cells)
                + f" | {search_refused(rows, given)} |"
            )
    yield ""
    yield f"{total} of {4 * len(changed)} silently accepted."


def search_refused(rows: Rows, given: Rows) -> str:
    """What a search does that fits its models on holdout rows; labels are not looked at."""
    rng = np.random.default_rng(0)
    train = rng.normal(size=(500, 5)), rng.integers(0, 2, 500)
    ledger = Ledger.in_memory(secret=b"search on holdout rows")
    rh = ReusableHoldout(queries=3, ledger=ledger, random_state=0).fit(*train).calibrate(*rows)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", DataReuseWarning)
            HoldoutSearchCV(LogisticRegression(), {"C": [1.0]}, rh).fit(*given)
    except DataReuseError:
        return "yes"
    except (DataReuseWarning, ValueError):
        return "no, its answer is"
    return "no"


def populations(rng: Generator) -> Iterator[tuple[str, Any, Any]]:
    """Data sets whose halves are unrelated rows of one population."""
    for name in ("iris", "wine", "breast_cancer", "diabetes", "digits"):
        X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        yield name, X, y
    n = 2000
    yield "categories", rng.integers(0, 4, (n, 10)).astype(str), rng.integers(0, 3, n)
    yield "money", np.exp(rng.normal(7, 1, (n, 3))).round(2), rng.integers(0, 2, n)
    yield "integers", rng.integers(0, 20_000, (n, 2)), rng.integers(0, 2, n)
    yield "dates", np.datetime64("2020-01-01") + rng.integers(0, 2000, (n, 2)), rng.integers(0, 2, n)
    yield "normal", rng.normal(size=(n, 4)), rng.normal(size=n)
    yield "rare class", rng.normal(size=(n, 4)), (rng.random(n) < 0.03).astype(int)


def part_false_alarms(rng: Generator, each: int = 40) -> Iterator[str]:
    """Two halves of one population, so many times each: refused although no row is shared."""
    alarms = runs = 0
    with tempfile.TemporaryDirectory() as name:
        for what, X, y in populations(rng):
            found = 0
            for _ in range(each):
                elsewhere(Path(name))
                order = rng.permutation(len(y))
                halves = order[: len(y) // 2], order[len(y) // 2 :]
                opened((X[halves[0]], y[halves[0]]))
                try:
                    opened((X[halves[1]], y[halves[1]]))
                except LedgerMismatchError:
                    found += 1
            alarms, runs = alarms + found, runs + each
            yield f"* {what}: {found} of {each}"
    yield f"\n{alarms} false alarms in {runs}."


def _bind(folder: str, number: int, rows: Rows, barrier: Any, told: Any) -> None:
    X, y = rows
    ledger = Ledger.create(Path(folder) / f"{number}.ledger")
    barrier.wait()
    try:
        opened(((number + 1.0) * X, y), ledger)
        told.put("bound")
    except Exception as error:
        told.put(type(error).__name__)


def part_races(rng: Generator, sizes: tuple[tuple[int, int], ...] = ((100, 1), (6, 100))) -> Iterator[str]:
    """Programs that bind engineered copies of one holdout at the same moment: one is bound, the others are refused."""
    context = multiprocessing.get_context("fork")
    rows = variants(rng, 300)[0]
    for programs, rounds in sizes:
        bound: list[int] = []
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as name:
                elsewhere(Path(name))
                told, barrier = context.SimpleQueue(), context.Barrier(programs)
                children = [
                    context.Process(target=_bind, args=(name, i, rows, barrier, told))
                    for i in range(programs)
                ]
                for child in children:
                    child.start()
                words = [told.get() for _ in children]
                for child in children:
                    child.join()
                if set(words) - {"bound", "HoldoutOverlapError"}:
                    raise AssertionError(str(set(words)))
                bound.append(words.count("bound"))
        yield f"* {programs} programs, {rounds} round(s): one bound in {bound.count(1)} of {rounds}"


PARTS = {"variants": part_variants, "false alarms": part_false_alarms, "races": part_races}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="which parts; all if none is named")
    parser.add_argument("--seed", type=int, default=19)
    options = parser.parse_args()
    lines = [
        "# Identity of holdout rows",
        "",
        f"`python -m benchmarks.holdout_identity --seed {options.seed}`",
        "",
    ]
    for name in options.parts or PARTS:
        part = PARTS[name]
        lines += [f"## {name.capitalize()}", "", str(part.__doc__), ""]
        for line in part(np.random.default_rng([options.seed, len(name)])):
            lines.append(line)
            print(line, flush=True)
        lines.append("")
    if not options.parts:
        RESULTS.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
