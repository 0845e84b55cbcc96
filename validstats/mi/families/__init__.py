"""Families of laws with known mutual information."""

from __future__ import annotations

from validstats.mi.families.base import Family
from validstats.mi.families.default import (
    FAMILY_NAMES,
    FIRST_STAGE_FAMILIES,
    HELD_OUT_FAMILIES,
    HELD_OUT_KINDS,
    KINDS,
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
    "FIRST_STAGE_FAMILIES",
    "HELD_OUT_FAMILIES",
    "HELD_OUT_KINDS",
    "KINDS",
    "JointSample",
    "default_family",
]
