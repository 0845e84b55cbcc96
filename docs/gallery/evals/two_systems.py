"""
# Is the new system better than the old one?

Both answered the same items: differences are taken item by item, with the exact test.
"""

import numpy as np
import pandas as pd

from validstats import evals

rng = np.random.default_rng(1)
hard = rng.random(400)
scores = pd.DataFrame(
    {"item": np.arange(400), "new": (hard < 0.68).astype(int), "old": (hard < 0.6).astype(int)}
)
result = evals.compare(scores, "new", "old", margin=0.02)
result.plot()
result.summary()
