"""Rows of the page of coverage: how often a statement held in one setting, and the file that keeps them."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

VERSION = "0.2.0"
"""Version of the package whose rows are simulated: that of the first entry of the changelog."""

LEVELS = (0.8, 0.9, 0.95)
FIELDS = (
    "domain",
    "guarantee",
    "setting",
    "level",
    "hits",
    "trials",
    "naive",
    "naive_hits",
    "naive_trials",
    "version",
)


@dataclass(frozen=True)
class Row:
    """How often a statement held in one setting at one nominal level.

    Attributes
    ----------
    domain, guarantee, setting : str
        What was simulated.
    level : float
        Nominal probability.
    hits, trials : int
        How often it held.
    naive : str
        The naive method; empty if there is none.
    naive_hits, naive_trials : int
        The same for the naive method; 0 trials if there is none.
    version : str
        Version of the package that was simulated.
    """

    domain: str
    guarantee: str
    setting: str
    level: float
    hits: int
    trials: int
    naive: str = ""
    naive_hits: int = 0
    naive_trials: int = 0
    version: str = VERSION

    @property
    def coverage(self) -> float:
        """Share of the replicates in which the statement held."""
        return self.hits / self.trials


@dataclass(frozen=True)
class Setting:
    """One setting at all levels; ``run(n_replicates)`` gives its rows.

    With ``shared`` the replicates are divided among several settings, so that the rows of each hold a part of them.
    """

    domain: str
    name: str
    run: Callable[[int], list[Row]]
    short: int
    long: int
    shared: bool = False


def read_rows(path: Path) -> list[Row]:
    """Read the rows so far."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as handle:
        return [
            Row(
                r["domain"], r["guarantee"], r["setting"], float(r["level"]), int(r["hits"]), int(r["trials"]),
                r["naive"], int(r["naive_hits"]), int(r["naive_trials"]), r["version"],
            )
            for r in csv.DictReader(handle)
        ]  # fmt: skip


def append_rows(rows: list[Row], path: Path) -> None:
    """Append the rows of one setting."""
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, fieldnames=FIELDS, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerows(asdict(row) for row in rows)


def replace_rows(rows: list[Row], path: Path) -> None:
    """Put the rows of a setting where it had others, or at the end; the file changes as a whole."""
    keys = {(row.domain, row.setting) for row in rows}
    known = read_rows(path)
    place = next((i for i, r in enumerate(known) if (r.domain, r.setting) in keys), len(known))
    before, after = (
        [r for r in part if (r.domain, r.setting) not in keys] for part in (known[:place], known[place:])
    )
    draft = path.with_name(path.name + ".part")
    draft.unlink(missing_ok=True)
    append_rows([*before, *rows, *after], draft)
    os.replace(draft, path)


def is_done(setting: Setting, replicates: int, rows: list[Row]) -> bool:
    """Say whether the rows hold a setting with as many replicates as are wanted."""
    found = [row.trials for row in rows if (row.domain, row.setting) == (setting.domain, setting.name)]
    return bool(found) and (setting.shared or min(found) >= replicates)
