"""The user's files: read them with clear messages, and write what was found."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from validstats.cli._options import TABLE_FORMAT, DataError, parse_names

if TYPE_CHECKING:
    from validstats.results import Report, Summary

__all__ = [
    "check_columns",
    "numeric_column",
    "read_table",
    "read_words",
    "with_columns_of",
    "write_report",
    "write_result",
]


def read_table(path: Path) -> Any:
    """Read a table as the options of the running command say, and print what was assumed."""
    from validstats import intake

    return _noted(*intake.read_table(path, _written()))


def read_words(path: Path, names: Sequence[str]) -> Any:
    """Read some columns as they are written, and print what was assumed."""
    from validstats import intake

    return _noted(*intake.read_words(path, names, _written()))


def _written() -> Any:
    context = click.get_current_context(silent=True)
    return None if context is None else context.meta.get(TABLE_FORMAT)


def _noted(table: Any, notes: Sequence[str]) -> Any:
    for note in notes:
        click.echo(f"Note: {note}", err=True)
    return table


def check_columns(
    table: Any, names: Sequence[str], path: Path, option: str, groups: bool = False, infinite: bool = False
) -> None:
    """Check that columns exist and hold numbers or words; names of groups may be dates."""
    for name in names:
        if name not in table.columns:
            raise DataError(
                f"{option} names the column {name!r}, which {path} does not have.{_closest(name, table)} "
                f"Its columns are: {', '.join(map(repr, map(str, table.columns)))}."
            )
        _check_kind(table[name], f"The column {name!r} of {path} ({option})", groups, infinite)


def _check_kind(column: Any, what: str, groups: bool, infinite: bool) -> None:
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    from validstats import intake

    if is_numeric_dtype(column) and not is_bool_dtype(column):
        values = column.to_numpy() if column.dtype.kind in "iuf" else intake.read_array(column, what)
        if not groups:
            intake.check_vector(values, what, allow_nan=True, allow_infinite=infinite, allow_empty=True)
        return
    try:
        intake.read_array(column, what, dates=True)
    except TypeError as error:
        raise DataError(f"{error}") from error
    if not groups and (column.dtype.kind in "mM" or intake.holds_dates(column)):
        raise DataError(
            f"{what} holds dates or durations; write them as a number, such as days since the first, or as text if they "
            "are categories."
        )


def numeric_column(table: Any, name: str, path: Path, option: str) -> Any:
    """Take a column of numbers."""
    import numpy as np
    import pandas as pd

    check_columns(table, [name], path, option)
    values = pd.to_numeric(table[name], errors="coerce")
    if not np.isfinite(values.dropna().to_numpy(dtype="float64")).all():
        raise DataError(f"The column {name!r} of {path} ({option}) has infinite values; it must be finite.")
    wrong = values.isna() & table[name].notna()
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        raise DataError(
            f"The column {name!r} of {path} ({option}) must hold numbers; row {row + 1} has "
            f"{str(table[name].iloc[row])[:60]!r} ({int(wrong.sum())} such rows)."
        )
    return values.to_numpy(dtype="float64", na_value=float("nan"))


def with_columns_of(
    other: Path,
    names: Sequence[str],
    table: Any,
    file: Path,
    key: str | None,
    option: str,
    partial: bool = False,
) -> Any:
    """Add columns of another file to a table, matched by the column that names the rows in both."""
    from validstats import intake

    keys = parse_names(key)
    if not keys:
        raise click.UsageError(f"{option} needs --key, the column that names the rows in both files.")
    check_columns(table, keys, file, "--key", groups=True)
    found = read_table(other)
    check_columns(found, [*keys, *names], other, f"--key or {option}", groups=True)
    clash = [name for name in names if name in table.columns]
    if clash:
        raise DataError(f"{file} has the column {clash[0]!r} as well as {other}; leave it out of one.")
    named, given = (_with_key(part, keys) for part in (table, found))
    rows = intake.row_labels(named, _KEY, str(file))
    rows = replace(rows, source=f"the column {', '.join(map(repr, keys))} of {file}")
    matched = intake.align(given, rows, str(other), partial=partial)
    return table.assign(**{name: matched[name].to_numpy() for name in names})


_KEY = "the names of rows"


def _with_key(table: Any, keys: Sequence[str]) -> Any:
    """Add one column that names the rows: the key itself, or the words of several columns together."""
    if len(keys) == 1:
        return table.assign(**{_KEY: table[keys[0]]})
    words = [table[name].astype(str) for name in keys]
    return table.assign(**{_KEY: words[0].str.cat(words[1:], sep=" / ")})


def write_result(result: Any, output_format: str, output: Path | None) -> None:
    """Print or write a result."""
    if output_format == "json":
        return _emit(_json(result.to_dict()), output)
    return _emit(_render(result.summary(), output_format), output)


def write_report(report: Report, values: dict[str, Any], output_format: str, output: Path | None) -> None:
    """Print or write a report that is no result."""
    from validstats.results import Summary

    text = _json(values) if output_format == "json" else _render(Summary(report), output_format)
    _emit(text, output)


def _closest(name: str, table: Any) -> str:
    from difflib import get_close_matches

    found = get_close_matches(name, [str(c) for c in table.columns], n=1)
    return f" Did you mean {found[0]!r}?" if found else ""


def _render(summary: Summary, output_format: str) -> str:
    from validstats.results import Page, Section

    if output_format == "html":
        return Page(summary.report.title, "", [Section("Result", summaries=[summary])]).as_html()
    return {"text": summary.as_text, "latex": summary.as_latex, "markdown": summary.as_markdown}[
        output_format
    ]()


def _json(values: Any) -> str:
    return json.dumps(_finite(values), ensure_ascii=False, indent=2, allow_nan=False)


def _finite(value: Any) -> Any:
    """Replace what JSON does not have: NaN by null, infinities by text, other numbers by floats."""
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if hasattr(value, "tolist"):
        return _finite(value.tolist())
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    try:
        number = float(value)
    except (TypeError, ValueError):
        return str(value)
    if math.isnan(number):
        return None
    return ("inf" if number > 0 else "-inf") if math.isinf(number) else number


def _emit(text: str, output: Path | None) -> None:
    if output is None:
        click.echo(text)
        return
    from validstats.runtime import whole_file

    try:
        with whole_file(output) as draft:
            draft.write_text(text if text.endswith("\n") else text + "\n", encoding="utf-8")
    except OSError as error:
        click.echo(text)  # an answer may have been paid for
        raise DataError(
            f"{output} could not be written ({error.strerror}); the answer was printed."
        ) from error
    click.echo(f"Wrote {output}", err=True)
