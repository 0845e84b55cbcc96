"""
# Is there any dependence?

An exact permutation test, whatever the relation looks like. A correlation of V-shaped data is zero.
"""

import numpy as np

from validstats import independence_test

rng = np.random.default_rng(2)
x = rng.normal(size=200)
test = independence_test(x, np.abs(x) + rng.normal(size=200), n_permutations=499, random_state=0)
test.plot()
test.summary()
