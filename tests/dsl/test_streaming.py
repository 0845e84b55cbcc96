from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import statsmodels.api as sm

from tests.dsl.streams import streamed as stream_regression
from validstats.dsl.fit import Augmentation, Component, LabelledSample, estimate
from validstats.dsl.fit.augmentation import psi_sums
from validstats.dsl.labels import CrossFitter, fold_of_units
from validstats.dsl.moments import ClusterSums, GLMMoment, LinearMoment, RegressionRows, cluster_codes
from validstats.exceptions import LabellingWarning

FAMILIES = {
    "linear": None,
    "logit": sm.families.Binomial(),
    "poisson": sm.families.Poisson(),
    "glm": sm.families.Gamma(sm.families.links.Log()),
}


def rows(model="linear", n=3000, seed=0):
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=(2, n))
    eta = 0.3 + 0.6 * x - 0.4 * z
    truth = {
        "linear": lambda: eta + rng.normal(size=n),
        "logit": lambda: (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(float),
        "poisson": lambda: rng.poisson(np.exp(eta)).astype(float),
        "glm": lambda: rng.gamma(2.0, np.exp(eta) / 2.0),
    }[model]()
    noise = rng.normal(size=n) if model == "linear" else rng.gamma(1.0, 0.5, size=n)
    machine = np.where(rng.random(n) < 0.85, truth, 1 - truth) if model == "logit" else truth + noise
    probability = rng.uniform(0.1, 0.4, size=n)
    return pd.DataFrame(
        {
            "y": np.where(rng.random(n) < probability, truth, np.nan),
            "x": x,
            "z": z,
            "machine": machine,
            "second": machine + 0.3 * x**2,
            "pi": probability,
            "group": rng.integers(0, 60, size=n),
            "kind": rng.choice(["a", "b", "c"], size=n),
        }
    )


def in_memory(frame, model, estimator, predictions, clusters=()):
    moment = LinearMoment() if model == "linear" else GLMMoment(FAMILIES[model])
    X = np.column_stack([np.ones(len(frame)), frame[["x", "z"]].to_numpy()])
    labelled = frame["y"].notna().to_numpy()
    sample = LabelledSample(
        moment=moment,
        gold=RegressionRows(y=frame["y"].to_numpy()[labelled], X=X[labelled]),
        labelled=labelled,
        probability=frame["pi"].to_numpy(),
        clusters=tuple(cluster_codes(c) for c in clusters),
    )
    terms = [(Component(rows=RegressionRows(y=frame[p].to_numpy(), X=X)),) for p in predictions]
    return estimate(
        sample,
        terms[:1],
        terms[1] if len(terms) > 1 else None,
        estimator=estimator,
    )


@pytest.mark.slow
@pytest.mark.parametrize("model", list(FAMILIES))
@pytest.mark.parametrize("estimator", ["tuned", "dsl", "gold"])
def test_streamed_equals_in_memory(model, estimator) -> None:
    frame = rows(model)
    streamed = stream_regression(
        frame,
        label="y",
        covariates=["x", "z"],
        predictions=["machine", "second"],
        sampling_probability="pi",
        model=model,
        family=FAMILIES[model] if model == "glm" else None,
        estimator=estimator,
        features=(),
        chunk_size=377,
    )
    whole = in_memory(frame, model, estimator, ["machine", "second"])
    np.testing.assert_allclose(streamed.params, whole.params, rtol=1e-10)
    np.testing.assert_allclose(streamed.covariance, whole.covariance, rtol=1e-9)
    np.testing.assert_allclose(
        streamed.variance_parts.label_covariance, whole.variance_parts.label_covariance, rtol=1e-9
    )


def test_clusters_are_summed_across_chunks() -> None:
    frame = rows()
    streamed = stream_regression(
        frame,
        label="y",
        covariates=["x", "z"],
        predictions="machine",
        sampling_probability="pi",
        estimator="dsl",
        features=(),
        clusters="group",
        chunk_size=1000,
    )
    whole = in_memory(frame, "linear", "dsl", ["machine"], [frame["group"].to_numpy()])
    np.testing.assert_allclose(streamed.covariance, whole.covariance, rtol=1e-9)
    assert streamed.degrees_of_freedom == 59 and "clusters (group)" in streamed.guarantee.paragraph()


COMMON = {
    "label": "y",
    "covariates": ["x", "z"],
    "predictions": "machine",
    "features": ["machine", "x"],
    "sampling_probability": "pi",
    "random_state": 0,
}


@pytest.fixture(scope="module")
def reference():
    return stream_regression(rows(), **COMMON, chunk_size=10_000)


@pytest.mark.slow
@pytest.mark.parametrize("chunk_size", [1, 977, 3000])
def test_the_size_of_chunks_does_not_matter(reference, chunk_size) -> None:
    frame = rows() if chunk_size > 1 else rows(n=60)
    expected = reference if chunk_size > 1 else stream_regression(frame, **COMMON)
    result = stream_regression(frame, **COMMON, chunk_size=chunk_size)
    np.testing.assert_allclose(result.params, expected.params, rtol=1e-10)
    np.testing.assert_allclose(result.covariance, expected.covariance, rtol=1e-9)


@pytest.mark.share(6)
@pytest.mark.parametrize("kind", ["polars", "pyarrow", "list", "callable", "file", "folder"])
def test_every_source_gives_the_same(reference, kind, tmp_path) -> None:
    frame = rows()
    pieces = [frame.iloc[a : a + 700] for a in range(0, len(frame), 700)]
    if kind == "folder":
        (tmp_path / "parts").mkdir()
        for i, piece in enumerate(pieces):
            pq.write_table(pa.Table.from_pandas(piece), tmp_path / "parts" / f"{i:02}.parquet")
    elif kind == "file":
        pq.write_table(pa.Table.from_pandas(frame), tmp_path / "rows.parquet", row_group_size=500)
    source = {
        "polars": lambda: pl.from_pandas(frame, nan_to_null=True),
        "pyarrow": lambda: pa.Table.from_pandas(frame),
        "list": lambda: pieces,
        "callable": lambda: lambda: iter(pieces),
        "file": lambda: tmp_path / "rows.parquet",
        "folder": lambda: str(tmp_path / "parts"),
    }[kind]()
    result = stream_regression(source, **COMMON, chunk_size=900)
    np.testing.assert_allclose(result.params, reference.params, rtol=1e-10)
    np.testing.assert_allclose(result.covariance, reference.covariance, rtol=1e-9)
    if kind in ("polars", "pyarrow"):
        assert type(result.tidy()) is type(source)


@pytest.mark.slow
def test_dask_partitions_are_summed_on_a_local_cluster(reference) -> None:
    distributed = pytest.importorskip("distributed")
    dd = pytest.importorskip("dask.dataframe")
    frame = dd.from_pandas(rows(), npartitions=4, sort=False)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster),
    ):
        result = stream_regression(frame, **COMMON)
    np.testing.assert_allclose(result.params, reference.params, rtol=1e-10)
    np.testing.assert_allclose(result.covariance, reference.covariance, rtol=1e-9)


