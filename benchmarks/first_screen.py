"""The picture of the README: four questions, the usual answer, ours and the truth, all with intervals, from real runs.

``python -m benchmarks.first_screen`` runs the four studies, writes ``results/first_screen.json``, and draws
``docs/images/first_screen.png``, and one below the other for phones ``first_screen_narrow.png``; both carry the digest
of these numbers. ``--draw`` draws what is recorded.
Each study is run once, with the seed below, and then again and again with everything drawn afresh, to count how often
each interval contains the truth.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from benchmarks.readme import ROOT

RESULT = ROOT / "benchmarks/results/first_screen.json"
PICTURE = ROOT / "docs/images/first_screen.png"
NARROW = ROOT / "docs/images/first_screen_narrow.png"
SEED = 20
LEVEL = 0.95


class Bar(NamedTuple):
    """An answer with its interval, and the truth about what it speaks of."""

    estimate: float
    low: float
    high: float
    truth: float

    @property
    def holds(self) -> bool:
        """Whether the interval contains the truth."""
        return self.low <= self.truth <= self.high


class Pair(NamedTuple):
    """The usual answer and ours to one question."""

    usual: Bar
    ours: Bar


def next_year(rng: np.random.Generator) -> Pair:
    """Total of twelve monthly sea temperatures: months as if independent, and whole years."""
    import pandas as pd
    import statsmodels.api as sm

    from validstats import BatchPredictor, BatchTotal

    celsius = sm.datasets.elnino.load_pandas().data.iloc[:, 1:].to_numpy(dtype=float)
    drawn = celsius[rng.permutation(len(celsius))]
    usual = drawn[:20].mean(axis=0)
    past, new = drawn[20:-1], drawn[-1]
    model = BatchPredictor(None, BatchTotal(), confidence_level=LEVEL, random_state=0)
    weeks = pd.Series(np.repeat(np.arange(len(past)), 12), name="year")
    model.calibrate(np.tile(usual, len(past)), past.ravel(), batches=weeks)
    answer = model.infer(usual)
    errors = (past - usual).ravel()
    centre, half = (
        usual.sum() + 12 * errors.mean(),
        1.96 * errors.std(ddof=1) * np.sqrt(12 + 144 / errors.size),
    )
    truth = float(new.sum())
    return Pair(
        Bar(centre, centre - half, centre + half, truth),
        Bar(float(answer.estimate[0, 0]), float(answer.conf_low[0, 0]), float(answer.conf_high[0, 0]), truth),
    )


def after_many_looks(rng: np.random.Generator) -> Pair:
    """Accuracy of a vote of trees that climbed on 500 held-out sentences, and of one that asked through the ledger."""
    from sklearn.tree import DecisionTreeClassifier

    from validstats.datasets import load_sentiment
    from validstats.holdout import Ledger, ReusableHoldout

    frame, _ = load_sentiment(return_X_y=True, target="vader_positive")
    _, y = load_sentiment(return_X_y=True, target="human_positive")
    X = frame.to_numpy(dtype=float)
    train, holdout, fresh = np.split(rng.permutation(len(y)), [600, 1100])
    subsets = [rng.choice(X.shape[1], size=4, replace=False) for _ in range(60)]
    trees = [
        DecisionTreeClassifier(max_depth=5, random_state=i).fit(X[train][:, s], y[train])
        for i, s in enumerate(subsets)
    ]
    votes = np.array([2 * tree.predict(X[:, s]) - 1 for tree, s in zip(trees, subsets)])
    on_holdout, members = votes[:, holdout], []
    best = 0.0
    for j in np.tile(np.argsort(-((on_holdout > 0) == y[holdout]).mean(axis=1)), 4):
        score = float(((on_holdout[[*members, j]].sum(axis=0) > 0) == y[holdout]).mean())
        if score > best:
            best, members = score, [*members, j]
    half = 1.96 * np.sqrt(best * (1 - best) / holdout.size)
    climbed = float(((votes[members][:, fresh].sum(axis=0) > 0) == y[fresh]).mean())
    rh = ReusableHoldout(
        queries=5, confidence_level=LEVEL, ledger=Ledger.in_memory(secret=b"picture"), random_state=0
    )
    rh.fit(X[train], y[train]).calibrate(X[holdout], y[holdout], check_reuse=False)
    order = np.argsort(-((votes[:, train] > 0) == y[train]).mean(axis=1))
    decided = [(votes[order[:size]].sum(axis=0) > 0).astype(int) for size in (1, 5, 15, 40)]
    answers = [rh.infer(d[holdout]) for d in decided]
    chosen = int(np.argmax([float(a) for a in answers]))
    truth = float((decided[chosen][fresh] == y[fresh]).mean())
    return Pair(
        Bar(best, best - half, best + half, climbed),
        Bar(float(answers[chosen]), *map(float, answers[chosen].bounds), truth),
    )


def machine_labels(rng: np.random.Generator) -> Pair:
    """Slope of negation in a logit of positive sentences: on the machine's labels, and with 500 expert labels."""
    import statsmodels.api as sm

    from validstats import DesignSupervised
    from validstats.datasets import load_sentiment

    sentences = load_sentiment().sample(4000, random_state=int(rng.integers(2**31)))
    rows = sentences[["negation", "n_words"]].reset_index(drop=True)
    rows["machine"] = (sentences["vader_compound"].to_numpy() > 0).astype(int)
    expert = (sentences["human_mean"].to_numpy() > 0).astype(float)
    drawn = rng.random(len(rows)) < 0.125
    study = DesignSupervised(confidence_level=LEVEL, random_state=0).fit(rows, surrogate="machine")
    study.calibrate({"expert": np.where(drawn, expert, np.nan)}, sampling_probability=0.125)
    answer = study.infer("expert ~ negation", model="logit")
    full = load_sentiment()
    truth = _slope((full["human_mean"].to_numpy() > 0).astype(float), full["negation"].to_numpy())
    term = answer.names.index("negation")
    naive = sm.Logit(rows["machine"].to_numpy(), sm.add_constant(rows["negation"].to_numpy(dtype=float))).fit(
        disp=0
    )
    low, high = naive.conf_int()[1]
    return Pair(
        Bar(float(naive.params[1]), float(low), float(high), truth),
        Bar(float(answer.params[term]), *map(float, answer.confidence_interval()[term]), truth),
    )


