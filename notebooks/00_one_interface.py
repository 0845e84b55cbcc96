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
# # One interface
#
# Every method here has a part that may be wrong, a small reference that can be trusted, and a question. The
# verbs are the same: `fit` learns what may be wrong, `calibrate` spends what is trusted, `infer` answers
# with a guarantee. The data are 23,703 sentences that were rated by people, so every answer can be checked
# against the truth.

# %%
import matplotlib.pyplot as plt
import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor

from validstats import BatchMean, BatchPredictor, DesignSupervised, report
from validstats.datasets import load_sentiment
from validstats.mi import mutual_info
from validstats.plotting._style import COLOURS, tidy_axes

sentences = load_sentiment()
sentences["machine_positive"] = (sentences["vader_compound"] > 0.05).astype(int)
sentences["truly_positive"] = (sentences["human_mean"] > 0.5).astype(int)
sentences["log_length"] = np.log(sentences["n_words"])
generator = np.random.default_rng(0)
sentences = sentences.iloc[generator.permutation(len(sentences))].reset_index(drop=True)
features = ["vader_compound", "n_words", "n_exclaim", "lexicon_sum", "negation"]

# %% [markdown]
# ## A batch
# The mean human rating of 400 sentences that nobody rated. Some of the 2,000 rated ones train a model, the
# others calibrate it. The interval holds for every model and every distribution, in finite samples.

# %%
rated, new = sentences.iloc[:2000], sentences.iloc[2000:2400]
batch = BatchPredictor(
    HistGradientBoostingRegressor(random_state=0), BatchMean(), bounds=(-4, 4), random_state=0
)
batch.fit(rated[features], rated["human_mean"])
batch_result = batch.infer(new[features])
print(batch_result.summary())

# %% [markdown]
# ## Machine labels
# Does a longer sentence sound more positive? The machine labels all sentences; experts label 1,000 of them,
# drawn at random.

# %%
expert = sentences["truly_positive"].astype(float)
expert[generator.permutation(len(expert))[1000:]] = np.nan
documents = sentences[["machine_positive", "log_length", "negation", "n_exclaim"]].assign(expert=expert)
study = DesignSupervised(random_state=0).fit(documents.drop(columns="expert"), surrogate="machine_positive")
study.calibrate({"expert": expert.to_numpy()}, sampling_probability=1000 / len(documents))
regression = study.infer("expert ~ log_length + negation", model="logit", population="finite")
print(regression.summary())

# %% [markdown]
# ## Dependence
# How much does the machine's score say about the human rating?

# %%
dependence = mutual_info(new["vader_compound"], new["human_mean"])
print(dependence.summary())

# %% [markdown]
# ## All on one page
# `report` puts any results on one page that works offline, with the joint statement where one holds, and
# with fingerprints of the data.

# %%
page = report(
    {
        "Mean of the new sentences": batch_result,
        "Length and tone": regression,
        "Machine and human": dependence,
    },
    title="One interface",
    data={"rated": rated[features], "documents": documents},
    seeds={"everything": 0},
    figures=False,
)
[section.title for section in page.sections]

# %% [markdown]
# ## What would be wrong without
# Below, each question is answered twice: by what one would have reported from the machine alone, and by the
# method. The black line is the truth, which is known here. The machine's mean is off, and its coefficient
# of length has the wrong size with a confident interval around it.

# %%
truth_regression = {"log_length": None}
full = DesignSupervised(random_state=0).fit(documents.drop(columns="expert"), surrogate="machine_positive")
full.calibrate({"expert": sentences["truly_positive"].to_numpy(float)}, sampling_probability=1.0)
truth = full.infer(
    "expert ~ log_length + negation", model="logit", estimator="gold", population="finite"
).params
term = regression.names.index("log_length")
low, high = regression.confidence_interval()[term]
naive = regression.naive_fit

figure, axes = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
rows = batch_result.tidy()
machine_mean = float(np.mean(4 * new["vader_compound"]))
true_mean = float(new["human_mean"].mean())
panels = [
    (
        axes[0],
        "Mean rating of 400 new sentences",
        (machine_mean, 0.0),
        (rows["estimate"][0], rows["conf_low"][0], rows["conf_high"][0]),
        true_mean,
    ),
    (
        axes[1],
        "Coefficient of log length",
        (naive.params[term], 1.96 * naive.std_error[term]),
        (regression.params[term], low, high),
        truth[term],
    ),
]
for ax, title, machine, ours, true in panels:
    ax.errorbar(machine[0], 1, xerr=machine[1], fmt="o", color=COLOURS["naive"], capsize=4)
    ax.errorbar(
        ours[0], 0, xerr=[[ours[0] - ours[1]], [ours[2] - ours[0]]], fmt="o", color=COLOURS["ours"], capsize=4
    )
    ax.axvline(true, color=COLOURS["truth"], linewidth=1)
    ax.set_yticks([0, 1], ["with guarantee", "machine alone"])
    ax.set_ylim(-0.6, 1.6)
    ax.set_title(title, loc="left", fontsize=10)
    tidy_axes(ax, grid="x")
print(
    f"mean: machine {machine_mean:.3f}, interval [{rows['conf_low'][0]:.3f}, {rows['conf_high'][0]:.3f}], truth {true_mean:.3f}"
)
print(
    f"log length: machine {naive.params[term]:.3f}, interval [{low:.3f}, {high:.3f}], truth {truth[term]:.3f}"
)
