"""
# Label, look, and stop when it is enough

The intervals hold at all looks at once, so that labelling may stop when they are short enough.
"""

import numpy as np
import pandas as pd

from validstats import DesignSupervised

rng = np.random.default_rng(0)
x = rng.normal(size=3000)
truth = (rng.random(3000) < 1 / (1 + np.exp(-x))).astype(float)
machine = np.where(rng.random(3000) < 0.85 - 0.1 * (x > 0), truth, 1 - truth)
docs = pd.DataFrame({"x": x, "gpt": machine, "topic": rng.choice(["a", "b", "c"], 3000)})
expert = pd.Series(truth, name="expert").where(rng.random(3000) < 0.1)

study = DesignSupervised(sequential=True, random_state=0).fit(docs, surrogate="gpt")
answers = pd.Series(np.full(3000, np.nan), name="expert")
for _ in range(5):
    wanted = study.next_labels(600, label_share=0.2).to_label
    answers[wanted] = truth[wanted]
    study.calibrate(answers)
sequence = study.infer("expert", model="mean")
sequence.plot()
sequence.summary()
