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
# # How many more times may I look at my test set?
#
# In 2015 a paper in *Science* showed the trap with an experiment that anyone can repeat. There are 10,000
# people and 10,000 attributes, and the label is a coin flip: nothing predicts anything. An analyst keeps
# the attributes that correlate with the label on the training set **and on the holdout**, builds a
# classifier from them, and checks it on the same holdout. Here is that experiment, literally: every one of
# the 300 million numbers is drawn.

# %%
import matplotlib.pyplot as plt
import numpy as np
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from validstats.datasets import SENTIMENT_FEATURES, load_sentiment
from validstats.holdout import ReusableHoldout, plan
from validstats.plotting._style import COLOURS, tidy_axes
from validstats.validity.science2015 import Experiment, run_literally, simulate_in_law

experiment = Experiment(n=10_000, d=10_000)
literal = run_literally(experiment, np.random.default_rng(2015))
print("attributes used      holdout says   fresh data say")
for count, row in zip(experiment.feature_counts, literal.naive, strict=True):
    print(f"{count:8d}  naive         {row[1]:.3f}          {row[2]:.3f}")

# %% [markdown]
# With 500 attributes the holdout promises well above 60 % for a classifier that guesses. It was asked
# 10,000 questions and answered each truthfully; that is what wore it out. Thresholdout answers the same
# questions differently: where training set and holdout agree it repeats the training value and reveals
# nothing, where they differ it gives the holdout's value with noise.

# %%
for count, row in zip(experiment.feature_counts, literal.guarded, strict=True):
    print(f"{count:8d}  Thresholdout  {row[1]:.3f}          {row[2]:.3f}")

# %% [markdown]
# ## One number for practice: what is a look worth?
# The variant of the paper's experiment has no proof with its constants, so the package marks it as
# heuristic and never picks it by itself. `plan` compares what can be proved. Say the test set has 1,000
# rows and you want to look 20 times, or 100.

# %%
for looks in (1, 20, 100):
    numbers = plan(1000, looks, release="numeric")
    guesses = plan(1000, looks)
    print(
        f"{looks:4d} looks: a number is good to +-{numbers.half_width:.3f} ({numbers.choice}); "
        f"with a guess from cross-validation +-{guesses.half_width:.3f} ({guesses.choice})"
    )

# %% [markdown]
# ## On real data
# Sentences from four corpora, and a long search: 60 random subsets of the features, each tried with a
# logistic regression. The holdout is asked after every one of them. Guesses come from cross-validation on
# the training rows, so most answers cost next to nothing, and one that fails pays when it happens.
# (`check_reuse=False` because some short sentences
# have equal features; no sentence is in both parts.)

# %%
sentences = load_sentiment()
generator = np.random.default_rng(3)
order = generator.permutation(len(sentences))
X = sentences[list(SENTIMENT_FEATURES)]
y = sentences["human_positive"].to_numpy()
train, holdout, fresh = order[:3000], order[3000:9000], order[9000:]

reusable = ReusableHoldout(queries=60, random_state=0)
reusable.fit(X.iloc[train], y[train]).calibrate(X.iloc[holdout], y[holdout], check_reuse=False)
print(reusable.outlook())

# %%
rows = []
for _ in range(60):
    chosen = [str(name) for name in generator.choice(X.columns, generator.integers(2, 8), replace=False)]
    model = make_pipeline(
        make_column_transformer((StandardScaler(), chosen)), LogisticRegression(max_iter=200)
    ).fit(X.iloc[train], y[train])
    answer = reusable.infer(model)
    rows.append([float(answer), *answer.bounds, model.score(X.iloc[fresh], y[fresh])])
answers = np.array(rows)
print(reusable.summary())
inside = (answers[:, 1] <= answers[:, 3]) & (answers[:, 3] <= answers[:, 2])
print(f"{inside.sum()} of 60 intervals hold the accuracy on {len(fresh):,} fresh sentences")

# %% [markdown]
# ## What would be wrong without
# Left: the Science experiment. The red line is what the reused holdout promises, the black line what fresh
# data say: a classifier that guesses looks as if it were right in more than 60 % of the cases. The green
# line is what Thresholdout reports. Right: sixty adaptive looks on real data, each with an interval that
# holds for all sixty together.

# %%
counts = experiment.feature_counts
figure, axes = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
repeats = [simulate_in_law(experiment, np.random.default_rng([4, i])) for i in range(10)]
for repeat in repeats:
    axes[0].plot(counts, repeat.naive[:, 1], color=COLOURS["naive"], alpha=0.2, linewidth=0.8)
    axes[0].plot(counts, repeat.guarded[:, 1], color=COLOURS["ours"], alpha=0.2, linewidth=0.8)
axes[0].plot(counts, literal.naive[:, 1], color=COLOURS["naive"], label="holdout, reused")
axes[0].plot(counts, literal.guarded[:, 1], color=COLOURS["ours"], label="holdout through Thresholdout")
axes[0].plot(counts, literal.naive[:, 2], color=COLOURS["truth"], label="fresh data")
axes[0].set_xlabel("attributes in the classifier")
axes[0].set_ylabel("accuracy")
axes[0].legend(frameon=False, fontsize=8)
axes[0].set_title("Nothing predicts anything", loc="left", fontsize=10)
looks = np.arange(1, 61)
axes[1].fill_between(
    looks, answers[:, 1], answers[:, 2], color=COLOURS["light"], step="mid", label="interval"
)
axes[1].plot(looks, answers[:, 0], ".", color=COLOURS["ours"], label="answer")
axes[1].plot(looks, answers[:, 3], ".", color=COLOURS["truth"], markersize=4, label="fresh data")
axes[1].set_xlabel("look at the holdout")
axes[1].legend(frameon=False, fontsize=8, loc="lower right")
axes[1].set_title("Sixty looks that stay valid", loc="left", fontsize=10)
for ax in axes:
    tidy_axes(ax)
