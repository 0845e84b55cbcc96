"""
# Log loss, and accuracy within a subgroup

Losses are clipped at a bound; the denominator of a subgroup is fixed beforehand.
"""

import numpy as np

from validstats import ReusableHoldout
from validstats.holdout import log_loss, subgroup_accuracy

rng = np.random.default_rng(7)
X = rng.normal(size=(2000, 2))
p = 1 / (1 + np.exp(-X[:, 0]))
y = (rng.random(2000) < p).astype(int)
rh = ReusableHoldout(queries=10, random_state=0).calibrate(X, y)
young = subgroup_accuracy(lambda rows: rows[:, 1] > 0, share=0.5, name="the young")
print(rh.infer(p, metric=log_loss(clip=0.01)).answer)
answer = rh.infer((p > 0.5).astype(int), metric=young)
answer.plot()
answer.summary()
