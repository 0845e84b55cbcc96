"""Planning: standard error and power against the number of expert labels."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from scipy import optimize

from validstats._typing import Float1D, Float2D, FrameBackend, Int1D
from validstats.dsl.moments import LabelForecast
from validstats.dsl.plan.label_forecast import wald_power
from validstats.guarantee import Guarantee
from validstats.intake import alpha_fraction, check_in_range, check_positive_int
from validstats.results import NotApplicable, Report, Result, Table, rounded

__all__ = ["LabelPlan", "PilotResult", "plan_labels", "std_error_for_power"]

DEFAULT_MULTIPLES = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0)


class PilotResult(Protocol):
    """What planning needs of an inference."""

    @property
    def names(self) -> tuple[str, ...]:
        """Coefficient names."""

    @property
    def params(self) -> Float1D:
        """Coefficients."""

    @property
    def n_rows(self) -> int:
        """Number of rows."""

    @property
    def n_labelled(self) -> int:
        """Number of labels."""

    @property
    def backend(self) -> FrameBackend:
        """Data frame library of the results."""

    @property
    def variance_parts(self) -> LabelForecast | None:
        """What other numbers of labels would make of the standard errors."""

    @property
    def gold(self) -> Any:
        """Fit of expert labels alone, or None."""

    @property
    def confidence_level(self) -> Any:
        """Level of the intervals."""


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class LabelPlan(Result):
    """Standard errors and power to expect with other numbers of expert labels.

    Attributes
    ----------
    names : tuple of str
        Coefficients.
    sizes : ndarray of shape (k,)
        Numbers of labels.
    std_errors : ndarray of shape (k, p)
        Forecast standard errors.
    gold_std_errors : ndarray of shape (k, p) or None
        Those of expert labels alone.
    effects : ndarray of shape (p,)
        Coefficients for which power is given.
    power : ndarray of shape (k, p)
        Power of two-sided tests.
    needed : ndarray of shape (p,) or None
        Labels needed for the target; infinite where labelling everything would not reach it.
    n_labelled, n_rows : int
        Present number of labels and number of rows.
    confidence_level : float
        One minus the level of the tests.
    target : str
        What ``needed`` refers to; empty without a target.
    """

    names: tuple[str, ...]
    sizes: Int1D
    std_errors: Float2D
    gold_std_errors: Float2D | None
    effects: Float1D
    power: Float2D
    needed: Float1D | None
    n_labelled: int
    n_rows: int
    confidence_level: float
    target: str = ""

    estimate: ClassVar[NotApplicable] = NotApplicable("a plan forecasts standard errors")
    conf_low: ClassVar[NotApplicable] = NotApplicable("a plan forecasts standard errors")
    conf_high: ClassVar[NotApplicable] = NotApplicable("a plan forecasts standard errors")
    naive: ClassVar[NotApplicable] = NotApplicable("a plan stands beside that of expert labels alone")

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the coefficients."""
        return self.names

    def _answer(self) -> str:
        j = next((k for k, name in enumerate(self.names) if not name.endswith("Intercept")), 0)
        now = int(np.argmin(np.abs(self.sizes - self.n_labelled)))
        if self.needed is not None:
            needed = self.needed[j]
            if not np.isfinite(needed):
                return f"Labels of all {self.n_rows:,} rows would not reach {self.target} for {self.names[j]}"
            return f"{needed:,.0f} expert labels reach {self.target} for {self.names[j]}; there are {self.n_labelled:,}"
        most = int(np.argmax(self.sizes))
        before, after = self.std_errors[now, j], self.std_errors[most, j]
        return (
            f"{self.sizes[most]:,} instead of {self.sizes[now]:,} expert labels would take the standard error of "
            f"{self.names[j]} from {rounded(before)} to {rounded(after)}"
        )

    def plot(
        self,
        ax: Any = None,
        labels: Mapping[str, str] | None = None,
        drop: Collection[str] = (),
        *,
        terms: Sequence[str] | None = None,
    ) -> Any:
        """Draw standard errors against the number of labels.

        Parameters
        ----------
        ax : matplotlib Axes or None, default None
            Axes to draw on.
        labels : mapping of str to str or None, default None
            Words instead of terms.
        drop : collection of str, default ()
            Terms to leave out.
        terms : sequence of str or None, default None
            Coefficients to show; None shows all but the intercept.

        Returns
        -------
        LabelPlanDisplay
            The display, with ``ax_`` and ``figure_``.
        """
        from validstats.plotting.label_plan import LabelPlanDisplay

        return LabelPlanDisplay.from_plan(self, terms=terms, labels=labels, drop=drop).plot(ax)

    def _tidy_columns(self) -> Mapping[str, Sequence[Any] | np.ndarray]:
        k, p = self.std_errors.shape
        columns: dict[str, Sequence[Any] | np.ndarray] = {
            "n_labels": np.repeat(self.sizes, p),
            "term": list(self.names) * k,
            "std_error": self.std_errors.ravel(),
            "effect": np.tile(self.effects, k),
            "power": self.power.ravel(),
        }
        if self.gold_std_errors is not None:
            columns["gold_std_error"] = self.gold_std_errors.ravel()
        return columns

    def _glance_columns(self) -> Mapping[str, Any]:
        return {
            "n_rows": self.n_rows,
            "n_labelled": self.n_labelled,
            "n_sizes": len(self.sizes),
            "confidence_level": self.confidence_level,
            "target": self.target,
            "largest_needed": None if self.needed is None else float(np.max(self.needed)),
        }

    def _report(self) -> Report:
        columns: dict[str, Any] = {"Labels": self.sizes.tolist()}
        formats: dict[str, Any] = {"Labels": "int"}
        for j, name in enumerate(self.names):
            columns[f"SE {name}"] = self.std_errors[:, j].tolist()
            formats[f"SE {name}"] = "estimate"
        tables = [Table(columns, title="Standard errors to expect", formats=formats)]
        columns = {"Labels": self.sizes.tolist()}
        formats = {"Labels": "int"}
        for j, name in enumerate(self.names):
            columns[f"{name} = {self.effects[j]:.3g}"] = self.power[:, j].tolist()
            formats[f"{name} = {self.effects[j]:.3g}"] = "percent"
        tables.append(Table(columns, title="Power to tell a coefficient from zero", formats=formats))
        if self.needed is not None:
            needed = [f"{v:,.0f}" if np.isfinite(v) else "not reachable" for v in self.needed]
            tables.append(
                Table({"Term": list(self.names), "Labels needed": needed}, title=f"Target: {self.target}")
            )
        header = (("Rows", self.n_rows), ("Labels now", self.n_labelled))
        return Report(
            title="How many expert labels",
            header=header,
            tables=tuple(tables),
            guarantees=(self.guarantee,),
        )


