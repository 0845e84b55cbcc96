"""Achieved coverage of every kind of guarantee, with exact binomial bounds: ``python -m benchmarks.validity [--long]``.

The simulations are those of ``tests/validity``; here they run over more settings and nominal levels, with the naive method
beside each. Rows are written to ``validity.csv`` one setting at a time, and a second run continues where the first one
stopped: a setting with fewer replicates than are wanted runs again, and its rows are replaced. ``validity.md`` and
``validity.png`` are made from that file, also by ``--report`` alone.
"""

from __future__ import annotations

import argparse
import csv
import math
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from validstats.validity import binomial_acceptance

LEVELS = (0.8, 0.9, 0.95)
DOMAINS = {
    "batch": "Batch: 90 % of the new rows",
    "holdout": "Holdout: all answers under attack",
    "dsl": "DSL: a coefficient, 1,000 labels",
    "mi": "MI: learned intervals, exact tests",
}
FIELDS = ("domain", "guarantee", "setting", "level", "hits", "trials", "naive", "naive_hits", "naive_trials")


@dataclass(frozen=True)
class Row:
    """How often a statement held in one setting at one nominal level.

    Attributes
    ----------
    domain, guarantee, setting : str
        What was simulated.
    level : float
        Nominal probability.
    hits, trials : int
        How often it held.
    naive : str
        The naive method; empty if there is none.
    naive_hits, naive_trials : int
        The same for the naive method; 0 trials if there is none.
    """

    domain: str
    guarantee: str
    setting: str
    level: float
    hits: int
    trials: int
    naive: str = ""
    naive_hits: int = 0
    naive_trials: int = 0

    @property
    def coverage(self) -> float:
        """Share of the replicates in which the statement held."""
        return self.hits / self.trials


@dataclass(frozen=True)
class Setting:
    """One setting at all levels; ``run(n_replicates)`` gives its rows.

    With ``shared`` the replicates are divided among several settings, so that the rows of each hold a part of them.
    """

    domain: str
    name: str
    run: Callable[[int], list[Row]]
    short: int
    long: int
    shared: bool = False


def clopper_pearson(hits: int, trials: int, confidence: float = 0.99) -> tuple[float, float]:
    """Return the exact two-sided binomial interval.

    Parameters
    ----------
    hits, trials : int
        Successes and trials.
    confidence : float, default 0.99
        Its level.
    """
    interval = stats.binomtest(hits, trials).proportion_ci(confidence, method="exact")
    return float(interval.low), float(interval.high)


# --- the settings -----------------------------------------------------------------------------------------


def batch_settings() -> Iterator[Setting]:
    """At least 90 % of the batch inside its sets, beside split conformal sets."""
    from tests.validity.test_batch_coverage import LAWS

    for law in LAWS:
        for n, m in ((50, 20), (200, 100), (500, 40)):
            yield Setting("batch", f"{law}, n = {n}, m = {m}", partial(_batch, law, n, m), 1000, 10_000)


def _batch(law: str, n: int, m: int, replicates: int) -> list[Row]:
    from tests.validity.test_batch_coverage import draw
    from validstats.batch.rank_laws import simultaneous_rank

    calibration, batch = draw(law, n, m, replicates, seed=7 * n + m)

    def hits(rank: int, k: int) -> int:
        threshold = calibration[:, [rank - 1]] if rank <= n else np.inf
        return int(((batch <= threshold).sum(axis=1) >= k).sum())

    split, rows = math.ceil(0.9 * (n + 1)), []
    for level in LEVELS:
        k, bound = simultaneous_rank(n, m, 0.1, 1 - level)
        rows.append(
            Row(
                "batch", "at least 90 % of the batch", f"{law}, n = {n}, m = {m}", level, hits(bound.rank, k), replicates,
                "split conformal sets", hits(split, k), replicates,
            )
        )  # fmt: skip
    return rows


def holdout_settings() -> Iterator[Setting]:
    """All answers together under an adaptive attack, beside intervals that ignore adaptivity."""
    from tests.validity.test_holdout_mechanisms import CASES

    extra = [(name, 4 * n, options) for name, n, options in CASES if n in (400, 450)]
    for name, n, options in [*CASES, *extra]:
        told = ", ".join(f"{k} = {v}" for k, v in options.items() if k != "queries")
        setting = f"{name}, n = {n:,}" + (f", {told}" if told else "")
        yield Setting("holdout", setting, partial(_holdout, setting, name, n, options), 200, 2000)


