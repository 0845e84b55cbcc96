"""Sections of the tour: what each gives back, and the progress display that it reports to."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TextIO

from validstats.results import Section

__all__ = ["Progress", "QuietProgress", "TerminalProgress", "TourSection", "join_text"]


@dataclass(frozen=True)
class TourSection:
    """One section of the tour: what is printed, and what goes on the page."""

    text: str
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
    """One line a step, overwritten in place where the stream is a terminal."""

    def __init__(self, title: str, stream: TextIO | None = None) -> None:
        self.title = title
        self.stream = sys.stderr if stream is None else stream

    def step(self, message: str) -> None:
        """Say what is being done now."""
        line = f"[{self.title}] {message} ..."
        self.stream.write(f"\r\x1b[2K{line[:100]}" if self.stream.isatty() else line + "\n")
        self.stream.flush()

    def close(self) -> None:
        """Clear the line."""
        if self.stream.isatty():
            self.stream.write("\r\x1b[2K")
            self.stream.flush()


def join_text(parts: Sequence[object]) -> str:
    """Join printed parts with blank lines."""
    return "\n\n".join(str(part) for part in parts)
