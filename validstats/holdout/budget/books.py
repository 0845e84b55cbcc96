"""Books of one declared budget: open an epoch, let a mechanism take a step, charge it, and only then answer.

One record travels: a :class:`Question` comes to the books, its mechanism's :class:`~validstats.holdout.mechanisms.Release`
is charged, and the ledger's :class:`~validstats.holdout.ledger.Entry` goes back to whoever asked.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from validstats._typing import Float1D
from validstats.exceptions import BudgetExhaustedError, LedgerMismatchError, budget_exhausted_message
from validstats.guarantee import Guarantee
from validstats.holdout.ledger import Entry, Ledger, Turn
from validstats.holdout.mechanisms import Declaration, Release, mechanism
from validstats.intake import alpha_fraction

__all__ = [
    "Books",
    "Question",
    "Session",
    "changed_fields",
    "closing_nats",
    "confidence_of",
    "declared_alike",
    "epoch_log_share",
    "fresh_state",
    "frozen_fields",
    "joint_level",
]

LEAST_LOG_ALPHA = math.log(1e-12)
"""Least level that is handed to a mechanism as a confidence level."""

EPOCH_RESERVE = 0.01
"""Share of the failure probability that is kept for epochs after the first."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Question:
    """One question, ready to be charged."""

    release: str  # kind of release, as the ledger names it
    label: str  # what is asked, in words
    phrase: str  # what is asked, as the subject of a sentence (of a claim: the claim)
    query: str | None  # keyed digest for the cache; None if it is always charged
    respond: Callable[[Session], Release]  # what lets mechanisms work on it, on the scale of the answer
    cost: int = 1  # how many of the declared queries it uses
    guess: float | None = None  # what the training rows said, on the scale of the answer; recorded
    # What a name given by the caller stands for; recorded with the name, and compared when it comes again
    subject: str | None = None
    scale: tuple[float, float] | None = None  # least and largest possible answer; recorded
    # What its answer promises, where that is not what the whole holdout promises
    guarantee: Callable[[Entry], Guarantee] | None = None


def declared_alike(stored: Mapping[str, Any] | None, declared: Declaration) -> bool:
    """Tell whether a ledger's epoch was declared as given."""
    if stored is None:
        return False
    takes = mechanism(stored["mechanism"]).takes
    defaults = {"analysis": "tight" if "analysis" in takes else None, "tolerance": None}
    return {**defaults, **stored} == asdict(declared)


def epoch_log_share(epoch: int) -> float:
    """Log of the share of the failure probability that an epoch may use; the shares sum to 1."""
    if epoch == 0:
        return math.log1p(-EPOCH_RESERVE)
    return math.log(EPOCH_RESERVE * 6 / (math.pi * epoch) ** 2)


def joint_level(state: Mapping[str, Any]) -> float:
    """Return the level at which all answers of a ledger hold together: the least that an epoch has declared."""
    declared = state.get("declared", {}).get("confidence_level", 1.0)
    return float(state.get("joint_level", declared))


def closing_nats(records: Mapping[str, Mapping[str, Any]]) -> float:
    """Return what is still to be paid when something follows an epoch: the content of its last answers."""
    # A tree declared for k questions has weights for the nodes at which intervals are issued. What comes
    # after the k-th answer hangs below its leaves, and those are nodes of the tree for k + 1 questions.
    total = 0.0
    for record in records.values():
        state = unused_state(record)
        if state.queries is None or not mechanism(record["name"]).mixes:
            continue
        longer = dataclasses.replace(state, queries=state.queries + 1)
        total += state.log_weight - longer.log_weight
        if state.failures == 0:
            total += math.log(2.0)
    return total


@functools.lru_cache(maxsize=256)
def fresh_state(name: str, options: tuple[tuple[str, Any], ...]) -> Any:
    """Return the state of a mechanism that has not been asked anything."""
    # Below a level that a float near 1 can hold, grids and steps are tuned for that level, and the intervals
    # of deterministic mechanisms are computed at the level itself: any grid is valid, only its tuning is not
    # best.
    settings = dict(options)
    log_alpha = float(settings.pop("log_alpha"))
    if log_alpha >= LEAST_LOG_ALPHA:
        return mechanism(name).initial_state(confidence_level=confidence_of(log_alpha), **settings)
    if mechanism(name).noisy:
        raise ValueError(
            f"mechanism={name!r} cannot be opened after {-log_alpha:.0f} nats of earlier answers: its interval would "
            "be everything. Take mechanism='guess_and_check' or 'description_length', or a new holdout."
        )
    state = mechanism(name).initial_state(confidence_level=confidence_of(LEAST_LOG_ALPHA), **settings)
    return dataclasses.replace(state, log_alpha=log_alpha)


def confidence_of(log_alpha: float) -> Fraction:
    """Return ``1 - exp(log_alpha)`` exactly enough for levels far below what a float near 1 can hold."""
    exponent = math.floor(log_alpha / math.log(10)) - 16
    digits = round(math.exp(log_alpha - exponent * math.log(10)))
    return 1 - Fraction(digits) * Fraction(10) ** exponent


def changed_fields(fresh: Any, state: Any) -> dict[str, Any]:
    """Return the fields of a state that differ from the fresh one: what the ledger has to keep."""
    before, after = asdict(fresh), asdict(state)
    return {name: value for name, value in after.items() if value != before[name]}


def unused_state(record: Mapping[str, Any]) -> Any:
    """Return the state in which a recorded mechanism was opened."""
    return fresh_state(record["name"], tuple(sorted(record["options"].items())))


