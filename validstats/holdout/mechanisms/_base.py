"""What every mechanism has: a frozen state, a step that returns the next state and a release, nothing else.

Mixing deterministic mechanisms in one epoch. Give each node v of a mechanism's tree of transcripts a weight w(v)
with ``sum w(v) <= 1`` over all its interval-issuing nodes. An epoch that interleaves several mechanisms, as the
analyst likes, is a tree whose nodes are tuples of nodes; who is asked next is a function of the transcript, so
each tuple issues at most one interval. Giving it the level ``alpha * w_1(v_1) * w_2(v_2) * ...`` the failure
probabilities sum to at most ``alpha * (sum w_1)(sum w_2) ... <= alpha``. A mechanism that was not opened yet
counts as weight 1: its tree hangs below the node at which it is opened. ``log_carry`` is the sum of the logarithms
of the other mechanisms' weights.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self, TypeAlias

import numpy as np

from validstats._typing import FloatND
from validstats.holdout.widths import hoeffding_half_width, kl_interval
from validstats.intake import alpha_fraction, check_in_range, check_literal, check_positive_int

__all__ = ["IntervalKind", "Mechanism", "Noise", "Release", "Source", "State"]

Source: TypeAlias = Literal["guess", "holdout", "noisy", "refused"]
"""Where a released value comes from."""

IntervalKind: TypeAlias = Literal["kl", "hoeffding"]
"""The ordinary interval that is issued at a node."""

Noise: TypeAlias = Callable[[str, str], float]
"""``noise(role, law)`` returns a standard draw; role is "threshold", "comparison" or "answer", law "normal" or "laplace"."""


@dataclass(frozen=True, kw_only=True)
class Release:
    """What one step gives to the analyst, and what it costs.

    Attributes
    ----------
    value : float or None
        The answer; None when refused and for a bit.
    low, high : float or None
        Interval for the truth, inside [0, 1]; None when refused.
    certified : bool
        Whether the interval is proved.
    source : {"guess", "holdout", "noisy", "refused"}
        Where the value comes from.
    passed : bool or None
        Guess confirmed, claim validated, or new best; None where nothing is tested.
    nats : float
        Description length that this step adds.
    mu2 : float
        Squared Gaussian-DP parameter that this step spends.
    winner : int or None
        Index of the winner, for a release of the winner only.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    certified: bool = True
    source: Source = "refused"
    passed: bool | None = None
    nats: float = 0.0
    mu2: float = 0.0
    winner: int | None = None

    @property
    def half_width(self) -> float | None:
        """Half the length of the interval."""
        return None if self.low is None or self.high is None else 0.5 * (self.high - self.low)


@dataclass(frozen=True, kw_only=True)
class State:
    """Everything a mechanism remembers between queries.

    Attributes
    ----------
    n : int
        Independent rows (or clusters) of the holdout.
    log_alpha : float
        Logarithm of the failure probability of the whole epoch.
    asked, failed : int
        Queries and failures so far.
    queries, failures : int or None
        Declared numbers; None where none was declared.
    """

    n: int
    log_alpha: float
    asked: int = 0
    failed: int = 0
    queries: int | None = None
    failures: int | None = None

    @property
    def exhausted(self) -> str | None:
        """The reason why every further query is refused, or None."""
        if self.queries is not None and self.asked >= self.queries:
            return f"all {self.queries} declared queries have been asked."
        if self.failures is not None and self.failed >= max(self.failures, 1):
            return f"the budget of {self.failures} failures is spent."
        return None

    @property
    def remaining(self) -> dict[str, int | None]:
        """Queries and failures that are left; None where no number was declared."""
        return {
            "queries": None if self.queries is None else max(self.queries - self.asked, 0),
            "failures": None if self.failures is None else max(self.failures - self.failed, 0),
        }

    @property
    def log_weight(self) -> float:
        """Logarithm of the Kraft weight of the present node, position included; 0 for mechanisms without a tree."""
        return 0.0

    @property
    def opening_nats(self) -> float:
        """Description length paid when the mechanism is opened: minus the log weight of the first node."""
        return -self.fresh().log_weight

    @property
    def declared_mu2(self) -> float:
        """Squared Gaussian-DP parameter of the whole epoch; 0 for deterministic mechanisms."""
        return 0.0

    def fresh(self) -> Self:
        """Return the state before the first query.

        Returns
        -------
        State
            Same declarations, nothing asked.
        """
        return replace(self, asked=0, failed=0)


