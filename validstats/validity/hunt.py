"""The hunt: settings drawn from what users have, the worst of them looked for, and confirmed with fresh seeds."""

from __future__ import annotations

import json
import math
import os
import time
import traceback
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import joblib
import numpy as np
from joblib.externals.loky.process_executor import TerminatedWorkerError
from scipy import stats

from validstats.intake import check_in_range, check_literal, check_positive_int
from validstats.results import Report, Summary, Table
from validstats.runtime import progress
from validstats.validity.priors import Choice, LogUniform, Prior, Setting, Uniform

__all__ = [
    "Choice",
    "Claim",
    "Finding",
    "HuntReport",
    "LogUniform",
    "Prior",
    "Refused",
    "Setting",
    "Trial",
    "Uniform",
    "hunt",
    "replay",
]

ALLOWANCE = {"finite-sample": 0.01, "marginal-over-family": 0.01, "asymptotic": 0.02}
"""How far below its level a statement may lie before a confirmed setting counts as a fault."""

_FIRST_TRIALS = 24
"""Trials of a new setting; the worst third gets three times as many, and so on (racing)."""
_GROWTH = 3
_KEPT = 1 / 3
_N_NEW = 12
_FEWEST = 3
"""New settings of a round; fewer where a trial takes long, and in the first round of a timed hunt, which measures that."""
_FRESH_SHARE = 0.5
"""Share of new settings drawn from the prior; the others are mutations of the worst or widest so far."""
_WIDEST_SHARE = 0.25
"""Share of the mutations that start from the widest settings and not from the worst."""
_SEARCH_SHARE = 0.65
"""Share of the time for the search; the rest is kept for confirming."""
_ROUNDS = 3
"""Rounds of each claim at least: where time or trials are few, a round is small."""
_ENOUGH = 8
"""Trials beside the reference before a setting can be the widest."""
_PACKAGE = str(Path(__file__).parents[1]) + os.sep
_CONFIRMED_AT = 0.01
"""Family-wise level of the exact binomial tests that confirm, at each of two looks: at most twice that in all."""
_DOUBT = 0.1
"""P-value up to which a setting that is not confirmed gets more trials, so many times those that it had."""
_MORE = 4


class Refused(Exception):
    """A trial was refused with a documented message: no statement was made, so none can be wrong."""


@dataclass(frozen=True)
class Trial:
    """What became of one simulated data set.

    Parameters
    ----------
    held : bool
        Whether the statement was true.
    width : float, default nan
        Width of the interval or another cost; smaller is better.
    reference_held : bool or None, default None
        Whether the statement of the reference method was true.
    reference_width : float, default nan
        Its width.
    fault : str, default ""
        A fault beside the statement itself: a silent NaN, an end outside the range, a warning that did not come.
    decided, reference_decided : bool or None, default None
        Whether a question whose answer is known was decided (a false hypothesis rejected, a true claim confirmed), by the
        statement and by the reference: their shares are the power.
    """

    held: bool
    width: float = math.nan
    reference_held: bool | None = None
    reference_width: float = math.nan
    fault: str = ""
    decided: bool | None = None
    reference_decided: bool | None = None


@dataclass(frozen=True)
class Claim:
    """A statement that is hunted.

    Parameters
    ----------
    name : str
        What is claimed, in a few words.
    prior : Prior
        What users have.
    trial : callable
        ``trial(setting, rng)`` draws a data set, makes the statement and returns a :class:`Trial`. It raises
        :class:`Refused` where the package refuses with a documented message; any other error is a fault.
    level : float or callable
        Probability that is promised, or ``level(setting)``.
    kind : {"finite-sample", "asymptotic", "marginal-over-family"}, default "finite-sample"
        Strength of the statement; it decides the allowance.
    reference : str, default ""
        The best naive method or peer that stands beside.

    Examples
    --------
    A home-made interval that fails for few rows:

    >>> import numpy as np
    >>> def normal_interval(setting, rng):
    ...     x = rng.exponential(size=setting["n"])
    ...     half = 1.96 * x.std(ddof=1) / np.sqrt(len(x))
    ...     return Trial(abs(x.mean() - 1.0) <= half, 2 * half)
    >>> claim = Claim("mean by 1.96 standard errors", Prior({"n": LogUniform(5, 200)}), normal_interval, 0.95)
    >>> found = hunt([claim], n_trials=2000, random_state=0)
    >>> found.faults[0].claim, found.faults[0].setting["n"] < 20
    ('mean by 1.96 standard errors', True)
    """

    name: str
    prior: Prior
    trial: Callable[[Setting, np.random.Generator], Trial]
    level: float | Callable[[Setting], float]
    kind: Literal["finite-sample", "asymptotic", "marginal-over-family"] = "finite-sample"
    reference: str = ""

    def __post_init__(self) -> None:
        given: Any = self  # whatever was handed over
        if not isinstance(given.name, str) or not given.name:
            raise TypeError(f"name must be a text of one letter or more, got {given.name!r}.")
        if not isinstance(given.prior, Prior):
            raise TypeError(
                f"prior must be a Prior, got {given.prior!r} of type {type(given.prior).__name__}."
            )
        if not callable(given.trial):
            raise TypeError(
                f"trial must be a function trial(setting, rng) that returns a Trial, got {given.trial!r}."
            )
        if not callable(given.level):
            check_in_range(given.level, "level", 0, 1, low_open=True, high_open=True)
        check_literal(given.kind, "kind", tuple(ALLOWANCE))

    def level_of(self, setting: Setting) -> float:
        """Return the probability that is promised in a setting.

        Parameters
        ----------
        setting : dict
            The setting.

        Returns
        -------
        float
            The level.
        """
        level = self.level(setting) if callable(self.level) else self.level
        return check_in_range(level, f"level of {self.name!r}", 0, 1, low_open=True, high_open=True)


