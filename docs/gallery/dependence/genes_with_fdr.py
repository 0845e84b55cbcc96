"""
# Which of many features matter, with few false ones?

Exact permutation p-values and a bound on the expected share of false discoveries, under any dependence of
the features.
"""

import numpy as np
import pandas as pd

from validstats import MISelector

rng = np.random.default_rng(5)
genes = pd.DataFrame(rng.normal(size=(150, 12)), columns=[f"gene {i}" for i in range(12)])
outcome = genes["gene 0"] ** 2 + genes["gene 1"] + 0.5 * rng.normal(size=150)
selector = MISelector("histogram", control="fdr_by", alpha=0.1, random_state=0).fit(genes, outcome)
print(list(selector.get_feature_names_out()))
selector.summary()
