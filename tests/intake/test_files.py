"""Tables in files: formats are recognised, and what was assumed is said."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from validstats.intake import TableError, TableFormat, read_table

PLAIN = "name,price,share\nanna,1234.5,0.25\nben,99.0,0.5\nzoë,1000000.75,1\n"
PRICES, SHARES = [1234.5, 99.0, 1000000.75], [0.25, 0.5, 1.0]


def write(folder: Path, text: str, name: str = "t.csv", encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


GERMAN = "name;price;share\nanna;1.234,5;0,25\nben;99,0;0,5\nzoë;1.000.000,75;1\n"
QUOTED = 'name,price,share\nanna,"1,234.5",0.25\nben,99.0,0.5\nzoë,"1,000,000.75",1\n'


@pytest.mark.parametrize(
    ("text", "name", "encoding", "notes"),
    [
        (PLAIN, "t.csv", "utf-8", []),
        (PLAIN, "t.csv", "utf-8-sig", []),
        (PLAIN.replace(",", "\t"), "t.tsv", "utf-8", []),
        (PLAIN.replace(",", "\t"), "t.csv", "utf-8", ["tab as separator"]),
        (PLAIN.replace(",", "|"), "t.csv", "utf-8", ["vertical bar"]),
        (PLAIN.replace(",", ";"), "t.csv", "utf-8", ["semicolon"]),
        (GERMAN, "t.csv", "utf-8", ["semicolon", "decimal commas", "'.' between groups"]),
        (GERMAN, "t.csv", "cp1252", ["Windows-1252", "semicolon", "decimal commas", "'.' between groups"]),
        (GERMAN, "t.csv", "utf-16", ["UTF-16", "semicolon", "decimal commas", "'.' between groups"]),
        (QUOTED, "t.csv", "utf-8", ["',' between groups"]),
    ],
)
def test_one_table_in_many_hands(text, name, encoding, notes, tmp_path) -> None:
    table, said = read_table(write(tmp_path, text, name, encoding))
    assert table["name"].tolist() == ["anna", "ben", "zoë"]
    assert table["price"].tolist() == PRICES and table["share"].tolist() == SHARES
    assert len(said) == len(notes)
    for sentence, words in zip(said, notes, strict=True):
        assert words in sentence


def test_compressed_files_are_recognised_alike(tmp_path) -> None:
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(GERMAN.encode("cp1252")))
    table, said = read_table(path)
    assert table["price"].tolist() == PRICES and len(said) == 4


def test_what_is_said_is_not_guessed(tmp_path) -> None:
    path = write(tmp_path, "a;b\n1,5;2\n2,5;3\n")
    as_text, _ = read_table(path, TableFormat(decimal="."))
    assert as_text["a"].tolist() == ["1,5", "2,5"]
    thousands, _ = read_table(path, TableFormat(separator=";", decimal=".", thousands=","))
    assert thousands["a"].tolist() == [15, 25]


def test_names_of_rows_as_r_writes_them(tmp_path) -> None:
    table, said = read_table(write(tmp_path, '"","x","y"\n"1",0.5,1\n"2",0.25,2\n'))
    assert list(table.columns) == ["x", "y"] and table.index.tolist() == [1, 2]
    assert "holds the names of the rows" in said[0]
    repeated, said = read_table(write(tmp_path, '"","x"\n"a",0.5\n"a",0.25\n'))
    assert repeated.shape == (2, 2) and said == []


def test_error_words_of_spreadsheets_are_missing_among_numbers(tmp_path) -> None:
    table, said = read_table(write(tmp_path, "a,b\n1,x\n#N/A,#N/A\n3,y\n"))
    np.testing.assert_array_equal(table["a"], [1.0, np.nan, 3.0])
    assert table["b"].tolist() == ["x", "#N/A", "y"]
    assert "'#N/A' among the numbers of the column 'a'" in said[0]


def test_json_lines_keep_kinds(tmp_path) -> None:
    path = write(tmp_path, '{"a": 1, "b": "07"}\n{"a": 2.5, "b": "x"}\n', "t.jsonl")
    table, said = read_table(path)
    assert table["a"].tolist() == [1.0, 2.5] and table["b"].tolist() == ["07", "x"] and said == []
    with pytest.raises(TableError, match="nested values in 'a'"):
        read_table(write(tmp_path, '{"a": {"b": 1}}\n', "n.jsonl"))
    with pytest.raises(TableError, match="cannot be read as JSON lines"):
        read_table(write(tmp_path, '{"a": 1\n', "n.jsonl"))


def test_excel_sheets(tmp_path) -> None:
    pytest.importorskip("openpyxl")
    path = tmp_path / "t.xlsx"
    with pd.ExcelWriter(path) as book:
        pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}).to_excel(book, sheet_name="first", index=False)
        pd.DataFrame({"c": [1]}).to_excel(book, sheet_name="second")
    table, said = read_table(path)
    assert table["a"].tolist() == [1, 2] and "2 sheets; the first one, 'first', was read" in said[0]
    (tmp_path / "broken.xlsx").write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(TableError, match=re.escape("broken.xlsx cannot be read as an Excel file")):
        read_table(tmp_path / "broken.xlsx")


def test_an_encoding_that_does_not_exist_or_fit_is_named(tmp_path) -> None:
    path = write(tmp_path, PLAIN, encoding="cp1252")
    for encoding in ("utf-8", "klingon"):
        with pytest.raises(TableError, match=f"is not text in {encoding}"):
            read_table(path, TableFormat(encoding=encoding))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400), st.sampled_from(["t.csv", "t.tsv", "t.csv.gz", "t.jsonl", "t.parquet"]))
def test_any_bytes_are_a_table_or_a_named_error(tmp_path_factory, content, name) -> None:
    path = tmp_path_factory.mktemp("any") / name
    path.write_bytes(content)
    try:
        table, said = read_table(path)
    except TableError as refusal:
        message = str(refusal)
    else:
        message = str(path)
        assert len(table) > 0 and all(isinstance(note, str) for note in said)
    assert str(path) in message
