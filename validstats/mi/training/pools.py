"""A folder of drawn sets belongs to one family and one seed: checked before training goes on from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from validstats.mi.families import Family
from validstats.mi.training.shards import load_shards, make_shard, shard_path

__all__ = ["check_folder"]

COMPARED = 3
"""Sets of the first shard that are drawn anew for comparison."""


def check_folder(directory: Path, family: Family, seed: int) -> None:
    """Refuse a folder whose sets were drawn from another family.

    Parameters
    ----------
    directory : Path
        Folder of shards; it need not exist.
    family : Family
        Family to train on.
    seed : int
        Seed of the pool.

    Raises
    ------
    ValueError
        If the first shard under this seed does not begin with the family's own sets.
    """
    path = shard_path(directory, seed, 0)
    if not path.exists():
        return
    stored, drawn = load_shards([path], tokens=False), make_shard(family, seed, 0, COMPARED)
    n = min(len(stored), len(drawn))
    same = all(
        np.allclose(getattr(stored, name)[:n], getattr(drawn, name)[:n], atol=1e-6, equal_nan=True)
        for name in ("truth", "shape", "statistics")
    )
    if not same:
        raise ValueError(
            f"shards={str(directory)!r} holds sets of another family under the same seed (or drawn by another version): "
            "training on them would ignore the family passed. Use an empty folder."
        )
