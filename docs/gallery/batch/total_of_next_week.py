"""
# The total of next week

Days of one week share a shock, so whole past weeks are the units. Rows by themselves would give an interval
that is far too short.
"""

import numpy as np
import pandas as pd
from sklearn.linear_model import LinearRegression

from validstats import BatchPredictor, BatchTotal

rng = np.random.default_rng(0)
week = pd.Series(np.repeat(np.arange(81), 7), name="week")
days = pd.DataFrame({"day": np.tile(np.arange(7), 81), "offer": rng.integers(0, 2, 567)})
sales = 100 + 5 * days["day"] + 20 * days["offer"] + rng.normal(0, 15, 81)[week] + rng.normal(0, 8, 567)
model = BatchPredictor(LinearRegression(), BatchTotal(), confidence_level=0.9, random_state=0)
model.fit(days[:560], sales[:560], batches=week[:560])
result = model.infer(days[560:])
result.plot()
result.summary()
