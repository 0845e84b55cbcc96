"""
# How strongly do two variables depend on each other?

A network that has seen laws with known mutual information reads it off the ranks. With an interval, and a
bound that holds for every law.
"""

import numpy as np

from validstats import LearnedMI

rng = np.random.default_rng(0)
x = rng.normal(size=400)
result = LearnedMI().infer(x, np.abs(x) + 0.3 * rng.normal(size=400))
result.plot()
result.summary()
