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
# # Regressions from machine labels
#
# A machine labels every sentence as positive or not; people labelled some. The question is downstream: does
# a longer sentence sound more positive, given its source? The machine agrees with people in most cases, and
# yet the regression on its labels is wrong, because its errors depend on the length of the sentence. All
# 23,703 sentences were in fact rated by people, so the true coefficients are known.

# %%
import matplotlib.pyplot as plt
import numpy as np

from validstats import DesignSupervised
from validstats.datasets import load_sentiment
from validstats.plotting._style import COLOURS, tidy_axes

sentences = load_sentiment()
documents = sentences[["corpus", "negation", "vader_compound"]].copy()
documents["log_length"] = np.log(sentences["n_words"])
documents["machine"] = (sentences["vader_compound"] > 0.05).astype(int)
truth = (sentences["human_mean"] > 0.5).to_numpy(float)
print(f"the machine agrees with people on {np.mean(documents['machine'] == truth):.0%} of the sentences")

# %% [markdown]
# ## Experts label 1,000 sentences, drawn at random
# The sampling probability is known, because we drew the sample. That is the assumption on which everything
# rests.

# %%
FORMULA = "expert ~ C(corpus) + log_length + negation"
N_LABELS = 1000
PROBABILITY = N_LABELS / len(documents)


def estimate(seed: int, **options):
    generator = np.random.default_rng([3, seed])
    labels = np.full(len(documents), np.nan)
    drawn = generator.choice(len(documents), N_LABELS, replace=False)
    labels[drawn] = truth[drawn]
    study = DesignSupervised(random_state=seed, **options)
    study.fit(documents, surrogate="machine")
    study.calibrate({"expert": labels}, sampling_probability=PROBABILITY)
    return study.infer(FORMULA, model="logit", population="finite")


result = estimate(0)
print(result.summary())

# %% [markdown]
# The column *Naive* is the regression on machine labels. *Worth* says how many expert labels alone would
# have given the same standard error: the machine labels are not worthless, they just must not be taken for
# the truth.

# %%
print(result.compare().summary())

# %% [markdown]
# ## Does it hold?
# Label another thousand sentences, 100 times over, and count how often the interval contains the
# coefficient that all human ratings give. With 100 repetitions the counts of a method that holds its level
# of 95 % scatter by two or three.

# %%
everything = DesignSupervised(random_state=0).fit(documents, surrogate="machine")
everything.calibrate({"expert": truth}, sampling_probability=1.0)
true_params = everything.infer(FORMULA, model="logit", estimator="gold", population="finite").params

REPEATS = 100
intervals, covered, naive_covered = [], [], []
for seed in range(REPEATS):
    fit = estimate(seed, n_repeats=1)
    low, high = fit.confidence_interval().T
    covered.append((low <= true_params) & (true_params <= high))
    margin = 1.96 * fit.naive_fit.std_error
    naive_covered.append(np.abs(fit.naive_fit.params - true_params) <= margin)
    intervals.append(fit.confidence_interval())
print("coefficient            ours   machine labels alone")
for name, ours, naive in zip(
    result.names, np.mean(covered, axis=0), np.mean(naive_covered, axis=0), strict=True
):
    print(f"{name:22s} {ours:.0%}   {naive:.0%}")

# %% [markdown]
# ## What would be wrong without
# Left: the coefficient of length, from one hundred different thousands of expert labels. The intervals cover
# the truth (black) as often as they promise; those that miss are drawn darker. The regression on machine
# labels (red band) puts the coefficient far away, with an interval so narrow that nobody would doubt it; more
# machine labels make it narrower still, around the same wrong value. Right: how often the intervals for each
# coefficient hold the truth.

# %%
figure, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained", width_ratios=[3, 2])
term = result.names.index("log_length")
ends = np.array(intervals)[:, term]
hit = np.array(covered)[:, term]
order = np.argsort(ends.mean(axis=1))
for kind, colour in ((True, COLOURS["light"]), (False, COLOURS["ours"])):
    chosen = np.flatnonzero(hit[order] == kind)
    axes[0].vlines(chosen, *ends[order][chosen].T, color=colour, linewidth=2)
axes[0].axhline(true_params[term], color=COLOURS["truth"], linewidth=1.2, label="all 23,703 human ratings")
naive, margin = result.naive_fit.params[term], 1.96 * result.naive_fit.std_error[term]
axes[0].axhspan(
    naive - margin, naive + margin, color=COLOURS["naive"], alpha=0.5, label="machine labels alone"
)
axes[0].set_xlabel("one hundred draws of 1,000 expert labels, sorted")
axes[0].set_ylabel("coefficient of log length")
axes[0].legend(frameon=False, fontsize=8, loc="upper left")
shown = [i for i, name in enumerate(result.names) if name != "Intercept"]
positions = np.arange(len(shown))
axes[1].barh(
    positions + 0.2, np.mean(covered, axis=0)[shown], 0.36, color=COLOURS["ours"], label="design-based"
)
axes[1].barh(
    positions - 0.2,
    np.mean(naive_covered, axis=0)[shown] + 0.004,
    0.36,
    color=COLOURS["naive"],
    label="machine labels alone",
)
axes[1].axvline(0.95, color=COLOURS["truth"], linewidth=1)
axes[1].set_yticks(positions, [result.names[i].replace("C(corpus)[T.", "").rstrip("]") for i in shown])
axes[1].set_xlabel("share of intervals that hold the truth")
axes[1].legend(frameon=True, fontsize=8, loc="lower left")
for ax, grid in zip(axes, ("y", "x"), strict=True):
    tidy_axes(ax, grid=grid)
