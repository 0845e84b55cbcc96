"""The user's files: read them with clear messages, and write what was found."""

from __future__ import annotations

import csv
import gzip
import json
import math
import warnings
import zlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from validstats.cli._options import DataError
from validstats.results import Page, Report, Section, Summary
from validstats.runtime import whole_file

__all__ = ["check_columns", "numeric_column", "read_table", "write_report", "write_result"]

_TEXT_SUFFIXES = {".csv": ",", ".tsv": "\t", ".txt": ","}
_PARQUET_SUFFIXES = (".parquet", ".pq")
_MISSING_NUMBERS = ("NA", "NaN", "nan")
_OTHER_WORDS = ("None", "NULL", "null", "N/A", "n/a", "<NA>", "#N/A")
_NUMERIC = ("floating", "integer")
_NOT_TEXT = (*_NUMERIC, "boolean", "empty")


def read_table(path: Path) -> Any:
    """Read a CSV, TSV or Parquet file.

    In CSV and TSV files an empty cell is missing, and so are NA, NaN and nan in a column that otherwise holds numbers
    or truth values; a column of texts keeps every word. Blanks after a separator and around names of columns are left
    out.

    Parameters
    ----------
    path : Path
        The file; the suffix decides (``.csv``, ``.tsv``, each also with ``.gz``, ``.parquet``, ``.pq``).

    Returns
    -------
    pandas.DataFrame
        At least one row; column names are distinct texts, and missing texts are None or NaN.

    Raises
    ------
    DataError
        If the file is missing, unreadable, empty, or has duplicate column names.
    """
    if path.is_dir():
        raise DataError(f"{path} is a folder; name one CSV, TSV or Parquet file in it.")
    if not path.is_file():
        raise DataError(f"There is no file {path}.")
    suffix = Path(path.stem).suffix.lower() if path.suffix.lower() == ".gz" else path.suffix.lower()
    if suffix in _PARQUET_SUFFIXES:
        table = _read_parquet(path)
    elif suffix in _TEXT_SUFFIXES:
        table = _read_csv(path, _TEXT_SUFFIXES[suffix])
    else:
        raise DataError(
            f"{path} has the suffix {path.suffix!r}; use .csv, .tsv (also with .gz), .parquet or .pq."
        )
    if len(table) == 0:
        raise DataError(f"{path} has columns but no rows.")
    return table


def check_columns(table: Any, names: Sequence[str], path: Path, option: str) -> None:
    """Check that columns exist.

    Parameters
    ----------
    table : pandas.DataFrame
        The table.
    names : sequence of str
        Columns that are needed.
    path : Path
        Where the table came from.
    option : str
        Option that named them.

    Raises
    ------
    DataError
        If one is missing; the message lists those there are, and the closest one.
    """
    for name in names:
        if name not in table.columns:
            raise DataError(
                f"{option} names the column {name!r}, which {path} does not have.{_closest(name, table)} "
                f"Its columns are: {', '.join(map(repr, map(str, table.columns)))}."
            )


def numeric_column(table: Any, name: str, path: Path, option: str) -> Any:
    """Take a column of numbers.

    Parameters
    ----------
    table : pandas.DataFrame
        The table.
    name : str
        The column.
    path : Path
        Where the table came from.
    option : str
        Option that named it.

    Returns
    -------
    ndarray of shape (n,), float64
        The values; NaN where one is missing.

    Raises
    ------
    DataError
        If a value is no number; the message quotes the first.
    """
    import pandas as pd

    check_columns(table, [name], path, option)
    values = pd.to_numeric(table[name], errors="coerce")
    wrong = values.isna() & table[name].notna()
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        raise DataError(
            f"The column {name!r} of {path} ({option}) must hold numbers; row {row + 1} has "
            f"{str(table[name].iloc[row])[:60]!r} ({int(wrong.sum())} such rows)."
        )
    return values.to_numpy(dtype="float64", na_value=float("nan"))


def write_result(result: Any, output_format: str, output: Path | None) -> None:
    """Print or write a result.

    Parameters
    ----------
    result : Result
        The result.
    output_format : {"text", "html", "latex", "markdown", "json"}
        The format.
    output : Path or None
        File; the standard output if None.
    """
    if output_format == "json":
        return _emit(_json(result.to_dict()), output)
    return _emit(_render(result.summary(), output_format), output)


