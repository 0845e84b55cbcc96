"""From a target to a question, and from a charged question to an answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from validstats._typing import AnyArray
from validstats.exceptions import BudgetExhaustedError
from validstats.guarantee import Guarantee
from validstats.holdout.answers import Answer
from validstats.holdout.asking.metrics import AUC, Metric, as_metric
from validstats.holdout.asking.questions import (
    Question,
    TrainingPart,
    is_estimator,
    question_of_predictions,
    quietly,
    subject_of,
)
from validstats.holdout.asking.responses import in_class_order, own_classes, raw_response
from validstats.holdout.asking.sample import HoldoutSample
from validstats.holdout.budget import Ask, Books, Outcome, Session, main_options
from validstats.holdout.ledger import Entry, ask_digest
from validstats.holdout.mechanisms import mechanism

__all__ = ["Asking"]


class Asking:
    """What every release does before and after the ledger is charged."""

    metric: Any
    guess: str | None
    ledger_: Any
    calibration_: Any
    _books: Books
    _classes: AnyArray
    _backend: Any
    _open_parts: Callable[..., tuple[HoldoutSample, HoldoutSample | None]]
    _ask_auc: Callable[..., Ask]
    _guarantee_for: Callable[..., Guarantee]
    _check_calibrated: Callable[..., None]

    # ------------------------------------------------------------------ from targets to questions

    @property
    def _sample(self) -> HoldoutSample:
        return self._open_parts()[0]

    def _metric(self, metric: str | Metric | None) -> Metric:
        return as_metric(self.metric if metric is None else metric)

    def _needs_guess(self) -> bool:
        return mechanism(self.calibration_.declared.mechanism).needs_guess

    def _need_training(self, verb: str) -> TrainingPart:
        training: TrainingPart | None = getattr(self, "_training", None)
        if training is None:
            raise ValueError(
                f"{verb} needs a guess from the training rows: call fit(...) first or pass guess=..."
            )
        return training

    def _prediction(self, target: Any, metric: Metric, part: HoldoutSample) -> np.ndarray:
        """Return predictions for the rows of one part, in its order."""
        if not is_estimator(target):
            prediction = part.aligned(target)
            if prediction.dtype.kind == "f" and not np.isfinite(prediction).all():
                raise ValueError("target: predictions must not contain NaN or infinity; nothing was charged.")
            if prediction.dtype.kind == "O" and any(v is None or v != v for v in prediction.ravel()):
                raise ValueError("target: predictions must not contain missing values; nothing was charged.")
            return in_class_order(prediction, metric, self._classes)
        training: TrainingPart | None = getattr(self, "_training", None)
        fitted = target if training is None else training.fitted(target)
        answer: np.ndarray = quietly(lambda: raw_response(fitted, part.X, metric), "estimator")
        if len(answer) != part.n_rows:
            raise ValueError(f"The estimator returned {len(answer)} predictions; nothing was charged.")
        return in_class_order(answer, metric, self._classes, own_classes(fitted), type(fitted).__name__)

    def _question(
        self,
        target: Any,
        metric: str | Metric | None,
        guess: float | None,
        query_id: str | None,
        part: HoldoutSample | None = None,
    ) -> Question:
        """Turn a target into one value a unit of the reusable part, or of the vault."""
        chosen = self._metric(metric)
        sample = self._sample if part is None else part
        prediction = self._prediction(target, chosen, sample)
        secret = self.ledger_.secret
        if chosen.name == AUC:
            units, digest = np.asarray(prediction, dtype=np.float64), ask_digest(secret, "auc", prediction)
        else:
            units, digest = question_of_predictions(sample, prediction, chosen, secret)
            if guess is None and self._needs_guess():
                guess = self._guess_for(target, chosen)
        if query_id is not None:
            digest = ask_digest(secret, "id", query_id)
        label = query_id or (type(target).__name__ if is_estimator(target) else "predictions")
        return Question(
            units=units,
            guess=self._unit_guess(guess, chosen),
            query=digest,
            label=f"{chosen.name}: {label}",
            metric=chosen,
            subject=None if query_id is None else subject_of(chosen, chosen.bounds),
        )

    def _guess_for(self, target: Any, metric: Metric) -> float:
        if not is_estimator(target):
            raise ValueError(
                f"mechanism={self.calibration_.declared.mechanism!r} checks a guess, and predictions alone give "
                "none: pass guess=..., the score you expect from the training rows (cross-validated), or pass the "
                "estimator. Nothing was charged."
            )
        how = self.guess or "cv"
        return self._need_training("infer").guess(target, metric, how)

    def _unit_guess(self, guess: float | None, metric: Metric) -> float | None:
        if guess is None or not self._needs_guess():
            return None
        number = float(guess)
        if not math.isfinite(number):
            raise ValueError(f"guess must be a finite number, got {guess!r}; nothing was charged.")
        return float(np.clip(metric.to_unit(number), 0.0, 1.0))

    # ------------------------------------------------------------------ from questions to answers

    def _ask_number(self, question: Question) -> Ask:
        if question.metric.name == AUC:
            return self._ask_auc(question)

        def work(session: Session) -> Outcome:
            release = self._main_step(session, question.units, question.guess)
            return Outcome.of(release, question.metric.from_unit)

        guess = None if question.guess is None else question.metric.from_unit(question.guess)
        return Ask(
            release="answer",
            label=question.label,
            query=question.query,
            work=work,
            guess=guess,
            subject=question.subject,
        )

    def _main_step(self, session: Session, units: np.ndarray, guess: float | None) -> Any:
        """Let the declared mechanism give one number; the first number of a batch closes the round before it."""
        declared = session.declared
        chosen = mechanism(declared.mechanism)
        started = declared.mechanism in session.state["mechanisms"]
        advance = session.starts_batch() and started and declared.mechanism == "rounds"
        return session.step(
            declared.mechanism,
            units if chosen.needs_rows else float(np.clip(units.mean(), 0.0, 1.0)),
            guess,
            options=main_options(declared),
            before=(lambda kind, state: kind.next_round(state)) if advance else None,
        )

    def _answers(self, asks: Sequence[Ask]) -> list[Answer]:
        try:
            charged = self._books.charge(asks)
        except BudgetExhaustedError as error:
            answered = [self._answer(ask, entry) for ask, entry in getattr(error, "answered", [])]
            error.answered = answered  # type: ignore[attr-defined]
            raise
        return [self._answer(ask, entry) for ask, entry in charged]

    def _answer(self, ask: Ask, entry: Entry) -> Answer:
        detail = entry.detail
        bounds = None if detail["low"] is None else (float(detail["low"]), float(detail["high"]))
        left = self._books.left(entry.state)
        return Answer(
            guarantee=self._guarantee_for(detail),
            backend=self._backend,
            value=entry.answer,
            bounds=bounds,
            certified=bool(detail["certified"]),
            source=detail["source"],
            passed=entry.passed,
            nats=entry.nats,
            mu_squared=entry.mu_squared,
            left=left,
            question=ask.label,
            index=entry.idx,
            cached=entry.release == "cached",
            winner=detail.get("winner"),
            message=f"Left: {', '.join(f'{count:,} {name}' for name, count in left.items())}.",
        )
