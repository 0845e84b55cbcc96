"""Readers of evaluation files: what a right reader finds, and what is refused."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from validstats import evals
from validstats.evals import EvalFileError

DATA = Path(__file__).parent / "data"
EXPECTED = json.loads((DATA / "expected.json").read_text())
FILES = [name for name in EXPECTED if name != "broken"]


@pytest.mark.parametrize("name", FILES)
def test_a_file_holds_what_is_expected(name):
    table, known = evals.read(DATA / name), EXPECTED[name]
    assert table.format == known["format"]
    if known["format"] not in ("wide", "item counts of two systems"):
        assert len(table) == known.get("rows", len(table))
    assert len(table.items) == known.get("items", known.get("problems", len(table.items)))
    if "systems" in known and known["format"] != "battles":
        assert table.systems == known["systems"]
    if "system" in known:
        assert table.systems == [known["system"]]
    if "task" in known:
        assert set(table.names("task")) == {known["task"]}
    if "n_human" in known and known["format"] not in ("wide", "battles"):
        assert int(np.sum(~np.isnan(table.values("human")))) == known["n_human"]
    if "human_mean" in known:
        assert np.nanmean(table.values("human")) == pytest.approx(known["human_mean"], abs=5e-7)
    if "judge_mean" in known:
        assert np.nanmean(table.values("judge")) == pytest.approx(known["judge_mean"], abs=5e-7)
    for metric, mean in known.get("metrics", {}).items():
        assert np.nanmean(table.values(metric)) == pytest.approx(mean, abs=5e-7)
    for metric, missing in known.get("missing", {}).items():
        assert int(np.isnan(table.values(metric)).sum()) == missing


@pytest.mark.parametrize("name", [n for n in FILES if n.startswith("inspect")])
def test_inspect_scorers(name):
    table, known = evals.read(DATA / name), EXPECTED[name]
    assert list(table.scores) == known["scorers"]
    assert table.values("model_graded_qa").mean() == pytest.approx(known["mean_model_graded_qa"])
    assert np.nanmean(table.values("human_review")) == pytest.approx(known["mean_human_review"], abs=5e-7)
    assert int(np.sum(~np.isnan(table.values("human_review")))) == known["n_human_review"]
    assert table.clusters == ("passage",)
    assert table.categories == ("topic",)


def test_inspect_forms_agree():
    frames = [
        evals.read(DATA / n).frame
        for n in ("inspect_alpha.eval", "inspect_alpha_deflate.eval", "inspect_alpha.json")
    ]
    pd.testing.assert_frame_equal(frames[0], frames[1])
    pd.testing.assert_frame_equal(frames[0], frames[2], check_like=True)
    answers = [evals.evaluate(DATA / n).answer for n in ("inspect_alpha.eval", "inspect_alpha.json")]
    assert answers[0] == answers[1]


@pytest.mark.parametrize("name", [n for n in FILES if n.startswith("lm_eval")])
def test_lm_eval_filters(name):
    for filter_name, mean in EXPECTED[name]["means"].items():
        table = evals.read(DATA / name, filter=filter_name)
        assert len(table) == 40
        assert table.values("exact_match").mean() == pytest.approx(mean)
    with pytest.raises(EvalFileError, match="no filter 'loose'"):
        evals.read(DATA / name, filter="loose")
    with pytest.raises(EvalFileError, match="2 times too large"):
        evals.evaluate(DATA / name)


def test_totals_of_lm_eval_say_where_the_answers_are():
    folder = DATA / "lm_eval" / "invented__alpha-small"
    with pytest.raises(EvalFileError, match=r"take samples_\*\.jsonl"):
        evals.read(next(folder.glob("results_*.json")))


def test_promptfoo_errors_and_pass_rates():
    table, known = evals.read(DATA / "promptfoo.json"), EXPECTED["promptfoo.json"]
    failed = table.frame["error"].to_numpy(bool)
    assert failed.sum() == known["errors"]
    for system, rate in known["pass_rate_without_errors"].items():
        rows = (table.names("system") == system) & ~failed
        assert table.values("success")[rows].mean() == pytest.approx(rate, abs=5e-7)


def test_deepeval_successes():
    assert evals.read(DATA / "deepeval.json").values("success").sum() == EXPECTED["deepeval.json"]["success"]


def test_wide_table():
    table, known = evals.read(DATA / "wide.csv"), EXPECTED["wide.csv"]
    for system, mean in known["judge_means"].items():
        rows = table.names("system") == system
        assert table.values("judge")[rows].mean() == pytest.approx(mean)
        assert int(np.sum(~np.isnan(table.values("human")[rows]))) == known["n_human"][system]


def test_battles():
    table, known = evals.read(DATA / "battles.csv"), EXPECTED["battles.csv"]
    assert table.frame["winner"].value_counts().to_dict() == known["winner"]
    assert int(table.frame["human_winner"].notna().sum()) == known["n_human"]
    assert len(set(table.names("system_a")) | set(table.names("system_b"))) == known["systems"]
    assert len(table.items) == known["prompts"]


def test_audits():
    table, known = evals.read(DATA / "audited_samples.csv"), EXPECTED["audited_samples.csv"]
    audit = table.values("human")
    seen = ~np.isnan(audit)
    assert seen.sum() == known["audited_samples"]
    assert np.nansum(audit) == known["audited_right"]
    assert len(set(table.names("item")[seen])) == known["audited_problems"]


def test_decimal_comma_semicolon_and_latin_1():
    table = evals.read(DATA / "broken" / "semicolon_decimal_comma.csv")
    assert set(table.values("judge")) == {0.25, 0.75}
    assert {"separator", "decimal-comma"} <= {c.code for c in table.checks}


def test_words_and_a_missing_verdict():
    table = evals.read(DATA / "broken" / "words_and_abstention.csv")
    assert int(np.isnan(table.values("judge")).sum()) == 1
    assert set(np.unique(table.values("judge")[~np.isnan(table.values("judge"))])) == {0.0, 1.0}


@pytest.mark.parametrize(
    ("word", "value"),
    [("Pass", 1), ("FAIL", 0), ("yes", 1), ("No", 0), ("correct", 1), ("Incorrect", 0), ("C", 1), ("I", 0), ("P", 0.5),
     ("N", 0), ("TRUE", 1), ("false", 0)],
)  # fmt: skip
def test_words(word, value):
    assert evals.read({"item": ["a", "b"], "judge": [word, "pass"]}).values("judge")[0] == value


def test_other_words_are_refused_with_their_list():
    with pytest.raises(EvalFileError, match="'maybe' \\(row 2\\)"):
        evals.read({"item": ["a", "b"], "judge": ["pass", "maybe"]})


def test_texts_are_dropped_and_digested():
    data = {"item": ["a", "b"], "question": ["What is " + "x" * 90, "Why"], "score": [1, 0]}
    table = evals.read(data)
    assert "question" not in table.frame
    assert len(set(table.frame["content"])) == 2
    assert "question" in evals.read(data, keep_text=True).frame


def test_two_candidates_for_a_role_are_refused():
    with pytest.raises(EvalFileError, match="Pass human= to choose"):
        evals.read({"item": [1, 2], "judge": [1, 0], "human": [1, 0], "gold": [1, 1]})
    assert (
        evals.read({"item": [1, 2], "judge": [1, 0], "human": [1, 0], "gold": [1, 1]}, human="gold").roles[
            "human"
        ]
        == "gold"
    )


def test_ids_with_leading_zeros_stay_text(tmp_path):
    path = tmp_path / "ids.csv"
    path.write_text("item,score\n007,1\n008,0\n")
    assert evals.read(path).items == ["007", "008"]


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_frames_of_other_libraries(library):
    frame = pd.read_csv(DATA / "long.csv")
    if library == "polars":
        other = pytest.importorskip("polars").from_pandas(frame)
    else:
        other = pytest.importorskip("pyarrow").Table.from_pandas(frame)
    assert evals.read(other).values("judge").mean() == pytest.approx(0.6)


def packed(members, name="header.json", content=b"{}"):
    handle = io.BytesIO()
    with zipfile.ZipFile(handle, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
        for member, data in members:
            archive.writestr(member, data)
    return handle.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"   \n", "only blanks"),
        (b"{broken", "damaged JSON"),
        (b'{"a": 1}\n{"b": ', "Line 2"),
        (b"[1, 2]", "not of objects"),
        (b"[" * 100_000, "nested too deeply"),
        (b"\x00\x01\x02\x03 binary", "no text file"),
        (b"\x1f\x8bxxxx", "gzip"),
        (b"PK\x03\x04 not a zip", "damaged zip"),
        (b"PAR1 not parquet PAR1", "Parquet"),
        (b"item,item,score\n1,2,3\n", "several columns named 'item'"),
        (b"item,score\n", "no rows"),
        (b"item,score\n1,2,3,4\n", "more fields|cannot be read"),
        (b"name,city\nann,rome\n", "no column of scores"),
        (b'{"results": {"stats": 1}}', "no known tool"),
        (packed([], "other.json"), "without header.json"),
        (packed([]), "without samples"),
        (packed([("../outside.json", "{}")]), "path outside the archive"),
        (packed([("/absolute.json", "{}")]), "path outside the archive"),
        (packed([("bomb.json", b"0" * (4 * 2**20))]), "more than 200 times"),
    ],
    ids=lambda value: value if isinstance(value, str) else "file",
)
def test_unusable_files_are_refused_with_a_sentence(tmp_path, content, message):
    path = tmp_path / "file.dat"
    path.write_bytes(content)
    with pytest.raises(EvalFileError, match=message):
        evals.evaluate(path)


def test_paths_that_are_no_files(tmp_path):
    with pytest.raises(EvalFileError, match="is a folder"):
        evals.read(tmp_path)
    with pytest.raises(EvalFileError, match="no file"):
        evals.read(tmp_path / "nothing.csv")
    with pytest.raises(TypeError, match="path, a data frame"):
        evals.read(3)


@pytest.mark.parametrize("name", ["inspect_alpha.eval", "inspect_alpha_deflate.eval"])
def test_a_damaged_member_is_noticed_by_its_checksum(tmp_path, name):
    if name == "inspect_alpha.eval":
        pytest.importorskip("zstandard")
    content = bytearray((DATA / name).read_bytes())
    with zipfile.ZipFile(io.BytesIO(bytes(content))) as archive:
        info = archive.getinfo("summaries.json")
    start = info.header_offset + 30 + len("summaries.json") + 40
    content[start : start + 4] = bytes(b ^ 0x55 for b in content[start : start + 4])
    path = tmp_path / name
    path.write_bytes(bytes(content))
    with pytest.raises(EvalFileError, match="damaged"):
        evals.read(path)


@pytest.mark.parametrize(
    ("column", "wrong"),
    [("samples", "9e60"), ("samples", "0"), ("samples", "2.5"), ("samples", ""), ("system_a", "")],
)
def test_counts_of_samples_are_whole_numbers(tmp_path, column, wrong):
    frame = pd.read_csv(DATA / "gpqa_counts.csv", dtype=str)
    frame.loc[5, column] = wrong
    path = tmp_path / "counts.csv"
    frame.to_csv(path, index=False)
    with pytest.raises(EvalFileError, match="must hold whole numbers"):
        evals.pass_at_k(path, system="system_a")


def test_lines_beyond_any_log_are_refused(tmp_path, monkeypatch):
    """The real limit is 64 MiB a line."""
    for module in ("limits", "document"):
        monkeypatch.setattr(f"validstats.evals.readers.{module}.MAX_LINE", 2_000)
    path = tmp_path / "file.dat"
    for content in (
        '{"item": "a", "score": 1}\n{"item": "' + "b" * 3_000 + '"}\n',
        "item,score\na," + "1" * 3_000 + "\n",
    ):
        path.write_text(content)
        with pytest.raises(EvalFileError, match="characters, more than 2,000"):
            evals.read(path)


def test_a_log_on_one_line_is_recognised(tmp_path):
    path = tmp_path / "minified.json"
    path.write_text(json.dumps(json.loads((DATA / "promptfoo.json").read_text())))
    assert evals.read(path).format == "promptfoo"
