"""``validstats eval``, ``compare``, ``rank``, ``passk``, ``release`` and ``doctor``: evaluations of models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
)
from validstats.cli._tables import numeric_column, read_table, with_columns_of, write_report, write_result

__all__ = ["compare", "doctor", "evaluate", "passk", "plan_eval", "rank", "release"]

F = TypeVar("F", bound=Callable[..., Any])

_FAIL_ON = ("worse", "not-better", "undecided")
GATE_FIRED = 4
"""Exit code of a gate that fired."""


def _column_options(command: F) -> F:
    """Add the options that name columns."""
    options = [
        click.option("--score", help="Column of automatic scores."),
        click.option(
            "--judge", help="Column of a judge's verdicts, corrected by --human; several separated by commas."
        ),
        click.option("--human", help="Column of human scores, empty where an answer was not labelled."),
        key_option,
        labels_from_option,
        click.option("--item", help="Column that names the items."),
        click.option("--clusters", help="Column of dependent items, such as a passage."),
        click.option(
            "--probability", help="Column (or number) of the sampling probabilities of human labels."
        ),
        click.option("--strata", help="Column of groups within which a number of answers was labelled."),
        click.option("--weights", help="Column of weights: the share of the target that an item stands for."),
        click.option("--filter", "filter_name", help="Of a log with several filters, the one to use."),
        click.option(
            "--errors",
            type=click.Choice(("fail", "drop")),
            default="fail",
            show_default=True,
            help="What becomes of rows in which the tool failed.",
        ),
        click.option(
            "--population",
            type=click.Choice(("superpopulation", "finite")),
            default="superpopulation",
            show_default=True,
            help="All items like these, or these items.",
        ),
        confidence_level_option(0.95),
        click.option(
            "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of random draws."
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def _arguments(
    score: str | None,
    judge: str | None,
    human: str | None,
    item: str | None,
    clusters: str | None,
    probability: str | None,
    strata: str | None,
    weights: str | None,
    filter_name: str | None,
    errors: str,
    population: str,
    confidence_level: float,
    seed: int,
    **read: Any,
) -> dict[str, Any]:
    """Keyword arguments of the verbs from the options."""
    return {
        "score": score,
        "judge": parse_names(judge) or None,
        "human": human,
        "item": item,
        "clusters": clusters,
        "sampling_probability": _number_or_name(probability),
        "strata": strata,
        "weights": weights,
        "filter": filter_name,
        "errors": errors,
        "population": population,
        "confidence_level": confidence_level,
        "random_state": seed,
    }


def _labelled(files: tuple[Path, ...], given: Mapping[str, Any]) -> Any:
    return _sources(files, given["human"], given["key"], given["labels_from"])


def _columns(given: Mapping[str, Any]) -> Any:
    """Say in errors which columns the arguments were."""
    return columns_as(
        weights=given["weights"],
        clusters=given["clusters"],
        strata=given["strata"],
        sampling_probability=given["probability"],
    )


def _number_or_name(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        return text


def _sources(
    files: tuple[Path, ...], human: str | None = None, key: str | None = None, labels_from: Path | None = None
) -> Any:
    """What to read: the files, or their rows with the human labels of another file beside them."""
    paths = str(files[0]) if len(files) == 1 else [str(f) for f in files]
    if labels_from is None:
        return paths
    if human is None:
        raise click.UsageError("--labels-from needs --human, the column of the labels in it.")
    from validstats import evals

    rows = evals.read(paths).frame
    return with_columns_of(labels_from, [human], rows, files[0], key, "--labels-from", partial=True)


_FILES = click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))


@click.command("eval")
@_FILES
@click.option("--system", help="Which system, where the files hold several.")
@click.option("--by", help="Column of categories, each of which gets a row.")
@click.option("--features", help="Columns that may tell what humans would say, separated by commas.")
@_column_options
@output_options
@guarded
def evaluate(
    files: tuple[Path, ...],
    system: str | None,
    by: str | None,
    features: str | None,
    output_format: str,
    output: Path | None,
    **columns: Any,
) -> None:
    """Say how good a system is, from scores or from a judge and some human labels.

    \b
    Example (validstats data writes the files):
      validstats eval answers.csv --system new
    """
    from validstats import evals

    with _columns(columns):
        result = evals.evaluate(
            _labelled(files, columns),
            system=system,
            by=by,
            features=parse_names(features),
            **_arguments(**columns),
        )
    write_result(result, output_format, output)


@click.command()
@_FILES
@click.option("--a", "--candidate", "a", help="The candidate; the first system if not given.")
@click.option("--b", "--baseline", "b", help="The baseline.")
@click.option("--system", help="Column that names the systems.")
@click.option(
    "--margin",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    help="Difference that does not matter.",
)
@click.option(
    "--looks",
    type=click.IntRange(min=1),
    help="Comparisons that were fixed beforehand, 1 if not given; with --ledger those that it is to serve.",
)
@click.option(
    "--ledger",
    type=click.Path(path_type=Path),
    help="Ledger of many comparisons on these items (validstats holdout create): the verdict alone.",
)
@click.option("--unpaired-ok", is_flag=True, help="Accept that many items were answered by one system only.")
@click.option(
    "--fail-on", type=click.Choice(_FAIL_ON), help="Exit with code 4 on this verdict about the candidate."
)
@_column_options
@output_options
@guarded
def compare(
    files: tuple[Path, ...],
    a: str | None,
    b: str | None,
    system: str | None,
    margin: float,
    looks: int | None,
    ledger: Path | None,
    unpaired_ok: bool,
    fail_on: str | None,
    output_format: str,
    output: Path | None,
    **columns: Any,
) -> None:
    """Compare a candidate (the first file or system) with a baseline.

    \b
    Example:
      validstats compare answers.csv --a new --b old --fail-on worse
    """
    from validstats import evals

    if len(files) > 2:
        raise click.UsageError("compare takes one or two files; for more systems call rank.")
    with _columns(columns):
        result = evals.compare(
            _labelled(files, columns),
            a,
            b,
            system=system,
            margin=margin,
            looks=looks,
            ledger=ledger,
            unpaired="ok" if unpaired_ok else None,
            **_arguments(**columns),
        )
    code = _gate(result, fail_on)
    if output_format == "json":
        from dataclasses import replace

        result = replace(result, exit_code=code)
    write_result(result, output_format, output)
    if code:
        click.get_current_context().exit(code)


def _gate(result: Any, fail_on: str | None) -> int:
    """Exit code of a gate: 4 if it fired; what cannot be decided for want of an interval is an error, never 0."""
    import math

    if fail_on is None:
        return 0
    ends = [end for end in (result.conf_low, result.conf_high) if isinstance(end, float)]
    if not all(math.isfinite(end) for end in ends):
        raise DataError(f"The gate cannot be decided: the interval has no finite width. {result.answer}")
    code = result.verdict.code
    fired = {
        "worse": code == "worse",
        "not-better": code != "better",
        "undecided": code in ("worse", "undecided"),
    }[fail_on]
    return GATE_FIRED if fired else 0


@click.command()
@_FILES
@click.option("--system", help="Column that names the systems.")
@click.option("--battles", help="Columns of the two systems of a battle, separated by a comma.")
@click.option("--common-items", is_flag=True, help="Keep the items that all systems answered.")
@click.option("--scale", type=click.Choice(("strength", "win_rate")), default="strength", show_default=True)
@click.option("--order-effect", is_flag=True, help="The system shown first may have an advantage.")
@click.option(
    "--pair-weights", type=click.Choice(("observed", "uniform")), default="observed", show_default=True
)
@_column_options
@output_options
@guarded
def rank(
    files: tuple[Path, ...],
    system: str | None,
    battles: str | None,
    common_items: bool,
    scale: Any,
    order_effect: bool,
    pair_weights: Any,
    output_format: str,
    output: Path | None,
    **columns: Any,
) -> None:
    """Rank systems by scores or battles, with the ranks that remain possible.

    \b
    Example:
      validstats rank battles.csv --clusters prompt_id
    """
    from validstats import evals

    pair = parse_names(battles)
    if battles is not None and len(pair) != 2:
        raise click.UsageError("--battles takes two names, separated by a comma.")
    with _columns(columns):
        result = evals.rank(
            _labelled(files, columns),
            system=system,
            battles=(pair[0], pair[1]) if pair else None,
            common_items=common_items,
            scale=scale,
            order_effect=order_effect,
            pair_weights=pair_weights,
            **_arguments(**columns),
        )
    write_result(result, output_format, output)


@click.command()
@_FILES
@click.option("--problem", help="Column that names the problems.")
@click.option("--passed", help="Column that says whether a sample passed.")
@click.option("--system", help="Which system, where the files hold several.")
@click.option("--human", help="Column of audits: whether a sample is really right.")
@key_option
@labels_from_option
@click.option("--probability", help="Column (or number) of the audit probabilities.")
@click.option("-k", "--k", "ks", help="Numbers of samples, separated by commas.")
@click.option("--design", type=click.Choice(("problems", "samples")), help="What was drawn for audit.")
@click.option("--drawn", help="Column that says which problems were drawn for audit (1 or 0).")
@click.option("--score", help="Column by which the delivered sample is chosen among those that pass.")
@click.option("--filter", "filter_name", help="Of a log with several filters, the one to use.")
@click.option("--wrong-costs", type=click.FloatRange(min=0), help="What a wrong answer costs, in right ones.")
@click.option(
    "--sample-costs", type=click.FloatRange(min=0), default=0.0, help="What a sample costs, in right answers."
)
@click.option("--clusters", help="Column of dependent problems.")
@click.option(
    "--population",
    type=click.Choice(("superpopulation", "finite")),
    default="superpopulation",
    show_default=True,
)
@confidence_level_option(0.95)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of random draws."
)
@output_options
@guarded
def passk(
    files: tuple[Path, ...],
    problem: str | None,
    passed: str | None,
    system: str | None,
    human: str | None,
    key: str | None,
    labels_from: Path | None,
    probability: str | None,
    ks: str | None,
    design: Any,
    drawn: str | None,
    score: str | None,
    filter_name: str | None,
    wrong_costs: float | None,
    sample_costs: float,
    clusters: str | None,
    population: Any,
    confidence_level: float,
    seed: int,
    output_format: str,
    output: Path | None,
) -> None:
    """Say how often one of k samples succeeds, and with audits how often it is right.

    \b
    Example:
      validstats passk samples.csv -k 1,5,10
    """
    from validstats import evals

    try:
        numbers = None if ks is None else [int(part) for part in ks.split(",")]
    except ValueError as error:
        raise click.UsageError(f"-k takes whole numbers separated by commas, got {ks!r}.") from error
    with columns_as(sampling_probability=probability, clusters=clusters, drawn=drawn):
        result = evals.pass_at_k(
            _sources(files, human, key, labels_from),
            problem=problem,
            passed=passed,
            system=system,
            human=human,
            sampling_probability=_number_or_name(probability),
            k=numbers,
            design=design,
            drawn=drawn,
            score=score,
            filter=filter_name,
            wrong_costs=wrong_costs,
            sample_costs=sample_costs,
            clusters=clusters,
            population=population,
            confidence_level=confidence_level,
            random_state=seed,
        )
    write_result(result, output_format, output)


@click.command()
@click.argument("checked", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@click.option("--score", default="score", show_default=True, help="Column of scores in both files.")
@click.option(
    "--right",
    default="right",
    show_default=True,
    help="Column of CHECKED that says whether an answer is right.",
)
@key_option
@labels_from_option
@click.option("--max-false", type=click.IntRange(min=0), help="Largest number of wrong answers that go out.")
@click.option(
    "--fdr",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Bound of their expected share instead.",
)
@confidence_level_option(0.95)
@output_options
@guarded
def release(
    checked: Path,
    new: Path,
    score: str,
    right: str,
    key: str | None,
    labels_from: Path | None,
    max_false: int | None,
    fdr: float | None,
    confidence_level: float,
    output_format: str,
    output: Path | None,
) -> None:
    """Select answers of NEW that may go out unread, by the scores of answers that humans checked.

    \b
    Example:
      validstats release checked.csv unread.csv --max-false 10
    """
    from validstats import evals

    old, fresh = read_table(checked), read_table(new)
    if labels_from is not None:
        old = with_columns_of(labels_from, [right], old, checked, key, "--labels-from")
    with columns_as(scores_checked=score, right_checked=right, scores_new=score):
        result = evals.release(
            numeric_column(old, score, checked, "--score"),
            old[right].to_numpy() if right in old.columns else _no_column(right, checked),
            numeric_column(fresh, score, new, "--score"),
            max_false=max_false,
            fdr=fdr,
            confidence_level=confidence_level,
        )
    write_result(result, output_format, output)


def _no_column(name: str, path: Path) -> Any:
    raise DataError(f"--right names the column {name!r}, which {path} does not have.")


@click.command()
@_FILES
@click.option("--judge", help="Column of a judge's verdicts; several separated by commas.")
@click.option("--human", help="Column of human scores.")
@output_options
@guarded
def doctor(
    files: tuple[Path, ...], judge: str | None, human: str | None, output_format: str, output: Path | None
) -> None:
    """Say what evaluation files are, what is wrong with them, and which commands can answer what.

    Exits with 1 if a finding is in the way of an answer.

    \b
    Example:
      validstats doctor answers.csv
    """
    from validstats import evals

    found = evals.doctor(*[str(f) for f in files], judge=parse_names(judge) or None, human=human)
    code = 1 if found.has_errors else 0
    write_report(found.report(), found.to_dict() | {"exit_code": code}, output_format, output)
    if code:
        click.get_current_context().exit(code)


@click.command("eval")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--width", type=float, help="Whole width of the interval of a pass rate.")
@click.option("--difference", type=float, help="Difference of two systems that should be found.")
@click.option("--discordance", type=float, help="Share of items on which two systems differ.")
@click.option("--standard-deviation", type=float, help="Standard deviation of differences by item.")
@click.option(
    "--systems", type=click.IntRange(min=2), default=2, show_default=True, help="Systems of a ranking."
)
@click.option("--power", type=float, default=0.8, show_default=True)
@click.option("--system", help="Which system, where the file holds several.")
@click.option("--judge", help="Column of the judge's verdicts.")
@click.option("--human", help="Column of human labels that are there already.")
@click.option("--filter", help="Of a log with several filters, the one to use.")
@key_option
@labels_from_option
@click.option("--sensitivity", type=float, help="Assumed share of good answers that the judge passes.")
@click.option("--specificity", type=float, help="Assumed share of bad answers that the judge fails.")
@confidence_level_option(0.95)
@output_options
@guarded
def plan_eval(
    file: Path | None,
    systems: int,
    key: str | None,
    labels_from: Path | None,
    output_format: str,
    output: Path | None,
    **asked: Any,
) -> None:
    """Say how many human labels or items an evaluation needs.

    \b
    Example:
      validstats plan eval --difference 0.02 --discordance 0.1
    """
    from validstats import evals

    data = None if file is None else _sources((file,), asked["human"], key, labels_from)
    write_result(evals.plan(data, n_systems=systems, **asked), output_format, output)
