"""Run frozen benchmark specifications, each paired with its peers, and write one CSV and one table a run."""

from __future__ import annotations

import csv
import gc
import json
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Spec:
    """One thing to be measured: a task at a size, done by several implementations.

    Attributes
    ----------
    domain, task : str
        What is measured.
    n : int
        Size, for growth curves.
    implementations : dict of str to callable
        Name -> function without arguments; the first one is ours. A function may raise: that is recorded.
    repeats : int
        Number of paired runs after one warm-up.
    note : str
        Conditions that the table prints.
    """

    domain: str
    task: str
    n: int
    implementations: dict[str, Callable[[], Any]]
    repeats: int = 5
    note: str = ""


@dataclass(frozen=True)
class Measurement:
    """What was measured of one implementation.

    Attributes
    ----------
    cold_seconds : float
        The first call, compilation included.
    median_seconds : float
        Median over the paired runs.
    ratio : float
        Median of the paired ratios to ours (1 for ours; above 1 is slower than ours).
    peak_mebibytes : float
        Peak of memory allocated through Python during one further call.
    error : str
        Empty, or what went wrong.
    """

    domain: str
    task: str
    n: int
    implementation: str
    cold_seconds: float = float("nan")
    median_seconds: float = float("nan")
    ratio: float = float("nan")
    peak_mebibytes: float = float("nan")
    error: str = ""
    note: str = ""


def measure(spec: Spec) -> list[Measurement]:
    """Measure all implementations of a specification in turn, A B A B ..., after one warm-up each.

    Parameters
    ----------
    spec : Spec
        What to measure.

    Returns
    -------
    list of Measurement
        One for each implementation, ours first.
    """
    cold: dict[str, float] = {}
    errors: dict[str, str] = {}
    for name, function in spec.implementations.items():
        try:
            cold[name] = _seconds(function)
        except Exception as error:
            errors[name] = f"{type(error).__name__}: {error}"[:200]
    times: dict[str, list[float]] = {name: [] for name in cold}
    for _ in range(spec.repeats):
        for name in times:
            times[name].append(_seconds(spec.implementations[name]))
    ours = next(iter(spec.implementations))
    return [_summarise(spec, name, times.get(ours, []), cold, times, errors) for name in spec.implementations]


def _summarise(
    spec: Spec,
    name: str,
    ours: list[float],
    cold: dict[str, float],
    times: dict[str, list[float]],
    errors: dict[str, str],
) -> Measurement:
    if name in errors:
        return Measurement(spec.domain, spec.task, spec.n, name, error=errors[name], note=spec.note)
    ratios = [theirs / mine for theirs, mine in zip(times[name], ours)] or [float("nan")]
    return Measurement(
        spec.domain,
        spec.task,
        spec.n,
        name,
        cold_seconds=cold[name],
        median_seconds=statistics.median(times[name]),
        ratio=statistics.median(ratios),
        peak_mebibytes=_peak_mebibytes(spec.implementations[name]),
        note=spec.note,
    )


def _seconds(function: Callable[[], Any]) -> float:
    gc.collect()
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def _peak_mebibytes(function: Callable[[], Any]) -> float:
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()


def in_environment(python: str, script: str, *arguments: str, timeout: float = 600) -> dict[str, Any]:
    """Run a peer in an environment of its own and read the JSON object that it prints last.

    Parameters
    ----------
    python : str
        Interpreter of that environment.
    script : str
        Source text of the program.
    *arguments : str
        Its arguments.
    timeout : float, default 600
        Seconds after which it counts as failed.

    Returns
    -------
    dict
        What it printed.

    Raises
    ------
    RuntimeError
        If it failed; the message carries the last line of its error stream.
    """
    done = subprocess.run(
        [python, "-c", script, *arguments], capture_output=True, text=True, timeout=timeout, check=False
    )
    if done.returncode != 0:
        raise RuntimeError((done.stderr.strip().splitlines() or ["no message"])[-1])
    values: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return values


def write_csv(measurements: Sequence[Measurement], path: Path) -> Path:
    """Write one row a measurement."""
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, fieldnames=list(asdict(measurements[0])))
        writer.writeheader()
        writer.writerows(asdict(m) for m in measurements)
    return path


def markdown_table(measurements: Sequence[Measurement]) -> str:
    """Return the measurements as a Markdown table."""
    lines = [
        "| task | n | implementation | median s | ratio to ours | first call s | peak MiB | remark |",
        "| :--- | ---: | :--- | ---: | ---: | ---: | ---: | :--- |",
    ]
    for m in measurements:
        values = (m.median_seconds, m.ratio, m.cold_seconds, m.peak_mebibytes)
        numbers = [""] * 4 if m.error else [f"{value:.3g}" for value in values]
        remark = f"failed: {m.error}" if m.error else m.note
        lines.append(f"| {m.task} | {m.n:,} | {m.implementation} | {' | '.join(numbers)} | {remark} |")
    return "\n".join(lines)


def run(specs: Sequence[Spec], output: Path) -> list[Measurement]:
    """Measure every specification, write ``<output>.csv`` and ``<output>.md``, and print the table."""
    measurements: list[Measurement] = []
    for i, spec in enumerate(specs, start=1):
        print(f"[{i}/{len(specs)}] {spec.domain}: {spec.task}, n = {spec.n:,}", file=sys.stderr, flush=True)
        measurements += measure(spec)
    write_csv(measurements, output.with_suffix(".csv"))
    table = markdown_table(measurements)
    output.with_suffix(".md").write_text(table + "\n", encoding="utf-8")
    print(table)
    return measurements
