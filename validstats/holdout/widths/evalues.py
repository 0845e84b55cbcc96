"""e-values for claims chosen after looking, and what controls the false discoveries among them.

If transcripts have code lengths L with ``sum exp(-L) <= 1`` (the nats of the ledger) and E is an e-value for the claim
that was chosen at the present transcript, then ``E exp(-L)`` is an e-value for the chosen claim: its mean under the
null is at most ``sum exp(-L(y)) E[E_y] <= 1``. This is proved for countable transcripts only, so it is refused once a
noisy answer was released. E may depend on the transcript in any way, and so may the stakes of a bet: at each
transcript they are fixed before a row is betted on, and the sum above is over transcripts.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import total_ordering
from typing import Any, Literal, TypeAlias

import numpy as np

from validstats._typing import Bool1D, Float1D
from validstats.exceptions import NoisyReleaseError, noisy_release_message
from validstats.guarantee import Guarantee
from validstats.holdout.widths.counts import log_gains, predictable_stakes
from validstats.intake import check_in_range, check_literal, check_vector
from validstats.results import Claims, NotApplicable, Report, Result, Table, rounded

__all__ = [
    "ELond",
    "EValue",
    "Rejections",
    "betting_e_value",
    "e_bh",
    "e_lond",
    "kraft_e_value",
    "paid_betting_e_value",
]

OneSided: TypeAlias = Literal["greater", "less"]
"""Which departure from the null mean is claimed."""

_LOG_LARGEST = math.log(1e300)

_LOG_TARGET = math.log(20.0)


_NO_INTERVAL = NotApplicable("an e-value has no interval; reject at level alpha where it reaches 1 / alpha")


@total_ordering
@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class EValue(Result):
    """An e-value: evidence against a null, whose mean is at most 1 if the null is true.

    It is a number: ``float(e)``, comparisons and arrays of e-values work.

    Parameters
    ----------
    value : float
        The e-value, at least 0.
    claim : str
        What it is evidence for.
    log_capital : ndarray of shape (k,)
        Logarithm of the capital after each row, or before and after a payment.
    """

    value: float
    claim: str
    log_capital: Float1D

    @property
    def estimate(self) -> float:
        """The e-value."""
        return self.value

    @property
    def conf_low(self) -> NotApplicable:
        """An e-value has no interval."""
        return _NO_INTERVAL

    @property
    def conf_high(self) -> NotApplicable:
        """An e-value has no interval."""
        return _NO_INTERVAL

    @property
    def confidence_level(self) -> NotApplicable:
        """An e-value has no level of its own."""
        return NotApplicable("the e-value is compared with the level of the reader")

    @property
    def naive(self) -> NotApplicable:
        """There is no simpler answer."""
        return NotApplicable("a p-value cannot be combined with others that were chosen after looking")

    @property
    def p_value(self) -> float:
        """``min(1, 1 / e)``, a valid p-value by Markov's inequality."""
        return 1.0 if self.value <= 1.0 else 1.0 / self.value

    def _display(self, labels: Mapping[str, str] | None, drop: Collection[str]) -> Any:
        """Draw the capital of the bet."""
        from validstats.plotting.statistical_tests import CapitalDisplay

        return CapitalDisplay(self.log_capital, 0.05)

    def __float__(self) -> float:
        return self.value

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self.value, dtype=dtype or np.float64)

    def __eq__(self, other: object) -> bool:
        return self.value == _number(other)

    def __lt__(self, other: Any) -> bool:
        return self.value < _number(other)

    def __hash__(self) -> int:
        return hash(self.value)

    def _answer(self) -> str:
        return (
            f"The e-value for the claim that {self.claim} is {rounded(self.value)} (p = {self.p_value:.3g})"
        )

    def _tidy_columns(self) -> Mapping[str, Sequence[Any]]:
        return {"term": [self.claim], "estimate": [self.value], "p_value": [self.p_value]}

    def _glance_columns(self) -> Mapping[str, Any]:
        return {"n": self.n_reference, "e_value": self.value, "p_value": self.p_value}

    def _report(self) -> Report:
        table: dict[str, list[Any]] = {
            "Claim": [self.claim],
            "e-value": [self.value],
            "p-value": [self.p_value],
        }
        return Report(
            title="e-value",
            header=[("Rows", self.n_reference)],
            tables=[Table(table, formats={"p-value": "p_value"})],
            guarantees=[self.guarantee],
        )


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Rejections(Claims):
    """Which claims an e-value procedure rejects the nulls of.

    It is a sequence of bool, and ``numpy.asarray(rejections)`` is the array of them.

    Parameters
    ----------
    e_values : ndarray of shape (m,)
        e-values of the claims.
    rejected : ndarray of shape (m,), bool
        True where the claim's null is rejected.
    alpha : float
        False discovery rate.
    """

    e_values: Float1D
    rejected: Bool1D
    alpha: float

    @property
    def confirmed(self) -> Bool1D:
        """True where the claim's null is rejected."""
        return self.rejected

    @property
    def terms(self) -> list[str]:
        """Claims by their number."""
        return [f"claim {i}" for i in range(len(self.rejected))]

    @property
    def claim(self) -> str:
        """What was claimed, for figures."""
        return "the null is rejected"

    @property
    def estimate(self) -> Float1D:
        """The e-values."""
        return self.e_values

    @property
    def conf_low(self) -> NotApplicable:
        """An e-value has no interval."""
        return _NO_INTERVAL

    @property
    def conf_high(self) -> NotApplicable:
        """An e-value has no interval."""
        return _NO_INTERVAL

    def _answer(self) -> str:
        return (
            f"{int(self.rejected.sum())} of {len(self)} nulls are rejected; on average at most {100 * self.alpha:g} % of "
            "such rejections are false"
        )

    def _tidy_columns(self) -> Mapping[str, Sequence[Any] | np.ndarray]:
        return {"term": self.terms, "estimate": self.e_values, "rejected": self.rejected}

    def _glance_columns(self) -> Mapping[str, Any]:
        return {"claims": len(self), "rejected": int(self.rejected.sum()), "false_discovery_rate": self.alpha}

    def _report(self) -> Report:
        table = {"Claim": self.terms, "e-value": self.e_values.tolist(), "Rejected": self.rejected.tolist()}
        return Report(
            title="Rejections among e-values",
            header=[("False discovery rate", self.alpha)],
            tables=[Table(table)],
            guarantees=[self.guarantee],
        )


