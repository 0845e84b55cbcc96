"""Claims about evaluations: clustered scores, judges with few labels, pairs, ranks and repeated samples."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import stats

from validstats._typing import Float1D
from validstats.evals import ComparisonResult, EvalFileError, compare, evaluate, pass_at_k, rank
from validstats.validity.hunt import Choice, Claim, LogUniform, Prior, Refused, Setting, Trial, Uniform

__all__ = ["CLAIMS"]


def _item_rates(setting: Setting, n: int, rng: np.random.Generator) -> Float1D:
    """Chances of success by item, with the mean and the intraclass correlation of the setting."""
    size = 1.0 / setting["icc"] - 1.0
    rate = setting["rate"]
    return rng.beta(rate * size, (1.0 - rate) * size, n)


def _rate(logit: float) -> float:
    return 1.0 / (1.0 + math.exp(-logit))


def _scores_trial(setting: Setting, rng: np.random.Generator) -> Trial:
    """A benchmark with repeated samples of each item; the reference takes every row for an item."""
    n, each = setting["items"], setting["samples"]
    setting = {**setting, "rate": _rate(setting["logit"])}
    item = np.repeat(np.arange(n), each)
    score = (rng.random(n * each) < _item_rates(setting, n, rng)[item]).astype(float)
    result = evaluate({"item": item, "score": score})
    rows = evaluate({"score": score})
    low, high = rows.conf_low, rows.conf_high
    truth = setting["rate"]
    return Trial(
        result.conf_low <= truth <= result.conf_high,
        result.conf_high - result.conf_low,
        low <= truth <= high,
        high - low,
        _outside(result.conf_low, result.conf_high, result.estimate),
    )


def _outside(low: float, high: float, estimate: float) -> str:
    """A fault of an interval of a share, in words."""
    return (
        "" if 0.0 <= low <= estimate <= high <= 1.0 and high > low else f"interval {low}, {estimate}, {high}"
    )


def _judge_trial(setting: Setting, rng: np.random.Generator) -> Trial:
    """A judge on all answers and humans on some; the reference is the judge at its word."""
    n = max(int(setting["labels"] * setting["times"]), setting["labels"] + 2) // setting["samples"]
    setting = {**setting, "rate": _rate(setting["logit"])}
    item = np.repeat(np.arange(n), setting["samples"])
    truth = rng.random(len(item)) < _item_rates(setting, n, rng)[item]
    judge = np.where(
        truth, rng.random(len(item)) < setting["sensitivity"], rng.random(len(item)) > setting["specificity"]
    )
    human = np.full(len(item), np.nan)
    rows = rng.choice(len(item), min(setting["labels"], len(item) - 1), replace=False)
    human[rows] = truth[rows]
    try:
        result = evaluate({"item": item, "judge": judge.astype(float), "human": human})
    except EvalFileError as error:
        raise Refused(str(error)) from error
    alone = evaluate({"item": item, "score": judge.astype(float)})
    rate = setting["rate"]
    return Trial(
        result.conf_low <= rate <= result.conf_high,
        result.conf_high - result.conf_low,
        alone.conf_low <= rate <= alone.conf_high,
        alone.conf_high - alone.conf_low,
        _outside(result.conf_low, result.conf_high, result.estimate),
    )


def _pairs_trial(setting: Setting, rng: np.random.Generator) -> Trial:
    """Two systems on the same items, 0/1; the reference is the adjusted Wald interval."""
    n = setting["items"]
    p10 = setting["discordance"] * setting["tilt"]
    p01 = setting["discordance"] * (1.0 - setting["tilt"])
    u = rng.random(n)
    both = rng.random(n) < 0.5
    a = np.where(u < p10, 1, np.where(u < p10 + p01, 0, both)).astype(float)
    b = np.where(u < p10, 0, np.where(u < p10 + p01, 1, both)).astype(float)
    data = {"a": a, "b": b}
    result = compare(data, "a", "b")
    reference = compare(data, "a", "b", interval="bonett-price")
    assert isinstance(result, ComparisonResult)
    assert isinstance(reference, ComparisonResult)
    truth = p10 - p01
    decided = result.conf_low > 0.0 or result.conf_high < 0.0
    fault = "" if decided == (result.p_value <= 0.05) else "interval and p-value contradict each other"
    return Trial(
        result.conf_low <= truth <= result.conf_high,
        result.conf_high - result.conf_low,
        reference.conf_low <= truth <= reference.conf_high,
        reference.conf_high - reference.conf_low,
        fault,
    )


def _ranks_trial(setting: Setting, rng: np.random.Generator) -> Trial:
    """A leaderboard; the statement is wrong if any rank lies outside its range."""
    m, n = setting["systems"], setting["items"]
    base = np.linspace(-setting["spread"], setting["spread"], m)
    p = np.clip(setting["rate"] + base + rng.normal(0.0, 0.15, (n, 1)), 0.0, 1.0)
    y = (rng.random((n, m)) < p).astype(float)
    names = [f"s{s:03d}" for s in range(m)]
    result = rank(
        {"item": np.repeat(np.arange(n), m), "system": names * n, "score": y.ravel()}, random_state=rng
    )
    # Clipped rates are not linear in the spread: the true means decide the order, up to rounding of equal ones.
    order = np.array([names.index(s) for s in result.systems])
    wrong = base[order][:, None] <= base[order][None, :]
    np.fill_diagonal(wrong, False)
    return Trial(not bool(np.any(result.above & wrong)), float(np.mean(result.rank_high - result.rank_low)))


def _judged_ranks_trial(setting: Setting, rng: np.random.Generator) -> Trial:
    """Equal systems, a judge that favours one, and human labels: no system is above another; the reference is the judge."""
    m, each = setting["systems"], setting["each"]
    passages = max(setting["labels"] * setting["times"] // each, 6)
    n = passages * each
    rate = _item_rates({**setting, "rate": _rate(setting["logit"])}, passages, rng)
    truth = rng.random((n, m)) < np.repeat(rate, each)[:, None]
    lenient = np.where(np.arange(m) == m - 1, 1.0 - setting["specificity"], 0.15)
    u = rng.random((n, m))
    judge = np.where(truth, u < setting["sensitivity"], u < lenient).astype(float)
    human = np.full((n, m), np.nan)
    for s in range(m):
        rows = rng.choice(n, min(setting["labels"], n - 1), replace=False)
        human[rows, s] = truth[rows, s]
    data = {
        "item": np.repeat(np.arange(n), m),
        "passage": np.repeat(np.arange(n) // each, m),
        "system": [f"s{s}" for s in range(m)] * n,
        "judge": judge.ravel(),
    }
    try:
        result = rank({**data, "human": human.ravel()}, clusters="passage", random_state=rng)
    except EvalFileError as error:
        raise Refused(str(error)) from error
    alone = rank(data, clusters="passage", random_state=rng)
    inside = np.all((result.conf_low <= result.estimate) & (result.estimate <= result.conf_high))
    return Trial(
        not result.above.any(),
        float(np.mean(result.conf_high - result.conf_low)),
        not alone.above.any(),
        float(np.mean(alone.conf_high - alone.conf_low)),
        "" if inside and np.all(result.conf_high > result.conf_low) else "an interval is empty",
    )


def _audits_trial(setting: Setting, rng: np.random.Generator) -> Trial:
    """Right samples at each k from whole problems that were audited; the reference is the tests at their word."""
    problems, samples = setting["problems"], setting["samples"]
    p = np.asarray(rng.beta(setting["a"], setting["b"], problems))
    right = setting["precision"] + (1.0 - setting["precision"]) * p
    drawn = rng.random(problems) < setting["share"]
    passed = rng.random((problems, samples)) < p[:, None]
    audit = np.where(passed & drawn[:, None], rng.random((problems, samples)) < right[:, None], np.nan)
    ks = np.unique([1, max(samples // 4, 1), max(samples // 2, 1)])
    data = {
        "problem": np.repeat(np.arange(problems), samples),
        "passed": passed.ravel().astype(int),
        "audit": audit.ravel(),
        "drawn": np.repeat(drawn, samples).astype(int),
        "audit_probability": np.full(problems * samples, setting["share"]),
    }
    try:
        found = pass_at_k(data, k=ks, drawn="drawn", human="audit", random_state=rng)
    except EvalFileError as error:
        raise Refused(str(error)) from error
    # E[1 - (1 - p right)^k] on a fine grid of the Beta law.
    grid = stats.beta.ppf((np.arange(4_000) + 0.5) / 4_000, setting["a"], setting["b"])
    chance = grid * (setting["precision"] + (1.0 - setting["precision"]) * grid)
    truth = np.array([np.mean(1.0 - (1.0 - chance) ** k) for k in ks])
    held, tests = (
        bool(np.all((curve["conf_low"] <= truth) & (truth <= curve["conf_high"])))
        for curve in (found.of("pass"), found.of("pass_by_tests"))
    )
    curve = found.of("pass")
    return Trial(held, float(np.mean(curve["conf_high"] - curve["conf_low"])), tests)


def _samples_trial(setting: Setting, rng: np.random.Generator) -> Trial:
    """pass@k at all k up to half of the samples, for a Beta law of difficulty; the reference is Wald at each k."""
    problems, samples = setting["problems"], setting["samples"]
    a, b = setting["a"], setting["b"]
    c = np.asarray(rng.binomial(samples, rng.beta(a, b, problems)))
    passed = np.arange(samples)[None, :] < c[:, None]
    ks = np.unique([1, max(samples // 4, 1), max(samples // 2, 1)])
    data = {"problem": np.repeat(np.arange(problems), samples), "passed": passed.ravel().astype(int)}
    result = pass_at_k(data, k=ks)
    # E[1 - (1 - p)^k] = 1 - B(a, b + k)/B(a, b).
    truth = np.array([1.0 - math.exp(_log_beta(a, b + k) - _log_beta(a, b)) for k in ks])
    wald = np.abs(result.estimate - truth) <= 1.96 * result.std_error
    return Trial(
        bool(np.all((result.conf_low <= truth) & (truth <= result.conf_high))),
        float(np.mean(result.conf_high - result.conf_low)),
        bool(wald.all()),
        float(np.mean(3.92 * result.std_error)),
    )


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _judged(**more: Any) -> Prior:
    return Prior(
        {
            "labels": LogUniform(20, 400, says="human labels"),
            "times": LogUniform(2, 20, whole=False, says="answers for each label"),
            "samples": Choice((1, 1, 3), says="samples an item"),
            "logit": Uniform(-4, 5, says="log odds of a good answer"),
            "sensitivity": Uniform(0.5, 0.999),
            "specificity": Uniform(0.3, 0.999),
            "icc": Uniform(0.05, 0.5),
            **more,
        },
        valid=lambda s: s["labels"] * s["times"] <= 4_000,
    )


CLAIMS = (
    Claim(
        "rate of a benchmark with repeated samples",
        Prior(
            {
                "items": LogUniform(15, 400),
                "samples": Choice((1, 2, 5)),
                "logit": Uniform(-4, 5, says="log odds of a good answer"),
                "icc": Uniform(0.05, 0.6),
            }
        ),
        _scores_trial,
        0.95,
        "asymptotic",
        reference="score interval with every row as an item",
    ),
    Claim(
        "rate by a judge and few humans",
        _judged(),
        _judge_trial,
        0.95,
        "asymptotic",
        reference="the judge at its word",
    ),
    Claim(
        "difference of two systems on the same items",
        Prior({"items": LogUniform(15, 300), "discordance": Uniform(0.01, 0.6), "tilt": Uniform(0.0, 1.0)}),
        _pairs_trial,
        0.95,
        "finite-sample",
        reference="Bonett and Price",
    ),
    Claim(
        "ranks of a leaderboard",
        Prior(
            {
                "systems": Choice((2, 3, 6, 12)),
                "items": LogUniform(60, 500),
                "rate": Uniform(0.3, 0.9),
                "spread": Choice((0.0, 0.0, 0.05)),
            }
        ),
        _ranks_trial,
        0.95,
        "asymptotic",
    ),
    Claim(
        "ranks by a judge and few humans",
        Prior(
            {
                "systems": Choice((2, 3, 6)),
                "labels": LogUniform(20, 150, says="human labels of each system"),
                "times": Choice((2, 4, 8), says="answers for each label"),
                "each": Choice((1, 1, 4), says="items a passage"),
                "logit": Uniform(-2, 4, says="log odds of a good answer"),
                "sensitivity": Uniform(0.7, 0.999),
                "specificity": Uniform(0.1, 0.95, says="specificity of the judge for one of the systems"),
                "icc": Uniform(0.05, 0.3),
            },
            valid=lambda s: s["labels"] * s["times"] <= 600,
        ),
        _judged_ranks_trial,
        0.95,
        "asymptotic",
        reference="ranks by the judge alone",
    ),
    Claim(
        "pass@k with audited problems",
        Prior(
            {
                "problems": LogUniform(60, 400),
                "samples": Choice((4, 10)),
                "a": LogUniform(0.3, 4, whole=False),
                "b": LogUniform(0.3, 4, whole=False),
                "share": Uniform(0.15, 0.6, says="audited share of problems"),
                "precision": Uniform(0.3, 0.95, says="least share of passing samples that are right"),
            }
        ),
        _audits_trial,
        0.95,
        "asymptotic",
        reference="the tests at their word",
    ),
    Claim(
        "pass@k of repeated samples",
        Prior(
            {
                "problems": LogUniform(30, 400),
                "samples": Choice((4, 10, 20)),
                "a": LogUniform(0.3, 4, whole=False),
                "b": LogUniform(0.3, 4, whole=False),
            }
        ),
        _samples_trial,
        0.95,
        "asymptotic",
        reference="Wald at each k",
    ),
)
