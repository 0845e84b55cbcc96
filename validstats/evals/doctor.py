"""Checks of evaluation data: what is in the way of an answer, what to look at, and which questions can be answered."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import stats

from validstats._typing import AnyArray, Bool1D, Float1D, Int1D
from validstats.dsl.moments import coverage_lost_to_skewness, is_too_skewed, share_that_holds
from validstats.evals.readers import Check, EvalTable, Role, codes_of, read, verdict_codes
from validstats.results import Report, Summary, Table

__all__ = ["DoctorReport", "check_skewness", "check_table", "doctor", "drawn_level", "unseen_tail"]

_SURE = 1e-3
"""Chance below which labels are said not to look random."""

_FEW = 10
"""Disagreements, events or clusters below which a check fires."""

_COPIED_FROM = 30
"""Labels from which perfect agreement is worth a note."""

_MOST_VERDICTS = 20
"""Verdicts up to which a judge counts as discrete."""

MOST_LEFT_OUT = 0.10
"""Share of items answered by one system only above which a paired comparison is refused."""

_FEW_TO_SHOW = 30
"""Independent units below which a sample need not show how skewed its law is."""

_FAR = 4.0
"""Standard deviations by which label counts may differ from their probabilities."""


def check_skewness(
    units: Mapping[str, Float1D | None],
    confidence_level: float,
    what: str,
    judged: bool = False,
    bounded: bool = False,
) -> list[Check]:
    """Say where units are so skewed that the t interval of a mean loses its level: of several means the one that loses most.

    What units with human labels add to a judged mean are sums of its influence function.
    """
    known = {name: values for name, values in units.items() if values is not None and len(values) > 1}
    lost = {name: coverage_lost_to_skewness(values, confidence_level) for name, values in known.items()}
    name = max(lost, key=lambda each: lost[each][0], default="")
    loss, skewness = lost.get(name, (0.0, 0.0))
    if not known or not is_too_skewed(loss, skewness, len(known[name])):
        return []
    of = f" of {name}" if name else ""
    corrected, whose, more = ("corrected ", " that humans labelled", "Label") if judged else ("", "", "Score")
    instead = "" if bounded else ", or score the logarithm or whether a limit is kept"
    return [
        Check(
            "skewed-scores",
            "warning",
            f"The {corrected}{what}{of} of {len(known[name]):,} independent units{whose} are skewed (skewness {skewness:z.1f}): about "
            f"{share_that_holds(confidence_level, loss)} of such intervals hold the value, or fewer, where {confidence_level:.0%} are "
            f"meant. {more} more items{instead}.",
        )
    ]


def unseen_tail(units: Mapping[str, Float1D | None], what: str) -> str:
    """Words that go on, for what a reader must judge where units are too few to show a long tail of their law; else empty."""
    few = {
        name: len(values)
        for name, values in units.items()
        if values is not None and len(values) < _FEW_TO_SHOW and _can_hide(values)
    }
    if not few:
        return ""
    name = min(few, key=few.__getitem__)
    of = f" of {name}" if name else ""
    # .88 for 15 to 28 units, half of whose variance is that of lognormal values (1.2 the standard deviation of the logarithm):
    # simulated in tests/evals/test_worst_settings.py
    return (
        f", and the {what} have no long tail that {few[name]} units{of} do not show (with one, some 88 of 100 intervals "
        "at 95 % hold)"
    )


def _can_hide(values: Float1D) -> bool:
    """Whether values may have a tail that they do not show: up to three different ones are the values there are."""
    part = values - values.mean()
    return len(np.unique(np.round(part / max(float(np.abs(part).max()), 1e-300), 9))) > 3


@dataclass(frozen=True, repr=False)
class DoctorReport:
    """What was found in evaluation files.

    Attributes
    ----------
    table : EvalTable
        The data.
    checks : tuple of Check
        Findings, errors first.
    commands : tuple of (str, str)
        Questions that the data can answer, each with its complete command.

    Examples
    --------
    >>> from validstats.evals import doctor
    >>> found = doctor({"item": ["a", "b", "c"], "judge": [1, 1, 1], "human": [1, None, 0]})
    >>> found.has_errors, found.checks[0].code
    (True, 'constant-judge')
    """

    table: EvalTable
    checks: tuple[Check, ...]
    commands: tuple[tuple[str, str], ...]

    @property
    def has_errors(self) -> bool:
        """Whether a finding is in the way of an answer."""
        return any(check.severity == "error" for check in self.checks)

    def summary(self) -> Summary:
        """Return what was found as a report.

        Returns
        -------
        Summary
            Prints as text, shows as HTML in a notebook, exports LaTeX and Markdown.
        """
        return Summary(self.report())

    def report(self) -> Report:
        """Return the report without markup.

        Returns
        -------
        Report
            What the summary prints.
        """
        table = self.table
        roles = Table(
            {"Role": list(table.roles), "Column": [str(v) for v in table.roles.values()]},
            title="Roles of columns",
        )
        parts = [roles]
        if self.checks:
            parts.append(
                Table(
                    {
                        "Severity": [c.severity for c in self.checks],
                        "Check": [c.code for c in self.checks],
                        "Finding": [c.sentence for c in self.checks],
                    },
                    title="Findings",
                    formats={"Finding": "prose"},
                )
            )
        if self.commands:
            parts.append(
                Table(
                    {"Question": [q for q, _ in self.commands], "Command": [c for _, c in self.commands]},
                    title="Questions that these data can answer",
                )
            )
        errors = sum(c.severity == "error" for c in self.checks)
        answer = (
            f"{errors} finding{'s are' if errors > 1 else ' is'} in the way of an answer."
            if errors
            else "Nothing was found that is in the way of an answer; that is no proof that there is nothing."
        )
        facts = [("Format", table.format), ("Rows", len(table)), ("Items", len(table.items))]
        if table.has("system"):
            facts.append(("Systems", ", ".join(table.systems[:8])))
        return Report("Evaluation data", header=facts, tables=parts, answer=answer)

    def to_dict(self) -> dict[str, Any]:
        """Return the findings as plain values.

        Returns
        -------
        dict
            Format, roles, checks and commands.
        """
        return {
            "schema": "validstats.evals/1",
            "verb": "doctor",
            "checks": [{"code": c.code, "severity": c.severity, "sentence": c.sentence} for c in self.checks],
            "inputs": {
                "files": [
                    {"name": f.name, "sha256": f.sha256, "format": f.format, "rows": f.rows}
                    for f in self.table.files
                ],
                "roles": dict(self.table.roles),
                "items": len(self.table.items),
                "systems": self.table.systems if self.table.has("system") else [],
            },
            "commands": [{"question": q, "command": c} for q, c in self.commands],
        }

    def __repr__(self) -> str:
        return self.summary().as_text()

    def _repr_html_(self) -> str:
        return self.summary().as_html()


def doctor(*sources: Any, **roles: Any) -> DoctorReport:
    """Say what evaluation data are, what is wrong with them, and what they can answer.

    Parameters
    ----------
    *sources : str, Path, data frame, mapping of str to array-like, or EvalTable
        Files or data, as for :func:`validstats.evals.read`.
    **roles : str or sequence of str
        Columns with roles, as for :func:`validstats.evals.read`; ``judge`` may name several.

    Returns
    -------
    DoctorReport
        Findings and questions.

    Raises
    ------
    EvalFileError
        If a file cannot be read.

    Examples
    --------
    >>> from validstats.evals import doctor
    >>> doctor({"item": ["a", "b"], "score": [1, 0]}).has_errors
    False
    """
    table = read(list(sources) if len(sources) > 1 else sources[0], **roles)
    checks = check_table(table)
    return DoctorReport(table, checks, tuple(_commands(table, checks)))


def check_table(table: EvalTable) -> tuple[Check, ...]:
    """All findings about a table, errors first."""
    found = [
        *table.checks,
        *_unnamed(table),
        *_duplicates(table),
        *_items(table),
        *_content(table),
        *_structure(table),
    ]
    if table.format.startswith("repeated samples"):
        found += _audits(table)
    elif table.has("human") and table.has("judge"):
        found += _judges(table)
    elif table.scores:
        found += [*_missing_scores(table), *_constant_scores(table)]
    rank = {"error": 0, "warning": 1, "note": 2}
    return tuple(sorted(dict.fromkeys(found), key=lambda check: rank[check.severity]))


def _key(table: EvalTable) -> list[Any]:
    """Columns that name an answer."""
    roles = ("task", "item", "system", "sample", "filter", "system_a", "system_b")
    return [table.names(role) for role in roles if table.has(role)]  # type: ignore[arg-type]


def _unnamed(table: EvalTable) -> Iterator[Check]:
    """Rows without a name of their item or system, which would all count as the same one."""
    roles: tuple[tuple[Role, str], ...] = (
        ("item", "item"),
        ("system", "system"),
        ("system_a", "system"),
        ("system_b", "system"),
    )
    for role, what in roles:
        rows = np.flatnonzero(table.names(role) == "") if table.has(role) else np.zeros(0, dtype=np.int64)
        if len(rows):
            several = len(rows) > 1
            yield Check(
                "unnamed",
                "error",
                f"{len(rows)} row{'s have' if several else ' has'} no {what} in the column {table.roles[role]!r} (first row "
                f"{rows[0] + 1}), and would count as one {what}; name {'them' if several else 'it'}, or remove "
                f"{'these rows' if several else 'this row'}.",
            )


def _duplicates(table: EvalTable) -> Iterator[Check]:
    """Rows with one key: exact copies, or a conflict; without sample numbers they are repeated samples."""
    codes, keys = codes_of(*_key(table))
    if len(keys) == len(codes) or table.format == "battles":
        return
    if not table.has("sample"):
        if not table.has("size"):
            yield Check(
                "repeats",
                "note",
                f"{len(codes) - len(keys)} rows repeat an item of the same system; they are taken as repeated samples, and "
                "the item as the unit.",
            )
        return
    names = [*table.scores, *([table.roles["human"]] if table.has("human") else [])]
    content = [_plain(table, name) for name in dict.fromkeys(names)]
    full, _ = codes_of(codes.astype(object), *content)
    # A row is a copy if its key and its scores were seen before; a key with several scores is a conflict.
    pairs, seen = np.unique(np.column_stack([codes, full]), axis=0, return_counts=True)
    copies = int(np.sum(seen - 1))
    conflict = np.flatnonzero(np.bincount(pairs[:, 0]) > 1).tolist()
    if copies:
        yield Check(
            "duplicates", "warning", f"{copies} rows are exact copies of another row; the first is kept."
        )
    if conflict:
        shown = keys[min(conflict)]
        yield Check(
            "conflicts",
            "error",
            f"{len(conflict)} answer{'s have' if len(conflict) > 1 else ' has'} several rows with different scores, for "
            f"example {shown!r}; keep the right one.",
        )


def _plain(table: EvalTable, name: str) -> Any:
    values = table.column(name)
    if values.dtype.kind == "f":
        return np.where(np.isnan(values), -1e308, values).astype(object)
    return np.array([str(v) for v in values.tolist()], dtype=object)


def _items(table: EvalTable) -> Iterator[Check]:
    """Items that some systems did not answer, and names that differ only in case or blanks."""
    names = table.items
    folded: dict[str, list[str]] = {}
    for name in names if len({n.strip().casefold() for n in names}) < len(names) else ():
        folded.setdefault(name.strip().casefold(), []).append(name)
    near = [group for group in folded.values() if len(group) > 1]
    if near:
        shown = ", ".join(" and ".join(map(repr, group)) for group in near[:3])
        yield Check(
            "near-miss-names",
            "warning",
            f"Items differ only in case or blanks: {shown}. They count as different.",
        )
    if not table.has("system") or len(table.systems) < 2:
        return
    present = _present(table)
    shared, union = int(present.all(axis=1).sum()), len(names)
    if shared != union:
        lacks = (~present).sum(axis=0)
        lacking = ", ".join(f"{s} lacks {n}" for s, n in zip(table.systems, lacks, strict=True) if n)
        yield Check(
            "items-not-shared",
            "warning",
            f"Only {shared} of {union} items were answered by all systems ({lacking}).",
        )


def _present(table: EvalTable) -> Bool1D:
    """Which system (column) answered which item (row)."""
    present = np.zeros((len(table.items), len(table.systems)), dtype=bool)
    present[table.codes("item")[0], table.codes("system")[0]] = True
    return present


def _content(table: EvalTable) -> Iterator[Check]:
    """Other content under one name."""
    if not table.has("content"):
        return
    item, names = codes_of(table.names("task"), table.names("item"))
    digest, digests = table.codes("content")
    known = np.array(digests, dtype=object)[digest] != ""
    cells = np.unique(np.column_stack([item[known], digest[known]]), axis=0)
    several = (
        np.flatnonzero(np.bincount(cells[:, 0], minlength=1) > 1) if len(cells) else np.zeros(0, dtype=int)
    )
    different = [names[k].removeprefix(" / ") for k in several]
    if different:
        shown = ", ".join(map(repr, sorted(different)[:3]))
        yield Check(
            "other-content",
            "error",
            f"{len(different)} items have different content in different rows (for example {shown}): the systems were not "
            "asked the same.",
        )


def _structure(table: EvalTable) -> Iterator[Check]:
    """Repeated samples, few clusters, error rows, and several scorers or filters."""
    for name in table.clusters:
        n = len(set(_text(table, name)))
        if n < _FEW:
            yield Check(
                "few-clusters",
                "note",
                f"{name!r} has {n} clusters only; intervals clustered by it are approximate.",
            )
    if table.has("error"):
        n = int(np.sum(table.frame[table.roles["error"]].fillna(False).astype(bool)))
        if n:
            yield Check(
                "error-rows",
                "note",
                f"{n} row{'s' if n > 1 else ''} ended in an error of the tool; errors= decides.",
            )
    judges = [s for s in table.scores if s != table.roles.get("human")]
    if len(judges) > 1 and len(table.judges) < 2:
        yield Check(
            "several-scorers", "note", f"There are several scores: {', '.join(map(repr, judges))}; name one."
        )
    if table.has("filter"):
        filters = list(dict.fromkeys(table.names("filter").tolist()))
        if len(filters) > 1:
            yield Check(
                "several-filters",
                "note",
                f"Every answer has a row for each of {len(filters)} filters ({', '.join(filters)}); name one, or n would be "
                f"{len(filters)} times too large.",
            )


def _audits(table: EvalTable) -> Iterator[Check]:
    """Samples a problem, and audits of passing ones."""
    codes, keys = codes_of(table.names("item"))
    sizes = np.bincount(codes)
    if sizes.min() != sizes.max():
        yield Check(
            "unequal-samples",
            "note",
            f"Problems have {sizes.min()} to {sizes.max()} samples; k beyond {sizes.min()} is refused. The number of samples must "
            "not depend on the results.",
        )
    if not table.has("human"):
        return
    probability = _probability(table)
    if probability is not None and np.any(np.isnan(probability) | (probability <= 0) | (probability > 1)):
        yield Check("probabilities", "error", "Audit probabilities must lie in (0, 1].")
    audited = ~np.isnan(table.values("human"))
    n = len(set(codes[audited].tolist()))
    if n < _FEW:
        yield Check("few-audits", "warning", f"Only {n} of {len(keys)} problems have audited samples.")


def _text(table: EvalTable, name: str) -> Any:
    codes, names = codes_of(table.column(name))
    return np.array(names, dtype=object)[codes]


def _missing_scores(table: EvalTable) -> Iterator[Check]:
    """Scores that are missing in some rows, which no judge fills."""
    for name in table.scores:
        missing = int(np.isnan(table.values(name)).sum())
        if missing:
            yield Check(
                "missing-scores",
                "warning",
                f"The score {name!r} is missing in {missing} of {len(table)} rows; an answer from it needs a score for each.",
            )


def _constant_scores(table: EvalTable) -> list[Check]:
    found = []
    for name in table.scores:
        values = table.values(name)
        if len(set(values[~np.isnan(values)].tolist())) == 1:
            found.append(
                Check(
                    "constant-score", "note", f"All scores in {name!r} are {values[~np.isnan(values)][0]:zg}."
                )
            )
    return found


def _verdicts(table: EvalTable) -> tuple[Int1D, list[Any]]:
    """Codes of the judge's verdicts, and the verdicts; a missing one is a class of its own."""
    if table.format == "battles":
        return codes_of(_text(table, table.roles["judge"]))
    return verdict_codes(table.values("judge"))


