"""What BatchPredictor.infer returns: intervals, label sets, selections, envelopes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from validstats._typing import AnyArray, Float2D
from validstats.batch.targets import IntervalAnswer, SelectionAnswer, SetAnswer
from validstats.intake import check_vector, read_array
from validstats.results import Report, Result, Table

__all__ = ["BatchIntervals", "BatchResult", "BatchSelection", "BatchSets"]


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
    confidence_level : float or None
        Level of the statement about one batch; None where it bounds an expected share.
    quantity : str
        What one score is.
    n : int
        Number of calibration scores.
    """

    batches: tuple[Any, ...]
    rows: tuple[AnyArray, ...]
    answers: tuple[Any, ...]
    confidence_level: float | None
    quantity: str
    n: int

    @property
    def informative(self) -> bool:
        """Whether the result says something about every batch."""
        return all(a.informative for a in self.answers)

    @property
    def sizes(self) -> list[int]:
        """Size of each batch."""
        return [len(r) for r in self.rows]

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
        level = [] if self.confidence_level is None else [("Confidence level", self.confidence_level)]
        return [
            ("Calibration rows", self.n),
            ("Batches", len(self.batches)),
            ("Rows per batch", size),
            *level,
            ("Score", self.quantity),
            ("Smallest informative n", smallest),
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
        return [f"{which} is valid but uninformative: there are too few calibration rows for the question."]


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class BatchIntervals(BatchResult):
    """Intervals for numbers about batches.

    Attributes
    ----------
    title : str
        Heading of the report.

    Notes
    -----
    ``tidy()`` has one row for each batch and term, with columns batch, term, m, estimate, conf_low, conf_high, naive,
    exact_probability, rank_low, rank_high, method, informative, smallest_n.
    """

    answers: tuple[IntervalAnswer, ...]
    title: str = "Intervals for batches"

    @property
    def low(self) -> Float2D:
        """Lower bounds, shape (n_batches, n_terms)."""
        return np.array([a.low for a in self.answers])

    @property
    def high(self) -> Float2D:
        """Upper bounds, shape (n_batches, n_terms)."""
        return np.array([a.high for a in self.answers])

    @property
    def estimate(self) -> Float2D:
        """Point values, shape (n_batches, n_terms)."""
        return np.array([a.estimate for a in self.answers])

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
            "exact_probability": [a.probability for _, _, a, _ in cells],
            "rank_low": [p[0] for p in pairs],
            "rank_high": [p[1] for p in pairs],
            "method": [a.method for _, _, a, _ in cells],
            "informative": [a.informative for _, _, a, _ in cells],
            "smallest_n": [a.smallest_n for _, _, a, _ in cells],
        }

    def _glance_columns(self) -> Mapping[str, Any]:
        widths = self.high - self.low
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
        if any(r is not None for r in [*tidy["rank_low"], *tidy["rank_high"]]):
            columns["Ranks"] = [
                f"{_dash(a)}..{_dash(b)}" for a, b in zip(tidy["rank_low"], tidy["rank_high"], strict=True)
            ]
        header = [*self._header(), ("Method", self._methods())]
        notes = self._notes()
        if "Naive" in columns:
            notes.append("Naive is what the model says without calibration; it comes without any guarantee.")
        return Report(
            title=self.title, header=header, tables=[Table(columns)], guarantees=[self.guarantee], notes=notes
        )

    def plot(self, truth: Any = None, ax: Any = None) -> Any:
        """Draw the interval of every batch.

        Parameters
        ----------
        truth : array-like of shape (n_batches,) or None, default None
            True values, where they are known.
        ax : matplotlib Axes or None, default None
            Axes to draw on.

        Returns
        -------
        BatchIntervalDisplay
            The display, with ``ax_`` and ``figure_``.
        """
        from validstats.plotting.batch_intervals import BatchIntervalDisplay

        return BatchIntervalDisplay.from_result(self, truth=truth).plot(ax)


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
    classes : ndarray or None
        Classes.
    """

    answers: tuple[SetAnswer, ...]
    intervals: Float2D | None
    sets: AnyArray | None
    naive_intervals: Float2D | None
    naive_sets: AnyArray | None
    classes: AnyArray | None

    def contains(self, y: Any, *, naive: bool = False) -> AnyArray:
        """Tell which sets hold their label.

        Parameters
        ----------
        y : array-like of shape (n_rows,)
            Labels, in the order of the rows.
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
        labels = read_array(y, "y")
        if labels.shape != (sum(self.sizes),):
            raise ValueError(
                f"y must have one label for each of the {sum(self.sizes)} rows, got shape {labels.shape}."
            )
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
            "estimate": [float(a.threshold.max()) for a in self.answers],
            "covered_at_least": [a.covered for a in self.answers],
            "mean_set_size": [float(ours[r].mean()) for r in self.rows],
            "exact_probability": [a.probability for a in self.answers],
            "rank_high": [max(a.ranks) for a in self.answers],
            "naive": [float(a.naive_threshold.max()) for a in self.answers],
            "naive_set_size": [float(naive[r].mean()) for r in self.rows],
            "naive_probability": [a.naive_probability for a in self.answers],
            "informative": [a.informative for a in self.answers],
            "smallest_n": [a.smallest_n for a in self.answers],
        }

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
            title="Label sets for batches",
            header=self._header(),
            tables=[Table(columns)],
            guarantees=[self.guarantee],
            notes=notes,
        )


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
        Limit of the claim.
    """

    answers: tuple[SelectionAnswer, ...]
    selected: AnyArray
    naive_selected: AnyArray
    predictions: AnyArray
    bound: float
    above: float

    def false_claims(self, y: Any, *, naive: bool = False) -> AnyArray:
        """Count the false claims of each batch.

        Parameters
        ----------
        y : array-like of shape (n_rows,)
            Labels, in the order of the rows.
        naive : bool, default False
            Whether to count those of the plain prediction.

        Returns
        -------
        ndarray of int64, shape (n_batches,)
            Counts.
        """
        chosen = self.naive_selected if naive else self.selected
        labels = check_vector(y, "y")
        if labels.size != chosen.size:
            raise ValueError(f"y must have one label for each of the {chosen.size} rows, got {labels.size}.")
        wrong = chosen & (labels <= self.above)
        return np.array([int(wrong[r].sum()) for r in self.rows], dtype=np.int64)

    def _tidy_columns(self) -> Mapping[str, Sequence[Any] | np.ndarray]:
        return {
            "batch": list(self.batches),
            "term": ["selected"] * len(self.batches),
            "m": self.sizes,
            "estimate": [int(a.selected.sum()) for a in self.answers],
            "threshold": [_finite_max(a.threshold) for a in self.answers],
            "max_false": [self.bound] * len(self.batches),
            "exact_probability": [a.probability for a in self.answers],
            "rank_high": [max(a.ranks) if a.ranks else None for a in self.answers],
            "naive": [int(a.naive_selected.sum()) for a in self.answers],
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
            "False at most" if self.bound >= 1 or self.answers[0].ranks else "FDR": tidy["max_false"],
            "Probability": tidy["exact_probability"],
            "Threshold": tidy["threshold"],
            "Rank": tidy["rank_high"],
            "Naive": tidy["naive"],
        }
        return Report(
            title=f"Selection of rows above {self.above:g}",
            header=self._header(),
            tables=[Table(columns)],
            guarantees=[self.guarantee],
            notes=[
                *self._notes(),
                "Naive claims every row whose prediction exceeds the limit, without any guarantee.",
            ],
        )

    def plot(self, y: Any = None, ax: Any = None) -> Any:
        """Draw predictions, threshold and claims.

        Parameters
        ----------
        y : array-like of shape (n_rows,) or None, default None
            True labels, where they are known.
        ax : matplotlib Axes or None, default None
            Axes to draw on.

        Returns
        -------
        SelectionDisplay
            The display, with ``ax_`` and ``figure_``.
        """
        from validstats.plotting.batch_selection import SelectionDisplay

        return SelectionDisplay.from_result(self, y=y).plot(ax)


def _dash(rank: int | None) -> str:
    return "-" if rank is None else str(rank)


def _finite_max(values: AnyArray) -> float:
    return float("nan") if np.isnan(values).all() else float(np.nanmax(values))
