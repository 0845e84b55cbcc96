"""Trees that ask left-out rows: against their plain Python text, against a slow oracle, and independent of who asks."""

from __future__ import annotations

import numpy as np
import pytest

from validstats.kernels import forest
from validstats.kernels.forest import forest_counts, forest_sums


def draws(n=60, dim=3, width=2, seed=0):
    generator = np.random.default_rng(seed)
    columns = np.ascontiguousarray(generator.normal(size=(n, dim)).T)
    targets = np.column_stack([columns[0] ** 2, generator.normal(size=(n, width - 1))])
    return columns, np.ascontiguousarray(targets)


def test_compiled_equals_its_python_text(monkeypatch) -> None:
    columns, targets = draws(40)
    codes = np.random.default_rng(1).integers(0, 5, size=(30, 1))
    compiled = forest_sums(columns, targets, 40, 28, 3, 3, 5, 7)
    coded = forest_counts(columns, codes, 5, 21, 3, 3, 5, 7)
    monkeypatch.setattr(forest, "add_trees", getattr(forest.add_trees, "py_func", forest.add_trees))
    with np.errstate(over="ignore"):
        plain = forest_sums(columns, targets, 40, 28, 3, 3, 5, 7)
        coded_plain = forest_counts(columns, codes, 5, 21, 3, 3, 5, 7)
    np.testing.assert_allclose(compiled[0], plain[0], atol=1e-12)
    np.testing.assert_array_equal(compiled[1], plain[1])
    np.testing.assert_array_equal(coded, coded_plain)


def test_a_row_never_asks_a_tree_that_it_grew() -> None:
    columns, targets = draws()
    _, trees = forest_sums(columns, targets, 60, 42, 50, 3, 5, 1)
    assert trees.sum() == 50 * (60 - 42)
    # A row that is left out everywhere else has no influence on its own prediction: change its target alone.
    changed = targets.copy()
    changed[5] += 100.0
    one, two = (forest_sums(columns, values, 60, 42, 50, 3, 5, 1)[0] for values in (targets, changed))
    assert one[5] == pytest.approx(two[5], abs=1e-9)
    assert not np.allclose(one, two)


def test_who_asks_later_changes_nothing_for_those_before() -> None:
    columns, targets = draws(80)
    full = forest_sums(columns, targets, 50, 35, 8, 3, 5, 2)[0]
    other = columns.copy()
    other[:, 60:] = np.random.default_rng(9).normal(size=(3, 20))
    short = forest_sums(np.ascontiguousarray(other[:, :60]), targets[:60], 50, 35, 8, 3, 5, 2)[0]
    np.testing.assert_array_equal(full[:60], forest_sums(other, targets, 50, 35, 8, 3, 5, 2)[0][:60])
    np.testing.assert_array_equal(full[:60], short)


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("leaf", [2, 5, 25])
def test_codes_are_columns_of_ones_and_zeros(parts, leaf) -> None:
    columns, _ = draws(90)
    codes = np.random.default_rng(8).integers(0, 4, size=(60, parts)) + 4 * np.arange(parts)
    targets = np.zeros((90, 4 * parts))
    targets[np.arange(60)[:, None], codes] = 1.0
    sums, trees = forest_sums(columns, targets, 60, 42, 9, 3, leaf, 6)
    np.testing.assert_array_equal(forest_counts(columns, codes, 4 * parts, 42, 9, 3, leaf, 6), sums[60:])
    assert (trees[60:] == 9).all()


def test_one_leaf_predicts_the_mean_of_its_bag() -> None:
    columns, targets = draws(30)
    sums, trees = forest_sums(columns, targets, 30, 20, 1, 3, 30, 3)
    asked = trees == 1
    assert asked.sum() == 10
    expected = targets[~asked].mean(axis=0)
    np.testing.assert_allclose(sums[asked], np.tile(expected, (10, 1)), atol=1e-12)


def test_trees_find_a_function() -> None:
    columns, targets = draws(400)
    sums, trees = forest_sums(columns, targets, 400, 280, 24, 3, 5, 4)
    predicted = sums[:, 0] / np.maximum(trees, 1)
    assert np.corrcoef(predicted, targets[:, 0])[0, 1] > 0.8
    assert abs(np.corrcoef(sums[:, 1] / np.maximum(trees, 1), targets[:, 1])[0, 1]) < 0.3
