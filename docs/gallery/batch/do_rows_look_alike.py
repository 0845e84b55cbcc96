"""
# Do the new rows look like the old ones?

A permutation test of the covariates. A small p-value says that statements about the batch do not hold; a
large one is no proof.
"""

import numpy as np

from validstats.batch import covariate_test

rng = np.random.default_rng(10)
test = covariate_test(rng.normal(size=(300, 2)), rng.normal(size=(100, 2)) + [0.5, 0.0], random_state=0)
test.plot()
test.summary()
