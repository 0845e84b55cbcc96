"""How many planted sins an audit finds, and how often it cries wolf: 20 small studies with one sin each, and 20 clean ones.

``python -m benchmarks.audit_sins`` simulates them and writes ``results/audit_sins.md``. The sins: rows of the test set among the
training rows, looks that no ledger knows, a judge at its word, clusters that are ignored, "0 of n" without an upper end, the best
of 20 scores reported as the only one, and labels that slipped to other rows.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from benchmarks.readme import ROOT
from validstats import evals
from validstats.holdout import audit_looks
from validstats.reporting import audit

SEED = 2025
N_SINFUL = 20


class Planted(NamedTuple):
    """What was found in a study, and what was planted there."""

    sin: str
    planted: bool
    codes: tuple[str, ...]
    expected: tuple[str, ...]

    @property
    def right(self) -> bool:
        """Whether a planted sin was found by name, or a clean study raised no alarm."""
        return bool(set(self.codes) & set(self.expected)) if self.planted else not self.codes


Study = dict[str, Any]
Maker = Callable[[np.random.Generator, Path, bool], Study]


def reused_rows(rng: np.random.Generator, folder: Path, sin: bool) -> Study:
    """Training and test rows; the sin puts a tenth of the test rows among the training rows."""
    n = int(rng.integers(200, 800))
    rows = pd.DataFrame(rng.normal(size=(2 * n, 3)).round(3), columns=["a", "b", "c"])
    rows["region"] = rng.integers(0, 5, 2 * n)
    train, test = rows[:n], rows[n:]
    if sin:
        train = pd.concat([train, test.sample(n // 10, random_state=int(rng.integers(1000)))])
    train.sample(frac=1.0, random_state=1).to_csv(folder / "train.csv", index=False)
    test.to_csv(folder / "test.csv", index=False)
    return {"data": {"train": "train.csv", "test": "test.csv"}}


def _scores(rng: np.random.Generator, folder: Path, n: int, k: int) -> list[float]:
    scores = (rng.binomial(n, 0.8, k) / n).round(3)
    pd.DataFrame({"score": scores}).to_csv(folder / "runs.csv", index=False)
    return [float(v) for v in scores]


def unlogged_looks(rng: np.random.Generator, folder: Path, sin: bool) -> Study:
    """Scores of all runs; the sin declares a third of the looks."""
    n, k = int(rng.integers(500, 3000)), int(rng.integers(6, 30))
    scores = _scores(rng, folder, n, k)
    worth = audit_looks(n, max(scores), decimals=3, scores=scores)
    says = [max(scores), float(worth.conf_low), float(worth.conf_high)]
    looks = k // 3 if sin else k
    return {"claim": [{"kind": "looks", "rows": n, "scores": "runs.csv", "looks": looks, "says": says}]}


def best_of_many(rng: np.random.Generator, folder: Path, sin: bool) -> Study:
    """The best of 20 scores; the sin gives it the interval of a single look."""
    n, k = int(rng.integers(500, 3000)), 20
    scores = _scores(rng, folder, n, k)
    worth = audit_looks(n, max(scores), decimals=3, scores=scores)
    low, high = worth.single_look if sin else (float(worth.conf_low), float(worth.conf_high))
    says = [max(scores), float(low), float(high)]
    return {"claim": [{"kind": "looks", "rows": n, "scores": "runs.csv", "looks": k, "says": says}]}


def _judged(rng: np.random.Generator, n: int) -> pd.DataFrame:
    good = rng.random(n) < rng.uniform(0.5, 0.8)
    judge = np.where(good, rng.random(n) < 0.95, rng.random(n) < rng.uniform(0.35, 0.6))
    known = np.isin(np.arange(n), rng.choice(n, 150, replace=False))
    columns = {"item": np.arange(n), "judge": judge.astype(int), "human": np.where(known, good, np.nan)}
    return pd.DataFrame(columns)


def _evaluated(answers: pd.DataFrame) -> list[float]:
    """What an honest analyst reports."""
    result = evals.evaluate(answers, judge="judge", human="human", item="item", random_state=0)
    return [float(result.estimate), float(result.conf_low), float(result.conf_high)]


def _claimed(says: list[float]) -> Study:
    """A study with one claim: a rate by a judge and some human labels."""
    columns = {"judge": "judge", "human": "human", "id": "item"}
    return {"claim": [{"kind": "judge", "file": "answers.csv", **columns, "says": says}]}


def judge_bias(rng: np.random.Generator, folder: Path, sin: bool) -> Study:
    """A lenient judge with 150 human labels; the sin reports the judge's own rate."""
    answers = _judged(rng, int(rng.integers(800, 2000)))
    answers.to_csv(folder / "answers.csv", index=False)
    p, n = float(answers["judge"].mean()), len(answers)
    half = 1.96 * np.sqrt(p * (1 - p) / n)
    says = [p, p - half, p + half] if sin else _evaluated(answers)
    return _claimed(says)


