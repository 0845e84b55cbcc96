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
# # All together
#
# One study, from raw features to a published coefficient, in which every step is adaptive and every
# statement keeps its guarantee. Is a sentence positive? Features are ranked by learned mutual information,
# confirmed through a holdout that is used again and again, a model is selected on the same holdout, its
# errors on a batch nobody has rated are bounded, and its labels enter a regression that is right even where
# they are wrong.

# %%
import matplotlib.pyplot as plt
import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from validstats import BatchPredictor, DesignSupervised, report
from validstats.batch import ErrorCount
from validstats.datasets import SENTIMENT_FEATURES, load_sentiment
from validstats.holdout import HoldoutSearchCV, ReusableHoldout, SelectFromHoldout
from validstats.mi import MISelector
from validstats.plotting._style import COLOURS, tidy_axes

sentences = load_sentiment()
sentences = sentences[sentences["is_repeat"] == 0]
generator = np.random.default_rng(5)
order = generator.permutation(len(sentences))
noise_names = [f"noise {i}" for i in range(5)]
features = [str(name) for name in SENTIMENT_FEATURES]
X = sentences[features].assign(**{name: generator.standard_normal(len(sentences)) for name in noise_names})
y = sentences["human_positive"].to_numpy()
train, holdout, calibration, batch, rest = np.split(order, [2000, 8000, 9000, 9300])

# %% [markdown]
# ## Features, ranked by learned mutual information
# Five columns of pure noise are mixed in. The network reads the dependence of each column on the label off
# the training rows, and the six strongest are kept. A ranking claims nothing by itself: the claim comes from
# the holdout.

# %%
selector = MISelector(method="learned", k=6, random_state=0)
selector.set_output(transform="pandas").fit(X.iloc[train[:600]], y[train[:600]])
kept = list(selector.get_feature_names_out())
print(f"kept {len(kept)} of {X.shape[1]}:", ", ".join(kept))
print(selector.guarantee_)

# %% [markdown]
# ## Features, confirmed by the holdout
# The holdout is asked about each of the four best in turn: does the model get better with it? The budget is
# declared once, for everything that is still to come.

# %%
reusable = ReusableHoldout(queries=10, confidence_level=0.95, random_state=0)
reusable.fit(X.iloc[train][kept], y[train])
reusable.calibrate(X.iloc[holdout][kept], y[holdout], check_reuse=False)
confirmed = SelectFromHoldout(make_pipeline(StandardScaler(), LogisticRegression()), reusable, max_features=4)
confirmed.fit(X.iloc[train][kept], y[train])
for feature, answer in zip(confirmed.order_, confirmed.answers_, strict=True):
    print(f"{kept[feature]:22s} {'confirmed' if answer.passed else 'not confirmed'}")

# %% [markdown]
# ## A model, selected on the same holdout
# The search cross-validates on the training rows and shows the holdout the winner of each part of the grid
# only.

# %%
search = HoldoutSearchCV(
    make_pipeline(StandardScaler(), DecisionTreeClassifier(random_state=0)),
    {"decisiontreeclassifier__max_depth": [1, 2, 3, 5, 8, 12]},
    reusable,
    batches=2,
).fit(X.iloc[train][kept], y[train])
best = search.best_estimator_
print(search.best_params_)
print(search.best_answer_.summary())

# %% [markdown]
# ## How many of its labels are wrong in this batch?
# 300 sentences that nobody rated. 1,000 rated ones, that neither training nor holdout has seen, calibrate.

# %%
predictor = BatchPredictor(
    FrozenEstimator(best), ErrorCount(side="two-sided"), confidence_level=0.95, random_state=0
)
predictor.fit(X.iloc[calibration][kept], y[calibration])
errors = predictor.infer(X.iloc[batch][kept])
print(errors.summary())
true_errors = int(np.sum(best.predict(X.iloc[batch][kept]) != y[batch]))
print(f"in truth {true_errors} of the {len(batch)} are wrong")

