"""
# pass@k, and how often a passing answer is right

Tests let wrong answers through. With audits of some problems both curves are known.
"""

import numpy as np
import pandas as pd

from validstats import evals

rng = np.random.default_rng(4)
p = rng.beta(0.7, 1.2, 120)
passed = rng.random((120, 10)) < p[:, None]
right = passed & (rng.random((120, 10)) < 0.8)
samples = pd.DataFrame({"problem": np.repeat(np.arange(120), 10), "passed": passed.ravel().astype(int)})
drawn = rng.random(120) < 0.4
samples["audit"] = np.where(drawn[:, None] & passed, right, np.nan).ravel()
samples["audit_probability"] = 0.4
result = evals.pass_at_k(samples)
result.plot()
result.summary()