@dataclass
class _Tally:
    """Counts of the trials of one setting."""

    held: int = 0
    made: int = 0
    refused: int = 0
    seconds: float = 0.0
    elapsed: float = 0.0
    faults: dict[str, int] = field(default_factory=dict)
    fault_seed: list[int] = field(default_factory=list)
    missed_seed: list[int] = field(default_factory=list)
    log_ratio: float = 0.0
    n_ratio: int = 0
    silent: int = 0
    reference_held: int = 0
    n_reference: int = 0
    decided: int = 0
    reference_decided: int = 0
    n_decided: int = 0

    @property
    def trials(self) -> int:
        return self.made + self.refused

    def add(self, other: _Tally) -> None:
        for name, value in asdict(other).items():
            if isinstance(value, (int, float)):
                setattr(self, name, getattr(self, name) + value)
        for text, count in other.faults.items():
            self.faults[text] = self.faults.get(text, 0) + count
        self.fault_seed = self.fault_seed or other.fault_seed
        self.missed_seed = self.missed_seed or other.missed_seed

    def count(self, trial: Any, seed: list[int]) -> None:
        if not isinstance(trial, Trial) or not isinstance(trial.held, bool | np.bool_):
            raise TypeError(f"a trial must return a Trial whose held is True or False, got {trial!r}")
        self.made += 1
        self.held += bool(trial.held)
        if not trial.held:
            self.missed_seed = self.missed_seed or seed
        if trial.fault:
            self.blame(trial.fault, seed)
        if trial.reference_held is not None:
            self.n_reference += 1
            self.reference_held += bool(trial.reference_held)
        if 0 < trial.width < math.inf and 0 < trial.reference_width < math.inf:
            self.n_ratio += 1
            self.log_ratio += math.log(trial.width / trial.reference_width)
        self.silent += math.isinf(trial.width) and 0 < trial.reference_width < math.inf
        if trial.decided is not None and trial.reference_decided is not None:
            self.n_decided += 1
            self.decided += bool(trial.decided)
            self.reference_decided += bool(trial.reference_decided)

    def blame(self, text: str, seed: list[int]) -> None:
        self.faults[text] = self.faults.get(text, 0) + 1
        self.fault_seed = self.fault_seed or seed

    def reference_keeps(self, level: float) -> bool:
        """Whether nothing speaks against the reference's level."""
        noise = 2 * math.sqrt(level * (1 - level) / max(self.n_reference, 1))
        return not self.n_reference or self.reference_held / self.n_reference >= level - noise

    def silence(self, level: float) -> float:
        """Share of the trials without an interval where a reference that keeps the level has one."""
        both = self.silent + self.n_ratio
        return self.silent / both if both >= _ENOUGH and self.reference_keeps(level) else 0.0

    def waste(self, level: float) -> float:
        """Log of the ratio of widths, or the power that is lacking, beside a reference that keeps the level."""
        if not self.reference_keeps(level):
            return -math.inf
        if self.n_ratio >= _ENOUGH:
            return self.log_ratio / self.n_ratio
        return (
            (self.reference_decided - self.decided) / self.n_decided
            if self.n_decided >= _ENOUGH
            else -math.inf
        )


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A setting that was confirmed, with what was achieved in it.

    Attributes
    ----------
    claim : str
        The statement.
    setting : dict
        The setting.
    level : float
        Probability that is promised.
    held, trials : int
        In how many fresh trials it held.
    low, high : float
        Exact interval (Clopper and Pearson 1934, 95 %) of the probability achieved.
    p_value : float
        Exact binomial p-value against the level less its allowance.
    fault : bool
        Whether the setting is confirmed below its level by more than the allowance, or had errors.
    errors : dict of str to int
        Errors and faults beside the statement, with counts.
    width_ratio : float
        Geometric mean of width over the reference's width; NaN where there is no reference.
    reference_held : float
        Share of the trials in which the reference's statement held; NaN where there is none.
    power, reference_power : float
        Shares of the questions with a known answer that the statement and the reference decided; NaN where there is none.
    silent : float
        Share of the trials in which there was no interval (an infinite one) where the reference has one; NaN where there is none.
    refused : int
        Trials that were refused with a documented message.
    seconds : float
        Processor time of the trials.
    seed : list of int
        Seed of one data set in which the statement failed, for :func:`replay`.
    """

    claim: str
    setting: Setting
    level: float
    held: int
    trials: int
    low: float
    high: float
    p_value: float
    fault: bool
    errors: dict[str, int]
    width_ratio: float
    reference_held: float
    power: float
    reference_power: float
    silent: float
    refused: int
    seconds: float
    seed: list[int]

    @property
    def achieved(self) -> float:
        """Share of the fresh trials in which the statement held."""
        return self.held / self.trials if self.trials else math.nan


@dataclass(frozen=True, kw_only=True)
class HuntReport:
    """What a hunt tried and found.

    Attributes
    ----------
    findings : tuple of Finding
        The worst settings of each claim and of all, tried again with fresh seeds, worst first.
    widest : tuple of Finding
        The settings of each claim in which it is widest, or lacks most power, and in which it is most often silent, beside a
        reference that keeps its level, tried again.
    drawn : tuple of Finding
        Every setting that was drawn, with the trials of the search.
    n_settings, n_trials : int
        Settings and trials in all.
    random_state : int
        Seed.
    minutes : float
        Processor minutes of all trials.
    """

    findings: tuple[Finding, ...]
    widest: tuple[Finding, ...]
    drawn: tuple[Finding, ...]
    n_settings: int
    n_trials: int
    random_state: int
    minutes: float

    @property
    def faults(self) -> tuple[Finding, ...]:
        """Settings confirmed below their level by more than the allowance, or with errors."""
        return tuple(f for f in (*self.findings, *self.widest) if f.fault)

    @property
    def sentence(self) -> str:
        """One line: what was tried and found."""
        tried = (
            f"{self.n_trials:,} trials in {self.n_settings:,} settings "
            f"({self.minutes:.1f} minutes of processor time, seed {self.random_state})"
        )
        if not self.faults:
            again = sum(found.trials > 0 for found in self.findings)
            if self.findings and not again:
                return f"Nothing was found below its level in {tried}, stopped before the worst were tried again."
            return f"Nothing was found below its level in {tried}; {again} of the worst were tried again."
        worst = self.faults[0]
        kind = "has errors" if worst.errors else f"holds {worst.achieved:.3f} for {worst.level:g}"
        return (
            f"{len(self.faults)} settings are below their level in {tried}; the worst, {worst.claim}, {kind}."
        )

    def summary(self) -> Summary:
        """Return the tables of the worst and of the widest settings.

        Returns
        -------
        Summary
            Prints as text, shows as HTML, exports LaTeX and Markdown.
        """
        tables = [_table("Worst settings", self.findings)]
        if self.widest:
            tables.append(_table("Widest and most silent settings beside the reference", self.widest))
        return Summary(Report("Hunt for the worst settings", tables=tables, answer=self.sentence))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values, ready for JSON.

        Returns
        -------
        dict
            Sentence, counts and findings.
        """
        return {
            "schema": "validstats.hunt/3",
            "answer": self.sentence,
            "n_settings": self.n_settings,
            "n_trials": self.n_trials,
            "random_state": self.random_state,
            "minutes": self.minutes,
            "findings": [asdict(f) | {"achieved": f.achieved} for f in self.findings],
            "widest": [asdict(f) | {"achieved": f.achieved} for f in self.widest],
            "drawn": [asdict(f) | {"achieved": f.achieved} for f in self.drawn],
        }

    def plot(self, ax: Any = None) -> Any:
        """Draw achieved against promised probabilities, a dot for each confirmed setting.

        Parameters
        ----------
        ax : matplotlib Axes or None, default None
            Where to draw.

        Returns
        -------
        HuntDisplay
            The display.
        """
        from validstats.plotting import HuntDisplay

        return HuntDisplay.from_report(self).plot(ax)


