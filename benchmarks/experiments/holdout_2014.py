"""Mechanisms of the first papers at work, beside the certified ones: ``python -m benchmarks.experiments.holdout_2014``.

An analyst asks about the cells of a small domain, and then about the cells whose answers seemed too large. Private
multiplicative weights (Hardt and Rothblum 2010) and the median mechanism (Roth and Roughgarden 2010) answer from a public
hypothesis and correct it where a noisy comparison finds it wrong. The ladders (Blum and Hardt 2015; Hardt 2017) show only
the best loss so far. The constants of the four are not proved, and on samples of usual size the noise of the first two
exceeds the overfitting that it prevents (the first table shows it); so they are not part of the package.
"""

from __future__ import annotations

import numpy as np

from benchmarks.experiments.ladders import ParameterFreeLadder, ShakyLadder
from benchmarks.experiments.small_domain import MedianMechanism, PrivateMultiplicativeWeights
from validstats.holdout import plan
from validstats.holdout.mechanisms import Ladder, Mechanism

__all__ = ["climb", "largest_errors"]

CELLS = 4
"""Combinations of categories; the median mechanism keeps every histogram on them, so they must be few."""


def largest_errors(rows: int, questions: int, seed: int) -> dict[str, float]:
    """Largest distance of an answer from the population, by mechanism; "naive" is the mean of the holdout."""
    rng = np.random.default_rng(seed)
    population = np.full(CELLS, 1.0 / CELLS)
    counts = rng.multinomial(rows, population)

    def noise(role: str, law: str) -> float:
        return float(rng.laplace() if law == "laplace" else rng.normal())

    states = {
        PrivateMultiplicativeWeights: PrivateMultiplicativeWeights.initial_state(
            rows, histogram=counts, tolerance=0.1
        ),
        MedianMechanism: MedianMechanism.initial_state(rows, histogram=counts, tolerance=0.1, size=20),
    }
    worst = {"naive": 0.0, **{kind.name: 0.0 for kind in states}}
    signs = np.zeros(CELLS)
    for i in range(questions):
        # One cell after the other, then the cells that seemed too frequent: the adaptive question.
        query = np.eye(CELLS)[i] if i < CELLS else (signs > 0).astype(float)
        truth, naive = float(query @ population), float(query @ counts) / rows
        worst["naive"] = max(worst["naive"], abs(naive - truth))
        if i < CELLS:
            signs[i] = np.sign(naive - truth)
        for kind, state in states.items():
            states[kind], release = kind.step(state, query, noise=noise)
            if release.value is not None:
                worst[kind.name] = max(worst[kind.name], abs(release.value - truth))
    return worst


def climb(rows: int, submissions: int, seed: int) -> dict[str, float]:
    """Loss on the board after so many submissions of coin flips, whose true loss is one half."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, rows)
    openings: dict[type[Mechanism], dict[str, object]] = {
        Ladder: {"baseline": 0.5},
        ParameterFreeLadder: {"max_improvements": 5},
        ShakyLadder: {"baseline": 0.5},
    }
    boards = {kind: kind.initial_state(rows, queries=submissions, **o) for kind, o in openings.items()}
    shown = {kind.name: 0.5 for kind in boards}
    best = 1.0
    for _ in range(submissions):
        losses = (rng.integers(0, 2, rows) != truth).astype(float)
        best = min(best, float(losses.mean()))
        for kind, state in boards.items():
            values = losses if kind.needs_rows else float(losses.mean())
            boards[kind], release = kind.step(state, values, noise=lambda role, law: float(rng.laplace()))
            if release.value is not None:
                shown[kind.name] = release.value
    return {"naive": best, **shown}


def main() -> None:
    """Print both tables."""
    rows, questions, seeds = 500, 40, 20
    errors = [largest_errors(rows, questions, seed) for seed in range(seeds)]
    print(f"largest error of {questions} answers on {rows} rows, mean over {seeds} draws")
    for name in errors[0]:
        print(f"  {name:32} {np.mean([e[name] for e in errors]):.3f}")
    for release in ("numeric", "guess"):
        best = plan(rows, questions, release=release).best
        print(f"  {best.name:32} {best.half_width:.3f} (certified, {release})")
    boards = [climb(rows, 200, seed) for seed in range(seeds)]
    print(
        f"board after 200 submissions of coin flips on {rows} rows (the truth is 0.500), mean over {seeds} draws"
    )
    for name in boards[0]:
        print(f"  {name:32} {np.mean([b[name] for b in boards]):.3f}")


if __name__ == "__main__":
    main()
