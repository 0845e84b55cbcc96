"""The cell encoder: NumPy equals torch, invariances, padding, gradient, training."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from validstats.mi import LearnedMI
from validstats.mi.families.default import default_family
from validstats.mi.lost.encoder_cells import encode_cells, side_mask
from validstats.mi.lost.shards_cells import (
    CellGroup,
    cell_groups,
    load_cell_shards,
    make_cell_shard,
    pack_cells,
    plain_shard,
    write_cell_shards,
)
from validstats.mi.lost.statistics_cells import CELL_LIMIT, cell_rows
from validstats.mi.network.forward_pass import (
    NetworkConfig,
    NetworkWeights,
    forward,
    round_weights,
    scale_statistics,
)
from validstats.mi.statistics.table import STATISTIC_NAMES, summarise_data, summarise_smooth

torch = pytest.importorskip("torch")

from validstats.mi.lost.training_cells import smooth_scaling  # noqa: E402
from validstats.mi.network.forward_pass import save_weights  # noqa: E402
from validstats.mi.training.differentiable import DIFFERENTIABLE_STATISTICS, LearnedMIModule  # noqa: E402
from validstats.mi.training.loop import (  # noqa: E402
    Recipe,
    grow_head,
    predict_prepared,
    prepare_sets,
    train_network,
)
from validstats.mi.training.torch_module import QuantileNetwork  # noqa: E402

HYBRID = NetworkConfig(tokens=False, cells=True, width=24, depth=2, encoded=8, cell_width=16, cell_inducing=4)
ALONE = replace(HYBRID, statistics=False)
DEEP = replace(HYBRID, cell_blocks=3)
HEAD = replace(HYBRID, cells=False)


@pytest.fixture(scope="module")
def shard():
    return make_cell_shard(default_family(), 9, 0, 60)


def random_parameters(config, seed=0):
    torch.manual_seed(seed)
    network = QuantileNetwork(config)
    for parameter in network.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return network.parameters_as_arrays()


def weights_for(shard, config):
    scaling = smooth_scaling(shard)
    members = ((config, random_parameters(config)),)
    return round_weights(NetworkWeights(scaling, np.ones((7, 6), dtype=np.int64), members))


def draw(n, dim_x, dim_y, seed=0):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, dim_x))
    return x, x[:, :1] ** 2 + generator.normal(size=(n, dim_y))


@pytest.mark.parametrize("config", [HYBRID, ALONE, DEEP])
def test_numpy_equals_torch(shard, config):
    weights = weights_for(shard, config)
    model = QuantileNetwork(config).load_arrays(weights.members[0][1])
    prepared = prepare_sets(shard, weights.scaling, weights.anchor_table)
    assert np.allclose(forward(shard, weights), predict_prepared(model, prepared), atol=1e-4)


@pytest.mark.parametrize(("n", "dim_x", "dim_y"), [(60, 1, 1), (300, 2, 2), (200, 3, 11), (40, 9, 10)])
def test_invariances(shard, n, dim_x, dim_y):
    weights = weights_for(shard, DEEP)
    x, y = draw(n, dim_x, dim_y)
    rows = np.random.default_rng(1).permutation(n)
    variants = [
        (x[rows], y[rows]),
        (x[:, ::-1], y[:, ::-1]),
        (y, x),
        (np.exp(x), y**3 + y),
    ]
    value = forward(pack_cells([summarise_data(x, y)]), weights)
    for a, b in variants:
        assert np.abs(forward(pack_cells([summarise_data(a, b)]), weights) - value).max() <= 1e-8


def test_the_encoder_itself_is_invariant():
    # The canonical order hides what the network would do with another one.
    parameters = random_parameters(DEEP)
    generator = np.random.default_rng(0)
    cells = generator.normal(size=(2, 20, 5))
    mask = np.ones((2, 20), dtype=bool)

    def encode(values, split):
        return encode_cells([CellGroup(np.arange(2), values, mask, split)], parameters, DEEP)

    value = encode(cells, 2)
    assert np.abs(encode(cells[:, generator.permutation(20)], 2) - value).max() <= 1e-10
    assert np.abs(encode(cells[:, :, [1, 0, 4, 2, 3]], 2) - value).max() <= 1e-10
    assert np.abs(encode(cells[:, :, [2, 3, 4, 0, 1]], 3) - value).max() <= 1e-10
    assert np.abs(encode(cells[:, :, [0, 2, 1, 3, 4]], 2) - value).max() > 1e-4


def test_padding_changes_nothing():
    parameters = random_parameters(DEEP)
    cells = np.random.default_rng(0).normal(size=(1, 12, 3))
    padded = np.concatenate([cells, np.full((1, 9, 3), 3.0)], axis=1)
    mask = np.arange(21)[None, :] < 12
    groups = [CellGroup(np.arange(1), c, m, 1) for c, m in ((cells, mask[:, :12]), (padded, mask))]
    values = [encode_cells([group], parameters, DEEP) for group in groups]
    assert np.abs(values[0] - values[1]).max() <= 1e-10


def test_a_batch_is_its_sets_one_by_one(shard):
    weights = weights_for(shard, HYBRID)
    single = [forward(shard.select(np.array([i])), weights)[0] for i in range(len(shard))]
    assert np.abs(forward(shard, weights) - np.array(single)).max() <= 1e-10


def test_heads_read_either_side():
    mask = side_mask(2, 5, 4)
    assert mask[0].sum(axis=1).tolist() == [2, 2, 3, 3, 3]
    assert (mask[3] == ~mask[0]).all()


def test_groups_hold_every_set(shard):
    groups = cell_groups(shard.cells, shard.cell_counts)
    assert sorted(np.concatenate([g.positions for g in groups])) == list(range(len(shard)))
    for group in groups:
        i = group.positions[-1]
        rows, first, second = shard.cell_counts[i]
        assert group.split == first
        block = shard.cells[i, : rows * (first + second)].reshape(rows, first + second)
        assert np.array_equal(group.cells[-1][group.mask[-1]], block)


def test_at_most_so_many_cells():
    x, y = draw(500, 12, 20)
    first, second = summarise_data(x, y).cells
    assert first.shape == second.shape == (32, 8)
    assert all(cell_rows(10**6, c) * c <= CELL_LIMIT for c in range(2, 17))


def test_smooth_summary_is_part_of_the_full_one():
    x, y = draw(80, 2, 4)
    full, smooth = summarise_data(x, y), summarise_smooth(x, y)
    chosen = np.isin(STATISTIC_NAMES, DIFFERENTIABLE_STATISTICS)
    assert np.array_equal(full.statistics[chosen], smooth.statistics[chosen])
    assert full.anchors[1] == smooth.anchors[1]
    assert all(np.array_equal(a, b) for a, b in zip(full.cells, smooth.cells, strict=True))


def test_statistics_that_are_not_read_are_exactly_zero(shard):
    # The support check compares data that have them with calibration sets that lack them.
    scaled = scale_statistics(summarise_data(*draw(80, 2, 4)).statistics, smooth_scaling(shard))
    unread = ~np.isin(STATISTIC_NAMES, DIFFERENTIABLE_STATISTICS)
    assert not scaled[unread].any()
    assert scaled[~unread].any()


def test_shards_are_written_once_and_read_back(tmp_path):
    def write():
        return list(write_cell_shards(default_family(), 4, range(2), tmp_path, size=6))

    paths = write()
    stamps = [path.stat().st_mtime_ns for path in paths]
    assert [path.stat().st_mtime_ns for path in write()] == stamps
    both, second = load_cell_shards(paths), make_cell_shard(default_family(), 4, 6, 6)
    assert np.array_equal(both.cells[-len(second) :], second.cells)
    assert both.cells.dtype == np.float16
    assert np.array_equal(plain_shard(both).truth, both.truth)


def test_module_with_cells_is_the_network_in_numpy(shard, tmp_path):
    weights = weights_for(shard, HYBRID)
    save_weights(weights, tmp_path / "w.npz")
    module = LearnedMIModule(temperature=1e-6, weights=tmp_path / "w.npz")
    for n, dim_x, dim_y in ((60, 1, 1), (300, 2, 3), (100, 9, 10)):
        x, y = draw(n, dim_x, dim_y)
        value = module.quantiles(torch.as_tensor(x), torch.as_tensor(y)).numpy()
        assert np.abs(forward(pack_cells([summarise_data(x, y)]), weights)[0] - value).max() <= 1e-4


def test_gradient_agrees_with_differences(shard, tmp_path):
    save_weights(weights_for(shard, HYBRID), tmp_path / "w.npz")
    module = LearnedMIModule(weights=tmp_path / "w.npz")
    x, y = (torch.as_tensor(side) for side in draw(160, 2, 2))
    y.requires_grad_()
    module(x, y).backward()
    generator = np.random.default_rng(0)
    for _ in range(4):
        step = torch.as_tensor(generator.normal(size=(160, 2)))
        with torch.no_grad():
            up, down = module(x, y + 1e-6 * step), module(x, y - 1e-6 * step)
        assert float((y.grad * step).sum()) == pytest.approx(float(up - down) / 2e-6, rel=2e-3, abs=1e-6)


def test_training_lowers_the_loss_from_the_head(shard):
    pool = make_cell_shard(default_family(), 10, 0, 200)
    weights = weights_for(pool, HEAD)
    train, held = (prepare_sets(sets, weights.scaling, weights.anchor_table) for sets in (pool, shard))
    recipe = Recipe(epochs=3, batch_size=32, seed=1)
    head, _ = train_network(train, held, HEAD, recipe)
    start = QuantileNetwork(HYBRID)
    start.load_arrays(grow_head(start.parameters_as_arrays(), head))
    same = QuantileNetwork(HEAD).load_arrays(head)
    assert np.allclose(predict_prepared(start, held), predict_prepared(same, held), atol=1e-5)
    _, log = train_network(train, held, HYBRID, recipe, initial=head)
    assert log[-1]["train"] < log[0]["train"]


def test_the_command_trains_the_variant_and_ships_the_better(tmp_path, monkeypatch):
    from validstats.mi.lost import training_cells
    from validstats.mi.training import recipes as train

    def pool(folder, numbers):
        return make_cell_shard(default_family(), 11, numbers.start, 240)

    monkeypatch.setattr(train, "draw_shards", lambda *arguments: None)
    monkeypatch.setattr(train, "cell_pool", pool)
    monkeypatch.setattr(training_cells, "HEAD_RECIPE", Recipe(epochs=2, batch_size=32))
    monkeypatch.setattr(training_cells, "CELL_RECIPE", Recipe(epochs=1, batch_size=32))
    out, again = tmp_path / "w.npz", tmp_path / "again.npz"
    command = ["--differentiable", "--shards", str(tmp_path), "--sets", "0"]
    train.main([*command, "--out", str(out)])
    card = json.loads(out.with_suffix(".json").read_text())
    losses = [min(entry["validation"] for entry in network["log"]) for network in card["networks"]]
    assert card["ships"] == int(np.argmin(losses))
    assert card["training_sets"] == 180
    assert "ksg_mae" not in card["test"]["all"]
    x, y = draw(100, 2, 2)
    served = LearnedMI(weights=out).fit().infer(x, y)
    value = LearnedMIModule(temperature=1e-6, weights=out)(torch.as_tensor(x), torch.as_tensor(y))
    assert max(float(value), 0.0) == pytest.approx(served.estimate, abs=1e-4)
    train.main([*command, "--out", str(again), "--initial", str(out), "--cell-epochs", "0"])
    card = json.loads(again.with_suffix(".json").read_text())
    assert card["initial"]["training_sets"] == card["training_sets"] == 180
    assert len(card["networks"]) == 1
    assert card["networks"][0]["recipe"]["learning_rate"] < 1e-3
