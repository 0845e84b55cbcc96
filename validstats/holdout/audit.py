"""Statements about test sets that were already used: what holds after looks that nobody counted beforehand.

A look whose answer is one of finitely many numbers is a release like any other: it has a code, and its length in nats
lowers the level of the statement that is made at the end. Counting looks afterwards is sound because the code was fixed
before the test set was seen; what must be true about the history is printed with every row.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from validstats._typing import AnyArray
from validstats.holdout.widths import cell_interval, log_binomial, log_distance_code, rounded_counts
from validstats.intake import (
    alpha_fraction,
    check_confidence_level,
    check_in_range,
    check_positive_int,
    to_frame,
)

__all__ = [
    "AuditRow",
    "LookAudit",
    "audit_looks",
    "log_description",
    "log_record",
    "log_rises",
    "estimate_drift",
]

RECORD_CODE_VERSION = 1
"""Version of the code of :func:`log_record`. It may not change after a list was seen: another code is another version."""

_NEAR = 0.45  # mass of scores near the best one so far, and as much near the last one; the rest is uniform


@dataclass(frozen=True)
class AuditRow:
    """One way of accounting for past looks.

    Parameters
    ----------
    known : str
        What is known about them.
    nats : float
        What they cost.
    low, high : float
        Interval for the score of the chosen model on new rows.
    assumption : str
        What must be true about the history.
    """

    known: str
    nats: float
    low: float
    high: float
    assumption: str

    @property
    def half_width(self) -> float:
        """Half of the interval's length."""
        return 0.5 * (self.high - self.low)


@dataclass(frozen=True)
class LookAudit:
    """What may be said about a score after the test set was used.

    Parameters
    ----------
    score : float
        The score that was shown for the chosen model.
    n : int
        Rows of the test set.
    confidence_level : float
        Of all rows together.
    rows : tuple of AuditRow
        One a way of accounting, the narrowest first.
    naive : tuple of (float, float)
        The interval of a test set that was never looked at before.
    drift : float or None
        Estimate of the optimism, without any guarantee; None if the results of each row are not known.

    Examples
    --------
    >>> print(audit_looks(n=10_000, score=0.85, decimals=2, looks=40))
    After 40 looks at n = 10,000 rows a score of 0.85 stands for 0.767 to 0.914 (95 % confidence).
    """

    score: float
    n: int
    confidence_level: float
    rows: tuple[AuditRow, ...]
    naive: tuple[float, float]
    looks: int
    drift: float | None = None

    @property
    def best(self) -> AuditRow:
        """The narrowest row."""
        return self.rows[0]

    @property
    def conf_low(self) -> float:
        """Lower end of the narrowest row."""
        return self.best.low

    @property
    def conf_high(self) -> float:
        """Upper end of the narrowest row."""
        return self.best.high

    @property
    def mass(self) -> float:
        """Mass that is left for a ledger on the same rows after this statement took half, ``e^-nats / 2``."""
        return 0.5 * math.exp(-self.best.nats)

    def tidy(self) -> Any:
        """Return the rows as a data frame.

        Returns
        -------
        DataFrame
            Columns known, nats, conf_low, conf_high, half_width and assumption.
        """
        return to_frame(
            {
                "known": [row.known for row in self.rows],
                "nats": [row.nats for row in self.rows],
                "conf_low": [row.low for row in self.rows],
                "conf_high": [row.high for row in self.rows],
                "half_width": [row.half_width for row in self.rows],
                "assumption": [row.assumption for row in self.rows],
            }
        )

    def summary(self) -> str:
        """Return the answer, the ways of accounting with their assumptions, and the estimate of the drift.

        Returns
        -------
        str
            Text of several lines.
        """
        lines = [str(self), ""]
        for row in self.rows:
            lines.append(f"  {row.low:.4f} to {row.high:.4f}  ({row.nats:.1f} nats)  {row.known}")
            lines.append(f"      holds if {row.assumption}")
        low, high = self.naive
        lines.append(f"  {low:.4f} to {high:.4f}  a single look would have said this")
        if self.drift is not None:
            lines.append(
                f"Estimated optimism of the winner: {self.drift:.4f} (an estimate, no guarantee). It does not see that "
                "later models were made because of earlier scores, and is too low for hill climbing."
            )
        return "\n".join(lines)

    def __str__(self) -> str:
        return (
            f"After {self.looks} looks at n = {self.n:,} rows a score of {self.score:g} stands for "
            f"{self.conf_low:.3f} to {self.conf_high:.3f} ({100 * self.confidence_level:g} % confidence)."
        )


