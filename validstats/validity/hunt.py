"""The hunt: settings drawn from what users have, the worst of them looked for, and confirmed with fresh seeds."""

from __future__ import annotations

import json
import math
import os
import time
import traceback
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

import joblib
import numpy as np
from scipy import stats

from validstats.intake import check_in_range, check_positive_int
from validstats.results import Report, Summary, Table
from validstats.runtime import progress

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

Setting: TypeAlias = dict[str, Any]
"""Names and plain values of one setting."""

ALLOWANCE = {"finite-sample": 0.01, "marginal-over-family": 0.01, "asymptotic": 0.02}
"""How far below its level a statement may lie before a confirmed setting counts as a fault."""

_FIRST_TRIALS = 24
"""Trials of a new setting; the worst third gets three times as many, and so on (racing)."""
_GROWTH = 3
_KEPT = 1 / 3
_FRESH_SHARE = 0.5
"""Share of new settings drawn from the prior; the others are mutations of the worst so far."""
_CONFIRMED_AT = 0.01
"""Family-wise level of the exact binomial tests that confirm."""


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
    """

    held: bool
    width: float = math.nan
    reference_held: bool | None = None
    reference_width: float = math.nan
    fault: str = ""


@dataclass(frozen=True)
class Uniform:
    """A parameter that is uniform on an interval.

    Parameters
    ----------
    low, high : float
        Ends.
    says : str, default ""
        What it is, in words.
    """

    low: float
    high: float
    says: str = ""

    def draw(self, rng: np.random.Generator) -> Any:
        """Draw a value.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of randomness.

        Returns
        -------
        float
            The value.
        """
        return round(float(rng.uniform(self.low, self.high)), 6)

    def mutate(self, value: Any, rng: np.random.Generator) -> Any:
        """Move a value by about a tenth of the range.

        Parameters
        ----------
        value : float
            The value.
        rng : numpy.random.Generator
            Source of randomness.

        Returns
        -------
        float
            A value nearby, within the ends.
        """
        moved = value + rng.normal(0, 0.1) * (self.high - self.low)
        return round(float(np.clip(moved, self.low, self.high)), 6)


@dataclass(frozen=True)
class LogUniform:
    """A parameter whose logarithm is uniform.

    Parameters
    ----------
    low, high : float
        Ends, above 0.
    whole : bool, default True
        Whether it is a whole number.
    says : str, default ""
        What it is, in words.
    """

    low: float
    high: float
    whole: bool = True
    says: str = ""

    def draw(self, rng: np.random.Generator) -> Any:
        """Draw a value.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of randomness.

        Returns
        -------
        int or float
            The value.
        """
        return self._form(math.exp(rng.uniform(math.log(self.low), math.log(self.high))))

    def mutate(self, value: Any, rng: np.random.Generator) -> Any:
        """Move a value by about a tenth of the range of logarithms.

        Parameters
        ----------
        value : int or float
            The value.
        rng : numpy.random.Generator
            Source of randomness.

        Returns
        -------
        int or float
            A value nearby, within the ends.
        """
        spread = 0.1 * math.log(self.high / self.low)
        return self._form(min(max(value * math.exp(rng.normal(0, spread)), self.low), self.high))

    def _form(self, value: float) -> Any:
        return round(value) if self.whole else round(value, 6)


@dataclass(frozen=True)
class Choice:
    """A parameter that is one of several values.

    Parameters
    ----------
    options : tuple
        The values, plain numbers or texts.
    says : str, default ""
        What it is, in words.
    """

    options: tuple[Any, ...]
    says: str = ""

    def draw(self, rng: np.random.Generator) -> Any:
        """Draw a value.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of randomness.

        Returns
        -------
        object
            One of the options.
        """
        return self.options[int(rng.integers(len(self.options)))]

    def mutate(self, value: Any, rng: np.random.Generator) -> Any:
        """Keep a value in three of four cases, and draw another in the fourth.

        Parameters
        ----------
        value : object
            The value.
        rng : numpy.random.Generator
            Source of randomness.

        Returns
        -------
        object
            One of the options.
        """
        return value if rng.random() < 0.75 else self.draw(rng)


Parameter: TypeAlias = Uniform | LogUniform | Choice


@dataclass(frozen=True)
class Prior:
    """A distribution over settings: what users have.

    Parameters
    ----------
    parameters : mapping of str to parameter
        Independent parameters by name.
    valid : callable or None, default None
        ``valid(setting)``: whether the values go together; others are drawn again.

    Examples
    --------
    >>> import numpy as np
    >>> prior = Prior({"n": LogUniform(5, 5000), "law": Choice(("normal", "two-valued"))})
    >>> sorted(prior.draw(np.random.default_rng(0)))
    ['law', 'n']
    """

    parameters: Mapping[str, Parameter]
    valid: Callable[[Setting], bool] | None = None

    def draw(self, rng: np.random.Generator) -> Setting:
        """Draw a setting.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of randomness.

        Returns
        -------
        dict
            Values by name.
        """
        return self._first_valid(lambda: {name: p.draw(rng) for name, p in self.parameters.items()})

    def mutate(self, setting: Setting, rng: np.random.Generator) -> Setting:
        """Draw a setting near another.

        Parameters
        ----------
        setting : dict
            The other.
        rng : numpy.random.Generator
            Source of randomness.

        Returns
        -------
        dict
            Values by name.
        """
        return self._first_valid(
            lambda: {name: p.mutate(setting[name], rng) for name, p in self.parameters.items()}
        )

    def _first_valid(self, make: Callable[[], Setting]) -> Setting:
        for _ in range(1000):
            setting = make()
            if self.valid is None or self.valid(setting):
                return setting
        raise ValueError("No valid setting was found in 1,000 draws; widen the prior or loosen valid.")


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
    >>> found = hunt([claim], n_trials=6000, random_state=0)
    >>> found.faults[0].claim, found.faults[0].setting["n"] < 20
    ('mean by 1.96 standard errors', True)
    """

    name: str
    prior: Prior
    trial: Callable[[Setting, np.random.Generator], Trial]
    level: float | Callable[[Setting], float]
    kind: Literal["finite-sample", "asymptotic", "marginal-over-family"] = "finite-sample"
    reference: str = ""

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
        return float(self.level(setting) if callable(self.level) else self.level)


