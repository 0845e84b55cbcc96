"""
# How many labelled rows are needed?

Before anything is collected: the smallest number with which the statement says something, and the largest
batch that a number supports.
"""

from validstats import plan_batch
from validstats.batch import Simultaneous

plan = plan_batch(Simultaneous(miss=0.1), m=100)
plan.plot()
plan.summary()
