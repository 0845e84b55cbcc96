"""Claims about the holdout: every release, asked by honest analysts and by ones who try to overfit it.

Labels that decide are fair coins, independent of everything that is proposed: whatever an analyst has learned, the accuracy of a
further proposal is one half, the gain of one over another is nothing, and a claim of more is false.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

from validstats._typing import AnyArray, Float1D, Int1D
from validstats.exceptions import BudgetExhaustedError
from validstats.holdout import Ledger, ReusableHoldout, audit_looks
from validstats.holdout.mechanisms import mechanism
from validstats.holdout.widths import clopper_pearson
from validstats.validity.adaptive import GuardedHoldout, averaging, hill_climb, sign_aggregation
from validstats.validity.hunt import Claim, Refused, Trial
from validstats.validity.priors import Choice, LogUniform, Prior, Setting, Uniform

__all__ = ["CLAIMS"]

ANALYSTS = ("honest", "sign aggregation", "hill climbing", "the same again")
MECHANISMS = ("guess_and_check", "description_length", "gaussian", "thresholdout", "fresh_chunks", "rounds")
SEARCHES = ("one label at a time", "blocks", "many seeds", "sign aggregation", "near copies")
LEVELS = Choice((0.8, 0.9, 0.95))


def _coins(rng: np.random.Generator, n: int) -> Int1D:
    return np.asarray(rng.integers(0, 2, int(n)), dtype=np.int64)


def _plain(predictions: Int1D, labels: Int1D, level: float) -> tuple[float, float]:
    """Clopper and Pearson's interval of one look."""
    return clopper_pearson(int((predictions == labels).sum()), len(labels), math.log1p(-level))


class _Guarded(GuardedHoldout):
    """Each question depends on the answer before: it is a round of its own."""

    def __call__(self, predictions: Int1D) -> float | None:
        value = super().__call__(predictions)
        self.state = mechanism(self.name).next_round(self.state)
        return value


def _answers_trial(setting: Setting, rng: np.random.Generator) -> Trial:
    """Scores of adaptively chosen models: all intervals of a day."""
    n, looks, level = setting["n"], setting["looks"], setting["level"]
    kind = mechanism(setting["mechanism"])
    numbers = {"queries": looks + 1, "overfits": 3, "rounds": looks + 1}
    declared: dict[str, Any] = {name: numbers[name] for name in kind.takes if name in numbers}
    if kind.name in ("fresh_chunks", "rounds") and n < looks + 1:
        raise Refused
    if kind.name == "gaussian":
        declared["analysis"] = "tight"
    labels = _coins(rng, n)
    declared["confidence_level"] = level
    holdout = _Guarded(labels, kind.name, declared, rng, guess=setting["guess"])
    if setting["analyst"] == "honest":
        for _ in range(looks):
            holdout.guess = float(rng.binomial(setting["n_guess"], 0.5) / setting["n_guess"])
            holdout(_coins(rng, n))
        final = _coins(rng, n)
        holdout(final)
    elif setting["analyst"] == "sign aggregation":
        final = sign_aggregation(holdout, n, looks, rng).predictions
    elif setting["analyst"] == "hill climbing":
        final = hill_climb(
            lambda p: None if (v := holdout(p)) is None else -v, n, looks, rng, block=n // 20
        ).predictions
    else:
        final = averaging(holdout, _coins(rng, n), looks).predictions
    last = holdout.releases[-1]
    low, high = _plain(final, labels, level)
    width = math.nan if last.low is None or last.high is None else last.high - last.low
    held = holdout.all_covered(0.5) or not kind.proved(holdout.state)
    return Trial(held, width, low <= 0.5 <= high, high - low, _fault(holdout))


def _fault(holdout: GuardedHoldout) -> str:
    for release in holdout.releases:
        ends = [end for end in (release.low, release.high) if end is not None]
        if any(math.isnan(end) for end in ends):
            return "an end is NaN"
        if len(ends) == 2 and (ends[0] > ends[1] or ends[0] < 0.0 or ends[1] > 1.0):
            return "ends out of order or of range"
    return ""


def _values_trial(setting: Setting, rng: np.random.Generator) -> Trial:
    """Losses that are not 0 and 1, guessed from training values that have the same law or another one."""
    n, looks = setting["n"], setting["looks"]
    kind, bold = mechanism("guess_and_check"), setting["bold"]
    state = kind.initial_state(n, queries=looks + 1, confidence_level=setting["level"])
    labels, votes, held, width = _coins(rng, n), np.zeros(n), True, math.nan
    truth = 0.5 * (bold**2 + (1.0 - bold) ** 2)
    for look in range(looks + 1):
        proposal = _coins(rng, n)
        if look == looks:  # the majority of what scored well
            proposal = (votes > 0).astype(np.int64)
        losses = np.where(proposal == labels, (1.0 - bold) ** 2, bold**2)
        guess: Any = None
        if setting["guess"] == "honest":
            guess = np.where(rng.random(setting["n_guess"]) < 0.5, (1.0 - bold) ** 2, bold**2)
        elif setting["guess"] == "without spread":
            guess = np.full(setting["n_guess"], truth)
        state, release = kind.step(state, losses, guess)
        if release.low is None or release.high is None:
            break
        held &= release.low <= truth <= release.high
        width = release.high - release.low
        votes += (2 * proposal - 1) * (1.0 if (release.value or 0.0) < truth else -1.0)
    return Trial(held, width)


