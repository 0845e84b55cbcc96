"""Nothing is unpickled, evaluated or executed, and no text of a user becomes markup, checked in a browser."""

from __future__ import annotations

import ast
import functools
import html
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

import validstats
from tests.dsl.streams import streamed as stream_regression
from validstats import BatchPredictor, DesignSupervised, ReusableHoldout, mutual_info_matrix
from validstats.batch import BatchMean
from validstats.holdout.asking import seal, unseal
from validstats.results import Page, Section, Summary

ROOT = Path(validstats.__file__).parent
FORBIDDEN = {
    "eval", "exec", "compile", "__import__", "os.system", "os.popen", "pickle.load", "pickle.loads", "pickle.Unpickler",
    "cloudpickle.load", "cloudpickle.loads", "dill.load", "dill.loads", "joblib.load", "shelve.open", "marshal.load",
    "marshal.loads", "yaml.load", "pd.read_pickle", "pandas.read_pickle", "tempfile.mktemp",
}  # fmt: skip
AUTHENTICATED = {("holdout/asking/desk.py", "pickle.loads")}
"""Rows of a holdout inside an estimator that travels as a pickle itself: the ledger's tag is verified before."""
NEEDS = {"np.load": ("allow_pickle", False), "torch.load": ("weights_only", True)}
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def unsafe_calls(source: str) -> list[str]:
    """Calls that read code from data, or start a shell."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = dotted(node.func)
        options = {k.arg: k.value for k in node.keywords}
        if name in FORBIDDEN or name.startswith("subprocess.") or "shell" in options:
            found.append(f"{node.lineno}: {name}")
        if name in NEEDS:
            option, value = NEEDS[name]
            given = options.get(option)
            if not (isinstance(given, ast.Constant) and given.value is value):
                found.append(f"{node.lineno}: {name} without {option}={value}")
    return found


@pytest.mark.slow
def test_no_module_runs_what_it_reads():
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        calls = unsafe_calls(path.read_text(encoding="utf-8"))
        found += [f"{name}:{call}" for call in calls if (name, call.split(": ")[1]) not in AUTHENTICATED]
    assert found == []


def test_sealed_rows_are_not_opened_before_their_tag_is_verified():
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("a forged seal was unpickled",))

    secret, other = b"a" * 32, b"b" * 32
    forged = seal(other, Trap())
    own = seal(secret, [1, 2])
    for wrong in (forged, own[:-1] + bytes([own[-1] ^ 1]), own[:40], b""):
        with pytest.raises(ValueError, match="another ledger"):
            unseal(secret, wrong)
    assert unseal(secret, own) == [1, 2]


@pytest.mark.parametrize(
    "line",
    [
        "eval('1')",
        "pickle.loads(b'')",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "torch.load(p)",
        "subprocess.run('ls')",
    ],
)
def test_the_search_finds_what_it_looks_for(line):
    assert unsafe_calls(line)


def test_weights_are_plain_arrays():
    for path in sorted((ROOT / "mi" / "network" / "weights").glob("*.npz")):
        with np.load(path, allow_pickle=False) as file:
            assert all(file[name].dtype.kind in "fiubU" for name in file.files)


ATTACK = "</td><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">'\"&<b>"


@functools.cache
def hostile_summaries() -> tuple[Summary, ...]:
    """Summaries with names of columns, levels, strata, queries and labels that try to become markup."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=400)
    y = x + rng.normal(size=400)
    drawn = rng.random(400) < 0.5
    frame = pd.DataFrame({ATTACK: x, f"{ATTACK} 2": y, "text": np.where(x > 0, ATTACK, "other")})
    streamed = stream_regression(
        frame.assign(label=np.where(drawn, y, np.nan)),
        label="label",
        covariates=["text"],
        predictions=f"{ATTACK} 2",
        sampling_probability=0.5,
    )
    study = DesignSupervised(random_state=0, n_repeats=1).fit(frame, surrogate=f"{ATTACK} 2")
    study.calibrate(pd.DataFrame({"y": np.where(drawn, y, np.nan)}))
    regression = study.infer("y ~ text").recluster(np.arange(400) % 20, name=ATTACK)
    holdout = ReusableHoldout(queries=5).calibrate(frame[[ATTACK]], (x > 0).astype(int))
    answer = holdout.query(lambda rows, labels: np.full(len(labels), 0.5), query_id=ATTACK, guess=0.5)
    batch = (
        BatchPredictor(LinearRegression(), BatchMean(), confidence_level=0.9)
        .fit(x[:200, None], y[:200])
        .calibrate(x[200:380, None], y[200:380])
    )
    matrix = mutual_info_matrix(frame[[ATTACK, f"{ATTACK} 2"]], method="gaussian")
    results = (streamed, study, regression, regression.compare(), holdout, answer, matrix)
    labelled = batch.infer(x[380:, None], batches=np.repeat([ATTACK, "other"], 10))
    return (*(result.summary() for result in results), labelled.summary())


def page_of(summaries: tuple[Summary, ...]) -> str:
    section = Section(title=ATTACK, paragraphs=(ATTACK,), summaries=summaries)
    return Page(title=ATTACK, lead=ATTACK, sections=(section,), footer=ATTACK).as_html()


def title_in_browser(text: str, folder: Path) -> str:
    """Title of a page after its scripts and error handlers have run."""
    assert BROWSER is not None
    path = folder / "page.html"
    path.write_text(text, encoding="utf-8")
    command = [
        BROWSER,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--virtual-time-budget=3000",
        "--dump-dom",
    ]
    command += [f"--user-data-dir={folder / 'profile'}", path.as_uri()]
    document = subprocess.run(command, capture_output=True, text=True, timeout=600, check=True).stdout
    found = re.search(r"<title>(.*?)</title>", document, flags=re.DOTALL)
    assert found is not None
    return html.unescape(found.group(1))


def test_every_summary_escapes_what_users_named():
    for summary in hostile_summaries():
        assert "<script>document" not in summary.as_html() and "<img src=x" not in summary.as_html()
    names = [
        summary.as_html() for summary in hostile_summaries() if html.escape("<script>") in summary.as_html()
    ]
    assert len(names) >= 5, "the hostile names should be shown, escaped"


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="needs Chromium")
def test_a_page_with_hostile_names_runs_nothing_in_a_browser(tmp_path):
    assert title_in_browser(page_of(hostile_summaries()), tmp_path) == ATTACK


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="needs Chromium")
def test_the_same_page_unescaped_does_run_the_script(tmp_path):
    assert title_in_browser(html.unescape(page_of(())), tmp_path) == "owned"
