"""
# Intervals, by several scores

Equal widths, widths that follow a learned scale, quantile regression, or a score of your own. All of them
keep the promise.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LinearRegression, QuantileRegressor

from validstats import BatchPredictor, Simultaneous
from validstats.batch import AbsoluteScore, CallableScore, CQRScore, NormalisedScore, SignedScore

rng = np.random.default_rng(15)
X = rng.uniform(0, 3, size=(900, 1))
y = X[:, 0] + X[:, 0] * rng.normal(size=900)
own = CallableScore(lambda model, rows, labels: np.abs(labels - model.predict(rows)) / (0.2 + rows[:, 0]))
print(
    "a signed score has a side:", SignedScore().scores(np.array([1.0]), np.array([1.5])), type(own).__name__
)
figure, ax = plt.subplots(figsize=(6, 2.6), layout="constrained")
quantiles = CQRScore(*(QuantileRegressor(quantile=q, alpha=0.0) for q in (0.05, 0.95)))
for score, colour in ((AbsoluteScore(), "#c8553d"), (NormalisedScore(), "#1f6f78"), (quantiles, "#e0a030")):
    model = BatchPredictor(LinearRegression(), Simultaneous(0.1), conformity_score=score, random_state=0)
    low, high = model.fit(X[:700], y[:700]).predict_interval(X[700:]).T
    ax.plot(X[700:, 0], high - low, ".", color=colour, label=type(score).__name__)
ax.set(xlabel="x", ylabel="length of the interval")
_ = ax.legend(frameon=False)
