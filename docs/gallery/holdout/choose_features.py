"""
# Choose features without overfitting the test set

Forward selection on the training rows; the holdout answers one bit a feature: does it help?
"""

import numpy as np
from sklearn.linear_model import LogisticRegression

from validstats import ReusableHoldout
from validstats.holdout import SelectFromHoldout

rng = np.random.default_rng(2)
X = rng.normal(size=(3000, 6))
y = (X[:, 0] + 0.8 * X[:, 1] + 0.5 * rng.normal(size=3000) > 0).astype(int)
rh = ReusableHoldout(queries=10, random_state=0).fit(X[:1000], y[:1000]).calibrate(X[1000:], y[1000:])
selector = SelectFromHoldout(LogisticRegression(), rh, max_features=4).fit(X[:1000], y[:1000])
for feature, answer in zip(selector.order_, selector.answers_, strict=True):
    print(f"feature {feature}: {'confirmed' if answer.passed else 'not confirmed'}")
rh.plot()
rh.summary()
