"""Between ledger and mechanisms: open an epoch, take one step, charge it, and only then hand the answer over."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from validstats.exceptions import BudgetExhaustedError, LedgerMismatchError, budget_exhausted_message
from validstats.holdout.budget.epochs import (
    Declaration,
    changed_fields,
    closing_nats,
    declared_alike,
    epoch_log_share,
    fresh_state,
    frozen_fields,
    joint_level,
    main_options,
)
from validstats.holdout.ledger import Entry, Ledger, Turn
from validstats.holdout.mechanisms import Release, mechanism
from validstats.intake import alpha_fraction

__all__ = ["Ask", "Books", "Outcome", "Session"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one step releases, on the scale of the question.

    Attributes
    ----------
    value, low, high : float or None
        Answer and interval.
    source : str
        Where the value came from.
    certified : bool
        Whether the interval is proved.
    passed : bool or None
        Whether a guess or claim held.
    winner : int or None
        Index of the winning candidate.
    flags : tuple of bool or None
        Which claims of a batch were confirmed.
    confidence_level : float or None
        Of an interval that holds by itself; None for those that hold together at the declared level.
    """

    value: float | None
    low: float | None
    high: float | None
    source: str
    certified: bool
    passed: bool | None = None
    winner: int | None = None
    flags: tuple[bool, ...] | None = None
    confidence_level: float | None = None

    @classmethod
    def of(cls, release: Release, rescale: Callable[[float], float], **changes: Any) -> Outcome:
        """Take over a release of a mechanism, rescaled from [0, 1]."""
        scaled = [None if v is None else rescale(v) for v in (release.value, release.low, release.high)]
        values: dict[str, Any] = {
            "value": scaled[0],
            "low": scaled[1],
            "high": scaled[2],
            "source": release.source,
            "certified": release.certified,
            "passed": release.passed,
            "winner": release.winner,
        }
        return cls(**{**values, **changes})


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One question, ready to be charged.

    Attributes
    ----------
    release : str
        Kind of release.
    label : str
        What is asked, in words.
    query : str or None
        Keyed digest for the cache; None if it is always charged.
    work : callable
        Takes the :class:`Session` and returns the :class:`Outcome`.
    cost : int
        How many of the declared queries it uses.
    guess : float or None
        What the training rows said, on the scale of the answer; recorded.
    subject : str or None
        What a name given by the caller stands for, as far as it can be told; recorded with the name, and compared
        when the name comes again.
    """

    release: str
    label: str
    query: str | None
    work: Callable[[Session], Outcome]
    cost: int = 1
    guess: float | None = None
    subject: str | None = None


class Session:
    """The mechanisms' states during one turn, and what they charge.

    Parameters
    ----------
    turn : Turn
        The open turn.
    declared : Declaration
        The current epoch's.
    new_batch : bool, default True
        Whether no question of the batch was worked on before this one.

    Attributes
    ----------
    nats, mu_squared : float
        Charged so far in this session.
    """

    def __init__(self, turn: Turn, declared: Declaration, *, new_batch: bool = True) -> None:
        self.turn = turn
        self._new_batch = new_batch
        self.declared = declared
        self.state: dict[str, Any] = dict(turn.state)
        self.nats = 0.0
        self.mu_squared = 0.0
        self._steps = 0

    def branch(self, nats: float) -> None:
        """Charge a choice among ``exp(nats)`` outcomes, before anything that is released afterwards."""
        self.state["branch_nats"] = self.state["branch_nats"] + nats
        self.nats += nats

    def step(
        self,
        name: str,
        values: Any,
        guess: float | None = None,
        *,
        key: str | None = None,
        options: Mapping[str, Any] | None = None,
        before: Callable[[Any, Any], Any] | None = None,
    ) -> Release:
        """Let a mechanism take one step.

        Parameters
        ----------
        name : str
            Name of the mechanism.
        values : float or ndarray
            Mean, or values a unit, in [0, 1].
        guess : float or None, default None
            What the mechanism compares with.
        key : str or None, default None
            Name of this instance, where the same mechanism is used twice; ``name`` if None.
        options : mapping or None, default None
            Options with which it is opened at first use.
        before : callable or None, default None
            Applied to the mechanism class and the state first.

        Returns
        -------
        Release
            Never a refused one.

        Raises
        ------
        BudgetExhaustedError
            If the mechanism refuses.
        """
        key = key or name
        opened = key in self.state["mechanisms"]
        chosen = mechanism(name)
        state = self.load(key) if opened else self._open(key, name, options or {})
        if before is not None:
            state = before(chosen, state)
        after, release = chosen.step(state, values, guess, self._noise(key), log_carry=self.log_carry(key))
        if release.source == "refused" and after == state:
            raise _Refused(state.exhausted or "its budget is used up", self)
        if not opened:
            self.nats += float(self._fresh(key).opening_nats)
        self._save(key, after)
        self.nats += release.nats
        self.mu_squared += release.mu2
        self._steps += 1
        if release.source == "refused":
            raise _Refused(after.exhausted or "a guess failed and no failure was declared", self)
        return release

    def starts_batch(self) -> bool:
        """Tell whether nothing of the batch was worked on before: once, for the first answer that is not cached."""
        first, self._new_batch = self._new_batch, False
        return first

    def load_main(self) -> Any:
        """Return the state of the declared mechanism, fresh if it was not asked yet; nothing is charged."""
        name = self.declared.mechanism
        opened = name in self.state["mechanisms"]
        return self.load(name) if opened else self._open(name, name, main_options(self.declared))

    def load(self, key: str) -> Any:
        """Return the state of an opened mechanism."""
        return dataclasses.replace(self._fresh(key), **frozen_fields(self.state["mechanisms"][key]["state"]))

    def log_carry(self, key: str) -> float:
        """Log-weight of everything in this epoch but one mechanism, the epoch's own opening included."""
        others = [self.load(other).log_weight for other in self.state["mechanisms"] if other != key]
        return sum(others) - float(self.state["branch_nats"])

    def _open(self, key: str, name: str, options: Mapping[str, Any]) -> Any:
        settings = {"n": self.declared.n, "log_alpha": self.state["log_alpha"], **options}
        mechanisms = dict(self.state["mechanisms"])
        mechanisms[key] = {"name": name, "options": settings, "state": {}}
        self.state["mechanisms"] = mechanisms
        return self._fresh(key)

    def _fresh(self, key: str) -> Any:
        record = self.state["mechanisms"][key]
        return fresh_state(record["name"], tuple(sorted(record["options"].items())))

    def _save(self, key: str, state: Any) -> None:
        mechanisms = dict(self.state["mechanisms"])
        mechanisms[key] = {**mechanisms[key], "state": changed_fields(self._fresh(key), state)}
        self.state["mechanisms"] = mechanisms

    def _noise(self, key: str) -> Callable[[str, str], float]:
        def draw(role: str, law: str) -> float:
            generator = self.turn.generator(f"{key}/{role}/{self._steps}")
            return float(generator.normal() if law == "normal" else generator.laplace())

        return draw


