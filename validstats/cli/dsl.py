"""``validstats dsl``: a regression from machine labels and a sample of expert labels."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from validstats.cli._options import (
    DataError,
    columns_as,
    confidence_level_option,
    guarded,
    key_option,
    labels_from_option,
    output_options,
    parse_names,
    positive_option,
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
_OF_CLASSES = ("shares", "multinomial")
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
        positive_option,
        key_option,
        labels_from_option,
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
    positive: str | None = None,
    key: str | None = None,
    labels_from: Path | None = None,
    population: Any = "superpopulation",
) -> Any:
    """Estimate what the options of :func:`study_options` describe."""
    from validstats.dsl import DesignSupervised

    table = read_table(file)
    label_names, surrogates, feature_names = (parse_names(t) for t in (labels, surrogate, features))
    check_columns(table, parse_names(key), file, "--key", groups=True)
    if labels_from is not None:
        table = with_columns_of(labels_from, label_names, table, file, key, "--labels-from", partial=True)
    for names, option in (
        (label_names, "--label"),
        (surrogates, "--surrogate"),
        (feature_names, "--features"),
    ):
        check_columns(table, names, file, option)
    check_columns(table, [n for n in (strata, clusters) if n], file, "--strata or --clusters", groups=True)
    _check_outcome(formula, label_names)
    _check_words(table, [*label_names, *surrogates], model, positive, file)
    study = DesignSupervised(
        _learner(learner, model, seed),
        estimator=estimator,
        confidence_level=confidence_level,
        random_state=seed,
    )
    with columns_as(sampling_probability=probability, strata=strata, clusters=clusters, ids=key):
        study.fit(
            table.drop(columns=label_names),
            surrogate=surrogates or None,
            features=feature_names or "all",
            ids=key if key in table.columns else None,
        ).calibrate(
            {name: _label_values(table, name, file) for name in label_names},
            sampling_probability=_probability(table, probability, file),
            strata=strata,
            clusters=clusters,
            positive=positive,
        )
        return study.infer(formula, model=model, population=population)


def _check_outcome(formula: str, labels: list[str]) -> None:
    if not any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", formula) for name in labels):
        raise DataError(
            f"The formula {formula!r} uses none of the expert labels {', '.join(map(repr, labels))}; "
            "write the label by the name of its expert column."
        )


def _check_words(table: Any, names: list[str], model: str, positive: str | None, file: Path) -> None:
    """Refuse words as labels where the model needs numbers, with the option that makes numbers of them."""
    from pandas.api.types import is_numeric_dtype

    if positive is not None or model in _OF_CLASSES:
        return
    for name in names:
        if not is_numeric_dtype(table[name]):
            word = table[name].dropna().iloc[0] if table[name].notna().any() else ""
            raise DataError(
                f"--model {model} needs numbers, and the column {name!r} of {file} has {str(word)[:40]!r}. Say which word counts "
                "as 1 with --positive, or use --model multinomial or shares for classes."
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
