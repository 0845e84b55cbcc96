"""``validstats batch``: statements about batches of unlabelled rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

import click

from validstats.cli._options import (
    DataError,
    OneOf,
    columns_as,
    confidence_levels_option,
    guarded,
    key_option,
    labels_from_option,
    output_options,
    parse_names,
    positive_option,
    refuse_given,
    table_options,
)
from validstats.cli._tables import check_columns, numeric_column, read_table, with_columns_of, write_result

__all__ = ["batch", "make_target", "target_options", "targets_by_name"]

F = TypeVar("F", bound=Callable[..., Any])

_EMPTY = "empty cells (among numbers NA counts as empty)"


def targets_by_name() -> dict[str, Any]:
    """Classes of targets by their name on the command line; each says which options it reads."""
    from validstats.batch import targets

    exported = [getattr(targets, name) for name in targets.__all__]
    return {c.command: c for c in exported if issubclass(c, targets.Target) and c.command}


def _sides() -> tuple[str, ...]:
    from validstats.batch.laws import BoundSide

    return get_args(BoundSide)


def target_options(command: F) -> F:
    """Add the options that say what is asked about a batch; ``make_target`` reads them."""
    options = [
        click.option(
            "--target", type=OneOf(targets_by_name), required=True, help="What is asked about a batch."
        ),
        click.option(
            "--miss",
            type=click.FloatRange(0, 1, max_open=True),
            default=0.1,
            show_default=True,
            help="sets: share of a batch's label sets that may be wrong.",
        ),
        click.option(
            "--quantile",
            type=click.FloatRange(0, 1, min_open=True),
            default=0.5,
            show_default=True,
            help="quantile: which one.",
        ),
        click.option("--above", type=float, help="selection: claim that the label is above this number."),
        click.option("--below", type=float, help="selection: claim that it is below this; both: between."),
        click.option("--claim", help="selection: claim that the label is this class."),
        click.option("--max-false", type=click.IntRange(min=0), help="selection: false claims allowed."),
        click.option(
            "--fdr", type=click.FloatRange(0, 1, min_open=True, max_open=True), help="selection: or a rate."
        ),
        click.option(
            "--side",
            type=OneOf(_sides),
            default=None,
            help="Bounds of mean, total, quantile and errors.  [default: two-sided; upper for errors]",
        ),
        click.option(
            "--method",
            type=click.Choice(("auto", "asymptotic")),
            default=None,
            help="mean and total: asymptotic is the textbook interval, for large samples.  [default: auto]",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@click.argument("labelled", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@click.option("--label", required=True, help="Label column of LABELLED; NEW need not have it.")
@target_options
@click.option(
    "--batches",
    help="Column of NEW that says which batch a row belongs to; one batch without it. If LABELLED has it too, whole past "
    "batches are the units.",
)
@click.option(
    "--unit",
    type=click.Choice(("batch", "row")),
    default="batch",
    show_default=True,
    help="Whether whole batches or single rows of LABELLED are drawn alike, where it has the column of --batches.",
)
@click.option("--joint", is_flag=True, help="Let the statements about all batches hold together.")
@click.option("--features", help="Columns to predict from, separated by commas; by default all shared ones.")
@click.option(
    "--prediction", help="Column of both files with predictions made before; no model is trained then."
)
@click.option(
    "--model", type=click.Choice(("boosting", "forest", "linear")), default="boosting", show_default=True
)
@positive_option
@key_option
@labels_from_option
@click.option("--classes", is_flag=True, help="Labels are classes although they are numbers.")
@click.option("--strata", help="Column of both files; rows are exchangeable within its values only.")
@click.option("--bounds", type=(float, float), help="Known least and greatest label.")
@confidence_levels_option(0.95)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@output_options
@table_options
@guarded
def batch(
    labelled: Path,
    new: Path,
    label: str,
    target: str,
    batches: str | None,
    unit: str,
    joint: bool,
    features: str | None,
    prediction: str | None,
    model: str,
    positive: str | None,
    key: str | None,
    labels_from: Path | None,
    classes: bool,
    strata: str | None,
    bounds: tuple[float, float] | None,
    confidence_level: float | tuple[float, ...],
    seed: int,
    output_format: str,
    output: Path | None,
    **asked: Any,
) -> None:
    """Train and calibrate on LABELLED, and make a statement about the rows of NEW.

    LABELLED is split at random into rows that train the model and rows that calibrate. With --prediction no model
    is trained, and all rows calibrate: they must not have trained whatever made the predictions.

    \b
    Examples (validstats data writes the files):
      validstats batch labelled.csv new.csv --label human_mean --target mean --bounds -4 4 --batches week
      validstats batch labelled.csv new.csv --label human_mean --target sets --miss 0.1 --model linear
      validstats batch labelled.csv new.csv --label human_mean --target total --bounds -4 4 --confidence-level 0.8,0.9
      validstats batch labelled.csv new.csv --label human_mean --target selection --above 0 --max-false 3
    """
    from sklearn.frozen import FrozenEstimator

    from validstats.batch import BatchPredictor

    question = make_target(target, asked)
    if prediction:
        refuse_given(("features", "model"), "is not read with --prediction.")
    if not batches:
        refuse_given(("joint", "unit"), "needs --batches.")
    known, unknown = read_table(labelled), read_table(new)
    if labels_from is not None:
        known = with_columns_of(labels_from, [label], known, labelled, key, "--labels-from")
    names_of_rows = parse_names(key)
    check_columns(known, [label], labelled, "--label")
    check_columns(unknown, [batches] if batches else [], new, "--batches", groups=True)
    for table, file in ((known, labelled), (unknown, new)):
        check_columns(table, [strata] if strata else [], file, "--strata", groups=True)
        check_columns(table, [prediction] if prediction else [], file, "--prediction")
    if positive is not None:
        known, unknown = _as_indicators(known, unknown, label, prediction, positive)
    y = _labels(known, label, labelled, classes, question)
    columns = _features(
        known,
        unknown,
        (label, batches, *names_of_rows),
        list(dict.fromkeys(parse_names(features))),
        labelled,
        new,
    )
    _check_kinds(known, unknown, [strata] if strata else [], labelled, new)
    if prediction:
        rows, new_rows = known[[prediction]], unknown[[prediction]]
        learner = FrozenEstimator(_predicted(known, unknown, prediction, y, labelled, new))
    else:
        from validstats.cli._models import make_learner

        _check_kinds(known, unknown, columns, labelled, new)
        rows, new_rows = _alike(known[columns], unknown[columns])
        learner = make_learner(model, y.dtype.kind not in "f", seed)
    predictor = BatchPredictor(
        learner,
        question,
        bounds=bounds or (None, None),
        unit=unit,  # type: ignore[arg-type]
        random_state=seed,
    )
    past = known[batches].to_numpy() if batches and batches in known.columns else None
    with columns_as(y=label, batches=batches, strata=strata):
        predictor.fit(rows, y, batches=past, strata=None if strata is None else known[strata].to_numpy())
        result = predictor.infer(
            new_rows,
            batches=None if batches is None else unknown[batches].to_numpy(),
            strata=None if strata is None else unknown[strata].to_numpy(),
            joint=joint,
            confidence_level=confidence_level if question.has_level else None,
        )
    write_result(result, output_format, output)


def make_target(target: str, asked: Mapping[str, Any]) -> Any:
    """Target that the options describe; options that it does not read are refused."""
    kinds = targets_by_name()
    kind = kinds[target]
    others = {option for other in kinds.values() for option in other.command_options}
    refuse_given(sorted(others - set(kind.command_options)), f"is not read with --target {target}.")
    values = {
        parameter: asked[option]
        for option, parameter in kind.command_options.items()
        if parameter is not None and asked[option] is not None
    }
    for choice in kind.command_required:
        options = choice.split("|")
        if all(asked[option] is None for option in options):
            wanted = " or ".join(f"--{option.replace('_', '-')}" for option in options)
            raise click.UsageError(f"--target {target} needs {wanted}.")
    question = kind(**values)
    try:
        question.check()
    except (TypeError, ValueError) as error:
        raise click.UsageError(f"--target {target}: {error}") from error
    if not question.has_level:
        refuse_given(
            ("joint", "confidence_level"), "is not read with this target, which bounds an expected share."
        )
    return question


def _labels(table: Any, name: str, file: Path, classes: bool, question: Any) -> Any:
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    missing = int(table[name].isna().sum())
    if missing:
        raise DataError(f"The label column {name!r} of {file} has {missing} {_EMPTY}; leave those rows out.")
    numeric = is_numeric_dtype(table[name]) and not is_bool_dtype(table[name])
    if numeric and not classes and not question.counts_classes:
        return numeric_column(table, name, file, "--label")
    if question.needs_numbers and not numeric:
        raise DataError(
            f"--target {question.command} needs numbers, and the column {name!r} of {file} has "
            f"{str(table[name].iloc[0])[:40]!r}. Say which word counts as 1 with --positive."
        )
    return _classes(table[name], numeric, name, file, classes)


def _as_indicators(
    known: Any, unknown: Any, label: str, prediction: str | None, positive: str
) -> tuple[Any, Any]:
    """Write 1 for the positive word and 0 for others in labels and predictions; a prediction that says nothing is a half."""
    import numpy as np
    from pandas.api.types import is_numeric_dtype

    from validstats.intake import read_outcome

    def words(column: Any, what: str, level: Any) -> Any:
        return read_outcome(column.astype(object), what, positive=level, allow_nan=True)

    level: Any = float(positive) if is_numeric_dtype(known[label]) else positive
    known = known.assign(**{label: words(known[label], f"the column {label!r}", level)})
    if prediction and not is_numeric_dtype(known[prediction]):
        found = [words(t[prediction], f"the column {prediction!r}", level) for t in (known, unknown)]
        known, unknown = (
            table.assign(**{prediction: np.where(np.isnan(said), 0.5, said)})
            for table, said in zip((known, unknown), found, strict=True)
        )
    return known, unknown


def _classes(column: Any, numeric: bool, name: str, file: Path, declared: bool) -> Any:
    """Classes as whole numbers or text, never as fractions, which learners take for measurements."""
    if not numeric:
        return column.astype(str).to_numpy(dtype=object)
    values = column.to_numpy()
    if values.dtype.kind in "iu":
        return values
    values = column.to_numpy(dtype="float64")
    if (values == values.round()).all() and abs(values).max() < 2**53:
        return values.astype("int64")
    if declared:
        return column.astype(str).to_numpy(dtype=object)
    raise DataError(
        f"--target errors counts wrong classes, and the column {name!r} of {file} holds fractions; add --classes if they "
        "are names of classes."
    )


def _features(
    known: Any, unknown: Any, excluded: tuple[str | None, ...], names: list[str], labelled: Path, new: Path
) -> list[str]:
    check_columns(known, names, labelled, "--features")
    check_columns(unknown, names, new, "--features")
    shared = names or [name for name in known.columns if name in unknown.columns and name not in excluded]
    check_columns(known, shared, labelled, "a feature")
    check_columns(unknown, shared, new, "a feature")
    if not shared:
        raise DataError(
            f"{labelled} and {new} share no column to predict from; name some by --features, or --prediction."
        )
    return shared


def _check_kinds(known: Any, unknown: Any, names: list[str], labelled: Path, new: Path) -> None:
    for name in names:
        kinds = _kind(known[name]), _kind(unknown[name])
        if set(kinds) == {"numbers", "other"}:
            swapped = kinds[0] == "other"
            numeric, other = (new, labelled) if swapped else (labelled, new)
            word = _first_word((known if swapped else unknown)[name])
            raise DataError(
                f"The column {name!r} holds numbers in {numeric}, and in {other} it holds {word!r}; write it alike in "
                "both files, or leave it out."
            )


def _alike(known: Any, unknown: Any) -> tuple[Any, Any]:
    """Write each column alike in both tables: numbers as numbers, everything else as text or None."""
    tables = known.copy(), unknown.copy()
    for name in known.columns:
        text = "other" in (_kind(known[name]), _kind(unknown[name]))
        for table in tables:
            table[name] = (_as_text if text else _as_numbers)(table[name])
    return tables


def _kind(column: Any) -> str:
    from pandas.api.types import infer_dtype, is_numeric_dtype

    if column.isna().all():
        return "empty"
    numeric = is_numeric_dtype(column) or infer_dtype(column, skipna=True) == "boolean"
    return "numbers" if numeric else "other"


def _first_word(column: Any) -> str:
    """The first value that is no number, or else the first value."""
    import pandas as pd

    present = column.dropna().astype(str)
    words = present[pd.to_numeric(present, errors="coerce").isna()]
    return str((present if words.empty else words).iloc[0])[:60]


def _as_text(column: Any) -> Any:
    return column.astype(object).map(str, na_action="ignore").astype(object).where(column.notna(), None)


def _as_numbers(column: Any) -> Any:
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    if is_numeric_dtype(column) and not is_bool_dtype(column):
        return column
    flags = column.astype(object).where(column.notna(), None).astype("boolean")
    return flags.astype("Float64").to_numpy(dtype="float64", na_value=float("nan"))


def _predicted(known: Any, unknown: Any, name: str, y: Any, labelled: Path, new: Path) -> Any:
    from validstats.cli._models import PredictedClasses, PredictedNumbers

    if y.dtype.kind == "f":
        for table, file in ((known, labelled), (unknown, new)):
            values = numeric_column(table, name, file, "--prediction")
            if values.size != len(table) or (values != values).any():
                raise DataError(f"The column {name!r} of {file} (--prediction) has {_EMPTY}.")
        return PredictedNumbers(name).fit(None)
    as_text = y.dtype.kind == "O"
    guesses = []
    for table, file in ((known, labelled), (unknown, new)):
        if table[name].isna().any():
            raise DataError(f"The column {name!r} of {file} (--prediction) has {_EMPTY}.")
        guesses.append((table[name].astype(str) if as_text else table[name]).tolist())
    if not set(y.tolist()) & set(guesses[0]):
        raise DataError(
            f"No prediction in the column {name!r} of {labelled} equals any label: {_some(guesses[0])} beside {_some(y.tolist())}."
        )
    seen = sorted({*y.tolist(), *guesses[0], *guesses[1]}, key=str)
    return PredictedClasses(name, tuple(seen)).fit(None)


def _some(values: list[Any]) -> str:
    return ", ".join(map(repr, sorted(set(values), key=str)[:3]))
