"""
# Which answers may go out unread?

Scores of answers that people checked, and of new ones: those that may go out, with at most ten wrong ones.
"""

import numpy as np

from validstats import evals

rng = np.random.default_rng(5)
checked, new = rng.random(400), rng.random(200)
right = rng.random(400) < 0.5 + 0.5 * checked
result = evals.release(checked, right, new, max_false=10)
result.plot()
result.summary()
