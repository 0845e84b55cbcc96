"""
# A leaderboard that cannot be climbed by chance

The board shows a new best score only where it is one. Submissions of noise do not move it.
"""

import numpy as np

from validstats import ReusableHoldout

rng = np.random.default_rng(4)
y = rng.integers(0, 2, 4000)
rh = ReusableHoldout(queries=20, mechanism="description_length").calibrate(np.zeros((4000, 1)), y)
board = rh.leaderboard(baseline=0.5)
for quality in (0.5, 0.5, 0.6, 0.6, 0.75):
    answer = board.submit(np.where(rng.random(4000) < quality, y, 1 - y))
    print(f"quality {quality}: {'new best' if answer.passed else 'no new best'}")
rh.plot()
answer.summary()
