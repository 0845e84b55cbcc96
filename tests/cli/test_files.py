"""Bad files, bad columns and hostile names: a clear message and exit code 1."""

from __future__ import annotations

import builtins
import gzip
import importlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from validstats.cli._tables import read_table

HOSTILE_NAMES = [
    "größe in m²",
    "price, net",
    "<script>alert(1)</script>",
    "a_b^c%$#&{}~\\",
    "pipe | star * `tick`",
    "x\u202ey",
    "名前",
    "=cmd()",
]


def two_columns(path, first: str, second: str, n: int = 60) -> None:
    x = np.random.default_rng(0).normal(size=n)
    pd.DataFrame({first: x, second: x + np.arange(n) % 7}).to_csv(path, index=False)


def refusal(result) -> str:
    assert result.exit_code == 1, (result.exit_code, result.output, result.exception)
    assert result.stdout == ""
    notes = [line for line in result.stderr.splitlines() if line.startswith("Note: ")]
    assert result.stderr.splitlines()[len(notes)].startswith("Error: ")
    return result.stderr


@pytest.mark.share(3)
@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "is empty"),
        (b"a,b\n", "columns but no rows"),
        (b"a,a\n1,2\n", "several columns named 'a'"),
        (b"a,b\n1,2\n3,4,5\n", "cannot be read as a table"),
        (b"a,b\n1,2,3\n4,5,6\n", "more fields than the 2 names"),
        (b"a,b\n1,2,3\n4,5\n", "more fields than the 2 names"),
        (b"\x00\x00\x00\x00", "columns but no rows|is empty|cannot be read"),
    ],
)
def test_bad_csv_files(content, message, run, workplace) -> None:
    (workplace / "bad.csv").write_bytes(content)
    import re

    assert re.search(message, refusal(run("mi", "bad.csv", "--x", "a", "--y", "b")))


def test_missing_file_unknown_suffix_and_folder(run, workplace) -> None:
    assert "There is no file nowhere.csv" in refusal(run("mi", "nowhere.csv", "--x", "a", "--y", "b"))
    (workplace / "table.sav").write_bytes(b"$FL2")
    assert "suffix '.sav'" in refusal(run("mi", "table.sav", "--x", "a", "--y", "b"))
    (workplace / "folder.csv").mkdir()
    assert "folder.csv is a folder" in refusal(run("mi", "folder.csv", "--x", "a", "--y", "b"))
    arguments = ("mi", "labelled.csv", "--x", "n_words", "--y", "human_mean", "--method", "ksg")
    assert run(*arguments, "--output", "folder.csv").exit_code == 2
    assert list((workplace / "folder.csv").iterdir()) == []


@pytest.mark.parametrize("name", ["locked.csv", "locked.csv.gz", "locked.parquet"])
def test_a_file_without_permission(name, run, workplace, monkeypatch) -> None:
    (workplace / name).write_bytes(b"a,b\n1,2\n")

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied", name)

    module = importlib.import_module("validstats.intake.files")
    monkeypatch.setattr(module.gzip, "open", refuse)
    monkeypatch.setattr(module, "open", refuse, raising=False)
    monkeypatch.setattr(pd, "read_parquet", refuse)
    message = refusal(run("mi", name, "--x", "a", "--y", "b"))
    assert name in message
    assert "Permission denied" in message


def test_formulas_that_cannot_be_read_and_columns_of_texts(run) -> None:
    arguments = ("dsl", "documents.csv", "--label", "expert_positive", "--surrogate", "machine_positive")
    assert "cannot be used" in refusal(run(*arguments, "--formula", "expert_positive ~ ("))
    assert "uses 'nope'" in refusal(run(*arguments, "--formula", "expert_positive ~ nope"))
    texts = refusal(run(*arguments, "--formula", "expert_positive ~ negation", "--probability", "corpus"))
    assert "must hold numbers; row 1 has" in texts


def test_broken_gzip(run, workplace) -> None:
    (workplace / "bad.csv.gz").write_bytes(b"no gzip at all")
    assert "cannot be read" in refusal(run("mi", "bad.csv.gz", "--x", "a", "--y", "b"))


def test_compressed_tab_separated_and_bom(run, workplace) -> None:
    two_columns(workplace / "t.csv", "a", "b")
    text = (workplace / "t.csv").read_text().replace(",", "\t")
    (workplace / "t.tsv.gz").write_bytes(gzip.compress(("\ufeff" + text).encode()))
    plain, packed = (run("mi", f, "--x", "a", "--y", "b", "--format", "json") for f in ("t.csv", "t.tsv.gz"))
    assert plain.exit_code == packed.exit_code == 0
    assert json.loads(plain.output)["terms"] == json.loads(packed.output)["terms"]


