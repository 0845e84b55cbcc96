"""Times of the README's commands: which they are, and that the time of children is counted."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from benchmarks.readme import ROOT, commands, timed


def test_the_steps_are_those_of_the_first_block() -> None:
    found = commands((ROOT / "README.md").read_text(encoding="utf-8"))
    assert found == ["pip install .", "validstats tour", 'pip install -e ".[test]"', "pytest"]


def test_the_time_of_children_is_counted(tmp_path: Path) -> None:
    _, cpu = timed(f"{sys.executable} -c 'sum(i * i for i in range(4_000_000))'", tmp_path, dict(os.environ))
    assert cpu > 0.05
