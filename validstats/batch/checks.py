"""Checks of what a statement about batches assumes, made by ``infer``: they warn and are printed, and switch nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from validstats._typing import AnyArray
from validstats.batch.laws import DriftTest, unit_order_test, within_batch_test
from validstats.batch.rows import AskedRows
from validstats.batch.targets import Calibration
from validstats.exceptions import (
    DependentRowsWarning,
    DriftWarning,
    covariate_drift_message,
    dependent_rows_message,
    order_drift_message,
    warn,
)

__all__ = ["DriftFinding", "check_covariates", "check_order", "check_within", "plural"]

_ALARM = 0.01
"""P-value at which a check warns."""
_FEWEST_ROWS = 20


def check_within(
    calibration: Calibration, batches: AnyArray, key: Any, unit: str, remedy: str | None = None
) -> str:
    """Test whether rows of one past batch move together; warn where rows are the units of the statement."""
    test = calibration.once(
        ("within", key),
        lambda: within_batch_test(calibration.scores, batches, random_state=calibration.seed),
    )
    if remedy is not None and test.p_value <= _ALARM and calibration.batches is None:
        warn(
            dependent_rows_message.format(
                unit=unit,
                units=plural(unit),
                remedy=remedy,
                p_value=test.p_value,
                ratio=test.variance_ratio,
                correlation=test.intraclass_correlation,
            ),
            DependentRowsWarning,
        )
    found = "move together" if test.p_value <= _ALARM else "no sign that they move together"
    return f"{found} (p = {test.p_value:.3g}, variance ratio {test.variance_ratio:.3g})"


def check_order(calibration: Calibration, *, silent: bool = False) -> str:
    """Test whether past batches trend or follow one another in the order of their names."""
    if not np.isfinite(calibration.scores).all():
        return "not tested: scores of true claims are minus infinity"
    test = calibration.once(
        "order",
        lambda: unit_order_test(
            np.array([float(part.mean()) for part in calibration.by_batch]), random_state=calibration.seed
        ),
    )
    if test.p_value <= _ALARM and not silent:
        warn(
            order_drift_message.format(
                units=plural(calibration.batch_name), p_value=test.p_value, correlation=test.statistic
            ),
            DriftWarning,
        )
    found = "they trend or follow one another" if test.p_value <= _ALARM else "no sign of a trend or a memory"
    return f"{found} (p = {test.p_value:.3g})"


@dataclass(frozen=True, eq=False)
class DriftFinding:
    """What the comparison of covariates found, in words; the p-value is computed when it is read."""

    test: DriftTest

    def __str__(self) -> str:
        found = "unlike the calibration rows" if self.test.p_value <= _ALARM else "no sign of drift"
        return f"{found} (p = {self.test.p_value:.3g})"


def check_covariates(calibration: Calibration, asked: AskedRows, batches: Any) -> DriftFinding | None:
    """Test whether new rows look like the calibration rows; None where there is nothing to compare."""
    if not calibration.covariates or asked.n < _FEWEST_ROWS:
        return None
    rng = np.random.default_rng([calibration.seed, 2])
    new = asked.compared(rng)
    shared = [name for name in calibration.covariates if name in new and not _names(batches, name)]
    if not shared:
        return None
    known, rows = (np.column_stack([side[name] for name in shared]) for side in (calibration.covariates, new))
    if len(known) < _FEWEST_ROWS:
        return None
    test = DriftTest.of(known, rows, rng)
    if test.at_most(_ALARM):
        warn(
            covariate_drift_message.format(
                columns=f"{len(shared)} column{'s' if len(shared) > 1 else ''}",
                p_value=test.p_value,
                rows=min(len(known), len(rows)),
            ),
            DriftWarning,
        )
    return DriftFinding(test)


def _names(batches: Any, name: Any) -> bool:
    """Whether batches are the column of this name or position."""
    return isinstance(batches, str | int) and not isinstance(batches, bool) and batches == name


def plural(word: str) -> str:
    """The plural of an English noun."""
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return f"{word}es"
    return f"{word[:-1]}ies" if word.endswith("y") and word[-2:-1] not in "aeiou" else f"{word}s"
