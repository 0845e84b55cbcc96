"""Selections of rows with a bound on false claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np

from validstats._typing import AnyArray, Bool1D, Float1D
from validstats.batch.laws import (
    benjamini_hochberg,
    ceil_fraction,
    conformal_p_values,
    order_statistic_interval,
    selection_rank,
    smallest_informative_n,
)
from validstats.batch.results import BatchSelection, SelectionAnswer
from validstats.batch.scores import ClaimScore, Limit, Score
from validstats.batch.targets.base import Inquiry, Question, Target, scatter, shared_level
from validstats.intake import as_decimal, check_in_range, check_positive_int

__all__ = ["Selection", "checked_claim"]


class Selection(Target):
    """Rows about which a claim is made, such as "the label exceeds 5", with a bound on false claims.

    Parameters
    ----------
    above : float, str, callable, sequence of these or None, default None
        The claim is that the label exceeds this number. A column of X by name, or a callable of X, gives every row its own
        limit; of several conditions every one must hold. None with no other condition is 0. Numeric classes keep their
        values, others are 0 and 1.
    max_false : int or None, default None
        Number of false claims allowed (0 is the familywise error rate).
    fdr : float or None, default None
        Bound of the expected share of false claims instead, by conformal p-values and Benjamini-Hochberg.
    randomised : bool, default False
        Whether the p-values of ``fdr`` break ties at random instead of conservatively.
    below : float, str, callable, sequence of these or None, default None
        The claim is that the label is less than this; together with ``above`` that it lies between, or outside where the
        number ``above`` is larger than ``below``.
    label : object or sequence of objects, default None
        The claim is that the label is this class of a classifier, or one of these.

    References
    ----------
    Lee, Tchetgen Tchetgen and Dobriban (2024), arXiv 2409.13990, for ``max_false``; Jin and Candes (2023), arXiv
    2210.01408, for ``fdr``.

    Examples
    --------
    >>> Selection(above=5.0, max_false=3)
    Selection(above=5.0, max_false=3)
    """

    result_type = BatchSelection
    reads_bounds = False
    command = "selection"
    command_options: ClassVar[Mapping[str, str | None]] = {
        "above": "above",
        "below": "below",
        "claim": "label",
        "max_false": "max_false",
        "fdr": "fdr",
    }
    command_required = ("above|below|claim",)

    def __init__(
        self,
        above: Limit = None,
        max_false: int | None = None,
        fdr: float | None = None,
        randomised: bool = False,
        below: Limit = None,
        label: Any = None,
    ) -> None:
        self.above = above
        self.below = below
        self.label = label
        self.max_false = max_false
        self.fdr = fdr
        self.randomised = randomised

    @property
    def title(self) -> str:  # type: ignore[override]
        """Heading of reports."""
        return f"Selection of rows {self.claim().words()}"

    @property
    def citation(self) -> str:  # type: ignore[override]
        """Source of the guarantee."""
        return Target.citation if self.fdr is None else "Jin and Candes (2023), arXiv 2210.01408"

    @property
    def has_level(self) -> bool:  # type: ignore[override]
        """Whether the false claims are bounded in number, with a probability."""
        return self.fdr is None

    def check(self) -> None:
        """Raise if a parameter is out of range."""
        self.claim().check(classifier=True)
        if (self.max_false is None) == (self.fdr is None):
            raise ValueError(
                f"Give either max_false or fdr, not both or neither; got max_false={self.max_false!r} and "
                f"fdr={self.fdr!r}."
            )
        if self.max_false is not None:
            check_positive_int(self.max_false, "max_false", minimum=0)
        if self.fdr is not None:
            check_in_range(self.fdr, "fdr", 0, 1, low_open=True, high_open=True)
        if not isinstance(self.randomised, bool | np.bool_):
            raise TypeError(f"randomised must be True or False, got {self.randomised!r}.")
        if self.randomised and self.fdr is None:
            raise ValueError("randomised is for the p-values of fdr; it is not read with max_false.")

    def make_score(self, given: Any, classifier: bool) -> Score:
        """Make the score of a false claim, which is part of the target."""
        return checked_claim(self, self.claim(), given, classifier)

    def claim(self) -> ClaimScore:
        """Return the score of the claim, with its words and limits."""
        nothing = self.above is None and self.below is None and self.label is None
        return ClaimScore(0.0 if nothing else self.above, self.below, self.label)

    def score_parameters(self) -> tuple[Any, ...]:
        """The limits of the claim."""
        return self.above, self.below, self.label

    def strength(self, question: Question) -> Float1D:
        """Strengths of the claims about a batch."""
        return self.claim().strengths(question.outputs)

    def naive_claims(self, question: Question) -> Bool1D:
        """Claims by the plain prediction."""
        claim = self.claim()
        return claim.strengths(question.outputs) > claim.limit

    def statement(self) -> str:
        """Say what holds."""
        if self.fdr is not None:
            return f"on average at most {100 * self.fdr:.6g} % of the claims about a batch are false"
        return f"at most {self.max_false} of the claims about a batch are false"

    def answer(self, question: Question) -> SelectionAnswer:
        """Select from one batch."""
        return self._by_fdr([question], [np.arange(question.m)]) if self.fdr else self._by_number(question)

    def answer_strata(self, questions: Sequence[Question], rows: Sequence[AnyArray]) -> SelectionAnswer:
        """Share the allowed false claims by size, or use p-values within strata."""
        if self.fdr is not None:
            return self._by_fdr(questions, rows)
        m = sum(q.m for q in questions)
        allowed = _largest_remainders(self.max_false or 0, [q.m for q in questions])
        answers = [self._by_number(q, eta) for q, eta in zip(shared_level(questions), allowed, strict=True)]
        return SelectionAnswer(
            selected=scatter([a.selected for a in answers], rows),
            threshold=scatter([a.threshold for a in answers], rows),
            p_values=np.full(m, np.nan),
            probability=float(np.prod([a.probability or 0.0 for a in answers])),
            ranks=tuple(a.ranks[0] for a in answers),
            smallest_n=max(a.smallest_n for a in answers),
            informative=any(a.informative for a in answers),
            naive_selected=scatter([a.naive_selected for a in answers], rows),
        )

    def answer_whole(self, question: Question) -> SelectionAnswer:
        """Select from a whole batch by the thresholds that whole past batches needed."""
        if self.max_false is None:
            return super().answer_whole(question)
        m, allowed, parts = question.m, self.max_false, question.calibration.by_batch
        # a past batch makes at most max_false false claims above its (max_false + 1)-th largest score
        needed = np.array(
            [-np.inf if part.size <= allowed else np.sort(part)[-allowed - 1] for part in parts]
        )
        found = order_statistic_interval(
            needed, 1, 1, question.alpha, side="upper", allow_minus_infinity=True
        )
        return SelectionAnswer(
            selected=self.strength(question) > found.high,
            threshold=np.full(m, found.high),
            p_values=np.full(m, np.nan),
            probability=found.probability,
            ranks=(int(found.ranks[0][1] or 0),),
            smallest_n=found.smallest_n,
            informative=found.informative,
            naive_selected=self.naive_claims(question),
        )

    def smallest_n(self, m: int, alpha: Fraction, bounds: tuple[float, float] = (-np.inf, np.inf)) -> int:
        """The size at which a row can be claimed at all."""
        if self.fdr is not None:
            # the smallest conformal p-value is 1 / (n + 1), which must not exceed fdr
            return max(1, ceil_fraction(1 / as_decimal(self.fdr)) - 1)
        index = self.threshold_index(m)
        return 1 if index is None else smallest_informative_n(m, index, alpha)

    def threshold_index(self, m: int) -> int | None:
        """The largest score but max_false."""
        return m - self.max_false if self.max_false is not None and self.max_false < m else None

    def result_parts(self, inquiry: Inquiry, answers: Sequence[SelectionAnswer]) -> dict[str, Any]:
        """Claims about every row, beside those of the plain prediction."""
        n = len(inquiry.outputs)
        ours, naive = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
        for rows, answer in zip(inquiry.rows, answers, strict=True):
            ours[rows], naive[rows] = answer.selected, answer.naive_selected
        return {
            "selected": ours,
            "naive_selected": naive,
            "predictions": self.claim().strengths(inquiry.outputs),
            "bound": self.max_false if self.fdr is None else self.fdr,
            "above": self.claim().limit,
            "claim": self.claim(),
            "outputs": inquiry.outputs,
            "learner_classes": inquiry.classes,
        }

    def _by_number(self, question: Question, eta: int | None = None) -> SelectionAnswer:
        n, m = question.n, question.m
        allowed = (self.max_false or 0) if eta is None else eta
        predictions = self.strength(question)
        if allowed >= m:
            threshold, rank, probability, informative, smallest = -np.inf, 0, 1.0, True, 1
        else:
            bound = selection_rank(n, m, allowed, question.alpha)
            rank, probability, informative = bound.rank, bound.probability, bound.informative
            (threshold,) = question.calibration.at_ranks((rank,))
            smallest = smallest_informative_n(m, m - allowed, question.alpha)
        return SelectionAnswer(
            selected=predictions > threshold,
            threshold=np.full(m, threshold),
            p_values=np.full(m, np.nan),
            probability=probability,
            ranks=(rank,),
            smallest_n=smallest,
            informative=informative,
            naive_selected=self.naive_claims(question),
        )

    def _by_fdr(self, questions: Sequence[Question], rows: Sequence[AnyArray]) -> SelectionAnswer:
        assert self.fdr is not None
        parts = [
            conformal_p_values(
                q.calibration.sorted_scores,
                self.strength(q),
                np.random.default_rng([q.calibration.seed, i]),
                randomised=self.randomised,
            )
            for i, q in enumerate(questions)
        ]
        p_values = scatter(parts, rows)
        smallest = self.smallest_n(p_values.size, questions[0].alpha)
        return SelectionAnswer(
            selected=benjamini_hochberg(p_values, self.fdr),
            threshold=np.full(p_values.size, np.nan),
            p_values=p_values,
            probability=None,
            ranks=(),
            smallest_n=smallest,
            informative=any(q.n >= smallest for q in questions),
            naive_selected=scatter([self.naive_claims(q) for q in questions], rows),
        )


def checked_claim(target: Target, claim: ClaimScore, given: Any, classifier: bool) -> Score:
    """Score of a false claim, for a target that takes no other."""
    if given is not None:
        raise ValueError(
            f"{type(target).__name__} defines its own score; leave conformity_score=None, got {given!r}."
        )
    claim.check(classifier)
    return claim


def _largest_remainders(total: int, sizes: Sequence[int]) -> list[int]:
    """Share out a number in proportion to sizes, so that the shares add up to it."""
    m = sum(sizes)
    shares = [total * size // m for size in sizes]
    largest = sorted(range(len(sizes)), key=lambda i: (-(total * sizes[i] % m), i))
    for i in largest[: total - sum(shares)]:
        shares[i] += 1
    return shares
