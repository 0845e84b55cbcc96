"""Write the pages and the figure of what was tried to break the guarantees: ``python -m benchmarks.hunt_page``.

Reads ``benchmarks/results/hunt_DOMAIN_SEED.json`` and ``.csv``, which ``python -m benchmarks.hunt DOMAIN --seed SEED --output``
writes, and makes ``docs/hunt.md``, a page of every claim a domain in ``docs/hunt``, and ``docs/images/hunt.png``.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from scipy import stats

from validstats.plotting._style import COLOURS, tidy_axes
from validstats.validity import Choice, LogUniform, Uniform
from validstats.validity.claims import DOMAINS, claims_of

ROOT = Path(__file__).parents[1]
TITLES = {
    "batch": "Batch predictive inference",
    "holdout": "Reusable holdout",
    "dsl": "Design-based supervised learning",
    "mi": "Mutual information",
    "evals": "Evaluations",
}

SHORT = {"batch": "Batch", "holdout": "Holdout", "dsl": "DSL", "mi": "MI", "evals": "Evals"}

HEAD = """# What was tried to break it

Users break guarantees in settings that nobody chose. So settings are drawn: every statement of the package has a prior over what users
have, the worst settings are looked for by racing and by mutation, and the worst are tried again with fresh seeds and judged by exact
binomial tests, corrected for how many were tried again. A crash counts as a failure, and so do a silent NaN, an end outside
the range of the quantity, and a warning that did not come. It is also hunted the other way: for the settings in which an interval is
needlessly wide or does not exist, or a test lacks power, beside a reference that keeps its level there.

![Every setting that was drawn: the share of simulations that held, less the level, against their number](images/hunt.png){.wide}

Every dot is a setting that was *drawn*: how often the statement held less the level promised, against the number of simulations.
Below the line lies one dot in a thousand by chance where the level is .9 and kept. Crosses are the reference in the same settings: the
textbook interval or the best peer that a knowledgeable user would have taken. `python -m benchmarks.hunt DOMAIN --minutes 20 --seed S`
repeats it, and `python -m benchmarks.hunt_page` makes these pages.

