"""The door for R: ``docs/r/validstats.R`` gives the numbers of the R package, where R and reticulate are at hand."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "docs" / "r" / "validstats.R"
GOLDEN = Path(__file__).parent / "golden"
CASES = json.loads((GOLDEN / "dsl.json").read_text())["own"]
R = shutil.which("Rscript")

pytestmark = pytest.mark.skipif(not SCRIPT.exists(), reason="the script is not installed with the package")

RUN = """
source("{script}")
data <- read.csv("{golden}/{data}")
predictions <- list({predictions})
fit <- dsl({arguments}, data = data, as_in_r = TRUE, cross_fitted = predictions)
table <- tidy(fit)
stopifnot(all.equal(as.numeric(confint(fit)[, 1]), table$conf.low), identical(names(coef(fit)), table$term))
write.csv(table, "table.csv", row.names = FALSE)
write.csv(vcov(fit), "vcov.csv", row.names = FALSE)
write.csv(glance(fit), "glance.csv", row.names = FALSE)
"""


@functools.cache
def reticulate() -> bool:
    """Whether R can call Python here."""
    return (
        R is not None
        and not subprocess.run(
            [R, "-e", "library(reticulate)"], capture_output=True, timeout=600, check=False
        ).returncode
    )


@pytest.fixture
def r_at_hand() -> None:
    if not reticulate():
        pytest.skip("R with reticulate is not at hand")


needs_r = pytest.mark.usefixtures(
    "r_at_hand"
)  # R is started where a test needs it, not where tests are collected


def r_text(value: object) -> str:
    """A value as R writes it."""
    if isinstance(value, list):
        return f"c({', '.join(map(r_text, value))})"
    return f'"{value}"' if isinstance(value, str) else str(value)


def in_r(code: str, folder: Path) -> None:
    environment = {**os.environ, "RETICULATE_PYTHON": sys.executable, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [R, "-e", code], capture_output=True, text=True, cwd=folder, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_script_is_short_and_has_the_arguments_of_the_package() -> None:
    text = SCRIPT.read_text(encoding="utf-8")
    assert text.count("\n") < 200
    arguments = (
        "model formula predicted_var prediction data cluster labeled sample_prob index fixed_effect sl_method"
    )
    for name in (*arguments.split(), "feature", "family", "cross_fit", "sample_split", "seed"):
        assert f"{name} = " in text or f"{name}," in text
    for method in ("tidy", "glance", "coef", "vcov", "confint", "nobs", "summary", "print", "plot"):
        assert f"{method}.validstats <- function" in text


@pytest.mark.slow
@needs_r
@pytest.mark.parametrize("name", list(CASES))
def test_the_numbers_are_those_of_the_r_package(name: str, tmp_path: Path) -> None:
    config, exact = CASES[name]["config"], CASES[name]["exact_root"]
    taken = ("model", "predicted_var", "prediction", "cluster", "sample_prob", "index", "feature")
    arguments = [f"formula = {config['formula']}"]
    arguments += [f"{key} = {r_text(config[key])}" for key in taken if key in config]
    predictions = [
        f'{v} = as.matrix(read.csv("{GOLDEN}/{file}"))' for v, file in CASES[name]["predictions"].items()
    ]
    parts = {"script": SCRIPT, "golden": GOLDEN, "data": config["data"]}
    code = RUN.format(**parts, predictions=", ".join(predictions), arguments=", ".join(arguments))
    in_r(code, tmp_path)
    table = np.genfromtxt(tmp_path / "table.csv", delimiter=",", names=True, dtype=None, encoding="utf-8")
    np.testing.assert_allclose(table["estimate"], exact["coefficients"], rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(table["stderror"], exact["standard_errors"], rtol=1e-8)
    covariance = np.genfromtxt(tmp_path / "vcov.csv", delimiter=",", skip_header=1)
    np.testing.assert_allclose(covariance, exact["vcov"], rtol=1e-8, atol=1e-10)
    assert str(exact["num_expert"]) in (tmp_path / "glance.csv").read_text(encoding="utf-8")


@pytest.mark.slow
@needs_r
def test_the_default_answers_with_the_tuned_estimator(tmp_path: Path) -> None:
    code = f"""
    source("{SCRIPT}")
    data <- read.csv("{GOLDEN}/own_lm.csv")
    fit <- dsl(model = "lm", formula = y ~ x1 + x2, predicted_var = "y", prediction = "q", data = data)
    print(fit); summary(fit); stopifnot(nobs(fit) == nrow(data), glance(fit)$estimator == "tuned")
    refused <- try(dsl(formula = y ~ nothing, predicted_var = "y", data = data), silent = TRUE)
    stopifnot(grepl("data has no column nothing", refused))
    write.csv(tidy(fit, conf.level = 0.9), "table.csv", row.names = FALSE)
    """
    in_r(code, tmp_path)
    import pandas as pd

    from validstats import DesignSupervised

    data = pd.read_csv(GOLDEN / "own_lm.csv")
    study = DesignSupervised(random_state=1234).fit(data.drop(columns="y"), surrogate={"y": "q"})
    study.calibrate(data[["y"]], sampling_probability=float(data["y"].notna().mean()))
    here, there = study.infer("y ~ x1 + x2"), pd.read_csv(tmp_path / "table.csv")
    np.testing.assert_allclose(there["estimate"], here.params, rtol=1e-10)
    np.testing.assert_allclose(there[["conf.low", "conf.high"]], here.confidence_interval(0.9), rtol=1e-10)
