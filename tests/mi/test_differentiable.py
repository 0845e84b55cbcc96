"""The differentiable module: the same statistics as in NumPy, gradients against differences, a training loop."""

from __future__ import annotations

import numpy as np
import pytest

from validstats.mi import LearnedMI
from validstats.mi.statistics import STATISTIC_NAMES, summarise_data

torch = pytest.importorskip("torch")

from validstats.mi.training.differentiable import (  # noqa: E402
    DIFFERENTIABLE_STATISTICS,
    LearnedMIModule,
    smooth_statistics,
    soft_normal_scores,
)


@pytest.fixture(scope="module")
def module():
    return LearnedMIModule()


def draw(n, dim_x, dim_y, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, dim_x, dtype=torch.float64, generator=generator)
    y = x[:, :1] ** 2 + x[:, :1] + torch.randn(n, dim_y, dtype=torch.float64, generator=generator)
    return x, y


@pytest.mark.parametrize(("n", "dim_x", "dim_y"), [(60, 1, 1), (80, 2, 4), (12, 5, 6)])
def test_statistics_equal_those_in_numpy(n, dim_x, dim_y):
    x, y = draw(n, dim_x, dim_y)
    scores = [soft_normal_scores(side, 1e-6) for side in (x, y)]
    smooth = smooth_statistics(*scores)
    exact = dict(zip(STATISTIC_NAMES, summarise_data(x.numpy(), y.numpy()).statistics, strict=True))
    assert set(DIFFERENTIABLE_STATISTICS) == set(smooth)
    for name in DIFFERENTIABLE_STATISTICS:
        assert float(smooth[name]) == pytest.approx(exact[name], abs=1e-6), name


def test_gradient_agrees_with_differences(module):
    x, y = draw(30, 2, 2)
    y.requires_grad_()
    module(x, y).backward()
    generator = np.random.default_rng(0)
    for _ in range(6):
        step = torch.as_tensor(generator.normal(size=(30, 2)))
        with torch.no_grad():
            up, down = module(x, y + 1e-5 * step), module(x, y - 1e-5 * step)
        difference = float(up - down) / 2e-5
        assert float((y.grad * step).sum()) == pytest.approx(difference, rel=2e-3, abs=1e-6)


@pytest.mark.parametrize(("n", "dim_x", "dim_y"), [(100, 1, 1), (200, 3, 2), (60, 5, 5)])
def test_module_is_the_estimator_with_the_same_weights(n, dim_x, dim_y):
    x, y = draw(n, dim_x, dim_y)
    served = LearnedMI(weights="differentiable").fit().predict(x.numpy(), y.numpy())
    assert float(LearnedMIModule(temperature=1e-6)(x, y)) == pytest.approx(served, abs=1e-4)


def test_value_is_near_the_truth(module):
    generator = np.random.default_rng(1)
    x = generator.normal(size=(400, 2))
    y = x + generator.normal(size=(400, 2))
    value = float(module(torch.as_tensor(x), torch.as_tensor(y)))
    assert value == pytest.approx(np.log(2), abs=0.15)


@pytest.mark.slow
def test_training_loop_finds_the_informative_direction(module):
    x, _ = draw(150, 3, 1, seed=3)
    target = x[:, 1:2] + 0.3 * torch.randn(
        150, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(5)
    )
    weight = torch.tensor([[1.0], [0.8], [-1.0]], dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([weight], lr=0.1)
    first = float(module(x @ weight, target).detach())
    for _ in range(40):
        loss = -module(x @ weight, target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert -float(loss.detach()) > first + 0.3
    direction = (weight / weight.norm()).detach().abs().ravel()
    assert direction[1] > 0.95


def test_bad_shapes_are_refused(module):
    with pytest.raises(ValueError, match="same 10 or more rows"):
        module(torch.zeros(9, 1), torch.zeros(9, 1))
    with pytest.raises(ValueError, match="same 10 or more rows"):
        module(torch.zeros(20), torch.zeros(20))