def _labelled(table: EvalTable) -> Bool1D:
    if table.format == "battles":
        return table.frame[table.roles["human"]].notna().to_numpy() & (
            _text(table, table.roles["human"]) != ""
        )
    return ~np.isnan(table.values("human"))


_OF_JUDGES = ("constant-judge", "copied-labels", "few-disagreements", "class-without-labels")
"""Findings that each of several judges may have."""


def _judges(table: EvalTable) -> Iterator[Check]:
    """Findings about the judge and the labels; with several judges about each of them, by name."""
    if len(table.judges) == 1:
        yield from (*_judge(table), *_labelling(table))
        return
    said: set[str] = set()
    for name in table.judges:
        others = [other for other in table.judges if other != name]
        roles = {f"judge {k + 2}": other for k, other in enumerate(others)}
        one = replace(table, roles={**table.roles, **roles, "judge": name})
        found = [*_judge(one), *_labelling(one)]
        for check in found:
            if check.code in _OF_JUDGES:
                yield replace(check, sentence=f"Judge {name!r}: {check.sentence}")
            elif check.code not in said:
                yield check
        said |= {check.code for check in found}


def _judge(table: EvalTable) -> Iterator[Check]:
    """Constant judge, copied labels, few disagreements or events."""
    _codes, names = _verdicts(table)
    labelled = _labelled(table)
    n = int(labelled.sum())
    if n == 0:
        yield Check("no-labels", "error", "No row carries a human label, so the judge cannot be corrected.")
        return
    if len(set(names) - {"missing"}) == 1:
        yield Check(
            "constant-judge",
            "error",
            f"The judge says {names[0]!r} everywhere, so it tells nothing; "
            + (f"use the {n} human labels alone." if len(table.judges) == 1 else "leave it out."),
        )
    human = _text(table, table.roles["human"])
    if table.format == "battles":
        agree = human[labelled] == _text(table, table.roles["judge"])[labelled]
        events = n
    else:
        truth = table.values("human")[labelled]
        judged = table.values("judge")[labelled]
        agree = truth == judged
        events = (
            int(min(np.sum(truth == truth.max()), np.sum(truth == truth.min())))
            if truth.min() < truth.max()
            else 0
        )
        discrete = len(names) <= _MOST_VERDICTS and set(truth.tolist()) <= {0.0, 0.5, 1.0}
        if not discrete:
            agree = np.zeros(n, dtype=bool)
            events = n
        if set(truth.tolist()) <= {0.0, 1.0} and events < _FEW:
            yield Check(
                "few-events",
                "warning",
                f"Of {n} human labels {events} {'are' if events != 1 else 'is'} of the rarer kind; the interval is set by what "
                "was not seen.",
            )
        if not discrete:
            yield from _copied_column(table, labelled)
            return
    wrong = int(n - agree.sum())
    if wrong == 0 and n >= _COPIED_FROM:
        yield Check(
            "copied-labels",
            "note",
            f"Humans and judge agree on all {n} labelled rows. A very good judge does that; labels copied from the judge do too.",
        )
    elif wrong < _FEW:
        yield Check(
            "few-disagreements", "warning", f"Humans and judge disagree on {wrong} of {n} labelled rows only."
        )
    yield from _copied_column(table, labelled)


