"""The 40 benchmark laws and MIST's test law: true values, maps and samplers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from benchmarks import mi_laws as laws
from benchmarks import mi_tasks as tasks
from tests.oracles import mi_classical as oracle
from validstats.mi.anchors import ksg

GOLDEN = Path(__file__).parent / "golden"
TASKS = tasks.bmi_tasks()
TRUE = json.loads((GOLDEN / "bmi_tasks.json").read_text())["tasks"]
MAPS = json.loads((GOLDEN / "bmi_maps.json").read_text())


def test_there_are_the_same_forty_tasks() -> None:
    assert set(TASKS) == set(TRUE)
    assert len(TASKS) == 40


@pytest.mark.parametrize("name", sorted(TRUE))
def test_closed_form_equals_the_published_value(name: str) -> None:
    task, true = TASKS[name], TRUE[name]
    # The published values of the additive tasks were computed in single precision.
    tolerance = 1e-7 if task.group == "additive" else 1e-12
    assert task.mutual_information == pytest.approx(true["mi_nats"], abs=tolerance)
    assert (task.dim_x, task.dim_y, task.title) == (true["dim_x"], true["dim_y"], true["name"])
    assert task.held_out == true["family_held_out"]


def test_groups_have_the_published_sizes() -> None:
    groups = [task.group for task in TASKS.values()]
    assert {g: groups.count(g) for g in set(groups)} == {
        "gaussian": 20,
        "student": 11,
        "spiral": 7,
        "additive": 2,
    }


@pytest.mark.parametrize("name", sorted(TRUE))
def test_samples_have_the_declared_shape_and_are_reproducible(name: str) -> None:
    task = TASKS[name]
    x, y = task.sample(30, random_state=3)
    assert x.shape == (30, task.dim_x) and y.shape == (30, task.dim_y)
    assert np.isfinite(x).all() and np.isfinite(y).all()
    again, _ = task.sample(30, random_state=3)
    other, _ = task.sample(30, random_state=4)
    np.testing.assert_array_equal(x, again)
    assert not np.array_equal(x, other)


@pytest.mark.parametrize("name", sorted(MAPS["maps"]))
def test_scalar_maps_equal_the_reference(name: str) -> None:
    function = {**vars(tasks), "normal_cdf": tasks._MAPS["normal_cdf"][0]}[name]
    np.testing.assert_allclose(function(np.array(MAPS["points"])), MAPS["maps"][name], atol=1e-10)


def test_swiss_roll_equals_the_reference() -> None:
    got = tasks.swiss_roll(np.array(MAPS["swiss_roll"]["points"])[:, None])
    np.testing.assert_allclose(got, MAPS["swiss_roll"]["values"], atol=1e-12)


def test_spirals_equal_the_reference_and_keep_lengths() -> None:
    rows = np.array(MAPS["spiral"]["rows"])
    np.testing.assert_allclose(tasks.spiral_x(rows), MAPS["spiral"]["x"], atol=1e-12)
    np.testing.assert_allclose(tasks.spiral_y(rows), MAPS["spiral"]["y"], atol=1e-12)
    np.testing.assert_allclose(
        np.linalg.norm(tasks.spiral_x(rows), axis=1), np.linalg.norm(rows, axis=1), atol=1e-12
    )


def test_latent_variable_correlation_equals_the_reference() -> None:
    case = MAPS["latent_variable"]
    got = laws.latent_variable_correlation(
        case["dim"],
        case["dim"],
        case["n_interacting"],
        shared=case["shared"],
        strength=case["strength"],
        within=case["within"],
        private=case["private"],
    )
    np.testing.assert_allclose(got, case["correlation"], atol=1e-14)
    with pytest.raises(ValueError, match="n_interacting must lie between 0 and"):
        laws.latent_variable_correlation(2, 3, 3)


def test_student_mutual_information_equals_the_reference() -> None:
    for case in MAPS["student"]:
        dispersion = laws.dense_correlation(case["dim_x"] + case["dim_y"], 0.4)
        got = laws.student_mutual_information(dispersion, case["dim_x"], case["df"])
        assert got == pytest.approx(case["mi"], abs=1e-12)


def test_student_mutual_information_is_the_mean_log_density_ratio() -> None:
    dispersion = laws.dense_correlation(3, 0.3)
    x, y = laws.StudentLaw(dispersion, 1, 4.0).sample(20_000, np.random.default_rng(0))
    rows = np.hstack([x, y])
    log_density = [
        stats.multivariate_t(shape=dispersion[part, part], df=4.0).logpdf(rows[:, part])
        for part in (slice(0, 3), slice(0, 1), slice(1, 3))
    ]
    log_ratio = log_density[0] - log_density[1] - log_density[2]
    standard_error = log_ratio.std() / np.sqrt(20_000)
    assert abs(laws.student_mutual_information(dispersion, 1, 4.0) - log_ratio.mean()) < 4 * standard_error


def test_additive_uniform_is_the_integral_of_its_density_ratio() -> None:
    for half_width in (0.1, 0.5, 0.75):
        assert laws.additive_uniform_mutual_information(half_width) == pytest.approx(
            oracle.additive_uniform_mutual_information(half_width), abs=2e-4
        )
    assert laws.additive_uniform_mutual_information([0.1, 0.75]) == pytest.approx(
        laws.additive_uniform_mutual_information(0.1) + 1 / 3
    )


def test_gaussian_samples_have_the_stated_correlations() -> None:
    law = tasks._two_pair_law(3)
    x, y = law.sample(20_000, np.random.default_rng(0))
    got = np.corrcoef(np.hstack([x, y]), rowvar=False)
    assert np.abs(got - law.covariance).max() < 4 / np.sqrt(20_000)


def test_student_samples_have_student_margins() -> None:
    x, y = TASKS["student-identity-2-2-2"].sample(4000, random_state=1)
    for column in (*x.T, *y.T):
        assert stats.kstest(column, stats.t(df=2).cdf).pvalue > 1e-3


@pytest.mark.parametrize(
    "name",
    [
        "1v1-normal-0.75",
        "normal_cdf-1v1-normal-0.75",
        "1v1-additive-0.75",
        "1v1-bimodal-0.75",
        "wiggly-1v1-normal-0.75",
        "half_cube-1v1-normal-0.75",
        "asinh-student-identity-1-1-1",
        "swissroll_x-normal_cdf-1v1-normal-0.75",
        "multinormal-dense-2-2-0.5",
    ],
)
def test_nearest_neighbours_find_the_true_value_in_samples(name: str) -> None:
    task = TASKS[name]
    x, y = task.sample(1000, random_state=11)
    estimate = ksg(oracle.standardize(x), oracle.standardize(y), 5)
    assert estimate == pytest.approx(task.mutual_information, abs=0.1)


def test_mist_test_law_has_the_published_number_of_sets() -> None:
    sizes: list[int] = []
    dims: dict[tuple[int, str], set[int]] = {}
    for drawn in tasks.mist_test_sets(sets_per_cell=2, random_state=5):
        sizes.append(len(drawn.x))
        assert drawn.x.shape == drawn.y.shape
        assert 2 <= drawn.x.shape[1] <= 32
        assert drawn.mutual_information >= 0
        dims.setdefault((len(drawn.x), drawn.family), set()).add(drawn.x.shape[1])
    assert len(sizes) == 2 * 20 * len(tasks.MIST_IN_FAMILY)
    assert (min(sizes), max(sizes), len(set(sizes))) == (10, 500, 20)
    assert all(len(seen) == 1 for seen in dims.values())


def test_mist_draws_follow_the_described_parameters() -> None:
    generator = np.random.default_rng(0)
    in_family = [s.mutual_information for s in tasks.mist_test_sets(random_state=1)]
    # The description of the original's test law: median near 1, maximum near 34, variance near 27.
    assert 0.7 < np.median(in_family) < 1.5
    assert 15 < max(in_family) < 70
    dense = [tasks._mist_dispersion("dense", 3, generator)[0, 1] for _ in range(500)]
    assert stats.kstest(np.array(dense) / 0.5, "uniform").pvalue > 1e-3
    sparse = tasks._mist_dispersion("sparse", 6, generator)
    assert np.allclose(sparse[:6, :6], np.eye(6))


@pytest.mark.parametrize("family", [*tasks.MIST_IN_FAMILY, *tasks.MIST_OUT_OF_FAMILY])
def test_mist_families_can_be_drawn(family: str) -> None:
    drawn = tasks.draw_mist_set(family, 25, 4, np.random.default_rng(2))
    assert drawn.x.shape == drawn.y.shape == (25, 4)
    assert np.isfinite(drawn.x).all() and drawn.mutual_information > 0
    assert drawn.family == family


def test_mist_family_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="family must start with multi_normal"):
        tasks.draw_mist_set("multi_cauchy-dense-base", 20, 2, np.random.default_rng(0))
