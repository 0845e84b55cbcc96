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
# # Totals, k of m, and selection
#
# Conformal prediction says of *one* new row that its set is right with probability 90 %. Decisions are
# about many rows: are at least 90 of these 100 sets right? What is their mean? Which of them may be called
# positive with at most three mistakes? The sentences were all rated by people, so we can ask a thousand
# times and count.

# %%
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.frozen import FrozenEstimator

from validstats import BatchMean, BatchPredictor, Selection, Simultaneous
from validstats.batch import Envelope
from validstats.datasets import load_sentiment
from validstats.plotting._style import COLOURS, tidy_axes

sentences = load_sentiment()
features = ["vader_compound", "n_words", "n_exclaim", "lexicon_sum", "lexicon_min", "lexicon_max", "negation"]
generator = np.random.default_rng(1)
order = generator.permutation(len(sentences))
train = sentences.iloc[order[:3000]]
X, y = sentences[features].to_numpy(float), sentences["human_mean"].to_numpy()
model = HistGradientBoostingRegressor(random_state=0).fit(
    train[features].to_numpy(float), train["human_mean"]
)
pool = order[3000:]

# %% [markdown]
# ## One calibration, one batch
# 200 rated sentences calibrate; the batch is 100 sentences whose ratings we pretend not to know.

# %%
N, M = 200, 100
calibration, new = pool[:N], pool[N : N + M]


def predictor(target, **options):
    return BatchPredictor(FrozenEstimator(model), target, random_state=0, **options)


sets = predictor(Simultaneous(miss=0.1)).fit(X[calibration], y[calibration]).infer(X[new])
print(sets.summary())

# %%
mean = predictor(BatchMean(), bounds=(-4, 4)).fit(X[calibration], y[calibration]).infer(X[new])
print(mean.summary())
print(f"the true mean is {y[new].mean():.3f}")

# %%
chosen = predictor(Selection(above=0.0, max_false=3)).fit(X[calibration], y[calibration]).infer(X[new])
print(chosen.summary())

# %% [markdown]
# ## After looking
# `Envelope` covers every monotone question at once: how many are positive, what is the median, what if I
# had chosen another limit. It costs width, and buys the right to ask after seeing the data.

# %%
envelope = predictor(Envelope(), bounds=(-4, 4)).fit(X[calibration], y[calibration]).infer(X[new])
print("median:", envelope.quantile(0.5).round(2), " count above 1:", envelope.count_above(1.0))
print("truth: ", np.median(y[new]).round(2), " count above 1:", int((y[new] > 1.0).sum()))

# %% [markdown]
# ## Does it hold?
# Draw calibration and batch anew 400 times. The probability of the statement "at least 90 of 100 sets are
# right" is known exactly before any data are seen; the observed frequency must agree with it. Plain split
# conformal sets, which are right for 90 % of the rows *on average*, make the same statement true in little
# more than half of the cases.

# %%
from validstats.exceptions import DriftWarning

warnings.simplefilter("ignore", DriftWarning)  # of 800 redrawn batches a few look moved, by chance
REPEATS = 400
covered = np.empty((REPEATS, 2))
false_claims = np.empty((REPEATS, 2))
for repeat in range(REPEATS):
    rows = generator.choice(pool, N + M, replace=False)
    calibration, new = rows[:N], rows[N:]
    sets = predictor(Simultaneous(miss=0.1)).fit(X[calibration], y[calibration]).infer(X[new])
    covered[repeat] = [
        np.sum(sets.contains(y[new])),
        np.sum(sets.contains(y[new], naive=True)),
    ]
    chosen = predictor(Selection(above=0.0, max_false=3)).fit(X[calibration], y[calibration]).infer(X[new])
    false_claims[repeat] = [
        np.sum(chosen.false_claims(y[new])),
        np.sum(chosen.false_claims(y[new], naive=True)),
    ]
exact = sets.glance()["exact_probability"][0]
held = (covered >= 90).mean(axis=0)
few = (false_claims <= 3).mean(axis=0)
print(
    f"at least 90 of 100 right: ours {held[0]:.3f} (exactly {exact:.3f} in theory), split conformal {held[1]:.3f}"
)
print(f"at most 3 false claims:   ours {few[0]:.3f}, claiming whatever is predicted positive {few[1]:.3f}")

