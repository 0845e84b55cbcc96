"""Arithmetic of the gate: when a proposal is kept, and what may be certified about what was kept.

A proposal is kept if its results exceed those of the present model by more than their noise. Whatever was asked, the
bits released since the start have a code, so that the mass that is left bounds what a search can have learned; the
certificate holds at that level.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from validstats._typing import Float1D
from validstats.holdout.widths.capital import capital_interval, capital_lower, contrast_lower
from validstats.holdout.widths.counts import LOG_2, clopper_pearson
from validstats.intake import check_in_range, check_vector

__all__ = ["GateCertificate", "certify_gain", "keeps_proposal", "outwards", "start_upper"]

_GRID = 1000  # certificates that are shown before the end are rounded outwards to three decimals


def keeps_proposal(present: Float1D, proposal: Float1D, margin: float = 1.0) -> bool:
    """Tell whether a proposal is kept: ``sum d > margin sqrt(sum d^2)``, d the differences a unit."""
    # For results of 0 and 1 this is ``w - l > margin sqrt(w + l)``, w the rows won and l those lost. Ties are
    # discarded.
    check_in_range(margin, "margin", 0.0, math.inf)
    d = check_vector(proposal, "proposal") - check_vector(present, "present")
    total = float(d.sum())
    return total > 0.0 and total > margin * math.sqrt(float(np.square(d).sum()))


def start_upper(start: Float1D, log_alpha: float) -> float:
    """Return the one-sided upper bound for the model that a search starts from, fixed before anything is asked."""
    s = check_vector(start, "start")
    if np.isin(s, (0.0, 1.0)).all():
        return clopper_pearson(round(float(s.sum())), len(s), log_alpha + LOG_2)[1]
    return 1.0 - capital_lower(1.0 - s, log_alpha)


@dataclass(frozen=True)
class GateCertificate:
    """What holds about the model that a gate has kept, whatever was proposed."""

    accuracy_low: float
    accuracy_high: float
    gain: float


def certify_gain(
    kept: Float1D, start: Float1D, start_high: float, log_alpha: float, *, independent_rows: bool = True
) -> GateCertificate:
    """Certify the mean result of a kept model, and its gain over the start."""
    half = log_alpha - LOG_2
    k = check_vector(kept, "kept")
    if independent_rows and np.isin(k, (0.0, 1.0)).all():
        low, high = clopper_pearson(round(float(k.sum())), len(k), half)
    else:
        low, high = capital_interval(k, 0.25, half)
    return GateCertificate(low, high, max(contrast_lower(k, start, start_high, half).gain, 0.0))


def outwards(certificate: GateCertificate) -> GateCertificate:
    """Round a certificate that is shown before the end outwards to three decimals; each number then costs ln 1001."""
    return GateCertificate(
        math.floor(certificate.accuracy_low * _GRID) / _GRID,
        math.ceil(certificate.accuracy_high * _GRID) / _GRID,
        max(math.floor(certificate.gain * _GRID) / _GRID, 0.0),
    )
