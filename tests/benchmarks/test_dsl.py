from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import dsl as benchmark
from benchmarks import dsl_limits, dsl_rmse
from benchmarks._peers import PEERS
from benchmarks._runner import measure

pytestmark = pytest.mark.slow


def test_absent_peers_are_recorded_as_not_run(monkeypatch) -> None:
    for variable in PEERS.values():
        monkeypatch.delenv(variable, raising=False)
    ours, peer = measure(replace(benchmark.dslkit_spec(600), repeats=1))
    assert ours.error == "" and ours.median_seconds > 0
    assert "not run: VALIDSTATS_BENCH_DSL_KIT_PYTHON" in peer.error
    ours, peer, arrays, alone = measure(replace(benchmark.peer_spec("mean", 600), repeats=1))
    assert "not run" in peer.error and arrays.error == alone.error == ""
    assert ours.note.startswith("intervals")
    assert ours.note.endswith(f"as long as from expert labels alone; {benchmark.CHECKED}")


def test_answers_are_compared_where_there_are_two() -> None:
    answer = {"estimate": np.ones(1), "low": np.zeros(1), "high": 2 * np.ones(1)}
    longer = {"estimate": np.ones(1), "low": -np.ones(1), "high": 3 * np.ones(1)}
    text = benchmark.compared({benchmark.OURS: answer, benchmark.PEER: answer, benchmark.ALONE: longer})
    assert text == (
        "estimates within 0 standard errors, interval lengths within 0.0%; "
        f"intervals 0.50 times as long as from expert labels alone; {benchmark.CHECKED}"
    )
    assert benchmark.compared({benchmark.ALONE: longer}) == ""


@pytest.mark.parametrize("task", ["mean", "linear", "logit"])
def test_our_implementations_agree(task) -> None:
    data = benchmark.simulate(3000)
    table = benchmark.table_of(data)
    fast, default = benchmark.ours_on_arrays(data, task), benchmark.public_call(table, task)
    assert np.all(np.abs(fast["estimate"] - default.params) < 1.5 * default.std_error)
    by_class = benchmark.by_class(table, task, "ppi++")
    assert by_class["estimate"] == pytest.approx(fast["estimate"], rel=1e-9)
    assert by_class["high"] == pytest.approx(fast["high"], rel=1e-3)
    alone = benchmark.statsmodels_formula(table, task)
    assert np.asarray(alone)[:, 0] == pytest.approx(benchmark.statsmodels_gold(data, task)["low"], rel=1e-6)
    text = benchmark.agreement(fast, {k: v.tolist() for k, v in fast.items()})
    assert text.startswith("estimates within 0 standard errors")


@pytest.mark.parametrize("task", ["mean", "linear", "logit"])
def test_machine_labels_shorten_the_intervals_of_statsmodels(task) -> None:
    data = benchmark.simulate(5000)
    alone, ours = benchmark.statsmodels_gold(data, task), benchmark.ours_on_arrays(data, task)
    assert np.all(np.abs(alone["estimate"] - ours["estimate"]) < (alone["high"] - alone["low"]))
    share = float(benchmark.gained_length(ours, alone).split()[1])
    assert 0.5 < share < 0.9


def test_the_streamed_task_estimates_its_coefficients() -> None:
    result = benchmark.stream(benchmark.large_frame(30_000))
    assert np.all(np.abs(result.params[1:] - 0.3) < 5 * result.std_error[1:])


def test_the_streamed_fit_of_the_growth_task_agrees_with_the_one_in_memory() -> None:
    data = benchmark.simulate(5_000)
    streamed, ours = (
        benchmark.stream_simulated(benchmark.simulated_frame(data)),
        benchmark.ours_on_arrays(data, "linear"),
    )
    assert np.all(np.abs(streamed.params - ours["estimate"]) < streamed.std_error)


def test_paired_ratios_and_their_standard_errors() -> None:
    rng = np.random.default_rng(0)
    theirs = rng.normal(size=4000)
    ratio, error = dsl_rmse.paired_ratio(0.9 * theirs, theirs)
    assert ratio == pytest.approx(0.9) and error == pytest.approx(0.0, abs=1e-12)
    ratios = []
    for _ in range(300):
        a, b = rng.normal(size=(2, 200))
        ratios.append(dsl_rmse.paired_ratio(a, b)[0])
    assert np.std(ratios) == pytest.approx(dsl_rmse.paired_ratio(*rng.normal(size=(2, 200)))[1], rel=0.25)


def test_the_error_table_names_the_best_rival() -> None:
    errors = {name: np.full((50, 1), 1.0 + j) for j, name in enumerate(dsl_rmse.RIVALS)}
    errors[dsl_rmse.OURS] = np.full((50, 1), 1.01) + np.linspace(0, 1e-6, 50)[:, None]
    rows = dsl_rmse.rows_of(dsl_rmse.Setting("demo", lambda rng: None, 10), errors)
    assert [r.estimator for r in rows if r.best] == ["gold"]
    table = dsl_rmse.markdown(rows)
    assert "| gold | 1.010 (0.000) |" in table and "Over the best rival: 1 of 1 at or below 1.03" in table


@pytest.mark.parametrize("kind", dsl_rmse.SURROGATES)
def test_coefficients_of_the_laws_of_surrogates_are_those_of_many_rows(kind):
    draw, expected = dsl_rmse.surrogate_law(np.random.default_rng(1), kind, 200_000)
    X = draw.make_rows({}, None).X
    for outcome in (draw.outcome, expected):
        found = np.linalg.lstsq(X, outcome, rcond=None)[0]
        assert found == pytest.approx(draw.coefficients, abs=0.02)


def test_the_error_table_is_written_again_from_its_rows(tmp_path) -> None:
    rng = np.random.default_rng(0)
    errors = {name: rng.normal(size=(40, 2)) for name in (*dsl_rmse.RIVALS, dsl_rmse.OURS)}
    rows = dsl_rmse.rows_of(dsl_rmse.Setting("demo", lambda rng: None, 10), errors)
    dsl_rmse._write(rows, tmp_path, 40, 1, "")
    again = dsl_rmse.read_rows(tmp_path / "dsl_rmse.csv")
    assert again == rows
    over_gold = max(r.ratio for r in rows if r.estimator == "gold")
    assert f"Over expert labels alone: largest {over_gold:.3f}" in dsl_rmse.markdown(again)


@pytest.mark.parametrize(("task", "estimator"), dsl_limits.CALLS)
def test_the_phases_of_a_call_add_to_its_time_and_its_limit_is_positive(task, estimator) -> None:
    data = benchmark.simulate(800)
    found = dsl_limits.phases(benchmark.table_of(data), task, estimator)
    assert sum(found[phase] for phase in dsl_limits.PHASES) == pytest.approx(found["call"])
    assert found["reading"] > 0 and found["estimate"] > 0
    assert (found["first stage"] > 1e-3) == (estimator == "tuned" and task != "mean")
    assert dsl_limits.limit(data, task, estimator) > 0
    cells = dsl_limits.line(800, task, estimator, 1).split("|")
    assert float(cells[3]) > 0 and len(cells) == 6 + len(dsl_limits.PHASES) + 1