def hunt(
    claims: Sequence[Claim],
    *,
    minutes: float | None = None,
    n_trials: int | None = None,
    n_confirmed: int = 10,
    confirm_trials: int = 2000,
    random_state: int = 0,
    n_jobs: int | None = None,
    store: str | os.PathLike[str] | None = None,
    verbose: bool = False,
) -> HuntReport:
    """Look for the settings in which claims fail, and confirm the worst with fresh seeds.

    Settings are drawn from each claim's prior, half of them as mutations of the worst (or, one in four, of the widest) so
    far. Every setting gets a few trials, the worst third three times as many, and so on. Claims share the time equally: one
    whose trials take long gets fewer of them. The worst of each claim and of all are tried again with fresh seeds and judged
    by exact binomial tests, corrected for how many were tried again; so is the widest of each claim beside its reference.
    What looks too low then and is not confirmed gets four times as many trials more, and is judged once more. An
    interrupt (Ctrl-C) ends the search, a second one the confirmation, and the report is of what was done.

    Parameters
    ----------
    claims : sequence of Claim
        What is claimed.
    minutes : float or None, default None
        Time for the search and the confirmation together, of which a third is kept for the latter. The hunt ends within it but
        for trials that have begun; work from a store counts with the time that it took. One of ``minutes`` and ``n_trials`` is
        needed.
    n_trials : int or None, default None
        Trials of the search; then the hunt is the same on every machine.
    n_confirmed : int, default 10
        Settings that are tried again; at least one a claim.
    confirm_trials : int, default 2000
        Fresh trials of each; fewer if the time is short, and five times as many where the first leave a doubt.
    random_state : int, default 0
        Seed.
    n_jobs : int or None, default None
        Number of joblib workers; a ``parallel_config`` context moves the work to a cluster.
    store : path or None, default None
        File of JSON lines that keeps finished work, so that a stopped hunt goes on where it was.
    verbose : bool, default False
        Whether to show a progress bar on a terminal.

    Returns
    -------
    HuntReport
        Confirmed settings, worst first.

    Raises
    ------
    ValueError
        If neither a time nor a number of trials is given, or the store is another file.
    RuntimeError
        If a worker process was killed.
    """
    claims = _checked_claims(claims)
    if (minutes is None) == (n_trials is None):
        raise ValueError(
            f"hunt needs one of minutes= and n_trials=, got minutes={minutes!r} and n_trials={n_trials!r}."
        )
    if minutes is not None:
        check_in_range(minutes, "minutes", 0, math.inf, low_open=True, high_open=True)
    if n_trials is not None:
        check_positive_int(n_trials, "n_trials")
    check_positive_int(n_confirmed, "n_confirmed")
    check_positive_int(confirm_trials, "confirm_trials")
    if not (n_jobs is None or (type(n_jobs) is int and n_jobs)):
        raise ValueError(
            f"n_jobs must be None or a whole number other than 0 (-1 for all processors), got {n_jobs!r}."
        )
    check_positive_int(random_state, "random_state", minimum=0)
    memory = _Store(store)
    herd = [_Herd(claim, number, random_state) for number, claim in enumerate(claims)]
    with joblib.Parallel(n_jobs=n_jobs) as pool:
        clock = _Clock(minutes, n_trials, len(herd), getattr(pool, "n_jobs", 1) or 1)
        _through(progress(_percents(clock, _search(herd, pool, memory, clock)), 100, "hunt", verbose))
        chosen = _worst(herd, n_confirmed)
        n_worst = len(chosen)
        chosen += [wasted for group in herd for wasted in dict.fromkeys(group.widest(1) + group.silent(1))]
        tallies = [_Tally() for _ in chosen]
        again_steps = _try_again(chosen, tallies, pool, memory, clock, confirm_trials)
        _through(progress(_percents(clock, again_steps), 100, "confirm", verbose))
    again = [
        _finding(group.claim, group.settings[i], tally, len(chosen))
        for (i, group), tally in zip(chosen, tallies, strict=True)
    ]
    drawn = [_finding(g.claim, s, t, 0) for g in herd for s, t in zip(g.settings, g.tallies, strict=True)]
    return HuntReport(
        findings=tuple(sorted(again[:n_worst], key=lambda f: (not f.fault, f.p_value))),
        widest=tuple(again[n_worst:]),
        drawn=tuple(drawn),
        n_settings=len(drawn),
        n_trials=sum(f.trials + f.refused for f in (*drawn, *again)),
        random_state=random_state,
        minutes=sum(f.seconds for f in (*drawn, *again)) / 60,
    )


