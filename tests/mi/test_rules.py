"""What the network may not overrule: sums over independent pairs, tables, and lower limits from summaries."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from validstats.mi import LearnedMI
from validstats.mi.anchors import SPLIT_ROWS
from validstats.mi.families import FAMILY_NAMES, default_family
from validstats.mi.network import (
    BELOW,
    FIRST_STAGE,
    FREE,
    MEDIAN,
    STRUCTURE,
    allowed_candidates,
    forward,
    from_log_scale,
    is_table,
    least_information,
    member_stack,
    ruling,
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


def pairs(x, y):
    return summarise_data(np.asarray(x, float), np.asarray(y, float)).pairs


def test_aligned_pairs_are_a_split_and_others_are_not():
    assert len(pairs(*bent_pairs(500))) == len(pairs(*bent_pairs(80))) == 3
    assert pairs(*bent_pairs(SPLIT_ROWS - 1)) == () == pairs(*bent_pairs(500, dim=1))
    generator = np.random.default_rng(1)
    x = generator.normal(size=(800, 3))
    product = np.column_stack([x[:, 0] * x[:, 1], np.abs(x[:, 2])]) + 0.4 * generator.normal(size=(800, 2))
    assert pairs(x, product) == ()
    # Pairwise independent columns whose signs are tied: the sum over pairs would be too large (3.74 for 3.50).
    z = generator.normal(size=(2000, 3))
    z[:, 2] = np.abs(z[:, 2]) * np.sign(z[:, 0] * z[:, 1])
    assert pairs(z, z + 0.3 * generator.normal(size=z.shape)) == ()
    rotated = bent_pairs(800)
    rotation = np.linalg.qr(generator.normal(size=(3, 3)))[0]
    assert pairs(rotated[0] @ rotation, rotated[1]) == ()
    # A column without a partner is taken as noise from 200 rows on, where a partner would have been found.
    for n, count in ((150, 0), (250, 2)):
        one, other = bent_pairs(n)
        other[:, 2] = generator.normal(size=n)
        assert len(pairs(one, other)) == count
    # Where a Gaussian model sees all there is, the columns are read at once.
    assert pairs(x, x + generator.normal(size=x.shape)) == ()


def test_one_column_that_matters_is_read_alone():
    generator = np.random.default_rng(6)
    x = generator.normal(size=(300, 10))
    y = np.cos(2 * x[:, 4:5]) + 0.3 * generator.normal(size=(300, 1))
    assert len(pairs(x, y)) == 1
    weights = LearnedMI().fit().weights_
    alone = summary(x[:, 4:5], y)
    np.testing.assert_allclose(forward(summary(x, y), weights), forward(alone, weights), atol=1e-6)


@pytest.mark.parametrize("name", ["shipped", "evaluation"])
def test_information_of_independent_pairs_is_the_sum_over_them(name):
    weights = LearnedMI(weights=name).fit().weights_
    x, y = bent_pairs(150)
    other = np.random.default_rng(7).normal(size=(150, 2))
    sets = pack_summaries(
        [summarise_data(*both) for both in ((other, other[:, ::-1] ** 2), (x, y), (x[:, :2], y[:, :2]))]
    )
    assert sets.pair_of.tolist() == [0, 0, 1, 1, 1, 2, 2]
    alone = [[summary(x[:, [k]], y[:, [k]]) for k in range(count)] for count in (3, 2)]
    found = forward(sets, weights)
    for row, each in zip(found[1:], alone, strict=True):
        np.testing.assert_allclose(row, sum_over_pairs([forward(one, weights)[0] for one in each]), atol=1e-6)
    chosen = forward(sets.select(np.array([2, 1])), weights)
    np.testing.assert_allclose(chosen, found[[2, 1]], atol=1e-12)


def test_networks_that_saw_no_single_columns_read_all_columns_at_once():
    weights = LearnedMI().fit().weights_
    other = replace(weights, card=weights.card | {"reads_pairs": False})
    sets = summary(*bent_pairs(150))
    bare = replace(sets, pairs=sets.pairs.select(np.arange(0)), pair_of=sets.pair_of[:0])
    np.testing.assert_array_equal(forward(sets, other), forward(bare, weights))
    assert np.abs(forward(sets, other) - forward(sets, weights)).max() > 0.1


def sum_over_pairs(quantiles):
    """Medians add in nats; deviations on the logarithmic scale L add, weighted by dI / dL = (1 + 2 I) / 2."""
    medians = [max(math.expm1(row[MEDIAN]) / 2, 0.0) for row in quantiles]
    total = sum(medians)
    out = []
    for k in range(len(quantiles[0])):
        parts = [(1 + 2 * m) * (row[k] - row[MEDIAN]) for m, row in zip(medians, quantiles, strict=True)]
        out.append(math.log1p(2 * total) + sum(parts) / (1 + 2 * total))
    return out


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
    for name in ("shipped", "evaluation"):
        weights = LearnedMI(weights=name).fit().weights_
        candidates = to_log_scale(sets.anchors[0, allowed_candidates(sets)[0]].astype(float))
        quantiles = member_stack(sets, weights)[:, 0]
        assert (candidates.min() - 1e-9 <= quantiles[:, MEDIAN]).all()
        assert (quantiles[:, MEDIAN] <= candidates.max() + 1e-9).all()
        assert (np.diff(quantiles, axis=1) > 0).all()
    free = summary(generator.normal(size=(300, 3)), generator.normal(size=(300, 2)))
    assert ruling(free)[0] == FREE


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
    split = np.unique(shard.pair_of)
    assert len(split) >= 25
    assert set(np.array(FAMILY_NAMES)[shard.family[split]]) & {"aligned", "sparse", "pairs"}
    # A sum over pairs by nearest neighbours errs low; that of learned answers errs far less, and seldom high.
    blocks = shard.anchors[split, ANCHOR_NAMES.index("blocks")]
    learned = from_log_scale(forward(shard, LearnedMI().fit().weights_)[split, MEDIAN])
    errors = [np.abs(found - shard.truth[split]).mean() for found in (learned, blocks)]
    assert errors[0] < 0.6 * errors[1]
    assert np.quantile(to_log_scale(learned) - truth[split], 0.9) < 0.1


def test_few_rows_are_left_to_the_first_stage_above_what_a_summary_shows():
    for name in ("shipped", "evaluation"):
        weights = LearnedMI(weights=name).fit().weights_
        for n, rule in ((10, FIRST_STAGE), (19, FIRST_STAGE), (20, FREE)):
            for seed in range(4):
                generator = np.random.default_rng(seed)
                x = generator.normal(size=(n, 3))
                sets = summary(x, x[:, :2] + 0.2 * seed * generator.normal(size=(n, 2)))
                assert ruling(sets)[0] == rule
                first, whole = forward(sets, weights.first)[0], forward(sets, weights)[0]
                shift = max(to_log_scale(least_information(sets))[0] - first[MEDIAN], 0.0)
                assert np.allclose(whole, first + shift, rtol=0, atol=1e-12) == (rule == FIRST_STAGE)
