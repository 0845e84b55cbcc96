"""Declaration, planned use and candidate: what a mechanism reads before it is opened, and what it offers."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeAlias

__all__ = ["NUMBERS", "Analysis", "Candidate", "Declaration", "ReleaseKind", "Use"]

ReleaseKind: TypeAlias = Literal["guess", "numeric", "difference", "bit", "leaderboard", "argmax"]
"""What is released: a number for which a guess is at hand, any number, a difference, a bit, the best so far, a winner."""

NUMBERS: tuple[ReleaseKind, ...] = ("guess", "numeric", "bit", "leaderboard", "argmax")
"""Releases that plain numbers serve; a difference would take two of them."""

Analysis: TypeAlias = Literal["tight", "rogers2020", "jung2020", "bassily2016"]
"""Whose bound the Gaussian mechanism states."""


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """What was declared before the first look: another declaration opens another epoch."""

    n: int  # independent units of the reusable part of the holdout
    queries: int  # answers allowed
    overfits: int | None  # answers from the holdout that Thresholdout may give; None for other mechanisms
    rounds: int | None  # batches allowed, for the mechanism of that name
    mechanism: str  # name of the mechanism that gives numbers
    confidence_level: float  # of all answers together
    users: dict[str, int] = field(default_factory=dict)  # answers allowed for each user; empty if they share
    vault: float = 0.0  # share that is sealed; the same for all epochs
    analysis: str | None = None  # whose bound the Gaussian mechanism states; None for other mechanisms
    # Half-width that Thresholdout works with; None for the one that its theorem proves, and for other mechanisms
    tolerance: float | None = None

    @cached_property
    def record(self) -> dict[str, Any]:
        """What the ledger keeps of it; to be read only."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Use:
    """A use of the holdout that is planned."""

    n: int  # rows, or clusters
    queries: int  # answers, or batches of candidates
    overfits: int  # answers from the holdout, or refuted claims, where a theorem counts them
    rounds: int | None  # batches that the answers come in
    release: ReleaseKind
    size: int  # candidates in the largest batch
    baseline: float  # loss known without the holdout, for a leaderboard
    analyses: tuple[Analysis, ...]  # whose bounds of the Gaussian mechanism are listed
    confidence_level: float
    log_alpha: float  # logarithm of the failure probability
    discordant: float = 0.1  # share of rows that one of two models has right and the other wrong
    expected: float = 0.85  # share that a score of right rows is expected to have

    @property
    def asked(self) -> int:
        """Number of scores that are looked at."""
        return self.queries * self.size if self.release == "argmax" else self.queries

    @property
    def batches(self) -> int | None:
        """Number of batches that the scores come in, where it is known."""
        return self.queries if self.release == "argmax" and self.rounds is None else self.rounds


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One mechanism and what it would promise.

    Attributes
    ----------
    name : str
        Name of the mechanism.
    half_width : float
        All answers are within it of the truth; 1/2 or more says nothing.
    note : str
        What it rests on.
    analysis : str
        Whose bound, for the Gaussian mechanism.
    """

    name: str
    half_width: float
    note: str
    analysis: str = ""

    @property
    def informative(self) -> bool:
        """Whether the half-width excludes anything for a value in the middle of [0, 1]."""
        return self.half_width < 0.5

    @property
    def label(self) -> str:
        """Name with the analysis, where there are several."""
        return f"{self.name} ({self.analysis})" if self.analysis else self.name
