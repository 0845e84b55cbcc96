"""Process boundary of a gate: labels on one side, predictions of a searching program on the other.

The side that holds the labels keeps them beside the ledger, sealed under its key. The other side hands over one
prediction for each identifier and gets one bit. Everything about a proposal is checked before labels are read, so that
an error depends on the proposal alone and costs nothing.
"""

from __future__ import annotations

import csv
import json
import math
import os
import socket
import socketserver
import stat
import struct
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from validstats._typing import AnyArray
from validstats.holdout.asking import Gate, seal, unseal
from validstats.holdout.estimators import ReusableHoldout
from validstats.holdout.ledger import Ledger
from validstats.runtime import new_file

__all__ = ["GateServer", "ProposalError", "create_gate", "pair_up", "read_pairs", "read_proposal"]

_MOST_BYTES = 64 * 1024 * 1024
_PROTOCOL = "2025-06-18"
_TOOLS: tuple[tuple[str, str, dict[str, str]], ...] = (
    (
        "ask",
        "Propose predictions; answers keep or discard.",
        {"path": "string", "rows": "object", "note": "string"},
    ),
    ("status", "Proposals so far, those kept, nats spent.", {}),
    ("certify", "Certify the kept model and end the gate.", {}),
)


class ProposalError(ValueError):
    """A proposal that cannot be read: nothing was asked, nothing was charged."""


def read_pairs(lines: Iterable[str], first: str, second: str) -> dict[str, str]:
    """Read two columns of a CSV file."""
    reader = csv.DictReader(lines)
    missing = [name for name in (first, second) if name not in (reader.fieldnames or ())]
    if missing:
        raise ProposalError(f"The file has no column {missing[0]!r}; it needs {first!r} and {second!r}.")
    return pair_up((row[first], row[second]) for row in reader)


def pair_up(rows: Iterable[tuple[str | None, str | None]]) -> dict[str, str]:
    """Pairs of an identifier and a word, each identifier once; the first is on the second line of its file."""
    pairs: dict[str, str] = {}
    for number, (key, value) in enumerate(rows, start=2):
        key, value = (key or "").strip(), (value or "").strip()
        if not key or not value:
            raise ProposalError(f"Line {number} of the file has a missing value.")
        if key in pairs:
            raise ProposalError(f"Line {number} of the file repeats an identifier.")
        pairs[key] = value
    return pairs


def create_gate(
    path: str | Path,
    labels: Mapping[str, str],
    start: Mapping[str, str] | None = None,
    *,
    classes: Sequence[str] | None = None,
    id_namespace: str = "",
    source: str | Path | None = None,
    vault: float = 0.15,
    margin: float = 1.0,
    confidence_level: float = 0.95,
) -> None:
    """Create a ledger with a gate on it, once, by whoever holds the labels; nothing stays behind if that is refused."""
    values = list(labels.values())
    declared = sorted(set(values) if classes is None else set(classes))
    if not set(values) <= set(declared):
        raise ProposalError("The labels have classes that are not among those declared.")
    if start is None:
        # fixed without a look at the labels: their commonest class would be a look
        start = dict.fromkeys(labels, declared[0])
    _check_proposal(start, set(labels), set(declared))
    status = None if source is None else os.stat(source)
    settings = {
        "ids": list(labels),
        "labels": values,
        "classes": declared,
        "start": [start[key] for key in labels],
        "namespace": id_namespace,
        "source": None if status is None else [status.st_dev, status.st_ino],
        "vault": vault,
        "margin": margin,
        "confidence_level": confidence_level,
    }
    ledger = Ledger.create(path)
    try:
        with new_file(_rows_of(path)) as draft:
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as stream:
                stream.write(seal(ledger.secret, settings))
                stream.flush()
                os.fsync(stream.fileno())
        ledger.close()
        GateServer(path)  # binds the rows and opens the gate
    except BaseException:
        _rows_of(path).unlink(missing_ok=True)
        ledger.discard()
        raise


