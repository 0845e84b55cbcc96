"""Registry of bound holdouts, in files and in memory: by it a second ledger on the same rows is refused."""

from __future__ import annotations

import json
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from validstats.exceptions import (
    HoldoutOverlapError,
    LedgerUnavailableError,
    holdout_overlap_message,
    ledger_unavailable_message,
)
from validstats.holdout.ledger.anchor import Anchor, anchors_of, state_directory, state_key
from validstats.intake import RowOverlap, RowSketch, find_overlap
from validstats.runtime import whole_file

__all__ = [
    "BoundRows",
    "Known",
    "held_in_memory",
    "holdout_key",
    "find_others",
    "ledger_in_memory",
    "is_running",
    "record",
    "refuse_others",
    "registry_lock",
    "running",
    "sketches_of",
]

_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True, eq=False)
class BoundRows:
    """Who the rows are that a ledger is bound to."""

    content: str  # digest of the rows under the ledger's key, in any order
    ids: str | None  # the same of their identifiers alone; None where there are none
    n: int
    tag: str  # digest of the rows under the user's key
    sketches: Callable[[], tuple[RowSketch, ...]]  # under the user's key; made when they are needed
    ordered: str = ""  # what needs every row to be found again ("the vault"); empty if nothing does
    charge_overlap: bool = False  # whether ledgers that have some of them are charged together with this one


@dataclass(frozen=True, eq=False)
class Known:
    """A holdout that has a ledger."""

    ledger: str  # identifier
    tag: str
    sketches: tuple[RowSketch, ...]
    held: Any = None  # the ledger itself, where it is in memory
    earlier: tuple[str, ...] = ()  # tags before rows joined

    @property
    def place(self) -> str:
        """Where the ledger is, as a message says it."""
        if self.held is not None:
            return "in the memory of this program"
        path = Anchor.of(self.ledger).facts().get("path", "a place that is not known")
        return f"at {path}"

    @property
    def remedy(self) -> str:
        """How to go on with it."""
        if self.held is not None:
            return (
                "continue with ledger=earlier.ledger_, where earlier is the holdout that was calibrated first"
            )
        path = Anchor.of(self.ledger).facts().get("path", "")
        if Path(path).is_file():
            return f"continue with ledger={path!r}"
        return (
            "its file is gone, put it back and continue with it. (A test or an example that draws the same rows in every run "
            "sets the variable XDG_STATE_HOME to a folder of its own.)"
        )


_IN_MEMORY: dict[Path, dict[str, Known]] = {}
"""Holdouts whose ledgers are in memory, by the state directory of the user that they belong to; kept until exit."""

_PROCESS_KEY = secrets.token_bytes(32)
_BINDING = threading.RLock()


def holdout_key() -> bytes:
    """Return the key under which rows of this user are digested; one of this process where none can be stored."""
    with suppress(OSError):
        return state_key()
    return _PROCESS_KEY


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file, which is made where it is missing; the system gives it back however its owner ends."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise _unavailable(path, error.strerror) from None
    try:
        _lock(handle, path)
        yield
    finally:
        os.close(handle)


@contextmanager
def registry_lock(*, files: bool = True) -> Iterator[None]:
    """Hold the one lock around looking, deciding and writing, so that two ledgers cannot bind the same rows at once."""
    with _BINDING:
        if not files:
            yield
            return
        with _locked(state_directory() / "holdouts.lock"):
            yield


@contextmanager
def running(name: str, *, files: bool = True) -> Iterator[None]:
    """Show other programs, until the block is left or this program ends, that something with a name is under way."""
    if not files:
        yield
        return
    path = _run_file(name)
    with _locked(path):
        try:
            yield
        finally:
            with suppress(OSError):
                path.unlink(missing_ok=True)


def is_running(name: str) -> bool:
    """Tell whether something with a name is under way in a program that has not ended."""
    path = _run_file(name)
    try:
        handle = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        _try_lock(handle)
    except (BlockingIOError, PermissionError):
        return True
    except OSError:
        return False
    finally:
        os.close(handle)
    with suppress(OSError):
        path.unlink(missing_ok=True)  # its owner ended before it could
    return False


def _run_file(name: str) -> Path:
    return state_directory() / "running" / name


def _try_lock(handle: int) -> None:
    if os.name == "nt":
        import msvcrt

        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _lock(handle: int, path: Path) -> None:
    until = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            _try_lock(handle)
            return
        except (BlockingIOError, PermissionError):
            if time.monotonic() > until:
                raise _unavailable(path, "another program has held the lock for a minute") from None
            time.sleep(0.005)
        except OSError as error:
            raise _unavailable(path, f"this file system has no locks ({error.strerror})") from None


