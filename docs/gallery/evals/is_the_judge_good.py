"""
# Is the judge any good?

Agreement beyond chance, sensitivity and specificity, each with an interval.
"""

import numpy as np
import pandas as pd

from validstats import evals

rng = np.random.default_rng(0)
good = rng.random(1000) < 0.7
answers = pd.DataFrame({"item": np.arange(1000), "judge": np.where(good, 1, rng.random(1000) < 0.4)})
asked = answers.index.isin(rng.choice(1000, 150, replace=False))
answers["human"] = pd.Series(good, dtype=float).where(asked)

agreement = evals.evaluate(answers, judge="judge", human="human", random_state=0).judge
agreement.plot()
agreement.summary()