@pytest.mark.slow
def test_text_covariates_become_indicators() -> None:
    frame = rows()
    streamed = stream_regression(
        frame,
        label="y",
        covariates=["x", "kind"],
        predictions="machine",
        features=(),
        sampling_probability="pi",
        chunk_size=400,
    )
    assert streamed.names == ("Intercept", "x", "kind[T.b]", "kind[T.c]")
    dummies = frame.assign(b=1.0 * (frame["kind"] == "b"), c=1.0 * (frame["kind"] == "c"))
    by_hand = stream_regression(
        dummies,
        label="y",
        covariates=["x", "b", "c"],
        predictions="machine",
        features=(),
        sampling_probability="pi",
    )
    np.testing.assert_allclose(streamed.params, by_hand.params, rtol=1e-10)


def test_learners_never_see_the_labels_of_their_fold() -> None:
    """Changing the labels of one fold leaves that fold's predictions, so psi of others' rows, unchanged."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(200, 1)), rng.normal(size=200)
    positions = np.sort(rng.choice(5000, 200, replace=False))
    folds = fold_of_units(positions, 5000, 5, 3)[None]

    def predictions(values):
        fitter = CrossFitter(learner=None, folds=folds, labelled=np.ones(200, dtype=bool))
        return fitter.means("y", values, x).predict(x, folds)[0]

    before, after = predictions(y), predictions(np.where(folds[0] == 2, 50.0, y))
    np.testing.assert_allclose(before[folds[0] == 2], after[folds[0] == 2])
    assert np.all(before[folds[0] != 2] != after[folds[0] != 2])


def test_sums_of_disjoint_rows_add() -> None:
    frame = rows(n=500)
    X = np.column_stack([np.ones(500), frame[["x", "z"]]])
    b = np.array([0.1, 0.2, 0.3])

    def sums(part):
        y = frame["y"].to_numpy()[part]
        known = ~np.isnan(y)
        sample = LabelledSample(
            moment=LinearMoment(),
            gold=RegressionRows(y=y[known], X=X[part][known]),
            labelled=known,
            probability=frame["pi"].to_numpy()[part],
        )
        term = (Component(rows=RegressionRows(y=frame["machine"].to_numpy()[part], X=X[part])),)
        return psi_sums(sample, Augmentation(terms=(term,), matrices=(np.eye(3),)), b)

    whole, left, right = sums(slice(None)), sums(slice(0, 123)), sums(slice(123, 500))
    np.testing.assert_allclose((left + right).score, whole.score, rtol=1e-11)
    np.testing.assert_allclose((left + right).jacobian, whole.jacobian, rtol=1e-11)


def test_cluster_sums_add_by_code() -> None:
    a = ClusterSums.of(np.array([4, 7, 4]), np.array([[1.0], [2.0], [3.0]]))
    b = ClusterSums.of(np.array([9, 7]), np.array([[5.0], [7.0]]))
    total = a + b
    assert total.codes.tolist() == [4, 7, 9] and total.sums[:, 0].tolist() == [4.0, 9.0, 5.0]


def test_planning_from_a_stream(reference) -> None:
    plan = reference.plan_labels([reference.n_labelled, 2000])
    np.testing.assert_allclose(plan.std_errors[0], reference.std_error, rtol=1e-12)
    text = str(reference.summary())
    assert "(read " in text and "What you can rely on" in text
    assert set(reference.tidy().columns) >= {"term", "estimate", "conf_low", "gold_estimate"}


LIMITED = """
import resource, sys
import numpy as np, pyarrow as pa, pyarrow.parquet as pq
from validstats.dsl import DesignSupervised
pa.set_cpu_count(1); pa.set_io_thread_count(1)
path, small = sys.argv[1:3]
def answer(path):
    dsl = DesignSupervised(estimator="dsl", n_repeats=1).fit(path, surrogate="machine", chunk_size=25_000)
    dsl.calibrate("y", sampling_probability=0.02)
    return dsl.infer("y ~ " + " + ".join(f"x{j}" for j in range(9)), cross_fitted="machine")
