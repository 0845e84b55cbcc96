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


def design_assumptions(calibration: Calibration) -> tuple[str, ...]:
    """Return the assumptions about how labels were drawn."""
    lowest = calibration.probability_range.low
    return (
        f"{calibration.design_text} (smallest probability {lowest:.3g})",
        SCHEMES[calibration.design.scheme],
        "expert labels are what is meant to be measured",
    )


def calibration_guarantee(calibration: Calibration, level: Fraction) -> Guarantee:
    """Return what a calibrated estimator promises of any inference."""
    return Guarantee(
        holds=(
            f"intervals of each regression cover the coefficients of expert labels for all rows with "
            f"probability tending to {float(level):g}, for any quality of the machine labels"
        ),
        kind="asymptotic",
        check=design_assumptions(calibration)[:3],
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
    target = (
        "the coefficients that expert labels of all rows would give (the rows are the population)"
        if population == "finite"
        else "the coefficients of the population that the rows are drawn from"
    )
    assumptions = list(design_assumptions(calibration))
    if population == "superpopulation":
        independent = "rows are independent of each other"
        assumptions.append(
            independent
            if clustered_by is None
            else f"clusters ({clustered_by}) are independent of each other"
        )
    assumptions.append("scores have finite fourth moments and the Jacobian is not singular")
    caveats = []
    if calibration.n_units < 200:
        caveats.append(f"With {calibration.n_units} labelled units the level is approximate")
    if pairwise_effects:
        caveats.append(
            "Own terms of the absorbed effects are corrected, so that panels may be short; nothing is tuned, "
            "and gold-only estimates may be more precise"
        )
    elif estimator == "tuned" and tuning != "none":
        caveats.append(_tuning_caveat(tuning, with_raw, calibration))
    return Guarantee(
        holds=(
            f"each interval covers its coefficient among {target} with probability tending to "
            f"{float(level):g}, for any quality of the machine labels"
        ),
        kind="asymptotic",
        check=tuple(assumptions[:3]),
        n_reference=calibration.n_units,
        citation=CITATIONS[estimator],
        confidence_level=float(level),
        details=(*assumptions[3:], *caveats),
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
