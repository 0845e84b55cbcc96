"""The ledger: what was asked of a holdout and what it cost, kept where it cannot be lost."""

from __future__ import annotations

import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np

from validstats.exceptions import (
    LedgerError,
    LedgerMismatchError,
    LedgerMissingError,
    LedgerTamperedError,
    LedgerUnavailableError,
    ledger_missing_message,
    ledger_tampered_message,
    ledger_unavailable_message,
)
from validstats.holdout.ledger.anchor import Anchor, Receipt, anchors_of
from validstats.holdout.ledger.registry import (
    BoundRows,
    find_others,
    forget,
    held_in_memory,
    record,
    refuse_others,
    registry_lock,
    sketches_of,
)
from validstats.holdout.ledger.store import (
    GENESIS,
    Entry,
    Identity,
    OlderFormat,
    Row,
    Store,
    append_entry,
    attach,
    attachment,
    counter_generator,
    detach,
    digest_at,
    first_broken_link,
    last_entry,
    now,
    public_length,
    read_entries,
    read_entry,
    read_rows,
)
from validstats.intake import find_overlap
from validstats.runtime import new_file

__all__ = ["Ledger", "LedgerCheck", "Turn"]

_NOTHING_CHARGED = "Nothing was charged and nothing was answered."
_CHARGED = (
    "The question is charged and its answer is in the ledger: ask the same again, which costs nothing more."
)


@dataclass(frozen=True)
class LedgerCheck:
    """What :meth:`Ledger.verify` found.

    Attributes
    ----------
    n_entries : int
        Number of entries, all of them linked.
    receipt : str
        Text to keep elsewhere; ``Ledger.open(path, receipt=...)`` accepts it in place of the anchor.
    anchored : bool
        Whether an anchor outside the file agrees.
    nats, mu_squared : float
        The two totals that were charged.
    """

    n_entries: int
    receipt: str
    anchored: bool
    nats: float
    mu_squared: float


