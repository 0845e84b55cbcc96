"""Tour section: how good a machine is by its own word and by a few people, and which of four machines is best."""

from __future__ import annotations

from typing import Any

import numpy as np

from validstats import evals
from validstats._typing import AnyArray, Bool1D
from validstats.datasets import load_sentiment
from validstats.results import Section
from validstats.tour._section import CORPORA, Progress, Story, TourSection

__all__ = ["run_section"]

SEED = 20
LABELS = 400
ITEMS = 1_500
SYSTEMS = ("machine score", "words", "words and negation", "always positive")


def run_section(progress: Progress) -> TourSection:
    """Run the section on the bundled sentences."""
    progress.step("reading the sentences")
    frame = load_sentiment()
    positive = frame["human_mean"].to_numpy() > 0.0
    rng = np.random.default_rng(SEED)
    progress.step("correcting the machine by 400 ratings")
    share = _share(frame, positive, rng)
    progress.step("ranking four machines")
    board, truth = _board(frame, positive, rng)
    return _section(share, positive, frame, board, truth)


def _share(frame: Any, positive: Bool1D, rng: np.random.Generator) -> Any:
    """Share of positive sentences by the machine, corrected by people on a random sample; documents are the units."""
    rated = np.zeros(len(frame), dtype=bool)
    rated[rng.choice(len(frame), LABELS, replace=False)] = True
    answers = {
        "item": np.arange(len(frame)),
        "document": frame["document"].to_numpy(),
        "corpus": [CORPORA[c] for c in frame["corpus"]],
        "judge": _verdicts(frame)[:, SYSTEMS.index("words and negation")].astype(float),
        "human": np.where(rated, positive, np.nan),
    }
    return evals.evaluate(answers, judge="judge", human="human", by="corpus", clusters="document")


def _verdicts(frame: Any) -> AnyArray:
    """What four machines say, one column each."""
    score = frame["vader_compound"].to_numpy() > 0.0
    words = frame["n_lexicon_positive"].to_numpy() > frame["n_lexicon_negative"].to_numpy()
    negated = words & ~frame["negation"].to_numpy().astype(bool)
    return np.column_stack([score, words, negated, np.ones(len(frame), dtype=bool)])


def _board(frame: Any, positive: Bool1D, rng: np.random.Generator) -> tuple[Any, dict[str, float]]:
    """A leaderboard on rated sentences, and the shares of right answers on all of them."""
    right = (_verdicts(frame) == positive[:, None]).astype(int)
    drawn = rng.choice(len(frame), ITEMS, replace=False)
    rows = {
        "item": np.repeat(np.arange(ITEMS), len(SYSTEMS)),
        "document": np.repeat(frame["document"].to_numpy()[drawn], len(SYSTEMS)),
        "system": list(SYSTEMS) * ITEMS,
        "score": right[drawn].ravel(),
    }
    board = evals.rank(rows, clusters="document")
    return board, dict(zip(SYSTEMS, right.mean(axis=0).tolist(), strict=True))


def _section(share: Any, positive: Bool1D, frame: Any, board: Any, truth: dict[str, float]) -> TourSection:
    from statsmodels.stats.proportion import proportion_confint

    lead = (
        f"What share of the {len(frame):,} sentences is positive? A machine that counts words, and takes a negation "
        f"for a no, labelled all of them, people {LABELS}. {share.answer}. "
        f"According to all ratings it is {100 * positive.mean():.1f} %."
    )
    true_rank = {name: 1 + sum(other > value for other in truth.values()) for name, value in truth.items()}
    inside = all(
        low <= true_rank[name] <= high
        for name, low, high in zip(board.systems, board.rank_low, board.rank_high, strict=True)
    )
    ranked = (
        f"Which of four machines agrees best with people, on {ITEMS:,} sentences drawn at random? {board.answer}. The ranks on all "
        f"sentences {'all lie' if inside else 'do not all lie'} within their ranges."
    )
    figures = (
        (
            share.plot().figure_,
            "Share of positive sentences: corrected, by the machine alone, by the rated ones.",
        ),
        (board.plot().figure_, "Ranks that remain possible, and the rank of the estimate."),
    )
    page = Section(
        "Evaluations of models",
        paragraphs=(lead, ranked),
        summaries=(share.summary(), board.summary()),
        figures=figures,
    )
    alone = float(share.tidy()["human_estimate"][0])
    low, high = proportion_confint(alone * LABELS, LABELS, method="wilson")
    facts = {
        "interval": (share.conf_low, share.conf_high),
        "truth": float(positive.mean()),
        "machine": share.naive,
        "people_alone": (float(low), float(high)),
        "ranks_inside": inside,
        "best": board.systems[0],
    }
    story = Story(
        f"What share of {len(frame):,} sentences is positive, by a machine for all and people for {LABELS}? Which of four "
        "machines is best?",
        f"The machine at its word: {100 * share.naive:.1f} %. People alone: {100 * alone:.1f} % ({100 * low:.1f} to {100 * high:.1f} %, "
        "Wilson).",
        f"{share.answer.split('. ')[0]}. {board.answer[:1].upper()}{board.answer[1:]}.",
        f"{100 * positive.mean():.1f} % by all ratings; all ranks {'lie' if inside else 'do not lie'} within their ranges.",
        f"{share.guarantee.holds}.",
    )
    return TourSection(story, page, facts)
