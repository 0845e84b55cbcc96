"""Design-based supervised learning: regressions from machine labels that are allowed to be wrong."""
