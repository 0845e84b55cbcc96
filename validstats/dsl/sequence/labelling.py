"""Labelling in sequence: ask for some labels, look at the interval, go on or stop.

The learner that predicts a unit's label, and the probability with which the unit is labelled, depend on
earlier units only. So the pseudo-outcomes have the right conditional mean given the past, whatever the
learner is, and a confidence sequence covers at all times at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, Self, TypeAlias, get_args

import numpy as np
from sklearn.base import BaseEstimator, clone, is_classifier

from validstats import exceptions
from validstats._typing import Float1D, Float2D, FrameBackend, Int1D, RandomState
from validstats.dsl.plan import bounded_probabilities
from validstats.dsl.sequence.confidence_sequences import sequence_radii
from validstats.dsl.sequence.forward import (
    ENOUGH_EXPECTED,
    ENOUGH_SEEN,
    FEWEST_TO_LEARN,
    crossed_predictions,
    effective_units,
    predict_upcoming,
    regression_look,
)
from validstats.dsl.sequence.results import ConfidenceSequence, LabelRequest
from validstats.exceptions import warn
from validstats.guarantee import Guarantee
from validstats.intake import (
    alpha_fraction,
    backend_of,
    check_in_range,
    check_literal,
    check_matrix,
    check_positive_int,
    check_random_state,
    check_vector,
    column_names,
    is_frame,
    to_pandas,
)

__all__ = [
    "LabellingState",
    "SequentialLabelling",
]

RuleName: TypeAlias = Literal["uniform", "active"]
"""Equal probabilities, or probabilities proportional to the size of past errors on similar units."""

CITATION = "Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2024), Annals of Statistics 52, 2613-2640"


@dataclass
class LabellingState:
    """What has happened so far: grows with every recorded request."""

    order: Int1D  # random order in which units are visited
    features: Float2D  # what is observed of every unit
    fallback: Float1D  # prediction before there are labels to learn from
    n_visited: int = 0  # units whose turn has passed, a pending request not counted
    # by position in ``order``; the outcome is NaN where not labelled
    prediction: Float1D = field(default_factory=lambda: np.zeros(0))
    # by position in ``order``; the outcome is NaN where not labelled
    probability: Float1D = field(default_factory=lambda: np.zeros(0))
    # by position in ``order``; the outcome is NaN where not labelled
    outcome: Float1D = field(default_factory=lambda: np.zeros(0))
    look_times: list[int] = field(default_factory=list)  # number of visited units after each recorded request

    @property
    def pseudo_outcome(self) -> Float1D:
        """Pseudo-outcome ``g + labelled / pi (y - g)`` of every visited unit."""
        labelled = ~np.isnan(self.outcome)
        correction = np.where(labelled, (np.nan_to_num(self.outcome) - self.prediction) / self.probability, 0)
        return self.prediction + correction


class SequentialLabelling(BaseEstimator):
    """Label a corpus in sequence, with predictions and probabilities from the past only."""

    # ``fit`` puts the units into a random order. ``next_labels`` takes the next units, fixes the probability
    # of each from what earlier labels taught, and draws whom to label; ``record`` takes the experts' answers;
    # ``infer`` gives intervals that hold at all looks at once. Every label is used for learning only after
    # the units of its own request are settled, so there is no cross-fitting: folds would let later labels
    # predict earlier ones.
    # Source: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2024), Annals of Statistics 52, 2613-2640;
    # Zrnic and Candes (2024), Active Statistical Inference, arXiv 2403.03208, Section 5.

    def __init__(
        self,
        learner: Any = None,
        *,
        label_share: float = 0.1,
        rule: RuleName = "uniform",
        n_first: int = 100,
        floor: float = 0.2,
        start: int = 500,
        n_best: int | None = None,
        confidence_level: float = 0.95,
        random_state: RandomState = None,
    ) -> None:
        self.learner = learner
        self.label_share = label_share
        self.rule = rule
        self.n_first = n_first
        self.floor = floor
        self.start = start
        self.n_best = n_best
        self.confidence_level = confidence_level
        self.random_state = random_state

    def fit(self, features: Any, surrogate: Any = None) -> Self:
        """Fix the order in which units are visited; forgets everything recorded before."""
        check_in_range(self.label_share, "label_share", 0, 1, low_open=True)
        check_in_range(self.floor, "floor", 0, 1, low_open=True)
        check_literal(self.rule, "rule", get_args(RuleName))
        check_positive_int(self.n_first, "n_first", minimum=2)
        check_positive_int(self.start, "start", minimum=2)
        matrix = _feature_matrix(features)
        n = len(matrix)
        guess = np.zeros(n) if surrogate is None else check_vector(surrogate, "surrogate")
        if len(guess) != n:
            raise ValueError(f"surrogate has {len(guess)} values, but features has {n} rows.")
        self._generator = check_random_state(self.random_state)
        order = self._generator.permutation(n)
        self.state_ = LabellingState(order=order, features=matrix[order], fallback=guess[order])
        self._has_surrogate = surrogate is not None
        self._backend: FrameBackend = backend_of(features)
        self._pending: LabelRequest | None = None
        return self

    @property
    def n_remaining(self) -> int:
        """Number of units whose turn has not come."""
        return len(self._require_state().order) - self._require_state().n_visited

    @property
    def awaits_labels(self) -> bool:
        """Whether a request has been made whose labels are not recorded yet."""
        return self._pending is not None

    @property
    def guarantee(self) -> Guarantee:
        """What the intervals of all looks promise together."""
        return self._sequence_guarantee(self.confidence_level, False)

    def next_labels(self, n_units: int = 200) -> LabelRequest:
        """Take the next units and draw whom of them to label."""
        # The same request is returned until its labels are recorded.
        state = self._require_state()
        check_positive_int(n_units, "n_units")
        if self._pending is not None:
            return self._pending
        if self.n_remaining == 0:
            raise ValueError("Every unit has had its turn; there is nobody left to label.")
        size = min(self.n_first if state.n_visited == 0 else n_units, self.n_remaining)
        block = slice(state.n_visited, state.n_visited + size)
        prediction, error = self._learn(state, block)
        probability = self._probabilities(state, size, error)
        self._pending = LabelRequest(
            guarantee=self._request_guarantee(),
            backend=self._backend,
            rows=state.order[block],
            sampling_probability=probability,
            selected=self._generator.random(size) < probability,
            prediction=prediction,
        )
        return self._pending

    def record(self, labels: Any) -> Self:
        """Store the experts' labels of the pending request."""
        state = self._require_state()
        if self._pending is None:
            raise ValueError("No labels are awaited; call next_labels() first.")
        wanted = int(self._pending.selected.sum())
        values = check_vector(labels, "labels", allow_empty=True)
        if len(values) != wanted:
            raise ValueError(
                f"labels has {len(values)} values, but {wanted} were asked for: pass the labels of "
                "request.to_label in that order."
            )
        if (
            self.learner is not None
            and is_classifier(self.learner)
            and not np.all(np.isin(values, (0.0, 1.0)))
        ):
            raise ValueError(
                "A classifier as learner needs labels 0 and 1; use a regressor for other labels."
            )
        outcome = np.full(len(self._pending.rows), np.nan)
        outcome[self._pending.selected] = values
        state.outcome = np.concatenate([state.outcome, outcome])
        state.prediction = np.concatenate([state.prediction, self._pending.prediction])
        state.probability = np.concatenate([state.probability, self._pending.sampling_probability])
        state.n_visited += len(outcome)
        state.look_times.append(state.n_visited)
        self._pending = None
        return self

    def infer(self, design: Any = None, *, confidence_level: float | None = None) -> ConfidenceSequence:
        """Return anytime-valid intervals for the mean label or for regression coefficients."""
        # One entry for every look with at least ``start`` units.
        state = self._require_state()
        level = self.confidence_level if confidence_level is None else confidence_level
        alpha = float(alpha_fraction(level))
        looks = [t for t in state.look_times if t >= self.start]
        if not looks:
            raise ValueError(
                f"Intervals are given from start={self.start} visited units on; {state.n_visited} have been "
                "visited. Go on labelling, or choose a smaller start before the first look."
            )
        matrix, terms = _design_matrix(design, len(state.order))
        regressors = matrix[state.order[: state.n_visited]]
        pseudo = state.pseudo_outcome
        found = [regression_look(regressors[:t], pseudo[:t]) for t in looks]
        estimates = np.array([look.estimate for look in found])
        variances = np.array([look.variance for look in found])
        error = self._errors(state)
        units = [effective_units(look, error[:t], state.probability[:t]) for look, t in zip(found, looks)]
        enough = np.array([(seen >= ENOUGH_SEEN) & (expected >= ENOUGH_EXPECTED) for seen, expected in units])
        n_best = min(5 * self.start, len(state.order)) if self.n_best is None else self.n_best
        times = np.array(looks)
        radii = sequence_radii(times, variances, enough, n_best, alpha)
        if not np.all(np.isfinite(radii[-1])):
            message = exceptions.sequence_not_begun_message.format(
                n_labelled=int(np.sum(~np.isnan(state.outcome))),
                seen=units[-1][0].min(),
                expected=units[-1][1].min(),
                enough_seen=ENOUGH_SEEN,
                enough_expected=ENOUGH_EXPECTED,
            )
            warn(message, exceptions.LabellingWarning)
        return ConfidenceSequence(
            guarantee=self._sequence_guarantee(level, design is not None),
            backend=self._backend,
            terms=terms,
            times=times,
            estimates=estimates,
            std_errors=np.sqrt(variances / times[:, None]),
            radii=radii,
            n_labelled=int(np.sum(~np.isnan(state.outcome))),
            confidence_level=float(level),
        )

    def _require_state(self) -> LabellingState:
        if not hasattr(self, "state_"):
            raise ValueError("SequentialLabelling has no units yet; call fit(features) first.")
        return self.state_

    def _learn(self, state: LabellingState, block: slice) -> tuple[Float1D, Float1D | None]:
        labelled = ~np.isnan(state.outcome)
        past, outcome = state.features[: state.n_visited][labelled], state.outcome[labelled]
        upcoming = state.features[block]
        if len(outcome) < FEWEST_TO_LEARN:
            guess = state.fallback[block]
            start = guess if self._has_surrogate or not len(outcome) else np.full(len(guess), outcome.mean())
            return start.copy(), None
        prediction = predict_upcoming(self._seeded(self.learner), past, outcome, upcoming)
        if self.rule == "uniform" or len(outcome) < 50:
            return prediction, None
        from sklearn.ensemble import RandomForestRegressor

        forest = RandomForestRegressor(n_estimators=50, min_samples_leaf=max(10, len(outcome) // 20))
        squared = (outcome - state.prediction[labelled]) ** 2
        error = predict_upcoming(self._seeded(forest), past, squared, upcoming)
        return prediction, np.sqrt(np.maximum(error, 0.0))

    def _errors(self, state: LabellingState) -> Float1D:
        """What predictions of labelled units miss; the first ones, whose predictions had learned nothing, as if they had."""
        # Later probabilities divide the errors of predictions that have learned. Those of a poor surrogate are large and
        # alike, so that few labels would look like enough.
        error = state.outcome - state.prediction
        labelled = ~np.isnan(error)
        starts = [0, *state.look_times]
        learned = [t for t in starts if np.count_nonzero(labelled[:t]) >= FEWEST_TO_LEARN]
        first = np.flatnonzero(labelled[: learned[0] if learned else state.n_visited])
        error[first] = np.nan
        if learned:
            features, outcome = state.features[first], state.outcome[first]
            error[first] = outcome - crossed_predictions(self._seeded(self.learner, 0), features, outcome)
        return error

    def _seeded(self, learner: Any, seed: int | None = None) -> Any:
        if learner is None:
            from sklearn.linear_model import LinearRegression

            return LinearRegression()
        model = clone(learner)
        parameters = model.get_params()
        if "random_state" in parameters and parameters["random_state"] is None:
            model.set_params(random_state=int(self._generator.integers(2**31 - 1)) if seed is None else seed)
        return model

    def _probabilities(self, state: LabellingState, size: int, error: Float1D | None) -> Float1D:
        if state.n_visited == 0:
            return np.ones(size)
        if error is None:
            return np.full(size, float(self.label_share))
        return bounded_probabilities(error, self.label_share * size, self.floor)

    def _request_guarantee(self) -> Guarantee:
        return Guarantee(
            holds="every unit had exactly the recorded chance of being sent to the experts",
            kind="finite-sample",
            check=("the units of to_label, and no others, are labelled and recorded",),
            details=("Given the past, each probability was fixed before its draw",),
            n_reference=int(np.sum(~np.isnan(self.state_.outcome))),
            citation="Zrnic and Candes (2024), Active Statistical Inference, arXiv 2403.03208, Section 5",
        )

    def _sequence_guarantee(self, level: float, regression: bool) -> Guarantee:
        caveats = [
            f"All intervals cover together with probability tending to {float(level):g} as the first look comes later; it "
            "is no finite-sample bound",
            f"An interval is unbounded until about {ENOUGH_SEEN:.0f} units carry its variance: rare labels, and probabilities far "
            "from equal, make that take long",
            "Units are visited in random order; predictions and labelling probabilities depend on earlier units only",
            "Probabilities stay away from zero and values have more than two moments",
        ]
        if regression:
            caveats.append("The level holds for each coefficient by itself")
        return Guarantee(
            holds=f"in about {100 * float(level):.10g} of 100 studies the intervals of all looks, from {self.start} units "
            "on, hold the value together, so you may stop as soon as they are short enough",
            kind="asymptotic",
            check=(
                "the units stand for the population that you mean",
                "the experts labelled the units that were asked for, and the experts' labels are the truth",
                "level, start and n_best were chosen before the first look",
            ),
            n_reference=int(np.sum(~np.isnan(self.state_.outcome))),
            citation=f"{CITATION}, Theorems 2.5 and 2.8",
            confidence_level=float(level),
            details=tuple(caveats),
        )


def _feature_matrix(features: Any) -> Float2D:
    if is_frame(features):
        features = to_pandas(features).to_numpy()
    return check_matrix(features, "features")


def _design_matrix(design: Any, n: int) -> tuple[Float2D, tuple[str, ...]]:
    if design is None:
        return np.ones((n, 1)), ("mean",)
    if is_frame(design):
        names = tuple(str(name) for name in column_names(design))
        matrix = check_matrix(to_pandas(design).to_numpy(), "design")
    else:
        matrix = check_matrix(design, "design")
        names = tuple(f"x{j}" for j in range(matrix.shape[1]))
    if len(matrix) != n:
        raise ValueError(f"design has {len(matrix)} rows, but there are {n} units.")
    return matrix, names
