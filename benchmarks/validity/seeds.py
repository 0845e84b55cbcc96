"""Seeds that differ by setting."""

from __future__ import annotations

import zlib


def seed_of(name: str) -> int:
    """Return a seed that follows from the name of a setting."""
    return zlib.crc32(name.encode())
