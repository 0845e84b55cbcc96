"""The families of joint distributions that the network is trained, calibrated and tested on."""

from __future__ import annotations

from collections.abc import Iterable

from validstats.mi.families.base import Family, FamilyMixture, JointSample
from validstats.mi.families.gaussian import (
    GaussianFamily,
    MistGaussianFamily,
    MistStudentFamily,
    SpiralFamily,
    StudentFamily,
    SwissRollFamily,
)
from validstats.mi.families.mixtures import (
    BinnedFamily,
    ContingencyFamily,
    ExoticMixtureFamily,
    GaussianMixtureFamily,
    LabelFamily,
)
from validstats.mi.families.pairs import (
    CopulaFamily,
    FunctionalFamily,
    IndependentFamily,
    PairsFamily,
    SharpNoiseFamily,
    UniformNoiseFamily,
)
from validstats.mi.families.structured import (
    AlignedFamily,
    CountsFamily,
    DependentMixtureFamily,
    InteractionFamily,
    RadialFamily,
    SparseFamily,
)
from validstats.mi.families.warped import TwistedFamily, WarpedFamily

__all__ = [
    "FAMILY_NAMES",
    "FIRST_STAGE_FAMILIES",
    "HELD_OUT_FAMILIES",
    "HELD_OUT_KINDS",
    "KINDS",
    "Family",
    "FamilyMixture",
    "JointSample",
    "default_family",
]

HELD_OUT_FAMILIES = ("spiral", "swiss_roll", "uniform_noise", "exotic_mixture")
"""Families that no stage of the evaluation weights ever saw."""
HELD_OUT_KINDS = (
    *HELD_OUT_FAMILIES, "mixture", "dependent_mixture", "radial", "aligned", "interaction", "sparse",
)  # fmt: skip
"""Whole kinds that the second stage of the evaluation weights never saw; the first one saw mixtures."""

KINDS = {
    "Gauss and Student": ("gaussian", "student", "mist_gaussian", "mist_student"),
    "copulas, functions, pairs": ("copula", "functional", "pairs", "sharp_noise", "uniform_noise"),
    "mixtures": ("mixture", "exotic_mixture", "dependent_mixture"),
    "bent laws": ("spiral", "swiss_roll", "warped", "twisted"),
    "labels and tables": ("label", "contingency", "binned"),
    "independent": ("independent",),
    "aligned copies": ("aligned",),
    "interaction tables": ("interaction",),
    "radial": ("radial",),
    "few of many": ("sparse",),
    "counts": ("counts",),
}
"""Families by kind: what is left out together, so that no relative of a left-out law is seen."""

_WEIGHTS = {
    "gaussian": 0.16,
    "student": 0.13,
    "mist_gaussian": 0.07,
    "mist_student": 0.06,
    "mixture": 0.09,
    "copula": 0.08,
    "functional": 0.08,
    "pairs": 0.05,
    "label": 0.04,
    "contingency": 0.02,
    "binned": 0.03,
    "independent": 0.06,
    "spiral": 0.04,
    "swiss_roll": 0.015,
    "uniform_noise": 0.03,
    "exotic_mixture": 0.065,
    "warped": 0.09,
    "twisted": 0.08,
    "sharp_noise": 0.045,
}
_STRUCTURED_WEIGHTS = {
    "aligned": 0.28,
    "interaction": 0.18,
    "radial": 0.16,
    "sparse": 0.18,
    "counts": 0.08,
    "dependent_mixture": 0.12,
}

FIRST_STAGE_FAMILIES = tuple(_WEIGHTS)
"""Families without structure, which the first stage of the network was trained on."""
FAMILY_NAMES = (*_WEIGHTS, *_STRUCTURED_WEIGHTS)
"""Names of all families, in the order of their numbers in the training shards."""


def all_families() -> dict[str, Family]:
    """Return one object of every family by name."""
    base: list[Family] = [
        GaussianFamily(),
        StudentFamily(),
        MistGaussianFamily(),
        MistStudentFamily(),
        GaussianMixtureFamily(),
        CopulaFamily(),
        FunctionalFamily(),
        PairsFamily(),
        LabelFamily(),
        ContingencyFamily(),
        BinnedFamily(),
        SpiralFamily(),
        SwissRollFamily(),
        UniformNoiseFamily(),
        ExoticMixtureFamily(),
        WarpedFamily(),
        TwistedFamily(),
        SharpNoiseFamily(),
        AlignedFamily(),
        InteractionFamily(),
        RadialFamily(),
        SparseFamily(),
        CountsFamily(),
        DependentMixtureFamily(),
    ]
    sources = (
        GaussianFamily(),
        StudentFamily(),
        CopulaFamily(),
        FunctionalFamily(),
        GaussianMixtureFamily(),
        LabelFamily(),
    )
    base.append(IndependentFamily(sources))
    by_name = {family.name: family for family in base}
    return {name: by_name[name] for name in FAMILY_NAMES}


def default_family(exclude: Iterable[str] = ()) -> FamilyMixture:
    """Return the meta-distribution of the shipped weights, with or without some of its families.

    Parameters
    ----------
    exclude : iterable of str, default ()
        Names of families to leave out, for instance ``HELD_OUT_FAMILIES``.

    Returns
    -------
    FamilyMixture
        The weighted mixture.

    Raises
    ------
    ValueError
        If a name is unknown or no family is left.

    Examples
    --------
    >>> family = default_family()
    >>> sample = family.sample(seed=1, index=3)
    >>> sample.x.shape[0] == sample.y.shape[0]
    True
    """
    excluded = set(exclude)
    unknown = excluded - set(FAMILY_NAMES)
    if unknown:
        raise ValueError(f"Unknown families {sorted(unknown)}; the names are {list(FAMILY_NAMES)}.")
    kept = {name: family for name, family in all_families().items() if name not in excluded}
    if not kept:
        raise ValueError("All families are excluded; keep at least one.")
    return FamilyMixture(kept, [(_WEIGHTS | _STRUCTURED_WEIGHTS)[name] for name in kept], name="default")
