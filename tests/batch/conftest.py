from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session")
def golden():
    """The golden cases, by task."""
    cases = json.loads((Path(__file__).parent / "golden" / "batch_pi.json").read_text())
    by_task = {}
    for case in cases["cases"]:
        by_task.setdefault(case["task"], []).append(case)
    return {**cases, "by_task": by_task}


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(900, 2))
    return x, x[:, 0] + rng.normal(size=900) * (0.5 + np.abs(x[:, 1]))