class _Study:
    """A holdout of fair coins with everything that was said about it."""

    def __init__(self, setting: Setting, rng: np.random.Generator, **options: Any) -> None:
        self.setting, self.rng = setting, rng
        self.each = int(setting.get("each", 1))
        self.labels, clusters = self.draw(int(setting["n"]))
        self.n = len(self.labels)
        ledger = Ledger.in_memory(secret=rng.bytes(32))
        declared = {"confidence_level": setting["level"], "ledger": ledger, **options}
        self.holdout = ReusableHoldout(**declared)
        X = rng.normal(size=(self.n, 1))
        self.holdout.calibrate(X, self.labels, clusters=clusters, check_reuse=False)
        self.votes = np.zeros(self.n)
        self.held = True

    def draw(self, n: int, first: int = 0) -> tuple[Int1D, AnyArray | None]:
        """Labels of n units, and the clusters where a unit is several rows, about one in five with labels of their own."""
        if self.each == 1:
            return _coins(self.rng, n), None
        cluster = np.repeat(np.arange(n), self.rng.integers(1, 2 * self.each, n))
        labels = _coins(self.rng, n)[cluster]
        own = self.rng.random(len(labels)) < 0.2
        return np.where(own, _coins(self.rng, len(labels)), labels), first + cluster

    def proposal(self) -> Int1D:
        """Random predictions, or the majority of what looked good so far."""
        if self.rng.random() < self.setting["greed"]:
            return (self.votes + self.rng.normal(0, 0.1, self.n) > 0).astype(np.int64)
        return _coins(self.rng, self.n)

    def learn(self, proposal: Int1D, good: bool) -> None:
        self.votes += (2 * proposal - 1) * (1.0 if good else -1.0)

    def hear(self, answer: Any, truth: float) -> None:
        """Check an interval."""
        if answer.bounds is not None:
            self.held &= answer.bounds[0] - 1e-12 <= truth <= answer.bounds[1] + 1e-12


def _ask_score(study: _Study) -> None:
    p = study.proposal()
    answer = study.holdout.infer(
        p, guess=float(np.clip(study.rng.normal(0.5, 0.5 / math.sqrt(study.n)), 0.0, 1.0))
    )
    study.hear(answer, 0.5)
    study.learn(p, float(answer) > 0.5)


def _ask_without_guess(study: _Study) -> None:
    p = study.proposal()
    answer = study.holdout.infer(p)
    study.hear(answer, 0.5)
    study.learn(p, float(answer) > 0.5)


def _ask_again(study: _Study) -> None:
    p = np.ones(study.n, int)
    study.hear(study.holdout.infer(p, guess=0.5), 0.5)


def _ask_difference(study: _Study) -> None:
    p, q = study.proposal(), study.proposal()
    answer = study.holdout.compare(p, q)
    study.hear(answer, 0.0)
    study.learn(p, float(answer) > 0.0)


def _ask_sign(study: _Study) -> None:
    answer = study.holdout.compare(study.proposal(), study.proposal(), release="sign")
    study.held &= answer.passed is None


def _ask_claim(study: _Study) -> None:
    p = study.proposal()
    passed = bool(study.holdout.validate(p, at_least=0.5 + 1e-9).passed)
    study.held &= not passed
    study.learn(p, passed)


def _ask_gain(study: _Study) -> None:
    study.held &= not study.holdout.validate_gain(study.proposal(), study.proposal(), at_least=0.0).passed


def _ask_best(study: _Study) -> None:
    candidates = [study.proposal() for _ in range(4)]
    answer = study.holdout.best(candidates)
    study.hear(answer, 0.5)
    study.learn(candidates[answer.winner or 0], True)


def _ask_board(study: _Study) -> None:
    p = study.proposal()
    answer = study.holdout.leaderboard(baseline=0.5).submit(p)
    study.hear(answer, 0.5)
    study.learn(p, bool(answer.passed))


def _ask_ties(study: _Study) -> None:
    candidates = [study.proposal() for _ in range(3)]
    for i in study.holdout.ties(candidates).tied or ():
        study.learn(candidates[i], True)


