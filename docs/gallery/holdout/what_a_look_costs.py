"""
# What a look costs, before it is spent

The plan compares all valid mechanisms for the declared use, and says how many rows or questions a width
needs.
"""

from validstats.holdout import plan

chosen = plan(2_000, 20)
print("20 questions on 2,000 rows:", round(chosen.half_width, 3))
print("questions within 0.05:", plan(2_000, width=0.05).queries)
chosen.plot()
chosen.summary()
