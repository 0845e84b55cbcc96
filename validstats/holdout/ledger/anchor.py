"""The anchor of a ledger: how far it had come, kept outside its file so that a rollback is noticed."""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from validstats.runtime import new_file

__all__ = ["Anchor", "Receipt", "anchors_of", "any_anchor", "state_directory", "state_key"]

_TAIL_BYTES = 1 << 14
_RECEIPT = re.compile(r"validstats-ledger:([0-9a-f]{32}):(\d+):([0-9a-f]{64})")


@dataclass(frozen=True)
class Receipt:
    """How far a ledger had come: what the anchor holds, and what a caller may keep instead of it."""

    ledger: str  # identifier of the ledger, 32 hexadecimal digits
    count: int  # number of entries
    head: str  # digest of the last of them, 64 hexadecimal digits

    def __str__(self) -> str:
        return f"validstats-ledger:{self.ledger}:{self.count}:{self.head}"

    @classmethod
    def parse(cls, text: str) -> Receipt:
        """Read a receipt from its text."""
        match = _RECEIPT.fullmatch(str(text).strip())
        if match is None:
            raise ValueError(
                f"Not a receipt: {text!r}. A receipt is the text that Ledger.receipt() returned, "
                "'validstats-ledger:<identifier>:<entries>:<digest>'."
            )
        return cls(match[1], int(match[2]), match[3])


def state_directory() -> Path:
    """Return the directory in which this user's programs keep their state, honouring ``XDG_STATE_HOME``."""
    # ``$XDG_STATE_HOME/validstats``, or the platform's place for it. It is not created here.
    configured = os.environ.get("XDG_STATE_HOME")
    if configured and Path(configured).is_absolute():
        return Path(configured) / "validstats"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "validstats"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "validstats"
    return Path.home() / ".local" / "state" / "validstats"


def state_key() -> bytes:
    """Return this user's key, made at first use: it tags holdouts in anchors without revealing them."""
    path = state_directory() / "key"
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError), new_file(path) as draft:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as stream:
            stream.write(secrets.token_bytes(32))
    key = path.read_bytes()
    if len(key) != 32:
        raise RuntimeError(f"The key at {path} is damaged; remove it to have a new one made.")
    return key


@dataclass(frozen=True)
class Anchor:
    """An append-only text file beside no ledger: one line for each head that was reached."""

    # Lines are short enough to be appended in one piece, so that several processes can write and a killed one
    # leaves at most an incomplete last line, which is passed over.

    path: Path

    @classmethod
    def of(cls, ledger: str) -> Anchor:
        """Return the anchor of a ledger, whether it exists or not."""
        return cls(state_directory() / "ledgers" / f"{ledger}.anchor")

    @property
    def ledger(self) -> str:
        """Identifier of the ledger."""
        return self.path.stem

    def exists(self) -> bool:
        """Tell whether the anchor was ever written."""
        return self.path.is_file()

    def write(self, kind: str, *values: object) -> None:
        """Append one line, durably, or raise an OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # the line break comes first: what a full disk cut off cannot join the next line
        line = b"\n" + _line(kind, *values) + b"\n"
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            if os.write(handle, line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
            os.fsync(handle)
        finally:
            os.close(handle)

    def announce(self, receipt: Receipt) -> None:
        """Put on record which head comes next: where this fails, nothing was charged."""
        self.write("next", receipt.count, receipt.head)

    def advance(self, receipt: Receipt) -> None:
        """Record a head, unless a later one is there already."""
        known = self.head()
        if known is None or known.count < receipt.count:
            self.write("head", receipt.count, receipt.head)

    def head(self) -> Receipt | None:
        """Return the furthest head on record."""
        try:
            with self.path.open("rb") as stream:
                size, reach = stream.seek(0, os.SEEK_END), _TAIL_BYTES
                while True:
                    stream.seek(max(0, size - reach))
                    lines = _lines(stream.read(reach), b'["head",')
                    heads = [(line[1], line[2]) for line in lines if len(line) == 3]
                    if heads or reach >= size:
                        return Receipt(self.ledger, *max(heads)) if heads else None
                    reach *= 4  # many heads were announced and could not be charged since
        except FileNotFoundError:
            return None

    def facts(self) -> dict[str, str]:
        """Return where the ledger was created and which holdout it was bound to, where that is known."""
        with self.path.open("rb") as stream:
            raw = stream.read(_TAIL_BYTES)
        return {line[0]: line[1] for line in _lines(raw) if line[0] in ("path", "holdout") and len(line) == 2}

    def carries(self, fact: str, value: str) -> bool:
        """Tell whether a fact has, or had, a value."""
        return b"\n" + _line(fact, value) + b"\n" in self.path.read_bytes()


def anchors_of(fact: str, value: str) -> list[Anchor]:
    """Find the anchors that carry a fact, or carried it before rows joined."""
    folder = state_directory() / "ledgers"
    files = sorted(folder.glob("*.anchor")) if folder.is_dir() else []
    return [anchor for anchor in map(Anchor, files) if anchor.carries(fact, value)]


def any_anchor() -> bool:
    """Tell whether this user has a ledger file anywhere."""
    folder = state_directory() / "ledgers"
    return folder.is_dir() and any(folder.glob("*.anchor"))


def _line(*values: object) -> bytes:
    return json.dumps(values, separators=(",", ":")).encode()


def _lines(raw: bytes, start: bytes = b"[") -> Iterator[list[Any]]:
    for text in raw.split(b"\n"):
        if not text.startswith(start):
            continue
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, list) and line:
            yield line
