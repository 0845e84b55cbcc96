"""What a holdout answers: a value, its interval, where it came from, what it cost, and what is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from validstats.results import Report, Result, Table

__all__ = ["Answer", "Answers"]


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Answer(Result):
    """One answer of a reusable holdout.

    ``float(answer)`` is its value.

    Parameters
    ----------
    value : float or None
        The released value; None where only a bit was released.
    bounds : tuple of float or None
        Interval that contains the truth, together with those of all other certified answers.
    certified : bool
        Whether the interval is proved.
    source : str
        "guess" (the guess was confirmed), "holdout" (rounded), "noisy", or "bit".
    passed : bool or None
        Whether a guess or a claim held; None where there was none.
    nats, mu_squared : float
        What it was charged: description nats and squared Gaussian-DP parameter. Zero if it came from the cache.
    left : dict of str to int
        What is left of the declared budget.
    question : str
        What was asked.
    index : int
        Its index in the ledger.
    cached : bool, default False
        Whether the same question had been answered before.
    winner : int or None, default None
        Which candidate won, for :meth:`ReusableHoldout.best`.
    message : str, default ""
        What comes next, in words.
    """

    value: float | None
    bounds: tuple[float, float] | None
    certified: bool
    source: str
    passed: bool | None
    nats: float
    mu_squared: float
    left: Mapping[str, int] = field(default_factory=dict)
    question: str
    index: int
    cached: bool = False
    winner: int | None = None
    message: str = ""

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
        header: list[tuple[str, Any]] = [("Source", _SOURCES.get(self.source, self.source))]
        if self.passed is not None:
            header.append(("Claim held" if self.source == "bit" else "Guess held", self.passed))
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
            notes=[self.message] if self.message else [],
        )


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Answers(Result, Sequence[Answer]):
    """Several answers that were asked together.

    Parameters
    ----------
    items : tuple of Answer
        In the order of the questions.
    """

    items: tuple[Answer, ...]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: Any) -> Any:
        return self.items[index]

    @property
    def values(self) -> np.ndarray:
        """The released values, NaN where only a bit was released."""
        return np.array([np.nan if a.value is None else a.value for a in self.items])

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
