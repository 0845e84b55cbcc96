"""The benchmark of rows in parts: its data and its table."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import scale


def test_parts_are_the_same_whenever_they_are_made(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(scale, "ROWS_A_PART", 300)
    place = scale.written(tmp_path, 700)
    assert [file.name for file in sorted(place.iterdir())] == [
        "00000.parquet",
        "00001.parquet",
        "00002.parquet",
    ]
    first = scale.part(0, 300, 700)
    assert first.equals(scale.part(0, 300, 700)) and first.nbytes <= scale.BYTES_A_ROW * 300 + 100
    np.testing.assert_array_equal(np.unique(np.isnan(first["expert"].to_numpy())), [False])


def test_an_answer_is_measured_once(tmp_path) -> None:
    calls = []
    for _ in range(2):
        assert scale.kept(tmp_path / "x.json", lambda: calls.append(1) or [1.5]) == [1.5]
    assert len(calls) == 1


def test_the_table_gives_costs_a_row() -> None:
    row = {
        "n": 2_000_000,
        "task": "infer",
        "seconds": 3.0,
        "processor": 4.0,
        "workers": [200.0, 300.0],
        "caller": 400.0,
    }
    table = scale.page([row], {"infer": 2e-15}, "python -m benchmarks.scale")
    assert (
        "| 2,000,000 | 53 MiB | `BatchPredictor.infer`, all rows one batch | 3.0 | 4.0 | 2.000 | 300 MiB | 400 MiB |"
        in table
    )
    assert scale.difference([1.0, 2.0], [1.0, 2.0 + 2e-12]) == pytest.approx(1e-12, rel=1e-3)
