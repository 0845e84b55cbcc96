"""Desk of a calibrated holdout: it turns targets into values a unit, and questions into charged answers."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from validstats._typing import AnyArray, Float1D, FrameBackend
from validstats.exceptions import BudgetExhaustedError
from validstats.guarantee import Guarantee
from validstats.holdout.asking.metrics import (
    Metric,
    as_metric,
    checked_rows,
    in_class_order,
    lent,
    own_classes,
    quietly,
    raw_response,
)
from validstats.holdout.asking.rows import HoldoutSample, Parts, TrainingPart
from validstats.holdout.budget import Books, Question, Session
from validstats.holdout.ledger import Entry, ask_digest
from validstats.holdout.mechanisms import Release, mechanism
from validstats.holdout.results import Answer

__all__ = ["Desk", "GuessKind", "is_estimator", "number_question", "query_question"]

GuessKind: TypeAlias = Literal["cv", "train"]
"""Where guesses come from: cross-validation on the training rows, or the training score itself."""


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Desk:
    """What is at hand where a calibrated holdout is asked."""

    books: Books  # charge questions
    parts: Parts  # the reusable rows and the vault
    training: TrainingPart | None  # where guesses come from
    classes: AnyArray  # distinct training labels at the calibration; empty if they are no classes
    metric: str | Metric  # what is measured unless told otherwise
    guess: GuessKind | None
    guarantee: Guarantee  # what all answers promise together
    backend: FrameBackend

    @property
    def hosts(self) -> bool:
        """Whether releases beside the declared mechanism are accounted for exactly."""
        return mechanism(self.books.declared.mechanism).hosts

    @property
    def needs_guess(self) -> bool:
        """Whether the declared mechanism compares with a guess."""
        return mechanism(self.books.declared.mechanism).needs_guess

    # ------------------------------------------------------------------ from targets to values

    def digest(self, *asked: Any) -> str:
        """Return the keyed digest of what is asked: the key of the cache."""
        return ask_digest(self.books.ledger.secret, *asked)

    def chosen(self, metric: str | Metric | None) -> Metric:
        """Return the metric that is asked for, or the declared one."""
        return as_metric(self.metric if metric is None else metric)

    def mean_metric(self, metric: str | Metric | None, verb: str, remedy: str = "") -> Metric:
        """Return the metric that is asked for, where the verb is for means of row values only."""
        chosen = self.chosen(metric)
        if not chosen.row_mean:
            what = remedy or f"not for {chosen.name!r}"
            raise ValueError(f"{verb} is for means of row values, {what}; nothing was charged.")
        return chosen

    def values(self, target: Any, metric: Metric, part: HoldoutSample | None = None) -> tuple[Float1D, str]:
        """Return one value a unit of the reusable rows, or of the vault, and the digest of what was asked."""
        part = self.parts.reusable if part is None else part
        prediction = self._prediction(target, metric, part)
        if not metric.row_mean:
            return np.asarray(prediction, dtype=np.float64), self.digest(metric.name, prediction)
        return part.values_of(prediction, metric, self.books.ledger.secret)

    def _prediction(self, target: Any, metric: Metric, part: HoldoutSample) -> AnyArray:
        """Return predictions for the rows of one part, in its order."""
        if not is_estimator(target):
            prediction = part.aligned(target)
            if prediction.dtype.kind == "f" and not np.isfinite(prediction).all():
                raise ValueError("target: predictions must not contain NaN or infinity; nothing was charged.")
            if prediction.dtype.kind == "O" and any(v is None or v != v for v in prediction.ravel()):
                raise ValueError("target: predictions must not contain missing values; nothing was charged.")
            return in_class_order(prediction, metric, self.classes)
        fitted = target if self.training is None else self.training.fitted(target)
        answer: AnyArray = quietly(lambda: raw_response(fitted, part.X, metric), "estimator")
        if len(answer) != part.n_rows:
            raise ValueError(f"The estimator returned {len(answer)} predictions; nothing was charged.")
        return in_class_order(answer, metric, self.classes, own_classes(fitted), type(fitted).__name__)

    # ------------------------------------------------------------------ guesses

    def training_for(self, verb: str) -> TrainingPart:
        """Return the training rows, where a verb needs a guess from them."""
        if self.training is None:
            raise ValueError(
                f"{verb} needs a guess from the training rows: call fit(...) first or pass guess=..."
            )
        return self.training

    def guess_of(self, target: Any, metric: Metric, guess: Any = None) -> Any:
        """Return what is expected of a target, in [0, 1]: the training rows' values, or a number; None if not needed."""
        if not self.needs_guess:
            return None
        if guess is None:
            if not is_estimator(target):
                raise ValueError(
                    f"mechanism={self.books.declared.mechanism!r} checks a guess, and predictions alone give none: pass "
                    "guess=..., the score you expect from the training rows (cross-validated), or pass the estimator. "
                    "Nothing was charged."
                )
            return self.training_values(target, metric)
        return _unit_guess(guess, metric)

    def training_values(self, target: Any, metric: Metric) -> Float1D:
        """Return the values of the training rows, out of sample unless the estimator is guessed by its training score."""
        return self.training_for("infer").values(target, metric, self.guess or "cv")

    def counts(self, metric: Metric) -> bool:
        """Whether a question is about a share of independent rows: the metric says so, never the rows."""
        return metric.binary and not self.parts.reusable.clustered

    # ------------------------------------------------------------------ from questions to answers

    def ask(self, question: Question) -> Answer:
        """Charge one question and answer it."""
        return self.ask_all([question])[0]

    def ask_all(self, questions: Sequence[Question]) -> list[Answer]:
        """Charge questions as one batch and answer them."""
        try:
            entries = self.books.charge(questions)
        except BudgetExhaustedError as error:
            answered = zip(questions, getattr(error, "answered", []), strict=False)
            error.answered = [self._answer(question, entry) for question, entry in answered]  # type: ignore[attr-defined]
            raise
        return [self._answer(question, entry) for question, entry in zip(questions, entries, strict=True)]

    def _answer(self, question: Question, entry: Entry) -> Answer:
        return Answer(
            guarantee=self.guarantee if question.guarantee is None else question.guarantee(entry),
            backend=self.backend,
            # The state of the mechanisms stays in the ledger: it may hold a noisy threshold.
            entry=dataclasses.replace(entry, state={}),
            left=self.books.left(entry.state),
        )


