"""The gate: bits that are kept across processes, replays, ends, and certificates that hold."""

from __future__ import annotations

import io
import math
import subprocess
import sys
import zlib

import numpy as np
import pytest

from tests.holdout.study import MODEL, X_HOLD, Y_HOLD, make
from validstats.exceptions import BudgetExhaustedError, LedgerTamperedError
from validstats.holdout import Ledger, ReusableHoldout
from validstats.holdout.asking.gate import Gate, _Predictions
from validstats.holdout.budget import VAULT_SHARE
from validstats.holdout.widths import BitCode, certify_gain, contrast_lower, start_upper

N = len(Y_HOLD)
START = np.zeros(N, dtype=int)


def better(share: float, seed: int = 0) -> np.ndarray:
    """Predictions that are right on a share of the rows."""
    right = np.random.default_rng(seed).random(N) < share
    return np.where(right, Y_HOLD, 1 - Y_HOLD)


def test_better_proposals_are_kept_and_certified() -> None:
    gate = make(queries=5).gate(START)
    assert [gate.ask(better(share)) for share in (0.4, 0.7, 0.5, 0.9)] == [False, True, False, True]
    assert gate.status["proposals"] == 4 and gate.status["kept"] == 2
    certificate = gate.certify()
    truth = float((better(0.9) == Y_HOLD).mean())
    assert certificate.accuracy_low < truth < certificate.accuracy_high
    assert 0.2 < certificate.gain < truth - float((START == Y_HOLD).mean())


def test_copies_are_free_and_replays_get_the_same_answer() -> None:
    rh = make(queries=5)
    gate = rh.gate(START)
    before = rh.nats_
    assert gate.ask(START) is False and rh.nats_ == before
    assert gate.ask(better(0.4)) is False
    spent = rh.nats_
    assert gate.ask(better(0.4)) is False and rh.nats_ == spent
    assert gate.ask(better(0.8)) is True
    kept = rh.nats_
    assert (
        gate.ask(better(0.4)) is False and rh.nats_ > kept
    )  # another question: the present model has changed


def test_proposals_use_no_declared_queries_and_no_number_is_declared() -> None:
    rh = make(queries=2)
    gate = rh.gate(START)
    for seed in range(60):
        gate.ask(better(0.3, seed))
    assert rh.infer(MODEL).left["queries"] == 1
    assert 0.0 < rh.nats_ < 20.0
    gate.certify(go_on=True)
    gate.certify()
    assert rh.infer(1 - MODEL.predict(X_HOLD), guess=0.5).left["queries"] == 0


def test_a_probability_of_ones_own_makes_expected_bits_cheap() -> None:
    plain, known = make(), make()
    plain.gate(START).ask(better(0.2))
    known.gate(START).ask(better(0.2), p_keep=0.001)
    assert known.nats_ < plain.nats_


def test_a_certificate_ends_the_gate_unless_it_goes_on() -> None:
    rh = make()
    gate = rh.gate(START)
    gate.ask(better(0.8))
    before = rh.nats_
    shown = gate.certify(go_on=True)
    assert rh.nats_ == pytest.approx(before + math.log(2) + 3 * math.log(1001))
    assert round(shown.gain * 1000, 6) % 1 == 0
    assert gate.ask(better(0.95)) is True
    gate.certify()
    with pytest.raises(BudgetExhaustedError, match="this gate was ended"):
        gate.ask(better(0.99))


def test_the_vault_certifies_once() -> None:
    gate = make(vault=0.25).gate(START)
    gate.ask(better(0.9))
    answer = gate.final()
    assert 0.1 < float(answer) == answer.conf_low < 0.5 and answer.guarantee.holds
    assert answer.conf_high == 1.0 and gate.status["ended"]
    with pytest.raises(BudgetExhaustedError, match="this gate was ended"):
        gate.ask(better(0.95))
    with pytest.raises(BudgetExhaustedError, match="the vault was opened"):
        gate.final()
    with pytest.raises(ValueError, match="needs a vault"):
        make().gate(START).final()