class Turn:
    """What may be done while the ledger's write lock is held.

    Attributes
    ----------
    index : int
        Index that the next entry gets.
    epoch : int
        Current epoch, -1 before the first.
    state : dict
        State that the last entry left.
    appended : list of Entry
        Entries of this turn.
    """

    def __init__(
        self, connection: sqlite3.Connection, identity: Identity, user: str, last: Entry | None
    ) -> None:
        self._connection = connection
        self._identity = identity
        self._user = user
        self.last = last
        self.index = 0 if last is None else last.idx + 1
        self.head = GENESIS if last is None else last.digest
        self.epoch = -1 if last is None else last.epoch
        self.state: dict[str, Any] = {} if last is None else dict(last.state)
        self._found = self.state  # as it was found: nothing has changed while it is the same object
        self._answers: dict[str, Entry | None] = {}
        self.appended: list[Entry] = []

    def generator(self, stream: str = "answer", index: int | None = None) -> np.random.Generator:
        """Return the noise that belongs to an index, by default the next entry's.

        Parameters
        ----------
        stream : str, default "answer"
            Kind of noise.
        index : int or None, default None
            Index of the entry that it is for.

        Returns
        -------
        numpy.random.Generator
            Keyed by the ledger's secret and the index.
        """
        return counter_generator(self._identity.secret, self.index if index is None else index, stream)

    def cached(self, query: str) -> Entry | None:
        """Return the first answer to the same question, if it was answered before.

        Parameters
        ----------
        query : str
            Keyed digest of what was asked.

        Returns
        -------
        Entry or None
            The entry that answered it.
        """
        if query not in self._answers:
            row = self._connection.execute(
                "SELECT * FROM entries WHERE query = ? AND RTRIM(release) NOT IN "
                "('cached', 'refused', 'bound', 'asked', 'error') ORDER BY idx LIMIT 1",
                (query,),
            ).fetchone()
            self._answers[query] = None if row is None else read_entry(row)
        return self._answers[query]

    def find(self, release: str) -> list[Entry]:
        """Return the entries of a kind, the latest first."""
        return _of_kind(self._connection, release)

    def totals(self) -> tuple[float, float]:
        """Return the nats and the squared Gaussian-DP parameter charged so far, this turn included."""
        return (0.0, 0.0) if self.last is None else self.last.charged

    def attach(self, content: bytes) -> str:
        """Keep something beside the entries, and return its name.

        Parameters
        ----------
        content : bytes
            It must not depend on labels.

        Returns
        -------
        str
            Its keyed digest.
        """
        return attach(self._connection, self._identity.secret, content)

    def detach(self, keep: Sequence[str]) -> None:
        """Remove all attachments but those named."""
        detach(self._connection, keep)

    def append(
        self,
        release: str,
        *,
        query: str | None = None,
        nats: float = 0.0,
        mu_squared: float = 0.0,
        passed: bool | None = None,
        answer: float | None = None,
        half_width: float | None = None,
        detail: Mapping[str, Any] | None = None,
        public: Mapping[str, Any] | None = None,
        state: Mapping[str, Any] | None = None,
        new_epoch: bool = False,
    ) -> Entry:
        """Append an entry; it is charged when the turn ends.

        Parameters
        ----------
        release : str
            Kind of release.
        query : str or None, default None
            Keyed digest of what was asked; None if it is never answered from the cache.
        nats, mu_squared : float, default 0
            What it costs; infinite where no finite cost is proved.
        passed : bool or None, default None
            Whether the guess or claim held.
        answer, half_width : float or None, default None
            What will be released.
        detail : mapping or None, default None
            Further released values, as JSON.
        public : mapping or None, default None
            What of the detail was known before labels were read: the record is long enough for it and for any outcome.
        state : mapping or None, default None
            State after this entry; unchanged if None.
        new_epoch : bool, default False
            Whether this entry opens an epoch.

        Returns
        -------
        Entry
            As it is stored.

        Raises
        ------
        ValueError
            If a charge is negative or not a number.
        """
        for name, value in (("nats", nats), ("mu_squared", mu_squared)):
            if not value >= 0:
                raise ValueError(f"{name} must be at least 0, got {value!r}.")
        self.epoch += int(new_epoch)
        before = {} if self.last is None else self.last.state
        unchanged = state is None and self.state is self._found
        charged = self.totals()
        entry = Entry(
            idx=self.index,
            time=now(),
            user=self._user,
            epoch=self.epoch,
            release=release,
            query=query,
            nats=float(nats),
            mu_squared=float(mu_squared),
            passed=None if passed is None else bool(passed),
            answer=None if answer is None else float(answer),
            half_width=None if half_width is None else float(half_width),
            detail={**(detail or {}), **(public or {})},
            state=before if unchanged else dict(self.state if state is None else state),
            previous=self.head,
            charged=(charged[0] + float(nats), charged[1] + float(mu_squared)),
        )
        stored = append_entry(
            self._connection, self._identity.secret, entry, before, public_length(public or {})
        )
        self.last = stored
        self.index, self.head, self.state = stored.idx + 1, stored.digest, dict(stored.state)
        self._found = self.state
        self._answers.pop(query or "", None)
        self.appended.append(stored)
        return stored


class _Guard:
    """Errors of a ledger's file in the ledger's words; a class, because every question enters it several times."""

    def __init__(self, ledger: Ledger, files: bool) -> None:
        self._ledger, self._files = ledger, files

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        refused = None if error is None else self._ledger._refused(error, self._files)
        if refused is not None:
            raise refused from None