# %% [markdown]
# ## What would be wrong without
# The left panel shows how many of 100 sets were right. Split conformal (red) sits where it should *on
# average*, and falls below 90 in nearly every second batch. The right panel counts false claims in a batch:
# without calibration about a dozen of them go unnoticed.

# %%
figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
bins = np.arange(72.5, 101.5)
for column, (name, colour) in enumerate([("ours", "ours"), ("split conformal", "naive")]):
    axes[0].hist(
        covered[:, column],
        bins=bins,
        alpha=0.6,
        color=COLOURS[colour],
        label=f"{name}: {held[column]:.0%} of batches reach 90",
    )
axes[0].axvline(89.5, color=COLOURS["truth"], linewidth=1)
axes[0].set_xlabel("right sets among 100")
axes[0].set_ylabel("batches")
axes[0].legend(frameon=False, fontsize=8, loc="upper left")
bins = np.arange(-0.5, false_claims.max() + 1.5)
for column, (name, colour) in enumerate([("ours", "ours"), ("every predicted positive", "naive")]):
    axes[1].hist(
        false_claims[:, column],
        bins=bins,
        alpha=0.6,
        color=COLOURS[colour],
        label=f"{name}: at most 3 in {few[column]:.0%}",
    )
axes[1].axvline(3.5, color=COLOURS["truth"], linewidth=1)
axes[1].set_xlabel("false claims in a batch of 100")
axes[1].legend(frameon=False, fontsize=8)
for ax in axes:
    tidy_axes(ax)

# %% [markdown]
# ## Next year: whole batches as units
# Sea surface temperatures off Peru, by month, 1950 to 2010. What is the total of the months of a year that we do
# not know? The months of an El Niño year are warm together, so that 480 past months say no more than 40 past
# years. We draw years at random: 20 train (a mean for each month), 40 calibrate, one is new. The textbook
# interval from single months, and ours, which are the better the more months there are, are both far too
# narrow; whole years as units hold.

# %%
import statsmodels.api as sm
from sklearn.linear_model import Ridge

from validstats.batch import BatchTotal, within_batch_test

sea = sm.datasets.elnino.load_pandas().data.melt("YEAR", var_name="month", value_name="celsius")
month = np.eye(12)[sea["month"].astype("category").cat.codes]
celsius, year = sea["celsius"].to_numpy(), sea["YEAR"].to_numpy()
years = np.unique(year)
hits = np.zeros(3)
DRAWS = 200
for _draw in range(DRAWS):
    order = generator.permutation(years)
    train, past, new = (np.isin(year, part) for part in (order[:20], order[20:60], order[60:]))
    learner = FrozenEstimator(Ridge().fit(month[train], celsius[train]))
    truth = celsius[new].sum()
    for i, (target, batches) in enumerate(
        [(BatchTotal(method="asymptotic"), None), (BatchTotal(), None), (BatchTotal(), year[past])]
    ):
        model = BatchPredictor(learner, target, confidence_level=0.9, bounds=(15, 35), random_state=0)
        interval = model.calibrate(month[past], celsius[past], batches=batches).infer(month[new])
        hits[i] += interval.conf_low[0, 0] <= truth <= interval.conf_high[0, 0]
for name, share in zip(["textbook, months", "bets, months", "whole years"], hits / DRAWS):
    print(f"{name}: covers {share:.2f} of the new years where 0.9 is asked")
print(interval.summary())

# %% [markdown]
# A permutation test sees it beforehand: months of one year share something. `infer` runs it by itself where it
# knows which rows belong together, and warns.

# %%
print(within_batch_test(celsius - Ridge().fit(month, celsius).predict(month), year))

# %%
import pandas as pd

months = pd.DataFrame(month).rename(columns=str).assign(year=year)
by_rows = BatchPredictor(Ridge(), BatchTotal(), unit="row", bounds=(15, 35), random_state=0)
by_rows.fit(
    months.drop(columns="year")[year < 2010], celsius[year < 2010], batches=months["year"][year < 2010]
)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    by_rows.infer(months.drop(columns="year")[year == 2010])
print(*(w.message for w in caught), sep="\n")
