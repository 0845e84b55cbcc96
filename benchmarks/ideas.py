"""The idea of each method in a picture: ``python -m benchmarks.ideas`` runs, records and draws them.

The numbers go to ``results/ideas.json``, the pictures to ``docs/images/idea_<domain>.png``; each carries the digest of
its numbers. ``--draw`` draws what is recorded, and names draw some of them alone. Pictures are narrow, so that their
words can be read on a phone.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.first_screen import digest
from benchmarks.readme import ROOT
from validstats.plotting._style import COLOURS, tidy_axes

RESULT = ROOT / "benchmarks/results/ideas.json"
SIZE, DPI = (4.6, 5.6), 160
Numbers = dict[str, Any]


def picture(domain: str) -> Path:
    """Return the file of the picture of a domain."""
    return ROOT / f"docs/images/idea_{domain}.png"


def batch() -> Numbers:
    """Where five new scores fall among twelve old ones, and how many of 100 rows sets of two kinds cover."""
    from scipy.stats import betabinom

    n, m, wanted, level = 200, 100, 90, 0.9
    slots = np.sort(np.random.default_rng(4).choice(17, size=5, replace=False))
    usual = int(np.ceil(level * (n + 1)))  # split conformal prediction takes the score of this rank
    laws = {k: betabinom(m, k, n + 1 - k) for k in range(usual, n + 1)}  # covered rows of m, sets by rank k
    ours = next(k for k, law in laws.items() if law.sf(wanted - 1) >= level)
    counts = range(70, m + 1)
    return {
        "slots": slots.tolist(),
        "usual_rank": usual,
        "ours_rank": ours,
        "usual": [round(float(laws[usual].pmf(c)), 8) for c in counts],
        "ours": [round(float(laws[ours].pmf(c)), 8) for c in counts],
        "usual_held": round(float(laws[usual].sf(wanted - 1)), 6),
        "ours_held": round(float(laws[ours].sf(wanted - 1)), 6),
    }


def draw_batch(found: Numbers, figure: Any) -> None:
    """Draw the line of scores above the law of the count."""
    top, below = figure.subplots(2, 1, height_ratios=[1, 2.3])
    new = np.isin(np.arange(17), found["slots"])
    top.vlines(np.flatnonzero(~new), -0.35, 0.35, color=COLOURS["reference"], linewidth=2)
    top.plot(np.flatnonzero(new), np.zeros(5), "o", color=COLOURS["ours"], markersize=9)
    for rank, slot in enumerate(found["slots"]):
        top.annotate(str(slot - rank + 1), (slot, 0.45), ha="center", fontsize=10, color=COLOURS["ours"])
    top.set(ylim=(-1.1, 1.0), yticks=[], xticks=[])
    top.set_title(
        "Old scores and new ones in one line",
        loc="left",
        fontsize=11,
        fontweight="bold",
        color=COLOURS["truth"],
    )
    top.set_xlabel(
        "12 labelled rows (strokes), 5 new ones (dots, with ranks):\nall 6,188 patterns are equally likely",
        fontsize=10,
    )
    counts = np.arange(70, 101)
    for key, name in (("usual", "naive"), ("ours", "ours")):
        below.bar(counts, found[key], width=1.0, color=COLOURS[name], alpha=0.55)
    below.axvline(89.5, color=COLOURS["truth"], linewidth=1.5)
    words = (
        (
            0.97,
            "naive",
            f"sets row by row, each 90 %:\nat least 90 right in {100 * found['usual_held']:.0f} %",
        ),
        (0.76, "ours", f"sets for the whole batch:\nat least 90 right in {100 * found['ours_held']:.0f} %"),
    )
    for height, name, text in words:
        below.text(0.02, height, text, transform=below.transAxes, va="top", fontsize=10, color=COLOURS[name])
    below.set_title(
        "So the count is known before it is seen",
        loc="left",
        fontsize=11,
        fontweight="bold",
        color=COLOURS["truth"],
    )
    below.set_xlabel("right sets among 100 new rows (200 labelled ones)", fontsize=10)
    below.set(yticks=[], ylim=(0, 1.35 * max(found["ours"])), xlim=(69.5, 100.5))
    for ax in (top, below):
        tidy_axes(ax, grid="x")
        ax.spines["left"].set_visible(False)
        ax.tick_params(labelsize=10)
    top.grid(False)


LOOKS = (1, 2, 5, 10, 20, 50, 100)
"""Looks whose price the picture of the holdout shows."""


def holdout() -> Numbers:
    """Votes of coin flips that climb on the scores of 2,000 rows, and on answers of a ledger; and what answers cost."""
    from statsmodels.stats.proportion import proportion_confint

    from validstats.holdout import Ledger, ReusableHoldout, plan

    n, looks, every = 2_000, 400, 20
    rng = np.random.default_rng(3)
    y, X = rng.integers(0, 2, n), rng.normal(size=(n, 2))
    flips = rng.integers(0, 2, (looks, n))
    ledger = ReusableHoldout(
        queries=looks + looks // every, ledger=Ledger.in_memory(secret=b"ideas"), random_state=0
    )
    ledger.fit(X, rng.integers(0, 2, n)).calibrate(X, y, check_reuse=False)
    votes = {"usual": np.zeros(n), "ours": np.zeros(n)}
    lines: dict[str, list[list[float]]] = {"usual": [], "ours": []}
    for look, flip in enumerate(flips, start=1):
        scores = {"usual": float((flip == y).mean()), "ours": float(ledger.infer(flip, guess=0.5))}
        for kind, score in scores.items():
            votes[kind] += np.sign(score - 0.5) * (
                2 * flip - 1
            )  # a model that seems wrong votes the other way
        if look % every == 0:
            climbed, asked = ((votes[kind] > 0).astype(int) for kind in ("usual", "ours"))
            right = int((climbed == y).sum())
            low, high = proportion_confint(right, n, method="wilson")
            lines["usual"].append([look, right / n, float(low), float(high)])
            answer = ledger.infer(asked, guess=0.5)
            lines["ours"].append([look, float(answer), *map(float, answer.bounds)])
    return {key: [[round(v, 6) for v in row] for row in rows] for key, rows in lines.items()} | {
        "price": [[k, *(round(v, 6) for v in _prices(n, k, plan))] for k in LOOKS]
    }


def _prices(n: int, k: int, plan: Callable[..., Any], accuracy: float = 0.85) -> tuple[float, float, float]:
    """Half-widths of k answers: through the ledger, from fresh rows each, and by Bonferroni for fixed questions."""
    from scipy.stats import norm
    from statsmodels.stats.proportion import proportion_confint

    alpha, part = 0.05, n // k
    low, high = proportion_confint(round(accuracy * part), part, alpha=alpha / k, method="beta")
    fixed = float(norm.isf(alpha / (2 * k)) * np.sqrt(accuracy * (1 - accuracy) / n))
    return float(plan(n, k).half_width), float(high - low) / 2, fixed


def draw_holdout(found: Numbers, figure: Any) -> None:
    """Draw the climb above the prices."""
    top, below = figure.subplots(2, 1, height_ratios=[1.25, 1])
    for key, name, text in (
        ("usual", "naive", "scores read as they are"),
        ("ours", "ours", "answers through the ledger"),
    ):
        looks, value, low, high = np.transpose(found[key])
        top.fill_between(looks, 100 * low, 100 * high, color=COLOURS[name], alpha=0.25, linewidth=0)
        top.plot(looks, 100 * value, color=COLOURS[name], linewidth=2.2, label=text)
    top.axhline(50, color=COLOURS["truth"], linewidth=1.6, label="the truth: coin flips")
    top.legend(loc="upper left", frameon=False, fontsize=10)
    top.set_title(
        "A vote that learns from looks", loc="left", fontsize=11, fontweight="bold", color=COLOURS["truth"]
    )
    top.set_xlabel("looks at the same 2,000 rows", fontsize=10)
    top.set_ylabel("accuracy, %", fontsize=10)
    top.set_ylim(40, 92)
    looks, ours, split, fixed = np.transpose(found["price"])
    for values, colour, style, text in (
        (split, COLOURS["reference"], "-", "fresh rows for each look"),
        (ours, COLOURS["ours"], "-", "the ledger, honest guesses"),
        (fixed, COLOURS["naive"], "--", "Bonferroni: questions fixed before"),
    ):
        below.plot(looks, 100 * values, style, color=colour, linewidth=2.2, label=text)
    below.set(xscale="log", xticks=LOOKS, ylim=(0, 36))
    below.set_xticklabels([str(k) for k in LOOKS])
    below.minorticks_off()
    below.legend(loc="upper left", frameon=False, fontsize=10)
    below.set_title("What answers cost", loc="left", fontsize=11, fontweight="bold", color=COLOURS["truth"])
    below.set_xlabel("looks that hold together with 95 %", fontsize=10)
    below.set_ylabel("plus or minus, points", fontsize=10)
    for ax in (top, below):
        tidy_axes(ax, grid="y")
        ax.tick_params(labelsize=10)


LENIENCY = tuple(round(0.05 * i, 2) for i in range(13))
"""Shares of bad texts that the machine of the picture of labels passes."""


def dsl() -> Numbers:
    """A share of texts as the machine errs more and more in one direction: machine alone, experts alone, both."""
    import pandas as pd
    from statsmodels.stats.proportion import proportion_confint

    from validstats import DesignSupervised

    n, labels = 4_000, 300
    rng = np.random.default_rng(7)
    truth = rng.permutation(np.arange(n) < n // 2).astype(float)
    coin, drawn = rng.random(n), np.isin(np.arange(n), rng.choice(n, labels, replace=False))
    expert = pd.Series(truth, name="expert").where(pd.Series(drawn))
    alone = proportion_confint(int(truth[drawn].sum()), labels, method="wilson")
    rows = []
    for leniency in LENIENCY:
        machine = np.where(truth == 1, coin < 0.97, coin < leniency).astype(int)
        study = DesignSupervised(random_state=0).fit(pd.DataFrame({"machine": machine}), surrogate="machine")
        study.calibrate(expert, sampling_probability=labels / n)
        result = study.infer("expert", model="proportion")
        low, high = result.confidence_interval()[0]
        machine_ends = proportion_confint(int(machine.sum()), n, method="wilson")
        rows.append([leniency, float(machine.mean()), *machine_ends, float(result.params[0]), low, high])
    return {
        "alone": [round(float(v), 6) for v in (truth[drawn].mean(), *alone)],
        "rows": [[round(float(v), 6) for v in row] for row in rows],
    }


def draw_dsl(found: Numbers, figure: Any) -> None:
    """Draw the shares above the lengths of intervals."""
    top, below = figure.subplots(2, 1, height_ratios=[1.6, 1])
    leniency, naive, naive_low, naive_high, ours, low, high = 100 * np.transpose(found["rows"])
    alone, alone_low, alone_high = 100 * np.array(found["alone"])
    top.fill_between(leniency, alone_low, alone_high, color=COLOURS["reference"], alpha=0.2, linewidth=0)
    top.fill_between(leniency, low, high, color=COLOURS["ours"], alpha=0.35, linewidth=0)
    top.fill_between(leniency, naive_low, naive_high, color=COLOURS["naive"], alpha=0.35, linewidth=0)
    top.plot(
        leniency, naive, color=COLOURS["naive"], linewidth=2.2, label="4,000 machine labels at their word"
    )
    top.plot(leniency, ours, color=COLOURS["ours"], linewidth=2.2, label="both")
    top.plot(
        leniency, np.full(len(leniency), alone), color=COLOURS["reference"], label="300 expert labels alone"
    )
    top.axhline(50, color=COLOURS["truth"], linewidth=1.6, label="the truth")
    top.legend(loc="upper left", frameon=False, fontsize=10)
    top.set(ylim=(40, 94))
    top.set_title(
        "The machine decides the width only",
        loc="left", fontsize=11, fontweight="bold", color=COLOURS["truth"],
    )  # fmt: skip
    top.set_ylabel("share of positive texts, %", fontsize=10)
    below.plot(leniency, high - low, color=COLOURS["ours"], linewidth=2.2)
    below.plot(leniency, np.full(len(leniency), alone_high - alone_low), color=COLOURS["reference"])
    below.plot(leniency, naive_high - naive_low, color=COLOURS["naive"])
    below.set(ylim=(0, 13))
    below.set_title(
        "Length of the intervals", loc="left", fontsize=11, fontweight="bold", color=COLOURS["truth"]
    )
    below.set_ylabel("points", fontsize=10)
    below.set_xlabel("negative texts that the machine calls positive, %", fontsize=10)
    for ax in (top, below):
        tidy_axes(ax, grid="y")
        ax.tick_params(labelsize=10)


def mi() -> Numbers:
    """Four clouds of 400 points: correlation, true mutual information, the learned interval and the certified bound."""
    from validstats.mi import LearnedMI

    rng = np.random.default_rng(1)
    x, e, turn = rng.normal(size=400), rng.normal(size=(2, 400)), rng.uniform(0, 2 * np.pi, 400)
    clouds = {
        "a line": (x, 0.8 * x + 0.6 * e[0], -0.5 * np.log(1 - 0.8**2)),
        "a V": (x, np.abs(x) + 0.3 * e[0], _information_of_v(0.3)),
        "a ring": (np.cos(turn) + 0.15 * e[0], np.sin(turn) + 0.15 * e[1], _information_of_ring(0.15)),
        "nothing": (x, e[1], 0.0),
    }
    found = {}
    for name, (a, b, truth) in clouds.items():
        result = LearnedMI().infer(a, b)
        ends = (result.estimate, result.conf_low, result.conf_high, result.certified.value)
        numbers = [truth, np.corrcoef(a, b)[0, 1], *(float(np.ravel(v)[0]) for v in ends)]
        found[name] = {
            "numbers": [round(float(v), 6) for v in numbers],
            "x": [round(float(v), 3) for v in a],
            "y": [round(float(v), 3) for v in b],
        }
    return found


def _entropy(density: Any, cell: float) -> float:
    """Entropy of a density on a grid, -sum p log p times the size of a cell."""
    p = density[density > 0]
    return float(-(p * np.log(p)).sum() * cell)


def _information_of_v(noise: float) -> float:
    """Mutual information of X and |X| + noise: the entropy of the sum less that of the noise."""
    from scipy.stats import norm

    y = np.linspace(-4, 9, 200_001)
    # |X| has density 2 phi(u), u > 0; the sum's is 2 phi(y; sd sqrt(1 + s^2)) Phi(y / (s sqrt(1 + s^2)))
    wide = np.sqrt(1 + noise**2)
    density = 2 * norm.pdf(y, scale=wide) * norm.cdf(y / (noise * wide))
    return _entropy(density, y[1] - y[0]) - 0.5 * float(np.log(2 * np.pi * np.e * noise**2))


def _information_of_ring(noise: float) -> float:
    """Mutual information of the sides of a noisy circle: twice the entropy of a side less that of both."""
    from scipy.special import ive

    grid = np.linspace(-2.2, 2.2, 1_601)
    cell = grid[1] - grid[0]
    radius = np.hypot(grid[:, None], grid[None, :])
    # normal noise around the circle: exp(-(r^2 + 1) / 2 s^2) I_0(r / s^2) / (2 pi s^2)
    density = (
        np.exp(-((radius - 1) ** 2) / (2 * noise**2)) * ive(0, radius / noise**2) / (2 * np.pi * noise**2)
    )
    return 2 * _entropy(density.sum(axis=0) * cell, cell) - _entropy(density.ravel(), cell**2)


def draw_mi(found: Numbers, figure: Any) -> None:
    """Draw the four clouds with their numbers below."""
    for ax, (name, row) in zip(figure.subplots(2, 2).ravel(), found.items()):
        truth, correlation, estimate, low, high, certified = row["numbers"]
        ax.plot(row["x"], row["y"], ".", color=COLOURS["reference"], markersize=3, alpha=0.6)
        ax.set(xticks=[], yticks=[])
        ax.set_title(name, loc="left", fontsize=11, fontweight="bold", color=COLOURS["truth"])
        lines = (
            (f"correlation {correlation:.2f}", "naive"),
            (f"learned {estimate:.2f} ({low:.2f} to {high:.2f})", "ours"),
            (f"certified: {certified:.2f} or more", "ours"),
            (f"truth {truth:.2f} nats", "truth"),
        )
        for i, (text, colour) in enumerate(lines):
            ax.text(
                0,
                -0.05 - 0.115 * i,
                text,
                transform=ax.transAxes,
                va="top",
                fontsize=10,
                color=COLOURS[colour],
            )
        tidy_axes(ax)
        ax.grid(False)


def evals() -> Numbers:
    """A judge's verdicts on 2,000 answers, 150 human labels, and three pass rates beside the truth."""
    import pandas as pd
    from statsmodels.stats.proportion import proportion_confint

    from validstats import evals as door

    n, labels = 2_000, 150
    rng = np.random.default_rng(5)
    good = rng.permutation(np.arange(n) < 0.68 * n)
    judge = np.where(good, rng.random(n) < 0.96, rng.random(n) < 0.45).astype(int)
    asked = np.isin(np.arange(n), rng.choice(n, labels, replace=False))
    answers = pd.DataFrame({"item": np.arange(n), "judge": judge, "human": np.where(asked, good, np.nan)})
    result = door.evaluate(answers, judge="judge", human="human")
    cells = [(judge == verdict) & asked for verdict in (1, 0)]
    rates = {
        "judge alone": (judge.mean(), *proportion_confint(judge.sum(), n, method="wilson")),
        "people alone": (good[asked].mean(), *proportion_confint(good[asked].sum(), labels, method="wilson")),
        "both": (result.estimate, result.conf_low, result.conf_high),
    }
    return {
        "truth": round(float(good.mean()), 6),
        "passed": round(float(judge.mean()), 6),
        "cells": [[int(good[cell].sum()), int(cell.sum())] for cell in cells],
        "rates": {name: [round(float(v), 6) for v in row] for name, row in rates.items()},
    }


