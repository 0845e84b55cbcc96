"""
# A test set that was used without a ledger

What was looked at cannot be unlooked. How much a score is worth after so many looks can be said.
"""

import tempfile
from pathlib import Path

from validstats.holdout import audit_looks, log_description, read_scores

log = Path(tempfile.mkdtemp()) / "log.txt"
log.write_text("9f8e7d6 Wider net, accuracy 0.87\n1a2b3c4 Fix a typo\n5d6e7f8 Baseline, accuracy: 85 %\n")
past = read_scores(log, "accuracy")
audit = audit_looks(10_000, 0.87, scores=past.scores, decimals=past.decimals)
print("a description of the model costs", round(-log_description("ridge, alpha=10")), "nats")
audit.plot()
audit.summary()
