"""The house in figures: circles, deferred imports, width of folders, words that nobody can reach, lengths of trips."""

from __future__ import annotations

from pathlib import Path

import pytest

import validstats
from benchmarks import structure

ROOT = Path(validstats.__file__).parent
WIDEST = 17
"""Files and rooms side by side in a domain or a room."""

MAY_WAIT = (
    ("validstats", "validstats.plotting"),
    ("validstats.cli", "validstats"),
    ("validstats.tour", "validstats"),
    ("validstats.mi.training", "validstats.mi.training"),
)
"""(importer, imported): figures, commands that start quickly, and training, which needs the torch extra."""


@pytest.fixture(scope="module")
def found() -> structure.Structure:
    return structure.measure(ROOT)


def below(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")


def test_no_circle_of_imports_deferred_ones_counted(found: structure.Structure) -> None:
    assert found.circles == []


def test_imports_within_functions_are_those_that_may_wait(found: structure.Structure) -> None:
    others = [
        pair
        for pair in found.deferred
        if not any(below(pair[0], a) and below(pair[1], b) for a, b in MAY_WAIT)
    ]
    assert others == []


def test_no_folder_is_wider_than_a_reader_can_hold() -> None:
    wide = {str(d.parent): structure.width(d.parent) for d in ROOT.rglob("__init__.py") if d.parent != ROOT}
    assert {folder: width for folder, width in wide.items() if width > WIDEST} == {}


def test_words_are_where_they_are_read(found: structure.Structure) -> None:
    assert found.internal_docstring_lines <= 0.06 * found.lines
    assert found.comment_lines >= 0.01 * found.lines


@pytest.mark.slow
@pytest.mark.parametrize("domain", sorted(structure.ANSWERS))
def test_one_answer_enters_ten_files_of_its_domain_at_most(domain) -> None:
    """Evaluations read what they are given first, in five readers, and say what is wrong with it."""
    entered = structure.files_entered(domain, ROOT)
    assert 0 < len(entered) <= {"evals": 14}.get(domain, 10), entered


def test_a_circle_and_a_deferred_import_are_noticed(tmp_path) -> None:
    package = tmp_path / "pack"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "a.py").write_text("from pack.b import f\n")
    (package / "b.py").write_text("def f():\n    from pack.a import f\n    return f\n")
    found = structure.measure(package)
    assert found.circles == [["pack.a", "pack.b"]]
    assert found.deferred == [("pack.b", "pack.a")]


def test_an_import_through_a_door_counts_as_one_of_the_file_behind_it(tmp_path) -> None:
    package = tmp_path / "pack"
    (package / "room").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "room" / "__init__.py").write_text("from pack.room.inside import f\n")
    (package / "room" / "inside.py").write_text("from pack.user import g\nf = g\n")
    (package / "user.py").write_text("from pack.room import f\ng = 1\n")
    assert structure.measure(package).circles == [["pack.room.inside", "pack.user"]]
