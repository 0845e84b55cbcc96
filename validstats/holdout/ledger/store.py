"""The ledger's storage: one append-only, hash-chained table in SQLite, safe under threads, processes and forks."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

__all__ = ["Entry", "Identity", "Store", "chain_digest", "digest_at", "first_broken_link"]

GENESIS: Final = "0" * 64
"""What the first entry names as its predecessor."""

FORMAT: Final = 2

_SCHEMA = """
CREATE TABLE ledger (id TEXT NOT NULL, secret BLOB NOT NULL, format INTEGER NOT NULL);
CREATE TABLE entries (
    idx INTEGER PRIMARY KEY, time REAL NOT NULL, user TEXT NOT NULL, epoch INTEGER NOT NULL,
    release TEXT NOT NULL, query TEXT, nats REAL NOT NULL, mu_squared REAL NOT NULL, passed INTEGER,
    answer REAL, half_width REAL, detail TEXT NOT NULL, state TEXT NOT NULL,
    previous TEXT NOT NULL, digest TEXT NOT NULL
);
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
    digest: str = ""

    def row(self) -> tuple[Any, ...]:
        """Return the entry as the columns of its table."""
        return (*self._columns(), self.digest)

    def _columns(self) -> tuple[Any, ...]:
        values = {field.name: getattr(self, field.name) for field in fields(self)[:-1]}
        values["passed"] = None if self.passed is None else int(self.passed)
        values["detail"] = _canonical(self.detail)
        values["state"] = _canonical(self.state)
        return tuple(values.values())


@dataclass(frozen=True, repr=False)
class Identity:
    """Who a ledger is."""

    id: str  # 32 hexadecimal digits
    secret: bytes  # key of its chain, cache, order of rows and noise

    def __repr__(self) -> str:
        return f"Identity(id={self.id[:8]}...)"


def chain_digest(secret: bytes, columns: Sequence[Any]) -> str:
    """Digest one entry's columns, the digest of the entry before among them."""
    message = json.dumps(list(columns), separators=(",", ":"), ensure_ascii=True)
    return hmac.new(secret, b"chain" + message.encode(), hashlib.sha256).hexdigest()


def first_broken_link(
    rows: Iterator[tuple[Any, ...]], secret: bytes, start: int = 0, previous: str = GENESIS
) -> tuple[int, str, str]:
    """Follow the chain and find where it breaks."""
    count = start
    for row in rows:
        *columns, digest = row
        if columns[0] != count:
            return count, previous, f"entry {count} is missing"
        if columns[-1] != previous or chain_digest(secret, columns) != digest:
            return count, previous, f"entry {count} was edited"
        count, previous = count + 1, digest
    return count, previous, ""


class Store:
    """One SQLite database, opened when needed and closed before every fork."""

    # A connection that is inherited by a forked process can corrupt the database, since the locks of POSIX
    # belong to processes; so it is closed before the fork and opened again by whoever needs it next.

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
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
        if len(rows) != 1 or rows[0][2] != FORMAT:
            raise sqlite3.DatabaseError("its header is not one that this version writes")
        if guards != _TRIGGERS:
            raise sqlite3.DatabaseError("the guards against editing were removed")
        return Identity(rows[0][0], bytes(rows[0][1]))

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Hold the ledger's write lock: commit at the end, undo everything on an error."""
        with self.lock:
            connection = self.connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise

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
                self._connection.close()
                self._connection = None

    def _open(self) -> sqlite3.Connection:
        target = ":memory:" if self.path is None else f"{self.path.resolve().as_uri()}?mode=rw"
        connection = sqlite3.connect(
            target, uri=self.path is not None, isolation_level=None, check_same_thread=False, timeout=120.0
        )
        connection.execute("PRAGMA synchronous=FULL")
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


def read_rows(connection: sqlite3.Connection, start: int = 0) -> Iterator[tuple[Any, ...]]:
    """Read stored rows in order, from an index on."""
    return iter(connection.execute("SELECT * FROM entries WHERE idx >= ? ORDER BY idx", (start,)))


def digest_at(connection: sqlite3.Connection, index: int) -> str | None:
    """Read the stored digest of one entry; None where there is none."""
    row = connection.execute("SELECT digest FROM entries WHERE idx = ?", (index,)).fetchone()
    return None if row is None else str(row[0])


def read_entry(row: Sequence[Any]) -> Entry:
    """Turn a stored row into an entry."""
    values = dict(zip((field.name for field in fields(Entry)), row, strict=True))
    values["passed"] = None if values["passed"] is None else bool(values["passed"])
    values["detail"], values["state"] = json.loads(values["detail"]), json.loads(values["state"])
    return Entry(**values)


def append_entry(connection: sqlite3.Connection, secret: bytes, entry: Entry) -> Entry:
    """Append an entry within the caller's transaction, and return it with its digest."""
    columns = entry._columns()
    digest = chain_digest(secret, columns)
    connection.execute(f"INSERT INTO entries VALUES ({', '.join('?' * 15)})", (*columns, digest))
    return read_entry((*columns, digest))


def now() -> float:
    """Seconds since the epoch of the system clock."""
    return time.time()


def _canonical(value: dict[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True, default=_number)


def _number(value: Any) -> Any:
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"The ledger keeps numbers and text only, got {type(value).__name__}.")


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
