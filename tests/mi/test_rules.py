"""What the network may not overrule: splits into pairs, tables, and lower limits from summaries."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from validstats.mi import LearnedMI
from validstats.mi.families import FAMILY_NAMES, default_family
from validstats.mi.network import (
    BELOW,
    FIRST_STAGE,
    FREE,
    MEDIAN,
    STRUCTURE,
    allowed_candidates,
    forward,
    is_split,
    is_table,
    least_information,
    member_stack,
    ruling,
    shift_share,
    to_log_scale,
)
from validstats.mi.statistics import ANCHOR_NAMES, pack_summaries, summarise_data
from validstats.mi.training.shards import make_shard


def summary(x, y):
    return pack_summaries([summarise_data(np.asarray(x, float), np.asarray(y, float))])


def bent_pairs(n, dim=3, seed=0):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, dim))
    return x, np.log(np.abs(x) + 0.2) + 0.3 * generator.normal(size=(n, dim))


def test_aligned_pairs_are_a_split_and_others_are_not():
    assert is_split(summary(*bent_pairs(500)))[0]
    assert not is_split(summary(*bent_pairs(150)))[0]
    generator = np.random.default_rng(1)
    x = generator.normal(size=(800, 3))
    product = np.column_stack([x[:, 0] * x[:, 1], np.abs(x[:, 2])]) + 0.4 * generator.normal(size=(800, 2))
    assert not is_split(summary(x, product))[0]
    # Pairwise independent columns whose signs are tied: the sum over pairs would be too large (3.74 for 3.50).
    z = generator.normal(size=(2000, 3))
    z[:, 2] = np.abs(z[:, 2]) * np.sign(z[:, 0] * z[:, 1])
    assert not is_split(summary(z, z + 0.3 * generator.normal(size=z.shape)))[0]
    rotated = bent_pairs(800)
    rotation = np.linalg.qr(generator.normal(size=(3, 3)))[0]
    assert not is_split(summary(rotated[0] @ rotation, rotated[1]))[0]


def test_of_a_split_the_sum_over_blocks_is_kept_whatever_the_networks_say():
    weights = LearnedMI().fit().weights_
    sets = summary(*bent_pairs(600))
    assert ruling(sets)[0] == STRUCTURE
    assert np.flatnonzero(allowed_candidates(sets)[0]).tolist() == [ANCHOR_NAMES.index("blocks")]
    blocks = to_log_scale(sets.anchors[0, ANCHOR_NAMES.index("blocks")].astype(float))
    scale = sets.scales[0, ANCHOR_NAMES.index("blocks")]
    assert scale == pytest.approx(8 / np.sqrt(600), rel=1e-6)
    # Nothing of the first stage and of other candidates enters: changing them moves the answer by the residual alone.
    other = replace(
        sets,
        anchors=np.where(np.arange(len(ANCHOR_NAMES)) == ANCHOR_NAMES.index("gaussian"), 0.0, sets.anchors),
    )
    assert np.abs(forward(sets, weights) - forward(other, weights)).max() < 1e-12
    kept = shift_share(sets)[0]
    assert kept == pytest.approx(np.sqrt(200 / 600))
    assert abs(forward(sets, weights)[0, MEDIAN] - blocks) < kept * scale


def test_tables_are_answered_by_candidates_of_tables():
    generator = np.random.default_rng(2)
    x = generator.integers(0, 4, (400, 3))
    y = np.abs(x[:, 0] - x[:, 2])
    sets = summary(x, y[:, None])
    assert is_table(sets)[0] and ruling(sets)[0] == STRUCTURE
    names = {ANCHOR_NAMES[i] for i in np.flatnonzero(allowed_candidates(sets)[0])}
    assert names <= {"table", "log_loss", "chosen_columns"} and "table" in names
    assert not is_table(summary(x[:90], y[:90, None]))[0]
    assert not is_table(summary(generator.normal(size=(400, 2)), y[:, None]))[0]


def test_the_median_of_a_table_is_a_mixture_of_its_candidates_and_the_spread_is_the_network_s():
    generator = np.random.default_rng(5)
    x = generator.integers(0, 4, (600, 3))
    y = np.where(generator.random(600) < 0.2, generator.integers(0, 4, 600), np.abs(x[:, 0] - x[:, 2]))
    sets = summary(x, y[:, None])
    assert shift_share(sets)[0] == 0.0
    for name in ("shipped", "evaluation"):
        weights = LearnedMI(weights=name).fit().weights_
        candidates = to_log_scale(sets.anchors[0, allowed_candidates(sets)[0]].astype(float))
        quantiles = member_stack(sets, weights)[:, 0]
        assert (candidates.min() - 1e-9 <= quantiles[:, MEDIAN]).all()
        assert (quantiles[:, MEDIAN] <= candidates.max() + 1e-9).all()
        assert (np.diff(quantiles, axis=1) > 0).all()
    # Where networks are free they keep all of their shift.
    free = summary(generator.normal(size=(300, 3)), generator.normal(size=(300, 2)))
    assert ruling(free)[0] == FREE and shift_share(free)[0] == 1.0


def test_two_single_columns_are_left_to_the_first_stage():
    generator = np.random.default_rng(3)
    x = generator.normal(size=(300, 1))
    sets = summary(x, x + generator.normal(size=(300, 1)))
    weights = LearnedMI().fit().weights_
    assert ruling(sets)[0] == FIRST_STAGE and least_information(sets)[0] == 0
    assert np.abs(forward(sets, weights) - forward(sets, weights.first)).max() < 1e-12
    many = generator.normal(size=(300, 4))
    assert ruling(summary(many, many[:, :1] * many[:, 1:2] + generator.normal(size=(300, 1))))[0] == FREE


def test_the_median_is_at_least_what_a_summary_shows():
    generator = np.random.default_rng(4)
    x = generator.normal(size=(1500, 12))
    sets = summary(x, 1.2 * np.linalg.norm(x, axis=1, keepdims=True) + 0.3 * generator.normal(size=(1500, 1)))
    least = least_information(sets)[0]
    radius = sets.anchors[0, ANCHOR_NAMES.index("radius")]
    assert 0.6 < least == pytest.approx(
        np.nanmax([sets.anchors[0, ANCHOR_NAMES.index(name)] for name in ("summary", "summaries", "radius")])
        - BELOW / np.sqrt(1500), abs=1e-6,
    )  # fmt: skip
    assert radius > 0.9
    for name in ("shipped", "evaluation"):
        weights = LearnedMI(weights=name).fit().weights_
        assert (member_stack(sets, weights)[:, 0, MEDIAN] >= to_log_scale(least) - 1e-9).all()


@pytest.mark.validity
def test_lower_limits_are_seldom_above_the_truth_and_splits_are_right():
    """On fresh sets of all families; the naive limit, the largest summary itself, is above the truth far more often."""
    shard = make_shard(default_family(), 4321, 0, 500)
    truth = to_log_scale(shard.truth)
    above = to_log_scale(least_information(shard)) > truth + 0.05
    assert above.mean() < 0.02
    naive = np.nanmax(np.where(np.isfinite(shard.anchors), shard.anchors, 0.0)[:, 4:6], axis=1)
    assert (to_log_scale(naive) > truth + 0.05).mean() > 0.05
    split = is_split(shard)
    assert split.sum() >= 15
    assert set(np.array(FAMILY_NAMES)[shard.family[split]]) & {"aligned", "sparse", "pairs"}
    blocks = to_log_scale(shard.anchors[split, ANCHOR_NAMES.index("blocks")].astype(float))
    # A sum over blocks errs low, by the bias of nearest neighbours.
    assert np.quantile(blocks - truth[split], 0.9) < 0.1