# %% [markdown]
# ## A regression on its labels
# The selected model labels the remaining sentences; experts label 1,000 of them, drawn at random.

# %%
documents = sentences.iloc[rest][["corpus", "negation"]].reset_index(drop=True)
documents["log_length"] = np.log(sentences["n_words"].to_numpy()[rest])
documents["machine"] = best.predict(X.iloc[rest][kept])
expert = np.full(len(rest), np.nan)
drawn = generator.choice(len(rest), 1000, replace=False)
expert[drawn] = y[rest][drawn]
study = DesignSupervised(confidence_level=0.95, random_state=0).fit(documents, surrogate="machine")
study.calibrate({"expert": expert}, sampling_probability=1000 / len(rest))
regression = study.infer("expert ~ log_length + negation", model="logit", population="finite")
print(regression.summary())

# %% [markdown]
# ## What holds together
# Error levels add up, whatever the dependence between the statements: the holdout's answers (all of them
# together), the error count, and each single coefficient's interval. The selection of features controls an
# expected share, which is another kind of statement and is not added.

# %%
page = report(
    {
        "The selected model on the holdout": search.best_answer_,
        "Errors in the batch": errors,
        "Length, negation and tone": regression,
    },
    title="All together",
    lead="From features to a coefficient, with every step adaptive and every statement valid.",
    data={"training": X.iloc[train], "holdout": X.iloc[holdout]},
    seeds={"study": 5},
    figures=False,
)
joint = next(section for section in page.sections if section.title == "All statements together")
print(joint.paragraphs[0])

# %% [markdown]
# ## What would be wrong without
# Three numbers as one would have reported them (red), as reported here (green, with intervals), and in
# truth (black). The training accuracy of the deepest tree is an illusion; the count of errors that a naive
# analyst expects from it is far too small; and the machine's coefficient of length misses.

# %%
deep = make_pipeline(StandardScaler(), DecisionTreeClassifier(random_state=0)).fit(
    X.iloc[train][kept], y[train]
)
naive_accuracy = deep.score(X.iloc[train][kept], y[train])
full = DesignSupervised(random_state=0).fit(documents, surrogate="machine")
full.calibrate({"expert": y[rest].astype(float)}, sampling_probability=1.0)
truth = full.infer(
    "expert ~ log_length + negation", model="logit", estimator="gold", population="finite"
).params
term = regression.names.index("log_length")
low, high = regression.confidence_interval()[term]
answer = search.best_answer_
panels = [
    (
        "accuracy of the model",
        naive_accuracy,
        float(answer),
        answer.bounds,
        best.score(X.iloc[rest][kept], y[rest]),
    ),
    (
        f"errors among {len(batch)} new labels",
        (1 - naive_accuracy) * len(batch),
        float(errors.estimate[0, 0]),
        (float(errors.conf_low[0, 0]), float(errors.conf_high[0, 0])),
        true_errors,
    ),
    (
        "coefficient of log length",
        regression.naive_fit.params[term],
        regression.params[term],
        (low, high),
        truth[term],
    ),
]
figure, axes = plt.subplots(1, 3, figsize=(11, 2.8), layout="constrained")
for ax, (title, naive, value, bounds, true) in zip(axes, panels, strict=True):
    ax.errorbar(
        value, 0, xerr=[[value - bounds[0]], [bounds[1] - value]], fmt="o", color=COLOURS["ours"], capsize=4
    )
    ax.plot(naive, 1, "o", color=COLOURS["naive"])
    ax.axvline(true, color=COLOURS["truth"], linewidth=1)
    ax.set_yticks([0, 1], ["with guarantee", "naive"])
    ax.set_ylim(-0.6, 1.6)
    ax.set_title(title, loc="left", fontsize=10)
    tidy_axes(ax, grid="x")
    print(
        f"{title}: naive {naive:.3f}, here {value:.3f} [{bounds[0]:.3f}, {bounds[1]:.3f}], truth {true:.3f}"
    )
