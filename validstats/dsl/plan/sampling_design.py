"""Proposals of whom to label, with the probabilities to record and an honest forecast of what they gain."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, Literal, TypeAlias, get_args

import numpy as np

from validstats._typing import AnyArray, Bool1D, Float1D, Int1D, RandomState
from validstats.dsl.moments import LARGEST_VALUE
from validstats.dsl.plan.allocation import (
    active_probabilities,
    allocate_to_strata,
    bounded_probabilities,
    draw_fixed,
    draw_poisson,
    draw_systematic,
    label_variance,
    pilot_gain,
)
from validstats.guarantee import Guarantee
from validstats.intake import (
    align,
    backend_of,
    check_groups,
    check_in_range,
    check_literal,
    check_positive_int,
    check_random_state,
    check_same_length,
    check_vector,
    column,
    is_frame,
    n_rows,
    row_labels,
)
from validstats.results import NotApplicable, Report, Result, Table

__all__ = ["Candidate", "Pilot", "SamplingPlan", "design_sampling"]

MethodName: TypeAlias = Literal["auto", "uniform", "stratified", "neyman", "active"]
"""How probabilities are chosen; "auto" takes the plain design unless the forecast promises enough."""

DrawName: TypeAlias = Literal["auto", "fixed", "poisson", "systematic"]
"""How units are drawn with these probabilities."""


@dataclass(frozen=True, kw_only=True)
class Pilot:
    """Labelled units from which the gain of a design can be forecast.

    Parameters
    ----------
    squared_residual : ndarray of shape (n_pilot,)
        Squared residual influence ``|c'J^-1 (s - h)|^2`` of each on the coefficients of interest.
    probability : ndarray of shape (n_pilot,)
        Probabilities with which they were drawn.
    index : ndarray of shape (n_pilot,) or None, default None
        Positions of the pilot units among those that may be labelled now, if they are among them.
    uncertainty : ndarray of shape (n_pilot,) or None, default None
        Their uncertainty, if they are not.
    """

    squared_residual: Float1D
    probability: Float1D
    index: Int1D | None = None
    uncertainty: Float1D | None = None


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One design that was considered."""

    method: str  # its name
    probability: Float1D  # inclusion probabilities
    # forecast ratio of the variances due to labelling, uniform sampling over this design; None if there is
    # nothing to forecast from
    gain: float | None = None
    gain_std_error: float | None = None  # its standard error, where it comes from a pilot
    counts: Int1D | None = None  # labels in each stratum, for a stratified design


