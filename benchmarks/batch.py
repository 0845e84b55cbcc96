"""Batch prediction against its peers: thresholds, means and envelopes by the public calls, memory, and the cold start."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from itertools import cycle
from typing import Any

import numpy as np
from sklearn.linear_model import LinearRegression

from benchmarks._peers import LazyPeer, server
from benchmarks._runner import Implementations, Spec
from validstats.batch import AbsoluteScore, BatchMean, BatchPredictor, Envelope, Simultaneous
from validstats.batch.laws import means, score_at_rank
from validstats.batch.laws import ranks as rank_laws

N_FEATURES, N_TEST, N_DRAWS = 5, 1000, 20
"""New rows are drawn so many times, since how long their comparison with the calibration takes depends on the draw."""
GROWTH_SIZES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)

_FITTED = """
from itertools import cycle
from sklearn.linear_model import LinearRegression
X, y, new, calls = data["X"], data["y"], cycle(data["new"]), int(data["calls"])
learner = LinearRegression().fit(data["X_train"], data["y_train"])
{once}
def run():
    for _ in range(calls):
        once()
tasks = {{"run": run}}
"""

THRESHOLD_SERVERS = {
    name: server(_FITTED.format(once=once.strip()))
    for name, once in {
        "mapie": """
from mapie.regression import SplitConformalRegressor
def once():
    rival = SplitConformalRegressor(learner, confidence_level=0.9, prefit=True)
    return rival.conformalize(X, y).predict_interval(next(new))
""",
        "crepes": """
from crepes import WrapRegressor
def once():
    rival = WrapRegressor(learner)
    rival.calibrate(X, y)
    return rival.predict_int(next(new), confidence=0.9)
""",
        "puncc": """
from deel.puncc.regression import SplitCP
from deel.puncc.api.prediction import BasePredictor
def once():
    rival = SplitCP(BasePredictor(learner, is_trained=True), train=False)
    rival.fit(X_calib=X, y_calib=y)
    return rival.predict(next(new), alpha=0.1)
""",
    }.items()
}
"""Peer -> its program: calibrate a fitted learner on n rows, and give 1,000 rows their intervals at 90 %."""

CREPES_SCORES = server("""
from itertools import cycle
from crepes import ConformalRegressor
calls, new = int(data["calls"]), cycle(data["new"])
def run():
    for _ in range(calls):
        ConformalRegressor().fit(data["residuals"]).predict_int(next(new), confidence=0.9)
