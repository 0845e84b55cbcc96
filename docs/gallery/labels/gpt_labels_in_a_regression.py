"""
# GPT labels in a regression

The machine labelled all texts, experts a tenth. Coefficients are those of expert labels, however wrong the
machine is.
"""

import numpy as np
import pandas as pd

from validstats import DesignSupervised

rng = np.random.default_rng(0)
x = rng.normal(size=3000)
truth = (rng.random(3000) < 1 / (1 + np.exp(-x))).astype(float)
machine = np.where(rng.random(3000) < 0.85 - 0.1 * (x > 0), truth, 1 - truth)
docs = pd.DataFrame({"x": x, "gpt": machine, "topic": rng.choice(["a", "b", "c"], 3000)})
expert = pd.Series(truth, name="expert").where(rng.random(3000) < 0.1)

study = (
    DesignSupervised(random_state=0).fit(docs, surrogate="gpt").calibrate(expert, sampling_probability=0.1)
)
result = study.infer("expert ~ x + C(topic)", model="logit")
result.plot()
result.summary()