def _checked_claims(claims: Any) -> list[Claim]:
    """Claims with names of their own."""
    if isinstance(claims, Claim | str) or not isinstance(claims, Iterable):
        raise TypeError(f"claims must be a list of Claim, got {claims!r} of type {type(claims).__name__}.")
    listed = list(claims)
    for claim in listed:
        if not isinstance(claim, Claim):
            raise TypeError(
                f"claims must be a list of Claim, got {claim!r} of type {type(claim).__name__} in it."
            )
    if not listed:
        raise ValueError("claims must hold one claim or more, got none.")
    twice = [name for name, count in Counter(claim.name for claim in listed).items() if count > 1]
    if twice:
        raise ValueError(
            f"claims must have names of their own, by which findings are told apart; {twice[0]!r} occurs twice."
        )
    return listed


def replay(claim: Claim, setting: Setting, seed: Sequence[int]) -> Trial:
    """Run one trial again, by the seed that a finding gives.

    Parameters
    ----------
    claim : Claim
        The claim.
    setting : dict
        The setting.
    seed : sequence of int
        The seed.

    Returns
    -------
    Trial
        What becomes of it.

    Examples
    --------
    >>> claim = Claim("always", Prior({"n": LogUniform(5, 9)}), lambda setting, rng: Trial(True), 0.95)
    >>> replay(claim, {"n": 5}, [0, 1, 2]).held
    True
    """
    _check_replay(claim, setting, seed)
    return claim.trial(setting, np.random.default_rng(list(seed)))


