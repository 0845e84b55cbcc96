"""
# One pipeline with the verbs of its last step

Scaling and the model are one object; the reference calibrates both.
"""

import numpy as np
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import StandardScaler

from validstats import BatchMean, BatchPredictor
from validstats.pipeline import make_pipeline

rng = np.random.default_rng(3)
X = rng.normal(50, 20, size=(500, 2))
y = np.clip(X[:, 0] / 20 + rng.normal(size=500), -5, 10)
last = BatchPredictor(LinearRegression(), BatchMean(), bounds=(-5, 10), random_state=0)
result = make_pipeline(StandardScaler(), last).fit(X[:450], y[:450]).infer(X[450:])
result.plot()
result.summary()