def _number(value: Any) -> Any:
    return value.value if isinstance(value, EValue) else value


def _numbers(e_values: Any) -> Float1D:
    plain = [_number(e) for e in e_values] if isinstance(e_values, list | tuple) else e_values
    return check_vector(plain, "e_values")


def betting_e_value(
    values: Float1D,
    null_mean: float,
    alternative: OneSided = "greater",
    *,
    log_target: float = _LOG_TARGET,
) -> EValue:
    """Return the e-value of a gambler who bets that the mean departs from the null.

    Parameters
    ----------
    values : array of shape (n,)
        Per-row values in [0, 1], in an order that was fixed before the claim was chosen.
    null_mean : float
        The null says that the mean is at most this (at least, for "less"), in [0, 1].
    alternative : {"greater", "less"}, default "greater"
        What is claimed.
    log_target : float, default log(20)
        Logarithm of the e-value that is needed, above 0, to which the stakes are tuned: ``log(1 / alpha)`` for a test
        at level alpha, and ``nats`` more for a claim chosen after looking. It must be fixed without the values; any
        such number is valid.

    Returns
    -------
    EValue
        A number of at least 0, with mean at most 1 under the null; cut at 1e300.

    Raises
    ------
    ValueError
        If a value is not in [0, 1], or the target is not above 0.

    References
    ----------
    Waudby-Smith and Ramdas (2023), "Estimating means of bounded random variables by betting".

    Examples
    --------
    >>> rows = np.tile([1.0, 1.0, 0.0], 100)
    >>> betting_e_value(rows, 0.5) > 20, betting_e_value(rows, 0.7) < 1
    (True, True)
    """
    steps = _log_steps(values, null_mean, alternative, log_target)
    return EValue(
        value=math.exp(min(float(steps.sum()), _LOG_LARGEST)),
        claim=f"the mean is {alternative} than {null_mean:g}",
        log_capital=np.cumsum(steps),
        guarantee=Guarantee(
            holds="if the null is true, an e-value of 20 or more comes up in at most 5 of 100 such samples",
            check=(
                "the claim, the order of the rows and the target of the stakes were fixed before the values were seen",
                "rows are independent, or each has at most the null mean given those before it",
            ),
            details=("The mean of the e-value is at most 1 under the null.",),
            kind="finite-sample",
            n_reference=steps.size,
            citation="Waudby-Smith and Ramdas (2023), Estimating means of bounded random variables by betting, JRSS-B 86",
        ),
    )


