"""Learner and score together: they are trained, followed when parameters change, and calibrated as one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin, is_classifier
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GroupKFold

from validstats._typing import AnyArray, Float1D, RandomState
from validstats.batch.laws import unit_variances
from validstats.batch.rows import LabelledRows, check_strata_kind, numeric_columns
from validstats.batch.scores import Score, checked_outputs, class_values
from validstats.batch.targets import Calibration, Target, TwoLabels
from validstats.intake import (
    PositiveClass,
    TrainingRows,
    check_bounds,
    check_vector,
    fit_learner,
    read_outcome,
)

__all__ = ["GivenPredictions", "ScoredRows", "Scorer", "is_frozen"]

_BATCH_FOLDS = 5


class GivenPredictions(RegressorMixin, BaseEstimator):
    """The learner of predictions that come from elsewhere: its rows are the predictions."""

    def __init__(self, positive: Any = None) -> None:
        self.positive = positive

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn nothing."""
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict(self, X: Any) -> Float1D:
        """The predictions themselves, checked."""
        if self.positive is None:
            return check_vector(X, "the predictions given as X")
        # a verdict that is missing says nothing: neither of the two
        verdicts = read_outcome(X, "the predictions given as X", positive=self.positive, allow_nan=True)
        return np.where(np.isnan(verdicts), 0.5, verdicts)


@dataclass(frozen=True, eq=False)
class ScoredRows:
    """What a calibration keeps of labelled rows."""

    scores: Float1D
    own_bounds: tuple[float, float]
    pair: TwoLabels | None
    strata: AnyArray | None
    batches: AnyArray | None
    batch_name: str
    covariates: Mapping[Any, Float1D] = field(default_factory=dict)
    n_supplied: int = 0
    seed: int = 0
    # Whether the scores are in increasing order, and not in that of the rows.
    ordered: bool = False


