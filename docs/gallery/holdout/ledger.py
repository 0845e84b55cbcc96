"""
# A ledger on disk

The ledger remembers every question across programs. Its chain of digests shows whether a record was
changed.
"""

import numpy as np

from validstats import ReusableHoldout
from validstats.holdout import Ledger

rng = np.random.default_rng(9)
y = rng.integers(0, 2, 1500)
ledger = Ledger.in_memory()  # in earnest Ledger.create("study.ledger")
rh = ReusableHoldout(queries=8, ledger=ledger, random_state=0).calibrate(np.zeros((1500, 1)), y)
for quality in (0.7, 0.72, 0.6):
    rh.infer(np.where(rng.random(1500) < quality, y, 1 - y))
print(ledger.verify())
rh.plot()
rh.summary()
