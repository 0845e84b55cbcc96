"""Columns that stand in a file of their own, in another order: the same answer, or a refusal, at every command."""

from __future__ import annotations

import json

import click
import numpy as np
import pandas as pd
import pytest

from tests.cli.test_help import COMMANDS
from tests.cli.test_kinds import numbers
from tests.intake.entries import GROUPS, PARTNER, RIGHT, THIRD
from tests.intake.kinds import QUARTERS, N

NAMES = [f"case {i}" for i in range(N)]
SYSTEMS = np.array(["m", "n"] * (N // 2))
LABEL = np.where(np.arange(N) % 2 == 0, np.roll(QUARTERS, 7), np.nan)
HUMAN = np.where(np.arange(N) % 3 == 0, RIGHT, np.nan)
SEEN = np.where(np.arange(N) // 2 % 3 == 0, RIGHT, np.nan)

CASES = {
    "batch": (
        "batch a.csv b.csv --label l --prediction p --target quantile --confidence-level 0.8",
        "--labels-from",
        {"id": NAMES, "p": PARTNER, "l": QUARTERS},
    ),
    "dsl": (
        "dsl a.csv --formula l~x --label l --surrogate p --probability 0.5 --learner linear",
        "--labels-from",
        {"id": NAMES, "p": PARTNER, "x": THIRD, "l": LABEL},
    ),
    "plan labels": (
        "plan labels a.csv --formula l~x --label l --surrogate p --learner linear --sizes 50",
        "--labels-from",
        {"id": NAMES, "p": PARTNER, "x": THIRD, "l": LABEL},
    ),
    "mi": ("mi a.csv --x x --y l --method ksg", "--y-from", {"id": NAMES, "x": PARTNER, "l": QUARTERS}),
    "holdout infer": (
        # the mean of a loss: pairs of an AUC depend on the secret of each ledger
        "holdout infer own.ledger a.csv --label y --prediction l --metric brier --queries 5",
        "--predictions-from",
        {"id": NAMES, "y": RIGHT.astype(int), "l": 1 / (1 + np.exp(-PARTNER))},
    ),
    "eval": ("eval a.csv --judge j --human l", "--labels-from", {"id": NAMES, "j": RIGHT, "l": HUMAN}),
    "compare": (
        "compare a.csv --judge j --human l --a m --b n",
        "--labels-from",
        {"item": np.arange(N) // 2, "system": SYSTEMS, "j": 1 - RIGHT, "l": SEEN},
    ),
    "rank": (
        "rank a.csv --judge j --human l --seed 1",
        "--labels-from",
        {"item": np.arange(N) // 2, "system": SYSTEMS, "j": 1 - RIGHT, "l": SEEN},
    ),
    "passk": (
        "passk a.csv --problem g --passed j --human l --design samples -k 2",
        "--labels-from",
        {"id": NAMES, "g": GROUPS, "j": RIGHT, "l": HUMAN},
    ),
    "release": (
        "release a.csv b.csv --score p --right l --max-false 20",
        "--labels-from",
        {"id": NAMES, "p": PARTNER, "l": RIGHT},
    ),
    "plan eval": (
        "plan eval a.csv --judge j --human l --width 0.3",
        "--labels-from",
        {"id": NAMES, "j": RIGHT, "l": np.where(np.arange(N) % 5, 1 - RIGHT, RIGHT)},
    ),
}
"""Command -> its arguments, the option that names the other file, and the columns, of which l is moved there."""


@pytest.fixture
def ask(run, workplace, monkeypatch):
    def call(name, other=None, key=None):
        command, option, columns = CASES[name]
        table = pd.DataFrame(columns)
        keys = [c for c in ("id", "item", "system") if c in columns]
        pd.DataFrame({"p": PARTNER[:40]}).to_csv("b.csv", index=False)
        arguments = command.split()
        if other is None:
            table.to_csv("a.csv", index=False)
        else:
            table.drop(columns="l").to_csv("a.csv", index=False)
            other(table[[*keys, "l"]]).to_csv("l.csv", index=False)
            arguments += [option, "l.csv", *(() if key == "" else ("--key", key or ",".join(keys)))]
        if name == "holdout infer":
            state = workplace / f"state-{len(list(workplace.iterdir()))}"
            monkeypatch.setenv("XDG_STATE_HOME", str(state))
            arguments[2] = f"{state.name}.ledger"
            run("holdout", "create", arguments[2])
        return run(*arguments, "--format", "json")

    return call


def known(result):
    assert result.exit_code == 0, result.stderr
    values = json.loads(result.stdout)
    return list(numbers(values["terms"]))


def shuffled(table):
    return table.sample(frac=1, random_state=1)


@pytest.mark.share(4)
@pytest.mark.parametrize("name", CASES)
def test_a_file_of_its_own_gives_the_same_answer_in_any_order(name, ask) -> None:
    expected = known(ask(name))
    for other in (lambda t: t, shuffled, lambda t: t.assign(beside=1.0)):
        np.testing.assert_allclose(known(ask(name, other)), expected, rtol=1e-9)


@pytest.mark.share(4)
@pytest.mark.parametrize("name", CASES)
def test_other_rows_or_no_key_are_refused(name, ask) -> None:
    def renamed(table):
        first = table.columns[0]
        return table.assign(**{first: [f"page {i}" for i in range(N)]})

    refused = ask(name, renamed)
    assert refused.exit_code == 1 and f"l.csv has {N} labels" in refused.stderr and "page 0" in refused.stderr
    refused = ask(name, lambda t: pd.concat([shuffled(t), t[:1]]))
    assert refused.exit_code == 1 and "occur more than once" in refused.stderr, refused.stderr
    refused = ask(name, shuffled, key="")
    assert refused.exit_code == 2 and "--key" in refused.stderr


def test_every_option_that_names_a_second_file_is_tested_here() -> None:
    found = {
        name
        for name, command in COMMANDS.items()
        for option in command.params
        if isinstance(option, click.Option) and option.opts[0].endswith("-from")
    }
    assert found == set(CASES)
