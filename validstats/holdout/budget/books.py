"""Books of one declared budget: open a plan, let a mechanism take a step, charge it, and only then answer.

The ledger has one mass, which statements and outcomes divide (:mod:`validstats.holdout.widths.mass`). Another declared
budget is another plan for the mass that is left: it replaces the old one and costs nothing by itself.

One record travels: a :class:`Question` comes to the books, its mechanism's :class:`~validstats.holdout.mechanisms.Release`
is charged, and the ledger's :class:`~validstats.holdout.ledger.Entry` goes back to whoever asked.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from validstats._typing import AnyArray
from validstats.exceptions import BudgetExhaustedError, LedgerMismatchError, budget_exhausted_message
from validstats.guarantee import Guarantee
from validstats.holdout.ledger import BoundRows, Entry, Ledger, Turn, is_running, registry_lock, running
from validstats.holdout.mechanisms import Declaration, Mechanism, Release, fields_of, mechanism
from validstats.holdout.widths import LOG_ERROR, LOG_NO_ERROR, SIDE_SHARE
from validstats.intake import alpha_fraction
from validstats.runtime import quiet

__all__ = [
    "VAULT_SHARE",
    "Books",
    "Question",
    "Session",
    "changed_fields",
    "confidence_of",
    "declared_alike",
    "fresh_state",
    "frozen_fields",
]

LEAST_LOG_ALPHA = math.log(1e-12)
"""Least level that is handed to a mechanism as a confidence level."""

VAULT_SHARE = 0.5
"""Share of the failure probability that the vault takes at the root, where one is set aside."""


_ANOTHER_PLAN = (
    "Another program has opened a plan with other budgets in {ledger!r}. Call calibrate() again with the budgets that are "
    "to hold."
)

error_message = (
    "The {what} failed on the holdout, or returned a value that is not finite or out of its bounds. What went wrong is "
    "withheld, since it may tell labels; the question counts as asked and 6.9 nats are charged. Try it on the training rows."
)


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
    sees_labels: bool = False  # whether a function of the caller's runs that is handed the labels
    scale: tuple[float, float] | None = None  # least and largest possible answer; recorded
    better: float | None = None  # 1 or -1 for a share of which larger or smaller values are better
    # What its answer promises, where that is not what the whole holdout promises
    guarantee: Callable[[Entry], Guarantee] | None = None

    @property
    def public(self) -> dict[str, Any]:
        """What the ledger keeps of it beside the outcome; known before labels are read."""
        known = {"question": self.label, "phrase": self.phrase, "guess": self.guess}
        more = {"subject": self.subject, "scale": None if self.scale is None else list(self.scale)}
        return known | {name: value for name, value in more.items() if value is not None}


def declared_alike(state: Mapping[str, Any], declared: Declaration) -> bool:
    """Tell whether a ledger's plan was declared as given, for its rows now or before others joined them."""
    stored = state.get("declared")
    if stored is None:
        return False
    takes = mechanism(stored["mechanism"]).takes
    defaults = {"analysis": "tight" if "analysis" in takes else None, "tolerance": None}
    if declared.n in state.get("sizes", ()):
        stored = {**stored, "n": declared.n}
    return {**defaults, **stored} == declared.record


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
    before, after = fields_of(fresh), fields_of(state)
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

    @property
    def log_mass(self) -> float:
        """Logarithm of the mass of the ledger: everything that was released so far has left it."""
        return sum(self._kept(key) for key in self.state["mechanisms"]) - float(self.state["branch_nats"])

    @property
    def log_level(self) -> float:
        """Logarithm of the level of a statement on all that is left."""
        return float(self.state["log_alpha"]) + self.log_mass

    @property
    def queries_left(self) -> int:
        """Declared queries that are left, the present one among them."""
        return int(self.declared.queries - self.state["asked"])

    def branch(self, nats: float) -> None:
        """Charge a choice among ``exp(nats)`` outcomes, before anything that is released afterwards."""
        self.state["branch_nats"] = self.state["branch_nats"] + nats
        self.nats += nats

    def number(self, units: AnyArray, guess: Any = None) -> Release:
        """Let the declared mechanism give one number; the first number of a batch closes the round before it."""
        chosen = mechanism(self.declared.mechanism)
        first, self._new_batch = self._new_batch, False
        return self.step(
            chosen.name,
            _values_for(chosen, units),
            guess,
            options=chosen.options(self.declared),
            next_round=first and chosen.name in self.state["mechanisms"],
        )

    def step(
        self,
        name: str,
        values: Any,
        guess: Any = None,
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
            self.nats -= float(self.state["mechanisms"][key].get("log_kept", 0.0))
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
        """Return the state of an opened mechanism, for the rows that are asked now."""
        record = self.state["mechanisms"][key]
        # the question of a node is fixed, so that any rows that are there may answer it, and the mass goes on
        return mechanism(record["name"]).resized(stored_state(record), self.declared.n)

    @property
    def joined(self) -> str:
        """Name of the rows that are asked, where others joined those that the ledger was opened with; else empty."""
        sizes = self.state.get("sizes", [])
        return f"/{self.declared.n}" if sizes and self.declared.n != sizes[0] else ""

    def log_carry(self, key: str) -> float:
        """Log mass that everything but one mechanism has left, times the share that is for its statements."""
        record = self.state["mechanisms"][key]
        if record.get("alone"):
            return 0.0
        others = sum(self._kept(other) for other in self.state["mechanisms"] if other != key)
        return others - float(self.state["branch_nats"]) + float(record.get("log_share", 0.0))

    def _kept(self, key: str) -> float:
        """Log mass that one mechanism has left for the others."""
        return float(self.load(key).log_mass) + float(self.state["mechanisms"][key].get("log_kept", 0.0))

    def _open(self, key: str, name: str, options: Mapping[str, Any]) -> Any:
        settings = {"n": self.declared.n, "log_alpha": self.state["log_alpha"], **options}
        record: dict[str, Any] = {"name": name, "options": settings, "state": {}}
        if mechanism(name).noisy or not mechanism(name).mixes:
            # its level is fixed when it is opened, at the mass found there: nothing is released beside it
            settings["log_alpha"] += self.log_mass
            record["alone"] = True
        elif key != self.declared.mechanism:
            record["log_share"], record["log_kept"] = math.log(SIDE_SHARE), math.log1p(-SIDE_SHARE)
        mechanisms = dict(self.state["mechanisms"])
        mechanisms[key] = record
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
        """Continue the ledger's plan if it was declared alike, else replace it."""
        with self._turn() as turn:
            if not declared_alike(turn.state, self.declared):
                turn.append("plan", state=self._opening_state(turn), new_epoch=True)

    def extend(self, before: BoundRows, rows: BoundRows, n: int, vault_rank: str | None) -> Books:
        """Let rows join the holdout; the plan and the mass that is left go on. With the books of all of them."""
        if not mechanism(self.declared.mechanism).hosts or self.ledger.totals()[1] > 0.0:
            raise ValueError(
                "extend() needs mechanism='guess_and_check', 'single_look' or 'description_length' and no noisy answer so far, "
                f"and this is {self.declared.mechanism!r}. Open a new ledger for the rows that are new."
            )

        def grow(state: Mapping[str, Any]) -> Mapping[str, Any]:
            if not declared_alike(state, self.declared):
                raise LedgerMismatchError(_ANOTHER_PLAN.format(ledger=self.ledger))
            gate = {"gate": {**state["gate"], "ended": True}} if "gate" in state else {}
            sizes = [*state.get("sizes", [state["declared"]["n"]]), n]
            return {**state, "declared": {**state["declared"], "n": n}, "sizes": sizes, **gate}

        with self._turn() as turn:  # what was announced and never came back is charged first
            self._check_epoch(turn)
        self.ledger.extend(before, rows, vault_rank, grow)
        return Books(self.ledger, dataclasses.replace(self.declared, n=n), self.user)

    def charge(self, questions: Sequence[Question]) -> list[Entry]:
        """Charge questions in one transaction, as one batch; what comes back may be released."""
        with self.ledger.held():
            if not any(q.sees_labels for q in questions):
                return self._charge(questions)
            with self._running() as token:
                self._announce(questions, token)
                return self._charge(questions, token)

    def with_labels(self, function: Callable[[], Any], name: str) -> Any:
        """Let the caller's code see labels: on record beforehand, a value or an error afterwards, and both are paid for."""
        with self.ledger.held(), self._running() as token:
            with self._turn() as turn:
                self._check_epoch(turn)
                turn.append("asked", state=_pending(turn.state, token, 1))
            failed = False
            try:
                with quiet():
                    value = function()
            except BaseException:
                failed = True
            nats = -LOG_ERROR if failed else -LOG_NO_ERROR
            with self._turn(token) as turn:
                state = {**turn.state, "branch_nats": float(turn.state["branch_nats"]) + nats}
                state["asked"] = int(state["asked"]) + failed
                turn.append("error" if failed else "measured", nats=nats, state=state)
        if failed:
            raise ValueError(error_message.format(what=f"metric {name!r}"))
        return value

    def _announce(self, questions: Sequence[Question], token: str) -> None:
        """Put on record that a function of the caller's is about to see labels: whatever it does then has a price."""
        with self._turn() as turn:
            self._check_epoch(turn)
            _check_names(turn, questions)
            if not self._budget_refusal(turn, questions):
                turn.append("asked", state=_pending(turn.state, token, sum(q.cost for q in questions)))

    @contextmanager
    def _running(self) -> Iterator[str]:
        """Show other programs that a function of the caller's is under way, by the name that is yielded."""
        token = secrets.token_hex(8)
        with running(token, files=self.ledger.path is not None):
            yield token

    @contextmanager
    def _turn(self, token: str = "") -> Iterator[Turn]:
        """Take a turn; what was announced by a program that has ended since is charged as an error first."""
        partners = self._partners()
        lock = registry_lock() if partners else nullcontext()
        with lock, self.ledger.turn(self.user) as turn:
            for name, cost in turn.state.get("pending", {}).items():
                if name == token:
                    turn.state = _pending(turn.state, name, None)
                elif not is_running(name):
                    settled = _spent(_pending(turn.state, name, None), -LOG_ERROR)
                    settled["asked"] = int(settled["asked"]) + int(cost)
                    turn.append("error", nats=-LOG_ERROR, state=settled)
            yield turn
            nats = sum(entry.nats for entry in turn.appended)
            if nats > 0.0:
                for (
                    partner
                ) in partners:  # before this ledger's own charge is on record: none is seen before both are
                    with partner.turn(self.user) as theirs:
                        theirs.append("linked", nats=nats, state=_spent(theirs.state, nats))

    def _partners(self) -> list[Ledger]:
        """Ledgers that have some of these rows and were linked: every charge falls on all of them."""
        return self.ledger._partners()

    def inherit(self) -> None:
        """Begin with what ledgers have spent that this one was just linked to, and let them know of it."""
        for partner in self._partners():
            with registry_lock(), self.ledger.turn(self.user) as turn, partner.turn(self.user) as theirs:
                if any(self.ledger.id in entry.detail.get("by", []) for entry in partner.entries()):
                    continue
                level = theirs.state.get("declared", {}).get(
                    "confidence_level", self.declared.confidence_level
                )
                spent = -log_mass_of(theirs.state) if "mechanisms" in theirs.state else 0.0
                if level != self.declared.confidence_level or not math.isfinite(spent):
                    raise LedgerMismatchError(
                        f"{partner!r} has some of these rows at confidence_level={level!r}; charge it together with this one at "
                        "the same level only, and not after noisy answers."
                    )
                turn.append("inherited", nats=spent, state=_spent(turn.state, spent))
                # sealed rows may be among those that can be asked about now
                state = (
                    {**theirs.state, "vault": theirs.index} if "declared" in theirs.state else theirs.state
                )
                theirs.append("linked", detail={"by": [self.ledger.id]}, state=state)

    def _charge(self, questions: Sequence[Question], token: str = "") -> list[Entry]:
        done: list[Entry] = []
        new_batch = True
        with self._turn(token) as turn:
            self._check_epoch(turn)
            _check_names(turn, questions)
            refused = self._budget_refusal(turn, questions)
            if refused:
                self._record_refusal(turn)
            for number, question in enumerate([] if refused else questions):
                try:
                    entry = self._charge_one(turn, question, new_batch=new_batch)
                except _Refused as refusal:
                    refused = str(refusal)
                    self._record_refusal(turn, refusal.session, question)
                    # as many records as answers would have been: what is written does not depend on the outcome
                    for rest in questions[number + 1 :]:
                        turn.append("refused", query=rest.query, public=rest.public)
                    break
                done.append(entry)
                new_batch = new_batch and entry.release == "cached"
        if any(entry.detail.get("source") == "error" for entry in done):
            raise ValueError(error_message.format(what="function of query()"))
        if refused:
            error = BudgetExhaustedError(
                budget_exhausted_message.format(what=str(refused).rstrip("."), remedy=self._remedy())
            )
            error.answered = done  # type: ignore[attr-defined]
            raise error
        return done

    def look(self) -> Session:
        """Return the current states, for looking only."""
        with self._turn() as turn:
            self._check_epoch(turn)
            return Session(turn, self.declared)

    def left(self, state: Mapping[str, Any]) -> dict[str, int]:
        """Return what is left of the declared budget in a given state."""
        left = {"queries": self.declared.queries - int(state["asked"])}
        if self.declared.users:
            left["own queries"] = self.declared.users.get(self.user, 0) - state["by_user"].get(self.user, 0)
        main = state["mechanisms"].get(self.declared.mechanism)
        if main is not None:
            overfits = stored_state(main).remaining.get("failures")
            if overfits is not None:
                left["overfits"] = int(overfits)
        elif self.declared.overfits is not None:
            left["overfits"] = self.declared.overfits
        return left

    def _charge_one(self, turn: Turn, question: Question, *, new_batch: bool) -> Entry:
        if question.query is not None and (hit := turn.cached(question.query)) is not None:
            return turn.append(
                "cached", query=question.query, passed=hit.passed, answer=hit.answer, half_width=hit.half_width,
                detail={**hit.detail, "answered_by": hit.idx},
            )  # fmt: skip
        session = Session(turn, self.declared, new_batch=new_batch)
        if question.sees_labels:
            release = _guarded(question, session)
        else:
            release = question.respond(session)
        state = session.state
        state["asked"] = state["asked"] + question.cost
        if self.declared.users:
            state["by_user"] = {
                **state["by_user"],
                self.user: state["by_user"].get(self.user, 0) + question.cost,
            }
        return turn.append(
            "error" if release.source == "error" else question.release,
            query=question.query,
            nats=session.nats,
            mu_squared=session.mu_squared,
            passed=release.passed,
            answer=release.value,
            half_width=release.half_width,
            detail=release.stored(),
            public=question.public,
            state=state,
        )

    def _record_refusal(
        self, turn: Turn, session: Session | None = None, question: Question | None = None
    ) -> None:
        """Make the exhaustion stick, and charge what the refusal itself reveals."""
        nats = 0.0 if session is None else session.nats
        if nats or not turn.state["exhausted"]:
            state = turn.state if session is None else session.state
            mu_squared = 0.0 if session is None else session.mu_squared
            turn.append(
                "refused",
                query=None if question is None else question.query,
                nats=nats,
                mu_squared=mu_squared,
                public={} if question is None else question.public,
                state={**state, "exhausted": True},
            )

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
        if not declared_alike(turn.state, self.declared):
            raise LedgerMismatchError(_ANOTHER_PLAN.format(ledger=self.ledger))

    def _opening_state(self, turn: Turn) -> dict[str, Any]:
        earlier = turn.state.get("declared", {})
        if earlier.get("vault", self.declared.vault) != self.declared.vault:
            raise LedgerMismatchError(
                f"This holdout was opened with vault={earlier['vault']!r}; rows of the reusable part have been asked about "
                f"and cannot be sealed now, nor the other way round. Keep vault={earlier['vault']!r}."
            )
        level = earlier.get("confidence_level", self.declared.confidence_level)
        if level != self.declared.confidence_level:
            raise LedgerMismatchError(
                f"This ledger was opened with confidence_level={level!r}, which holds for all of its answers together and "
                f"cannot become {self.declared.confidence_level!r}. Keep confidence_level={level!r}."
            )
        asked = [record["name"] for record in turn.state.get("mechanisms", {}).values()]
        if any(not mechanism(name).mixes or mechanism(name).noisy for name in asked):
            raise LedgerMismatchError(
                f"Answers of {asked[0]!r} were released under the budget that this ledger was opened with. They are "
                "noisy, or exact means of a part of the rows, and no interval of a further plan would be proved. "
                "Keep the declared budget, or take a new holdout."
            )
        log_alpha = math.log(alpha_fraction(self.declared.confidence_level))
        if earlier:
            spent = -Session(turn, self.declared).log_mass
        else:
            # the vault has its share at the root: gate and vault together keep one alpha
            spent = -math.log1p(-VAULT_SHARE) if self.declared.vault else 0.0
            spent += float(turn.state.get("branch_nats", 0.0))  # of ledgers that have some of the rows
        opened_with = mechanism(self.declared.mechanism).options(self.declared)
        options = {"n": self.declared.n, "log_alpha": log_alpha, **opened_with}
        if mechanism(self.declared.mechanism).noisy:
            options["log_alpha"] -= spent
        fresh_state(self.declared.mechanism, tuple(sorted(options.items())))  # refuses what cannot be opened
        return {
            "declared": asdict(self.declared),
            "log_alpha": log_alpha,
            "branch_nats": spent,
            "asked": 0,
            "by_user": {},
            "mechanisms": {},
            "exhausted": False,
            "vault": turn.state.get("vault"),
            **{name: turn.state[name] for name in ("gate", "sizes", "pending") if name in turn.state},
        }

    def _remedy(self) -> str:
        return (
            "More questions need a new plan: set queries=... and call calibrate() again with the same rows. It divides "
            "what is left of the ledger, so that its intervals are wider."
        )


def _pending(state: Mapping[str, Any], token: str, cost: int | None) -> dict[str, Any]:
    """A state after questions of such a cost were announced, or, where it is None, after they came back."""
    others = {name: value for name, value in state.get("pending", {}).items() if name != token}
    rest = {name: value for name, value in state.items() if name != "pending"}
    pending = others if cost is None else {**others, token: cost}
    return {**rest, "pending": pending} if pending else rest


def _spent(state: Mapping[str, Any], nats: float) -> dict[str, Any]:
    """A state after nats that were spent elsewhere."""
    return {**state, "branch_nats": float(state.get("branch_nats", 0.0)) + nats}


def log_mass_of(state: Mapping[str, Any]) -> float:
    """Logarithm of the mass that a ledger has left; minus infinity after noisy answers, which no count pays for."""
    kept = 0.0
    for record in state["mechanisms"].values():
        if mechanism(record["name"]).noisy or not mechanism(record["name"]).mixes:
            return -math.inf
        kept += float(stored_state(record).log_mass) + float(record.get("log_kept", 0.0))
    return kept - float(state["branch_nats"])


def _guarded(question: Question, session: Session) -> Release:
    """Let a function of the caller's see labels: a value, or the one symbol "error", whatever went wrong."""
    before = dict(session.state)
    session.branch(-LOG_NO_ERROR)
    try:
        with quiet():
            return question.respond(session)
    except _Refused:
        raise
    except BaseException:
        session.state, session.nats, session.mu_squared = before, 0.0, 0.0
        session.branch(-LOG_ERROR)
        return Release(source="error")


def _values_for(chosen: type[Mechanism], units: AnyArray) -> Any:
    """Units as a mechanism reads them: truth values where it counts, values, or their mean."""
    if chosen.counts:
        return units
    return units.astype(np.float64) if chosen.needs_rows else float(np.clip(units.mean(), 0.0, 1.0))


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
