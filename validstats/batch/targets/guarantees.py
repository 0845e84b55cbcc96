"""The guarantee of a target, with everything that it rests on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

from validstats.batch.targets.problem import Calibration
from validstats.batch.targets.values import Target
from validstats.guarantee import Guarantee

__all__ = ["batch_guarantee", "confidence_of", "level_text"]


@lru_cache(maxsize=256)
def level_text(alpha: Fraction) -> str:
    """Return one minus a level as a short decimal.

    Parameters
    ----------
    alpha : Fraction
        Miscoverage level.

    Returns
    -------
    str
        The confidence level.

    Examples
    --------
    >>> level_text(Fraction(1, 10))
    '0.9'
    """
    return f"{confidence_of(alpha):.6g}"


@lru_cache(maxsize=256)
def confidence_of(alpha: Fraction) -> float:
    """Return one minus a level as a float.

    Parameters
    ----------
    alpha : Fraction
        Miscoverage level.

    Returns
    -------
    float
        The confidence level.

    Examples
    --------
    >>> confidence_of(Fraction(1, 10))
    0.9
    """
    return float(1 - alpha)


def batch_guarantee(
    target: Target,
    calibration: Calibration,
    alpha: Fraction,
    *,
    n_batches: int = 1,
    joint: bool = False,
    probabilities: Sequence[float | None] = (),
) -> Guarantee:
    """State what a target promises.

    Parameters
    ----------
    target : Target
        The question.
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
    known = {p for p in probabilities if p is not None}
    exact = known.pop() if len(known) == 1 and None not in probabilities and not joint else None
    level = level_text(alpha)
    statement = target.statement(level) + (
        f", for all {n_batches} batches at once" if joint and n_batches > 1 else ""
    )
    points = _assumptions(target, calibration)
    return Guarantee(
        holds=statement,
        kind="finite-sample",
        check=points[:3],
        n_reference=calibration.n,
        citation=target.citation,
        confidence_level=confidence_of(alpha) if target.has_level else None,
        exact_probability=exact,
        details=(*points[3:], *_caveats(target, n_batches, joint)),
    )


def _assumptions(target: Target, calibration: Calibration) -> tuple[str, ...]:
    within = "within each stratum " if calibration.strata is not None else ""
    clauses = [
        f"{within}the calibration rows and the rows of the batch are exchangeable, given the fitted model",
        "the target, the score, the level and the method were fixed before looking at the calibration labels",
    ]
    if calibration.w_max is not None:
        clauses[0] = (
            f"{within}calibration rows are independent, the batch is drawn from the law that the stated weights tilt to, and no "
            f"weight exceeds w_max = {calibration.w_max:g} ({calibration.n} of {calibration.n_supplied} rows were kept)"
        )
    if target.kind != "selection" and any(math.isfinite(end) for end in calibration.label_bounds):
        low, high = calibration.label_bounds
        clauses.append(f"every label lies in [{low:g}, {high:g}]")
    if type(target).__name__ == "Envelope":
        clauses[1] = "the score and the level were fixed before looking at the calibration labels"
    if type(target).__name__ == "Compositional":
        clauses.append("the step is non-decreasing in the accumulated value and in the score")
    return tuple(clauses)


def _caveats(target: Target, n_batches: int, joint: bool) -> tuple[str, ...]:
    notes = [
        f"The {'probability' if target.has_level else 'expectation'} is over calibration and batch together; for one "
        "calibration set it varies around it"
    ]
    if n_batches > 1 and not joint:
        remedy = "; joint=True makes it hold for all at once" if target.has_level else ""
        notes.append(f"It holds for each of the {n_batches} batches by itself{remedy}")
    return tuple(notes)
