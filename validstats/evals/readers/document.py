"""A file that is open: a zip archive, a JSON value, or records, recognised by content."""

from __future__ import annotations

import csv
import io
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from validstats.evals.readers.errors import EvalFileError
from validstats.evals.readers.limits import (
    MAX_LINE,
    InputFile,
    Zip,
    decode_text,
    load_json,
    load_json_lines,
    read_bytes,
)
from validstats.evals.readers.table import Check
from validstats.intake import plain_frame

__all__ = ["Document", "Kind", "open_document"]

Kind: TypeAlias = Literal["zip", "json", "records", "table"]
"""What a file holds: an archive, one JSON value, JSON objects, or a table."""

_SEPARATORS = (",", ";", "\t", "|")
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
_SAMPLE_LINES = 25
_WORDS_FOR_MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "None")


@dataclass(frozen=True, eq=False)
class Document:
    """What a file holds, before anything is known about its format."""

    name: str
    folder: str
    stem: str
    sha256: str
    path: str
    kind: Kind
    value: Any
    checks: tuple[Check, ...] = field(default=())
    given: Mapping[str, str] = field(default_factory=dict)
    """Roles of columns that the caller names."""

    def input_file(self, format_name: str, rows: int) -> InputFile:
        """The record of this file."""
        return InputFile(self.name, self.sha256, format_name, rows, self.path)

    @property
    def names(self) -> frozenset[str]:
        """Keys of the first hundred records or columns of the table, in lower case."""
        if self.kind == "records":
            return frozenset(str(key).lower() for row in self.value[:100] for key in row)
        if self.kind == "table":
            return frozenset(str(name).lower() for name in self.value.columns)
        return frozenset()


def open_document(path: Path, given: Mapping[str, str] | None = None) -> Document:
    """Open a file within the limits and tell what it holds."""
    content, digest = read_bytes(path)
    name = path.name
    common: dict[str, Any] = {
        "name": name,
        "folder": path.resolve().parent.name,
        "stem": path.stem,
        "sha256": digest,
        "path": str(path),
        "given": dict(given or {}),
    }
    if content.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return Document(**common, kind="zip", value=Zip(content, name))
    if content.startswith(b"PAR1"):
        return Document(**common, kind="table", value=_read_parquet(content, name))
    if content.startswith(b"\x1f\x8b"):
        raise EvalFileError(f"{name} is packed with gzip; unpack it first.")
    text, encoding = decode_text(content, name)
    start = text.lstrip()[:1]
    if not start:
        raise EvalFileError(f"{name} holds only blanks.")
    if start in "{[":
        kind, value = _json_or_lines(text, name)
        return Document(**common, kind=kind, value=value)
    table, notes = _read_delimited(text, name)
    if encoding != "utf-8":
        notes = (*notes, Check("encoding", "note", f"{name} is read as {encoding}."))
    return Document(**common, kind="table", value=table, checks=notes)


def _json_or_lines(text: str, name: str) -> tuple[Kind, Any]:
    """One JSON value, or one object a line; a list of objects is records."""
    first, _, rest = text.strip().partition("\n")
    if first.startswith("{") and first.rstrip().endswith("}") and rest.lstrip().startswith("{"):
        return "records", load_json_lines(text, name)
    value = load_json(text, name)
    if isinstance(value, list):
        if not value or not all(isinstance(row, dict) for row in value):
            raise EvalFileError(f"{name} is a JSON list, but not of objects.")
        return "records", value
    if not isinstance(value, dict):
        raise EvalFileError(f"{name} holds no JSON object.")
    if value and not any(isinstance(part, list | dict) for part in value.values()):
        return "records", [value]  # one record on one line
    return "json", value


def _read_parquet(content: bytes, name: str) -> Any:
    """A Parquet table; every fault of the file is one sentence."""
    import pandas as pd

    try:
        from pyarrow.parquet import read_schema

        _check_names(read_schema(io.BytesIO(content)).names, name)
        table = pd.read_parquet(io.BytesIO(content))
        for column, dtype in table.dtypes.items():
            # Arrow decodes texts late: damaged ones must be noticed here.
            if pd.api.types.is_string_dtype(dtype):
                table[column] = table[column].astype(object).where(table[column].notna(), None)
    except EvalFileError:
        raise
    except ImportError as error:
        raise EvalFileError(
            f"Reading {name} needs pyarrow: pip install pyarrow, or save it as CSV."
        ) from error
    except Exception as error:  # pyarrow raises many kinds for damaged files
        raise EvalFileError(f"{name} cannot be read as Parquet; it may be damaged.") from error
    if len(table) == 0:
        raise EvalFileError(f"{name} has columns but no rows.")
    table.columns = [str(column) for column in table.columns]
    return plain_frame(table.reset_index(drop=True))


