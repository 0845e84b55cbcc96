"""``plan``: how many labels, items or comparisons a question needs, before anything is labelled."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import stats

from validstats._typing import Float1D
from validstats.evals.inputs import EvalInput, load, of_one_system
from validstats.evals.readers import EvalFileError, EvalTable, check_names, read
from validstats.evals.results import EvalResult, Inputs, inputs_of_data
from validstats.evals.sentences import needed, percent, points, say
from validstats.evals.statistics import (
    allocation,
    items_for_difference,
    labels_for_width,
    mcnemar_items,
    mcnemar_power,
    share_std_error,
)
from validstats.guarantee import Guarantee
from validstats.intake import check_confidence_level, check_in_range
from validstats.results import NotApplicable, Report, Table

__all__ = ["EvalPlan", "plan"]

_WORTH = 0.15
"""Forecast saving of labels below which all answers get the same probability."""

_SENSITIVITY, _SPECIFICITY = 0.9, 0.8
"""Assumed judge where there are no labels yet."""


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class EvalPlan(EvalResult):
    """How much a question needs.

    Attributes
    ----------
    estimate : float
        Labels or items that are needed; infinite where no number is enough.
    humans_alone : float
        Labels that humans without a judge would need; NaN for differences.
    verdicts : tuple of str
        Verdicts of the judge.
    share, rate, allocation : ndarray of shape (n_verdicts,)
        Share of the answers, rate of good ones, and share of the labels of each verdict.
    curve : mapping of str to ndarray
        ``n`` and ``width`` or ``power`` at other numbers.
    """

    verb = "plan"

    estimate: float
    humans_alone: float = math.nan
    verdicts: tuple[str, ...] = ()
    share: Float1D = field(default_factory=lambda: np.zeros(0))
    rate: Float1D = field(default_factory=lambda: np.zeros(0))
    allocation: Float1D = field(default_factory=lambda: np.zeros(0))
    curve: Mapping[str, Float1D] = field(default_factory=dict)

    @property
    def conf_low(self) -> NotApplicable:
        """A plan has no interval."""
        return NotApplicable("a plan is a forecast")

    @property
    def conf_high(self) -> NotApplicable:
        """A plan has no interval."""
        return NotApplicable("a plan is a forecast")

    @property
    def naive(self) -> Any:
        """Labels that humans alone would need."""
        if math.isfinite(self.humans_alone):
            return self.humans_alone
        return NotApplicable("there is no judge in this plan")

    @property
    def informative(self) -> bool:
        """Whether a finite number is enough."""
        return math.isfinite(self.estimate)

    def _tidy_columns(self) -> Mapping[str, Any]:
        name = "width" if "width" in self.curve else "power"
        terms = [f"n = {int(n)}" for n in self.curve["n"]]
        return {"term": terms, "n": self.curve["n"], name: self.curve[name]}

    def _glance_columns(self) -> Mapping[str, Any]:
        return {
            "needed": self.estimate if math.isfinite(self.estimate) else None,
            "humans_alone": self.humans_alone,
            "confidence_level": self.confidence_level,
            "code": self.verdict.code,
        }

    def _report(self) -> Report:
        tables = []
        if self.verdicts:
            verdicts: dict[str, Any] = {
                "Verdict": list(self.verdicts),
                "Share": self.share,
                "Rate": self.rate,
            }
            shares: dict[str, Any] = dict.fromkeys(("Share", "Rate", "Labels"), "percent")
            tables.append(Table(verdicts | {"Labels": self.allocation}, formats=shares))
        columns = dict(self._tidy_columns())
        columns.pop("term")
        tables.append(
            Table(
                {
                    "Number": [f"{int(n):,}" for n in columns.pop("n")],
                    **{k.capitalize(): v for k, v in columns.items()},
                }
            )
        )
        return Report("Plan of an evaluation", tables=tables, guarantees=[self.guarantee])

    def _display(self, labels: Mapping[str, str] | None, drop: Collection[str]) -> Any:
        """Draw the forecast over the number of labels or items."""
        from validstats.plotting.evaluations import PlanDisplay

        return PlanDisplay.from_result(self)


def plan(
    data: Any = None,
    *,
    width: float | None = None,
    difference: float | None = None,
    discordance: float | None = None,
    standard_deviation: float | None = None,
    n_systems: int = 2,
    power: float = 0.8,
    system: str | None = None,
    score: str | None = None,
    judge: str | None = None,
    human: str | None = None,
    filter: str | None = None,
    sensitivity: float | None = None,
    specificity: float | None = None,
    confidence_level: float = 0.95,
) -> EvalPlan:
    """Plan an evaluation before labelling.

    Parameters
    ----------
    data : as for :func:`validstats.evals.read`, or None, default None
        Judged answers, for ``width``. Human labels that are there already serve as a pilot.
    width : float or None, default None
        Whole width of the interval of a pass rate that is wanted.
    difference : float or None, default None
        Difference of two systems that should be found.
    discordance : float or None, default None
        Share of items on which two systems differ, for pass rates; the exact test is planned.
    standard_deviation : float or None, default None
        Standard deviation of differences by item, for scores.
    n_systems : int, default 2
        Systems of a ranking; all pairs are then allowed for (Bonferroni).
    power : float, default 0.8
        Probability with which the difference is found.
    system : str or None, default None
        Which system, where the data hold several.
    score, judge, human : str or None, default None
        Columns of the judge and of human labels.
    filter : str or None, default None
        Of a log with several filters, the one to use.
    sensitivity, specificity : float or None, default None
        Assumed shares of good answers that the judge passes, and of bad ones that it fails, where there is no pilot;
        None is .9 and .8.
    confidence_level : float, default 0.95
        Level of the interval or test.

    Returns
    -------
    EvalPlan
        The number, and a curve around it.

    Raises
    ------
    ValueError
        If the options do not describe one question.

    Examples
    --------
    >>> from validstats import evals
    >>> print(evals.plan(difference=0.02, discordance=0.1).answer)
    About 2,100 items find a difference of 2 points with 80 % probability
    """
    level = float(check_confidence_level(confidence_level))
    check_in_range(power, "power", 0.0, 1.0, low_open=True, high_open=True)
    if (width is None) == (difference is None):
        raise ValueError(
            "Give either width (of an interval) or difference (of two systems), not both or neither."
        )
    if difference is not None:
        return _plan_difference(difference, discordance, standard_deviation, n_systems, power, level)
    assert width is not None
    check_in_range(width, "width", 0.0, 1.0, low_open=True, high_open=True)
    if data is None:
        raise ValueError("width= needs the judged answers: pass data.")
    check_names(system=system, score=score)
    judge = score if judge is None else judge
    inputs = _judged_answers(read(data, judge=judge, human=human, filter=filter), system, judge)
    return _plan_width(inputs, width, sensitivity, specificity, level)


def _plan_difference(
    difference: float,
    discordance: float | None,
    standard_deviation: float | None,
    n_systems: int,
    power: float,
    level: float,
) -> EvalPlan:
    if (discordance is None) == (standard_deviation is None):
        raise ValueError(
            "Give either discordance (pass rates) or standard_deviation (scores of differences by item)."
        )
    if not isinstance(n_systems, int) or n_systems < 2:  # type: ignore[redundant-expr]
        raise ValueError(f"n_systems must be a whole number of at least 2, got {n_systems!r}.")
    pairs = n_systems * (n_systems - 1) // 2
    joint = 1.0 - (1.0 - level) / pairs
    if discordance is not None:
        n = mcnemar_items(difference, discordance, joint, power)
        p10, p01 = (discordance + abs(difference)) / 2, (discordance - abs(difference)) / 2
        grid = np.unique(np.linspace(max(n // 4, 2), 2 * n, 12).astype(int))
        curve = np.array([mcnemar_power(int(m), p10, p01, 1.0 - joint) for m in grid])
        detail = "The power is that of the exact McNemar test; from this number on it stays above, which smaller ones need not"
    else:
        assert standard_deviation is not None
        check_in_range(standard_deviation, "standard_deviation", 0.0, low_open=True)
        n = items_for_difference(difference, standard_deviation, joint, power)
        grid = np.unique(np.linspace(max(n // 4, 2), 2 * n, 12).astype(int))
        shift = abs(difference) * np.sqrt(grid) / standard_deviation
        curve = stats.norm.sf(stats.norm.isf((1.0 - joint) / 2.0) - shift)
        detail = "n = (z + z_power)^2 sd^2 / difference^2"
    verdict = say(
        "plan_items",
        n=needed(n),
        difference=points(abs(difference), None, discordance is not None),
        power=percent(power, 0),
    )
    return EvalPlan(
        guarantee=_guarantee(
            n, level, ("items differ as you assume", "units do not depend on each other"), detail
        ),
        verdict=verdict,
        inputs=Inputs((), {}, 0, (), 0),
        options={"confidence_level": level, "difference": difference, "power": power, "n_systems": n_systems},
        estimate=float(n),
        curve={"n": grid.astype(float), "power": curve},
    )


def _plan_width(
    inputs: EvalInput,
    width: float,
    sensitivity: float | None,
    specificity: float | None,
    level: float,
) -> EvalPlan:
    verdicts, names = inputs.verdict_classes()
    share = np.bincount(verdicts) / len(verdicts)
    labelled = inputs.labelled
    if labelled.sum() >= 10:
        assert inputs.human is not None
        if not inputs.in_unit_range:
            raise EvalFileError("A plan of a width needs human scores in [0, 1].")
        known = verdicts[labelled]
        m = np.bincount(known, minlength=len(names))
        right = np.bincount(known, inputs.human[labelled], len(names))
        # One pseudo-label of each kind: a verdict without a surprise is not known to have none.
        rate = (right + 1.0) / (m + 2.0)
        source = f"the {int(labelled.sum())} labels there are"
    else:
        rate = _assumed_rates(share, names, sensitivity, specificity)
        source = "the assumed sensitivity and specificity"
    n_items = float(len(verdicts))
    ideal = allocation(share, rate)
    n_equal = labels_for_width(width, share, rate, n_items, level, share)
    n_ideal = labels_for_width(width, share, rate, n_items, level, ideal)
    saves = n_equal is not None and n_ideal is not None and n_ideal < (1.0 - _WORTH) * n_equal
    given, n = (ideal, n_ideal) if saves else (share, n_equal)
    mean = float(np.sum(share * rate))
    z = float(stats.norm.isf((1.0 - level) / 2.0))
    alone = (2 * z / width) ** 2 * mean * (1.0 - mean)
    if n is None or n > n_items:
        verdict = say("plan_impossible", width=points(width), items=f"{int(n_items):,}")
        estimate = math.inf
    else:
        verdict = say("plan_labels", n=needed(n), width=points(width), alone=needed(alone))
        estimate = float(n)
    top = n_items if n is None else min(2.0 * n, n_items)
    grid = np.unique(np.linspace(max(top / 20, 5), top, 12).astype(int))
    curve = np.array([2 * z * share_std_error(share, rate, m * given, n_items) for m in grid])
    return EvalPlan(
        guarantee=_guarantee(
            len(verdicts),
            level,
            (f"rates by verdict are those of {source}", "labels will be drawn at random within each verdict"),
            "se^2 = sum W^2 r(1 - r)/m + Var(r)/N; the interval of the evaluation itself is somewhat wider at few labels",
        ),
        verdict=verdict,
        inputs=inputs_of_data(inputs),
        options={"confidence_level": level, "width": width},
        estimate=estimate,
        humans_alone=float(math.ceil(alone)),
        verdicts=tuple(names),
        share=share,
        rate=rate,
        allocation=given,
        curve={"n": grid.astype(float), "width": curve},
    )


def _judged_answers(table: EvalTable, system: str | None, judge: str | None) -> EvalInput:
    """The answers with their verdicts; labels are a pilot if there are ten or more."""
    if len(table.judges) > 1:
        raise EvalFileError(
            f"A plan of a width takes one judge, not several ({', '.join(map(repr, table.judges))}); name the best of them with "
            "judge=."
        )
    table = of_one_system(table, system)
    has_pilot = table.has("human") and int(np.sum(~np.isnan(table.values("human")))) >= 10
    inputs = load(table, judge=judge, with_human=has_pilot)
    if len(inputs.verdict_classes()[1]) > 20:
        raise EvalFileError("A plan of a width needs verdicts of at most 20 kinds; round the judge's scores.")
    return inputs


def _assumed_rates(
    share: Float1D, names: list[str], sensitivity: float | None, specificity: float | None
) -> Float1D:
    """Rates of good answers by verdict, from an assumed judge."""
    if set(names) - {"0", "1"}:
        raise EvalFileError(
            "Without ten human labels a plan needs a judge that says 0 or 1; label a few answers first."
        )
    sens = _SENSITIVITY if sensitivity is None else sensitivity
    spec = _SPECIFICITY if specificity is None else specificity
    for name, value in (("sensitivity", sens), ("specificity", spec)):
        check_in_range(value, name, 0.0, 1.0)
    if sens + spec <= 1.0:
        raise ValueError("sensitivity + specificity must exceed 1: such a judge is worse than a coin.")
    passed = float(share[names.index("1")]) if "1" in names else 0.0
    # P(pass) = sens p + (1 - spec)(1 - p), solved for the rate p of good answers.
    p = float(np.clip((passed - (1.0 - spec)) / (sens + spec - 1.0), 0.01, 0.99))
    says_yes = sens * p + (1.0 - spec) * (1.0 - p)
    rates = {"1": sens * p / says_yes, "0": (1.0 - sens) * p / (1.0 - says_yes) if says_yes < 1 else 0.5}
    return np.array([rates[name] for name in names])


def _guarantee(n: int, level: float, check: tuple[str, ...], detail: str) -> Guarantee:
    return Guarantee(
        holds="this is a forecast, right to a tenth or so if the assumptions are",
        check=check,
        details=(detail,),
        kind="heuristic",
        n_reference=n,
        citation="Miller (2024), arXiv 2411.00640",
        confidence_level=level,
    )
