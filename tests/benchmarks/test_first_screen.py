"""The picture of the README: it carries the digest of the recorded numbers, and the numbers are those of the studies."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest

from benchmarks.first_screen import NARROW, PICTURE, RESULT, SEED, STUDIES, Bar, digest

pytestmark = pytest.mark.skipif(not PICTURE.exists(), reason="the pages are not installed with the package")
NUMBERS = json.loads(RESULT.read_text(encoding="utf-8"))


def texts(data: bytes) -> dict[str, str]:
    """Texts of a PNG file by keyword."""
    found, place = {}, 8
    while place < len(data):
        length, kind = struct.unpack(">I4s", data[place : place + 8])
        if kind == b"tEXt":
            keyword, _, text = data[place + 8 : place + 8 + length].partition(b"\0")
            found[keyword.decode("latin-1")] = text.decode("latin-1")
        place += length + 12
    return found


@pytest.mark.parametrize("picture", [PICTURE, NARROW], ids=["wide", "narrow"])
def test_the_picture_shows_the_recorded_numbers(picture: Path) -> None:
    assert texts(picture.read_bytes())["Description"] == digest(NUMBERS)
    assert digest(NUMBERS | {"more": {}}) != digest(NUMBERS)


def test_every_study_is_recorded_and_ours_keeps_its_level() -> None:
    assert list(NUMBERS) == list(STUDIES)
    for name, row in NUMBERS.items():
        assert row["replicates"] == STUDIES[name].replicates
        assert row["ours_held"] >= 0.9 * row["replicates"] > row["usual_held"]


@pytest.mark.slow
@pytest.mark.parametrize("name", list(STUDIES))
def test_the_recorded_numbers_are_those_of_the_studies(name: str) -> None:
    again = STUDIES[name].run(np.random.default_rng(SEED))
    for kind, bar in zip(("usual", "ours"), again, strict=True):
        np.testing.assert_allclose(Bar(*NUMBERS[name][kind]), bar, rtol=1e-6)
