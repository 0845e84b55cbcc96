"""Estimating equations in any order, with zeros on the diagonal: kappa, precision, F1."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from validstats.dsl.moments import (
    Moment,
    RegressionRows,
    UserMoment,
    find_root,
    invert_bread,
    singular_reason,
)

RNG = np.random.default_rng(0)
HUMAN = (RNG.random(400) < 0.3).astype(float)
JUDGE = np.where(RNG.random(400) < 0.85, HUMAN, 1 - HUMAN)


def kappa_equations(columns, b):
    """Share of humans, share of the judge, agreement, and kappa: ``k (1 - e) = a - e``."""
    p, q, a, k = b
    human, judge = columns["human"], columns["judge"]
    chance = p * q + (1 - p) * (1 - q)
    agree = human * judge + (1 - human) * (1 - judge)
    return np.column_stack(
        [human - p, judge - q, agree - a, np.full(len(human), a - chance - k * (1 - chance))]
    )


def f1_equations(columns, b):
    """Precision, recall and their harmonic mean; each of the first two on the rows it speaks of."""
    precision, recall, f1 = b
    human, judge = columns["human"], columns["judge"]
    harmonic = 2 * precision * recall - f1 * (precision + recall)
    return np.column_stack(
        [judge * (human - precision), human * (judge - recall), np.full(len(human), harmonic)]
    )


def solved(equations, start, order):
    moment = UserMoment(
        Moment(score=lambda c, b: equations(c, b)[:, list(order)], variables=("human", "judge"), start=start)
    )
    rows = RegressionRows(y=np.zeros(400), X=np.zeros((400, 0)), columns={"human": HUMAN, "judge": JUDGE})
    ones = np.ones(400)
    newton = find_root(
        lambda b: moment.score(rows, b).mean(axis=0),
        lambda b: moment.jacobian(rows, b, ones) / 400,
        np.array(start),
    )
    bread = invert_bread(moment.jacobian(rows, newton.params, ones) / 400)
    assert bread is not None
    influence = moment.score(rows, newton.params) @ bread.T
    return newton, np.sqrt(np.sum(influence**2, axis=0)) / 400


def test_kappa_is_the_same_in_every_order_of_its_equations():
    p, q = HUMAN.mean(), JUDGE.mean()
    chance = p * q + (1 - p) * (1 - q)
    kappa = (np.mean(HUMAN == JUDGE) - chance) / (1 - chance)
    first, errors = solved(kappa_equations, (0.5, 0.5, 0.7, 0.2), range(4))
    assert first.converged
    assert first.params[3] == pytest.approx(kappa, abs=1e-9)
    for order in permutations(range(4)):
        newton, other = solved(kappa_equations, (0.5, 0.5, 0.7, 0.2), order)
        assert newton.converged
        assert newton.params == pytest.approx(first.params, abs=1e-9)
        assert other == pytest.approx(errors, abs=1e-9)


def test_precision_recall_and_f1_in_every_order():
    precision = HUMAN[JUDGE == 1].mean()
    recall = JUDGE[HUMAN == 1].mean()
    expected = [precision, recall, 2 * precision * recall / (precision + recall)]
    for order in permutations(range(3)):
        newton, _ = solved(f1_equations, (0.5, 0.5, 0.5), order)
        assert newton.converged
        assert newton.params == pytest.approx(expected, abs=1e-9)


def test_a_zero_on_the_diagonal_is_no_obstacle():
    jacobian = np.array([[0.0, 2.0], [3.0, 0.0]])
    assert invert_bread(jacobian) == pytest.approx(np.linalg.inv(jacobian))
    badly_scaled = np.diag([1e-9, 1.0, 1e9])[[2, 0, 1]]
    assert invert_bread(badly_scaled) == pytest.approx(np.linalg.inv(badly_scaled))


def test_singular_jacobians_say_why():
    names = ["a", "b", "c"]
    assert singular_reason(np.eye(3), names) is None
    assert "equation 2 does not depend" in singular_reason(np.diag([1.0, 0.0, 2.0]), names)
    no_c = np.array([[1.0, 2.0, 0.0], [3.0, 1.0, 0.0], [1.0, 1.0, 0.0]])
    assert "no equation depends on the parameter 'c'" in singular_reason(no_c, names)
    alike = np.array([[1.0, 1.0, 0.0], [2.0, 2.0, 1.0], [3.0, 3.0, 5.0]])
    assert "'a', 'b' apart" in singular_reason(alike, names)
    assert "not finite" in singular_reason(np.full((3, 3), np.nan), names)