def _copied_column(table: EvalTable, labelled: Bool1D) -> Iterator[Check]:
    """Another column that equals the humans wherever they are known, and is known elsewhere."""
    if labelled.sum() < _COPIED_FROM or table.format == "battles":
        return
    truth = table.values("human")
    for name in table.scores:
        if name in (*table.judges, table.roles["human"]):
            continue
        values = table.values(name)
        elsewhere = ~np.isnan(values[~labelled])
        if np.array_equal(values[labelled], truth[labelled]) and elsewhere.any():
            yield Check(
                "copied-labels",
                "warning",
                f"{name!r} equals the human labels on all {int(labelled.sum())} labelled rows and is known elsewhere: the labels "
                "seem to be a copy of it.",
            )


def drawn_level(table: EvalTable, labelled: Bool1D) -> tuple[str, Int1D]:
    """The coarsest grouping whose groups are labelled as a whole or not at all: clusters, items, else rows."""
    for name in (*table.clusters, table.roles.get("item", "")):
        if not name:
            continue
        codes, keys = codes_of(_text(table, name))
        total, known = np.bincount(codes), np.bincount(codes, labelled)
        if total.max() > 1 and np.all((known == 0) | (known == total)) and len(keys) < len(codes):
            return name, codes
    return "rows", np.arange(len(table), dtype=np.int64)


