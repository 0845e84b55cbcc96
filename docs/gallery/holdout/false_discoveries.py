"""
# False discoveries over a stream of claims

e-values join evidence without assumptions about dependence: a list of fixed length, or a stream whose
length nobody knows.
"""

import numpy as np

from validstats.holdout import ELond, betting_e_value, e_bh, e_lond, kraft_e_value

rng = np.random.default_rng(8)
shares = [0.5, 0.5, 0.7, 0.5, 0.75, 0.5, 0.65]
evidence = np.array([float(betting_e_value((rng.random(300) < p).astype(float), 0.5)) for p in shares])
print("a list of seven:", e_bh(evidence, 0.1).tolist())
print("after three nats of answers, 1,000 is worth", round(float(kraft_e_value(1000.0, 3.0)), 1))
stream = ELond(0.1)
for value in evidence:
    stream, rejected = stream.step(value)
print("tested so far:", stream.tested)
found = e_lond(evidence, 0.1)
found.plot()
found.summary()
