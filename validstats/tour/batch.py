"""The tour's section on batches: statements about every 100 unseen sentences, and the total of a year from whole past years."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from validstats._typing import AnyArray, Float1D
from validstats.batch import (
    BatchMean,
    BatchPredictor,
    BatchTotal,
    Envelope,
    ErrorCount,
    Selection,
    Simultaneous,
)
from validstats.batch.laws import (
    batch_coverage_probability,
    order_statistic_interval,
    selection_scores,
    simultaneous_rank,
    textbook_interval,
    unit_interval,
)
from validstats.datasets import load_sentiment
from validstats.exceptions import DriftWarning, UninformativeWarning
from validstats.results import Report, Section, Summary, Table
from validstats.tour._section import Progress, Story, TourSection

__all__ = ["run_section"]

SEED = 20
N_TRAIN, N_CALIBRATION, BATCH, N_SHOWN, N_REPLICATES = 600, 400, 100, 12, 300
N_YEAR_REPLICATES = 2000
LEVEL = 0.9
MAX_FALSE = 3
RATING_BOUNDS = (-4.0, 4.0)
_CURVE = (0.7, 0.75, 0.8, 0.85, 0.9, 0.95)

_INTRO = (
    "Batch prediction. A model is trained on {train} rated sentences and calibrated on {calibration} more; the rest of "
    "the {total:,} sentences come in batches of {batch}, whose ratings nobody looks at. Four statements are made about "
    "every batch, each with probability at least {level:g}, whatever the model and the distribution."
)
_THEORY = (
    "Does it hold? All {total:,} sentences have human ratings, so every statement can be checked. Calibration and batch are "
    "drawn afresh {replicates} times: with one calibration set the frequencies would not converge to the level. Where the "
    "probability is known exactly it is printed; 'at least' marks a guarantee. The last two columns are what a user of "
    "plain split conformal prediction, or of the plain rate, would have got."
)


_YEARS = (
    "Next year's total. Rows of one week, year or household often share something, and then no number of rows helps. Sea "
    "temperatures off Peru, by month, {first} to {last}: months of an El Niño year are warm together. The last year's total is "
    "bounded from {past} whole past years, of which each counts once. Drawn afresh {replicates} times, with other years in each "
    "part, whole years cover the new total in {whole:.0%} of the cases (theory: {theory:.0%}), and the textbook interval from the "
    "same {rows} months in {textbook:.0%}: a check inside infer warns of it beforehand."
)


class MachineSign(ClassifierMixin, BaseEstimator):
    """A machine label: whether the first column is positive."""

    classes_ = np.array([0, 1])

    def fit(self, X: AnyArray, y: AnyArray) -> MachineSign:
        """Do nothing: the label comes from outside."""
        return self

    def predict(self, X: AnyArray) -> AnyArray:
        """Return the labels of the rows."""
        return (np.asarray(X)[:, 0] > 0).astype(np.int64)

    def __sklearn_is_fitted__(self) -> bool:
        return True


@dataclass(frozen=True)
class _Study:
    """The data of the tour: features (machine label first), ratings, and who is who."""

    X: AnyArray
    rating: Float1D
    train: AnyArray
    pool: AnyArray
    learner: Any


def run_section(progress: Progress) -> TourSection:
    """Run the section."""
    progress.step("training on rated sentences")
    study = _load()
    estimators = _estimators(study)
    rng = np.random.default_rng(SEED)
    drawn = rng.permutation(study.pool)
    calibration, rows = drawn[:N_CALIBRATION], drawn[N_CALIBRATION : N_CALIBRATION + N_SHOWN * BATCH]
    batches = np.repeat(np.arange(1, N_SHOWN + 1), BATCH)
    results = {}
    for name, estimator in estimators.items():
        progress.step(f"calibrating and inferring: {name}")
        estimator.calibrate(study.X[calibration], _labels(study, name, calibration))
        results[name] = estimator.infer(study.X[rows], batches=batches)
    progress.step(f"checking against the truth, {N_REPLICATES} times")
    observed = _replicate(study)
    curve = _coverage_curve(study)
    intro = _INTRO.format(
        train=N_TRAIN, calibration=N_CALIBRATION, total=study.rating.size, batch=BATCH, level=LEVEL
    )
    theory = _THEORY.format(total=study.rating.size, replicates=N_REPLICATES)
    comparison = _comparison(results, observed)
    claims = _claims(study, results, rows, batches)
    progress.step("bounding the total of a year from whole past years")
    told, year, seen = _years()
    progress.step("drawing figures")
    page = Section(
        title="Batch prediction: one statement about a hundred sentences",
        paragraphs=(intro, *claims, theory, told),
        summaries=(comparison, *(r.summary() for r in results.values()), year.summary()),
        figures=_figures(study, results, rows, batches, curve),
    )
    story = Story(
        "What will next year's total of monthly sea temperatures be?",
        f"The textbook interval from the months as if independent contains it in {seen['years: plain']:.0%} of "
        f"{N_YEAR_REPLICATES:,} redraws of the years, for {LEVEL:.0%} promised.",
        f"{year.answer}, from whole years; such intervals contain the total in {seen['years: observed']:.0%} of the redraws.",
        f"{seen['years: truth']:.1f} in this year.",
        f"{year.guarantee.holds}.",
    )
    facts = {f"{name}: {key}": value for name, row in observed.items() for key, value in row.items()} | seen
    return TourSection(story=story, page=page, facts=facts)


def _load() -> _Study:
    frame = load_sentiment()
    features, _ = load_sentiment(return_X_y=True)
    names = ["vader_compound", *(c for c in features.columns if c != "vader_compound")]
    X = frame[names].to_numpy(dtype=np.float64)
    rating = frame["human_mean"].to_numpy(dtype=np.float64)
    order = np.random.default_rng(SEED).permutation(rating.size)
    train, pool = order[:N_TRAIN], order[N_TRAIN:]
    learner = make_pipeline(StandardScaler(), Ridge(10.0)).fit(X[train], rating[train])
    return _Study(X, rating, train, pool, learner)


def _estimators(study: _Study, n_resamples: int = 9999) -> dict[str, BatchPredictor]:
    options: dict[str, Any] = {"confidence_level": LEVEL, "random_state": SEED, "n_resamples": n_resamples}
    learner = FrozenEstimator(study.learner)
    targets = {
        "sets": BatchPredictor(learner, Simultaneous(miss=0.1), bounds=RATING_BOUNDS, **options),
        "mean": BatchPredictor(learner, BatchMean(), bounds=RATING_BOUNDS, **options),
        "selection": BatchPredictor(learner, Selection(above=0.0, max_false=MAX_FALSE), **options),
        "errors": BatchPredictor(FrozenEstimator(MachineSign()), ErrorCount(), **options),
    }
    return targets


def _labels(study: _Study, name: str, rows: AnyArray) -> AnyArray:
    return (study.rating[rows] > 0).astype(np.int64) if name == "errors" else study.rating[rows]


def _claims(study: _Study, results: dict[str, Any], rows: AnyArray, batches: AnyArray) -> tuple[str, ...]:
    """One sentence with one number for each statement, about the first batch."""
    sets, mean, selection, errors = (results[k] for k in ("sets", "mean", "selection", "errors"))
    first = slice(0, BATCH)
    rating = study.rating[rows][first]
    right = int(sets.contains(study.rating[rows])[first].sum())
    false = int(selection.false_claims(study.rating[rows])[0])
    wrong = int((MachineSign().predict(study.X[rows[first]]) != (rating > 0)).sum())
    chosen = int(selection.selected[first].sum())
    return (
        f"(a) At least {sets.answers[0].covered} of the {BATCH} sentences of batch 1 lie in their rating intervals, "
        f"of mean length {sets.sizes_of_sets()[first].mean():.2f}; in fact {right} do.",
        f"(b) The mean human rating of batch 1 lies in [{mean.conf_low[0, 0]:.2f}, {mean.conf_high[0, 0]:.2f}]; "
        f"in fact it is {rating.mean():.2f}.",
        f"(c) Of the {chosen} sentences of batch 1 that are claimed to be positive at most {MAX_FALSE} are not; "
        f"in fact {false} are not.",
        f"(d) At most {errors.conf_high[0, 0]:.0f} of the {BATCH} machine labels of batch 1 are wrong; in fact {wrong} are.",
    )


def _replicate(study: _Study) -> dict[str, dict[str, float]]:
    """Redraw calibration and batch; count how often each statement and its plain rival hold."""
    estimators = _estimators(study, n_resamples=499)
    held = {name: [0, 0] for name in estimators}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UninformativeWarning)
        warnings.simplefilter("ignore", DriftWarning)  # one in a hundred redrawn batches by chance
        for generator in np.random.default_rng(SEED + 1).spawn(N_REPLICATES):
            drawn = generator.choice(study.pool, N_CALIBRATION + BATCH, replace=False)
            calibration, batch = drawn[:N_CALIBRATION], drawn[N_CALIBRATION:]
            for name, estimator in estimators.items():
                estimator.set_params(random_state=int(generator.integers(2**31)))
                estimator.calibrate(study.X[calibration], _labels(study, name, calibration))
                result = estimator.infer(study.X[batch])
                ours, plain = _holds(study, name, result, calibration, batch)
                held[name][0] += ours
                held[name][1] += plain
    shares = {name: (a / N_REPLICATES, b / N_REPLICATES) for name, (a, b) in held.items()}
    return {
        name: {
            "observed": float(ours),
            "se": float(np.sqrt(ours * (1 - ours) / N_REPLICATES)),
            "plain": plain,
        }
        for name, (ours, plain) in shares.items()
    }


def _holds(
    study: _Study, name: str, result: Any, calibration: AnyArray, batch: AnyArray
) -> tuple[bool, bool]:
    """Whether the statement holds, and whether its plain rival does."""
    rating = study.rating[batch]
    if name == "sets":
        return result.contains(rating).sum() >= 90, result.contains(rating, naive=True).sum() >= 90
    if name == "mean":
        plain = _split_conformal_mean(study, calibration, batch)
        return bool(result.conf_low[0, 0] <= rating.mean() <= result.conf_high[0, 0]), plain
    if name == "selection":
        scores = selection_scores(study.learner.predict(study.X[calibration]), study.rating[calibration], 0.0)
        threshold = order_statistic_interval(
            scores, 1, 1, "0.1", side="upper", allow_minus_infinity=True
        ).high
        false = ((study.learner.predict(study.X[batch]) > threshold) & (rating <= 0)).sum()
        return bool(result.false_claims(rating)[0] <= MAX_FALSE), bool(false <= MAX_FALSE)
    wrong = (MachineSign().predict(study.X[batch]) != (rating > 0)).sum()
    return bool(wrong <= result.conf_high[0, 0]), bool(wrong <= result.estimate[0, 0])


def _split_conformal_mean(study: _Study, calibration: AnyArray, batch: AnyArray) -> bool:
    """The plain rival for the mean: no calibration set of means exists, so the model's mean plus a normal error."""
    residuals = study.rating[calibration] - study.learner.predict(study.X[calibration])
    half = 1.645 * residuals.std() / np.sqrt(residuals.size)
    centre = study.learner.predict(study.X[batch]).mean() + residuals.mean()
    return bool(abs(study.rating[batch].mean() - centre) <= half)