class Mechanism(ABC):
    """A way of answering adaptively chosen queries: a name, an opening and a step.

    Attributes
    ----------
    name : str
        Name in the registry.
    certified : bool
        Whether its intervals are proved with constants.
    noisy : bool
        Whether it draws noise.
    needs_rows, needs_guess : bool
        Whether ``values`` must be per-row values, or a guess is needed.
    mixes : bool
        Whether it keeps its guarantee when other mechanisms release answers in the same epoch.
    """

    name: ClassVar[str]
    certified: ClassVar[bool] = True
    noisy: ClassVar[bool] = False
    needs_rows: ClassVar[bool] = False
    needs_guess: ClassVar[bool] = False
    mixes: ClassVar[bool] = True

    @classmethod
    @abstractmethod
    def initial_state(cls, *args: Any, **declarations: Any) -> Any:
        """Return the state before the first query; see each mechanism for what it declares."""

    @classmethod
    @abstractmethod
    def _answer(
        cls, state: Any, values: Any, guess: float | None, noise: Noise | None, log_carry: float
    ) -> tuple[Any, Release]:
        """Answer one query of a mechanism that is not exhausted."""

    @classmethod
    def step(
        cls,
        state: Any,
        values: Any,
        guess: float | None = None,
        noise: Noise | None = None,
        *,
        log_carry: float = 0.0,
    ) -> tuple[Any, Release]:
        """Answer one query.

        Parameters
        ----------
        state : State
            State of this mechanism; never changed.
        values : float or array
            Mean over the holdout, or the per-row values in [0, 1]; see the mechanism.
        guess : float or None, default None
            Answer from the training side, in [0, 1], where the mechanism takes one.
        noise : callable or None, default None
            ``noise(role, law)``, a standard draw; only noisy mechanisms call it.
        log_carry : float, default 0.0
            Log weight of the other deterministic mechanisms opened in the same epoch, at most 0.

        Returns
        -------
        tuple of (State, Release)
            The next state and the release; an exhausted mechanism refuses and its state stays.

        Raises
        ------
        ValueError
            If a value is missing or not in range; nothing has changed then.
        """
        if state.exhausted is not None:
            return state, Release(certified=cls.certified, passed=None)
        if cls.needs_guess:
            if guess is None:
                raise ValueError(f"{cls.name} needs a guess: the training side's answer, in [0, 1].")
            guess = check_in_range(guess, "guess", 0, 1)
        if cls.noisy and noise is None:
            raise ValueError(f"{cls.name} draws noise: pass noise, a callable of (role, law).")
        if log_carry != 0.0 and not cls.mixes:
            raise ValueError(
                f"{cls.name} keeps no guarantee beside other releases of the same epoch; open a new epoch for it."
            )
        after, release = cls._answer(state, values, guess, noise, min(float(log_carry), 0.0))
        return after, replace(release, nats=max(state.log_weight - after.log_weight, 0.0))


def log_level(confidence_level: Any) -> float:
    """Return the logarithm of the failure probability of a confidence level.

    Parameters
    ----------
    confidence_level : float or Fraction
        In (0, 1).

    Returns
    -------
    float
        ``ln(1 - confidence_level)``.

    Examples
    --------
    >>> log_level(0.95) == math.log(0.05)
    True
    """
    alpha = alpha_fraction(confidence_level)
    return (
        math.log(alpha.numerator) - math.log(alpha.denominator)
        if float(alpha) == 0
        else math.log(float(alpha))
    )


def holdout_mean(values: Any) -> float:
    """Return the mean over the holdout of a query with values in [0, 1].

    Parameters
    ----------
    values : float or array of shape (n,)
        The mean itself, or the per-row values.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    ValueError
        If a value is NaN or not in [0, 1].

    Examples
    --------
    >>> holdout_mean([0.0, 1.0])
    0.5
    """
    if isinstance(values, float | int | np.floating | np.integer):
        return check_in_range(values, "values", 0, 1)
    return float(row_values(values).mean())


