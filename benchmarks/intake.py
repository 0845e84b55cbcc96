# ruff: noqa: E501  (cases are lines of code that users write)
"""What becomes of what callers hand over: answers of 0.1.0 and of this version, machines, and what the checks cost.

``python -m benchmarks.intake --before FOLDER`` runs every case in both packages, FOLDER being a checkout of 0.1.0, and
writes ``results/intake.md``. Each case is a few lines a user would write; an error is part of the answer.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

SETUP = """
    import datetime as dt, io, json, pathlib, tempfile, time, warnings
    from decimal import Decimal
    import numpy as np, pandas as pd
    from sklearn.frozen import FrozenEstimator
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from validstats import *
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(0)
    n = 400
    ids = [f"doc-{i}" for i in rng.permutation(n)]
    docs = pd.DataFrame({"x": rng.normal(size=n), "w": rng.normal(size=n)}, index=ids)
    y = 2 * docs["x"] + rng.normal(size=n)
    docs["machine"] = y + rng.normal(size=n)
    group = pd.Series(np.repeat(np.arange(n // 4), 4), index=ids)
    y += group.map(dict(enumerate(rng.normal(size=n // 4))))
    weight = pd.Series(np.exp(docs["w"] * docs["x"] / 2), index=ids)
    share = 1 / (1 + np.exp(-docs["w"])) * .8 + .1
    seen = rng.random(n) < share
    labels = y.where(seen)
    other = rng.permutation(n)
    cls = (y > 0).astype(int)
    def mixed(values): return values.iloc[other]
    def study(lab, clusters=None, weights=None, probability=share, data=docs, formula="y ~ x", **options):
        model = DesignSupervised(random_state=0).fit(data, surrogate="machine")
        model.calibrate({"y": lab}, sampling_probability=probability, **options)
        result = model.infer(formula, clusters=clusters, weights=weights)
        low, high = result.confidence_interval()[1]
        return f"{result.params[1]:.2f} [{low:.2f}, {high:.2f}], se {result.std_error[1]:.3f}"
    def predictor(learner, target, **options):
        return BatchPredictor(learner, target, confidence_level=.9, random_state=0, **options)
    def interval(result):
        t = result.tidy()
        return f"[{t['conf_low'].iloc[0]:.2f}, {t['conf_high'].iloc[0]:.2f}]"
    def mi(a, b): return f"{mutual_info(a, b).estimate:.3f}"
    def holdout(labels):
        asked = ReusableHoldout(queries=5, random_state=0).fit(docs[["x"]], cls)
        try: asked.calibrate(docs[["x"]], labels, check_reuse=False)
        except TypeError: asked.calibrate(docs[["x"]], labels)
        return f"{asked.infer(LogisticRegression()).value:.3f}"
    def RUN(*arguments):
        from click.testing import CliRunner
        from validstats.cli import main
        return CliRunner().invoke(main, list(arguments))
    def command(files, *arguments):
        from click.testing import CliRunner
        from validstats.cli import main
        with CliRunner().isolated_filesystem():
            for name, content in files.items():
                content(name) if callable(content) else pathlib.Path(name).write_bytes(content)
            done = CliRunner().invoke(main, [*arguments, "--format", "json"])
        if done.exit_code: raise ValueError(done.output.strip().splitlines()[-1])
        return f"{json.loads(done.stdout)['terms'][0]['estimate']:.3f}"
"""

ROWS: Mapping[str, str] = {
    "labels in order": "study(labels)",
    "labels in another order": "study(mixed(labels))",
    "labels of the labelled rows alone (`dropna`)": "study(labels.dropna())",
    "labels of other documents": "study(labels.add_prefix('old-'))",
    "clusters in order": "study(labels, clusters=group)",
    "clusters in another order": "study(labels, clusters=mixed(group))",
    "weights in order": "study(labels, weights=weight)",
    "weights in another order": "study(labels, weights=mixed(weight))",
    "sampling probabilities in another order": "study(labels, probability=mixed(share))",
    "`mutual_info(x, y)` in order": "mi(docs[['x']], y)",
    "`mutual_info(x, y)`, y in another order": "mi(docs[['x']], mixed(y))",
    "accuracy on a holdout in order": "holdout(cls)",
    "accuracy on a holdout, y in another order": "holdout(mixed(cls))",
    "`BatchPredictor.fit` in order": "interval(predictor(LinearRegression(), BatchMean(), bounds=(-15, 15)).fit(docs[['x']], y).infer(docs[['x']][:40]))",
    "`BatchPredictor.fit`, y in another order": "interval(predictor(LinearRegression(), BatchMean(), bounds=(-15, 15)).fit(docs[['x']], mixed(y)).infer(docs[['x']][:40]))",
    "`contains(y)`, y in another order: sets that hold": "(lambda r: int(r.contains(mixed(y[:100].reindex(y.index)).dropna()).sum()))(predictor(LinearRegression(), Simultaneous(miss=.1)).fit(docs[['x']], y).infer(docs[['x']][:100]))",
}
"""Section 1: rows keep their identity."""

VALUES: Mapping[str, str] = {
    "classes {0, 1}: mean of 40 rows": "interval(predictor(LogisticRegression(), BatchMean()).fit(docs[['x']], cls).infer(docs[['x']][:40]))",
    "classes {-1, 1}: mean of 40 rows": "interval(predictor(LogisticRegression(), BatchMean()).fit(docs[['x']], 2 * cls - 1).infer(docs[['x']][:40]))",
    "classes {1, 2}: false claims of y > 1.5 (true ones)": "(lambda r, z: f'{r.false_claims(z)[0]} said, {int((r.selected & (z <= 1.5)).sum())} true')(predictor(LogisticRegression(), Selection(above=1.5 if True else 0, max_false=20)).fit(docs[['x']], cls + 1).infer(docs[['x']][:100]), (cls + 1).to_numpy()[:100])",
    "text classes without `positive=`: mean": "interval(predictor(LogisticRegression(), BatchMean()).fit(docs[['x']], np.where(cls, 'pass', 'fail')).infer(docs[['x']][:40]))",
    "text classes with `positive='pass'`": "interval(predictor(LogisticRegression(), BatchMean(), positive='pass').fit(docs[['x']], np.where(cls, 'pass', 'fail')).infer(docs[['x']][:40]))",
    "expert labels 'pass', 'fail'": "(lambda m: round(float(m.calibrate({'y': pd.Series(np.where(cls, 'pass', 'fail'), ids).where(seen)}, positive='pass').infer('y', model='proportion').params[0]), 3))(DesignSupervised(random_state=0).fit(docs[['x']].assign(machine=np.where(docs.machine > 0, 'pass', 'fail')), surrogate='machine'))",
    "a verdict of the machine is missing": "(lambda m: round(float(m.calibrate({'y': cls.where(seen)}).infer('y', model='mean').params[0]), 3))(DesignSupervised(random_state=0).fit(docs[['x']].assign(machine=np.where(docs.w > 1, None, np.where(docs.machine > 0, 'pass', 'fail'))), surrogate='machine'))",
    "Decimal covariate: coefficients": "(lambda r: len(r.params))(DesignSupervised(random_state=0).fit(docs.assign(q=[Decimal(str(round(v, 1))) for v in docs.x]), surrogate='machine').calibrate({'y': labels}, sampling_probability=share).infer('y ~ q'))",
    "numbers among text as covariate": "(lambda r: len(r.params))(DesignSupervised(random_state=0).fit(docs.assign(q=[1.5 if v > 0 else 'low' for v in docs.x]), surrogate='machine').calibrate({'y': labels}, sampling_probability=share).infer('y ~ q'))",
    "complex covariate": "study(labels, data=docs.assign(q=docs.x * 1j), formula='y ~ q')",
    "integers beyond 2^53 in `mutual_info`": "mi(2**60 + np.arange(n) % 200, np.arange(n) % 200 + rng.normal(size=n))",
    "category with an unused level": "study(labels, data=docs.assign(g=pd.Categorical(np.where(docs.w > 0, 'a', 'b'), categories=['a', 'b', 'unused'])), formula='y ~ x + g').split(' [')[0]",
    "dates as covariate": "study(labels, data=docs.assign(q=pd.date_range('2024-01-01', periods=n)), formula='y ~ q')",
    "dates in `mutual_info`": "mi(pd.date_range('2024-01-01', periods=n).to_numpy(), y)",
    "bytes in `mutual_info`": "mi(np.array([b'a', b'b'] * (n // 2)), y)",
    "text column with unique values in `mutual_info`": "mi(np.array([f'u{i}' for i in np.argsort(np.argsort(y))]), y.to_numpy())",
    "categories, and after renaming them": "(lambda g: mi(g, y.to_numpy()) + ', ' + mi(np.char.replace(np.char.replace(np.char.replace(g, 'a', 'z'), 'b', 'a'), 'z', 'c'), y.to_numpy()))(np.array(list('abde'))[np.digitize(y, [-1, 0, 1])])",
    "covariate of 1e300 in `mutual_info`": "mi(docs['x'].to_numpy() * 1e300, y.to_numpy())",
    "polars LazyFrame": "(lambda pl: mi(pl.from_pandas(docs[['x']]).lazy(), y.to_numpy()))(__import__('polars'))",
    "several outcomes": "predictor(LinearRegression(), BatchMean(), bounds=(-9, 9)).fit(docs[['x']], np.c_[y, y])",
    "a classifier that takes the classes 0, 1 alone, given words": "predictor(OnlyCodes(), Simultaneous(miss=.1)).fit(docs[['x']], np.where(cls, 'pass', 'fail')).classes_.tolist()",
    "expert labels by the name of a column": "(lambda m: round(float(m.calibrate('expert').infer('expert ~ x').params[1]), 2))(DesignSupervised(random_state=0).fit(docs.assign(expert=labels), surrogate='machine'))",
    "expert labels by `Series.name`": "(lambda m: round(float(m.calibrate(labels.rename('expert')).infer('expert ~ x').params[1]), 2))(DesignSupervised(random_state=0).fit(docs, surrogate='machine'))",
    "file with semicolons and decimal commas": "command({'d.csv': docs.assign(y=y).to_csv(sep=';', decimal=',', index=False).encode()}, 'mi', 'd.csv', '--x', 'x', '--y', 'y', '--method', 'ksg')",
    "file in Latin-1 with tabs": "command({'d.tsv': docs.assign(y=y, n=['Zoë'] * n).to_csv(sep='\\t', index=False).encode('latin-1')}, 'mi', 'd.tsv', '--x', 'x', '--y', 'y', '--method', 'ksg')",
    "file with `#N/A` among numbers": "command({'d.csv': docs.assign(y=[ '#N/A' if i < 5 else v for i, v in enumerate(y)]).to_csv(index=False).encode()}, 'mi', 'd.csv', '--x', 'x', '--y', 'y', '--method', 'ksg')",
    "Excel file": "command({'d.xlsx': lambda name: docs.assign(y=y).to_excel(name, index=False)}, 'mi', 'd.xlsx', '--x', 'x', '--y', 'y', '--method', 'ksg')",
    "JSON lines": "command({'d.jsonl': docs.assign(y=y).to_json(orient='records', lines=True).encode()}, 'mi', 'd.jsonl', '--x', 'x', '--y', 'y', '--method', 'ksg')",
}
"""Section 2: values are what they are."""

AROUND: Mapping[str, str] = {
    "`fit(X, y, sample_weight=...)`": "predictor(LinearRegression(), BatchMean(), bounds=(-15, 15)).fit(docs[['x']], y, sample_weight=mixed(weight)).estimator_.coef_.round(2).tolist()",
    "`infer` of a pipeline": "interval(PIPE(StandardScaler(), predictor(LinearRegression(), BatchMean(), bounds=(-15, 15))).fit(docs[['x']], y).infer(docs[['x']][:40]))",
    "`metric='roc_auc'`": "round(ReusableHoldout(queries=5, random_state=0, metric='roc_auc').fit(docs[['x']], cls).calibrate(docs[['x']], cls, check_reuse=False).infer(LogisticRegression()).value, 2)",
    "a misspelt `sample_wieght`": "predictor(LinearRegression(), BatchMean(), bounds=(-15, 15)).fit(docs[['x']], y, sample_wieght=weight)",
    "predictions in place of features of a holdout, AUC": "round(ReusableHoldout(queries=5, random_state=0, metric='roc_auc').calibrate(docs['machine'], cls, ids=ids).infer(docs['machine'].to_numpy()).value, 2)",
    "the same on the command line": "command({'d.csv': pd.DataFrame(dict(id=[f'r{i}' for i in range(n)], p=(q := rng.normal(size=n)).round(6), y=(q + rng.normal(size=n) > 0).astype(int))).to_csv(index=False).encode(), 'l': lambda name: RUN('holdout', 'create', 'l.ledger')}, 'holdout', 'infer', 'l.ledger', 'd.csv', '--label', 'y', '--prediction', 'p', '--key', 'id', '--metric', 'roc_auc')",
    "`batch` with labels in another file and order": "command({'a.csv': docs.assign(id=ids)[['id', 'x']].to_csv(index=False).encode(), 'b.csv': docs[['x']][:40].to_csv(index=False).encode(), 'l.csv': mixed(docs.assign(id=ids, y=y)[['id', 'y']]).to_csv(index=False).encode()}, 'batch', 'a.csv', 'b.csv', '--label', 'y', '--labels-from', 'l.csv', '--key', 'id', '--target', 'mean', '--bounds', '-15', '15', '--model', 'linear')",
    "predictions in place of a model": "interval(predictor(None, BatchMean(), bounds=(-15, 15)).calibrate(docs['machine'][:200], y[:200]).infer(docs['machine'][200:240]))",
}
"""Section 3: surroundings."""

NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
NOBODY += ["--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"]
"""Another user, who may read every file, since the interpreter may lie in a closed folder, and write none."""

MACHINES = """
    import warnings
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        import numpy as np
        from validstats import mutual_info
        rng = np.random.default_rng(0); x = rng.normal(size=200); y = x + rng.normal(size=200)
        print(f"{mutual_info(x, y, method='ksg').estimate:.3f}", end="")
    notes = [str(c.message) for c in caught if "numba" in str(c.message).lower() or "cache" in str(c.message).lower()]
    print("; notes:", len(notes), notes[0][:110] if notes else "")
"""

CALLS: Mapping[str, tuple[str, str]] = {
    "BatchPredictor.fit, 5,000 x 5": (
        "Z = rng.normal(size=(5000, 5)); t = Z[:, 0]; m = predictor(LinearRegression(), BatchMean(), bounds=(-9, 9))",
        "m.fit(Z, t)",
    ),
    "BatchPredictor.calibrate, 500,000 x 5": (
        "Z = rng.normal(size=(500_000, 5)); t = Z[:, 0] + rng.normal(size=500_000); m = predictor(LinearRegression(), BatchMean(), bounds=(-9, 9)).fit(Z, t); Z = rng.normal(size=(500_000, 5))",
        "m.calibrate(Z, t)",
    ),
    "BatchPredictor.infer, 50 rows of a frame": (
        "m = predictor(LinearRegression(), BatchMean(), bounds=(-15, 15)).fit(docs[['x']], y)",
        "m.infer(docs[['x']][:50])",
    ),
    "DesignSupervised: calibrate and infer, 400 rows": (
        "model = DesignSupervised(LinearRegression(), random_state=0).fit(docs.reset_index(drop=True), surrogate='machine'); lab = labels.to_numpy(); s = share.to_numpy()",
        "model.calibrate({'y': lab}, sampling_probability=s).infer('y ~ x')",
    ),
    "mutual_info, KSG, 1,000 rows": (
        "a = rng.normal(size=1000); b = a + rng.normal(size=1000); o = {'certify': False} if 'certify' in __import__('inspect').signature(mutual_info).parameters else {}",
        "mutual_info(a, b, method='ksg', **o)",
    ),
    "ReusableHoldout: calibrate and infer, 400 rows": (
        "p = (docs.x.to_numpy() > 0).astype(int)",
        "ReusableHoldout(queries=5, random_state=0).fit(docs[['x']], cls).calibrate(docs[['x']], cls, check_reuse=False).infer(p, guess=.8)",
    ),
}
"""Default calls: what is made first, and what is timed."""

CHECKED: Mapping[str, str] = {
    "fit": "BatchPredictor(L(), t, random_state=0).fit(Z, y)",
    "calibrate": "m.calibrate(Q, v)",
    "calibrate and predict": "m.calibrate(Q, v).predict(Q[:100])",
    "calibrate and infer": "m.calibrate(Q, v).infer(Q[:100])",
}
"""Calls that remember the rows that train, and look for them among those that calibrate."""

TABLES: Mapping[str, tuple[str, tuple[int, ...], tuple[str, ...]]] = {
    "array": ("Z", (2_000, 20_000, 500_000), tuple(CHECKED)),
    "array, two classes": ("Z", (2_000, 20_000), ("fit", "calibrate")),
    "array, labels and values that repeat": ("np.round(Z, 1)", (2_000, 20_000), ("fit", "calibrate")),
    "pandas": ("pd.DataFrame(Z, columns=list('abcde'))", (2_000, 20_000), ("fit", "calibrate")),
    "polars": ("pl.DataFrame(Z, schema=list('abcde'))", (2_000, 20_000), ("fit", "calibrate")),
    "sparse": ("sparse.csr_matrix(Z * (np.abs(Z) > 1))", (2_000, 20_000), ("fit", "calibrate")),
}
"""How the rows are handed over, their numbers, and what is called."""


def check_costs(folder: Path, repeats: int) -> dict[str, list[float]]:
    """CPU seconds of a call in all and of its check, the median of their ratio and the ratio of the least, by call and rows."""
    body = (
        textwrap.dedent(SETUP)
        + f"calls = {dict(CHECKED)!r}\ntables = {dict(TABLES)!r}\nrepeats = {repeats}\n"
    )
    body += textwrap.dedent(
        """
        import polars as pl
        from scipy import sparse
        from validstats.intake import TrainingRows
        inside = [0.0]
        def timed(function):
            def run(*given):
                start = time.process_time(); found = function(*given); inside[0] += time.process_time() - start
                return found
            return run
        TrainingRows.of, TrainingRows.warn_about = timed(TrainingRows.of), timed(TrainingRows.warn_about)
        found = {}
        t = Simultaneous(miss=0.1)
        for title, (make, sizes, asked) in tables.items():
            for rows in sizes:
                Z, Q = rng.normal(size=(2, rows, 5))
                y, v = Z[:, 0] + rng.normal(size=rows), Q[:, 0] + rng.normal(size=rows)
                L = LogisticRegression if "classes" in title else LinearRegression
                if "classes" in title: y, v = y > 0, v > 0
                if "repeat" in title: y, v = y.round(), v.round()
                Z, Q = (eval(make, globals() | {"Z": part}) for part in (Z, Q))
                m = BatchPredictor(L(), t, random_state=0).fit(Z, y)
                for call in asked:
                    code, taken = compile(calls[call], "call", "eval"), []
                    for _ in range(repeats):
                        inside[0] = 0.0
                        start = time.process_time(); eval(code); whole = time.process_time() - start
                        taken.append((whole, inside[0], whole / (whole - inside[0])))
                    rest, checks = min(w - i for w, i, _ in taken), min(i for _, i, _ in taken)
                    found[f"{call}, {rows:,} x 5, {title}"] = [*np.median(taken, axis=0).tolist(), 1 + checks / rest]
        print("ANSWERS" + json.dumps(found))
        """
    )
    return dict(json.loads(run(folder, body).partition("ANSWERS")[2]))


MATCHED: Mapping[str, tuple[str, str, str]] = {
    "BatchPredictor.fit, 5,000 x 5": (
        "n = 5000; Z = pd.DataFrame(rng.normal(size=(n, 5)), columns=list('abcde'), index=[f'r{i}' for i in range(n)]); t = Z['a'] + rng.normal(size=n); m = predictor(LinearRegression(), BatchMean(), bounds=(-9, 9)); other = rng.permutation(n)",
        "m.fit(Z, t.to_numpy())",
        "m.fit(Z, t.iloc[other])",
    ),
    "DesignSupervised: calibrate and infer, 400 rows": (
        "model = DesignSupervised(LinearRegression(), random_state=0).fit(docs, surrogate='machine')",
        "model.calibrate({'y': labels.to_numpy()}, sampling_probability=share.to_numpy()).infer('y ~ x')",
        "model.calibrate({'y': mixed(labels)}, sampling_probability=mixed(share)).infer('y ~ x')",
    ),
    "mutual_info, KSG, 1,000 rows": (
        "n = 1000; a = pd.Series(rng.normal(size=n), index=[f'r{i}' for i in range(n)], name='a'); b = a + rng.normal(size=n); other = rng.permutation(n)",
        "mutual_info(a.to_numpy(), b.to_numpy(), method='ksg')",
        "mutual_info(a, b.iloc[other], method='ksg')",
    ),
    "ReusableHoldout: calibrate and infer, 400 rows": (
        "p = (docs.x.to_numpy() > 0).astype(int); new = lambda: ReusableHoldout(queries=5, random_state=0, ledger=Ledger.in_memory(secret=b'm')).fit(docs[['x']], cls)",
        "new().calibrate(docs[['x']], cls.to_numpy(), check_reuse=False).infer(p, guess=.8)",
        "new().calibrate(docs[['x']], mixed(cls), check_reuse=False).infer(p, guess=.8)",
    ),
}
"""What is made first, a call with arrays, and the same call with companions in another order, matched by their index."""


def matching_costs(folder: Path, repeats: int) -> dict[str, list[float]]:
    """Least CPU seconds of each call with arrays and with companions to be matched, in turns."""
    body = textwrap.dedent(SETUP) + f"calls = {dict(MATCHED)!r}\nrepeats = {repeats}\n"
    body += textwrap.dedent(
        """
        from validstats.holdout import Ledger
        found = {}
        for title, (before, *both) in calls.items():
            space = dict(globals())
            exec(before, space)
            codes, best = [compile(call, "call", "eval") for call in both], [1e9, 1e9]
            for _ in range(repeats):
                for k, code in enumerate(codes):
                    start = time.process_time(); eval(code, space); best[k] = min(best[k], time.process_time() - start)
            found[title] = best
        print("ANSWERS" + json.dumps(found))
        """
    )
    return dict(json.loads(run(folder, body).partition("ANSWERS")[2]))


BOUND_ROWS = (10_000, 100_000, 1_000_000)
"""Sizes of holdouts that are bound."""


def binding_costs(folder: Path, repeats: int) -> dict[int, list[float]]:
    """Least CPU seconds of the first calibration of a holdout and of the next on the same rows, and memory over the data."""
    body = textwrap.dedent(SETUP) + f"sizes = {BOUND_ROWS!r}\nrepeats = {repeats}\n"
    body += textwrap.dedent(
        """
        import tracemalloc
        T, t = rng.normal(size=(500, 5)), rng.integers(0, 2, 500)
        def calibrated(X, y, clock):
            asked, taken = ReusableHoldout(queries=5, random_state=0).fit(T, t), []
            for _ in range(2):
                start = clock(); asked.calibrate(X, y); taken.append(clock() - start)
            return taken
        found = {}
        for rows in sizes:
            best = [1e9, 1e9]
            for _ in range(repeats):
                X = rng.normal(size=(rows, 5)); y = (X[:, 0] + rng.normal(size=rows) > 0).astype(int)
                best = [min(pair) for pair in zip(best, calibrated(X, y, time.process_time))]
            X = rng.normal(size=(rows, 5)); y = (X[:, 0] + rng.normal(size=rows) > 0).astype(int)
            tracemalloc.start()
            calibrated(X, y, time.process_time)
            found[rows] = [*best, tracemalloc.get_traced_memory()[1] / X.nbytes]
            tracemalloc.stop()
        print("ANSWERS" + json.dumps(found))
        """
    )
    return {int(n): cost for n, cost in json.loads(run(folder, body).partition("ANSWERS")[2]).items()}


_EXTRA = """
    class OnlyCodes(LogisticRegression):
        def fit(self, X, y, sample_weight=None):
            if not np.array_equal(np.unique(y), [0, 1]): raise ValueError(f"Invalid classes inferred from y: {np.unique(y)}")
            return super().fit(X, y)
    try: from validstats.pipeline import make_pipeline as PIPE
    except ImportError: PIPE = make_pipeline
"""


def answers(folder: Path, cases: Mapping[str, str]) -> dict[str, str]:
    """Answers of the package in a folder, or its errors."""
    body = textwrap.dedent(SETUP) + textwrap.dedent(_EXTRA)
    body += f"cases = {dict(cases)!r}\n" + textwrap.dedent(
        """
        found = {}
        for title, code in cases.items():
            try:
                found[title] = str(eval(code))
            except Exception as error:
                text = " ".join(str(error).split())
                found[title] = f"{type(error).__name__}: {text[:150]}{'...' if len(text) > 150 else ''}"
        print("ANSWERS" + json.dumps(found))
        """
    )
    return dict(json.loads(run(folder, body).partition("ANSWERS")[2]))


def times(folder: Path, repeats: int) -> dict[str, float]:
    """Least CPU seconds of each default call."""
    body = (
        textwrap.dedent(SETUP) + textwrap.dedent(_EXTRA) + f"calls = {dict(CALLS)!r}\nrepeats = {repeats}\n"
    )
    body += textwrap.dedent(
        """
        found = {}
        for title, (before, call) in calls.items():
            space = dict(globals())
            exec(before, space)
            code = compile(call, "call", "eval")
            eval(code, space)
            best = 1e9
            for _ in range(repeats):
                start = time.process_time(); eval(code, space); best = min(best, time.process_time() - start)
            found[title] = best
        print("ANSWERS" + json.dumps(found))
        """
    )
    return dict(json.loads(run(folder, body).partition("ANSWERS")[2]))


def run(
    folder: Path, code: str, environment: Mapping[str, str] | None = None, prefix: Sequence[str] = ()
) -> str:
    """What a fresh interpreter prints that imports the package of a folder; ``prefix`` says who starts it."""
    own = f"import validstats\nassert validstats.__file__.startswith({str(folder.resolve())!r}), validstats.__file__\n"
    done = subprocess.run(
        [*prefix, sys.executable, "-W", "ignore", "-c", own + code],
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "PYTHONPATH": str(folder),
            "OMP_NUM_THREADS": "1",
            "XDG_STATE_HOME": tempfile.mkdtemp(),
            **(environment or {}),
        },
        cwd=folder,
    )
    return (
        str(done.stdout) if done.returncode == 0 else f"fails: {done.stderr.strip().splitlines()[-1][:160]}"
    )


def machines(folder: Path) -> dict[str, str]:
    """A user without rights and home, a damaged cache, and no numba."""
    code = textwrap.dedent(MACHINES)
    found = {"usual": run(folder, code)}
    with tempfile.TemporaryDirectory() as place:
        installed = Path(place) / "site"
        shutil.copytree(
            folder / "validstats", installed / "validstats", ignore=shutil.ignore_patterns("__pycache__")
        )
        if os.geteuid() == 0 and shutil.which("setpriv"):
            who = "import os\nassert os.geteuid() == 65534 and not os.access('.', os.W_OK)\n"
            unwritable = {"HOME": "/nonexistent", "NUMBA_CACHE_DIR": "", "XDG_CACHE_HOME": ""}
            title = "another user (nobody) without a home, to whom the installation is read-only"
            found[title] = run(installed, who + code, environment=unwritable, prefix=NOBODY)
        nowhere = "from numba.core import caching\ncaching.CacheImpl._locator_classes = []\n"
        found["no place that the cache can be written to"] = run(installed, nowhere + code)
        cache = Path(place) / "cache"
        run(installed, code, environment={"NUMBA_CACHE_DIR": str(cache)})
        for number, file in enumerate(sorted(cache.rglob("*.nbi"))):
            file.write_bytes(b"" if number % 2 else b"garbled")
        found["damaged cache files"] = run(installed, code, environment={"NUMBA_CACHE_DIR": str(cache)})
    found["without numba"] = run(folder, "import sys\nsys.modules['numba'] = None\n" + code)
    inside = re.compile(rf"{re.escape(tempfile.gettempdir())}/[^/ ]+/")
    return {title: inside.sub("", " ".join(text.split())) for title, text in found.items()}


def table(titles: Sequence[str], before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Rows of a Markdown table."""
    clean = {"|": "/", "\n": " "}
    lines = ["| case | 0.1.0 | now |", "| :--- | :--- | :--- |"]
    for title in titles:
        cells = [before.get(title, ""), now.get(title, "")]
        for old, new in clean.items():
            cells = [c.replace(old, new) for c in cells]
        lines.append(f"| {title} | {cells[0]} | {cells[1]} |")
    return lines


def _costs(before: Path, here: Path, repeats: int) -> list[str]:
    # in turns, so that other work on the machine disturbs both
    pairs = [(times(before, repeats), times(here, repeats)) for _ in range(3)]
    slow, fast = ({c: min(pair[k][c] for pair in pairs) for c in CALLS} for k in (0, 1))
    return [
        f"CPU milliseconds, least of {3 * repeats} in three turns.",
        "",
        "| call | 0.1.0 | now | ratio |",
        "| :--- | ---: | ---: | ---: |",
        *(f"| {c} | {1e3 * slow[c]:.2f} | {1e3 * fast[c]:.2f} | {fast[c] / slow[c]:.2f} |" for c in CALLS),
    ]


def _matching(here: Path, repeats: int) -> list[str]:
    found = matching_costs(here, 5 * repeats).items()
    return [
        f"CPU milliseconds with companions as arrays, and with the same in another order, matched by their index; least of {5 * repeats} in turns.",
        "",
        "| call | arrays | matched | ratio |",
        "| :--- | ---: | ---: | ---: |",
        *(f"| {c} | {1e3 * a:.2f} | {1e3 * b:.2f} | {b / a:.2f} |" for c, (a, b) in found),
    ]


def _looking(here: Path, repeats: int) -> list[str]:
    found = check_costs(here, 15 * repeats).items()
    return [
        f"CPU of `BatchPredictor` with the check, and of the check in it; the ratio is that of the call to the call without the time of its check: the median of {15 * repeats}, and by the least time of each, which other work on the machine disturbs least.",
        "",
        "| call | ms in all | microseconds of the check | median ratio | least |",
        "| :--- | ---: | ---: | ---: | ---: |",
        *(f"| {c} | {1e3 * a:.2f} | {1e6 * b:.0f} | {r:.3f} | {low:.3f} |" for c, (a, b, r, low) in found),
    ]


def _binding(before: Path, here: Path) -> list[str]:
    old, new = binding_costs(before, 2), binding_costs(here, 2)
    return [
        "CPU seconds of the first calibration of a holdout of five columns, in which its rows are digested and sketched, and of the next "
        "on the same rows, least of 2; memory at most over the size of the data, which counts the copy in the order of the ledger.",
        "",
        "| rows | first, 0.1.0 | first, now | again, 0.1.0 | again, now | memory, 0.1.0 | memory, now |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        *(
            f"| {n:,} | "
            + " | ".join(f"{x:.3g}" for pair in zip(old[n], new[n], strict=True) for x in pair)
            + " |"
            for n in BOUND_ROWS
        ),
    ]


def main() -> None:
    """Run everything, or the sections that are named, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path, required=True, help="Checkout of 0.1.0.")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--section", action="append", help="Write this section alone anew.")
    given = parser.parse_args()
    here, old, repeats = Path(__file__).resolve().parents[1], given.before, given.repeats

    def beside(cases: Mapping[str, str]) -> list[str]:
        return table(list(cases), answers(old, cases), answers(here, cases))

    def on_machines() -> list[str]:
        before, now = machines(old), machines(here)
        return [
            "Mutual information of 200 rows by nearest neighbours.",
            "",
            *table(list(now), before, now),
        ]

    sections = {
        "Rows keep their identity": lambda: beside(ROWS),
        "Values are what they are": lambda: beside(VALUES),
        "Surroundings": lambda: beside(AROUND),
        "Machines": on_machines,
        "What it costs": lambda: _costs(old, here, repeats),
        "What matching costs": lambda: _matching(here, repeats),
        "What it costs to look for rows that were trained on": lambda: _looking(here, repeats),
        "What it costs to bind a holdout": lambda: _binding(old, here),
    }
    out = here / "benchmarks" / "results" / "intake.md"
    chosen = given.section or list(sections)
    kept = dict(part.split("\n", 1) for part in out.read_text(encoding="utf-8").split("\n## ")[1:])
    parts = [f"## {t}\n\n" + ("\n".join(sections[t]()) if t in chosen else kept[t].strip()) for t in sections]
    head = "# What becomes of what is handed over\n\nMade by `python -m benchmarks.intake --before FOLDER`, FOLDER being 0.1.0."
    out.write_text("\n\n".join([head, *parts]) + "\n", encoding="utf-8")
    print(out.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