def _labelling(table: EvalTable) -> Iterator[Check]:
    """Whether labels look like a random sample, at the level at which they were drawn."""
    labelled = _labelled(table)
    if not labelled.any() or labelled.all():
        return
    level, groups = drawn_level(table, labelled)
    codes, names = _verdicts(table)
    probability = _probability(table)
    if probability is not None:
        wrong = np.isnan(probability) | (probability <= 0) | (probability > 1)
        if wrong.any():
            row = int(np.argmax(wrong))
            yield Check(
                "probabilities",
                "error",
                f"Labelling probabilities must lie in (0, 1]; row {row + 1} of {table.roles['probability']!r} has "
                f"{probability[row]:g} ({int(wrong.sum())} rows).",
            )
            return
        yield from _totals(table, labelled, probability, groups, codes, names)
    yield from _empty_classes(labelled, probability, codes, names)
    if probability is None:
        yield from _random_sample(table, labelled, level, groups, codes, names)


def _probability(table: EvalTable) -> Float1D | None:
    if not table.has("probability"):
        return None
    import pandas as pd

    return pd.to_numeric(table.frame[table.roles["probability"]], errors="coerce").to_numpy(float)


def _group_sums(groups: Int1D, values: Float1D) -> AnyArray:
    return np.bincount(groups, values)