NO_ESTIMATE = NotApplicable("a draw of units estimates nothing")
"""What a plan of whom to label lacks."""


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class SamplingPlan(Result):
    """Whom to label, with the probability of every unit to record.

    Attributes
    ----------
    sampling_probability : ndarray of shape (n,)
        Probability with which each unit is selected; pass it to ``calibrate``.
    selected : ndarray of shape (n,)
        The units that were drawn.
    method, draw : str
        The design that was chosen and how units were drawn.
    n_labels : int
        Labels asked for.
    strata : ndarray of shape (n,) or None
        Strata, where a fixed number was drawn in each; pass them to ``calibrate``.
    candidates : tuple of Candidate
        Every design that was considered, with its forecast.
    decision : str
        Why this one was chosen.
    """

    sampling_probability: Float1D
    selected: Bool1D
    method: str
    draw: str
    n_labels: int
    strata: AnyArray | None
    candidates: tuple[Candidate, ...]
    decision: str

    estimate: ClassVar[NotApplicable] = NO_ESTIMATE
    conf_low: ClassVar[NotApplicable] = NO_ESTIMATE
    conf_high: ClassVar[NotApplicable] = NO_ESTIMATE
    naive: ClassVar[NotApplicable] = NO_ESTIMATE
    confidence_level: ClassVar[NotApplicable] = NO_ESTIMATE

    def _answer(self) -> str:
        p = self.sampling_probability
        chance = f"{p.min():.3g}" if p.min() == p.max() else f"{p.min():.3g} to {p.max():.3g}"
        return (
            f"Label the {int(self.selected.sum()):,} selected of {len(p):,} units, drawn by the {self.method} design with "
            f"probability {chance}"
        )

    def _display(self, labels: Mapping[str, str] | None, drop: Collection[str]) -> Any:
        """Draw the probabilities of every design that was considered."""
        from validstats.plotting.probabilities import ProbabilityDisplay

        curves = {c.method: c.probability for c in self.candidates if c.method not in drop}
        words = {(labels or {}).get(name, name): values for name, values in curves.items()}
        return ProbabilityDisplay(words)

    @property
    def gain(self) -> float | None:
        """Forecast gain of the chosen design over uniform sampling."""
        return next(c.gain for c in self.candidates if c.method == self.method)

    def _tidy_columns(self) -> Mapping[str, Sequence[Any] | np.ndarray]:
        columns: dict[str, Sequence[Any] | np.ndarray] = {
            "row": np.arange(len(self.selected)),
            "sampling_probability": self.sampling_probability,
            "selected": self.selected,
        }
        if self.strata is not None:
            columns["stratum"] = self.strata
        return columns

    def _glance_columns(self) -> Mapping[str, Any]:
        p = self.sampling_probability
        return {
            "method": self.method,
            "draw": self.draw,
            "n_units": len(p),
            "n_labels": self.n_labels,
            "n_selected": int(self.selected.sum()),
            "forecast_gain": self.gain,
            "smallest_probability": float(p.min()),
            "largest_probability": float(p.max()),
        }

    def _report(self) -> Report:
        p = self.sampling_probability
        names = [c.method for c in self.candidates]
        table = Table(
            {
                "Design": names,
                "Forecast gain": [c.gain for c in self.candidates],
                "Std. Error": [c.gain_std_error for c in self.candidates],
                "Smallest pi": [float(c.probability.min()) for c in self.candidates],
                "Largest pi": [float(c.probability.max()) for c in self.candidates],
            },
            title="Gain: variance due to labelling under uniform sampling, divided by that of the design",
        )
        header = (
            ("Design", self.method),
            ("Draw", self.draw),
            ("Units", len(p)),
            ("Labels asked for", self.n_labels),
            ("Units selected", int(self.selected.sum())),
            ("Probabilities", f"{p.min():.4f} to {p.max():.4f}"),
        )
        return Report(
            title="Whom to label",
            header=header,
            tables=(table,),
            guarantees=(self.guarantee,),
            notes=(self.decision,),
        )


