"""
# How many predictions are wrong?

An upper bound on the number of wrong labels in this batch, for any classifier.
"""

import numpy as np
from sklearn.tree import DecisionTreeClassifier

from validstats import BatchPredictor, ErrorCount
from validstats.batch import ErrorScore

rng = np.random.default_rng(7)
X = rng.normal(size=(900, 3))
y = (X[:, 0] + 0.7 * rng.normal(size=900) > 0).astype(int)
tree = DecisionTreeClassifier(max_depth=3, random_state=0)
result = (
    BatchPredictor(tree, ErrorCount(), conformity_score=ErrorScore(), random_state=0)
    .fit(X[:700], y[:700])
    .infer(X[700:])
)
result.plot()
result.summary()
