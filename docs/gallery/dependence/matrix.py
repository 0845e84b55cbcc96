"""
# All pairs of columns

Which columns of a table tell something about each other? In nats, for relations of any shape.
"""

import numpy as np
import pandas as pd

from validstats import mutual_info_matrix

rng = np.random.default_rng(4)
a = rng.normal(size=300)
table = pd.DataFrame({"a": a, "a squared": a**2 + 0.3 * rng.normal(size=300), "noise": rng.normal(size=300)})
matrix = mutual_info_matrix(table, method="ksg")
matrix.plot()
matrix.summary()