def design_sampling(
    units: Any,
    n_labels: int,
    *,
    method: MethodName = "auto",
    strata: Any = None,
    uncertainty: Any = None,
    pilot: Pilot | None = None,
    draw: DrawName = "auto",
    floor: float = 0.2,
    mixing: float = 0.8,
    minimum_gain: float = 0.15,
    random_state: RandomState = None,
) -> SamplingPlan:
    """Propose which units to send to the experts, and record with which probabilities.

    Unequal probabilities can help when the residual of the machine labels varies much, and they hurt when its
    variation is guessed badly. So ``method="auto"`` takes uniform sampling (stratified, where strata are
    given) unless the forecast gain of another design exceeds ``minimum_gain``.

    Parameters
    ----------
    units : data frame, array-like of shape (n, ...) or int
        The units that may be labelled, or their number.
    n_labels : int
        Number of labels to buy, at most ``n``. With Poisson draws it is the expected number.
    method : {"auto", "uniform", "stratified", "neyman", "active"}, default "auto"
        ``"stratified"`` draws a fixed number in each stratum, in proportion to its size or, given
        ``uncertainty``, to size times its root-mean-square uncertainty. ``"neyman"`` makes probabilities
        proportional to ``uncertainty``; ``"active"`` mixes them with uniform ones.
    strata : array-like of shape (n,) or column name, or None, default None
        Strata.
    uncertainty : array-like of shape (n,) or column name, or None, default None
        Non-negative expected size of the residual of each unit: the root of ``E[|c'J^-1 (s - h)|^2 | Z]``.
        For the share of a binary label it is ``sqrt(p (1 - p))`` with ``p`` the machine's probability.
    pilot : Pilot or None, default None
        Labelled units from which the gain is forecast. Without them the forecast takes ``uncertainty`` at
        its word, which the report says.
    draw : {"auto", "fixed", "poisson", "systematic"}, default "auto"
        ``"fixed"`` (for uniform and stratified designs) draws a fixed number at random; ``"poisson"`` each
        unit by a coin of its own; ``"systematic"`` a fixed number with unequal probabilities. "auto" is
        "fixed" where possible, else "poisson".
    floor : float, default 0.2
        Smallest probability as a share of the uniform one, in (0, 1].
    mixing : float, default 0.8
        Weight of the unequal part in ``"active"``, in [0, 1].
    minimum_gain : float, default 0.15
        Forecast gain, less one, that ``"auto"`` asks of an unequal design.
    random_state : int, numpy.random.Generator or None, default None
        Seed of the draw. The draw must not depend on the labels.

    Returns
    -------
    SamplingPlan
        Probabilities, the drawn units, the forecast; ``tidy()`` gives them in the caller's frame type.

    Raises
    ------
    ValueError
        If an argument is out of range, or the method lacks what it needs.

    References
    ----------
    Neyman (1934), JRSS 97, 558-625; Zrnic and Candes (2024), Active Statistical Inference, arXiv 2403.03208.

    Examples
    --------
    >>> import numpy as np
    >>> plan = design_sampling(1000, 100, random_state=0)
    >>> plan.method, plan.draw, int(plan.selected.sum()), float(plan.sampling_probability[0])
    ('uniform', 'fixed', 100, 0.1)
    >>> p = np.repeat([0.01, 0.5], [900, 100])
    >>> design_sampling(1000, 100, uncertainty=np.sqrt(p * (1 - p)), random_state=0).method
    'neyman'
    """
    check_literal(method, "method", get_args(MethodName))
    check_literal(draw, "draw", get_args(DrawName))
    n = _n_units(units)
    n_labels = check_positive_int(n_labels, "n_labels", maximum=n)
    check_in_range(floor, "floor", 0, 1, low_open=True)
    check_in_range(mixing, "mixing", 0, 1)
    check_in_range(minimum_gain, "minimum_gain", 0)
    size = _check_uncertainty(units, uncertainty, n)
    codes, labels = _check_strata(units, strata, n)
    _check_needs(method, draw, size, codes)
    if pilot is not None:
        _check_pilot(pilot, n)
    candidates = _candidates(method, n, n_labels, size, codes, floor, mixing)
    judged = tuple(_with_forecast(c, n, n_labels, size, codes, pilot) for c in candidates)
    chosen, decision = _choose(method, judged, minimum_gain, pilot is not None)
    how = draw if draw != "auto" else ("fixed" if chosen.method in ("uniform", "stratified") else "poisson")
    if how == "fixed" and chosen.method not in ("uniform", "stratified"):
        how = "poisson"
    selected = _draw(chosen, how, n_labels, codes, check_random_state(random_state))
    return SamplingPlan(
        guarantee=_guarantee(n_labels, how, chosen.method, pilot is not None),
        backend=backend_of(units),
        sampling_probability=chosen.probability,
        selected=selected,
        method=chosen.method,
        draw=how,
        n_labels=n_labels,
        strata=labels if chosen.method == "stratified" and how == "fixed" else None,
        candidates=judged,
        decision=decision,
    )


def _n_units(units: Any) -> int:
    if isinstance(units, int | np.integer) and not isinstance(units, bool):
        return check_positive_int(units, "units")
    if isinstance(units, str):
        raise TypeError(f"units must be a data frame, an array or a number of units, got the text {units!r}.")
    count = n_rows(units) if is_frame(units) else check_same_length(units=units)
    if count == 0:
        raise ValueError("units is empty; pass at least one unit that may be labelled.")
    return count


def _values(units: Any, values: Any, name: str) -> Any:
    if isinstance(values, str):
        if not is_frame(units):
            raise TypeError(f"{name}={values!r} names a column, but units is not a data frame.")
        return column(units, values)
    if isinstance(units, int | np.integer):
        return values
    return align(values, row_labels(units, name="units"), name)


