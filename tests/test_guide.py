"""The index of questions: calls and commands exist, and worded tasks find their call."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import shlex
from pathlib import Path

import click
import pytest

import validstats
from validstats.cli import main
from validstats.guide import questions, which

TASKS = {
    "Next week I get 140 new orders without prices. What will the total revenue be?": "BatchTotal",
    "Give me an interval for the sum of claim costs of the policies of next month": "BatchTotal",
    "What is the average rating of these 100 unrated reviews?": "BatchMean",
    "Mean blood pressure of this group of new patients with my regression model": "BatchMean",
    "Interval for the median delivery time of a batch of parcels": "BatchQuantile",
    "the 90th percentile of the incomes in this batch": "BatchQuantile",
    "Conformal prediction sets that cover 90 of these 100 images simultaneously": "Simultaneous",
    "prediction intervals for all rows jointly, not only on average": "Simultaneous",
    "Pick compounds whose activity is above 7 with at most three false discoveries": "Selection",
    "shortlist of candidates above a threshold, false claims limited": "Selection",
    "How many of my classifier's predictions on this batch are wrong?": "ErrorCount",
    "an upper bound on the number of misclassified documents": "ErrorCount",
    "What proportion of the batch is in each class? Quantification with error bars": "BatchShares",
    "Are the new rows from the same distribution as the calibration data, or is there covariate shift?": "covariate_test",
    "Alarm when the scores in production drift over time": "conformal_martingale",
    "How many labelled rows must I collect before I can say something about batches of 100 rows?": "plan_batch",
    "I already used my test set for five models, may I look again?": "ReusableHoldout",
    "reuse a validation set many times adaptively without overfitting to it": "ReusableHoldout",
    "An agent proposes thousands of changes to my training script; which ones should be kept?": "Gate",
    "optuna with ten thousand trials against one holdout": "Gate",
    "GridSearchCV but with an honest score": "HoldoutSearchCV",
    "Our public leaderboard was overused for years; how much of the scores is overfitting?": "audit_looks",
    "forty looks were taken in the past and I have no log of them": "audit_looks",
    "How many questions can I afford with 2,000 holdout rows?": "plan",
    "choose variables by forward selection and still trust the result": "SelectFromHoldout",
    "Logistic regression on labels that GPT made, with 300 hand-coded texts": "DesignSupervised",
    "coefficients of OLS when the outcome is predicted by a machine": "DesignSupervised",
    "What percentage of tweets is hate speech? A classifier labelled all and we hand-labelled 200": "DesignSupervised",
    "prediction-powered inference for a proportion": "DesignSupervised",
    "How many expert annotations do I need for a standard error of one point?": "plan_labels",
    "Which documents should be annotated next?": "design_sampling",
    "regression on a parquet dataset that does not fit into memory": "DesignSupervised",
    "mutual information between two vectors with an interval": "mutual_info",
    "nonlinear association strength of two measurements": "mutual_info",
    "test whether two variables are independent": "independence_test",
    "is there any relationship at all between diet and sleep, with a p-value?": "independence_test",
    "are x and y independent given the confounder z?": "conditional_independence_test",
    "Which genes depend on survival, FDR 10 %?": "MISelector",
    "screen thousands of features with false discovery rate control": "MISelector",
    "heatmap of dependence for all pairs of columns": "mutual_info_matrix",
    "I ported my analysis from the R package dsl, how do I reproduce its numbers?": "DesignSupervised",
    "check the claims of my paper for mistakes before I submit it": "audit",
    "An LLM judge graded 5,000 answers and 200 have human labels: error bars for the pass rate": "evaluate",
    "accuracy of a chatbot by a judge corrected with human review": "evaluate",
    "Is prompt B better than the baseline prompt A?": "compare",
    "fail the CI when the candidate model is worse": "compare",
    "which of twelve models is really best on our leaderboard?": "rank",
    "Bradley-Terry ranking from arena battles": "rank",
    "pass@10 on HumanEval with error bars": "pass_at_k",
    "best of n sampling: how many attempts pay?": "pass_at_k",
    "Which replies may be sent without a human reading them?": "release",
    "how many items does my evaluation need to detect a difference of two points?": "plan",
    "what is wrong with this log file?": "doctor",
    "put the results into one html document for colleagues": "report",
}


@pytest.mark.parametrize("task", TASKS)
def test_worded_tasks_find_their_call(task: str) -> None:
    found = [entry.name.rsplit(".", 1)[1] for entry in which(task)]
    assert found[0] == TASKS[task], found


def test_plans_of_holdouts_and_evaluations_are_told_apart() -> None:
    assert (
        which("How many questions can I afford with 2,000 holdout rows?")[0].name == "validstats.holdout.plan"
    )
    assert which("how many items does my evaluation need?")[0].name == "validstats.evals.plan"


@pytest.mark.parametrize("entry", questions(), ids=lambda entry: entry.question[:40])
def test_calls_have_the_names_and_options_of_the_package(entry) -> None:
    module, name = entry.name.rsplit(".", 1)
    answerer = getattr(importlib.import_module(module), name)
    known = {**{n: getattr(validstats, n) for n in validstats.__all__}, name: answerer}
    seen = set()
    for node in ast.walk(ast.parse(entry.call, mode="eval")):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name):
            function = known[node.func.id]
            seen.add(node.func.id)
        else:  # a method of the estimator at the start of the chain
            owner = node.func.value
            while not isinstance(owner, ast.Name):
                owner = owner.func if isinstance(owner, ast.Call) else owner.value
            function = getattr(known[owner.id], node.func.attr)
            seen.add(node.func.attr)
        inspect.signature(function).bind_partial(**{keyword.arg: None for keyword in node.keywords})
    assert name in seen or name.lower() in seen
    assert (Path(__file__).parents[1] / "docs" / entry.page).is_file()


@pytest.mark.parametrize("entry", [e for e in questions() if e.command], ids=lambda entry: entry.command[:40])
def test_commands_have_the_options_of_the_package(entry) -> None:
    words = shlex.split(entry.command)[1:]
    command: click.Command = main
    while isinstance(command, click.Group):
        command = command.commands[words.pop(0)]
    options = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options


def test_words_that_are_nowhere_find_nothing() -> None:
    assert which("xyzzy") == []
    with pytest.raises(ValueError, match="at least one word"):
        which(" ")
    with pytest.raises(ValueError, match="at least 1"):
        which("mean", n=0)


def test_the_skill_and_the_summary_for_assistants_name_every_answerer() -> None:
    root = Path(__file__).parents[1]
    skill = (root / "validstats" / "guide" / "SKILL.md").read_text(encoding="utf-8")
    summary = (root / "llms.txt").read_text(encoding="utf-8")
    for entry in questions():
        name = entry.name.rsplit(".", 1)[1]
        assert re.search(rf"\b{name}\b", skill, re.IGNORECASE), name
        assert re.search(rf"\b{name}\b", summary), name
