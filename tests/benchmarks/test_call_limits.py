"""Calls beside their limit."""

from __future__ import annotations

import pytest

from benchmarks import call_limits


@pytest.mark.parametrize("domain", call_limits.DOMAINS)
def test_every_call_and_its_limit_are_measured(domain) -> None:
    lines = call_limits.table(domain, 1, (400,)).splitlines()
    rows = [line.strip("|").split("|") for line in lines[4:]]
    assert len(rows) == len(call_limits.DOMAINS[domain][0](400)) > 1
    for _, n, call, limit, ratio, what in rows:
        assert int(n) == 400 and float(call) > 0 and float(limit) >= 0 and float(ratio) > 0 and what.strip()


def test_steps_of_batches_of_many_sizes_are_part_of_their_call() -> None:
    rows = [line.strip("|").split("|") for line in call_limits.table_of_sizes(1, 2_000).splitlines()[4:]]
    assert len(rows) == len(call_limits.COMPILED) + 3
    (_, *steps), (_, *call) = rows[-2], rows[-1]
    for k in (0, 1):
        assert all(float(row[1 + k]) >= 0 for row in rows) and float(steps[k]) > 0
        assert float(steps[k]) - float(rows[-3][1 + k]) < float(call[k])  # predictions are measured beside it
