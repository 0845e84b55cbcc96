"""
# A leaderboard with ranges of ranks

Every system has a range of ranks, and all ranges hold together.
"""

import numpy as np
import pandas as pd

from validstats import evals

rng = np.random.default_rng(3)
names = ["ash", "birch", "cedar", "dogwood"]
grades = rng.random((300, 4)) < [0.55, 0.6, 0.75, 0.76]
board = pd.DataFrame(
    {"item": np.repeat(np.arange(300), 4), "system": names * 300, "score": grades.ravel().astype(int)}
)
result = evals.rank(board)
result.plot()
result.summary()
