"""Identity of a holdout: a second ledger on the same rows is refused, whatever became of the features."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.intake.test_sketches import NEEDS_LABELS, VARIANTS, X, Y
from validstats.exceptions import HoldoutOverlapError, LedgerMismatchError
from validstats.holdout import Ledger, ReusableHoldout


def bound(path: Path, rows: object, labels: object) -> ReusableHoldout:
    Ledger.create(path)
    return ReusableHoldout(queries=5, mechanism="description_length", ledger=path).calibrate(rows, labels)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_second_ledger_on_engineered_rows_is_refused(name: str, tmp_path: Path) -> None:
    bound(tmp_path / "first.ledger", X, Y)
    with pytest.raises(LedgerMismatchError, match=r"first\.ledger") as caught:
        bound(tmp_path / "second.ledger", *VARIANTS[name])
    message = str(caught.value)
    assert "create" not in message and "new ledger" not in message
    if name in NEEDS_LABELS:
        # a share that was found by labels would tell them
        assert not any(character.isdigit() for character in message.rsplit(", as ", 1)[1].split(" show")[0])


def test_other_rows_of_the_population_are_accepted(tmp_path: Path) -> None:
    rng = np.random.default_rng(77)
    bound(tmp_path / "first.ledger", X, Y)
    for i in range(5):
        bound(tmp_path / f"{i}.ledger", rng.normal(size=(1000, 5)), rng.integers(0, 2, 1000))


def test_a_refused_ledger_may_be_bound_to_other_rows(tmp_path: Path) -> None:
    bound(tmp_path / "first.ledger", X, Y)
    with pytest.raises(HoldoutOverlapError):
        bound(tmp_path / "second.ledger", 2 * X + 1, Y)
    rng = np.random.default_rng(5)
    rh = ReusableHoldout(queries=5, mechanism="description_length", ledger=tmp_path / "second.ledger")
    rh.calibrate(rng.normal(size=(500, 3)), rng.integers(0, 2, 500))


def test_a_known_holdout_makes_no_sketch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rh = bound(tmp_path / "first.ledger", X, Y)

    def no_sketch(*arguments: object, **options: object) -> None:
        raise AssertionError("a known holdout is recognised by its exact fingerprint")

    monkeypatch.setattr("validstats.holdout.asking.opening.sketch_rows", no_sketch)
    rh.calibrate(X, Y)


@pytest.mark.slow
def test_of_programs_that_bind_at_once_one_succeeds(tmp_path: Path) -> None:
    code = (
        "import sys, numpy as np\nfrom pathlib import Path\nfrom tests.holdout.test_identity import X, Y, bound\n"
        "i = int(sys.argv[2])\nprint('ready', flush=True); sys.stdin.readline()\n"
        "try:\n    bound(Path(sys.argv[1]) / f'{i}.ledger', (i + 1) * X, Y); print('bound')\n"
        "except Exception as error:\n    print(type(error).__name__)\n"
    )
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path), str(i)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for i in range(4)
    ]
    for program in programs:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
    answers = []
    for program in programs:
        assert program.stdin is not None
        program.stdin.write("\n")
        program.stdin.flush()
    for program in programs:
        answers.append(program.communicate(timeout=120)[0].strip())
    assert sorted(answers) == ["HoldoutOverlapError"] * 3 + ["bound"]
