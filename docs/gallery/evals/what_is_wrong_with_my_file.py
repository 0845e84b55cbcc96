"""
# What is wrong with my file?

The doctor says what the columns are, what is in the way of an answer, and which questions the data can
answer.
"""

import numpy as np
import pandas as pd

from validstats import evals

rng = np.random.default_rng(0)
good = rng.random(1000) < 0.7
answers = pd.DataFrame({"item": np.arange(1000), "judge": np.where(good, 1, rng.random(1000) < 0.4)})
asked = answers.index.isin(rng.choice(1000, 150, replace=False))
answers["human"] = pd.Series(good, dtype=float).where(asked)

table = evals.read(answers)
print(len(table), "rows, roles:", dict(table.roles))
found = evals.doctor(answers)
found.summary()
