"""Claims about evaluations: clustered scores, judges with few labels, pairs, ranks and repeated samples."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import stats

from validstats._typing import Float1D
from validstats.evals import (
    ComparisonResult,
    EvalFileError,
    compare,
    evaluate,
    pass_at_k,
    plan,
    rank,
    release,
)
from validstats.results import NotApplicable
from validstats.validity.claims.words import documented, fault_of_interval
from validstats.validity.hunt import Claim, Refused, Trial
from validstats.validity.priors import Choice, LogUniform, Prior, Setting, Uniform

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
    n = int(setting["labels"] * setting["times"]) // setting["samples"]
    setting = {**setting, "rate": _rate(setting["logit"])}
    item = np.repeat(np.arange(n), setting["samples"])
    truth = rng.random(len(item)) < _item_rates(setting, n, rng)[item]
    judge = np.where(
        truth, rng.random(len(item)) < setting["sensitivity"], rng.random(len(item)) > setting["specificity"]
    )
    human = np.full(len(item), np.nan)
    rows = rng.choice(len(item), setting["labels"], replace=False)
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
    passages = setting["labels"] * setting["times"] // each
    n = passages * each
    rate = _item_rates({**setting, "rate": _rate(setting["logit"])}, passages, rng)
    truth = rng.random((n, m)) < np.repeat(rate, each)[:, None]
    lenient = np.where(np.arange(m) == m - 1, 1.0 - setting["specificity"], 0.15)
    u = rng.random((n, m))
    judge = np.where(truth, u < setting["sensitivity"], u < lenient).astype(float)
    human = np.full((n, m), np.nan)
    for s in range(m):
        rows = rng.choice(n, setting["labels"], replace=False)
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
    ks = np.unique([1, samples // 4, samples // 2])
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
    ks = np.unique([1, samples // 4, samples // 2])
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


def _judged_difference_trial(setting: Setting, rng: np.random.Generator) -> Trial:
    """Two systems, a judge that favours one, and humans on some answers; the reference is the judge at its word."""
    n = int(setting["labels"] * setting["times"])
    rates = [_rate(setting["logit"]), _rate(setting["logit"] + setting["gain"])]
    size = 1.0 / setting["icc"] - 1.0
    common = rng.random(n)
    truth = np.column_stack(
        [common < stats.beta.rvs(r * size, (1 - r) * size, size=n, random_state=rng) for r in rates]
    )
    wrong = np.array([1.0 - setting["specificity"], 0.1])
    judge = np.where(truth, rng.random((n, 2)) < setting["sensitivity"], rng.random((n, 2)) < wrong).astype(
        float
    )
    human = np.full((n, 2), np.nan)
    rows = rng.choice(n, setting["labels"], replace=False)
    human[rows] = truth[rows]
    data = {
        "item": np.repeat(np.arange(n), 2),
        "system": ["a", "b"] * n,
        "judge": judge.ravel(),
    }
    try:
        result = compare({**data, "human": human.ravel()}, "b", "a", random_state=rng)
    except EvalFileError as error:
        raise Refused(str(error)) from error
    alone = compare(data, "b", "a", random_state=rng)
    assert isinstance(result, ComparisonResult)
    assert isinstance(alone, ComparisonResult)
    gain = rates[1] - rates[0]
    return Trial(
        result.conf_low <= gain <= result.conf_high,
        result.conf_high - result.conf_low,
        alone.conf_low <= gain <= alone.conf_high,
        alone.conf_high - alone.conf_low,
        fault_of_interval(result.conf_low, result.conf_high, result.estimate),
    )


def _level_of_numbers(setting: Setting) -> float:
    """Below 30 units it is a condition that there is no long tail which they do not show; what that costs is said, .88 for .95."""
    return 0.95 if setting["items"] // setting["each"] >= 30 else 0.9


def _numbers_trial(setting: Setting, rng: np.random.Generator) -> Trial:
    """Two systems with scores that are numbers; the interval holds, or it is said that they are too skewed for it.

    Items come in passages; the reference is the paired t interval of rows.
    """
    n, each = setting["items"], setting["each"]
    passage = np.arange(n) // each
    shared = setting["shared"] * rng.normal(size=passage[-1] + 1)[passage]
    noise: Float1D = rng.normal(size=(n,))
    if setting["law"] == "skewed":
        noise = rng.exponential(size=(n,)) - 1.0
    elif setting["law"] == "lognormal":
        noise = np.exp(1.2 * rng.normal(size=(n,))) - math.exp(0.72)
    elif setting["law"] == "zeros":
        noise = np.where(rng.random((n,)) < 0.9, 0.0, noise)
    difference = shared + noise
    base = rng.normal(size=n)
    data = {"a": base + difference, "b": base, "passage": passage}
    try:
        result = compare(data, "a", "b", clusters="passage" if each > 1 else None, random_state=rng)
    except EvalFileError as error:
        raise Refused(str(error)) from error
    assert isinstance(result, ComparisonResult)
    half = float(stats.t.ppf(0.975, n - 1) * difference.std(ddof=1) / math.sqrt(n))
    warned = any(check.code == "skewed-scores" for check in result.checks)
    return Trial(
        warned or result.conf_low <= 0.0 <= result.conf_high,
        result.conf_high - result.conf_low,
        abs(float(difference.mean())) <= half,
        2 * half,
        fault_of_interval(result.conf_low, result.conf_high, result.estimate),
    )


def _apart_trial(setting: Setting, rng: np.random.Generator) -> Trial:
    """Pass rates of two systems on items of their own; the reference is Welch's interval."""
    sizes = setting["items"], int(setting["items"] * setting["times"])
    rates = _rate(setting["logit"]), _rate(setting["logit"] + setting["gain"])
    scores = [(rng.random(n) < rate).astype(float) for n, rate in zip(sizes, rates, strict=True)]
    data = {
        "item": np.arange(sum(sizes)),
        "system": np.repeat(["a", "b"], sizes),
        "score": np.concatenate(scores),
    }
    result = compare(data, "b", "a", unpaired="ok", random_state=rng)
    assert isinstance(result, ComparisonResult)
    gain = rates[1] - rates[0]
    low, high = -1.0, 1.0
    if any(np.ptp(values) > 0 for values in scores):
        low, high = stats.ttest_ind(scores[1], scores[0], equal_var=False).confidence_interval(0.95)
    return Trial(
        result.conf_low <= gain <= result.conf_high,
        result.conf_high - result.conf_low,
        bool(low <= gain <= high),
        float(high - low),
        fault_of_interval(result.conf_low, result.conf_high, result.estimate),
    )


