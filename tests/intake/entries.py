"""Every public entry as a function of one column that a caller hands over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression

from tests.intake.kinds import HUGE, MISSING, NO_COLUMN, QUARTERS, SHARES, WHOLE, WORDS, N

PARTNER = QUARTERS + np.random.default_rng(4).normal(size=N)
THIRD = np.roll(PARTNER, 1)
STRANGERS = np.random.default_rng(11).normal(size=(N, 1))
HALF = np.where(np.arange(N) % 2 == 0, np.roll(QUARTERS, 7), np.nan)
POSITIVE = np.abs(QUARTERS) + 0.25
COUNTS = 1 + np.arange(N) % 4
GROUPS = np.repeat(np.arange(N // 4), 4)
RIGHT = (PARTNER > 0).astype(float)


@dataclass(frozen=True)
class Entry:
    """A public entry, what its errors must name, numbers that it can take, and kinds that mean something there."""

    call: Callable[[Any], Any]
    names: str
    numbers: np.ndarray | None = None
    wholes: np.ndarray | None = None
    takes: frozenset[str] = frozenset()
    column: bool = False
    """Whether the values travel as a column of a data frame."""


ENTRIES: dict[str, Entry] = {}
CATEGORY_ENTRIES: dict[str, Entry] = {}


def entry(
    title: str,
    names: str,
    numbers: np.ndarray | None = QUARTERS,
    wholes: np.ndarray | None = WHOLE,
    takes: Any = (),
    column: bool = False,
) -> Any:
    """Register a function of numbers."""

    def register(call: Callable[[Any], Any]) -> Callable[[Any], Any]:
        allowed = frozenset(takes) | (NO_COLUMN if column else frozenset())
        ENTRIES[title] = Entry(call, names, numbers, wholes, allowed, column)
        return call

    return register


def categories(title: str, names: str, takes: Any = (), column: bool = False) -> Any:
    """Register a function of categories."""

    def register(call: Callable[[Any], Any]) -> Callable[[Any], Any]:
        allowed = frozenset(takes) | (NO_COLUMN if column else frozenset())
        CATEGORY_ENTRIES[title] = Entry(call, names, takes=allowed, column=column)
        return call

    return register


# --- batch ------------------------------------------------------------------------------------------------


@cache
def regressor() -> Any:
    return FrozenEstimator(LinearRegression().fit(PARTNER[:, None], PARTNER))


def median(learner: Any = None) -> Any:
    from validstats import BatchPredictor, BatchQuantile

    return BatchPredictor(
        regressor() if learner is None else learner,
        BatchQuantile(0.5),
        conformity_score="signed",
        confidence_level=0.8,
        check_reuse=False,
        random_state=0,
    )


@cache
def calibrated(target: str) -> Any:
    from validstats import BatchPredictor, Selection, Simultaneous

    asked = {"sets": Simultaneous(miss=0.2), "selection": Selection(above=0, max_false=5)}[target]
    model = BatchPredictor(regressor(), asked, confidence_level=0.8, check_reuse=False, random_state=0)
    return model.calibrate(PARTNER[:, None], QUARTERS).infer(PARTNER[:, None])


@cache
def known() -> Any:
    return median().calibrate(PARTNER[:, None], QUARTERS)


@entry("BatchPredictor.fit y", "y")
def _(values):
    return median(LinearRegression()).fit(PARTNER[:, None], values).infer(PARTNER[:40, None]).conf_high


@entry("BatchPredictor.calibrate y", "y")
def _(values):
    return median().calibrate(PARTNER[:, None], values).infer(PARTNER[:40, None]).conf_high


@entry("BatchPredictor.calibrate weights", "weights", SHARES, COUNTS, ["nothing"])
def _(values):
    return median().calibrate(PARTNER[:, None], QUARTERS, weights=values, w_max=4.0).calibration_.scores


@entry("BatchPredictor.calibrate reference", "reference", takes=["nothing", "one row fewer"])
def _(values):
    return median().calibrate(PARTNER[:, None], QUARTERS, reference=values).calibration_.reference


@entry("BatchPredictor.update y", "y")
def _(values):
    model = median().calibrate(PARTNER[:, None], QUARTERS)
    return model.update(PARTNER[:, None], values).infer(PARTNER[:40, None]).conf_high


@entry("BatchPredictor.conformity_scores y", "y")
def _(values):
    return known().conformity_scores(PARTNER[:, None], values)


@entry("BatchPredictor.score y", "y")
def _(values):
    return known().score(PARTNER[:, None], values)


@entry("BatchPredictor.score sample_weight", "sample_weight", POSITIVE, COUNTS, ["nothing"])
def _(values):
    return known().score(PARTNER[:, None], QUARTERS, sample_weight=values)


@entry("BatchPredictor(None).calibrate predictions", "predictions|X|y")
def _(values):
    return median_of_predictions().calibrate(values, PARTNER).infer(PARTNER[:40]).conf_high


@entry("BatchPredictor(None).infer predictions", "predictions|X", takes=["one row fewer"])
def _(values):
    return median_of_predictions().calibrate(PARTNER, QUARTERS).infer(values).conf_high


def median_of_predictions() -> Any:
    from validstats import BatchPredictor, BatchQuantile

    return BatchPredictor(None, BatchQuantile(0.5), confidence_level=0.8, random_state=0)


@entry("BatchSets.contains y", "y")
def _(values):
    return calibrated("sets").contains(values)


@entry("BatchSelection.false_claims y", "y")
def _(values):
    return calibrated("selection").false_claims(values)


@entry("BatchIntervals.by_batch truth", "truth", takes=["nothing"])
def _(values):
    return by_batch().by_batch(values, "truth")


@cache
def by_batch() -> Any:
    return known().infer(np.tile(PARTNER[:, None], (2, 1)), batches=np.repeat(np.arange(N), 2))


@entry("within_batch_test residuals", "residuals", takes=["infinite", "one row fewer"])
def _(values):
    from validstats.batch import within_batch_test

    groups = GROUPS[1:] if isinstance(values, np.ndarray) and len(values) == N - 1 else GROUPS
    return within_batch_test(values, groups, n_permutations=19, random_state=0).p_value


@entry("unit_order_test unit_scores", "unit_scores", takes=["one row fewer"])
def _(values):
    from validstats.batch import unit_order_test

    return unit_order_test(values, n_permutations=19, random_state=0).p_value


@entry("covariate_test batch", "batch", takes=["one row fewer"])
def _(values):
    from validstats.batch import covariate_test

    return covariate_test(PARTNER, values, n_permutations=9, random_state=0).statistic


@entry("weight_test weights", "weights", POSITIVE, COUNTS)
def _(values):
    from validstats.batch import weight_test

    return weight_test(PARTNER[:, None], values, PARTNER[:, None]).p_value


@entry("weight_test batch", "batch", takes=["one row fewer"])
def _(values):
    from validstats.batch import weight_test

    return weight_test(PARTNER, POSITIVE, values).p_value


@entry("covariate_test calibration", "calibration", takes=["one row fewer"])
def _(values):
    from validstats.batch import covariate_test

    return covariate_test(values, PARTNER, n_permutations=9, random_state=0).statistic


@entry("BatchSelection.false_if_claimed y", "y")
def _(values):
    return calibrated("selection").false_if_claimed(values)


@entry("BatchSelection.plot y", "y", takes=["nothing"])
def _(values):
    from validstats.plotting import SelectionDisplay

    return SelectionDisplay.from_result(calibrated("selection"), y=values).false


@entry("weight_test calibration", "calibration|weights")
def _(values):
    from validstats.batch import weight_test

    return weight_test(values, POSITIVE, PARTNER).p_value


@entry("conformal_martingale scores", "scores", takes=["infinite", "one row fewer"])
def _(values):
    from validstats.batch import conformal_martingale

    return conformal_martingale(values, random_state=0).values


# --- holdout ----------------------------------------------------------------------------------------------


def numeric_holdout(y: Any = QUARTERS) -> Any:
    from validstats.holdout import Ledger, ReusableHoldout, squared_error

    ledger = Ledger.in_memory(secret=b"values")  # of a simulation: each call has a budget of its own
    asked = ReusableHoldout(queries=5, metric=squared_error(bound=64.0), ledger=ledger, random_state=0)
    return asked.fit(PARTNER[:, None], QUARTERS).calibrate(PARTNER[:, None], y, check_reuse=False)


@entry("ReusableHoldout.fit y", "y", takes=HUGE)
def _(values):
    from validstats import ReusableHoldout

    return ReusableHoldout(queries=5, random_state=0).fit(PARTNER[:, None], values).training_.y


@entry("ReusableHoldout.calibrate y", "y", takes=HUGE)
def _(values):
    return np.sort(numeric_holdout(values).desk_.parts.reusable.y.astype(float))


@entry("ReusableHoldout.infer target", "target", takes=["functions", "nothing"])
def _(values):
    return numeric_holdout().infer(values, guess=1.0).value


@entry("ReusableHoldout.extend y", "y", takes=HUGE)
def _(values):
    from validstats.holdout import Ledger, ReusableHoldout, squared_error

    ledger = Ledger.in_memory(secret=b"values")
    asked = ReusableHoldout(queries=5, metric=squared_error(bound=64.0), ledger=ledger, random_state=0)
    asked.calibrate(STRANGERS, PARTNER).extend(PARTNER[:, None], values)
    return np.sort(asked.desk_.parts.reusable.y.astype(float))


@entry("e_lond e_values", "e_values", POSITIVE, COUNTS, ["one row fewer", "infinite"])
def _(values):
    from validstats.holdout import e_lond

    return e_lond(values, 0.1).rejected


@entry("betting_e_value values", "values", SHARES, None, ["one row fewer"])
def _(values):
    from validstats.holdout import betting_e_value

    return betting_e_value(values, 0.5)


@entry("e_bh e_values", "e_values", POSITIVE, COUNTS, ["one row fewer", "infinite"])
def _(values):
    from validstats.holdout import e_bh

    return e_bh(values, 0.1)


@entry("audit_looks scores", "scores", SHARES, None, ["one row fewer", "nothing"])
def _(values):
    from validstats.holdout import audit_looks

    return audit_looks(1000, 1.0, looks=N, scores=values).conf_low


# --- dsl --------------------------------------------------------------------------------------------------


def units(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"machine": PARTNER, "x": THIRD}).assign(**columns)


def study(data: pd.DataFrame | None = None, surrogate: str = "machine") -> Any:
    from validstats import DesignSupervised

    model = DesignSupervised(LinearRegression(), n_folds=2, n_repeats=1, random_state=0)
    return model.fit(units() if data is None else data, surrogate=surrogate)


@cache
def labelled_study() -> Any:
    return study().calibrate({"y": HALF}, sampling_probability=0.5)


@entry("DesignSupervised.calibrate labels", "labels|y", takes=MISSING)
def _(values):
    return study().calibrate({"y": values}, sampling_probability=1.0).infer("y ~ x").params


@entry(
    "DesignSupervised.calibrate probability", "sampling_probability", SHARES, None, ["nothing", "a scalar"]
)
def _(values):
    return study().calibrate({"y": QUARTERS}, sampling_probability=values).infer("y ~ x").params


@entry("DesignSupervised.fit covariate", "q", column=True)
def _(values):
    return study(units(q=values)).calibrate({"y": HALF}, sampling_probability=0.5).infer("y ~ q").params


@entry("DesignSupervised.fit surrogate", "q", column=True)
def _(values):
    model = study(units(q=values), "q").calibrate({"y": HALF}, sampling_probability=0.5)
    return model.infer("y ~ x").params


@entry("DesignSupervised.infer weights", "weights", POSITIVE, COUNTS, ["nothing"])
def _(values):
    return labelled_study().infer("y ~ x", weights=values).params


@entry("DesignSupervised.infer offset", "offset", SHARES, COUNTS, ["nothing"])
def _(values):
    counts = study().calibrate({"y": np.abs(np.round(HALF))}, sampling_probability=0.5)
    return counts.infer("y ~ x", model="poisson", offset=values).params


@entry("DesignSupervised.infer cross_fitted", "cross_fitted", takes=["nothing"])
def _(values):
    return labelled_study().infer("y ~ x", cross_fitted=values).params


@entry("stream_regression covariate", "q", column=True)
def _(values):
    return streamed(units(q=values, y=HALF), "y", "q")


@entry("stream_regression label", "q", takes=MISSING, column=True)
def _(values):
    return streamed(units(q=values), "q", "x", probability=1.0)


def streamed(data: pd.DataFrame, label: str, covariate: str, probability: float = 0.5) -> Any:
    from tests.dsl.streams import streamed as stream

    return stream(
        data,
        label=label,
        covariates=[covariate],
        predictions="machine",
        learner=LinearRegression(),
        sampling_probability=probability,
        n_folds=2,
        n_repeats=1,
        random_state=0,
    ).params


@cache
def coefficients() -> Any:
    return labelled_study().infer("y ~ x")


@entry("forecast_gain pilot", "pilot", RIGHT, RIGHT.astype(int), ["nothing"])
def _(values):
    from validstats.dsl import forecast_gain

    return forecast_gain(1000, 100, pilot=(values, np.roll(RIGHT, 1))).ratio


@entry("design_sampling uncertainty", "uncertainty", POSITIVE, COUNTS, ["nothing"])
def _(values):
    from validstats.dsl import design_sampling

    return design_sampling(N, 40, uncertainty=values, random_state=0).sampling_probability


# --- mi ---------------------------------------------------------------------------------------------------


@entry("mutual_info x", "x")
def _(values):
    from validstats import mutual_info

    return mutual_info(values, PARTNER, method="ksg", certify=False).estimate


@entry("mutual_info y", "y")
def _(values):
    from validstats import mutual_info

    return mutual_info(PARTNER, values, method="ksg", certify=False).estimate


@entry("independence_test x", "x")
def _(values):
    from validstats import independence_test

    return independence_test(values, PARTNER, statistic="ksg", n_permutations=9, random_state=0).p_value


@entry("conditional_mutual_info x", "x")
def _(values):
    from validstats.mi import conditional_mutual_info

    return conditional_mutual_info(values, PARTNER, THIRD).estimate


@entry("conditional_mutual_info z", "z")
def _(values):
    from validstats.mi import conditional_mutual_info

    return conditional_mutual_info(THIRD, PARTNER, values).estimate


@entry("conditional_independence_test z", "z", wholes=None)
def _(values):
    from validstats.mi import conditional_independence_test

    return conditional_independence_test(THIRD, PARTNER, values, random_state=0).p_value


@entry("distance_correlation x", "x")
def _(values):
    from validstats.mi import distance_correlation

    return distance_correlation(values, PARTNER)


@entry("mutual_info_matrix column", "q", column=True)
def _(values):
    from validstats import mutual_info_matrix

    return mutual_info_matrix(units(q=values)[["q", "x"]], method="ksg").estimate


@entry("MISelector.fit X", "q", column=True)
def _(values):
    from validstats import MISelector

    return MISelector("ksg", k=1).fit(units(q=values)[["q", "x"]], PARTNER).scores_


@entry("MISelector.fit y", "y")
def _(values):
    from validstats import MISelector

    return MISelector("ksg", k=1).fit(np.c_[PARTNER, THIRD], values).scores_


@entry("LearnedMI.predict x", "x")
def _(values):
    return network().predict(values, PARTNER)


@entry("LearnedMI.predict y", "y", takes=["nothing"])
def _(values):
    return network().predict(PARTNER, values)


@entry("LearnedMI.infer x", "x")
def _(values):
    return network().infer(values, PARTNER, certify=False).estimate


@entry("LearnedMI.infer y", "y")
def _(values):
    return network().infer(PARTNER, values, certify=False).estimate


@entry("independence_test y", "y")
def _(values):
    from validstats import independence_test

    return independence_test(PARTNER, values, statistic="ksg", n_permutations=9, random_state=0).p_value


@entry("conditional_mutual_info y", "y")
def _(values):
    from validstats.mi import conditional_mutual_info

    return conditional_mutual_info(PARTNER, values, THIRD).estimate


@entry("conditional_independence_test x", "x", wholes=None)
def _(values):
    from validstats.mi import conditional_independence_test

    return conditional_independence_test(values, PARTNER, THIRD, random_state=0).p_value


@entry("conditional_independence_test y", "y", wholes=None)
def _(values):
    from validstats.mi import conditional_independence_test

    return conditional_independence_test(PARTNER, values, THIRD, random_state=0).p_value


@entry("distance_correlation y", "y")
def _(values):
    from validstats.mi import distance_correlation

    return distance_correlation(PARTNER, values)


@cache
def network() -> Any:
    from validstats import LearnedMI

    return LearnedMI()


# --- evals ------------------------------------------------------------------------------------------------


def scored(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"item": np.arange(N), "system": "m"}).assign(**columns)


@entry("evals.evaluate score", "score", column=True)
def _(values):
    from validstats import evals

    return evals.evaluate(scored(score=values), score="score").estimate


@entry("evals.evaluate human", "human", takes=MISSING, column=True)
def _(values):
    from validstats import evals

    return evals.read(scored(judge=PARTNER, human=values), human="human").values("human")


@entry("evals.evaluate agreement", "human", takes=MISSING, column=True)
def _(values):
    from validstats import evals

    return evals.evaluate(scored(judge=PARTNER, human=values), judge="judge", random_state=0).judge.estimate


@entry(
    "evals.evaluate sampling_probability", "sampling_probability", SHARES / 2, None, ["nothing", "a scalar"]
)
def _(values):
    from validstats import evals

    data = scored(judge=PARTNER, human=HALF)
    return evals.evaluate(data, judge="judge", sampling_probability=values, random_state=0).estimate


@entry("evals.compare weights", "weights", POSITIVE, COUNTS, ["nothing", "a scalar"])
def _(values):
    from validstats import evals

    both = pd.DataFrame({"item": np.arange(N), "score_a": PARTNER, "score_b": THIRD})
    return evals.compare(both, a="a", b="b", weights=values).estimate


@entry("evals.rank score", "score", column=True)
def _(values):
    from validstats import evals

    both = pd.concat([scored(score=values).assign(system="n"), scored(score=objects_of(PARTNER))])
    return evals.rank(both, score="score", random_state=0).estimate


@entry("evals.pass_at_k passed", "passed", RIGHT, RIGHT.astype(int), column=True)
def _(values):
    from validstats import evals

    data = pd.DataFrame({"problem": GROUPS}).assign(passed=values)
    return evals.pass_at_k(data, problem="problem", passed="passed", k=2).estimate


@entry("evals.pass_at_k human", "human", RIGHT, RIGHT.astype(int), takes=MISSING, column=True)
def _(values):
    from validstats import evals

    data = pd.DataFrame({"problem": GROUPS, "passed": RIGHT}).assign(human=values)
    return evals.pass_at_k(data, problem="problem", passed="passed", human="human", k=2).estimate


@entry("evals.plan human", "human", 1 - RIGHT, 1 - RIGHT.astype(int), takes=MISSING, column=True)
def _(values):
    from validstats import evals

    data = scored(judge=np.where(np.arange(N) % 3 == 0, RIGHT, 1 - RIGHT), human=values)
    return evals.plan(data, judge="judge", human="human", width=0.3).to_dict()["terms"][0]["width"]


@entry("evals.evaluate weights", "weights", POSITIVE, COUNTS, ["nothing", "a scalar"])
def _(values):
    from validstats import evals

    return evals.evaluate(scored(score=PARTNER), score="score", weights=values).estimate


@entry("evals.compare score", "score", column=True)
def _(values):
    from validstats import evals

    both = pd.concat([scored(score=values).assign(system="n"), scored(score=objects_of(PARTNER))])
    return evals.compare(both, score="score", a="m", b="n").estimate


def objects_of(values: np.ndarray) -> Any:
    return pd.Series(values.tolist(), dtype=object)


@entry("evals.release scores_checked", "scores_checked")
def _(values):
    from validstats import evals

    return evals.release(values, RIGHT, PARTNER, max_false=20).selected


@entry("evals.release right_checked", "right_checked", RIGHT, RIGHT.astype(int))
def _(values):
    from validstats import evals

    return evals.release(PARTNER, values, PARTNER, max_false=20).selected


@entry("evals.release scores_new", "scores_new", takes=["one row fewer"])
def _(values):
    from validstats import evals

    return evals.release(PARTNER, RIGHT, values, max_false=20).selected


# --- categories -------------------------------------------------------------------------------------------

_GROUPS = HUGE | {"datetime64", "date", "datetime", "time zone", "timedelta64", "timedelta", "polars date"}
"""Kinds that name groups as well as text does."""


@categories("BatchPredictor.calibrate strata", "strata", takes=["nothing"])
def _(values):
    parts = median().calibrate(PARTNER[:, None], QUARTERS, strata=values).calibration_.by_stratum
    return [part.scores.sum() for part in parts.values()]


@categories("BatchPredictor.infer batches", "batches", takes=["nothing"])
def _(values):
    return np.concatenate(known().infer(PARTNER[:, None], batches=values).rows)


@categories("BatchPredictor.fit y", "y")
def _(values):
    from validstats import BatchPredictor, BatchShares

    model = BatchPredictor(LogisticRegression(), BatchShares(), confidence_level=0.5, random_state=0)
    return model.fit(PARTNER[:, None], values).infer(PARTNER[:10, None]).conf_high


@categories("ReusableHoldout.fit and calibrate y", "y")
def _(values):
    from validstats.holdout import Ledger, ReusableHoldout

    asked = ReusableHoldout(queries=5, ledger=Ledger.in_memory(secret=b"values"), random_state=0).fit(
        PARTNER[:, None], values
    )
    asked.calibrate(PARTNER[:, None], values, check_reuse=False)
    return asked.infer(LogisticRegression()).value


@categories("ReusableHoldout.calibrate clusters", "clusters", takes=["nothing"])
def _(values):
    from validstats.holdout import Ledger, ReusableHoldout

    asked = ReusableHoldout(queries=5, ledger=Ledger.in_memory(secret=b"values"), random_state=0).fit(
        PARTNER[:, None], RIGHT
    )
    return asked.calibrate(PARTNER[:, None], RIGHT, clusters=values, check_reuse=False).calibration_.n_units


@categories("DesignSupervised.calibrate strata", "strata", takes=["nothing"])
def _(values):
    return study().calibrate({"y": HALF}, strata=values).infer("y ~ x").std_error


@categories("DesignSupervised.infer clusters", "clusters", takes=["nothing"])
def _(values):
    return labelled_study().infer("y ~ x", clusters=values).std_error


@categories("DesignSupervised.fit covariate", "q", column=True)
def _(values):
    model = study(units(q=values)).calibrate({"y": HALF}, sampling_probability=0.5)
    return np.sort(model.infer("y ~ q - 1").params)


@categories("DesignSupervised.calibrate labels", "y|labels", takes=MISSING)
def _(values):
    model = study().calibrate({"y": values}, sampling_probability=1.0)
    return model.infer("y", model="shares").params


@categories("mutual_info x", "x")
def _(values):
    from validstats import mutual_info

    return mutual_info(values, PARTNER, method="ksg", certify=False).estimate


@categories("mutual_info y", "y")
def _(values):
    from validstats import mutual_info

    return mutual_info(WORDS, values, method="ksg", certify=False).estimate


@categories("independence_test strata", "strata", takes=["nothing"])
def _(values):
    from validstats import independence_test

    return independence_test(
        THIRD, PARTNER, statistic="ksg", strata=values, n_permutations=9, random_state=0
    ).p_value


@categories("MISelector.fit X", "q", column=True)
def _(values):
    from validstats import MISelector

    return MISelector("ksg", k=1).fit(units(q=values)[["q", "x"]], PARTNER).scores_


@categories("mutual_info_matrix column", "q", column=True)
def _(values):
    from validstats import mutual_info_matrix

    return mutual_info_matrix(units(q=values)[["q", "x"]], method="ksg").estimate


@categories("evals.evaluate clusters", "clusters", takes=["nothing"])
def _(values):
    from validstats import evals

    return evals.evaluate(scored(score=PARTNER), score="score", clusters=values).conf_high


@categories("evals.evaluate strata", "strata", takes=["nothing"])
def _(values):
    from validstats import evals

    data = scored(judge=PARTNER, human=HALF)
    return evals.evaluate(data, judge="judge", strata=values, random_state=0).estimate


@categories("within_batch_test batches", "batches")
def _(values):
    from validstats.batch import within_batch_test

    return within_batch_test(PARTNER, values, n_permutations=9, random_state=0).p_value


@categories("BatchPredictor.infer strata", "strata", takes=["nothing"])
def _(values):
    model = median().calibrate(PARTNER[:, None], QUARTERS, strata=WORDS)
    return model.infer(PARTNER[:, None], strata=values).conf_high


@categories("BatchPredictor.calibrate batches", "batches", takes=["nothing"])
def _(values):
    return np.concatenate(
        median().calibrate(PARTNER[:, None], QUARTERS, batches=values).calibration_.by_batch
    )


@categories("ReusableHoldout.extend y", "y")
def _(values):
    from validstats.holdout import Ledger, ReusableHoldout

    asked = ReusableHoldout(queries=5, ledger=Ledger.in_memory(secret=b"values"), random_state=0)
    asked.calibrate(STRANGERS, WORDS).extend(PARTNER[:, None], values)
    return np.unique(asked.desk_.parts.reusable.y, return_counts=True)[1]


@categories("HoldoutSearchCV.fit y", "y")
def _(values):
    from validstats.holdout import HoldoutSearchCV, Ledger, ReusableHoldout

    asked = ReusableHoldout(queries=5, ledger=Ledger.in_memory(secret=b"values"), random_state=0)
    asked.fit(PARTNER[:, None], WORDS).calibrate(STRANGERS, WORDS, check_reuse=False)
    return (
        HoldoutSearchCV(LogisticRegression(), {"C": [1.0]}, asked).fit(PARTNER[:, None], values).best_score_
    )


@categories("SelectFromHoldout.fit y", "y")
def _(values):
    from validstats.holdout import Ledger, ReusableHoldout, SelectFromHoldout

    asked = ReusableHoldout(queries=5, ledger=Ledger.in_memory(secret=b"values"), random_state=0)
    asked.fit(PARTNER[:, None], WORDS).calibrate(STRANGERS, WORDS, check_reuse=False)
    return SelectFromHoldout(LogisticRegression(), asked).fit(PARTNER[:, None], values).support_


@categories("design_sampling strata", "strata", takes=["nothing"])
def _(values):
    from validstats.dsl import design_sampling

    return design_sampling(N, 40, method="stratified", strata=values, random_state=0).sampling_probability


@categories("DesignSupervised.calibrate clusters", "clusters", takes=["nothing"])
def _(values):
    model = study().calibrate({"y": HALF}, sampling_probability=0.5, clusters=values)
    return model.infer("y ~ x").std_error


@categories("CoefficientResult.recluster clusters", "clusters", takes=["nothing"])
def _(values):
    return coefficients().recluster(values).std_error


@categories("CoefficientResult.bootstrap clusters", "clusters", takes=["nothing"])
def _(values):
    return coefficients().bootstrap(3, clusters=values, random_state=0)


@categories("joint_covariance clusters", "clusters", takes=["nothing"])
def _(values):
    from validstats.dsl import joint_covariance

    return joint_covariance([coefficients(), coefficients()], clusters=None if values is None else [values])


@categories("evals.compare clusters", "clusters", takes=["nothing"])
def _(values):
    from validstats import evals

    both = pd.DataFrame({"item": np.arange(N), "score_a": PARTNER, "score_b": THIRD})
    return evals.compare(both, a="a", b="b", clusters=values).conf_high


@categories("evals.evaluate by", "kind|by", takes=MISSING, column=True)
def _(values):
    from validstats import evals

    return np.sort(
        evals.evaluate(scored(score=PARTNER, kind=values), score="score", by="kind").tidy()["estimate"]
    )