class Books:
    """Keeps one declared budget in one ledger.

    Parameters
    ----------
    ledger : Ledger
        Where it is kept.
    declared : Declaration
        The budget.
    user : str, default ""
        Who asks.
    """

    def __init__(self, ledger: Ledger, declared: Declaration, user: str = "") -> None:
        self.ledger = ledger
        self.declared = declared
        self.user = user

    def open(self) -> None:
        """Continue the ledger's epoch if it was declared alike, else open a new one."""
        with self.ledger.turn(self.user) as turn:
            if not declared_alike(turn.state.get("declared"), self.declared):
                closing = closing_nats(turn.state.get("mechanisms", {}))
                turn.append("epoch", nats=closing, state=self._opening_state(turn, closing), new_epoch=True)

    def charge(self, asks: Sequence[Ask]) -> list[tuple[Ask, Entry]]:
        """Charge questions in one transaction, as one batch; what comes back may be released.

        Parameters
        ----------
        asks : sequence of Ask
            The questions, in order.

        Returns
        -------
        list of (Ask, Entry)
            What was recorded for each.

        Raises
        ------
        BudgetExhaustedError
            If the budget does not suffice. Nothing is charged for a question that is refused; those answered
            before it are in the error's ``answered``.
        ValueError
            If a name stands for another question already; nothing is charged then.
        """
        done: list[tuple[Ask, Entry]] = []
        new_batch = True
        with self.ledger.turn(self.user) as turn:
            self._check_epoch(turn)
            _check_names(turn, asks)
            refused = self._budget_refusal(turn, asks)
            if refused:
                self._record_refusal(turn)
            for ask in [] if refused else asks:
                try:
                    entry = self._charge_one(turn, ask, new_batch=new_batch)
                except _Refused as refusal:
                    refused = str(refusal)
                    self._record_refusal(turn, refusal.session)
                    break
                done.append((ask, entry))
                new_batch = new_batch and entry.release == "cached"
        if refused:
            error = BudgetExhaustedError(
                budget_exhausted_message.format(what=str(refused).rstrip("."), remedy=self._remedy())
            )
            error.answered = done  # type: ignore[attr-defined]
            raise error
        return done

    def look(self) -> Session:
        """Return the current states, for looking only."""
        with self.ledger.turn(self.user) as turn:
            self._check_epoch(turn)
            return Session(turn, self.declared)

    def left(self, state: Mapping[str, Any]) -> dict[str, int]:
        """Return what is left of the declared budget in a given state."""
        left = {"queries": self.declared.queries - int(state["asked"])}
        if self.declared.users:
            left["own queries"] = self.declared.users.get(self.user, 0) - state["by_user"].get(self.user, 0)
        main = state["mechanisms"].get(self.declared.mechanism)
        if main is not None:
            restored = dataclasses.replace(
                fresh_state(main["name"], tuple(sorted(main["options"].items()))),
                **frozen_fields(main["state"]),
            )
            failures = restored.remaining.get("failures")
            if failures is not None:
                left["failures"] = int(failures)
        elif mechanism(self.declared.mechanism).needs_guess:
            left["failures"] = self.declared.failures
        return left

    def _charge_one(self, turn: Turn, ask: Ask, *, new_batch: bool) -> Entry:
        if ask.query is not None and (hit := turn.cached(ask.query)) is not None:
            return turn.append(
                "cached", query=ask.query, passed=hit.passed, answer=hit.answer, half_width=hit.half_width,
                detail={**hit.detail, "answered_by": hit.idx},
            )  # fmt: skip
        session = Session(turn, self.declared, new_batch=new_batch)
        outcome = ask.work(session)
        state = session.state
        state["asked"] = state["asked"] + ask.cost
        if self.declared.users:
            state["by_user"] = {**state["by_user"], self.user: state["by_user"].get(self.user, 0) + ask.cost}
        half_width = None if outcome.low is None or outcome.high is None else (outcome.high - outcome.low) / 2
        return turn.append(
            ask.release,
            query=ask.query,
            nats=session.nats,
            mu_squared=session.mu_squared,
            passed=outcome.passed,
            answer=outcome.value,
            half_width=half_width,
            detail={
                **asdict(outcome),
                "question": ask.label,
                "guess": ask.guess,
                **({} if ask.subject is None else {"subject": ask.subject}),
            },
            state=state,
        )

    def _record_refusal(self, turn: Turn, session: Session | None = None) -> None:
        """Make the exhaustion stick, and charge what the refusal itself reveals."""
        nats = 0.0 if session is None else session.nats
        if nats or not turn.state["exhausted"]:
            state = turn.state if session is None else session.state
            mu_squared = 0.0 if session is None else session.mu_squared
            turn.append("refused", nats=nats, mu_squared=mu_squared, state={**state, "exhausted": True})

    def _budget_refusal(self, turn: Turn, asks: Sequence[Ask]) -> str:
        """Why the declared counts do not suffice; empty if they do. Questions asked before are free."""
        fresh = [ask for ask in asks if ask.query is None or turn.cached(ask.query) is None]
        cost = sum(ask.cost for ask in fresh)
        asked = int(turn.state["asked"])
        if not fresh:
            return ""
        if asked + cost > self.declared.queries:
            return (
                f"this would be look {asked + cost} of {self.declared.queries} declared"
                if cost == 1
                else f"{asked} of {self.declared.queries} declared queries are used and this asks {cost} more"
            )
        if self.declared.users:
            own, used = self.declared.users.get(self.user, 0), turn.state["by_user"].get(self.user, 0)
            if used + cost > own:
                return f"user {self.user!r} has used {used} of {own} queries and this asks {cost} more"
        return ""

    def _check_epoch(self, turn: Turn) -> None:
        if not declared_alike(turn.state.get("declared"), self.declared):
            raise LedgerMismatchError(
                f"Another program has opened an epoch with other budgets in {self.ledger!r}. Call calibrate() "
                "again with the budgets that are to hold; this opens a further epoch."
            )

    def _opening_state(self, turn: Turn, closing: float) -> dict[str, Any]:
        charged, _ = turn.totals()
        nats = charged + closing
        earlier = turn.state.get("declared", {}).get("vault", self.declared.vault)
        if earlier != self.declared.vault:
            raise LedgerMismatchError(
                f"This holdout was opened with vault={earlier!r}; rows of the reusable part have been asked about "
                f"and cannot be sealed now, nor the other way round. Keep vault={earlier!r}."
            )
        asked = [record["name"] for record in turn.state.get("mechanisms", {}).values()]
        if any(not mechanism(name).mixes or mechanism(name).noisy for name in asked):
            raise LedgerMismatchError(
                f"Answers of {asked[0]!r} were released under the budget that this ledger was opened with. They are "
                "noisy, or exact means of a part of the rows, and no interval of a further epoch would be proved. "
                "Keep the declared budget, or take a new holdout."
            )
        log_alpha = (
            epoch_log_share(turn.epoch + 1) + math.log(alpha_fraction(self.declared.confidence_level)) - nats
        )
        options = {"n": self.declared.n, "log_alpha": log_alpha, **main_options(self.declared)}
        fresh_state(self.declared.mechanism, tuple(sorted(options.items())))
        return {
            "declared": asdict(self.declared),
            "log_alpha": log_alpha,
            "joint_level": min(joint_level(turn.state), self.declared.confidence_level),
            "branch_nats": 0.0,
            "asked": 0,
            "by_user": {},
            "mechanisms": {},
            "exhausted": False,
            "vault": turn.state.get("vault"),
        }

    def _remedy(self) -> str:
        return (
            "More queries cannot be had by asking again: declare them beforehand, or open a new epoch with "
            "calibrate() under larger budgets, which pays for everything asked so far."
        )


def _check_names(turn: Turn, asks: Sequence[Ask]) -> None:
    """Refuse a name that was given to another question."""
    for ask in asks:
        hit = None if ask.query is None or ask.subject is None else turn.cached(ask.query)
        known = None if hit is None else hit.detail.get("subject")
        if known not in (None, ask.subject):
            raise ValueError(
                f"This query_id stands for {known} already, and this asks for {ask.subject}. One name is one question: "
                "choose another query_id. Nothing was charged."
            )


class _Refused(Exception):
    """A mechanism refused; its session holds what the refusal itself reveals."""

    def __init__(self, reason: str, session: Session) -> None:
        super().__init__(reason)
        self.session = session