def _years() -> tuple[str, Any, dict[str, float]]:
    """Bound the total of a year of sea temperatures, and count how often whole years and months hold."""
    import pandas as pd
    import statsmodels.api as sm

    frame = sm.datasets.elnino.load_pandas().data
    celsius, years = frame.iloc[:, 1:].to_numpy(dtype=np.float64), frame["YEAR"].to_numpy(dtype=np.int64)
    n_years, n_past = years.size, 40
    n_train = n_years - n_past - 1
    # predictions are the means of each month over the years that train
    usual = np.tile(celsius[:n_train].mean(axis=0), n_past + 1)
    labels, past = celsius[n_train:].ravel(), slice(0, 12 * n_past)
    model = BatchPredictor(None, BatchTotal(), confidence_level=LEVEL, random_state=SEED)
    whole_years = pd.Series(np.repeat(years[n_train:-1], 12), name="year")
    model.calibrate(usual[past], labels[past], batches=whole_years)
    result = model.infer(usual[12 * n_past :])
    held = np.zeros(2)
    for generator in np.random.default_rng(SEED + 3).spawn(N_YEAR_REPLICATES):
        drawn = celsius[generator.permutation(n_years)]
        residuals = drawn[n_train:] - drawn[:n_train].mean(axis=0)
        totals = residuals.sum(axis=1)
        whole = unit_interval(totals[:-1], "0.1")
        low, high = textbook_interval(residuals[:-1].ravel(), 12, "0.1")
        held += whole.low <= totals[-1] <= whole.high, 12 * low <= totals[-1] <= 12 * high
    seen = {
        "years: observed": float(held[0]) / N_YEAR_REPLICATES,
        "years: plain": float(held[1]) / N_YEAR_REPLICATES,
        "years: truth": float(labels[12 * n_past :].sum()),
    }
    text = _YEARS.format(
        first=years[0],
        last=years[-1],
        past=n_past,
        rows=12 * n_past,
        replicates=N_YEAR_REPLICATES,
        whole=seen["years: observed"],
        textbook=seen["years: plain"],
        theory=whole.probability,
    )
    return text, result, seen


