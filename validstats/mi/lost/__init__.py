"""Encoders that no shipped network reads."""
