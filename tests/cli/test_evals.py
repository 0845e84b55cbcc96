"""Commands of evaluations: what they print, and the exit codes of gates."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from validstats.cli import main

DATA = Path(__file__).parent.parent / "evals" / "data"
FILES = [
    path
    for path in sorted(DATA.rglob("*"))
    if path.is_file()
    and path.suffix != ".md"
    and path.name != "expected.json"
    and "results_2" not in path.name
]


def run(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("eval", DATA / "long.csv", "--system", "alpha-small"), "The pass rate of alpha-small is"),
        (("compare", DATA / "gpqa_counts.csv"), "beats system_b by 5.9 points (0.4 to 11.3; p = .036)"),
        (("rank", DATA / "gpqa_counts.csv"), "system_a is best"),
        (("passk", DATA / "samples.jsonl_results.jsonl", "-k", "1,2"), "With 2 tries"),
        (("plan", "eval", "--difference", 0.02, "--discordance", 0.1), "2,100 items"),
        (("doctor", DATA / "long.csv"), "Nothing was found"),
    ],
)
def test_a_command_answers(arguments, words):
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    assert words in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("a", "b", "fail_on", "code"),
    [
        ("system_a", "system_b", "worse", 0),
        ("system_b", "system_a", "worse", 4),
        ("system_a", "system_b", "not-better", 0),
        ("system_b", "system_a", "not-better", 4),
        ("system_b", "system_a", "undecided", 4),
        ("system_a", "system_b", "undecided", 0),
        ("system_b", "system_a", None, 0),
    ],
)
def test_gate(a, b, fail_on, code):
    options = () if fail_on is None else ("--fail-on", fail_on)
    done = run("compare", DATA / "gpqa_counts.csv", "--a", a, "--b", b, *options)
    assert done.exit_code == code
    assert "points" in done.output


@pytest.mark.parametrize("path", FILES[::4], ids=lambda path: path.name)
def test_a_command_that_the_doctor_names_answers(path):
    commands_answer(path)


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_command_that_the_doctor_names_answers(path):
    commands_answer(path)


def commands_answer(path):
    """All commands of a report end with 0, and there are some unless a finding is in the way."""
    found = run("doctor", path, "--format", "json")
    commands = json.loads(found.output)["commands"]
    assert bool(commands) == (found.exit_code == 0)
    for entry in commands:
        done = run(*shlex.split(entry["command"])[1:])
        assert done.exit_code == 0, (entry, done.output)


def test_strata_on_the_command_line(tmp_path):
    path = tmp_path / "answers.csv"
    rows = [(i, i % 3, int(i % 7 > 0), (int(i % 5 > 0) if i % 3 == 0 or i < 60 else "")) for i in range(300)]
    pd.DataFrame(rows, columns=["item", "group", "judge", "human"]).to_csv(path, index=False)
    done = run("eval", path, "--strata", "group")
    assert done.exit_code == 0, done.output
    assert "within the strata" in " ".join(done.output.split())
    assert "leave --probability out" in run("eval", path, "--strata", "group", "--probability", "0.5").output


def test_several_judges_on_the_command_line(tmp_path):
    path = tmp_path / "answers.csv"
    rows = [(i, int(i % 7 > 0), int(i % 4 > 0), (int(i % 5 > 0) if i % 3 == 0 else "")) for i in range(300)]
    pd.DataFrame(rows, columns=["item", "first", "second", "human"]).to_csv(path, index=False)
    done = run("eval", path, "--judge", "first,second", "--human", "human")
    assert done.exit_code == 0, done.output
    assert "The first judge (first) alone" in " ".join(done.output.split())
    found = run("doctor", path, "--judge", "first,second", "--format", "json")
    command = shlex.split(json.loads(found.output)["commands"][0]["command"])[1:]
    assert command[2:] == ["--judge", "first,second", "--human", "human"]
    assert run(*command).exit_code == 0
    assert "twice" in run("eval", path, "--judge", "first,first").output


def test_refusals_name_options_of_the_command():
    assert "or pass --unpaired-ok" in run("compare", DATA / "broken" / "misaligned.csv").output
    assert "Pass --score with one of them" in run("eval", DATA / "ragas.csv").output
    assert "Pass --system with one of them" in run("eval", DATA / "long.csv").output


def test_gate_on_an_undecided_comparison():
    arguments = ("compare", DATA / "wide.csv", "--a", "beta-large", "--b", "alpha-small", "--fail-on")
    assert run(*arguments, "worse").exit_code == 0
    assert run(*arguments, "undecided").exit_code == 4
    assert run(*arguments, "not-better").exit_code == 4


def test_a_broken_file_is_no_regression():
    done = run("compare", DATA / "broken" / "misaligned.csv", "--fail-on", "worse")
    assert done.exit_code == 1
    assert "unpaired" in done.output


def test_an_interval_without_width_is_never_a_pass(tmp_path):
    path = tmp_path / "flat.csv"
    frame = pd.DataFrame(
        {"item": list(range(20)) * 2, "system": ["a"] * 20 + ["b"] * 20, "score": [5.0] * 20 + [3.0] * 20}
    )
    frame.to_csv(path, index=False)
    done = run("compare", path, "--fail-on", "worse")
    assert done.exit_code == 1
    assert "no finite width" in done.output


def test_json_holds_the_exit_code():
    done = run(
        "compare",
        DATA / "gpqa_counts.csv",
        "--a",
        "system_b",
        "--b",
        "system_a",
        "--fail-on",
        "worse",
        "--format",
        "json",
    )
    values = json.loads(done.output)
    assert values["exit_code"] == 4 == done.exit_code
    assert values["schema"] == "validstats.evals/1"
    assert values["verdict"]["code"] == "worse"
    assert len(values["inputs"]["files"][0]["sha256"]) == 64


@pytest.mark.parametrize(
    ("name", "code"), [("long.csv", 0), ("broken/duplicates.csv", 1), ("nothing.csv", 1)]
)
def test_doctor_exits_with_1_where_something_is_in_the_way(name, code):
    assert run("doctor", DATA / name).exit_code == code


def test_release_of_two_files(tmp_path):
    checked = pd.DataFrame(
        {"score": [i / 200 for i in range(200)], "right": [int(i > 60) for i in range(200)]}
    )
    checked.to_csv(tmp_path / "checked.csv", index=False)
    pd.DataFrame({"score": [i / 100 for i in range(100)]}).to_csv(tmp_path / "new.csv", index=False)
    done = run("release", tmp_path / "checked.csv", tmp_path / "new.csv", "--max-false", 10)
    assert done.exit_code == 0
    assert "may go out unread" in done.output
    assert (
        run(
            "release", tmp_path / "checked.csv", tmp_path / "new.csv", "--max-false", 10, "--right", "x"
        ).exit_code
        == 1
    )


def test_wrong_options_exit_with_2():
    assert run("compare", DATA / "long.csv", "--fail-on", "bad").exit_code == 2
    assert run("passk", DATA / "samples.jsonl_results.jsonl", "-k", "one").exit_code == 2
    assert run("rank", DATA / "battles.csv", "--battles", "model_a").exit_code == 2
