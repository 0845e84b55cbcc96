"""
# Many comparisons on the same items

With a ledger each comparison is one word, and all words are right together, whatever was changed in the
light of earlier ones.
"""

import numpy as np
import pandas as pd

from validstats import evals
from validstats.holdout import Ledger

rng = np.random.default_rng(2)
hard = rng.random(1500)
scores = pd.DataFrame(
    {"item": np.arange(1500), "old": (hard < 0.55).astype(int), "new": (hard < 0.7).astype(int)}
)
result = evals.compare(scores, "new", "old", ledger=Ledger.in_memory())
result.summary()
