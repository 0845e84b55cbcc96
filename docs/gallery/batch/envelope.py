"""
# Any threshold, also after looking

The envelope bounds the false claims of every selection at once, so that the threshold may be chosen after
the strengths were seen.
"""

import numpy as np
from sklearn.linear_model import LinearRegression

from validstats import BatchPredictor, Envelope

rng = np.random.default_rng(6)
X = rng.normal(size=(800, 2))
y = 2 * X[:, 0] + rng.normal(size=800)
model = BatchPredictor(LinearRegression(), Envelope(above=1.0), random_state=0).fit(X[:600], y[:600])
curve = model.infer(X[600:]).discoveries()
curve.plot()
curve.summary()
