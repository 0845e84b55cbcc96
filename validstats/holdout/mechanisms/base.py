"""Mechanism, state and release: a frozen state, and a step that returns the next state and a release.

A mechanism owns its name, its sources, what it reads of a declaration, what it offers to a plan and what it says of
itself. It is known by its name as soon as its class exists: a new one is one file and one line in the room's door.

Mixing. The ledger has one mass M. A statement of a mechanism holds at level ``alpha * M * s``, and its outcome y leaves
``M * kappa(y)``, with ``s + sum kappa <= 1``; see :mod:`validstats.holdout.widths.mass`. A state tells ``log_mass``, the
logarithm of the product of its kappas so far, and ``log_weight``, the logarithm of that product times the next ``s``.
``log_carry`` is the mass that everything else in the ledger has left. A mechanism that is opened beside the declared one
shares the mass at that moment: a tenth is for its statements, whose weights add up to 1, the rest for all others.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np

from validstats._typing import AnyArray, FloatND
from validstats.holdout.mechanisms.declared import Candidate, Declaration, ReleaseKind, Use
from validstats.holdout.widths import hoeffding_half_width, kl_interval
from validstats.intake import alpha_fraction, check_in_range, check_literal, check_positive_int

__all__ = [
    "MECHANISMS",
    "SILENT",
    "IntervalKind",
    "Mechanism",
    "Noise",
    "Release",
    "Source",
    "State",
    "fields_of",
    "mechanism",
]

Source: TypeAlias = Literal["guess", "holdout", "noisy", "bit", "unchanged", "vault", "refused", "error"]
"""Where a released value comes from."""

SILENT = 0.49
"""At this half-width the interval of a score of one half leaves out one percent of [0, 1] at either end."""

IntervalKind: TypeAlias = Literal["kl", "hoeffding"]
"""The ordinary interval that is issued at a node."""

Noise: TypeAlias = Callable[[str, str], float]
"""``noise(role, law)`` returns a standard draw; role is "threshold", "comparison" or "answer", law "normal" or "laplace"."""


def fields_of(record: Any) -> dict[str, Any]:
    """Return the fields of a flat record by name; its values are numbers, text and tuples of these."""
    return {field.name: getattr(record, field.name) for field in fields(record)}


@dataclass(frozen=True, kw_only=True)
class Release:
    """What one answer gives to the analyst, and what it costs: mechanisms make it, and the ledger keeps it."""

    value: float | None = None  # the answer; None when refused and for a bit
    low: float | None = None  # interval for the truth; None when refused and for a bit
    high: float | None = None
    certified: bool = True  # whether the interval is proved
    source: Source = "refused"  # where the value comes from
    passed: bool | None = None  # guess confirmed, claim validated, or new best; None where nothing is tested
    nats: float = 0.0  # description length that this step adds
    mu2: float = 0.0  # squared Gaussian-DP parameter that this step spends
    winner: int | None = None  # index of the winner, for a release of the winner only
    flags: tuple[bool, ...] | None = None  # which claims of a batch were confirmed
    confidence_level: float | None = None  # of an interval by itself; None for those that hold together

    @property
    def half_width(self) -> float | None:
        """Half the length of the interval."""
        return None if self.low is None or self.high is None else 0.5 * (self.high - self.low)

    def rescaled(self, rescale: Callable[[float], float]) -> Release:
        """Return the release on another scale, which may run the other way."""
        value, ends = self.value, [end for end in (self.low, self.high) if end is not None]
        low, high = sorted(map(rescale, ends)) if len(ends) == 2 else (self.low, self.high)
        return replace(self, value=None if value is None else rescale(value), low=low, high=high)

    def stored(self) -> dict[str, Any]:
        """Return what the ledger keeps beside the charges."""
        return {name: value for name, value in fields_of(self).items() if name not in ("nats", "mu2")}


@dataclass(frozen=True, kw_only=True)
class State:
    """Everything a mechanism remembers between queries."""

    n: int  # independent rows (or clusters) of the holdout
    log_alpha: float  # logarithm of the failure probability of the whole epoch
    asked: int = 0  # queries and failures so far
    failed: int = 0
    queries: int | None = None  # declared numbers; None where none was declared
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
    def log_mass(self) -> float:
        """Logarithm of the mass that its releases have left for everything else; 0 for mechanisms without a tree."""
        return 0.0

    @property
    def declared_mu2(self) -> float:
        """Squared Gaussian-DP parameter of the whole epoch; 0 for deterministic mechanisms."""
        return 0.0


MECHANISMS: dict[str, type[Mechanism]] = {}
"""Name -> mechanism; every class with a name of its own is in it."""


class Mechanism(ABC):
    """A way of answering adaptively chosen queries: a name, an opening and a step."""

    name: ClassVar[str]  # on the command line, in declarations and in ledgers
    citation: ClassVar[str] = "see the documentation of the mechanism"  # whose theorem it rests on
    verb: ClassVar[str] = "infer()"  # the public verb that it answers
    serves: ClassVar[tuple[ReleaseKind, ...]] = ()  # releases that a plan lists it for
    takes: ClassVar[tuple[str, ...]] = ("queries",)  # fields of a declaration that it is opened with
    certified: ClassVar[bool] = True  # whether its intervals are proved with constants
    noisy: ClassVar[bool] = False  # whether it draws noise
    needs_rows: ClassVar[bool] = False  # whether ``values`` must be the values of the rows, not their mean
    counts: ClassVar[bool] = False  # whether truth values are counted instead of averaged
    takes_guess: ClassVar[bool] = False  # whether it compares with a guess where there is one
    needs_guess: ClassVar[bool] = False  # whether it does not answer without one
    takes_training: ClassVar[bool] = False  # whether it reads the training values behind a guess
    mixes: ClassVar[bool] = True  # whether its guarantee survives releases of others in the same epoch
    hosts: ClassVar[bool] = False  # whether releases of others beside it are accounted for exactly

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" in cls.__dict__:
            MECHANISMS[cls.name] = cls

    # What it reads, offers and says of itself

    @classmethod
    def options(cls, declared: Declaration) -> dict[str, Any]:
        """Return the keyword arguments of ``initial_state`` that a declaration gives."""
        return {name: getattr(declared, name) for name in cls.takes}

    @classmethod
    def candidates(cls, use: Use) -> Iterator[Candidate]:
        """Yield what it would promise for a planned use."""
        return iter(())

    @classmethod
    def source(cls, declared: Declaration) -> str:
        """Return whose theorem its intervals rest on, as declared."""
        return cls.citation

    @classmethod
    def proved(cls, state: Any) -> bool:
        """Tell whether its intervals, as it was opened, are proved."""
        return cls.certified

    @classmethod
    def without_proof(cls, state: Any) -> str:
        """Say why its intervals are not proved."""
        return "this mechanism has no proof with constants"

    @classmethod
    def facts(cls, state: Any) -> list[tuple[str, str]]:
        """Return what it was declared with beside the counts, for reports."""
        return []

    @classmethod
    def remedy(cls, declared: Declaration, least_rows: Callable[[], int | None]) -> str:
        """Say what to do where a declared budget says nothing."""
        rows = least_rows()
        first = "" if rows is None else f"The smallest n that says something is {rows:,}. "
        return f"{first}plan() shows what other mechanisms and smaller budgets give."

    # How it answers

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
    def resized(cls, state: Any, n: int) -> Any:
        """Return the state of a plan whose next question is asked of other rows: more joined, or those before them."""
        return state if state.n == n else replace(state, n=n)

    @classmethod
    def next_round(cls, state: Any) -> Any:
        """Return the state at the start of the next batch of questions."""
        return state

    @classmethod
    def step(
        cls,
        state: Any,
        values: Any,
        guess: Any = None,
        noise: Noise | None = None,
        *,
        log_carry: float = 0.0,
    ) -> tuple[Any, Release]:
        """Answer one query."""
        if state.exhausted is not None:
            return state, Release(certified=cls.certified, passed=None)
        if cls.needs_guess and guess is None:
            raise ValueError(f"{cls.name} needs a guess: the training side's answer, in [0, 1].")
        if cls.takes_guess and guess is not None:
            if np.ndim(guess) == 0:
                guess = check_in_range(guess, "guess", 0, 1)
            elif not cls.takes_training:
                guess = float(np.mean(row_values(guess)))
        if cls.noisy and noise is None:
            raise ValueError(f"{cls.name} draws noise: pass noise, a callable of (role, law).")
        if log_carry != 0.0 and not cls.mixes:
            raise ValueError(
                f"{cls.name} keeps no guarantee beside other releases of the same epoch; open a new epoch for it."
            )
        after, release = cls._answer(state, values, guess, noise, min(float(log_carry), 0.0))
        return after, replace(release, nats=max(state.log_mass - after.log_mass, 0.0))


def mechanism(name: str) -> type[Mechanism]:
    """Return a mechanism by its name."""
    if name not in MECHANISMS:
        raise ValueError(f"mechanism must be one of {sorted(MECHANISMS)}, got {name!r}.")
    return MECHANISMS[name]


def log_level(confidence_level: Any) -> float:
    """Return the logarithm of the failure probability of a confidence level."""
    # ``ln(1 - confidence_level)``.
    alpha = alpha_fraction(confidence_level)
    return (
        math.log(alpha.numerator) - math.log(alpha.denominator)
        if float(alpha) == 0
        else math.log(float(alpha))
    )


def holdout_mean(values: Any) -> float:
    """Return the mean over the holdout of a query with values in [0, 1]."""
    if isinstance(values, float | int | np.floating | np.integer):
        return check_in_range(values, "values", 0, 1)
    return float(row_values(values).mean())


def row_values(values: Any, n: int | None = None) -> FloatND:
    """Return per-row values, checked to lie in [0, 1]."""
    return checked_values(values, n).astype(np.float64, copy=False)


def checked_values(values: Any, n: int | None = None) -> AnyArray:
    """Return per-row values that lie in [0, 1]; truth values stay what they are."""
    rows = np.asarray(values)
    if rows.dtype != np.bool_:
        rows = rows.astype(np.float64, copy=False)
    if rows.ndim == 0 or rows.size == 0 or (n is not None and rows.shape[-1] != n):
        wanted = "at least one row" if n is None else f"{n} rows, one value for each"
        raise ValueError(f"values must have {wanted}, got shape {rows.shape}.")
    if rows.dtype != np.bool_ and not (rows.min() >= 0.0 and rows.max() <= 1.0):
        raise ValueError("values must lie in [0, 1] without NaN; rescale a query with other bounds first.")
    return rows


def node_interval(
    low_mean: float, high_mean: float, n: int, log_level: float, kind: str
) -> tuple[float, float]:
    """Return the interval for the truth of a query whose holdout mean is known to lie in a range."""
    low_mean, high_mean = min(max(low_mean, 0.0), 1.0), min(max(high_mean, 0.0), 1.0)
    if kind == "kl":
        return kl_interval(low_mean, n, log_level)[0], kl_interval(high_mean, n, log_level)[1]
    w = hoeffding_half_width(n, log_level)
    return max(low_mean - w, 0.0), min(high_mean + w, 1.0)


def cell_of(value: float, cells: int) -> tuple[float, float, float]:
    """Return centre and ends of the cell that a value in [0, 1] is rounded to."""
    j = min(int(value * cells), cells - 1)
    return (j + 0.5) / cells, j / cells, (j + 1) / cells


def check_counts(
    n: Any, queries: Any = None, failures: Any = None, *, need_queries: str | None = None
) -> tuple[int, int | None, int | None]:
    """Return the declared counts of a mechanism as ints."""
    n = check_positive_int(n, "n")
    if queries is None and need_queries is not None:
        raise ValueError(f"{need_queries} needs a declared number of queries; pass queries=...")
    k = None if queries is None else check_positive_int(queries, "queries")
    return n, k, None if failures is None else check_positive_int(failures, "failures", minimum=0)


def check_kind(interval: str) -> str:
    """Return the kind of interval, checked."""
    return check_literal(interval, "interval", ("kl", "hoeffding"))
