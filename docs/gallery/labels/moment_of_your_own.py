"""
# A quantity of your own: agreement beyond chance

Any system of equations is a model. Here Cohen's kappa of the judge, corrected by the experts.
"""

import numpy as np
import pandas as pd

from validstats import DesignSupervised
from validstats.dsl import Moment

rng = np.random.default_rng(0)
x = rng.normal(size=3000)
truth = (rng.random(3000) < 1 / (1 + np.exp(-x))).astype(float)
machine = np.where(rng.random(3000) < 0.85 - 0.1 * (x > 0), truth, 1 - truth)
docs = pd.DataFrame({"x": x, "gpt": machine, "topic": rng.choice(["a", "b", "c"], 3000)})
expert = pd.Series(truth, name="expert").where(rng.random(3000) < 0.1)


def kappa(c, b):
    people, judge, agree, k = b
    chance = people * judge + (1 - people) * (1 - judge)
    same = c["expert"] * c["gpt"] + (1 - c["expert"]) * (1 - c["gpt"])
    last = np.full(len(same), agree - chance - k * (1 - chance))
    return np.column_stack([c["expert"] - people, c["gpt"] - judge, same - agree, last])


study = (
    DesignSupervised(random_state=0).fit(docs, surrogate="gpt").calibrate(expert, sampling_probability=0.1)
)
result = study.infer(Moment(kappa, variables=("expert", "gpt"), start=(0.5, 0.5, 0.7, 0.2)))
result.plot()
result.summary()
