"""Identity of a holdout: a second ledger on the same rows is refused, whatever became of the features."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from tests.intake.test_sketches import NEEDS_LABELS, VARIANTS, X, Y
from validstats.exceptions import (
    BudgetExhaustedError,
    DataReuseError,
    DataReuseWarning,
    HoldoutOverlapError,
    LedgerMismatchError,
    LedgerUnavailableError,
    SearchRefusedInterrupt,
)
from validstats.holdout import HoldoutSearchCV, Ledger, ReusableHoldout, SelectFromHoldout


def bound(path: Path, rows: object, labels: object) -> ReusableHoldout:
    Ledger.create(path)
    return ReusableHoldout(queries=5, mechanism="description_length", ledger=path).calibrate(rows, labels)


@pytest.mark.share(5)
@pytest.mark.parametrize("name", VARIANTS)
def test_a_second_ledger_on_engineered_rows_is_refused(name: str, tmp_path: Path) -> None:
    bound(tmp_path / "first.ledger", X, Y)
    with pytest.raises(LedgerMismatchError, match=r"first\.ledger") as caught:
        bound(tmp_path / "second.ledger", *VARIANTS[name])
    message = str(caught.value)
    assert "create" not in message and "new ledger" not in message
    if name in NEEDS_LABELS:
        # a share that was found by labels would tell them
        assert not any(character.isdigit() for character in message.rsplit(": as ", 1)[1].split(" show")[0])


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
        answers.append(program.communicate(timeout=600)[0].strip())
    assert sorted(answers) == ["HoldoutOverlapError"] * 3 + ["bound"]


# ---------------------------------------------------------------- in memory


def open_in_memory(rows: object = X, labels: object = Y, **options: object) -> ReusableHoldout:
    given = {name: options.pop(name) for name in ("ids", "id_namespace", "clusters") if name in options}
    return ReusableHoldout(**{"queries": 3, "mechanism": "description_length", **options}).calibrate(
        rows, labels, **given
    )


def test_a_new_object_on_the_same_rows_continues_what_was_spent() -> None:
    """A cell that is run again: fifteen answers of three were possible."""
    answers = 0
    rng = np.random.default_rng(0)
    for _ in range(5):
        rh = open_in_memory()
        for _ in range(3):
            try:
                rh.infer(rng.integers(0, 2, len(Y)))
                answers += 1
            except BudgetExhaustedError:
                pass
    assert answers == 3


@pytest.mark.share(5)
@pytest.mark.parametrize("name", VARIANTS)
def test_engineered_rows_in_memory_continue_or_are_refused(name: str) -> None:
    first = open_in_memory()
    first.infer(np.zeros(len(Y), dtype=int))
    try:
        again = open_in_memory(*VARIANTS[name])
    except HoldoutOverlapError as error:
        message = str(error)
    else:
        assert again.ledger_ is first.ledger_  # exactly the same rows
        return
    assert "in the memory of this program" in message and "ledger=earlier.ledger_" in message
    assert "create" not in message and "new ledger" not in message


def test_engineered_rows_continue_with_the_earlier_ledger() -> None:
    first = open_in_memory()
    first.infer(np.zeros(len(Y), dtype=int))
    again = open_in_memory(2 * X - 1, Y, ledger=first.ledger_)
    assert again.ledger_ is first.ledger_
    assert again.infer(np.arange(len(Y)) % 2).left["queries"] == 1


def test_a_file_and_a_ledger_in_memory_know_of_each_other(tmp_path: Path) -> None:
    bound(tmp_path / "first.ledger", X, Y)
    with pytest.raises(HoldoutOverlapError, match=r"first\.ledger"):
        open_in_memory(-X, Y)
    rng = np.random.default_rng(3)
    rows, labels = rng.normal(size=(400, 4)), rng.integers(0, 2, 400)
    open_in_memory(rows, labels)
    with pytest.raises(HoldoutOverlapError, match="in the memory of this program"):
        bound(tmp_path / "second.ledger", rows[:, :2], labels)


def test_simulations_with_a_key_of_their_own_are_not_recorded() -> None:
    for _ in range(3):
        open_in_memory(ledger=Ledger.in_memory(secret=b"simulation"))
    open_in_memory()


def test_a_state_folder_that_cannot_be_written_is_not_needed_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "blocked").write_text("no folder")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "blocked"))
    first = open_in_memory()
    assert open_in_memory().ledger_ is first.ledger_
    with pytest.raises(HoldoutOverlapError):
        open_in_memory(3 * X, Y)


def test_a_ledger_whose_file_is_gone_is_asked_for_and_no_new_one_is_advised(tmp_path: Path) -> None:
    bound(tmp_path / "first.ledger", X, Y)
    (tmp_path / "first.ledger").unlink()
    with pytest.raises(HoldoutOverlapError, match="its file is gone, put it back") as caught:
        open_in_memory()
    assert "remove" not in str(caught.value) and "new ledger" not in str(caught.value)


def test_a_notebook_can_be_run_again_from_the_top(tmp_path: Path) -> None:
    answers = []
    for _ in range(3):
        Ledger.create(tmp_path / "study.ledger", exist_ok=True)
        rh = ReusableHoldout(queries=5, mechanism="description_length", ledger=tmp_path / "study.ledger")
        answers.append(rh.calibrate(X, Y).infer(np.zeros(len(Y), dtype=int)))
    assert len({float(answer) for answer in answers}) == 1
    assert [answer.left["queries"] for answer in answers] == [4, 4, 4]


# ---------------------------------------------------------------- identifiers


IDS = [f"patient {i}" for i in range(len(Y))]


def test_identifiers_keep_the_vault_among_changed_features(tmp_path: Path) -> None:
    Ledger.create(tmp_path / "study.ledger")
    options = {"ledger": tmp_path / "study.ledger", "vault": 0.2, "ids": IDS}
    first = open_in_memory(**options)
    sealed = set(first.desk_.parts.vault.given.tolist())
    order = np.random.default_rng(0).permutation(len(Y))
    again = open_in_memory((X**2)[order], Y[order], **{**options, "ids": np.array(IDS)[order]})
    assert {int(order[i]) for i in again.desk_.parts.vault.given} == sealed
    with pytest.raises(LedgerMismatchError, match="Pass the same identifiers again"):
        open_in_memory(**{**options, "ids": None})


def test_without_identifiers_a_vault_is_not_found_among_changed_features(tmp_path: Path) -> None:
    Ledger.create(tmp_path / "study.ledger")
    options = {"ledger": tmp_path / "study.ledger", "vault": 0.2}
    open_in_memory(**options)
    with pytest.raises(LedgerMismatchError, match="the rows of the vault cannot be found among changed"):
        open_in_memory(2 * X, Y, **options)
    open_in_memory(X[::-1], Y[::-1], **options)


def test_new_identifiers_on_old_rows_open_no_new_budget() -> None:
    first = open_in_memory(ids=IDS)
    assert open_in_memory(ids=IDS).ledger_ is first.ledger_
    with pytest.raises(HoldoutOverlapError):
        open_in_memory(2 * X, Y, ids=[f"new {name}" for name in IDS])
    with pytest.raises(LedgerMismatchError):
        open_in_memory(ids=[f"new {name}" for name in IDS], ledger=first.ledger_)


def test_old_identifiers_on_other_features_are_the_same_holdout() -> None:
    rng = np.random.default_rng(0)
    open_in_memory(ids=IDS)
    with pytest.raises(HoldoutOverlapError, match="identifiers"):
        open_in_memory(rng.normal(size=(50, 2)), rng.integers(0, 2, 50), ids=IDS[:50])


def test_row_numbers_are_no_identifiers() -> None:
    with pytest.raises(ValueError, match="row numbers"):
        open_in_memory(ids=np.arange(len(Y)))
    open_in_memory(ids=np.arange(len(Y)), id_namespace="ward 3")
    with pytest.raises(ValueError, match="one identifier for each of the 1000 rows"):
        open_in_memory(ids=IDS[:-1])


def test_a_gate_is_not_continued_on_rows_in_another_order() -> None:
    rh = open_in_memory()
    gate = rh.gate(np.zeros(len(Y), dtype=int))
    changed = open_in_memory(2 * X, Y, ledger=rh.ledger_)
    with pytest.raises(LedgerMismatchError, match="cannot be found one by one"):
        changed.gate(np.zeros(len(Y), dtype=int)).ask(Y)
    assert gate.ask(Y) is True


# ---------------------------------------------------------------- models that have seen the holdout


TRAIN, TRAIN_Y = np.random.default_rng(8).normal(size=(900, 5)), np.random.default_rng(9).integers(0, 2, 900)
SEEN_VARIANTS = sorted(set(VARIANTS) - NEEDS_LABELS - {"3 of 10 rows old", "superset of 5"})


@pytest.fixture(scope="module")
def asked() -> ReusableHoldout:
    ledger = Ledger.in_memory(secret=b"searches")
    return ReusableHoldout(queries=100, ledger=ledger, random_state=0).fit(TRAIN, TRAIN_Y).calibrate(X, Y)


@pytest.mark.share(5)
@pytest.mark.parametrize("name", SEEN_VARIANTS)
def test_searches_on_holdout_rows_are_refused_before_a_look(name: str, asked: ReusableHoldout) -> None:
    rows, labels = VARIANTS[name]
    before = len(asked.ledger_)
    model = LogisticRegression()
    with pytest.raises(DataReuseError, match="rows of the holdout"):
        HoldoutSearchCV(model, {"C": [1.0]}, asked).fit(rows, labels)
    with pytest.raises(SearchRefusedInterrupt, match="rows of the holdout"):
        GridSearchCV(model, {"C": [1.0]}, scoring=asked.scorer(), cv=asked.cv()).fit(rows, labels)
    assert len(asked.ledger_) == before
    with pytest.warns(DataReuseWarning, match="Rows of the holdout"):
        ReusableHoldout(ledger=Ledger.in_memory(secret=b"s")).fit(rows, labels).calibrate(X, Y)


def test_a_selection_of_features_on_holdout_rows_is_refused(asked: ReusableHoldout) -> None:
    with pytest.raises(DataReuseError):
        SelectFromHoldout(LogisticRegression(), asked).fit(X, Y)


def test_counts_that_repeat_by_themselves_are_no_rows_of_the_holdout() -> None:
    """Two samples of the same coarse columns share many rows by chance; the rows themselves are still recognised."""
    rng = np.random.default_rng(5)
    holdout, others = rng.poisson(2.0, (2, 1500, 4)).astype(float)
    shared = (others[:, None] == holdout[None, :300]).all(axis=2).any(axis=0).mean()
    assert shared > 0.2
    labels = rng.integers(0, 2, 1500)
    asked = ReusableHoldout(queries=5, ledger=Ledger.in_memory(secret=b"counts"), random_state=0)
    asked.fit(others, labels).calibrate(holdout, labels, check_reuse=False)
    SelectFromHoldout(LogisticRegression(), asked, max_features=1).fit(others, labels)
    for seen in (holdout, holdout[rng.permutation(1500)]):
        with pytest.raises(DataReuseError, match="rows of the holdout"):
            SelectFromHoldout(LogisticRegression(), asked).fit(seen, np.resize(labels, len(seen)))
    asked = ReusableHoldout(queries=5, ledger=Ledger.in_memory(secret=b"wide"), random_state=0)
    wide = np.column_stack([holdout, rng.normal(size=1500)])
    asked.fit(np.column_stack([others, rng.normal(size=1500)]), labels).calibrate(wide, labels)
    with pytest.raises(DataReuseError, match="rows of the holdout"):
        SelectFromHoldout(LogisticRegression(), asked).fit(wide[:400], labels[:400])


def test_training_again_on_holdout_rows_is_warned_about() -> None:
    rh = open_in_memory(ledger=Ledger.in_memory(secret=b"s"))
    with pytest.warns(DataReuseWarning):
        rh.fit(2 * X, Y)


@pytest.mark.parametrize("model", [KNeighborsClassifier(), SVC(), make_pipeline(StandardScaler(), SVC())])
def test_a_model_that_keeps_holdout_rows_is_warned_about(model: object, asked: ReusableHoldout) -> None:
    with pytest.warns(DataReuseWarning, match="was fitted on"):
        asked.infer(model.fit(X, Y), guess=0.7)


def test_only_tables_of_rows_that_a_model_keeps_are_looked_for(asked: ReusableHoldout) -> None:
    class Keeping:
        """A model with a line of numbers where others keep rows, and with the holdout's rows where it is told."""

        def __init__(self, **kept: object) -> None:
            vars(self).update(kept)

        def predict(self, rows: object) -> np.ndarray:
            return np.zeros(len(rows), dtype=int)

    with warnings.catch_warnings():
        warnings.simplefilter("error", DataReuseWarning)
        asked.infer(Keeping(_fit_X=X[:, 0], X_train_=None), guess=0.5)
    with pytest.warns(DataReuseWarning, match="The rows that Keeping was fitted on"):
        asked.infer(Keeping(_fit_X=X[:, 0], X_train_=X), guess=0.5)
    inner = Keeping(estimator_=Keeping(support_vectors_=X))
    with pytest.warns(DataReuseWarning, match="The rows that Keeping was fitted on"):
        asked.infer(Keeping(best_estimator_=inner), guess=0.5)


