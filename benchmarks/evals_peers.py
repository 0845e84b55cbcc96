"""Evaluations: other packages on the same draws, each in an environment of its own: who covers, who fails.

``python -m benchmarks.evals_peers --peers FOLDER --output DIR`` takes ``FOLDER/<name>/bin/python`` for the packages in ``CALLS``
and writes ``evals_peers.md``; ``--only boards`` draws some of the questions and keeps the rows of the others. An answer that is
not a finite interval, and an error, count as calls without an answer; coverage and width are those of the answers that a
package gave.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from validstats import evals

Draw = dict[str, np.ndarray]

PAIRS = {
    "50 items, P(a only) .05, P(b only) .01": (50, 0.05, 0.01),
    "50 items, .02, 0": (50, 0.02, 0.0),
    "100 items, .1, .1": (100, 0.1, 0.1),
    "200 items, .03, .03": (200, 0.03, 0.03),
}
"""Paired 0/1 scores."""

JUDGES = {
    "500 answers, 50 labels, rate .7, judge .95/.6": (500, 50, 0.7, 0.95, 0.6, 1, False),
    "1,000 answers, 100 labels, rate .95, judge .98/.5": (1000, 100, 0.95, 0.98, 0.5, 1, False),
    "1,000 answers, 100 labels, rate .98, judge .999/.9": (1000, 100, 0.98, 0.999, 0.9, 1, False),
    "400 answers of 100 items, 60 labels, rate .9": (400, 60, 0.9, 0.95, 0.5, 4, False),
    "400 answers of 100 items, 30 whole items labelled, rate .9": (400, 120, 0.9, 0.95, 0.5, 4, True),
}
"""Rates by a judge (sensitivity/specificity) and some human labels: answers, labels, rate, judge, samples, whole items."""

SAMPLES = {
    "100 problems, 20 samples, Beta(.7, 1.2)": (100, 20, 0.7, 1.2),
    "100 problems, 10 samples, Beta(4, .6)": (100, 10, 4.0, 0.6),
}
"""pass@5 for a Beta law of difficulty."""

BOARDS = {
    "5 systems, 100 prompts x 3 battles": (5, 100, 3, 0.0),
    "the same, prompts favour systems": (5, 100, 3, 0.8),
}
"""Strengths by battles without ties; battles of a prompt depend on each other where its effect is not 0."""

HEAD = """
import json, sys, warnings
import numpy as np
warnings.simplefilter("ignore")
"""

TAIL = """
data = dict(np.load(sys.argv[1]))
fixed = {k: v for k, v in data.items() if v.ndim == 1}
out = []
for i in range(len(next(v for v in data.values() if v.ndim > 1))):
    try:
        found = answer(**{k: v if k in fixed else v[i] for k, v in data.items()})
        out.append(np.asarray(found, dtype=float).tolist())
    except Exception as error:
        out.append(type(error).__name__)
json.dump(out, open(sys.argv[2], "w"))
"""

CALLS = {
    "pairs": {
        "evalconfidence": """
from evalconfidence import ItemResult, compare
def answer(a, b, cluster):
    rows = [[ItemResult(str(i), s, float(v), cluster_id=str(c)) for i, (v, c) in enumerate(zip(x, cluster))]
            for s, x in (("a", a), ("b", b))]
    return compare(*rows).ci_diff
""",
        "deltagate": """
from deltagate import paired_delta
def answer(a, b, cluster):
    found = paired_delta(a.tolist(), b.tolist(), clusters=cluster.tolist() if len(set(cluster)) < len(a) else None)
    return found["lower"], found["upper"]
""",
        "evalsig": """
from evalsig import ItemResult, RunFrame, compare
def answer(a, b, cluster):
    one = len(set(cluster)) == len(a)
    def run(name, x):
        items = [ItemResult(str(i), float(v), None if one else str(c)) for i, (v, c) in enumerate(zip(x, cluster))]
        return RunFrame(name, name, "t", "score", items)
    runs = run("b", b), run("a", a)  # its difference is the second minus the first
    return compare(*runs, cluster=None if one else "cluster_id", n_resamples=2000).ci
