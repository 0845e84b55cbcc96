"""Targets that are sets: simultaneous label sets, selections with bounded false claims, the envelope."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from validstats._typing import Float1D
from validstats.batch.laws import (
    RankBand,
    benjamini_hochberg,
    ceil_fraction,
    conformal_p_values,
    product_share,
    rank_envelope,
    score_at_rank,
    scores_at_ranks,
    selection_rank,
    selection_scores,
    simultaneous_rank,
    smallest_informative_n,
)
from validstats.batch.scores import Score, numeric_predictions
from validstats.batch.targets.problem import EnvelopeAnswer, Question, SelectionAnswer, SetAnswer
from validstats.batch.targets.values import Target
from validstats.intake import as_decimal, check_in_range, check_literal, check_positive_int

__all__ = ["ClaimScore", "Envelope", "Selection", "Simultaneous"]

_LARGEST_SEARCHED = 10_000


class ClaimScore(Score):
    """Score of a false claim "the label exceeds ``above``": the prediction if false, minus infinity if true.

    Parameters
    ----------
    above : float, default 0.0
        Limit of the claim.

    Examples
    --------
    >>> ClaimScore(above=0.5).scores(np.array([0.2, 0.9]), np.array([0.0, 1.0]))
    array([ 0.2, -inf])
    """

    quantity = "prediction where the claim is false"

    def __init__(self, above: float = 0.0) -> None:
        self.above = above

    def outputs(self, model: Any, X: Any) -> np.ndarray:
        """Return predictions, or the probability of the second class."""
        return numeric_predictions(model, X)

    def scores(self, outputs: np.ndarray, y: np.ndarray) -> Float1D:
        """Return predictions of false claims, minus infinity for true ones."""
        return selection_scores(outputs, y, self.above)


class Simultaneous(Target):
    """Label sets of which at most a share ``miss`` of a batch's rows are wrong.

    Parameters
    ----------
    miss : float, default 0.1
        Share of the rows whose sets may miss, in [0, 1). Zero asks for all of them.

    References
    ----------
    Lee, Tchetgen Tchetgen and Dobriban (2024), arXiv 2409.13990; Marques (2023), arXiv 2303.02770.

    Examples
    --------
    >>> Simultaneous(miss=0.05)
    Simultaneous(miss=0.05)
    """

    kind: ClassVar[str] = "sets"

    def __init__(self, miss: float = 0.1) -> None:
        self.miss = miss

    def check(self) -> None:
        """Raise if a parameter is out of range."""
        check_in_range(self.miss, "miss", 0, 1, high_open=True)

    def default_score(self, classifier: bool) -> str:
        """Absolute residual, or one minus the probability."""
        return "probability" if classifier else "absolute"

    def answer(self, question: Question) -> SetAnswer:
        """Find the threshold for one batch."""
        n, m, scores = question.n, question.m, question.calibration.scores
        k, bound = simultaneous_rank(n, m, self.miss, question.alpha)
        naive_rank = min(ceil_fraction(_share_covered(as_decimal(self.miss)) * (n + 1)), n + 1)
        highest = question.bounds[1] if max(bound.rank, naive_rank) > n else np.inf
        ours, naive = scores_at_ranks(scores, (bound.rank, naive_rank), highest)
        return SetAnswer(
            threshold=np.full(m, ours),
            covered=k,
            probability=bound.probability,
            ranks=(bound.rank,),
            smallest_n=smallest_informative_n(m, k, question.alpha),
            informative=bound.informative,
            naive_threshold=np.full(m, naive),
            naive_law=((n, m, k, naive_rank),),
        )

    def answer_strata(self, questions: Sequence[Question], rows: Sequence[np.ndarray]) -> SetAnswer:
        """Cover the same share in every stratum, at the level of the product law."""
        share = product_share(questions[0].alpha, len(questions))
        answers = [self.answer(replace(q, alpha=share)) for q in questions]
        return SetAnswer(
            threshold=_scatter([a.threshold for a in answers], rows),
            covered=sum(a.covered for a in answers),
            probability=float(np.prod([a.probability for a in answers])),
            ranks=tuple(a.ranks[0] for a in answers),
            smallest_n=max(a.smallest_n for a in answers),
            informative=all(a.informative for a in answers),
            naive_threshold=_scatter([a.naive_threshold for a in answers], rows),
            naive_law=tuple(a.naive_law[0] for a in answers),
        )

    def statement(self, level: str) -> str:
        """State the guarantee."""
        share = float(_share_covered(as_decimal(self.miss)))
        return (
            f"with probability at least {level} at least {share:.6g} of a batch's label sets hold their label"
        )


@lru_cache(maxsize=256)
def _share_covered(miss: Fraction) -> Fraction:
    return 1 - miss


class Selection(Target):
    """Rows about which "the label exceeds ``above``" is claimed, with a bound on false claims.

    Parameters
    ----------
    above : float, default 0.0
        Limit of the claim. For a binary classifier labels count as 0 and 1, so 0.5 claims the second class.
    max_false : int or None, default None
        Number of false claims allowed (0 is the familywise error rate).
    fdr : float or None, default None
        Bound of the expected share of false claims instead, by conformal p-values and Benjamini-Hochberg.
    randomised : bool, default False
        Whether the p-values of ``fdr`` break ties at random instead of conservatively.

    References
    ----------
    Lee, Tchetgen Tchetgen and Dobriban (2024), arXiv 2409.13990, for ``max_false``; Jin and Candes (2023), arXiv
    2210.01408, for ``fdr``.

    Examples
    --------
    >>> Selection(above=5.0, max_false=3)
    Selection(above=5.0, max_false=3)
    """

    kind: ClassVar[str] = "selection"

    def __init__(
        self,
        above: float = 0.0,
        max_false: int | None = None,
        fdr: float | None = None,
        randomised: bool = False,
    ) -> None:
        self.above = above
        self.max_false = max_false
        self.fdr = fdr
        self.randomised = randomised

    @property
    def citation(self) -> str:  # type: ignore[override]
        """Source of the guarantee."""
        return Target.citation if self.fdr is None else "Jin and Candes (2023), arXiv 2210.01408"

    @property
    def has_level(self) -> bool:
        """Whether the false claims are bounded in number, with a probability."""
        return self.fdr is None

    def check(self) -> None:
        """Raise if a parameter is out of range."""
        check_in_range(self.above, "above")
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

    def default_score(self, classifier: bool) -> str:
        """The score of a false claim; it is part of the target."""
        return "claim"

    def answer(self, question: Question) -> SelectionAnswer:
        """Select from one batch."""
        return self._by_fdr([question], [np.arange(question.m)]) if self.fdr else self._by_number(question)

    def answer_strata(self, questions: Sequence[Question], rows: Sequence[np.ndarray]) -> SelectionAnswer:
        """Share the allowed false claims by size, or use p-values within strata."""
        if self.fdr is not None:
            return self._by_fdr(questions, rows)
        share = product_share(questions[0].alpha, len(questions))
        m = sum(q.m for q in questions)
        allowed = _largest_remainders(self.max_false or 0, [q.m for q in questions])
        answers = [self._by_number(replace(q, alpha=share), eta) for q, eta in zip(questions, allowed)]
        return SelectionAnswer(
            selected=_scatter([a.selected for a in answers], rows),
            threshold=_scatter([a.threshold for a in answers], rows),
            p_values=np.full(m, np.nan),
            probability=float(np.prod([a.probability or 0.0 for a in answers])),
            ranks=tuple(a.ranks[0] for a in answers),
            smallest_n=max(a.smallest_n for a in answers),
            informative=any(a.informative for a in answers),
            naive_selected=_scatter([a.naive_selected for a in answers], rows),
        )

    def statement(self, level: str) -> str:
        """State the guarantee."""
        if self.fdr is not None:
            return f"the expected share of false claims among the claims of a batch is at most {self.fdr:g}"
        return f"with probability at least {level} at most {self.max_false} of the claims made about a batch are false"

    def _by_number(self, question: Question, eta: int | None = None) -> SelectionAnswer:
        n, m = question.n, question.m
        allowed = (self.max_false or 0) if eta is None else eta
        predictions = question.outputs
        if allowed >= m:
            threshold, rank, probability, informative, smallest = -np.inf, 0, 1.0, True, 1
        else:
            bound = selection_rank(n, m, allowed, question.alpha)
            rank, probability, informative = bound.rank, bound.probability, bound.informative
            threshold = score_at_rank(question.calibration.scores, rank)
            smallest = smallest_informative_n(m, m - allowed, question.alpha)
        return SelectionAnswer(
            selected=predictions > threshold,
            threshold=np.full(m, threshold),
            p_values=np.full(m, np.nan),
            probability=probability,
            ranks=(rank,),
            smallest_n=smallest,
            informative=informative,
            naive_selected=predictions > self.above,
        )

    def _by_fdr(self, questions: Sequence[Question], rows: Sequence[np.ndarray]) -> SelectionAnswer:
        assert self.fdr is not None
        parts = [
            conformal_p_values(
                q.calibration.sorted_scores,
                q.outputs,
                np.random.default_rng([q.calibration.seed, i]),
                randomised=self.randomised,
            )
            for i, q in enumerate(questions)
        ]
        p_values = _scatter(parts, rows)
        smallest = ceil_fraction(1 / as_decimal(self.fdr)) - 1
        return SelectionAnswer(
            selected=benjamini_hochberg(p_values, self.fdr),
            threshold=np.full(p_values.size, np.nan),
            p_values=p_values,
            probability=None,
            ranks=(),
            smallest_n=max(1, smallest),
            informative=any(q.n >= smallest for q in questions),
            naive_selected=_scatter([q.outputs for q in questions], rows) > self.above,
        )


class Envelope(Target):
    """One region for every monotone question about a batch, also those asked after looking.

    Its result bounds all sorted scores at once, and hence means, totals, quantiles, counts above any threshold, and
    the false claims of any selection.

    Parameters
    ----------
    side : {"two-sided", "upper", "lower"}, default "two-sided"
        Which limits it has. One-sided limits are tighter.
    above : float or None, default None
        If given, the scores are those of false claims "the label exceeds above", so that the result bounds the
        false discovery proportion of every selection.

    References
    ----------
    Gazin, Blanchard and Roquain (2024), arXiv 2310.18108; Song, Jin and Candes (2026), arXiv 2605.20726.

    Examples
    --------
    >>> Envelope(side="upper", above=5.0)
    Envelope(above=5.0, side='upper')
    """

    kind: ClassVar[str] = "envelope"
    citation: ClassVar[str] = "Gazin, Blanchard and Roquain (2024), arXiv 2310.18108"

    def __init__(self, side: str = "two-sided", above: float | None = None) -> None:
        self.side = side
        self.above = above

    def check(self) -> None:
        """Raise if a parameter is out of range."""
        check_literal(self.side, "side", ("two-sided", "upper", "lower"))
        if self.above is not None:
            check_in_range(self.above, "above")

    def default_score(self, classifier: bool) -> str:
        """Labels, or the score of a false claim where ``above`` is given."""
        return "label" if self.above is None else "claim"

    def answer(self, question: Question) -> EnvelopeAnswer:
        """Bound all sorted scores of one batch."""
        return self.answer_strata([question], [np.arange(question.m)])

    def answer_strata(self, questions: Sequence[Question], rows: Sequence[np.ndarray]) -> EnvelopeAnswer:
        """Pool the envelopes of the strata, which hold together at the level of the product law."""
        share = product_share(questions[0].alpha, len(questions))
        bands = [rank_envelope(q.n, q.m, share, self.side) for q in questions]
        ends = [b.bounds(q.calibration.sorted_scores, *q.bounds) for b, q in zip(bands, questions)]
        offsets = [q.score.offset(q.outputs) for q in questions]
        single = len(questions) == 1
        return EnvelopeAnswer(
            low=np.sort(np.concatenate([e[0] for e in ends])),
            high=np.sort(np.concatenate([e[1] for e in ends])),
            offset=None if offsets[0] is None else _scatter([o for o in offsets if o is not None], rows),
            predictions=_scatter([_first_column(q.outputs) for q in questions], rows),
            probability=float(np.prod([b.probability for b in bands])),
            local_level=min(b.local_level for b in bands),
            smallest_n=max(self.smallest_n(q.m, share) for q in questions),
            informative=any(_excludes(b, q.n) for b, q in zip(bands, questions)),
            rank_low=tuple(bands[0].lower.tolist()) if single else (),
            rank_high=tuple(bands[0].upper.tolist()) if single else (),
        )

    def statement(self, level: str) -> str:
        """State the guarantee."""
        return (
            f"with probability at least {level} every sorted score of a batch lies within its limits, so every bound "
            "read off this envelope holds at once, whatever was asked and whenever"
        )

    def smallest_n(self, m: int, alpha: Fraction) -> int:
        """Return the smallest calibration size at which any limit is a calibration score.

        Parameters
        ----------
        m : int
            Batch size.
        alpha : Fraction
            Miscoverage level.

        Returns
        -------
        int
            The size; for batches of more than 10,000 rows that of one limit at the full level.
        """
        return _smallest_envelope_n(m, alpha, self.side)


def _largest_remainders(total: int, sizes: Sequence[int]) -> list[int]:
    """Share out a number in proportion to sizes, so that the shares add up to it."""
    m = sum(sizes)
    shares = [total * size // m for size in sizes]
    largest = sorted(range(len(sizes)), key=lambda i: (-(total * sizes[i] % m), i))
    for i in largest[: total - sum(shares)]:
        shares[i] += 1
    return shares


def _excludes(band: RankBand, n: int) -> bool:
    return bool((band.upper <= n).any() or (band.lower > 1).any())


@lru_cache(maxsize=256)
def _smallest_envelope_n(m: int, alpha: Fraction, side: str) -> int:
    """Double from the size that a single limit needs, then bisect."""
    low = smallest_informative_n(m, 1, alpha, "upper")
    if m > _LARGEST_SEARCHED:
        return low

    def excludes(n: int) -> bool:
        return _excludes(rank_envelope(n, m, alpha, side), n)

    high = low
    while not excludes(high):
        low, high = high + 1, 2 * high
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if excludes(middle) else (middle + 1, high)
    return high


def _scatter(parts: Sequence[np.ndarray], rows: Sequence[np.ndarray]) -> np.ndarray:
    """Put the parts of the strata back into the order of the rows."""
    if len(parts) == 1:
        return parts[0]
    whole = np.empty(sum(len(part) for part in parts), dtype=parts[0].dtype)
    for part, index in zip(parts, rows):
        whole[index] = part
    return whole


def _first_column(outputs: np.ndarray) -> Float1D:
    return np.asarray(outputs if outputs.ndim == 1 else outputs[:, 0], dtype=np.float64)
