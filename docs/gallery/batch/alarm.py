"""
# An alarm for a stream of scores

A bet against exchangeability. A false alarm has at most the stated probability, however long one watches.
"""

import numpy as np

from validstats.batch import conformal_martingale

rng = np.random.default_rng(13)
scores = np.concatenate([rng.normal(size=200), rng.normal(size=200) + 1.5])
path = conformal_martingale(scores, random_state=0)
path.plot()
path.summary()