def test_parquet_equals_csv(run, workplace) -> None:
    pytest.importorskip("pyarrow")
    two_columns(workplace / "t.csv", "a", "b")
    pd.read_csv(workplace / "t.csv").to_parquet(workplace / "t.parquet")
    plain, packed = (run("mi", f, "--x", "a", "--y", "b") for f in ("t.csv", "t.parquet"))
    assert plain.exit_code == 0
    assert plain.output == packed.output


def test_broken_parquet(run, workplace) -> None:
    pytest.importorskip("pyarrow")
    (workplace / "t.parquet").write_bytes(b"PAR1 and nothing else")
    assert "cannot be read as Parquet" in refusal(run("mi", "t.parquet", "--x", "a", "--y", "b"))


def test_parquet_without_pyarrow_says_what_to_install(run, workplace, monkeypatch) -> None:
    (workplace / "t.parquet").write_bytes(b"PAR1")

    def missing(*args, **kwargs):
        raise ImportError("Unable to find a usable engine")

    monkeypatch.setattr(pd, "read_parquet", missing)
    assert "pip install pyarrow" in refusal(run("mi", "t.parquet", "--x", "a", "--y", "b"))


def test_unknown_column_names_the_closest(run) -> None:
    message = refusal(run("mi", "labelled.csv", "--x", "human_maen", "--y", "n_words"))
    assert "--x names the column 'human_maen'" in message
    assert "Did you mean 'human_mean'?" in message


@pytest.mark.share(5)
@pytest.mark.parametrize("name", HOSTILE_NAMES)
@pytest.mark.parametrize("output_format", ["text", "html", "latex", "markdown", "json"])
def test_hostile_column_names(name, output_format, run, workplace) -> None:
    two_columns(workplace / "t.csv", name, "b")
    result = run("mi", "t.csv", "--x", name.replace(",", ",,"), "--y", "b", "--format", output_format)
    assert result.exit_code == 0, result.stderr
    if output_format == "html":
        assert "<script>alert" not in result.output


@pytest.mark.share(3)
@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_hostile_names_in_a_formula_need_backticks(name, run, workplace) -> None:
    if "`" in name:
        return
    documents = pd.read_csv(workplace / "documents.csv").rename(columns={"log_length": name})
    documents.to_csv(workplace / "hostile.csv", index=False)
    result = run(
        *("dsl", "hostile.csv", "--formula", f"expert_positive ~ `{name}`", "--label", "expert_positive"),
        *("--surrogate", "machine_positive", "--format", "html"),
    )
    if result.exit_code == 0:
        assert "<script>alert" not in result.output
    else:
        assert "Traceback" not in refusal(result)


