"""One turn at the ledger: look at its state and append, under its write lock."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

import numpy as np

from validstats.holdout.ledger.noise import counter_generator
from validstats.holdout.ledger.store import GENESIS, Entry, Identity, append_entry, now, read_entry

__all__ = ["Turn"]


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

    def __init__(self, connection: sqlite3.Connection, identity: Identity, user: str) -> None:
        self._connection = connection
        self._identity = identity
        self._user = user
        row = connection.execute("SELECT * FROM entries ORDER BY idx DESC LIMIT 1").fetchone()
        last = None if row is None else read_entry(row)
        self.index = 0 if last is None else last.idx + 1
        self.head = GENESIS if last is None else last.digest
        self.epoch = -1 if last is None else last.epoch
        self.state: dict[str, Any] = {} if last is None else last.state
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
        row = self._connection.execute(
            "SELECT * FROM entries WHERE query = ? AND release NOT IN ('cached', 'refused', 'bound') "
            "ORDER BY idx LIMIT 1",
            (query,),
        ).fetchone()
        return None if row is None else read_entry(row)

    def find(self, release: str) -> Entry | None:
        """Return the latest entry of a kind."""
        row = self._connection.execute(
            "SELECT * FROM entries WHERE release = ? ORDER BY idx DESC LIMIT 1", (release,)
        ).fetchone()
        return None if row is None else read_entry(row)

    def totals(self) -> tuple[float, float]:
        """Return the nats and the squared Gaussian-DP parameter charged so far, this turn included."""
        row = self._connection.execute("SELECT TOTAL(nats), TOTAL(mu_squared) FROM entries").fetchone()
        return float(row[0]), float(row[1])

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
        self.state = dict(self.state if state is None else state)
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
            detail=dict(detail or {}),
            state=self.state,
            previous=self.head,
        )
        stored = append_entry(self._connection, self._identity.secret, entry)
        self.index, self.head, self.state = stored.idx + 1, stored.digest, stored.state
        self.appended.append(stored)
        return stored
