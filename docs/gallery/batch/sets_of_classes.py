"""
# Sets of classes, by four scores

A score says how strange a label is, given the model, and so shapes the sets. All of them keep the promise;
their sizes differ.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression

from validstats import BatchPredictor, Simultaneous
from validstats.batch import APSScore, ClassScore, ProbabilityScore, RandomisedAPSScore, RAPSScore

rng = np.random.default_rng(9)
X = rng.normal(size=(700, 2))
classes = np.digitize(X[:, 0] + rng.normal(size=700), [-1, 0, 1])
sizes = {}
for score in (ProbabilityScore(), APSScore(), RAPSScore(), RandomisedAPSScore()):
    model = BatchPredictor(LogisticRegression(), Simultaneous(0.1), conformity_score=score, random_state=0)
    sets = model.fit(X[:600], classes[:600]).infer(X[600:])
    sizes[type(score).__name__] = sets.sets.sum(axis=1).mean()
print("shares of classes are counted from", ClassScore().scores(np.eye(4)[:2], np.array([2, 0])))
figure, ax = plt.subplots(figsize=(6, 2.4), layout="constrained")
ax.barh(list(sizes), list(sizes.values()), color="#1f6f78")
_ = ax.set_xlabel("mean number of classes in a set")
