"""What an answer will be worth, for every mechanism with a proof, before anything is spent."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from validstats.guarantee import Guarantee
from validstats.holdout.mechanisms.noisy import Analysis, gaussian_optimum
from validstats.holdout.widths import (
    argmax_width,
    description_length_width,
    fresh_chunk_width,
    grid_cell,
    guess_width,
    ladder_width,
    nonadaptive_width,
    rounds_width,
    sparse_validate_width,
    thresholdout_width,
)
from validstats.intake import (
    alpha_fraction,
    check_confidence_level,
    check_in_range,
    check_literal,
    check_positive_int,
)
from validstats.results import Report, Result, Table

__all__ = ["Candidate", "Plan", "ReleaseKind", "plan"]

ReleaseKind: TypeAlias = Literal["numeric", "guess", "bit", "leaderboard", "argmax"]
"""What is released: a number, a number for which a guess is at hand, a bit, the best so far, the winner of a batch."""


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


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Plan(Result):
    """Half-widths of every valid mechanism for a declared use, and the one that ``mechanism="auto"`` takes.

    Attributes
    ----------
    n, queries, failures : int
        Rows and declared counts.
    rounds : int or None
        Declared number of batches.
    release : str
        What is released.
    confidence_level : float
        Of all answers together.
    candidates : tuple of Candidate
        Sorted by half-width.
    nonadaptive : float
        What the same number of queries would get if they were all fixed beforehand; not valid otherwise.
    """

    n: int
    queries: int
    failures: int
    rounds: int | None
    release: ReleaseKind
    confidence_level: float
    candidates: tuple[Candidate, ...]
    nonadaptive: float

    @property
    def best(self) -> Candidate:
        """The candidate with the smallest half-width."""
        return self.candidates[0]

    @property
    def choice(self) -> str:
        """Name of the mechanism that ``mechanism="auto"`` takes."""
        return self.best.name

    @property
    def half_width(self) -> float:
        """Half-width of the choice."""
        return self.best.half_width

    @property
    def informative(self) -> bool:
        """Whether the choice says anything."""
        return self.best.informative

    def half_width_of(self, name: str, analysis: str | None = None) -> float:
        """Return the half-width of one mechanism.

        Parameters
        ----------
        name : str
            Name of a mechanism in the plan.
        analysis : str or None, default None
            Whose bound, for the Gaussian mechanism; its smallest by default.

        Returns
        -------
        float
            The half-width.

        Raises
        ------
        KeyError
            If the mechanism is not valid for this release.

        Examples
        --------
        >>> round(plan(10_000, 100).half_width_of("gaussian"), 3)
        0.129
        """
        for candidate in self.candidates:
            if candidate.name == name and analysis in (None, candidate.analysis):
                return candidate.half_width
        names = sorted({candidate.name for candidate in self.candidates})
        raise KeyError(f"{name!r} is not in the plan for release={self.release!r}; there are {names}.")

    def plot(self, ax: Any = None) -> Any:
        """Draw the half-widths.

        Parameters
        ----------
        ax : matplotlib Axes or None, default None
            Axes to draw on.

        Returns
        -------
        HoldoutPlanDisplay
            The figure's display.
        """
        from validstats.plotting.holdout_plan import HoldoutPlanDisplay

        return HoldoutPlanDisplay.from_plan(self).plot(ax)

    def _tidy_columns(self) -> Mapping[str, Sequence[Any] | np.ndarray]:
        return {
            "term": [candidate.name for candidate in self.candidates],
            "analysis": [candidate.analysis for candidate in self.candidates],
            "half_width": np.array([candidate.half_width for candidate in self.candidates]),
            "informative": [candidate.informative for candidate in self.candidates],
            "chosen": [candidate is self.best for candidate in self.candidates],
        }

    def _glance_columns(self) -> Mapping[str, Any]:
        return {
            "n": self.n,
            "queries": self.queries,
            "failures": self.failures,
            "release": self.release,
            "confidence_level": self.confidence_level,
            "mechanism": self.choice,
            "half_width": self.half_width,
        }

    def _report(self) -> Report:
        widths = [
            f"{candidate.half_width:.4f}" if candidate.informative else "says nothing"
            for candidate in self.candidates
        ]
        table = Table(
            {
                "Mechanism": [candidate.label for candidate in self.candidates],
                "Half-width": widths,
                "Rests on": [candidate.note for candidate in self.candidates],
            },
            formats={"Half-width": "text"},
        )
        header = (
            ("Holdout rows", f"{self.n:,}"),
            ("Release", self.release),
            ("Declared queries", f"{self.queries:,}"),
            ("Declared failures", f"{self.failures:,}"),
            ("Confidence level", f"{self.confidence_level:g}"),
            ("Chosen by auto", self.best.label),
        )
        naive = (
            f"If all queries were fixed before the holdout is seen, the half-width would be {self.nonadaptive:.4f}; "
            "with adaptive queries that figure promises nothing."
        )
        return Report(
            title="Plan for a reusable holdout",
            header=header,
            tables=(table,),
            guarantees=(self.guarantee,),
            notes=(naive,),
        )


def plan(
    n: int,
    queries: int,
    failures: int = 10,
    rounds: int | None = None,
    release: ReleaseKind = "numeric",
    *,
    candidates: int = 1,
    baseline: float = 1.0,
    analysis: Analysis | None = None,
    confidence_level: Any = 0.95,
) -> Plan:
    """Return every valid mechanism's half-width for a declared use; cached.

    Mechanisms are ranked at the declared number of failures, by their worst answer: a failed guess, or a guess that
    passes two standard deviations away from the holdout. A mechanism is listed where it can serve the release: numbers
    serve any, guess-and-check and Thresholdout need guesses.

    Parameters
    ----------
    n : int
        Rows of the holdout (clusters where rows depend on one another), at least 2, without the vault's.
    queries : int
        Declared number of queries; of batches for ``release="argmax"``.
    failures : int, default 10
        Declared number of failed guesses, refuted claims, or answers from the holdout.
    rounds : int or None, default None
        Number of batches that the queries come in; None if each may depend on the one before.
    release : {"numeric", "guess", "bit", "leaderboard", "argmax"}, default "numeric"
        A number; a number with a guess at hand; whether a claim is confirmed; the best loss so far; winner and score.
    candidates : int, default 1
        Size of the largest batch, for ``release="argmax"``.
    baseline : float, default 1.0
        Loss known without the holdout, for ``release="leaderboard"``.
    analysis : {"tight", "rogers2020", "jung2020", "bassily2016"} or None, default None
        Whose bound of the Gaussian mechanism is listed; all if None.
    confidence_level : float, default 0.95
        Probability with which all intervals together cover, at least 0.5.

    Returns
    -------
    Plan
        Candidates sorted by half-width, with the choice of ``mechanism="auto"`` first.

    Raises
    ------
    ValueError
        If a count or the level is out of range.

    Examples
    --------
    >>> answer = plan(10_000, 10_000, failures=10, release="guess")
    >>> answer.choice, round(answer.half_width, 4)
    ('guess_and_check', 0.0927)
    >>> plan(10_000, 100).choice
    'gaussian'
    """
    level = check_confidence_level(confidence_level)
    if level < 0.5:
        raise ValueError(f"confidence_level must be at least 0.5 for a holdout, got {confidence_level!r}.")
    check_literal(release, "release", get_args(ReleaseKind))
    if analysis is not None:
        check_literal(analysis, "analysis", get_args(Analysis))
    return _cached_plan(
        check_positive_int(n, "n", minimum=2),
        check_positive_int(queries, "queries"),
        check_positive_int(failures, "failures", minimum=0),
        None if rounds is None else check_positive_int(rounds, "rounds"),
        release,
        check_positive_int(candidates, "candidates"),
        check_in_range(baseline, "baseline", 0, 1, low_open=True),
        get_args(Analysis) if analysis is None else (analysis,),
        float(level),
        math.log(float(alpha_fraction(confidence_level))),
    )


@lru_cache(maxsize=512)
def _cached_plan(
    n: int,
    queries: int,
    failures: int,
    rounds: int | None,
    release: ReleaseKind,
    size: int,
    baseline: float,
    analyses: tuple[Analysis, ...],
    level: float,
    log_alpha: float,
) -> Plan:
    asked = queries * size if release == "argmax" else queries
    batches = queries if release == "argmax" and rounds is None else rounds
    found = _numeric_candidates(n, asked, batches, analyses, log_alpha)
    if release in ("guess", "bit"):
        found += _guess_candidates(n, asked, failures, log_alpha)
    if release == "bit":
        width = sparse_validate_width(n, asked, failures, log_alpha)
        found.append(Candidate(name="sparse_validate", half_width=width, note="bits only"))
    if release == "leaderboard":
        ladder = ladder_width(n, asked, log_alpha, baseline)
        found.append(Candidate(name="ladder", half_width=ladder.half_width, note=f"{ladder.cells} steps"))
    if release == "argmax":
        winner = argmax_width(n, queries, size, log_alpha)
        found.append(
            Candidate(name="argmax", half_width=winner.half_width, note=f"{winner.cells} cells, winner only")
        )
    return Plan(
        guarantee=_guarantee(n, asked, level),
        n=n,
        queries=queries,
        failures=failures,
        rounds=rounds,
        release=release,
        confidence_level=level,
        candidates=tuple(sorted(found, key=lambda candidate: candidate.half_width)),
        nonadaptive=nonadaptive_width(n, asked, log_alpha),
    )


def _numeric_candidates(
    n: int, queries: int, rounds: int | None, analyses: tuple[Analysis, ...], log_alpha: float
) -> list[Candidate]:
    description = description_length_width(n, queries, log_alpha)
    found = [
        Candidate(
            name="fresh_chunks",
            half_width=fresh_chunk_width(n, queries, log_alpha),
            note=f"{n // queries:,} rows a query",
        ),
        Candidate(
            name="description_length",
            half_width=description.half_width,
            note=f"rounding to {description.cells} cells",
        ),
    ]
    for analysis in analyses:
        width = gaussian_optimum(n, queries, log_alpha, analysis)
        found.append(
            Candidate(
                name="gaussian",
                half_width=width.half_width + 0.5 * grid_cell(width.sigma),
                note=f"normal noise, sd {width.sigma:.4f}",
                analysis=analysis,
            )
        )
    if rounds is not None:
        width_of_rounds = rounds_width(n, queries, rounds, log_alpha)
        note = f"{rounds:,} batches, {n // rounds:,} rows each"
        found.append(Candidate(name="rounds", half_width=width_of_rounds, note=note))
    return found


def _guess_candidates(n: int, queries: int, failures: int, log_alpha: float) -> list[Candidate]:
    guess = guess_width(n, queries, failures, log_alpha)
    found = [
        Candidate(
            name="guess_and_check",
            half_width=guess.half_width,
            note=f"{failures} failed guesses, {guess.cells} cells",
        )
    ]
    if failures:
        width = thresholdout_width(n, queries, failures, log_alpha)
        found.append(
            Candidate(name="thresholdout", half_width=width, note=f"{failures} overfits, Theorem 25")
        )
    return found


def _guarantee(n: int, queries: int, level: float) -> Guarantee:
    return Guarantee(
        holds=(
            f"all answers to at most {queries:,} queries, each chosen after seeing every earlier answer, are within the "
            f"half-width of the truth together with probability at least {level:g}"
        ),
        kind="finite-sample",
        check=(
            "the holdout rows are independent draws from one law",
            "every per-row value lies in [0, 1]",
            "the analyst sees the released answers and nothing else of the holdout",
        ),
        n_reference=n,
        citation=(
            "Dwork et al. (2015), arXiv 1506.02629; Rogers et al. (2020), arXiv 1906.09231; Blum and Hardt (2015), "
            "arXiv 1502.04585; transcripts counted exactly, and the tight Gaussian bound of validstats.holdout.widths.gaussian"
        ),
        confidence_level=level,
        details=(
            "no more queries and failures are asked than declared",
            "Each mechanism's half-width holds for its own answers; taking another mechanism after seeing answers opens a "
            "new budget",
        ),
    )
