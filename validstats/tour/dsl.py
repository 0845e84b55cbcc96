"""Tour: what 1,000 ratings say about 23,703 sentences, when a machine has scored them all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from validstats._typing import Float1D
from validstats.datasets import load_sentiment
from validstats.dsl import CoefficientResult, DesignSupervised
from validstats.results import Report, Section, Summary, Table
from validstats.runtime import spawn_generators
from validstats.tour._section import Progress, Story, TourSection

__all__ = ["Sentences", "draw_labels", "load_sentences", "run_section"]

COVARIATES = "corpus + log_length + negation"
N_LABELS = 1000
N_DRAWS = 20
SURROGATES = {"rating": "compound", "positive": "machine_positive"}


@dataclass(frozen=True)
class Sentences:
    """The sentences as a regression study would have them, and the truth that it would not."""

    # Machine scores and covariates of every sentence.
    data: Any
    # Mean human rating, and whether it exceeds 0.5.
    rating: Float1D
    positive: Float1D


def load_sentences() -> Sentences:
    """Load the bundled sentences for the regressions of the tour."""
    raw = load_sentiment()
    data = raw[["corpus", "negation"]].assign(
        log_length=np.log(raw["n_words"]),
        compound=raw["vader_compound"],
        machine_positive=(raw["vader_compound"] > 0.05).astype(np.float64),
    )
    rating = raw["human_mean"].to_numpy()
    return Sentences(data=data, rating=rating, positive=(rating > 0.5).astype(np.float64))


def draw_labels(sentences: Sentences, generator: np.random.Generator) -> dict[str, Float1D]:
    """Rate a simple random sample of the sentences."""
    chosen = np.zeros(len(sentences.rating), dtype=np.bool_)
    chosen[generator.choice(len(chosen), N_LABELS, replace=False)] = True
    return {
        "rating": np.where(chosen, sentences.rating, np.nan),
        "positive": np.where(chosen, sentences.positive, np.nan),
    }


def _full_data(sentences: Sentences) -> dict[str, Float1D]:
    everything = {"rating": sentences.rating, "positive": sentences.positive}
    known = DesignSupervised(estimator="gold", n_folds=2, n_repeats=1, random_state=0)
    known.fit(sentences.data, surrogate=SURROGATES).calibrate(everything)
    return {
        "linear": known.infer(f"rating ~ {COVARIATES}").params,
        "logit": known.infer(f"positive ~ {COVARIATES}", model="logit").params,
    }


def _estimator(seed: int, n_repeats: int) -> DesignSupervised:
    return DesignSupervised(n_repeats=n_repeats, random_state=seed)


def _coverage(sentences: Sentences, truth: Float1D, progress: Progress) -> tuple[int, int, int]:
    """Count how many intervals of the logit cover the full-data coefficients, ours and naive."""
    ours = naive = 0
    for index, generator in enumerate(spawn_generators(1, N_DRAWS)):
        progress.step(f"fresh sample of ratings {index + 1} of {N_DRAWS}")
        dsl = _estimator(index, 1).fit(sentences.data, surrogate=SURROGATES)
        dsl.calibrate(draw_labels(sentences, generator))
        result = dsl.infer(f"positive ~ {COVARIATES}", model="logit", population="finite")
        interval = result.confidence_interval()
        ours += int(np.sum((interval[:, 0] <= truth) & (truth <= interval[:, 1])))
        assert result.naive_fit is not None
        naive += int(np.sum(np.abs(result.naive_fit.params - truth) <= 1.96 * result.naive_fit.std_error))
    return ours, naive, N_DRAWS * len(truth)


def _comparison(result: CoefficientResult, truth: Float1D, title: str) -> Summary:
    assert result.naive_fit is not None
    assert result.gold is not None
    interval = result.confidence_interval()
    columns: dict[str, Any] = {
        "Term": list(result.names),
        "All 23,703 ratings": truth,
        "Machine only": result.naive_fit.params,
        "validstats": result.params,
        "95% low": interval[:, 0],
        "95% high": interval[:, 1],
        "Worth (labels)": np.round(result.effective_labels),
    }
    table = Table(
        columns,
        formats={
            "All 23,703 ratings": "estimate",
            "Machine only": "estimate",
            "validstats": "estimate",
            "95% low": "estimate",
            "95% high": "estimate",
            "Worth (labels)": "int",
        },
    )
    return Summary(Report(title=title, tables=(table,), guarantees=(result.guarantee,)))


def run_section(progress: Progress) -> TourSection:
    """Estimate both regressions from one sample of ratings, and check coverage over fresh samples."""
    progress.step("loading 23,703 sentences")
    sentences = load_sentences()
    truth = _full_data(sentences)
    progress.step("estimating from 1,000 ratings")
    dsl = _estimator(0, 3).fit(sentences.data, surrogate=SURROGATES)
    dsl.calibrate(draw_labels(sentences, np.random.default_rng(0)))
    linear = dsl.infer(f"rating ~ {COVARIATES}", population="finite")
    logit = dsl.infer(f"positive ~ {COVARIATES}", model="logit", population="finite")
    ours, naive, total = _coverage(sentences, truth["logit"], progress)

    assert logit.naive_fit is not None
    at = logit.names.index("log_length")
    low, high = logit.confidence_interval()[at]
    assert logit.gold is not None
    alone = logit.gold.params[at] + np.array([-1.96, 1.96]) * logit.gold.std_error[at]
    lead = (
        "A machine has scored every sentence; people have rated 1,000, drawn at random. Does length go with "
        f"positive sentiment? From the machine's labels alone the coefficient of log length is "
        f"{logit.naive_fit.params[at]:.2f}; with all 23,703 ratings it is {truth['logit'][at]:.2f}. From the 1,000 "
        f"ratings and the machine's labels together: {logit.params[at]:.2f}, interval {low:.2f} to {high:.2f}; from the ratings "
        f"alone {alone[0]:.2f} to {alone[1]:.2f}."
    )
    check = (
        f"Over {N_DRAWS} fresh samples of 1,000 ratings, {ours} of {total} intervals cover the coefficients of "
        f"all ratings; of the intervals from machine labels alone, {naive} of {total} do."
    )
    summaries = (
        _comparison(logit, truth["logit"], "Logit of a positive rating"),
        _comparison(linear, truth["linear"], "Linear regression of the mean rating"),
    )
    figure = _figure(logit, truth["logit"])
    page = Section(
        title="Design-based supervised learning",
        paragraphs=(lead, check),
        summaries=summaries,
        figures=((figure, "Logit coefficients: ours, gold only, naive, and those of all 23,703 ratings."),),
    )
    facts = {
        "naive_log_length": float(logit.naive_fit.params[at]),
        "true_log_length": float(truth["logit"][at]),
        "estimate_log_length": float(logit.params[at]),
        "interval_log_length": (float(low), float(high)),
        "people_alone": (float(alone[0]), float(alone[1])),
        "covered": ours,
        "naive_covered": naive,
        "intervals": total,
        "median_worth": float(np.median(logit.effective_labels)),
    }
    story = Story(
        f"Does the length of a sentence go with positive sentiment, when a machine labelled 23,703 and people {N_LABELS:,}?",
        f"Machine labels alone: {logit.naive_fit.params[at]:.2f}; {naive} of {total} such intervals contain the coefficients of "
        f"all ratings. People alone: {alone[0]:.2f} to {alone[1]:.2f}.",
        f"{logit.params[at]:.2f}, interval {low:.2f} to {high:.2f}, from both; {ours} of {total} intervals contain them.",
        f"{truth['logit'][at]:.2f}, by all 23,703 ratings.",
        f"{logit.guarantee.holds}.",
    )
    return TourSection(story=story, page=page, facts=facts)


def _figure(result: CoefficientResult, truth: Float1D) -> Any:
    return result.plot(truth=truth).figure_
