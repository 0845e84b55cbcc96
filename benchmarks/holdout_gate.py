"""The gate and its boundary: searches, adversaries, loops without any good proposal, kills, races and full disks.

``python -m benchmarks.holdout_gate`` runs all parts and writes ``benchmarks/results/holdout_gate.md``; parts can be named,
``--seed`` gives other data, ``--share 0.1`` a tenth of the runs (nothing is written then).
"""

from __future__ import annotations

import argparse
import inspect
import math
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.holdout_limits import ADVERSARIES, ROOTS, GateRun, false_certificate, search_loop
from benchmarks.search_program import GateClient, climb, probe
from validstats.holdout import Ledger, ReusableHoldout
from validstats.holdout.boundary import GateServer, create_gate

RESULTS = Path(__file__).parent / "results" / "holdout_gate.md"
Generator = np.random.Generator


def part_searches(rng: Generator, share: float) -> Iterator[str]:
    """1,000 undeclared proposals at n = 10,000, start .70, 1 in 10 better by a point.

    The improvement of a point is that at the start; it is multiplied by a power of the share of the errors that are left
    ("shrinking": 0 for a point each time, 1 for a thirtieth of the errors, 2 for improvements that soon cannot be seen).
    """
    runs = max(round(20 * share), 2)
    yield (
        "| shrinking | margin | vault (its share of the level) | true gain | of the naive loop's | certified | of the naive "
        "loop's | by the vault | kept | false |"
    )
    yield "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    for shrinking in (0.0, 1.0, 2.0):
        naive = 0.0
        for margin, vault in ((0.0, 0.0), (1.0, 0.0), (1.5, 0.0), (1.0, 0.15)):
            found = [
                search_loop(rng, 10_000, 0.01, margin, 1000, vault=vault, shrinking=shrinking)
                for _ in range(runs)
            ]
            mean = {key: float(np.mean([f[key] for f in found])) for key in found[0]}
            naive = naive or mean["true gain"]
            for root in ROOTS if vault else ("",):
                sealed = f"{mean[f'vault {root}']:.4f}" if vault else ""
                certified = mean[f"certified {root}".strip()]
                yield (
                    f"| {shrinking:g} | {margin} | {f'{vault} ({root})' if vault else 'none'} | {mean['true gain']:.4f} | "
                    f"{mean['true gain'] / naive:.3f} | {certified:.4f} | {certified / naive:.3f} | {sealed} | "
                    f"{mean['kept']:.0f} | {sum(f['false'] for f in found):.0f} of {runs} |"
                )


def part_attacks(rng: Generator, share: float) -> Iterator[str]:
    """Attacks at n = T = 300 on fair coins: false certificates, beside those of a plain Clopper-Pearson interval."""
    yield "| adversary | false certificates | false plain intervals |"
    yield "| --- | --- | --- |"
    runs = max(round(400 * share), 4)
    for name, attack in ADVERSARIES.items():
        found = [false_certificate(*attack(rng, 300)) for _ in range(runs)]
        wrong, plain = np.sum(found, axis=0)
        yield f"| {name} | {wrong} of {runs} | {plain} of {runs} |"


def null_loop(rng: Generator, n: int, proposals: int) -> bool:
    """A search in which nothing is better than the start; whether its certificate is false."""
    truth = 0.7
    gate = GateRun((rng.random(n) < truth).astype(float), margin=1.0)
    for _ in range(proposals):
        flip = rng.random(n) < 0.1
        gate.ask(np.where(flip, rng.random(n) < truth, gate.present).astype(float))
    low, high, gain = gate.certify()
    return gain > 0.0 or not low <= truth <= high


def part_null_loops(rng: Generator, share: float) -> Iterator[str]:
    """Loops of 200 proposals at n = 1,000 in which no proposal is better."""
    runs = max(round(1000 * share), 10)
    yield f"{sum(null_loop(rng, 1000, 200) for _ in range(runs))} false certificates in {runs} loops."


class OpenGate(GateRun):
    """The gate of the package, asked by predictions of fair coins."""

    def __init__(self, labels: np.ndarray, start: np.ndarray, margin: float) -> None:
        super().__init__((start == labels).astype(float), margin=margin)
        ledger = Ledger.in_memory(secret=labels.tobytes()[:32] + b"gate")
        rh = ReusableHoldout(queries=1, mechanism="single_look", ledger=ledger)
        names = np.array([f"r{i}" for i in range(len(labels))], dtype=object).reshape(-1, 1)
        self.labels = labels
        self.gate = rh.calibrate(names, labels, check_reuse=False).gate(start, margin=margin)

    def ask(self, proposal: np.ndarray) -> bool:
        """One bit of the package and of the twin, which must be the same."""
        twin = super().ask(proposal)
        bit = self.gate.ask(np.where(proposal > 0.5, self.labels, 1 - self.labels))
        if (proposal != self.before).any() and bit != twin:
            raise AssertionError("the gate and its twin differ")
        self.before = self.present
        return bit

    before = np.empty(0)


