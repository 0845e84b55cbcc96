"""
# How many expert labels are needed?

From the labels there are: standard errors against the number of labels.
"""

import numpy as np
import pandas as pd

from validstats import DesignSupervised
from validstats.dsl import plan_labels

rng = np.random.default_rng(0)
x = rng.normal(size=3000)
truth = (rng.random(3000) < 1 / (1 + np.exp(-x))).astype(float)
machine = np.where(rng.random(3000) < 0.85 - 0.1 * (x > 0), truth, 1 - truth)
docs = pd.DataFrame({"x": x, "gpt": machine, "topic": rng.choice(["a", "b", "c"], 3000)})
expert = pd.Series(truth, name="expert").where(rng.random(3000) < 0.1)

study = (
    DesignSupervised(random_state=0).fit(docs, surrogate="gpt").calibrate(expert, sampling_probability=0.1)
)
plan = plan_labels(study.infer("expert ~ x", model="logit"), sizes=[200, 400, 800, 1600])
plan.plot()
plan.summary()
