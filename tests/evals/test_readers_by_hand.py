"""What readers do at the edges of their rules: one more line, letter, key or value is another answer."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import sys
import types
import zipfile
import zlib

import numpy as np
import pandas as pd
import pytest

from validstats import evals
from validstats.evals import EvalFileError
from validstats.evals.readers import limits
from validstats.evals.readers import values as score_values

DOCUMENT = "validstats.evals.readers.document"


def read(folder, text, name="t.csv", **roles):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return evals.read(path, **roles)


# ---- text, JSON and tables ----


def test_zero_bytes_are_looked_for_in_the_first_4096_letters() -> None:
    letters = "a" * 4095
    assert limits.decode_text((letters + "b\0").encode(), "f") == (letters + "b\0", "utf-8")
    with pytest.raises(EvalFileError, match="f is no text file: it holds zero bytes"):
        limits.decode_text((letters + "\0").encode(), "f")
    assert limits.decode_text("﻿é".encode(), "f") == ("é", "utf-8")
    with pytest.raises(EvalFileError, match="f begins as UTF-16 and is damaged at byte 2"):
        limits.decode_text(b"\xff\xfea", "f")


def test_lines_may_be_as_long_as_the_limit(tmp_path, monkeypatch) -> None:
    """Of tables the first 250 lines are looked at."""
    monkeypatch.setattr(f"{DOCUMENT}.MAX_LINE", 20)
    monkeypatch.setattr(limits, "MAX_LINE", 20)
    assert read(tmp_path, f"item,score\n{'a' * 18},1\n").items == ["a" * 18]
    with pytest.raises(EvalFileError, match="has a line of 21 characters, more than 20"):
        read(tmp_path, f"item,score\n{'a' * 19},1\n")
    for place, refused in ((250, True), (251, False)):
        rows = "".join(f"{k},1\n" for k in range(place - 2)) + f"{'a' * 19},1\n"
        if refused:
            with pytest.raises(EvalFileError, match="has a line of 21"):
                read(tmp_path, f"item,score\n{rows}")
        else:
            assert len(read(tmp_path, f"item,score\n{rows}")) == place - 1
    line = '{"item":"a","score":1}'
    monkeypatch.setattr(limits, "MAX_LINE", len(line) + 1)
    assert len(read(tmp_path, f"{line}\n{line}\n", "t.jsonl")) == 2
    with pytest.raises(EvalFileError, match=r"Line 2 of t.jsonl has 24 characters, more than 23"):
        read(tmp_path, f"{line}\n {line}\n", "t.jsonl")


def test_separators_divide_four_in_five_of_the_first_lines_alike(tmp_path) -> None:
    assert read(tmp_path, "item;score\na;1\nb;0\n").scores == ("score",)  # two columns are enough
    four = "item;score\na;1\nb;0\nc;1\nd\n"
    assert read(tmp_path, four).scores == ("score",)
    with pytest.raises(EvalFileError, match="no column of scores; its columns are 'item;score'"):
        read(tmp_path, four + "e\n")
    # which stand among the first 25
    good = "item;score\n" + "".join(f"q{k};1\n" for k in range(19))
    assert read(tmp_path, good + "x\n" * 5 + "y\n" * 40).scores == ("score",)
    assert read(tmp_path, good + "x\n" * 4 + "\n" + "y\n" * 40).scores == ("score",)
    with pytest.raises(EvalFileError, match="no column of scores"):
        read(tmp_path, good[: -len("q18;1\n")] + "x\n" * 6 + "r;1\n" * 40)
    # of two that divide alike the first one is taken
    # of two that divide alike the first one is taken
    with pytest.raises(EvalFileError, match=r"its columns are 'item', 'a;b'"):
        read(tmp_path, "item,a;b\nx,y;z\nx,y;z\n")


def test_decimal_commas_are_those_of_whole_columns(tmp_path) -> None:
    table = read(tmp_path, "item;score;words;code;none\na;1,5;1,5;007;NA\nb;NA;x;7;\nc;-2;2,5;8;None\n")
    np.testing.assert_array_equal(table.values("score"), [1.5, np.nan, -2.0])
    assert table.frame["words"].tolist() == ["1,5", "x", "2,5"]
    assert table.frame["code"].tolist() == ["007", "7", "8"]
    assert table.frame["none"].isna().all() and table.frame["none"].dtype.kind != "f"
    assert [c.sentence for c in table.checks if c.code == "decimal-comma"] == [
        "A comma is read as the decimal sign in 'score' of t.csv."
    ]
    quoted = read(tmp_path, 'item,score,size\na,1,"1,5"\nb,0,"2,5"\n')
    assert quoted.frame["size"].tolist() == ["1,5", "2,5"]
    with pytest.raises(EvalFileError, match="several columns named 'item'"):
        read(tmp_path, '"item", "item",score\n1,2,3\n')


def test_one_json_value_may_have_several_lines(tmp_path) -> None:
    rows = [{"item": "a", "score": 1}, {"item": "b", "score": 0}]
    for text in (json.dumps(rows, indent=1), "[\n" + ",\n".join(map(json.dumps, rows)) + "\n]"):
        assert read(tmp_path, text, "t.json").items == ["a", "b"]
    assert read(tmp_path, json.dumps(rows[0], indent=1), "t.json").items == ["a"]
    assert read(tmp_path, json.dumps(rows[0]) + "  \n  " + json.dumps(rows[1]), "t.json").items == ["a", "b"]
    for text, said in (
        ("[]", "t.json is a JSON list, but not of objects"),
        ("[3]", "t.json is a JSON list, but not of objects"),
        ("{}", "t.json is JSON of no known tool"),
        ('{"results": {}, "n-samples": {}}', "holds the totals of lm-evaluation-harness"),
        ('{"results": {}, "samples": {}}', "t.json is JSON of no known tool"),
        ('{"results": {}, "more": 1}', "t.json is JSON of no known tool"),
        ("[[" * 50_000, "nested too deeply"),
        ('{"a": ' + "9" * 5_000 + "}", "holds a number that is too long"),
        ('{"a": 1}\n{"a": ' + "9" * 5_000 + "}", "Line 2 of t.json holds a number that is too long"),
        ('{\n "a": 1,\n "b": x}', r"damaged JSON \(line 3, column 7\)"),
        ('{"a": 1}\n\n{"a": x}', r"Line 3 of t.json is damaged JSON \(column 7\)"),
    ):
        with pytest.raises(EvalFileError, match=said):
            read(tmp_path, text, "t.json")


def test_records_are_recognised_by_the_keys_of_the_first_hundred(tmp_path) -> None:
    record = {"doc_id": 1, "doc_hash": "h", "metrics": ["acc"], "acc": 1}
    for place, kind in ((100, "lm_eval"), (101, "long")):
        rows = [{**record, "doc_id": k} for k in range(place)]
        rows[-1]["filter"] = "none"
        text = "\n".join(map(json.dumps, rows))
        if kind == "lm_eval":
            with pytest.raises(EvalFileError, match=r"Record 1 of t.jsonl has no doc_id or no filter"):
                read(tmp_path, text, "t.jsonl")
        else:
            assert read(tmp_path, text, "t.jsonl", judge="acc").format == kind


def test_tables_of_parquet_have_the_columns_of_the_file(tmp_path) -> None:
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"item": ["a", None], "score": [1.0, 0.0]}, index=["r", "s"])
    frame.to_parquet(tmp_path / "t.parquet")
    table = evals.read(tmp_path / "t.parquet")
    assert list(table.frame.columns) == ["item", "score"] and table.frame.index.tolist() == [0, 1]
    assert table.items == ["a", ""]
    more = pd.DataFrame(
        {"item": ["a", "b"], "score": [1, 0], "size": [1.5, 2.5], "note": ["x", None], "n": [1, 2]}
    )
    more.to_parquet(tmp_path / "t.parquet")
    kept = evals.read(tmp_path / "t.parquet").frame
    assert [kept[name].dtype.kind for name in ("size", "note", "n")] == ["f", "O", "i"]
    assert kept["note"].tolist() == ["x", None]
    twice = pytest.importorskip("pyarrow").table([[1, 2], [1, 0], [0, 0]], names=["item", "score", "score"])
    pytest.importorskip("pyarrow.parquet").write_table(twice, tmp_path / "t.parquet")
    with pytest.raises(EvalFileError, match=r"t.parquet has several columns named 'score'; rename them"):
        evals.read(tmp_path / "t.parquet")
    frame.iloc[:1].to_parquet(tmp_path / "t.parquet")
    assert evals.read(tmp_path / "t.parquet").items == ["a"]
    frame.iloc[:0].to_parquet(tmp_path / "t.parquet")
    with pytest.raises(EvalFileError, match=r"t.parquet has columns but no rows"):
        evals.read(tmp_path / "t.parquet")


# ---- archives ----


def zstandard_frame(content: bytes, window_log: int) -> bytes:
    """A frame with one raw block, which asks for a window of 2^window_log bytes (RFC 8878)."""
    head = b"\x28\xb5\x2f\xfd" + bytes([0, (window_log - 10) << 3])
    return head + ((len(content) << 3) | 1).to_bytes(3, "little") + content


def archive(packed: bytes, size: int, checksum: int, flags: int = 0) -> limits.Zip:
    """A zip archive with one member that is packed by Zstandard (method 93)."""
    handle = io.BytesIO()
    with zipfile.ZipFile(handle, "w") as zipped:
        zipped.writestr("m", packed)
    content = bytearray(handle.getvalue())
    at = content.index(b"PK\x01\x02")
    for start, shift in ((0, 0), (at, 2)):
        struct.pack_into("<HH", content, start + 6 + shift, flags, 93)
        struct.pack_into("<III", content, start + 14 + shift, checksum, len(packed), size)
    return limits.Zip(bytes(content), "x.zip")


def test_members_packed_by_zstandard_have_their_size_and_checksum() -> None:
    pytest.importorskip("zstandard")
    text = b"content"
    right = zlib.crc32(text)
    assert archive(zstandard_frame(text, 20), 7, right).read("m") == text
    for size, checksum in ((7, right + 1), (6, right), (8, right), (6, zlib.crc32(text[:6]) + 1)):
        with pytest.raises(EvalFileError, match="the checksum of 'm' does not fit"):
            archive(zstandard_frame(text, 20), size, checksum).read("m")
    with pytest.raises(EvalFileError, match="a Zstandard member cannot be unpacked"):
        archive(b"no frame", 7, right).read("m")
    with pytest.raises(EvalFileError, match="damaged or encrypted: 'm' has no local header"):
        archive(zstandard_frame(text, 20), 7, right, flags=1).read("m")
    assert archive(zstandard_frame(text, 20), 7, right, flags=2).read("m") == text


def test_windows_of_zstandard_have_128_mebibytes_at_most() -> None:
    pytest.importorskip("zstandard")
    assert limits._unpack_zstandard(zstandard_frame(b"abc", 27), 3, "x") == b"abc"
    with pytest.raises(EvalFileError, match="x is damaged: a Zstandard member cannot be unpacked"):
        limits._unpack_zstandard(zstandard_frame(b"abc", 28), 3, "x")


def test_without_the_package_the_standard_library_unpacks(monkeypatch) -> None:
    asked = []

    class Decompressor:
        def decompress(self, packed, max_length):
            asked.append(max_length)
            return packed[:max_length]

    monkeypatch.setitem(sys.modules, "zstandard", None)
    monkeypatch.setitem(sys.modules, "compression", types.ModuleType("compression"))
    with pytest.raises(EvalFileError, match="needs the zstandard package"):
        limits._unpack_zstandard(b"abcdef", 3, "x")
    sys.modules["compression"].zstd = types.SimpleNamespace(ZstdDecompressor=Decompressor)
    assert limits._unpack_zstandard(b"abcdef", 3, "x") == b"abcd"
    assert asked == [4]


# ---- logs ----


def test_results_of_another_kind_are_of_no_known_tool(tmp_path) -> None:
    for results in ([], [3], ["testIdx"], [{"promptIdx": 1}], {"testIdx": [1]}, "testIdx", None):
        with pytest.raises(EvalFileError, match=r"t.json is JSON of no known tool"):
            read(tmp_path, json.dumps({"results": {"results": results}, "more": {}}), "t.json")
    for value in ({"results": [{"testIdx": 1}]}, {"testCases": 3, "results": []}):
        with pytest.raises(EvalFileError, match=r"t.json is JSON of no known tool"):
            read(tmp_path, json.dumps(value), "t.json")


def test_components_of_another_kind_are_passed_over(tmp_path) -> None:
    human = {"pass": True, "assertion": {"type": "human"}}
    entry = {"testIdx": 0, "promptIdx": 0, "success": False, "score": 0.5}
    for parts, success, rated in (
        ([3, human, {"pass": True}], 1.0, 1.0),
        ([human, None, {"pass": False}], 0.0, 1.0),
        ([{"pass": True}, human, {"pass": False}], 0.0, 1.0),
        ([{"pass": True, "assertion": "human"}], 0.0, None),
        ("human", 0.0, None),
    ):
        grading = {"gradingResult": {"componentResults": parts}}
        table = read(tmp_path, json.dumps({"results": {"results": [{**entry, **grading}]}}), "t.json")
        assert table.values("success").tolist() == [success]
        assert table.has("human") == (rated is not None)
        if rated is not None:
            assert table.values("human").tolist() == [rated]
    table = read(tmp_path, json.dumps({"results": {"results": [{**entry, "gradingResult": 3}]}}), "t.json")
    assert table.values("success").tolist() == [0.0]


def test_metadata_of_test_cases_are_columns(tmp_path) -> None:
    metric = [{"name": "m", "score": 0.5, "success": True}, 3]
    case = {"name": "n", "success": True, "metricsData": metric}
    for given, kept in (
        ({"metadata": {"topic": "x"}}, ["x"]),
        ({"additionalMetadata": {"topic": "y"}}, ["y"]),
        ({"metadata": {"topic": "x"}, "additionalMetadata": {"topic": "y"}}, ["x"]),
        ({"metadata": ["topic"]}, None),
    ):
        table = read(tmp_path, json.dumps({"testCases": [{**case, **given}]}), "t.json")
        assert (table.frame["topic"].tolist() if "topic" in table.frame else None) == kept
        assert table.scores == ("m", "m passed", "success")
        assert table.format == "deepeval" and "text" not in table.frame
    path = tmp_path / "t.json"
    path.write_text(json.dumps({"testCases": [{**case, "input": "why"}, {**case, "name": "o"}]}))
    assert evals.read(path, keep_text=True).frame["text"].fillna("-").tolist() == ["why", "-"]


def test_samples_without_names_keep_their_places(tmp_path) -> None:
    scores = [{"scores": {"s": v}} for v in (1, 0, 1)]
    table = read(tmp_path, json.dumps({"eval": {}, "samples": scores}), "log.json")
    assert table.items == ["0", "1", "2"] and table.values("s").tolist() == [1.0, 0.0, 1.0]
    assert table.systems == ["log"]
    named = [
        {"id": k, "epoch": e, "scores": {"s": v}} for e, k, v in ((1, "a", 1), (1, "b", 0), (2, "a", 0.5))
    ]
    table = read(tmp_path, json.dumps({"eval": {}, "samples": named}), "log.json")
    assert table.names("item").tolist() == ["a", "a", "b"] and table.values("s").tolist() == [1.0, 0.5, 0.0]
    for value, said in (
        ({"eval": {}, "samples": []}, "log.json is an Inspect log without samples"),
        ({"eval": {}, "samples": {}}, "log.json is an Inspect log without samples"),
        ({"eval": 3, "samples": [{}]}, "log.json is JSON of no known tool"),
        ({"eval": {}, "more": []}, "log.json is JSON of no known tool"),
        ({"eval": {}, "samples": [{"id": 1}]}, "log.json holds no score"),
    ):
        with pytest.raises(EvalFileError, match=said):
            read(tmp_path, json.dumps(value), "log.json")


def test_tables_of_ragas_are_told_from_others(tmp_path) -> None:
    def kind(**columns):
        rows = [dict(zip(columns, row)) for row in zip(*columns.values())]
        return read(tmp_path, "\n".join(map(json.dumps, rows)), "t.jsonl").format

    score = [0.5, 1]
    assert kind(user_input=["u", "v"], faithfulness=score) == "ragas"
    assert kind(response=["u", "v"], reference=["x", "y"], faithfulness=score) == "ragas"
    assert kind(response=["u", "v"], retrieved_contexts=[["x"], []], faithfulness=score) == "ragas"
    assert kind(response=["u", "v"], score=score) == "long"
    assert kind(reference=["u", "v"], score=score) == "long"
    for name in ("item", "item_id", "task_id", "prompt_id", "judge"):
        assert kind(**{"user_input": ["u", "v"], name: [1, 0], "score": score}) == "long"
    # a score of some rows alone is that of humans in logs of Inspect, not here
    rows = [{"user_input": "u", "a": 1, "b": 1}, {"user_input": "v", "a": 0, "b": None}]
    table = read(tmp_path, "\n".join(map(json.dumps, rows)), "t.jsonl")
    assert "human" not in table.roles and table.scores == ("a", "b") and not table.checks


def test_digests_of_questions_are_those_of_their_texts() -> None:
    def digests(*asked):
        return (
            evals.read({"item": range(len(asked)), "question": asked, "score": [1] * len(asked)})
            .frame["content"]
            .tolist()
        )

    def plain(content):
        return hashlib.blake2b(content, digest_size=8).hexdigest()

    assert digests("why", None, np.nan) == [plain(b"why"), "", ""]
    assert digests({"b": 1, "a": 2}, {"a": 2, "b": 1}, '{"a": 2, "b": 1}', 5, "5", [1, None], "\ud800") == [
        *[plain(b'{"a": 2, "b": 1}')] * 3, *[plain(b"5")] * 2, plain(b"[1, null]"), plain(b"\xed\xa0\x80"),
    ]  # fmt: skip


# ---- roles and rows ----


def test_formats_are_told_by_their_names() -> None:
    for name in ("problem", "task_id", "problem_id"):
        assert evals.read({name: [1, 1], "passed": [1, 0]}).format == "repeated samples"
    for data in (
        {"item": [1, 1], "passed": [1, 0]},
        {"problem_id": [1, 1], "score": [1, 0]},
        {"item": [1, 2], "judge_score": [1, 0], "human": [1, 0]},
        {"item": [1, 2], "judge": [1, 0], "oracle_label": [1, 0]},
    ):
        assert evals.read(data).format == "long"
    judged = evals.read({"item": [1, 2], "judge": [1, 0], "human": [1, 0], "x": [1, 1]})
    assert judged.scores == ("judge",)
    named = evals.read({"item": [1, 2], "judge": [1, 0], "acc": [1, 1]})
    assert named.scores == ("judge", "acc")
    battle = {"question_id": [1, 2], "item": [3, 4], "model_a": ["p", "q"], "model_b": ["q", "p"]}
    assert evals.read({**battle, "winner": ["tie", "tie"]}).items == ["3", "4"]
    assert evals.read({**battle, "outcome": ["tie", "tie"], "winner": ["p", "q"]}).roles["judge"] == "winner"
    unnamed = {k: battle[k] for k in ("model_a", "model_b")}
    assert evals.read({**unnamed, "winner": ["tie", "tie"]}).items == ["0", "1"]


def test_kinds_are_shared_by_two_items_each() -> None:
    """Six rows of two kinds: four items are enough, three are too few, whatever the rows."""
    topic = list("xxxyyy")
    for items, kept in (([1, 2, 3, 4, 1, 2], ("topic",)), ([1, 2, 3, 1, 2, 3], ())):
        assert evals.read({"item": items, "score": [1, 0] * 3, "topic": topic}).categories == kept
    assert evals.read({"score": [1, 0] * 3, "topic": topic}).categories == ("topic",)


def test_rows_that_are_left_of_melted_ones_are_found_in_what_was_read() -> None:
    wide = pd.DataFrame({"item": range(4), "judge_ash": [1, 0, 1, 0], "judge_fir": [0, 1, 1, 0]})
    part = evals.read(wide).rows(np.array([True, True, False, False] * 2))
    assert part.matched(np.arange(4.0) + 5, "w").tolist() == [5.0, 6.0, 5.0, 6.0]
    assert part.origins[1] == 4 and part.frame.index.tolist() == [0, 1, 2, 3]


def test_roles_that_are_given_take_the_place_of_those_found() -> None:
    table = evals.read({"item": [1, 2], "judge": [1, 0], "human": [1, 0], "x": [1, 1]})
    other = evals.read(table, human="judge", judge="x")
    assert dict(other.roles) == {"item": "item", "human": "judge", "judge": "x"}
    three = evals.read(
        {"item": [1, 2], "a": [1, 0], "b": [1, 0], "c": [0, 0], "human": [1, 0]}, judge=["a", "b", "c"]
    )
    assert {k: v for k, v in three.roles.items() if k.startswith("judge")} == {
        "judge": "a", "judge 2": "b", "judge 3": "c",
    }  # fmt: skip
    assert three.judges == ("a", "b", "c")
    with pytest.raises(
        EvalFileError,
        match=r"judge= names the column 'z', which there is not; the columns are 'item', 'judge'",
    ):
        evals.read(table, judge="z")
    with pytest.raises(EvalFileError, match="filter='x' was given, but the data have no filters"):
        evals.read(table, filter="x")


def test_scores_are_read_at_the_edges_of_numbers() -> None:
    of = score_values.score_of
    assert of(np.bool_(True)) == 1.0 and of("-1e3") == -1000.0 and of(2**53 + 1) is None
    assert of("1e999") is None and of("_1") is None
    exact = [2.0**53, 0.5]
    assert score_values.as_scores(exact, "s").tolist() == exact
    with pytest.raises(EvalFileError, match=r"'w7' \(row 8\)\. Known"):
        score_values.as_scores([f"w{k}" for k in range(9)], "s")
    assert score_values.words_of(["Yes", " no ", "yes", "maybe", 1]) == {"yes": 2, "no": 1}
    with pytest.raises(EvalFileError, match="infinite score in row 3"):
        score_values.as_scores(np.array([1.0, 0.0, -np.inf]), "s")
    assert not score_values.looks_like_scores([np.inf]) and score_values.looks_like_scores([True, False])
