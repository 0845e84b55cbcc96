"""Warnings point at the user's line, however deep they are raised."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import validstats
from validstats import DesignSupervised, mutual_info
from validstats.exceptions import ConstantColumnWarning, LabellingWarning


def few_clusters() -> None:
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(
        {"x": rng.normal(size=400), "machine": rng.normal(size=400), "group": np.arange(400) // 40}
    )
    labels = np.where(rng.random(400) < 0.4, rng.normal(size=400), np.nan)
    study = DesignSupervised(random_state=0).fit(rows, surrogate="machine")
    study.calibrate({"y": labels}, sampling_probability=0.4).infer("y ~ x", clusters="group")


def a_constant_column() -> None:
    x = np.random.default_rng(0).normal(size=(100, 1))
    mutual_info(np.hstack([x, np.ones_like(x)]), x[:, 0] ** 2, method="ksg")


@pytest.mark.parametrize(
    ("call", "category"), [(few_clusters, LabellingWarning), (a_constant_column, ConstantColumnWarning)]
)
def test_the_line_is_the_users(call, category) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    found = [w for w in caught if issubclass(w.category, category)]
    assert found
    assert {Path(w.filename).name for w in found} == {"test_warnings.py"}


def test_no_frame_is_counted_by_hand() -> None:
    root = Path(validstats.__file__).parent
    users = [p.name for p in root.rglob("*.py") if "stacklevel" in p.read_text(encoding="utf-8")]
    assert users == ["exceptions.py"]
