"""
# A pass rate with a judge

A judge graded all answers, people 150. The judge alone is far too confident, and wrong.
"""

import numpy as np
import pandas as pd

from validstats import evals

rng = np.random.default_rng(0)
good = rng.random(1000) < 0.7
answers = pd.DataFrame({"item": np.arange(1000), "judge": np.where(good, 1, rng.random(1000) < 0.4)})
asked = answers.index.isin(rng.choice(1000, 150, replace=False))
answers["human"] = pd.Series(good, dtype=float).where(asked)

result = evals.evaluate(answers, judge="judge", human="human", random_state=0)
result.plot()
result.summary()
