"""How work is run: replicates, rows in parts, threads, warnings that are kept, and files that appear whole."""

from __future__ import annotations

from validstats.runtime.parts import CHUNK_SIZE, RowParts, filled, is_parts, sliced, stacked, within
from validstats.runtime.replicates import forecast, map_replicates, progress, spawn_generators
from validstats.runtime.silence import quiet
from validstats.runtime.threads import one_thread
from validstats.runtime.warned import collect_warnings, repeat_warnings
from validstats.runtime.writing import new_file, whole_file

__all__ = [
    "CHUNK_SIZE",
    "RowParts",
    "collect_warnings",
    "filled",
    "forecast",
    "is_parts",
    "map_replicates",
    "new_file",
    "one_thread",
    "progress",
    "quiet",
    "repeat_warnings",
    "sliced",
    "spawn_generators",
    "stacked",
    "whole_file",
    "within",
]
