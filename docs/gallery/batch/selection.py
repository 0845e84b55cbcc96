"""
# Claims with at most three false ones

Which of these candidates exceed the threshold? The number of false claims is bounded, with a probability
that is known exactly.
"""

import numpy as np
from sklearn.linear_model import LinearRegression

from validstats import BatchPredictor, Selection

rng = np.random.default_rng(5)
X = rng.normal(size=(800, 2))
y = 2 * X[:, 0] + rng.normal(size=800)
model = BatchPredictor(LinearRegression(), Selection(above=1.0, max_false=3), random_state=0)
result = model.fit(X[:700], y[:700]).infer(X[700:])
result.plot()
result.summary()
