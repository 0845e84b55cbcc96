"""The tour's section on the reusable holdout: a search over many models, with and without the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import norm

from validstats._typing import Float2D, Int1D, Int2D
from validstats.results import Report, Section, Summary, Table
from validstats.tour._section import Progress, Story, TourSection

__all__ = ["run_section"]

N_TRAIN, N_HOLDOUT, N_TREES, N_PASSES = 600, 1500, 250, 2
VAULT = 0.2
VOTES = (1, 5, 15, 40, 100, 250)

_LEAD = (
    "Is a sentence positive? 250 trees on random subsets of the features, then a vote that keeps adding trees while "
    "the score rises: {looks:,} looks at the same {n:,} held-out sentences. What the search promises is the score that "
    "it climbed to. The {fresh:,} sentences that nobody looked at say what is true."
)
_LESSON = (
    "The naive promise is {bias:+.3f} from the truth, and its ordinary 95 % interval {verdict}. Through the ledger the "
    "votes are built by cross-validation on the training rows, and the holdout answers about {asked} of them within "
    "intervals that hold together whatever was asked: {covered} of {asked} contain the truth. The vault, opened once "
    "for the chosen vote, gives the narrow one."
)


@dataclass(frozen=True)
class _Sentences:
    """Sentences by their part: training, holdout, fresh."""

    X: Float2D
    y: Int1D
    training: Int1D
    holdout: Int1D
    fresh: Int1D


@dataclass(frozen=True)
class _NaiveSearch:
    """What climbing on the holdout gives."""

    members: list[int]
    promise: float
    looks: int

    def interval(self, n: int, looks: int = 1) -> tuple[float, float]:
        """The normal interval of one look, or by Bonferroni for several."""
        standard_error = float(np.sqrt(self.promise * (1 - self.promise) / n))
        half_width = float(norm.isf(0.025 / looks)) * standard_error
        return self.promise - half_width, self.promise + half_width


def run_section(progress: Progress) -> TourSection:
    """Search with and without the ledger, and compare with the truth."""
    progress.step("loading the sentences")
    data = _load()
    progress.step(f"growing {N_TREES} trees")
    trees, subsets = _grow(data)
    on_holdout = _votes(trees, subsets, data.X[data.holdout])
    progress.step("climbing on the holdout")
    naive = _climb(on_holdout, data.y[data.holdout])
    progress.step("cross-validating on the training rows")
    order, guesses = _cross_validated_votes(data, subsets)
    stages = [order[:size].tolist() for size in VOTES]
    progress.step("asking through the ledger")
    rh, answers, final = _ask(data, on_holdout, stages, guesses)
    progress.step("checking against the fresh sentences")
    truths = _truths(data, trees, subsets, [*stages, naive.members])
    return _section(data, naive, rh, answers, final, truths)


def _load() -> _Sentences:
    from validstats.datasets import load_sentiment

    frame, _ = load_sentiment(return_X_y=True, target="vader_positive")
    _, y = load_sentiment(return_X_y=True, target="human_positive")
    order = np.random.default_rng(0).permutation(len(y))
    parts = np.split(order, [N_TRAIN, N_TRAIN + N_HOLDOUT])
    return _Sentences(frame.to_numpy(dtype=np.float64), y, *parts)


def _tree(seed: int) -> Any:
    from sklearn.tree import DecisionTreeClassifier

    return DecisionTreeClassifier(max_depth=6, random_state=seed)


def _grow(data: _Sentences) -> tuple[list[Any], list[Int1D]]:
    generator = np.random.default_rng(1)
    subsets = [generator.choice(data.X.shape[1], size=4, replace=False) for _ in range(N_TREES)]
    X, y = data.X[data.training], data.y[data.training]
    return [_tree(i).fit(X[:, subset], y) for i, subset in enumerate(subsets)], subsets


def _votes(trees: Sequence[Any], subsets: Sequence[Int1D], X: Float2D) -> Int2D:
    """One row a tree, +1 for positive and -1 otherwise."""
    return np.array([2 * tree.predict(X[:, subset]) - 1 for tree, subset in zip(trees, subsets, strict=True)])


def _climb(votes: Int2D, y: Int1D) -> _NaiveSearch:
    """Take the best tree on the holdout, then add every tree that raises the holdout score of the vote."""
    scores = ((votes > 0) == y).mean(axis=1)
    members = [int(np.argmax(scores))]
    total, promise = votes[members[0]].astype(float), float(scores.max())
    for j in list(range(len(votes))) * N_PASSES:
        score = float(((total + votes[j] > 0) == y).mean())
        if score > promise:
            total, promise = total + votes[j], score
            members.append(j)
    return _NaiveSearch(members, promise, len(votes) * (1 + N_PASSES))


def _cross_validated_votes(data: _Sentences, subsets: Sequence[Int1D]) -> tuple[Int1D, list[float]]:
    """Rank the trees by cross-validation on the training rows, and score the votes of the best ones there."""
    X, y = data.X[data.training], data.y[data.training]
    folds = np.array_split(np.random.default_rng(2).permutation(len(y)), 5)
    votes = np.empty((len(subsets), len(y)))
    for fold in folds:
        rest = np.setdiff1d(np.arange(len(y)), fold)
        for i, subset in enumerate(subsets):
            tree = _tree(i).fit(X[np.ix_(rest, subset)], y[rest])
            votes[i, fold] = 2 * tree.predict(X[np.ix_(fold, subset)]) - 1
    order = np.argsort(-((votes > 0) == y).mean(axis=1), kind="stable")
    guesses = [float(((votes[order[:size]].sum(axis=0) > 0) == y).mean()) for size in VOTES]
    return order, guesses


def _ask(
    data: _Sentences, on_holdout: Int2D, stages: list[list[int]], guesses: list[float]
) -> tuple[Any, list[Any], Any]:
    """Ask about each vote with its cross-validated guess, then open the vault for the best answer."""
    from validstats.holdout import Ledger, ReusableHoldout

    rh = ReusableHoldout(
        queries=10,
        mechanism="guess_and_check",
        vault=VAULT,
        ledger=Ledger.in_memory(secret=b"validstats tour"),
        random_state=0,
    )
    rh.fit(data.X[data.training], data.y[data.training])
    rh.calibrate(data.X[data.holdout], data.y[data.holdout], check_reuse=False)
    predictions = [_decide(on_holdout, members) for members in stages]
    answers = [
        rh.infer(prediction, guess=guess, query_id=f"vote of {len(members)} trees")
        for prediction, guess, members in zip(predictions, guesses, stages, strict=True)
    ]
    chosen = int(np.argmax([float(answer) for answer in answers]))
    return rh, answers, (chosen, rh.final(predictions[chosen]))


def _decide(votes: Int2D, members: list[int]) -> Int1D:
    return (votes[members].sum(axis=0) > 0).astype(np.int64)


def _truths(
    data: _Sentences, trees: Sequence[Any], subsets: Sequence[Int1D], groups: list[list[int]]
) -> list[float]:
    votes = _votes(trees, subsets, data.X[data.fresh])
    y = data.y[data.fresh]
    return [float((_decide(votes, members) == y).mean()) for members in groups]


def _section(
    data: _Sentences, naive: _NaiveSearch, rh: Any, answers: list[Any], final: Any, truths: list[float]
) -> TourSection:
    from validstats.plotting import LedgerDisplay

    chosen, vault = final
    low, high = naive.interval(len(data.holdout))
    corrected = naive.interval(len(data.holdout), naive.looks)
    promises = [
        ("Naive: climbed on the holdout", naive.looks, naive.promise, low, high, truths[-1]),
        ("The same by Bonferroni, no proof here", naive.looks, naive.promise, *corrected, truths[-1]),
        (
            "Through the ledger: chosen vote",
            len(answers),
            float(answers[chosen]),
            *answers[chosen].bounds,
            truths[chosen],
        ),
        ("The vault, opened once", 1, float(vault), *vault.bounds, truths[chosen]),
    ]
    table = _table("Promise and truth (accuracy)", promises)
    asked = [(a.question, 1, float(a), *a.bounds, t) for a, t in zip(answers, truths[:-1], strict=True)]
    covered = sum(bool(row[3] <= row[5] <= row[4]) for row in asked)
    lead = _LEAD.format(looks=naive.looks, n=len(data.holdout), fresh=len(data.fresh))
    lesson = _LESSON.format(
        bias=naive.promise - truths[-1],
        verdict="misses it" if not low <= truths[-1] <= high else "contains it",
        asked=len(answers),
        covered=covered,
    )
    display = LedgerDisplay.from_ledger(rh.ledger_, queries=10, truth=[*truths[:-1], truths[chosen]]).plot()
    result = Summary(
        Report(
            "Reusable holdout: what a search promises",
            tables=[table, _table("Every answer of the ledger", asked)],
        )
    )
    summary = rh.summary()
    inner, outer = answers[chosen].bounds, vault.bounds
    story = Story(
        f"After {naive.looks:,} looks at the same {len(data.holdout):,} held-out sentences: how accurate is the vote that won?",
        f"{naive.promise:.3f} ({low:.3f} to {high:.3f}) as the only look; {corrected[0]:.3f} to {corrected[1]:.3f} by Bonferroni, "
        "which is for looks fixed beforehand.",
        f"{float(answers[chosen]):.3f}, between {inner[0]:.3f} and {inner[1]:.3f} through the ledger; the sealed vault, opened "
        f"once: {outer[0]:.3f} to {outer[1]:.3f}.",
        f"{truths[-1]:.3f} for that vote, {truths[chosen]:.3f} for ours, on {len(data.fresh):,} fresh sentences.",
        f"{answers[chosen].guarantee.holds}.",
    )
    return TourSection(
        story=story,
        page=Section(
            "Reusable holdout",
            paragraphs=(lead, lesson),
            summaries=(result, summary),
            figures=(
                (display.figure_, "The ledger: budget, training against holdout, width along the questions."),
            ),
        ),
        facts={
            "naive_promise": naive.promise,
            "naive_interval": (low, high),
            "bonferroni_interval": corrected,
            "naive_truth": truths[-1],
            "looks": naive.looks,
            "n_answers": len(answers),
            "n_covered": covered,
            "chosen_answer": float(answers[chosen]),
            "chosen_bounds": answers[chosen].bounds,
            "chosen_truth": truths[chosen],
            "vault_bounds": vault.bounds,
        },
    )


def _table(title: str, rows: Sequence[tuple[Any, ...]]) -> Table:
    names, looks, values, lows, highs, truths = zip(*rows, strict=True)
    inside = [
        "yes" if low <= truth <= high else "no" for low, high, truth in zip(lows, highs, truths, strict=True)
    ]
    return Table(
        {
            "Question": list(names),
            "Looks": list(looks),
            "Promise": list(values),
            "Lower": list(lows),
            "Upper": list(highs),
            "Truth": list(truths),
            "Inside": inside,
        },
        title=title,
        formats=dict.fromkeys(("Promise", "Lower", "Upper", "Truth"), "estimate"),
    )
