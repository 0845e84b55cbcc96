"""Training: simulated sets as shards, and ensembles of networks; needs the torch extra where it learns."""

from __future__ import annotations

from validstats.mi.training.ensemble import train_on_family
from validstats.mi.training.shards import Shard, check_folder, pack_shard, usable_sample

__all__ = [
    "Shard",
    "check_folder",
    "pack_shard",
    "train_on_family",
    "usable_sample",
]