class Ledger:
    """An append-only record of every question that a holdout was asked.

    A question is charged before it is answered, in one transaction, so that a program killed at any moment may
    lose an answer that was paid for but never has one for free. Threads, processes and copies of an estimator
    that name the same file share one budget. Entries are chained by keyed digests; the number of entries and the
    last digest are also kept in an anchor outside the file (in the user's state directory), or in a receipt that
    the caller keeps, so that a file that is missing, truncated, edited or rolled back is refused.

    A ledger cannot stop someone who holds the labels from using them, or who removes the anchor together with
    the file: see ``docs/holdout_threat_model.md`` in the source repository.

    Make one with :meth:`create` (once), :meth:`open` or :meth:`in_memory`.

    Attributes
    ----------
    path : Path or None
        The file; None for a ledger in memory.

    Examples
    --------
    >>> from validstats.holdout import Ledger
    >>> ledger = Ledger.in_memory()
    >>> with ledger.turn() as turn:
    ...     entry = turn.append("answer", nats=0.5, answer=0.75, half_width=0.1)
    >>> entry.idx, ledger.totals()
    (1, (0.5, 0.0))
    """

    def __init__(self, store: Store, identity: Identity, *, anchored: bool, registered: bool = True) -> None:
        self._store = store
        self._identity = identity
        self._anchored = anchored
        self._registered = registered  # whether its rows are looked for under other ledgers
        self._verified = (0, GENESIS)
        self._checked_version: tuple[int, int] | None = (
            None  # connection and its data version at the last whole check
        )
        self._last: Entry | None = None
        self._links: dict[str, None] = {}
        self._links_seen = 0
        self.named = "" if store.path is None else str(store.path)  # as the caller named it

    # ------------------------------------------------------------------ making one

    @classmethod
    def create(cls, path: str | Path, *, exist_ok: bool = False) -> Self:
        """Create a ledger file, once, and its anchor in the user's state directory.

        Parameters
        ----------
        path : str or Path
            Where; nothing may be there yet, and no ledger may have been there before.
        exist_ok : bool, default False
            Whether a ledger that is there already is opened instead, with what was spent, so that a notebook can be run
            again from the top. One that was there and is gone is missed all the same.

        Returns
        -------
        Ledger
            Empty and not yet bound to a holdout.

        Raises
        ------
        FileExistsError
            If there is a file already.
        LedgerMissingError
            If a ledger was created at this path before and is gone.
        """
        path = Path(path)
        if path.exists() and exist_ok:
            return cls.open(path)
        if path.exists():
            raise FileExistsError(
                f"There is a file at {path} already; open it with Ledger.open({str(path)!r})."
            )
        _refuse_if_lost(path)
        if not path.parent.is_dir():
            raise FileNotFoundError(f"The folder {path.parent} does not exist.")
        identity = _new_identity()
        try:
            with new_file(path) as draft:
                store = Store(draft)
                try:
                    store.create(identity)
                    cls(store, identity, anchored=True)._begin()
                finally:
                    store.close()
            Anchor.of(identity.id).write("path", str(path.resolve()))
        except FileExistsError:
            raise
        except (OSError, sqlite3.OperationalError) as error:
            if isinstance(error, LedgerError):
                raise
            raise LedgerUnavailableError(
                ledger_unavailable_message.format(
                    place=getattr(error, "filename", None) or path.parent,
                    why=getattr(error, "strerror", None) or error,
                    charged="No ledger was created.",
                )
            ) from None
        return cls.open(path)

    @classmethod
    def open(cls, path: str | Path, *, receipt: str | Receipt | None = None) -> Self:
        """Open a ledger file that exists, and verify it.

        Parameters
        ----------
        path : str or Path
            The file.
        receipt : str, Receipt or None, default None
            How far the ledger had come, as :meth:`receipt` returned it. Needed where the anchor is not, for
            instance on another machine; a new anchor is then made.

        Returns
        -------
        Ledger
            Verified.

        Raises
        ------
        LedgerMissingError
            If the file is not there, or neither an anchor nor a receipt is.
        LedgerTamperedError
            If the chain is broken, or the file is behind its anchor or receipt.
        """
        path = Path(path)
        if not path.is_file():
            _refuse_if_lost(path)
            raise LedgerMissingError(ledger_missing_message.format(path=str(path), more=""))
        if not _has_one_name(path):
            raise LedgerUnavailableError(
                ledger_unavailable_message.format(
                    place=path,
                    why="the file has several names (hard links), and each would have a write-ahead log of its own",
                    charged="Remove all names but one. " + _NOTHING_CHARGED,
                )
            )
        store = Store(path)
        identity = _identity_of(store, path)
        ledger = cls(store, identity, anchored=True)
        ledger.named = str(path)
        ledger._admit(None if receipt is None else _as_receipt(receipt))
        ledger.verify()
        return ledger

    @classmethod
    def in_memory(cls, *, secret: bytes | None = None) -> Self:
        """Keep a ledger in memory: for quick use, in one process, without protection against a restart.

        It refuses to be pickled or deep-copied, since a copy would refill the budget.

        Parameters
        ----------
        secret : bytes or None, default None
            Key of the noise; drawn if None. Give one only in simulations and tests: noise that can be repeated protects
            nothing, and the rows of such a ledger are not recognised when another ledger is given the same.

        Returns
        -------
        Ledger
            Empty and not yet bound to a holdout.
        """
        identity = _new_identity() if secret is None else Identity(secrets.token_hex(16), bytes(secret))
        store = Store(None)
        store.create(identity)
        return cls(store, identity, anchored=False, registered=secret is None)._begin()

    def _begin(self) -> Self:
        with self.turn() as turn:
            turn.append("created")
        return self

    # ------------------------------------------------------------------ asking

    @property
    def path(self) -> Path | None:
        """The file; None for a ledger in memory."""
        return self._store.path

    @property
    def secret(self) -> bytes:
        """Key of the chain, the cache, the order of rows and the noise. Whoever has it can remove the noise."""
        return self._identity.secret

    def _partners(self) -> list[Ledger]:
        """Ledgers that are charged together with this one, since they have some of its rows."""
        return [self._partner(name) for name in self._linked()]

    def _linked(self) -> list[str]:
        """Identifiers of linked ledgers; only entries that came since the last call are looked at."""
        if self.path is None and self._links_seen == self._verified[0]:
            return list(self._links)  # nobody else writes to it
        with self._guarded(), self._store.lock:  # one statement reads one state
            rows = (
                self._store.connection()
                .execute(
                    f"SELECT idx, release, query, CASE WHEN RTRIM(release) IN {tuple(sorted(_LINKS))} THEN body END, digest "
                    "FROM entries WHERE idx >= ? ORDER BY idx",
                    (self._links_seen,),
                )
                .fetchall()
            )
        for row in rows:
            if row[3] is not None:
                detail = read_entry(row).detail
                self._links |= dict.fromkeys([*detail.get("linked", []), *detail.get("by", [])])
            self._links_seen = int(row[0]) + 1
        return list(self._links)

    def _partner(self, name: str) -> Ledger:
        if name not in _PARTNERS:
            held = held_in_memory(name)
            _PARTNERS[name] = Ledger.open(Anchor.of(name).facts()["path"]) if held is None else held
        return _PARTNERS[name]

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other threads of this process from taking a turn between two of one's own."""
        with self._store.lock:
            yield

    @contextmanager
    def turn(self, user: str = "") -> Iterator[Turn]:
        """Take the ledger's write lock, look at its state, and append.

        What is appended is on disk, and in the anchor, when the block is left; only then may an answer be given.
        If the block raises, nothing is charged.

        Parameters
        ----------
        user : str, default ""
            Who asks.

        Yields
        ------
        Turn
            The state, and :meth:`Turn.append`.

        Raises
        ------
        LedgerTamperedError
            If the ledger is not what this process or the anchor last saw.
        """
        with self._store.lock, self._store.writing(self._guarded) as connection:
            with self._guarded():
                turn = self._next_turn(connection, user)
            with self._guarded(files=False):  # an OSError in here is the caller's
                yield turn
            if not turn.appended:
                return
            receipt = Receipt(self._identity.id, turn.index, turn.head)
            anchor = Anchor.of(self._identity.id) if self._anchored else None
            with self._guarded():
                if anchor is not None:
                    anchor.announce(receipt)
                connection.execute("COMMIT")
            if self._links_seen == self._verified[0] and not _LINKS & {e.release for e in turn.appended}:
                self._links_seen = turn.index
            self._verified, self._last = (turn.index, turn.head), turn.last
            if anchor is not None:
                self._confirm(anchor, receipt)

    def _next_turn(self, connection: sqlite3.Connection, user: str) -> Turn:
        self._check_progress(connection)
        if self._last is None or self._last.digest != self._verified[1]:
            self._last = last_entry(connection)
        return Turn(connection, self._identity, user, self._last)

    def entries(self, start: int = 0) -> list[Entry]:
        """Return the entries.

        Parameters
        ----------
        start : int, default 0
            Index of the first one wanted.

        Returns
        -------
        list of Entry
            In order.
        """
        with self._guarded(), self._store.reading() as connection:
            return list(read_entries(connection, start))

    def __len__(self) -> int:
        with self._guarded(), self._store.reading() as connection:
            return int(connection.execute("SELECT COALESCE(MAX(idx) + 1, 0) FROM entries").fetchone()[0])

    def attachment(self, name: str) -> bytes:
        """Return what a turn kept beside the entries.

        Parameters
        ----------
        name : str
            As :meth:`Turn.attach` returned it.

        Returns
        -------
        bytes
            The content.
        """
        with self._guarded(), self._store.reading() as connection:
            return attachment(connection, self._identity.secret, name)

    def totals(self) -> tuple[float, float]:
        """Return the two additive numbers that all entries were charged.

        Returns
        -------
        tuple of float
            Description nats, and squared Gaussian-DP parameter.
        """
        with self._guarded(), self._store.reading() as connection:
            last = last_entry(connection)
        return (0.0, 0.0) if last is None else last.charged

    # ------------------------------------------------------------------ keeping it honest

    def bind(self, rows: BoundRows) -> None:
        """Bind the ledger to a holdout at the first time, and check that it is the same one ever after.

        Parameters
        ----------
        rows : BoundRows
            Who the rows are.

        Raises
        ------
        LedgerMismatchError
            If the ledger belongs to other rows, or its rows cannot be found one by one among changed features.
        HoldoutOverlapError
            If another ledger, in a file or in memory, has these rows or a part of them.
        """
        with registry_lock(files=self._anchored), self.turn() as turn:
            bindings = turn.find("bound")
            bound = bindings[0] if bindings else None
            if bound is not None:
                how = self._recognised(bindings, rows)
                if how == "content":
                    return
                if how == "" or (how == "sketch" and rows.ordered):
                    raise LedgerMismatchError(_other_rows(self, rows.ordered if how else ""))
            linked: list[str] = []
            if bound is None and self._registered:
                others = find_others(self._identity.id, rows)
                if not rows.charge_overlap:
                    refuse_others(others)
                linked = [known.ledger for known, _ in others]
                record(self._identity.id, rows, None if self._anchored else self)
                if self._anchored:
                    Anchor.of(self._identity.id).write("holdout", rows.tag)
            linked = linked if bound is None else list(bound.detail.get("linked", []))
            kept = {} if bound is None else {"vault_rank": bound.detail.get("vault_rank")}
            turn.append(
                "bound", query=rows.content, detail={"ids": rows.ids, "n": rows.n, "linked": linked, **kept}
            )

    def extend(
        self,
        before: BoundRows,
        rows: BoundRows,
        vault_rank: str | None,
        grow: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    ) -> bool:
        """Bind the ledger to its rows and others that join them.

        Parameters
        ----------
        before, rows : BoundRows
            The rows so far, and all of them.
        vault_rank : str or None
            Rank of the vault's last row: rows that come before it belong to the vault.
        grow : callable
            The state of the ledger after they joined, by its state before.

        Returns
        -------
        bool
            Whether they joined now; False if they did before.

        Raises
        ------
        LedgerMismatchError
            If the ledger has other rows than those before.
        HoldoutOverlapError
            If another ledger has some of these rows.
        """
        with registry_lock(files=self._anchored), self.turn() as turn:
            bindings = turn.find("bound")
            if self._recognised(bindings, rows) in ("content", "ids"):
                return False
            bound = bindings[0]
            if (bound.query if before.ids is None else bound.detail.get("ids")) != (
                before.ids or before.content
            ):
                raise LedgerMismatchError(
                    f"{self!r} has more rows than were handed over: others joined them. Call calibrate() with all of its rows, or "
                    "extend() with those that joined first."
                )
            if self._registered:
                refuse_others(find_others(self._identity.id, rows))
                record(self._identity.id, rows, None if self._anchored else self)
                if self._anchored:
                    Anchor.of(self._identity.id).write("holdout", rows.tag)
            detail = {"ids": rows.ids, "n": rows.n, "linked": list(bound.detail.get("linked", []))}
            turn.append("bound", query=rows.content, detail={**detail, "vault_rank": vault_rank})
            turn.append(
                "extended",
                detail={"question": f"{rows.n - before.n:,} rows joined"},
                state=grow(turn.state),
            )
            return True

    @property
    def id(self) -> str:
        """Identifier, by which linked ledgers know each other."""
        return self._identity.id

    def fits(self, rows: BoundRows) -> bool:
        """Tell whether the ledger is unbound, or bound to these rows, whatever became of their features."""
        with self._guarded(), self._store.reading() as connection:
            bindings = _of_kind(connection, "bound")
        return not bindings or self._recognised(bindings, rows) != ""

    def bound(self) -> Entry | None:
        """Return the entry that bound the ledger to its rows last; None before that."""
        with self._guarded(), self._store.reading() as connection:
            return next(iter(_of_kind(connection, "bound")), None)

    def _recognised(
        self, bindings: Sequence[Entry], rows: BoundRows
    ) -> Literal["content", "ids", "sketch", ""]:
        # as they were at any binding: before more rows joined they were the holdout as well
        alike = [bound for bound in bindings if bound.detail.get("ids") == rows.ids]
        if not alike:
            return ""  # rows are found by identifiers, and these are not theirs
        if any(bound.query == rows.content for bound in alike):
            return "content"
        if rows.ids is not None:
            return "ids"
        if not self._registered or all(bound.detail.get("n") != rows.n for bound in alike):
            return ""
        return "" if find_overlap(sketches_of(self._identity.id), rows.sketches()) is None else "sketch"

    def verify(self) -> LedgerCheck:
        """Follow the whole chain and compare it with the anchor.

        Returns
        -------
        LedgerCheck
            Number of entries, totals, and a receipt.

        Raises
        ------
        LedgerTamperedError
            If an entry was edited or removed, or the file is behind its anchor.
        """
        # The anchor follows the file, so it is read before the state of the file that must reach it.
        known = self._anchored_receipt()
        with self._guarded(), self._store.reading() as connection:
            if _identity_of(self._store, self.path) != self._identity:
                raise self._tampered("its identity changed")
            # what no other connection has written to since the last whole check needs no second one
            version = int(connection.execute("PRAGMA data_version").fetchone()[0])
            whole = self._checked_version != (id(connection), version)
            start, previous = (0, GENESIS) if whole else self._verified
            self._check_links(read_rows(connection, start), start, previous)
            self._checked_version = (id(connection), version)
            self._check_anchor(connection, known)
        count, head = self._verified
        nats, mu_squared = self.totals()
        return LedgerCheck(
            count, str(Receipt(self._identity.id, count, head)), self._anchored, nats, mu_squared
        )

    def receipt(self) -> str:
        """Return how far the ledger has come, as a line of text to be kept elsewhere.

        Returns
        -------
        str
            For ``Ledger.open(path, receipt=...)``.
        """
        return self.verify().receipt

    def discard(self) -> None:
        """Remove a ledger of which nothing was asked, with its anchor.

        Raises
        ------
        ValueError
            If something was asked: that cannot be taken back.
        """
        asked = [e for e in self.entries() if e.release not in ("created", "bound", "plan", "open")]
        if asked or self.path is None:
            raise ValueError(f"{self!r} was asked, or is in memory, and cannot be discarded.")
        self.close()
        with registry_lock():
            for suffix in ("", "-wal", "-shm"):
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
            forget(self._identity.id)
            Anchor.of(self._identity.id).path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file; it is opened again when needed."""
        self._store.close()

    def _admit(self, receipt: Receipt | None) -> None:
        anchor = Anchor.of(self._identity.id)
        if receipt is None:
            if anchor.head() is None:
                raise LedgerMissingError(
                    f"The ledger at {self.path} has no anchor in this user's state directory ({anchor.path}), so "
                    "a rollback would go unnoticed. Pass the receipt that you kept: "
                    f"Ledger.open({str(self.path)!r}, receipt=...)."
                )
            return
        if receipt.ledger != self._identity.id:
            raise LedgerMismatchError("The receipt is of another ledger.")
        with self._guarded(), self._store.reading() as connection:
            self._check_reaches(connection, receipt)
            if not anchor.exists():
                anchor.write("path", str(Path(str(self.path)).resolve()))
            anchor.advance(receipt)

    def _check_progress(self, connection: sqlite3.Connection) -> None:
        count, head = self._verified
        rows = read_rows(connection, max(count - 1, 0))
        if count:
            seen = next(rows, None)
            if seen is None or seen[0] != count - 1 or seen[4] != head:
                raise self._tampered(f"entry {count - 1} is not the one that was last seen")
        self._check_links(rows, count, head)
        self._check_anchor(connection, self._anchored_receipt())

    def _check_links(self, rows: Iterator[Row], start: int, previous: str) -> None:
        count, head, wrong = first_broken_link(rows, self._identity.secret, start, previous)
        if wrong:
            raise self._tampered(wrong)
        self._verified = (count, head)

    def _anchored_receipt(self) -> Receipt | None:
        return Anchor.of(self._identity.id).head() if self._anchored else None

    def _check_anchor(self, connection: sqlite3.Connection, known: Receipt | None) -> None:
        if known is not None:
            self._check_reaches(connection, known)
        elif self._anchored and self._verified[0]:
            raise LedgerMissingError(
                f"The anchor of the ledger at {self.path} is gone: {Anchor.of(self._identity.id).path}. Pass the "
                f"receipt that you kept: Ledger.open({str(self.path)!r}, receipt=...)."
            )

    def _check_reaches(self, connection: sqlite3.Connection, known: Receipt) -> None:
        if digest_at(connection, known.count - 1) != known.head:
            raise self._tampered(
                f"it had {known.count} entries when it was last used, and the file does not contain them all "
                "(it was truncated, or an older copy was put back)",
                known,
            )

    def _confirm(self, anchor: Anchor, receipt: Receipt) -> None:
        """Put on record that the charge is in the file; only then may the answer be given."""
        try:
            anchor.advance(receipt)
        except OSError as error:
            raise LedgerUnavailableError(
                ledger_unavailable_message.format(
                    place=anchor.path, why=error.strerror or error, charged=_CHARGED
                )
            ) from None

    def _guarded(self, *, files: bool = True) -> _Guard:
        return _Guard(self, files)

    def _refused(self, error: BaseException, files: bool) -> LedgerError | None:
        """Say in the ledger's words what went wrong with its file; None for what is no fault of it."""
        if isinstance(error, LedgerError):
            return None
        if isinstance(error, sqlite3.OperationalError):
            if self.path is not None and not self.path.exists():
                return LedgerMissingError(ledger_missing_message.format(path=str(self.path), more=""))
            return self._unavailable(str(error))
        if isinstance(error, sqlite3.DatabaseError):
            return self._tampered(str(error))
        if not files or not isinstance(error, OSError):
            return None
        if isinstance(error, FileNotFoundError):
            return LedgerMissingError(str(error))
        return self._unavailable(error.strerror or str(error), error.filename)

    def _unavailable(self, why: str, place: Any = None) -> LedgerUnavailableError:
        return LedgerUnavailableError(
            ledger_unavailable_message.format(
                place=place or self.path or "in memory", why=why, charged=_NOTHING_CHARGED
            )
        )

    def _tampered(self, what: str, known: Receipt | None = None) -> LedgerTamperedError:
        receipt = known or Receipt(self._identity.id, *self._verified)
        return LedgerTamperedError(ledger_tampered_message.format(path=self.path, what=what, receipt=receipt))

    # ------------------------------------------------------------------ copies

    def __sklearn_clone__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        self._refuse_copy("deep-copied")
        return self

    def __copy__(self) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, tuple[Path]]:
        self._refuse_copy("pickled")
        return _reopen, (Path(str(self.path)).resolve(),)

    def _refuse_copy(self, what: str) -> None:
        if self.path is None:
            raise TypeError(
                f"A ledger in memory cannot be {what}: each copy would have the whole budget again. Give the "
                "holdout a file, ledger='study.ledger', which copies and processes share."
            )

    def __repr__(self) -> str:
        return f"Ledger({'in memory' if self.path is None else repr(str(self.path))})"