def test_a_gate_beside_a_vault_divides_the_level_at_its_root() -> None:
    # .75 for the vault, .1 for the start, .15 for bits and certificates
    rh = make(vault=0.25)
    gate = rh.gate(START)
    assert rh.nats_ == pytest.approx(-math.log(0.15))
    alone = make()
    alone.gate(START)
    assert alone.nats_ == pytest.approx(-math.log(0.9))
    gate.ask(better(0.9))
    units = [gate._good(gate._record()[name])[1] for name in ("present", "start")]
    level = math.log(0.05 * 0.75 / 2)
    assert float(gate.final()) == contrast_lower(*units, start_upper(units[1], level), level).gain


def test_the_vault_certifies_a_model_that_the_gate_has_not_kept() -> None:
    gains = []
    for target in (None, better(0.95)):
        gate = make(vault=0.25).gate(START)
        gate.ask(better(0.8))
        answer = gate.final(target)
        assert answer.question.endswith(f"{'kept model' if target is None else 'predictions'} (final)")
        gains.append(float(answer))
    assert gains[1] > gains[0] + 0.05


def test_losses_are_turned_the_right_way() -> None:
    gate = make(metric="error").gate(START)
    assert gate.ask(better(0.9)) is True and gate.ask(better(0.5)) is False
    assert gate.certify().gain > 0.1


def test_other_values_go_through_the_gate() -> None:
    worse = np.clip(MODEL.predict_proba(X_HOLD) * 0.2 + 0.4, 0, 1)
    gate = make(metric="brier").gate(worse)
    assert gate.ask(MODEL) is True and gate.ask(worse) is False
    assert gate.certify().accuracy_low < 0.9


@pytest.mark.slow
def test_a_gate_continues_in_another_process(tmp_path) -> None:
    path = Ledger.create(tmp_path / "gate.ledger").path
    gate = make(path).gate(START)
    gate.ask(better(0.8))
    code = (
        "from tests.holdout.test_gate import START, better\nfrom tests.holdout.study import make\n"
        f"gate = make({str(path)!r}).gate(START)\nprint(gate.status['kept'], gate.ask(better(0.6)), gate.ask(better(0.95)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["1", "False", "True"]
    assert gate.status["kept"] == 2 and gate.ask(better(0.85)) is False


def test_the_ledger_of_a_gate_holds_nothing_that_depends_on_labels_but_the_bits(tmp_path) -> None:
    """Two label vectors with the same bits leave the same records, but for times, digests and the order of rows."""
    records = []
    secret = b"one key for both" * 2
    for flip in (0, 1):
        # the second labelling turns two rows that both proposals treat alike
        y = Y_HOLD.copy()
        y[[0, 1]] = flip
        rh = make(Ledger.in_memory(secret=secret), y=y)
        gate = rh.gate(np.zeros(N, dtype=int))
        proposals = [np.zeros(N, dtype=int), np.zeros(N, dtype=int)]
        proposals[0][100:400], proposals[1][100:] = Y_HOLD[100:400], Y_HOLD[100:]
        assert [gate.ask(p) for p in proposals] == [True, True]
        entries = rh.ledger_.entries()
        records.append(
            [(e.release, e.passed, e.nats, sorted(e.state["gate"])) for e in entries if "gate" in e.state]
        )
        text = repr([e.state for e in entries])
        assert "start_high" not in text and len(text) < 60_000
    assert records[0] == records[1]


def test_another_program_that_keeps_first_changes_what_a_proposal_is_compared_with(tmp_path) -> None:
    path = Ledger.create(tmp_path / "gate.ledger").path
    gate, other = make(path).gate(START), make(path).gate(START)
    measured = gate._units
    moved = []

    def moving(proposal):
        if not moved:
            moved.append(other.ask(better(0.95)))
        return measured(proposal)

    object.__setattr__(gate, "_units", moving)
    assert gate.ask(better(0.8)) is False and moved == [True]
    assert gate.status["kept"] == 1


def test_a_tuner_searches_by_training_scores_and_the_gate_keeps() -> None:
    class Trial:
        def __init__(self, share: float) -> None:
            self.share, self.user_attrs = share, {}

        def set_user_attr(self, key: str, value: object) -> None:
            self.user_attrs[key] = value

    gate = make().gate(START)
    objective = gate.objective(lambda trial: (trial.share, better(trial.share)))
    trials = [Trial(share) for share in (0.4, 0.7, 0.6, 0.9)]
    assert [objective(trial) for trial in trials] == [0.4, 0.7, 0.6, 0.9]
    assert [trial.user_attrs["kept"] for trial in trials] == [False, True, False, True]


def test_optuna_drives_a_gate() -> None:
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    gate = make().gate(START)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))

    def candidate(trial):
        share = trial.suggest_float("share", 0.3, 0.9)
        return share, better(share)

    study.optimize(gate.objective(candidate), n_trials=15)
    kept = [trial.number for trial in study.trials if trial.user_attrs["kept"]]
    assert len(kept) == gate.status["kept"] > 0 and gate.certify().gain > 0.1