@dataclass
class _Tally:
    """Counts of the trials of one setting."""

    held: int = 0
    made: int = 0
    refused: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    fault_seed: list[int] = field(default_factory=list)
    missed_seed: list[int] = field(default_factory=list)
    log_ratio: float = 0.0
    n_ratio: int = 0
    reference_held: int = 0
    n_reference: int = 0

    def add(self, other: _Tally) -> None:
        for name in ("held", "made", "refused", "log_ratio", "n_ratio", "reference_held", "n_reference"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for text, count in other.faults.items():
            self.faults[text] = self.faults.get(text, 0) + count
        self.fault_seed = self.fault_seed or other.fault_seed
        self.missed_seed = self.missed_seed or other.missed_seed


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
        Confirmed settings, worst first.
    n_settings, n_trials : int
        Settings and trials in all.
    random_state : int
        Seed.
    """

    findings: tuple[Finding, ...]
    n_settings: int
    n_trials: int
    random_state: int

    @property
    def faults(self) -> tuple[Finding, ...]:
        """Settings confirmed below their level by more than the allowance, or with errors."""
        return tuple(f for f in self.findings if f.fault)

    @property
    def sentence(self) -> str:
        """One line: what was tried and found."""
        tried = f"{self.n_trials:,} trials in {self.n_settings:,} settings (seed {self.random_state})"
        if not self.faults:
            return f"Nothing was found below its level in {tried}; {len(self.findings)} of the worst were tried again."
        worst = self.faults[0]
        kind = "has errors" if worst.errors else f"holds {worst.achieved:.3f} for {worst.level:g}"
        return (
            f"{len(self.faults)} settings are below their level in {tried}; the worst, {worst.claim}, {kind}."
        )

    def summary(self) -> Summary:
        """Return the table of confirmed settings.

        Returns
        -------
        Summary
            Prints as text, shows as HTML, exports LaTeX and Markdown.
        """
        rows = self.findings
        table = Table(
            {
                "Claim": [f.claim for f in rows],
                "Level": [f.level for f in rows],
                "Held": [f.achieved for f in rows],
                "Low": [f.low for f in rows],
                "High": [f.high for f in rows],
                "Trials": [f.trials for f in rows],
                "Width ratio": [f.width_ratio for f in rows],
                "Reference": [f.reference_held for f in rows],
                "Fault": ["; ".join(f.errors) or ("below" if f.fault else "") for f in rows],
                "Setting": [_words(f.setting) for f in rows],
                "Seed": [" ".join(map(str, f.seed)) for f in rows],
            },
            formats={"Held": "estimate", "Low": "estimate", "High": "estimate", "Width ratio": "statistic"},
        )
        return Summary(Report("Hunt for the worst settings", tables=[table], answer=self.sentence))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values, ready for JSON.

        Returns
        -------
        dict
            Sentence, counts and findings.
        """
        return {
            "schema": "validstats.hunt/1",
            "answer": self.sentence,
            "n_settings": self.n_settings,
            "n_trials": self.n_trials,
            "random_state": self.random_state,
            "findings": [asdict(f) | {"achieved": f.achieved} for f in self.findings],
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

    Settings are drawn from each claim's prior, half of them as mutations of the worst so far. Every setting gets a
    few trials, the worst third three times as many, and so on. The worst of all are tried again with fresh seeds and
    judged by exact binomial tests, corrected for how many were tried again.

    Parameters
    ----------
    claims : sequence of Claim
        What is claimed.
    minutes : float or None, default None
        Time for the search and the confirmation together. One of ``minutes`` and ``n_trials`` is needed.
    n_trials : int or None, default None
        Trials of the search; then the hunt is the same on every machine.
    n_confirmed : int, default 10
        Settings that are tried again.
    confirm_trials : int, default 2000
        Fresh trials of each; fewer if the time is short.
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
        If neither a time nor a number of trials is given.
    """
    if (minutes is None) == (n_trials is None):
        raise ValueError("hunt needs one of minutes= and n_trials=.")
    if minutes is not None:
        check_in_range(minutes, "minutes", 0, math.inf, low_open=True)
    check_positive_int(random_state, "random_state", minimum=0)
    memory = _Store(store)
    clock = _Clock(minutes, n_trials)
    herd = [_Herd(claim, number, random_state) for number, claim in enumerate(claims)]
    with joblib.Parallel(n_jobs=n_jobs) as pool:
        rounds = iter(progress(iter(clock.rounds, None), description="hunt", verbose=verbose))
        for _ in rounds:
            for group in herd:
                group.race(pool, memory, clock)
        worst = sorted((w for group in herd for w in group.worst(n_confirmed)), key=lambda w: w[0])[
            :n_confirmed
        ]
        findings = _confirm(worst, herd, pool, memory, clock, confirm_trials, random_state)
    return HuntReport(
        findings=tuple(sorted(findings, key=lambda f: (not f.fault, f.p_value))),
        n_settings=sum(len(group.tallies) for group in herd),
        n_trials=sum(t.made + t.refused for group in herd for t in group.tallies)
        + sum(f.trials for f in findings),
        random_state=random_state,
    )


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
    return claim.trial(setting, np.random.default_rng(list(seed)))


class _Clock:
    """How long the search may go on, by time or by trials."""

    def __init__(self, minutes: float | None, n_trials: int | None) -> None:
        self.started, self.minutes, self.left = time.monotonic(), minutes, n_trials
        self.round = 0

    def rounds(self) -> int | None:
        """Number of the next round, or None when the search is over; a third of the time is for confirming."""
        if self.minutes is not None:
            over = time.monotonic() - self.started > 60 * self.minutes * 2 / 3
        else:
            over = self.left is not None and self.left <= 0
        self.round += 1
        return None if over else self.round

    def spend(self, trials: int) -> None:
        if self.left is not None:
            self.left -= trials

    def out_of_time(self) -> bool:
        return self.minutes is not None and time.monotonic() - self.started > 60 * self.minutes


class _Store:
    """Finished work in a file of JSON lines, by what was asked."""

    def __init__(self, path: str | os.PathLike[str] | None) -> None:
        self.path = None if path is None else Path(path)
        self.known: dict[str, dict[str, Any]] = {}
        if self.path is not None and self.path.exists():
            for line in self.path.read_text(encoding="utf-8").splitlines():
                try:
                    record = json.loads(line)
                except ValueError:
                    continue  # a line that was cut when the hunt was stopped
                self.known[record["key"]] = record["tally"]

    def get(self, key: str) -> _Tally | None:
        return _Tally(**self.known[key]) if key in self.known else None

    def put(self, key: str, tally: _Tally) -> None:
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"key": key, "tally": asdict(tally)}) + "\n")


class _Herd:
    """The settings of one claim, each with its tally."""

    def __init__(self, claim: Claim, number: int, random_state: int) -> None:
        self.claim, self.number = claim, number
        self.rng = np.random.default_rng([random_state, number, 1])
        self.random_state = random_state
        self.settings: list[Setting] = []
        self.tallies: list[_Tally] = []

    def race(self, pool: Any, memory: _Store, clock: _Clock, n_new: int = 12) -> None:
        """Draw new settings, and give the worse ones more and more trials."""
        running = []
        for _ in range(n_new):
            parents = [s for _, s, _ in self.worst(5)] if self.tallies else []
            if parents and self.rng.random() > _FRESH_SHARE:
                setting = self.claim.prior.mutate(parents[int(self.rng.integers(len(parents)))], self.rng)
            else:
                setting = self.claim.prior.draw(self.rng)
            self.settings.append(setting)
            self.tallies.append(_Tally())
            running.append(len(self.settings) - 1)
        trials = _FIRST_TRIALS
        while running:
            self._try(running, trials, pool, memory, clock)
            running = sorted(running, key=self._badness)[: int(len(running) * _KEPT)]
            trials *= _GROWTH

    def worst(self, n: int) -> list[tuple[float, Setting, _Herd]]:
        """The settings with the least likely counts under the claim, least likely first."""
        order = sorted(range(len(self.settings)), key=self._badness)[:n]
        return [(self._badness(i), self.settings[i], self) for i in order]

    def _badness(self, i: int) -> float:
        """Log probability of so few successes if the claim held; settings with errors come first."""
        tally, level = self.tallies[i], self.claim.level_of(self.settings[i])
        if tally.faults:
            return -math.inf
        return float(stats.binom.logcdf(tally.held, tally.made, level)) if tally.made else 0.0

    def _try(self, running: list[int], trials: int, pool: Any, memory: _Store, clock: _Clock) -> None:
        work = []
        for i in running:
            start = self.tallies[i].made + self.tallies[i].refused
            work.append((self.settings[i], [self.random_state, self.number, i], start, trials))
        for i, tally in zip(running, _tried(self.claim, work, pool, memory), strict=True):
            self.tallies[i].add(tally)
            clock.spend(trials)


def _tried(
    claim: Claim, work: list[tuple[Setting, list[int], int, int]], pool: Any, memory: _Store
) -> list[_Tally]:
    """Run trials that are not in the store yet, in parallel."""
    keys = [f"{claim.name}|{json.dumps(s, sort_keys=True)}|{seed}|{start}|{n}" for s, seed, start, n in work]
    missing = [(k, w) for k, w in zip(keys, work, strict=True) if memory.get(k) is None]
    done = dict(
        zip([k for k, _ in missing], pool(joblib.delayed(_run)(claim, *w) for _, w in missing), strict=True)
    )
    for key, tally in done.items():
        memory.put(key, tally)
    return [done[key] if key in done else memory.get(key) or _Tally() for key in keys]


def _run(claim: Claim, setting: Setting, seed: list[int], start: int, trials: int) -> _Tally:
    """Run trials of one setting; what is raised is counted as a fault with the line that raised it."""
    tally = _Tally()
    salt = zlib.crc32(json.dumps(setting, sort_keys=True).encode())
    for k in range(start, start + trials):
        full = [*seed, salt, k]
        try:
            trial = claim.trial(setting, np.random.default_rng(full))
        except Refused:
            tally.refused += 1
            continue
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            _note_fault(tally, f"{type(error).__name__} in {where.name}: {str(error)[:120]}", full)
            tally.made += 1
            continue
        tally.made += 1
        tally.held += bool(trial.held)
        if not trial.held and not tally.missed_seed:
            tally.missed_seed = full
        if trial.fault:
            _note_fault(tally, trial.fault, full)
        if trial.reference_held is not None:
            tally.n_reference += 1
            tally.reference_held += bool(trial.reference_held)
        if 0 < trial.width < math.inf and 0 < trial.reference_width < math.inf:
            tally.n_ratio += 1
            tally.log_ratio += math.log(trial.width / trial.reference_width)
    return tally


def _note_fault(tally: _Tally, text: str, seed: list[int]) -> None:
    tally.faults[text] = tally.faults.get(text, 0) + 1
    tally.fault_seed = tally.fault_seed or seed


def _confirm(
    worst: Iterable[tuple[float, Setting, _Herd]],
    herd: list[_Herd],
    pool: Any,
    memory: _Store,
    clock: _Clock,
    trials: int,
    random_state: int,
) -> list[Finding]:
    """Try the worst settings again with seeds that the search has not used."""
    chosen = list(worst)
    found = []
    for number, (_, setting, group) in enumerate(chosen):
        tally, step, start = _Tally(), max(trials // 4, 1), 0
        while start < trials and not (start and clock.out_of_time()):
            seed = [random_state, group.number, 1_000_000 + number]
            [part] = _tried(group.claim, [(setting, seed, start, min(step, trials - start))], pool, memory)
            tally.add(part)
            start += step
        found.append(_finding(group.claim, setting, tally, len(chosen)))
    return found


def _finding(claim: Claim, setting: Setting, tally: _Tally, n_confirmed: int) -> Finding:
    level, made = claim.level_of(setting), tally.made
    p_value, low, high = 1.0, 0.0, 1.0
    if made:
        test = stats.binomtest(tally.held, made, max(level - ALLOWANCE[claim.kind], 0.0), "less")
        p_value = float(test.pvalue)
        interval = stats.binomtest(tally.held, made).proportion_ci(0.95, "exact")
        low, high = float(interval.low), float(interval.high)
    return Finding(
        claim=claim.name,
        setting=setting,
        level=level,
        held=tally.held,
        trials=made,
        low=low,
        high=high,
        p_value=p_value,
        fault=bool(tally.faults) or p_value <= _CONFIRMED_AT / n_confirmed,
        errors=tally.faults,
        width_ratio=math.exp(tally.log_ratio / tally.n_ratio) if tally.n_ratio else math.nan,
        reference_held=tally.reference_held / tally.n_reference if tally.n_reference else math.nan,
        seed=tally.fault_seed or tally.missed_seed,
    )


def _words(setting: Setting) -> str:
    return ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in setting.items()
    )
