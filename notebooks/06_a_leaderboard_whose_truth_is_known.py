# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---


# %% [markdown]
# # A leaderboard whose truth is known
#
# Six systems answered the same questions, two questions a passage. A judge graded every answer, people those to three
# questions in ten. The judge likes one system more than the others. Everything is simulated, so the truth can be drawn
# beside every answer.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from validstats import evals
from validstats.plotting._style import COLOURS

rng = np.random.default_rng(6)
systems = ["ash", "birch", "cedar", "dogwood", "elm", "fir"]
true_rate = np.array([0.52, 0.58, 0.62, 0.66, 0.74, 0.60])
passages, each = 250, 2
n = passages * each
passage = np.repeat(np.arange(passages), each)
difficulty = rng.normal(0, 0.15, passages)[passage]
good = rng.random((n, 6)) < np.clip(true_rate + difficulty[:, None], 0, 1)
lenient = np.array([0.25, 0.25, 0.25, 0.25, 0.25, 0.75])
judge = np.where(good, rng.random((n, 6)) < 0.95, rng.random((n, 6)) < lenient)
labelled = np.repeat(rng.random(n) < 0.3, 6)
board = pd.DataFrame(
    {
        "item": np.repeat([f"q{i:03d}" for i in range(n)], 6),
        "passage": np.repeat(passage, 6),
        "system": systems * n,
        "judge": judge.ravel().astype(int),
        "human": np.where(labelled, good.ravel(), np.nan),
    }
)
print(evals.doctor(board).summary())

# %% [markdown]
# ## The judge names the wrong winner
# By the judge alone *fir* is first, and certainly so. With the labels it is not, and the best system is in the set of
# those that may be best.

# %%
alone = evals.rank(board.drop(columns="human"), clusters="passage")
corrected = evals.rank(board, clusters="passage")
print(alone.answer)
print(corrected.summary())

# %%
display = corrected.plot()
true_rank = pd.Series(true_rate, systems).rank(ascending=False)
display.ax_.plot(
    [true_rank[s] for s in corrected.systems],
    np.arange(6),
    "D",
    color=COLOURS["truth"],
    markersize=5,
    label="truth",
)
display.ax_.legend(frameon=False, ncols=4, loc="lower left", bbox_to_anchor=(0.0, 1.0), fontsize=9)
plt.show()

# %% [markdown]
# ## Five samples of a question are not five questions
# The same rate from 60 questions with five samples each, 300 times: how often does an interval that takes rows for
# questions hold the truth, and one that does not?

# %%
hits = np.zeros(2)
for _ in range(300):
    chance = np.repeat(rng.beta(1.4, 0.6, 60), 5)
    scores = {"item": np.repeat(np.arange(60), 5), "score": (rng.random(300) < chance).astype(int)}
    rows = evals.evaluate({"score": scores["score"]})
    items = evals.evaluate(scores)
    hits += [rows.conf_low <= 0.7 <= rows.conf_high, items.conf_low <= 0.7 <= items.conf_high]
print("rows taken for questions: {:.2f}, questions: {:.2f}".format(*hits / 300))

# %% [markdown]
# ## What passes the tests is not always right
# Twenty samples of every problem. A wrong answer passes the tests now and then, so that with many tries nearly every
# problem has one that passes. In the second set a third of the problems is out of reach. A third of the problems with a
# passing sample is audited.


# %%
def passes(p, mistakes):
    right = rng.random((len(p), 20)) < p[:, None]
    return right, right | (rng.random((len(p), 20)) < mistakes[:, None])


def audits(right, passed):
    audited = (rng.random(len(right)) < 1 / 3)[:, None] & passed
    return pd.DataFrame(
        {
            "problem": np.repeat(np.arange(len(right)), 20),
            "passed": passed.ravel().astype(int),
            "audit": np.where(audited, right, np.nan).ravel(),
            "audit_probability": np.full(right.size, 1 / 3),
        }
    )


p = rng.beta(0.7, 1.2, 164)
easy = p, 0.02 + 0.12 * (1 - p)
p = rng.choice([0.0, 0.3, 1.0], 300)
hard = p, 0.05 + 0.2 * (1 - p)
results = [evals.pass_at_k(audits(*passes(*law)), wrong_costs=2) for law in (easy, hard)]
for result in results:
    print(result.answer)

# %%
ks = np.unique(results[0].k)
many = rng.beta(0.7, 1.2, 200_000), np.repeat([0.0, 0.3, 1.0], 1_000)
truths = [[np.mean(1 - (1 - p) ** k) for k in ks] for p in many]
fig, axes = plt.subplots(1, 2, figsize=(11, 4), sharey=True)
for ax, result, truth, name in zip(axes, results, truths, ("all kinds", "a third out of reach"), strict=True):
    result.plot(ax=ax, drop=["wrong", "best_of_n", "utility"])
    ax.plot(ks, truth, "D", color=COLOURS["truth"], markersize=5, label="truth")
    ax.legend(frameon=False, ncols=3, loc="lower left", bbox_to_anchor=(0.0, 1.0), fontsize=9)
    ax.set_xlabel(f"samples k, problems: {name}")
plt.show()
for result, truth in zip(results, truths, strict=True):
    print(
        f"pass@20 by the tests {result.naive[-1]:.3f}, truth {truth[-1]:.3f}, with audits {result.of('pass')['estimate'][-1]:.3f}"
    )
