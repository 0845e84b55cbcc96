"""Regressions from machine labels: time and memory against ppi-python, dsl-kit and statsmodels, and growth with the rows.

Each peer runs in an environment of its own (see ``benchmarks/_peers.py``). Without it the peer is recorded as not run.
A peer is a process that stays alive and has answered once, before it is timed: neither
its start, nor its compilation, nor the transfer of data counts against it.
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any, Literal

import numpy as np
import pandas as pd
import statsmodels.api as sm

from benchmarks._peers import LazyPeer, server
from benchmarks._runner import Implementations, Spec
from validstats import DesignSupervised
from validstats.dsl.fit.augmentation import Component, LabelledSample
from validstats.dsl.fit.inference import estimate
from validstats.dsl.moments.models import GLMMoment, LinearMoment, MeanMoment, RegressionRows
from validstats.dsl.moments.variance import SamplingDesign
from validstats.runtime import sliced

LABEL_SHARE = 0.1
GROWTH_SIZES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
DEFAULT, OURS, PEER = "validstats, default", "validstats, PPI++", "ppi-python, PPI++"
TABLE = "validstats, default, with its table"
GOLD, ARRAYS = "validstats, labels alone", "validstats, PPI++ within, on arrays"
ALONE, FORMULA = "statsmodels, expert labels alone", "statsmodels, expert labels alone by formula"
PPI_SERVER = server("""
lab = data["labelled"]
X, y, q = data["X"], data["y"], data["q"]
parts = X[lab], y[lab], q[lab], X[~lab], q[~lab]
import ppi_py
def answer(point, interval):
    return {"estimate": np.ravel(point).tolist(), "low": np.ravel(interval[0]).tolist(), "high": np.ravel(interval[1]).tolist()}
def mean():
    Xl, yl, ql, Xu, qu = parts
    return answer(ppi_py.ppi_mean_pointestimate(yl, ql, qu), ppi_py.ppi_mean_ci(yl, ql, qu, alpha=0.05))
def linear():
    return answer(ppi_py.ppi_ols_pointestimate(*parts), ppi_py.ppi_ols_ci(*parts, alpha=0.05))
def logit():
    return answer(ppi_py.ppi_logistic_pointestimate(*parts), ppi_py.ppi_logistic_ci(*parts, alpha=0.05))
tasks = {"mean": mean, "linear": linear, "logit": logit}
""")

DSLKIT_SERVER = server("""
import pandas as pd
from dsl import dsl
frame = pd.DataFrame(data["X"][:, 1:], columns=["x1", "x2"])
frame["y"] = np.where(data["labelled"], data["y"], np.nan)
frame["q"] = data["q"]
def logit():
    fit = dsl(model="logit", formula="y ~ x1 + x2", predicted_var=["y"], prediction="q", data=frame,
              labeled_ind=data["labelled"].astype(int), sample_prob=np.full(len(frame), data["labelled"].mean()))
    return {"estimate": np.ravel(fit.coefficients).tolist()}
tasks = {"logit": logit}
""")


def simulate(n: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Return a logit with a machine-labelled outcome, ten per cent of it expert-labelled."""
    rng = np.random.default_rng([seed, n])
    X = np.column_stack([np.ones(n), rng.normal(size=n), (rng.random(n) < 0.4).astype(float)])
    y = (rng.random(n) < 1.0 / (1.0 + np.exp(-X @ [-0.4, 1.0, -0.5]))).astype(float)
    right = rng.random(n) < np.where(X[:, 2] > 0, 0.8, 0.9)
    labelled = np.zeros(n, dtype=bool)
    labelled[rng.choice(n, int(LABEL_SHARE * n), replace=False)] = True
    return {"X": X, "y": y, "q": np.where(right, y, 1.0 - y), "labelled": labelled}


def ours_on_arrays(
    data: dict[str, np.ndarray], task: str, estimator: Literal["ppi++", "gold"] = "ppi++"
) -> dict[str, Any]:
    """Fit PPI++ as the peer does, from the same arrays; or the labels alone."""
    moment = {
        "mean": MeanMoment(),
        "linear": LinearMoment(),
        "logit": GLMMoment(sm.families.Binomial()),
    }[task]
    X = data["X"] if task != "mean" else np.broadcast_to(1.0, (len(data["y"]), 1))
    labelled = data["labelled"]
    rows = np.flatnonzero(labelled)
    sample = LabelledSample(
        moment=moment,
        gold=RegressionRows(y=data["y"][rows], X=X[rows]),
        labelled=labelled,
        probability=np.broadcast_to(len(rows) / len(labelled), labelled.shape),
        design=SamplingDesign(scheme="simple"),
    )
    raw = None if estimator == "gold" else (Component(rows=RegressionRows(y=data["q"], X=X)),)
    fit = estimate(sample, (), raw, estimator=estimator)
    half = 1.959963984540054 * np.sqrt(np.diag(fit.covariance))
    return {"estimate": fit.params, "low": fit.params - half, "high": fit.params + half}


