"""Plan of a holdout: what an answer will be worth under every mechanism with a proof, before anything is spent."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
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

_ASKED = {"argmax": "batches", "difference": "comparisons"}
_MOST_QUERIES, _MOST_ROWS = 100_000, 100_000_000  # where searches for a number end
_FURTHEST = math.log(16.0)  # step of such a search
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
    def overfits(self) -> int:
        """Declared number of answers from the holdout, or of refuted claims, where a theorem counts them."""
        return self.use.overfits

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
        >>> round(plan(10_000, 100, release="numeric").half_width_of("gaussian"), 3)
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
        asked = f"{self.queries:,} adaptively chosen {_ASKED.get(self.release, 'questions')}"
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
            "chosen": [candidate is self.best and candidate.informative for candidate in self.candidates],
        }

    def _glance_columns(self) -> Mapping[str, Any]:
        return {
            "n": self.n,
            "queries": self.queries,
            "overfits": self.overfits,
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
            ("Confidence level", f"{self.confidence_level:g}"),
            ("Chosen by auto", self.best.label if self.informative else "none: every mechanism says nothing"),
        )
        naive = (
            f"If all queries were fixed before the holdout is seen, the half-width would be {self.nonadaptive:.4f} "
            "(Bonferroni and Hoeffding, for any values in [0, 1]; less for high accuracies); with adaptive queries "
            "that figure promises nothing."
        )
        return Report(
            title="Plan for a reusable holdout",
            header=header,
            tables=(table,),
            guarantees=(self.guarantee,),
            notes=(naive,),
        )


def plan(
    n: int | None = None,
    queries: int | None = None,
    *,
    width: float | None = None,
    difference: float | None = None,
    release: ReleaseKind | None = None,
    overfits: int = 10,
    rounds: int | None = None,
    candidates: int = 1,
    baseline: float = 1.0,
    analysis: Analysis | None = None,
    expected: float = 0.85,
    discordant: float = 0.1,
    confidence_level: Any = 0.95,
) -> Plan:
    """Return every valid mechanism's half-width for a declared use, or the number that reaches a half-width; cached.

    Answers around guesses are ranked by their mean half-width over honest guesses at the expected score, those of chunks
    likewise; the others by their worst answer. A mechanism is listed where it can serve the release: numbers serve any,
    guess-and-check and Thresholdout need guesses.

    Parameters
    ----------
    n : int or None, default None
        Rows of the holdout (clusters where rows depend on one another), at least 2, without the vault's. With ``width``
        or ``difference``, None asks for the smallest number.
    queries : int or None, default None
        Declared number of queries; of batches for ``release="argmax"``. With ``width`` or ``difference``, None asks for
        the largest number.
    width : float or None, default None
        Half-width to reach: the plan is for the largest ``queries`` or the smallest ``n`` that reach it.
    difference : float or None, default None
        Difference of two models to tell from 0: like ``width`` for ``release="difference"``.
    release : {"guess", "numeric", "difference", "bit", "leaderboard", "argmax"} or None, default None
        A number with a guess at hand; any number; a difference of two models; whether a claim is confirmed; the best loss
        so far; winner and score. None is "difference" where one is given, else "guess".
    overfits : int, default 10
        Declared number of answers from the holdout, or of refuted claims, where a theorem counts them (Thresholdout and
        bits).
    rounds : int or None, default None
        Number of batches that the queries come in; None if each may depend on the one before.
    candidates : int, default 1
        Size of the largest batch, for ``release="argmax"``.
    baseline : float, default 1.0
        Loss known without the holdout, for ``release="leaderboard"``.
    analysis : {"tight", "rogers2020", "jung2020", "bassily2016"} or None, default None
        Whose bound of the Gaussian mechanism is listed; all if None.
    expected : float, default 0.85
        Share of right rows that is expected, for answers that are coded around guesses.
    discordant : float, default 0.1
        Share of rows that one of two models has right and the other wrong, for differences.
    confidence_level : float, default 0.95
        Probability with which all intervals together cover, at least 0.5.

    Returns
    -------
    Plan
        Candidates sorted by half-width, with the choice of ``mechanism="auto"`` first.

    Raises
    ------
    ValueError
        If a count or the level is out of range, if nothing or too much is asked for, or if no number reaches the width.

    Examples
    --------
    >>> answer = plan(10_000, 10_000)
    >>> answer.choice, round(answer.half_width, 4)
    ('guess_and_check', 0.0388)
    >>> plan(10_000, 100, release="numeric").choice
    'gaussian'
    >>> plan(300, width=0.1).queries, plan(queries=2, difference=0.1).n
    (7, 178)
    """
    level = check_confidence_level(confidence_level)
    if level < 0.5:
        raise ValueError(f"confidence_level must be at least 0.5 for a holdout, got {confidence_level!r}.")
    if release is None:
        release = "guess" if difference is None else "difference"
    check_literal(release, "release", get_args(ReleaseKind))
    if analysis is not None:
        check_literal(analysis, "analysis", get_args(Analysis))
    target = _target(n, queries, width, difference, release)
    use = Use(
        n=2 if n is None else check_positive_int(n, "n", minimum=2),
        queries=1 if queries is None else check_positive_int(queries, "queries"),
        overfits=check_positive_int(overfits, "overfits", minimum=0),
        rounds=None if rounds is None else check_positive_int(rounds, "rounds"),
        release=release,
        size=check_positive_int(candidates, "candidates"),
        expected=check_in_range(expected, "expected", 0, 1),
        discordant=check_in_range(discordant, "discordant", 0, 1, low_open=True),
        baseline=check_in_range(baseline, "baseline", 0, 1, low_open=True),
        analyses=get_args(Analysis) if analysis is None else (analysis,),
        confidence_level=float(level),
        log_alpha=math.log(float(alpha_fraction(confidence_level))),
    )
    if target is not None:
        use = _rows_for(use, target) if n is None else _queries_for(use, target)
    return _plan_for(use, tuple(MECHANISMS))


def _target(
    n: int | None, queries: int | None, width: float | None, difference: float | None, release: str
) -> float | None:
    """Return the half-width to reach, or None for a plan of given numbers."""
    if width is None and difference is None:
        if n is None or queries is None:
            raise ValueError(
                "A plan needs n and queries. To ask for one of them give the other, and width=... (a half-width) or "
                "difference=... (of two models)."
            )
        return None
    if width is not None and difference is not None:
        raise ValueError("Give one of width= and difference=.")
    if (n is None) == (queries is None):
        raise ValueError(
            "With width= or difference= give exactly one of n and queries: the other is looked for."
        )
    if difference is not None and release != "difference":
        raise ValueError(f"difference= is for release='difference', got release={release!r}.")
    name, value = ("width", width) if difference is None else ("difference", difference)
    return check_in_range(value, name, 0.0, 1.0, low_open=True)


def _half_width(use: Use) -> float:
    return _plan_for(use, tuple(MECHANISMS)).half_width


def _queries_for(use: Use, width: float) -> Use:
    """Return the use with the largest number of queries that reaches a half-width."""
    found = _largest(
        lambda k: _half_width(replace(use, queries=k)), lambda half: half <= width, width, _MOST_QUERIES, 1, 0.15
    )  # fmt: skip
    if not found:
        raise ValueError(
            f"n={use.n:,} rows give no answer within {width:g}: one alone is within {_half_width(use):.3g}. Ask for a wider "
            "one, or leave n out to see how many rows it takes."
        )
    return replace(use, queries=found)


def _rows_for(use: Use, width: float) -> Use:
    """Return the use with the smallest number of rows that reaches a half-width."""
    found = _largest(
        lambda n: _half_width(replace(use, n=n)) if n > 1 else math.inf, lambda half: half > width, width, _MOST_ROWS, 1000, -0.5
    )  # fmt: skip
    if found >= _MOST_ROWS:
        raise ValueError(
            f"{_MOST_ROWS:,} rows do not give {use.asked:,} answers within {width:g}; ask for less."
        )
    return replace(use, n=found + 1)


def _largest(
    half_width: Callable[[int], float],
    holds: Callable[[float], bool],
    width: float,
    most: int,
    start: int,
    power: float,
) -> int:
    """Largest number in 0..most whose half-width is on the side that holds, where that side ends once."""
    # Half-widths go about as a power of the number: secants of their logarithms, each step at least twice as far from
    # an end that did not move as the one before, so that steps of half-widths (counts are whole) do not stop them.
    low, high, number, push, moved = 0, most + 1, start, 1, 0
    seen: list[tuple[float, float]] = []
    while True:
        half = half_width(number)
        side = 1 if holds(half) else -1
        push = 2 * push if side == moved else 1
        low, high, moved = (number, high, 1) if side > 0 else (low, number, -1)
        if high - low == 1:
            return low
        seen = [*seen[-1:], (math.log(number), math.log(min(half, 1.0)))]
        (x0, y0), (x1, y1) = seen[0], seen[-1]
        slope = (y1 - y0) / (x1 - x0) if x1 != x0 else power
        step = (math.log(width) - y1) / slope if slope * power > 0 else math.copysign(math.inf, side)
        guess = math.floor(number * math.exp(min(max(step, -_FURTHEST), _FURTHEST)))
        guess = max(guess, low + push) if side > 0 else min(guess, high - push)
        number = min(max(guess, low + 1), high - 1)


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