def draw_evals(found: Numbers, figure: Any) -> None:
    """Draw shares within verdicts as areas above the three intervals."""
    top, below = figure.subplots(2, 1, height_ratios=[1.7, 1])
    left = 0.0
    for (right, asked), width, name in zip(
        found["cells"], (found["passed"], 1 - found["passed"]), ("passes", "fails"), strict=True
    ):
        share, middle = right / asked, left + width / 2
        top.bar(left, share, width=width, align="edge", color=COLOURS["ours"], alpha=0.75, linewidth=0)
        top.bar(left, 1 - share, bottom=share, width=width, align="edge", color=COLOURS["light"], linewidth=0)
        top.text(middle, 1.03, f"judge {name}\n{100 * width:.0f} %", ha="center", va="bottom", fontsize=10)
        top.text(middle, share + 0.02, f"good: {right}\nof {asked}", ha="center", va="bottom", fontsize=10)
        left += width
    top.axvline(found["passed"], color="white", linewidth=2)
    top.set(xlim=(0, 1), ylim=(0, 1.0), xticks=[], yticks=[0, 0.5, 1])
    top.set_yticklabels(["0", "50", "100 %"])
    top.set_title(
        "The dark area is the pass rate\n\n\n",
        loc="left",
        fontsize=11,
        fontweight="bold",
        color=COLOURS["truth"],
    )
    for height, (name, colour) in enumerate(
        zip(("both", "people alone", "judge alone"), ("ours", "reference", "naive"), strict=True)
    ):
        value, low, high = (100 * v for v in found["rates"][name])
        below.plot([low, high], [height] * 2, color=COLOURS[colour], linewidth=5, solid_capstyle="butt")
        below.plot(value, height, "o", color="white", markeredgecolor=COLOURS[colour], markersize=7, zorder=4)
        below.text(50.3, height + 0.2, name, va="bottom", fontsize=10, color=COLOURS[colour])
    below.axvline(100 * found["truth"], color=COLOURS["truth"], linewidth=1.8)
    below.annotate("truth", (100 * found["truth"] + 0.5, 2.6), fontsize=10, color=COLOURS["truth"])
    below.set(xlim=(50, 90), ylim=(-0.4, 3.1), yticks=[])
    below.set_xlabel("pass rate, %, with 95 % intervals", fontsize=10)
    for ax in (top, below):
        tidy_axes(ax, grid="x")
        ax.tick_params(labelsize=10)
    top.grid(False)
    below.spines["left"].set_visible(False)