def _holdout(setting: str, name: str, n: int, options: dict[str, Any], replicates: int) -> list[Row]:
    from tests.validity.test_holdout_mechanisms import attack

    rows = []
    for level in LEVELS:
        rng = np.random.default_rng([n, round(1000 * level)])
        declared = {**options, "confidence_level": level}
        hits = sum(attack(name, n, declared, rng)[0] for _ in range(replicates))
        naive = _naive_holdout(level)
        rows.append(
            Row(
                "holdout", "all answers within their intervals", setting, level, hits, replicates,
                "intervals for questions fixed beforehand", *naive,
            )
        )  # fmt: skip
    return rows


@cache
def _naive_holdout(level: float, n: int = 400, replicates: int = 200) -> tuple[int, int]:
    from validstats.holdout.widths import nonadaptive_width
    from validstats.validity.adaptive import NaiveHoldout, sign_aggregation

    rng, width = np.random.default_rng(1), nonadaptive_width(n, n + 1, math.log1p(-level))
    hits = 0
    for _ in range(replicates):
        labels = rng.integers(0, 2, n)
        hits += abs(sign_aggregation(NaiveHoldout(labels), n, n, rng).released - 0.5) <= width
    return hits, replicates


COEFFICIENT = "the last coefficient in its interval"
MACHINE_REGRESSION = "regression on machine labels"


def dsl_settings() -> Iterator[Setting]:
    """Coefficients of regressions and a quantile, beside the same from machine labels."""
    from tests.validity import dsl_settings as settings

    n = 3000
    makers: dict[str, Callable[..., Any]] = {
        **{f"logit, accuracy {a}": partial(settings.predicted_outcome_logit, n=n, accuracy=a) for a in (0.6, 0.7, 0.8, 0.85, 0.9, 0.95)},
        **{f"predicted covariate, accuracy {a}": partial(settings.predicted_covariate_linear, n=n, accuracy=a) for a in (0.7, 0.8, 0.9)},
        **{f"multinomial, accuracy {a}": partial(settings.multinomial_outcome, n=n, accuracy=a) for a in (0.6, 0.7, 0.8, 0.9)},
        **{f"misspecified logit, accuracy {a}": partial(settings.paper_design, n=n, accuracy=a) for a in (0.7, 0.9)},
        "Poisson": partial(settings.poisson_outcome, n=n),
        "instruments": partial(settings.instrumental, n=n),
        "unequal probabilities": settings.unequal_logit,
        "clusters of 6": settings.clustered_linear,
        "clusters of 3": partial(settings.clustered_linear, n_clusters=1000, size=3),
    }  # fmt: skip
    for name, make in makers.items():
        yield Setting("dsl", name, partial(_dsl, name, make), 30, 1000)
    yield from _effects_settings()
    yield from _quantile_settings()
    yield from _sentence_settings()


def _criticals() -> list[float]:
    return [float(stats.norm.isf((1 - level) / 2)) for level in LEVELS]


def _dsl_rows(guarantee: str, name: str, hits: Any, replicates: int, naive: str) -> list[Row]:
    return [
        Row("dsl", guarantee, name, level, int(ours), replicates, naive, int(wrong), replicates)
        for level, (ours, wrong) in zip(LEVELS, hits)
    ]


def _dsl(name: str, make: Callable[..., Any], replicates: int) -> list[Row]:
    from tests.validity import dsl_settings as settings
    from tests.validity.test_dsl_coverage import covers
    from validstats.parallel import map_replicates

    def one(rng: np.random.Generator, index: int) -> list[tuple[bool, bool]]:
        draw = make(rng)
        found = settings.replicate(draw, rng, 1000, ("tuned", "naive"))
        return [
            tuple(bool(covers(found[kind], draw.coefficients, c)[-1]) for kind in ("tuned", "naive"))
            for c in _criticals()
        ]

    hits = np.array(map_replicates(one, replicates, random_state=17)).sum(axis=0)
    return _dsl_rows(COEFFICIENT, name, hits, replicates, MACHINE_REGRESSION)


def _effects_settings() -> Iterator[Setting]:
    """Unit effects in panels of four times, a covariate from the machine; half of the settings with instruments."""
    kinds: dict[str, dict[str, Any]] = {
        "covariate": {},
        "covariate, weights": {"weighted": True},
        "covariate, instruments": {"instruments": True},
        "numeric covariate": {"numeric": True},
    }
    for kind, options in kinds.items():
        name = f"fixed effects, T = 4, predicted {kind}"
        yield Setting("dsl", name, partial(_effects, name, options), 30, 1000)