@dataclass(frozen=True, eq=False)
class Scorer:
    """Learner with the score that compares its predictions with labels."""

    learner: Any
    score: Score
    # Whether the learner is a classifier.
    classifier: bool
    # What the score was made from, to notice changes.
    asked: tuple[Any, ...]
    # What is remembered of the training rows.
    training: TrainingRows | None = None
    # Out-of-fold scores and outputs of training rows.
    reference: tuple[Float1D, AnyArray] | None = None
    # Share of the larger of two numeric classes among the training labels; NaN for other learners.
    training_share: float = np.nan
    # Names of the batches that trained.
    training_batches: AnyArray | None = None
    # Variances of what rows of a training batch share and of a row.
    variances: tuple[float, float] | None = None
    # Label that counts as 1.
    positive: Any = None

    @property
    def classes(self) -> AnyArray | None:
        """Classes of a classifier; None for a regressor, or before it is fitted."""
        found = getattr(self.learner, "classes_", None) if self.classifier else None
        return None if found is None else np.asarray(found)

    @classmethod
    def make(cls, learner: Any, target: Target, given: Any, bounds: Any, positive: Any = None) -> Self:
        """Scorer that is not trained; ``given`` is what the user asked for as score."""
        if learner is None:
            learner = FrozenEstimator(GivenPredictions(positive))
        elif positive is not None and is_frozen(learner) and is_classifier(learner.estimator):
            learner = FrozenEstimator(_against_others(learner.estimator, positive))
        classifier = bool(is_classifier(learner.estimator if is_frozen(learner) else learner))
        score = target.make_score(given, classifier)
        made = cls(learner, score, classifier, _asked(target, given, classifier), positive=positive)
        made.label_bounds(bounds)
        return made

    def label_bounds(self, bounds: Any) -> tuple[float, float]:
        """Known bounds of the labels, as the score compares them."""
        return self.score.label_bounds(bounds, self.classes)

    def trained(self, rows: LabelledRows, target: Target, remember: bool, bounds: Any) -> Self:
        """The same after training on rows; a frozen learner trains the score only."""
        frozen = is_frozen(self.learner)
        learner = self.learner
        if not frozen:
            learner = fit_learner(learner, rows.X, rows.labels, rows.parameters, "BatchPredictor.fit")
        score = self.score.fit(learner, rows.X, rows.y)
        return replace(
            self,
            learner=learner,
            score=score,
            training=TrainingRows.of(rows.X, rows.y) if remember and not frozen else None,
            reference=score.out_of_fold(learner, rows.X, rows.labels)
            if target.uses_reference(check_bounds(bounds), self.classifier)
            else None,
            training_share=_share_of_larger(learner, rows.y) if self.classifier else np.nan,
            training_batches=None if rows.batches is None else np.unique(rows.batches),
            variances=self._variances(rows) if target.uses_variances() else None,
        )

    def taught(self, rows: LabelledRows, target: Target, remember: bool, bounds: Any) -> Self:
        """The same around a frozen learner, after its score has learned from other labelled rows."""
        found = self.trained(rows, target, False, bounds)
        return replace(
            self,
            score=found.score,
            reference=found.reference,
            training_share=found.training_share,
            training=TrainingRows.of(rows.X, rows.y) if remember else None,
        )

    def _variances(self, rows: LabelledRows) -> tuple[float, float] | None:
        """Variances within and between training batches, of residuals that were not fitted to their batch."""
        if rows.batches is None or np.unique(rows.batches).size < _BATCH_FOLDS:
            return None
        residuals = np.empty(rows.n)
        for train, test in GroupKFold(_BATCH_FOLDS).split(rows.y, groups=rows.batches):
            part, rest = rows.take(train), rows.take(test)
            fitted = fit_learner(self.learner, part.X, part.labels, part.parameters)
            residuals[test] = self.score.of_rows(fitted, rest.X, rest.y, (-np.inf, np.inf))[0]
        return unit_variances(residuals, rows.batches)

    def following(self, target: Target, given: Any, bounds: Any) -> Self:
        """The same for a target or score that was changed after training, unless the new score needs training."""
        if self.asked == _asked(target, given, self.classifier):
            self.label_bounds(bounds)
            return self
        made = replace(self.make(self.learner, target, given, bounds), positive=self.positive)
        if type(made.score).fit is not Score.fit:
            raise ValueError(
                f"The score was changed to {type(made.score).__name__} after fit, and it needs training rows: fit again."
            )
        return replace(self, score=made.score, asked=made.asked, reference=None)

    def check_unchanged(
        self, calibration: Calibration, target: Target, given: Any, bounds: Any, verb: str
    ) -> None:
        """Refuse a target, score or bounds that ask for other scores than those of the calibration."""
        if self.asked != _asked(target, given, self.classifier):
            raise ValueError(
                f"The target or the score was changed after the calibration, whose scores answer another question: call "
                f"calibrate(X, y) before {verb}()."
            )
        if (used := calibration.label_bounds) != (now := self.label_bounds(bounds)):
            raise ValueError(
                f"bounds were changed after the calibration from [{used[0]:zg}, {used[1]:zg}] to [{now[0]:zg}, {now[1]:zg}], which "
                f"its labels were not compared with: call calibrate(X, y) before {verb}()."
            )

    def warn_reuse(self, rows: LabelledRows) -> None:
        """Warn if rows were used for training."""
        if self.training is not None:
            self.training.warn_about(rows.X, rows.y)

    def outputs(self, X: Any) -> AnyArray:
        """Model outputs of rows."""
        return checked_outputs(self.score, self.learner, X)

    def scores(self, X: Any, y: AnyArray, label_bounds: tuple[float, float] = (-np.inf, np.inf)) -> Float1D:
        """Scores of labelled rows."""
        return self.score.of_rows(self.learner, X, y, label_bounds)[0]

    def check_classes(self, target: Target) -> None:
        """Refuse a target that has no meaning for the classes of the learner."""
        if self.classes is not None and self.score.numeric:
            target.check_classes(self.classes)

    def calibrate(
        self,
        rows: LabelledRows,
        target: Target,
        bounds: Any,
        w_max: float | None,
        random_state: RandomState,
        unit: str = "batch",
        given_reference: Float1D | None = None,
    ) -> Calibration:
        """Calibration on rows."""
        self.check_classes(target)
        kept, seed = rows.kept(w_max, random_state)
        found = self.scored(kept, self.label_bounds(bounds))
        looks = kept.strata is None and (kept.batches is None or unit == "row")
        covariates = numeric_columns(kept.X, np.random.default_rng([seed, 1])) if looks else {}
        found = replace(found, seed=seed, n_supplied=rows.n, covariates=covariates)
        return self.calibration(found, bounds, w_max, unit, given_reference)

    def scored(self, rows: LabelledRows, label_bounds: tuple[float, float]) -> ScoredRows:
        """Scores of labelled rows, and what else a calibration keeps of them."""
        scores, own = self.score.of_rows(self.learner, rows.X, rows.y, label_bounds)
        return ScoredRows(
            scores=scores,
            own_bounds=self.score.score_bounds(own, label_bounds),
            pair=self._pair(rows.y, label_bounds),
            strata=rows.strata,
            batches=rows.batches,
            batch_name=rows.batch_name,
        )

    def calibration(
        self,
        rows: ScoredRows,
        bounds: Any,
        w_max: float | None,
        unit: str = "batch",
        given_reference: Float1D | None = None,
    ) -> Calibration:
        """Calibration on rows that were scored."""
        label_bounds = self.label_bounds(bounds)
        reference, outputs = (None, None) if self.reference is None else self.reference
        if given_reference is not None:
            reference, outputs = given_reference, None
        if unit == "batch" and rows.batches is not None and self.training_batches is not None:
            _refuse_common(self.training_batches, rows.batches, "trained the learner")
        return Calibration(
            scores=rows.scores,
            ordered=rows.ordered,
            own_bounds=rows.own_bounds,
            pair=rows.pair,
            batches=rows.batches if unit == "batch" else None,
            row_batches=rows.batches if unit == "row" else None,
            batch_name=rows.batch_name,
            covariates=rows.covariates,
            variances=self.variances,
            n_supplied=rows.n_supplied,
            seed=rows.seed,
            strata=rows.strata,
            reference=reference,
            reference_bounds=(-np.inf, np.inf)
            if outputs is None
            else self.score.score_bounds(outputs, label_bounds),
            w_max=w_max,
            label_bounds=label_bounds,
        )

    def extended(self, calibration: Calibration, rows: LabelledRows) -> Calibration:
        """The calibration with further rows, whose labels have become known."""
        if calibration.w_max is not None:
            raise ValueError(
                "update() cannot add rows to a calibration by rejection; calibrate again on all rows."
            )
        if (rows.strata is None) != (calibration.strata is None):
            raise ValueError("update() needs strata exactly where calibrate() had them.")
        strata = None
        if rows.strata is not None:
            check_strata_kind(calibration.strata, rows.strata)
            strata = np.concatenate([np.asarray(calibration.strata), rows.strata])
        whole = calibration.batches is not None
        known_batches = calibration.batches if whole else calibration.row_batches
        if (rows.batches is None) != (known_batches is None):
            raise ValueError("update() needs batches exactly where calibrate() had them.")
        batches = None if rows.batches is None else np.concatenate([np.asarray(known_batches), rows.batches])
        if whole and rows.batches is not None:
            for known, what in ((calibration.batches, "are calibrated"), (self.training_batches, "trained")):
                if known is not None:
                    _refuse_common(known, rows.batches, f"{what} already")
        scores, outputs = self.score.of_rows(self.learner, rows.X, rows.y, calibration.label_bounds)
        own = self.score.score_bounds(outputs, calibration.label_bounds)
        pair, added = calibration.pair, self._pair(rows.y, calibration.label_bounds)
        return replace(
            calibration,
            own_bounds=(min(own[0], calibration.own_bounds[0]), max(own[1], calibration.own_bounds[1])),
            pair=pair
            if pair is None or added is None
            else replace(pair, labels=np.concatenate([pair.labels, added.labels])),
            scores=np.concatenate([calibration.scores, scores]),
            ordered=False,
            n_supplied=calibration.n_supplied + scores.size,
            strata=strata,
            batches=batches if whole else None,
            row_batches=None if whole else batches,
        )

    def _pair(self, y: AnyArray, label_bounds: tuple[float, float]) -> TwoLabels | None:
        """The labels as numbers, where the learner's classes are two numbers and no wider bounds are stated."""
        classes = self.classes
        if classes is None or len(classes) != 2 or classes.dtype.kind not in "iufb" or not self.score.numeric:
            return None
        values = class_values(classes)
        if label_bounds != (values[0], values[1]):
            return None
        spread = None
        if self.reference is not None:
            spread = float(self.reference[0].std()) / float(values[1] - values[0])
        labels = self.score.encode(self.learner, y)
        return TwoLabels((float(values[0]), float(values[1])), labels, self.training_share, spread)


