"""Tables in files: what a file is, is recognised, and what was assumed is said."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import re
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from validstats.intake.frames import plain_frame
from validstats.intake.kinds import is_missing

__all__ = ["TableError", "TableFormat", "read_table", "read_words"]

_TEXT_SUFFIXES = {".csv": ",", ".tsv": "\t", ".txt": ","}
_PARQUET_SUFFIXES = (".parquet", ".pq")
_JSON_SUFFIXES = (".jsonl", ".ndjson")
_EXCEL_SUFFIXES = (".xlsx", ".xlsm")
_SEPARATORS = (",", ";", "\t", "|")
_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
_SNIFFED_LINES = 50
"""Lines from which separator and decimal sign are guessed."""

_MISSING_NUMBERS = ("NA", "NaN", "nan")
_OTHER_WORDS = ("None", "NULL", "null", "N/A", "n/a", "<NA>", "#N/A", "#NV", "-")
_NUMERIC = ("floating", "integer")
_NOT_TEXT = (*_NUMERIC, "boolean", "empty")

_DECIMAL_COMMA = re.compile(r"[+-]?(\d+|\d{1,3}(\.\d{3})+)(,\d+)?$")
_THOUSANDS_COMMA = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?$")
_PLAIN_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$")


class TableError(ValueError):
    """A file cannot be read as a table."""


@dataclass(frozen=True)
class TableFormat:
    """How a text file is written; None is guessed from the file.

    Parameters
    ----------
    separator : str or None, default None
        One character between fields.
    decimal : {".", ","} or None, default None
        Decimal sign.
    thousands : {",", ".", " ", "'"} or None, default None
        Sign between groups of three digits.
    encoding : str or None, default None
        Encoding, such as ``"utf-8"`` or ``"latin-1"``.
    """

    separator: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    encoding: str | None = None


def read_table(path: Path, written: TableFormat | None = None) -> tuple[Any, list[str]]:
    """Read a CSV, TSV, JSON lines, Excel or Parquet file.

    In text files an empty cell is missing, and so are NA, NaN and their like in a column that otherwise holds numbers
    or truth values; a column of texts keeps every word. Blanks after a separator and around names of columns are left
    out. A first column without a name whose entries differ holds the names of the rows, as R writes them.

    Parameters
    ----------
    path : Path
        The file; the suffix decides (``.csv``, ``.tsv``, ``.txt``, each also with ``.gz``, ``.jsonl``, ``.xlsx``,
        ``.parquet``, ``.pq``).
    written : TableFormat or None, default None
        How a text file is written; what is None is guessed.

    Returns
    -------
    table : pandas.DataFrame
        At least one row; column names are distinct texts, and missing texts are None or NaN.
    notes : list of str
        What was assumed beyond commas, decimal points and UTF-8, one sentence each.

    Raises
    ------
    TableError
        If the file is missing, unreadable, empty, or has duplicate column names.
    """
    if path.is_dir():
        raise TableError(f"{path} is a folder; name one CSV, TSV, JSON lines, Excel or Parquet file in it.")
    if not path.is_file():
        raise TableError(f"There is no file {path}.")
    suffix = Path(path.stem).suffix.lower() if path.suffix.lower() == ".gz" else path.suffix.lower()
    notes: list[str] = []
    if suffix in _PARQUET_SUFFIXES:
        table = _read_parquet(path)
    elif suffix in _JSON_SUFFIXES:
        table = _read_json_lines(path)
    elif suffix in _EXCEL_SUFFIXES:
        table = _read_excel(path, notes)
    elif suffix in _TEXT_SUFFIXES:
        table = _read_text(path, _TEXT_SUFFIXES[suffix], written or TableFormat(), notes)
    else:
        raise TableError(
            f"{path} has the suffix {path.suffix!r}; use .csv, .tsv (also with .gz), .jsonl, .xlsx, .parquet or .pq."
        )
    if len(table) == 0:
        raise TableError(f"{path} has columns but no rows.")
    return plain_frame(table), notes


def read_words(path: Path, names: Sequence[str], written: TableFormat | None = None) -> tuple[Any, list[str]]:
    """Read some columns of a table as they are written, so that 01 and 1 are different words.

    Parameters
    ----------
    path : Path
        The file, as for :func:`read_table`.
    names : sequence of str
        Its columns that are wanted.
    written : TableFormat or None, default None
        How a text file is written; what is None is guessed.

    Returns
    -------
    words : pandas.DataFrame
        The columns as text, None where a cell is empty.
    notes : list of str
        What was assumed, one sentence each.

    Raises
    ------
    TableError
        If the file cannot be read as a table, or lacks a column.
    """
    import pandas as pd

    table, notes = read_table(path, written)
    for name in names:
        if name not in table.columns:
            raise TableError(
                f"{path} has no column {name!r}; its columns are: {', '.join(map(repr, table.columns))}."
            )
    suffix = Path(path.stem).suffix.lower() if path.suffix.lower() == ".gz" else path.suffix.lower()
    if suffix in _TEXT_SUFFIXES:
        asked = _guessed(path, _TEXT_SUFFIXES[suffix], written or TableFormat(), [])
        kept = {"sep": asked.separator, "encoding": asked.encoding, "index_col": False}
        raw = pd.read_csv(
            path, **kept, dtype=str, na_values=[""], keep_default_na=False, skipinitialspace=True
        )
        table = raw.rename(columns=str.strip)
    return pd.DataFrame(
        {name: [None if is_missing(v) else str(v) for v in table[name]] for name in names}
    ), notes


def _read_parquet(path: Path) -> Any:
    import pandas as pd
    from pandas.api.types import is_string_dtype

    try:
        table = _with_text_names(pd.read_parquet(path), path)
    except ImportError as error:
        raise TableError(
            f"Reading {path} needs pyarrow, which is not installed: pip install pyarrow, or save it as CSV."
        ) from error
    except (OSError, ValueError) as error:
        if isinstance(error, TableError):
            raise
        raise TableError(f"{path} cannot be read as Parquet: {_first_line(error)}") from error
    for name, dtype in table.dtypes.items():
        if getattr(dtype, "na_value", None) is pd.NA and is_string_dtype(dtype):
            table[name] = table[name].astype(object).where(table[name].notna(), None)
    return table


def _read_json_lines(path: Path) -> Any:
    import pandas as pd

    try:
        with _open(path) as file:
            rows = [json.loads(line) for line in file if line.strip()]
        if not all(isinstance(row, dict) for row in rows):
            raise TableError(f'{path} has lines that are no JSON objects, such as {{"x": 1, "y": 0}}.')
        table = _with_text_names(pd.DataFrame(rows), path)
    except (OSError, ValueError, EOFError, RecursionError, zlib.error) as error:
        if isinstance(error, TableError):
            raise
        raise TableError(f"{path} cannot be read as JSON lines: {_first_line(error)}") from error
    nested = [n for n in table.columns if any(isinstance(v, dict | list) for v in table[n].head(100))]
    if nested:
        raise TableError(
            f"{path} has nested values in {', '.join(map(repr, nested))}; keep one value a field, or leave them out."
        )
    return table


def _read_excel(path: Path, notes: list[str]) -> Any:
    import pandas as pd

    try:
        with pd.ExcelFile(path) as book:
            sheets = book.sheet_names
            table = _with_text_names(pd.read_excel(book, sheet_name=sheets[0]), path)
    except ImportError as error:
        raise TableError(
            f"Reading {path} needs openpyxl, which is not installed: pip install openpyxl, or save it as CSV."
        ) from error
    except Exception as error:
        if isinstance(error, TableError | MemoryError):
            raise
        raise TableError(f"{path} cannot be read as an Excel file: {_first_line(error)}") from error
    if len(sheets) > 1:
        notes.append(f"{path} has {len(sheets)} sheets; the first one, {sheets[0]!r}, was read.")
    return _row_names(table, path, notes)


def _read_text(path: Path, usual: str, written: TableFormat, notes: list[str]) -> Any:
    import pandas as pd

    try:
        written = _guessed(path, usual, written, notes)
        names = _header(path, written)
        _check_distinct(names, path)
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = _parse(path, written, notes)
        return _row_names(_with_text_names(table, path), path, notes)
    except pd.errors.ParserWarning as error:
        raise TableError(
            f"{path} has rows with more fields than the {len(names)} names in its first line; quote fields that hold the "
            "separator."
        ) from error
    except pd.errors.EmptyDataError as error:
        raise TableError(f"{path} is empty.") from error
    except (UnicodeDecodeError, LookupError) as error:
        raise TableError(f"{path} is not text in {written.encoding}: {_first_line(error)}") from error
    except (pd.errors.ParserError, csv.Error, OSError, EOFError, zlib.error) as error:
        raise TableError(f"{path} cannot be read as a table: {_first_line(error)}") from error


def _open(path: Path) -> io.BufferedIOBase:
    return gzip.open(path, "rb") if path.suffix.lower() == ".gz" else open(path, "rb")


def _guessed(path: Path, usual: str, written: TableFormat, notes: list[str]) -> TableFormat:
    """Fill in what was not said: encoding from the bytes, separator and decimal sign from the first lines."""
    encoding = written.encoding or _guess_encoding(path, notes)
    written = replace(written, encoding=encoding)
    lines = _first_lines(path, encoding)
    if written.separator is None:
        separator = _guess_separator(lines, usual)
        if separator != usual:
            notes.append(f"{path} is read with the {_NAMES[separator]} as separator (--sep says otherwise).")
        written = replace(written, separator=separator)
    if written.decimal is None:
        decimal, thousands = _guess_signs(lines, str(written.separator))
        if decimal == ",":
            notes.append(f"{path} is read with decimal commas, as in 1,5 (--decimal . says otherwise).")
        if thousands and written.thousands is None:
            notes.append(
                f"{path} is read with {thousands!r} between groups of three digits (--decimal and --thousands say otherwise)."
            )
        written = replace(written, decimal=decimal, thousands=written.thousands or thousands)
    return written


def _guess_encoding(path: Path, notes: list[str]) -> str:
    """UTF-8 if every byte is; UTF-16 by its mark; otherwise Windows-1252, which covers Latin-1 text."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with _open(path) as file:
        start = file.read(4)
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and len(start) > 3 and 0 in start[2:]:
            notes.append(f"{path} is read as UTF-16 (--encoding says otherwise).")
            return "utf-16"
        block = start
        while block:
            try:
                decoder.decode(block)
            except UnicodeDecodeError:
                notes.append(
                    f"{path} is no UTF-8 and is read as Windows-1252 (Latin-1); check names and words with accents, "
                    "or say --encoding."
                )
                return "cp1252" if _is_cp1252(path) else "latin-1"
            block = file.read(1 << 20)
    return "utf-8-sig"


