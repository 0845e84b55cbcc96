"""Benchmarks of evaluations: a million scores, a leaderboard, battles, pass@k, and a log from file to verdict."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks._runner import Spec
from validstats import evals


def specs(quick: bool = False) -> list[Spec]:
    """Return what is measured; ``quick`` keeps the sizes small."""
    rng = np.random.default_rng(0)
    n, items, problems, battles = (20_000, 500, 500, 5_000) if quick else (1_000_000, 10_000, 10_000, 100_000)
    rows = pd.DataFrame({"item": np.arange(n) // 5, "score": rng.integers(0, 2, n)})
    board = board_of(rng, 30, items)
    samples = samples_of(rng, problems, 20)
    fought = battles_of(rng, 30, battles)
    return [
        Spec(
            "evals",
            "mean of scores with five samples an item",
            n,
            {"validstats, default": lambda: evals.evaluate(rows), "numpy, rows as items": _plain_mean(rows)},
            note="ours checks the rows and takes the samples of an item together; numpy's mean has a wrong standard error",
        ),
        Spec("evals", "ranks of 30 systems", 30 * items, {"validstats, default": lambda: evals.rank(board)}),
        Spec(
            "evals",
            "strengths of 30 systems by battles",
            battles,
            {"validstats, default": lambda: evals.rank(fought)},
        ),
        Spec(
            "evals",
            "pass@1..10 of 20 samples",
            20 * problems,
            {"validstats, default": lambda: evals.pass_at_k(samples)},
        ),
        Spec("evals", "two files to a verdict", 2 * items, {"validstats, default": _two_files(board)}),
    ]


def _plain_mean(rows: Any) -> Callable[[], Any]:
    scores = rows["score"].to_numpy(float)
    return lambda: (scores.mean(), 1.96 * scores.std() / np.sqrt(len(scores)))


def board_of(rng: np.random.Generator, systems: int, items: int) -> Any:
    """0/1 scores of systems on shared items."""
    scores = (rng.random((items, systems)) < np.linspace(0.5, 0.6, systems)).ravel().astype(int)
    names = [f"system {s:02d}" for s in range(systems)]
    return pd.DataFrame(
        {"item": np.repeat(np.arange(items), systems), "system": names * items, "score": scores}
    )


def samples_of(rng: np.random.Generator, problems: int, tries: int) -> Any:
    """Repeated samples of problems of a Beta law of difficulty."""
    passed = rng.random((problems, tries)) < rng.beta(0.7, 1.2, (problems, 1))
    return pd.DataFrame(
        {"problem": np.repeat(np.arange(problems), tries), "passed": passed.ravel().astype(int)}
    )


def battles_of(rng: np.random.Generator, systems: int, n: int) -> Any:
    """Battles of equal systems with ties."""
    first = rng.integers(0, systems, n)
    second = (first + rng.integers(1, systems, n)) % systems
    winner = rng.choice(["model_a", "model_b", "tie"], n, p=[0.4, 0.4, 0.2])
    return pd.DataFrame({"model_a": first.astype(str), "model_b": second.astype(str), "winner": winner})


def _two_files(board: Any) -> Callable[[], Any]:
    folder = Path(tempfile.mkdtemp(prefix="validstats-benchmark-"))
    names = sorted(board["system"].unique())[:2]
    paths = [folder / f"{k}.csv" for k in range(2)]
    for name, path in zip(names, paths, strict=True):
        board[board["system"] == name].to_csv(path, index=False)
    return lambda: evals.compare(paths[0], paths[1])
