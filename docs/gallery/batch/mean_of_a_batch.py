"""
# The mean of new rows, for any model

One hundred rows that nobody has labelled. The interval holds for every model and every distribution; bounds
of the labels make it finite.
"""

import numpy as np
from sklearn.ensemble import RandomForestRegressor

from validstats import BatchMean, BatchPredictor

rng = np.random.default_rng(0)
X = rng.normal(size=(900, 3))
y = np.clip(X @ [2.0, 1.0, 0.0] + rng.normal(size=900), -8, 8)
forest = RandomForestRegressor(n_estimators=20, random_state=0)
model = BatchPredictor(forest, BatchMean(), bounds=(-8, 8), random_state=0).fit(X[:800], y[:800])
result = model.infer(X[800:])
result.plot()
result.summary()
