"""Sentences that answer the question of a regression."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from validstats.results import interval_words, percent_words, rounded

__all__ = [
    "difference_words",
    "is_intercept",
    "level_text",
    "main_term",
    "mean_words",
    "quantile_words",
    "regression_words",
    "sentence",
    "share_words",
    "shares_words",
]


def level_text(confidence_level: Fraction | float) -> str:
    """Return a confidence level in percent, with as many digits as it has."""
    return f"{100.0 * float(confidence_level):.10g}%"


def is_intercept(name: str) -> bool:
    """Tell whether a coefficient is an intercept; those of a multinomial model carry the class before a colon."""
    return name == "Intercept" or name.endswith(": Intercept")


def main_term(names: Sequence[str]) -> int:
    """Return the first coefficient that is no intercept."""
    return next((j for j, name in enumerate(names) if not is_intercept(name)), 0)


def sentence(text: str) -> str:
    """Return a text that begins with a capital letter."""
    return text[:1].upper() + text[1:]


def _value(result: Any, j: int, share: bool = False) -> str:
    """Print one coefficient with its interval, and the machine's."""
    ends = result.estimate[j], result.conf_low[j], result.conf_high[j]
    text = percent_words(*ends) if share and np.all(np.isfinite(ends)) else interval_words(*ends)
    if result.naive_fit is None:
        return text
    naive = float(result.naive_fit.params[j])
    spread = (ends[2] - ends[1]) / 2.0
    alone = f"{100 * naive:z.1f} %" if share else rounded(naive, spread if np.isfinite(spread) else None)
    return f"{text}; machine labels alone say {alone}"


def _group(result: Any) -> str:
    """Say the first of several groups."""
    whole = f"{result.model}({result.outcome}), "
    return f" where {result.names[0].removeprefix(whole)}" if result.names[0].startswith(whole) else ""


def mean_words(result: Any) -> str:
    """Say a mean."""
    return f"the mean of {result.outcome}{_group(result)} is {_value(result, 0)}"


def share_words(result: Any) -> str:
    """Say a share."""
    return f"the share of {result.outcome}{_group(result)} is {_value(result, 0, share=True)}"


def quantile_words(result: Any) -> str:
    """Say a quantile."""
    level = result.names[0].rpartition(", ")[2].rstrip(")")
    return f"the {level} quantile of {result.outcome} is {_value(result, 0)}"


def shares_words(result: Any) -> str:
    """Say which class is the most common."""
    j = int(np.argmax(result.estimate))
    return f"the most common class is {result.names[j]} with {_value(result, j, share=True)}"


def difference_words(result: Any) -> str:
    """Say a difference, or how many of several are clear."""
    if not any(is_intercept(name) for name in result.names) and len(result.names) > 1:
        clear = (result.conf_low > 0) | (result.conf_high < 0)
        j = int(np.argmax(np.abs(result.estimate) * (clear if clear.any() else 1)))
        count = f"{int(clear.sum())} of {len(clear)} differences of {result.outcome} are clear"
        return f"{count}; {result.names[j]} is {_value(result, j)}"
    j = main_term(result.names)
    return f"between the levels of {result.names[j]}, {result.outcome} differs by {_value(result, j)}"


def regression_words(result: Any) -> str:
    """Say which coefficients differ clearly from zero."""
    tested = [j for j, name in enumerate(result.names) if not is_intercept(name)]
    if not tested:
        return f"the intercept is {_value(result, 0)}"
    clear = [j for j in tested if result.conf_low[j] > 0 or result.conf_high[j] < 0]
    if not clear:
        first = f"the coefficient of {result.names[tested[0]]} is"
        if len(tested) == 1:
            return f"{first} not clearly different from zero: {_value(result, tested[0])}"
        return f"none of {len(tested)} coefficients is clearly different from zero; {first} {_value(result, tested[0])}"
    best = max(clear, key=lambda j: abs(result.estimate[j]) / max(result.std_error[j], 1e-300))
    if len(tested) == 1:
        return f"the coefficient of {result.names[best]} is {_value(result, best)}"
    verb = "differs" if len(clear) == 1 else "differ"
    return f"{len(clear)} of {len(tested)} coefficients {verb} clearly from zero, {result.names[best]} most: {_value(result, best)}"
