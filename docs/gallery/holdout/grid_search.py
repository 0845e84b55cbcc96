"""
# A grid search that does not fool itself

Cross-validation runs on the training rows; the holdout sees the winner only.
"""

import numpy as np
from sklearn.linear_model import LogisticRegression

from validstats import ReusableHoldout
from validstats.holdout import HoldoutSearchCV

rng = np.random.default_rng(1)
X = rng.normal(size=(2000, 5))
y = (X[:, 0] + rng.normal(size=2000) > 0).astype(int)
rh = ReusableHoldout(queries=5, random_state=0).fit(X[:800], y[:800]).calibrate(X[800:], y[800:])
search = HoldoutSearchCV(LogisticRegression(), {"C": [0.001, 0.01, 0.1, 1.0]}, rh).fit(X[:800], y[:800])
search.best_answer_.plot()
search.best_answer_.summary()
