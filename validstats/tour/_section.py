"""Sections of the tour: the story that each tells, its page, and the progress display that it reports to."""

from __future__ import annotations

import shutil
import sys
import textwrap
from dataclasses import dataclass, field
from typing import Any, Protocol, TextIO

from validstats.results import Section

__all__ = ["CORPORA", "Progress", "QuietProgress", "Story", "TerminalProgress", "TourSection"]


WIDEST = 80
"""Columns of the story, however wide the terminal is."""

CORPORA = {
    "tweets": "tweets",
    "amazon": "product reviews",
    "movies": "film reviews",
    "nyt": "newspaper editorials",
}
"""Corpora of the bundled sentences, as the story names them."""


@dataclass(frozen=True)
class Story:
    """What a section tells in the terminal: a question, the usual answer, ours, the truth, and what can be relied on."""

    question: str
    naive: str
    ours: str
    truth: str
    rely_on: str

    def text(self, title: str, width: int | None = None) -> str:
        """The story under its title, folded to the terminal."""
        width = width or min(shutil.get_terminal_size((WIDEST, 24)).columns, WIDEST)
        rows = {
            "Question": self.question,
            "Usual": self.naive,
            "validstats": self.ours,
            "Truth": self.truth,
            "Rely on": self.rely_on,
        }
        indent = " " * 12
        told = (
            textwrap.fill(words, width, initial_indent=f"{name:<12}", subsequent_indent=indent)
            for name, words in rows.items()
        )
        return "\n".join([title, *told])


@dataclass(frozen=True)
class TourSection:
    """One section of the tour: what is printed, and what goes on the page."""

    story: Story
    page: Section
    facts: dict[str, Any] = field(default_factory=dict)


class Progress(Protocol):
    """What a section reports its steps to."""

    def step(self, message: str) -> None:
        """Say what is being done now."""


class QuietProgress:
    """A progress display that shows nothing."""

    def step(self, message: str) -> None:
        """Ignore the message."""


class TerminalProgress:
    """One line a step, overwritten in place; nothing where the stream is no terminal."""

    def __init__(self, title: str, stream: TextIO | None = None) -> None:
        self.title = title
        self.stream = sys.stderr if stream is None else stream

    def step(self, message: str) -> None:
        """Say what is being done now."""
        if self.stream.isatty():
            line = f"[{self.title}] {message} ..."
            self.stream.write(f"\r\x1b[2K{line[: shutil.get_terminal_size().columns - 1]}")
            self.stream.flush()

    def close(self) -> None:
        """Clear the line."""
        if self.stream.isatty():
            self.stream.write("\r\x1b[2K")
            self.stream.flush()