def part_package(rng: Generator, share: float) -> Iterator[str]:
    """The same adversaries against ``rh.gate`` itself, n = T = 120: false certificates."""
    runs, wrong = max(round(40 * share), 2), 0
    for _ in range(runs):
        labels, guess = rng.integers(0, 2, (2, 120))
        gate = OpenGate(labels, guess, 0.0)
        gate.before = gate.present
        for i in range(120):
            trial = guess.copy()
            trial[i] ^= 1
            if gate.ask((trial == labels).astype(float)):
                guess = trial
        found = gate.gate.certify()
        twin = gate.certify()
        wrong += found.gain > 0.0 or found.accuracy_low > 0.5
        if not math.isclose(found.accuracy_low, twin[0], abs_tol=1e-9):
            raise AssertionError("the certificate and its twin differ")
    yield f"{wrong} false certificates in {runs} runs that learned every label; bits and certificates equal the twin's."


# --------------------------------------------------------------------------- boundary


def made_gate(folder: Path, n: int, seed: int, **options: float) -> tuple[Path, dict[str, str]]:
    """A gate on random labels; its ledger and the labels."""
    rng = random.Random(seed)
    labels = {f"{rng.getrandbits(64):016x}": rng.choice("01") for _ in range(n)}
    create_gate(folder / "gate.ledger", labels, classes=["0", "1"], **options)  # type: ignore[arg-type]
    return folder / "gate.ledger", labels


def part_server(rng: Generator, share: float) -> Iterator[str]:
    """A program that talks to ``validstats holdout serve`` only: hill climbing, probing, replay."""
    with tempfile.TemporaryDirectory() as name:
        ledger, labels = made_gate(Path(name), 400, int(rng.integers(2**31)), vault=0.0, margin=0.0)
        start = dict.fromkeys(labels, "0")
        with GateClient(ledger) as client:
            found = climb(client, start, ["0", "1"], 150, 1)
            before = client.call("status")
            replayed = [client.ask(found) for _ in range(20)]
            after = client.call("status")
            found = probe(client, found, {"0": "1", "1": "0"})
            status, certified = client.call("status"), client.call("certify")
            refused = ""
            try:
                client.ask(start)
            except RuntimeError as error:
                refused = str(error)
        learned = sum(found[key] == labels[key] for key in labels)
        yield (
            f"After {status['proposals']} proposals the program knows {learned} of 400 labels ({status['nats']:.0f} nats); the "
            f"certificate says accuracy in [{certified['accuracy_low']:.3f}, {certified['accuracy_high']:.3f}] (truth .5) and a "
            f"gain of at least {certified['gain']:.3f}. Twenty replays: {sum(replayed)} kept, {after['nats'] - before['nats']:.3f} "
            f"nats. A proposal after the certificate: {refused}."
        )


_ASKER = """
import os, random, sys
from pathlib import Path
from validstats.holdout.boundary import GateServer
server = GateServer(Path(sys.argv[1]))
rng = random.Random(int(sys.argv[2]))
ids = server._rows.ids
print("ready", flush=True)
while True:
    rows = {key: rng.choice("01") for key in ids}
    bit = server.ask(rows)
    sys.stdout.write(f"{int(bit)}\\n"); sys.stdout.flush()
"""


def part_kills(rng: Generator, share: float) -> Iterator[str]:
    """A server that is killed with signal 9 at random moments: bits that were given, and charges on record."""
    kills = max(round(200 * share), 4)
    given = lost = 0
    with tempfile.TemporaryDirectory() as name:
        ledger, _ = made_gate(Path(name), 300, int(rng.integers(2**31)))
        before = 0
        for i in range(kills):
            with subprocess.Popen(
                [sys.executable, "-c", _ASKER, str(ledger), str(i)], stdout=subprocess.PIPE, text=True
            ) as asker:
                assert asker.stdout is not None
                asker.stdout.readline()
                bits = sum(bool(asker.stdout.readline()) for _ in range(int(rng.integers(4))))
                time.sleep(float(rng.uniform(0.0, 0.02)))
                os.kill(asker.pid, signal.SIGKILL)
                bits += asker.stdout.read().count("\n")
            charged = Ledger.open(ledger)
            proposals = sum(entry.release == "gate" for entry in charged.entries())
            paid = proposals - before
            if bits > paid or paid > bits + 1:
                raise AssertionError(f"{bits} bits were given and {paid} charged")
            given, lost, before = given + bits, lost + paid - bits, proposals
        GateServer(ledger).certify()
    yield f"{kills} kills: {given} bits given, {given} charged, {lost} charged and not given, 0 given and not charged."