def _check_uncertainty(units: Any, uncertainty: Any, n: int) -> Float1D | None:
    if uncertainty is None:
        return None
    size = check_vector(_values(units, uncertainty, "uncertainty"), "uncertainty")
    if len(size) != n:
        raise ValueError(f"uncertainty has {len(size)} values, but there are {n} units.")
    if np.any(size < 0.0):
        raise ValueError(f"uncertainty must not be negative; the smallest value is {size.min():g}.")
    if np.any(size > LARGEST_VALUE):
        raise ValueError(
            f"uncertainty has values beyond {LARGEST_VALUE:g} in size, whose squares overflow; rescale it."
        )
    return size


def _check_strata(units: Any, strata: Any, n: int) -> tuple[Int1D | None, AnyArray | None]:
    if strata is None:
        return None, None
    labels = check_groups(_values(units, strata, "strata"), "strata", n)
    codes = np.unique(labels, return_inverse=True)[1].reshape(-1).astype(np.int64)
    return codes, labels


def _check_needs(method: str, draw: str, size: Float1D | None, codes: Int1D | None) -> None:
    if method == "stratified" and codes is None:
        raise ValueError("method='stratified' needs strata; pass strata=<column or one value a unit>.")
    if method in ("neyman", "active") and size is None:
        raise ValueError(
            f"method={method!r} needs uncertainty: one non-negative number a unit, for example "
            "sqrt(p * (1 - p)) from the machine's probabilities, or scales learned from a pilot."
        )
    if method in ("neyman", "active") and draw == "fixed":
        raise ValueError(
            f"draw='fixed' gives equal probabilities within strata and cannot honour method={method!r}; "
            "use draw='poisson' or draw='systematic'."
        )


def _check_pilot(pilot: Pilot, n: int) -> None:
    check_same_length(
        squared_residual=pilot.squared_residual,
        probability=pilot.probability,
        index=pilot.index,
        uncertainty=pilot.uncertainty,
    )
    if pilot.index is None and pilot.uncertainty is None:
        raise ValueError("Pilot needs index, or the uncertainty of its units; it has neither.")
    residual = check_vector(pilot.squared_residual, "pilot.squared_residual")
    probability = check_vector(pilot.probability, "pilot.probability")
    if np.any(residual < 0.0):
        raise ValueError("pilot.squared_residual must not be negative.")
    if np.any(probability <= 0.0) or np.any(probability > 1.0):
        raise ValueError("pilot.probability must be in (0, 1].")
    index = np.asarray(pilot.index if pilot.index is not None else [0])
    if index.min() < 0 or index.max() >= n:
        raise ValueError(f"pilot.index must hold positions between 0 and {n - 1}.")


def _candidates(
    method: str,
    n: int,
    n_labels: int,
    size: Float1D | None,
    codes: Int1D | None,
    floor: float,
    mixing: float,
) -> tuple[Candidate, ...]:
    found = [Candidate(method="uniform", probability=np.full(n, n_labels / n), counts=np.array([n_labels]))]
    if codes is not None and method in ("auto", "stratified"):
        found.append(_stratified(n_labels, codes, size if method == "stratified" else None))
    if size is not None and method in ("auto", "neyman"):
        found.append(Candidate(method="neyman", probability=bounded_probabilities(size, n_labels, floor)))
    if size is not None and method == "active":
        active = active_probabilities(size, n_labels, mixing, floor)
        found.append(Candidate(method="active", probability=active))
    return tuple(found)


def _stratified(n_labels: int, codes: Int1D, size: Float1D | None) -> Candidate:
    sizes = np.bincount(codes)
    scale = None if size is None else np.sqrt(np.bincount(codes, size**2) / sizes)
    counts = allocate_to_strata(sizes, n_labels, scale)
    return Candidate(method="stratified", probability=(counts / sizes)[codes], counts=counts)


