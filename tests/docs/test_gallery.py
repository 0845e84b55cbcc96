"""The gallery: every example runs and ends in a figure or a table, and together they use every public name."""

from __future__ import annotations

import ast
import importlib
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import validstats
from tests.public import calls, own_classes, returned

GALLERY = Path(__file__).parents[2] / "docs" / "gallery"
EXAMPLES = sorted(GALLERY.glob("*/*.py"))
DOMAINS = ("batch", "holdout", "dsl", "mi", "evals")
FOR_DEVELOPERS = {
    *(
        "Family",
        "IntervalTarget",
        "Question",
        "Target",
    ),  # what one's own family or target derives from or is given
    *(
        "AuditRow",
        "Calibration",
        "Candidate",
        "Check",
        "HoldoutCalibration",
        "Pilot",
        "Verdict",
    ),  # parts of results
    "InapplicableTest",  # in place of a test that is not defined
}
"""Public names that nobody calls: bases of one's own classes, and parts of what calls return."""

OF_ATTRIBUTES = {
    "AgreementResult": "evals/is_the_judge_good",
    "ConfidenceSequence": "labels/label_and_look",
}
"""Results that no annotation names -> the example in which one is computed."""

pytestmark = pytest.mark.skipif(not EXAMPLES, reason="the gallery is not installed with the package")


def words() -> set[str]:
    """Words of all examples."""
    return set(re.findall(r"\w+", "\n".join(path.read_text(encoding="utf-8") for path in EXAMPLES)))


def shown(names: set[str]) -> Iterator[str]:
    """Classes that calls of these names return, and those that methods of these classes return."""
    known = own_classes()
    pending = [value for name, value in _public() if name in names]
    seen: set[str] = set()
    while pending:
        for _, function in calls("", pending.pop()):
            new = returned(function, known) - seen
            seen |= new
            pending += [known[name] for name in new]
    yield from seen


def _public() -> Iterator[tuple[str, Any]]:
    for module in (validstats, *(importlib.import_module(f"validstats.{name}") for name in DOMAINS)):
        for name in module.__all__:
            yield name, getattr(module, name)


def test_there_are_at_least_forty_in_groups_with_titles() -> None:
    assert len(EXAMPLES) >= 40
    for folder in {path.parent for path in EXAMPLES}:
        assert (folder / "README.md").read_text(encoding="utf-8").startswith("## ")
    for path in EXAMPLES:
        told = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        assert told and told.startswith("# ") and told.count("\n") >= 2, path.name


def test_every_public_name_is_in_an_example() -> None:
    used = words()
    there = used | set(shown(used)) | FOR_DEVELOPERS | set(OF_ATTRIBUTES)
    assert sorted({name for name, _ in _public()} - there) == []


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_an_example_runs_without_a_warning_and_ends_in_a_figure_or_a_table(path, capsys, monkeypatch) -> None:
    plt = pytest.importorskip("matplotlib.pyplot")
    monkeypatch.setenv("MPLBACKEND", "Agg")
    plt.close("all")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    last = tree.body[-1]
    space: dict[str, Any] = {"__name__": "__example__"}
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        if isinstance(last, ast.Expr):
            exec(compile(ast.Module(tree.body[:-1], []), str(path), "exec"), space)
            value = eval(compile(ast.Expression(last.value), str(path), "eval"), space)
        else:
            exec(compile(tree, str(path), "exec"), space)
            value = None
    computed = {type(thing).__name__ for thing in space.values()}
    assert {name for name, where in OF_ATTRIBUTES.items() if path.match(f"{where}.py")} <= computed
    drawn = plt.get_fignums()
    plt.close("all")
    assert drawn or hasattr(value, "_repr_html_") or capsys.readouterr().out.strip()
