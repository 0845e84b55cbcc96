"""``validstats data``: the files that the examples of the other commands use."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from validstats.cli._options import DataError, guarded

__all__ = ["EXAMPLE_STUDY", "data", "example_tables"]

N_DOCUMENTS, N_LABELLED, N_NEW, N_EXPERT = 4000, 1500, 300, 800
_FEATURES = ["vader_compound", "n_words", "n_exclaim", "lexicon_sum", "negation"]
EXAMPLE_STUDY = """title = "How many of 4,000 documents are positive?"

[data]  # files whose rows must differ
labelled = "labelled.csv"
documents = "documents.csv"

[[claim]]  # the machine at its word, as one would have reported it
name = "Share of positive documents"
kind = "judge"
file = "documents.csv"
judge = "machine_positive"
human = "expert_positive"
says = [0.49, 0.475, 0.505]
"""
"""The study of the example of ``validstats audit``."""


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=Path("."))
@guarded
def data(folder: Path) -> None:
    """Write example files into FOLDER, drawn from the bundled sentences or invented.

    labelled.csv and new.csv are for `validstats batch` and `mi`, documents.csv is for `validstats dsl` and `plan`;
    answers.csv, battles.csv, samples.csv, checked.csv and unread.csv are for `eval`, `compare`, `rank`, `passk`,
    `release` and `doctor`; study.toml is for `audit`.
    Existing files are not overwritten.

    \b
    Example:
      validstats data
    """
    from validstats.runtime import whole_file

    folder.mkdir(parents=True, exist_ok=True)
    tables = example_tables()
    for name in (*tables, "study.toml"):
        if (folder / name).exists():
            raise DataError(f"{folder / name} exists already; choose another folder.")
    with ExitStack() as all_or_none:  # a disk that fills up leaves no file that blocks the next run
        for name, table in tables.items():
            table.to_csv(all_or_none.enter_context(whole_file(folder / name)), index=False)
        study = all_or_none.enter_context(whole_file(folder / "study.toml"))
        study.write_text(EXAMPLE_STUDY, encoding="utf-8")
    for name, table in tables.items():
        click.echo(f"Wrote {folder / name} ({len(table):,} rows: {', '.join(table.columns)})")
    click.echo(f"Wrote {folder / 'study.toml'} (a study to audit)")


def example_tables() -> dict[str, Any]:
    """Draw the example tables, the same at every call."""
    import numpy as np

    from validstats.datasets import load_sentiment

    sentences = load_sentiment()
    generator = np.random.default_rng(20)
    rows = generator.permutation(len(sentences))
    labelled = sentences.iloc[rows[:N_LABELLED]][["human_mean", *_FEATURES]]
    new = sentences.iloc[rows[N_LABELLED : N_LABELLED + N_NEW]][_FEATURES].copy()
    new["week"] = np.repeat(["week 1", "week 2", "week 3"], N_NEW // 3)
    drawn = sentences.iloc[rows[-N_DOCUMENTS:]]
    documents = drawn[["source_id", "corpus", "vader_compound", "negation", "n_words", "n_exclaim"]].copy()
    documents["log_length"] = np.log(drawn["n_words"]).round(4)
    documents["machine_positive"] = (drawn["vader_compound"] > 0.05).astype(int)
    expert = (drawn["human_mean"] > 0.5).astype(float)
    chosen = np.zeros(N_DOCUMENTS, dtype=bool)
    chosen[generator.choice(N_DOCUMENTS, N_EXPERT, replace=False)] = True
    documents["expert_positive"] = expert.where(chosen)
    documents["sampling_probability"] = N_EXPERT / N_DOCUMENTS
    return {"labelled.csv": labelled, "new.csv": new, "documents.csv": documents, **_evaluation_tables()}


def _evaluation_tables() -> dict[str, Any]:
    """Invented evaluations: judged answers of two systems, battles, samples of problems, and scores to release."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(21)
    n = 400
    right = rng.random((n, 2)) < np.array([0.8, 0.6])
    judge = np.where(right, rng.random((n, 2)) < 0.96, rng.random((n, 2)) < 0.3)
    labelled = rng.permutation(n) < 120
    answers = pd.DataFrame(
        {
            "item": np.repeat([f"q{i:03d}" for i in range(n)], 2),
            "system": ["new", "old"] * n,
            "judge": judge.ravel().astype(int),
            "human": np.where(labelled[:, None], right, np.nan).ravel(),
        }
    )
    names = np.array(["ash", "birch", "cedar"])
    pairs = np.array([rng.permutation(3)[:2] for _ in range(600)])
    d = (pairs[:, 1] - pairs[:, 0]) * 0.5
    u = rng.random(600) * (np.exp(d / 2) + np.exp(-d / 2) + 0.5)
    winner = np.where(
        u < np.exp(d / 2), "model_a", np.where(u < np.exp(d / 2) + np.exp(-d / 2), "model_b", "tie")
    )
    battles = pd.DataFrame(
        {
            "prompt_id": [f"p{i:03d}" for i in range(600)],
            "model_a": names[pairs[:, 0]],
            "model_b": names[pairs[:, 1]],
            "winner": winner,
        }
    )
    passed = rng.random((60, 10)) < rng.beta(0.7, 1.2, (60, 1))
    samples = pd.DataFrame({"problem": np.repeat(np.arange(60), 10), "passed": passed.ravel().astype(int)})
    score = rng.random(300).round(4)
    named = [f"a{i:03d}" for i in range(300)]
    checked = pd.DataFrame(
        {"answer": named, "score": score, "right": (rng.random(300) < 0.5 + 0.5 * score).astype(int)}
    )
    return {
        "answers.csv": answers,
        "battles.csv": battles,
        "samples.csv": samples,
        "checked.csv": checked,
        "unread.csv": pd.DataFrame({"score": rng.random(100).round(4)}),
    }
