"""Array aliases named by rank, and the option aliases that several modules share."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Float1D: TypeAlias = npt.NDArray[np.float64]
"""One-dimensional float64 array."""
Float2D: TypeAlias = npt.NDArray[np.float64]
"""Two-dimensional float64 array."""
FloatND: TypeAlias = npt.NDArray[np.float64]
"""Float64 array of any rank."""
Int1D: TypeAlias = npt.NDArray[np.int64]
"""One-dimensional int64 array."""
Int2D: TypeAlias = npt.NDArray[np.int64]
"""Two-dimensional int64 array."""
Bool1D: TypeAlias = npt.NDArray[np.bool_]
"""One-dimensional boolean array."""
AnyArray: TypeAlias = npt.NDArray[Any]
"""Array of any dtype and rank."""
ArrayLike: TypeAlias = npt.ArrayLike
"""Anything that numpy.asarray accepts."""

RandomState: TypeAlias = int | np.random.Generator | None
"""Seed of a random stream: an int, a numpy Generator, or None for fresh entropy."""

FrameBackend: TypeAlias = Literal["pandas", "polars", "pyarrow"]
"""The data frame libraries that results can be returned in."""