_LINKS = frozenset({"bound", "linked"})
"""Entries that name other ledgers."""


def _of_kind(connection: sqlite3.Connection, release: str) -> list[Entry]:
    rows = connection.execute(
        "SELECT * FROM entries WHERE RTRIM(release) = ? ORDER BY idx DESC", (release,)
    ).fetchall()
    return [read_entry(row) for row in rows]


def _other_rows(ledger: Ledger, ordered: str) -> str:
    if ordered:
        return (
            f"{ledger!r} is bound to these rows with other features, and {ordered} cannot be found among changed features. "
            "Give the rows as they were, or bind with identifiers: calibrate(..., ids=...) finds each row by its own."
        )
    return (
        f"{ledger!r} belongs to other holdout rows than the ones given. A budget is valid for the rows it was opened with: "
        "give those, all of them, in any order."
    )


def _new_identity() -> Identity:
    return Identity(secrets.token_hex(16), secrets.token_bytes(32))


def _has_one_name(path: Path) -> bool:
    """Whether a file has one name; a ledger that another process is making has two for a moment."""
    for _ in range(200):
        if path.stat().st_nlink == 1:
            return True
        time.sleep(0.01)
    return False


def _identity_of(store: Store, path: Path | None) -> Identity:
    try:
        with store.lock:
            return store.identity()
    except OlderFormat:
        with suppress(sqlite3.Error):
            store.close()
        raise LedgerMismatchError(
            f"{path} was written by validstats 0.1.0, or on the way to 0.2.0, by another rule for the budget or for rows: this "
            "version cannot go on with it. Nothing in it is damaged, and the answers that it gave keep what was promised with "
            "them. To ask more about the same rows go on with the version that wrote it (pip install 'validstats<0.2'); with "
            "this version take new holdout rows."
        ) from None
    except sqlite3.OperationalError as error:
        with suppress(sqlite3.Error):
            store.close()
        if "no such table" not in str(error):
            raise LedgerUnavailableError(
                ledger_unavailable_message.format(place=path, why=error, charged=_NOTHING_CHARGED)
            ) from None
        raise LedgerTamperedError(
            ledger_tampered_message.format(path=path, what=str(error), receipt="in its anchor")
        ) from None
    except sqlite3.DatabaseError as error:
        with suppress(sqlite3.Error):
            store.close()
        raise LedgerTamperedError(
            ledger_tampered_message.format(path=path, what=str(error), receipt="in its anchor")
        ) from None


def _refuse_if_lost(path: Path) -> None:
    lost = anchors_of("path", str(path.resolve()))
    if lost and not path.exists():
        head = lost[-1].head()
        raise LedgerMissingError(
            f"The ledger at {path} is gone. Its anchor {lost[-1].path} says that it had "
            f"{0 if head is None else head.count} entries. Put the file back: what was asked of its holdout stays asked."
        )


def _as_receipt(receipt: str | Receipt) -> Receipt:
    return receipt if isinstance(receipt, Receipt) else Receipt.parse(receipt)


def _reopen(path: Path) -> Ledger:
    return _OPENED.setdefault(path, Ledger.open(path)) if path not in _OPENED else _OPENED[path]


_PARTNERS: dict[str, Ledger] = {}
"""Linked ledgers that this process has opened."""

_OPENED: dict[Path, Ledger] = {}
"""Ledgers that unpickling has opened in this process."""