def row_values(values: Any, n: int | None = None) -> FloatND:
    """Return per-row values, checked to lie in [0, 1].

    Parameters
    ----------
    values : array of shape (n,) or (c, n)
        Per-row values of one or several queries.
    n : int or None, default None
        Number of rows that there must be in the last axis.

    Returns
    -------
    array
        float64.

    Raises
    ------
    ValueError
        If the shape is wrong, or a value is NaN or not in [0, 1].

    Examples
    --------
    >>> row_values([0, 1], 2)
    array([0., 1.])
    """
    rows = np.asarray(values, dtype=np.float64)
    if rows.ndim == 0 or rows.size == 0 or (n is not None and rows.shape[-1] != n):
        wanted = "at least one row" if n is None else f"{n} rows, one value for each"
        raise ValueError(f"values must have {wanted}, got shape {rows.shape}.")
    if not (rows.min() >= 0.0 and rows.max() <= 1.0):
        raise ValueError("values must lie in [0, 1] without NaN; rescale a query with other bounds first.")
    return rows


def node_interval(
    low_mean: float, high_mean: float, n: int, log_level: float, kind: str
) -> tuple[float, float]:
    """Return the interval for the truth of a query whose holdout mean is known to lie in a range.

    Parameters
    ----------
    low_mean, high_mean : float
        Range of the holdout mean (a cell, or a guess plus or minus its gap).
    n : int
        Rows.
    log_level : float
        Logarithm of the two-sided level of the node.
    kind : {"kl", "hoeffding"}
        Interval.

    Returns
    -------
    tuple of (float, float)
        Bounds inside [0, 1].

    Examples
    --------
    >>> low, high = node_interval(0.5, 0.55, 5000, math.log(0.01), "hoeffding")
    >>> round(low, 4), round(high, 4)
    (0.477, 0.573)
    """
    low_mean, high_mean = min(max(low_mean, 0.0), 1.0), min(max(high_mean, 0.0), 1.0)
    if kind == "kl":
        return kl_interval(low_mean, n, log_level)[0], kl_interval(high_mean, n, log_level)[1]
    w = hoeffding_half_width(n, log_level)
    return max(low_mean - w, 0.0), min(high_mean + w, 1.0)


def cell_of(value: float, cells: int) -> tuple[float, float, float]:
    """Return centre and ends of the cell that a value in [0, 1] is rounded to.

    Parameters
    ----------
    value : float
        In [0, 1].
    cells : int
        Number of equal cells of [0, 1].

    Returns
    -------
    tuple of (float, float, float)
        Centre, lower end, upper end.

    Examples
    --------
    >>> cell_of(0.502, 20)
    (0.525, 0.5, 0.55)
    """
    j = min(int(value * cells), cells - 1)
    return (j + 0.5) / cells, j / cells, (j + 1) / cells


def check_counts(
    n: Any, queries: Any = None, failures: Any = None, *, need_queries: str | None = None
) -> tuple[int, int | None, int | None]:
    """Return the declared counts of a mechanism as ints.

    Parameters
    ----------
    n : int
        Rows.
    queries, failures : int or None, default None
        Declared numbers.
    need_queries : str or None, default None
        Name of a mechanism that cannot do without a declared number of queries.

    Returns
    -------
    tuple of (int, int or None, int or None)
        The counts.

    Raises
    ------
    ValueError
        If a count is missing or too small.

    Examples
    --------
    >>> check_counts(100, 5)
    (100, 5, None)
    """
    n = check_positive_int(n, "n")
    if queries is None and need_queries is not None:
        raise ValueError(f"{need_queries} needs a declared number of queries; pass queries=...")
    k = None if queries is None else check_positive_int(queries, "queries")
    return n, k, None if failures is None else check_positive_int(failures, "failures", minimum=0)


def check_kind(interval: str) -> str:
    """Return the kind of interval, checked.

    Parameters
    ----------
    interval : {"kl", "hoeffding"}
        Kind.

    Returns
    -------
    str
        The kind.

    Examples
    --------
    >>> check_kind("kl")
    'kl'
    """
    return check_literal(interval, "interval", ("kl", "hoeffding"))
