"""Targets in general: the question about a batch, what every target knows of itself, and its guarantee."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from sklearn.base import BaseEstimator

from validstats._typing import AnyArray, Float1D, FrameBackend
from validstats.batch.laws import BoundSide, Interval, product_share, scores_at_ranks, skewness_of
from validstats.batch.results import BatchIntervals, BatchResult, in_order
from validstats.batch.scores import Score, resolve_score
from validstats.exceptions import UninformativeWarning, uninformative_message, warn
from validstats.guarantee import Guarantee
from validstats.intake import RowLabels, check_literal
from validstats.results import NotApplicable

__all__ = ["Calibration", "Inquiry", "IntervalTarget", "Question", "Target", "TwoLabels"]


@dataclass(frozen=True, eq=False)
class TwoLabels:
    """Labels with two declared values, and what training says about the worth of predicting them."""

    # The two values, smaller first.
    values: tuple[float, float]
    # Labels of the calibration rows.
    labels: Float1D
    # Share of the larger value among the training labels; NaN for a frozen learner.
    share: float = np.nan
    # Standard deviation of out-of-fold residuals of labels coded 0 and 1; None for a frozen learner.
    residual_sd: float | None = None

    def taken(self, index: AnyArray) -> TwoLabels:
        """The same for some of the rows."""
        return replace(self, labels=self.labels[index])


@dataclass(frozen=True, eq=False)
class Calibration:
    """Frozen record of a calibration.

    Attributes
    ----------
    scores : ndarray of shape (n,)
        Scores of the calibration rows that were kept.
    n_supplied : int
        Rows supplied, before any rejection.
    seed : int
        Seed of everything random that follows; fixed here, before any batch is seen.
    strata : ndarray of shape (n,) or None
        Stratum of each score.
    reference : ndarray of shape (k,) or None
        Scores of the training rows, from which rank weights are learned.
    reference_bounds : tuple of float
        Bounds of scores as known from the training rows.
    w_max : float or None
        Declared bound of the weights, where rows were rejected for covariate shift.
    label_bounds : tuple of float
        Known bounds of the labels.
    batches : ndarray of shape (n,) or None
        Batch of each score, where whole batches are the units of the calibration.
    row_batches : ndarray of shape (n,) or None
        Batch of each score, where rows are the units all the same.
    variances : tuple of float or None
        Variances of what rows of a batch share and of a row, from training batches.
    batch_name : str
        What a batch is called.
    covariates : dict of ndarray
        Numeric columns of at most 200 random rows, to compare with those of batches; none with whole batches or strata.
    own_bounds : tuple of float
        Bounds of the scores that follow from the labels' bounds and the predictions for the calibration rows.
    pair : TwoLabels or None
        The labels as numbers, where they are declared to have two values only.
    ordered : bool
        Whether the scores are in increasing order and not in that of the rows, as those of more than ten million rows in parts.
    """

    scores: Float1D
    n_supplied: int
    seed: int
    strata: AnyArray | None = None
    reference: Float1D | None = None
    reference_bounds: tuple[float, float] = (-np.inf, np.inf)
    w_max: float | None = None
    label_bounds: tuple[float, float] = (-np.inf, np.inf)
    own_bounds: tuple[float, float] = (-np.inf, np.inf)
    pair: TwoLabels | None = None
    batches: AnyArray | None = None
    variances: tuple[float, float] | None = None
    row_batches: AnyArray | None = None
    batch_name: str = "batch"
    covariates: Mapping[Any, Float1D] = field(default_factory=dict, repr=False)
    ordered: bool = False
    answers: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)

    @property
    def n(self) -> int:
        """Number of scores that statements rest on."""
        return int(self.scores.size)

    @cached_property
    def sorted_scores(self) -> Float1D:
        """The scores in increasing order, sorted once."""
        return self.scores if self.ordered else np.sort(self.scores)

    def at_ranks(self, ranks: Sequence[int], high: float = np.inf) -> list[float]:
        """Scores at some ranks from 1 on, ``high`` beyond the last; without a copy where the scores are in order."""
        if self.ordered or "sorted_scores" in vars(self):
            return [high if rank > self.n else float(self.sorted_scores[rank - 1]) for rank in ranks]
        return scores_at_ranks(self.scores, ranks, high)

    def quantiles(self, probabilities: Sequence[float]) -> Float1D:
        """Quantiles of the scores: the inverse of their distribution function."""
        if not self.ordered:
            return np.asarray(np.quantile(self.scores, probabilities, method="inverted_cdf"))
        # as numpy has it: ceil(n q), at least 1
        return self.scores[[max(math.ceil(self.n * q - 1), 0) for q in probabilities]]

    @property
    def n_units(self) -> int:
        """Number of exchangeable units: whole batches, or rows."""
        return self.n if self.batches is None else len(self.by_batch)

    @cached_property
    def by_batch(self) -> list[Float1D]:
        """Scores of each whole batch, in the sorted order of their names."""
        _, codes = np.unique(np.asarray(self.batches), return_inverse=True)
        order = np.argsort(codes, kind="stable")
        return np.split(self.scores[order], np.cumsum(np.bincount(codes))[:-1])

    @cached_property
    def mean_score(self) -> float:
        """Mean of the scores, computed once."""
        return float(self.scores.mean())

    @cached_property
    def spread(self) -> float:
        """Standard deviation of the scores."""
        return float(self.scores.std())

    @cached_property
    def skewness(self) -> float:
        """Third standardised moment of the scores."""
        return skewness_of(self.scores)

    @cached_property
    def largest_size(self) -> float:
        """Largest absolute score."""
        return float(max(-self.sorted_scores[0], self.sorted_scores[-1]))

    def once(self, key: Any, compute: Callable[[], Any]) -> Any:
        """The answer to one question about batches, computed at its first asking: equal batches have equal answers."""
        if key not in self.answers:
            self.answers[key] = compute()
        return self.answers[key]

    @cached_property
    def by_stratum(self) -> dict[object, Calibration]:
        """One calibration for each stratum."""
        if self.strata is None:
            return {None: self}
        labels, codes = np.unique(self.strata, return_inverse=True)
        return {
            label: replace(
                self,
                scores=self.scores[codes == i],
                strata=None,
                pair=None if self.pair is None else self.pair.taken(codes == i),
            )
            for i, label in enumerate(labels.tolist())
        }


@dataclass(frozen=True, eq=False)
class Question:
    """One batch (or its part in one stratum) and the level of the statement about it.

    Attributes
    ----------
    calibration : Calibration
        Scores exchangeable with those of the batch.
    outputs : ndarray with m rows
        Model outputs of the batch.
    alpha : Fraction
        Miscoverage level.
    score : Score
        The score.
    n_resamples : int
        Draws of exact Monte Carlo quantiles.
    class_names : tuple or None
        Classes of the learner; None for a regressor.
    smallest : int or None
        Size of the smallest batch that is asked about at once, where batches are not made of strata.
    """

    calibration: Calibration
    outputs: AnyArray
    alpha: Fraction
    score: Score
    n_resamples: int
    class_names: tuple[Any, ...] | None = None
    smallest: int | None = None

    @property
    def n(self) -> int:
        """Number of calibration scores."""
        return self.calibration.n

    @property
    def names(self) -> tuple[Any, ...]:
        """Classes of the learner, which must be a classifier."""
        if self.class_names is None:
            raise ValueError("Shares of classes need a classifier; the learner has no classes.")
        return self.class_names

    @property
    def m(self) -> int:
        """Size of the batch."""
        return len(self.outputs)

    @cached_property
    def bounds(self) -> tuple[float, float]:
        """Bounds that hold for the scores of the batch, and of the calibration as it turned out: for laws of ranks."""
        known = self.calibration
        low, high = self.score.score_bounds(self.outputs, known.label_bounds)
        if np.isfinite(low):
            low = min(low, float(known.sorted_scores[0]))
        if np.isfinite(high):
            high = max(high, float(known.sorted_scores[-1]))
        return low, high

    @cached_property
    def pool_bounds(self) -> tuple[float, float]:
        """Bounds that hold for the scores of all rows, whatever their labels: for bets and exchanges."""
        known = self.calibration
        low, high = self.score.score_bounds(self.outputs, known.label_bounds)
        low, high = min(low, known.own_bounds[0]), max(high, known.own_bounds[1])
        # rounding may put a score beside its bound
        return min(low, float(known.sorted_scores[0])), max(high, float(known.sorted_scores[-1]))


class Target(BaseEstimator, ABC):
    """Base class of the questions that can be asked about a batch.

    A target is a small object with parameters, so it can be cloned and searched over like any estimator. It owns
    everything about itself: title, law, assumptions, guarantee, kind of result, plan, and name on the command line.

    Attributes
    ----------
    title : str
        Heading of its reports.
    result_type : type
        Class of its results.
    citation : str
        Source of its guarantee.
    has_level : bool
        Whether the statement holds with a stated probability; a bound of an expected share does not.
    reads_bounds : bool
        Whether known bounds of the labels enter its law.
    command : str
        Its name on the command line; empty where it has none.
    command_options : mapping of str to (str or None)
        Options of the command line that it reads, with the parameter of this class that each one sets, or None where
        the option is one of the estimator or of the plan.
    command_required : tuple of str
        Options among them that must be given; "a|b" asks for one of the two.
    needs_numbers, counts_classes : bool
        Whether labels must be numbers, and whether numbers are read as classes.
    """

    title: str = "Intervals for batches"
    result_type: ClassVar[type[BatchResult]] = BatchIntervals
    citation: str = "Lee, Tchetgen Tchetgen and Dobriban (2024), arXiv 2409.13990"
    has_level: bool = True
    reads_bounds: ClassVar[bool] = True
    command: ClassVar[str] = ""
    command_options: ClassVar[Mapping[str, str | None]] = {}
    command_required: ClassVar[tuple[str, ...]] = ()
    needs_numbers: ClassVar[bool] = False
    counts_classes: ClassVar[bool] = False

    @abstractmethod
    def check(self) -> None:
        """Raise if a parameter is out of range."""

    @abstractmethod
    def statement(self) -> str:
        """Say what holds with the stated probability (or, without one, always), as a clause."""

    @abstractmethod
    def answer(self, question: Question) -> Any:
        """Answer for one batch."""

    @abstractmethod
    def answer_strata(self, questions: Sequence[Question], rows: Sequence[AnyArray]) -> Any:
        """Answer for one batch that is made of strata, whose rank vectors are independent."""

    def answer_whole(self, question: Question) -> Any:
        """Answer for one whole batch, from whole past batches as units.

        Parameters
        ----------
        question : Question
            The batch and a calibration with ``batches``.

        Returns
        -------
        object
            As from :meth:`answer`.

        Raises
        ------
        TypeError
            If the target's law is not that of an order statistic of one number for each batch.
        """
        raise TypeError(
            f"{type(self).__name__} has no version for whole batches; calibrate it by rows, or ask BatchMean, BatchTotal, "
            "BatchShares, BatchQuantile, ErrorCount, Simultaneous or Selection(max_false=...)."
        )

    def remedies(self, question: Question) -> tuple[str, ...]:
        """Say what would make an uninformative answer say something, in order, with what each remedy gives.

        Parameters
        ----------
        question : Question
            The batch.

        Returns
        -------
        tuple of str
            Clauses; empty where only more rows help.
        """
        return ()

    @abstractmethod
    def smallest_n(self, m: int, alpha: Fraction, bounds: tuple[float, float] = (-np.inf, np.inf)) -> int:
        """Return the smallest calibration size that says something about a batch.

        Parameters
        ----------
        m : int
            Batch size.
        alpha : Fraction
            Miscoverage level of the whole statement.
        bounds : tuple of float, default (-inf, inf)
            Known bounds of the scores; it matters which of them are finite.

        Returns
        -------
        int
            The size.
        """

    def default_score(self, classifier: bool) -> str:
        """Name the score that is used where the user gives none.

        Parameters
        ----------
        classifier : bool
            Whether the learner is a classifier.

        Returns
        -------
        str
            Name of a score.
        """
        return "label"

    def make_score(self, given: Any, classifier: bool) -> Score:
        """Make the score that calibrates this target.

        Parameters
        ----------
        given : str, callable, Score or None
            What the user passed as ``conformity_score``.
        classifier : bool
            Whether the learner is a classifier.

        Returns
        -------
        Score
            A fresh score.
        """
        return resolve_score(given, self.default_score(classifier), classifier)

    def score_parameters(self) -> tuple[Any, ...]:
        """Return the parameters of this target that its scores depend on, so that a change is noticed."""
        return ()

    def uses_reference(self, bounds: tuple[float, float], classifier: bool) -> bool:
        """Tell whether out-of-fold scores of training rows are of use.

        Parameters
        ----------
        bounds : tuple of float
            Known bounds of the labels.
        classifier : bool
            Whether the learner is a classifier.

        Returns
        -------
        bool
            Whether they are.
        """
        return False

    def uses_variances(self) -> bool:
        """Tell whether variances within and between training batches are of use."""
        return False

    def check_classes(self, classes: AnyArray) -> None:
        """Raise if the target has no meaning for the classes of a classifier.

        Parameters
        ----------
        classes : ndarray of shape (K,)
            Classes of the learner.
        """

    @property
    def kind(self) -> Literal["finite-sample", "asymptotic"]:
        """Whether the statement holds for every sample size."""
        return "finite-sample"

    def threshold_index(self, m: int) -> int | None:
        """Return the order statistic of a batch whose upper bound is the target's only threshold, or None."""
        return None

    def share_limits(self, alpha: Fraction) -> list[tuple[Fraction, str, Fraction]]:
        """Return the order statistics that are bounded, where they are shares of m: share, side and level of each."""
        return []

    def result_parts(self, inquiry: Inquiry, answers: Sequence[Any]) -> dict[str, Any]:
        """Return what the result has beyond the answers: fields of ``result_type`` by name."""
        return {}

    def assumptions(self, calibration: Calibration) -> tuple[str, ...]:
        """Say what the reader must judge, most important first. A subclass adds to what its parent says.

        Parameters
        ----------
        calibration : Calibration
            What the statement rests on.

        Returns
        -------
        tuple of str
            Clauses.
        """
        within = "within each stratum " if calibration.strata is not None else ""
        if calibration.batches is not None:
            source = "the past batches and the new one come from one source and are drawn alike; rows inside may depend"
        elif calibration.w_max is None:
            source = f"{within}the calibration rows and the rows of a batch come from one source and are drawn alike"
        else:
            source = (
                f"{within}a batch differs from the calibration rows only as the stated weights say, and no weight exceeds "
                f"w_max = {calibration.w_max:g} ({calibration.n} of {calibration.n_supplied} rows were kept)"
            )
        clauses = [source, self.fixed_before()]
        if self.reads_bounds and any(map(math.isfinite, calibration.label_bounds)):
            low, high = calibration.label_bounds
            clauses.append(f"every label lies in [{low:zg}, {high:zg}]")
        return tuple(clauses)

    def fixed_before(self) -> str:
        """Say what had to be chosen before looking."""
        if self.kind == "asymptotic":
            return "calibration and batch are large and no few values dominate their sums"
        return "question, score, level and method were chosen before anyone looked at the calibration labels"

    def promise(self, alpha: Fraction) -> str:
        """Say what a reader can rely on, in one sentence.

        Parameters
        ----------
        alpha : Fraction
            Miscoverage level.

        Returns
        -------
        str
            The sentence, without a period.
        """
        if not self.has_level:
            return self.statement()
        if self.kind == "asymptotic":
            return f"for large samples, in about {100 * float(1 - alpha):.6g} % of analyses like this one {self.statement()}"
        return f"in at least {100 * float(1 - alpha):.6g} % of analyses like this one {self.statement()}"

    def guarantee(
        self,
        calibration: Calibration,
        alpha: Fraction,
        *,
        n_batches: int = 1,
        joint: bool = False,
        probabilities: Sequence[float | None] = (),
    ) -> Guarantee:
        """State what the target promises.

        Parameters
        ----------
        calibration : Calibration
            What it rests on.
        alpha : Fraction
            Miscoverage level of the whole statement.
        n_batches : int, default 1
            Number of batches in the result.
        joint : bool, default False
            Whether the level was split so that the statement holds for all batches at once.
        probabilities : sequence of (float or None), default ()
            Exact probability for each batch.

        Returns
        -------
        Guarantee
            The guarantee.
        """
        exact = set(probabilities) if not joint else set()
        points = self.assumptions(calibration)
        return Guarantee(
            holds=self.promise(alpha)
            + (f", for all {n_batches} batches at once" if joint and n_batches > 1 else ""),
            kind=self.kind,
            check=points[:3],
            n_reference=calibration.n_units,
            citation=self.citation,
            confidence_level=float(1 - alpha) if self.has_level else None,
            exact_probability=exact.pop() if len(exact) == 1 else None,
            n_statements=1 if joint else n_batches,
            details=(*points[3:], *self._details(calibration, alpha, n_batches, joint)),
        )

    def _details(
        self, calibration: Calibration, alpha: Fraction, n_batches: int, joint: bool
    ) -> tuple[str, ...]:
        level = f"with probability at least {float(1 - alpha):.6g} " if self.has_level else ""
        measure = "probability" if self.has_level else "expectation"
        drawn = (
            f"the {calibration.n_units} past batches and the new one are exchangeable, given the fitted model; nothing is "
            "assumed about their rows"
            if calibration.batches is not None
            else "calibration rows and rows of the batch are exchangeable, given the fitted model"
            if calibration.w_max is None
            else "calibration rows are independent, and a batch is drawn from the law that the weights tilt theirs to"
        )
        drawn = f"within each stratum {drawn}" if calibration.strata is not None else drawn
        notes = [
            f"Exactly: {level}{self.statement()}",
            drawn[0].upper() + drawn[1:],
            f"The {measure} is over calibration and batch together; for one calibration set it varies around it",
        ]
        if n_batches > 1 and not joint:
            remedy = "; joint=True makes it hold for all at once" if self.has_level else ""
            notes.append(f"It holds for each of the {n_batches} batches by itself{remedy}")
        return tuple(notes)