def _with_forecast(
    candidate: Candidate,
    n: int,
    n_labels: int,
    size: Float1D | None,
    codes: Int1D | None,
    pilot: Pilot | None,
) -> Candidate:
    """Attach the forecast gain, of a stratified design from unequal fractions alone."""
    gain: float | None = None
    error: float | None = None
    if n_labels == n or candidate.method == "uniform":
        gain = 1.0
    elif pilot is not None:
        at_pilot = _pilot_probability(candidate, pilot, size)
        if at_pilot is not None:
            gain, error = pilot_gain(
                np.asarray(pilot.squared_residual, dtype=float),
                1.0 / np.asarray(pilot.probability, dtype=float),
                at_pilot,
                n_labels / n,
            )
    elif size is not None and np.any(size > 0.0):
        after = label_variance(size**2, candidate.probability)
        gain = label_variance(size**2, np.full(n, n_labels / n)) / after if after > 0.0 else 1.0
    return Candidate(
        method=candidate.method,
        probability=candidate.probability,
        gain=gain,
        gain_std_error=error,
        counts=candidate.counts,
    )


def _pilot_probability(candidate: Candidate, pilot: Pilot, size: Float1D | None) -> Float1D | None:
    """Return what the design's rule gives pilot units, also those that cannot be drawn any more."""
    if pilot.index is not None:
        return candidate.probability[np.asarray(pilot.index)]
    if pilot.uncertainty is None or size is None or candidate.method not in ("neyman", "active"):
        return None
    order = np.argsort(size)
    return np.interp(pilot.uncertainty, size[order], candidate.probability[order])


def _choose(
    method: str, candidates: tuple[Candidate, ...], minimum_gain: float, from_pilot: bool
) -> tuple[Candidate, str]:
    by_name = {c.method: c for c in candidates}
    source = "from the pilot's own residuals" if from_pilot else "taking the given uncertainty at its word"
    if method != "auto":
        chosen = by_name[method]
        forecast = "" if chosen.gain is None else f" Forecast gain, {source}: {chosen.gain:.2f}."
        return chosen, f"The design was asked for.{forecast}"
    plain = by_name.get("stratified", by_name["uniform"])
    unequal = by_name.get("neyman")
    if unequal is None or unequal.gain is None:
        return plain, f"No uncertainty was given, so units are drawn by the {plain.method} design."
    threshold = 1.0 + float(Fraction(repr(float(minimum_gain))))
    said = f"Forecast gain of unequal probabilities, {source}: {unequal.gain:.2f}"
    if unequal.gain > threshold:
        return unequal, f"{said}, above the {threshold:.2f} that is asked for."
    return plain, f"{said}, not above {threshold:.2f}, so units are drawn by the {plain.method} design."


def _draw(
    chosen: Candidate, how: str, n_labels: int, codes: Int1D | None, generator: np.random.Generator
) -> Bool1D:
    if how == "poisson":
        return draw_poisson(chosen.probability, generator)
    if how == "systematic":
        return draw_systematic(chosen.probability, generator)
    assert chosen.counts is not None
    in_strata = codes if chosen.method == "stratified" and codes is not None else None
    strata = np.zeros(len(chosen.probability), dtype=np.int64) if in_strata is None else in_strata
    return draw_fixed(strata, chosen.counts, generator)


def _guarantee(n_labels: int, how: str, method: str, from_pilot: bool) -> Guarantee:
    caveats = [
        "The forecast gain concerns the variance that comes from labelling a sample only, for the chosen "
        "coefficients; other coefficients may lose"
    ]
    if not from_pilot and method in ("neyman", "active"):
        caveats.append("The forecast takes the given uncertainty for the truth; a pilot would test it")
    if how == "systematic":
        caveats.append(
            "Standard errors for independent draws are used with systematic draws; they are usually, not "
            "always, too large"
        )
    return Guarantee(
        holds="every unit has exactly the recorded chance of being sent to the experts",
        kind="finite-sample",
        check=(
            "the experts label the selected units, none skipped or replaced",
            "the probabilities are kept with the data and passed to calibrate",
        ),
        n_reference=n_labels,
        citation="Saerndal, Swensson and Wretman (1992), Model Assisted Survey Sampling, Chapter 3",
        details=tuple(caveats),
    )
