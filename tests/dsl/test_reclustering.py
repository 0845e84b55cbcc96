"""Clusters given after the fit."""

from __future__ import annotations

import numpy as np
import pytest

from validstats.dsl import joint_covariance


@pytest.mark.share(3)
@pytest.mark.parametrize(
    ("gap", "kind", "error", "message"),
    [
        (np.nan, float, ValueError, r"clusters has 3 missing value\(s\)"),
        (None, object, ValueError, r"clusters has 3 missing value\(s\)"),
        (7, object, TypeError, "clusters mixes text"),
    ],
)
def test_missing_and_mixed_clusters_are_refused_after_the_fit_as_before(
    calibrated, documents, gap, kind, error, message
) -> None:
    unit = documents[0]["unit"].to_numpy()
    clusters = unit.astype(float) if kind is float else np.array([f"c{u}" for u in unit], dtype=object)
    clusters[[3, 50, 700]] = gap
    result = calibrated.infer("y ~ x1")
    uses = (
        lambda c: calibrated.infer("y ~ x1", clusters=c),
        result.recluster,
        lambda c: result.bootstrap(2, clusters=c),
        lambda c: joint_covariance([result], [c]),
    )
    for use in uses:
        with pytest.raises(error, match=message):
            use(clusters)


def test_clusters_after_the_fit_equal_those_of_infer(calibrated, documents) -> None:
    unit = documents[0]["unit"].to_numpy()
    # the default chooses its shares under the clusters of infer
    after = calibrated.infer("y ~ x1", estimator="ppi").recluster(unit)
    asked = calibrated.infer("y ~ x1", estimator="ppi", clusters="unit")
    np.testing.assert_allclose(after.covariance, asked.covariance, rtol=1e-12)
