"""The mutation harness: what it changes, which tests it asks, and how it counts."""

from __future__ import annotations

import ast
import csv
import textwrap
import time
from dataclasses import replace

import pytest

from tests.mutation import __main__ as harness
from tests.mutation import worker
from tests.mutation.mutants import mutants
from tests.mutation.worker import in_child, record_lines

SOURCE = textwrap.dedent(
    '''
    """Not this: 1 < 2."""

    LIMIT = 10


    def clipped(value, low=0):
        """Nor this: 3 + 4."""
        if value < low:
            raise ValueError("below 5")
        return max(value, low) + 1
    '''
)


def test_every_mutant_is_one_change_that_still_parses():
    found = mutants(SOURCE, "module.py")
    changed = {m.apply(SOURCE) for m in found}
    assert len(changed) == len(found) > 6 and SOURCE not in changed
    for text in changed:
        ast.parse(text)
    pairs = {(m.old, m.new) for m in found}
    assert {("<", "<="), ("max", "min"), ("+", "-"), ("10", "11"), ("1", "2")} <= pairs
    assert not any("Not this" in m.old or "below" in m.old for m in found)


def test_a_mutant_knows_its_line():
    for mutant in mutants(SOURCE, "module.py"):
        assert SOURCE.splitlines()[mutant.line - 1][mutant.column :].startswith(mutant.old.splitlines()[0])


def test_the_statement_around_a_line_and_whether_it_runs_at_import():
    assert harness.enclosing_statement(SOURCE, 4) == (range(4, 5), True)
    assert harness.enclosing_statement(SOURCE, 9) == (range(9, 10), False)
    assert harness.enclosing_statement(SOURCE, 11) == (range(11, 12), False)


def test_only_tests_that_run_the_line_are_asked_the_quickest_first():
    recorded = {
        "seconds": {"slow": 2.0, "quick": 0.1, "never": 99.0, "broken off": 0.1, "elsewhere": 0.1},
        "failed": [],
        "too_long": ["broken off"],
        "at_import": {"module.py": [9, 10]},
        "lines": {
            "slow": {"module.py": [9, 11]},
            "quick": {"module.py": [11]},
            "never": {"module.py": [11]},
            "broken off": {"module.py": [11]},
            "elsewhere": {"other.py": [11]},
        },
    }
    trials = harness.Trials(recorded)
    last = next(m for m in mutants(SOURCE, "module.py") if m.line == 11)
    assert trials.tests_of(last, range(11, 12)) == ["quick", "slow"]
    assert trials.tests_of(last, range(9, 10)) == ["quick", "slow"]  # runs at import as well
    assert trials.tests_of(last, range(10, 11)) == ["quick", "slow"]  # runs at import alone
    assert trials.tests_of(last, range(8, 9)) == []


def outcome(number, result, text="x < y"):
    return harness.Outcome(
        "batch", "validstats/x.py", number, 2, text, "comparison", "<", "<=", result, 3, 0.5
    )


def test_shares_bounds_and_examined_mutants(tmp_path, monkeypatch):
    results = [outcome(k, "killed") for k in range(17)] + [
        outcome(90, "timeout"),
        outcome(91, "survived", "a < b"),
    ]
    results.append(outcome(92, "uncovered", "c < d"))
    for result in results:
        harness.append(result, tmp_path / "mutation_batch.csv")
    assert harness.read_outcomes(tmp_path / "mutation_batch.csv") == results
    killed, total, bound = harness.killed_share(results)
    assert (killed, total) == (18, 20) and bound == pytest.approx(0.717, abs=1e-3)
    assert harness.killed_share(results, 1)[:2] == (18, 19)
    examined = tmp_path / "examined.csv"
    with examined.open("w", newline="") as handle:
        csv.writer(handle).writerows(
            [
                ["function", "text", "column", "new", "reason"],
                ["f", "a < b", 2, "<=", "a is never b"],
            ]
        )
    monkeypatch.setattr(harness, "EXAMINED", examined)
    table = harness.report(tmp_path)
    assert "| batch | 1 | 20 | 1 | 18 | 94.7% |" in table
    assert "c < d" in table and "a < b" not in table
    harness.append(replace(results[0], seed=4), tmp_path / "mutation_batch.csv")
    table = harness.report(tmp_path)
    assert "| batch | 1 | 20 | 1 | 18 | 94.7% |" in table
    assert "| batch | 2 | 1 | 0 | 1 | 100.0% | 5.0% |" in table


