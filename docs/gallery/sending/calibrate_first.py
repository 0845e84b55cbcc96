"""
# What happens when a step is left out

Before calibration there is no answer, and the error says what to call.
"""

import numpy as np
from sklearn.linear_model import LinearRegression

from validstats import BatchMean, BatchPredictor, NotCalibratedError

X = np.arange(40.0)[:, None]
try:
    BatchPredictor(LinearRegression(), BatchMean(), bounds=(0, 40)).infer(X)
except NotCalibratedError as error:
    print(error)
