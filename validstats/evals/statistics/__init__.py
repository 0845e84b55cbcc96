"""The mathematics of evaluations as functions of arrays."""