def _effects(name: str, options: dict[str, Any], replicates: int) -> list[Row]:
    from tests.validity.test_dsl_effects import covered, effects_fits
    from validstats.parallel import map_replicates

    def one(rng: np.random.Generator, index: int) -> list[list[bool]]:
        fits = effects_fits(rng, **options)
        return [[covered(fit, critical=c) for fit in fits] for c in _criticals()]

    hits = np.array(map_replicates(one, replicates, random_state=17)).sum(axis=0)
    return _dsl_rows(COEFFICIENT, name, hits, replicates, MACHINE_REGRESSION)


def _quantile_settings() -> Iterator[Setting]:
    """Quantiles of an outcome, 1,000 labels of 3,000 rows."""
    for quantile in (0.3, 0.7):
        name = f"quantile {quantile}"
        yield Setting("dsl", name, partial(_quantile, name, quantile), 30, 1000)


def _quantile(name: str, quantile: float, replicates: int) -> list[Row]:
    from tests.validity.test_dsl_quantile import quantile_hits
    from validstats.parallel import map_replicates

    def one(rng: np.random.Generator, index: int) -> list[tuple[bool, bool]]:
        return quantile_hits(rng, n=3000, share=1 / 3, level=quantile, criticals=_criticals())

    hits = np.array(map_replicates(one, replicates, random_state=17)).sum(axis=0)
    return _dsl_rows("a quantile in its interval", name, hits, replicates, "quantile of machine labels")


def _sentence_settings() -> Iterator[Setting]:
    """Every coefficient of the bundled sentences, 1,000 ratings of 23,703; the truth is the regression on all ratings."""
    from tests.validity.test_dsl_sentences import COEFFICIENTS

    for model in ("linear", "logit"):
        for place, population in enumerate(("finite population", "superpopulation")):
            for k, coefficient in enumerate(COEFFICIENTS):
                name = f"sentences, {model}, {coefficient}, {population}"
                run = partial(_sentence, name, model, place, population, k)
                yield Setting("dsl", name, run, 30, 500)


@cache
def _sentence_distances(model: str, replicates: int) -> Any:
    """Distance from the full-data coefficients in standard errors: draw, kind of interval, coefficient."""
    from tests.validity.test_dsl_sentences import one_sample
    from validstats.parallel import map_replicates

    return np.array(map_replicates(partial(one_sample, model), replicates, random_state=17))


def _sentence(name: str, model: str, place: int, population: str, k: int, replicates: int) -> list[Row]:
    distances = _sentence_distances(model, replicates)[:, (place, -1), k]
    hits = [(distances <= critical).sum(axis=0) for critical in _criticals()]
    guarantee = f"full-data coefficients of the sentences, {population} intervals"
    return _dsl_rows(guarantee, name, hits, replicates, MACHINE_REGRESSION)


MI_SIZES = ((10, 150), (151, 400), (401, 1500), (1501, 10**9))
MI_WIDTHS = ((2, 2), (3, 4), (5, 8), (9, 24), (25, 10**9))


def mi_settings() -> Iterator[Setting]:
    """Learned intervals by sample size and dimension, and permutation tests."""
    from tests.validity.test_mi_tests import independent, independent_with_ties

    for size in MI_SIZES:
        for width in MI_WIDTHS:
            name = f"n {_span(*size)}, {_span(*width)} columns"
            yield Setting("mi", name, partial(_mi_interval, name, size, width), 600, 6000, shared=True)
    for law in (independent, independent_with_ties):
        for statistic in ("ksg", "gaussian", "histogram", "distance_correlation"):
            if statistic == "gaussian" and law is independent_with_ties:
                continue
            name = f"test, {statistic}, {'ties' if law is independent_with_ties else 'no ties'}"
            yield Setting("mi", name, partial(_mi_test, name, law, statistic), 200, 2000)


def _span(low: int, high: int) -> str:
    return f"over {low - 1:,}" if high >= 10**9 else f"{low:,}" if low == high else f"{low:,} to {high:,}"


@cache
def _mi_shard(count: int) -> tuple[Any, Any, Any]:
    from tests.validity.test_mi_learned import fresh
    from validstats.mi import LearnedMI
    from validstats.mi.network import member_stack

    shard, estimator = fresh((), count), LearnedMI().fit()
    return shard, estimator, member_stack(shard, estimator.weights_).mean(axis=0)


