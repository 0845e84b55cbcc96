"""The holdout's benchmarks: what they measure gives the same numbers as the package's own functions."""

from __future__ import annotations

import numpy as np

from benchmarks import holdout


def test_both_implementations_of_thresholdout_agree() -> None:
    train, means = holdout.query_means(5_000)
    ours = holdout.thresholdout_with_noise(train, means, np.random.default_rng(3))
    plain = holdout.thresholdout_in_python(train, means, np.random.default_rng(3))
    np.testing.assert_array_equal(ours, plain)
    assert 0 < (ours != train).sum() < 500


def test_the_measured_functions_run(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    for spec in holdout.specs(quick=True):
        assert spec.domain == "holdout"
        for name, function in spec.prepared().items():
            if name not in holdout.PEER_NOISE:
                assert function() is not None


def test_plans_that_were_never_made_differ() -> None:
    call = holdout.fresh_plan()
    assert call() > call()