def _is_cp1252(path: Path) -> bool:
    with _open(path) as file:
        return not any(byte in (0x81, 0x8D, 0x8F, 0x90, 0x9D) for byte in set(file.read(1 << 20)))


def _first_lines(path: Path, encoding: str) -> list[str]:
    with _open(path) as file, io.TextIOWrapper(file, encoding=encoding, newline="") as text:  # type: ignore[type-var]
        return [line for _, line in zip(range(_SNIFFED_LINES), text, strict=False) if line.strip()]


def _guess_separator(lines: Sequence[str], usual: str) -> str:
    """The usual separator if it splits the header; otherwise the one that splits all lines into equally many fields."""
    if not lines:
        return usual
    counts = {
        s: [len(row) for row in csv.reader(lines, delimiter=s, skipinitialspace=True)] for s in _SEPARATORS
    }
    regular = [s for s in _SEPARATORS if counts[s][0] > 1 and len(set(counts[s])) == 1]
    if counts[usual][0] > 1 and (usual in regular or not regular):
        return usual
    return max(regular, key=lambda s: counts[s][0]) if regular else usual


def _guess_signs(lines: Sequence[str], separator: str) -> tuple[str, str | None]:
    """Decimal sign and sign of thousands by the columns that are numbers in one way only."""
    rows = list(csv.reader(lines, delimiter=separator, skipinitialspace=True))[1:]
    width = max(map(len, rows), default=0)
    decimal, thousands = ".", None
    for j in range(width):
        cells = [row[j].strip() for row in rows if j < len(row)]
        words = (*_MISSING_NUMBERS, *_OTHER_WORDS)
        cells = [c for c in cells if c and c not in words]
        if not cells or all(_PLAIN_NUMBER.match(c) for c in cells):
            continue
        grouped = all(_THOUSANDS_COMMA.match(c) or _PLAIN_NUMBER.match(c) for c in cells)
        if all(_DECIMAL_COMMA.match(c) for c in cells) and not (grouped and separator == ","):
            decimal = ","
            thousands = "." if any("." in c for c in cells) else thousands
        elif grouped:
            thousands = ","
    return decimal, thousands


