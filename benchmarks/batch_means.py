"""Widths and coverage of bounds of means: residuals of ratings, laws, weeks with a shared shock, learners.

Run with ``python -m benchmarks.batch_means`` (minutes), or with the names of some tables: each one replaces its section of
``results/batch_means.md`` when it is done. ``--quick`` takes a tenth of the replicates and prints only. All seeds are new:
no constant of the methods was chosen with them.
"""

from __future__ import annotations

import argparse
import itertools
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy import stats

from validstats.batch import BatchMean, BatchPredictor, within_batch_test
from validstats.batch.laws import mean_interval, order_statistic_interval, textbook_interval, unit_interval
from validstats.batch.laws.betting import betting_upper_mean
from validstats.batch.laws.counts import class_share_bounds
from validstats.batch.laws.means import partition_available
from validstats.batch.laws.swap import swap_bounds
from validstats.batch.laws.units import unit_totals
from validstats.datasets import load_sentiment
from validstats.exceptions import DriftWarning
from validstats.runtime import map_replicates

LEVEL = 0.1
SIZES = (
    (1000, 20),
    (200, 20),
    (1000, 100),
    (400, 100),
    (100, 100),
    (400, 400),
    (100, 400),
    (2000, 500),
    (5000, 1000),
)
REACH = {
    (1000, 20): 1.20,
    (200, 20): 1.40,
    (1000, 100): 1.25,
    (400, 100): 1.30,
    (100, 100): 1.42,
    (400, 400): 1.20,
    (5000, 1000): 1.15,
}
LAWS = {
    "normal, sd 0.5, in +-6": (lambda rng, k: np.clip(0.5 * rng.normal(size=k), -6, 6), (-6.0, 6.0)),
    "uniform": (lambda rng, k: rng.random(k), (0.0, 1.0)),
    "arcsine": (lambda rng, k: rng.beta(0.5, 0.5, size=k), (0.0, 1.0)),
    "exponential up to 10": (lambda rng, k: np.minimum(rng.exponential(size=k), 10.0), (0.0, 10.0)),
    "five values": (lambda rng, k: rng.integers(1, 6, size=k).astype(float), (1.0, 5.0)),
    "two values, 3 %": (lambda rng, k: (rng.random(k) < 0.03).astype(float), (0.0, 1.0)),
    "atom at the bound": (lambda rng, k: np.where(rng.random(k) < 0.02, 1.0, rng.random(k) / 5), (0.0, 1.0)),
    "pareto up to 50": (lambda rng, k: np.minimum(rng.pareto(1.1, size=k), 50.0), (0.0, 50.0)),
}


def rating_residuals() -> np.ndarray:
    """Human ratings minus a ridge prediction that was fitted on the first 3,000 distinct sentences of a fixed order."""
    from sklearn.linear_model import RidgeCV

    frame = load_sentiment()
    features = frame.loc[:, "vader_compound":"lexicon_max"].to_numpy(dtype=float)
    ratings = frame["human_mean"].to_numpy(dtype=float)
    order = np.random.default_rng(0).permutation(len(ratings))
    model = RidgeCV(np.logspace(-2, 4, 13)).fit(features[order[:3000]], ratings[order[:3000]])
    rest = order[3000:]
    return np.clip(ratings[rest] - model.predict(features[rest]), -6, 6)


