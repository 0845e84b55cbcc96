"""
# One test set, many looks

Twenty questions are declared. All answers hold together, whatever is asked, and the ledger says what is
left.
"""

import numpy as np
from sklearn.linear_model import LogisticRegression

from validstats import ReusableHoldout

rng = np.random.default_rng(0)
X = rng.normal(size=(3000, 4))
y = (X[:, 0] + 0.5 * X[:, 1] + rng.normal(size=3000) > 0).astype(int)

rh = ReusableHoldout(queries=20, random_state=0).fit(X[:1000], y[:1000]).calibrate(X[1000:], y[1000:])
for strength in (0.001, 0.01, 0.1, 1.0):
    answer = rh.infer(LogisticRegression(C=strength))
rh.plot()
answer.summary()