def _held_or_said(result: Any, truth: float, known: Float1D) -> Trial:
    """The trial of a mean that holds, or of which it is said that scores are too skewed, beside Student's interval."""
    half = float(stats.t.ppf(0.975, len(known) - 1) * known.std(ddof=1) / math.sqrt(len(known)))
    warned = any(check.code == "skewed-scores" for check in result.checks)
    return Trial(
        warned or result.conf_low <= truth <= result.conf_high,
        result.conf_high - result.conf_low,
        abs(float(known.mean()) - truth) <= half,
        2 * half,
        fault_of_interval(result.conf_low, result.conf_high, result.estimate),
    )


def _mean_score_trial(setting: Setting, rng: np.random.Generator) -> Trial:
    """A mean of costs or times, in passages or not; it holds, or it is said that they are too skewed for it."""
    n, each = setting["items"], setting["each"]
    passage = np.arange(n) // each
    shared = setting["shared"] * rng.normal(size=passage[-1] + 1)[passage]
    score = np.exp(setting["skew"] * (shared + rng.normal(size=(n,)))) + 1.0
    truth = math.exp(setting["skew"] ** 2 * (1.0 + setting["shared"] ** 2) / 2.0) + 1.0
    result = evaluate({"cost": score, "passage": passage}, score="cost", clusters="passage")
    return _held_or_said(result, truth, score)