def test_a_gate_needs_a_mechanism_that_hosts_it() -> None:
    with pytest.raises(ValueError, match="gate\\(\\) needs mechanism"):
        make(mechanism="gaussian").gate(START)
    with pytest.raises(ValueError, match="margin"):
        make().gate(START, margin=-1.0)
    losses = make(metric="brier")
    with pytest.raises(ValueError, match="'brier' failed with ValueError on the predictions of this target"):
        losses.gate(START + 2.0)
    assert losses.nats_ == 0.0 and losses.ledger_.entries()[-1].release != "open"


def test_a_ledger_keeps_the_start_the_present_model_and_the_last_proposal() -> None:
    y = np.arange(2000) % 2
    holdout = ReusableHoldout(mechanism="description_length").calibrate(np.zeros((2000, 1)), y)
    gate = holdout.gate(np.zeros(2000, dtype=int))
    ledger, names = holdout.desk_.books.ledger, []
    for share in (600, 1100, 1600):
        assert gate.ask(np.where(np.arange(2000) < share, y, 0))
        names.append(gate._record()["present"])
    assert not gate.ask(1 - y)
    assert ledger.attachment(names[-1]) and ledger.attachment(gate._record()["start"])
    for name in names[:2]:
        with pytest.raises(LedgerTamperedError, match="an attachment was edited or removed"):
            ledger.attachment(name)  # is not there any more
    kept = [gate._record()["start"], names[-1]]
    gate.certify()
    another = holdout.gate(
        np.where(np.arange(2000) < 300, y, 0)
    )  # a gate that follows begins with its own start
    assert ledger.attachment(another._record()["start"])
    for name in kept:
        with pytest.raises(LedgerTamperedError, match="an attachment was edited or removed"):
            ledger.attachment(name)


@pytest.mark.parametrize("metric", ["accuracy", "error"])
def test_a_certificate_has_half_of_what_is_left(metric) -> None:
    y = np.arange(2000) % 2
    holdout = ReusableHoldout(mechanism="description_length", metric=metric).calibrate(np.zeros((2000, 1)), y)
    gate = holdout.gate(np.zeros(2000, dtype=int))
    kept = np.where(np.arange(2000) < 900, y, 0)
    assert gate.ask(kept)
    session = holdout.desk_.books.look()
    level = float(session.state["log_alpha"]) + session.log_mass - math.log(2)
    start, present = (y == 0).astype(float), (y == kept).astype(float)
    limit = start_upper(start, float(session.state["gate"]["start_level"]))
    expected = certify_gain(present, start, limit, level, independent_rows=True)
    found = gate.certify()
    shown = (found.accuracy_low, found.accuracy_high, found.gain)
    assert shown == pytest.approx((expected.accuracy_low, expected.accuracy_high, expected.gain))
    assert 0.1 < found.gain < 0.225


