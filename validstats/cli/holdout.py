"""``validstats holdout``: look at a ledger file, verify it, and see what was asked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from validstats.cli._options import DataError, LedgerRefusal, guarded, output_options
from validstats.cli._tables import write_report, write_result
from validstats.cli.holdout_audit import audit
from validstats.cli.holdout_gate import COMMANDS
from validstats.results import Report, Table

__all__ = ["holdout"]

_RECEIPT = click.option(
    "--receipt", help="Receipt that you kept, where this user has no anchor of the ledger."
)
_BOOKKEEPING = ("created", "bound", "plan", "asked", "measured")


@click.group()
def holdout() -> None:
    """Look after the ledger that keeps the budget of a holdout.

    \b
    Example:
      validstats holdout create study.ledger
      validstats holdout status study.ledger
    """


for _command in COMMANDS:
    holdout.add_command(_command)
holdout.add_command(audit)


@holdout.command()
@click.argument("ledger", type=click.Path(path_type=Path))
@guarded
def create(ledger: Path) -> None:
    """Create LEDGER, once, before the first look at the holdout.

    \b
    Example:
      validstats holdout create study.ledger
    """
    from validstats.holdout import Ledger

    made = Ledger.create(ledger)
    receipt = made.receipt()
    made.close()
    click.echo(f"Created {ledger}. Receipt, to be kept elsewhere: {receipt}")


@holdout.command()
@click.argument("ledger", type=click.Path(path_type=Path))
@_RECEIPT
@output_options
@guarded
def status(ledger: Path, receipt: str | None, output_format: str, output: Path | None) -> None:
    """Say what was declared, how much of it is spent, and what is left.

    \b
    Example:
      validstats holdout status study.ledger
    """
    opened, entries = _open(ledger, receipt)
    nats, mu_squared = opened.totals()
    state = entries[-1].state if entries else {}
    declared = dict(state.get("declared") or {})
    asked = int(state.get("asked", 0))
    values: dict[str, Any] = {
        "ledger": str(ledger),
        "entries": len(entries),
        "plans": 1 + max((entry.epoch for entry in entries), default=-1),
        "bound_to_a_holdout": any(entry.release == "bound" for entry in entries),
        "declared": declared,
        "asked": asked,
        "left": None if "queries" not in declared else max(0, int(declared["queries"]) - asked),
        "exhausted": bool(state.get("exhausted", False)),
        "nats": nats,
        "mu_squared": mu_squared,
    }
    header = [
        ("Entries", values["entries"]),
        ("Plans", values["plans"]),
        ("Bound to a holdout", values["bound_to_a_holdout"]),
        *((name.replace("_", " ").capitalize(), _text(value)) for name, value in declared.items()),
        *([("Asked", asked), ("Left", values["left"])] if declared else []),
        ("Exhausted", values["exhausted"]),
        ("Nats charged", nats),
        ("mu^2 charged", mu_squared),
    ]
    notes = (
        []
        if declared
        else ["No budget was declared yet: ReusableHoldout(ledger=...).calibrate() declares it."]
    )
    write_report(Report(f"Ledger {ledger.name}", tuple(header), notes=notes), values, output_format, output)


@holdout.command()
@click.argument("ledger", type=click.Path(path_type=Path))
@_RECEIPT
@output_options
@guarded
def verify(ledger: Path, receipt: str | None, output_format: str, output: Path | None) -> None:
    """Follow the whole chain of entries and compare it with the anchor; exit code 3 if it was changed.

    \b
    Example:
      validstats holdout verify study.ledger
    """
    opened, _ = _open(ledger, receipt)
    check = opened.verify()
    values = {
        "ledger": str(ledger),
        "sound": True,
        "entries": check.n_entries,
        "anchored": check.anchored,
        "receipt": check.receipt,
        "nats": check.nats,
        "mu_squared": check.mu_squared,
    }
    header = (
        ("Chain", "sound"),
        ("Entries", check.n_entries),
        ("Anchor agrees", check.anchored),
        ("Nats charged", check.nats),
        ("mu^2 charged", check.mu_squared),
        ("Receipt", check.receipt),
    )
    note = "Keep the receipt elsewhere: it lets a ledger without its anchor be opened, and shows a rollback."
    write_report(Report(f"Ledger {ledger.name}", header, notes=[note]), values, output_format, output)


@holdout.command()
@click.argument("ledger", type=click.Path(path_type=Path))
@click.option("--last", type=click.IntRange(min=1), help="Only so many of the latest entries.")
@click.option("--times", is_flag=True, help="Show when each entry was made (UTC).")
@_RECEIPT
@output_options
@guarded
def history(
    ledger: Path, last: int | None, times: bool, receipt: str | None, output_format: str, output: Path | None
) -> None:
    """List what was asked, what was answered, and what it cost.

    \b
    Example:
      validstats holdout history study.ledger --last 20
    """
    _, entries = _open(ledger, receipt)
    asked = [entry for entry in entries if entry.release not in _BOOKKEEPING]
    shown = asked if last is None else asked[-last:]
    table = Table(_history_columns(shown, times), formats={"Entry": "int"})
    hidden = len(asked) - len(shown)
    notes = [f"{hidden:,} earlier entries are not shown."] if hidden else []
    if not asked:
        notes = ["Nothing was asked yet."]
    rows = [
        {
            "entry": e.idx,
            "time": e.time,
            "user": e.user,
            "plan": e.epoch,
            "release": e.release,
            "question": e.detail.get("question", ""),
            "answer": e.answer,
            "half_width": e.half_width,
            "passed": e.passed,
            "nats": e.nats,
            "mu_squared": e.mu_squared,
        }
        for e in shown
    ]
    report = Report(
        f"History of {ledger.name}", (("Questions", len(asked)),), [table] if shown else [], notes=notes
    )
    write_report(
        report, {"ledger": str(ledger), "questions": len(asked), "entries": rows}, output_format, output
    )


@holdout.command()
@click.argument("ledger", type=click.Path(path_type=Path))
@click.option("--queries", type=click.IntRange(min=1), required=True, help="Looks to be declared anew.")
@_RECEIPT
@output_options
@guarded
def plan(ledger: Path, queries: int, receipt: str | None, output_format: str, output: Path | None) -> None:
    """Say what another plan would give: other budgets on the same rows, after all that was asked.

    It divides what is left of the ledger, so its intervals are wider than those of a new
    holdout. `validstats plan holdout` plans a new one.

    \b
    Example (after ReusableHoldout has used the ledger):
      validstats holdout plan study.ledger --queries 20
    """
    from validstats.holdout import plan as plan_holdout
    from validstats.holdout.budget import Books, confidence_of
    from validstats.holdout.mechanisms import Declaration

    opened, entries = _open(ledger, receipt)
    state = entries[-1].state if entries else {}
    declared = state.get("declared")
    if not declared:
        raise DataError(
            f"No budget was declared in {ledger} yet, so the number of rows is not known; use validstats plan holdout."
        )
    mu_squared = opened.totals()[1]
    if mu_squared > 0:
        raise LedgerRefusal("Noisy answers were released under this ledger: no further plan would be proved.")
    log_mass = Books(opened, Declaration(**declared)).look().log_mass
    nats = -log_mass
    widths = plan_holdout(
        int(declared["n"]),
        queries,
        confidence_level=confidence_of(float(state["log_alpha"]) + log_mass),
    )
    click.echo(f"Note: {nats:.2f} nats were charged before; the plan divides what is left.", err=True)
    write_result(widths, output_format, output)


def _open(path: Path, receipt: str | None) -> tuple[Any, list[Any]]:
    from validstats.holdout import Ledger

    ledger = Ledger.open(path, receipt=receipt)
    return ledger, ledger.entries()


def _history_columns(entries: Sequence[Any], times: bool) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {"Entry": [e.idx for e in entries]}
    if times:
        columns["Time"] = [datetime.fromtimestamp(e.time, UTC).strftime("%Y-%m-%d %H:%M:%S") for e in entries]
    if any(e.user for e in entries):
        columns["User"] = [e.user for e in entries]
    columns["Release"] = [e.release for e in entries]
    columns["Question"] = [str(e.detail.get("question", "")) for e in entries]
    columns["Answer"] = [e.answer for e in entries]
    columns["+-"] = [e.half_width for e in entries]
    columns["Nats"] = [e.nats for e in entries]
    columns["mu^2"] = [e.mu_squared for e in entries]
    return columns


def _text(value: Any) -> Any:
    return ", ".join(f"{k}: {v}" for k, v in value.items()) or None if isinstance(value, dict) else value