def _check_replay(claim: Claim, setting: Any, seed: Any) -> None:
    """Refuse what is no setting of a claim, or no seed."""
    if not isinstance(setting, dict) or not setting.keys() >= claim.prior.parameters.keys():
        names = ", ".join(map(repr, claim.prior.parameters))
        raise ValueError(f"setting must have values of {names}, as in a finding, got {setting!r}.")
    if isinstance(seed, str) or not all(isinstance(k, int | np.integer) and k >= 0 for k in seed):
        raise ValueError(f"seed must be a list of whole numbers, 0 or more, as in a finding, got {seed!r}.")


class _Clock:
    """How long the hunt may go on, by time or by trials, and how much of it a claim may take."""

    def __init__(self, minutes: float | None, n_trials: int | None, n_claims: int, n_jobs: int) -> None:
        self.started, self.minutes, self.n_trials = time.monotonic(), minutes, n_trials
        self.n_claims, self.n_jobs = n_claims, joblib.effective_n_jobs(n_jobs)
        self.made, self.credit = 0, 0.0

    @property
    def timed(self) -> bool:
        return self.minutes is not None

    @property
    def total(self) -> float:
        return float(60 * self.minutes if self.minutes is not None else self.n_trials or 0)

    def spent(self) -> float:
        """Seconds or trials so far; what came from the store counts with the time that it took."""
        elapsed = time.monotonic() - self.started + self.credit / self.n_jobs
        return min(elapsed if self.timed else self.made, self.total)

    def search_is_over(self) -> bool:
        return self.spent() >= self.total * (_SEARCH_SHARE if self.timed else 1.0)

    def spent_on(self, group: _Herd) -> float:
        tallies = group.tallies
        return sum(t.elapsed for t in tallies) if self.timed else sum(t.trials for t in tallies)

    def round_of(self, group: _Herd) -> tuple[int, int, float]:
        """New settings, first trials of each, and seconds of a stage; a round has three stages of equal work."""
        workers, share = (self.n_jobs, _SEARCH_SHARE) if self.timed else (1, 1.0)
        turn = self.total * share * workers / self.n_claims / _ROUNDS
        spent, trials = self.spent_on(group), sum(t.trials for t in group.tallies)
        cost = max(spent / trials, 1e-6) if trials else 1.0
        affordable = 2 * _FEWEST if self.timed and not trials else turn / 3 / cost
        n_new = int(np.clip(affordable / 2, _FEWEST, _N_NEW))
        first = int(np.clip(affordable / n_new, 2, _FIRST_TRIALS))
        return n_new, first, turn / 3 if self.timed else math.inf

    def seconds_left(self, parts: int) -> float:
        """Seconds for each of several parts of what is left, on all workers together."""
        return (self.total - self.spent()) * self.n_jobs / max(parts, 1) if self.timed else math.inf


