"""Damaged files: every reader, the doctor and every verb answer, or refuse with a sentence.

``VALIDSTATS_DAMAGED_FILES=10000 VALIDSTATS_DAMAGED_SEED=1 pytest tests/evals/test_damaged_files.py -m slow`` takes more of
them, with other seeds.
"""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from validstats import evals
from validstats.cli import main
from validstats.evals import BattlesNotIdentifiedError, EvalFileError

DATA = Path(__file__).parent / "data"
SOURCES = [path for path in sorted(DATA.rglob("*")) if path.is_file() and path.suffix != ".md"]
SOURCES.remove(DATA / "expected.json")
N = int(os.environ.get("VALIDSTATS_DAMAGED_FILES", "300"))
SEED = int(os.environ.get("VALIDSTATS_DAMAGED_SEED", "0"))
PIECES = (b"null", b"[]", b"{}", b'"', b"1e999", b"-1", b",", b"\xff\xfe", b"nan", b";", b"9" * 60)

pytestmark = pytest.mark.slow


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """A damaged copy: bytes changed, cut, doubled, or a number or bracket swapped."""
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 4))):
        kind, size = int(rng.integers(0, 6)), len(data)
        if size < 4:
            break
        start = int(rng.integers(0, size - 1))
        stop = min(size, start + int(rng.integers(1, 200)))
        if kind == 0:
            data[start] = int(rng.integers(0, 256))
        elif kind == 1:
            del data[start:stop]
        elif kind == 2:
            data[start:start] = data[start:stop]
        elif kind == 3:
            del data[start:]
        elif kind == 4:
            data[start : start + 1] = PIECES[int(rng.integers(0, len(PIECES)))]
        else:
            chunk = bytes(data[start:stop])
            data[start:stop] = chunk.replace(b'":', b'x":') if rng.random() < 0.5 else chunk[::-1]
    return bytes(data)


def roles(path: Path) -> dict[str, str]:
    """The score and the filter that a caller would name."""
    table = evals.read(path)
    scores = [name for name in table.scores if name != table.roles.get("human")]
    named = {} if table.has("judge") or not scores else {"score": scores[0]}
    return named | ({"filter": table.codes("filter")[1][0]} if table.has("filter") else {})


def system(path: Path) -> str | None:
    table = evals.read(path)
    return table.systems[0] if table.has("system") else None


VERBS: dict[str, Callable[[Path], object]] = {
    "doctor": lambda path: evals.doctor(path).summary().as_text(),
    "evaluate": lambda path: evals.evaluate(path, system=system(path), **roles(path)).summary().as_text(),
    "compare": lambda path: evals.compare(path, unpaired="ok", **roles(path)).summary().as_text(),
    "rank": lambda path: evals.rank(path, **roles(path)).summary().as_text(),
    "pass_at_k": lambda path: evals.pass_at_k(path, system=system(path)).summary().as_text(),
    "plan": lambda path: evals.plan(path, width=0.1, **roles(path)).summary().as_text(),
}


@pytest.mark.parametrize("verb", VERBS)
def test_damaged_files_give_an_answer_or_a_refusal(tmp_path: Path, verb: str) -> None:
    rng = np.random.default_rng([SEED, list(VERBS).index(verb)])
    contents = [(path, path.read_bytes()) for path in SOURCES]
    found: Counter[str] = Counter()
    short = 0
    for number in range(N // len(VERBS)):
        source, content = contents[number % len(contents)]
        path = tmp_path / f"damaged{source.suffix}"
        path.write_bytes(mutated(content, rng))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                VERBS[verb](path)
            found["answered"] += 1
        except (EvalFileError, BattlesNotIdentifiedError) as error:
            short += len(str(error)) <= 20
            found["refused"] += 1
    assert short == 0
    assert found["refused"] > 0
    assert found["answered"] > 0


def ended(arguments: list[str]) -> Result:
    """A command that ends with one of its codes, and says something."""
    result = CliRunner().invoke(main, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), arguments
    assert result.exit_code in (0, 1, 2, 3, 4)
    assert result.output.strip()
    return result


def test_damaged_files_end_a_release_with_a_code(tmp_path: Path) -> None:
    rng = np.random.default_rng([SEED, 99])
    score = rng.random(200)
    checked = "score,right\n" + "".join(f"{s:.4f},{int(rng.random() < s)}\n" for s in score)
    new = "score\n" + "".join(f"{s:.4f}\n" for s in rng.random(100))
    paths = [tmp_path / "checked.csv", tmp_path / "new.csv"]
    codes: Counter[int] = Counter()
    for number in range(max(N // 10, 20)):
        for path, text in zip(paths, (checked, new), strict=True):
            path.write_text(text)
        which = number % 2
        paths[which].write_bytes(mutated((checked, new)[which].encode(), rng))
        codes[ended(["release", *map(str, paths), "--max-false", "10"]).exit_code] += 1
    assert codes[0] > 0
    assert sum(codes.values()) > codes[0]