def paid_betting_e_value(
    values: Float1D, null_mean: float, alternative: OneSided = "greater", *, nats: float, log_target: float
) -> float:
    """Return the e-value of a claim that was chosen after ``nats`` of answers, with stakes tuned to pay for them."""
    # The bet's capital times ``exp(-nats)``, cut at 1e300 after that, so that no number of nats is out of
    # reach.
    nats = check_in_range(nats, "nats", 0)
    log_target = check_in_range(log_target, "log_target", 0, low_open=True)
    capital = float(_log_steps(values, null_mean, alternative, nats + log_target).sum())
    return math.exp(min(capital - nats, _LOG_LARGEST))


def _log_steps(values: Float1D, null_mean: float, alternative: OneSided, log_target: float) -> Float1D:
    """Return what each row adds to the logarithm of the capital."""
    x = check_vector(values, "values")
    if x.min() < 0 or x.max() > 1:
        raise ValueError(f"values must lie in [0, 1], got values from {x.min()} to {x.max()}.")
    check_in_range(null_mean, "null_mean", 0, 1)
    if check_literal(alternative, "alternative", ("greater", "less")) == "less":
        x, null_mean = 1.0 - x, 1.0 - null_mean
    target = check_in_range(log_target, "log_target", 0, low_open=True)
    return log_gains(x, predictable_stakes(x, target), null_mean)


def kraft_e_value(e_value: float | EValue, nats: float, mu2: float = 0.0) -> EValue:
    """Return the e-value of a claim that was chosen after ``nats`` of answers had been seen.

    Parameters
    ----------
    e_value : float or EValue
        e-value of the claim as if it had been fixed beforehand, at least 0.
    nats : float
        Description length of everything released so far, at least 0: the attribute ``nats_`` of a
        :class:`~validstats.holdout.ReusableHoldout`.
    mu2 : float, default 0.0
        Squared Gaussian-DP parameter of noisy answers released so far; must be 0.

    Returns
    -------
    EValue
        ``e_value * exp(-nats)``.

    Raises
    ------
    NoisyReleaseError
        If a noisy answer was released: the proof needs countable transcripts.
    ValueError
        If an argument is negative or not finite.

    Examples
    --------
    >>> round(float(kraft_e_value(1000.0, 3.0)), 2)
    49.79
    """
    if mu2 > 0:
        raise NoisyReleaseError(noisy_release_message.format(mu2=mu2))
    before = check_in_range(_number(e_value), "e_value", 0)
    paid = check_in_range(nats, "nats", 0)
    value = float(before) * math.exp(-paid)
    start = math.log(before) if before > 0 else -_LOG_LARGEST
    return EValue(
        value=value,
        claim=e_value.claim if isinstance(e_value, EValue) else "was chosen after looking",
        log_capital=np.array([start, start - paid]),
        guarantee=Guarantee(
            holds="if the null of the chosen claim is true, an e-value of 20 or more comes up in at most 5 of 100 such studies",
            check=(
                "nats is the length of everything that was released before the claim was chosen",
                "the e-value would have been valid if the claim had been fixed beforehand",
            ),
            details=("Transcripts are countable: no noisy answer was released.",),
            kind="finite-sample",
            n_reference=e_value.n_reference if isinstance(e_value, EValue) else 1,
            citation="Kraft's inequality; the module's docstring has the proof",
        ),
    )


