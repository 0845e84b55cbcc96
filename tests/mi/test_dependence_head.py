"""The learned test statistic: forward pass, storage, training, and what it is used for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from validstats.mi import FamilyMixture, LearnedMI
from validstats.mi.families.gaussian import GaussianFamily
from validstats.mi.families.pairs import IndependentFamily
from validstats.mi.network import (
    DependenceHead,
    dependence_evidence,
    dependence_logits,
    forward,
    save_dependence_head,
    shipped_dependence_head,
)
from validstats.mi.network.dependence_head import load_dependence_head
from validstats.mi.statistics import STATISTIC_NAMES, summarise_data
from validstats.mi.training.shards import make_shard


def shipped():
    return LearnedMI().fit().weights_


def evidence(x, y):
    return dependence_evidence(x, y, shipped(), shipped_dependence_head())


def plain_logit(statistics, quantiles, head):
    """One data set, layer by layer with loops."""
    values = []
    for value, unit, centre, spread in zip(
        statistics,
        head.scaling["statistic_unit"],
        head.scaling["statistic_centre"],
        head.scaling["statistic_spread"],
        strict=True,
    ):
        log = np.sign(value) * np.log(1 + abs(value) / unit)
        values.append(min(max((log - centre) / spread, -5.0), 5.0))
    values += [min(max(4.0 * q, -5.0), 5.0) for q in quantiles]
    for layer in ("0", "1", "2"):
        weight, bias = head.parameters[f"{layer}.weight"], head.parameters[f"{layer}.bias"]
        values = [float(np.dot(weight[i], values) + bias[i]) for i in range(len(bias))]
        if layer != "2":
            values = [v / (1 + np.exp(-v)) for v in values]
    return values[0]


def test_logits_match_the_plain_formula():
    head = shipped_dependence_head()
    generator = np.random.default_rng(0)
    x = generator.normal(size=(60, 2))
    statistics = summarise_data(x, x + generator.normal(size=(60, 2))).statistics
    quantiles = np.sort(generator.normal(scale=0.5, size=19))
    logit = dependence_logits(statistics[None, :], quantiles[None, :], head)[0]
    assert logit == pytest.approx(
        plain_logit(statistics[: len(head.scaling["statistic_unit"])], quantiles, head), abs=1e-9
    )


def test_order_of_rows_and_sides_changes_nothing():
    generator = np.random.default_rng(1)
    x, y = generator.normal(size=(80, 2)), generator.normal(size=(80, 1))
    rows = generator.permutation(80)
    assert evidence(x, y) == evidence(np.exp(y[rows]), x[rows][:, ::-1])


def test_evidence_grows_with_dependence():
    generator = np.random.default_rng(2)
    x, noise = generator.normal(size=(2, 300, 1))
    values = [evidence(x, rho * x + np.sqrt(1 - rho**2) * noise) for rho in (0.0, 0.2, 0.5)]
    assert values == sorted(values)
    assert values[2] > 0 > values[0]


def test_stored_weights_return_unchanged_and_foreign_ones_are_refused(tmp_path):
    head = shipped_dependence_head()
    save_dependence_head(head, tmp_path / "head.npz")
    again = load_dependence_head(tmp_path / "head.npz")
    for name, value in head.parameters.items():
        assert np.array_equal(value, again.parameters[name])
    with np.load(tmp_path / "head.npz") as file:
        arrays = {key: file[key] for key in file.files}
    arrays["names"] = np.array(STATISTIC_NAMES[1:102])
    np.savez(tmp_path / "other.npz", **arrays)
    with pytest.raises(ValueError, match="other statistics than this version computes"):
        load_dependence_head(tmp_path / "other.npz")


@pytest.mark.slow
def test_training_learns_to_tell_dependent_from_independent_sets():
    torch = pytest.importorskip("torch")
    from validstats.mi.training.dependence import DependenceRecipe, borderline_sets, train_dependence_head

    torch.set_num_threads(1)
    family = FamilyMixture(
        {"independent": IndependentFamily((GaussianFamily(),)), "gaussian": GaussianFamily()},
        [0.4, 0.6],
        name="both",
    )
    shard = make_shard(family, 5, 0, 400)
    recipe = DependenceRecipe(epochs=30, batch_size=32, width=16)
    head, losses = train_dependence_head(shard, shipped(), recipe)
    assert losses[0] > 0.9 * np.log(2)
    assert losses[-1] < 0.6 * np.log(2)
    again, _ = train_dependence_head(shard, shipped(), recipe)
    assert all(np.array_equal(head.parameters[name], again.parameters[name]) for name in head.parameters)
    chosen = borderline_sets(shard, recipe.evidence)
    amount = chosen.truth * chosen.shape[:, 0]
    assert ((chosen.truth <= 1e-6) | ((amount > 0.5) & (amount < 40))).all()
    dependent = chosen.truth > 1e-6
    logits = dependence_logits(chosen.statistics, forward(chosen, shipped()), head)
    assert np.median(logits[dependent]) > np.median(logits[~dependent])
    with pytest.raises(ValueError, match="both kinds are needed"):
        train_dependence_head(shard.select(shard.truth > 1e-6), shipped(), recipe)


def test_a_head_of_zeros_has_no_opinion():
    head = shipped_dependence_head()
    empty = replace(head, parameters={k: np.zeros_like(v) for k, v in head.parameters.items()})
    assert isinstance(empty, DependenceHead)
    assert (dependence_logits(np.ones((3, len(STATISTIC_NAMES))), np.ones((3, 19)), empty) == 0).all()
