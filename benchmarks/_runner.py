"""Run frozen benchmark specifications, each paired with its peers, and write one CSV and one table a run."""

from __future__ import annotations

import csv
import ctypes
import gc
import json
import math
import resource
import signal
import statistics
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

Implementations: TypeAlias = dict[str, Callable[[], Any]]

LIMIT_SECONDS, LIMIT_GIBIBYTES = 300.0, 8.0
"""A call that takes longer, or more address space beyond what its process has before it, is recorded as failed."""

SECONDS = "processor_seconds"
"""Where the answer of a peer says how long its process worked."""

LONG_SECONDS = 10.0
"""An implementation that takes longer in its first two runs is not run for a third time."""


@dataclass(frozen=True)
class Spec:
    """One thing to be measured: a task at a size, done by several implementations.

    Attributes
    ----------
    domain, task : str
        What is measured.
    n : int
        Size, for growth curves.
    implementations : dict of str to callable, or callable
        Name -> function without arguments; the first one is ours. A function may raise: that is recorded. A callable
        that returns the dict keeps the data from being made before their turn.
    repeats : int
        Number of paired runs after one warm-up.
    note : str, or callable
        Conditions that the table prints; a callable makes them from the answers of the first runs, by name.
    calls : int
        How many calls a function makes in one run; the median and the ratio are of one call.
    limit_seconds, limit_gibibytes : float
        Limits of one run.
    """

    domain: str
    task: str
    n: int
    implementations: Implementations | Callable[[], Implementations]
    repeats: int = 5
    note: str | Callable[[dict[str, Any]], str] = ""
    calls: int = 1
    limit_seconds: float = LIMIT_SECONDS
    limit_gibibytes: float = LIMIT_GIBIBYTES

    def prepared(self) -> Implementations:
        """Return the implementations with their data."""
        return self.implementations if isinstance(self.implementations, dict) else self.implementations()


@dataclass(frozen=True)
class Measurement:
    """What was measured of one implementation, in the process that does the work.

    Attributes
    ----------
    cold_seconds : float
        Processor seconds of the first run, compilation included, the start of a peer's process not.
    median_seconds : float
        Median of processor seconds over the paired runs.
    ratio : float
        Median of the paired ratios to ours (1 for ours; above 1 is slower than ours).
    peak_mebibytes : float
        Peak of memory allocated through Python during one further run.
    error : str
        Empty, or what went wrong.
    note : str
        Conditions.
    resident_mebibytes : float
        Growth of the process' resident memory up to its peak during one further run.
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
    resident_mebibytes: float = float("nan")


@dataclass
class _Record:
    function: Callable[[], Any]
    answer: Any = None
    cold: float = float("nan")
    times: list[float] = field(default_factory=list)
    memory: tuple[float, float] = (float("nan"), float("nan"))
    error: str = ""
    remark: str = ""

    @contextmanager
    def guarded(self, spec: Spec) -> Iterator[None]:
        """Keep to the limits, and keep what goes wrong."""
        gc.collect()
        try:
            with time_limit(spec.limit_seconds), memory_limit(spec.limit_gibibytes):
                yield
        except Exception as error:
            self.error = f"{type(error).__name__}: {error}"[:200]


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
    try:
        records = {name: _Record(function) for name, function in spec.prepared().items()}
    except Exception as error:
        reason = f"not prepared: {type(error).__name__}: {error}"[:200]
        return [Measurement(spec.domain, spec.task, spec.n, "all", error=reason)]
    for record in records.values():
        with record.guarded(spec):
            getattr(record.function, "start", _nothing)()
        if not record.error:
            with record.guarded(spec):
                record.cold, record.answer = _timed(record.function)
        if isinstance(spec.note, str):
            record.answer = None
    for turn in range(spec.repeats):
        for record in records.values():
            if not record.error and (turn == 0 or min(record.cold, *record.times) < LONG_SECONDS):
                with record.guarded(spec):
                    record.times.append(_timed(record.function)[0])
    for record in records.values():
        if not record.error:
            with record.guarded(spec):
                record.memory = _memory(record.function)
            record.remark = f"memory not measured: {record.error}" if record.error else ""
            record.error = ""
    ours = next(iter(records.values())).times
    answers = {name: record.answer for name, record in records.items() if not record.error}
    note = spec.note if isinstance(spec.note, str) else spec.note(answers)
    return [_summarise(spec, name, record, ours, note) for name, record in records.items()]


def _summarise(spec: Spec, name: str, record: _Record, ours: list[float], note: str) -> Measurement:
    if record.error:
        return Measurement(spec.domain, spec.task, spec.n, name, error=record.error, note=note)
    ratios = [theirs / mine for theirs, mine in zip(record.times, ours)] or [float("nan")]
    peak, resident = record.memory
    return Measurement(
        spec.domain,
        spec.task,
        spec.n,
        name,
        cold_seconds=record.cold,
        median_seconds=statistics.median(record.times) / spec.calls,
        ratio=statistics.median(ratios),
        peak_mebibytes=peak,
        note="; ".join(filter(None, (note, record.remark))),
        resident_mebibytes=resident,
    )


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise ``TimeoutError`` in a block that takes longer; compiled code is stopped when it returns to Python."""

    def stop(*_: Any) -> None:
        raise TimeoutError(f"longer than {seconds:g} s")

    handler = signal.signal(signal.SIGALRM, stop)
    outer, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, outer)