class Idea(NamedTuple):
    """What a picture shows, and how it is drawn."""

    run: Callable[[], Numbers]
    draw: Callable[[Numbers, Any], None]


IDEAS = {
    "batch": Idea(batch, draw_batch),
    "holdout": Idea(holdout, draw_holdout),
    "dsl": Idea(dsl, draw_dsl),
    "mi": Idea(mi, draw_mi),
    "evals": Idea(evals, draw_evals),
}


def main() -> None:
    """Run, record and draw."""
    from matplotlib.figure import Figure

    parser = argparse.ArgumentParser(prog="python -m benchmarks.ideas", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *IDEAS], help="some of the pictures; none: all")
    parser.add_argument("--draw", action="store_true", help="draw what is recorded, run nothing")
    arguments = parser.parse_args()
    numbers = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {}
    names = arguments.names or list(IDEAS)
    if not arguments.draw:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            numbers |= {name: IDEAS[name].run() for name in names}
        ordered = {name: numbers[name] for name in IDEAS if name in numbers}
        RESULT.write_text(json.dumps(ordered) + "\n", encoding="utf-8")
    for name in names:
        figure = Figure(figsize=SIZE, layout="constrained")
        IDEAS[name].draw(numbers[name], figure)
        signed = {"Software": None, "Description": digest(numbers[name])}
        figure.savefig(picture(name), dpi=DPI, metadata=signed)


if __name__ == "__main__":
    main()