def _totals(
    table: EvalTable, labelled: Bool1D, pi: Float1D, groups: Int1D, codes: Int1D, names: Sequence[Any]
) -> Iterator[Check]:
    """Label count and weighted totals of every verdict and category against what is known."""
    first = np.unique(groups, return_index=True)[1]
    chance, known = pi[first], labelled[first]
    spread = float(np.sqrt(np.sum(chance * (1.0 - chance))))
    distance = (known.sum() - chance.sum()) / max(spread, 1e-12)
    if abs(distance) > _FAR:
        yield Check(
            "probabilities",
            "error",
            f"The probabilities add to {chance.sum():.0f} expected labels and there are {int(known.sum())}, which is "
            f"{abs(distance):.0f} standard deviations away; they cannot be those that labels were drawn with.",
        )
    for title, member_codes, member_names in _kinds(table, codes, names):
        for k, name in enumerate(member_names):
            member = (member_codes == k).astype(float)
            total = _group_sums(groups, member)
            # Horvitz-Thompson: sum R x / pi against sum x, variance sum x^2 (1 - pi)/pi.
            off = float(np.sum(known * total / chance) - total.sum())
            sd = float(np.sqrt(np.sum(total**2 * (1.0 - chance) / chance)))
            if sd > 0 and abs(off) > _FAR * sd:
                yield Check(
                    "probabilities",
                    "error",
                    f"Weighted by their probabilities, the labelled rows stand for {total.sum() + off:.0f} rows with {title} "
                    f"{name!r}; there are {total.sum():.0f}. Labels were not drawn with these probabilities.",
                )
                return


