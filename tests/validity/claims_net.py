"""What a claim hands to the package, and what it holds the answers against: ``python -m tests.validity.claims_net`` writes the table.

The package answers as always; a claim sees its answers through :class:`Watched` and :class:`Answer`, which note what they are
given and compared with. What a claim compares on its own, its references and its laws, is noted too, on both sides of every
comparison (:class:`Sides`). Numbers of the answers themselves are not noted, so that a method may change without the table.
"""

from __future__ import annotations

import ast
import functools
import importlib
import json
import math
import re
import types
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from validstats.validity import Choice, Claim, LogUniform, Prior, Refused, Trial
from validstats.validity.claims import DOMAINS

TABLE = Path(__file__).with_name("claims_net.json")

WATCHED = {
    "batch": ("BatchPredictor",),
    "dsl": ("DesignSupervised", "_compare"),
    "evals": ("compare", "evaluate", "pass_at_k", "plan", "rank", "release"),
    "holdout": ("ReusableHoldout", "_Guarded", "audit_looks"),
    "losses that are not 0 and 1": ("mechanism",),
    "mi": (
        "MISelector",
        "conditional_independence_test",
        "default_family",
        "independence_test",
        "mutual_info",
    ),
}
"""By domain, or by claim, the names through which a claim talks to the package."""

FITTED = ("coef_", "intercept_", "constant_", "class_prior_", "_fit_X", "_y")
"""What learners of scikit-learn know after ``fit``."""

CHOSEN = ("n_estimators", "n_neighbors", "random_state")
"""Options of learners that claims choose themselves."""

OUTCOME = ("reference_held", "reference_width", "decided", "reference_decided")
"""What a claim says of a trial beside whether it held."""


class Notes:
    """What is noted of one trial: how often each name was called, and one number that all its arguments move.

    ``instead`` says by name what a claim sees in place of a part of an answer.
    """

    def __init__(self, instead: Mapping[str, Callable[[Any], Any]] | None = None) -> None:
        self.calls: dict[str, list[Any]] = {}
        self.instead = instead or {}
        self.used, self.n_calls = False, 0

    def call(self, name: str, *given: Any) -> None:
        """Note a call with its place among the calls."""
        self.calls.setdefault(name, []).append((*given, self.n_calls))
        self.n_calls += 1

    def compare(self, *given: Any) -> None:
        """Note what an answer is computed or compared with."""
        self.calls.setdefault("against", []).append(given)

    def table(self) -> dict[str, list[float]]:
        return {
            name: [len(calls), float(f"{mixed([mixed(call) for call in calls]):.8g}")]
            for name, calls in sorted(self.calls.items())
        }


def mixed(given: Any) -> float:
    """One number that every value of an argument moves: a sum with weights that are no round numbers."""
    if isinstance(given, str | bytes | bool | np.bool_) or given is None:
        return zlib.crc32(repr(given).encode()) / 2**32
    if isinstance(given, int | float | np.number):
        return _sum([given])
    if isinstance(given, pd.DataFrame):
        return mixed({name: given[name].to_numpy() for name in given})
    if isinstance(given, pd.Series | np.ndarray):
        values = np.ravel(np.asarray(given))
        return _sum(values) if values.dtype.kind in "biuf" else _sum([mixed(v) for v in values])
    if isinstance(given, dict):
        return mixed([part for item in given.items() for part in item])
    if isinstance(given, list | tuple):
        return _sum([mixed(part) for part in given])
    if isinstance(given, Watched | Answer | np.random.Generator) or callable(given):
        return 0.0
    own = type(given).__module__.startswith("validstats.batch")
    known = {name: value for name, value in vars(given).items() if own or name in (*FITTED, *CHOSEN)}
    inner = mixed(given.estimator) if type(given).__name__ == "FrozenEstimator" else 0.0
    return mixed(type(given).__name__) + inner + mixed(known)


def _sum(values: Any) -> float:
    numbers = np.asarray(values, dtype=float)
    numbers = np.where(np.isfinite(numbers), numbers, -9.75)
    weights = 1.5 + np.cos(1.3 * np.arange(1, len(numbers) + 1))
    # large numbers, such as seeds, must not hide the others
    return math.asinh(float(numbers @ weights) / max(len(numbers), 1)) + 0.1 * len(numbers) ** 0.5