class IntervalTarget(Target):
    """Base class of targets that are numbers, with one or two sides.

    Attributes
    ----------
    side : {"two-sided", "upper", "lower"}
        Which bounds are wanted.
    """

    side: BoundSide

    def check(self) -> None:
        """Raise if a parameter is out of range."""
        check_literal(self.side, "side", get_args(BoundSide))

    @property
    def sides(self) -> tuple[BoundSide, ...]:
        """The sides that are wanted, upper first."""
        return ("upper", "lower") if self.side == "two-sided" else (self.side,)

    def share(self, alpha: Fraction) -> Fraction:
        """Level of one side.

        Parameters
        ----------
        alpha : Fraction
            Level of all sides.

        Returns
        -------
        Fraction
            alpha, halved for two sides.
        """
        return alpha / len(self.sides)

    def between(self) -> str:
        """Say what holds, for the guarantee: a verb phrase."""
        return {
            "two-sided": "lies in its interval",
            "upper": "is at most its upper bound",
            "lower": "is at least its lower bound",
        }[self.side]


def refuse_text(target: Target, classes: AnyArray) -> None:
    """Raise if the classes of a learner are no numbers."""
    if classes.dtype.kind not in "iufb":
        raise ValueError(
            f"{type(target).__name__} needs numbers, and the labels are classes without values: {classes.tolist()[:5]}. Ask "
            f"BatchShares() for the share of each class, or say which one counts as 1: BatchPredictor(..., "
            f"positive={classes.tolist()[-1]!r})."
        )


