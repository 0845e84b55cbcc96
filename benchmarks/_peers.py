"""Peers, each in an environment of its own: a process that keeps the data and answers one line a request.

``python -m benchmarks --peers FOLDER ...`` takes ``FOLDER/<name>/bin/python`` for the interpreters; single ones can be named by the
environment variables in ``PEERS``. A peer without an interpreter is recorded as not run.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import subprocess
import tempfile
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._runner import LIMIT_GIBIBYTES, MEASURES, SECONDS

PEERS = {
    name: f"VALIDSTATS_BENCH_{name.upper().replace('-', '_')}_PYTHON"
    for name in ("mapie", "crepes", "puncc", "ppi-python", "dsl-kit", "npeet-plus", "diffprivlib", "opendp", "benchmark-mi",
                 "causal-learn", "dcor", "hyppo")
}  # fmt: skip
"""Peer -> environment variable with its interpreter."""

_STARTED: dict[str, str] = {}
"""Peers of which a process was started, and by which interpreter."""

SERVER = """
from __future__ import annotations
import ctypes, gc, json, os, resource, sys, time, tracemalloc
_answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
def _say(answer):
    print(json.dumps(answer), file=_answers, flush=True)
resource.setrlimit(resource.RLIMIT_AS, (resource.getrlimit(resource.RLIMIT_AS)[1],) * 2)
{measures}
def _memory(function):
    return {{"memory": [_peak_mebibytes(function), _resident_mebibytes(function)]}}
try:
    import numpy as np
    data = dict(np.load(sys.argv[1])) if len(sys.argv) > 1 else {{}}
{setup}
except Exception as error:
    _say({{"error": f"cannot be imported: {{type(error).__name__}}: {{error}}"}})
    raise SystemExit
_limit_address_space(float(sys.argv[2]))
_say("ready")
for _line in sys.stdin:
    try:
        _request = json.loads(_line)
        _task = tasks[_request["task"]]
        _began = time.process_time()
        _answer = _memory(_task) if _request["memory"] else _task() or {{}}
        _answer[{seconds!r}] = time.process_time() - _began
    except Exception as _error:
        _answer = {{"error": f"{{type(_error).__name__}}: {{_error}}"[:200]}}
    _say(_answer)
"""
"""Program of a peer. It has the measures of :mod:`benchmarks._runner` as text, since that package is not installed there."""


def server(setup: str) -> str:
    """Return the program of a peer from lines that import it and define ``tasks``, functions by name."""
    measures = "\n".join(inspect.getsource(function) for function in MEASURES)
    lines = "\n".join(f"    {line}" for line in setup.strip().splitlines())
    return SERVER.format(setup=lines, measures=measures, seconds=SECONDS)


def take_from(*folders: Path) -> list[str]:
    """Name the interpreters that folders of environments hold, and return whose they are; the first folder that has one counts."""
    found = []
    for name, variable in PEERS.items():
        pythons = [folder.absolute() / name / "bin" / "python" for folder in folders]
        there = [python for python in pythons if python.exists()]
        if there:
            os.environ[variable] = str(there[0])
            found.append(name)
    return found


def versions() -> dict[str, str]:
    """Return the version of each peer that was started here, as its environment tells it; "unknown" where it does not."""
    told = {}
    for name, python in sorted(_STARTED.items()):
        line = f"from importlib.metadata import version; print(version({name!r}))"
        done = subprocess.run([python, "-c", line], capture_output=True, text=True, check=False)
        told[name] = done.stdout.strip() or "unknown"
    return told


def interpreter(name: str) -> str:
    """Return the interpreter of a peer.

    Raises
    ------
    RuntimeError
        If none is named.
    """
    python = os.environ.get(PEERS[name])
    if not python:
        raise RuntimeError(f"not run: {PEERS[name]} does not name an interpreter")
    return python


class Peer:
    """A package in an environment of its own, kept alive between calls, with a limit of memory for them."""

    def __init__(
        self, name: str, program: str, data: Mapping[str, np.ndarray], gibibytes: float = LIMIT_GIBIBYTES
    ) -> None:
        python = interpreter(name)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "data.npz"
            np.savez(path, **dict(data))
            self._process = subprocess.Popen(
                [python, "-c", program, str(path), str(gibibytes)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            )  # fmt: skip
            _STARTED[name] = python
            self.stop = weakref.finalize(self, _end, self._process)
            first = self._read()
        if isinstance(first, dict):
            raise RuntimeError(first["error"])

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the process ended")
        return json.loads(line)

    def run(self, task: str, memory: bool = False) -> dict[str, Any]:
        """Run one task and return its answer, or the memory that it took; its own error is raised here."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"task": task, "memory": memory}) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = self._read()
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        with contextlib.suppress(OSError):
            pipe.close()  # type: ignore[union-attr]


class LazyPeer:
    """A peer that starts at its first use and serves every task on one data set."""

    def __init__(
        self, name: str, program: str, data: Mapping[str, np.ndarray], gibibytes: float = LIMIT_GIBIBYTES
    ) -> None:
        self._start = partial(Peer, name, program, data, gibibytes)
        self._peer: Peer | None = None

    def run(self, task: str, memory: bool = False) -> dict[str, Any]:
        """Run one task; a peer that is interrupted by a time limit is ended."""
        peer = self.start()
        try:
            return peer.run(task, memory)
        except TimeoutError:
            peer.stop()
            self._peer = None
            raise

    def start(self) -> Peer:
        """Start the process where it does not run, and hand over the data."""
        if self._peer is None:
            self._peer = self._start()
        return self._peer

    def task(self, name: str) -> PeerTask:
        """Return the call of one task."""
        return PeerTask(self, name)


@dataclass(frozen=True)
class PeerTask:
    """The call of one task of a peer."""

    peer: LazyPeer
    name: str

    def __call__(self) -> dict[str, Any]:
        return self.peer.run(self.name)

    def start(self) -> None:
        """Start the process, so that the first call does not."""
        self.peer.start()

    def memory(self) -> tuple[float, float]:
        """Return the peak of allocated memory and the growth of resident memory, measured in the peer's process."""
        peak, resident = self.peer.run(self.name, memory=True)["memory"]
        return peak, resident