def test_other_training_rows_are_no_cause_for_alarm(asked: ReusableHoldout) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", DataReuseWarning)
        HoldoutSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, asked).fit(TRAIN, TRAIN_Y)
        asked.infer(KNeighborsClassifier().fit(TRAIN, TRAIN_Y))


# ---------------------------------------------------------------- overlapping holdouts, charged together


def overlapping(where: str, tmp_path: Path) -> tuple[ReusableHoldout, ReusableHoldout]:
    """Two holdouts that share half of their rows."""
    rows, labels = (
        np.r_[X[500:], VARIANTS["superset of 1.5"][0][1000:]],
        np.r_[Y[500:], np.ones(500, dtype=int)],
    )
    ledgers: list[Ledger | None] = [None, None]
    if where == "file":
        ledgers = [Ledger.create(tmp_path / f"{i}.ledger") for i in range(2)]
    first = ReusableHoldout(queries=9, mechanism="description_length", ledger=ledgers[0]).calibrate(X, Y)
    first.infer(np.zeros(1000, dtype=int))
    second = ReusableHoldout(queries=9, mechanism="description_length", ledger=ledgers[1])
    with pytest.raises(HoldoutOverlapError):
        second.calibrate(rows, labels)
    return first, second.calibrate(rows, labels, allow_overlap="charge")