def _slope(y: Any, x: Any) -> float:
    """Slope of a logit on one 0/1 column: the difference of two log odds."""
    inside, outside = (float(np.log(p / (1 - p))) for p in (y[x == 1].mean(), y[x == 0].mean()))
    return inside - outside


def pass_rate(rng: np.random.Generator) -> Pair:
    """Share of film sentences that are positive: by the machine judge at its word, and with 150 human ratings."""
    import pandas as pd
    from statsmodels.stats.proportion import proportion_confint

    from validstats import evals
    from validstats.datasets import load_sentiment

    films = load_sentiment()
    films = films[(films["corpus"] == "movies") & (films["is_repeat"] == 0)]
    truth = float((films["human_mean"] > 0).mean())
    films = films.sample(2000, random_state=int(rng.integers(2**31)))
    human = np.full(2000, np.nan)
    asked = rng.choice(2000, 150, replace=False)
    human[asked] = (films["human_mean"].to_numpy() > 0)[asked]
    judge = (films["vader_compound"].to_numpy() > 0).astype(int)
    answers = pd.DataFrame({"item": np.arange(2000), "judge": judge, "human": human})
    result = evals.evaluate(answers, judge="judge", human="human", confidence_level=LEVEL)
    low, high = proportion_confint(judge.sum(), 2000, alpha=1 - LEVEL, method="wilson")
    return Pair(
        Bar(float(judge.mean()), float(low), float(high), truth),
        Bar(float(result.estimate), float(result.conf_low), float(result.conf_high), truth),
    )


class Study(NamedTuple):
    """A question of the picture."""

    title: str
    usual: str
    ours: str
    unit: str
    run: Callable[[np.random.Generator], Pair]
    replicates: int
    scale: float = 1.0