@pytest.mark.parametrize("metric", ["accuracy", "error"])
def test_a_proposal_is_kept_where_rows_won_less_those_lost_are_more_than_the_root_of_both(metric) -> None:
    """At a margin of one standard error: 9 won and 3 lost are 6, and the root of 12 is 3.46; of two: 6.9."""
    y = np.arange(2000) % 2
    start = np.where(np.arange(2000) < 1000, y, 1 - y)

    def proposal(won: int, lost: int) -> np.ndarray:
        return np.where(np.arange(2000) < lost, 1 - y, np.where(np.arange(2000) < 1000 + won, y, start))

    for won, lost, margin, kept in (
        (9, 3, 1.0, True), (9, 3, 2.0, False), (6, 3, 1.0, False), (6, 3, 0.9, True), (1, 0, 1.0, False),
        (1, 0, 0.9, True), (3, 9, 0.0, False), (4, 4, 0.0, False),
    ):  # fmt: skip
        holdout = ReusableHoldout(mechanism="description_length", metric=metric)
        gate = holdout.calibrate(np.zeros((2000, 1)), y).gate(start, margin=margin)
        assert gate.ask(proposal(won, lost)) is kept


def test_gates_of_one_desk_are_equal_whatever_they_have_measured() -> None:
    gate = make().gate(START)
    gate.ask(better(0.9))
    again = Gate(gate.desk, gate.metric, 1.0)
    assert gate == again and hash(gate) == hash(again) and gate != Gate(gate.desk, gate.metric, 2.0)
    with pytest.raises(TypeError):
        Gate(gate.desk, gate.metric, 1.0, {})


def test_what_a_gate_costs_and_which_levels_it_keeps() -> None:
    """A tenth of the mass is for the start, from what earlier answers left; a last certificate takes half of the rest."""
    holdout = make()
    holdout.infer(1 - MODEL.predict(X_HOLD), guess=0.5)
    spent = holdout.nats_
    assert spent > 1.0
    gate = holdout.gate(START)
    state = holdout.desk_.books.look().state["gate"]
    assert state["start_level"] == pytest.approx(math.log(0.05) - spent + math.log(0.1))
    assert state["vault_level"] == pytest.approx(math.log(0.05 * VAULT_SHARE))
    assert holdout.nats_ == pytest.approx(spent - math.log(0.9))
    assert (state["proposals"], state["kept"], state["ended"]) == (0, 0, False)
    gate.ask(better(0.9))
    before = holdout.nats_
    gate.certify()
    assert holdout.nats_ == pytest.approx(before + math.log(2)) and gate.status["ended"]
    assert gate.status["nats"] == pytest.approx(holdout.nats_)


def test_what_a_ledger_holds_is_never_unpickled() -> None:
    """Predictions are read as plain arrays: a file that somebody changed runs no code."""
    gate = make().gate(START)
    ran, found = [], io.BytesIO()
    np.lib.format.write_array(found, np.array([ran, None], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="Object arrays cannot be loaded"):
        _Predictions(zlib.compress(found.getvalue())).units(gate.desk, gate.metric)


def test_predictions_of_words_and_of_two_parts_come_back_as_they_were() -> None:
    words = np.array(["no", "yes"])
    rh = ReusableHoldout(
        mechanism="description_length", vault=0.25, ledger=Ledger.in_memory(secret=b"one key")
    )
    rh.calibrate(X_HOLD, words[Y_HOLD], classes=words)
    said = words[better(0.7)].astype(object)
    gate = rh.gate(np.full(N, "no"))
    proposal = _Predictions.of(gate.desk, said, gate.metric)
    units, vault = proposal.units(gate.desk, gate.metric)
    parts = rh.desk_.parts
    for found, part in ((units, parts.reusable), (vault, parts.vault)):
        assert found.tolist() == (said == words[Y_HOLD])[part.given].astype(float).tolist()
    assert gate.ask(said) and not gate.ask(said.astype(str))
    assert gate.status["proposals"] == 1  # a copy of the present model is no proposal
    alone = make().gate(START)
    assert _Predictions.of(alone.desk, START, alone.metric).units(alone.desk, alone.metric)[1] is None


def test_every_bit_is_paid_by_what_the_bits_before_it_were() -> None:
    rh = make()
    gate, code = rh.gate(START), BitCode()
    for seed, share in enumerate((0.3, 0.2, 0.8, 0.3, 0.25)):
        before = rh.nats_
        kept = gate.ask(better(share, seed))
        assert rh.nats_ - before == pytest.approx(-code.log_probability(kept))
        code = code.after(kept)
    assert gate.status["kept"] == 1
    assert len(gate._known) == 3  # values of the start, of the model that is kept and of the last proposal