# ---------------------------------------------------------------- numbers


def number_question(
    desk: Desk,
    target: Any,
    metric: str | Metric | None = None,
    guess: Any = None,
    query_id: str | None = None,
) -> Question:
    """Ask for the score of an estimator or of predictions."""
    chosen = desk.chosen(metric)
    units, digest = desk.values(target, chosen)
    name = query_id or name_of(target)
    label, phrase = f"{chosen.name}: {name}", f"the {chosen.name} of {name}"
    subject = None if query_id is None else subject_of(chosen, chosen.bounds)
    query = digest if query_id is None else desk.digest("id", query_id)
    if not chosen.row_mean:
        respond = _rank_response(desk, chosen, units)
        return Question(
            release="answer", label=label, phrase=phrase, query=query, subject=subject, respond=respond
        )
    known = units > 0.5 if desk.counts(chosen) else units
    return _mean_question(known, chosen, desk.guess_of(target, chosen, guess), label, phrase, query, subject)


def query_question(
    desk: Desk,
    function: Callable[[Any, Any], Any],
    bounds: tuple[float, float],
    guess: Any,
    query_id: str | None,
) -> Question:
    """Ask for the mean of a function of a row."""
    label = str(query_id or getattr(function, "__name__", "query"))
    scale = Metric(name=label, rows=lambda y, prediction, X: prediction, bounds=bounds)
    sample = desk.parts.reusable
    if guess is None and desk.needs_guess:
        training = desk.training_for("query")
        guess = np.asarray(function(lent(training.X), lent(training.y)), dtype=np.float64)
    start = None if guess is None or not desk.needs_guess else _unit_guess(guess, scale)
    subject = None if query_id is None else subject_of(function, bounds)
    query = None if query_id is None else desk.digest("id", query_id)

    def respond(session: Session) -> Release:
        raw = function(lent(sample.X), lent(sample.y))
        units = sample.unit_means(scale.to_unit(checked_rows(raw, sample.n_rows, bounds, "query")))
        return session.number(units, start).rescaled(scale.from_unit)

    return Question(
        release="answer",
        label=label,
        phrase=f"the mean of {label}",
        query=query,
        respond=respond,
        guess=None if start is None else scale.from_unit(float(np.mean(start))),
        subject=subject,
        scale=bounds,
        sees_labels=True,
    )