def _kinds(
    table: EvalTable, codes: Int1D, names: Sequence[Any]
) -> Iterator[tuple[str, Int1D, Sequence[Any]]]:
    if len(names) <= _MOST_VERDICTS:
        yield "verdict", codes, names
    for category in table.categories:
        category_codes, values = codes_of(_text(table, category))
        yield category, category_codes, values


def _empty_classes(
    labelled: Bool1D, probability: Float1D | None, codes: Int1D, names: Sequence[Any]
) -> Iterator[Check]:
    """Verdicts without any label: opened by their share where labels are random, else not identified."""
    if len(names) > _MOST_VERDICTS:
        return
    n, total = len(labelled), int(labelled.sum())
    for k, name in enumerate(names):
        member = codes == k
        if labelled[member].any():
            continue
        size = int(member.sum())
        if probability is not None:
            chance = float(np.prod(1.0 - probability[member]))
        else:
            chance = float(stats.hypergeom.sf(total - 1, n, n - size, total))
        if chance < _SURE:
            yield Check(
                "class-without-labels",
                "error",
                f"None of the {size} rows that the judge called {name!r} has a human label, which would not happen to a random "
                "sample: what these rows are worth is not identified. Label a random sample of them.",
            )
        else:
            yield Check(
                "class-without-labels",
                "note",
                f"None of the {size} rows that the judge called {name!r} has a human label; the interval is opened by their "
                "share.",
            )