def table(header: list[str], rows: list[list[str]]) -> str:
    """Lines of a Markdown table."""
    lines = ["| " + " | ".join(header) + " |", "|" + " :-- |" + " --: |" * (len(header) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def one_interval(rng: np.random.Generator, draw, bounds, n: int, m: int) -> list[float]:
    """Widths over normal theory and hits: chosen method, textbook, partition, sums of intervals of rows."""
    scores = draw(rng, n + m)
    x, truth = scores[:n], scores[n:].mean()
    unit = 2 * stats.norm.isf(LEVEL / 2) * np.sqrt(1 / n + 1 / m)
    seed = int(rng.integers(2**31))
    chosen = mean_interval(x, m, str(LEVEL), bounds=bounds, random_state=seed)
    low, high = textbook_interval(x, m, str(LEVEL))
    row_half = np.sort(np.abs(x - np.median(x)))[min(int(np.ceil((1 - LEVEL) * (n + 1))), n) - 1]
    out = [chosen.high - chosen.low, chosen.low - 1e-12 <= truth <= chosen.high + 1e-12]
    out += [high - low, low <= truth <= high]
    if partition_available(n, m, str(LEVEL / 2)):
        part = mean_interval(x, m, str(LEVEL), bounds=bounds, method="partition", random_state=seed)
        out += [part.high - part.low, part.low <= truth <= part.high]
    else:
        out += [np.nan, np.nan]
    out += [2 * row_half]
    return [value / unit if i in (0, 2, 4, 6) else float(value) for i, value in enumerate(out)]


def width_rows(
    draw, bounds, sd: float, replicates: int, seed: int, jobs: int | None, sizes=SIZES
) -> list[list[str]]:
    """One row for each pair of sizes."""
    rows = []
    for n, m in sizes:
        values = np.array(
            map_replicates(
                lambda rng, index, n=n, m=m: one_interval(rng, draw, bounds, n, m),
                replicates,
                seed,
                n_jobs=jobs,
            )
        )
        width, hit = values[:, [0, 2, 4, 6]].mean(axis=0) / sd, values[:, [1, 3, 5]].mean(axis=0)
        goal = f"{REACH[(n, m)]:.2f}" if (n, m) in REACH else ""
        cells = [f"({n}, {m})", f"{width[0]:.2f}", goal, f"{hit[0]:.3f}", f"{width[1]:.2f}", f"{hit[1]:.3f}"]
        partition = ["", ""] if np.isnan(width[2]) else [f"{width[2]:.2f}", f"{hit[2]:.3f}"]
        rows.append([*cells, *partition, f"{width[3]:.1f}"])
    return rows


WIDTHS = [
    "(n, m)",
    "ratio",
    "to reach",
    "covers",
    "textbook",
    "covers",
    "partition",
    "covers",
    "sum of row intervals",
]


def rating_table(replicates: int, jobs: int | None) -> str:
    """Ratios for residuals of ratings, the bounds +-6."""
    residuals = rating_residuals()

    def draw(rng: np.random.Generator, k: int) -> np.ndarray:
        return rng.choice(residuals, size=k, replace=False)

    return table(WIDTHS, width_rows(draw, (-6.0, 6.0), float(residuals.std()), replicates, 2026, jobs))


def law_table(replicates: int, jobs: int | None) -> str:
    """Ratios and coverage for other laws."""
    rows = []
    for i, (name, (draw, bounds)) in enumerate(LAWS.items()):
        sd = float(np.std(draw(np.random.default_rng(1), 400_000)))
        for row in width_rows(
            draw, bounds, sd, replicates, 500 + i, jobs, ((200, 20), (400, 100), (100, 100))
        ):
            rows.append([f"{name} {row[0]}", *row[1:2], *row[3:]])
    return table(["law (n, m)", "ratio", "covers", "textbook", "covers", "partition", "covers", "rows"], rows)


def one_history(rng: np.random.Generator, shock: float, unequal: bool) -> list[float]:
    """Hits and widths of whole weeks and of rows, and whether the check warns, for one history of 60 weeks."""
    sizes = rng.integers(70, 211, size=61) if unequal else np.full(61, 140)
    unit = np.repeat(np.arange(61), sizes)
    y = rng.poisson(110 * np.maximum(1 + shock * rng.normal(size=61), 0)[unit]).astype(float)
    past, (_, totals, counts) = unit < 60, unit_totals(y, unit)
    truth, size = totals[60], counts[60]
    whole = unit_interval((totals / counts)[:60], str(LEVEL))
    # bets by name: exchanges, which are chosen at this size, take half a second for each history
    rows = mean_interval(
        y[past],
        int(size),
        str(LEVEL),
        bounds=(0.0, 400.0),
        method="bet",
        random_state=int(rng.integers(2**31)),
    )
    low, high = textbook_interval(y[past], int(size), str(LEVEL))
    test = within_batch_test(y[past], unit[past], n_permutations=199, random_state=rng)
    return [
        size * whole.low <= truth <= size * whole.high,
        size * (whole.high - whole.low),
        size * rows.low <= truth <= size * rows.high,
        size * low <= truth <= size * high,
        size * (high - low),
        test.p_value <= 0.01,
    ]


def week_table(replicates: int, jobs: int | None) -> str:
    """Totals of next week when the rows of a week share a shock."""
    rows = []
    for unequal in (False, True):
        for shock in (0.0, 0.01, 0.03, 0.1):
            values = np.array(
                map_replicates(
                    lambda rng, index, s=shock, u=unequal: one_history(rng, s, u), replicates, 77, n_jobs=jobs
                )
            )
            covered, width, by_rows, textbook, narrow, warned = values.mean(axis=0)
            name = f"{100 * shock:.0f} %" + (", sizes 70 to 210" if unequal else "")
            rows.append(
                [
                    name,
                    f"{covered:.3f}",
                    f"{width:.0f}",
                    f"{by_rows:.3f}",
                    f"{textbook:.3f}",
                    f"{narrow:.0f}",
                    f"{warned:.3f}",
                ]
            )
    return table(
        [
            "shock (sd)",
            "whole weeks cover",
            "width",
            "bets on rows cover",
            "textbook of rows",
            "width",
            "warned (p <= .01)",
        ],
        rows,
    )


def one_learner(rng: np.random.Generator, name: str, frozen: bool) -> list[float]:
    """Width over the learner's own normal theory, and hit: 600 rows train, 400 calibrate, 100 are new."""
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.frozen import FrozenEstimator
    from sklearn.linear_model import RidgeCV
    from sklearn.neighbors import KNeighborsRegressor
    from sklearn.tree import DecisionTreeRegressor

    learner = {
        "ridge": RidgeCV(np.logspace(-2, 4, 7)),
        "forest": RandomForestRegressor(30, random_state=0),
        "full tree": DecisionTreeRegressor(random_state=0),
        "5 neighbours": KNeighborsRegressor(5),
    }[name]
    frame = load_sentiment()
    X = frame.loc[:, "vader_compound":"lexicon_max"].to_numpy(dtype=float)
    y = frame["human_mean"].to_numpy(dtype=float)
    order = rng.permutation(len(y))
    train, past, new = order[:600], order[600:1000], order[1000:1100]
    options = {"bounds": (-4, 4), "confidence_level": 0.9, "random_state": int(rng.integers(2**31))}
    if frozen:
        fitted = FrozenEstimator(learner.fit(X[train], y[train]))
        model = BatchPredictor(fitted, BatchMean(), **options).calibrate(X[past], y[past])
    else:
        rows = order[:1000]
        model = BatchPredictor(learner, BatchMean(), calibration_size=400, **options).fit(X[rows], y[rows])
    result = model.infer(X[new])
    low, high = float(result.conf_low[0, 0]), float(result.conf_high[0, 0])
    sd = float(model.calibration_.scores.std(ddof=1))
    unit = 2 * stats.norm.isf(LEVEL / 2) * sd * np.sqrt(1 / 400 + 1 / 100)
    return [(high - low) / unit, float(low <= y[new].mean() <= high)]


def learner_table(replicates: int, jobs: int | None) -> str:
    """Ratios of fitted and frozen learners, from ridge to a tree that knows its rows by heart."""
    rows = []
    for name in ("ridge", "forest", "full tree", "5 neighbours"):
        cells = [name]
        for frozen in (False, True):
            values = np.array(
                map_replicates(
                    lambda rng, index, n=name, f=frozen: one_learner(rng, n, f), replicates, 900, n_jobs=jobs
                )
            )
            cells += [f"{values[:, 0].mean():.2f}", f"{values[:, 1].mean():.2f}"]
        rows.append(cells)
    return table(["learner", "fitted: ratio", "covers", "frozen: ratio", "covers"], rows)


SHARES = {
    "3 equal": np.full(3, 1 / 3),
    "3: 80, 15, 5 %": np.array([0.8, 0.15, 0.05]),
    "5 equal": np.full(5, 0.2),
    "10 equal": np.full(10, 0.1),
    "10: 46 % and nine of 6 %": np.array([0.46, *[0.06] * 9]),
}


def share_table(replicates: int) -> str:
    """Joint coverage of class shares and their width over that of exact simultaneous normal theory."""
    rows = []
    for name, p in SHARES.items():
        rng = np.random.default_rng(61)
        scale = np.sqrt(p * (1 - p))
        # the quantile of the largest of K standardised shares, by simulation of the limit
        normal = rng.multivariate_normal(np.zeros(p.size), np.diag(p) - np.outer(p, p), size=100_000) / scale
        quantile = float(np.quantile(np.abs(normal).max(axis=1), 1 - LEVEL))
        for n, m in ((400, 100), (1000, 1000)):
            exact = 2 * quantile * scale * np.sqrt(1 / n + 1 / m)
            hits, ratios = [], []
            for _ in range(replicates):
                low, high = class_share_bounds(rng.multinomial(n, p), m, str(LEVEL))
                truth = rng.multinomial(m, p) / m
                hits.append(bool(((low <= truth + 1e-12) & (truth <= high + 1e-12)).all()))
                ratios.append(float(((high - low) / exact).mean()))
            rows.append([f"{name} ({n}, {m})", f"{np.mean(hits):.3f}", f"{np.mean(ratios):.2f}"])
    return table(["classes (n, m)", "all shares covered", "ratio"], rows)


RANK_METHODS = ("auto", "phi-band", "phi-sum", "rank-sum")
RANK_SIZES = ((20, 5), (20, 10), (50, 5), (50, 10), (100, 10), (50, 50), (400, 20), (400, 100))


def rank_widths(rng: np.random.Generator, draw, bounds, n: int, m: int) -> list[float]:
    """Widths over normal theory and hits of the methods by ranks beside the chosen one; 600 scores teach the weights."""
    scores = draw(rng, n + m + 600)
    x, truth, reference = scores[:n], scores[n : n + m].mean(), scores[n + m :]
    unit = 2 * stats.norm.isf(LEVEL / 2) * np.sqrt(1 / n + 1 / m)
    seed, out = int(rng.integers(2**31)), []
    for method in RANK_METHODS:
        found = mean_interval(
            x,
            m,
            str(LEVEL),
            bounds=bounds,
            method=method,
            reference_scores=None if method in ("auto", "rank-sum") else reference,
            n_resamples=1999,
            random_state=seed,
        )
        out += [(found.high - found.low) / unit, found.low - 1e-12 <= truth <= found.high + 1e-12]
    return out


def rank_table(replicates: int, jobs: int | None) -> str:
    """Where the methods by ranks are narrower than the chosen one, and where they are not."""
    residuals = rating_residuals()
    laws = {
        "rating residuals in +-6": (lambda rng, k: rng.choice(residuals, size=k, replace=False), (-6.0, 6.0)),
        **{name: LAWS[name] for name in ("normal, sd 0.5, in +-6", "uniform", "exponential up to 10")},
    }
    rows = []
    for i, (name, (draw, bounds)) in enumerate(laws.items()):
        sd = float(np.std(draw(np.random.default_rng(1), min(400_000, residuals.size))))
        for n, m in RANK_SIZES:
            values = np.array(
                map_replicates(
                    lambda rng, index, d=draw, b=bounds, n=n, m=m: rank_widths(rng, d, b, n, m),
                    replicates,
                    1300 + i,
                    n_jobs=jobs,
                )
            )
            width, hit = values[:, ::2].mean(axis=0) / sd, values[:, 1::2].mean(axis=0)
            ratios = [f"{w:.2f}" for w in width]
            ratios[1:] = [f"**{r}**" if w < width[0] else r for r, w in zip(ratios[1:], width[1:])]
            rows.append([f"{name} ({n}, {m})", *ratios, f"{hit.min():.2f}"])
    return table(["law (n, m)", *RANK_METHODS, "least coverage"], rows)


def seconds(model: BatchPredictor, X: np.ndarray, batches: np.ndarray | None) -> float:
    """CPU time of an answer."""
    start = time.process_time()
    model.infer(X, batches=batches)
    return time.process_time() - start


def prepared(n: int, seed: int = 0) -> BatchPredictor:
    """A calibrated predictor of bounded labels whose learner was fitted elsewhere."""
    from sklearn.frozen import FrozenEstimator
    from sklearn.linear_model import LinearRegression

    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    y = np.clip(X.sum(axis=1) + 1.2 * rng.normal(size=n), -12, 12)
    learner = FrozenEstimator(LinearRegression().fit(X[:200], y[:200]))
    model = BatchPredictor(
        learner,
        BatchMean(),
        bounds=(-20, 20),
        confidence_level=0.9,
        random_state=1,
        check_reuse=False,
    )
    return model.calibrate(X, y)


def speed_table() -> str:
    """CPU seconds of a first and of a second call, best of three; everything is compiled before."""
    rng = np.random.default_rng(5)
    sizes = np.arange(20, 120)
    many, names = rng.normal(size=(sizes.sum(), 3)), np.repeat(np.arange(100), sizes)
    ones, large = rng.normal(size=(10_000, 3)), rng.normal(size=(100_000, 3))
    cases = {
        "one batch of 119 rows, n = 1,000": (1_000, many[names == 99], None),
        "100 batches of 20 to 119 rows, n = 1,000": (1_000, many, names),
        "one batch of 119 rows, n = 100,000": (100_000, many[names == 99], None),
        "100 batches of 20 to 119 rows, n = 100,000": (100_000, many, names),
        "10,000 batches of one row, n = 100,000": (100_000, ones, np.arange(10_000)),
        "one batch of 100,000 rows, n = 1,000,000": (1_000_000, large, None),
    }
    prepared(1_000).infer(many, batches=names)
    rows = []
    for name, (n, X, batches) in cases.items():
        first, second = np.inf, np.inf
        for _ in range(3):
            model = prepared(n)
            first = min(first, seconds(model, X, batches))
            second = min(second, seconds(model, X, batches))
        rows.append([name, f"{first:.2f}", f"{second:.3f}"])
    return table(["what is asked", "first call", "second call"], rows)


POPULATIONS = {
    "two values": lambda k: np.repeat([0.0, 1.0], [k - k // 3, k // 3]),
    "one at the bound": lambda k: np.append(np.linspace(0.1, 0.3, k - 1), 1.0),
    "equally spaced": lambda k: np.linspace(0.0, 1.0, k),
    "three values": lambda k: np.resize([0.0, 0.3, 1.0], k),
    "sixth powers": lambda k: np.linspace(0.05, 1.0, k) ** 6,
}


def enumeration_table() -> str:
    """Worst share of misses over all small cases: every ordered draw for bets, every subset for the other laws."""
    rows = []
    for level in ("0.1", "0.2", "0.3", "0.5"):
        worst = {
            name: max(misses_of(name, n, m, values(n + m), level) for n, m in sizes for values in kinds)
            for name, (sizes, kinds) in ENUMERATED.items()
        }
        rows.append([level, *(f"{value:.3f}" for value in worst.values())])
    return table(["level", *ENUMERATED], rows)


ENUMERATED = {
    "bets, one side": (((1, 1), (2, 2), (3, 2), (3, 3), (4, 3), (5, 2)), tuple(POPULATIONS.values())),
    "exchanges": (((4, 2), (5, 2), (4, 3)), tuple(list(POPULATIONS.values())[:3])),
    "counts": (((3, 3), (4, 3), (5, 3), (5, 5), (8, 4)), (POPULATIONS["two values"],)),
    "median": (((3, 3), (4, 3), (5, 3), (5, 5), (8, 4)), tuple(POPULATIONS.values())),
    "whole units": (((4, 1), (9, 1), (19, 1), (21, 1)), tuple(POPULATIONS.values())),
}


def misses_of(name: str, n: int, m: int, pool: np.ndarray, level: str) -> float:
    """Share of the draws in which a law misses, with the population fixed: never above the level."""
    ordered = name == "bets, one side"
    draws = itertools.permutations(range(n + m), n) if ordered else itertools.combinations(range(n + m), n)
    missed = []
    for chosen in draws:
        inside = np.isin(np.arange(n + m), chosen)
        x, v = pool[list(chosen)], pool[~inside]
        if ordered:
            low, high = -np.inf, betting_upper_mean(x, m, level, 1.0, low=0.0)
        elif name == "exchanges":
            found = swap_bounds(x, m, level, (0.0, 1.0))
            low, high = found.low, found.high
        elif name == "counts":
            counted = mean_interval(x, m, level, bounds=(0.0, 1.0), method="count", values=(0.0, 1.0))
            low, high = counted.low, counted.high
        elif name == "median":
            order = order_statistic_interval(x, m, (m + 1) // 2, level)
            low, high, v = order.low, order.high, np.sort(v)[[(m - 1) // 2]]
        else:
            unit = unit_interval(x, level)
            low, high = unit.low, unit.high
        missed.append(not low - 1e-12 <= v.mean() <= high + 1e-12)
    return float(np.mean(missed))


RESULTS = Path(__file__).parent / "results" / "batch_means.md"
OPENING = "Made by `python -m benchmarks.batch_means`, which replaces a section of this page at a time."


def sections(scale: int, jobs: int | None) -> dict[str, tuple[str, Callable[[], str]]]:
    """Name of each table, its heading, and the function that makes it."""
    ratings, laws, learners, weeks = 60 // scale, 40 // scale, max(40 // scale, 2), 400 // scale
    return {
        "enumeration": (
            "All draws of small cases: largest share of misses over populations and sizes, at most the level",
            enumeration_table,
        ),
        "ratings": (
            f"Residuals of ratings in +-6, two-sided 0.9: width over normal theory, and coverage ({ratings} draws a row)",
            lambda: rating_table(ratings, jobs),
        ),
        "laws": (f"Other laws, two-sided 0.9 ({laws} draws a row)", lambda: law_table(laws, jobs)),
        "learners": (
            f"Learners, 400 calibration rows, m = 100, ratings in [-4, 4], two-sided 0.9 ({learners} draws a row)",
            lambda: learner_table(learners, jobs),
        ),
        "weeks": (
            "Total of next week from 60 weeks of 140 Poisson rows, two-sided 0.9 (whole weeks: 1 - 6/61 = 0.902; "
            f"{weeks} histories a row)",
            lambda: week_table(weeks, jobs),
        ),
        "shares": (
            "Shares of K classes held jointly at 0.9: coverage, and width over exact simultaneous normal theory "
            f"({1000 // scale} draws a row)",
            lambda: share_table(1000 // scale),
        ),
        "ranks": (
            "Methods by ranks, two-sided 0.9: width over normal theory, in bold where narrower than the chosen method "
            f"({laws} draws a row)",
            lambda: rank_table(laws, jobs),
        ),
        "speed": (
            "CPU seconds, means of labels in [-20, 20] with a fitted learner, one thread, best of three",
            speed_table,
        ),
    }


def write_section(heading: str, body: str, headings: list[str]) -> None:
    """Replace the section whose heading starts as this one; sections stand in the order of the headings."""
    found = {}
    if RESULTS.exists():
        for part in RESULTS.read_text().split("\n## ")[1:]:
            title, _, rest = part.partition("\n")
            found[title.split(",")[0]] = (title, rest.strip())
    found[heading.split(",")[0]] = (heading, body)
    order = [found[h.split(",")[0]] for h in headings if h.split(",")[0] in found]
    RESULTS.write_text(OPENING + "\n" + "".join(f"\n## {title}\n\n{rest}\n" for title, rest in order))


def main() -> None:
    """Make all tables, or those that are named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.batch_means", description=__doc__)
    parser.add_argument("tables", nargs="*", help="names of tables; all of them without")
    parser.add_argument("--quick", action="store_true", help="a tenth of the replicates; prints only")
    parser.add_argument("--jobs", type=int, default=None, help="number of joblib workers")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", DriftWarning)  # of redrawn batches one in a hundred looks moved
    known = sections(10 if arguments.quick else 1, arguments.jobs)
    if unknown := set(arguments.tables) - set(known):
        parser.error(f"{', '.join(sorted(unknown))}: the tables are {', '.join(known)}")
    for name in arguments.tables or known:
        heading, make = known[name]
        body = make()
        print(f"{heading}\n\n{body}\n", flush=True)
        if not arguments.quick:
            write_section(heading, body, [h for h, _ in known.values()])


if __name__ == "__main__":
    main()
