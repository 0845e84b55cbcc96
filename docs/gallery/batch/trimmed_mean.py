"""
# A function of your own

Any monotone function of the sorted scores can be asked for: here the mean of the ten largest labels of a
batch of forty.
"""

import numpy as np

from validstats import BatchPredictor, Compositional
from validstats.batch import LabelScore

rng = np.random.default_rng(8)
X = rng.normal(size=(440, 2))
y = np.clip(X[:, 0] + rng.normal(size=440), -5, 5)
top = Compositional(lambda j, total, score: total + score * (j >= 30) / 10, name="mean of the top ten")
model = BatchPredictor(None, top, conformity_score=LabelScore(), bounds=(-5, 5), random_state=0)
model.calibrate(np.zeros(400), y[:400])
result = model.infer(np.zeros(40))
result.plot()
result.summary()
