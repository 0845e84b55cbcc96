"""Type checkers see the public API: a small correct program passes mypy, and each mistake is found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import validstats

pytestmark = pytest.mark.slow

pytest.importorskip("mypy")

PROGRAM = """
import numpy as np
from sklearn.linear_model import LinearRegression

from validstats import BatchMean, BatchPredictor, DesignSupervised, Guarantee, ReusableHoldout, report
from validstats.mi import LearnedMI, MISelector, independence_test, mutual_info
from validstats.results import Page, Result, Summary

rng = np.random.default_rng(0)
X, y = rng.normal(size=(100, 2)), rng.normal(size=100)
model = BatchPredictor(LinearRegression(), BatchMean(), bounds=(-9.0, 9.0), random_state=0)
batch = model.fit(X, y).infer(X)
holdout = ReusableHoldout(queries=10).fit(X, y)
answer = holdout.calibrate(X, y).infer(LinearRegression())
study = DesignSupervised(confidence_level=0.9)
p_value: float = independence_test(X, y).p_value
learned: Result = LearnedMI().infer(X, y)
selector: MISelector = MISelector(k=1)
summary: Summary = batch.summary()
guarantee: Guarantee = batch.guarantee
page: Page = report([batch, answer, mutual_info(X, y)])
"""

MISTAKES = {
    "unknown argument": "BatchPredictor(LinearRegression(), BatchMean(), alpha=0.1)",
    "wrong option": 'DesignSupervised(estimator="magic")',
    "wrong unit": 'mutual_info(X, y, unit="bytes")',
    "wrong type": "number: int = independence_test(X, y).p_value",
    "unknown attribute": "batch.guarantees",
}


ROOT = Path(validstats.__file__).parents[1]


def check(program: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Check a program with the project's configuration and cache, which a run of mypy over the package fills."""
    file = folder / "program.py"
    file.write_text(program, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), str(file)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


@pytest.mark.skipif(not (ROOT / "pyproject.toml").exists(), reason="needs the project's configuration")
def test_mypy_sees_the_public_interface(tmp_path: Path) -> None:
    done = check(PROGRAM + "\n".join(MISTAKES.values()) + "\n", tmp_path)
    first = len(PROGRAM.splitlines()) + 1
    found = {
        int(line.split(":")[1])
        for line in done.stdout.splitlines()
        if "program.py:" in line and "error:" in line
    }
    assert found == {first + i for i in range(len(MISTAKES))}, done.stdout + done.stderr


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(validstats.__file__).parent / "py.typed").exists()
