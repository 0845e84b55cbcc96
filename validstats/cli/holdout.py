"""``validstats holdout``: look at a ledger file, verify it, and see what was asked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from validstats.cli._options import (
    DataError,
    LedgerRefusal,
    OneOf,
    columns_as,
    guarded,
    key_option,
    output_options,
    parse_names,
    refuse_given,
    table_options,
)
from validstats.cli._tables import (
    check_columns,
    numeric_column,
    read_table,
    with_columns_of,
    write_report,
    write_result,
)
from validstats.cli.holdout_audit import audit
from validstats.cli.holdout_gate import COMMANDS

__all__ = ["holdout"]

_RECEIPT = click.option(
    "--receipt", help="Receipt that you kept, where this user has no anchor of the ledger."
)
_OF_OUTCOMES = ("r2", "absolute_error", "squared_error")
"""Metrics that need --bounds."""
_BOOKKEEPING = ("created", "bound", "plan", "asked", "measured")


def _metrics() -> tuple[str, ...]:
    from validstats.holdout.asking import metric_names

    return (*metric_names(), *_OF_OUTCOMES)


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
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--label", required=True, help="Column of FILE with the labels.")
@click.option(
    "--prediction",
    required=True,
    help="Column with predictions, scores, or probabilities of the second class.",
)
@click.option(
    "--predictions-from",
    type=click.Path(path_type=Path),
    help="File with the predictions, in any order, matched by --key.",
)
@key_option
@click.option("--metric", type=OneOf(_metrics), default="accuracy", show_default=True)
@click.option(
    "--bounds", type=(float, float), help="Least and greatest label: r2, absolute and squared_error."
)
@click.option(
    "--classes", help="Every class, separated by commas; 0 and 1 are known. The last is the positive one."
)
@click.option("--guess", type=float, help="Score that you expect from other rows: a right one costs less.")
@click.option(
    "--queries",
    type=click.IntRange(min=1),
    help="Looks to be declared; those of the ledger, or 100, if not given.",
)
@output_options
@table_options
@guarded
def infer(
    ledger: Path,
    file: Path,
    label: str,
    prediction: str,
    predictions_from: Path | None,
    key: str | None,
    metric: str,
    bounds: tuple[float, float] | None,
    classes: str | None,
    guess: float | None,
    queries: int | None,
    output_format: str,
    output: Path | None,
) -> None:
    """Ask what predictions for the rows of FILE score, and charge it to LEDGER.

    Other columns of FILE are features, by which the rows are recognised besides --key.

    \b
    Example (validstats data writes the file):
      validstats holdout infer study.ledger checked.csv --label right --prediction score --key answer --metric roc_auc
    """
    from validstats.holdout import ReusableHoldout

    table = read_table(file)
    check_columns(table, [label, *([key] if key else [])], file, "--label or --key")
    if predictions_from is not None:
        table = with_columns_of(predictions_from, [prediction], table, file, key, "--predictions-from")
    check_columns(table, [prediction], file, "--prediction")
    _check_complete(table, [label, prediction], file)
    if metric in _OF_OUTCOMES:
        for name in (label, prediction):
            numeric_column(table, name, file, f"--metric {metric}")
    rows = table.drop(columns=[label, prediction])
    if not rows.shape[1]:
        raise DataError(f"{file} has nothing that tells its rows apart; name their identifiers by --key.")
    _, entries = _open(ledger, None)
    declared = (entries[-1].state if entries else {}).get("declared") or {}
    asked = ReusableHoldout(
        queries=queries or int(declared.get("queries", 100)),
        confidence_level=float(declared.get("confidence_level", 0.95)),
        metric=_metric(metric, bounds),
        ledger=ledger,
    )
    named = None if classes is None else _like(parse_names(classes), table[label])
    ids = None if key is None else table[key].to_numpy()
    with columns_as(y=label, ids=key, target=prediction):
        asked.calibrate(rows, table[label].to_numpy(), ids=ids, classes=named)
        answer = asked.infer(table[prediction].to_numpy(), guess=guess)
    write_result(answer, output_format, output)


def _check_complete(table: Any, names: Sequence[str], file: Path) -> None:
    for name in names:
        missing = int(table[name].isna().sum())
        if missing:
            raise DataError(f"The column {name!r} of {file} has {missing} empty cells; nothing was charged.")


def _like(names: list[str], column: Any) -> list[Any]:
    """Classes as the column of labels has them: numbers where it has numbers."""
    from pandas.api.types import is_numeric_dtype

    return [float(name) for name in names] if is_numeric_dtype(column) else names


def _metric(name: str, bounds: tuple[float, float] | None) -> Any:
    from validstats.holdout import absolute_error, r2, squared_error

    if name not in _OF_OUTCOMES:
        refuse_given(("bounds",), f"is not read with --metric {name}.")
        return name
    if bounds is None:
        raise click.UsageError(f"--metric {name} needs --bounds, the least and the greatest label.")
    span = bounds[1] - bounds[0]
    return {"r2": r2(bounds=bounds), "absolute_error": absolute_error(bound=span)}.get(
        name, squared_error(bound=span**2)
    )


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
    from validstats.results import Report

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
    from validstats.results import Report

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
    from validstats.results import Report, Table

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