tasks = {"run": run}
""")


MORE = (
    "the default also looks for reused rows, for a trend of the scores and for new rows unlike the calibration's, and promises a share "
    "of the whole batch, where the others promise one row"
)
"""What the default call does more than the others."""


def specs(quick: bool = False) -> list[Spec]:
    """List what is measured."""
    growth = GROWTH_SIZES[:2] if quick else GROWTH_SIZES
    listed = [threshold_spec(n) for n in growth]
    listed += [scores_spec(n) for n in growth]
    listed += [mean_spec(n) for n in ((1_000, 10_000) if quick else (1_000, 100_000, 1_000_000))]
    listed += [envelope_spec(n) for n in ((1_000,) if quick else (1_000, 10_000))]
    return [*listed, cold_start_spec()]


def repeated(function: Callable[[], Any], n: int) -> Callable[[], Any]:
    """Call a short function often enough to be measured: ``calls_a_run(n)`` times a run."""
    calls = calls_a_run(n)

    def run() -> None:
        for _ in range(calls):
            function()

    return function if calls == 1 else run


def calls_a_run(n: int) -> int:
    """Return how many calls make one measured run."""
    return max(1, 50_000 // n)


def forget_ranks() -> None:
    """Empty the caches of ranks, so that they are computed anew."""
    rank_laws._rank_upper.cache_clear()
    rank_laws._simultaneous_rank.cache_clear()


def regression(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw rows of a linear model."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, N_FEATURES))
    return X, X.sum(axis=1) + rng.normal(size=n)


def repeats_at(n: int, most: int) -> int:
    """Return the number of paired runs: fewer where one takes long."""
    return 3 if n > 10**6 else min(most, 5) if n == 10**6 else most


def threshold_spec(n: int) -> Spec:
    """Calibrate on n rows and give 1,000 rows their sets: ours promises 90 % of the batch, the peers one row."""
    return Spec(
        domain="batch",
        task="calibrate and infer, order statistic",
        n=n,
        implementations=partial(threshold_implementations, n),
        repeats=repeats_at(n, 11),
        note=f"linear learner, 1,000 test rows, others in every call, cached ranks cleared, {calls_a_run(n)} calls a run; {MORE}",
        calls=calls_a_run(n),
    )


def threshold_implementations(n: int) -> Implementations:
    """Draw the rows, fit the learner, and start nothing yet."""
    X, y = regression(n)
    X_train, y_train = regression(1_000, seed=1)
    new = np.array([regression(N_TEST, seed=2 + draw)[0] for draw in range(N_DRAWS)])
    learner = LinearRegression().fit(X_train, y_train)

    def ours(check_reuse: bool) -> Callable[[], Any]:
        estimator = BatchPredictor(
            LinearRegression(),
            Simultaneous(0.1),
            check_reuse=check_reuse,
            random_state=0,
            confidence_level=0.9,
        )
        estimator.fit(X_train, y_train)
        asked = cycle(new)

        def run() -> Any:
            forget_ranks()
            return estimator.calibrate(X, y).infer(next(asked)).intervals

        return run

    data = {"X": X, "y": y, "X_train": X_train, "y_train": y_train, "new": new}
    data["calls"] = np.array(calls_a_run(n))
    peers = {name: LazyPeer(name, program, data).task("run") for name, program in THRESHOLD_SERVERS.items()}
    return {
        "validstats, default": repeated(ours(True), n),
        "validstats, reuse check off": repeated(ours(False), n),
        **peers,
        "the learner's two predictions alone": repeated(
            lambda: (learner.predict(X), learner.predict(new[0])), n
        ),
    }


def scores_spec(n: int) -> Spec:
    """Thresholds from predictions of no learner of ours: ``BatchPredictor(None)`` beside arrays of scores."""
    return Spec(
        domain="batch",
        task="threshold on arrays of scores",
        n=n,
        implementations=partial(scores_implementations, n),
        repeats=repeats_at(n, 21),
        note=f"1,000 test rows, others in every call, {calls_a_run(n)} calls a run; MAPIE takes no scores; {MORE}",
        calls=calls_a_run(n),
    )


def scores_implementations(n: int) -> Implementations:
    """Draw the scores."""
    residuals = np.random.default_rng(n).normal(size=n)
    new = np.random.default_rng(1).normal(size=(N_DRAWS, N_TEST))

    score = AbsoluteScore()

    def ours(anew: bool) -> Any:
        if anew:
            forget_ranks()
        _, bound = rank_laws.simultaneous_rank(n, N_TEST, Fraction(1, 10), Fraction(1, 10))
        threshold = score_at_rank(np.abs(residuals), bound.rank)
        return score.interval(new[0], threshold, (-np.inf, np.inf))

    of_rows = np.random.default_rng([1, n]).normal(size=n)
    target = Simultaneous(0.1)
    estimator = BatchPredictor(None, target, random_state=0, confidence_level=0.9)
    asked, labels = cycle(new), of_rows + residuals

    def by_default() -> Any:
        forget_ranks()
        return estimator.calibrate(of_rows, labels).infer(next(asked)).intervals

    data = {"residuals": residuals, "new": new, "calls": np.array(calls_a_run(n))}
    crepes = LazyPeer("crepes", CREPES_SCORES, data).task("run")
    return {
        "validstats, default": repeated(by_default, n),
        "validstats, threshold alone": repeated(lambda: ours(False), n),
        "validstats, threshold alone, rank computed anew": repeated(lambda: ours(True), n),
        "crepes, ConformalRegressor": crepes,
    }


def mean_spec(n: int) -> Spec:
    """A two-sided interval for the mean of 100 rows by the public call, and of 100 bounded scores by each method."""
    scores = np.random.default_rng(n).random(n)
    reference = np.random.default_rng(1).random(1_000)

    def by(method: str) -> Callable[[], Any]:
        def run() -> Any:
            means._weight_quantile.cache_clear()
            return means.mean_interval(
                scores,
                100,
                0.1,
                bounds=(0, 1),
                method=method,
                reference_scores=reference,  # type: ignore[arg-type]
            )

        return run

    X, y = regression(n)
    X_test, _ = regression(100, seed=2)
    learner = LinearRegression()
    estimator = BatchPredictor(learner, BatchMean(), bounds=(-50, 50), random_state=0, confidence_level=0.9)
    estimator.fit(*regression(1_000, seed=1))
    methods = ("auto", "partition", "phi-band") if n > 1_000 else ("auto", "rank-sum", "phi-sum", "phi-band")
    return Spec(
        domain="batch",
        task="interval for the mean, m = 100",
        n=n,
        implementations={
            "validstats, default": lambda: estimator.calibrate(X, y).infer(X_test),
            **{f"validstats, method={method!r} on scores": by(method) for method in methods},
        },
        repeats=3,
        note="the default fits nothing and reads five features; the others have scores and cache nothing",
    )


def envelope_spec(n: int) -> Spec:
    """Calibrate and bound all sorted scores of 100 rows."""
    X, y = regression(n)
    X_test, _ = regression(100, seed=2)
    estimator = BatchPredictor(LinearRegression(), Envelope(), random_state=0, confidence_level=0.9).fit(
        *regression(1_000, seed=1)
    )

    def run() -> Any:
        from validstats.batch.laws import envelope

        envelope._rank_envelope.cache_clear()
        return estimator.calibrate(X, y).infer(X_test)

    return Spec("batch", "envelope of a batch, m = 100", n, {"validstats": run}, repeats=3)


_COLD = """
import numpy as np
from sklearn.linear_model import LinearRegression
from validstats.batch import BatchPredictor, {target}
rng = np.random.default_rng(0)
X = rng.normal(size=(1000, 5)); y = X.sum(axis=1) + rng.normal(size=1000)
{rest}
"""
_OURS = "BatchPredictor(LinearRegression(), {target}(), bounds=(-50, 50), random_state=0).fit(X, y).infer(X[:100])"


def cold_start_spec() -> Spec:
    """A fresh process, from import to the first result; kernels come from the disk cache where they have one."""

    def run(target: str, rest: str) -> Callable[[], Any]:
        script = _COLD.format(target=target, rest=rest)
        return lambda: subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)

    return Spec(
        domain="batch",
        task="cold start: new process to first result",
        n=1_000,
        implementations={
            "validstats, order statistic (no numba)": run(
                "Simultaneous", _OURS.format(target="Simultaneous")
            ),
            "validstats, mean (kernels)": run("BatchMean", _OURS.format(target="BatchMean")),
            "validstats, imports alone": run("BatchMean", ""),
        },
        repeats=3,
        note="includes starting Python",
    )
