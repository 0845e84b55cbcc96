"""The pictures of the methods' ideas: they carry the digest of the recorded numbers, and the numbers are those of the code."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.special import digamma

from benchmarks.first_screen import digest
from benchmarks.ideas import IDEAS, RESULT, _information_of_ring, _information_of_v, picture
from tests.benchmarks.test_first_screen import texts

pytestmark = pytest.mark.skipif(
    not picture("batch").exists(), reason="the pages are not installed with the package"
)
NUMBERS = json.loads(RESULT.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", list(IDEAS))
def test_the_picture_shows_the_recorded_numbers(name: str) -> None:
    assert texts(picture(name).read_bytes())["Description"] == digest(NUMBERS[name])


def test_the_ranks_of_the_batch_are_those_of_the_package() -> None:
    from validstats import BatchPredictor
    from validstats.batch import Simultaneous

    y = np.random.default_rng(0).normal(size=200)
    model = BatchPredictor(None, Simultaneous(miss=0.1), confidence_level=0.9, random_state=0)
    model.calibrate(np.zeros(200), y)
    half = np.sort(np.abs(y))[NUMBERS["batch"]["ours_rank"] - 1]
    result = model.infer(np.zeros(100))
    np.testing.assert_allclose(np.abs(result.intervals), half, rtol=1e-12)
    assert result.tidy()["naive_probability"][0] == pytest.approx(NUMBERS["batch"]["usual_held"], abs=1e-6)
    assert NUMBERS["batch"]["ours_held"] >= 0.9 > 0.6 > NUMBERS["batch"]["usual_held"]


def test_the_truths_of_the_clouds_are_those_of_their_laws() -> None:
    def differences(x: np.ndarray) -> float:  # m-spacings, with the bias of their logarithm taken out
        x, m = np.sort(x), 30
        return float(np.log(len(x) * (x[2 * m :] - x[: -2 * m])).mean() - digamma(2 * m))

    rng = np.random.default_rng(0)
    sums = np.abs(rng.normal(size=200_000)) + 0.3 * rng.normal(size=200_000)
    assert _information_of_v(0.3) == pytest.approx(
        differences(sums) - 0.5 * np.log(2 * np.pi * np.e * 0.09), abs=0.01
    )
    turn = rng.uniform(0, 2 * np.pi, 200_000)
    side = np.cos(turn) + 0.03 * rng.normal(size=200_000)
    thin = np.log(2 * np.pi) + 0.5 * np.log(2 * np.pi * np.e * 0.03**2)  # a circle with thin normal noise
    assert _information_of_ring(0.03) == pytest.approx(2 * differences(side) - thin, abs=0.02)


def test_ours_holds_where_the_usual_answer_does_not() -> None:
    climb = NUMBERS["holdout"]
    assert all(low > 0.5 for _, _, low, _ in climb["usual"][3:])
    assert all(low <= 0.5 <= high for _, _, low, high in climb["ours"])
    rows = NUMBERS["dsl"]["rows"]
    assert all(low <= 0.5 <= high for *_, low, high in rows)
    assert sum(low <= 0.5 <= high for _, _, low, high, *_ in rows) <= 2
    rates, truth = NUMBERS["evals"]["rates"], NUMBERS["evals"]["truth"]
    assert rates["both"][1] <= truth <= rates["both"][2] < rates["judge alone"][1]


@pytest.mark.slow
@pytest.mark.parametrize("name", list(IDEAS))
def test_the_recorded_numbers_are_those_of_the_code(name: str) -> None:
    again = json.loads(json.dumps(IDEAS[name].run()))

    def flat(found: object) -> list[float]:
        if isinstance(found, dict):
            return [v for key in sorted(found) for v in flat(found[key])]
        return [v for part in found for v in flat(part)] if isinstance(found, list) else [float(found)]  # type: ignore[arg-type]

    np.testing.assert_allclose(flat(again), flat(NUMBERS[name]), rtol=1e-4, atol=1e-5)