def table_of(data: dict[str, np.ndarray]) -> tuple[pd.DataFrame, pd.Series]:
    """Return the rows and their expert labels as a user has them."""
    frame = pd.DataFrame({"x1": data["X"][:, 1], "x2": data["X"][:, 2], "q": data["q"]})
    return frame, pd.Series(np.where(data["labelled"], data["y"], np.nan), name="y")


def public_call(table: tuple[pd.DataFrame, pd.Series], task: str, **options: Any) -> Any:
    """The call that users write: fit, calibrate and infer on a data frame."""
    frame, labels = table
    fitted = DesignSupervised(random_state=0, **options).fit(frame, surrogate="q").calibrate(labels)
    formula = "y" if task == "mean" else "y ~ x1 + x2"
    return fitted.infer(formula, model=task)  # type: ignore[arg-type]


def public_table(table: tuple[pd.DataFrame, pd.Series], task: str) -> Any:
    """The default call with its table, which holds the fits beside the estimate and the worth in labels."""
    return public_call(table, task).tidy()


def by_class(table: tuple[pd.DataFrame, pd.Series], task: str, estimator: str) -> dict[str, Any]:
    """The public call of an estimator, with its estimates and intervals."""
    result = public_call(table, task, estimator=estimator)
    low, high = np.asarray(result.confidence_interval()).T
    return {"estimate": result.params, "low": low, "high": high}


def statsmodels_gold(data: dict[str, np.ndarray], task: str) -> dict[str, Any]:
    """Fit the expert labels alone, as one would without machine labels."""
    rows = data["labelled"]
    y, X = data["y"][rows], data["X"][rows]
    if task == "mean":
        X = np.ones((len(y), 1))
    model = sm.GLM(y, X, family=sm.families.Binomial()) if task == "logit" else sm.OLS(y, X)
    fit = model.fit(cov_type="HC0")
    low, high = np.asarray(fit.conf_int()).T
    return {"estimate": np.asarray(fit.params), "low": low, "high": high}


def statsmodels_formula(table: tuple[pd.DataFrame, pd.Series], task: str) -> Any:
    """Fit the expert labels alone as users write it: a formula on the labelled rows of a data frame."""
    import statsmodels.formula.api as smf

    frame, labels = table
    known = frame.assign(y=labels).dropna(subset="y")
    formula = "y ~ 1" if task == "mean" else "y ~ x1 + x2"
    if task == "logit":
        return smf.glm(formula, known, family=sm.families.Binomial()).fit(cov_type="HC0").conf_int()
    return smf.ols(formula, known).fit(cov_type="HC0").conf_int()


def gained_length(ours: dict[str, Any], alone: dict[str, Any]) -> str:
    """Say how long our intervals are beside those of the expert labels alone."""
    share = np.mean((ours["high"] - ours["low"]) / (alone["high"] - alone["low"]))
    return f"intervals {share:.2f} times as long as from expert labels alone"


def agreement(ours: dict[str, Any], theirs: dict[str, Any]) -> str:
    """Say how far two answers are apart, in standard errors of ours."""
    se = (ours["high"] - ours["low"]) / (2 * 1.959963984540054)
    point = np.max(np.abs(ours["estimate"] - np.array(theirs["estimate"])) / se)
    width = np.max(np.abs((np.array(theirs["high"]) - theirs["low"]) / (ours["high"] - ours["low"]) - 1.0))
    return f"estimates within {point:.2g} standard errors, interval lengths within {width:.1%}"


CHECKED = (
    "ours reads a data frame with its labels, which the others have as arrays that are split already, checks both, says where labels "
    "are too skewed for a normal law, and keeps what its table and further questions need"
)
"""What the public call does more than those that take arrays."""


def compared(answers: dict[str, Any]) -> str:
    """Say how far the answers of the peer are from ours, and what machine labels gain."""
    if OURS not in answers:
        return ""
    found = [agreement(answers[OURS], answers[PEER])] if PEER in answers else []
    gained = [gained_length(answers[OURS], answers[ALONE])] if ALONE in answers else []
    return "; ".join([*found, *gained, CHECKED])


@cache
def ppi_python(n: int) -> LazyPeer:
    """Return the peer of a size, which serves every task."""
    return LazyPeer("ppi-python", PPI_SERVER, simulate(n))


LEARNS = (
    "the default learns the labels by 15 fits of three learners and bounds the share of them that it trusts; the fits that "
    "stand beside it in its table are made when the table is"
)
MORE = {
    "mean": "the default gives the small-sample interval by cells of equal verdict",
    "linear": LEARNS,
    "logit": LEARNS,
}
"""What the default call does more than the others."""


def default_implementations(task: str, n: int) -> Implementations:
    """Return the default call and the others."""
    data = simulate(n)
    table = table_of(data)
    found: Implementations = {
        DEFAULT: partial(public_call, table, task),
        PEER: ppi_python(n).task(task),
        ALONE: partial(statsmodels_gold, data, task),
        TABLE: partial(public_table, table, task),
    }
    if task == "linear":
        found["validstats, streamed"] = partial(stream_simulated, simulated_frame(data))
    return found


