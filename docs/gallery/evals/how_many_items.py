"""
# How many items and labels?

Before anything runs: items to find a difference, labels for an interval of a given length.
"""

import numpy as np
import pandas as pd

from validstats import evals

rng = np.random.default_rng(0)
good = rng.random(1000) < 0.7
answers = pd.DataFrame({"item": np.arange(1000), "judge": np.where(good, 1, rng.random(1000) < 0.4)})
asked = answers.index.isin(rng.choice(1000, 150, replace=False))
answers["human"] = pd.Series(good, dtype=float).where(asked)

print(evals.plan(difference=0.02, discordance=0.1, power=0.8).answer)
plan = evals.plan(answers[["item", "judge"]], width=0.06, sensitivity=0.95, specificity=0.7)
plan.summary()