def test_unicode_file_names_and_output(run, workplace) -> None:
    two_columns(workplace / "größe 名前.csv", "a", "b")
    result = run("mi", "größe 名前.csv", "--x", "a", "--y", "b", "--format", "html", "-o", "résumé.html")
    assert result.exit_code == 0
    assert (workplace / "résumé.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_output_folder_must_exist(run, workplace) -> None:
    two_columns(workplace / "t.csv", "a", "b")
    message = refusal(run("mi", "t.csv", "--x", "a", "--y", "b", "-o", "no/such/file.txt"))
    assert "The folder of --output does not exist" in message


def test_text_where_numbers_are_needed(run, workplace) -> None:
    documents = pd.read_csv(workplace / "documents.csv")
    documents["pi"] = documents["sampling_probability"].astype(object)
    documents.loc[3, "pi"] = "often"
    documents.to_csv(workplace / "d.csv", index=False)
    arguments = ("dsl", "d.csv", "--formula", "expert_positive ~ negation", "--label", "expert_positive")
    message = refusal(run(*arguments, "--probability", "pi"))
    assert "row 4 has 'often'" in message
    assert "--probability names the column 'nonsense'" in refusal(
        run(*arguments, "--probability", "nonsense")
    )
    assert "(0, 1]" in refusal(run(*arguments, "--probability", "1.5"))


def test_labels_that_are_all_missing_and_formula_without_label(run, workplace) -> None:
    documents = pd.read_csv(workplace / "documents.csv")
    documents["none"] = np.nan
    documents.to_csv(workplace / "d.csv", index=False)
    empty = run("dsl", "d.csv", "--formula", "none ~ negation", "--label", "none")
    assert "has no expert label" in refusal(empty)
    wrong = run("dsl", "d.csv", "--formula", "machine_positive ~ negation", "--label", "expert_positive")
    assert "uses none of the expert labels" in refusal(wrong)


def test_wrong_options_are_code_2(run) -> None:
    assert run("mi", "labelled.csv", "--x", "n_words").exit_code == 2
    assert run("mi", "labelled.csv", "--x", "a", "--y", "b", "--method", "best").exit_code == 2
    columns = ("mi", "labelled.csv", "--x", "n_words", "--y", "human_mean")
    for option, value in (("--unit", "bits"), ("--confidence-level", "0.8")):
        assert f"{option} is not read with --test" in run(*columns, "--test", option, value).output
    for option, value in (("--permutations", "19"), ("--strata", "corpus")):
        assert f"{option} needs --test" in run(*columns, option, value).output
    assert run("mi", "labelled.csv", "--x", "a", "--y", "b", "--confidence-level", "95").exit_code == 2
    assert run("mi", "labelled.csv", "--x", "n_words", "--y", "human_mean", "--strata", "a").exit_code == 2
    assert run("nonsense").exit_code == 2


def test_missing_values_are_left_out_and_said(run, workplace) -> None:
    two_columns(workplace / "t.csv", "a", "b")
    table = pd.read_csv(workplace / "t.csv")
    table.loc[:4, "a"] = np.nan
    table.to_csv(workplace / "t.csv", index=False)
    result = run("mi", "t.csv", "--x", "a", "--y", "b")
    assert result.exit_code == 0
    assert "5 rows with missing values were left out" in result.stderr
    table.loc[:, "a"] = np.nan
    table.to_csv(workplace / "t.csv", index=False)
    assert "0 rows without missing values" in refusal(run("mi", "t.csv", "--x", "a", "--y", "b"))


def test_infinite_values_are_refused(run, workplace) -> None:
    two_columns(workplace / "t.csv", "a", "b")
    table = pd.read_csv(workplace / "t.csv")
    table.loc[0, "a"] = np.inf
    table.to_csv(workplace / "t.csv", index=False)
    assert "inf" in refusal(run("mi", "t.csv", "--x", "a", "--y", "b"))


def test_existing_files_are_not_overwritten(run) -> None:
    assert "exists already" in refusal(run("data"))
    assert "exists already" in refusal(
        run("plan", "design", "documents.csv", "--labels", "10", "--write", "new.csv")
    )


def test_the_example_data_need_no_file_beforehand(run, workplace) -> None:
    result = run("data", "sub/folder")
    assert result.exit_code == 0
    assert sorted(f.name for f in (workplace / "sub/folder").iterdir()) == sorted(
        [
            "answers.csv",
            "battles.csv",
            "checked.csv",
            "documents.csv",
            "labelled.csv",
            "new.csv",
            "samples.csv",
            "study.toml",
            "unread.csv",
        ]
    )
    assert builtins.len(pd.read_csv(workplace / "sub/folder/new.csv")) == 300


WORDS = ["None", "NA", "null", "n/a", "NaN", "nan", "N/A", "NULL", "<NA>", "-nan", "#N/A"]


def test_texts_keep_words_that_look_like_missing_values(workplace) -> None:
    Path("words.csv").write_text("stance,n\n" + "".join(f"{word},1\n" for word in WORDS) + "for,2\n,3\n")
    stance = read_table(Path("words.csv"))["stance"]
    assert stance.tolist()[:-1] == [*WORDS, "for"]
    assert stance.isna().tolist() == [False] * (len(WORDS) + 1) + [True]


@pytest.mark.parametrize("word", ["", "NA", "NaN", "nan", " NA"])
def test_numbers_and_truth_values_may_have_missing_words(word, workplace) -> None:
    Path("t.csv").write_text(f"a,b,c,d\n0.1,2,True,x\n{word},{word},{word},{word}\n0.3,4,False,y\n")
    table = read_table(Path("t.csv"))
    np.testing.assert_array_equal(table["a"], [0.1, np.nan, 0.3])
    np.testing.assert_array_equal(table["b"], [2.0, np.nan, 4.0])
    assert table["c"].dropna().tolist() == [True, False]
    assert table["d"].fillna("").tolist() == ["x", word.strip(), "y"]


def test_other_words_among_numbers_are_missing_and_named(run, workplace) -> None:
    documents = pd.read_csv(workplace / "documents.csv")
    documents["pi"] = documents["sampling_probability"].astype(object)
    documents.loc[[1, 3], "pi"] = ["NA", "NULL"]
    documents.to_csv(workplace / "d.csv", index=False)
    arguments = ("dsl", "d.csv", "--formula", "expert_positive ~ negation", "--label", "expert_positive")
    result = run(*arguments, "--probability", "pi")
    assert result.exit_code == 1
    assert "'NULL' among the numbers of the column 'pi' of d.csv count as missing" in result.stderr


def test_a_column_of_nothing_but_na_is_empty(run, workplace) -> None:
    documents = pd.read_csv(workplace / "documents.csv").assign(none="NA")
    documents.to_csv(workplace / "d.csv", index=False)
    empty = run("dsl", "d.csv", "--formula", "none ~ negation", "--label", "none")
    assert "has no expert label" in refusal(empty)


def test_a_class_named_none_is_counted(run, workplace) -> None:
    rng = np.random.default_rng(0)
    stance = rng.choice(["None", "for", "against"], size=400)
    results = []
    for name, classes in (("none.csv", stance), ("zero.csv", np.where(stance == "None", "zero", stance))):
        table = pd.DataFrame({"stance": classes, "machine": classes})
        table.loc[100:, "stance"] = ""
        table.to_csv(name, index=False)
        result = run(
            *("dsl", name, "--formula", "stance ~ 1", "--label", "stance", "--surrogate", "machine"),
            *("--model", "shares", "--format", "json"),
        )
        assert result.exit_code == 0, result.stderr
        results.append({t["term"]: t["estimate"] for t in json.loads(result.stdout)["terms"]})
    assert any("None" in term for term in results[0])
    assert sorted(results[0].values()) == pytest.approx(sorted(results[1].values()))


@pytest.mark.parametrize("damage", ["cut", "changed", "header"])
def test_damaged_compressed_files_are_named(damage, run, workplace) -> None:
    two_columns(workplace / "t.csv", "a", "b", n=2000)
    packed = bytearray(gzip.compress((workplace / "t.csv").read_bytes(), mtime=0))
    if damage == "cut":
        del packed[len(packed) // 2 :]
    else:
        packed[60 if damage == "changed" else 2] ^= 0xFF
    (workplace / "t.csv.gz").write_bytes(bytes(packed))
    message = refusal(run("mi", "t.csv.gz", "--x", "a", "--y", "b"))
    assert "t.csv.gz cannot be read as a table: " in message


def test_too_little_memory_is_said(run, workplace, monkeypatch) -> None:
    def exhaust(*args, **kwargs):
        raise MemoryError

    two_columns(workplace / "t.csv", "a", "b")
    monkeypatch.setattr(pd, "read_csv", exhaust)
    assert "not enough memory" in refusal(run("mi", "t.csv", "--x", "a", "--y", "b"))


def test_blanks_around_names_and_before_values_are_left_out(run, workplace) -> None:
    two_columns(workplace / "t.csv", "x", "y")
    lines = (workplace / "t.csv").read_text().splitlines()
    (workplace / "spaced.csv").write_text(
        "\n".join(["x, y ", *(line.replace(",", ", ") for line in lines[1:])])
    )
    plain, spaced = (run("mi", file, "--x", "x", "--y", "y") for file in ("t.csv", "spaced.csv"))
    assert plain.exit_code == spaced.exit_code == 0, spaced.output
    assert plain.output == spaced.output
    (workplace / "twice.csv").write_text("x, x\n1, 2\n")
    assert "several columns named 'x'" in refusal(run("mi", "twice.csv", "--x", "x", "--y", "x"))


def test_blanks_do_not_join_empty_cells(workplace) -> None:
    Path("t.csv").write_text('x, "y, z", w\n1, "a, b", \n2, , c\n')
    Path("t.tsv").write_text("x\ty, z\tw\n1\ta, b\t\n2\t\t c\n")
    for name in ("t.csv", "t.tsv"):
        table = read_table(Path(name))
        assert list(table.columns) == ["x", "y, z", "w"]
        assert table.fillna("").to_numpy().tolist() == [[1, "a, b", ""], [2, "", "c"]]


def test_blanks_around_names_of_parquet_columns(run, workplace) -> None:
    pytest.importorskip("pyarrow")
    two_columns(workplace / "t.csv", "x", " y ")
    pd.read_csv(workplace / "t.csv").to_parquet(workplace / "t.parquet")
    assert run("mi", "t.parquet", "--x", "x", "--y", "y").exit_code == 0


def test_a_column_of_one_word_is_text_without_a_note(workplace, capsys) -> None:
    Path("t.csv").write_text("a,b\nNone,1\nNone,2\n")
    assert read_table(Path("t.csv"))["a"].tolist() == ["None", "None"]
    assert capsys.readouterr().err == ""
