"""Families of laws with known mutual information."""

from __future__ import annotations

from validstats.mi.families.base import Family
from validstats.mi.families.default import (
    FAMILY_NAMES,
    HELD_OUT_FAMILIES,
    FamilyMixture,
    JointSample,
    default_family,
)
from validstats.mi.families.flow import FlowFamily

__all__ = [
    "FAMILY_NAMES",
    "Family",
    "FamilyMixture",
    "FlowFamily",
    "HELD_OUT_FAMILIES",
    "JointSample",
    "default_family",
]
