"""
# Dependence given a third variable

Two variables with a common cause depend on each other; given the cause they do not.
"""

import numpy as np

from validstats.mi import conditional_independence_test, conditional_mutual_info

rng = np.random.default_rng(3)
z = rng.normal(size=300)
x, y = z + rng.normal(size=(2, 300))
print(conditional_mutual_info(x, y, z).summary())
test = conditional_independence_test(x, y, z, random_state=0)
test.plot()
test.summary()
