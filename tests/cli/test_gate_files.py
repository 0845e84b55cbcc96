"""Labels, rows and start of a gate in any kind of file, matched by their identifiers."""

from __future__ import annotations

import gzip

import numpy as np
import pandas as pd
import pytest

from validstats.holdout.boundary import GateServer

N = 60
NAMES = [f"r{i:02d}" for i in range(N)]
LABELS = pd.DataFrame({"case": NAMES, "y": np.where(np.arange(N) % 3 == 0, "Zoë", "01")})

WRITTEN = {
    "commas": lambda t, to: t.to_csv(to / "y.csv", index=False),
    "semicolons": lambda t, to: t.to_csv(to / "y.csv", sep=";", index=False),
    "tabs in latin-1": lambda t, to: t.to_csv(to / "y.tsv", sep="\t", index=False, encoding="latin-1"),
    "compressed": lambda t, to: (to / "y.csv.gz").write_bytes(gzip.compress(t.to_csv(index=False).encode())),
    "Excel": lambda t, to: t.to_excel(to / "y.xlsx", index=False),
    "Parquet": lambda t, to: t.to_parquet(to / "y.parquet"),
    "JSON lines": lambda t, to: t.to_json(to / "y.jsonl", orient="records", lines=True),
}


@pytest.fixture
def init(run, workplace):
    def call(*options, labels=LABELS, write="commas"):
        WRITTEN[write](labels, workplace)
        (file,) = workplace.glob("y.*")
        for path in workplace.glob("gate.ledger*"):
            path.unlink()
        return run("holdout", "init", "gate.ledger", "--labels", file.name, "--label", "y", *options)

    return call


def held() -> dict[str, object]:
    rows = GateServer("gate.ledger")._rows
    return {"n": len(rows.ids), **dict(zip(rows.ids, rows.labels, strict=True))}


@pytest.mark.parametrize("write", WRITTEN)
def test_labels_are_read_as_words_from_any_file(write, init) -> None:
    done = init("--key", "case", write=write)
    assert done.exit_code == 0, done.stderr
    assert held() == {"n": N, **dict(zip(NAMES, LABELS["y"], strict=True))}


def test_rows_of_one_file_take_their_labels_from_another(init) -> None:
    some = pd.DataFrame({"x": range(30), "case": NAMES[::-2]})
    some.to_csv("rows.csv", sep=";", index=False)
    LABELS[["case"]].assign(prediction="01")[::-2].to_csv("start.csv", index=False)
    done = init("--id", "case", "--rows", "rows.csv", "--start", "start.csv", labels=LABELS.sample(frac=1))
    assert done.exit_code == 0, done.stderr
    assert held() == {"n": 30, **{name: LABELS["y"][NAMES.index(name)] for name in NAMES[::-2]}}


def test_rows_without_labels_or_named_twice_are_refused(init, workplace) -> None:
    pd.DataFrame({"case": [*NAMES[:20], "page 1", "page 2"]}).to_csv("rows.csv", index=False)
    done = init("--id", "case", "--rows", "rows.csv")
    assert done.exit_code == 1 and "2 of the 22 rows of rows.csv have no label in y.csv" in done.stderr
    assert "'page 1'" in done.stderr and not (workplace / "gate.ledger").exists()
    pd.DataFrame({"case": [*NAMES[:20], NAMES[0]]}).to_csv("rows.csv", index=False)
    assert "names 20 rows on 21 lines" in init("--id", "case", "--rows", "rows.csv").stderr
    done = init("--id", "case", labels=pd.concat([LABELS, LABELS[:1]]))
    assert done.exit_code == 1 and "repeats an identifier" in done.stderr and "y.csv" in done.stderr
    done = init("--id", "doc")
    assert done.exit_code == 1 and "no column 'doc'; its columns are: 'case', 'y'" in done.stderr