""",
        "evalci": """
from evalci import compare
def answer(a, b, cluster):
    return compare(a, b, method="bootstrap", n_resamples=2000, random_state=0).ci
""",
        "truescore": """
from truescore import paired_bootstrap
def answer(a, b, cluster):
    found = paired_bootstrap(a, b, n_bootstrap=2000, clusters=cluster if len(set(cluster)) < len(a) else None)
    return found.low, found.high
""",
    },
    "judges": {
        "truescore": """
from truescore import ppi_estimate
def answer(judge, human, item):
    rows = np.flatnonzero(~np.isnan(human))
    found = ppi_estimate(judge, human[rows], rows, clusters=item if len(set(item)) < len(item) else None)
    return found.low, found.high
""",
        "cje-eval": """
from cje import calibrated_mean_ci
def answer(judge, human, item):
    return calibrated_mean_ci(judge, human, ~np.isnan(human), cluster_ids=item if len(set(item)) < len(item) else None).ci
""",
        "glide-py": """
from glide.estimators import ClusteredPPIMeanEstimator, PPIMeanEstimator
def answer(judge, human, item):
    if len(set(item)) == len(item):
        found = PPIMeanEstimator().estimate(human, judge)
    else:
        found = ClusteredPPIMeanEstimator().estimate(human, judge, item)
    interval = found.confidence_interval
    return interval.lower_bound, interval.upper_bound
""",
        "judgy": """
from judgy import estimate_success_rate
def answer(judge, human, item):
    known = ~np.isnan(human)
    found = estimate_success_rate(human[known].astype(int), judge[known].astype(int), judge[~known].astype(int), bootstrap_iterations=2000)
    return found[1:]
""",
        "ppi-python": """
from ppi_py import ppi_mean_ci
def answer(judge, human, item):
    known = ~np.isnan(human)
    low, high = ppi_mean_ci(human[known], judge[known], judge[~known], alpha=0.05)
    return float(np.ravel(low)[0]), float(np.ravel(high)[0])
""",
    },
    "samples": {
        "scorio": """
from scorio.eval import pass_at_k_ci
def answer(passed, k):
    return pass_at_k_ci(passed.astype(int), int(k[0]))[2:]
""",
    },
    "boards": {
        "evalica": """
import evalica
def answer(first, second, won, prompt):
    names = [f"s{s}" for s in range(int(max(first.max(), second.max())) + 1)]
    winners = [evalica.Winner.X if w else evalica.Winner.Y for w in won]
    found = evalica.bootstrap(evalica.bradley_terry, [names[s] for s in first], [names[s] for s in second], winners, n_resamples=200)
    log = np.log(found.distribution[names].to_numpy())
    return np.quantile(log - log.mean(axis=1, keepdims=True), [0.025, 0.975], axis=0).T
""",
        "arena-rank": """
import pandas as pd
from arena_rank.models.bradley_terry import BradleyTerry
from arena_rank.utils.data_utils import PairDataset
def answer(first, second, won, prompt):
    m = int(max(first.max(), second.max())) + 1
    frame = pd.DataFrame({"model_a": [f"s{s}" for s in first], "model_b": [f"s{s}" for s in second],
                          "winner": np.where(won, "model_a", "model_b")})
    data = PairDataset.from_pandas(frame)
    model = BradleyTerry(m, scale=1.0, base=np.e, init_rating=0.0)
    found = model.compute_ratings_and_cis(data)
    order = np.argsort(found["competitors"])
    low, high, mid = (np.asarray(found[k])[order] for k in ("rating_lower", "rating_upper", "ratings"))
    return np.column_stack([low, high]) - mid.mean()
""",
    },
}
"""Task -> package -> code that defines ``answer``, which returns one interval, or one a system."""

STRENGTHS = """
import evalica
def answer(first, second, won, prompt):
    names = [f"s{s}" for s in range(int(max(first.max(), second.max())) + 1)]
    winners = [evalica.Winner.X if w else evalica.Winner.Y for w in won]
    found = evalica.bradley_terry([names[s] for s in first], [names[s] for s in second], winners, tolerance=1e-14, limit=100_000)
    log = np.log(found.scores[names].to_numpy())
    return log - log.mean()