def _ask_function(study: _Study) -> None:
    p = study.proposal()
    right = float(np.mean(_coins(study.rng, 50)))
    with suppress(ValueError):  # a function that fails on the holdout is an outcome, and paid for

        def hits(X: AnyArray, y: AnyArray) -> Float1D:
            if study.rng.random() < 0.05:
                raise RuntimeError
            return (y == 1).astype(np.float64)

        study.hear(study.holdout.query(hits, guess=right), 0.5)
    study.learn(p, study.rng.random() < 0.5)


def _join(study: _Study) -> None:
    """More rows join, in a number that the answers so far decide."""
    if study.n > 4 * study.each * study.setting["n"]:
        return
    m = round(study.n / study.each * (0.3 if study.votes.sum() > 0 else 0.6))
    labels, clusters = study.draw(m, first=study.n)
    m = len(labels)
    study.holdout.extend(study.rng.normal(size=(m, 1)), labels, clusters=clusters, check_reuse=False)
    study.labels = np.concatenate([study.labels, labels])
    study.votes = np.concatenate([study.votes, np.zeros(m)])
    study.n += m


RELEASES: tuple[Callable[[_Study], None], ...] = (
    _ask_score,
    _ask_without_guess,
    _ask_again,
    _ask_difference,
    _ask_sign,
    _ask_claim,
    _ask_gain,
    _ask_best,
    _ask_board,
    _ask_ties,
    _ask_function,
    _join,
)