def _mean_question(
    units: AnyArray,
    metric: Metric,
    guess: Any,
    label: str,
    phrase: str,
    query: str | None,
    subject: str | None,
) -> Question:
    return Question(
        release="answer",
        label=label,
        phrase=phrase,
        query=query,
        respond=lambda session: session.number(units, guess).rescaled(metric.from_unit),
        guess=None if guess is None else metric.from_unit(float(np.mean(guess))),
        subject=subject,
        scale=metric.bounds,
    )


def _rank_response(desk: Desk, metric: Metric, score: Float1D) -> Callable[[Session], Release]:
    """Release an AUC rounded to a grid; its bound counts the smaller class, whose size is paid for."""
    sample = desk.parts.reusable
    n_positive = int((sample.labels == 1).sum())
    n_smaller = min(n_positive, sample.n_rows - n_positive)
    if sample.clustered or not desk.hosts or n_smaller == 0 or sample.labels.max() > 1:
        raise ValueError(
            "AUC needs two classes in the holdout, independent rows, and mechanism='guess_and_check' or "
            f"'description_length' (this is {desk.books.declared.mechanism!r}); nothing was charged."
        )
    value = metric.score(sample.labels, score)

    def respond(session: Session) -> Release:
        key = "description_length/auc"
        if key not in session.state["mechanisms"]:
            session.branch(math.log(sample.n_rows + 1))  # the size of the smaller class: n + 1 possibilities
        return session.step(
            "description_length",
            value,
            key=key,
            options={"queries": None, "interval": "hoeffding", "n": n_smaller},
        )

    return respond


def _unit_guess(guess: Any, metric: Metric) -> Any:
    if np.ndim(guess):
        return np.clip(metric.to_unit(np.asarray(guess, dtype=np.float64)), 0.0, 1.0)
    number = float(guess)
    if not math.isfinite(number):
        raise ValueError(f"guess must be a finite number, got {guess!r}; nothing was charged.")
    return float(np.clip(metric.to_unit(number), 0.0, 1.0))


def is_estimator(target: Any) -> bool:
    """Tell whether a target can predict."""
    return hasattr(target, "predict") and not isinstance(target, type)


def name_of(target: Any) -> str:
    """Return the name of a target, as labels have it."""
    return type(target).__name__ if is_estimator(target) else "predictions"


def subject_of(asked: Metric | Callable[..., Any], bounds: tuple[float, float]) -> str:
    """Say what a caller's name for a question stands for, as far as that can be told."""
    # What the function does, and the predictions that a metric is applied to, are not told.
    if isinstance(asked, Metric):
        what = f"the metric {asked.name!r}"
    else:
        inner = getattr(asked, "func", asked)  # of functools.partial
        what = f"the function {getattr(inner, '__qualname__', type(inner).__qualname__)!r}"
    return f"{what} with bounds ({float(bounds[0])!r}, {float(bounds[1])!r})"
