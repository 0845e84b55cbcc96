"""
# One page for several answers

Answers first, then figures and tables, then what can be relied on, then what reproduces them.
"""

import numpy as np

from validstats import Guarantee, mutual_info, report
from validstats.reporting import joint_statement

rng = np.random.default_rng(0)
x = rng.normal(size=300)
results = {
    "x and y": mutual_info(x, x + rng.normal(size=300)),
    "x and noise": mutual_info(x, rng.normal(size=300)),
}
page = report(results, title="Two questions", seeds={"data": 0}, audit=True)
print([section.title for section in page.sections])
print(joint_statement([result.guarantee for result in results.values()]))
assert all(isinstance(result.guarantee, Guarantee) for result in results.values())
page.sections[0].summaries[0]