"""

CHANGES = (
    (
        "dsl",
        "difference of the shares of two groups, 8 labelled clusters, coarse judge: `IndexError`; with fewer rows no error, "
        "and rows of folds without a labelled cluster took whatever memory held for predictions",
        "every fold has a model, also one without a labelled cluster; `tests/dsl/test_worst_settings.py`",
    ),
    (
        "dsl",
        "share of 1 in 40 from 65 dependent rows: the interval from estimate and standard error began below 0",
        "ends of shares and of their differences stay within the range of the outcome",
    ),
    (
        "dsl",
        "mean of lognormal numbers, 92 labels: held .83 for .95, as Student's interval does",
        "a warning says that the labels are too skewed, what share of such intervals holds, and what to ask instead",
    ),
    (
        "dsl",
        "mean at every look of labelling in sequence, 3 % positive, two positive labels at the first look: 580 of 700 new "
        "studies (forests of 10 trees) held for .9; with a tenth labelled, looks from 500 units on, .69",
        "a sequence begins when enough units carry its variance, as seen and as probabilities let expect, and a warning says "
        "that it has not begun; in the setting found that is never, with 13 positive labels at the end; "
        "`tests/validity/test_dsl_sequential.py`",
    ),
    (
        "dsl",
        "mean at every look of labelling in sequence, a judge who guesses, 3.6 % negative: 236 of 300 new studies held for .95. "
        "A quarter of the sequences began before negative labels had come: the judge's errors in the first units, all of which "
        "are labelled, made few labels look like enough",
        "how many labels are enough is counted by errors of predictions that have learned, also in the first units; in the "
        "setting found no sequence begins (300 studies); hunted again alone, with seed 67, it holds; "
        "`tests/validity/test_dsl_sequential.py`",
    ),
    (
        "dsl",
        "mean of scores in [0, 1], 15 labels, a cluster identifier that is different in every row, one score in 870 a zero that "
        "the judge does not see: 228 of 300 new studies held for .95. Clusters of one row were taken for dependent rows, whose "
        "interval does not use the range",
        "clusters of one row each are rows (300 of 300 new studies of that setting hold); an interval from estimate and standard "
        "error of a bounded outcome says, with what one can rely on, which values it does not see; "
        "`tests/dsl/test_worst_settings.py`",
    ),
    (
        "dsl",
        "share of one in 73 from 35 labels in 7 strata of a finite population of 147: .837 for .9 (1,500 studies tried after the "
        "hunt). Where the population had no zero the upper end was 1 less a rounding error",
        "ends reach what equals them up to rounding (.979 of the same 1,500 studies); exact intervals too, whose ends are shares "
        "that the population may have; `tests/dsl/test_worst_settings.py`",
    ),
    (
        "dsl",
        "slope of a linear regression without an intercept whose covariates are 0 in all labelled rows: `IndexError`; with one such "
        "covariate an interval made of predictions alone",
        "no label speaks of it: refused; `tests/dsl/test_worst_settings.py`",
    ),
    (
        "dsl",
        "difference of the shares of two groups that divide clusters, 690 labels in 8 of 68 clusters, of which none to six are "
        "failures: .76 for .9 (150 studies), .00 where no failure is among the labels, without a word",
        "a warning names the group whose labels hardly differ, wherever an interval of a 0/1 outcome takes a normal law for granted; "
        "such an interval holds or it is said in 200 of 200 studies (`tests/dsl/test_worst_settings.py`)",
    ),
    (
        "dsl",
        "slope of a Poisson regression, 20 labels, all of them 0: `LinAlgError`",
        "an error that says that all labels are 0; `tests/dsl/test_worst_settings.py`",
    ),
    (
        "dsl",
        "slope by the estimators as they were published, 218 labels of 445 rows drawn by probabilities that differ up to sixfold, "
        "finite population: .86 (`dsl`, 300 trials) for .95",
        "what rows add is skewed and heavy-tailed there: a warning says what share of such intervals holds and names the estimator "
        "that is corrected for it, and the summary promises it with many labels; `tests/dsl/test_worst_settings.py`",
    ),
    (
        "dsl",
        "slope of a Poisson regression, 588 labels of 13,680 rows, an exponential covariate: .925 for .95 (2,300 studies); labels alone "
        ".96 (300)",
        "chance chose the machine's share: labels without the tail made it large where its fit was off. How many labels carry that fit is "
        "now counted as probabilities let expect, over all rows: .958 (600 studies), and of siblings of it the worst held .90 before and "
        ".97 since (250); `tests/dsl/test_worst_settings.py`",
    ),
    (
        "mi",
        "interval of a table of levels, two by two with weak dependence, 222 to 859 rows: .87 to .91 for .95 (1,200 trials each), as the "
        "delta method does near independence",
        "the interval inverts the noncentral chi-square law of the likelihood ratio, scaled to that variance: .94 in the same "
        "settings; so do those of Gaussian columns and of conditional tables; `tests/mi/test_worst_settings.py`",
    ),
    (
        "batch",
        "means of several batches, m = 1, frozen learner, labels near a bound: a lower end above the upper one",
        "means, totals and the textbook's ends stay between the bounds of labels, also where a learner predicts beyond them",
    ),
    (
        "batch",
        "quantile of a batch: the claim compared with an interpolated quantile",
        "the claim is about the label at the exact index that the summary names",
    ),
    (
        "dsl",
        "scores of .99 to 1 with rare zeros, rows labelled singly within clusters of several (a design that the prior had not): the "
        "interval from estimate and standard error, the only one there, held less than half for .95",
        "intervals of cells with the labels of a cluster as one label; the prior has such rows, and labels that are alike within "
        "clusters for every statement (`tests/validity/test_dsl_shares.py`)",
    ),
    (
        "dsl",
        ".9 quantile of 15 labels: .80 for .95, as the largest label was the upper end",
        "an end is open where all labels may lie on one side of the quantile, and a note says how many would close it "
        "(`tests/dsl/test_worst_settings.py`)",
    ),
    (
        "dsl",
        ".1 and .9 quantiles of 60 labels whose probabilities differ thirtyfold: .85 for .95 (600 studies each), without a word",
        "errors are at least those under the hypothesis, and the interval holds that of cells where all labels of rows labelled as rarely "
        "as the rarest may lie on one side: an end is open there (`tests/validity/test_dsl_quantile.py`)",
    ),
    (
        "dsl",
        ".1 quantile of 103 labels in strata of two along a good judge: .901 for .95 (1,500 trials), without a word",
        "the interval holds that of cells where fewer than ten labels are unlike the commonest of their stratum at the quantile "
        "(`tests/validity/test_dsl_quantile.py`)",
    ),
    (
        "dsl",
        "slope of a covariate that is constant within clusters drawn as a whole, 1 of 8 labelled clusters with it: .71 for .9 (probit: "
        "1 of 28, .85; the prior had no such covariates)",
        "where one or two clusters carry a coefficient, they vary as the others do at least (`tests/dsl/test_worst_settings.py`)",
    ),
    (
        "evals",
        "ranks of ten equal systems on twelve clusters: .937 for .95",
        "few units lend correlations to rank sets, which are then taken as equal",
    ),
    (
        "evals",
        "difference of two systems whose scores are numbers, 20 items with skewed differences: .92 for .95, and .83 for the mean of "
        "20 lognormal costs, as Student's interval does, without a word",
        "`evaluate` and `compare` say how many of such intervals hold; the claim is that an interval holds or that it is said "
        "(`tests/evals/test_worst_settings.py`). Means of labels say it from one point on, not two",
    ),
    (
        "evals",
        "difference of two systems whose scores are numbers, normal differences beside lognormal ones, 28 and 60 items: .93 and .91 held, "
        "or it was said that they are too skewed, for .95 (800 trials each)",
        "where a sample shows that it is skewed it is said from half a hundredth of lost coverage on: .93 or more from 30 items on. Fewer "
        "items do not show how skewed their law is (.88 of intervals held with 15 to 28, where half of the variance is lognormal): that it "
        "has no long tail is there a condition that the reader is told, with this number (`tests/evals/test_worst_settings.py`)",
    ),
    (
        "evals",
        "difference of two systems whose scores lie in [0, 1], with halves among them: .81 to .88 held for .95 where few items differ "
        "(all samples of 15 to 60 items enumerated), without a word",
        "such differences are looked at for skewness too; .938 or more hold, or it is said",
    ),
    (
        "evals",
        "pass rates of two systems on items of their own: Welch's interval held .70 for .95 with 10 items beside 60, and .11 with 10 "
        "beside 1,000, where one sample has no failure (enumerated)",
        "two pseudo-units in each sample, as Agresti and Caffo propose: .925 or more in all that was enumerated, from narrower intervals "
        "(`tests/evals/test_worst_settings.py`)",
    ),
    (
        "evals",
        "ranks of three systems on 20 or 60 items, one with lognormal costs and two with normal ones: 13 and 10 of 100 leaderboards wrong "
        "for 5; means of lognormal numbers by a judge and 20 to 100 humans: .86 to .89 for .95; without a word",
        "`rank`, judged means, judged comparisons and categories say it as `evaluate` and `compare` did, and name the system or category "
        "that loses most (`tests/evals/test_worst_settings.py`)",
    ),
    (
        "cli",
        "`holdout infer` with an `--output` that cannot be written: the look was charged, and its answer was lost; `plan design` left one "
        "of its two files",
        "outputs are tried before anything is asked or charged, and an answer whose disk fills up is printed; "
        "`tests/cli/test_writing_commands.py` runs every command on a full disk, in a folder that refuses, and on damaged ledgers",
    ),
    (
        "cli",
        "`validstats data` on a disk that fills up: the files that were written blocked the next run",
        "all files are written, or none",
    ),
    (
        "mi",
        "test of conditional independence given several or jumping variables: up to one false rejection in seven at .05",
        "the summary promises what was measured there, and the hunt holds it to that",
    ),
)
"""Domain, what was found, what was changed."""


class Hunt(NamedTuple):
    """One hunt: its domain, its report, and the rows of the settings that were drawn."""

    domain: str
    report: dict[str, Any]
    drawn: list[dict[str, str]]


def read_hunts(results: Path) -> list[Hunt]:
    """Read all hunts of a folder, by domain and seed."""
    found = []
    for domain in TITLES:
        for path in sorted(results.glob(f"hunt_{domain}_*.json")):
            with path.with_suffix(".csv").open(encoding="utf-8", newline="") as file:
                found.append(
                    Hunt(domain, json.loads(path.read_text(encoding="utf-8")), list(csv.DictReader(file)))
                )
    return found


def words(setting: dict[str, Any]) -> str:
    """A setting in words."""
    return ", ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in setting.items())


def parameter(name: str, prior: Any) -> str:
    """A parameter of a prior in words."""
    if isinstance(prior, Choice):
        span = "one of " + ", ".join(map(str, dict.fromkeys(prior.options)))
    else:
        kind = "log-uniform" if isinstance(prior, LogUniform) else "uniform"
        assert isinstance(prior, (LogUniform, Uniform))
        span = f"{kind} {prior.low:,g} to {prior.high:,g}"
    return f"`{name}` {span}" + (f" ({prior.says})" if prior.says else "")


def worst_of(report: dict[str, Any]) -> dict[str, Any]:
    """The setting tried again whose counts were least likely."""
    return min(report["findings"], key=lambda f: (not f["fault"], not f["trials"], f["p_value"]))


def held(found: dict[str, Any]) -> str:
    """How often a statement held, with its exact interval."""
    if not found["trials"]:
        return "--"
    share = found["held"] / found["trials"]
    return f"{share:.3f} ({found['low']:.3f} to {found['high']:.3f})"


def summary_rows(hunts: Sequence[Hunt]) -> list[str]:
    """The table of hunts."""
    lines = [
        "| domain | seed | claims | settings | simulations | CPU minutes | worst that was tried again "
        "| level | held (exact 95 % interval) | trials | faults |",
        "| :--- | ---: | ---: | ---: | ---: | ---: | :--- | ---: | :--- | ---: | ---: |",
    ]
    for domain, report, drawn in hunts:
        worst = worst_of(report)
        name = worst["claim"] if worst["trials"] else "none, it was stopped before"
        faults = [f for f in (*report["findings"], *report["widest"]) if f["fault"]]
        lines.append(
            f"| [{TITLES[domain]}](hunt/{domain}.md) | {report['random_state']} "
            f"| {len({r['claim'] for r in drawn})} | {report['n_settings']:,} | {report['n_trials']:,} "
            f"| {report['minutes']:.1f} | {name} | {worst['level']:g} | {held(worst)} | {worst['trials']:,} | {len(faults)} |"
        )
    return lines


def claim_section(name: str, hunts: Sequence[Hunt], prior: Any, reference: str) -> list[str]:
    """What was drawn of one claim, and its worst and widest settings."""
    lines = [f"## {name[:1].upper()}{name[1:]}", ""]
    lines.append("Drawn: " + "; ".join(parameter(k, p) for k, p in prior.parameters.items()) + ".")
    if reference:
        lines.append(f"Reference: {reference}.")
    lines += [
        "",
        "| what | seed | level | held (exact 95 % interval) | trials | reference | width over its | power, its | silent "
        "| setting | seed of a data set |",
        "| :--- | ---: | ---: | :--- | ---: | ---: | ---: | :--- | ---: | :--- | :--- |",
    ]
    for _, report, _ in hunts:
        for what in ("findings", "widest"):
            for f in report[what]:
                if f["claim"] != name:
                    continue
                kind = "; ".join(f["errors"]) or (
                    "below" if f["fault"] else "worst" if what == "findings" else "widest"
                )
                power = "" if f["power"] is None else f"{f['power']:.2f}, {f['reference_power']:.2f}"
                lines.append(
                    f"| {kind} | {report['random_state']} | {f['level']:g} | {held(f)} | {f['trials']:,} "
                    f"| {number(f['reference_held'], '.3f')} | {number(f['width_ratio'], '.2f')} | {power} "
                    f"| {number(f.get('silent'), '.0%')} "
                    f"| {words(f['setting'])} | {' '.join(map(str, f['seed']))} |"
                )
    return [*lines, ""]


def number(value: float | None, form: str) -> str:
    """A number, or nothing where there is none."""
    return "" if value is None else format(value, form)


def domain_page(domain: str, hunts: Sequence[Hunt]) -> str:
    """The page of a domain: every claim with its prior and what was tried again."""
    lines = [
        "---",
        "hide: [toc]",
        "---",
        "",
        f"# {TITLES[domain]}: every claim that was hunted",
        "",
        "What settings were drawn from, and the settings that were tried again with fresh seeds. `python -m benchmarks.hunt "
        f"{domain} --replay FILE NUMBER` draws a failing data set again. Silent: the share of simulations without an interval where the "
        "reference has one (since seed 50). [All domains](../hunt.md).",
        "",
    ]
    for claim in claims_of(domain):
        lines += claim_section(claim.name, hunts, claim.prior, claim.reference)
    return "\n".join(lines)


def page(hunts: Sequence[Hunt]) -> str:
    """The page of all hunts."""
    n_settings = sum(len(h.drawn) for h in hunts)
    minutes = sum(h.report["minutes"] for h in hunts)
    lines = [
        f"In all {n_settings:,} settings were drawn, in {minutes:.1f} minutes of processor time. A domain is meant to have thirty "
        "minutes, from two seeds: where the table has fewer, rare faults have not been looked for, "
        "and few trials confirm little. The hunts of the table "
        "ran before what they found was changed.",
        "",
        *summary_rows(hunts),
        "",
        "A setting is a fault if an exact binomial test puts it below its level less one point (two for asymptotic statements) at "
        ".01 over the number of settings tried again, or if anything failed in it. From seed 71 on what looks too low and is not "
        "confirmed gets four times as many trials more, and is judged once more at that level.",
        "",
        "## What was changed because of it",
        "",
        "| domain | found | changed |",
        "| :--- | :--- | :--- |",
        *(
            f"| {TITLES.get(domain, 'Command line')} | {found} | {changed} |"
            for domain, found, changed in CHANGES
        ),
        "",
    ]
    return HEAD + "\n".join(lines) + EXAMPLE


EXAMPLE = """
## Hunt your own estimator

