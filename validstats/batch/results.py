"""Results about batches: intervals, label sets, selections and envelopes, with the answers they are made of."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from validstats._typing import AnyArray, Bool1D, Float1D, Float2D
from validstats.batch.laws import (
    Interval,
    batch_coverage_probability,
    false_claim_curve,
    interpolated_curve,
    quantile_index,
    rounding_of_means,
)
from validstats.batch.scores import ClaimScore, Score
from validstats.intake import (
    RowLabels,
    align,
    check_in_range,
    check_positive_int,
    check_same_length,
    check_vector,
    read_array,
    read_outcome,
)
from validstats.results import NotApplicable, Report, Result, Table, interval_words, rounded
from validstats.results.formats import Format

__all__ = [
    "BatchEnvelopes",
    "BatchIntervals",
    "BatchResult",
    "BatchSelection",
    "BatchSets",
    "DiscoveryCurve",
    "EnvelopeAnswer",
    "LateIntervals",
    "SelectionAnswer",
    "SetAnswer",
    "in_order",
]


@dataclass(frozen=True, eq=False)
class SetAnswer:
    """Label sets for all rows of a batch.

    Attributes
    ----------
    threshold : ndarray of shape (m,)
        Score threshold of each row (the same for all without strata).
    covered : int
        Number of rows covered at least.
    probability : float
        Exact probability of the statement, without ties.
    ranks : tuple of int
        Rank of each stratum's threshold.
    smallest_n : int
        Smallest calibration size that would be informative.
    informative : bool
        Whether every threshold is a calibration score.
    naive_threshold : ndarray of shape (m,)
        Threshold of split conformal prediction for one row at the share of covered rows.
    naive_law : tuple of (int, int, int, int)
        Calibration size, batch size, rows to cover and rank of the naive threshold, one entry a stratum.
    """

    threshold: Float1D
    covered: int
    probability: float
    ranks: tuple[int, ...]
    smallest_n: int
    informative: bool
    naive_threshold: Float1D
    naive_law: tuple[tuple[int, int, int, int], ...]

    @cached_property
    def naive_probability(self) -> float:
        """Exact probability of the same statement with the naive threshold; NaN where it has none (whole batches)."""
        if not self.naive_law:
            return np.nan
        return float(np.prod([batch_coverage_probability(*law) for law in self.naive_law]))


@dataclass(frozen=True, eq=False)
class SelectionAnswer:
    """Rows of a batch about which a claim is made.

    Attributes
    ----------
    selected : ndarray of bool, shape (m,)
        The claims.
    threshold : ndarray of shape (m,)
        Prediction that a row must exceed; NaN under false discovery rate control.
    p_values : ndarray of shape (m,)
        Conformal p-values; NaN under a bound of the number.
    probability : float or None
        Exact probability that the false claims stay within their bound.
    ranks : tuple of int
        Rank of each stratum's threshold.
    smallest_n : int
        Smallest calibration size that would be informative.
    informative : bool
        Whether anything can be selected at all.
    naive_selected : ndarray of bool, shape (m,)
        Claims by the plain prediction: above the limit.
    """

    selected: Bool1D
    threshold: Float1D
    p_values: Float1D
    probability: float | None
    ranks: tuple[int, ...]
    smallest_n: int
    informative: bool
    naive_selected: Bool1D


@dataclass(frozen=True, eq=False)
class EnvelopeAnswer:
    """Bounds of all sorted scores of a batch at once.

    Attributes
    ----------
    low, high : ndarray of shape (m,)
        Bounds of the sorted scores.
    offset : ndarray of shape (m,) or None
        What turns scores into labels, where they are shifted labels.
    predictions : ndarray of shape (m,)
        Model outputs, for selections.
    probability : float
        Exact joint probability, without ties.
    local_level : float
        Tail probability of each limit.
    smallest_n : int
        Smallest calibration size that would be informative.
    informative : bool
        Whether any limit is a calibration score.
    """

    low: Float1D
    high: Float1D
    offset: Float1D | None
    predictions: Float1D
    probability: float
    local_level: float
    smallest_n: int
    informative: bool
    rank_low: tuple[int, ...] = ()
    rank_high: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class BatchResult(Result):
    """Base class of results about batches.

    Attributes
    ----------
    batches : tuple
        Label of each batch.
    rows : tuple of ndarray
        Row positions of each batch in the data passed to ``infer``.
    answers : tuple
        One answer a batch.
    confidence_level : float or NotApplicable
        Level of the statement about one batch; not applicable where it bounds an expected share.
    quantity : str
        What one score is.
    title : str
        Heading of the report.
    unit : {"row", "batch"}
        What the calibration counts: rows, or whole past batches.
    named : RowLabels or None
        Who the rows passed to ``infer`` are: labels that arrive later are matched by it.
    positive : object or None
        Label that counts as 1, where labels are words.
    findings : tuple of (str, object)
        What was looked at when assumptions were checked, and what was seen, which ``str`` turns into words.
    checks : tuple of (str, str)
        The same in words.
    remedies : tuple of str
        Where nothing can be said about some batch: what would help, in order, and what each would give.
    """

    batches: tuple[Any, ...]
    rows: tuple[AnyArray, ...]
    answers: tuple[Any, ...]
    confidence_level: float | NotApplicable
    quantity: str
    title: str
    unit: str = "row"
    named: RowLabels | None = None
    positive: Any = None
    findings: tuple[tuple[str, Any], ...] = ()
    remedies: tuple[str, ...] = ()

    _naming: ClassVar[tuple[str, ...]] = ("batch", "term")

    @property
    def n(self) -> int:
        """Number of calibration rows."""
        return self.n_reference

    @property
    def checks(self) -> tuple[tuple[str, str], ...]:
        """What was looked at when assumptions were checked, and what was seen, in words."""
        return tuple((what, str(seen)) for what, seen in self.findings)

    @property
    def informative(self) -> bool:
        """Whether the result says something about every batch."""
        return all(a.informative for a in self.answers)

    @property
    def sizes(self) -> list[int]:
        """Size of each batch."""
        return [len(r) for r in self.rows]

    def _labels(self, y: Any) -> AnyArray:
        """Labels that became known, in the order of the rows."""
        labels = read_array(y if self.named is None else align(y, self.named, "y"), "y")
        if self.positive is not None and labels.dtype.kind not in "fiub":
            labels = read_outcome(labels, "y", positive=self.positive).astype(np.int64)
        if labels.ndim == 2 and labels.shape[1] == 1:
            labels = labels[:, 0]
        if labels.shape != (sum(self.sizes),):
            raise ValueError(
                f"y must have one label for each of the {sum(self.sizes)} rows, got shape {labels.shape}."
            )
        return labels

    def by_batch(self, values: Any, name: str) -> Float1D | None:
        """Numbers of batches in their order: those with labels are matched by the names of the batches.

        Parameters
        ----------
        values : array-like of shape (n_batches,) or None
            One number a batch, such as ``y.groupby(batches).mean()``.
        name : str
            Public name of the argument.

        Returns
        -------
        ndarray of shape (n_batches,) or None
            The numbers; None for None.

        Raises
        ------
        TypeError, ValueError
            If they are no numbers, or not those of these batches.
        """
        if values is None:
            return None
        if len(self.batches) > 1:
            values = align(values, RowLabels.of(self.batches, "batches"), name)
        numbers = check_vector(values, name)
        check_same_length(batches=self.batches, **{name: numbers})
        return numbers

    def _subject(self) -> str:
        """The batches, as sentences speak of them."""
        if len(self.batches) == 1:
            return f"this batch of {self.sizes[0]:,} row{'s' if self.sizes[0] != 1 else ''}"
        return f"{len(self.batches):,} batches"

    def _silence(self, what: str) -> str:
        """The sentence about batches of which nothing can be said."""
        needed = max(a.smallest_n for a in self.answers if not a.informative)
        remedy = (
            f"{needed:,} would be the fewest"
            if needed > self.n
            else "state bounds of the labels or take smaller batches"
        )
        counted = "calibration rows" if self.unit == "row" else "past batches"
        return f"Nothing can be said about {what} of {self._subject()} from {self.n:,} {counted}: {remedy}"

    def _first_batch(self, drop: Collection[str]) -> int:
        """Position of the first batch that is not left out."""
        left_out = (drop,) if isinstance(drop, str) else drop
        kept = [i for i, name in enumerate(self.batches) if str(name) not in left_out]
        if not kept:
            raise ValueError(f"drop={drop!r} leaves no batch to draw.")
        return kept[0]

    def _common_glance(self) -> dict[str, Any]:
        known = {a.probability for a in self.answers}
        return {
            "n_calibration": self.n,
            "n_batches": len(self.batches),
            "n_rows": int(sum(self.sizes)),
            "confidence_level": self.confidence_level,
            "exact_probability": known.pop() if len(known) == 1 else None,
            "informative": self.informative,
            "smallest_informative_n": max(a.smallest_n for a in self.answers),
        }

    def _header(self) -> list[tuple[str, Any]]:
        sizes = sorted(set(self.sizes))
        size = str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
        smallest = max(a.smallest_n for a in self.answers)
        level = [("Confidence level", self.confidence_level)] if self.confidence_level else []
        return [
            ("Calibration rows" if self.unit == "row" else "Past batches", self.n),
            ("Batches", len(self.batches)),
            ("Rows per batch", size),
            *level,
            ("Score", self.quantity),
            ("Smallest informative n", smallest),
            *self.checks,
        ]

    def _notes(self) -> list[str]:
        silent = sum(not a.informative for a in self.answers)
        if not silent:
            return []
        which = (
            "The statement"
            if len(self.answers) == 1
            else f"The statement about {silent} of {len(self.answers)} batches"
        )
        counted = "calibration rows" if self.unit == "row" else "past batches"
        told = [f"{which} is valid but uninformative: there are too few {counted} for the question."]
        if self.remedies:
            told.append(f"What would help, in order: {in_order(self.remedies)}.")
        return told


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class BatchIntervals(BatchResult):
    """Intervals for numbers about batches.

    ``estimate``, ``conf_low``, ``conf_high`` and ``naive`` have shape (n_batches, n_terms).

    Notes
    -----
    ``tidy()`` has one row for each batch and term, with columns batch, term, m, estimate, conf_low, conf_high, naive, textbook_low,
    textbook_high, exact_probability, rank_low, rank_high, method, informative, smallest_n.
    """

    answers: tuple[Interval, ...]

    @property
    def terms(self) -> tuple[str, ...]:
        """What each number is."""
        return self.answers[0].terms

    @property
    def estimate(self) -> Float2D:
        """Point values."""
        return np.array([a.estimate for a in self.answers])

    @property
    def conf_low(self) -> Float2D:
        """Lower bounds."""
        return np.array([a.low for a in self.answers])

    @property
    def conf_high(self) -> Float2D:
        """Upper bounds."""
        return np.array([a.high for a in self.answers])

    @property
    def naive(self) -> Float2D:
        """What the model alone would say; NaN where it says nothing."""
        return np.array([a.naive for a in self.answers])

    @property
    def textbook(self) -> AnyArray:
        """Intervals of normal theory, shape (n_batches, n_terms, 2); NaN where there is none."""
        ends = [np.broadcast_arrays(a.textbook_low, a.textbook_high, a.estimate)[:2] for a in self.answers]
        return np.array([np.stack(pair, axis=-1) for pair in ends])

    def _over_textbook(self) -> float:
        """Mean width over that of the textbook intervals; NaN where either is unknown or infinite."""
        text = self.textbook
        theirs = text[..., 1] - text[..., 0]
        with np.errstate(invalid="ignore", divide="ignore"):
            ratios = (self.conf_high - self.conf_low) / theirs
        found = ratios[np.isfinite(ratios) & (theirs > 0)]
        return float(found.mean()) if found.size else np.nan

    def _answer(self) -> str:
        name = " and ".join(self.terms) if len(self.terms) <= 2 else f"{len(self.terms)} numbers"
        if not self.informative:
            return self._silence(f"the {name}")
        if len(self.batches) > 1:
            estimates, width = self.estimate, float((self.conf_high - self.conf_low).mean())
            span = f"{rounded(estimates.min(), width / 2)} to {rounded(estimates.max(), width / 2)}"
            wide = f"; an interval is {rounded(width)} wide on average" if np.isfinite(width) else ""
            return f"The {name} of {self._subject()} is estimated at {span}{wide}"
        ends = zip(self.terms, self.estimate[0], self.conf_low[0], self.conf_high[0], strict=True)
        told = [f"{term} {interval_words(e, low, high)}" for term, e, low, high in ends]
        return f"Estimate for {self._subject()}: {', '.join(told)}"

    def _tidy_columns(self) -> Mapping[str, Sequence[Any] | np.ndarray]:
        cells = [
            (b, size, a, i)
            for b, size, a in zip(self.batches, self.sizes, self.answers)
            for i in range(len(a.terms))
        ]
        pairs = [a.ranks[i] if a.ranks else (None, None) for _, _, a, i in cells]
        return {
            "batch": [b for b, _, _, _ in cells],
            "term": [a.terms[i] for _, _, a, i in cells],
            "m": [size for _, size, _, _ in cells],
            "estimate": [float(a.estimate[i]) for _, _, a, i in cells],
            "conf_low": [float(a.low[i]) for _, _, a, i in cells],
            "conf_high": [float(a.high[i]) for _, _, a, i in cells],
            "naive": [float(a.naive[i]) for _, _, a, i in cells],
            "textbook_low": self.textbook[..., 0].ravel(),
            "textbook_high": self.textbook[..., 1].ravel(),
            "exact_probability": [a.probability for _, _, a, _ in cells],
            "rank_low": [p[0] for p in pairs],
            "rank_high": [p[1] for p in pairs],
            "method": [a.method for _, _, a, _ in cells],
            "informative": [a.informative for _, _, a, _ in cells],
            "smallest_n": [a.smallest_n for _, _, a, _ in cells],
        }

    def _glance_columns(self) -> Mapping[str, Any]:
        widths = self.conf_high - self.conf_low
        return {**self._common_glance(), "mean_width": float(widths.mean()), "method": self._methods()}

    def _methods(self) -> str:
        return ", ".join(dict.fromkeys(a.method for a in self.answers))

    def _report(self) -> Report:
        tidy = self._tidy_columns()
        columns: dict[str, Any] = {
            "Batch": [str(b) for b in tidy["batch"]],
            "Term": tidy["term"],
            "m": tidy["m"],
            "Estimate": tidy["estimate"],
            "Lower": tidy["conf_low"],
            "Upper": tidy["conf_high"],
        }
        if not np.isnan(np.asarray(tidy["naive"], dtype=np.float64)).all():
            columns["Naive"] = tidy["naive"]
        text = self.textbook
        if not np.isnan(text).all():
            width = np.abs(text[..., 1] - text[..., 0]).ravel()
            columns["Textbook"] = [
                f"{rounded(low, w / 2)} to {rounded(high, w / 2)}"
                for (low, high), w in zip(text.reshape(-1, 2), width, strict=True)
            ]
        if any(r is not None for r in [*tidy["rank_low"], *tidy["rank_high"]]):
            columns["Ranks"] = [
                f"{_dash(a)}..{_dash(b)}" for a, b in zip(tidy["rank_low"], tidy["rank_high"], strict=True)
            ]
        header = [*self._header(), ("Method", self._methods())]
        notes = self._notes()
        if "Naive" in columns:
            notes.append("Naive is what the model says without calibration; it comes without any guarantee.")
        if "Textbook" in columns:
            ratio = np.nan if self._methods().endswith("asymptotic") else self._over_textbook()
            wide = f"; ours are {ratio:.2f} times as wide" if np.isfinite(ratio) else ""
            notes.append(
                f"Textbook is the prediction interval of normal theory, which is right for large samples of unlike rows{wide}."
            )
        notes += [f"{note}." for note in dict.fromkeys(note for a in self.answers for note in a.notes)]
        if np.isfinite(apart := np.array([a.bounds_apart for a in self.answers])).any():
            ends = list(dict.fromkeys(f"{end:.3g}" for end in (np.nanmin(apart), np.nanmax(apart))))
            notes.append(
                f"The stated bounds are {' to '.join(ends)} standard deviations apart; tighter ones, where they hold, give a narrower "
                "interval."
            )
        return Report(
            title=self.title, header=header, tables=[Table(columns)], guarantees=[self.guarantee], notes=notes
        )

    def plot(
        self,
        ax: Any = None,
        labels: Mapping[str, str] | None = None,
        drop: Collection[str] = (),
        *,
        truth: Any = None,
    ) -> Any:
        """Draw the interval of every batch.

        Parameters
        ----------
        ax : matplotlib Axes or None, default None
            Axes to draw on.
        labels : mapping of str to str or None, default None
            Words instead of the names of batches.
        drop : collection of str, default ()
            Batches to leave out.
        truth : array-like of shape (n_batches,) or (n_batches, n_terms), or None, default None
            True values, where they are known.

        Returns
        -------
        BatchIntervalDisplay
            The display, with ``ax_`` and ``figure_``.
        """
        return self._display(labels, drop, truth).plot(ax)

    def _display(self, labels: Mapping[str, str] | None, drop: Collection[str], truth: Any = None) -> Any:
        from validstats.plotting.batch_intervals import BatchIntervalDisplay

        return BatchIntervalDisplay.from_result(self, truth=truth, labels=labels, drop=drop)


@dataclass(eq=False)
class LateIntervals:
    """Intervals that are computed when they are read; what they are made from belongs to nobody else."""

    score: Score
    outputs: AnyArray
    threshold: Float1D
    label_bounds: tuple[float, float]

    @cached_property
    def values(self) -> Float2D | None:
        """The intervals, one a row; None where the score has none."""
        return self.score.interval(self.outputs, self.threshold, self.label_bounds)

    def __getstate__(self) -> dict[str, Any]:
        """The intervals alone: a file holds no score and no learner."""
        return {"values": self.values}


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class BatchSets(BatchResult):
    """Label sets for the rows of batches.

    Attributes
    ----------
    intervals : ndarray of shape (n_rows, 2) or None
        Set of each row as an interval, in the order of the rows passed to ``infer``.
    sets : ndarray of bool, shape (n_rows, n_classes), or None
        Set of each row as members of ``classes``.
    naive_intervals, naive_sets : ndarray or None
        The same by plain split conformal prediction.
    naive_late : LateIntervals or None
        What ``naive_intervals`` are computed from when they are first read.
    classes : ndarray or None
        Classes.
    """

    answers: tuple[SetAnswer, ...]
    intervals: Float2D | None
    sets: AnyArray | None
    naive_late: LateIntervals | None
    naive_sets: AnyArray | None
    classes: AnyArray | None

    @property
    def naive_intervals(self) -> Float2D | None:
        """Intervals of plain split conformal prediction, shape (n_rows, 2); None where there are none."""
        return None if self.naive_late is None else self.naive_late.values

    @property
    def terms(self) -> list[str]:
        """The batches."""
        return [str(batch) for batch in self.batches]

    @property
    def estimate(self) -> Float1D:
        """Largest score threshold of each batch, shape (n_batches,)."""
        return np.array([float(a.threshold.max()) for a in self.answers])

    @property
    def conf_low(self) -> Any:
        """Not applicable: the statement is about the sets."""
        return NotApplicable("the statement is about the label sets; see intervals or sets")

    conf_high = conf_low

    @property
    def naive(self) -> Float1D:
        """Threshold of split conformal prediction for one row, shape (n_batches,)."""
        return np.array([float(a.naive_threshold.max()) for a in self.answers])

    def _answer(self) -> str:
        if not self.informative:
            return self._silence("the label sets")
        covered, size = min(a.covered for a in self.answers), float(np.mean(self.sizes_of_sets()))
        unit = "wide" if self.intervals is not None else "classes large"
        mean = f"; a set is {rounded(size)} {unit} on average" if np.isfinite(size) else ""
        if len(self.batches) == 1:
            return f"At least {covered:,} of the {self.sizes[0]:,} label sets of this batch hold their label{mean}"
        if len(set(self.sizes)) == 1:
            return f"In each of {self._subject()} at least {covered:,} of {self.sizes[0]:,} label sets hold their label{mean}"
        share = min(a.covered / m for a, m in zip(self.answers, self.sizes, strict=True))
        return f"In each of {self._subject()} at least {100 * share:.3g} % of the label sets hold their label{mean}"

    def contains(self, y: Any, *, naive: bool = False) -> AnyArray:
        """Tell which sets hold their label.

        Parameters
        ----------
        y : array-like of shape (n_rows,)
            Labels, matched by index or in the order of the rows.
        naive : bool, default False
            Whether to ask the sets of split conformal prediction.

        Returns
        -------
        ndarray of bool, shape (n_rows,)
            True where the set holds the label.

        Raises
        ------
        TypeError, ValueError
            If the length is wrong, a label is NaN, or labels are compared with classes of another type.
        """
        labels = self._labels(y)
        intervals, sets = (self.naive_intervals, self.naive_sets) if naive else (self.intervals, self.sets)
        if intervals is not None:
            labels = check_vector(labels, "y")
            return np.asarray((intervals[:, 0] <= labels) & (labels <= intervals[:, 1]))
        if sets is None or self.classes is None:
            raise ValueError("This score has no label sets; compare scores with the threshold instead.")
        kinds = {"number" if v.dtype.kind in "fiub" else v.dtype.kind for v in (labels, self.classes)}
        if len(kinds - {"O"}) > 1:
            raise TypeError(
                f"y has labels of dtype {labels.dtype} and the classes are {self.classes.tolist()}; convert y."
            )
        return np.asarray((sets & (labels[:, None] == self.classes[None, :])).any(axis=1))

    def sizes_of_sets(self, *, naive: bool = False) -> AnyArray:
        """Return the length of each interval or the number of classes in each set.

        Parameters
        ----------
        naive : bool, default False
            Whether to measure the sets of split conformal prediction.

        Returns
        -------
        ndarray of shape (n_rows,)
            Sizes.
        """
        intervals, sets = (self.naive_intervals, self.naive_sets) if naive else (self.intervals, self.sets)
        if intervals is not None:
            return np.asarray(intervals[:, 1] - intervals[:, 0])
        return np.full(sum(self.sizes), np.nan) if sets is None else np.asarray(sets.sum(axis=1))

    def _tidy_columns(self) -> Mapping[str, Sequence[Any] | np.ndarray]:
        ours, naive = self.sizes_of_sets(), self.sizes_of_sets(naive=True)
        return {
            "batch": list(self.batches),
            "term": ["threshold"] * len(self.batches),
            "m": self.sizes,
            "estimate": self.estimate,
            "covered_at_least": [a.covered for a in self.answers],
            "mean_set_size": [float(ours[r].mean()) for r in self.rows],
            "empty_sets": [int(self.empty[r].sum()) for r in self.rows],
            "exact_probability": [a.probability for a in self.answers],
            "rank_high": [max(a.ranks) for a in self.answers],
            "naive": self.naive,
            "naive_set_size": [float(naive[r].mean()) for r in self.rows],
            "naive_probability": [a.naive_probability for a in self.answers],
            "informative": [a.informative for a in self.answers],
            "smallest_n": [a.smallest_n for a in self.answers],
        }

    @property
    def empty(self) -> Bool1D:
        """Rows whose set holds no label at all, shape (n_rows,)."""
        if self.intervals is not None:
            return np.asarray(np.isnan(self.intervals).any(axis=1))
        return (
            np.zeros(sum(self.sizes), dtype=bool) if self.sets is None else np.asarray(~self.sets.any(axis=1))
        )

    def _notes(self) -> list[str]:
        count, rows = int(self.empty.sum()), sum(self.sizes)
        if not count:
            return super()._notes()
        return [
            *super()._notes(),
            f"{count:,} of {rows:,} sets are empty: no label is as likely there as the threshold asks, as for rows unlike those of "
            "the calibration, or where many sets may miss. An empty set counts as a miss; a larger share of right sets, or a "
            "score without randomisation, has fewer.",
        ]

    def _glance_columns(self) -> Mapping[str, Any]:
        naive = {a.naive_probability for a in self.answers}
        return {
            **self._common_glance(),
            "mean_set_size": float(np.mean(self.sizes_of_sets())),
            "naive_set_size": float(np.mean(self.sizes_of_sets(naive=True))),
            "naive_probability": naive.pop() if len(naive) == 1 else None,
        }

    def _report(self) -> Report:
        tidy = self._tidy_columns()
        columns: dict[str, Any] = {
            "Batch": [str(b) for b in tidy["batch"]],
            "m": tidy["m"],
            "Covered": [f">= {c}" for c in tidy["covered_at_least"]],
            "Probability": tidy["exact_probability"],
            "Threshold": tidy["estimate"],
            "Rank": tidy["rank_high"],
            "Set size": tidy["mean_set_size"],
            "Naive": tidy["naive"],
            "Naive size": tidy["naive_set_size"],
            "Naive prob.": tidy["naive_probability"],
        }
        notes = [
            *self._notes(),
            "Naive is split conformal prediction for one row, whose sets are right on average; its probability is that of "
            "the same statement about the batch, exact without ties.",
        ]
        return Report(
            title=self.title,
            header=self._header(),
            tables=[Table(columns)],
            guarantees=[self.guarantee],
            notes=notes,
        )

    def _display(self, labels: Mapping[str, str] | None, drop: Collection[str]) -> Any:
        """Draw the sizes of the sets beside those of split conformal prediction."""
        from validstats.plotting.batch_sets import LabelSetDisplay

        return LabelSetDisplay.from_result(self, labels=labels, drop=drop)


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class BatchSelection(BatchResult):
    """Claims about rows of batches.

    Attributes
    ----------
    selected : ndarray of bool, shape (n_rows,)
        The claims, in the order of the rows passed to ``infer``.
    naive_selected : ndarray of bool, shape (n_rows,)
        Claims by the plain prediction.
    predictions : ndarray of shape (n_rows,)
        Predictions.
    bound : float
        Bound of the false claims: a number, or a share under false discovery rate control.
    above : float
        Strength beyond which the plain prediction makes the claim: the limit itself for "above".
    claim : ClaimScore
        What is claimed.
    outputs : ndarray with n_rows rows
        Model outputs that the claim is made from.
    learner_classes : ndarray or None
        Classes of a classifier.
    """

    answers: tuple[SelectionAnswer, ...]
    selected: AnyArray
    naive_selected: AnyArray
    predictions: AnyArray
    bound: float
    above: float
    claim: ClaimScore
    outputs: AnyArray
    learner_classes: AnyArray | None = None

    @property
    def terms(self) -> list[str]:
        """The batches."""
        return [str(batch) for batch in self.batches]

    @property
    def estimate(self) -> AnyArray:
        """Number of claims of each batch, shape (n_batches,)."""
        return np.array([int(a.selected.sum()) for a in self.answers], dtype=np.int64)

    @property
    def conf_low(self) -> Any:
        """Least number of true claims of each batch, shape (n_batches,)."""
        if not self.confidence_level:
            return NotApplicable("the expected share of false claims is bounded, not their number")
        return np.maximum(self.estimate - int(self.bound), 0)

    @property
    def conf_high(self) -> Any:
        """Largest number of true claims of each batch: all of them."""
        return self.estimate if self.confidence_level else self.conf_low

    @property
    def naive(self) -> AnyArray:
        """Number of claims by the plain prediction."""
        return np.array([int(a.naive_selected.sum()) for a in self.answers], dtype=np.int64)

    def _answer(self) -> str:
        if not self.informative:
            return self._silence(f"labels {self.claim.words()}")
        total, m = int(self.selected.sum()), self.selected.size
        where = f"the {m:,} rows of this batch" if len(self.batches) == 1 else f"{m:,} rows"
        each = "" if len(self.batches) == 1 else " in each batch"
        false = (
            f"at most {int(self.bound):,} of them false{each}"
            if self.confidence_level
            else f"an expected share of at most {100 * self.bound:g} % of them false{each}"
        )
        return f"{total:,} of {where} are claimed to be {self.claim.words()}, {false}"

    def false_claims(self, y: Any, *, naive: bool = False) -> AnyArray:
        """Count the false claims of each batch.

        Parameters
        ----------
        y : array-like of shape (n_rows,)
            Labels, matched by index or in the order of the rows.
        naive : bool, default False
            Whether to count those of the plain prediction.

        Returns
        -------
        ndarray of int64, shape (n_batches,)
            Counts.
        """
        wrong = (self.naive_selected if naive else self.selected) & self.false_if_claimed(y)
        return np.array([int(wrong[r].sum()) for r in self.rows], dtype=np.int64)

    def false_if_claimed(self, y: Any) -> Bool1D:
        """Tell of which rows the claim would be false.

        Parameters
        ----------
        y : array-like of shape (n_rows,)
            Labels, matched by index or in the order of the rows.

        Returns
        -------
        ndarray of bool, shape (n_rows,)
            True where it would.
        """
        labels = self._labels(y)
        classes = self.learner_classes
        if self.claim.label is not None:
            encoded = self.claim.claimed(labels)
        elif classes is not None and labels.dtype.kind not in "iufb":
            encoded = np.asarray(labels == classes[-1], dtype=np.float64)
        else:
            encoded = check_vector(labels, "y")
        return np.asarray(~self.claim.holds(self.outputs, encoded))

    def _tidy_columns(self) -> Mapping[str, Sequence[Any] | np.ndarray]:
        return {
            "batch": list(self.batches),
            "term": ["selected"] * len(self.batches),
            "m": self.sizes,
            "estimate": self.estimate,
            "threshold": [_finite_max(a.threshold) for a in self.answers],
            "max_false": [self.bound] * len(self.batches),
            "exact_probability": [a.probability for a in self.answers],
            "rank_high": [max(a.ranks) if a.ranks else None for a in self.answers],
            "naive": self.naive,
            "informative": [a.informative for a in self.answers],
            "smallest_n": [a.smallest_n for a in self.answers],
        }

    def _glance_columns(self) -> Mapping[str, Any]:
        return {
            **self._common_glance(),
            "n_selected": int(self.selected.sum()),
            "naive_selected": int(self.naive_selected.sum()),
        }

    def _report(self) -> Report:
        tidy = self._tidy_columns()
        columns: dict[str, Any] = {
            "Batch": [str(b) for b in tidy["batch"]],
            "m": tidy["m"],
            "Claims": tidy["estimate"],
            "False at most" if self.confidence_level else "FDR": tidy["max_false"],
            "Probability": tidy["exact_probability"],
            "Threshold": tidy["threshold"],
            "Rank": tidy["rank_high"],
            "Naive": tidy["naive"],
        }
        return Report(
            title=self.title,
            header=self._header(),
            tables=[Table(columns)],
            guarantees=[self.guarantee],
            notes=[
                *self._notes(),
                "Naive claims every row whose prediction exceeds the limit, without any guarantee.",
            ],
        )

    def plot(
        self,
        ax: Any = None,
        labels: Mapping[str, str] | None = None,
        drop: Collection[str] = (),
        *,
        y: Any = None,
    ) -> Any:
        """Draw predictions, threshold and claims of the first batch that is not left out.

        Parameters
        ----------
        ax : matplotlib Axes or None, default None
            Axes to draw on.
        labels : mapping of str to str or None, default None
            Words instead of the names of batches.
        drop : collection of str, default ()
            Batches to leave out.
        y : array-like of shape (n_rows,) or None, default None
            True labels, where they are known.

        Returns
        -------
        SelectionDisplay
            The display, with ``ax_`` and ``figure_``.
        """
        return self._display(labels, drop, y).plot(ax)

    def _display(self, labels: Mapping[str, str] | None, drop: Collection[str], y: Any = None) -> Any:
        from validstats.plotting.batch_selection import SelectionDisplay

        return SelectionDisplay.from_result(self, y=y, batch=self._first_batch(drop), labels=labels)


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class DiscoveryCurve(Result):
    """Bounds on false claims of every selection "prediction above t", all of which hold at once.

    Attributes
    ----------
    threshold : ndarray of shape (k,)
        Thresholds t, decreasing.
    selected : ndarray of int64, shape (k,)
        Number of rows selected.
    max_false : ndarray of int64, shape (k,)
        Bound of the number of false claims.
    max_proportion : ndarray of shape (k,)
        Bound of the false discovery proportion.
    name : str
        The batch.
    """

    threshold: Float1D
    selected: AnyArray
    max_false: AnyArray
    max_proportion: Float1D
    name: str

    @property
    def terms(self) -> list[str]:
        """Selections, by their number of rows."""
        return [f"top {k}" for k in self.selected.tolist()]

    @property
    def estimate(self) -> NotApplicable:
        """Not applicable: false claims are bounded."""
        return NotApplicable("the false claims of a selection are bounded, not estimated")

    @property
    def naive(self) -> NotApplicable:
        """Not applicable: a plain prediction has no bound."""
        return NotApplicable("a plain prediction has no bound on false claims")

    @property
    def conf_low(self) -> AnyArray:
        """Zero: there may be no false claim."""
        return np.zeros_like(self.max_false)

    @property
    def conf_high(self) -> AnyArray:
        """Bounds of the numbers of false claims."""
        return self.max_false

    @property
    def confidence_level(self) -> Any:
        """Probability with which all bounds hold."""
        return self.guarantee.confidence_level

    @property
    def informative(self) -> bool:
        """Whether a selection has fewer false claims than rows."""
        return bool((self.max_false < self.selected).any())

    def _display(self, labels: Mapping[str, str] | None, drop: Collection[str]) -> Any:
        """Draw the bound on false claims against the number of rows selected."""
        from validstats.plotting.statistical_tests import DiscoveryCurveDisplay

        left_out = {drop} if isinstance(drop, str) else set(drop)
        shown = [i for i, term in enumerate(self.terms) if term not in left_out]
        name = (labels or {}).get(self.name, self.name)
        return DiscoveryCurveDisplay(self.selected[shown], self.max_false[shown], name=name)

    def _answer(self) -> str:
        if not self.informative:
            return "No selection has fewer false claims than rows: nothing is known of any"
        best = int(np.argmax(self.selected - self.max_false))
        return (
            f"Of the {self.selected[best]} rows with the largest predictions at least "
            f"{self.selected[best] - self.max_false[best]} claims are true"
        )

    def _tidy_columns(self) -> Mapping[str, Sequence[Any] | np.ndarray]:
        return {
            "term": self.terms,
            "threshold": self.threshold,
            "selected": self.selected,
            "max_false": self.max_false,
            "max_proportion": self.max_proportion,
        }

    def _glance_columns(self) -> Mapping[str, Any]:
        most = int(np.max(self.selected - self.max_false, initial=0))
        return {"batch": self.name, "selections": self.selected.size, "most_true_claims": most}

    def _report(self) -> Report:
        shown = np.unique(np.linspace(0, self.selected.size - 1, min(self.selected.size, 12)).astype(int))
        columns = {
            "Selection": [self.terms[i] for i in shown],
            "Prediction above": self.threshold[shown].tolist(),
            "False claims, at most": self.max_false[shown].tolist(),
            "Share, at most": self.max_proportion[shown].tolist(),
        }
        formats: dict[str, Format] = {"Prediction above": "estimate", "Share, at most": "percent"}
        return Report(
            title="False claims of every selection",
            header=[("Batch", self.name), ("Selections", self.selected.size)],
            tables=[Table(columns, formats=formats)],
            guarantees=[self.guarantee],
        )


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class BatchEnvelopes(BatchResult):
    """Bounds of all sorted scores of each batch at once.

    All methods may be called in any order and number, also after looking at their answers.

    Attributes
    ----------
    predictions : ndarray of shape (n_rows,)
        Model outputs, in the order of the rows passed to ``infer``.
    claim : ClaimScore or None
        Claim whose scores these are; None where they are no claims.
    label_bounds : tuple of float
        Known bounds of the labels.
    """

    answers: tuple[EnvelopeAnswer, ...]
    predictions: AnyArray
    claim: ClaimScore | None = None
    label_bounds: tuple[float, float] = (-np.inf, np.inf)

    @property
    def terms(self) -> list[str]:
        """Places of the sorted scores, batch after batch, from 1 on."""
        return [str(j) for m in self.sizes for j in range(1, m + 1)]

    @property
    def estimate(self) -> Any:
        """Not applicable: an envelope has limits only."""
        return NotApplicable("an envelope bounds every sorted score and estimates none")

    @property
    def naive(self) -> Any:
        """Not applicable: a plain prediction has no envelope."""
        return NotApplicable("a plain prediction has no envelope")

    @property
    def conf_low(self) -> Float1D:
        """Lower limits of the sorted scores, batch after batch."""
        return np.concatenate([a.low for a in self.answers])

    @property
    def conf_high(self) -> Float1D:
        """Upper limits of the sorted scores, batch after batch."""
        return np.concatenate([a.high for a in self.answers])

    def _answer(self) -> str:
        if not self.informative:
            return self._silence("the sorted scores")
        asked = "means, quantiles and counts" if self.claim is None else "the false claims of any selection"
        return f"All sorted scores of {self._subject()} are bounded at once: ask for bounds of {asked}, also after looking"

    def bounds(self, function: Callable[[Float1D], float]) -> AnyArray:
        """Bound a function of the sorted scores that is non-decreasing in each of them.

        Parameters
        ----------
        function : callable
            Takes an array of m increasing scores and returns a number.

        Returns
        -------
        ndarray of shape (n_batches, 2)
            Lower and upper bounds; infinite where the function has no value because a limit is infinite.

        Raises
        ------
        ValueError
            If the function is NaN at finite scores, or larger at the lower limits than at the upper ones.
        """
        return np.array([self._ends(function, a) for a in self.answers])

    def mean(self) -> AnyArray:
        """Bound the mean: of the labels where scores are labels or residuals, else of the scores.

        Returns
        -------
        ndarray of shape (n_batches, 2)
            Lower and upper bounds, within the known bounds of the labels.
        """
        if self.claim is not None:
            raise ValueError("These scores are those of claims, whose mean says nothing; use discoveries().")
        return np.array([self._mean_of(a) for a in self.answers])

    def quantile(self, q: float) -> AnyArray:
        """Bound a quantile of the scores.

        Parameters
        ----------
        q : float
            Probability in (0, 1]; the ceil(q m)-th smallest score.

        Returns
        -------
        ndarray of shape (n_batches, 2)
            Lower and upper bounds.
        """
        share = check_in_range(q, "q", 0, 1, low_open=True)
        return self.bounds(lambda scores: float(scores[quantile_index(scores.size, share) - 1]))

    def count_above(self, threshold: float) -> AnyArray:
        """Bound the number of scores above a threshold.

        Parameters
        ----------
        threshold : float
            Any number, chosen in any way.

        Returns
        -------
        ndarray of int64, shape (n_batches, 2)
            Lower and upper bounds.
        """
        threshold = float(check_vector([threshold], "threshold", allow_infinite=True)[0])
        counts = [[int((a.low > threshold).sum()), int((a.high > threshold).sum())] for a in self.answers]
        return np.array(counts, dtype=np.int64)

    def discoveries(self, batch: int = 0) -> DiscoveryCurve:
        """Bound the false claims of every selection "prediction above t" of one batch.

        Parameters
        ----------
        batch : int, default 0
            Position of the batch.

        Returns
        -------
        DiscoveryCurve
            One entry for each distinct prediction; all hold at once. It needs ``Envelope(above=...)``.

        Raises
        ------
        TypeError, ValueError
            If the scores are not those of claims, or there is no batch at that position.
        """
        if self.claim is None:
            raise ValueError("discoveries() needs the scores of claims: calibrate Envelope(above=...).")
        answer, rows = self.answers[self._position(batch)], self.rows[batch]
        predictions = np.sort(self.predictions[rows])
        thresholds = np.nextafter(np.unique(predictions)[::-1], -np.inf)
        selected = predictions.size - np.searchsorted(predictions, thresholds, side="right")
        # a selection has at most as many false claims as a smaller one, plus the rows between them
        most = interpolated_curve(selected, false_claim_curve(answer.high, thresholds))
        return DiscoveryCurve(
            threshold=thresholds,
            selected=selected,
            max_false=most,
            max_proportion=most / np.maximum(selected, 1),
            name=str(self.batches[batch]),
            guarantee=self.guarantee,
            backend=self.backend,
        )

    def _mean_of(self, answer: EnvelopeAnswer) -> Float1D:
        offset = np.zeros(0) if answer.offset is None else answer.offset
        known = (-np.inf, np.inf) if answer.offset is None else self.label_bounds
        shift = float(offset.mean()) if offset.size else 0.0
        sizes = [np.abs(v[np.isfinite(v)]).max(initial=0.0) for v in (answer.low, answer.high, offset)]
        slack = rounding_of_means(answer.low.size, *map(float, sizes))
        ends = np.array(self._ends(lambda scores: float(scores.mean()), answer)) + shift
        return np.asarray(np.clip(ends + [-slack, slack], *known))

    def _position(self, batch: int) -> int:
        return check_positive_int(batch, "batch", minimum=0, maximum=len(self.batches) - 1)

    @staticmethod
    def _ends(function: Callable[[Float1D], float], answer: EnvelopeAnswer) -> list[float]:
        ends = []
        for limits, open_end in ((answer.low, -np.inf), (answer.high, np.inf)):
            value = float(function(limits.copy()))
            if np.isnan(value) and np.isfinite(limits).all():
                raise ValueError("function is NaN at the limits of the scores; it must be a number there.")
            ends.append(open_end if np.isnan(value) else value)
        if ends[0] > ends[1]:
            raise ValueError(
                f"function must be non-decreasing in each score, and it is {ends[0]:g} at the lower and {ends[1]:g} at the upper "
                "limits."
            )
        return ends

    def _tidy_columns(self) -> Mapping[str, Sequence[Any] | np.ndarray]:
        return {
            "batch": [b for b, m in zip(self.batches, self.sizes) for _ in range(m)],
            "term": [j for m in self.sizes for j in range(1, m + 1)],
            "conf_low": self.conf_low,
            "conf_high": self.conf_high,
            "exact_probability": [a.probability for a, m in zip(self.answers, self.sizes) for _ in range(m)],
        }

    def _glance_columns(self) -> Mapping[str, Any]:
        return {**self._common_glance(), "local_level": self.answers[0].local_level}

    def _report(self) -> Report:
        columns: dict[str, Any] = {
            "Batch": [str(b) for b in self.batches],
            "m": self.sizes,
            "Probability": [a.probability for a in self.answers],
        }
        if self.claim is not None:
            curves = [self.discoveries(i) for i in range(len(self.batches))]
            for share in (0.1, 0.25, 0.5):
                columns[f"Claims with FDP <= {share:g}"] = [
                    int(c.selected[c.max_proportion <= share].max(initial=0)) for c in curves
                ]
        else:
            for name, ends in (("Mean", self.mean()), ("Median", self.quantile(0.5))):
                columns[f"{name}, lower"], columns[f"{name}, upper"] = ends[:, 0], ends[:, 1]
        return Report(
            title=self.title,
            header=[*self._header(), ("Local level", self.answers[0].local_level)],
            tables=[Table(columns)],
            guarantees=[self.guarantee],
            notes=[
                *self._notes(),
                "Ask more with bounds(), quantile(), count_above()"
                + (": it costs nothing." if self.claim is None else ", discoveries(): it costs nothing."),
            ],
        )

    def plot(
        self,
        ax: Any = None,
        labels: Mapping[str, str] | None = None,
        drop: Collection[str] = (),
        *,
        batch: int | None = None,
        truth: Any = None,
    ) -> Any:
        """Draw the envelope of one batch.

        Parameters
        ----------
        ax : matplotlib Axes or None, default None
            Axes to draw on.
        labels : mapping of str to str or None, default None
            Words instead of the names of batches.
        drop : collection of str, default ()
            Batches to leave out.
        batch : int or None, default None
            Position of the batch; None takes the first that is not left out.
        truth : array-like of shape (m,) or None, default None
            True scores of the batch, where they are known.

        Returns
        -------
        EnvelopeDisplay
            The display, with ``ax_`` and ``figure_``.

        Raises
        ------
        TypeError, ValueError
            If there is no batch at that position, or all are left out.
        """
        return self._display(labels, drop, batch, truth).plot(ax)

    def _display(
        self,
        labels: Mapping[str, str] | None,
        drop: Collection[str],
        batch: int | None = None,
        truth: Any = None,
    ) -> Any:
        from validstats.plotting.batch_envelope import EnvelopeDisplay

        chosen = self._first_batch(drop) if batch is None else self._position(batch)
        return EnvelopeDisplay.from_result(self, batch=chosen, truth=truth, labels=labels)


def in_order(remedies: Sequence[str]) -> str:
    """Remedies with their numbers, as one clause."""
    return "; ".join(f"({i}) {remedy}" for i, remedy in enumerate(remedies, 1))


def _dash(rank: int | None) -> str:
    return "-" if rank is None else str(rank)


def _finite_max(values: AnyArray) -> float:
    return float("nan") if np.isnan(values).all() else float(np.nanmax(values))