answer(small)
size = int(next(l for l in open("/proc/self/status") if l.startswith("VmSize")).split()[1]) * 1024
limit = size + int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    table = pq.read_table(path)
    print("read", np.column_stack([c.to_numpy() for c in table.columns]).shape)
except (MemoryError, pa.ArrowMemoryError):
    print("too large")
print(answer(path).n_rows)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits the address space of a process")
def test_data_larger_than_the_memory_allowed(tmp_path) -> None:
    """A file of 67 MiB in memory is streamed where 40 MiB more are allowed, and cannot be read whole."""
    rng = np.random.default_rng(0)

    def write(path, pieces):
        writer = None
        for _ in range(pieces):
            x = rng.normal(size=(25_000, 9))
            y = x.sum(axis=1) + rng.normal(size=25_000)
            columns = {f"x{j}": x[:, j] for j in range(9)}
            columns["machine"] = y + rng.normal(size=25_000)
            columns["y"] = np.where(rng.random(25_000) < 0.02, y, np.nan)
            table = pa.table(columns)
            writer = writer or pq.ParquetWriter(path, table.schema, compression="none", use_dictionary=False)
            writer.write_table(table)
        writer.close()

    write(tmp_path / "large.parquet", 32)
    write(tmp_path / "small.parquet", 2)
    allowed = 40 * 2**20
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, tmp_path / "large.parquet", tmp_path / "small.parquet", str(allowed)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split("\n")[:2] == ["too large", "800000"], done.stderr


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"x": np.inf}, {}, "infinite or undefined values in 'x'"),
        ({"machine": np.nan}, {}, "'machine' has 1 missing or infinite value"),
        ({"y": np.inf}, {}, "'y' has 1 infinite value"),
        ({"pi": 0.0}, {}, r"must be in \(0, 1\]"),
        ({"pi": 1.5}, {}, r"must be in \(0, 1\]"),
        ({"pi": 1.0, "y": np.nan}, {}, "1 row.* have labelling probability 1"),
        ({"y": 1.5}, {"model": "logit"}, "must lie between 0 and 1"),
        ({}, {"sampling_probability": 0.0}, r"sampling_probability must be finite and in \(0, 1\]"),
        ({}, {"model": "tobit"}, "model must be one of"),
        ({}, {"estimator": "best"}, "estimator must be one of"),
        ({}, {"model": "glm"}, "goes with model='glm'"),
        ({}, {"n_folds": 1}, "n_folds must be at least 2"),
        ({}, {"confidence_level": 95}, "Did you mean 0.95"),
    ],
)
def test_bad_input_is_refused(change, options, message) -> None:
    frame = rows(n=400)
    for name, value in change.items():
        frame.loc[17, name] = value
    with pytest.raises(ValueError, match=message):
        stream_regression(frame, **(COMMON | options))