def _comparison(results: dict[str, Any], observed: dict[str, dict[str, float]]) -> Summary:
    exact = {name: results[name].answers[0].probability for name in results}
    statements = {
        "sets": "(a) at least 90 of 100 sets right",
        "mean": "(b) mean rating inside",
        "selection": f"(c) at most {MAX_FALSE} false claims",
        "errors": "(d) wrong machine labels bounded",
    }
    rivals = {
        "sets": "split conformal sets",
        "mean": "confidence interval of the mean",
        "selection": "split conformal p-values",
        "errors": "the plain error rate",
    }
    table = Table(
        {
            "Statement": list(statements.values()),
            "Theory": [f"at least {LEVEL:g}" if exact[k] is None else f"{exact[k]:.4f}" for k in statements],
            "Observed": [observed[k]["observed"] for k in statements],
            "SE": [observed[k]["se"] for k in statements],
            "Naive": [observed[k]["plain"] for k in statements],
            "Naive method": [rivals[k] for k in statements],
        }
    )
    naive = batch_coverage_probability(N_CALIBRATION, BATCH, 90, int(np.ceil(0.9 * (N_CALIBRATION + 1))))
    note = (
        f"For (a) theory gives split conformal prediction {naive:.4f}. Ratings are means of 20 votes, so ties are "
        "common; with ties the exact probabilities are lower bounds."
    )
    return Summary(Report(title="Theory beside observation", tables=[table], notes=[note]))


