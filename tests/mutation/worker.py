"""Run tests in forked children that start with the third-party imports done: each child sees the files as they are now."""

from __future__ import annotations

import importlib
import json
import math
import os
import resource
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

WARM = (
    "numpy", "scipy.stats", "scipy.special", "scipy.optimize", "scipy.spatial", "scipy.sparse", "pandas", "polars", "pyarrow",
    "narwhals", "joblib", "tqdm", "sklearn.base", "sklearn.linear_model", "sklearn.ensemble", "sklearn.frozen", "sklearn.model_selection",
    "sklearn.pipeline", "sklearn.utils.estimator_checks", "sklearn.feature_selection", "statsmodels.api", "formulaic", "hypothesis",
    "hypothesis.strategies", "matplotlib.figure", "numba", "click.testing",
)  # fmt: skip
"""Imported once, before the first fork; validstats and the tests are not among them."""

OPTIONS = (
    "-q",
    "-x",
    "--no-header",
    "--tb=no",
    "-p",
    "no:cacheprovider",
    "-p",
    "no:randomly",
    "-n",
    "0",
)


def warm_up() -> None:
    """Import what every child needs."""
    for name in WARM:
        try:
            importlib.import_module(name)
        except ImportError:
            continue


class TooLongError(BaseException):
    """A test took too long to be of use for mutants; it counts as failing, and is left out."""


class LineRecorder:
    """A pytest plugin that notes which lines of the given files each test executes, and how long it takes.

    Tests that take more than ``longest`` seconds of the processor are broken off, so that they fail.
    """

    def __init__(self, files: Iterable[str], longest: float) -> None:
        self.longest = longest
        self.broken_off: list[str] = []
        signal.signal(signal.SIGPROF, self._break_off)
        self.files = {str(Path(name).resolve()): name for name in files}
        self.lines: dict[str, dict[str, list[int]]] = {}
        self.seconds: dict[str, float] = {}
        self.at_import: dict[str, list[int]] = {}
        self._now: dict[str, set[int]] = defaultdict(set)
        self._item = ""

    def _break_off(self, number: int, frame: Any) -> None:
        self.broken_off.append(self._item)
        raise TooLongError

    def _trace(self, frame: Any, event: str, argument: Any) -> Any:
        name = self.files.get(frame.f_code.co_filename)
        if name is None:
            return None
        seen = self._now[name]
        seen.add(frame.f_lineno)

        def local(frame: Any, event: str, argument: Any) -> Any:
            seen.add(frame.f_lineno)
            return local

        return local

    @pytest.hookimpl(wrapper=True)
    def pytest_collection(self, session: Any) -> Any:
        """Note the lines of functions that run while files are imported, before any test."""
        sys.settrace(self._trace)
        try:
            return (yield)
        finally:
            sys.settrace(None)
            self.at_import = {name: sorted(lines) for name, lines in self._now.items()}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: Any, nextitem: Any) -> Any:
        self._now, self._item = defaultdict(set), item.nodeid
        start = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, self.longest)
        sys.settrace(self._trace)
        try:
            return (yield)
        except TooLongError:
            return True
        finally:
            sys.settrace(None)
            signal.setitimer(signal.ITIMER_PROF, 0)
            self.seconds[item.nodeid] = time.process_time() - start
            self.lines[item.nodeid] = {name: sorted(lines) for name, lines in self._now.items()}


def in_child(function: Any, timeout: float) -> int | None:
    """Run a function in a forked child and return its exit code; None if it took more than so many seconds of the processor.

    Time itself, of which a loaded machine takes more, is a net for what waits for ever.
    """
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(timeout), resource.RLIM_INFINITY))
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, 1)
        os.dup2(sink, 2)
        code = 3
        try:
            code = int(function())
        finally:
            os._exit(code)
    deadline = time.monotonic() + 60 + 20 * timeout
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            return None if code == -signal.SIGXCPU else code
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def run_tests(tests: list[str], timeout: float) -> int | None:
    """Run tests in a child; the exit code of pytest, None after the timeout."""
    # all that are named: which of many cases are slow depends on those beside them
    return in_child(lambda: pytest.main([*OPTIONS, "-m", "", *tests]), timeout)


def record_lines(files: list[str], arguments: list[str], output: Path, longest: float) -> dict[str, Any]:
    """Run all tests once, none longer than ``longest`` seconds: seconds by test, lines by test and file, tests that failed."""

    def record() -> int:
        recorder = LineRecorder(files, longest)
        failures: list[str] = []

        class Failures:
            @staticmethod
            def pytest_runtest_logreport(report: Any) -> None:
                if report.failed:
                    failures.append(report.nodeid)

        options = [option for option in OPTIONS if option != "-x"]
        pytest.main([*options, *arguments], plugins=[recorder, Failures])
        found = {
            "seconds": recorder.seconds,
            "lines": recorder.lines,
            "at_import": recorder.at_import,
            "failed": sorted(set(failures) - set(recorder.broken_off)),
            "too_long": sorted(set(recorder.broken_off)),
        }
        output.write_text(json.dumps(found), encoding="utf-8")
        return 0

    code = in_child(record, 7200)
    if code != 0 or not output.exists():
        raise RuntimeError(f"The tests could not be recorded (exit code {code}).")
    found: dict[str, Any] = json.loads(output.read_text(encoding="utf-8"))
    if not found["seconds"]:
        raise RuntimeError(f"No test of {', '.join(arguments)} was run.")
    return found
