"""Guarantees of a holdout, its outlook on the next question, and its ledger as a report."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from validstats.guarantee import Guarantee
from validstats.holdout.budget.books import Books, Session
from validstats.holdout.budget.informative import dry_half_widths
from validstats.holdout.ledger import Ledger
from validstats.holdout.mechanisms import Declaration, mechanism
from validstats.results import Report, Table

__all__ = [
    "discovery_guarantee",
    "guarantee_of",
    "holdout_report",
    "next_half_widths",
    "outlook",
    "vault_guarantee",
]

_RELEASES = (
    "answer",
    "best",
    "compare",
    "bit",
    "board",
    "ties",
    "discover",
    "cached",
    "final",
    "refused",
    "plan",
    "extended",
)


def guarantee_of(
    declared: Declaration, state: Any, *, clustered: bool, level: float | None = None, joined: bool = False
) -> Guarantee:
    """State what a declared budget promises, which holds for all plans of a ledger together."""
    unit = "clusters" if clustered else "rows"
    level = declared.confidence_level if level is None else level
    chosen = mechanism(declared.mechanism)
    details = ["Answers are about the mean over clusters of the mean within a cluster"] if clustered else []
    if joined:
        details.append(
            "Rows joined the holdout, whose number and time may depend on answers alone; before they joined they shaped no "
            "model and no guess. Answers from before stay as they are",
        )
    if not chosen.proved(state):
        return Guarantee(
            holds=f"nothing is proved, and answers are approximate: {chosen.without_proof(state)}",
            kind="heuristic",
            check=(),
            n_reference=declared.n,
            citation=chosen.source(declared),
            confidence_level=level,
            details=tuple(details),
        )
    return Guarantee(
        holds=(
            f"in at least {100 * level:g} of 100 studies like this one every interval that is released here contains "
            "the true value, whatever is asked and in whatever order"
        ),
        kind="finite-sample",
        check=(
            f"the holdout {unit} were drawn independently from the population that you ask about",
            "nobody has seen these rows except through this ledger"
            + (", those that joined neither before they did" if joined else ""),
            "nobody put an earlier copy of the ledger in its place",
        ),
        n_reference=declared.n,
        citation=chosen.source(declared),
        confidence_level=level,
        details=(
            f"With probability at least {level:g} all certified intervals of this ledger cover together, for up to "
            f"{declared.queries:,} questions, each of which may depend on all earlier answers",
            *details,
        ),
    )


def vault_guarantee(n_vault: int, confidence_level: float) -> Guarantee:
    """State what an answer from the vault promises."""
    return Guarantee(
        holds=(
            f"in at least {100 * confidence_level:g} of 100 studies like this one the interval contains the true value"
        ),
        kind="finite-sample",
        check=(
            "the vault's rows were drawn independently from the population that you ask about",
            "nobody looked at them before",
        ),
        n_reference=n_vault,
        citation="Clopper and Pearson (1934); Waudby-Smith and Ramdas (2024) for values other than 0 and 1",
        confidence_level=confidence_level,
        details=(
            "It holds together with the answers of the reusable part: the vault has half of the failure probability",
            "The vault was opened once",
        ),
    )


def discovery_guarantee(n: int, false_discovery_rate: float) -> Guarantee:
    """State what a set of confirmed claims promises."""
    return Guarantee(
        holds=(
            f"on average at most {100 * false_discovery_rate:g} % of the claims that are confirmed in one batch are "
            "false, although the claims were chosen after earlier answers"
        ),
        kind="finite-sample",
        check=(
            "the holdout rows were drawn independently from the population that you ask about",
            "nobody has seen these rows except through this ledger",
        ),
        n_reference=n,
        citation="Wang and Ramdas (2022), False discovery rate control with e-values",
        details=(
            "The e-value of each claim is multiplied by exp(-nats) for all that was released before, and the e-BH "
            "procedure decides over the batch",
            "A claim that is not confirmed may be true",
        ),
    )


def next_half_widths(session: Session, branch_nats: float = 0.0) -> dict[str, float]:
    """Work out the half-widths that the next answer would have, on the scale of [0, 1], by a dry run."""
    name = session.declared.mechanism
    return dry_half_widths(name, session.load_main(), session.log_carry(name) - branch_nats)


def outlook(session: Session, left: Callable[[Mapping[str, Any]], dict[str, int]]) -> str:
    """Say what the next question would be and give."""
    declared, state = session.declared, session.state
    number = int(state["asked"]) + 1
    remaining = left(state)
    rest = ", ".join(f"{count:,} {name}" for name, count in remaining.items())
    if remaining["queries"] <= 0 or remaining.get("own queries", 1) <= 0 or remaining.get("overfits", 1) <= 0:
        return f"This would be your {ordinal(number)} look; the declared budget is used up (left: {rest})."
    widths = next_half_widths(session)
    if not widths:
        return f"This would be your {ordinal(number)} look (left: {rest})."
    each = [f"+-{width:.3f} {name}".rstrip() for name, width in widths.items()]
    priced = " and ".join([", ".join(each[:-1]), each[-1]] if len(each) > 1 else each)
    text = (
        f"This would be your {ordinal(number)} look; with n = {declared.n:,} a released score near one half is now "
        f"good to {priced}"
    )
    text += _approximate(session)
    if mechanism(declared.mechanism).hosts:
        best = max(next_half_widths(session, math.log(100)).values())
        text += f", and best() of 100 candidates would cost one query at +-{best:.3f} at most"
    return f"{text} (left: {rest})."


def _approximate(session: Session) -> str:
    chosen, state = mechanism(session.declared.mechanism), session.load_main()
    return "" if chosen.proved(state) else f", which is approximate: {chosen.without_proof(state)}"


def holdout_report(
    calibration: Any, ledger: Ledger, books: Books, guarantee: Guarantee, next_look: str
) -> Report:
    """Describe the budget and the ledger."""
    declared = calibration.declared
    check = ledger.verify()
    entries = [entry for entry in ledger.entries() if entry.release in _RELEASES]
    session = books.look()
    left = books.left(session.state)
    header: list[tuple[str, Any]] = [
        ("Mechanism", declared.mechanism),
        *mechanism(declared.mechanism).facts(session.load_main()),
        ("Independent units", calibration.n_units),
        ("Sealed in the vault", calibration.n_vault),
        ("Declared queries", declared.queries),
        *((f"Left: {name}", count) for name, count in left.items()),
        ("Charged", f"{check.nats:.2f} nats, mu^2 = {check.mu_squared:.3g}"),
        ("Ledger", f"{'file' if ledger.path else 'in memory'}, {check.n_entries} entries, chain verified"),
    ]
    table = Table(
        {
            "Entry": [e.idx for e in entries],
            "User": [e.user or "--" for e in entries],
            "Release": [e.release for e in entries],
            "Question": [e.detail.get("question", "") for e in entries],
            "Answer": [e.answer for e in entries],
            "+-": [e.half_width for e in entries],
            "Passed": [e.passed for e in entries],
            "Nats": [e.nats for e in entries],
        },
        title="Ledger",
        formats={"Answer": "estimate", "+-": "estimate", "Nats": lambda nats: f"{nats:.2f}"},
        max_rows=30,
    )
    return Report(
        "Reusable holdout", header=header, tables=[table], guarantees=[guarantee], notes=[next_look]
    )


def ordinal(number: int) -> str:
    """Write a number as an ordinal."""
    suffix = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"
