"""One small data set with known machine errors, shared by the tests of the domain."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit


def make_documents(seed=0, n=1500, share=0.3):
    """Return always-observed data, expert labels with gaps, and the full truth."""
    rng = np.random.default_rng(seed)
    x1, x2 = rng.normal(size=n), rng.normal(size=n)
    y = (rng.random(n) < expit(-0.4 + x1 - 0.5 * x2)).astype(float)
    q = np.where(rng.random(n) < 0.85 - 0.1 * (x2 > 0), y, 1 - y)
    t = (rng.random(n) < expit(x1 + 0.5 * y)).astype(float)
    qt = np.where(rng.random(n) < 0.85, t, 1 - t)
    topic = np.array(["a", "b", "c"])[(y + (rng.random(n) < 0.5)).astype(int)]
    qtopic = np.where(rng.random(n) < 0.8, topic, rng.choice(["a", "b", "c"], n))
    score = 1 + 2 * t + x1 + rng.normal(size=n)
    qscore = score + 0.7 * rng.normal(size=n)
    labelled = rng.random(n) < share
    data = pd.DataFrame(
        {
            "x1": x1,
            "x2": x2,
            "group": np.where(x1 > 0, "u", "v"),
            "unit": np.arange(n) // 4,
            "time": np.arange(n) % 4,
            "observed": score,
            "q": q,
            "qt": qt,
            "qtopic": qtopic,
            "qscore": qscore,
        }
    )
    truth = pd.DataFrame({"y": y, "t": t, "topic": topic, "score": score})
    labels = truth.astype({"topic": object}).where(pd.Series(labelled), other=np.nan)
    labels["topic"] = labels["topic"].where(pd.Series(labelled), other=None)
    return data, labels, truth


SURROGATES = {"y": "q", "t": "qt", "topic": "qtopic", "score": "qscore"}


@pytest.fixture(scope="module")
def documents():
    return make_documents()


@pytest.fixture(scope="module")
def calibrated(documents):
    from validstats.dsl import DesignSupervised

    data, labels, _ = documents
    return DesignSupervised(random_state=0, n_repeats=1).fit(data, surrogate=SURROGATES).calibrate(labels)