def _judged_number_trial(setting: Setting, rng: np.random.Generator) -> Trial:
    """A mean of costs of which humans know some and a judge says more or less; it holds, or it is said that they are too skewed."""
    n = int(setting["labels"] * setting["times"])
    log_cost: Float1D = setting["skew"] * rng.normal(size=(n,))
    cost = np.exp(log_cost) + 1.0
    judge = np.exp(log_cost + setting["noise"] * rng.normal(size=(n,)))
    human = np.full(n, np.nan)
    rows = rng.choice(n, setting["labels"], replace=False)
    human[rows] = cost[rows]
    try:
        result = evaluate({"judge": judge, "human": human}, random_state=rng)
    except EvalFileError as error:
        raise Refused(str(error)) from error
    known, truth = cost[rows], math.exp(setting["skew"] ** 2 / 2.0) + 1.0
    return _held_or_said(result, truth, known)


def _number_ranks_trial(setting: Setting, rng: np.random.Generator) -> Trial:
    """Equal systems with scores that are numbers, one of them skewed; none is above another, or it is said that they are too skewed."""
    m, n = setting["systems"], setting["items"]
    scores = setting["shared"] * rng.normal(size=(n, 1)) + rng.normal(size=(n, m))
    scores[:, 0] = np.exp(setting["skew"] * scores[:, 0])
    scores[:, 0] -= math.exp(setting["skew"] ** 2 * (1.0 + setting["shared"] ** 2) / 2.0)
    data = {"item": np.repeat(np.arange(n), m), "system": [f"s{s}" for s in range(m)] * n}
    result = rank({**data, "score": scores.ravel()}, random_state=rng)
    warned = any(check.code == "skewed-scores" for check in result.checks)
    return Trial(warned or not result.above.any(), float(np.mean(result.conf_high - result.conf_low)))


def _battles_trial(setting: Setting, rng: np.random.Generator) -> Trial:
    """Battles of equal systems by prompts that favour some of them: no system is above another."""
    m, n = setting["systems"], setting["prompts"]
    taste = setting["taste"] * rng.normal(size=(n, m))
    pairs = np.array([rng.choice(m, 2, replace=False) for _ in range(n * setting["each"])])
    prompt = np.repeat(np.arange(n), setting["each"])
    gap = taste[prompt, pairs[:, 0]] - taste[prompt, pairs[:, 1]]
    u = rng.random(len(pairs))
    tie = rng.random(len(pairs)) < setting["ties"]
    winner = np.where(tie, "tie", np.where(u < 1 / (1 + np.exp(-gap)), "model_a", "model_b"))
    data = {
        "model_a": [f"s{i}" for i in pairs[:, 0]],
        "model_b": [f"s{i}" for i in pairs[:, 1]],
        "winner": winner.tolist(),
        "prompt": prompt,
    }
    try:
        result = rank(data, battles=("model_a", "model_b"), clusters="prompt", random_state=rng)
    except ValueError as error:
        raise documented(error) from error
    return Trial(not result.above.any(), float(np.mean(result.conf_high - result.conf_low)))


def _release_trial(setting: Setting, rng: np.random.Generator) -> Trial:
    """Wrong answers among those that go out; the reference is a threshold at which the checked ones had so few."""
    n, m, most = setting["checked"], setting["new"], setting["max_false"]

    def draw(size: int) -> tuple[Float1D, Float1D]:
        score = rng.normal(size=size)
        score = np.round(score, 1) if setting["ties"] else score
        chance = 1 / (1 + np.exp(-(setting["logit"] + setting["signal"] * score)))
        return score, (rng.random(size) < chance).astype(float)

    (checked, right), (new, truth) = draw(n), draw(m)
    try:
        result = release(checked, right, new, max_false=most, confidence_level=setting["level"])
    except ValueError as error:
        raise documented(error) from error
    wrong = int(((truth == 0) & result.selected).sum())
    order = np.argsort(-checked)
    fine = np.flatnonzero(np.cumsum(right[order] == 0) * m / n <= most)
    threshold = checked[order][fine[-1]] if len(fine) else math.inf
    naive = int(((truth == 0) & (new >= threshold)).sum())
    return Trial(wrong <= most, reference_held=naive <= most)