def _mixed_trial(setting: Setting, rng: np.random.Generator) -> Trial:
    """Releases of every kind in any order, budgets that run out, and the vault at the end."""
    looks = setting["looks"]
    study = _Study(
        setting, rng, queries=looks, mechanism=setting["mechanism"], guess=None, vault=setting["vault"]
    )
    order = rng.integers(len(RELEASES), size=looks + 2)
    if setting["repeats"]:  # one kind again and again, then the others
        order[: looks // 2] = order[0]
    for which in order:
        with suppress(BudgetExhaustedError):
            RELEASES[which](study)
    final = (study.votes > 0).astype(np.int64)
    with suppress(BudgetExhaustedError):
        study.hear(study.holdout.infer(final), 0.5)
    if setting["vault"]:
        study.hear(study.holdout.final(final), 0.5)
    low, high = _plain(final, study.labels, setting["level"])
    return Trial(study.held, reference_held=low <= 0.5 <= high)


def _proposals(search: str, study: _Study, guess: Int1D, step: int) -> Int1D:
    rng, n, trial = study.rng, study.n, guess.copy()
    if search == "one label at a time":
        trial[step % n] ^= 1
    elif search == "blocks":
        trial[rng.choice(n, int(math.sqrt(n)), replace=False)] ^= 1
    elif search == "near copies":
        trial[rng.choice(n, 3, replace=False)] ^= 1
    elif search == "many seeds" or step % 5:
        trial = _coins(rng, n)
    else:
        trial = (study.votes > 0).astype(np.int64)
    return trial


def _gate_trial(setting: Setting, rng: np.random.Generator) -> Trial:
    """A search for nothing: certificates in the middle and at the end, and the vault."""
    study = _Study(setting, rng, queries=1, mechanism="single_look", vault=setting["vault"])
    guess = _coins(rng, study.n)
    gate = study.holdout.gate(guess, margin=setting["margin"])
    for step in range(setting["proposals"]):
        trial = _proposals(setting["search"], study, guess, step)
        kept = gate.ask(trial)
        study.learn(trial, kept)
        guess = trial if kept else guess
        if setting["shown"] and step == setting["proposals"] // 2:
            shown = gate.certify(go_on=True)
            study.held &= shown.accuracy_low <= 0.5 <= shown.accuracy_high and shown.gain <= 0.0
    if setting["vault"]:
        study.held &= float(gate.final()) <= 0.0
    else:
        found = gate.certify()
        study.held &= found.accuracy_low <= 0.5 <= found.accuracy_high and found.gain <= 0.0
    low, high = _plain(guess, study.labels, setting["level"])
    return Trial(bool(study.held), reference_held=low <= 0.5 <= high)


def _discovery_trial(setting: Setting, rng: np.random.Generator) -> Trial:
    """Claims that are all false, chosen after answers: none of a batch may be confirmed."""
    study = _Study(setting, rng, queries=setting["looks"] + 1, mechanism=setting["mechanism"], guess=None)
    for _ in range(setting["looks"]):
        _ask_without_guess(study)
    models = [study.proposal() for _ in range(setting["claims"])]
    found = study.holdout.discover(models, at_least=0.5, false_discovery_rate=1.0 - setting["level"])
    scores = np.array([(model == study.labels).mean() for model in models])
    naive = scores > 0.5 + 0.5 * math.sqrt(math.log(len(models) / (1.0 - setting["level"])) / study.n)
    return Trial(not found.confirmed.any(), reference_held=not naive.any())


def _audit_trial(setting: Setting, rng: np.random.Generator) -> Trial:
    """The winner of a search through rounded scores, audited by what is known of the looks."""
    n, looks, decimals = setting["n"], setting["looks"], setting["decimals"]
    labels, votes = _coins(rng, n), np.zeros(n)
    scores: list[float] = []
    for look in range(looks):
        proposal = _coins(rng, n) if look < looks - 1 else (votes > 0).astype(np.int64)
        scores.append(round(float((proposal == labels).mean()), decimals))
        votes += (2 * proposal - 1) * (1.0 if scores[-1] > 0.5 else -1.0)
    best = int(np.argmax(scores))
    known: dict[str, Any] = {"looks": looks} if setting["known"] == "number" else {"scores": scores}
    found = audit_looks(n, scores[best], decimals=decimals, confidence_level=setting["level"], **known).best
    low, high = clopper_pearson(round(scores[best] * n), n, math.log1p(-setting["level"]))
    held = found.low <= 0.5 <= found.high
    return Trial(bool(held), found.high - found.low, low <= 0.5 <= high, high - low)


def _level(setting: Setting) -> float:
    return float(setting["level"])


_PLAIN = "interval of one look at the last model"

CLAIMS = (
    Claim(
        "scores of adaptively chosen models",
        Prior(
            {
                "n": LogUniform(50, 20_000, says="rows of the holdout"),
                "looks": LogUniform(1, 2000),
                "mechanism": Choice(MECHANISMS),
                "analyst": Choice(ANALYSTS),
                "guess": Uniform(0.3, 0.7, says="what a hostile analyst guesses"),
                "n_guess": LogUniform(20, 20_000, says="rows behind honest guesses"),
                "level": LEVELS,
            }
        ),
        _answers_trial,
        _level,
        reference=_PLAIN,
    ),
    Claim(
        "losses that are not 0 and 1",
        Prior(
            {
                "n": LogUniform(50, 5000),
                "looks": LogUniform(1, 20),
                "bold": Uniform(0.5, 1.0, says="probability that is given to the proposed class"),
                "guess": Choice(("honest", "without spread", "none")),
                "n_guess": LogUniform(10, 5000),
                "level": LEVELS,
            }
        ),
        _values_trial,
        _level,
    ),
    Claim(
        "releases of every kind in any order",
        Prior(
            {
                "n": LogUniform(50, 1000),
                "looks": LogUniform(1, 25),
                "mechanism": Choice(("guess_and_check", "description_length")),
                "greed": Uniform(0.0, 1.0, says="share of proposals that use what was released"),
                "repeats": Choice((False, True)),
                "vault": Choice((0.0, 0.2)),
                "level": LEVELS,
            }
        ),
        _mixed_trial,
        _level,
        reference=_PLAIN,
    ),
    Claim(
        "certificates of a gate",
        Prior(
            {
                "n": LogUniform(50, 400),
                "proposals": LogUniform(1, 100),
                "search": Choice(SEARCHES),
                "margin": Choice((0.0, 1.0, 1.5)),
                "vault": Choice((0.0, 0.2)),
                "shown": Choice((False, True), says="whether a certificate is shown in the middle"),
                "greed": Choice((0.0,)),
                "level": LEVELS,
            }
        ),
        _gate_trial,
        _level,
        reference=_PLAIN,
    ),
    Claim(
        "claims that are all false, chosen after answers",
        Prior(
            {
                "n": LogUniform(50, 1000),
                "looks": LogUniform(1, 20),
                "claims": LogUniform(1, 20),
                "mechanism": Choice(("guess_and_check", "description_length")),
                "greed": Uniform(0.0, 1.0),
                "level": LEVELS,
            }
        ),
        _discovery_trial,
        _level,
        reference="Hoeffding with Bonferroni's correction",
    ),
    Claim(
        "scores of a test set that was looked at before",
        Prior(
            {
                "n": LogUniform(50, 20_000),
                "looks": LogUniform(1, 300),
                "decimals": Choice((1, 2, 3)),
                "known": Choice(("number", "scores")),
                "level": LEVELS,
            }
        ),
        _audit_trial,
        _level,
        reference="interval of one look at the best score",
    ),
    Claim(
        "releases about clusters of dependent rows",
        Prior(
            {
                "n": LogUniform(50, 400, says="clusters"),
                "each": Choice((2, 3, 10), says="rows of a cluster on average"),
                "looks": LogUniform(1, 25),
                "mechanism": Choice(("guess_and_check", "description_length")),
                "greed": Uniform(0.0, 1.0, says="share of proposals that use what was released"),
                "repeats": Choice((False, True)),
                "vault": Choice((0.0, 0.2)),
                "level": LEVELS,
            }
        ),
        _mixed_trial,
        _level,
        reference=f"{_PLAIN}, with every row as a unit",
    ),
)