"""
"""Strengths of another fit, for battles that humans judged all."""


def pairs(rng: np.random.Generator, setting: Any, replicates: int) -> tuple[Draw, np.ndarray]:
    n, p10, p01 = setting
    u, both = rng.random((replicates, n)), rng.random((replicates, n)) < 0.5
    a = np.where(u < p10, 1, np.where(u < p10 + p01, 0, both))
    b = np.where(u < p10, 0, np.where(u < p10 + p01, 1, both))
    return {"a": a.astype(float), "b": b.astype(float), "cluster": np.arange(n)}, np.array([p10 - p01])


def clustered_pairs(rng: np.random.Generator, replicates: int) -> tuple[Draw, np.ndarray]:
    """40 clusters of 5: a is better in half of them, b in the other half, by .4."""
    cluster = np.repeat(np.arange(40), 5)
    side = rng.choice([-0.2, 0.2], (replicates, 40))[:, cluster]
    a, b = rng.random((replicates, 200)) < 0.5 + side, rng.random((replicates, 200)) < 0.5 - side
    return {"a": a.astype(float), "b": b.astype(float), "cluster": cluster}, np.array([0.0])


def judges(rng: np.random.Generator, setting: Any, replicates: int) -> tuple[Draw, np.ndarray]:
    n, labels, rate, sensitivity, specificity, each, whole = setting
    item = np.repeat(np.arange(n // each), each)
    size = 1.0 / 0.3 - 1.0
    p = np.full((replicates, n), rate)
    if each > 1:
        p = rng.beta(rate * size, (1 - rate) * size, (replicates, n // each))[:, item]
    truth = rng.random((replicates, n)) < p
    u = rng.random((replicates, n))
    judge = np.where(truth, u < sensitivity, u > specificity).astype(float)
    if whole:
        drawn = (np.argsort(rng.random((replicates, n // each)), axis=1) < labels // each)[:, item]
    else:
        drawn = np.argsort(rng.random((replicates, n)), axis=1) < labels
    return {"judge": judge, "human": np.where(drawn, truth, np.nan), "item": item}, np.array([rate])


def samples(rng: np.random.Generator, setting: Any, replicates: int) -> tuple[Draw, np.ndarray]:
    problems, tries, a, b = setting
    p = rng.beta(a, b, (replicates, problems, 1))
    passed = (rng.random((replicates, problems, tries)) < p).astype(float)
    # E (1 - p)^5 of a Beta law.
    none = np.prod([(b + j) / (a + b + j) for j in range(5)])
    return {"passed": passed, "k": np.array([5])}, np.array([1.0 - none])


def boards(rng: np.random.Generator, setting: Any, replicates: int) -> tuple[Draw, np.ndarray]:
    """Battles whose law is Bradley and Terry's; with prompt effects the strengths are the roots of its moments."""
    m, prompts, each, spread = setting
    theta = np.linspace(-0.6, 0.6, m)
    prompt = np.repeat(np.arange(prompts), each)

    def battles(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        shape = (n, prompts * each)
        first = rng.integers(0, m, shape)
        second = (first + rng.integers(1, m, shape)) % m
        shift = spread * rng.normal(size=(n, prompts, m))
        row = np.arange(n)[:, None]
        d = theta[first] - theta[second] + shift[row, prompt, first] - shift[row, prompt, second]
        return first, second, rng.random(shape) < 1.0 / (1.0 + np.exp(-d))

    if spread > 0:
        many = [x.ravel() for x in battles(2_000)]
        theta_seen = _strengths(*many, np.arange(len(many[0])))[0]
    else:
        theta_seen = theta
    first, second, won = battles(replicates)
    return {"first": first, "second": second, "won": won, "prompt": prompt}, theta_seen


def _strengths(first: Any, second: Any, won: Any, prompt: Any) -> tuple[np.ndarray, np.ndarray]:
    """Strengths of the package in the order of the systems, with their intervals."""
    data = {
        "prompt": prompt,
        "model_a": [f"s{s}" for s in first],
        "model_b": [f"s{s}" for s in second],
        "winner": np.where(won, "model_a", "model_b"),
    }
    result = evals.rank(data, clusters="prompt")
    order = np.argsort(result.systems)
    return result.estimate[order], np.column_stack([result.conf_low, result.conf_high])[order]


def our_pairs(a: Any, b: Any, cluster: Any) -> Any:
    result: Any = evals.compare(
        {"item": np.arange(len(a)), "c": cluster, "a": a, "b": b}, "a", "b", clusters="c"
    )
    return result.conf_low, result.conf_high


def our_judges(judge: Any, human: Any, item: Any) -> Any:
    result = evals.evaluate({"item": item, "judge": judge, "human": human})
    return result.conf_low, result.conf_high


def our_samples(passed: Any, k: Any) -> Any:
    problems, tries = passed.shape
    data = {"problem": np.repeat(np.arange(problems), tries), "passed": passed.ravel().astype(int)}
    result = evals.pass_at_k(data, k=[int(k[0])])
    return result.conf_low[0], result.conf_high[0]


def our_boards(first: Any, second: Any, won: Any, prompt: Any) -> Any:
    return _strengths(first, second, won, prompt)[1]


OURS: dict[str, Callable[..., Any]] = {
    "pairs": our_pairs, "judges": our_judges, "samples": our_samples, "boards": our_boards,
}  # fmt: skip


def our_answers(task: str, data: Draw) -> list[Any]:
    """Return what the package says of every data set, or the name of its error."""
    out: list[Any] = []
    for i in range(len(next(v for v in data.values() if v.ndim > 1))):
        try:
            found = OURS[task](**{k: v if v.ndim == 1 else v[i] for k, v in data.items()})
            out.append(np.asarray(found, dtype=float).tolist())
        except ValueError as error:
            out.append(type(error).__name__)
    return out


def peer_answers(python: Path, call: str, data: Draw) -> list[Any]:
    """Return what another package says of every data set, or the name of its error."""
    with tempfile.TemporaryDirectory() as folder:
        source, target, script = (Path(folder) / n for n in ("in.npz", "out.json", "peer.py"))
        np.savez(source, **data)
        script.write_text(HEAD + call + TAIL)
        subprocess.run([str(python), str(script), str(source), str(target)], check=True)
        return list(json.loads(target.read_text()))


def line(task: str, setting: str, name: str, answers: list[Any], truth: np.ndarray) -> str:
    """Return the row of a package: lowest coverage over its intervals, mean width, calls without an answer."""
    errors = [a for a in answers if isinstance(a, str)]
    found = np.array([np.reshape(a, (-1, 2)) for a in answers if not isinstance(a, str)], dtype=float)
    good = found[np.isfinite(found).all(axis=(1, 2))] if len(found) else found
    lost = len(answers) - len(good)
    why = f" ({', '.join(sorted(set(errors)))})" if errors else ""
    if not len(good):
        return f"| {task} | {setting} | {len(answers)} | {name} | | | {lost}{why} |"
    covered = ((good[..., 0] <= truth) & (truth <= good[..., 1])).mean(axis=0).min()
    width = np.mean(good[..., 1] - good[..., 0])
    return f"| {task} | {setting} | {len(answers)} | {name} | {covered:.3f} | {width:.3f} | {lost}{why} |"


HEADER = [
    "| question | setting | data sets | package | coverage of .95 | width | calls without an answer |",
    "| :--- | :--- | ---: | :--- | ---: | ---: | :--- |",
]


def kept_rows(path: Path) -> dict[str, list[str]]:
    """Rows of a table that is there, by question."""
    rows: dict[str, list[str]] = {task: [] for task in CALLS}
    for text in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        task = text.removeprefix("| ").split(" | ")[0]
        if task in rows:
            rows[task].append(text)
    return rows


def table(
    peers: Path | None, replicates: int, seed: int, only: list[str] | None
) -> Iterator[tuple[str, list[str]]]:
    """Give the question and the lines of one setting after the other, one line a package."""
    makers = {
        "pairs": (pairs, PAIRS),
        "judges": (judges, JUDGES),
        "samples": (samples, SAMPLES),
        "boards": (boards, BOARDS),
    }
    for number, (task, (make, settings)) in enumerate(makers.items()):
        if only and task not in only:
            continue
        cases: list[tuple[str, tuple[Draw, np.ndarray]]] = [
            (name, make(np.random.default_rng([seed, number, k]), setting, replicates))
            for k, (name, setting) in enumerate(settings.items())
        ]
        if task == "pairs":
            cases.append(("40 clusters of 5", clustered_pairs(np.random.default_rng([seed, 9]), replicates)))
        for setting, (data, truth) in cases:
            lines = [line(task, setting, "validstats", our_answers(task, data), truth)]
            for name, call in CALLS[task].items():
                python = None if peers is None else peers / name / "bin" / "python"
                if python is None or not python.exists():
                    lines.append(f"| {task} | {setting} | {replicates} | {name} | not run | | |")
                    continue
                try:
                    lines.append(line(task, setting, name, peer_answers(python, call, data), truth))
                except subprocess.CalledProcessError:
                    lines.append(f"| {task} | {setting} | {replicates} | {name} | cannot be run | | |")
            print(*lines, sep="\n", flush=True)
            yield task, lines


def same_strengths(peers: Path | None, seed: int) -> str:
    """Say how far strengths lie from those of another fit."""
    python = None if peers is None else peers / "evalica" / "bin" / "python"
    if python is None or not python.exists():
        return "evalica was not run, so strengths were not compared."
    data, _ = boards(np.random.default_rng([seed, 8]), next(iter(BOARDS.values())), 20)
    found = peer_answers(python, STRENGTHS, data)
    ours = [
        _strengths(*(data[k][i] for k in ("first", "second", "won")), data["prompt"])[0] for i in range(20)
    ]
    gap = float(np.abs(np.array(ours) - np.array(found)).max())
    return f"Strengths of 20 sets of battles without ties differ from those of evalica by at most {gap:.1e}."


def versions(peers: Path | None) -> str:
    """Return the versions of the packages that were run."""
    names = sorted({name for calls in CALLS.values() for name in calls})
    found = []
    for name in names:
        python = None if peers is None else peers / name / "bin" / "python"
        if python is None or not python.exists():
            found.append(f"{name} (not run)")
            continue
        code = f"import importlib.metadata as m; print(m.version({name!r}))"
        found.append(
            f"{name} {subprocess.run([str(python), '-c', code], capture_output=True, text=True, check=True).stdout.strip()}"
        )
    return ", ".join(found)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--only", nargs="*", choices=list(CALLS), help="Questions; all if not given.")
    parser.add_argument("--replicates", type=int, default=200)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    given = parser.parse_args()
    head = [
        "# Evaluations: other packages on the same draws",
        "",
        f"Seed {given.seed}, level .95 (Monte-Carlo standard error at .95 with {given.replicates} data sets: "
        f"{np.sqrt(0.0475 / given.replicates):.3f}). Where an answer has several intervals (battles), the coverage is the lowest "
        "of them. Bootstraps take 2,000 resamples (battles 200). judgy knows no clusters, nor does ppi-python.",
        "",
        f"Versions: {versions(given.peers)}. truescore and glide-py refuse labels drawn inside clusters.",
        "",
        same_strengths(given.peers, given.seed),
        "",
        *HEADER,
    ]
    given.output.mkdir(parents=True, exist_ok=True)
    path = given.output / "evals_peers.md"
    done: dict[str, list[str]] = {}
    for task, lines in table(given.peers, given.replicates, given.seed, given.only):
        done.setdefault(task, []).extend(lines)
        # Read again: another process may have finished other questions meanwhile.
        rows = kept_rows(path) | done
        path.write_text(
            "\n".join([*head, *(text for part in rows.values() for text in part)]) + "\n", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
