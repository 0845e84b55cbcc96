"""Reusable holdout: answers to adaptively chosen questions that stay statistically valid."""