def misaligned_labels(rng: np.random.Generator, folder: Path, sin: bool) -> Study:
    """Human labels in the table; the sin lets them slip to other rows."""
    answers = _judged(rng, int(rng.integers(800, 2000)))
    if sin:
        known = answers["human"].notna().to_numpy()
        answers.loc[known, "human"] = np.roll(
            answers.loc[known, "human"].to_numpy(), int(rng.integers(1, 20))
        )
    answers.to_csv(folder / "answers.csv", index=False)
    says = _evaluated(answers)
    return _claimed(says)


def ignored_clusters(rng: np.random.Generator, folder: Path, sin: bool) -> Study:
    """Answers of users, each of whom has a level of his own; the sin takes answers for independent."""
    users, each = int(rng.integers(30, 80)), int(rng.integers(6, 15))
    user = np.repeat(np.arange(users), each)
    passed = (rng.random(users * each) < rng.beta(2.0, 1.0, users)[user]).astype(int)
    table = pd.DataFrame({"user": user, "passed": passed, "item": np.arange(users * each)})
    table.to_csv(folder / "answers.csv", index=False)
    result = evals.evaluate(
        table, score="passed", item="item", clusters=None if sin else "user", random_state=0
    )
    says = [float(result.estimate), float(result.conf_low), float(result.conf_high)]
    claim = {"kind": "share", "file": "answers.csv", "column": "passed", "id": "item", "says": says}
    return {"claim": [claim if sin else claim | {"clusters": "user"}]}


def zero_of_n(rng: np.random.Generator, folder: Path, sin: bool) -> Study:
    """No event among n; the sin says that the rate is zero."""
    n = int(rng.integers(30, 400))
    answers = pd.DataFrame({"item": np.arange(n), "event": np.zeros(n, dtype=int)})
    result = evals.evaluate(answers, score="event", item="item", random_state=0)
    says = [0.0] if sin else [0.0, 0.0, float(result.conf_high)]
    return {"claim": [{"kind": "share", "events": 0, "n": n, "says": says}]}


SINS: dict[str, tuple[Maker, tuple[str, ...]]] = {
    "reused rows": (reused_rows, ("reused-rows",)),
    "unlogged looks": (unlogged_looks, ("unlogged-looks",)),
    "judge bias": (judge_bias, ("judge-bias",)),
    "ignored clusters": (ignored_clusters, ("ignored-clusters",)),
    "0 of n": (zero_of_n, ("narrower-than-exact",)),
    "best of 20": (best_of_many, ("best-of-many",)),
    "misaligned labels": (misaligned_labels, ("misaligned-labels",)),
}
"""Sin -> what makes a study with or without it, and the findings that name it."""


def studies(seed: int) -> Iterator[Planted]:
    """Twenty studies with one sin each, and twenty clean ones of the same kinds."""
    names = list(SINS)
    for number, rng in enumerate(np.random.default_rng(seed).spawn(2 * N_SINFUL)):
        name, sin = names[number % N_SINFUL % len(names)], number < N_SINFUL
        maker, expected = SINS[name]
        with tempfile.TemporaryDirectory() as folder:
            content = maker(rng, Path(folder), sin)
            lines = "\n".join(toml(content))
            Path(folder, "study.toml").write_text(lines, encoding="utf-8")
            found = audit(Path(folder, "study.toml"))
        yield Planted(name, sin, tuple(f.code for f in found.findings), expected)


def toml(content: Study) -> Iterator[str]:
    """Lines of a study file."""
    if "data" in content:
        yield "[data]"
        yield from (f'{name} = "{path}"' for name, path in content["data"].items())
    for claim in content.get("claim", []):
        yield "[[claim]]"
        yield from (f"{k} = {json.dumps(v, default=float)}" for k, v in claim.items())


def table(found: list[Planted]) -> str:
    """The result as Markdown."""
    lines = ["| study | with the sin | found | clean | alarms |", "| :--- | ---: | ---: | ---: | ---: |"]
    for name in SINS:
        own = [p for p in found if p.sin == name]
        sinful, clean = [p for p in own if p.planted], [p for p in own if not p.planted]
        alarms = sum(not p.right for p in clean)
        lines.append(f"| {name} | {len(sinful)} | {sum(p.right for p in sinful)} | {len(clean)} | {alarms} |")
    sinful, clean = [p for p in found if p.planted], [p for p in found if not p.planted]
    total = (len(sinful), sum(p.right for p in sinful), len(clean), sum(not p.right for p in clean))
    return "\n".join([*lines, f"| all | {total[0]} | {total[1]} | {total[2]} | {total[3]} |"]) + "\n"


def main() -> None:
    """Simulate, print and record."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.audit_sins", description=__doc__)
    parser.add_argument("--seed", type=int, default=SEED)
    found = list(studies(parser.parse_args().seed))
    for planted in found:
        if not planted.right:
            print(planted)
    text = table(found)
    print(text)
    head = f"# Planted sins that an audit finds\n\nWritten by `python -m benchmarks.audit_sins`, seed {SEED}.\n\n"
    (ROOT / "benchmarks/results/audit_sins.md").write_text(head + text, encoding="utf-8")


if __name__ == "__main__":
    main()