class _Store:
    """Finished work in a file of JSON lines, by what was asked."""

    def __init__(self, path: str | os.PathLike[str] | None) -> None:
        self.path = None if path is None else Path(path)
        self.known: dict[str, _Tally] = {}
        if self.path is None:
            return
        try:
            with self.path.open("a+b") as file:  # before hours of work: whether it can be written
                file.seek(0)
                lines = file.read().splitlines(keepends=True)
                if lines and not lines[-1].endswith(b"\n"):
                    file.write(b"\n")  # the last line was cut when a hunt was stopped
        except OSError as error:
            raise ValueError(f"store={str(path)!r} cannot be read and written ({error.strerror}).") from error
        for line in lines:
            self.known.update(_recorded(line))
        if len(lines) > 1 and not self.known:
            raise ValueError(
                f"store={str(path)!r} is another file: no line of it is of a hunt. Name a new file."
            )

    def put(self, key: str, tally: _Tally) -> None:
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"key": key, "tally": asdict(tally)}) + "\n")


def _recorded(line: bytes) -> dict[str, _Tally]:
    """What a line of a store says, by its key; nothing where the line is cut or damaged, and the work is done again."""
    try:
        record = json.loads(line)
        tally = _Tally(**record["tally"])
        sound = 0 <= tally.held <= tally.made and tally.seconds >= 0 and sum(tally.faults.values()) >= 0
        return {record["key"]: tally} if sound and isinstance(record["key"], str) else {}
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}


class _Herd:
    """The settings of one claim, each with its tally."""

    def __init__(self, claim: Claim, number: int, random_state: int) -> None:
        self.claim, self.number = claim, number
        self.rng = np.random.default_rng([random_state, number, 1])
        self.random_state = random_state
        self.settings: list[Setting] = []
        self.tallies: list[_Tally] = []

    def race(self, pool: Any, memory: _Store, clock: _Clock) -> None:
        """Draw new settings, and give the worse ones more and more trials."""
        n_new, trials, seconds = clock.round_of(self)
        running = []
        for _ in range(n_new):
            self.settings.append(self._new_setting())
            self.tallies.append(_Tally())
            running.append(len(self.settings) - 1)
        while running and not (clock.timed and clock.search_is_over()):
            work = [_Work(self, i, self._seed(i), self.tallies[i].trials, trials) for i in running]
            for i, tally in zip(running, _tried(work, seconds, pool, memory, clock), strict=True):
                self.tallies[i].add(tally)
            running = sorted(running, key=self._badness)[: int(len(running) * _KEPT)]
            trials *= _GROWTH

    def _seed(self, i: int) -> list[int]:
        return [self.random_state, self.number, i]

    def _new_setting(self) -> Setting:
        """A draw from the prior, or a setting near one of the worst or of the widest."""
        tried = [i for i, tally in enumerate(self.tallies) if tally.made]
        if not tried or self.rng.random() < _FRESH_SHARE:
            return self.claim.prior.draw(self.rng)
        parents = [i for i, _ in self.worst(5)]
        if self.rng.random() < _WIDEST_SHARE:
            parents = [i for i, _ in self.widest(3) + self.silent(2)] or parents
        return self.claim.prior.mutate(self.settings[parents[int(self.rng.integers(len(parents)))]], self.rng)

    def worst(self, n: int) -> list[tuple[int, _Herd]]:
        """The settings with the least likely counts under the claim, least likely first."""
        tried = [i for i, tally in enumerate(self.tallies) if tally.made]
        return [(i, self) for i in sorted(tried, key=self._badness)[:n]]

    def widest(self, n: int) -> list[tuple[int, _Herd]]:
        """The settings in which most is wasted beside a reference that keeps its level."""
        waste = {i: t.waste(self.claim.level_of(self.settings[i])) for i, t in enumerate(self.tallies)}
        wasted = [i for i in waste if waste[i] > 0.0]
        return [(i, self) for i in sorted(wasted, key=lambda i: -waste[i])[:n]]

    def silent(self, n: int) -> list[tuple[int, _Herd]]:
        """The settings in which there is most often no interval where a reference that keeps its level has one."""
        share = [tally.silence(self.claim.level_of(self.settings[i])) for i, tally in enumerate(self.tallies)]
        return [(i, self) for i in sorted(range(len(share)), key=lambda i: -share[i])[:n] if share[i] > 0.0]

    def _badness(self, i: int) -> float:
        """Log probability of so few successes if the claim held; settings with errors come first."""
        tally, level = self.tallies[i], self.claim.level_of(self.settings[i])
        if tally.faults:
            return -math.inf
        return float(stats.binom.logcdf(tally.held, tally.made, level)) if tally.made else 0.0


