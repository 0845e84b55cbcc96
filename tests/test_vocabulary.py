"""One vocabulary: a word of the glossary has one meaning, and no other name is used for two things."""

from __future__ import annotations

import functools
import re
from collections import defaultdict
from pathlib import Path

import pytest

import validstats

ROOT = Path(validstats.__file__).parent
PAGE = ROOT.parent / "CONTRIBUTING.md"


NAME = re.compile(r"^(?:class (\w+)|(\w+): TypeAlias\b)", re.MULTILINE)


@functools.cache
def names(root: Path) -> dict[str, list[str]]:
    """Classes and aliases of types by name, with the files that define them; private ones are left out."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(root.rglob("*.py")):
        for match in NAME.finditer(path.read_text(encoding="utf-8")):
            name = match[1] or match[2]
            if not name.startswith("_"):
                found[name].append(str(path.relative_to(root)))
    return found


def glossary() -> dict[str, str]:
    section = PAGE.read_text(encoding="utf-8").partition("## Words")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| ([A-Z]\w+) \| (.+) \|$", section, flags=re.MULTILINE))


@pytest.mark.skipif(not PAGE.exists(), reason="the glossary is not installed")
def test_a_name_that_several_files_define_is_a_word_of_the_glossary() -> None:
    several = {name: files for name, files in names(ROOT).items() if len(files) > 1}
    assert {name: files for name, files in several.items() if name not in glossary()} == {}


@pytest.mark.skipif(not PAGE.exists(), reason="the glossary is not installed")
def test_every_word_of_the_glossary_is_in_use() -> None:
    ends = {name: word for name in names(ROOT) for word in glossary() if name.endswith(word)}
    assert set(glossary()) == set(ends.values())
    assert len(glossary()) <= 15


def test_a_second_meaning_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("class Thing:\n    pass\n")
    (tmp_path / "b.py").write_text("Thing: TypeAlias = int\nclass _Own:\n    pass\n")
    assert names(tmp_path) == {"Thing": ["a.py", "b.py"]}
