"""Simulation of guarantees: coverage by replicates, judged by exact binomial acceptance."""

from __future__ import annotations

from validstats.validity.coverage import CoverageCheck, binomial_acceptance, simulate

__all__ = ["CoverageCheck", "binomial_acceptance", "simulate"]
