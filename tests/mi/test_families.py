"""Families: reproducible sets, and true values against independent computations."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy import integrate, stats

from validstats.mi import FamilyMixture, FlowFamily, default_family
from validstats.mi.families import FAMILY_NAMES, HELD_OUT_FAMILIES
from validstats.mi.families import functional as families_functional
from validstats.mi.families import mixtures as families_mixtures
from validstats.mi.families import pairs as families_pairs
from validstats.mi.families.default import all_families
from validstats.mi.families.flow import fit_flow
from validstats.mi.families.gaussian import gaussian_mutual_information, student_correction
from validstats.mi.families.maps import coupling_flow, spiral
from validstats.mi.families.warped import twist
from validstats.mi.statistics import summarise_data
from validstats.mi.statistics.linear import doubled_ranks, normal_scores
from validstats.mi.statistics.local import pair_information
from validstats.mi.training.shards import load_shards, make_shard, write_shards


@pytest.mark.share(5)
@pytest.mark.parametrize("name", FAMILY_NAMES)
def test_sets_are_a_function_of_seed_and_index(name):
    family = all_families()[name]
    for index in range(4):
        one, two = family.sample(3, index), family.sample(3, index)
        assert np.array_equal(one.x, two.x)
        assert np.array_equal(one.y, two.y)
        assert one.mutual_information == two.mutual_information >= 0
        assert one.x.shape[0] == one.y.shape[0] >= 10
        assert np.isfinite(one.x).all() and np.isfinite(one.y).all()
        assert max(one.x.shape[1], one.y.shape[1]) <= 50


def test_different_indices_give_different_sets():
    family = default_family()
    truths = {family.sample(0, index).mutual_information for index in range(30)}
    assert len(truths) > 20
    assert family.sample(0, 1).x.tobytes() != family.sample(1, 1).x.tobytes()


@pytest.mark.slow
def test_sizes_cover_the_stated_range():
    family = default_family()
    samples = [family.sample(11, index) for index in range(300)]
    n = np.array([s.n for s in samples])
    dims = np.array([(s.x.shape[1], s.y.shape[1]) for s in samples])
    assert n.min() < 15 and n.max() > 5000
    assert 0.15 < np.mean((dims == 1).all(axis=1)) < 0.5
    assert np.mean(dims[:, 0] != dims[:, 1]) > 0.2
    assert dims.max() > 30


@pytest.mark.slow
def test_held_out_families_are_left_out():
    family = default_family(exclude=HELD_OUT_FAMILIES)
    names = {family.sample(5, index).family for index in range(200)}
    assert not names & set(HELD_OUT_FAMILIES)
    with pytest.raises(ValueError, match="Unknown families"):
        default_family(exclude=("nothing",))
    with pytest.raises(ValueError, match="All families"):
        default_family(exclude=FAMILY_NAMES)
    with pytest.raises(ValueError, match="as many weights"):
        FamilyMixture(all_families(), [1.0])
    for weights in ([-1.0], [np.nan], [np.inf], [0.0]):
        with pytest.raises(ValueError, match="weights must be positive and finite"):
            FamilyMixture({"gaussian": all_families()["gaussian"]}, weights)
    with pytest.raises(ValueError, match="weights must be positive and finite"):
        FamilyMixture({}, [])


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.9])
def test_gaussian_truth(rho):
    assert gaussian_mutual_information(np.array([[1, rho], [rho, 1.0]]), 1) == pytest.approx(
        -0.5 * np.log1p(-(rho**2))
    )


@pytest.mark.parametrize("df", [1.0, 3.5])
def test_student_truth_by_quadrature(df):
    def integrand(y, x):
        joint = stats.multivariate_t([0, 0], np.eye(2), df).pdf([x, y])
        return joint * np.log(joint / (stats.t.pdf(x, df) * stats.t.pdf(y, df)))

    grid = stats.t.ppf((np.arange(400) + 0.5) / 400, df)
    x, y = np.meshgrid(grid, grid)
    ratio = stats.multivariate_t([0, 0], np.eye(2), df).pdf(np.dstack([x, y])) / (
        stats.t.pdf(x, df) * stats.t.pdf(y, df)
    )
    assert student_correction(df, 1, 1) == pytest.approx(np.mean(ratio * np.log(ratio)), abs=0.01)
    assert np.isfinite(integrand(0.1, 0.2))


@pytest.mark.parametrize("half_width", [0.1, 0.5, 0.75, 2.0])
def test_uniform_noise_truth_by_quadrature(half_width):
    def density(y):
        return (min(1, y + half_width) - max(0, y - half_width)) / (2 * half_width)

    def entropy(y):
        p = density(y)
        return -p * np.log(p) if p > 0 else 0.0

    breaks = sorted({-half_width, half_width, 1 - half_width, 1 + half_width})
    total = sum(integrate.quad(entropy, a, b)[0] for a, b in itertools.pairwise(breaks))
    truth = families_pairs.additive_uniform_information(half_width)
    assert truth == pytest.approx(total - np.log(2 * half_width), abs=1e-6)


@pytest.mark.share(3)
@pytest.mark.parametrize("pair", families_pairs.COPULA_PAIRS)
def test_copula_truths_agree_with_nearest_neighbours(pair):
    errors = []
    for seed in range(8):
        x, y, truth = pair(np.random.default_rng(seed), 3000)
        if truth > 2:
            continue
        scores = normal_scores(doubled_ranks(np.column_stack([x, y])))
        errors.append(pair_information(scores[:, 0], scores[:, 1]).mean() - truth)
    assert abs(np.mean(errors)) < 0.03
    assert np.max(np.abs(errors)) < 0.09


def test_copula_tables_agree_with_finer_quadrature():
    # Frank's density on a fine grid of uniforms, away from the shortcut used for the table.
    theta = 4.0
    u = (np.arange(2000) + 0.5) / 2000
    a, b = np.meshgrid(u, u)
    top = theta * -np.expm1(-theta) * np.exp(-theta * (a + b))
    density = top / (-np.expm1(-theta) - np.expm1(-theta * a) * np.expm1(-theta * b)) ** 2
    assert families_pairs.table_value("frank", theta) == pytest.approx(
        np.mean(density * np.log(density)), abs=2e-4
    )


@pytest.mark.slow
@pytest.mark.parametrize("noise", ["normal", "laplace", "logistic"])
@pytest.mark.parametrize("levels", [1, 3])
def test_functional_truth_by_monte_carlo(noise, levels):
    generator = np.random.default_rng(levels)
    p = (np.arange(4096) + 0.5) / 4096
    values = np.sin(5 * p) + p**2
    scales = 0.2 * np.exp(generator.normal(0, 0.6, levels))
    truth = families_functional.functional_information(values, scales, noise)
    node_scales = scales[(p * levels).astype(int)]
    laws = {"normal": stats.norm(), "laplace": stats.laplace(), "logistic": stats.logistic(scale=0.55)}
    law = laws[noise]
    chosen = generator.integers(0, 4096, 1500)
    e = law.rvs(1500, random_state=generator)
    y = values[chosen] + node_scales[chosen] * e
    marginal = np.array([np.mean(law.pdf((v - values) / node_scales) / node_scales) for v in y])
    pointwise = law.logpdf(e) - np.log(node_scales[chosen]) - np.log(marginal)
    assert truth == pytest.approx(pointwise.mean(), abs=4 * pointwise.std() / np.sqrt(1500))


@pytest.mark.parametrize("noise", families_functional.SHARP_NOISES)
@pytest.mark.parametrize("scale", [0.15, 2.0])
def test_sharp_noise_truth_by_monte_carlo(noise, scale):
    # x is uniform on (-1, 1), so that the density of y is a difference of two values of the noise's law.
    laws = {
        "triangular": stats.triang(0.5, -1, 2), "parabola": stats.beta(2, 2, -1, 2),
        "cosine": stats.rv_histogram(_cosine_histogram()), "exponential": stats.expon(), "arcsine": stats.arcsine(-1, 2),
    }  # fmt: skip
    generator = np.random.default_rng(5)
    x = generator.uniform(-1, 1, 60_000)
    y = x + scale * families_functional.draw_noise(generator, noise, 60_000)
    cdf = laws[noise].cdf
    pointwise = -np.log((cdf((y + 1) / scale) - cdf((y - 1) / scale)) / 2) - np.log(scale)
    pointwise -= laws[noise].entropy()
    nodes = 2 * (np.arange(16384) + 0.5) / 16384 - 1
    truth = families_functional.functional_information(nodes, np.array([scale]), noise, step=0.02)
    assert truth == pytest.approx(pointwise.mean(), abs=4 * pointwise.std() / np.sqrt(60_000) + 2e-3)


def _cosine_histogram():
    edges = np.linspace(-1, 1, 4001)
    middles = (edges[1:] + edges[:-1]) / 2
    return np.cos(np.pi * middles / 2), edges


def test_no_sharp_noise_is_uniform():
    # Uniform noise is held out of the evaluation weights.
    for noise in families_functional.SHARP_NOISES:
        drawn = families_functional.draw_noise(np.random.default_rng(0), noise, 4000)
        assert stats.kstest(drawn, stats.uniform(-1, 2).cdf).pvalue < 1e-6


def test_gaussian_functional_pair_has_the_closed_form():
    from scipy.special import ndtri

    values = ndtri((np.arange(16384) + 0.5) / 16384)
    truth = families_functional.functional_information(values, np.array([0.5]), "normal")
    assert truth == pytest.approx(0.5 * np.log1p(4.0), abs=2e-3)


def test_mixture_truth_of_one_component_is_gaussian():
    covariance = np.array([[1.0, 0.8], [0.8, 1.0]])
    truth, error = families_mixtures.mixture_information(
        np.random.default_rng(0), np.ones(1), np.zeros((1, 2)), covariance[None], 1
    )
    # The pointwise information of this law has standard deviation rho, so 30,000 draws leave .8 / 173.
    assert error == pytest.approx(0.8 / np.sqrt(30_000), rel=0.05)
    assert truth == pytest.approx(-0.5 * np.log(1 - 0.64), abs=4 * error)


@pytest.mark.parametrize("name", ["mixture", "exotic_mixture", "dependent_mixture", "label"])
def test_truths_by_draws_come_with_their_error(name):
    family = default_family(set(FAMILY_NAMES) - {name})
    for index in range(3):
        sample = family.sample(5, index)
        assert 0 < sample.standard_error <= 0.012 * (1 + sample.mutual_information)


def test_number_of_draws_of_a_truth_does_not_move_the_rows(monkeypatch):
    family = default_family(set(FAMILY_NAMES) - {"mixture"})
    first = family.sample(5, 1)
    monkeypatch.setattr(families_mixtures, "TRUTH_DRAWS", 5000)
    second = family.sample(5, 1)
    assert np.array_equal(first.x, second.x)
    assert first.mutual_information != second.mutual_information
    assert second.standard_error > 2 * first.standard_error


def test_binned_truth_against_a_table_of_counts():
    cuts = np.array([-0.5, 0.4])
    generator = np.random.default_rng(0)
    x = generator.normal(size=400_000)
    y = 0.7 * x + np.sqrt(0.51) * generator.normal(size=400_000)
    counts = np.histogram2d(np.searchsorted(cuts, x), np.searchsorted(cuts, y), bins=3)[0] / 400_000
    expected = np.sum(counts * np.log(counts / np.outer(counts.sum(1), counts.sum(0))))
    assert families_mixtures.binned_information(0.7, cuts, cuts) == pytest.approx(expected, abs=0.004)
    one_sided = families_mixtures.binned_information(0.7, cuts)
    assert expected < one_sided < -0.5 * np.log(1 - 0.49)


def test_label_truth_of_far_components_is_the_entropy():
    weights = np.array([0.25, 0.75])
    means = np.array([[0.0], [50.0]])
    truth, _ = families_mixtures.label_information(
        np.random.default_rng(0), weights, means, np.ones((2, 1, 1))
    )
    assert truth == pytest.approx(stats.entropy(weights), abs=1e-9)


def test_maps_are_invertible():
    side = np.random.default_rng(0).normal(size=(200, 3))
    turned = spiral(np.random.default_rng(1), side)
    assert np.allclose(np.sum(turned**2, axis=1), np.sum(side**2, axis=1))
    one, two = (
        coupling_flow(np.random.default_rng(1), side),
        coupling_flow(np.random.default_rng(1), side[:50]),
    )
    assert np.allclose(one[:50], two)
    assert len(np.unique(one[:, 0])) == 200


def test_twists_rotate_planes_by_what_lies_outside_them():
    side = np.random.default_rng(0).normal(size=(300, 4))
    turned = twist(np.random.default_rng(1), side)
    moved = np.flatnonzero(np.abs(turned - side).max(axis=0) > 1e-12)
    assert len(moved) == 2
    assert np.allclose(np.sum(turned[:, moved] ** 2, axis=1), np.sum(side[:, moved] ** 2, axis=1))
    # The angle is the same wherever the other coordinates are, whatever the length of the rotated ones.
    longer = side.copy()
    longer[:, moved] *= 3.0
    assert np.allclose(twist(np.random.default_rng(1), longer)[:, moved], 3.0 * turned[:, moved])


@pytest.mark.slow
def test_shards_are_resumable_and_reproducible(tmp_path):
    family = default_family()
    paths = list(write_shards(family, 4, range(2), tmp_path, size=6))
    before = [path.stat().st_mtime_ns for path in paths]
    again = list(write_shards(family, 4, range(2), tmp_path, size=6))
    assert [path.stat().st_mtime_ns for path in again] == before
    both, second = load_shards(paths), make_shard(family, 4, 6, 6)
    assert len(both) == 12
    assert np.array_equal(both.statistics[6:], second.statistics)
    assert np.array_equal(both.statistics[6:], second.statistics)


def test_flows_are_invertible_and_gaussianise():
    generator = np.random.default_rng(0)
    data = np.column_stack([generator.exponential(size=800), generator.uniform(size=800)])
    data[:, 1] += data[:, 0] ** 2
    flow = fit_flow(data)
    normal = flow.to_normal(data)
    assert np.allclose(flow.to_data(normal), data, atol=1e-8)
    assert np.allclose(normal.std(axis=0), 1, atol=0.1)
    assert abs(np.corrcoef(normal.T)[0, 1]) < 0.1
    drawn = flow.to_data(generator.normal(size=(4000, 2)))
    assert stats.ks_2samp(drawn[:, 1], data[:, 1]).statistic < 0.08


@pytest.mark.slow
def test_flow_family_keeps_the_mutual_information():
    from sklearn.datasets import load_digits

    images = load_digits().data
    images = images[:, images.std(axis=0) > 1]
    family = FlowFamily(images[:, :3], images[:, 40:42])
    sample = family.sample(0, 1)
    assert sample.x.shape[1] == 3 and sample.y.shape[1] == 2
    drawn = [family.draw(np.random.default_rng(i), 1500) for i in range(8)]
    truths = np.array([d.mutual_information for d in drawn])
    back = [
        summarise_data(family.flow_x.to_normal(d.x), family.flow_y.to_normal(d.y)).anchors[3] for d in drawn
    ]
    assert np.corrcoef(truths, back)[0, 1] > 0.9
    with pytest.raises(ValueError, match="at least 64 rows"):
        FlowFamily(images[:20, :3], images[:, 40:42])
    with pytest.raises(ValueError, match="constant column"):
        FlowFamily(np.ones((100, 1)), images[:, 40:42])


class _WithoutFiniteTruth(FamilyMixture):
    """Every other set is a function of its side: infinite mutual information."""

    def __init__(self):
        super().__init__(all_families(), [1.0] * len(all_families()))

    def sample(self, seed, index):
        drawn = all_families()["gaussian"].sample(seed, index)
        return drawn if index % 2 else replace(drawn, mutual_information=np.inf)


def test_sets_without_a_finite_truth_are_left_out():
    shard = make_shard(_WithoutFiniteTruth(), 0, 0, 6)
    assert len(shard) == 3
    assert np.isfinite(shard.truth).all()
