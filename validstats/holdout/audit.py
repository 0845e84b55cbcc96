"""Statements about test sets that were already used: what holds after looks that nobody counted beforehand.

A look whose answer is one of finitely many numbers is a release like any other: it has a code, and its length in nats
lowers the level of the statement that is made at the end. Counting looks afterwards is sound because the code was fixed
before the test set was seen; what must be true about the history is printed with every row.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from validstats._typing import AnyArray, Float1D
from validstats.guarantee import Guarantee
from validstats.holdout.widths import cell_interval, log_binomial, log_near_code, rounded_counts
from validstats.intake import (
    alpha_fraction,
    check_in_range,
    check_matrix,
    check_positive_int,
    check_vector,
)
from validstats.results import Report, Result, Table, percent_words

__all__ = [
    "AuditRow",
    "LookAudit",
    "audit_looks",
    "log_description",
    "log_record",
    "log_rises",
    "estimate_drift",
]


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


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class LookAudit(Result):
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
    single_look : tuple of (float, float)
        The interval of a test set that was never looked at before.
    looks : int
        Number of looks, or an upper bound of it; 0 where it is not known.
    drift : float or None
        Estimate of the optimism, without any guarantee; None if the results of each row are not known.

    Attributes
    ----------
    estimate : float
        The score.
    conf_low, conf_high : float
        Ends of the narrowest row.
    naive : ndarray of shape (2,)
        The interval of a test set that was never looked at before.

    Examples
    --------
    >>> print(audit_looks(n=10_000, score=0.85, decimals=2, looks=40).answer)
    After 40 looks at 10,000 rows a score of 0.85 stands for 85.0 % (76.7 to 91.4 %) on new rows
    """

    score: float
    n: int
    confidence_level: float
    rows: tuple[AuditRow, ...]
    single_look: tuple[float, float]
    looks: int
    drift: float | None = None

    @property
    def best(self) -> AuditRow:
        """The narrowest row."""
        return self.rows[0]

    @property
    def estimate(self) -> float:
        """The score that was shown."""
        return self.score

    @property
    def conf_low(self) -> float:
        """Lower end of the narrowest row."""
        return self.best.low

    @property
    def conf_high(self) -> float:
        """Upper end of the narrowest row."""
        return self.best.high

    @property
    def naive(self) -> Float1D:
        """The interval of a test set that was never looked at before."""
        return np.array(self.single_look)

    @property
    def terms(self) -> list[str]:
        """What is known about the looks, the narrowest row first."""
        return [row.known for row in self.rows]

    @property
    def informative(self) -> bool:
        """Whether the narrowest row excludes a score."""
        return bool(self.best.low > 0.0 or self.best.high < 1.0)

    @property
    def mass(self) -> float:
        """Mass that is left for a ledger on the same rows after this statement took half, ``e^-nats / 2``."""
        return 0.5 * math.exp(-self.best.nats)

    def _display(self, labels: Mapping[str, str] | None, drop: Collection[str]) -> Any:
        """Draw the interval of each way of accounting, beside that of a single look."""
        from validstats.plotting.answers import AnswersDisplay

        rows = [row for row in self.rows if row.known not in drop]
        return AnswersDisplay(
            [(labels or {}).get(row.known, row.known) for row in rows],
            [self.score] * len(rows),
            [row.low for row in rows],
            [row.high for row in rows],
            [self.single_look] * len(rows),
        )

    def _answer(self) -> str:
        looks = f"After {self.looks:,} looks at {self.n:,} rows" if self.looks else f"On {self.n:,} used rows"
        interval = percent_words(self.score, self.conf_low, self.conf_high)
        return f"{looks} a score of {self.score:g} stands for {interval} on new rows"

    def _tidy_columns(self) -> Mapping[str, Sequence[Any] | np.ndarray]:
        return {
            "term": self.terms,
            "estimate": [self.score] * len(self.rows),
            "conf_low": [row.low for row in self.rows],
            "conf_high": [row.high for row in self.rows],
            "half_width": [row.half_width for row in self.rows],
            "nats": [row.nats for row in self.rows],
            "assumption": [row.assumption for row in self.rows],
        }

    def _glance_columns(self) -> Mapping[str, Any]:
        return {
            "n": self.n,
            "looks": self.looks,
            "score": self.score,
            "conf_low": self.conf_low,
            "conf_high": self.conf_high,
            "confidence_level": self.confidence_level,
            "mass": self.mass,
            "drift": self.drift,
        }

    def _report(self) -> Report:
        table = Table(
            {
                "Known": self.terms,
                "Lower": [row.low for row in self.rows],
                "Upper": [row.high for row in self.rows],
                "Nats": [row.nats for row in self.rows],
                "Holds if": [row.assumption for row in self.rows],
            },
            formats={"Lower": "estimate", "Upper": "estimate", "Nats": lambda nats: f"{nats:.1f}"},
        )
        low, high = self.single_look
        notes = [f"A single look would have said {low:z.4f} to {high:z.4f}"]
        if self.drift is not None:
            notes.append(
                f"Estimated optimism of the winner: {self.drift:.4f} (an estimate, no guarantee). It does not see that "
                "later models were made because of earlier scores, and is too low for hill climbing"
            )
        return Report(
            "A test set that was used before",
            header=[("Rows", f"{self.n:,}"), ("Confidence level", f"{self.confidence_level:g}")],
            tables=[table],
            guarantees=[self.guarantee],
            notes=[f"{note}." for note in notes],
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
        How often a later look was a new best, if nothing else was shown; the first look is not counted.
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
    low, high = rounded_counts(score, decimals, n, truncated=truncated)
    if scores is not None:
        scores = check_vector(scores, "scores").tolist()
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
        units, values = _units(scores, decimals, score, n, truncated)
        ways.append((
            f"the list of all {len(units)} scores in order",
            -log_record(units, values),
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
    ordered = tuple(sorted(rows, key=lambda row: row.half_width))
    return LookAudit(
        guarantee=_guarantee(n, confidence_level, ordered),
        score=float(score),
        n=n,
        confidence_level=confidence_level,
        rows=ordered,
        single_look=cell_interval(low, high, n, log_alpha),
        looks=k or 0,
        drift=None if results is None else estimate_drift(results),
    )


def _guarantee(n: int, confidence_level: float, rows: Sequence[AuditRow]) -> Guarantee:
    return Guarantee(
        holds=(
            f"in at least {100 * confidence_level:g} of 100 test sets like this one the score on new rows lies in the "
            "interval, although the model was chosen after looking"
        ),
        kind="finite-sample",
        check=(
            "the rows were drawn independently from the population that you ask about",
            rows[0].assumption,
            "the score is a share of rows that are right",
        ),
        n_reference=n,
        citation="Dwork et al. (2015), arXiv 1506.02629, Theorem 9; Kraft's inequality for the codes",
        confidence_level=float(confidence_level),
        details=(
            "The level is divided by exp(nats): what was shown has a code, and its length is what the looks cost",
            f"The {len(rows)} rows share the level and hold together",
            *(f"The row with {row.known!r} holds if {row.assumption}" for row in rows),
        ),
    )


def _number_of_looks(looks: int | None, scores: Sequence[float] | None) -> int | None:
    if scores is None:
        return None if looks is None else check_positive_int(looks, "looks")
    if looks is not None and looks < len(scores):
        raise ValueError(f"looks={looks} is less than the {len(scores)} scores that are listed.")
    return len(scores) if looks is None else check_positive_int(looks, "looks")


def _units(
    scores: Sequence[float], decimals: int, score: float, n: int, truncated: bool
) -> tuple[list[int], float]:
    """Scores as whole numbers, and how many there could be: units of the last decimal, or counts where those are fewer."""
    # a score that is shown with more decimals than n has digits tells its count
    fine = 10.0**decimals > n
    scale = float(n) if fine else 10.0**decimals

    def unit_of(value: float) -> int:
        return rounded_counts(value, decimals, n, truncated=truncated)[0] if fine else round(value * scale)

    for value in scores:
        check_in_range(value, "scores", 0.0, 1.0)
        if abs(value * 10.0**decimals - round(value * 10.0**decimals)) > 1e-6 * 10.0 ** max(decimals - 9, 0):
            raise ValueError(f"scores has {value!r}, which is not rounded to decimals={decimals}.")
    units = [unit_of(value) for value in scores]
    if unit_of(score) not in units:
        raise ValueError(
            f"score={score!r} is not among the scores that are listed; the list must be complete."
        )
    return units, scale + 1.0


def log_record(units: Sequence[int], values: float) -> float:
    """Return the logarithm of the probability that the record code gives a list of whole numbers out of so many."""
    # The code may not change after a list was seen. The first is uniform over V values; then .45 c(v - best) + .45 c(v - last) + .1 / V.
    total, best, last = -math.log(values), units[0], units[0]
    for unit in units[1:]:
        total += log_near_code(unit, (best, last), values)
        best, last = max(best, unit), unit
    return total


def log_rises(looks: int, rises: int, decimals: int | None = None) -> float:
    """Return the logarithm of the code of the looks at which the best score rose."""
    # -(ln C(k, r) + ln(k + 1)), and -r ln V for the values of the rises, where they were shown.
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
    """Estimate by how much the winner of a list of models is overrated; an estimate without any guarantee."""
    # On random halves of the rows "keep if better" is replayed in the recorded order, and the winner is scored on the
    # other half. The mean difference is that of a test set of half the size, so it is divided by the root of 2.
    rows = check_matrix(results, "results")
    if min(rows.shape) < 2:
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
