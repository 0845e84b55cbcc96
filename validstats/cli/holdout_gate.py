"""``validstats holdout init | ask | certify | final | serve``: a gate for searches."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from validstats.cli._options import DataError, guarded, table_options
from validstats.cli._tables import read_words

__all__ = ["COMMANDS"]

_LEDGER = click.argument("ledger", type=click.Path(path_type=Path))
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@_LEDGER
@click.option("--labels", type=_FILE, required=True, help="Table with identifiers and labels, in any order.")
@click.option(
    "--rows",
    type=_FILE,
    help="Table of the rows that make the holdout, matched by --id; all that --labels has if not given.",
)
@click.option(
    "--id", "--key", "identifier", default="id", show_default=True, help="Column of the identifiers."
)
@click.option("--label", default="label", show_default=True, help="Column of the labels.")
@click.option(
    "--start",
    type=_FILE,
    help="Table with the identifiers and a column prediction; the first class everywhere without it.",
)
@click.option(
    "--classes", help="Classes that predictions may name, with commas; those that occur without it."
)
@click.option(
    "--namespace", default="", help="Whose identifiers they are; needed where they are row numbers."
)
@click.option("--vault", default=0.15, show_default=True, help="Share of the rows that is sealed.")
@click.option("--margin", default=1.0, show_default=True, help="Standard errors that a proposal must win by.")
@click.option("--confidence-level", default=0.95, show_default=True, help="Of everything that the gate says.")
@table_options
@guarded
def init(
    ledger: Path,
    labels: Path,
    rows: Path | None,
    identifier: str,
    label: str,
    start: Path | None,
    classes: str | None,
    namespace: str,
    vault: float,
    margin: float,
    confidence_level: float,
) -> None:
    """Create LEDGER with a gate for a search, once, by whoever holds the labels.

    \b
    Example:
      validstats holdout init gate.ledger --labels y.csv --id id --label y

    Tables are CSV, TSV, JSON lines, Excel or Parquet files; proposals of ask name the rows in a column id.
    """
    from validstats.holdout.boundary import create_gate

    known = _pairs(labels, identifier, label)
    if rows is not None:
        known = _labels_of(read_words(rows, [identifier])[identifier], known, rows, labels)
    begin = None if start is None else _start(start, identifier)
    create_gate(
        ledger,
        known,
        begin,
        classes=None if classes is None else [name.strip() for name in classes.split(",")],
        id_namespace=namespace,
        source=labels,
        vault=vault,
        margin=margin,
        confidence_level=confidence_level,
    )
    click.echo(
        f"Created {ledger} with a gate on {len(known):,} rows. Keep {labels} and {ledger} out of the search's reach."
    )


def _pairs(path: Path, first: str, second: str) -> dict[str, str]:
    """Read an identifier and a word a row, as they are written."""
    from validstats.holdout.boundary import ProposalError, pair_up

    words = read_words(path, [first, second])
    try:
        return pair_up(zip(words[first], words[second], strict=True))
    except ProposalError as error:
        raise DataError(f"{path}: {error}") from None


def _start(path: Path, identifier: str) -> dict[str, str]:
    """Read the predictions of the start; their column of identifiers may be called id, as in a proposal."""
    from validstats.intake import TableError

    try:
        return _pairs(path, identifier, "prediction")
    except TableError:
        return _pairs(path, "id", "prediction")


def _labels_of(names: Any, known: dict[str, str], rows: Path, labels: Path) -> dict[str, str]:
    """Labels of the rows of a table, each once."""
    wanted = [name.strip() for name in names if name]
    without = [name for name in dict.fromkeys(wanted) if name not in known]
    if without:
        raise DataError(
            f"{len(without)} of the {len(wanted)} rows of {rows} have no label in {labels}, which names {len(known)}: "
            f"{', '.join(map(repr, without[:3]))}. Add their labels, or leave these rows out."
        )
    if len(set(wanted)) < len(names):
        raise DataError(f"{rows} names {len(set(wanted))} rows on {len(names)} lines; name each row once.")
    return {name: known[name] for name in wanted}


@click.command()
@_LEDGER
@click.argument("predictions", type=_FILE)
@click.option("--note", default="", help="Words that are recorded with the proposal.")
@guarded
def ask(ledger: Path, predictions: Path, note: str) -> None:
    """Propose PREDICTIONS (columns id and prediction): prints keep or discard.

    \b
    Exit codes: 0 keep, 10 discard, 2 the file cannot be used (nothing was charged), 3 the ledger refuses.

    \b
    Example:
      validstats holdout ask gate.ledger predictions.csv
    """
    from validstats.holdout.boundary import GateServer, ProposalError

    server = GateServer(ledger)
    try:
        kept = server.ask(_proposal(predictions, server), note)
    except ProposalError as error:
        raise click.UsageError(str(error)) from None
    click.echo("keep" if kept else "discard")
    if not kept:
        sys.exit(10)


@click.command()
@_LEDGER
@click.option("--go-on", is_flag=True, help="Proposals follow: three decimals, at a price.")
@guarded
def certify(ledger: Path, go_on: bool) -> None:
    """Certify what the gate has kept, and end it.

    \b
    Example:
      validstats holdout certify gate.ledger
    """
    from validstats.holdout.boundary import GateServer

    found = GateServer(ledger).certify(go_on=go_on)
    click.echo(
        f"The kept model is right on {found['accuracy_low']:.4f} to {found['accuracy_high']:.4f} of new rows, and gains at "
        f"least {found['gain']:z.4f} over the start."
    )


@click.command()
@_LEDGER
@click.argument("predictions", type=_FILE, required=False)
@guarded
def final(ledger: Path, predictions: Path | None) -> None:
    """Open the vault, once, for a lower bound of the gain: of the kept model, or of PREDICTIONS (columns id and prediction).

    \b
    Exit codes: 0, 2 the file cannot be used (the vault stays closed), 3 the ledger refuses.

    \b
    Examples:
      validstats holdout final gate.ledger
      validstats holdout final gate.ledger predictions.csv
    """
    from validstats.holdout.boundary import GateServer, ProposalError

    server = GateServer(ledger)
    try:
        gain = server.final(None if predictions is None else _proposal(predictions, server))
    except ProposalError as error:
        raise click.UsageError(str(error)) from None
    what = "kept model" if predictions is None else f"model of {predictions.name}"
    click.echo(f"By the vault the {what} gains at least {gain:z.4f} over the start.")


def _proposal(predictions: Path, server: Any) -> dict[str, str]:
    from validstats.holdout.boundary import read_proposal

    path = predictions.resolve()
    return read_proposal(path, path.parent, server.forbidden)


@click.command()
@_LEDGER
@click.option("--stdio", is_flag=True, help="Answer on standard input and output.")
@click.option("--socket", type=click.Path(path_type=Path), help="Answer on a Unix socket of mode 0660.")
@click.option(
    "--inbox", type=click.Path(path_type=Path, file_okay=False), help="Folder that files may come from."
)
@click.option(
    "--delay", default=0.0, help="Answer after whole multiples of so many seconds, which hides the time."
)
@guarded
def serve(ledger: Path, stdio: bool, socket: Path | None, inbox: Path | None, delay: float) -> None:
    """Answer a searching program by JSON-RPC, one object a line, with the handshake of MCP.

    Run it as another user than the search: who can read labels or ledger needs no gate.

    \b
    Example:
      validstats holdout serve gate.ledger --stdio
    """
    from validstats.holdout.boundary import GateServer

    if stdio == (socket is not None):
        raise DataError("Give one of --stdio and --socket PATH.")
    server = GateServer(ledger, inbox=inbox, delay=delay)
    click.echo(f"The gate of {ledger} is open.", err=True)
    if socket is None:
        server.serve(sys.stdin, sys.stdout)
        return
    with server.listen(socket) as listening:
        try:
            listening.serve_forever()
        finally:
            socket.unlink(missing_ok=True)


COMMANDS = (init, ask, certify, final, serve)
