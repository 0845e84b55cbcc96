"""Batch predictive inference: distribution-free statements about a whole batch of unlabelled rows."""