def plan_labels(
    result: PilotResult,
    sizes: Sequence[int] | None = None,
    *,
    effects: Mapping[str, float] | float | None = None,
    target_std_error: float | None = None,
    target_power: float | None = None,
    confidence_level: float | None = None,
) -> LabelPlan:
    """Forecast standard errors and power for other numbers of expert labels.

    Parameters
    ----------
    result : CoefficientResult
        An inference with the labels there are: the pilot.
    sizes : sequence of int or None, default None
        Numbers of labels, between 2 and the number of rows. None takes half to four times the present one.
    effects : mapping of str to float, float or None, default None
        Coefficients for which power is wanted. None takes the pilot's estimates, whose error makes the power
        uncertain.
    target_std_error : float or None, default None
        Standard error to reach.
    target_power : float or None, default None
        Power to reach, in (0, 1), for ``effects``.
    confidence_level : float or None, default None
        One minus the level of the tests; None is that of the result.

    Returns
    -------
    LabelPlan
        Forecasts, with a plot.

    Raises
    ------
    ValueError
        If the result carries no variance parts, or an argument is out of range.

    References
    ----------
    Egami, Hinck, Stewart and Wei (2023), NeurIPS, arXiv 2306.04746; function ``power_dsl`` of the R package.
    """
    if result.variance_parts is None:
        raise ValueError(
            "This result does not say which part of its variance labels can shrink (fits of a finite "
            "population and of quantiles do not); plan from a superpopulation fit of a smooth model."
        )
    if target_std_error is not None and target_power is not None:
        raise ValueError("Pass target_std_error or target_power, not both.")
    level = result.confidence_level if confidence_level is None else confidence_level
    alpha = float(alpha_fraction(level))
    chosen = _check_sizes(sizes, result.n_labelled, result.n_rows)
    wanted = _check_effects(effects, result)
    parts = result.variance_parts
    errors = np.array([parts.std_errors(result.n_labelled / int(size)) for size in chosen])
    gold = None if result.gold is None else _gold_errors(result, chosen)
    needed, target = _needed(parts, result, wanted, target_std_error, target_power, alpha)
    return LabelPlan(
        guarantee=_plan_guarantee(result.n_labelled, effects is None),
        backend=result.backend,
        names=result.names,
        sizes=chosen,
        std_errors=errors,
        gold_std_errors=gold,
        effects=wanted,
        power=wald_power(wanted[None, :], errors, alpha),
        needed=needed,
        n_labelled=result.n_labelled,
        n_rows=result.n_rows,
        confidence_level=float(level),
        target=target,
    )


