"""
# Classical estimates beside each other

Nearest neighbours, a Gaussian copula and histograms, with one call.
"""

import numpy as np

from validstats import mutual_info
from validstats.mi import distance_correlation
from validstats.plotting import MutualInformationDisplay

rng = np.random.default_rng(1)
x = rng.normal(size=500)
y = np.sin(2 * x) + 0.4 * rng.normal(size=500)
results = {name: mutual_info(x, y, method=name) for name in ("ksg", "gaussian", "histogram")}
print("distance correlation:", round(distance_correlation(x, y), 3))
MutualInformationDisplay.from_results(results).plot()
results["ksg"].summary()
