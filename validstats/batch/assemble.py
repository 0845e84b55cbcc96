"""From the answers for each batch to one result, by kind of target."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from validstats._typing import AnyArray, FrameBackend
from validstats.batch.envelope_result import BatchEnvelopes
from validstats.batch.results import BatchIntervals, BatchResult, BatchSelection, BatchSets
from validstats.batch.targets import Calibration
from validstats.exceptions import UninformativeWarning, uninformative_message, warn
from validstats.guarantee import Guarantee

__all__ = ["assemble_result"]


def assemble_result(
    estimator: Any,
    outputs: AnyArray,
    batches: tuple[Any, ...],
    rows: Sequence[AnyArray],
    answers: Sequence[Any],
    guarantee: Guarantee,
    confidence_level: float | None,
    backend: FrameBackend,
) -> BatchResult:
    """Build the result of ``infer`` and warn where it says nothing.

    Parameters
    ----------
    estimator : BatchPredictor
        The calibrated estimator.
    outputs : ndarray with n rows
        Model outputs of all rows.
    batches : tuple
        Label of each batch.
    rows : sequence of ndarray
        Positions of each batch's rows.
    answers : sequence
        One answer a batch.
    guarantee : Guarantee
        What is promised.
    confidence_level : float or None
        Level for one batch; None where the statement has none.
    backend : str
        Data frame library of the input.

    Returns
    -------
    BatchResult
        The result.
    """
    common: dict[str, Any] = {
        "guarantee": guarantee,
        "backend": backend,
        "batches": batches,
        "rows": tuple(rows),
        "answers": tuple(answers),
        "confidence_level": confidence_level,
        "quantity": estimator.score_.quantity,
        "n": estimator.calibration_.n,
    }
    result = _BUILDERS[estimator.target.kind](estimator, outputs, common)
    _warn_uninformative(result, estimator.calibration_)
    return result


def _intervals(estimator: Any, outputs: AnyArray, common: dict[str, Any]) -> BatchResult:
    kind = type(estimator.target).__name__
    titles = {
        "BatchMean": "Mean of batches",
        "BatchTotal": "Total of batches",
        "BatchQuantile": "Quantiles of batches",
        "ErrorCount": "Wrong predictions in batches",
    }
    return BatchIntervals(title=titles.get(kind, "Intervals for batches"), **common)


def _sets(estimator: Any, outputs: AnyArray, common: dict[str, Any]) -> BatchResult:
    n, rows, answers = len(outputs), common["rows"], common["answers"]
    ours, naive = np.empty(n), np.empty(n)
    for index, answer in zip(rows, answers, strict=True):
        ours[index], naive[index] = answer.threshold, answer.naive_threshold
    score, label_bounds = estimator.score_, estimator.calibration_.label_bounds
    has_sets = score.label_set(outputs[:1], ours[:1]) is not None
    return BatchSets(
        intervals=score.interval(outputs, ours, label_bounds),
        sets=score.label_set(outputs, ours),
        naive_intervals=score.interval(outputs, naive, label_bounds),
        naive_sets=score.label_set(outputs, naive),
        classes=estimator.classes_ if has_sets else None,
        **common,
    )


def _selection(estimator: Any, outputs: AnyArray, common: dict[str, Any]) -> BatchResult:
    ours, naive = np.zeros(len(outputs), dtype=bool), np.zeros(len(outputs), dtype=bool)
    for index, answer in zip(common["rows"], common["answers"], strict=True):
        ours[index], naive[index] = answer.selected, answer.naive_selected
    target = estimator.target
    return BatchSelection(
        selected=ours,
        naive_selected=naive,
        predictions=outputs,
        bound=target.fdr if target.fdr is not None else target.max_false,
        above=float(target.above),
        **common,
    )


def _envelopes(estimator: Any, outputs: AnyArray, common: dict[str, Any]) -> BatchResult:
    first = outputs if outputs.ndim == 1 else outputs[:, 0]
    return BatchEnvelopes(
        predictions=np.asarray(first, dtype=np.float64),
        above=estimator.target.above,
        label_bounds=estimator.calibration_.label_bounds,
        **common,
    )


_BUILDERS: dict[str, Callable[[Any, AnyArray, dict[str, Any]], BatchResult]] = {
    "interval": _intervals,
    "sets": _sets,
    "selection": _selection,
    "envelope": _envelopes,
}


def _warn_uninformative(result: BatchResult, calibration: Calibration) -> None:
    silent = [i for i, a in enumerate(result.answers) if not a.informative]
    if not silent:
        return
    smallest = max(result.answers[i].smallest_n for i in silent)
    value = f"{len(silent)} of {len(result.answers)} batches"
    fewest = min(part.n for part in calibration.by_stratum.values())
    where = "" if calibration.strata is None else " in each stratum"
    remedy = (
        f"The smallest calibration size that would be informative is {smallest}{where}."
        if smallest > fewest
        else "State bounds for the labels, or take smaller batches."
    )
    warn(
        uninformative_message.format(
            what="statement",
            value=value,
            n=result.n,
            m=max(result.sizes[i] for i in silent),
            level="--" if result.confidence_level is None else f"{result.confidence_level:.6g}",
            remedy=remedy,
        ),
        UninformativeWarning,
    )
