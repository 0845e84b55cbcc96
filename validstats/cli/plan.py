"""``validstats plan``: sizes and designs, before anything is spent."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import click

from validstats.cli._options import (
    DataError,
    OneOf,
    can_be_written,
    columns_as,
    confidence_level_option,
    guarded,
    output_options,
    parse_names,
    table_options,
)
from validstats.cli._tables import check_columns, numeric_column, read_table, write_result
from validstats.cli.batch import make_target, target_options
from validstats.cli.dsl import estimate_study, study_options

__all__ = ["plan"]


def _releases() -> tuple[str, ...]:
    from validstats.holdout.mechanisms import ReleaseKind

    return get_args(ReleaseKind)


def _designs() -> tuple[str, ...]:
    from validstats.dsl.plan import MethodName

    return get_args(MethodName)


@click.group()
def plan() -> None:
    """Plan before anything is spent.

    \b
    Example:
      validstats plan batch --target sets --miss 0.1 --rows 100
    """


@plan.command()
@target_options
@click.option("--rows", "m", type=click.IntRange(min=1), help="Rows of a batch: how many labels are needed?")
@click.option("--labelled", "n", type=click.IntRange(min=1), help="Labelled rows: how large may a batch be?")
@click.option("--bounded", is_flag=True, help="The labels have known bounds.")
@confidence_level_option(0.95)
@output_options
@guarded
def batch(
    target: str,
    m: int | None,
    n: int | None,
    bounded: bool,
    confidence_level: float,
    output_format: str,
    output: Path | None,
    **asked: Any,
) -> None:
    """Say how many labelled rows a question about a batch needs.

    \b
    Example:
      validstats plan batch --target sets --miss 0.1 --rows 100
    """
    from validstats.batch import plan_batch

    if m is None and n is None:
        raise click.UsageError("Give --rows, --labelled, or both.")
    question = make_target(target, asked)
    sizes = plan_batch(question, m=m, n=n, confidence_level=confidence_level, bounded=bounded)
    write_result(sizes, output_format, output)


@plan.command()
@click.option("--rows", "n", type=click.IntRange(min=2), help="Rows of the holdout.")
@click.option("--queries", type=click.IntRange(min=1), help="Looks to be declared.")
@click.option("--width", type=click.FloatRange(0, 1, min_open=True), help="Half-width to reach.")
@click.option("--difference", type=click.FloatRange(0, 1, min_open=True), help="Difference to tell from 0.")
@click.option(
    "--discordant",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.1,
    show_default=True,
    help="Share of rows on which two models differ.",
)
@click.option(
    "--expected", type=click.FloatRange(0, 1), default=0.85, show_default=True, help="Expected score."
)
@click.option(
    "--overfits",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    help="Refuted claims, or answers from the holdout, where a theorem counts them.",
)
@click.option("--rounds", type=click.IntRange(min=1), help="Batches that the queries come in.")
@click.option("--release", type=OneOf(_releases), help='What is released; "guess" if not given.')
@confidence_level_option(0.95)
@output_options
@guarded
def holdout(
    n: int | None,
    queries: int | None,
    width: float | None,
    difference: float | None,
    discordant: float,
    expected: float,
    overfits: int,
    rounds: int | None,
    release: Any,
    confidence_level: float,
    output_format: str,
    output: Path | None,
) -> None:
    """Say how good the answers of a holdout will be, for each mechanism with a proof.

    With --width or --difference, leave out --rows or --queries: the number that reaches it is
    looked for.

    \b
    Examples:
      validstats plan holdout --rows 5000 --queries 100
      validstats plan holdout --rows 5000 --width 0.03
      validstats plan holdout --queries 20 --difference 0.02
    """
    from validstats.holdout import plan as plan_holdout

    widths = plan_holdout(
        n,
        queries,
        width=width,
        difference=difference,
        release=release,
        overfits=overfits,
        rounds=rounds,
        expected=expected,
        discordant=discordant,
        confidence_level=confidence_level,
    )
    write_result(widths, output_format, output)


@plan.command()
@click.argument("file", type=click.Path(path_type=Path))
@study_options
@click.option(
    "--sizes", help="Numbers of expert labels, separated by commas; half to four times the present."
)
@click.option("--std-error", type=click.FloatRange(0, min_open=True), help="Standard error to reach.")
@output_options
@table_options
@guarded
def labels(
    file: Path,
    sizes: str | None,
    std_error: float | None,
    output_format: str,
    output: Path | None,
    **study: Any,
) -> None:
    """Forecast the standard errors that other numbers of expert labels would give, from those in FILE.

    \b
    Example (validstats data writes the file):
      validstats plan labels documents.csv --formula "expert_positive ~ log_length" --label expert_positive \\
        --surrogate machine_positive --model logit --sizes 400,800,1600
    """
    from validstats.dsl.plan import plan_labels

    try:
        numbers = [int(text) for text in parse_names(sizes)] or None
    except ValueError as error:
        raise click.UsageError(
            f"--sizes must be whole numbers separated by commas, got {sizes!r}."
        ) from error
    pilot = estimate_study(file, **study)
    write_result(plan_labels(pilot, numbers, target_std_error=std_error), output_format, output)


@plan.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--labels", "n_labels", type=click.IntRange(min=1), required=True, help="Expert labels to buy.")
@click.option("--uncertainty", help="Column with the expected size of the machine's error in each row.")
@click.option("--strata", help="Column with strata.")
@click.option(
    "--method",
    type=OneOf(_designs),
    default="auto",
    show_default=True,
)
@click.option(
    "--write",
    "rows_file",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=can_be_written,
    help="CSV file to write: the rows of FILE with sampling_probability and selected.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the draw.")
@output_options
@table_options
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
    from validstats.dsl.plan import design_sampling
    from validstats.runtime import whole_file

    table = read_table(file)
    check_columns(table, [strata] if strata else [], file, "--strata", groups=True)
    if rows_file is not None and rows_file.exists():
        raise DataError(f"{rows_file} exists already; name another file for --write.")
    reserved = [name for name in ("sampling_probability", "selected") if name in table.columns]
    error_sizes = None if uncertainty is None else numeric_column(table, uncertainty, file, "--uncertainty")
    with columns_as(uncertainty=uncertainty, strata=strata):
        proposal = design_sampling(
            table, n_labels, method=method, strata=strata, uncertainty=error_sizes, random_state=seed
        )
    if rows_file is not None:
        rows = table.drop(columns=reserved)
        rows["sampling_probability"] = proposal.sampling_probability
        rows["selected"] = proposal.selected.astype(int)
        with whole_file(rows_file) as draft:
            rows.to_csv(draft, index=False)
        click.echo(f"Wrote {rows_file}", err=True)
        if reserved:
            click.echo(f"Note: {rows_file} has new values of {' and '.join(reserved)}.", err=True)
    write_result(proposal, output_format, output)