def _mi_interval(name: str, size: tuple[int, int], width: tuple[int, int], count: int) -> list[Row]:
    from validstats.mi.conformal import interval_at, thresholds
    from validstats.mi.network import from_log_scale
    from validstats.validation import alpha_fraction

    shard, estimator, quantiles = _mi_shard(count)
    n, columns = shard.shape[:, 0], shard.shape[:, 1:].sum(axis=1)
    chosen = (size[0] <= n) & (n <= size[1]) & (width[0] <= columns) & (columns <= width[1])
    rows = []
    for level in LEVELS if chosen.sum() >= 10 else ():
        limit = thresholds(estimator.calibration_.table, shard.shape, alpha_fraction(level))
        plain = np.full(len(shard), stats.norm.isf((1 - level) / 2))
        hits = []
        for score in (limit, plain):
            low, high = (from_log_scale(end) for end in interval_at(quantiles, score))
            hits.append(int(((low <= shard.truth + 1e-6) & (shard.truth <= high + 1e-6))[chosen].sum()))
        trials = int(chosen.sum())
        rows.append(
            Row("mi", "learned interval, over the family", name, level, hits[0], trials, "quantiles without calibration", hits[1], trials)
        )  # fmt: skip
    return rows


def _mi_test(name: str, law: Callable[..., Any], statistic: str, replicates: int) -> list[Row]:
    from validstats.mi import independence_test

    p_values = []
    for replicate in range(replicates):
        generator = np.random.default_rng([13, replicate])
        x, y = law(generator, 50)
        test = independence_test(x, y, statistic=statistic, n_permutations=19, random_state=generator)
        p_values.append((test.p_value, np.mean(test.null >= test.statistic)))
    values = np.array(p_values)
    return [
        Row(
            "mi", "no false rejection of independence", name, level, int((values[:, 0] > 1 - level + 1e-12).sum()), replicates,
            "share of permutations, without the observed row", int((values[:, 1] > 1 - level + 1e-12).sum()), replicates,
        )
        for level in LEVELS
    ]  # fmt: skip


SETTINGS = {"batch": batch_settings, "holdout": holdout_settings, "dsl": dsl_settings, "mi": mi_settings}


# --- the file, the table, the figure ----------------------------------------------------------------------