A claim is a prior over settings, a trial and a level. The trial draws data whose truth it knows, makes the statement, and says whether it
held; the width, a reference and its width are optional. Here is an interval of the kind that people write at home: a mean, 1.96 standard
errors, and lognormal costs.

```python
import numpy as np
from validstats.validity import Claim, LogUniform, Prior, Trial, Uniform, hunt


def at_home(setting, rng):
    costs = np.exp(setting["skew"] * rng.normal(size=setting["n"]))
    half = 1.96 * costs.std(ddof=1) / np.sqrt(setting["n"])
    truth = np.exp(setting["skew"] ** 2 / 2)
    return Trial(abs(costs.mean() - truth) <= half, width=2 * half)


users_have = Prior(
    {
        "n": LogUniform(10, 1000, says="invoices"),
        "skew": Uniform(0.2, 1.5, says="standard deviation of log costs"),
    }
)
found = hunt(
    [Claim("mean cost", users_have, at_home, 0.95)], n_trials=4000, confirm_trials=500, random_state=0
)
print(found.sentence)
worst = found.faults[0]
print(worst.setting, f"held {worst.achieved:.2f}, at most {worst.high:.2f}")
```

`found.summary()` has all settings that were tried again, `found.plot()` draws them, and `replay(claim, worst.setting, worst.seed)`
draws one data set in which the interval failed. With `minutes=20, n_jobs=8` it runs as
long as that, and `store="hunt.jsonl"` lets a stopped hunt go on.
"""


def figure(hunts: Sequence[Hunt]) -> Any:
    """Draw every setting: share held less the level against the number of simulations, a panel a domain."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    shown = [domain for domain in TITLES if any(h.domain == domain for h in hunts)]
    drawn = Figure(figsize=(10, 3.9), layout="constrained")
    panels = drawn.subplots(1, max(len(shown), 1), sharey=True, squeeze=False)[0]
    for ax, domain in zip(panels, shown, strict=True):
        rows = [r for h in hunts if h.domain == domain for r in h.drawn if int(r["trials"]) > 0]
        n = [int(r["trials"]) for r in rows]
        level = [float(r["level"]) for r in rows]
        ours = [int(r["held"]) / k - p for r, k, p in zip(rows, n, level, strict=True)]
        theirs = [float(r["reference_held"]) - p for r, p in zip(rows, level, strict=True)]
        ax.plot(n, theirs, "x", color=COLOURS["naive"], markersize=3.2, alpha=0.55, label="reference")
        ax.plot(
            n,
            ours,
            "o",
            color=COLOURS["ours"],
            markersize=3.2,
            alpha=0.55,
            markeredgewidth=0,
            label="validstats",
        )
        ax.axhline(0.0, color=COLOURS["reference"], linewidth=1, linestyle=":")
        grid = sorted({k for k in range(1, 2 * max(n)) if k < 20 or k % 10 == 0})
        ax.plot(
            grid,
            [stats.binom.ppf(0.001, k, 0.9) / k - 0.9 for k in grid],
            color=COLOURS["reference"],
            linewidth=1,
            label="one in a thousand by chance, level .9",
        )
        ax.set(xscale="log", ylim=(-1.0, 0.25), title=SHORT[domain], xlabel="simulations")
        ax.xaxis.set_major_formatter(lambda v, _: f"{v:,.0f}")
        ax.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=""))
        tidy_axes(ax, grid="y")
    panels[0].set_ylabel("held less the level, points")
    # below the panels, of which dots leave no corner free
    marks = panels[0].get_legend_handles_labels()
    drawn.legend(*marks, loc="outside lower center", ncols=3, frameon=False, fontsize=8.5)
    return drawn


def main(arguments: list[str] | None = None) -> None:
    """Write the pages and the figure."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.hunt_page", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks/results")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs")
    given = parser.parse_args(arguments)
    hunts = read_hunts(given.results)
    (given.docs / "hunt").mkdir(exist_ok=True)
    (given.docs / "images").mkdir(exist_ok=True)
    (given.docs / "hunt.md").write_text(page(hunts), encoding="utf-8")
    for domain in DOMAINS:
        text = domain_page(domain, [h for h in hunts if h.domain == domain])
        (given.docs / "hunt" / f"{domain}.md").write_text(text, encoding="utf-8")
    figure(hunts).savefig(given.docs / "images/hunt.png", dpi=144)


if __name__ == "__main__":
    main()
