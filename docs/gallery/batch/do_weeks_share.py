"""
# Do rows of one week share something?

If they do, calibrate on whole weeks. A second test asks whether the weeks trend.
"""

import numpy as np

from validstats.batch import unit_order_test, within_batch_test

rng = np.random.default_rng(11)
week = np.repeat(np.arange(40), 10)
errors = rng.normal(size=400) + 0.7 * rng.normal(size=40)[week]
print(unit_order_test(errors.reshape(40, 10).sum(axis=1), random_state=0).summary())
test = within_batch_test(errors, week, random_state=0)
test.plot()
test.summary()