def read_proposal(
    path: str | Path,
    inbox: str | Path,
    forbidden: Iterable[Path | tuple[int, int]],
    owner: int | None = None,
) -> dict[str, str]:
    """Read a proposal from a file that the searching side names."""
    folder, asked = Path(inbox).resolve(), Path(path)
    target = asked if asked.is_absolute() else folder / asked
    if folder not in (target.parent.resolve() / target.name).parents:
        raise ProposalError(
            "The file is not below the inbox folder; put it there, or send the rows themselves."
        )
    try:
        handle = os.open(target, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        raise ProposalError("The file cannot be opened; it must be a regular file, not a link.") from None
    with os.fdopen(handle, "rb") as stream:
        known = os.fstat(stream.fileno())
        if not stat.S_ISREG(known.st_mode) or known.st_nlink > 1 or known.st_size > _MOST_BYTES:
            raise ProposalError("The file must be a regular file with one name and at most 64 MB.")
        if owner is not None and known.st_uid != owner:
            raise ProposalError("The file must belong to whoever asks.")
        for other in forbidden:
            if isinstance(other, Path):
                other = (other.stat().st_dev, other.stat().st_ino) if other.exists() else (-1, -1)
            if (known.st_dev, known.st_ino) == other:
                raise ProposalError("The file belongs to the gate itself and is no proposal.")
        try:
            text = stream.read(_MOST_BYTES + 1).decode("utf-8-sig")
        except UnicodeDecodeError:
            raise ProposalError("The file is not UTF-8 text.") from None
    return read_pairs(text.splitlines(), "id", "prediction")


@dataclass(frozen=True)
class _Rows:
    """What the sealed file holds."""

    ids: list[str]
    labels: list[str]
    classes: list[str]
    start: list[str]
    namespace: str
    source: list[int] | None  # device and number of the file that the labels came from
    vault: float
    margin: float
    confidence_level: float


class GateServer:
    """Answer one searching program: proposals in, bits out, by call or as JSON-RPC with the handshake of MCP."""

    def __init__(
        self,
        path: str | Path,
        *,
        inbox: str | Path | None = None,
        forbidden: Iterable[Path] = (),
        delay: float = 0.0,
    ) -> None:
        self.path = Path(path).resolve()
        self.inbox = None if inbox is None else Path(inbox).resolve()
        self.delay = delay  # answers come after whole multiples of so many seconds
        ledger = Ledger.open(self.path)
        self._rows = _Rows(**unseal(ledger.secret, _rows_of(self.path).read_bytes()))
        source = [] if self._rows.source is None else [(self._rows.source[0], self._rows.source[1])]
        self.forbidden: tuple[Path | tuple[int, int], ...] = (
            self.path,
            _rows_of(self.path),
            *source,
            *forbidden,
        )
        named = [f"{self._rows.namespace}/{key}" for key in self._rows.ids]
        rh = ReusableHoldout(
            queries=1,
            mechanism="single_look",
            ledger=ledger,
            vault=self._rows.vault,
            confidence_level=self._rows.confidence_level,
        )
        rh.calibrate(
            np.array(named, dtype=object).reshape(-1, 1),
            np.array(self._rows.labels),
            ids=self._rows.ids,
            id_namespace=self._rows.namespace,
            check_reuse=False,
        )
        self._gate: Gate = rh.gate(np.array(self._rows.start), margin=self._rows.margin)
        self._one = threading.Lock()  # one request at a time

    @property
    def status(self) -> dict[str, Any]:
        """Proposals, those kept, whether the gate was ended, and nats spent."""
        return self._gate.status

    def ask(self, proposal: Mapping[str, Any], note: str = "") -> bool:
        """Compare a proposal with the present model."""
        return self._gate.ask(self._predictions(proposal), note=note[:200])

    def certify(self, *, go_on: bool = False) -> dict[str, float]:
        """Certify the kept model."""
        found = self._gate.certify(go_on=go_on)
        return {"accuracy_low": found.accuracy_low, "accuracy_high": found.accuracy_high, "gain": found.gain}

    def final(self, proposal: Mapping[str, Any] | None = None) -> float:
        """Open the vault, once, for a lower bound of the gain of the kept model, or of a proposal."""
        return float(self._gate.final(None if proposal is None else self._predictions(proposal)))

    def _predictions(self, proposal: Mapping[str, Any]) -> AnyArray:
        _check_proposal(proposal, set(self._rows.ids), set(self._rows.classes))
        return np.array([str(proposal[key]) for key in self._rows.ids])

    # ------------------------------------------------------------------ JSON-RPC

    def serve(self, requests: IO[str], answers: IO[str]) -> None:
        """Answer requests, one JSON object a line, until they end."""
        while line := requests.readline(_MOST_BYTES + 1):
            answer = self.respond(line)
            if answer is not None:
                answers.write(json.dumps(answer) + "\n")
                answers.flush()

    def listen(self, place: str | Path) -> socketserver.BaseServer:
        """Return a server on a Unix socket of mode 0660; ``serve_forever()`` runs it. It never listens to a network."""
        gate = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                caller = _user_of(self.connection)
                while line := self.rfile.readline(_MOST_BYTES + 1):
                    answer = gate.respond(line.decode("utf-8", "replace"), caller)
                    if answer is not None:
                        self.wfile.write((json.dumps(answer) + "\n").encode())

        before = os.umask(0o117)
        try:
            return socketserver.ThreadingUnixStreamServer(str(place), Handler)
        finally:
            os.umask(before)

    def respond(self, line: str, caller: int | None = None) -> dict[str, Any] | None:
        """Answer one request of a user whose number may be known."""
        try:
            request = json.loads(line)
            method, number = request["method"], request.get("id")
        except (ValueError, KeyError, TypeError, AttributeError):
            return _error(None, -32700, "not a JSON-RPC request of one line")
        params = request.get("params") or {}
        if number is None:
            return None
        begun = time.monotonic()
        try:
            with self._one:
                return {"jsonrpc": "2.0", "id": number, "result": self._result(method, params, caller)}
        except _UnknownMethodError:
            return _error(number, -32601, "unknown method")
        except ProposalError as error:
            return _error(number, -32602, str(error))
        except Exception as error:
            # the text of other errors could quote rows
            return _error(number, -32000, type(error).__name__)
        finally:
            if self.delay > 0.0:
                taken = time.monotonic() - begun
                time.sleep(self.delay * math.ceil(taken / self.delay) - taken)

    def _result(self, method: str, params: Any, caller: int | None) -> dict[str, Any]:
        if not isinstance(params, dict):
            raise ProposalError("params must be an object.")
        if method == "initialize":
            version = params.get("protocolVersion", _PROTOCOL)
            information = {"name": "validstats-gate", "version": "1"}
            return {"protocolVersion": str(version), "capabilities": {"tools": {}}, "serverInfo": information}
        if method == "ping":
            return {}
        if method == "tools/list":
            return {"tools": [_tool(*tool) for tool in _TOOLS]}
        if method == "tools/call":
            value = self._call(params.get("name"), params.get("arguments") or {}, caller)
            return {"content": [{"type": "text", "text": json.dumps(value)}], "structuredContent": value}
        raise _UnknownMethodError

    def _call(self, name: Any, arguments: Any, caller: int | None = None) -> dict[str, Any]:
        if name == "status":
            return self.status
        if name == "certify":
            return self.certify()
        if name != "ask" or not isinstance(arguments, dict):
            raise ProposalError("The tools are ask, status and certify; arguments must be an object.")
        rows, path = arguments.get("rows"), arguments.get("path")
        if path is not None and rows is None:
            if self.inbox is None:
                raise ProposalError("This gate reads no files; send the rows themselves.")
            # the server's user owns the labels: of another user it reads that user's files only
            owner = caller if caller not in (None, os.getuid()) else None
            rows = read_proposal(str(path), self.inbox, self.forbidden, owner)
        if not isinstance(rows, dict):
            raise ProposalError("rows must map each identifier to its prediction.")
        return {"keep": self.ask(rows, str(arguments.get("note", "")))}


class _UnknownMethodError(Exception):
    """A method that this server has not."""


def _check_proposal(proposal: Mapping[str, Any], ids: set[str], classes: set[str]) -> None:
    missing, unknown = len(ids - set(proposal)), len(set(proposal) - ids)
    if missing or unknown:
        raise ProposalError(
            f"A proposal needs one prediction for each of {len(ids)} identifiers; {missing} are missing and {unknown} are "
            "not among them. Nothing was charged."
        )
    strange = sum(str(value) not in classes for value in proposal.values())
    if strange:
        raise ProposalError(
            f"{strange} prediction(s) are not among the {len(classes)} declared classes. Nothing was charged."
        )


def _user_of(connection: socket.socket) -> int | None:
    """Number of the user at the other end of a Unix socket, where the system tells."""
    if not hasattr(socket, "SO_PEERCRED"):
        return None
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", raw)[1])


def _rows_of(path: str | Path) -> Path:
    return Path(str(path) + ".rows").resolve()


def _tool(name: str, description: str, properties: dict[str, str]) -> dict[str, Any]:
    schema = {"type": "object", "properties": {key: {"type": kind} for key, kind in properties.items()}}
    return {"name": name, "description": description, "inputSchema": schema}


def _error(number: Any, code: int, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": message}}
