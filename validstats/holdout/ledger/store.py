"""The ledger's storage: one append-only, hash-chained table in SQLite, safe under threads, processes and forks."""

from __future__ import annotations

import hmac
import json
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np

from validstats.intake import derive_key

__all__ = [
    "GENESIS",
    "Entry",
    "Identity",
    "OlderFormat",
    "Row",
    "Store",
    "append_entry",
    "attach",
    "attachment",
    "attachment_name",
    "counter_generator",
    "detach",
    "digest_at",
    "first_broken_link",
    "last_entry",
    "now",
    "public_length",
    "read_entries",
    "read_entry",
    "read_rows",
]


def counter_generator(secret: bytes, index: int, stream: str = "answer") -> np.random.Generator:
    """Return the random stream that belongs to one index of one ledger."""
    # The same index always gives the same numbers and different indices give independent ones: a restarted
    # program cannot replay the noise of an earlier answer for another question, since the index has moved on.
    # Source: Salmon et al. (2011), "Parallel random numbers: as easy as 1, 2, 3".
    key = int.from_bytes(derive_key(secret, "noise", stream, index)[:16], "little")
    return np.random.Generator(np.random.Philox(key=key))


GENESIS: Final = "0" * 64
"""What the first entry names as its predecessor."""

FORMAT: Final = 5

SNAPSHOT: Final = 64
"""Every so many entries the whole state is written; the others hold what changed."""

_BLOCK = 128
_ALLOWANCE = (
    896  # characters of a record beside what is known before labels are read; the longest outcome has 714
)

_SCHEMA = """
CREATE TABLE ledger (id TEXT NOT NULL, secret BLOB NOT NULL, format INTEGER NOT NULL);
CREATE TABLE entries (
    idx INTEGER PRIMARY KEY, release TEXT NOT NULL, query TEXT, body TEXT NOT NULL, digest TEXT NOT NULL
);
CREATE TABLE attachments (name TEXT PRIMARY KEY, content BLOB NOT NULL);
CREATE INDEX entries_by_query ON entries (query) WHERE query IS NOT NULL;
CREATE TRIGGER entries_no_update BEFORE UPDATE ON entries
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER entries_no_delete BEFORE DELETE ON entries
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER entries_in_order BEFORE INSERT ON entries
    WHEN NEW.idx <> (SELECT COALESCE(MAX(idx) + 1, 0) FROM entries)
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER ledger_no_update BEFORE UPDATE ON ledger
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER ledger_no_delete BEFORE DELETE ON ledger
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
"""

_TRIGGERS = 5

Row: TypeAlias = tuple[int, str, str | None, str, str]
"""A stored entry: index, kind of release, query, body and digest."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One row of the ledger.

    Attributes
    ----------
    idx : int
        Index, from 0.
    time : float
        Seconds since the epoch of the system clock.
    user : str
        Who asked; empty if nobody was named.
    epoch : int
        Number of the epoch, from 0; -1 before the first.
    release : str
        Kind of release ("created", "bound", "epoch", "answer", "cached", "refused", ...).
    query : str or None
        Keyed digest of what was asked; None for what is always charged anew.
    nats : float
        Description length charged, in nats.
    mu_squared : float
        Squared Gaussian-DP parameter charged.
    passed : bool or None
        Whether a guess or claim held, where there was one.
    answer : float or None
        The released value.
    half_width : float or None
        Half of the released interval's width.
    detail : dict
        Further released values.
    state : dict
        State of the mechanism after this entry.
    previous, digest : str
        Chain digests of the entry before, and of this one.
    charged : tuple of float
        Nats and squared Gaussian-DP parameter of all entries up to this one.
    """

    idx: int
    time: float
    user: str
    epoch: int
    release: str
    query: str | None
    nats: float
    mu_squared: float
    passed: bool | None
    answer: float | None
    half_width: float | None
    detail: dict[str, Any]
    state: dict[str, Any]
    previous: str
    charged: tuple[float, float] = (0.0, 0.0)
    digest: str = ""


