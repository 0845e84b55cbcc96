"""The tour: every method at work on the bundled sentences, printed and written as one HTML page."""

from __future__ import annotations

from validstats.tour._run import SECTIONS, run_tour

__all__ = ["SECTIONS", "run_tour"]