def _unavailable(path: Path, why: str | None) -> LedgerUnavailableError:
    return LedgerUnavailableError(
        ledger_unavailable_message.format(place=path, why=why, charged="Nothing was bound.")
    )


def ledger_in_memory(tag: str, ids: RowSketch | None) -> Any:
    """Return the ledger in memory that exactly these rows have already, or these identifiers; None if there is none."""
    for known in _memory().values():
        if tag in (known.tag, *known.earlier):
            return known.held
        own = next((s for s in known.sketches if s.family == "id"), None)
        if ids is not None and own is not None and ids.tokens.tolist() == own.tokens.tolist():
            return known.held
    return None


def held_in_memory(ledger: str) -> Any:
    """Return the ledger in memory that has an identifier; None if it is in a file."""
    known = _memory().get(ledger)
    return None if known is None else known.held


def find_others(ledger: str, rows: BoundRows) -> list[tuple[Known, RowOverlap | None]]:
    """Find the other ledgers that have these rows, or a part of them; call it under the lock."""
    found: dict[str, tuple[Known, RowOverlap | None]] = {}
    for anchor in anchors_of("holdout", rows.tag):
        found[anchor.ledger] = Known(anchor.ledger, rows.tag, ()), None
    for known in (*_memory().values(), *_in_files()):
        if known.ledger == ledger or known.ledger in found:
            continue
        if rows.tag in (known.tag, *known.earlier):
            found[known.ledger] = known, None
        elif (overlap := find_overlap(known.sketches, rows.sketches())) is not None:
            found[known.ledger] = known, overlap
    found.pop(ledger, None)
    # the same rows first: their ledger is the one to go on with
    return sorted(found.values(), key=lambda pair: pair[1] is not None)


def refuse_others(others: list[tuple[Known, RowOverlap | None]]) -> None:
    """Refuse rows that another ledger has."""
    if others:
        known, overlap = others[0]
        raise HoldoutOverlapError(
            holdout_overlap_message.format(
                place=known.place,
                overlap="they are the same" if overlap is None else f"as {overlap} show",
                remedy=known.remedy,
            )
        )


def record(ledger: str, rows: BoundRows, held: Any = None) -> None:
    """Record the rows of a ledger, and keep the tag of those that it had before more joined; call it under the lock."""
    known = _known(ledger)
    earlier = () if known is None else (*known.earlier, known.tag)
    if held is not None:
        _memory()[ledger] = Known(ledger, rows.tag, rows.sketches(), held, earlier)
        return
    folder = state_directory() / "holdouts"
    folder.mkdir(parents=True, exist_ok=True)
    sketches = [sketch.to_dict() for sketch in rows.sketches()]
    content = {"tag": rows.tag, "earlier": earlier, "sketches": sketches}
    with whole_file(folder / f"{ledger}.sketch") as draft:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as stream:
            json.dump(content, stream)
            stream.flush()
            os.fsync(stream.fileno())


def forget(ledger: str) -> None:
    """Take out a ledger of which nothing was asked; call it under the lock."""
    (state_directory() / "holdouts" / f"{ledger}.sketch").unlink(missing_ok=True)


def sketches_of(ledger: str, tag: str | None = None) -> tuple[RowSketch, ...]:
    """Return the sketches that were recorded for a ledger, of rows as their tag says; empty if none were."""
    known = _known(ledger)
    return () if known is None or tag not in (None, known.tag) else known.sketches


def _known(ledger: str) -> Known | None:
    return _memory().get(ledger) or next(_in_files(f"{ledger}.sketch"), None)


def _memory() -> dict[str, Known]:
    return _IN_MEMORY.setdefault(state_directory(), {})


def _in_files(pattern: str = "*.sketch") -> Iterator[Known]:
    folder = state_directory() / "holdouts"
    if not folder.is_dir():
        return
    for file in sorted(folder.glob(pattern)):
        content = json.loads(file.read_text())
        if isinstance(
            content, dict
        ):  # lists are of an earlier format, whose ledgers cannot be opened any more
            sketches = tuple(RowSketch.from_dict(sketch) for sketch in content["sketches"])
            earlier = tuple(content.get("earlier", ()))
            yield Known(file.stem, content["tag"], sketches, earlier=earlier)