@contextmanager
def memory_limit(gibibytes: float) -> Iterator[None]:
    """Let a block take no more address space than this beyond what the process has."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    _limit_address_space(gibibytes)
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _nothing() -> None:
    pass


def _timed(function: Callable[[], Any]) -> tuple[float, Any]:
    """Return processor seconds, of a peer those of its own process, with the answer."""
    start = _processor_seconds()
    answer = function()
    seconds = _processor_seconds() - start
    return answer.pop(SECONDS, seconds) if isinstance(answer, dict) else seconds, answer


def _processor_seconds() -> float:
    """Return the seconds that this process and those it waited for have worked: other work of the machine is not in them."""
    found = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in found)


def _memory(function: Callable[[], Any]) -> tuple[float, float]:
    """Measure memory where the work is done: a peer's function knows how to ask its process."""
    ask = getattr(function, "memory", None)
    if ask is not None:
        peak, resident = ask()
        return peak, resident
    return _peak_mebibytes(function), _resident_mebibytes(function)


def _peak_mebibytes(function: Callable[[], Any]) -> float:
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()


def _resident_mebibytes(function: Callable[[], Any]) -> float:
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
        with open("/proc/self/clear_refs", "w") as marks:
            marks.write("5")
        before = _status_mebibytes("VmRSS")
    except (OSError, AttributeError):
        return float("nan")
    function()
    return max(0.0, _status_mebibytes("VmHWM") - before)


def _status_mebibytes(key: str) -> float:
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(key)) / 1024


def _limit_address_space(gibibytes: float) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    try:
        limit = int(_status_mebibytes("VmSize") * 2**20 + gibibytes * 2**30)
    except OSError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (limit if hard < 0 else min(limit, hard), hard))


MEASURES = (_peak_mebibytes, _resident_mebibytes, _status_mebibytes, _limit_address_space)
"""Functions whose text peers run in their own process."""


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
        "| task | n | implementation | median s | ratio to ours | first run s | allocated MiB | resident MiB | remark |",
        "| :--- | ---: | :--- | ---: | ---: | ---: | ---: | ---: | :--- |",
    ]
    for m in measurements:
        values = (m.median_seconds, m.ratio, m.cold_seconds, m.peak_mebibytes, m.resident_mebibytes)
        numbers = ["" if math.isnan(value) else f"{value:.3g}" for value in values]
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
        output.with_suffix(".md").write_text(markdown_table(measurements) + "\n", encoding="utf-8")
    print(markdown_table(measurements))
    return measurements