def _agreement_trial(setting: Setting, rng: np.random.Generator) -> Trial:
    """Sensitivity of a judge over all answers, from those that humans labelled; the reference is Wald's interval."""
    n, labels = setting["labels"] * 4, setting["labels"]
    truth = rng.random(n) < _rate(setting["logit"])
    u = rng.random(n)
    judge = np.where(truth, u < setting["sensitivity"], u > setting["specificity"])
    human = np.full(n, np.nan)
    human[:labels] = truth[:labels]
    try:
        found = evaluate({"judge": judge.astype(float), "human": human}, random_state=rng).judge
    except EvalFileError as error:
        raise Refused(str(error)) from error
    if isinstance(found, NotApplicable) or "sensitivity" not in found.terms:
        raise Refused("no sensitivity")
    at = found.terms.index("sensitivity")
    low, high, estimate = (float(values[at]) for values in (found.conf_low, found.conf_high, found.estimate))
    if math.isnan(low) and "sensitivity" in found.reasons:
        raise Refused(found.reasons["sensitivity"])
    good = judge[:labels][truth[:labels]]
    wald = 1.96 * math.sqrt(good.mean() * (1 - good.mean()) / len(good)) if len(good) else math.nan
    value = setting["sensitivity"]
    return Trial(
        low <= value <= high,
        high - low,
        bool(abs(good.mean() - value) <= wald) if len(good) else None,
        2 * wald,
        fault_of_interval(low, high, estimate),
    )


