"""What is promised, under which assumptions, for every estimator and design."""

from __future__ import annotations

from fractions import Fraction

from validstats.dsl.fit import EstimatorName, Population, TuningKind
from validstats.dsl.labels import Calibration
from validstats.guarantee import Guarantee

__all__ = ["calibration_guarantee", "inference_guarantee"]

CITATIONS = {
    "tuned": "Egami et al. (2023), arXiv 2306.04746, Section 4; Chen and Chen (2000), JRSS-B 62, 449-460",
    "dsl": "Egami et al. (2023), arXiv 2306.04746, Proposition 1",
    "ppi": "Angelopoulos et al. (2023), Science 382, 669-674",
    "ppi++": "Angelopoulos, Duchi and Zrnic (2023), arXiv 2311.01453, Theorem 1",
    "gold": "Robins, Rotnitzky and Zhao (1994), JASA 89, 846-866",
}

SCHEMES = {
    "independent": "rows were drawn independently of each other",
    "simple": "the number of labelled rows was fixed beforehand",
    "stratified": "the number of labelled rows was fixed beforehand in every stratum",
    "clusters": "whole clusters were drawn, each with its stated probability",
}


DRAWN = {
    "independent": "expert labels went to rows by chance, each with its stated probability",
    "simple": "rows for the experts were picked at random from all rows",
    "stratified": "rows for the experts were picked at random within each stratum",
    "clusters": "whole clusters were picked at random for the experts",
}
"""What a reader must judge about how labels were drawn, by scheme."""


def _points(calibration: Calibration) -> tuple[str, str]:
    """Return what a reader must judge about the labels."""
    lowest = calibration.probability_range.low
    drawn = DRAWN[calibration.design.scheme]
    if "estimated" in calibration.design_text:
        drawn = "which rows got expert labels depends on the machine labels and features alone"
    return (
        f"{drawn} (smallest probability {lowest:.3g})",
        "the experts' labels are the truth that you mean to measure",
    )


def _design_details(calibration: Calibration) -> tuple[str, ...]:
    """Return the exact conditions about how labels were drawn."""
    text = calibration.design_text
    return (text[:1].upper() + text[1:], SCHEMES[calibration.design.scheme].capitalize())


def _percent(level: Fraction) -> str:
    return f"{100 * float(level):.10g}"


def calibration_guarantee(calibration: Calibration, level: Fraction) -> Guarantee:
    """Return what a calibrated estimator promises of any inference."""
    return Guarantee(
        holds=(
            f"about {_percent(level)} of 100 intervals hold the value that expert labels of all rows would give, however "
            "wrong the machine labels are"
        ),
        kind="asymptotic",
        check=_points(calibration),
        details=(
            *_design_details(calibration),
            f"Intervals of each regression cover its coefficients with probability tending to {float(level):g}",
        ),
        n_reference=calibration.n_units,
        citation=CITATIONS["tuned"],
        confidence_level=float(level),
    )


def inference_guarantee(
    calibration: Calibration,
    level: Fraction,
    *,
    estimator: EstimatorName,
    tuning: TuningKind,
    population: Population,
    clustered_by: str | None,
    pairwise_effects: bool,
    with_raw: bool,
) -> Guarantee:
    """Return what one inference promises."""
    finite = population == "finite"
    value = "that expert labels of these rows would give" if finite else "of the population behind the rows"
    checks = list(_points(calibration))
    if not finite:
        checks.append(
            "rows do not depend on each other"
            if clustered_by is None
            else f"rows of different clusters ({clustered_by}) do not depend on each other"
        )
    target = (
        "the coefficients that expert labels of all rows would give (the rows are the population)"
        if finite
        else "the coefficients of the population that the rows are drawn from"
    )
    details = [
        f"Each interval covers its coefficient among {target} with probability tending to {float(level):g}, for any "
        "quality of the machine labels",
        *_design_details(calibration),
        "Scores have finite fourth moments and the Jacobian is not singular",
    ]
    if calibration.n_units < 200:
        details.append(f"With {calibration.n_units} labelled units the level is approximate")
    if pairwise_effects:
        details.append(
            "Own terms of the absorbed effects are corrected, so that panels may be short; nothing is tuned, "
            "and gold-only estimates may be more precise"
        )
    elif estimator == "tuned" and tuning != "none":
        details.append(_tuning_caveat(tuning, with_raw, calibration))
    return Guarantee(
        holds=(
            f"about {_percent(level)} of 100 such intervals hold the value {value}, however wrong the machine labels are"
        ),
        kind="asymptotic",
        check=tuple(checks),
        details=tuple(details),
        n_reference=calibration.n_units,
        citation=CITATIONS[estimator],
        confidence_level=float(level),
    )


def _tuning_caveat(tuning: TuningKind, with_raw: bool, calibration: Calibration) -> str:
    rivals = (
        "gold-only, plain design-based (same first stage)"
        + (", PPI and PPI++" if with_raw else "")
        + " estimates"
    )
    if tuning == "matrix":
        what = "no linear combination of coefficients has a larger limiting variance"
    elif tuning == "diagonal":
        what = "no single coefficient has a larger limiting variance"
    else:
        return (
            "With so few labels one scale serves all coefficients: the sum of their limiting variances, in "
            f"units of the gold scores, is at most that of {rivals}"
        )
    condition = "with the number of coefficients fixed and labels growing in number"
    if calibration.design.scheme == "clusters":
        condition += " of clusters"
    return (
        f"Tuned: {what} than with {rivals}, {condition}; a tuned estimate further from the untuned one than two "
        "consistent estimates should be is not used"
    )
