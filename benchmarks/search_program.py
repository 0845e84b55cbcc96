"""A searching program that talks to the server of a gate and to nothing else, and what it does to get a bit for nothing.

``python -m benchmarks.search_program LEDGER`` starts the server as a child and climbs a hill. The class below is all
that an automated search needs: it writes one JSON object a line and reads one.
"""

from __future__ import annotations

import json
import random
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_SERVE = "from validstats.cli import main; main()"  # the command validstats


class GateClient:
    """Talk to ``validstats holdout serve``: by its standard input and output, or by its socket."""

    def __init__(self, ledger: Path | None = None, *, place: Path | None = None) -> None:
        self.server: subprocess.Popen[str] | None = None
        if place is not None:
            link = socket.socket(socket.AF_UNIX)
            link.connect(str(place))
            self.requests, self.answers = link.makefile("w"), link.makefile("r")
        else:
            command = [sys.executable, "-c", _SERVE, "holdout", "serve", str(ledger), "--stdio"]
            self.server = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
            assert self.server.stdin is not None
            assert self.server.stdout is not None
            self.requests, self.answers = self.server.stdin, self.server.stdout
        self.number = 0
        self.request("initialize", protocolVersion="2025-06-18", capabilities={})

    def request(self, method: str, **params: Any) -> dict[str, Any]:
        """Send one request and wait for its answer; an EOFError if the server is gone."""
        self.number += 1
        line = json.dumps({"jsonrpc": "2.0", "id": self.number, "method": method, "params": params})
        try:
            self.requests.write(line + "\n")
            self.requests.flush()
            answer = self.answers.readline()
        except (BrokenPipeError, ConnectionResetError):
            raise EOFError from None
        if not answer.endswith("\n"):
            raise EOFError
        found: dict[str, Any] = json.loads(answer)
        if "error" in found:
            raise RuntimeError(found["error"]["message"])
        return dict(found["result"])

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool of the server."""
        return dict(self.request("tools/call", name=tool, arguments=arguments)["structuredContent"])

    def ask(self, rows: Mapping[str, str]) -> bool:
        """Propose predictions."""
        return bool(self.call("ask", rows=dict(rows))["keep"])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for stream in (self.requests, self.answers):
            with suppress(OSError):
                stream.close()
        if self.server is not None:
            self.server.wait(timeout=60)


def climb(
    client: GateClient, rows: dict[str, str], classes: list[str], steps: int, seed: int
) -> dict[str, str]:
    """Change a few predictions at a time, and go on from what is kept."""
    rng = random.Random(seed)
    names = sorted(rows)
    for _ in range(steps):
        trial = dict(rows)
        for name in rng.sample(names, max(len(names) // 30, 1)):
            trial[name] = rng.choice(classes)
        if client.ask(trial):
            rows = trial
    return rows


def probe(client: GateClient, rows: dict[str, str], other: Mapping[str, str]) -> dict[str, str]:
    """Change one prediction at a time: at margin 0 each bit tells a label."""
    for name in sorted(rows):
        trial = {**rows, name: other[rows[name]]}
        if client.ask(trial):
            rows = trial
    return rows


def main() -> None:
    ledger = Path(sys.argv[1])
    names = json.loads(Path(sys.argv[2]).read_text())
    with GateClient(ledger) as client:
        climb(client, dict.fromkeys(names, "0"), ["0", "1"], 200, 0)
        print(client.call("status"), client.call("certify"))


if __name__ == "__main__":
    main()
