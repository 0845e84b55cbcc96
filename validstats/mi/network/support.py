"""Limits of the calibration: what the simulated sets never had."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LARGEST_DIM", "SupportLimits"]

LARGEST_DIM = 50
"""Largest dimension of a side in the families."""


@dataclass(frozen=True)
class SupportLimits:
    """What no calibration set exceeded.

    Attributes
    ----------
    largest_dim : int
        Largest dimension of a side.
    """

    largest_dim: int = LARGEST_DIM

    def reason(self, dim_x: int, dim_y: int) -> str:
        """Why a data set is outside; empty where it is not."""
        largest = max(dim_x, dim_y)
        if largest <= self.largest_dim:
            return ""
        return f"a side has {largest} columns, more than the {self.largest_dim} of any data set that the network was calibrated on"
