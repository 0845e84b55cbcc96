"""
# Audit a claim

No event in 100 rows is not a rate of zero. The audit says what may be said instead.
"""

from validstats.reporting import audit

found = audit({"claim": [{"name": "No leak", "kind": "share", "events": 0, "n": 100, "says": [0.0]}]})
found.summary()
