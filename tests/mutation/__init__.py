"""Mutation testing of the theory modules: ``python -m tests.mutation batch --sample 300`` (outside CI)."""