def read_rows(path: Path) -> list[Row]:
    """Read the rows so far."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as handle:
        return [
            Row(
                r["domain"], r["guarantee"], r["setting"], float(r["level"]), int(r["hits"]), int(r["trials"]),
                r["naive"], int(r["naive_hits"]), int(r["naive_trials"]),
            )
            for r in csv.DictReader(handle)
        ]  # fmt: skip


def append_rows(rows: list[Row], path: Path) -> None:
    """Append the rows of one setting."""
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, fieldnames=FIELDS, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerows(asdict(row) for row in rows)


def replace_rows(rows: list[Row], path: Path) -> None:
    """Put the rows of a setting where it had others, or at the end; the file changes as a whole."""
    keys = {(row.domain, row.setting) for row in rows}
    known = read_rows(path)
    place = next((i for i, r in enumerate(known) if (r.domain, r.setting) in keys), len(known))
    before, after = (
        [r for r in part if (r.domain, r.setting) not in keys] for part in (known[:place], known[place:])
    )
    draft = path.with_name(path.name + ".part")
    draft.unlink(missing_ok=True)
    append_rows([*before, *rows, *after], draft)
    os.replace(draft, path)


def is_done(setting: Setting, replicates: int, rows: list[Row]) -> bool:
    """Say whether the rows hold a setting with as many replicates as are wanted."""
    found = [row.trials for row in rows if (row.domain, row.setting) == (setting.domain, setting.name)]
    return bool(found) and (setting.shared or min(found) >= replicates)


def markdown(rows: list[Row]) -> str:
    """Return a summary of each guarantee and level, and every setting below it."""
    lines = [
        "| guarantee | nominal | settings | lowest | median | significantly below at 1e-3 | naive: median | naive method |",
        "| :--- | ---: | ---: | ---: | ---: | ---: | ---: | :--- |",
    ]
    for guarantee, level in dict.fromkeys((r.guarantee, r.level) for r in rows):
        chosen = [r for r in rows if (r.guarantee, r.level) == (guarantee, level)]
        shares = [r.coverage for r in chosen]
        below = sum(not binomial_acceptance(r.hits, r.trials, r.level).accepted for r in chosen)
        naive = [r.naive_hits / r.naive_trials for r in chosen if r.naive_trials]
        lines.append(
            f"| {guarantee} | {level:.0%} | {len(chosen)} | {min(shares):.1%} | {np.median(shares):.1%} | {below} "
            f"| {f'{np.median(naive):.1%}' if naive else ''} | {chosen[0].naive} |"
        )
    lines += ["", "| domain | setting | nominal | achieved | exact 99 % interval | replicates | naive |"]
    lines += ["| :--- | :--- | ---: | ---: | :---: | ---: | ---: |"]
    for r in rows:
        low, high = clopper_pearson(r.hits, r.trials)
        naive = f"{r.naive_hits / r.naive_trials:.1%}" if r.naive_trials else ""
        lines.append(
            f"| {r.domain} | {r.setting} | {r.level:.0%} | {r.coverage:.1%} | {low:.1%} to {high:.1%} | {r.trials:,} | {naive} |"
        )
    return "\n".join(lines) + "\n"


def figure(rows: list[Row]) -> Any:
    """Draw one panel a domain: every setting as a dot with its exact interval, the naive method beside it."""
    from matplotlib.figure import Figure

    from validstats.plotting._style import COLOURS, tidy_axes

    drawn = Figure(figsize=(11, 4.1), layout="constrained")
    shown = {domain: title for domain, title in DOMAINS.items() if any(r.domain == domain for r in rows)}
    panels = drawn.subplots(1, len(shown), sharey=True, squeeze=False)[0]
    for ax, (domain, title) in zip(panels, shown.items()):
        for place, level in enumerate(LEVELS):
            chosen = sorted(
                (r for r in rows if (r.domain, r.level) == (domain, level)), key=lambda r: r.coverage
            )
            ax.hlines(level, place - 0.46, place + 0.46, color=COLOURS["truth"], linewidth=1.4, zorder=3)
            spread = np.linspace(-0.38, -0.04, max(len(chosen), 1))
            for x, r in zip(place + spread, chosen):
                ax.vlines(
                    x, *clopper_pearson(r.hits, r.trials), color=COLOURS["ours"], linewidth=1, alpha=0.35
                )
                ax.plot(x, r.coverage, "o", color=COLOURS["ours"], markersize=2.8)
            naive = sorted(r.naive_hits / r.naive_trials for r in chosen if r.naive_trials)
            ax.plot(
                place + np.linspace(0.06, 0.4, len(naive)),
                naive,
                "s",
                color=COLOURS["naive"],
                markersize=2.4,
                alpha=0.8,
            )
        ax.set_title(title, fontsize=9.5, loc="left", color=COLOURS["truth"])
        ax.set_xticks(range(len(LEVELS)), [f"{level:.0%}" for level in LEVELS])
        ax.set(ylim=(-0.02, 1.02), xlim=(-0.6, len(LEVELS) - 0.4))
        tidy_axes(ax)
    drawn.axes[0].set_ylabel("how often the statement held")
    drawn.axes[0].set_yticks([0, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0])
    drawn.supxlabel("nominal level (black line)", fontsize=9.5)
    marks = [
        drawn.axes[0].plot([], [], mark, color=COLOURS[name])[0]
        for mark, name in (("o", "ours"), ("s", "naive"))
    ]
    labels = [
        "validstats, one dot a setting, exact 99 % binomial interval",
        "the naive method",
    ]
    drawn.legend(marks, labels, loc="outside upper left", ncols=2, frameon=False, fontsize=9.5)
    return drawn


def write_report(folder: Path) -> str:
    """Write the table and the figure from the rows of a folder."""
    rows = read_rows(folder / "validity.csv")
    table = markdown(rows)
    (folder / "validity.md").write_text(table, encoding="utf-8")
    figure(rows).savefig(folder / "validity.png", dpi=130)
    return table


def main() -> None:
    """Simulate what is missing, and write the report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.validity", description=__doc__)
    parser.add_argument("domains", nargs="*", help=f"which of {', '.join(SETTINGS)}; all by default")
    parser.add_argument("--long", action="store_true", help="ten times the replicates and more")
    parser.add_argument("--at-most", type=int, help="limit of the replicates a setting")
    parser.add_argument("--only", default="", help="only settings whose name contains this")
    parser.add_argument("--again", action="store_true", help="also what is done")
    parser.add_argument("--report", action="store_true", help="only write table and figure")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    path = arguments.output / "validity.csv"
    for domain in () if arguments.report else arguments.domains or SETTINGS:
        for setting in SETTINGS[domain]():
            replicates = setting.long if arguments.long else setting.short
            replicates = min(replicates, arguments.at_most or replicates)
            done = is_done(setting, replicates, read_rows(path)) and not arguments.again
            if done or arguments.only not in setting.name:
                continue
            print(f"{domain}: {setting.name}", file=sys.stderr, flush=True)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                replace_rows(setting.run(replicates), path)
    print(write_report(arguments.output))


if __name__ == "__main__":
    main()
