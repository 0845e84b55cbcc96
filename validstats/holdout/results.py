"""Answers of a holdout: a value, its interval, where it came from, what it cost, and what is left."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import special

from validstats._typing import Bool1D, Float1D, Float2D
from validstats.holdout.ledger import Entry
from validstats.results import Claims, NotApplicable, Report, Result, Table, interval_words, percent_words

__all__ = ["Answer", "Answers", "Certificate", "Discoveries"]

_ONE_BIT = "only one bit was released"

_NO_SPREAD = "the spread of the rows was not released"


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Answer(Result):
    """One answer of a reusable holdout: the ledger's entry, with what it promises and what is left.

    ``float(answer)`` is its value, ``bool(answer)`` the bit where only a bit was released.

    Parameters
    ----------
    entry : Entry
        What the ledger keeps of the answer.
    left : dict of str to int
        What is left of the declared budget.

    Attributes
    ----------
    estimate : float or NotApplicable
        The released value.
    conf_low, conf_high : float or NotApplicable
        Interval that contains the truth, together with those of all other certified answers.
    confidence_level : float
        Of all answers together; of this interval by itself for the vault.
    naive : ndarray of shape (2,) or NotApplicable
        Interval that one would print around the same value if this were the only look at the rows (the normal one).
    informative : bool
        Whether the interval excludes a possible value.

    Examples
    --------
    >>> import numpy as np
    >>> from validstats.holdout import ReusableHoldout
    >>> y = np.arange(2000) % 2
    >>> rh = ReusableHoldout(queries=10, mechanism="description_length").calibrate(np.zeros((2000, 1)), y)
    >>> answer = rh.infer(np.ones(2000, dtype=int))
    >>> answer.conf_low < 0.5 < answer.conf_high, answer.left
    (True, {'queries': 9})
    """

    entry: Entry
    left: Mapping[str, int] = field(default_factory=dict)

    # ------------------------------------------------------------------ what the ledger keeps

    @property
    def value(self) -> float | None:
        """The released value; None where only a bit was released."""
        return self.entry.answer

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The interval; None where only a bit was released."""
        low, high = self.entry.detail["low"], self.entry.detail["high"]
        return None if low is None else (float(low), float(high))

    @property
    def certified(self) -> bool:
        """Whether the interval, or the bit, is proved."""
        return bool(self.entry.detail["certified"])

    @property
    def source(self) -> str:
        """Where the value came from: "guess", "holdout", "noisy", "bit", "unchanged" (a board) or "vault"."""
        return str(self.entry.detail["source"])

    @property
    def passed(self) -> bool | None:
        """Whether a guess or a claim held; None where there was none."""
        return self.entry.passed

    @property
    def nats(self) -> float:
        """Description nats that it was charged; zero if the question had been answered before."""
        return self.entry.nats

    @property
    def mu_squared(self) -> float:
        """Squared Gaussian-DP parameter that it was charged; zero if the question had been answered before."""
        return self.entry.mu_squared

    @property
    def question(self) -> str:
        """What was asked."""
        return str(self.entry.detail.get("question", ""))

    @property
    def index(self) -> int:
        """Index of its entry in the ledger."""
        return self.entry.idx

    @property
    def cached(self) -> bool:
        """Whether the same question had been answered before."""
        return "answered_by" in self.entry.detail

    @property
    def winner(self) -> int | None:
        """Which candidate won, for :meth:`ReusableHoldout.best`."""
        return self.entry.detail.get("winner")

    @property
    def tied(self) -> tuple[int, ...] | None:
        """Which models may be the best, for :meth:`ReusableHoldout.ties`."""
        flags = self.entry.detail.get("flags")
        return None if flags is None else tuple(i for i, flag in enumerate(flags) if flag)

    @property
    def message(self) -> str:
        """What is left, in words."""
        return f"Left: {', '.join(f'{count:,} {name}' for name, count in self.left.items())}."

    # ------------------------------------------------------------------ the contract of results

    @property
    def estimate(self) -> float | NotApplicable:
        """The released value."""
        return NotApplicable(_ONE_BIT) if self.value is None else self.value

    @property
    def conf_low(self) -> float | NotApplicable:
        """Lower end of the interval."""
        return NotApplicable(_ONE_BIT) if self.bounds is None else self.bounds[0]

    @property
    def conf_high(self) -> float | NotApplicable:
        """Upper end of the interval."""
        return NotApplicable(_ONE_BIT) if self.bounds is None else self.bounds[1]

    @property
    def confidence_level(self) -> float:
        """Of all answers together; of this interval by itself for the vault."""
        level = self.guarantee.confidence_level
        assert level is not None
        return level

    @property
    def scale(self) -> tuple[float, float] | None:
        """Least and largest possible value; None where it was not recorded."""
        scale = self.entry.detail.get("scale")
        return None if scale is None else (float(scale[0]), float(scale[1]))

    @property
    def naive(self) -> Float1D | NotApplicable:
        """Interval that one would print around the same value if this were the only look at the rows."""
        if self.value is None:
            return NotApplicable(_ONE_BIT)
        if self.scale is None or self.scale[0] < 0.0:
            return NotApplicable(_NO_SPREAD)
        low, high = self.scale
        share = min(max((self.value - low) / (high - low), 0.0), 1.0)
        # Wald's interval with the variance p (1 - p) of values 0 and 1, the largest that a mean of p allows.
        z = float(special.ndtri(0.5 + self.confidence_level / 2))
        half_width = z * (high - low) * math.sqrt(share * (1 - share) / self.n_reference)
        return np.array([max(self.value - half_width, low), min(self.value + half_width, high)])

    @property
    def informative(self) -> bool:
        """Whether the interval excludes a possible value, or the claim was confirmed."""
        if self.bounds is None:
            return bool(self.passed)
        return self.scale is None or self.bounds[0] > self.scale[0] or self.bounds[1] < self.scale[1]

    @property
    def half_width(self) -> float | None:
        """Half of the interval's width."""
        return None if self.bounds is None else (self.bounds[1] - self.bounds[0]) / 2

    def __float__(self) -> float:
        if self.value is None:
            raise TypeError("This answer is one bit and has no value; look at .passed.")
        return self.value

    def __bool__(self) -> bool:
        if self.value is None:
            return bool(self.passed)
        return True

    def _display(self, labels: Mapping[str, str] | None, drop: Collection[str]) -> Any:
        """Draw the interval, beside the one of a single look."""
        from validstats.plotting.answers import AnswersDisplay

        return AnswersDisplay.from_answers([self], labels, drop)

    def _answer(self) -> str:
        phrase = self.entry.detail.get("phrase") or self.question
        if self.tied is not None:
            left_out = len(self.entry.detail["flags"]) - len(self.tied)
            which = (
                f"model {self.tied[0]} is"
                if len(self.tied) == 1
                else f"models {', '.join(map(str, self.tied))} may be"
            )
            return f"{phrase.capitalize()}: {which} it, and {left_out} are not"
        if self.value is None:
            said = "is confirmed" if self.passed else "is not confirmed, which does not make it false"
            return f"The claim that {phrase} {said}"
        if not self.informative:
            return f"{self.n_reference:,} rows say nothing about {phrase} under the declared budget"
        won = "" if self.winner is None else f" (candidate {self.winner})"
        return f"In the population {phrase}{won} is {_in_words(self)}"

    def _tidy_columns(self) -> Mapping[str, Sequence[Any] | np.ndarray]:
        low, high = self.bounds or (np.nan, np.nan)
        return {
            "term": [self.question],
            "estimate": [np.nan if self.value is None else self.value],
            "conf_low": [low],
            "conf_high": [high],
            "source": [self.source],
            "passed": [self.passed],
            "certified": [self.certified],
        }

    def _glance_columns(self) -> Mapping[str, Any]:
        left = {f"{name}_left": value for name, value in self.left.items()}
        return {"index": self.index, "nats": self.nats, "mu_squared": self.mu_squared, **left}

    def _report(self) -> Report:
        left = "; ".join(f"{count:,} {name}" for name, count in self.left.items())
        header: list[tuple[str, Any]] = [("Taken from", _SOURCES.get(self.source, self.source))]
        if self.passed is not None:
            header.append(("Claim held" if self.value is None else "Guess held", self.passed))
        if self.winner is not None:
            header.append(("Winner", f"candidate {self.winner}"))
        header += [("Charged", _price(self)), ("Left", left or "no declared limit")]
        table = Table(
            {
                "Question": [self.question],
                "Answer": [self.value],
                "Lower": [None if self.bounds is None else self.bounds[0]],
                "Upper": [None if self.bounds is None else self.bounds[1]],
            },
            formats={"Answer": "estimate", "Lower": "estimate", "Upper": "estimate"},
        )
        return Report(
            "Answer of the reusable holdout",
            header=header,
            tables=[] if self.value is None else [table],
            guarantees=[self.guarantee],
        )


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Answers(Result, Sequence[Answer]):
    """Several answers that were asked together.

    ``answers[i]`` is the i-th :class:`Answer`.

    Parameters
    ----------
    items : tuple of Answer
        In the order of the questions.

    Attributes
    ----------
    terms : list of str
        The questions.
    estimate, conf_low, conf_high : ndarray of shape (k,)
        Values and intervals, NaN where only a bit was released.
    naive : ndarray of shape (k, 2)
        Intervals that one would print if each were the only look at the rows, NaN where there is none.
    """

    items: tuple[Answer, ...]

    @property
    def terms(self) -> list[str]:
        """The questions."""
        return [answer.question for answer in self.items]

    @property
    def estimate(self) -> Float1D:
        """The released values, NaN where only a bit was released."""
        return np.array([float(answer.estimate) for answer in self.items])

    @property
    def conf_low(self) -> Float1D:
        """Lower ends of the intervals."""
        return np.array([float(answer.conf_low) for answer in self.items])

    @property
    def conf_high(self) -> Float1D:
        """Upper ends of the intervals."""
        return np.array([float(answer.conf_high) for answer in self.items])

    @property
    def confidence_level(self) -> float:
        """Of all answers together."""
        level = self.guarantee.confidence_level
        assert level is not None
        return level

    @property
    def naive(self) -> Float2D:
        """Intervals that one would print if each were the only look at the rows, NaN where there is none."""
        single = [answer.naive for answer in self.items]
        ends = [(np.nan, np.nan) if isinstance(naive, NotApplicable) else naive for naive in single]
        return np.array(ends, dtype=np.float64).reshape(-1, 2)

    @property
    def informative(self) -> bool:
        """Whether an interval excludes a possible value."""
        return any(answer.informative for answer in self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: Any) -> Any:
        return self.items[index]

    @property
    def values(self) -> Float1D:
        """Another name of ``estimate``."""
        return self.estimate

    def _display(self, labels: Mapping[str, str] | None, drop: Collection[str]) -> Any:
        """Draw the intervals, beside those of single looks."""
        from validstats.plotting.answers import AnswersDisplay

        return AnswersDisplay.from_answers(self.items, labels, drop)

    def _answer(self) -> str:
        said = [answer for answer in self.items if answer.value is not None and answer.informative]
        if not said:
            return f"None of {len(self)} answers has an interval that excludes anything"
        first = max(said, key=lambda answer: float(answer.estimate))
        return f"The largest of {len(self)} answers is that of {first.question}: {_in_words(first)}"

    def _tidy_columns(self) -> Mapping[str, Sequence[Any] | np.ndarray]:
        columns = [answer._tidy_columns() for answer in self.items]
        names = columns[0] if columns else {}
        return {name: [column[name][0] for column in columns] for name in names}

    def _glance_columns(self) -> Mapping[str, Any]:
        left = {f"{name}_left": value for name, value in self.items[-1].left.items()} if self.items else {}
        return {
            "n_answers": len(self),
            "nats": sum(answer.nats for answer in self.items),
            "mu_squared": sum(answer.mu_squared for answer in self.items),
            **left,
        }

    def _report(self) -> Report:
        table = Table(
            {
                "Question": [a.question for a in self.items],
                "Answer": [a.value for a in self.items],
                "Lower": [None if a.bounds is None else a.bounds[0] for a in self.items],
                "Upper": [None if a.bounds is None else a.bounds[1] for a in self.items],
                "Source": [a.source for a in self.items],
            },
            formats={"Answer": "estimate", "Lower": "estimate", "Upper": "estimate"},
        )
        glance = self._glance_columns()
        return Report(
            "Answers of the reusable holdout",
            header=[("Answers", len(self)), ("Charged", f"{glance['nats']:.2f} nats")],
            tables=[table],
            guarantees=[self.guarantee],
            notes=[self.items[-1].message] if self.items and self.items[-1].message else [],
        )


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Certificate(Result):
    """What holds about the model that a gate has kept, from :meth:`Gate.certify`: only bounds are released.

    Parameters
    ----------
    entry : Entry
        What the ledger keeps of the certificate.
    left : dict of str to int
        What is left of the declared budget.

    Attributes
    ----------
    terms : list of str
        The score of the kept model, and its gain over the start.
    conf_low, conf_high : ndarray of shape (2,)
        Bounds for the two; the gain has a lower bound only.
    """

    entry: Entry
    left: Mapping[str, int] = field(default_factory=dict)

    @property
    def accuracy_low(self) -> float:
        """Lower bound for the score of the kept model, in [0, 1], larger is better."""
        return float(self.entry.detail["low"])

    @property
    def accuracy_high(self) -> float:
        """Upper bound for the score of the kept model, in [0, 1], larger is better."""
        return float(self.entry.detail["high"])

    @property
    def gain(self) -> float:
        """Lower bound for the gain over the start, 0 if there is none to certify."""
        return float(self.entry.detail["value"])

    @property
    def terms(self) -> list[str]:
        """What the two bounds are about."""
        return ["score of the kept model", "gain over the start"]

    @property
    def estimate(self) -> NotApplicable:
        """Not applicable: only bounds are released."""
        return NotApplicable("only bounds are released")

    @property
    def conf_low(self) -> Float1D:
        """Lower bounds of score and gain."""
        return np.array([self.accuracy_low, self.gain])

    @property
    def conf_high(self) -> Float1D:
        """Upper bounds of score and gain."""
        return np.array([self.accuracy_high, 1.0])

    @property
    def confidence_level(self) -> float:
        """Of all answers of the ledger together."""
        level = self.guarantee.confidence_level
        assert level is not None
        return level

    @property
    def naive(self) -> NotApplicable:
        """Not applicable: the scores were not released."""
        return NotApplicable("the scores were not released")

    @property
    def informative(self) -> bool:
        """Whether a gain is certified, or the interval of the score excludes anything."""
        return self.gain > 0.0 or self.accuracy_low > 0.0 or self.accuracy_high < 1.0

    def _display(self, labels: Mapping[str, str] | None, drop: Collection[str]) -> Any:
        """Draw the two bounds."""
        from validstats.plotting.answers import AnswersDisplay

        kept = [i for i, term in enumerate(self.terms) if term not in drop]
        none = np.full(len(kept), np.nan)
        return AnswersDisplay(
            [(labels or {}).get(self.terms[i], self.terms[i]) for i in kept],
            none,
            self.conf_low[kept],
            self.conf_high[kept],
            np.column_stack([none, none]),
        )

    def _answer(self) -> str:
        gain = (
            f"by at least {100 * self.gain:z.1f} percentage points"
            if self.gain > 0
            else "by an amount that is not certified"
        )
        return (
            f"The kept model scores between {100 * self.accuracy_low:.1f} and {100 * self.accuracy_high:.1f} % in the "
            f"population, and beats the start {gain}"
        )

    def _tidy_columns(self) -> Mapping[str, Sequence[Any] | np.ndarray]:
        return {"term": self.terms, "conf_low": self.conf_low, "conf_high": self.conf_high}

    def _glance_columns(self) -> Mapping[str, Any]:
        left = {f"{name}_left": value for name, value in self.left.items()}
        return {"index": self.entry.idx, "nats": self.entry.nats, **left}

    def _report(self) -> Report:
        return Report(
            "Certificate of a gate",
            header=[
                ("Charged", f"{self.entry.nats:.2f} nats"),
                ("Confidence level", f"{self.confidence_level:g}"),
            ],
            tables=[
                Table(
                    {
                        "Statement": self.terms,
                        "At least": self.conf_low.tolist(),
                        "At most": self.conf_high.tolist(),
                    },
                    formats={"At least": "estimate", "At most": "estimate"},
                )
            ],
            guarantees=[self.guarantee],
        )


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Discoveries(Claims):
    """Which claims of a batch were confirmed, from :meth:`ReusableHoldout.discover`.

    It is a sequence of bool, and ``numpy.asarray(discoveries)`` is the array of them.

    Parameters
    ----------
    entry : Entry
        What the ledger keeps of the answer.
    left : dict of str to int
        What is left of the declared budget.
    terms : list of str
        The models, in the order in which they were handed over.
    at_least : float
        The claim: the population score exceeds this (for a loss: is below it).
    false_discovery_rate : float
        Expected share of false claims among the confirmed ones.

    Attributes
    ----------
    confirmed : ndarray of shape (m,), bool
        True where the claim is confirmed.
    """

    entry: Entry
    left: Mapping[str, int] = field(default_factory=dict)
    terms: list[str]
    at_least: float
    false_discovery_rate: float

    @property
    def confirmed(self) -> Bool1D:
        """True where the claim is confirmed."""
        return np.array(self.entry.detail["flags"], dtype=bool)

    @property
    def estimate(self) -> NotApplicable:
        """Not applicable: one bit a claim is released."""
        return NotApplicable(_ONE_BIT)

    @property
    def conf_low(self) -> NotApplicable:
        """Not applicable: one bit a claim is released."""
        return NotApplicable(_ONE_BIT)

    @property
    def conf_high(self) -> NotApplicable:
        """Not applicable: one bit a claim is released."""
        return NotApplicable(_ONE_BIT)

    @property
    def claim(self) -> str:
        """What was claimed, for figures."""
        return f"beats {self.at_least:g}"

    def _answer(self) -> str:
        claim = self.entry.detail.get("phrase") or f"the score beats {self.at_least:g}"
        return (
            f"{int(self.confirmed.sum())} of {len(self)} claims that {claim} are confirmed; on average at most "
            f"{100 * self.false_discovery_rate:g} % of such confirmations are false"
        )

    def _tidy_columns(self) -> Mapping[str, Sequence[Any] | np.ndarray]:
        return {"term": self.terms, "confirmed": self.confirmed}

    def _glance_columns(self) -> Mapping[str, Any]:
        return {
            "claims": len(self),
            "confirmed": int(self.confirmed.sum()),
            "at_least": self.at_least,
            "false_discovery_rate": self.false_discovery_rate,
            "nats": self.entry.nats,
            **{f"{name}_left": value for name, value in self.left.items()},
        }

    def _report(self) -> Report:
        return Report(
            "Claims confirmed by the reusable holdout",
            header=[
                ("Claim", f"the score beats {self.at_least:g}"),
                ("False discovery rate", self.false_discovery_rate),
                ("Charged", f"{self.entry.nats:.2f} nats"),
            ],
            tables=[Table({"Model": self.terms, "Confirmed": self.confirmed.tolist()})],
            guarantees=[self.guarantee],
        )


def _in_words(answer: Answer) -> str:
    low, high = answer.bounds or (math.nan, math.nan)
    if answer.scale == (0.0, 1.0):
        return percent_words(float(answer.estimate), low, high)
    return interval_words(float(answer.estimate), low, high)


_SOURCES = {
    "guess": "the guess, confirmed by the holdout",
    "holdout": "the holdout, rounded",
    "noisy": "the holdout with noise",
    "bit": "one bit of the holdout",
    "vault": "the sealed vault, opened once",
    "unchanged": "the board, no improvement",
}


def _price(answer: Answer) -> str:
    if answer.cached:
        return "nothing (asked before)"
    noisy = f", mu^2 = {answer.mu_squared:.3g}" if answer.mu_squared else ""
    return f"{answer.nats:.2f} nats{noisy}"