def _random_sample(
    table: EvalTable, labelled: Bool1D, level: str, groups: Int1D, codes: Int1D, names: Sequence[Any]
) -> Iterator[Check]:
    """Tests of labelled against not, by verdict, category and position, Bonferroni over all of them."""
    first = np.unique(groups, return_index=True)[1]
    known = labelled[first]
    tests: list[tuple[float, str]] = []
    for title, member_codes, member_names in _kinds(table, codes, names):
        if len(member_names) < 2:
            continue
        for k, name in enumerate(member_names):
            member = (member_codes == k).astype(float)
            tests.append(
                (
                    _sample_p_value(known, _group_sums(groups, member), _group_sums(groups, member * 0 + 1)),
                    f"{title} {name!r}",
                )
            )
    order = np.argsort(first)
    sequence = known[order]
    tests.append((_rank_p_value(sequence), "the position in the file"))
    tests.append((_runs_p_value(sequence), "runs of neighbouring rows"))
    worst, what = min(tests)
    if worst * len(tests) < _SURE:
        yield Check(
            "labels-not-random",
            "warning",
            f"Labelled and other {level if level == 'rows' else f'groups ({level})'} differ in {what} (p = {worst:.2g}): labels do "
            "not look like a random sample. If they were drawn with known probabilities, give them.",
        )
    else:
        yield Check(
            "labels-random", "note", "Nothing was found that speaks against a random sample of labels."
        )