def test_bad_sources_and_columns_are_refused(tmp_path) -> None:
    frame = rows(n=400)
    with pytest.raises(TypeError, match="an iterator that can be used once is not enough"):
        stream_regression(iter([frame]), **COMMON)
    with pytest.raises(KeyError, match="uses 'w', which the data do not have; the columns are 'y', 'x', 'z'"):
        stream_regression(frame, **(COMMON | {"covariates": ["w"]}))
    pq.write_table(pa.Table.from_pandas(frame), tmp_path / "rows.parquet")
    with pytest.raises(KeyError, match="no column 'w'"):
        stream_regression(tmp_path / "rows.parquet", **(COMMON | {"predictions": ["w"]}))
    with pytest.raises(ValueError, match="'y', or what the machine says of it, is not numeric"):
        stream_regression(frame, **(COMMON | {"predictions": "kind"}))
    with pytest.raises(TypeError, match="strata must name a column where rows arrive in parts"):
        stream_regression(frame, **(COMMON | {"strata": frame["kind"]}))
    with pytest.raises(ValueError, match="No row carries the expert label 'y'"):
        stream_regression(frame.assign(y=np.nan), **COMMON)
    with pytest.raises(ValueError, match="The source has no rows"):
        stream_regression(list, **(COMMON | {"covariates": []}))
    with pytest.raises(TypeError, match="Piece 1 of source is int, not a data frame"):
        stream_regression([frame, 3], **COMMON)
    with pytest.raises(TypeError, match=r"passed as source returns an iterator .* returned NoneType"):
        stream_regression(lambda: None, **COMMON)


def test_a_single_cluster_has_no_variance() -> None:
    with pytest.raises(ValueError, match="All rows are in one cluster of 'one'"):
        stream_regression(rows(n=400).assign(one=1), **(COMMON | {"clusters": "one"}))


def test_a_category_without_labels_is_warned_of() -> None:
    frame = rows(n=2000)
    frame["party"] = np.where(frame["y"].isna() & (frame["x"] > 1.0), "rare", "usual")
    with pytest.warns(LabellingWarning, match=r"No labelled row identifies 'party\[T.usual\]'"):
        stream_regression(frame, **(COMMON | {"covariates": ["x", "party"]}))


def test_a_singular_design_is_refused() -> None:
    frame = rows(n=400).assign(twice=lambda d: 2.0 * d["x"])
    with pytest.raises(ValueError, match=r"column\(s\) 'twice' are spanned by the other columns"):
        stream_regression(frame, **(COMMON | {"covariates": ["x", "twice"]}))


def test_few_labels_and_few_clusters_are_warned_of() -> None:
    with pytest.warns(LabellingWarning, match="Only 4 clusters \\(four\\) carry expert labels"):
        stream_regression(
            rows().assign(four=lambda d: d["group"] % 4), **(COMMON | {"clusters": "four", "n_folds": 2})
        )
    with pytest.warns(LabellingWarning, match="rests on few labels"):
        stream_regression(rows(n=120).assign(x=lambda d: np.exp(3 * d["x"])), **COMMON)


def test_dates_and_missing_texts_are_refused_and_objects_that_are_numbers_are_numbers() -> None:
    frame = rows(n=400)
    options = COMMON | {"covariates": ["x"]}
    dates = frame.assign(y=np.arange(400).astype("datetime64[ns]"))
    with pytest.raises(TypeError, match=r"labels\['y'\] holds dates"):
        stream_regression(dates, **options)
    text = np.where(np.arange(400) % 2, "a", "b").astype(object)
    text[3] = None
    with pytest.raises(ValueError, match="'x' of the formula is missing in 1"):
        stream_regression(frame.assign(x=text), **options)
    answer, plain = (stream_regression(f, **options) for f in (frame.astype({"x": object}), frame))
    assert answer.names == plain.names
    np.testing.assert_array_equal(answer.params, plain.params)
