"""``validstats dsl``: a regression from machine labels and a sample of expert labels."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from validstats.cli._options import (
    DataError,
    confidence_level_option,
    guarded,
    key_option,
    output_options,
    parse_names,
    table_options,
)
from validstats.cli._tables import check_columns, numeric_column, read_table, with_columns_of, write_result

__all__ = ["dsl", "estimate_study", "study_options"]

F = TypeVar("F", bound=Callable[..., Any])

_MODELS = (
    "mean",
    "proportion",
    "shares",
    "difference",
    "linear",
    "logit",
    "probit",
    "poisson",
    "multinomial",
)
_LEARNERS = ("linear", "forest", "boosting")
_ESTIMATORS = ("tuned", "dsl", "ppi", "ppi++", "gold")


def study_options(command: F) -> F:
    """Add the options that describe a study with machine labels."""
    options: list[Callable[[F], F]] = [
        click.option("--formula", required=True, help='Regression, for example "label ~ x + C(group)".'),
        click.option(
            "--label",
            "labels",
            required=True,
            help="Expert label column, or several separated by commas; empty cells are rows without a label, "
            "and among numbers NA too.",
        ),
        click.option("--surrogate", help="Machine label column, or several separated by commas."),
        click.option("--features", help="Other columns that predict the label, separated by commas."),
        click.option("--model", type=click.Choice(_MODELS), default="linear", show_default=True),
        click.option("--learner", type=click.Choice(_LEARNERS), default="linear", show_default=True),
        click.option(
            "--probability",
            help="Sampling probability of the expert labels: a column, a number, or 'estimated'. "
            "Simple random sampling is assumed without it.",
        ),
        click.option("--strata", help="Column with the strata of the expert sample."),
        click.option("--clusters", help="Column with dependent rows."),
        key_option,
        click.option(
            "--labels-from",
            type=click.Path(path_type=Path),
            help="File with the expert labels, in any order and of some rows, matched by --key.",
        ),
        click.option("--estimator", type=click.Choice(_ESTIMATORS), default="tuned", show_default=True),
        confidence_level_option(0.95),
        click.option(
            "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the folds."
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@study_options
@click.option(
    "--population",
    type=click.Choice(("superpopulation", "finite")),
    default="superpopulation",
    show_default=True,
)
@output_options
@table_options
@guarded
def dsl(file: Path, population: str, output_format: str, output: Path | None, **study: Any) -> None:
    """Estimate a regression whose labels a machine made for all rows of FILE and experts for some.

    \b
    Example (validstats data writes the file):
      validstats dsl documents.csv --formula "expert_positive ~ log_length + negation" \\
        --label expert_positive --surrogate machine_positive --model logit \\
        --probability sampling_probability
    """
    write_result(estimate_study(file, population=population, **study), output_format, output)


def estimate_study(
    file: Path,
    *,
    formula: str,
    labels: str,
    surrogate: str | None,
    features: str | None,
    model: Any,
    learner: str,
    probability: str | None,
    strata: str | None,
    clusters: str | None,
    estimator: Any,
    confidence_level: float,
    seed: int,
    key: str | None = None,
    labels_from: Path | None = None,
    population: Any = "superpopulation",
) -> Any:
    """Estimate what the options of :func:`study_options` describe."""
    from validstats.dsl import DesignSupervised

    table = read_table(file)
    label_names, surrogates, feature_names = (parse_names(t) for t in (labels, surrogate, features))
    check_columns(table, [key] if key else [], file, "--key")
    if labels_from is not None:
        table = with_columns_of(labels_from, label_names, table, file, key, "--labels-from", partial=True)
    for names, option in (
        (label_names, "--label"),
        (surrogates, "--surrogate"),
        (feature_names, "--features"),
        ([name for name in (strata, clusters) if name], "--strata or --clusters"),
    ):
        check_columns(table, names, file, option)
    _check_outcome(formula, label_names)
    study = DesignSupervised(
        _learner(learner, model, seed),
        estimator=estimator,
        confidence_level=confidence_level,
        random_state=seed,
    )
    study.fit(
        table.drop(columns=label_names),
        surrogate=surrogates or None,
        features=feature_names or "all",
        ids=key,
    ).calibrate(
        {name: _label_values(table, name, file) for name in label_names},
        sampling_probability=_probability(table, probability, file),
        strata=strata,
        clusters=clusters,
    )
    return study.infer(formula, model=model, population=population)


def _check_outcome(formula: str, labels: list[str]) -> None:
    if not any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", formula) for name in labels):
        raise DataError(
            f"The formula {formula!r} uses none of the expert labels {', '.join(map(repr, labels))}; "
            "write the label by the name of its expert column."
        )


def _label_values(table: Any, name: str, file: Path) -> Any:
    from pandas.api.types import is_numeric_dtype

    if table[name].notna().sum() == 0:
        raise DataError(
            f"The column {name!r} of {file} has no expert label; leave only unlabelled cells empty."
        )
    if is_numeric_dtype(table[name]):
        return numeric_column(table, name, file, "--label")
    return table[name].astype(object).where(table[name].notna(), None).to_numpy()


def _probability(table: Any, text: str | None, file: Path) -> Any:
    if text is None or text == "estimated":
        return text
    if text in table.columns:
        return numeric_column(table, text, file, "--probability")
    try:
        return float(text)
    except ValueError:
        check_columns(table, [text], file, "--probability")
        raise


def _learner(name: str, model: str, seed: int) -> Any:
    if name == "linear":
        return None
    import sklearn.ensemble as ensemble

    from validstats.dsl.regression import MODELS

    kind = "Regressor" if MODELS[model].predicts_numbers else "Classifier"
    prefix = "RandomForest" if name == "forest" else "HistGradientBoosting"
    return getattr(ensemble, prefix + kind)(random_state=seed)