def _parse(path: Path, written: TableFormat, notes: list[str]) -> Any:
    import pandas as pd
    from pandas.api.types import infer_dtype

    parse = partial(
        pd.read_csv,
        path,
        sep=written.separator,
        index_col=False,
        encoding=written.encoding,
        decimal=written.decimal or ".",
        thousands=written.thousands,
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
            if kind in _NOT_TEXT and (not others or (kind in _NUMERIC and reread[name].notna().any())):
                table[name] = reread[name]
                if others:
                    notes.append(
                        f"{', '.join(map(repr, others))} among the numbers of the column {str(name).strip()!r} of {path} "
                        "count as missing."
                    )
    for name in table.columns:
        _note_mixed(table[name], str(name).strip(), path, notes)
    return table


def _note_mixed(column: Any, name: str, path: Path, notes: list[str]) -> None:
    """Say that a column of numbers is read as text because of a few words."""
    if column.dtype.kind in "fiubmM":
        return
    present = column.dropna().astype(str).str.strip()
    numbers = present.str.fullmatch(_PLAIN_NUMBER)
    if numbers.mean() > 0.9 and not numbers.all():
        words = list(dict.fromkeys(present[~numbers]))
        notes.append(
            f"The column {name!r} of {path} holds {int(numbers.sum())} numbers and {int((~numbers).sum())} words such as "
            f"{words[0][:40]!r}: it is read as text."
        )


def _header(path: Path, written: TableFormat) -> list[str]:
    with _open(path) as file, io.TextIOWrapper(file, encoding=written.encoding, newline="") as text:  # type: ignore[type-var]
        names = next(csv.reader(text, delimiter=str(written.separator), skipinitialspace=True), [])
    return [name.strip() for name in names]


def _row_names(table: Any, path: Path, notes: list[str]) -> Any:
    """Take a first column without a name as the names of the rows, if they differ."""
    first = str(table.columns[0]) if len(table.columns) > 1 else "named"
    if first not in ("", "Unnamed: 0") or not table.iloc[:, 0].is_unique or table.iloc[:, 0].isna().any():
        return table
    notes.append(f"The first column of {path} has no name and holds the names of the rows.")
    named = table.iloc[:, 1:]
    named.index = table.iloc[:, 0].rename(None)
    return named


def _check_distinct(names: Sequence[str], path: Path) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise TableError(f"{path} has several columns named {', '.join(map(repr, repeated))}; rename them.")


def _with_text_names(table: Any, path: Path) -> Any:
    table.columns = [str(name).strip() for name in table.columns]
    _check_distinct(list(table.columns), path)
    return table


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