def _plan_trial(setting: Setting, rng: np.random.Generator) -> Trial:
    """The number of items that a plan names: whether a study of that size finds the difference."""
    difference = setting["difference"]
    discordance = difference + setting["more"]
    found = plan(difference=difference, discordance=discordance, power=setting["power"])
    if not math.isfinite(found.estimate) or found.estimate > 20_000:
        raise Refused("no affordable number")
    n = int(found.estimate)
    up, down, _ = rng.multinomial(n, [(discordance + difference) / 2, setting["more"] / 2, 1 - discordance])
    # the exact test of McNemar
    return Trial(bool(up > down and stats.binomtest(int(up), int(up + down)).pvalue <= 0.05))


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
    Claim(
        "difference of two systems by a judge and few humans",
        Prior(
            {
                "labels": LogUniform(20, 400, says="items of which humans label both answers"),
                "times": LogUniform(2, 10, whole=False, says="items for each label"),
                "logit": Uniform(-4, 5, says="log odds of a good answer"),
                "gain": Uniform(-1, 1, says="difference of the log odds"),
                "icc": Uniform(0.05, 0.5),
                "sensitivity": Uniform(0.5, 0.999),
                "specificity": Uniform(0.3, 0.999, says="specificity of the judge for one of the systems"),
            }
        ),
        _judged_difference_trial,
        0.95,
        "asymptotic",
        reference="the judge at its word",
    ),
    Claim(
        "difference of two systems whose scores are numbers",
        Prior(
            {
                "items": LogUniform(20, 1000),
                "each": Choice((1, 1, 2, 5), says="items a passage"),
                "shared": Uniform(0, 1.5, says="what the items of a passage share"),
                "law": Choice(("normal", "skewed", "lognormal", "zeros")),
            },
            valid=lambda s: s["items"] // s["each"] >= 10,
        ),
        _numbers_trial,
        _level_of_numbers,
        "asymptotic",
        reference="paired t interval of the rows",
    ),
    Claim(
        "difference of the pass rates of two systems on items of their own",
        Prior(
            {
                "items": LogUniform(10, 1000, says="items of one system"),
                "times": LogUniform(0.5, 50, whole=False, says="items of the other one for each"),
                "logit": Uniform(-5, 5, says="log odds of a good answer"),
                "gain": Uniform(-3, 3, says="difference of the log odds"),
            }
        ),
        _apart_trial,
        0.95,
        "asymptotic",
        reference="Welch's interval",
    ),
    Claim(
        "ranks by battles",
        Prior(
            {
                "systems": Choice((2, 3, 6)),
                "prompts": LogUniform(60, 500),
                "each": Choice((1, 2, 4), says="battles a prompt"),
                "taste": Uniform(0, 1.5, says="how much a prompt favours some of the systems"),
                "ties": Uniform(0, 0.5),
            }
        ),
        _battles_trial,
        0.95,
        "asymptotic",
    ),
    Claim(
        "wrong answers among those that are released unread",
        Prior(
            {
                "checked": LogUniform(20, 1000),
                "new": LogUniform(1, 1000),
                "logit": Uniform(-2, 4, says="log odds of a right answer"),
                "signal": Uniform(0, 3, says="how much the score tells"),
                "ties": Choice((False, True), says="whether scores are rounded"),
                "max_false": Choice((0, 1, 5, 20)),
                "level": Choice((0.8, 0.9, 0.95)),
            }
        ),
        _release_trial,
        lambda setting: float(setting["level"]),
        reference="the threshold at which the checked ones had so few",
    ),
    Claim(
        "sensitivity of a judge",
        Prior(
            {
                "labels": LogUniform(30, 400),
                "logit": Uniform(-3, 4, says="log odds of a good answer"),
                "sensitivity": Uniform(0.5, 0.999),
                "specificity": Uniform(0.3, 0.999),
            }
        ),
        _agreement_trial,
        0.95,
        "asymptotic",
        reference="Wald on the labelled answers",
    ),
    Claim(
        "power of the number of items that a plan names",
        Prior(
            {
                "difference": LogUniform(0.03, 0.3, whole=False),
                "more": Uniform(0.0, 0.5, says="items that differ beyond the difference"),
                "power": Choice((0.5, 0.8, 0.9)),
            }
        ),
        _plan_trial,
        lambda setting: float(setting["power"]),
        "asymptotic",
    ),
    Claim(
        "mean of scores that are numbers",
        Prior(
            {
                "items": LogUniform(20, 2000),
                "each": Choice((1, 1, 2, 5), says="items a passage"),
                "shared": Uniform(0, 1, says="what the items of a passage share"),
                "skew": Uniform(0.05, 1.2, says="standard deviation of the logarithm"),
            },
            valid=lambda s: s["items"] // s["each"] >= 15,
        ),
        _mean_score_trial,
        0.95,
        "asymptotic",
        reference="t interval of the rows",
    ),
    Claim(
        "mean of numbers by a judge and few humans",
        Prior(
            {
                "labels": LogUniform(20, 400, says="human labels"),
                "times": LogUniform(2, 10, whole=False, says="answers for each label"),
                "skew": Uniform(0.05, 1.2, says="standard deviation of the logarithm"),
                "noise": Uniform(0.05, 2, says="standard deviation of the judge's logarithm about it"),
            }
        ),
        _judged_number_trial,
        0.95,
        "asymptotic",
        reference="t interval of the labels alone",
    ),
    Claim(
        "ranks of systems whose scores are numbers",
        Prior(
            {
                "systems": Choice((2, 3, 6)),
                "items": LogUniform(20, 500),
                "shared": Uniform(0, 1, says="what systems share on an item"),
                "skew": Uniform(0.05, 1.2, says="standard deviation of the logarithm for one of the systems"),
            }
        ),
        _number_ranks_trial,
        0.95,
        "asymptotic",
    ),
)
