"""Tables of the holdout at its limit: widths of honest days, published cells, gates, past looks, recognised rows.

``python -m benchmarks.holdout_limits`` prints all of them; ``--seed`` gives other data, ``--replicates`` more runs.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from validstats.holdout import audit_looks
from validstats.holdout.widths import (
    BitCode,
    GuessAllocation,
    GuessCells,
    cell_interval,
    certify_gain,
    clopper_pearson,
    coded_mean,
    coded_pairs,
    contrast_lower,
    count_candidates,
    keeps_proposal,
    log_cell_code,
    log_coded_outcome,
    log_coded_share,
    split_log_level,
    start_upper,
)

LOG_ALPHA = math.log(0.05)
Generator = np.random.Generator


# ------------------------------------------------------------------------------- guess-coded days


@dataclass
class GuessDay:
    """One ledger with guess-coded answers, without any file: counts in, intervals out."""

    n: int
    allocation: GuessAllocation
    t: float
    c: float
    n_guess: int
    log_mass: float = 0.0
    left: tuple[int, int] = field(init=False)

    def __post_init__(self) -> None:
        self.left = self.allocation.start

    def ask(self, count: int, guess: float) -> tuple[float, float, int]:
        """Answer one question: the ends of the interval and the cell."""
        r, g = self.left
        parts = GuessCells.of(self.n, guess, n_guess=self.n_guess, t=self.t, c=self.c)
        cell = parts.find(count)
        level = LOG_ALPHA + self.log_mass + self.allocation.log_share(r, g)
        if cell.cell == 0:
            self.log_mass += self.allocation.log_pass(r, g)
            self.left = (r - 1, g)
        else:
            self.log_mass += self.allocation.log_fail(r, g) + log_cell_code(
                cell.cell, parts.n_below, parts.n_above
            )
            self.left = (r - 1, g - 1)
        return *cell_interval(cell.low, cell.high, self.n, level), cell.cell


def honest_day(rng: Generator, n: int, queries: int, accuracy: float) -> tuple[float, float, bool]:
    """Mean half-width of k honest answers, of splitting, and whether all intervals of the day held."""
    best = next(
        c
        for c in count_candidates(n, queries, log_alpha=LOG_ALPHA, expected=accuracy)
        if c.mechanism == "guess_coded"
    )
    assert best.t is not None
    assert best.c is not None
    day = GuessDay(n, GuessAllocation(queries, None, best.failure_weight), best.t, best.c, n)
    halves, split, held = [], [], True
    for _ in range(queries):
        truth = accuracy + rng.normal(0.0, 0.01)
        low, high, _ = day.ask(int(rng.binomial(n, truth)), rng.binomial(n, truth) / n)
        halves.append(0.5 * (high - low))
        held &= low <= truth <= high
        rows = n // queries
        low, high = clopper_pearson(int(rng.binomial(rows, truth)), rows, split_log_level(queries, LOG_ALPHA))
        split.append(0.5 * (high - low))
    return float(np.mean(halves)), float(np.mean(split)), held


def table_of_days(rng: Generator, replicates: int) -> Iterator[str]:
    yield "Honest days, accuracy .85: mean half-width of all answers (splitting beside it), days in which all held"
    for n, ks in ((500, (2, 3, 5, 10, 20)), (2000, (2, 3, 5, 10, 20, 50, 100)), (20_000, (20, 100))):
        for k in ks:
            days = [honest_day(rng, n, k, 0.85) for _ in range(max(replicates // max(k // 10, 1), 20))]
            coded, split = np.mean([d[:2] for d in days], axis=0)
            held = sum(d[2] for d in days)
            yield f"  n = {n:>6}, k = {k:>3}: {coded:.4f} (split {split:.4f}), {held} of {len(days)} days"


CONFIRMED = (
    (2000, 20, 3, 0.85),
    (2000, 20, 3, 0.95),
    (2000, 20, 1, 0.85),
    (20_000, 20, 1, 0.95),
    (2000, 100, 10, 0.95),
    (500, 20, 3, 0.85),
)
"""Rows, questions, failures and accuracy of the second table of part 2."""


def confirmed_half_widths(n: int, queries: int, failures: int, accuracy: float) -> list[float]:
    """Half-widths of a confirmed guess after 0, 1, ... failures, each of which landed in the first cell; exact."""
    allocation = GuessAllocation(queries, failures)
    halves = []
    for failed in range(min(failures, 3)):
        day = GuessDay(n, allocation, t=2.0, c=1.0, n_guess=n)
        parts = GuessCells.of(n, accuracy, n_guess=n, t=2.0, c=1.0)
        for _ in range(failed):
            day.ask(parts.gap_counts[1] + 1, accuracy)
        low, high, cell = day.ask(round(n * accuracy), accuracy)
        assert cell == 0
        halves.append(0.5 * (high - low))
    return halves


def table_of_confirmed(rng: Generator, replicates: int) -> Iterator[str]:
    yield "A confirmed guess after 0, 1, 2 failures, t = 2, F = 2 / k (exact); one look beside Clopper-Pearson"
    for n, k, f, accuracy in CONFIRMED:
        shown = ", ".join(f"{half:.4f}" for half in confirmed_half_widths(n, k, f, accuracy))
        yield f"  n = {n:>6}, k = {k:>3}, f = {f:>2}, accuracy {accuracy}: {shown}"
    for n, accuracy in ((500, 0.85), (2000, 0.85), (20_000, 0.95)):
        low, high = clopper_pearson(round(n * accuracy), n, LOG_ALPHA + math.log(0.99))
        plain = clopper_pearson(round(n * accuracy), n, LOG_ALPHA)
        yield f"  one look at n = {n}, {accuracy}: {(high - low) / (plain[1] - plain[0]):.4f} of Clopper-Pearson's length"


# --------------------------------------------------------------------------- published cells


def coded_answers(
    rng: Generator, n: int, queries: int, t: float, draw: Callable[[], np.ndarray]
) -> tuple[list[float], float]:
    """Half-widths of successive answers that follow the variance, and the plain 1.96 standard errors."""
    log_mass, halves, plain = 0.0, [], 0.0
    for left in range(queries, 0, -1):
        values, training = draw(), draw()
        level = LOG_ALPHA + log_mass + log_coded_share(left)
        cell, _ = coded_mean(values, training, t=t, log_alpha=level)
        log_mass += log_coded_outcome(left, cell.distance, cell.enlarged)
        halves.append(0.5 * (cell.high - cell.low))
        plain = 1.96 * float(values.std()) / math.sqrt(n)
    return halves, plain


def coded_differences(rng: Generator, n: int, discordant: float, queries: int, t: float) -> list[float]:
    """Half-widths of successive differences of accuracies."""
    log_mass, halves = 0.0, []
    for left in range(queries, 0, -1):
        level = LOG_ALPHA + log_mass + log_coded_share(left)
        a, b, _ = rng.multinomial(n, [discordant / 2, discordant / 2, 1 - discordant])
        c, d, _ = rng.multinomial(n, [discordant / 2, discordant / 2, 1 - discordant])
        cell, _ = coded_pairs(int(a), int(b), n, (int(c), int(d), n), t=t, log_alpha=level)
        log_mass += log_coded_outcome(left, cell.distance, cell.enlarged)
        halves.append(0.5 * (cell.high - cell.low))
    return halves


def table_of_cells(rng: Generator, replicates: int) -> Iterator[str]:
    runs = max(replicates // 3, 10)
    yield "Answers that follow the variance, k = 20: half-width of the first (90 % of runs), mean of the first five"
    pairs = [coded_differences(rng, 1319, 0.10, 5, 0.35) for _ in range(runs)]
    # k = 20 declared, five asked
    first = [coded_first_difference(rng) for _ in range(runs)]
    yield f"  difference, n = 1319, 10 % discordant: {np.mean(first):.4f} ({np.quantile(first, 0.9):.4f})"
    yield f"  the same, five declared: mean {np.mean(pairs):.4f}"
    laws = {
        "198 items x 5 epochs": (
            198,
            lambda: (
                rng.binomial(5, rng.beta(4, 4, 198)) / 5
            ),  # plain 1.96 se of .037, as in the method's example
        ),
        "Brier, beta(1.2, 8), n = 2000": (2000, lambda: rng.beta(1.2, 8, 2000)),
        "rare events, p = .002, n = 2000": (2000, lambda: (rng.random(2000) < 0.002).astype(float)),
    }
    for name, (n, draw) in laws.items():
        found = [first_of(rng, n, draw) for _ in range(runs)]
        halves, plain = np.array([f[0] for f in found]), np.mean([f[1] for f in found])
        yield f"  {name}: {halves.mean():.4f} ({np.quantile(halves, 0.9):.4f}), plain 1.96 se {plain:.4f}"


def coded_first_difference(rng: Generator) -> float:
    level = LOG_ALPHA + log_coded_share(20)
    a, b, _ = rng.multinomial(1319, [0.05, 0.05, 0.9])
    c, d, _ = rng.multinomial(1319, [0.05, 0.05, 0.9])
    cell, _ = coded_pairs(int(a), int(b), 1319, (int(c), int(d), 1319), t=0.35, log_alpha=level)
    return 0.5 * (cell.high - cell.low)


def first_of(rng: Generator, n: int, draw: Callable[[], np.ndarray]) -> tuple[float, float]:
    values, training = draw(), draw()
    cell, _ = coded_mean(values, training, t=0.35, log_alpha=LOG_ALPHA + log_coded_share(20))
    return 0.5 * (cell.high - cell.low), 1.96 * float(values.std()) / math.sqrt(n)


# ------------------------------------------------------------------------------------------ gates


@dataclass
class GateRun:
    """A gate without any file: results of the present model, the mass that is left, and what was kept."""

    present: np.ndarray
    margin: float = 1.0
    share: float = 0.9  # of the failure probability, for bits and certificates
    start_share: float = 0.1  # for the bound of the start
    code: BitCode = field(default_factory=BitCode)
    log_mass: float = 0.0
    kept: int = 0

    def __post_init__(self) -> None:
        self.start = self.present.copy()
        self.start_high = start_upper(self.start, LOG_ALPHA + math.log(self.start_share))

    def ask(self, proposal: np.ndarray) -> bool:
        """One bit."""
        keep = keeps_proposal(self.present, proposal, self.margin)
        self.log_mass += self.code.log_probability(keep)
        self.code = self.code.after(keep)
        if keep:
            self.present, self.kept = proposal.copy(), self.kept + 1
        return keep

    def certify(self) -> tuple[float, float, float]:
        """Interval for the accuracy and lower bound of the gain."""
        level = LOG_ALPHA + math.log(self.share) + self.log_mass - math.log(2.0)
        found = certify_gain(self.present, self.start, self.start_high, level)
        return found.accuracy_low, found.accuracy_high, found.gain


ROOTS = {"half": (0.5, 0.05, 0.45), "three quarters": (0.75, 0.1, 0.15)}
"""Shares of the failure probability at the root of a gate with a vault: of the vault, the start, and bits with certificates."""


def search_loop(
    rng: Generator,
    n: int,
    size: float,
    margin: float,
    proposals: int,
    good: float = 0.1,
    vault: float = 0.0,
    shrinking: float = 0.0,
) -> dict[str, float]:
    """A search whose good proposals are better by ``size`` and whose others are worse by as much, as long as there is room.

    Each proposal changes the results of a tenth of the rows; the share that improves is such that the accuracy moves by
    ``size`` times a power, ``shrinking``, of the share of the errors that are left: beyond 0 improvements become small and hard to see.
    """
    n_vault = round(vault * n)
    right = rng.random(n) < 0.70
    gate = GateRun(right[n_vault:].astype(float), margin)
    start, accuracy = right.copy(), 0.70
    for _ in range(proposals):
        step = size * ((1 - accuracy) / 0.30) ** shrinking
        move = step if rng.random() < good else -step
        changed = 0.10
        up = min(0.5 * (changed + move) / (1 - accuracy), 0.9)
        down = 0.5 * (changed - move) / accuracy
        moved = up * (1 - accuracy) - down * accuracy
        flip = rng.random(n) < np.where(right, down, up)
        proposal = right ^ flip
        if gate.ask(proposal[n_vault:].astype(float)):
            right, accuracy = proposal, accuracy + moved
    found = {"kept": float(gate.kept), "true gain": accuracy - 0.70, "false": 0.0}
    for root, (sealed, first, rest) in (ROOTS if vault else {"": (0.0, 0.1, 0.9)}).items():
        gate.share, gate.start_high = rest, start_upper(gate.start, LOG_ALPHA + math.log(first))
        low, high, gain = gate.certify()
        found |= {f"certified {root}".strip(): gain, f"low {root}".strip(): low, f"high {root}".strip(): high}
        wrong = gain > accuracy - 0.70 or not low <= accuracy <= high
        if vault:
            level = LOG_ALPHA + math.log(sealed / 2)
            k, s = right[:n_vault].astype(float), start[:n_vault].astype(float)
            gain = max(contrast_lower(k, s, start_upper(s, level), level).gain, 0.0)
            found[f"vault {root}"] = gain
            wrong |= gain > accuracy - 0.70
        found["false"] = max(found["false"], float(wrong))
    return found


def table_of_gates(rng: Generator, replicates: int) -> Iterator[str]:
    runs = max(replicates // 15, 4)
    yield "Gate, 1000 undeclared proposals, 1 in 10 better by a point, start .70 (true gain, certified gain, kept)"
    for n, size in ((10_000, 0.01), (2000, 0.03)):
        naive = None
        for margin, vault in ((0.0, 0.0), (1.0, 0.0), (1.0, 0.15)):
            found = [search_loop(rng, n, size, margin, 1000, vault=vault) for _ in range(runs)]
            mean = {key: float(np.mean([f[key] for f in found])) for key in found[0]}
            naive = mean["true gain"] if naive is None else naive
            for root in ROOTS if vault else ("",):
                extra = f", by the vault ({root}) {mean[f'vault {root}']:.4f}" if vault else ""
                yield (
                    f"  n = {n}, margin {margin}, vault {vault}: {mean['true gain']:.4f} ({mean['true gain'] / naive:.2f} of "
                    f"naive), {mean[f'certified {root}'.strip()]:.4f}{extra}, {mean['kept']:.0f} kept; "
                    f"{sum(f['false'] for f in found):.0f} false of {runs}"
                )


# ---------------------------------------------------------------------------------- adversaries


def probe_labels(rng: Generator, n: int) -> tuple[GateRun, float]:
    """Flip one prediction at a time and keep what the gate keeps: margin 0 learns every label."""
    labels = rng.integers(0, 2, n)
    guess = rng.integers(0, 2, n)
    gate = GateRun((guess == labels).astype(float), margin=0.0)
    for i in range(n):
        trial = guess.copy()
        trial[i] ^= 1
        if gate.ask((trial == labels).astype(float)):
            guess = trial
    return gate, 0.5


def climb_blocks(rng: Generator, n: int, margin: float = 0.0) -> tuple[GateRun, float]:
    """Flip random blocks of predictions."""
    labels, guess = rng.integers(0, 2, n), rng.integers(0, 2, n)
    gate = GateRun((guess == labels).astype(float), margin=margin)
    for _ in range(n):
        trial = guess.copy()
        trial[rng.choice(n, max(int(2 * math.sqrt(n)), 1), replace=False)] ^= 1
        if gate.ask((trial == labels).astype(float)):
            guess = trial
    return gate, 0.5


def aggregate_signs(rng: Generator, n: int, margin: float = 0.0) -> tuple[GateRun, float]:
    """Propose random labellings against a random start, then the majority of those that were kept."""
    labels, start = rng.integers(0, 2, n), rng.integers(0, 2, n)
    gate = GateRun((start == labels).astype(float), margin=margin)
    votes = np.zeros(n)
    for _ in range(n - 1):
        trial = rng.integers(0, 2, n)
        votes += (2 * trial - 1) * (1 if gate.ask((trial == labels).astype(float)) else -0.2)
    gate.ask(((votes > 0) == labels).astype(float))
    return gate, 0.5


def try_seeds(rng: Generator, n: int, margin: float = 0.0) -> tuple[GateRun, float]:
    """Keep the luckiest of n random labellings."""
    labels, start = rng.integers(0, 2, n), rng.integers(0, 2, n)
    gate = GateRun((start == labels).astype(float), margin=margin)
    for _ in range(n):
        gate.ask((rng.integers(0, 2, n) == labels).astype(float))
    return gate, 0.5


def copy_nearly(rng: Generator, n: int, margin: float = 0.0) -> tuple[GateRun, float]:
    """Change three predictions at a time, and repeat a change that was kept elsewhere."""
    labels, guess = rng.integers(0, 2, n), rng.integers(0, 2, n)
    gate = GateRun((guess == labels).astype(float), margin=margin)
    for _ in range(n):
        trial = guess.copy()
        trial[rng.choice(n, 3, replace=False)] ^= 1
        if gate.ask((trial == labels).astype(float)):
            guess = trial
    return gate, 0.5


ADVERSARIES = {
    "one label at a time": probe_labels,
    "block flips": climb_blocks,
    "sign aggregation": aggregate_signs,
    "many seeds": try_seeds,
    "near copies": copy_nearly,
}


def false_certificate(gate: GateRun, truth: float) -> tuple[bool, bool]:
    """Whether the certificate is wrong, and whether a plain interval of the count would have been."""
    low, high, gain = gate.certify()
    plain = clopper_pearson(round(float(gate.present.sum())), len(gate.present), LOG_ALPHA)
    return not (low <= truth <= high) or gain > 0.0, not plain[0] <= truth <= plain[1]


def table_of_attacks(rng: Generator, replicates: int) -> Iterator[str]:
    yield "Attacks on the gate, n = T = 300, fair coins: false certificates, and false plain intervals"
    for name, attack in ADVERSARIES.items():
        found = [false_certificate(*attack(rng, 300)) for _ in range(replicates)]
        wrong, plain = np.sum(found, axis=0)
        yield f"  {name}: {wrong} of {replicates}, plain {plain}"


# -------------------------------------------------------------------------------- past looks


def table_of_audits(rng: Generator, replicates: int) -> Iterator[str]:
    yield "Past looks at .85, two decimals: half-width by number, by the record, by rises"
    for n in (1000, 10_000, 50_000):
        for k in (10, 40, 200):
            found = []
            for _ in range(max(replicates // 10, 5)):
                scores = np.round(rng.binomial(n, 0.85, k) / n, 2)
                best = np.maximum.accumulate(scores)
                rises = int((np.diff(best) > 0).sum())
                last = float(best[-1])
                rows = audit_looks(n, last, decimals=2, scores=scores.tolist()).rows
                record = next(row for row in rows if "list of all" in row.known)
                shown = audit_looks(n, last, decimals=2, looks=k, rises=rises).rows
                rise = next(row for row in shown if row.known.startswith("only"))
                found.append(
                    (
                        audit_looks(n, last, decimals=2, looks=k).best.half_width,
                        record.half_width,
                        rise.half_width,
                    )
                )
            number, record, rise = np.mean(found, axis=0)
            yield f"  n = {n:>6}, {k:>3} looks: {number:.3f} / {record:.3f} / {rise:.3f}"


TABLES = {
    "confirmed": table_of_confirmed,
    "days": table_of_days,
    "cells": table_of_cells,
    "gates": table_of_gates,
    "attacks": table_of_attacks,
    "audits": table_of_audits,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", nargs="*", choices=[*TABLES, []], help="which tables; all if none is named")
    parser.add_argument("--seed", type=int, default=2409)
    parser.add_argument("--replicates", type=int, default=100)
    options = parser.parse_args()
    for name in options.tables or TABLES:
        started = time.process_time()
        for line in TABLES[name](np.random.default_rng(options.seed), options.replicates):
            print(line, flush=True)
        print(f"  ({time.process_time() - started:.0f} s, seed {options.seed})\n", flush=True)


if __name__ == "__main__":
    main()
