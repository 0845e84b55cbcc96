"""Runner of the tour: sections in order, what they print, and the page."""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from validstats.intake import check_literal
from validstats.reporting import package_versions
from validstats.results import Page
from validstats.tour._section import TerminalProgress, TourSection

__all__ = ["SECTIONS", "run_tour"]

SECTIONS = {
    "batch": "Batch predictive inference",
    "holdout": "Reusable holdout",
    "dsl": "Design-based supervised learning",
    "mi": "Learned mutual information",
    "evals": "Evaluations of models",
}
"""Name of a section -> its title, in the order of the tour."""

_LEAD = (
    "23,703 sentences from tweets, product reviews, film reviews and newspaper editorials, each rated by 15 "
    "or more people and scored by a machine. Every label is known, so every guarantee below is checked against the truth."
)


def run_tour(
    sections: Sequence[str] = tuple(SECTIONS),
    output: str | os.PathLike[str] = "validstats-tour.html",
    stream: TextIO | None = None,
) -> Path:
    """Run the tour on the bundled sentences.

    Parameters
    ----------
    sections : sequence of {"batch", "holdout", "dsl", "mi", "evals"}
        Which sections to run, in this order; all by default.
    output : str or path, default "validstats-tour.html"
        The page to write; self-contained, it needs no network.
    stream : text stream or None, default None
        Where to print; the standard output if None.

    Returns
    -------
    pathlib.Path
        The page.

    Raises
    ------
    ValueError
        If a section is unknown.
    FileNotFoundError
        If the folder of the output does not exist; checked before anything is computed.
    """
    out = sys.stdout if stream is None else stream
    for name in sections:
        check_literal(name, "sections", tuple(SECTIONS))
    folder = Path(output).absolute().parent
    if not folder.is_dir():
        raise FileNotFoundError(f"The folder of the output does not exist: {folder}. Create it first.")
    finished = []
    for name in sections:
        section, seconds = _run_section(name)
        print(f"\n{section.story.text(f'{SECTIONS[name]} ({seconds:.0f} s)')}", file=out, flush=True)
        finished.append(section)
    page = Page("A tour of validstats", _LEAD, [section.page for section in finished], _footer())
    path = page.write(output)
    print(f"\nTables, figures and guarantees of every answer: {path}", file=out)
    return path


def _run_section(name: str) -> tuple[TourSection, float]:
    module = importlib.import_module(f"validstats.tour.{name}")
    progress = TerminalProgress(SECTIONS[name])
    start = time.perf_counter()
    section: TourSection = module.run_section(progress)
    progress.close()
    return section, time.perf_counter() - start


def _footer() -> str:
    return ", ".join(f"{name} {version}" for name, version in package_versions().items())
