"""Peers, each in an environment of its own: a process that keeps the data and answers one line a task.

``python -m benchmarks --peers FOLDER`` takes ``FOLDER/<name>/bin/python`` for the interpreters; single ones can be named by the
environment variables in ``PEERS``. A peer without an interpreter is recorded as not run.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import weakref
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

PEERS = {
    name: f"VALIDSTATS_BENCH_{name.upper().replace('-', '_')}_PYTHON"
    for name in ("mapie", "crepes", "puncc", "ppi-python", "dsl-kit", "npeet-plus", "diffprivlib", "opendp", "benchmark-mi")
}  # fmt: skip
"""Peer -> environment variable with its interpreter."""

SERVER = """
import json, resource, sys, time
import numpy as np
data = dict(np.load(sys.argv[1])) if len(sys.argv) > 1 else {{}}
try:
{setup}
except Exception as error:
    print(json.dumps({{"error": f"cannot be imported: {{type(error).__name__}}: {{error}}"}}), flush=True)
    raise SystemExit
print(json.dumps("ready"), flush=True)
for _line in sys.stdin:
    try:
        _answer = tasks[_line.strip()]() or {{}}
        _answer["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    except Exception as _error:
        _answer = {{"error": f"{{type(_error).__name__}}: {{_error}}"[:200]}}
    print(json.dumps(_answer), flush=True)
"""


def server(setup: str) -> str:
    """Return the program of a peer from lines that import it and define ``tasks``, functions by name."""
    return SERVER.format(setup="\n".join(f"    {line}" for line in setup.strip().splitlines()))


def take_from(folder: Path) -> list[str]:
    """Name the interpreters that a folder of environments holds, and return whose they are."""
    found = []
    for name, variable in PEERS.items():
        python = folder.absolute() / name / "bin" / "python"
        if python.exists():
            os.environ[variable] = str(python)
            found.append(name)
    return found


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
    """A package in an environment of its own, kept alive between calls."""

    def __init__(self, name: str, program: str, data: Mapping[str, np.ndarray]) -> None:
        python = interpreter(name)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "data.npz"
            np.savez(path, **dict(data))
            self._process = subprocess.Popen(
                [python, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL, text=True,
            )  # fmt: skip
            weakref.finalize(self, self._process.kill)
            first = self._read()
        if isinstance(first, dict):
            raise RuntimeError(first["error"])

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the process ended")
        return json.loads(line)

    def run(self, task: str) -> dict[str, Any]:
        """Run one task and return its answer; its own error is raised here."""
        assert self._process.stdin is not None
        self._process.stdin.write(task + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = self._read()
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer


class LazyPeer:
    """A peer that starts at its first use and serves every task on one data set."""

    def __init__(self, name: str, program: str, data: Mapping[str, np.ndarray]) -> None:
        self._start = partial(Peer, name, program, data)
        self._peer: Peer | None = None

    def run(self, task: str) -> dict[str, Any]:
        """Run one task."""
        if self._peer is None:
            self._peer = self._start()
        return self._peer.run(task)

    def task(self, name: str) -> Callable[[], dict[str, Any]]:
        """Return the call of one task."""
        return partial(self.run, name)