def _read_delimited(text: str, name: str) -> tuple[Any, tuple[Check, ...]]:
    """A table with a separator, decimal sign and line ends that are guessed from its first lines."""
    import pandas as pd

    longest = max(map(len, text.splitlines()[: 10 * _SAMPLE_LINES]), default=0)
    if longest > MAX_LINE:
        raise EvalFileError(f"{name} has a line of {longest:,} characters, more than {MAX_LINE:,}.")
    separator = _guess_separator(text, name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(
                io.StringIO(text),
                sep=separator,
                dtype=str,
                na_filter=False,
                skipinitialspace=True,
                index_col=False,
            )
    except pd.errors.ParserWarning as error:
        raise EvalFileError(f"{name} has rows with more fields than names in its first line.") from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError, csv.Error, ValueError, OverflowError) as error:
        detail = str(error).strip().splitlines()
        raise EvalFileError(
            f"{name} cannot be read as a table: {detail[0][:200] if detail else 'damaged'}."
        ) from error
    if len(table) == 0:
        raise EvalFileError(f"{name} has a first line but no rows.")
    table.columns = [str(column).strip() for column in table.columns]
    header = next(csv.reader(io.StringIO(text), delimiter=separator, skipinitialspace=True), [])
    _check_names([column.strip() for column in header], name)
    notes = []
    if separator != ",":
        shown = {"\t": "a tab"}.get(separator, repr(separator))
        notes.append(Check("separator", "note", f"{name} is read with the separator {shown}."))
    comma = [column for column in table.columns if separator != "," and _has_decimal_comma(table[column])]
    for column in comma:
        table[column] = table[column].str.replace(",", ".")
    if comma:
        shown = ", ".join(map(repr, comma))
        notes.append(
            Check("decimal-comma", "note", f"A comma is read as the decimal sign in {shown} of {name}.")
        )
    for column in table.columns:
        table[column] = _numbers_or_text(table[column])
    return table, tuple(notes)


def _guess_separator(text: str, name: str) -> str:
    """The separator that divides the first lines into the most columns, equally many in each."""
    lines = [line for line in text.splitlines()[:_SAMPLE_LINES] if line.strip()]
    best, most = ",", 1
    for separator in _SEPARATORS:
        try:
            counts = [len(row) for row in csv.reader(lines, delimiter=separator)]
        except csv.Error as error:
            raise EvalFileError(f"{name} cannot be read as a table: {error}.") from error
        if counts and counts[0] > most and sum(c == counts[0] for c in counts) >= 0.8 * len(counts):
            best, most = separator, counts[0]
    return best


def _check_names(names: list[str], file: str) -> None:
    twice = sorted({column for column in names if names.count(column) > 1})
    if twice:
        raise EvalFileError(f"{file} has several columns named {', '.join(map(repr, twice))}; rename them.")


def _has_decimal_comma(values: Any) -> bool:
    present = values[~values.isin(_WORDS_FOR_MISSING)]
    found = present.str.fullmatch(_DECIMAL_COMMA)
    plain = present.str.fullmatch(r"[+-]?\d+")
    return bool(len(present) and found.any() and (found | plain).all())


def _numbers_or_text(values: Any) -> Any:
    """A column of numbers where every value is one or missing; names keep their leading zeros."""
    import pandas as pd

    missing = values.isin(_WORDS_FOR_MISSING)
    present = values[~missing]
    if not len(present) or present.str.fullmatch(r"[+-]?0\d+").any():
        return values.where(~missing, None)
    numbers = pd.to_numeric(present, errors="coerce")
    if numbers.isna().any():
        return values.mask(values.eq(""), None)
    return pd.to_numeric(values.where(~missing), errors="coerce")
