"""Benchmarks of the holdout's ledger: one charge on disk, one question through the estimator, verification.

``python -m benchmarks.holdout_ledger`` writes ``holdout_ledger.md``: what an entry takes, how appending and verifying grow with the
number of entries, and 100 processes that ask one ledger.
"""

from __future__ import annotations

import argparse
import atexit
import multiprocessing
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._runner import Spec
from validstats.holdout import Ledger, ReusableHoldout

N_CHARGES = 100
N_PROCESSES, N_EACH = 100, 3


def specs(quick: bool = False) -> list[Spec]:
    """Return what is measured; ``quick`` keeps the sizes small."""
    folder = _own_folder()
    n_entries = 1_000 if quick else 10_000
    return [
        Spec(
            "holdout",
            f"{N_CHARGES} charges",
            N_CHARGES,
            {
                "validstats, ledger file, full sync": _charges(Ledger.create(folder / "charges.ledger")),
                "validstats, ledger in memory": _charges(Ledger.in_memory()),
                "append and fsync, no ledger": _plain_appends(folder / "plain.log"),
            },
            note="one transaction a charge",
        ),
        Spec(
            "holdout",
            f"{N_CHARGES} questions",
            N_CHARGES,
            {
                "validstats, ledger file, full sync": _questions(Ledger.create(folder / "questions.ledger")),
                "validstats, ledger in memory": _questions(Ledger.in_memory()),
                "naive mean": _naive_means(),
            },
            note="predictions of 2,000 rows, guess-and-check",
        ),
        Spec(
            "holdout",
            "verify the chain",
            n_entries,
            {"validstats, ledger file": _long_ledger(folder / "long.ledger", n_entries).verify},
        ),
    ]


def _own_folder() -> Path:
    """Make a folder on the local disk, with a state directory of its own, removed at exit."""
    folder = Path(tempfile.mkdtemp(prefix="validstats-benchmark-"))
    os.environ["XDG_STATE_HOME"] = str(folder / "state")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _charges(ledger: Ledger) -> Callable[[], int]:
    def run() -> int:
        for _ in range(N_CHARGES):
            with ledger.turn() as turn:
                turn.append("answer", nats=0.5, answer=0.75, half_width=0.05)
        return N_CHARGES

    return run


def _plain_appends(path: Path) -> Callable[[], int]:
    def run() -> int:
        with path.open("ab") as stream:
            for _ in range(N_CHARGES):
                stream.write(b"x" * 300)
                stream.flush()
                os.fsync(stream.fileno())
        return N_CHARGES

    return run


def _labels() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng()  # other rows each time: rows that have a ledger have no second one
    return generator.normal(size=(2_000, 5)), generator.integers(0, 2, 2_000)


def _questions(ledger: Ledger) -> Callable[[], int]:
    X, y = _labels()
    rh = ReusableHoldout(queries=10**6, mechanism="guess_and_check", ledger=ledger).calibrate(X, y)
    generator = np.random.default_rng(1)

    def run() -> int:
        for _ in range(N_CHARGES):
            rh.infer(generator.integers(0, 2, 2_000), guess=0.5)
        return N_CHARGES

    return run


def _naive_means() -> Callable[[], list[Any]]:
    _, y = _labels()
    generator = np.random.default_rng(1)
    return lambda: [(generator.integers(0, 2, 2_000) == y).mean() for _ in range(N_CHARGES)]


def _long_ledger(path: Path, n_entries: int) -> Ledger:
    ledger = Ledger.create(path)
    with ledger.turn() as turn:
        for _ in range(n_entries):
            turn.append("answer", nats=0.5, answer=0.75)
    return ledger


def _bytes_of(ledger: Ledger) -> int:
    """Size of the file, once its last connection has been closed."""
    ledger.close()
    assert ledger.path is not None
    return sum(found.stat().st_size for found in ledger.path.parent.glob(ledger.path.name + "*"))


def _seconds(work: Callable[[], Any]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def growth_line(path: Path, n_entries: int) -> str:
    """One line: bytes an entry, an append with full sync, a whole check as the file is opened, and a check after 100 more entries."""
    size = _bytes_of(_long_ledger(path, n_entries))
    whole = _seconds(lambda: Ledger.open(path).verify())
    again = Ledger.open(path)
    again.verify()
    append = _seconds(_charges(again)) / N_CHARGES
    one_more = _seconds(again.verify)
    return f"| {n_entries:,} | {size / n_entries:,.0f} | {1e3 * append:.2f} ms | {whole:.3f} s | {1e3 * one_more:.2f} ms |"


def _ask(path: Path, X: np.ndarray, y: np.ndarray, seed: int) -> None:
    """What one process does: open the ledger, and ask about predictions of its own."""
    holdout = ReusableHoldout(queries=10**6, mechanism="guess_and_check", ledger=str(path)).calibrate(X, y)
    generator = np.random.default_rng(seed)
    for _ in range(N_EACH):
        holdout.infer(generator.integers(0, 2, len(y)), guess=0.5)


def processes_lines(path: Path) -> list[str]:
    """What 100 processes do to one ledger that was opened before them."""
    X, y = _labels()
    ledger = Ledger.create(path)
    ReusableHoldout(queries=10**6, mechanism="guess_and_check", ledger=ledger).calibrate(X, y)
    before, size = len(ledger), _bytes_of(ledger)
    context = multiprocessing.get_context("fork")
    began = time.perf_counter()
    workers = [context.Process(target=_ask, args=(path, X, y, k)) for k in range(N_PROCESSES)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    seconds = time.perf_counter() - began
    ended = sum(worker.exitcode == 0 for worker in workers)
    ledger = Ledger.open(path)
    check = ledger.verify()
    added = check.n_entries - before
    return [
        f"* {N_PROCESSES} processes asked {N_EACH} questions each of one ledger at once: {ended} of them ended well, {added} entries were "
        f"added, none is missing or twice, and the chain holds; {seconds:.1f} s on the clock, of which every process opens, binds and "
        "asks.",
        f"* An entry of a question takes {(_bytes_of(ledger) - size) / max(added, 1):,.0f} bytes: the changes of the state, not the state. "
        "Every entry is padded to the length that the longest allowed answer would have, because a length that depends on the answer "
        "would tell it.",
    ]


def main() -> None:
    """Measure, and write ``holdout_ledger.md``."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.holdout_ledger", description=main.__doc__)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--entries", type=int, nargs="*", default=[1_000, 10_000, 100_000])
    arguments = parser.parse_args()
    folder = _own_folder()
    lines = [
        "# The ledger of a holdout",
        "",
        "`python -m benchmarks.holdout_ledger`: processor seconds; a file on the local disk with full synchronisation, one transaction "
        "an append. A check follows the whole chain where another process may have written, and only what is new where none has.",
        "",
        "| entries | bytes an entry | append | open and check all | check after 100 more |",
        "| ---: | ---: | ---: | ---: | ---: |",
        *(growth_line(folder / f"{n}.ledger", n) for n in arguments.entries),
        "",
        *processes_lines(folder / "shared.ledger"),
    ]
    text = "\n".join(lines) + "\n"
    (arguments.output / "holdout_ledger.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
