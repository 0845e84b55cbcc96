"""
# Which of two models is better?

A comparison follows the rows on which the models differ, and costs one question.
"""

import numpy as np

from validstats import ReusableHoldout

rng = np.random.default_rng(5)
y = rng.integers(0, 2, 2000)
old = np.where(rng.random(2000) < 0.8, y, 1 - y)
new = np.where(rng.random(2000) < 0.4, y, old)
rh = ReusableHoldout(queries=10, random_state=0).calibrate(np.zeros((2000, 1)), y)
answer = rh.compare(new, old)
answer.plot()
answer.summary()
