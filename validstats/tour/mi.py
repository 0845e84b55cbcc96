"""Tour section: how much a machine score tells about the human rating, and which cheap features tell anything."""

from __future__ import annotations

from typing import Any

import numpy as np

from validstats._typing import AnyArray
from validstats.datasets import load_sentiment
from validstats.mi import MISelector, independence_test, mutual_info
from validstats.plotting import MutualInformationDisplay
from validstats.results import Report, Section, Summary, Table
from validstats.tour._section import CORPORA, Progress, Story, TourSection

__all__ = ["run_section"]

SEED = 20
ROWS_PER_CORPUS = 1500
SELECTION_ROWS = 1000
FEATURES = (
    "vader_compound",
    "n_lexicon_positive",
    "n_lexicon_negative",
    "n_words",
    "mean_word_length",
    "n_exclaim",
    "n_question",
    "n_comma",
    "n_digits",
    "n_first_person",
    "n_second_person",
    "n_boosters",
    "negation",
    "has_but",
)


def run_section(progress: Progress) -> TourSection:
    """Run the section on the bundled sentences."""
    progress.step("reading the sentences")
    rows = _independent_rows(load_sentiment())
    results = {}
    for corpus, title in CORPORA.items():
        progress.step(f"mutual information in {title}")
        chosen = _draw(rows["corpus"] == corpus, ROWS_PER_CORPUS)
        results[title] = _estimates(rows["vader_compound"][chosen], rows["human_mean"][chosen])
    progress.step("testing features of film reviews")
    selector = _select(rows, _draw(rows["corpus"] == "movies", SELECTION_ROWS))
    progress.step("testing independence of score and strength of the rating")
    test = _nonlinear_test(rows)
    return _section(results, selector, test)


def _independent_rows(frame: Any) -> dict[str, AnyArray]:
    """One random sentence of each document, so that rows are independent of each other."""
    order = np.random.default_rng(SEED).permutation(len(frame))
    columns = {
        name: np.asarray(frame[name])[order] for name in ("corpus", "document", "human_mean", *FEATURES)
    }
    _, first = np.unique(columns["document"], return_index=True)
    return {name: values[np.sort(first)] for name, values in columns.items()}


def _draw(mask: AnyArray, n: int) -> AnyArray:
    """The first rows of a corpus; the order is random already."""
    return np.flatnonzero(mask)[:n]


def _estimates(score: AnyArray, rating: AnyArray) -> dict[str, Any]:
    methods = {"default": mutual_info(score, rating)}
    methods["ksg"] = mutual_info(score, rating, method="ksg")
    methods["gaussian"] = mutual_info(score, rating, method="gaussian", discrete_x=False, discrete_y=False)
    return methods


def _select(rows: dict[str, AnyArray], chosen: AnyArray) -> MISelector:
    import pandas as pd

    features = pd.DataFrame({name: rows[name][chosen] for name in FEATURES})
    selector = MISelector("histogram", control="fdr_by", alpha=0.1, random_state=SEED)
    return selector.fit(features, rows["human_mean"][chosen])


def _nonlinear_test(rows: dict[str, AnyArray]) -> dict[str, Any]:
    """The strength of a rating (its distance from neutral) against the signed score: a V-shaped relation."""
    chosen = _draw(rows["corpus"] == "tweets", 400)
    score, strength = rows["vader_compound"][chosen], np.abs(rows["human_mean"][chosen])
    common: dict[str, Any] = {"n_permutations": 199, "random_state": SEED}
    return {
        "correlation": independence_test(score, strength, statistic="cca", **common),
        "mutual information": independence_test(score, strength, **common),
    }


def _section(results: dict[str, Any], selector: MISelector, test: dict[str, Any]) -> TourSection:
    defaults = {title: methods["default"] for title, methods in results.items()}
    selected = [str(name) for name in selector.get_feature_names_out()]
    strongest = max(defaults, key=lambda title: defaults[title].estimate)
    weakest = min(defaults, key=lambda title: defaults[title].estimate)
    lead = (
        "How much does the machine score tell about the human rating? The mutual information is largest in "
        f"{strongest} ({defaults[strongest].estimate:.2f} nats) and smallest in {weakest} "
        f"({defaults[weakest].estimate:.2f} nats). One random sentence of each document is used, so that rows "
        "are independent. An estimate is right on average over simulated laws and can be wrong for one; the certified lower bound "
        f"(the column Certified; {float(defaults[strongest].certified.value):.2f} nats in {strongest}) holds whatever the law is."
    )
    ranked = (
        f"Of {len(FEATURES)} cheap features of {SELECTION_ROWS:,} film sentences, {len(selected)} carry information "
        "about the rating at a false discovery rate of 10 % under any dependence (Benjamini-Yekutieli, exact "
        "permutation p-values)."
    )
    strength = (
        "Does the signed score tell how strong a tweet's rating is, whatever its sign? For a linear "
        "statistic p = "
        f"{test['correlation'].p_value:.3f}, for mutual information p = "
        f"{test['mutual information'].p_value:.3f}; both p-values are exact."
    )
    summaries = [_comparison(results), selector.summary(), test["mutual information"].summary()]
    display = MutualInformationDisplay.from_results(defaults).plot()
    page = Section(
        "Learned mutual information",
        paragraphs=(lead, ranked, strength),
        summaries=summaries,
        figures=(
            (display.figure_, "Mutual information of the machine score with the human rating, by corpus."),
        ),
    )
    facts = {
        "mutual_information": {title: result.estimate for title, result in defaults.items()},
        "intervals": {title: (result.conf_low, result.conf_high) for title, result in defaults.items()},
        "selected": selected,
        "p_values": {name: result.p_value for name, result in test.items()},
    }
    best = defaults[strongest]
    story = Story(
        f"How much does a machine's score tell about ratings of {strongest}?",
        f"Gaussian copula {results[strongest]['gaussian'].estimate:.2f} nats, nearest neighbours (KSG) "
        f"{results[strongest]['ksg'].estimate:.2f}. A linear test of score and strength finds nothing "
        f"(p = {test['correlation'].p_value:.2g}).",
        f"{best.answer}. The test finds the V-shaped relation (p = {test['mutual information'].p_value:.2g}).",
        "Not known for real texts.",
        f"{best.guarantee.holds}.",
    )
    return TourSection(story, page, facts)


def _comparison(results: dict[str, Any]) -> Summary:
    defaults = [methods["default"] for methods in results.values()]
    columns: dict[str, Any] = {
        "Corpus": list(results),
        "n": [result.n_samples for result in defaults],
        "Estimate": [result.estimate for result in defaults],
        "Low": [result.conf_low for result in defaults],
        "High": [result.conf_high for result in defaults],
        "Certified": [float(result.certified.value) for result in defaults],
        "KSG": [methods["ksg"].estimate for methods in results.values()],
        "Gaussian copula": [methods["gaussian"].estimate for methods in results.values()],
    }
    return Summary(
        Report(
            title="Mutual information of machine score and human rating (nats)",
            header=(("Estimator", defaults[0].estimator), ("Level of the intervals", 0.9)),
            tables=[Table(columns, formats=dict.fromkeys(list(columns)[2:], "estimate"))],
            guarantees=[defaults[0].guarantee],
        )
    )