def stored_state(record: Mapping[str, Any]) -> Any:
    """Return the state in which a recorded mechanism was left."""
    return dataclasses.replace(unused_state(record), **frozen_fields(record["state"]))


def frozen_fields(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return stored fields with lists turned back into tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


class Session:
    """The mechanisms' states during one turn, and what they charge."""

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

    def number(self, units: Float1D, guess: float | None = None) -> Release:
        """Let the declared mechanism give one number; the first number of a batch closes the round before it."""
        chosen = mechanism(self.declared.mechanism)
        first, self._new_batch = self._new_batch, False
        return self.step(
            chosen.name,
            units if chosen.needs_rows else float(np.clip(units.mean(), 0.0, 1.0)),
            guess,
            options=chosen.options(self.declared),
            next_round=first and chosen.name in self.state["mechanisms"],
        )

    def step(
        self,
        name: str,
        values: Any,
        guess: float | None = None,
        *,
        key: str | None = None,
        options: Mapping[str, Any] | None = None,
        next_round: bool = False,
    ) -> Release:
        """Let a mechanism take one step."""
        key = key or name
        opened = key in self.state["mechanisms"]
        chosen = mechanism(name)
        state = self.load(key) if opened else self._open(key, name, options or {})
        if next_round:
            state = chosen.next_round(state)
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

    def load_main(self) -> Any:
        """Return the state of the declared mechanism, fresh if it was not asked yet; nothing is charged."""
        name = self.declared.mechanism
        opened = name in self.state["mechanisms"]
        return self.load(name) if opened else self._open(name, name, mechanism(name).options(self.declared))

    def load(self, key: str) -> Any:
        """Return the state of an opened mechanism."""
        return stored_state(self.state["mechanisms"][key])

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
        return unused_state(self.state["mechanisms"][key])

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
    """Keeps one declared budget in one ledger."""

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

    def charge(self, questions: Sequence[Question]) -> list[Entry]:
        """Charge questions in one transaction, as one batch; what comes back may be released."""
        done: list[Entry] = []
        new_batch = True
        with self.ledger.turn(self.user) as turn:
            self._check_epoch(turn)
            _check_names(turn, questions)
            refused = self._budget_refusal(turn, questions)
            if refused:
                self._record_refusal(turn)
            for question in [] if refused else questions:
                try:
                    entry = self._charge_one(turn, question, new_batch=new_batch)
                except _Refused as refusal:
                    refused = str(refusal)
                    self._record_refusal(turn, refusal.session)
                    break
                done.append(entry)
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
            failures = stored_state(main).remaining.get("failures")
            if failures is not None:
                left["failures"] = int(failures)
        elif mechanism(self.declared.mechanism).needs_guess:
            left["failures"] = self.declared.failures
        return left

    def _charge_one(self, turn: Turn, question: Question, *, new_batch: bool) -> Entry:
        if question.query is not None and (hit := turn.cached(question.query)) is not None:
            return turn.append(
                "cached", query=question.query, passed=hit.passed, answer=hit.answer, half_width=hit.half_width,
                detail={**hit.detail, "answered_by": hit.idx},
            )  # fmt: skip
        session = Session(turn, self.declared, new_batch=new_batch)
        release = question.respond(session)
        state = session.state
        state["asked"] = state["asked"] + question.cost
        if self.declared.users:
            state["by_user"] = {
                **state["by_user"],
                self.user: state["by_user"].get(self.user, 0) + question.cost,
            }
        return turn.append(
            question.release,
            query=question.query,
            nats=session.nats,
            mu_squared=session.mu_squared,
            passed=release.passed,
            answer=release.value,
            half_width=release.half_width,
            detail={
                **release.stored(),
                "question": question.label,
                "phrase": question.phrase,
                "guess": question.guess,
                **({} if question.subject is None else {"subject": question.subject}),
                **({} if question.scale is None else {"scale": list(question.scale)}),
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

    def _budget_refusal(self, turn: Turn, questions: Sequence[Question]) -> str:
        """Why the declared counts do not suffice; empty if they do. Questions asked before are free."""
        fresh = [
            question
            for question in questions
            if question.query is None or turn.cached(question.query) is None
        ]
        cost = sum(question.cost for question in fresh)
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
        # ln(alpha_e) = ln(share of epoch e) + ln(alpha) - everything charged so far
        log_alpha = (
            epoch_log_share(turn.epoch + 1) + math.log(alpha_fraction(self.declared.confidence_level)) - nats
        )
        opened_with = mechanism(self.declared.mechanism).options(self.declared)
        options = {"n": self.declared.n, "log_alpha": log_alpha, **opened_with}
        fresh_state(self.declared.mechanism, tuple(sorted(options.items())))  # refuses what cannot be opened
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


def _check_names(turn: Turn, questions: Sequence[Question]) -> None:
    """Refuse a name that was given to another question."""
    for question in questions:
        hit = None if question.query is None or question.subject is None else turn.cached(question.query)
        known = None if hit is None else hit.detail.get("subject")
        if known not in (None, question.subject):
            raise ValueError(
                f"This query_id stands for {known} already, and this asks for {question.subject}. One name is one question: "
                "choose another query_id. Nothing was charged."
            )


class _Refused(Exception):
    """A mechanism refused; its session holds what the refusal itself reveals."""

    def __init__(self, reason: str, session: Session) -> None:
        super().__init__(reason)
        self.session = session