def default_spec(task: str, n: int) -> Spec:
    """The default call beside ppi-python and statsmodels, which do less."""
    implementations = partial(default_implementations, task, n)
    return Spec("dsl", task, n, implementations, repeats=3, note=f"10 % labelled; {MORE[task]}")


def peer_implementations(task: str, n: int) -> Implementations:
    """Return the public call of PPI++, the same on arrays, and ppi-python."""
    data = simulate(n)
    return {
        OURS: partial(by_class, table_of(data), task, "ppi++"),
        PEER: ppi_python(n).task(task),
        ARRAYS: partial(ours_on_arrays, data, task),
        ALONE: partial(statsmodels_gold, data, task),
    }


def peer_spec(task: str, n: int) -> Spec:
    """PPI++ beside ppi-python, from a data frame beside arrays that are split already."""
    implementations = partial(peer_implementations, task, n)
    return Spec("dsl", f"{task} by PPI++", n, implementations, repeats=7 if n < 10**6 else 3, note=compared)


def gold_implementations(task: str, n: int) -> Implementations:
    """Return the public call of the labels alone, and statsmodels from arrays and by formula."""
    data = simulate(n)
    table = table_of(data)
    return {
        GOLD: partial(by_class, table, task, "gold"),
        ALONE: partial(statsmodels_gold, data, task),
        FORMULA: partial(statsmodels_formula, table, task),
    }


def gold_spec(task: str, n: int) -> Spec:
    """Labels alone beside statsmodels, which sees the labelled rows only."""
    note = (
        "ours and the formula read a data frame, the other has arrays; ours checks all rows, corrects for few labels, and gives the "
        "machine's answer beside it when it is asked for"
    )
    implementations = partial(gold_implementations, task, n)
    return Spec(
        "dsl", f"{task} by labels alone", n, implementations, repeats=7 if n < 10**6 else 3, note=note
    )


def dslkit_implementations(n: int) -> Implementations:
    """Return our default fit and that of dsl-kit."""
    data = simulate(n)
    return {
        DEFAULT: partial(public_call, table_of(data), "logit"),
        "dsl-kit": LazyPeer("dsl-kit", DSLKIT_SERVER, data).task("logit"),
    }


def dslkit_spec(n: int) -> Spec:
    """One logit beside dsl-kit."""
    return Spec("dsl", "logit against dsl-kit", n, partial(dslkit_implementations, n), repeats=3)


def large_frame(n: int, seed: int = 1) -> pd.DataFrame:
    """Return ten columns: eight covariates, a machine label, and an expert label for one row in a hundred."""
    rng = np.random.default_rng(seed)
    columns = {f"x{j}": rng.normal(size=n) for j in range(8)}
    truth = sum(columns.values()) * 0.3 + rng.normal(size=n)
    columns["machine"] = truth + rng.normal(size=n)
    columns["y"] = np.where(rng.random(n) < 0.01, truth, np.nan)
    return pd.DataFrame(columns)


def stream(frame: pd.DataFrame) -> Any:
    """A tuned linear regression by passes over chunks."""
    model = DesignSupervised().fit(sliced(frame, 200_000), surrogate="machine")
    formula = "y ~ " + " + ".join(f"x{j}" for j in range(8))
    return model.calibrate("y", sampling_probability=0.01).infer(formula)


def simulated_frame(data: dict[str, np.ndarray]) -> pd.DataFrame:
    """Return the rows of :func:`simulate` as a frame."""
    labels = np.where(data["labelled"], data["y"], np.nan)
    return pd.DataFrame({"x1": data["X"][:, 1], "x2": data["X"][:, 2], "q": data["q"], "y": labels})


def stream_simulated(frame: pd.DataFrame) -> Any:
    """The same passes over the rows of :func:`simulate`."""
    model = DesignSupervised().fit(sliced(frame, 200_000), surrogate="q")
    return model.calibrate("y", sampling_probability=LABEL_SHARE).infer("y ~ x1 + x2")


def stream_spec(n: int) -> Spec:
    """Ten columns by passes over chunks."""
    note = f"data {n * 10 * 8 / 2**20:,.0f} MiB, chunks of 200,000 rows"

    def implementations() -> Implementations:
        return {"validstats": partial(stream, large_frame(n))}

    return Spec("dsl", "streamed linear", n, implementations, 1 if n >= 10_000_000 else 3, note)


def specs(quick: bool) -> list[Spec]:
    """Return what to measure; ``quick`` keeps to ten thousand rows."""
    sizes = (10_000,) if quick else (10_000, 100_000, 1_000_000)
    growth = GROWTH_SIZES[:2] if quick else GROWTH_SIZES
    found = [default_spec(task, n) for task in ("mean", "logit") for n in sizes]
    found += [default_spec("linear", n) for n in growth]
    found += [
        spec(task, n)
        for spec in (peer_spec, gold_spec)
        for task in ("mean", "linear", "logit")
        for n in sizes
    ]
    found.append(dslkit_spec(10_000))
    found += [stream_spec(n) for n in ((10_000,) if quick else (100_000, 1_000_000, 10_000_000))]
    return sorted(found, key=lambda spec: spec.n)  # small sizes first
