"""``validstats audit``: the claims of a study computed again, what breaks them, and a receipt to verify."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from validstats.cli._options import can_be_written, guarded

__all__ = ["audit"]

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
GATE_FIRED = 4
"""Exit code where something was found, or a receipt is not confirmed."""


@click.command()
@click.argument("study", type=_FILE)
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=can_be_written,
    help="Page to write (.html, .md or .docx); the receipt goes beside it.",
)
@click.option("--verify", "receipt", type=_FILE, help="Receipt to compare with; nothing is written.")
@click.option("--fail", is_flag=True, help="Exit with code 4 if something was found.")
@guarded
def audit(study: Path, output: Path | None, receipt: Path | None, fail: bool) -> None:
    """Compute the claims of STUDY (a TOML file) again, and say what breaks them.

    \b
    Example (validstats data writes the files; then --verify audit.receipt.json by a second person):
      validstats audit study.toml --output audit.html
    """
    from validstats import reporting

    if receipt is not None:
        _verify(receipt, study)
        return
    found: Any = reporting.audit(study)
    click.echo(found.summary().as_text())
    if output is not None:
        click.echo(f"Wrote {output} and {found.write(output)}", err=True)
    if fail and not found.sound:
        click.get_current_context().exit(GATE_FIRED)


def _verify(receipt: Path, study: Path) -> None:
    from validstats.reporting import verify

    differing = verify(receipt, study)
    if not differing:
        click.echo("Confirmed: files, ledgers, claims and findings are those of the receipt.")
        return
    click.echo("\n".join(differing))
    click.get_current_context().exit(GATE_FIRED)
