"""``validstats mi``: how strongly columns depend on each other, and whether they do."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import click
from click.core import ParameterSource

from validstats.cli._options import (
    DataError,
    OneOf,
    columns_as,
    confidence_level_option,
    guarded,
    key_option,
    output_options,
    parse_names,
    table_options,
)
from validstats.cli._tables import check_columns, read_table, with_columns_of, write_result

__all__ = ["mi"]


def _methods() -> tuple[str, ...]:
    from validstats.mi.methods import Method

    return get_args(Method)


def _units() -> tuple[str, ...]:
    from validstats.mi.estimators import Unit

    return get_args(Unit)


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--x", "x_names", required=True, help="Column, or several separated by commas, of the first side."
)
@click.option("--y", "y_names", required=True, help="The same for the second side.")
@key_option
@click.option(
    "--y-from",
    type=click.Path(path_type=Path),
    help="File with the columns of --y, in any order, matched by --key.",
)
@click.option(
    "--method",
    type=OneOf(_methods),
    default="learned",
    show_default=True,
    help="Estimator, and with --test the statistic (by default the combined one).",
)
@click.option("--unit", type=OneOf(_units), default="nats", show_default=True)
@click.option("--test", is_flag=True, help="Test independence by permutations instead: exact p-value.")
@click.option("--strata", help="With --test: column to condition on.")
@click.option(
    "--permutations", type=click.IntRange(min=1), default=199, show_default=True, help="With --test."
)
@click.option("--max-rows", type=click.IntRange(min=10), help="Use at most so many rows, drawn at random.")
@confidence_level_option(0.95)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@output_options
@table_options
@guarded
def mi(
    file: Path,
    x_names: str,
    y_names: str,
    key: str | None,
    y_from: Path | None,
    method: Any,
    unit: Any,
    test: bool,
    strata: str | None,
    permutations: int,
    max_rows: int | None,
    confidence_level: float,
    seed: int,
    output_format: str,
    output: Path | None,
) -> None:
    """Estimate the mutual information of columns of FILE, or test whether they are independent.

    Rows with a missing value in these columns are left out.

    \b
    Examples (validstats data writes the file):
      validstats mi labelled.csv --x vader_compound --y human_mean
      validstats mi labelled.csv --x vader_compound,n_words --y human_mean --method ksg
      validstats mi labelled.csv --x n_words,n_exclaim --y human_mean --test --method ksg --max-rows 500
    """
    x_columns, y_columns = parse_names(x_names), parse_names(y_names)
    if strata is not None and not test:
        raise click.UsageError("--strata needs --test.")
    _refuse_unread({"permutations": False, "unit": True, "confidence_level": True}, test)
    table = read_table(file)
    if y_from is not None:
        table = with_columns_of(y_from, y_columns, table, file, key, "--y-from")
    table = _complete_rows(table, file, x_columns, y_columns, strata)
    if max_rows is not None and len(table) > max_rows:
        table = table.sample(max_rows, random_state=seed)
    sides = [_side(table, names) for names in (x_columns, y_columns)]
    with columns_as(x=x_names, y=y_names, strata=strata):
        if test:
            from validstats.mi import independence_test

            result: Any = independence_test(
                *sides,
                statistic=_statistic(method),
                strata=None if strata is None else table[strata].to_numpy(),
                n_permutations=permutations,
                random_state=seed,
            )
        else:
            from validstats.mi import mutual_info

            result = mutual_info(*sides, method=method, unit=unit, confidence_level=confidence_level)
    write_result(result, output_format, output)


def _refuse_unread(belongs_to_estimate: dict[str, bool], test: bool) -> None:
    context = click.get_current_context()
    for name, estimate in belongs_to_estimate.items():
        given = context.get_parameter_source(name) is not ParameterSource.DEFAULT
        if given and estimate == test:
            option = f"--{name.replace('_', '-')}"
            raise click.UsageError(f"{option} {'is not read with' if test else 'needs'} --test.")


def _complete_rows(table: Any, file: Path, x: list[str], y: list[str], strata: str | None) -> Any:
    for names, option in ((x, "--x"), (y, "--y")):
        if not names:
            raise click.UsageError(f"{option} names no column.")
        check_columns(table, names, file, option)
    check_columns(table, [strata] if strata else [], file, "--strata", groups=True)
    used = list(dict.fromkeys([*x, *y, *([strata] if strata else [])]))
    complete = table[used].dropna()
    if len(complete) < 10:
        raise DataError(
            f"{file} has {len(complete)} rows without missing values in {', '.join(map(repr, used))}; at least 10 "
            "are needed."
        )
    if len(complete) < len(table):
        click.echo(f"Note: {len(table) - len(complete):,} rows with missing values were left out.", err=True)
    return complete


def _side(table: Any, names: list[str]) -> Any:
    return table[names[0]] if len(names) == 1 else table[names]


def _statistic(method: str) -> Any:
    """Statistic of the test: the method if one was chosen, else the combined statistic."""
    source = click.get_current_context().get_parameter_source("method")
    return "combined" if source == ParameterSource.DEFAULT else method
