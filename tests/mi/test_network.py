"""The network: torch twin, quantiles, storage, training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.oracles import mi as oracle
from validstats.mi import default_family
from validstats.mi.network import (
    QUANTILE_LEVELS,
    NetworkConfig,
    NetworkWeights,
    anchor_values,
    forward,
    from_log_scale,
    load_weights,
    member_stack,
    residual_scale,
    round_weights,
    save_weights,
    shipped_weights_path,
    to_log_scale,
)
from validstats.mi.training.loop import choose_anchors, fit_scaling, pinball, prepare_sets
from validstats.mi.training.shards import make_shard

torch = pytest.importorskip("torch")

from validstats.mi.training.loop import Recipe, predict_prepared, train_network  # noqa: E402
from validstats.mi.training.torch_module import QuantileNetwork, pinball_loss  # noqa: E402

HEAD = NetworkConfig(width=24, depth=2)
GATED = NetworkConfig(width=24, depth=2, gate=True)


@pytest.fixture(scope="module")
def shard():
    """Sets that networks read at once: none as pairs, whose answers are added outside of the networks."""
    drawn = make_shard(default_family(), 9, 0, 60)
    return replace(drawn, pairs=drawn.pairs.select(np.arange(0)), pair_of=drawn.pair_of[:0])


def weights_for(shard, *configs):
    torch.manual_seed(0)
    networks = [QuantileNetwork(config) for config in configs]
    for network in networks:
        for parameter in network.parameters():
            parameter.data += 0.05 * torch.randn_like(parameter)
    members = tuple(
        (config, network.parameters_as_arrays()) for config, network in zip(configs, networks, strict=True)
    )
    return round_weights(
        NetworkWeights(fit_scaling(shard), choose_anchors(shard), members, {"family": "a test"})
    )


@pytest.mark.slow
@pytest.mark.parametrize("config", [HEAD, GATED])
def test_numpy_equals_torch(shard, config):
    weights = weights_for(shard, config)
    model = QuantileNetwork(config).load_arrays(weights.members[0][1])
    prepared = prepare_sets(shard, weights.scaling, weights.anchor_table)
    assert np.allclose(forward(shard, weights), predict_prepared(model, prepared), atol=1e-4)


@pytest.mark.slow
def test_a_second_stage_with_its_rules_is_the_same_in_numpy_and_torch(shard):
    weights = load_weights(shipped_weights_path())
    config, parameters = weights.members[0]
    prepared = prepare_sets(shard, weights.scaling, weights.anchor_table, weights.first)
    model = QuantileNetwork(config).load_arrays(parameters)
    assert np.allclose(member_stack(shard, weights)[0], predict_prepared(model, prepared), atol=1e-4)


def test_quantiles_increase_and_average(shard):
    weights = weights_for(shard, GATED, HEAD)
    quantiles = forward(shard, weights)
    assert (np.diff(quantiles, axis=1) > 0).all()
    assert np.allclose(quantiles, member_stack(shard, weights, batch_size=7).mean(axis=0))


def test_residual_scale_shrinks_with_n():
    shape = np.array([[100, 1, 1], [10_000, 1, 1], [100, 10, 10], [10_000, 10, 10]])
    scale = residual_scale(shape)
    assert scale[1] == pytest.approx(0.08)
    assert scale[1] < scale[0]
    assert scale[3] <= scale[2] <= 1


def test_anchor_of_univariate_data_is_ksg_on_all_points(shard):
    weights = weights_for(shard, HEAD)
    single = (shard.shape[:, 1] == 1) & (shard.shape[:, 2] == 1)
    assert single.any()
    expected = to_log_scale(shard.anchors[single, 0].astype(float))
    assert np.allclose(anchor_values(shard, weights.anchor_table)[single], expected)


def test_log_scale_round_trip():
    values = np.array([0.0, 0.01, 0.5, 3.0, 30.0])
    assert np.allclose(from_log_scale(to_log_scale(values)), values)
    assert from_log_scale(np.array([-1.0]))[0] == 0.0
    assert to_log_scale(np.array([-0.3]))[0] == 0.0


def test_pinball_matches_the_oracle(shard):
    generator = np.random.default_rng(0)
    quantiles = np.sort(generator.normal(size=(5, len(QUANTILE_LEVELS))), axis=1)
    target = generator.normal(size=5)
    want = [oracle.pinball(q, QUANTILE_LEVELS, t) for q, t in zip(quantiles, target, strict=True)]
    assert np.allclose(pinball(quantiles, target), want)
    assert np.allclose(pinball_loss(torch.tensor(quantiles), torch.tensor(target)).numpy(), want, atol=1e-6)


def test_weights_survive_storage(shard, tmp_path):
    weights = weights_for(shard, GATED, HEAD)
    save_weights(weights, tmp_path / "w.npz", {"extra": np.ones(3)})
    again = load_weights(tmp_path / "w.npz")
    assert again.card["family"] == "a test"
    assert [config for config, _ in again.members] == [GATED, HEAD]
    assert np.allclose(forward(shard, weights), forward(shard, again), atol=1e-12)


@pytest.mark.slow
def test_training_lowers_the_loss_and_resumes(shard, tmp_path):
    pool = make_shard(default_family(), 10, 0, 200)
    scaling, table = fit_scaling(pool), choose_anchors(pool)
    train = prepare_sets(pool, scaling, table)
    held = prepare_sets(shard, scaling, table)
    seen = []
    recipe = Recipe(epochs=4, batch_size=32, seed=1, patience=10)
    parameters, log = train_network(train, held, GATED, recipe, seen.append, tmp_path / "state.pt")
    assert len(seen) == 4
    assert log[-1]["train"] < log[0]["train"]
    again, same = train_network(train, held, GATED, recipe, seen.append, tmp_path / "state.pt")
    assert len(seen) == 4
    assert same == log
    assert all(np.array_equal(parameters[k], again[k]) for k in parameters)
