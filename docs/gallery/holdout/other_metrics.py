"""
# Losses, coverage, subgroups, R squared

A metric is one number a row with known bounds, or a number of all rows with an interval of its own.
"""

import numpy as np

from validstats import ReusableHoldout
from validstats.holdout import absolute_error, coverage, r2, squared_error

rng = np.random.default_rng(6)
y = np.clip(rng.normal(5, 2, 2000), 0, 10)
guess = np.clip(y + rng.normal(size=2000), 0, 10)
rh = ReusableHoldout(queries=10, metric=absolute_error(bound=10.0), random_state=0)
rh.calibrate(np.zeros((2000, 1)), y)
intervals = np.column_stack([guess - 1.7, guess + 1.7])
answers = [
    rh.infer(guess),
    rh.infer(guess, metric=squared_error(bound=25.0)),
    rh.infer(guess, metric=r2(bounds=(0, 10))),
    rh.infer(intervals, metric=coverage()),
]
for answer in answers:
    print(answer.answer)
rh.plot()
answers[-1].summary()
