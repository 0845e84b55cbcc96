"""What a calibration on many rows could keep in place of all scores, and what that costs: none of it is in the package.

``python -m benchmarks.experiments.rank_summaries --folder DIR`` makes the Parquet parts of ``benchmarks.scale`` in DIR, passes over
them in this process, and prints a table. The question is the median residual of a batch, which reads two ranks.

* All scores, sorted: every rank is there.
* Cells: splitters from a random sample, and of each cell its number of scores, the smallest and the largest. It is merged by adding,
  minimum and maximum, and holds every rank between two scores, whatever the law and the order of rows (sketches with random
  errors, such as KLL of datasketches, hold it with a probability). Rounded outward the interval stays valid for ranks.
* Cells and another pass for each question, which collects what lies in the cells of its ranks: the ranks themselves.
* A random sample of rows: the same law with fewer rows.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.scale import part, predictor, written
from validstats.batch.laws import rank_lower, rank_upper

CELLS = 2**16
SIZES = (1_000, 100_000, 10_000_000)
ALPHA = Fraction(1, 40)
"""Level of each side."""
SAMPLES = (100_000, 1_000_000)
DRAWS = 20


def scored(place: Path) -> Iterator[Any]:
    """Sorted scores of every part, in one pass."""
    import pyarrow.parquet as pq

    known = part(3, 1_000, 100_000).to_pandas()
    model = predictor().calibrate(known[["a", "b"]], known["y"])
    for file in sorted(place.glob("*.parquet")):
        rows = pq.read_table(file, columns=["a", "b", "y"]).to_pandas()
        yield np.sort(model.conformity_scores(rows[["a", "b"]], rows["y"]))


@dataclass(frozen=True)
class Cells:
    """Numbers of scores at most each splitter and above the one before it, with the smallest and the largest of each cell."""

    splitters: Any
    counts: Any
    smallest: Any
    largest: Any

    @classmethod
    def of(cls, scores: Any, splitters: Any) -> Cells:
        """Cells of sorted scores."""
        ends = np.append(np.searchsorted(scores, splitters, side="right"), scores.size)
        counts = np.diff(ends, prepend=0)
        padded = np.append(scores, np.inf)
        return cls(
            splitters,
            counts,
            np.where(counts > 0, padded[ends - counts], np.inf),
            np.where(counts > 0, padded[ends - 1], -np.inf),
        )

    def __add__(self, other: Cells) -> Cells:
        return Cells(
            self.splitters,
            self.counts + other.counts,
            np.minimum(self.smallest, other.smallest),
            np.maximum(self.largest, other.largest),
        )

    @property
    def nbytes(self) -> int:
        """Bytes that are kept."""
        return int(sum(values.nbytes for values in vars(self).values()))

    def bracket(self, rank: int) -> tuple[float, float, int]:
        """Scores between which the score at a rank lies, and the number of scores below them."""
        ends = np.cumsum(self.counts)
        cell = int(np.searchsorted(ends, rank))
        return float(self.smallest[cell]), float(self.largest[cell]), int(ends[cell] - self.counts[cell])


def ranks(n: int, m: int) -> tuple[int, int]:
    """Ranks of the ends of an interval for the median of a batch of m rows."""
    zeta = (m + 1) // 2
    return rank_lower(n, m, zeta, ALPHA).rank - 1, rank_upper(n, m, zeta, ALPHA).rank


def collected(place: Path, asked: list[tuple[float, float, int, int]]) -> list[float]:
    """Scores at ranks, each known to lie between two scores, in one pass."""
    found: list[list[Any]] = [[] for _ in asked]
    for scores in scored(place):
        for kept, (low, high, _, _) in zip(found, asked, strict=True):
            kept.append(scores[np.searchsorted(scores, low) : np.searchsorted(scores, high, side="right")])
    return [
        float(np.sort(np.concatenate(kept))[rank - below - 1])
        for kept, (_, _, below, rank) in zip(found, asked, strict=True)
    ]


def measure(place: Path, n: int) -> list[tuple[str, float, float, list[float]]]:
    """Way, bytes kept, processor seconds of a question, and widths beside those from all scores, for each batch size."""
    began = time.process_time()
    scores = np.sort(np.concatenate(list(scored(place))))
    print(f"One pass: {time.process_time() - began:.1f} processor seconds.", flush=True)
    rng = np.random.default_rng(0)
    splitters = np.sort(rng.choice(scores, CELLS - 1, replace=False))
    cells: Any = None
    for piece in scored(place):
        cells = Cells.of(piece, splitters) if cells is None else cells + Cells.of(piece, splitters)
    exact = [tuple(float(scores[rank - 1]) for rank in ranks(n, m)) for m in SIZES]
    widths = np.array([high - low for low, high in exact])
    began = time.process_time()
    outward = [(cells.bracket(low)[0], cells.bracket(high)[1]) for low, high in (ranks(n, m) for m in SIZES)]
    quick = (time.process_time() - began) / len(SIZES)
    began = time.process_time()
    both = collected(place, [(*cells.bracket(rank), rank) for m in SIZES for rank in ranks(n, m)])
    slow = time.process_time() - began
    if both != [end for pair in exact for end in pair]:
        raise AssertionError("The second pass gave other ranks.")
    rows = [
        ("all scores", scores.nbytes, 0.0, [1.0] * len(SIZES)),
        (f"{CELLS:,} cells, rounded outward", cells.nbytes, quick, list(np.ptp(outward, axis=1) / widths)),
        (f"{CELLS:,} cells, and a pass for each question", cells.nbytes, slow, [1.0] * len(SIZES)),
    ]
    for size in SAMPLES:
        total = np.zeros(len(SIZES))
        for _ in range(DRAWS):
            sample = np.sort(rng.choice(scores, size))
            total += [np.ptp([sample[rank - 1] for rank in ranks(size, m)]) for m in SIZES]
        rows.append((f"a random sample of {size:,} rows", 8 * size, 0.0, list(total / DRAWS / widths)))
    return rows


def main() -> None:
    """Parse the arguments, run and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.experiments.rank_summaries")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=10_000_000)
    arguments = parser.parse_args()
    rows = measure(written(arguments.folder, arguments.rows), arguments.rows)
    sizes = " | ".join(f"m = {m:,}" for m in SIZES)
    print(f"| kept of {arguments.rows:,} rows | MB | processor seconds a question | {sizes} |")
    print("| --- | " + " | ".join(["---:"] * (2 + len(SIZES))) + " |")
    for way, kept, seconds, widths in rows:
        told = " | ".join(f"{width:.3f}" for width in widths)
        print(f"| {way} | {kept / 1e6:.1f} | {seconds:.2f} | {told} |")


if __name__ == "__main__":
    main()
