"""
# The median and the quartiles of a batch

Order statistics need no bounds: what they cover is known exactly for every distribution.
"""

import numpy as np
from sklearn.linear_model import LinearRegression

from validstats import BatchPredictor, BatchQuantile

rng = np.random.default_rng(2)
X = rng.normal(size=(800, 2))
y = X[:, 0] + rng.standard_t(3, size=800)
model = BatchPredictor(LinearRegression(), BatchQuantile((0.25, 0.5, 0.75)), random_state=0)
result = model.fit(X[:700], y[:700]).infer(X[700:])
result.plot()
result.summary()
