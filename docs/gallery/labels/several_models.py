"""
# Answers about two models together

Two models on the same rows are dependent. Their joint covariance is what a comparison needs.
"""

import numpy as np
import pandas as pd

from validstats import DesignSupervised
from validstats.dsl import joint_covariance

rng = np.random.default_rng(0)
x = rng.normal(size=3000)
truth = (rng.random(3000) < 1 / (1 + np.exp(-x))).astype(float)
machine = np.where(rng.random(3000) < 0.85 - 0.1 * (x > 0), truth, 1 - truth)
docs = pd.DataFrame({"x": x, "gpt": machine, "topic": rng.choice(["a", "b", "c"], 3000)})
expert = pd.Series(truth, name="expert").where(rng.random(3000) < 0.1)

study = (
    DesignSupervised(random_state=0).fit(docs, surrogate="gpt").calibrate(expert, sampling_probability=0.1)
)
short, long = study.infer("expert ~ x", model="linear"), study.infer("expert ~ x + C(topic)", model="linear")
covariance = joint_covariance([short, long])
difference = short.params[1] - long.params[1]
variance = covariance[1, 1] + covariance[3, 3] - 2 * covariance[1, 3]
print(f"the slope changes by {difference:.4f} (standard error {variance**0.5:.4f})")
long.wald_test(["C(topic)[T.b]", "C(topic)[T.c]"]).summary()