@pytest.mark.parametrize("where", ["memory", "file"])
def test_overlapping_holdouts_have_one_mass(where: str, tmp_path: Path) -> None:
    first, second = overlapping(where, tmp_path)
    assert first.nats_ > 0.0 and second.nats_ == pytest.approx(first.nats_)
    rng = np.random.default_rng(0)
    for i in range(3):
        (first, second)[i % 2].infer(rng.integers(0, 2, 1000))
        assert second.nats_ == pytest.approx(first.nats_)
    wide = second.infer(rng.integers(0, 2, 1000)).half_width
    alone = ReusableHoldout(
        queries=9, mechanism="description_length", ledger=Ledger.in_memory(secret=b"alone")
    ).calibrate(X, Y)
    assert wide > alone.infer(rng.integers(0, 2, 1000)).half_width


def test_a_charge_that_one_of_two_linked_ledgers_cannot_hold_is_made_in_neither(tmp_path: Path) -> None:
    first, second = overlapping("file", tmp_path)
    before = first.nats_, second.nats_
    partner = second.ledger_._partners()[0]
    partner._store.connection().execute("PRAGMA query_only = 1")
    with pytest.raises(LedgerUnavailableError):
        second.infer(np.arange(1000) % 2)
    partner._store.connection().execute("PRAGMA query_only = 0")
    assert (first.nats_, second.nats_) == before


