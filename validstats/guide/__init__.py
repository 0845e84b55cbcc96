"""A question in words, and the call that answers it."""

from validstats.guide.index import Answerer, questions, which

__all__ = ["Answerer", "questions", "which"]
