"""What BatchPredictor does between its verbs: parameters, scores, batches, strata."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from typing import Any, Self

import numpy as np
from sklearn.base import is_classifier
from sklearn.frozen import FrozenEstimator
from sklearn.utils import Tags, get_tags
from sklearn.utils.validation import _num_samples, validate_data

from validstats._typing import AnyArray, RandomState
from validstats.base import CalibratedEstimator
from validstats.batch.rows import (
    encode_labels,
    rejection_keep,
    row_digests_with_labels,
    take_rows,
)
from validstats.batch.scores import (
    CallableScore,
    ErrorScore,
    ProbabilityScore,
    Score,
    resolve_score,
    unwritable,
)
from validstats.batch.targets import Calibration, ClaimScore, Question, Target, batch_guarantee
from validstats.guarantee import Guarantee
from validstats.intake import (
    alpha_fraction,
    check_bounds,
    check_groups,
    check_in_range,
    check_positive_int,
    check_random_state,
    column,
    is_frame,
    warn_data_reuse,
)
from validstats.results import Report

__all__ = ["PredictorInternals", "RowCount", "check_strata_kind"]


class _ScoreSlot:
    """``score`` is the constructor's parameter when set and scikit-learn's scoring method when read."""

    def __set__(self, instance: Any, value: Any) -> None:
        instance.__dict__["score"] = value

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else instance._learner_score


class PredictorInternals(CalibratedEstimator):
    """Private half of BatchPredictor; the verbs and their documentation are in its public half."""

    score = _ScoreSlot()
    estimator: Any
    target: Target
    estimator_: Any
    score_: Score
    calibration_: Calibration
    confidence_level: float
    bounds: tuple[float | None, float | None]
    strata: Any
    n_resamples: int
    check_reuse: bool
    _classifier: bool
    _score_key: tuple[Any, ...]
    _digests: AnyArray | None
    _reference: AnyArray | None
    _reference_outputs: AnyArray | None

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters; ``score`` is the one given to the constructor, not the scoring method.

        Parameters
        ----------
        deep : bool, default True
            Whether to include those of nested objects.

        Returns
        -------
        dict
            Values by name.
        """
        params: dict[str, Any] = {**super().get_params(deep=False), "score": self.__dict__["score"]}
        if deep:
            for name, value in list(params.items()):
                if hasattr(value, "get_params") and not isinstance(value, type):
                    params.update({f"{name}__{k}": v for k, v in value.get_params().items()})
        return params

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.estimator_type = inner.estimator_type
        tags.regressor_tags, tags.classifier_tags = inner.regressor_tags, inner.classifier_tags
        tags.target_tags, tags.input_tags = inner.target_tags, inner.input_tags
        tags.target_tags.multi_output = False
        tags.non_deterministic = inner.non_deterministic
        return tags

    def _learner_score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the learner's own score of its predictions, for model selection in scikit-learn."""
        self._check_calibrated("score", "fit(X, y)")
        if sample_weight is None:
            return float(self.estimator_.score(X, y))
        return float(self.estimator_.score(X, y, sample_weight=sample_weight))

    def _check_features(self, X: Any) -> None:
        if getattr(X, "ndim", 2) == 1:
            raise ValueError(
                f"Expected 2D array, got 1D array instead: X has shape {X.shape}. Reshape your data with "
                "X.reshape(-1, 1) if it has a single feature, or X.reshape(1, -1) if it is a single row."
            )
        known = type(X) is np.ndarray and X.ndim == 2 and X.shape[1] == getattr(self, "n_features_in_", None)
        if not known or hasattr(self, "feature_names_in_"):
            validate_data(self, X, reset=False, skip_check_array=True)

    def _refresh_score(self) -> None:
        """Follow a target, score or bounds that were changed after fit, unless the new score would need training."""
        if self._score_key == self._make_score_key():
            self._check_score_bounds(self.score_)
            return
        score = self._make_score()
        if type(score).fit is not Score.fit:
            raise ValueError(
                f"The score was changed to {type(score).__name__} after fit, and it needs training rows: fit again."
            )
        self.score_, self._reference, self._reference_outputs = score, None, None

    def _warn_reuse(self, X: Any, y: AnyArray) -> None:
        """Warn if rows of the calibration were used for training."""
        if self._digests is not None and self.check_reuse:
            warn_data_reuse(self._digests, row_digests_with_labels(X, y))

    def _check_unchanged(self, verb: str) -> None:
        """Refuse a target or score that asks for other scores than those of the calibration."""
        self._check_parameters()
        if self._score_key != self._make_score_key():
            raise ValueError(
                f"The target or the score was changed after the calibration, whose scores answer another question: call "
                f"calibrate(X, y) before {verb}()."
            )
        if (used := self.calibration_.label_bounds) != (now := self._label_bounds()):
            raise ValueError(
                f"bounds were changed after the calibration from [{used[0]:g}, {used[1]:g}] to [{now[0]:g}, {now[1]:g}], which "
                f"its labels were not compared with: call calibrate(X, y) before {verb}()."
            )

    def _make_score_key(self) -> tuple[Any, ...]:
        """What the score depends on, to notice changes."""
        target = self.target
        default = target.default_score(self._classifier)
        own = (getattr(target, "above", None), getattr(target, "tolerance", None))
        score = self.__dict__["score"]
        return score, *_parameters_now(score), default, *own

    def _check_parameters(self) -> None:
        if not isinstance(self.target, Target):
            raise TypeError(
                f"target must be a target such as BatchMean() or Simultaneous(miss=0.1), got {self.target!r}."
            )
        self.target.check()
        alpha_fraction(self.confidence_level)
        check_bounds(self.bounds)
        check_positive_int(self.n_resamples, "n_resamples")

    def _check_learner(self) -> None:
        inner = self.estimator.estimator if isinstance(self.estimator, FrozenEstimator) else self.estimator
        self._classifier = bool(is_classifier(inner))

    def _make_score(self) -> Score:
        given = self.__dict__["score"]
        self._score_key = self._make_score_key()
        default = self.target.default_score(self._classifier)
        if default == "claim":
            if given is not None:
                raise ValueError(
                    f"{type(self.target).__name__} defines its own score; leave score=None, got {given!r}."
                )
            return ClaimScore(self.target.above)
        score = resolve_score(given, default, self._classifier)
        self._check_score_bounds(score)
        if isinstance(score, ErrorScore):
            asked = getattr(self.target, "tolerance", None)
            if asked is not None and score.tolerance not in (None, asked):
                raise ValueError(
                    f"tolerance is {asked!r} in the target and {score.tolerance!r} in the score; give it once."
                )
            score.set_params(tolerance=score.tolerance if asked is None else asked)
            if score.tolerance is not None:
                check_in_range(score.tolerance, "tolerance", 0)
                if self._classifier:
                    raise ValueError(
                        f"tolerance is a distance between numbers, so it is not read with a classifier; got {score.tolerance!r}."
                    )
        return score

    def _check_score_bounds(self, score: Score) -> None:
        if isinstance(score, CallableScore) and np.isfinite(check_bounds(self.bounds)).any():
            raise ValueError(
                f"bounds are those of the labels, which a callable score does not read, got {self.bounds!r}; state the bounds "
                "of the score: score=CallableScore(function, bounds=...)."
            )

    def _label_bounds(self) -> tuple[float, float]:
        low, high = check_bounds(self.bounds)
        if not self._classifier:
            return low, high
        if isinstance(self.score_, ProbabilityScore | ErrorScore | CallableScore):
            return -np.inf, np.inf
        return max(low, 0.0), min(high, 1.0)

    def _keep_training(self, X: Any, y: AnyArray) -> None:
        frozen = isinstance(self.estimator, FrozenEstimator)
        self._digests = row_digests_with_labels(X, y) if self.check_reuse and not frozen else None
        self._reference, self._reference_outputs = None, None
        if self.target.reference_is_used() and not isinstance(self.score_, CallableScore):
            outputs = self._outputs_of(X)
            labels = encode_labels(y, self.score_, self.estimator_)
            self._reference = self.score_.scores(outputs, labels)
            self._reference_outputs = outputs

    def _outputs_of(self, X: Any) -> AnyArray:
        """Run the model on rows, and refuse outputs that would spoil the numbers of a result."""
        outputs, n = self.score_.outputs(self.estimator_, X), _num_samples(X)
        if len(outputs) != n:
            raise ValueError(f"The learner gave {len(outputs)} predictions for the {n} rows of X.")
        if outputs.dtype.kind == "f" and not np.isfinite(outputs).all():
            spoilt = np.isnan(outputs) if outputs.ndim > 1 else ~np.isfinite(outputs)
            if bad := int(spoilt.reshape(n, -1).any(axis=1).sum()):
                raise ValueError(
                    f"The learner's predictions for {bad} of the {n} rows of X are NaN or infinite. Repair the learner, or drop "
                    "those rows."
                )
        return outputs

    def _scores_of(self, X: Any, y: AnyArray, label_bounds: tuple[float, float]) -> AnyArray:
        if isinstance(self.score_, CallableScore):
            return self.score_.evaluate(self.estimator_, X, y)
        labels = encode_labels(y, self.score_, self.estimator_)
        low, high = label_bounds
        numeric = labels.dtype.kind == "f"
        if (
            numeric
            and (np.isfinite(low) or np.isfinite(high))
            and (labels.min() < low or labels.max() > high)
        ):
            raise ValueError(
                f"y ranges from {labels.min():g} to {labels.max():g}, outside the stated bounds [{low:g}, {high:g}]. "
                "State bounds that hold for every row, or None where there is none."
            )
        scores = self.score_.scores(self._outputs_of(X), labels)
        if np.may_share_memory(scores, y):
            scores = scores.copy()
        if np.isnan(scores).any():
            raise ValueError(
                f"{int(np.isnan(scores).sum())} of the calibration scores are NaN: the learner's predictions have "
                "missing or infinite values. Repair the learner, or drop those rows."
            )
        return scores

    def _calibrate(
        self,
        X: Any,
        y: AnyArray,
        strata: AnyArray | None,
        weights: Any,
        w_max: float | None,
        random_state: RandomState,
    ) -> Self:
        n_supplied = y.shape[0]
        keep, seed = _rejection_and_seed(weights, w_max, n_supplied, random_state)
        if keep is not None:
            X, y = take_rows(X, keep), y[keep]
            strata = None if strata is None else strata[keep]
        label_bounds, trained_on = self._label_bounds(), self._reference_outputs
        self.calibration_ = Calibration(
            scores=self._scores_of(X, y, label_bounds),
            n_supplied=n_supplied,
            seed=seed,
            strata=strata,
            reference=self._reference,
            reference_bounds=(-np.inf, np.inf)
            if trained_on is None
            else self.score_.score_bounds(trained_on, label_bounds),
            w_max=None if keep is None else w_max,
            label_bounds=label_bounds,
        )
        return self

    @property
    def guarantee_(self) -> Guarantee:  # type: ignore[override]
        """What ``infer`` promises for one batch."""
        return batch_guarantee(self.target, self.calibration_, alpha_fraction(self.confidence_level))

    def _strata_of(self, X: Any, strata: Any) -> AnyArray | None:
        chosen = self.strata if strata is None else strata
        if chosen is None:
            return None
        return _column_values(X, chosen, "strata")

    def _batches_of(self, X: Any, batches: Any) -> tuple[tuple[Any, ...], list[AnyArray]]:
        n = _num_samples(X)
        if n == 0:
            raise ValueError("X has no rows: a batch needs at least one.")
        if batches is None:
            return ("all",), [np.arange(n)]
        ids = _column_values(X, batches, "batches")
        names, codes = np.unique(ids, return_inverse=True)
        order = np.argsort(codes, kind="stable")
        return tuple(names.tolist()), np.split(order, np.cumsum(np.bincount(codes))[:-1])

    def _answer(self, outputs: AnyArray, rows: AnyArray, alpha: Fraction, strata: AnyArray | None) -> Any:
        calibration = self.calibration_
        if (strata is None) != (calibration.strata is None):
            verb = "gives no strata" if strata is None else "gives strata"
            raise ValueError(f"infer() {verb}, unlike the calibration; pass strata to both or to neither.")

        def ask(part: Calibration, positions: AnyArray) -> Question:
            return Question(part, outputs[positions], positions.size, alpha, self.score_, self.n_resamples)

        if strata is None:
            return self.target.answer(ask(calibration, rows))
        parts = calibration.by_stratum
        present = np.unique(strata[rows]).tolist()
        if unknown := [label for label in present if label not in parts]:
            known = ", ".join(map(repr, parts))
            raise ValueError(f"The strata {unknown} were not calibrated; the calibration has {known}.")
        inside = [np.flatnonzero(strata[rows] == label) for label in present]
        questions = [ask(parts[label], rows[index]) for label, index in zip(present, inside)]
        if len(questions) == 1:
            return self.target.answer(questions[0])
        return self.target.answer_strata(questions, inside)

    def _report(self) -> Report:
        calibration = self.calibration_
        header: list[tuple[str, Any]] = [
            ("Learner", type(getattr(self.estimator_, "estimator", self.estimator_)).__name__),
            ("Target", repr(self.target)),
            ("Score", self.score_.quantity),
            ("Calibration rows", calibration.n),
        ]
        if self.target.has_level:
            header.append(("Confidence level", self.confidence_level))
        if calibration.w_max is not None:
            header.append(("Rows supplied", calibration.n_supplied))
        if calibration.strata is not None:
            sizes = {str(label): part.n for label, part in calibration.by_stratum.items()}
            header.append(("Strata", ", ".join(f"{k}: {v}" for k, v in sizes.items())))
        return Report(title="Batch predictor", header=header, guarantees=[self.guarantee_])