def shared_level(questions: Sequence[Question]) -> list[Question]:
    """Questions about the strata, each with its share of the level by the product law."""
    # independent strata: prod (1 - share) >= 1 - alpha
    share = product_share(questions[0].alpha, len(questions))
    return [replace(q, alpha=share) for q in questions]


def weighted_sum(answers: Sequence[Interval], weights: Float1D) -> Interval:
    """Sum of intervals of parts that hold at once."""
    known = [a.probability for a in answers if a.probability is not None]
    columns = {
        name: np.sum([w * getattr(a, name) for w, a in zip(weights, answers, strict=True)], axis=0)
        for name in ("estimate", "low", "high", "naive", "textbook_low", "textbook_high")
    }
    return replace(
        answers[0],
        **columns,
        # strata are independent, so their exact probabilities multiply
        probability=float(np.prod(known)) if len(known) == len(answers) else None,
        notes=tuple(dict.fromkeys(note for a in answers for note in a.notes)),
        smallest_n=max(a.smallest_n for a in answers),
        informative=all(a.informative for a in answers),
    )


def scatter(parts: Sequence[AnyArray], rows: Sequence[AnyArray]) -> AnyArray:
    """Parts of the strata, put back into the order of the rows."""
    if len(parts) == 1:
        return parts[0]
    whole = np.empty(sum(len(part) for part in parts), dtype=parts[0].dtype)
    for part, index in zip(parts, rows, strict=True):
        whole[index] = part
    return whole