def part_parallel(rng: Generator, share: float) -> Iterator[str]:
    """Eight programs that ask one socket at once."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ledger, labels = made_gate(folder, 300, int(rng.integers(2**31)))
        server = GateServer(ledger)
        each = max(round(25 * share), 3)
        bits: list[bool] = []

        def search(seed: int) -> None:
            draws = random.Random(seed)
            with GateClient(place=folder / "s") as client:
                for _ in range(each):
                    bits.append(client.ask({key: draws.choice("01") for key in labels}))

        with server.listen(folder / "s") as listening:
            threading.Thread(target=listening.serve_forever, daemon=True).start()
            askers = [threading.Thread(target=search, args=(seed,)) for seed in range(8)]
            for asker in askers:
                asker.start()
            for asker in askers:
                asker.join()
            listening.shutdown()
        status = server.status
        if (len(bits), sum(bits)) != (status["proposals"], status["kept"]) or len(bits) != 8 * each:
            raise AssertionError(f"{len(bits)} bits, {status}")
        yield f"8 programs, {len(bits)} bits, {status['proposals']} charged, {sum(bits)} kept by both counts."


def full_disk(folder: Path, keep: bool, step: int) -> list[str]:
    """How a proposal ends on a disk that is full after so many bytes more, from none to as many as it takes."""
    ends: list[str] = []
    while (
        not ends or ends[-1] == "LedgerUnavailableError"
    ):  # a gate keeps a line of every try: a new one after 500
        ends += _tries_of_one_gate(folder, keep, step, len(ends))
    return ends


def _tries_of_one_gate(folder: Path, keep: bool, step: int, first: int, most: int = 500) -> list[str]:
    labels = {f"{i:x}-{folder.name}-{keep}-{first}": str(i % 2) for i in range(50)}
    path = folder / f"{keep}-{first}.ledger"
    create_gate(path, labels, classes=["0", "1"], vault=0.0)
    server = GateServer(path)
    # both proposals give all rows another prediction than the start
    proposal = labels if keep else {key: str(1 - int(label)) for key, label in labels.items()}
    log = path.with_name(path.name + "-wal")
    size, ends = log.stat().st_size if log.exists() else 0, []
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        while len(ends) < most and (not ends or ends[-1] == "LedgerUnavailableError"):
            limit = size + step * (first + len(ends))
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            try:
                ends.append(str(server.ask(proposal)))
            except OSError as error:
                ends.append(type(error).__name__)
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
            charged = server.status["proposals"]
            if charged != (ends[-1] != "LedgerUnavailableError"):
                raise AssertionError(f"{charged} charged after {ends[-1]!r}")
    finally:
        signal.signal(signal.SIGXFSZ, before)
    return ends


def part_disk(rng: Generator, share: float) -> Iterator[str]:
    """A proposal that would be kept, and one that would not, on a disk that is full at every byte of its record."""
    with tempfile.TemporaryDirectory() as name:
        kept, discarded = (full_disk(Path(name), keep, round(1 / share)) for keep in (True, False))
    if kept[:-1] != discarded[:-1] or (kept[-1], discarded[-1]) != ("True", "False"):
        raise AssertionError("the outcomes differ before they are charged")
    yield (
        f"{len(kept) - 1} sizes of a full disk: one documented error each (LedgerUnavailableError), nothing charged, the same for both "
        "outcomes; the first size that suffices gives the bit, charged once."
    )


PARTS = {
    "searches": part_searches,
    "attacks": part_attacks,
    "null loops": part_null_loops,
    "package": part_package,
    "server": part_server,
    "kills": part_kills,
    "parallel": part_parallel,
    "disk": part_disk,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="which parts; all if none is named")
    parser.add_argument("--seed", type=int, default=19)
    parser.add_argument("--share", type=float, default=1.0)
    options = parser.parse_args()
    state = tempfile.TemporaryDirectory()
    os.environ["XDG_STATE_HOME"] = state.name  # gates of this run are nobody else's
    for name in options.parts or PARTS:
        started = time.process_time()
        part = PARTS[name]
        command = f"`python -m benchmarks.holdout_gate {name!r} --seed {options.seed}`"
        lines = [inspect.cleandoc(str(part.__doc__)), "", command, ""]
        for line in part(np.random.default_rng([options.seed, len(name)]), options.share):
            lines.append(line)
            print(line, flush=True)
        print(f"  ({name}: {time.process_time() - started:.0f} s)\n", flush=True)
        if options.share == 1.0:
            write_section(RESULTS, name.capitalize(), "\n".join(lines))


def write_section(path: Path, title: str, text: str) -> None:
    """Replace one section of the results."""
    known = (
        path.read_text(encoding="utf-8").split("\n## ")
        if path.exists()
        else ["# The gate and its boundary\n"]
    )
    sections = {part.split("\n", 1)[0]: part.split("\n", 1)[1].strip() for part in known[1:]}
    sections[title] = text.strip()
    order = [name.capitalize() for name in PARTS]
    body = [f"## {name}\n\n{sections[name]}\n" for name in order if name in sections]
    path.write_text("\n".join([known[0].rstrip() + "\n", *body]), encoding="utf-8")


if __name__ == "__main__":
    main()