def write_report(report: Report, values: dict[str, Any], output_format: str, output: Path | None) -> None:
    """Print or write a report that is no result.

    Parameters
    ----------
    report : Report
        What to print.
    values : dict
        The same as plain values, for JSON.
    output_format : {"text", "html", "latex", "markdown", "json"}
        The format.
    output : Path or None
        File; the standard output if None.
    """
    text = _json(values) if output_format == "json" else _render(Summary(report), output_format)
    _emit(text, output)


def _read_parquet(path: Path) -> Any:
    import pandas as pd
    from pandas.api.types import is_string_dtype

    try:
        table = _with_text_names(pd.read_parquet(path), path)
    except ImportError as error:
        raise DataError(
            f"Reading {path} needs pyarrow, which is not installed: pip install pyarrow, or save it as CSV."
        ) from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as Parquet: {_first_line(error)}") from error
    for name, dtype in table.dtypes.items():
        if getattr(dtype, "na_value", None) is pd.NA and is_string_dtype(dtype):
            table[name] = table[name].astype(object).where(table[name].notna(), None)
    return table


def _read_csv(path: Path, delimiter: str) -> Any:
    import pandas as pd

    try:
        names = _header(path, delimiter)
        _check_distinct(names, path)
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = _parse_csv(path, delimiter)
        return _with_text_names(table, path)
    except pd.errors.ParserWarning as error:
        raise DataError(
            f"{path} has rows with more fields than the {len(names)} names in its first line; quote fields that hold the "
            "separator."
        ) from error
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{path} is empty.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8.") from error
    except (pd.errors.ParserError, csv.Error, OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read as a table: {_first_line(error)}") from error


def _parse_csv(path: Path, delimiter: str) -> Any:
    import pandas as pd
    from pandas.api.types import infer_dtype

    parse = partial(
        pd.read_csv,
        path,
        sep=delimiter,
        index_col=False,
        encoding="utf-8-sig",
        keep_default_na=False,
        low_memory=False,
        skipinitialspace=True,
    )
    table = parse(na_values=[""])
    words = (*_MISSING_NUMBERS, *_OTHER_WORDS)
    doubtful = [name for name in table.columns if table[name].isin(words).any()]
    if doubtful:
        reread = parse(na_values=["", *words], usecols=doubtful)
        for name in doubtful:
            kind = infer_dtype(reread[name], skipna=True)
            others = sorted(set(_OTHER_WORDS) & set(table[name]))
            if kind in _NOT_TEXT and not others:
                table[name] = reread[name]
            elif kind in _NUMERIC and reread[name].notna().any():
                _note_words(str(name).strip(), others, path)
    return table


def _note_words(name: str, words: list[str], path: Path) -> None:
    click.echo(
        f"Note: the column {name!r} of {path} is taken as text because of {', '.join(map(repr, words))} beside numbers; "
        "leave cells without a value empty.",
        err=True,
    )


def _header(path: Path, delimiter: str) -> list[str]:
    opener = gzip.open if path.suffix.lower() == ".gz" else open
    with opener(path, "rt", encoding="utf-8-sig", newline="") as handle:
        names = next(csv.reader(handle, delimiter=delimiter, skipinitialspace=True), [])
    return [name.strip() for name in names]


def _check_distinct(names: Sequence[str], path: Path) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DataError(f"{path} has several columns named {', '.join(map(repr, repeated))}; rename them.")


def _with_text_names(table: Any, path: Path) -> Any:
    table.columns = [str(name).strip() for name in table.columns]
    _check_distinct(list(table.columns), path)
    return table


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _closest(name: str, table: Any) -> str:
    from difflib import get_close_matches

    found = get_close_matches(name, [str(c) for c in table.columns], n=1)
    return f" Did you mean {found[0]!r}?" if found else ""


def _render(summary: Summary, output_format: str) -> str:
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
    folder = output.absolute().parent
    if not folder.is_dir():
        raise DataError(f"The folder of --output does not exist: {folder}. Create it first.")
    with whole_file(output) as draft:
        draft.write_text(text if text.endswith("\n") else text + "\n", encoding="utf-8")
    click.echo(f"Wrote {output}", err=True)
