"""What a result says does not change with the arrays that the caller goes on working on, also where it is read later."""

from __future__ import annotations

import numpy as np
import pytest

from validstats.mi import mutual_info


@pytest.mark.parametrize("method", ["learned", "ksg", "gaussian"])
def test_estimates_do_not_change_with_what_was_passed(method: str) -> None:
    said = []
    for write in (False, True):
        rng = np.random.default_rng(1)
        x = rng.normal(size=(200, 2))
        y = x[:, :1] + rng.normal(size=(200, 1))
        result = mutual_info(x, y, method=method)
        if write:
            x[:], y[:] = 0.0, np.arange(200.0)[:, None]
        said.append((str(result.summary()), str(result.tidy())))
    assert said[0] == said[1]
