"""
# Are the stated weights right?

Under covariate shift, calibration rows carry weights. The test compares the weighted rows with the batch.
"""

import numpy as np

from validstats.batch import weight_test

rng = np.random.default_rng(12)
past, new = rng.normal(size=(1500, 1)), rng.normal(size=(400, 1)) + 0.5
print(weight_test(past, np.exp(0.5 * past[:, 0] - 0.125), new).summary())
test = weight_test(past, np.ones(1500), new)
test.summary()
