"""What stops a regression is named: separation, near-collinearity, too few labels."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from validstats import DesignSupervised
from validstats.dsl import NoRootError
from validstats.dsl.regression.obstacles import separating_direction
from validstats.exceptions import LabellingWarning


def calibrated(n_labels=60, **columns):
    rng = np.random.default_rng(3)
    n = 1500
    frame = pd.DataFrame({"x": rng.normal(size=n), "year": 2000.0 + rng.integers(0, 20, n)})
    truth = (rng.random(n) < 1 / (1 + np.exp(-frame["x"]))).astype(float)
    frame["machine"] = np.where(rng.random(n) < 0.9, truth, 1 - truth)
    for name, make in columns.items():
        frame[name] = make(frame, rng)
    labelled = np.zeros(n, dtype=bool)
    labelled[rng.choice(n, n_labels, replace=False)] = True
    values = frame.pop("truth") if "truth" in frame else truth
    labels = pd.Series(values, name="y").where(labelled)
    return (
        DesignSupervised(random_state=0, n_folds=2, n_repeats=1)
        .fit(frame, surrogate="machine")
        .calibrate(labels)
    )


def clean(study, *arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("error", LabellingWarning)
        return study.infer(*arguments, **options)


@pytest.mark.parametrize("estimator", ["tuned", "gold", "dsl"])
def test_separation_names_the_column(estimator):
    study = calibrated(truth=lambda f, rng: (f["x"] > 0).astype(float))
    with pytest.raises(NoRootError, match=r"^Separation: .* coefficient of 'x' is infinite"):
        study.infer("y ~ x + year", model="logit", estimator=estimator)


def test_separation_of_one_class_of_several():
    def truth(frame, rng):
        return np.where(frame["x"] > 1, "high", rng.choice(["low", "middle"], len(frame)))

    study = calibrated(truth=truth)
    with pytest.raises(NoRootError, match=r"^Separation: .* coefficient of 'x'"):
        study.infer("y ~ x", model="multinomial")


def test_labels_of_one_class_are_named():
    study = calibrated(truth=lambda f, rng: np.zeros(len(f)))
    with pytest.raises(NoRootError, match="all expert labels are of one class"):
        study.infer("y ~ x", model="logit")


def test_near_collinearity_names_the_columns():
    study = calibrated(twin=lambda f, rng: f["x"] + 1e-9 * rng.normal(size=len(f)))
    with pytest.raises(NoRootError, match=r"^Near-collinearity: .* columns 'x', 'twin' apart"):
        study.infer("y ~ x + twin + year", model="logit")
    study = calibrated(twin=lambda f, rng: f["x"] + 1e-5 * rng.normal(size=len(f)))
    with pytest.warns(LabellingWarning, match=r"^Near-collinearity: .* columns 'x', 'twin' apart"):
        study.infer("y ~ x + twin")
    # the origin of a column does not matter beside an intercept
    far = calibrated(late=lambda f, rng: 1.7e9 + 3600 * rng.normal(size=len(f)))
    clean(far, "y ~ x + late")


def test_too_few_labels_are_counted():
    wide = {f"z{k}": (lambda f, rng: rng.normal(size=len(f))) for k in range(15)}
    study = calibrated(n_labels=14, **wide)
    for estimator in ("gold", "tuned"):
        with pytest.raises(NoRootError, match=r"^Too few expert labels: 14 for 16 coefficients"):
            study.infer("y ~ " + " + ".join(wide), estimator=estimator)
    with pytest.raises(ValueError, match=r"^Too few expert labels: of 4 labelled row\(s\)"):
        calibrated(n_labels=4).infer("y ~ x")


def test_separating_directions():
    """Against all lines through a grid of angles, for random points of two classes."""
    rng = np.random.default_rng(0)
    angles = np.linspace(0, 2 * np.pi, 2000, endpoint=False)
    lines = np.column_stack([np.cos(angles), np.sin(angles)])
    seen = set()
    for _ in range(60):
        points, classes = rng.normal(size=(7, 2)), rng.integers(0, 2, 7).astype(float)
        sides = (points @ lines.T) * np.where(classes > 0, 1, -1)[:, None]
        separable = bool(np.any(np.all(sides > 0, axis=0)))
        direction = separating_direction(points, classes)
        found = bool(np.any(direction != 0))
        if found:
            assert np.all((points @ direction) * np.where(classes > 0, 1, -1) >= -1e-9)
        assert found or not separable
        seen.add(found)
    assert seen == {True, False}
    # a row that belongs to both classes in part leaves no direction but those in which it is zero
    assert not np.any(separating_direction(np.array([[1.0], [-1.0], [2.0]]), np.array([1.0, 0.0, 0.5])))