def _sample_p_value(known: Bool1D, total: AnyArray, size: AnyArray) -> float:
    """Two-sided p-value of a total over groups drawn without replacement; exact for single rows."""
    n, drawn = len(known), int(known.sum())
    if drawn in (0, n):
        return 1.0
    if size.max() == 1:
        table = [[int(total[known].sum()), int(drawn - total[known].sum())]]
        table.append([int(total[~known].sum()), int(n - drawn - total[~known].sum())])
        return float(stats.fisher_exact(table)[1])
    # Residuals from the overall share; their sum over a simple random sample has variance m (1 - m/G) S^2.
    residual = total - total.sum() / size.sum() * size
    sd = np.sqrt(drawn * (1.0 - drawn / n) * np.var(residual, ddof=1))
    return float(2.0 * stats.norm.sf(abs(residual[known].sum()) / sd)) if sd > 0 else 1.0


def _rank_p_value(known: Bool1D) -> float:
    """Wilcoxon's test of the positions of labelled rows."""
    n, m = len(known), int(known.sum())
    if m in (0, n):
        return 1.0
    total = float(np.flatnonzero(known).sum() + m)
    sd = np.sqrt(m * (n - m) * (n + 1) / 12.0)
    return float(2.0 * stats.norm.sf(abs(total - m * (n + 1) / 2.0) / sd))


def _runs_p_value(known: Bool1D) -> float:
    """Wald and Wolfowitz' test: too few runs of labelled rows."""
    n, m = len(known), int(known.sum())
    if m in (0, n) or n < 20:
        return 1.0
    runs = 1 + int(np.sum(known[1:] != known[:-1]))
    mean = 1.0 + 2.0 * m * (n - m) / n
    variance = (mean - 1.0) * (mean - 2.0) / (n - 1.0)
    return float(stats.norm.cdf((runs + 0.5 - mean) / np.sqrt(variance)))


def _commands(table: EvalTable, checks: Sequence[Check]) -> Iterator[tuple[str, str]]:
    """Questions that the data can answer, with the command that does."""
    names = " ".join(shlex.quote(f.path) for f in table.files) or "FILE"
    blocked = any(c.severity == "error" for c in checks)
    options = _options(table)
    if blocked:
        return
    if table.format == "battles":
        yield "Which systems are best?", f"validstats rank {names}"
        return
    n_systems = len(table.systems) if table.has("system") else 1
    if table.format.startswith("repeated samples"):
        yield "How often does one of k tries succeed?", f"validstats passk {names}"
        return
    if n_systems == 1:
        yield "How good is the system?", f"validstats eval {names}{options}"
    if n_systems == 2:
        a, b = table.systems
        shared = _present(table).all(axis=1)
        left_out = " --unpaired-ok" if shared.any() and np.mean(~shared) > MOST_LEFT_OUT else ""
        yield (
            "Is one of them better?",
            f"validstats compare {names} --a {shlex.quote(a)} --b {shlex.quote(b)}{options}{left_out}",
        )
    if n_systems >= 2:
        yield "Which systems are best?", f"validstats rank {names}{options}"
        yield (
            "How good is one of them?",
            f"validstats eval {names} --system {shlex.quote(table.systems[0])}{options}",
        )


def _options(table: EvalTable) -> str:
    parts = []
    judges = [s for s in table.scores if s != table.roles.get("human")]
    if len(judges) > 1 and not table.has("judge"):
        complete = [s for s in judges if not np.isnan(table.values(s)).any()]
        parts.append(f"--score {shlex.quote((complete or judges)[0])}")
    if len(table.judges) > 1:
        names = ",".join(name.replace(",", ",,") for name in table.judges)
        parts.append(f"--judge {shlex.quote(names)} --human {shlex.quote(table.roles['human'])}")
    if table.has("filter"):
        filters = list(dict.fromkeys(table.names("filter").tolist()))
        if len(filters) > 1:
            parts.append(f"--filter {shlex.quote(filters[0])}")
    if len(table.clusters) == 1:
        parts.append(f"--clusters {shlex.quote(table.clusters[0])}")
    return "".join(f" {part}" for part in parts)