@dataclass(frozen=True)
class _Work:
    """Trials of one setting that are to be made."""

    group: _Herd
    number: int
    seed: list[int]
    start: int
    trials: int

    @property
    def key(self) -> str:
        setting = json.dumps(self.group.settings[self.number], sort_keys=True)
        return f"{self.group.claim.name}|{setting}|{self.seed}|{self.start}|{self.trials}"


def _tried(work: list[_Work], seconds: float, pool: Any, memory: _Store, clock: _Clock) -> list[_Tally]:
    """Run trials that are not in the store yet, in parallel, all of them within so many seconds."""
    missing = [w for w in work if w.key not in memory.known]
    each = seconds / max(len(work), 1)
    try:
        made = pool(
            joblib.delayed(_run)(w.group.claim, w.group.settings[w.number], w.seed, w.start, w.trials, each)
            for w in missing
        )
    except TerminatedWorkerError as error:
        names = " or ".join(sorted({repr(w.group.claim.name) for w in missing}))
        raise RuntimeError(
            f"A worker process was killed in trials of {names}, often for memory. Take fewer n_jobs (1 shows which trial it is); "
            "with store= the next hunt goes on from there."
        ) from error
    fresh = {w.key: tally for w, tally in zip(missing, made, strict=True)}
    for key, tally in fresh.items():
        memory.put(key, tally)
    tallies = [fresh[w.key] if w.key in fresh else memory.known[w.key] for w in work]
    clock.made += sum(t.trials for t in tallies)
    clock.credit += sum(t.elapsed for w, t in zip(work, tallies, strict=True) if w.key not in fresh)
    return tallies


def _run(claim: Claim, setting: Setting, seed: list[int], start: int, trials: int, seconds: float) -> _Tally:
    """Run trials of one setting, one at least; what is raised is counted as a fault with the line that raised it."""
    tally, began, on_clock = _Tally(), time.process_time(), time.monotonic()
    salt = zlib.crc32(json.dumps(setting, sort_keys=True).encode())
    for k in range(start, start + trials):
        full = [*seed, salt, k]
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", RuntimeWarning)
            try:
                tally.count(claim.trial(setting, np.random.default_rng(full)), full)
            except Refused:
                tally.refused += 1
            except Exception as error:
                where = traceback.extract_tb(error.__traceback__)[-1]
                tally.blame(f"{type(error).__name__} in {where.name}: {str(error)[:120]}", full)
                tally.made += 1
        for warning in said:
            if warning.filename.startswith(_PACKAGE):
                tally.blame(
                    f"{warning.message} in {Path(warning.filename).name}, line {warning.lineno}", full
                )
        tally.seconds, tally.elapsed = time.process_time() - began, time.monotonic() - on_clock
        if tally.elapsed > seconds:
            break
    return tally


def _worst(herd: list[_Herd], n: int) -> list[tuple[int, _Herd]]:
    """The worst setting of each claim, and then the worst of all."""
    first = [w for group in herd for w in group.worst(1)]
    rest = sorted((w for group in herd for w in group.worst(n)[1:]), key=lambda w: w[1]._badness(w[0]))
    return first + rest[: max(n - len(first), 0)]


def _search(herd: list[_Herd], pool: Any, memory: _Store, clock: _Clock) -> Iterator[None]:
    """Rounds of the claim that has had least, until the time or the trials of the search are spent."""
    while herd and not clock.search_is_over():
        min(herd, key=clock.spent_on).race(pool, memory, clock)
        yield


def _through(steps: Iterable[int]) -> None:
    """Take all steps; an interrupt ends them, and the report is of what was done."""
    with suppress(KeyboardInterrupt):
        for _ in steps:
            pass


def _percents(clock: _Clock, steps: Iterator[None]) -> Iterator[int]:
    """A hundredth of the hunt for every hundredth of its time or trials, so that a bar can forecast."""
    shown = 0
    for _ in steps:
        now = int(100 * clock.spent() / clock.total)
        yield from range(shown, now)
        shown = max(shown, now)