def e_bh(e_values: Any, alpha: float) -> Rejections:
    """Return which claims e-BH rejects; their number must have been fixed beforehand.

    Parameters
    ----------
    e_values : array of shape (m,)
        e-values of all claims that were planned, under any dependence; 0 for one that was not made.
    alpha : float
        False discovery rate, in (0, 1).

    Returns
    -------
    Rejections
        A sequence of bool, True where the claim's null is rejected.

    References
    ----------
    Wang and Ramdas (2022), "False discovery rate control with e-values".

    Examples
    --------
    >>> e_bh(np.array([100.0, 1.0, 30.0]), 0.1).tolist()
    [True, False, True]
    """
    e = _numbers(e_values)
    return Rejections(
        e_values=e,
        rejected=largest_rejections(e, alpha),
        alpha=float(alpha),
        guarantee=_false_discoveries(
            e.size,
            alpha,
            "their number was fixed before the first was seen",
            "Wang and Ramdas (2022), JRSS-B 84(3)",
        ),
    )


def largest_rejections(e: Float1D, alpha: float) -> Bool1D:
    """Return which of m e-values e-BH rejects: the k largest, for the largest k whose smallest is at least m / (alpha k)."""
    check_in_range(alpha, "alpha", 0, 1, low_open=True, high_open=True)
    if e.min() < 0:
        raise ValueError(f"e_values must be at least 0, got {e.min()}.")
    ranked = np.sort(e)[::-1]
    enough = np.flatnonzero(ranked * np.arange(1, e.size + 1) >= e.size / alpha)
    if enough.size == 0:
        return np.zeros(e.size, dtype=bool)
    return np.asarray(e >= ranked[enough[-1]])


def _false_discoveries(m: int, alpha: float, check: str, citation: str) -> Guarantee:
    return Guarantee(
        holds=f"on average at most {100 * alpha:g} % of the rejected nulls are true",
        check=("each number is an e-value for its claim", check),
        details=("The e-values may depend on each other in any way.",),
        kind="finite-sample",
        n_reference=m,
        citation=citation,
    )


@dataclass(frozen=True)
class ELond:
    """e-LOND: control of the false discovery rate over a stream of claims of unknown length.

    Parameters
    ----------
    alpha : float
        False discovery rate, in (0, 1).
    tested, discoveries : int, default 0
        Claims so far and rejections among them.

    References
    ----------
    Xu and Ramdas (2024), "Online multiple testing with e-values", arXiv 2311.06412.

    Examples
    --------
    >>> stream, rejected = ELond(0.1).step(40.0)
    >>> rejected, stream.tested
    (True, 1)
    """

    alpha: float
    tested: int = 0
    discoveries: int = 0

    @property
    def threshold(self) -> float:
        """What the next e-value must reach: ``1 / (alpha gamma_t (discoveries + 1))``, ``gamma_t = 6 / (pi t)^2``."""
        gamma = 6.0 / (math.pi * (self.tested + 1)) ** 2
        return 1.0 / (self.alpha * gamma * (self.discoveries + 1))

    def step(self, e_value: float | EValue) -> tuple[ELond, bool]:
        """Test the next claim.

        Parameters
        ----------
        e_value : float or EValue
            Its e-value, at least 0.

        Returns
        -------
        tuple of (ELond, bool)
            The next state, and whether the claim's null is rejected.
        """
        check_in_range(self.alpha, "alpha", 0, 1, low_open=True, high_open=True)
        rejected = bool(check_in_range(_number(e_value), "e_value", 0) >= self.threshold)
        return replace(self, tested=self.tested + 1, discoveries=self.discoveries + rejected), rejected


def e_lond(e_values: Any, alpha: float) -> Rejections:
    """Return which claims of a stream e-LOND rejects.

    Parameters
    ----------
    e_values : array of shape (m,)
        e-values in the order in which the claims were made, under any dependence.
    alpha : float
        False discovery rate, in (0, 1).

    Returns
    -------
    Rejections
        A sequence of bool, True where the claim's null is rejected.

    Examples
    --------
    >>> e_lond(np.array([40.0, 1.0, 80.0]), 0.1).tolist()
    [True, False, True]
    """
    stream, rejected, e = ELond(alpha), [], _numbers(e_values)
    for e_value in e.tolist():
        stream, hit = stream.step(e_value)
        rejected.append(hit)
    return Rejections(
        e_values=e,
        rejected=np.array(rejected, dtype=bool),
        alpha=float(alpha),
        guarantee=_false_discoveries(
            e.size,
            alpha,
            "claims are handed over in the order in which they were made",
            "Xu and Ramdas (2024), arXiv 2311.06412",
        ),
    )
