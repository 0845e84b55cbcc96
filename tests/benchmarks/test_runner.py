from __future__ import annotations

import csv
import sys

import pytest

from benchmarks._runner import Spec, in_environment, markdown_table, measure, run


def failing() -> None:
    raise MemoryError("asked for 74 GiB")


def test_failures_are_results_and_ours_has_ratio_one() -> None:
    spec = Spec("demo", "sum", 10, {"validstats": lambda: sum(range(1000)), "peer": failing}, repeats=3)
    ours, peer = measure(spec)
    assert ours.ratio == 1.0
    assert ours.error == ""
    assert ours.cold_seconds > 0
    assert peer.error == "MemoryError: asked for 74 GiB"
    assert "failed: MemoryError" in markdown_table([ours, peer])


def test_a_run_writes_one_csv_and_one_table(tmp_path, capsys) -> None:
    spec = Spec("demo", "allocate", 10, {"validstats": lambda: bytearray(2**20)}, repeats=1)
    run([spec, spec], tmp_path / "demo")
    with (tmp_path / "demo.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert len(rows) == 2
    assert float(rows[0]["peak_mebibytes"]) >= 1.0
    assert (tmp_path / "demo.md").read_text().count("| allocate |") == 2
    assert "| allocate |" in capsys.readouterr().out


def test_a_peer_in_its_own_environment() -> None:
    assert in_environment(sys.executable, "import json, sys; print(json.dumps({'a': sys.argv[1]}))", "7") == {
        "a": "7"
    }
    with pytest.raises(RuntimeError, match="ValueError: no"):
        in_environment(sys.executable, "raise ValueError('no')")
