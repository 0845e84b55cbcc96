"""What the holdout says about itself: its guarantee, what comes next, and its ledger as a report."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from validstats.guarantee import Guarantee
from validstats.holdout.budget.books import Books, Session
from validstats.holdout.budget.epochs import MIXING, Declaration
from validstats.holdout.budget.informative import dry_half_widths, is_proved, unproved_tolerance
from validstats.holdout.ledger import Ledger
from validstats.holdout.mechanisms import mechanism
from validstats.results import Report, Table

__all__ = ["guarantee_of", "holdout_report", "outlook", "vault_guarantee"]

_SOURCES = {
    "guess_and_check": "Rogers et al. (2020), guess-and-check, by the exact count of transcripts",
    "description_length": "Dwork et al. (2015), arXiv 1506.02629, Theorem 9, by the exact count of transcripts",
    "thresholdout": "Dwork et al. (2015), arXiv 1506.02629, Theorem 25",
    "rounds": "Hoeffding (1963), a fresh chunk for each declared round",
    "fresh_chunks": "Hoeffding (1963), a fresh chunk for each question",
}

_ANALYSES = {
    "tight": "leave-one-out information bound for Gaussian noise, and Gaussian differential privacy",
    "rogers2020": "Rogers et al. (2020), arXiv 1906.09231, Theorem 2.1, for Gaussian noise",
    "jung2020": "Jung et al. (2020), arXiv 1909.03577, Theorem 3.5, for Gaussian noise",
    "bassily2016": "Bassily et al. (2016), arXiv 1511.02513, Theorem 3.4, for Gaussian noise",
}

_RELEASES = ("answer", "best", "compare", "bit", "board", "discover", "cached", "final", "refused", "epoch")


def guarantee_of(
    declared: Declaration, state: Any, *, clustered: bool, level: float | None = None
) -> Guarantee:
    """State what a declared budget promises.

    Parameters
    ----------
    declared : Declaration
        The budget.
    state : State
        Of its mechanism.
    clustered : bool
        Whether units are clusters.
    level : float or None, default None
        At which the answers of all epochs hold together; the declared one if None.

    Returns
    -------
    Guarantee
        Finite-sample for certified mechanisms, otherwise heuristic.
    """
    unit = "clusters" if clustered else "rows"
    level = declared.confidence_level if level is None else level
    caveats = ("Answers are about the mean over clusters of the mean within a cluster",) if clustered else ()
    if not is_proved(declared.mechanism, state):
        return Guarantee(
            holds=_without_proof(declared.mechanism, state),
            kind="heuristic",
            check=(),
            n_reference=declared.n,
            citation=_citation(declared),
            confidence_level=level,
            details=caveats,
        )
    return Guarantee(
        holds=(
            f"with probability at least {level:g} every certified interval released under this ledger contains the "
            f"value in the population, for up to {declared.queries:,} questions however they were chosen"
        ),
        kind="finite-sample",
        check=(
            f"holdout {unit} are independent draws from the population asked about",
            "the analyst knows of the holdout only what the ledger released",
            "the ledger and its anchor were not both rolled back",
        ),
        n_reference=declared.n,
        citation=_citation(declared),
        confidence_level=level,
        details=caveats,
    )


def _without_proof(name: str, state: Any) -> str:
    if not mechanism(name).certified:
        return f"the mechanism {name!r} has no proof with constants; its answers are approximate"
    return f"{unproved_tolerance(state)}; the answers are approximate"


def _citation(declared: Declaration) -> str:
    if declared.analysis is not None:
        return _ANALYSES[declared.analysis]
    return _SOURCES.get(declared.mechanism, "see the documentation of the mechanism")


def vault_guarantee(n_vault: int, confidence_level: float) -> Guarantee:
    """State what an answer from the vault promises.

    Parameters
    ----------
    n_vault : int
        Units in the vault.
    confidence_level : float
        Of this interval by itself.

    Returns
    -------
    Guarantee
        Finite-sample.
    """
    return Guarantee(
        holds=f"the interval contains the population value with probability at least {confidence_level:g}",
        kind="finite-sample",
        check=(
            "the vault's units are independent draws from the population",
            "nobody looked at them before",
        ),
        n_reference=n_vault,
        citation="Clopper and Pearson (1934); Waudby-Smith and Ramdas (2024) for values other than 0 and 1",
        confidence_level=confidence_level,
        details=("This interval holds by itself, not jointly with the answers of the reusable part",),
    )


def next_half_widths(session: Session, branch_nats: float = 0.0) -> dict[str, float]:
    """Work out the half-widths that the next answer would have, on the scale of [0, 1], by a dry run.

    Parameters
    ----------
    session : Session
        For looking; nothing is charged.
    branch_nats : float, default 0
        Paid before the answer, as by :meth:`ReusableHoldout.best`.

    Returns
    -------
    dict of str to float
        By what happens, at a score of one half, where intervals are widest. Empty if the mechanism refuses.
    """
    name = session.declared.mechanism
    return dry_half_widths(name, session.load_main(), session.log_carry(name) - branch_nats)


def outlook(session: Session, left: Callable[[Mapping[str, Any]], dict[str, int]]) -> str:
    """Say what the next question would be and give.

    Parameters
    ----------
    session : Session
        For looking; nothing is charged.
    left : callable
        From a state to what is left.

    Returns
    -------
    str
        Sentences.
    """
    declared, state = session.declared, session.state
    number = int(state["asked"]) + 1
    remaining = left(state)
    rest = ", ".join(f"{count:,} {name}" for name, count in remaining.items())
    if remaining["queries"] <= 0 or remaining.get("own queries", 1) <= 0 or remaining.get("failures", 1) <= 0:
        return f"This would be your {ordinal(number)} look; the declared budget is used up (left: {rest})."
    widths = next_half_widths(session)
    if not widths:
        return f"This would be your {ordinal(number)} look (left: {rest})."
    priced = " and ".join(f"+-{width:.3f} {name}".rstrip() for name, width in widths.items())
    text = (
        f"This would be your {ordinal(number)} look; with n = {declared.n:,} a released score near one half is now "
        f"good to {priced}"
    )
    text += _approximate(session)
    if declared.mechanism in MIXING:
        best = max(next_half_widths(session, math.log(100)).values())
        text += f", and best() of 100 candidates would cost one query at +-{best:.3f} at most"
    return f"{text} (left: {rest})."


def _approximate(session: Session) -> str:
    name, state = session.declared.mechanism, session.load_main()
    if is_proved(name, state):
        return ""
    if not mechanism(name).certified:
        return ", which is approximate: this mechanism has no proof"
    return f", which is approximate: {unproved_tolerance(state)}"


def _declared_rows(declared: Declaration, state: Any) -> list[tuple[str, Any]]:
    """What the mechanism was declared with, where it has a choice."""
    rows: list[tuple[str, Any]] = [("Mechanism", declared.mechanism)]
    if declared.analysis is not None:
        rows.append(("Analysis", declared.analysis))
    if declared.mechanism == "thresholdout":
        proved = "proved" if is_proved(declared.mechanism, state) else "not proved"
        rows.append(("Tolerance", f"{state.tolerance:.4g} ({proved})"))
    return rows


def holdout_report(
    calibration: Any, ledger: Ledger, books: Books, guarantee: Guarantee, next_look: str
) -> Report:
    """Describe the budget and the ledger.

    Parameters
    ----------
    calibration : HoldoutCalibration
        Sizes and declarations.
    ledger : Ledger
        The ledger.
    books : Books
        For what is left.
    guarantee : Guarantee
        What is promised.
    next_look : str
        What comes next, in words.

    Returns
    -------
    Report
        Header, ledger table, guarantee, outlook.
    """
    declared = calibration.declared
    check = ledger.verify()
    entries = [entry for entry in ledger.entries() if entry.release in _RELEASES]
    session = books.look()
    left = books.left(session.state)
    header: list[tuple[str, Any]] = [
        *_declared_rows(declared, session.load_main()),
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
    """Write a number as an ordinal.

    Examples
    --------
    >>> [ordinal(i) for i in (1, 2, 3, 4, 11, 12, 21, 112)]
    ['1st', '2nd', '3rd', '4th', '11th', '12th', '21st', '112th']
    """
    suffix = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"