def std_error_for_power(effect: float, power: float, alpha: float) -> float:
    """Return the standard error at which a two-sided Wald test reaches a power."""
    if effect == 0.0:
        return 0.0
    ratio = optimize.brentq(lambda r: float(wald_power(r, 1.0, alpha)) - power, 0.0, 100.0)  # type: ignore[arg-type]
    return abs(effect) / float(ratio)


def _gold_errors(result: PilotResult, sizes: Int1D) -> Float2D:
    """Forecast the standard errors of expert labels alone; without parts, all of the variance shrinks."""
    parts = result.gold.variance_parts
    if parts is None:
        return np.sqrt(result.n_labelled / sizes)[:, None] * result.gold.std_error[None, :]
    return np.array([parts.std_errors(result.n_labelled / int(size)) for size in sizes])


def _check_sizes(sizes: Sequence[int] | None, n_labelled: int, n_rows: int) -> Int1D:
    if sizes is None:
        found = sorted({min(n_rows, max(2, round(m * n_labelled))) for m in DEFAULT_MULTIPLES})
        return np.array(found, dtype=np.int64)
    if not np.iterable(sizes):
        raise TypeError(f"sizes must be a list of numbers of labels, or None; got {sizes!r}.")
    values = [check_positive_int(size, "sizes", minimum=2, maximum=n_rows) for size in sizes]
    if not values:
        raise ValueError("sizes is empty; pass at least one number of labels, or None.")
    return np.array(values, dtype=np.int64)


def _check_effects(effects: Mapping[str, float] | float | None, result: PilotResult) -> Float1D:
    if effects is None:
        return np.array(result.params, dtype=float)
    if isinstance(effects, Mapping):
        unknown = sorted(set(effects) - set(result.names))
        if unknown:
            raise ValueError(
                f"effects names {', '.join(map(repr, unknown))}; the coefficients are "
                f"{', '.join(map(repr, result.names))}."
            )
        merged = [effects.get(name, b) for name, b in zip(result.names, result.params, strict=True)]
        return np.array([check_in_range(float(v), "effects") for v in merged])
    return np.full(len(result.names), check_in_range(effects, "effects"))


def _needed(
    parts: LabelForecast,
    result: PilotResult,
    effects: Float1D,
    target_std_error: float | None,
    target_power: float | None,
    alpha: float,
) -> tuple[Float1D | None, str]:
    if target_std_error is not None:
        goal = check_in_range(target_std_error, "target_std_error", 0, low_open=True)
        targets, text = np.full(len(effects), goal), f"standard error {goal:g}"
    elif target_power is not None:
        power = check_in_range(target_power, "target_power", alpha, 1, low_open=True, high_open=True)
        targets = np.array([std_error_for_power(float(e), power, alpha) for e in effects])
        text = f"power {power:g}"
    else:
        return None, ""
    needed = parts.labels_needed(result.n_labelled, result.n_rows, targets)
    return np.where(needed <= result.n_rows, needed, np.inf), text


def _plan_guarantee(n_labelled: int, from_estimates: bool) -> Guarantee:
    caveats = [
        "Each forecast converges to the standard error that so many labels would give",
        "All labelling probabilities are multiplied by the same number and stay at most one",
        "More labels also train a better learner, which the forecast leaves out",
    ]
    if from_estimates:
        caveats.append("Power is for coefficients as the pilot estimates them, whose error carries over")
    return Guarantee(
        holds="with so many labels, standard errors will be close to the forecast ones",
        kind="asymptotic",
        check=(
            "more labels are drawn as those so far, all probabilities raised or lowered alike",
            "the machine labels and the learner stay as they are",
        ),
        n_reference=n_labelled,
        citation="Egami, Hinck, Stewart and Wei (2023), arXiv 2306.04746",
        details=tuple(caveats),
    )