def _against_others(learner: Any, positive: Any) -> Any:
    """A fitted classifier as one class against all others; what knows 0 and 1 only has learned them itself."""
    classes = np.asarray(learner.classes_)
    if positive in classes.tolist():
        return PositiveClass(learner, positive)
    if classes.tolist() == [0, 1]:
        return learner
    raise ValueError(
        f"positive={positive!r} is no class of the learner; its classes are {classes.tolist()[:6]}."
    )


def _refuse_common(known: AnyArray, added: AnyArray, what: str) -> None:
    """Refuse batches with rows on both sides: part of a batch is not a draw of a batch."""
    common = sorted(set(np.unique(known).tolist()) & set(np.unique(added).tolist()), key=str)
    if common:
        raise ValueError(
            f"{len(common)} batches {what}, such as {common[0]!r}: a batch must be whole and on one side. Drop its rows, or name "
            "other batches differently."
        )


def _share_of_larger(learner: Any, y: AnyArray) -> float:
    classes = np.asarray(learner.classes_)
    return float(np.mean(y == classes[-1]))


def is_frozen(learner: Any) -> bool:
    """Whether a learner counts as fitted; where there is none, predictions are handed over instead of rows."""
    return learner is None or isinstance(learner, FrozenEstimator)


def _asked(target: Target, given: Any, classifier: bool) -> tuple[Any, ...]:
    """What a score is made from, with the parameters that it has now, since ``set_params`` changes it in place."""
    params: dict[str, Any] = {}
    if hasattr(given, "get_params") and not isinstance(given, type):
        params = given.get_params()
    now = tuple((name, _hashable(value)) for name, value in sorted(params.items()))
    return given, now, target.default_score(classifier), target.score_parameters()


def _hashable(value: Any) -> Any:
    try:
        hash(value)
    except TypeError:
        return repr(value)
    return value
