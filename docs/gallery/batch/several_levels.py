"""
# Several confidence levels at once

One calibration answers at each level, lowest first. Each level holds by itself.
"""

import numpy as np
from sklearn.linear_model import LinearRegression

from validstats import BatchMean, BatchPredictor

rng = np.random.default_rng(1)
X = rng.normal(size=(700, 2))
y = np.clip(X[:, 0] + rng.normal(size=700), -5, 5)
model = BatchPredictor(LinearRegression(), BatchMean(), bounds=(-5, 5), random_state=0).fit(X[:650], y[:650])
levels = model.infer(X[650:], confidence_level=(0.8, 0.9, 0.95))
levels.plot()
levels.summary()
