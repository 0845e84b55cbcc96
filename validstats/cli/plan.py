"""``validstats plan``: sizes and designs, before anything is spent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from validstats.cli._options import DataError, guarded, output_options
from validstats.cli._tables import check_columns, numeric_column, read_table, write_result

__all__ = ["plan"]


@click.group()
def plan() -> None:
    """Plan before anything is spent.

    \b
    Example (validstats data writes the file):
      validstats plan design documents.csv --labels 400
    """


@plan.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--labels", "n_labels", type=click.IntRange(min=1), required=True, help="Expert labels to buy.")
@click.option("--uncertainty", help="Column with the expected size of the machine's error in each row.")
@click.option("--strata", help="Column with strata.")
@click.option(
    "--method",
    type=click.Choice(("auto", "uniform", "stratified", "neyman", "active")),
    default="auto",
    show_default=True,
)
@click.option(
    "--write",
    "rows_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="CSV file to write: the rows of FILE with sampling_probability and selected.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the draw.")
@output_options
@guarded
def design(
    file: Path,
    n_labels: int,
    uncertainty: str | None,
    strata: str | None,
    method: Any,
    rows_file: Path | None,
    seed: int,
    output_format: str,
    output: Path | None,
) -> None:
    """Propose which rows of FILE the experts label, and record with which probabilities.

    \b
    Example (validstats data writes the file):
      validstats plan design documents.csv --labels 400 --strata corpus --write to_label.csv
    """
    from validstats.dsl.sampling_design import design_sampling

    table = read_table(file)
    check_columns(table, [strata] if strata else [], file, "--strata")
    if rows_file is not None and rows_file.exists():
        raise DataError(f"{rows_file} exists already; name another file for --write.")
    reserved = [name for name in ("sampling_probability", "selected") if name in table.columns]
    proposal = design_sampling(
        table,
        n_labels,
        method=method,
        strata=strata,
        uncertainty=None
        if uncertainty is None
        else numeric_column(table, uncertainty, file, "--uncertainty"),
        random_state=seed,
    )
    if rows_file is not None:
        rows = table.drop(columns=reserved)
        rows["sampling_probability"] = proposal.sampling_probability
        rows["selected"] = proposal.selected.astype(int)
        rows.to_csv(rows_file, index=False)
        click.echo(f"Wrote {rows_file}", err=True)
        if reserved:
            click.echo(f"Note: {rows_file} has new values of {' and '.join(reserved)}.", err=True)
    write_result(proposal, output_format, output)
