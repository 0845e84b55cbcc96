"""
# At least 90 of 100 sets are right

Plain split conformal prediction promises 90 % on average, and keeps 90 of 100 in about half of the batches.
Here the count is promised.
"""

import numpy as np
from sklearn.linear_model import LinearRegression

from validstats import BatchPredictor, Simultaneous

rng = np.random.default_rng(4)
X = rng.normal(size=(700, 2))
y = X[:, 0] + rng.normal(size=700)
model = BatchPredictor(LinearRegression(), Simultaneous(miss=0.1), confidence_level=0.9, random_state=0)
result = model.fit(X[:600], y[:600]).infer(X[600:])
result.plot()
result.summary()