@dataclass(frozen=True, eq=False)
class Inquiry:
    """Everything that one call of ``infer`` asks: the batches, their model outputs, and the level."""

    target: Target
    # What the answers rest on.
    calibration: Calibration
    score: Score
    # Model outputs of all rows.
    outputs: AnyArray
    batches: tuple[Any, ...]
    # Positions of each batch's rows.
    rows: tuple[AnyArray, ...]
    strata: AnyArray | None
    alpha: Fraction
    # Whether it is split over the batches.
    joint: bool
    n_resamples: int
    classes: AnyArray | None
    backend: FrameBackend
    # Who the rows are.
    named: RowLabels | None = None
    # Label that counts as 1.
    positive: Any = None
    # What was found when assumptions were checked: what was looked at, and what was seen.
    findings: tuple[tuple[str, Any], ...] = ()

    @property
    def alpha_batch(self) -> Fraction:
        """Level of the statement about one batch."""
        return self.alpha / len(self.rows) if self.joint else self.alpha

    @cached_property
    def _smallest(self) -> int:
        return min(map(len, self.rows))

    def result(self) -> BatchResult:
        """Ask about every batch, and warn where nothing can be said."""
        target = self.target
        # the largest batches first: what is simulated for them serves the others
        order = sorted(range(len(self.rows)), key=lambda i: -len(self.rows[i]))
        found = {i: self._answer(self.rows[i]) for i in order}
        answers = tuple(found[i] for i in range(len(order)))
        silent = [rows for rows, answer in zip(self.rows, answers, strict=True) if not answer.informative]
        result = target.result_type(
            batches=self.batches,
            rows=self.rows,
            answers=answers,
            confidence_level=float(1 - self.alpha_batch)
            if target.has_level
            else NotApplicable("the expected share of false claims is bounded, not a probability"),
            quantity=self.score.quantity,
            unit="row" if self.calibration.batches is None else "batch",
            title=target.title,
            findings=self.findings,
            remedies=self._remedies(silent[0]) if silent else (),
            backend=self.backend,
            named=self.named,
            positive=self.positive,
            guarantee=target.guarantee(
                self.calibration,
                self.alpha,
                n_batches=len(self.rows),
                joint=self.joint,
                probabilities=[a.probability for a in answers],
            ),
            **target.result_parts(self, answers),
        )
        self._warn_uninformative(result)
        return result

    def _answer(self, rows: AnyArray) -> Any:
        """Answer about one batch: from whole past batches, from rows, or from the strata that it has rows of."""
        if self.calibration.batches is not None:
            return self.target.answer_whole(self._question(self.calibration, rows))
        if self.strata is None:
            return self.target.answer(self._question(self.calibration, rows))
        parts = self.calibration.by_stratum
        present = np.unique(self.strata[rows]).tolist()
        if unknown := [label for label in present if label not in parts]:
            known = ", ".join(map(repr, parts))
            raise ValueError(f"The strata {unknown} were not calibrated; the calibration has {known}.")
        inside = [np.flatnonzero(self.strata[rows] == label) for label in present]
        questions = [
            self._question(parts[label], rows[index]) for label, index in zip(present, inside, strict=True)
        ]
        return (
            self.target.answer(questions[0])
            if len(questions) == 1
            else self.target.answer_strata(questions, inside)
        )

    def _remedies(self, rows: AnyArray) -> tuple[str, ...]:
        """What would help the first batch that nothing can be said about."""
        if self.calibration.batches is not None:
            return (
                "ask for one side, at a lower confidence_level, or calibrate on shorter batches",
                'method="asymptotic" takes normal theory for means and totals of whole batches',
            )
        if self.calibration.strata is not None:
            return ()
        return self.target.remedies(self._question(self.calibration, rows))

    def _question(self, calibration: Calibration, rows: AnyArray) -> Question:
        return Question(
            calibration,
            self.outputs[rows],
            self.alpha_batch,
            self.score,
            self.n_resamples,
            None if self.classes is None else tuple(self.classes.tolist()),
            self._smallest if self.strata is None else None,
        )

    def _warn_uninformative(self, result: BatchResult) -> None:
        silent = [i for i, a in enumerate(result.answers) if not a.informative]
        if not silent:
            return
        smallest = max(result.answers[i].smallest_n for i in silent)
        whole = self.calibration.batches is not None
        fewest = (
            self.calibration.n_units
            if whole
            else min(part.n for part in self.calibration.by_stratum.values())
        )
        where = "" if self.calibration.strata is None else " in each stratum"
        remedy = f"In order: {in_order(result.remedies)}." if result.remedies else ""
        if smallest > fewest:
            unit = "number of past batches" if whole else "calibration size"
            remedy = f"The smallest {unit} that would be informative is {smallest}{where}. {remedy}".rstrip()
        remedy = remedy or "State bounds for the labels, or take smaller batches."
        warn(
            uninformative_message.format(
                what="statement",
                value=f"{len(silent)} of {len(result.answers)} batches",
                n=result.n,
                m=max(result.sizes[i] for i in silent),
                level=f"{result.confidence_level:.6g}" if self.target.has_level else "--",
                remedy=remedy,
            ),
            UninformativeWarning,
        )
