"""
# The shares of all classes

Text has no mean, but shares. The intervals of all classes hold at once.
"""

import numpy as np
from sklearn.linear_model import LogisticRegression

from validstats import BatchPredictor, BatchShares

rng = np.random.default_rng(3)
X = rng.normal(size=(900, 2))
topic = np.array(["politics", "science", "sports"])[np.digitize(X[:, 0] + rng.normal(size=900), [-0.7, 0.7])]
model = BatchPredictor(LogisticRegression(), BatchShares(), random_state=0).fit(X[:800], topic[:800])
result = model.infer(X[800:])
result.plot()
result.summary()
