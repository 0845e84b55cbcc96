"""Plan of a holdout: what an answer will be worth under every mechanism with a proof, before anything is spent."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, get_args

import numpy as np

from validstats.guarantee import Guarantee
from validstats.holdout.mechanisms import MECHANISMS, Analysis, Candidate, ReleaseKind, Use, mechanism
from validstats.holdout.widths import nonadaptive_width
from validstats.intake import (
    alpha_fraction,
    check_confidence_level,
    check_in_range,
    check_literal,
    check_positive_int,
)
from validstats.results import NotApplicable, Report, Result, Table

__all__ = ["Candidate", "Plan", "ReleaseKind", "plan"]

_NO_VALUE = "a plan says how wide answers will be, not what they will be"


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Plan(Result):
    """Half-widths of every valid mechanism for a declared use, and the one that ``mechanism="auto"`` takes.

    Parameters
    ----------
    use : Use
        What was planned: rows, declared counts, release and level.
    candidates : tuple of Candidate
        Sorted by half-width.
    nonadaptive : float
        What the same number of queries would get if they were all fixed beforehand; not valid otherwise.
    """

    use: Use
    candidates: tuple[Candidate, ...]
    nonadaptive: float

    @property
    def n(self) -> int:
        """Rows of the holdout."""
        return self.use.n

    @property
    def queries(self) -> int:
        """Declared number of queries."""
        return self.use.queries

    @property
    def failures(self) -> int:
        """Declared number of failed guesses."""
        return self.use.failures

    @property
    def rounds(self) -> int | None:
        """Declared number of batches."""
        return self.use.rounds

    @property
    def release(self) -> ReleaseKind:
        """What is released."""
        return self.use.release

    @property
    def confidence_level(self) -> float:
        """Of all answers together."""
        return self.use.confidence_level

    @property
    def terms(self) -> list[str]:
        """The mechanisms, tightest first."""
        return [candidate.label for candidate in self.candidates]

    @property
    def estimate(self) -> NotApplicable:
        """Not applicable: a plan says how wide answers will be, not what they will be."""
        return NotApplicable(_NO_VALUE)

    @property
    def conf_low(self) -> NotApplicable:
        """Not applicable: a plan says how wide answers will be, not what they will be."""
        return NotApplicable(_NO_VALUE)

    @property
    def conf_high(self) -> NotApplicable:
        """Not applicable: a plan says how wide answers will be, not what they will be."""
        return NotApplicable(_NO_VALUE)

    @property
    def naive(self) -> float:
        """Half-width if all queries were fixed before the holdout is seen; not valid otherwise."""
        return self.nonadaptive

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

    def _display(self, labels: Mapping[str, str] | None, drop: Collection[str]) -> Any:
        """Draw the half-widths."""
        from validstats.plotting.plans import HoldoutPlanDisplay

        return HoldoutPlanDisplay.from_plan(self, labels, drop)

    def _answer(self) -> str:
        asked = f"{self.queries:,} adaptively chosen {'batches' if self.release == 'argmax' else 'questions'}"
        if not self.informative:
            return f"{self.n:,} rows say nothing about {asked}: declare fewer, or take more rows"
        return (
            f"With {self.n:,} rows each of {asked} is answered to within {self.half_width:.3f} "
            f"(mechanism {self.choice!r}), all together in {100 * self.confidence_level:g} of 100 studies"
        )

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
    expected: float = 0.85,
    confidence_level: Any = 0.95,
) -> Plan:
    """Return every valid mechanism's half-width for a declared use; cached.

    Answers around guesses are ranked by their mean half-width over honest guesses at the expected score, those of chunks
    likewise; the others by their worst answer. A mechanism is listed where it can serve the release: numbers serve any,
    guess-and-check and Thresholdout need guesses.

    Parameters
    ----------
    n : int
        Rows of the holdout (clusters where rows depend on one another), at least 2, without the vault's.
    queries : int
        Declared number of queries; of batches for ``release="argmax"``.
    failures : int, default 10
        Declared number of refuted claims, or answers from the holdout, where a theorem counts them.
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
    expected : float, default 0.85
        Share of right rows that is expected, for answers that are coded around guesses.
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
    ('guess_and_check', 0.0388)
    >>> plan(10_000, 100).choice
    'gaussian'
    """
    level = check_confidence_level(confidence_level)
    if level < 0.5:
        raise ValueError(f"confidence_level must be at least 0.5 for a holdout, got {confidence_level!r}.")
    check_literal(release, "release", get_args(ReleaseKind))
    if analysis is not None:
        check_literal(analysis, "analysis", get_args(Analysis))
    return _plan_for(
        Use(
            n=check_positive_int(n, "n", minimum=2),
            queries=check_positive_int(queries, "queries"),
            failures=check_positive_int(failures, "failures", minimum=0),
            rounds=None if rounds is None else check_positive_int(rounds, "rounds"),
            release=release,
            size=check_positive_int(candidates, "candidates"),
            expected=check_in_range(expected, "expected", 0, 1),
            baseline=check_in_range(baseline, "baseline", 0, 1, low_open=True),
            analyses=get_args(Analysis) if analysis is None else (analysis,),
            confidence_level=float(level),
            log_alpha=math.log(float(alpha_fraction(confidence_level))),
        ),
        tuple(MECHANISMS),
    )


@lru_cache(maxsize=512)
def _plan_for(use: Use, names: tuple[str, ...]) -> Plan:
    """Ask every known mechanism that can serve the release what it would promise."""
    serving = [mechanism(name) for name in names if use.release in mechanism(name).serves]
    found = [candidate for kind in serving for candidate in kind.candidates(use)]
    return Plan(
        guarantee=_guarantee(use),
        use=use,
        candidates=tuple(sorted(found, key=lambda candidate: candidate.half_width)),
        nonadaptive=nonadaptive_width(use.n, use.asked, use.log_alpha),
    )


def _guarantee(use: Use) -> Guarantee:
    return Guarantee(
        holds=(
            f"in at least {100 * use.confidence_level:g} of 100 studies like this one all answers are within the "
            "half-width of the truth, although each question may depend on every earlier answer"
        ),
        kind="finite-sample",
        check=(
            "the holdout rows are independent draws from the population that you ask about",
            "nobody sees these rows except through the released answers",
            f"no more than {use.asked:,} questions are asked",
        ),
        n_reference=use.n,
        citation=(
            "Dwork et al. (2015), arXiv 1506.02629; Rogers et al. (2020), arXiv 1906.09231; Blum and Hardt (2015), "
            "arXiv 1502.04585; transcripts counted exactly, and an exact bound for Gaussian noise"
        ),
        confidence_level=use.confidence_level,
        details=(
            f"All answers to at most {use.asked:,} queries are within the half-width of the truth together with "
            f"probability at least {use.confidence_level:g}",
            "Every row's value lies in [0, 1]",
            "Each mechanism's half-width holds for its own answers; taking another mechanism after seeing answers opens "
            "a new budget",
        ),
    )
