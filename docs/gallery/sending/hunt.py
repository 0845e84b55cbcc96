"""
# Does a guarantee hold? Simulate it

A nominal level is one thing, how often an interval holds another: here the t interval of 15 skewed values.
"""

import numpy as np
from scipy import stats

from validstats.validity import simulate


def once(rng, index):
    values = rng.lognormal(0.0, 1.2, 15)
    low, high = stats.t.interval(0.9, 14, values.mean(), stats.sem(values))
    return bool(low <= np.exp(0.72) <= high)


check = simulate(once, 400, 0.9, random_state=0)
print(check)