def _coverage_curve(study: _Study) -> dict[str, Float1D]:
    """Achieved frequency of statement (a) at several levels, from scores alone."""
    scores = np.abs(study.rating[study.pool] - study.learner.predict(study.X[study.pool]))
    rng = np.random.default_rng(SEED + 2)
    drawn = np.array([rng.choice(scores, N_CALIBRATION + BATCH, replace=False) for _ in range(1000)])
    calibration, batch = np.sort(drawn[:, :N_CALIBRATION], axis=1), drawn[:, N_CALIBRATION:]

    def achieved(rank: int) -> float:
        return float(((batch <= calibration[:, [rank - 1]]).sum(axis=1) >= 90).mean())

    bounds = [simultaneous_rank(N_CALIBRATION, BATCH, 0.1, f"{1 - level:.2f}")[1] for level in _CURVE]
    plain = achieved(int(np.ceil(0.9 * (N_CALIBRATION + 1))))
    return {
        "nominal": np.array(_CURVE),
        "theory": np.array([b.probability for b in bounds]),
        "achieved": np.array([achieved(b.rank) for b in bounds]),
        "naive": np.full(len(_CURVE), plain),
    }


def _figures(
    study: _Study, results: dict[str, Any], rows: AnyArray, batches: AnyArray, curve: dict[str, Float1D]
) -> tuple[tuple[Any, str], ...]:
    from validstats.plotting import CoverageDisplay

    rating = study.rating[rows]
    truth = np.array([rating[batches == b].mean() for b in range(1, N_SHOWN + 1)])
    coverage = CoverageDisplay(
        curve["nominal"],
        curve["achieved"],
        n_replicates=1000,
        theory=curve["theory"],
        naive=curve["naive"],
        naive_name="split conformal, 90 % sets",
    ).plot()
    envelope = BatchPredictor(
        FrozenEstimator(study.learner), Envelope(), bounds=RATING_BOUNDS, confidence_level=LEVEL
    )
    drawn = np.random.default_rng(SEED).permutation(study.pool)[:N_CALIBRATION]
    envelope.calibrate(study.X[drawn], study.rating[drawn])
    bounds: Any = envelope.infer(study.X[rows[:BATCH]])
    band = bounds.plot(truth=rating[:BATCH])
    return (
        (
            results["mean"].plot(truth=truth).figure_,
            "Statement (b) for every batch, and the true mean rating.",
        ),
        (
            coverage.figure_,
            "Statement (a) at several levels: achieved, exact theory, and split conformal prediction.",
        ),
        (
            results["selection"].plot(y=rating).figure_,
            "Statement (c) for the first batch: claims and false claims.",
        ),
        (
            band.figure_,
            "All sorted ratings of the first batch at once: answers every monotone question, also later.",
        ),
    )
