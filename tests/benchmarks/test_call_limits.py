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