@dataclass(frozen=True, repr=False)
class Identity:
    """Who a ledger is."""

    id: str  # 32 hexadecimal digits
    secret: bytes  # key of its chain, cache, order of rows and noise

    def __repr__(self) -> str:
        return f"Identity(id={self.id[:8]}...)"


def chain_digest(secret: bytes, previous: str, row: Sequence[Any]) -> str:
    """Digest one stored entry together with the digest of the entry before."""
    index, release, query, body = row[:4]
    message = f"{previous} {index} {release} {query or '':64} {body}"
    return hmac.digest(secret, b"chain" + message.encode(), "sha256").hex()


def first_broken_link(
    rows: Iterator[Row], secret: bytes, start: int = 0, previous: str = GENESIS
) -> tuple[int, str, str]:
    """Follow the chain and find where it breaks."""
    count = start
    for row in rows:
        if row[0] != count:
            return count, previous, f"entry {count} is missing"
        if chain_digest(secret, previous, row) != row[-1]:
            return count, previous, f"entry {count} was edited"
        count, previous = count + 1, row[-1]
    return count, previous, ""


class OlderFormat(Exception):
    """The file is sound, and of a version that divided the budget or told rows apart by another rule."""


class Store:
    """One SQLite database, opened when needed and closed before every fork."""

    # A connection that is inherited by a forked process can corrupt the database, since the locks of POSIX
    # belong to processes; so it is closed before the fork and opened again by whoever needs it next.

    def __init__(self, path: Path | None) -> None:
        self.path = None if path is None else path.absolute()  # a later change of folder does nothing
        self.lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._closing: Callable[[], Any] = lambda: (
            None
        )  # closes the connection, at the latest when nobody has this any more
        self._pid = os.getpid()
        self._inode: tuple[int, int] | None = None
        _STORES.add(self)

    def create(self, identity: Identity) -> None:
        """Lay out the tables, with the identity in them."""
        if self.path is not None:
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        connection = self.connection()
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript("BEGIN IMMEDIATE;" + _SCHEMA)
        connection.execute("INSERT INTO ledger VALUES (?, ?, ?)", (identity.id, identity.secret, FORMAT))
        connection.execute("COMMIT")

    def connection(self) -> sqlite3.Connection:
        """Return this process's connection."""
        if self._pid != os.getpid():
            self._forget_inherited()
        if self.path is not None and self._connection is not None and self._inode != _inode(self.path):
            self.close()
            raise FileNotFoundError(f"{self.path} was removed or replaced while it was in use")
        if self._connection is None:
            self._connection = self._open()
        return self._connection

    def identity(self) -> Identity:
        """Read the identity, and check that the tables and their guards are there."""
        connection = self.connection()
        rows = connection.execute("SELECT id, secret, format FROM ledger").fetchall()
        guards = connection.execute("SELECT COUNT(*) FROM sqlite_master WHERE type = 'trigger'").fetchone()[0]
        if len(rows) == 1 and rows[0][2] in range(1, FORMAT):
            raise OlderFormat
        if len(rows) != 1 or rows[0][2] != FORMAT:
            raise sqlite3.DatabaseError("its header is not one that this version writes")
        if guards != _TRIGGERS:
            raise sqlite3.DatabaseError("the guards against editing were removed")
        return Identity(rows[0][0], bytes(rows[0][1]))

    @contextmanager
    def writing(self, guarded: Callable[[], AbstractContextManager[None]]) -> Iterator[sqlite3.Connection]:
        """Hold the ledger's write lock until the caller commits; undo everything that was not committed."""
        with guarded():
            connection = self.connection()
            connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
        finally:
            if connection.in_transaction:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Read one consistent state."""
        with self.lock:
            connection = self.connection()
            if connection.in_transaction:
                yield connection
                return
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")

    def close(self) -> None:
        """Close the connection; a database in memory stays open."""
        with self.lock:
            if self._connection is not None and self.path is not None and self._pid == os.getpid():
                self._closing()
                self._connection = None

    def _open(self) -> sqlite3.Connection:
        target = ":memory:" if self.path is None else f"{self.path.resolve().as_uri()}?mode=rw"
        connection = sqlite3.connect(
            target, uri=self.path is not None, isolation_level=None, check_same_thread=False, timeout=120.0
        )
        connection.execute("PRAGMA synchronous=FULL")
        self._closing = weakref.finalize(self, _close, connection, os.getpid())
        if self.path is not None:
            self._inode = _inode(self.path)
        return connection

    def _forget_inherited(self) -> None:
        if self.path is None:
            raise RuntimeError(
                "A ledger in memory belongs to the process that made it. Give the ledger a path, "
                "ledger='study.ledger', to share it between processes."
            )
        if self._connection is not None:
            _INHERITED.append(self._connection)
        self._connection, self._pid, self.lock = None, os.getpid(), threading.RLock()


def _close(connection: sqlite3.Connection, pid: int) -> None:
    """Close a connection in the process that opened it, and in no other."""
    if pid == os.getpid():
        with suppress(sqlite3.Error):
            connection.close()


def read_rows(connection: sqlite3.Connection, start: int = 0) -> Iterator[Row]:
    """Read stored rows in order, from an index on."""
    return iter(connection.execute("SELECT * FROM entries WHERE idx >= ? ORDER BY idx", (start,)))


def digest_at(connection: sqlite3.Connection, index: int) -> str | None:
    """Read the stored digest of one entry; None where there is none."""
    row = connection.execute("SELECT digest FROM entries WHERE idx = ?", (index,)).fetchone()
    return None if row is None else str(row[0])


def read_entries(connection: sqlite3.Connection, start: int = 0) -> Iterator[Entry]:
    """Read entries in order, with the state after each: what changed is applied to the last whole state."""
    first = start - start % SNAPSHOT
    previous = GENESIS if first == 0 else digest_at(connection, first - 1)
    state: dict[str, Any] = {}
    for row in read_rows(connection, first):
        values = json.loads(row[3])
        state = values["state"] if "state" in values else apply_changes(state, values["changes"])
        if row[0] >= start:
            yield _entry(row, values, state, str(previous))
        previous = row[4]


def last_entry(connection: sqlite3.Connection) -> Entry | None:
    """Read the last entry."""
    count = connection.execute("SELECT MAX(idx) FROM entries").fetchone()[0]
    return None if count is None else next(read_entries(connection, int(count)))


def read_entry(row: Row) -> Entry:
    """Turn one stored row into an entry, without the state after it."""
    return _entry(row, json.loads(row[3]), {}, "")


def append_entry(
    connection: sqlite3.Connection, secret: bytes, entry: Entry, before: Mapping[str, Any], public: int
) -> Entry:
    """Append an entry within the caller's transaction, and return it with its digest."""
    # What is written is as long for one outcome as for another: ``public`` is the number of characters that are known
    # before labels are read, and everything else has a fixed allowance. Otherwise a full disk could let through
    # short outcomes only, and tell them apart for nothing.
    whole = entry.idx % SNAPSHOT == 0
    same = entry.state is before
    state = dict(before) if same else json.loads(_canonical(entry.state))
    values = {name: getattr(entry, name) for name in _BODY}
    values |= {"state": state} if whole else {"changes": {} if same else changes(before, state)}
    body = _canonical(values)
    known = public + len(entry.user) + (len(_canonical(dict(before))) if whole else 0)
    body = body.ljust(_BLOCK * -(-max(known + _ALLOWANCE, len(body)) // _BLOCK))
    row = (entry.idx, f"{entry.release:16}", entry.query, body)
    digest = chain_digest(secret, entry.previous, row)
    connection.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?)", (*row, digest))
    return _entry((*row, digest), json.loads(body), state, entry.previous)


_BODY = (
    "time", "user", "epoch", "nats", "mu_squared", "charged", "passed", "answer", "half_width", "detail",
)  # fmt: skip


def _entry(row: Row, values: Mapping[str, Any], state: dict[str, Any], previous: str) -> Entry:
    body = {name: values[name] for name in _BODY}
    body["charged"] = tuple(body["charged"])
    return Entry(
        idx=row[0],
        release=row[1].rstrip(),
        query=row[2],
        state=state,
        previous=previous,
        digest=row[4],
        **body,
    )


_GONE = "\0gone"
"""Names of what was taken out of a state, in the record of its changes."""


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """What turns one state into another: changed values by name, within nested mappings too."""
    found: dict[str, Any] = {}
    for name, value in after.items():
        old = before.get(name)
        if isinstance(value, dict) and isinstance(old, dict):
            if inner := changes(old, value):
                found[name] = inner
        elif name not in before or old != value or type(old) is not type(value):
            # a new mapping is marked, so that it is not taken for changes of an old one
            found[name] = {"\0new": value} if isinstance(value, dict) else value
    if gone := [name for name in before if name not in after]:
        found[_GONE] = gone
    return found


def apply_changes(before: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """Undo :func:`changes`: the state after from the state before."""
    after = {name: value for name, value in before.items() if name not in found.get(_GONE, ())}
    for name, value in found.items():
        if name == _GONE:
            continue
        if not isinstance(value, dict):
            after[name] = value
        elif "\0new" in value:
            after[name] = value["\0new"]
        else:
            after[name] = apply_changes(before[name], value)
    return after


def public_length(*known: Any) -> int:
    """Number of characters that a record needs for what is known before labels are read."""
    return sum(len(_canonical({"": value})) for value in known)


def attach(connection: sqlite3.Connection, secret: bytes, content: bytes) -> str:
    """Keep something that does not depend on labels beside the entries; its name is its keyed digest."""
    name = attachment_name(secret, content)
    connection.execute("INSERT OR IGNORE INTO attachments VALUES (?, ?)", (name, content))
    return name


def attachment(connection: sqlite3.Connection, secret: bytes, name: str) -> bytes:
    """Read what was kept under a name."""
    row = connection.execute("SELECT content FROM attachments WHERE name = ?", (name,)).fetchone()
    if row is None or attachment_name(secret, row[0]) != name:
        raise sqlite3.DatabaseError("an attachment was edited or removed")
    return bytes(row[0])


def detach(connection: sqlite3.Connection, keep: Sequence[str]) -> None:
    """Remove all attachments but those named."""
    marks = ", ".join("?" * len(keep))
    connection.execute(f"DELETE FROM attachments WHERE name NOT IN ({marks})", tuple(keep))


def attachment_name(secret: bytes, content: bytes) -> str:
    """Keyed digest of what is kept beside the entries."""
    return hmac.digest(derive_key(secret, "attachment"), content, "sha256").hex()


def now() -> float:
    """Seconds since the epoch of the system clock."""
    return time.time()


def _canonical(value: dict[str, Any]) -> str:
    return _ENCODER.encode(value)


def _number(value: Any) -> Any:
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"The ledger keeps numbers and text only, got {type(value).__name__}.")


_ENCODER = json.JSONEncoder(separators=(",", ":"), sort_keys=True, default=_number)


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


_STORES: weakref.WeakSet[Store] = weakref.WeakSet()
_INHERITED: list[sqlite3.Connection] = []
"""Connections of a parent process, kept so that they are never closed by this one."""
_FORKING: list[Store] = []


def _before_fork() -> None:
    _FORKING[:] = list(_STORES)
    for store in _FORKING:
        store.lock.acquire()
        store.close()


def _after_fork_in_parent() -> None:
    for store in reversed(_FORKING):
        store.lock.release()
    _FORKING.clear()


def _after_fork_in_child() -> None:
    for store in _FORKING:
        store.lock = threading.RLock()
        if store.path is not None:
            store._pid = os.getpid()
    _FORKING.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
    )