STUDIES = {
    "next_year": Study(
        "What will next year's total be?",
        "textbook, months as independent",
        "whole years",
        "sum of 12 monthly sea temperatures, °C",
        next_year,
        200,
    ),
    "looks": Study(
        "How good is the model, after many looks?",
        "score that won on the test set",
        "asked through the ledger",
        "accuracy, % of sentences",
        after_many_looks,
        30,
        100.0,
    ),
    "labels": Study(
        "What is the effect, on a machine's labels?",
        "machine labels taken as true",
        "12 % expert labels beside them",
        "log odds ratio of a negation",
        machine_labels,
        40,
    ),
    "judge": Study(
        "What is the pass rate, with a judge?",
        "the judge at its word",
        "150 human ratings beside it",
        "% of film sentences that are positive",
        pass_rate,
        60,
        100.0,
    ),
}


def run(study: Study) -> dict[str, Any]:
    """Run a study once for the picture, and again with everything drawn afresh to count what holds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shown = study.run(np.random.default_rng(SEED))
        again = [study.run(rng) for rng in np.random.default_rng(SEED + 1).spawn(study.replicates)]
    return {
        "usual": [round(float(v), 10) for v in shown.usual],
        "ours": [round(float(v), 10) for v in shown.ours],
        "usual_held": sum(bool(pair.usual.holds) for pair in again),
        "ours_held": sum(bool(pair.ours.holds) for pair in again),
        "replicates": study.replicates,
    }


def digest(numbers: dict[str, Any]) -> str:
    """Digest of recorded numbers, which the picture carries."""
    return hashlib.sha256(json.dumps(numbers, sort_keys=True).encode()).hexdigest()


def draw(numbers: dict[str, Any], *, narrow: bool = False) -> Any:
    """Draw one panel a question, two by two or one below the other."""
    from matplotlib.figure import Figure

    from validstats.plotting._style import COLOURS, tidy_axes

    figure = Figure(figsize=(4.8, 9.6) if narrow else (11, 5.4), layout="constrained")
    figure.suptitle(
        "Black: the truth.  Red: the usual answer.\nGreen: validstats.  Bars: 95 % intervals."
        if narrow
        else "Black: the truth.  Red: the usual answer.  Green: validstats.  Bars: 95 % intervals.",
        x=0.01, ha="left", fontsize=11, color=COLOURS["truth"],
    )  # fmt: skip
    for ax, (name, study) in zip(figure.subplots(*((4, 1) if narrow else (2, 2))).ravel(), STUDIES.items()):
        row = numbers[name]
        for height, key, words in ((1, "usual", study.usual), (0, "ours", study.ours)):
            bar = Bar(*(study.scale * v for v in row[key]))
            colour = COLOURS["naive" if key == "usual" else "ours"]
            ax.plot(
                [bar.low, bar.high],
                [height] * 2,
                color=colour,
                linewidth=5,
                solid_capstyle="butt",
                alpha=0.85,
            )
            ax.plot(bar.estimate, height, "o", color="white", markeredgecolor=colour, markersize=7, zorder=4)
            ax.plot(
                [bar.truth] * 2,
                [height - 0.28, height + 0.28],
                color=COLOURS["truth"],
                linewidth=2.2,
                zorder=5,
            )
            share = 100 * row[f"{key}_held"] / row["replicates"]
            ax.annotate(
                f"{words}: right in {share:.0f} % of {row['replicates']}{'' if narrow else ' repetitions'}",
                (0, height + 0.38), xycoords=("axes fraction", "data"), fontsize=9.5, color=colour,
            )  # fmt: skip
        ax.set(ylim=(-0.5, 1.75), yticks=[], xlabel=study.unit)
        ax.set_title(study.title, loc="left", fontsize=11.5, fontweight="bold", color=COLOURS["truth"])
        ax.margins(x=0.08)
        tidy_axes(ax, grid="x")
        ax.spines["left"].set_visible(False)
    return figure


def main() -> None:
    """Run, record and draw."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.first_screen", description=__doc__)
    parser.add_argument("--draw", action="store_true", help="draw what is recorded, run nothing")
    if not parser.parse_args().draw:
        found = {name: run(study) for name, study in STUDIES.items()}
        RESULT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    numbers = json.loads(RESULT.read_text(encoding="utf-8"))
    signed = {"Software": None, "Description": digest(numbers)}
    draw(numbers).savefig(PICTURE, dpi=130, metadata=signed)
    draw(numbers, narrow=True).savefig(NARROW, dpi=150, metadata=signed)


if __name__ == "__main__":
    main()