def _rejection_and_seed(
    weights: Any, w_max: float | None, n: int, random_state: RandomState
) -> tuple[AnyArray | None, int]:
    """Rows kept under covariate shift, and the seed of everything random that follows."""
    if weights is None and isinstance(random_state, int):
        return rejection_keep(weights, w_max, n, None), _first_seed(random_state)
    rng = check_random_state(random_state)
    return rejection_keep(weights, w_max, n, rng), int(rng.integers(2**63))


@lru_cache(maxsize=256, typed=True)
def _first_seed(random_state: int) -> int:
    return int(check_random_state(random_state).integers(2**63))


def _parameters_now(score: Any) -> tuple[tuple[str, Any], ...]:
    """What the parameters of a score are at this moment, since ``set_params`` changes the score itself."""
    if not hasattr(score, "get_params") or isinstance(score, type):
        return ()
    return tuple((name, _hashable(value)) for name, value in sorted(score.get_params().items()))


def _hashable(value: Any) -> Any:
    try:
        hash(value)
    except TypeError:
        return repr(value)
    return value


def _column_values(X: Any, chosen: Any, name: str) -> AnyArray:
    """A copy of a column of X given by name or position, of a callable, or of an array; dates become text."""
    if callable(chosen):
        values = chosen(unwritable(X))
    elif isinstance(chosen, str):
        if not is_frame(X):
            raise TypeError(
                f"{name}={chosen!r} names a column, but X is no data frame; pass an array of labels."
            )
        values = column(X, chosen)
    elif isinstance(chosen, int) and not isinstance(chosen, bool):
        matrix = np.asarray(X)
        if matrix.ndim != 2 or not -matrix.shape[1] <= chosen < matrix.shape[1]:
            raise ValueError(
                f"{name}={chosen!r} is no position of a column of X, whose shape is {matrix.shape}."
            )
        values = matrix[:, chosen]
    else:
        values = chosen
    groups = np.array(check_groups(values, name, _num_samples(X)))
    if groups.dtype.kind == "M":
        return np.datetime_as_string(groups, unit="auto")
    return groups.astype(str) if groups.dtype.kind == "m" else groups


def check_strata_kind(calibrated: Any, added: AnyArray) -> None:
    """Raise if one array names strata by numbers and the other by text, which would make text of all of them.

    Parameters
    ----------
    calibrated, added : ndarray
        Strata of the calibration and of rows to be added to it.

    Raises
    ------
    TypeError
        If they are of different kinds.
    """
    kinds = ["text" if isinstance(v[:1].tolist()[0], str) else "numbers" for v in (calibrated, added)]
    if kinds[0] != kinds[1]:
        raise TypeError(
            f"strata were {kinds[0]} in the calibration and are {kinds[1]} in update(), such as {added.tolist()[0]!r}; name "
            "them in one way."
        )


class RowCount:
    """Gives anything with rows a shape, so that lengths can be compared."""

    def __init__(self, X: Any) -> None:
        try:
            self.shape = (_num_samples(X),)
        except TypeError as error:
            raise TypeError(f"X must have rows: {error}") from None