def audit_looks(
    n: int,
    score: float,
    *,
    decimals: int = 4,
    looks: int | None = None,
    scores: Sequence[float] | None = None,
    rises: int | None = None,
    best_shown: bool = False,
    description_bits: float | None = None,
    candidates: int | None = None,
    truncated: bool = False,
    results: AnyArray | None = None,
    confidence_level: float = 0.95,
) -> LookAudit:
    """Say what a score is worth after the test set was looked at many times.

    Parameters
    ----------
    n : int
        Independent rows of the test set. Rows that come in clusters are refused by count: pass the number of clusters
        only if the score is the share of clusters that are right.
    score : float
        Share of right rows of the chosen model, as it was shown.
    decimals : int, default 4
        Decimals that scores were shown with.
    looks : int or None, default None
        Number of looks, or an upper bound of it. The number of ``scores`` if None.
    scores : sequence of float or None, default None
        All scores that were shown, in order, the chosen model's among them.
    rises : int or None, default None
        How often a look was a new best, if nothing else was shown.
    best_shown : bool, default False
        Whether the best score so far was shown with each rise, as leaderboards do.
    description_bits : float or None, default None
        Length of a description that reproduces the chosen model, by a prefix-free code that was fixed beforehand; see
        :func:`log_description` for text.
    candidates : int or None, default None
        Length of a list, made before the first look, that the chosen model is from.
    truncated : bool, default False
        Whether further decimals were cut off instead of rounded.
    results : array of shape (k, n) or None, default None
        Whether each model was right on each row, for an estimate of the drift beside the interval.
    confidence_level : float, default 0.95
        Of all rows of the answer together.

    Returns
    -------
    LookAudit
        One row for each thing that is known.

    Raises
    ------
    ValueError
        If nothing is known about the looks, or if what is known does not fit together.

    References
    ----------
    Dwork et al. (2015), arXiv 1506.02629, Theorem 9 (description length); Kraft's inequality for the codes.

    Examples
    --------
    >>> audit = audit_looks(10_000, 0.85, decimals=2, looks=40, rises=6)
    >>> [(row.known[:20], round(row.half_width, 3)) for row in audit.rows]
    [('only whether each of', 0.028), ('at most 40 looks, ro', 0.073)]
    """
    check_positive_int(n, "n")
    check_positive_int(decimals, "decimals", minimum=0, maximum=15)
    check_confidence_level(confidence_level)
    low, high = rounded_counts(score, decimals, n, truncated=truncated)
    k = _number_of_looks(looks, scores)
    ways: list[tuple[str, float, str]] = []
    if k is not None:
        values = min(10.0**decimals + 1.0, n + 1.0)
        ways.append((
            f"at most {k} looks, rounded to {decimals} decimals",
            k * math.log(values),
            "these numbers are all that was learned from the test set",
        ))  # fmt: skip
    if scores is not None:
        units = _units(scores, decimals, score)
        ways.append((
            f"the list of all {len(units)} scores in order",
            -log_record(units, decimals),
            "the list is complete and in order, and nothing else was learned from the test set",
        ))  # fmt: skip
    if rises is not None:
        if k is None:
            raise ValueError(
                "rises= needs the number of looks among which they were: pass looks= or scores= as well."
            )
        shown = "the best score so far" if best_shown else "only whether each of"
        known = (
            f"{shown} was shown, {rises} rises in {k} looks"
            if best_shown
            else (f"only whether each of {k} looks is a new best was shown, {rises} rises")
        )
        nats = -log_rises(k, rises, decimals if best_shown else None)
        holds = "nothing else was shown" if best_shown else "nobody saw the numbers themselves"
        ways.append((known, nats, holds))
    if description_bits is not None:
        check_in_range(description_bits, "description_bits", 0.0, math.inf)
        ways.append((
            f"a description of {description_bits:g} bits reproduces the model",
            description_bits * math.log(2.0),
            "the code, the training data and all seeds were fixed without the test set",
        ))  # fmt: skip
    if candidates is not None:
        ways.append((
            f"the model is one of {check_positive_int(candidates, 'candidates')} fixed beforehand",
            math.log(candidates),
            "the list existed before the first look",
        ))  # fmt: skip
    if not ways:
        raise ValueError(
            "Nothing is said about the past looks. Pass at least one of looks= (their number or an upper bound of it), "
            "scores= (all of them in order), rises=, description_bits= or candidates=."
        )
    log_alpha = math.log(alpha_fraction(confidence_level))
    each = log_alpha - math.log(len(ways))  # several statements share the level
    rows = [
        AuditRow(known, nats, *cell_interval(low, high, n, each - nats), holds) for known, nats, holds in ways
    ]
    return LookAudit(
        score=float(score),
        n=n,
        confidence_level=confidence_level,
        rows=tuple(sorted(rows, key=lambda row: row.half_width)),
        naive=cell_interval(low, high, n, log_alpha),
        looks=k or 0,
        drift=None if results is None else estimate_drift(results),
    )


def _number_of_looks(looks: int | None, scores: Sequence[float] | None) -> int | None:
    if scores is None:
        return None if looks is None else check_positive_int(looks, "looks")
    if looks is not None and looks < len(scores):
        raise ValueError(f"looks={looks} is less than the {len(scores)} scores that are listed.")
    return len(scores) if looks is None else check_positive_int(looks, "looks")


