"""Learned mutual information: a trained network with calibrated intervals, and what surrounds it."""
