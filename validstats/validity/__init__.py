"""Simulation of guarantees: coverage by replicates, and the hunt for the settings in which they fail."""

from __future__ import annotations

from validstats.validity.coverage import CoverageCheck, binomial_acceptance, simulate
from validstats.validity.hunt import (
    Choice,
    Claim,
    Finding,
    HuntReport,
    LogUniform,
    Prior,
    Refused,
    Trial,
    Uniform,
    hunt,
    replay,
)

__all__ = [
    "Choice",
    "Claim",
    "CoverageCheck",
    "Finding",
    "HuntReport",
    "LogUniform",
    "Prior",
    "Refused",
    "Trial",
    "Uniform",
    "binomial_acceptance",
    "hunt",
    "replay",
    "simulate",
]
