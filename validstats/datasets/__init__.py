"""Bundled real data whose every label is known, and generators whose truth is known."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_PUBLIC = {
    "AdaptiveSample": "validstats.datasets.synthetic",
    "GaussianPair": "validstats.datasets.synthetic",
    "RANDHIE_FEATURES": "validstats.datasets._randhie",
    "RegressionSample": "validstats.datasets.synthetic",
    "SENTIMENT_CORPORA": "validstats.datasets._sentiment",
    "SENTIMENT_FEATURES": "validstats.datasets._sentiment",
    "SurrogateSample": "validstats.datasets.surrogates",
    "load_randhie": "validstats.datasets._randhie",
    "load_sentiment": "validstats.datasets._sentiment",
    "make_adaptive_classification": "validstats.datasets.synthetic",
    "make_gaussian_pair": "validstats.datasets.synthetic",
    "make_heteroscedastic_regression": "validstats.datasets.synthetic",
    "make_surrogate_covariate": "validstats.datasets.surrogates",
    "make_surrogate_labels": "validstats.datasets.surrogates",
}
"""Public name -> the module that defines it, imported at first use (PEP 562)."""

__all__ = [
    "AdaptiveSample",
    "GaussianPair",
    "RANDHIE_FEATURES",
    "RegressionSample",
    "SENTIMENT_CORPORA",
    "SENTIMENT_FEATURES",
    "SurrogateSample",
    "load_randhie",
    "load_sentiment",
    "make_adaptive_classification",
    "make_gaussian_pair",
    "make_heteroscedastic_regression",
    "make_surrogate_covariate",
    "make_surrogate_labels",
]

if TYPE_CHECKING:
    from validstats.datasets._randhie import RANDHIE_FEATURES, load_randhie
    from validstats.datasets._sentiment import SENTIMENT_CORPORA, SENTIMENT_FEATURES, load_sentiment
    from validstats.datasets.surrogates import (
        SurrogateSample,
        make_surrogate_covariate,
        make_surrogate_labels,
    )
    from validstats.datasets.synthetic import (
        AdaptiveSample,
        GaussianPair,
        RegressionSample,
        make_adaptive_classification,
        make_gaussian_pair,
        make_heteroscedastic_regression,
    )


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        value = getattr(importlib.import_module(_PUBLIC[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'validstats.datasets' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
