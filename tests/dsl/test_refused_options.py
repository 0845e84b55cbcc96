"""Options that would be ignored are refused, and defaults that stand for them."""

from __future__ import annotations

import numpy as np
import pytest

from validstats.dsl import Moment, joint_covariance


@pytest.mark.parametrize(
    ("formula", "options", "message"),
    [
        ("y", {"model": "mean", "quantile": 0.9}, "quantile=0.9 goes with model='quantile'"),
        ("y ~ x1", {"quantile": 0.5}, "quantile=0.5 goes with model='quantile'"),
        ("score", {"model": "quantile", "population": "finite", "clusters": "unit"}, "Leave clusters out"),
        ("y ~ x1", {"population": "finite", "clusters": "unit"}, "clusters goes with population='superpop"),
    ],
)
def test_options_that_would_be_ignored_are_refused(calibrated, formula, options, message) -> None:
    with pytest.raises(ValueError, match=message):
        calibrated.infer(formula, **options)


@pytest.mark.parametrize("interval", [None, "cells", "exact"])
@pytest.mark.parametrize(
    ("options", "named"),
    [({"tuning": "matrix"}, "tuning"), ({"cross_fitted": True}, "cross_fitted")],
)
def test_shares_refuse_options_of_predictions_that_their_cells_do_not_make(
    calibrated, interval, options, named
) -> None:
    n = len(calibrated.infer("y", model="proportion", interval="normal").influence)
    given = {k: {"y": np.full(n, 0.5)} if v is True else v for k, v in options.items()}
    with pytest.raises(
        ValueError, match=rf"{named} would change nothing.*Pass interval='normal' with {named}"
    ):
        calibrated.infer("y", model="proportion", interval=interval, **given)
    assert calibrated.infer("y", model="proportion", interval="normal", **given).interval_name == "normal"


def test_a_moment_takes_no_quantile(calibrated) -> None:
    moment = Moment(score=lambda c, b: (c["score"] - b[0])[:, None], variables=("score",), start=(0.0,))
    with pytest.raises(ValueError, match=r"quantile=0\.9 goes with model='quantile'"):
        calibrated.infer(moment, quantile=0.9)


@pytest.mark.slow
def test_the_quantile_is_the_median_where_none_is_given(calibrated) -> None:
    default, median = (calibrated.infer("score", model="quantile", **q) for q in ({}, {"quantile": 0.5}))
    assert default.names == median.names == ("quantile(score, 0.5)",)
    np.testing.assert_array_equal(default.params, median.params)


def test_a_finite_population_has_no_resampling_of_its_rows(calibrated) -> None:
    finite, usual = (calibrated.infer("y ~ x1", population=p) for p in ("finite", "superpopulation"))
    for refused in (finite.recluster, finite.bootstrap, lambda: joint_covariance([usual, finite])):
        with pytest.raises(ValueError, match=r"describes a finite population.*population='superpopulation'"):
            refused()
    assert usual.bootstrap(2, random_state=0).shape == (2, 2)
