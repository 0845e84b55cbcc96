"""
# A gate for an automated search

Each proposal gets one bit: kept or not. What is certified at the end holds for the model that was kept,
after any number of proposals.
"""

import numpy as np

from validstats import ReusableHoldout

rng = np.random.default_rng(3)
y = rng.integers(0, 2, 3000)
rh = ReusableHoldout(mechanism="description_length").calibrate(np.zeros((3000, 1)), y)
gate = rh.gate(np.where(rng.random(3000) < 0.6, y, 1 - y))
for quality in (0.61, 0.59, 0.68, 0.6, 0.8, 0.79):
    kept = gate.ask(np.where(rng.random(3000) < quality, y, 1 - y))
    print(f"a model that is right in {quality:.0%}: {'kept' if kept else 'discarded'}")
certificate = gate.certify()
certificate.plot()
certificate.summary()