def _units(scores: Sequence[float], decimals: int, score: float) -> list[int]:
    """Scores in units of their last decimal; refused if they have more decimals or miss the chosen one."""
    scale = 10.0**decimals
    units = []
    for value in scores:
        check_in_range(float(value), "scores", 0.0, 1.0)
        unit = round(float(value) * scale)
        if abs(float(value) * scale - unit) > 1e-6:
            raise ValueError(f"scores has {value!r}, which is not rounded to decimals={decimals}.")
        units.append(unit)
    if round(score * scale) not in units:
        raise ValueError(
            f"score={score!r} is not among the scores that are listed; the list must be complete."
        )
    return units


def log_record(units: Sequence[int], decimals: int) -> float:
    """Return the logarithm of the probability that the record code gives a list of scores.

    The first score is uniform over ``V = 10^d + 1`` values. Then ``.45 c(v - best) + .45 c(v - last) + .1 / V``.

    Parameters
    ----------
    units : sequence of int
        Scores in units of their last decimal, in order.
    decimals : int
        Decimals d.

    Returns
    -------
    float
        Its negative is the price in nats. The code adds up to at most 1 over all lists of one length.

    Examples
    --------
    >>> round(-log_record([85, 85, 86], 2), 2)
    7.99
    """
    values = 10.0**decimals + 1.0
    total, best, last = -math.log(values), units[0], units[0]
    for unit in units[1:]:
        near = math.exp(log_distance_code(unit - best)) + math.exp(log_distance_code(unit - last))
        total += math.log(_NEAR * near + (1.0 - 2.0 * _NEAR) / values)
        best, last = max(best, unit), unit
    return total


def log_rises(looks: int, rises: int, decimals: int | None = None) -> float:
    """Return the logarithm of the code of the looks at which the best score rose.

    Parameters
    ----------
    looks, rises : int
        Numbers k and r.
    decimals : int or None, default None
        Decimals of the best scores, if they were shown.

    Returns
    -------
    float
        ``-(ln C(k, r) + ln(k + 1))``, and ``-r ln V`` for the values of the rises.

    Examples
    --------
    >>> round(-log_rises(40, 6), 2)
    18.87
    """
    k = check_positive_int(looks, "looks")
    r = check_positive_int(rises, "rises", minimum=0, maximum=k)
    shown = 0.0 if decimals is None else r * math.log(10.0**decimals + 1.0)
    return -(log_binomial(k, r) + math.log(k + 1.0) + shown)


def log_description(text: str | bytes) -> float:
    """Return the code of a text that reproduces the chosen model: 8 bits a byte and Elias' delta code of its length.

    Parameters
    ----------
    text : str or bytes
        The description, read by a decoder that was fixed beforehand.

    Returns
    -------
    float
        Logarithm of its probability; minus this over ln 2 are the bits for ``description_bits``.

    References
    ----------
    Elias (1975).

    Examples
    --------
    >>> round(-log_description("ridge, alpha=10") / math.log(2))
    129
    """
    raw = text.encode() if isinstance(text, str) else text
    length = len(raw) + 1
    floor_log = length.bit_length() - 1
    delta = floor_log + 2 * ((floor_log + 1).bit_length() - 1) + 1  # Elias' delta code of the length
    return -(8 * len(raw) + delta) * math.log(2.0)


def estimate_drift(results: AnyArray, *, halves: int = 200) -> float:
    """Estimate by how much the winner of a list of models is overrated; an estimate without any guarantee.

    On random halves of the rows "keep if better" is replayed in the recorded order, and the winner is scored on the
    other half. The mean difference is that of a test set of half the size, so it is divided by the root of 2.

    Parameters
    ----------
    results : array of shape (k, n)
        Whether each model was right on each row, models in their order.
    halves : int, default 200
        Number of halves.

    Returns
    -------
    float
        The estimate. It does not see that later models were made because of earlier scores.

    Examples
    --------
    >>> right = np.random.default_rng(0).random((50, 500)) < 0.5
    >>> 0.02 < estimate_drift(right) < 0.06
    True
    """
    rows = np.asarray(results, dtype=np.float64)
    if rows.ndim != 2 or min(rows.shape) < 2:
        raise ValueError(f"results must have shape (models, rows), got {rows.shape}.")
    generator = np.random.default_rng(rows.shape[1])
    n, total = rows.shape[1], 0.0
    for _ in range(check_positive_int(halves, "halves")):
        order = generator.permutation(n)
        here, there = order[: n // 2], order[n // 2 :]
        winner = int(
            np.argmax(rows[:, here].mean(axis=1))
        )  # the first of the best: "keep if better" keeps it
        total += float(rows[winner, here].mean() - rows[winner, there].mean())
    return total / halves / math.sqrt(2.0)