def test_the_same_line_in_another_function_is_another_mutant(tmp_path, monkeypatch):
    """A reason for one break is none for that of another file; lines that are gone are known by their text."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "validstats").mkdir()
    loop = "def {}():\n    for k in range(3):\n        break\n"
    for name in ("one", "two"):
        (tmp_path / f"validstats/{name}.py").write_text(loop.format(name))
    known = {("break", 0, "continue"): {"one"}, ("a < b", 2, "<="): {"one"}}

    def examined(name, text="break", column=0, new="continue"):
        path = f"validstats/{name}.py"
        lost = harness.Outcome("batch", path, 9, column, text, "loop", "", new, "survived", 1, 0.1)
        return harness.is_examined(lost, known)

    assert examined("one") and not examined("two") and examined("three")
    assert examined("two", "a < b", 2, "<=") and not examined("two", "a > b", 2, ">=")


@pytest.mark.slow
@pytest.mark.skipif(
    not (harness.ROOT / "validstats").is_dir(), reason="the installed package is tested, without its sources"
)
def test_every_examined_mutant_is_one_of_a_theory_module(monkeypatch):
    """A changed line drops out of the table of reasons: it has to be looked at again."""
    monkeypatch.chdir(harness.ROOT)
    places = set()
    for domain in harness.MODULES:
        for path in harness.files_of(domain):
            source = (harness.ROOT / path).read_text(encoding="utf-8")
            for mutant in mutants(source, path):
                column, text = harness.within_line(mutant, source)
                places.add((harness.function_at(source, mutant.line), text, column, mutant.new))
    gone = [
        row
        for row in harness.examined_rows()
        if (row["function"], row["text"], int(row["column"]), row["new"]) not in places
    ]
    assert not gone, "these lines have changed; examine their mutants anew"


def test_survivors_are_tried_again_wherever_their_lines_are_now(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "validstats").mkdir()
    (tmp_path / "validstats/module.py").write_text("# a new line\n" + SOURCE)
    monkeypatch.setitem(harness.MODULES, "batch", ("module",))

    def outcome(mutant, what):
        text = SOURCE.splitlines()[mutant.line - 1].strip()
        return harness.Outcome(
            "batch", mutant.path, mutant.line, harness.within_line(mutant, SOURCE)[0], text, mutant.kind,
            mutant.old, mutant.new, what, 1, 0.1,
        )  # fmt: skip

    known = mutants(SOURCE, "validstats/module.py")[:4]
    states = ["killed", "survived", "uncovered", "timeout"]
    path = tmp_path / "mutation_batch.csv"
    for mutant, state in zip(known, states, strict=True):
        harness.append(outcome(mutant, state), path)
    outcomes = harness.read_outcomes(path)
    again = harness.survivors_of(outcomes, "batch")
    assert [(m.column, m.new, m.line) for m, _ in again] == [
        (m.column, m.new, m.line + 1) for m in known[1:3]
    ]
    assert [old for _, old in again] == outcomes[1:3]
    harness.replace_outcome(outcomes[1], outcome(known[1], "killed"), path)
    assert [o.outcome for o in harness.read_outcomes(path)] == [
        "killed",
        "killed later",
        "uncovered",
        "timeout",
    ]
    assert [p.name for p in tmp_path.glob("mutation*")] == ["mutation_batch.csv"]


def test_a_survivor_whose_line_is_gone_has_no_mutant(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "validstats").mkdir()
    (tmp_path / "validstats/module.py").write_text(SOURCE)
    monkeypatch.setitem(harness.MODULES, "batch", ("module",))
    lost = replace(outcome(3, "survived", "A = 1 + 2"), path="validstats/module.py", seed=5)
    assert harness.survivors_of([lost], "batch") == [(None, lost)]
    path = tmp_path / "mutation_batch.csv"
    harness.append(lost, path)
    harness._try_again(
        harness.Trials({"seconds": {}, "lines": {}, "too_long": [], "at_import": {}}), "batch", path
    )
    assert harness.read_outcomes(path) == [replace(lost, outcome="rewritten")]
    path.unlink()
    harness.append(lost, path)
    harness.mark_rewritten(tmp_path)
    assert harness.read_outcomes(path) == [replace(lost, outcome="rewritten")]
    assert "| batch | 1 | 1 | 0 | 0 | 0.0% | 0.0% | 0 | 0 | 1 | 0 |" in harness.report(tmp_path)


def test_of_equal_lines_the_nearest_one_is_tried_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "validstats").mkdir()
    (tmp_path / "validstats/module.py").write_text("\n\nA = 1 + 2\n\n\nA = 1 + 2\n")
    monkeypatch.setitem(harness.MODULES, "batch", ("module",))
    lost = harness.Outcome(
        "batch", "validstats/module.py", 7, 6, "A = 1 + 2", "arithmetic", "+", "-", "survived", 1, 0.1
    )
    ((found, old),) = harness.survivors_of([lost], "batch")
    assert found.line == 6 and old == lost


def test_a_sample_with_tests_that_fail_without_any_change_is_refused(tmp_path, monkeypatch):
    """A line whose tests are left out counts as one that no test holds."""
    recorded = {
        "seconds": {"a": 0.1, "b": 9.0},
        "lines": {},
        "failed": ["a"],
        "too_long": ["b"],
        "at_import": {},
    }
    monkeypatch.setattr(worker, "warm_up", lambda: None)
    monkeypatch.setattr(worker, "record_lines", lambda *arguments: recorded)
    monkeypatch.setattr(harness, "mutants_of", lambda domain: [])
    with pytest.raises(RuntimeError, match=r"cells: these tests fail without any change, .* not tested: a$"):
        harness.try_domain("cells", 1, 0, tmp_path, 1.0)
    recorded["failed"] = []
    harness.try_domain("cells", 1, 0, tmp_path / "none.csv", 1.0)


@pytest.mark.slow
def test_the_options_of_this_repository_do_not_keep_tests_from_running(tmp_path, monkeypatch):
    """Options of pyproject.toml that the worker did not know made every mutant one that no test runs."""
    monkeypatch.chdir(harness.ROOT)
    test = "tests/validity/test_hunt.py::test_settings_that_do_not_go_together_are_drawn_again"
    module = "validstats/validity/priors.py"
    found = record_lines([module], [test], tmp_path / "recorded.json", 600.0)
    assert list(found["seconds"]) == [test] and not found["failed"] and len(found["lines"][test][module]) > 10
    with pytest.raises(RuntimeError, match=r"No test of tests/mutation/examined.csv was run"):
        record_lines([module], ["tests/mutation/examined.csv"], tmp_path / "none.json", 600.0)


@pytest.mark.slow
def test_a_test_that_is_broken_off_is_left_out_and_does_not_count_as_failing(tmp_path):
    long = tmp_path / "test_long.py"
    long.write_text(
        "def test_that_never_ends():\n    while True:\n        pass\n\n\ndef test_short():\n    pass\n"
    )
    found = record_lines([], [str(long)], tmp_path / "recorded.json", 0.5)
    assert found["failed"] == [] and len(found["seconds"]) == 2
    assert [name.partition("::")[2] for name in found["too_long"]] == ["test_that_never_ends"]


@pytest.mark.slow
def test_a_child_is_judged_by_the_processor_and_not_by_the_clock():
    def busy():
        while True:
            pass

    assert in_child(busy, 1.0) is None
    assert in_child(lambda: time.sleep(1.5) or 7, 1.0) == 7