class Answer(np.ndarray):
    """A number or an array of the package; what it is computed and compared with is noted."""

    notes: Notes

    def __array_finalize__(self, source: Any) -> None:
        self.notes = getattr(source, "notes", None)  # type: ignore[assignment]

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        others = [part for part in inputs if not isinstance(part, Answer)]
        notes = self.notes
        notes.compare(ufunc.__name__, *others)
        options.pop("out", None)
        own = [np.asarray(part) if isinstance(part, Answer) else part for part in inputs]
        return seen(getattr(ufunc, method)(*own, **options), notes, ufunc.__name__)

    def __getitem__(self, place: Any) -> Any:
        """A single number is watched as its array is; which one it is, is noted."""
        self.notes.compare("part", place if isinstance(place, np.ndarray) else repr(place))
        return seen(np.asarray(self)[place], self.notes, "")

    def __iter__(self) -> Iterator[Any]:
        return (self[place] for place in range(len(self)))


class Watched:
    """A function or an object of the package as a claim sees it: what it is given is noted."""

    def __init__(self, thing: Any, notes: Notes, name: str) -> None:
        self.__dict__.update(_thing=thing, _notes=notes, _name=name)

    @property
    def __class__(self) -> type:  # type: ignore[override]
        return type(self._thing)

    def __call__(self, *given: Any, **options: Any) -> Any:
        self._notes.call(self._name, *given, options)
        answer = self._thing(*map(plain, given), **{name: plain(value) for name, value in options.items()})
        return seen(answer, self._notes, self._name)

    def __getattr__(self, name: str) -> Any:
        if name in self._notes.instead:
            self._notes.used = True
            return seen(self._notes.instead[name](self._thing), self._notes, name)
        return seen(getattr(self._thing, name), self._notes, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._notes.call(name, value)
        setattr(self._thing, name, plain(value))

    def __getitem__(self, name: Any) -> Any:
        return seen(self._thing[name], self._notes, str(name))

    def __float__(self) -> float:
        return float(self._thing)


def plain(value: Any) -> Any:
    """What the package is given: its own things as it made them."""
    if type(value) is Watched:
        return value._thing
    if isinstance(value, Answer):
        return value.item() if value.ndim == 0 else np.asarray(value)
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    return value


def seen(value: Any, notes: Notes, name: str) -> Any:
    """What a claim sees of something of the package."""
    if value is None or isinstance(value, str | bool | Trial | Watched):
        return value
    if type(value) in (list, tuple):
        return type(value)(seen(part, notes, name) for part in value)
    if isinstance(value, dict):
        return {key: seen(part, notes, name) for key, part in value.items()}
    if isinstance(value, int | float | np.generic | np.ndarray | pd.Series):
        array = np.asarray(value)
        if array.dtype.kind not in "biuf":
            return value
        answer = array.view(Answer)
        answer.notes = notes
        return answer
    return Watched(value, notes, name)


class Sides(ast.NodeTransformer):
    """Passes both sides of every comparison, but for one with a word, through ``side``; ``number`` stands for calls of ``float``."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """A function that remembers its answers compares at its first call only."""
        return (
            node
            if any("lru_cache" in ast.unparse(d) for d in node.decorator_list)
            else self.generic_visit(node)
        )

    def visit_Compare(self, node: ast.Compare) -> ast.Compare:
        self.generic_visit(node)
        parts = [node.left, *node.comparators]
        if not any(isinstance(part, ast.Constant) and isinstance(part.value, str) for part in parts):
            name = ast.Name("side", ast.Load())
            node.left, *node.comparators = (ast.Call(name, [part], []) for part in parts)
        return node

    def visit_Call(self, node: ast.Call) -> ast.Call:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id == "float":
            node.func.id = "number"
        return node


@functools.cache
def module_of(domain: str) -> types.ModuleType:
    """A second copy of the module of a domain's claims: what it compares is noted while somebody watches."""
    origin = importlib.import_module(f"validstats.validity.claims.{domain}")
    copy = types.ModuleType(origin.__name__)
    tree = Sides().visit(ast.parse(Path(str(origin.__file__)).read_text(encoding="utf-8")))
    copy.__dict__.update(__file__=origin.__file__, side=lambda value: value, number=float)
    exec(compile(ast.fix_missing_locations(tree), str(origin.__file__), "exec"), copy.__dict__)
    return copy


def claims_of(domain: str) -> list[Claim]:
    """The claims of a domain as they can be watched."""
    return list(module_of(domain).CLAIMS)


def _side(notes: Notes) -> Callable[[Any], Any]:
    def side(value: Any) -> Any:
        if not isinstance(value, Answer | Watched) and np.asarray(value).dtype.kind in "biuf":
            notes.calls.setdefault("sides", []).append(mixed(value))
        return value

    return side


def _number(notes: Notes) -> Callable[[Any], Any]:
    """``float``, but a number of the package stays one."""

    def number(value: Any) -> Any:
        own = isinstance(value, Answer) or type(value) is Watched
        return seen(float(plain(value)), notes, "float") if own else float(value)

    return number


@contextmanager
def watching(
    domain: str, claim: Claim, instead: Mapping[str, Callable[[Any], Any]] | None = None
) -> Iterator[Notes]:
    """While this is open, the module of a claim sees the package through :class:`Watched`."""
    module, notes = module_of(domain), Notes(instead)
    names = set(WATCHED.get(claim.name, WATCHED[domain]))
    watched = names - ({"_compare"} if instead else set())
    whole = {name: getattr(module, name) for name in (*watched, "side", "number")}
    try:
        for name in watched:
            setattr(module, name, Watched(whole[name], notes, name))
        module.side, module.number = _side(notes), _number(notes)  # type: ignore[attr-defined]
        yield notes
    finally:
        for name, thing in whole.items():
            setattr(module, name, thing)


def tried(domain: str, claim: Claim, setting: dict[str, Any], seed: int) -> dict[str, Any]:
    """Notes and outcome of one trial."""
    with watching(domain, claim) as notes, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            trial = claim.trial(setting, np.random.default_rng(seed))
        except Refused:
            trial = None
    outcome: dict[str, Any] = {}
    for part in OUTCOME:
        value = getattr(trial, part, None)
        if value is not None and not isinstance(value, Answer) and not math.isnan(value):
            outcome[part] = float(f"{value:.9g}")
    held = "refused" if trial is None else bool(trial.held)
    fault = "" if trial is None else trial.fault
    ends = [{name: vars(parameter) for name, parameter in claim.prior.parameters.items()}]
    return {
        "prior": float(f"{mixed(ends):.12g}"),
        "level": claim.level_of(setting),
        "held": held,
        "fault": fault,
        **outcome,
        "notes": notes.table(),
    }


ENDS = ("conf_low", "conf_high", "low", "high", "lows", "highs", "bounds", "accuracy_low", "accuracy_high")


def _moved(name: str, by: float) -> Callable[[Any], Any]:
    def value(answer: Any) -> Any:
        found = getattr(answer, name)
        if isinstance(found, tuple):
            return tuple(end + by for end in found)
        return None if found is None else found + by

    return value


def _first_moved(name: str, by: float) -> Callable[[Any], Any]:
    def value(answer: Any) -> Any:
        found = getattr(answer, name)
        if not isinstance(found, np.ndarray) or not found.size:
            return found
        moved = found.astype(float)
        moved[0] += by
        return moved

    return value


def _swapped(*pairs: tuple[str, str]) -> dict[str, Callable[[Any], Any]]:
    both = [*pairs, *((b, a) for a, b in pairs)]
    return {name: lambda answer, other=other: getattr(answer, other) for name, other in both}  # type: ignore[misc]


def _known(name: str, first: float, step: float) -> Callable[[Any], Any]:
    def value(answer: Any) -> Any:
        found = getattr(answer, name)
        steps = step * np.arange(np.size(found))
        return None if found is None else (first + steps).reshape(np.shape(found))[()]

    return value


SPOILED: dict[str, dict[str, Callable[[Any], Any]]] = {
    "higher": {**{name: _moved(name, 9.0) for name in (*ENDS, "estimate")}, "checks": lambda answer: []},
    "lower": {**{name: _moved(name, -9.0) for name in (*ENDS, "estimate")}, "checks": lambda answer: []},
    "not a number": {name: _moved(name, math.nan) for name in ("conf_low", "low", "lows")},
    "one of several": {name: _first_moved(name, 9.0) for name in ENDS},
    "swapped": _swapped(("conf_low", "conf_high"), ("low", "high"), ("lows", "highs")),
    "all found": {
        "p_value": lambda answer: 0.0,
        "above": lambda answer: np.ones_like(answer.above),
        "checks": lambda answer: [],
        "get_support": lambda answer: lambda: np.ones(2, dtype=bool),
        "confirmed": lambda answer: np.ones_like(answer.confirmed),
        "contains": lambda answer: lambda y, **options: np.zeros(len(y), dtype=bool),
        "selected": lambda answer: np.ones_like(answer.selected),
        "false_claims": lambda answer: lambda y, **options: [len(y)],
        "max_false": lambda answer: answer.max_false - 99,
        "passed": lambda answer: True,
        "gain": lambda answer: 9.0,
        "all_covered": lambda answer: lambda truth: False,
    },
    "known ends": {
        **{name: _known(name, 0.0, 0.1) for name in ("conf_low", "low", "rank_low")},
        **{name: _known(name, 0.5, 0.2) for name in ("conf_high", "high", "rank_high", "radii", "std_error")},
        "estimate": _known("estimate", 0.25, 0.15),
        "lows": _known("lows", 0.0, 0.07),
        "highs": _known("highs", 0.5, 0.2),
        "value": lambda answer: 0.125,
    },
}
"""Answers that are wrong, each in its way; of the last ones the width is known too."""


def judged(domain: str, claim: Claim, row: dict[str, Any], names: Iterable[str] = SPOILED) -> dict[str, str]:
    """What a claim says of wrong answers that it sees: held, missed, refused, and whether there is a fault."""
    found = {}
    for name in names:
        with watching(domain, claim, SPOILED[name]) as notes, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                trial = claim.trial(row["setting"], np.random.default_rng(row["seed"]))
            except Refused:
                trial = None
        parts = ["refused"]
        if trial is not None:
            parts = ["held" if trial.held else "missed", str(trial.decided), str(trial.reference_decided)]
            parts += re.findall(r"[a-z-]{3,}", trial.fault)[:2]
            widths = (trial.width, trial.reference_width)
            parts += [f"{width:.6g}" for width in widths if name == "known ends" and not math.isnan(width)]
        if notes.used:
            found[name] = " ".join(part for part in parts if part != "None")
    return found


def _options(claim: Claim) -> dict[str, list[Any]]:
    """The different options of the choices of a claim."""
    parameters = claim.prior.parameters.items()
    return {name: list(dict.fromkeys(p.options)) for name, p in parameters if isinstance(p, Choice)}


def n_settings(claim: Claim) -> int:
    """So many settings that every option of every choice comes up."""
    return max([6, *map(len, _options(claim).values())])


def setting_of(claim: Claim, seed: int) -> dict[str, Any]:
    """A small setting: the option of every choice whose turn it is, choices of equal length shifted against each other."""
    rng, number = np.random.default_rng([len(claim.name), seed]), seed // 100
    options, now = _options(claim), dict(claim.prior.parameters)
    for place, (name, parameter) in enumerate(claim.prior.parameters.items()):
        if name in options:
            k = len(options[name])
            now[name] = Choice((options[name][(number + place * (number // k)) % k],))
        elif isinstance(parameter, LogUniform) and parameter.whole:
            now[name] = LogUniform(parameter.low, parameter.low ** (2 / 3) * parameter.high ** (1 / 3))
    return Prior(now, claim.prior.valid).draw(rng)


def row_of(domain: str, claim: Claim, number: int) -> dict[str, Any]:
    """A trial of a claim, the first of its kind that is not refused; of two of them what is said of wrong answers too."""
    for seed in range(100 * number, 100 * number + 20):
        setting = setting_of(claim, seed)
        row = {"setting": setting, "seed": seed, **tried(domain, claim, setting, seed)}
        if row["held"] != "refused":
            break
    return {**row, "spoiled": judged(domain, claim, row)} if number < 2 else row


def main() -> None:
    """Write the table, one line a trial."""
    parts = []
    for domain in DOMAINS:
        for claim in claims_of(domain):
            rows = ",\n".join(json.dumps(row_of(domain, claim, k)) for k in range(n_settings(claim)))
            parts.append(f"{json.dumps(f'{domain}: {claim.name}')}: [\n{rows}\n]")
    TABLE.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