def _try_again(
    chosen: list[tuple[int, _Herd]],
    tallies: list[_Tally],
    pool: Any,
    memory: _Store,
    clock: _Clock,
    trials: int,
) -> Iterator[None]:
    """Try settings with seeds that the search has not used, in quarters; then those in doubt."""
    # what cheap trials leave of a quarter's time goes to the others
    quarters = 4
    for quarter in range(quarters):
        seconds = clock.seconds_left(quarters - quarter)
        if quarter and seconds <= 0:
            return
        wanted = -(-trials * (quarter + 1) // quarters)
        _fill(range(len(chosen)), wanted, seconds, chosen, tallies, pool, memory, clock)
        yield
    doubtful = [k for k, (i, group) in enumerate(chosen) if _in_doubt(group, i, tallies[k], len(chosen))]
    if doubtful and (seconds := clock.seconds_left(1)) > 0:
        _fill(doubtful, (1 + _MORE) * trials, seconds, chosen, tallies, pool, memory, clock)
        yield


def _fill(
    numbers: Iterable[int],
    wanted: int,
    seconds: float,
    chosen: list[tuple[int, _Herd]],
    tallies: list[_Tally],
    pool: Any,
    memory: _Store,
    clock: _Clock,
) -> None:
    """Bring some of the chosen settings to so many trials, within so many seconds."""
    still = [k for k in numbers if tallies[k].trials < wanted]
    work = []
    for k in still:
        i, group = chosen[k]
        seed = [group.random_state, group.number, 1_000_000 + k]
        work.append(_Work(group, i, seed, tallies[k].trials, wanted - tallies[k].trials))
    for k, tally in zip(still, _tried(work, seconds, pool, memory, clock), strict=True):
        tallies[k].add(tally)


def _in_doubt(group: _Herd, number: int, tally: _Tally, n_confirmed: int) -> bool:
    """Whether a setting looks too low, and is not confirmed."""
    found = _finding(group.claim, group.settings[number], tally, n_confirmed)
    return not found.fault and found.p_value <= _DOUBT


def _finding(claim: Claim, setting: Setting, tally: _Tally, n_confirmed: int) -> Finding:
    """What the counts of a setting say; ``n_confirmed`` is 0 for trials of the search, which confirm nothing."""
    level, made = claim.level_of(setting), tally.made
    p_value, low, high = 1.0, 0.0, 1.0
    if made:
        test = stats.binomtest(tally.held, made, max(level - ALLOWANCE[claim.kind], 0.0), "less")
        p_value = float(test.pvalue)
        interval = stats.binomtest(tally.held, made).proportion_ci(0.95, "exact")
        low, high = float(interval.low), float(interval.high)
    fault = n_confirmed > 0 and (bool(tally.faults) or p_value <= _CONFIRMED_AT / n_confirmed)
    return Finding(
        claim=claim.name,
        setting=setting,
        level=level,
        held=tally.held,
        trials=made,
        low=low,
        high=high,
        p_value=p_value,
        fault=fault,
        errors=tally.faults,
        width_ratio=math.exp(tally.log_ratio / tally.n_ratio) if tally.n_ratio else math.nan,
        reference_held=_share(tally.reference_held, tally.n_reference),
        power=_share(tally.decided, tally.n_decided),
        reference_power=_share(tally.reference_decided, tally.n_decided),
        silent=_share(tally.silent, tally.silent + tally.n_ratio),
        refused=tally.refused,
        seconds=tally.seconds,
        seed=tally.fault_seed or tally.missed_seed,
    )


def _share(count: int, trials: int) -> float:
    return count / trials if trials else math.nan


def _table(title: str, rows: Sequence[Finding]) -> Table:
    columns: dict[str, Any] = {
        "Claim": [f.claim for f in rows],
        "Level": [f.level for f in rows],
        "Held": [f.achieved for f in rows],
        "Low": [f.low for f in rows],
        "High": [f.high for f in rows],
        "Trials": [f.trials for f in rows],
        "Width ratio": [f.width_ratio for f in rows],
        "Reference": [f.reference_held for f in rows],
        "Power": [f.power for f in rows],
        "Its power": [f.reference_power for f in rows],
        "Silent": [f.silent for f in rows],
        "Fault": ["; ".join(f.errors) or ("below" if f.fault else "") for f in rows],
        "Setting": [_words(f.setting) for f in rows],
        "Seed": [" ".join(map(str, f.seed)) for f in rows],
    }
    formats: dict[str, Any] = {
        "Held": "estimate",
        "Low": "estimate",
        "High": "estimate",
        "Width ratio": "statistic",
    }
    return Table(columns, title=title, formats=formats)


def _words(setting: Setting) -> str:
    return ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in setting.items()
    )
