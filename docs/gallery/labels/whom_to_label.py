"""
# Whom shall the experts label?

Rows of which the machine is unsure get a larger probability, and every probability is recorded.
"""

import numpy as np

from validstats.dsl import design_sampling

rng = np.random.default_rng(1)
p = np.where(rng.random(2000) < 0.8, 0.02, 0.5)
plan = design_sampling(2000, 200, uncertainty=np.sqrt(p * (1 - p)), random_state=0)
plan.plot()
plan.summary()