def test_what_cannot_be_charged_together_is_refused(tmp_path: Path) -> None:
    first = ReusableHoldout(queries=5, mechanism="gaussian", guess=None).calibrate(X, Y)
    first.infer(np.zeros(1000, dtype=int))
    second = ReusableHoldout(queries=5, mechanism="description_length", ledger=Ledger.in_memory())
    with pytest.raises(LedgerMismatchError, match="not after noisy answers"):
        second.calibrate(X[:500], Y[:500], allow_overlap="charge")
    with pytest.raises(ValueError, match="allows no vault"):
        second.set_params(vault=0.2).calibrate(X[:500], Y[:500], allow_overlap="charge")
    with pytest.raises(ValueError, match="allow_overlap"):
        second.calibrate(X[:500], Y[:500], allow_overlap="yes")


def test_a_share_that_is_far_better_than_its_guess_is_warned_about(asked: ReusableHoldout) -> None:
    """A forest that was fitted on the holdout elsewhere keeps no rows; its answer tells."""
    with pytest.warns(DataReuseWarning, match="more than four standard errors better"):
        asked.infer(DecisionTreeClassifier(random_state=0).fit(X, Y))
    with warnings.catch_warnings():
        warnings.simplefilter("error", DataReuseWarning)
        asked.infer(1 - Y, guess=0.5)  # far worse is no sign of it
        asked.infer(1 - Y, guess=0.5, metric="error")
