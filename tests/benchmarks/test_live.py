"""The page with sliders: every slider has its numbers, and they are those of the simulation."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from benchmarks.live import DATA, ROOT, SEED, SLIDERS

pytestmark = pytest.mark.skipif(not DATA.exists(), reason="the pages are not installed with the package")
TEXT = DATA.read_text(encoding="utf-8") if DATA.exists() else "window.validstatsLive = {}"
FOUND = json.loads(TEXT.partition("window.validstatsLive = ")[2].rstrip(";\n"))


def generators(name: str) -> list[np.random.Generator]:
    return np.random.default_rng([SEED, list(SLIDERS).index(name)]).spawn(len(SLIDERS[name].places))


def test_every_slider_of_the_page_has_its_numbers() -> None:
    page = (ROOT / "docs/live.md").read_text(encoding="utf-8")
    assert re.findall(r'data-name="(\w+)"', page) == list(SLIDERS) == list(FOUND)
    assert all(len(FOUND[name]["points"]) == len(SLIDERS[name].places) for name in SLIDERS)


@pytest.mark.parametrize("name", ["batch", "shock"])
def test_recorded_numbers_are_those_of_the_simulation(name: str) -> None:
    slider = SLIDERS[name]
    again = [slider.run(place, rng)._asdict() for place, rng in zip(slider.places[:2], generators(name))]
    assert again == FOUND[name]["points"][:2]


@pytest.mark.parametrize("name", [name for name in SLIDERS if name != "curve"])
def test_ours_keeps_the_level_and_the_usual_answer_loses_it_somewhere(name: str) -> None:
    promised, points = SLIDERS[name].promised, FOUND[name]["points"]
    assert min(point["ours"] for point in points) >= promised - 0.05
    assert min(point["usual"] for point in points) < promised - 0.2
