"""Copies, atoms, clusters and series: what rows are read, and where there is no interval."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.stats import binom

from validstats.exceptions import RepeatedRowsWarning, SerialDependenceWarning
from validstats.mi import (
    LearnedMI,
    MISelector,
    conditional_independence_test,
    conditional_mutual_info,
    independence_test,
    mutual_info,
    mutual_info_matrix,
)


def pair(n, seed=0):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=n)
    return x, 0.8 * x + 0.6 * generator.normal(size=n)


def test_a_bootstrap_sample_is_read_once_a_row():
    x, y = pair(500)
    drawn = np.random.default_rng(1).integers(0, 500, 500)
    with pytest.warns(RepeatedRowsWarning, match="one of each is read"):
        result = mutual_info(x[drawn], y[drawn])
    kept = np.unique(drawn)
    assert result.n_samples == len(kept)
    assert result.estimate == pytest.approx(mutual_info(x[kept], y[kept]).estimate, abs=1e-12)
    # As it stands the sample reads as .9 nats: equal rows are nearest neighbours.
    assert result.estimate == pytest.approx(-0.5 * np.log(1 - 0.64), abs=0.15)
    assert not result.certified.value


def test_copies_of_rows_with_a_label_are_found_too():
    generator = np.random.default_rng(2)
    x, label = np.repeat(generator.normal(size=75), 4), np.repeat(generator.integers(0, 2, 75), 4)
    with pytest.warns(RepeatedRowsWarning):
        assert mutual_info(x, label).n_samples == 75


def resampled(n=120, seed=3):
    """Three related columns, and a bootstrap sample of their rows in random order."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n, 3))
    rows[:, 1] += 0.5 * rows[:, 0]
    return rows[rng.integers(n, size=n)]


READ_ONCE = {
    "independence_test": lambda d, **o: independence_test(
        d[:, 0], d[:, 1], n_permutations=39, random_state=0, **o
    ),
    "independence_test within strata": lambda d, **o: independence_test(
        d[:, 0], d[:, 1], strata=d[:, 2] > 0, n_permutations=39, random_state=0, **o
    ),
    "conditional_independence_test": lambda d, **o: conditional_independence_test(
        *d.T, n_multipliers=39, random_state=0, **o
    ),
    "conditional_mutual_info": lambda d, **o: conditional_mutual_info(
        *d.T, method="gaussian", test=False, **o
    ),
    "mutual_info_matrix": lambda d, **o: mutual_info_matrix(d, method="gaussian", intervals=True, **o),
}


@pytest.mark.parametrize("entry", READ_ONCE)
def test_every_entry_reads_a_bootstrap_sample_once_a_row(entry):
    ask, data = READ_ONCE[entry], resampled()
    distinct = data[np.sort(np.unique(data, axis=0, return_index=True)[1])]
    surplus = len(data) - len(distinct)
    with pytest.warns(RepeatedRowsWarning, match=f"{surplus} of 120 rows .* {len(distinct)} rows"):
        once = ask(data)
    expected = ask(distinct)
    assert once.n_samples == len(distinct)
    np.testing.assert_array_equal(
        once.tidy().select_dtypes("number"), expected.tidy().select_dtypes("number")
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kept = ask(data, repeats="keep")
    assert kept.n_samples == len(data)
    if hasattr(kept, "p_value") and kept.p_value is not None and "test" in entry:
        assert kept.guarantee.holds.startswith("nothing: rows repeat and were kept")
    else:
        assert np.all(np.isnan(kept.tidy()["conf_low"].astype(float)))


@pytest.mark.slow
def test_a_selector_reads_a_bootstrap_sample_once_a_row():
    data = resampled()
    distinct = data[np.sort(np.unique(data, axis=0, return_index=True)[1])]
    options = {"method": "ksg", "control": "fdr_bh", "random_state": 0}
    with pytest.warns(RepeatedRowsWarning, match="one of each is read"):
        once = MISelector(**options).fit(data[:, :2], data[:, 2])
    expected = MISelector(**options).fit(distinct[:, :2], distinct[:, 2])
    np.testing.assert_array_equal(once.pvalues_, expected.pvalues_)
    kept = MISelector(**options, repeats="keep").fit(data[:, :2], data[:, 2])
    assert kept.guarantee_.holds.startswith("nothing: rows repeat and were kept")
    assert once.guarantee_.kind == "finite-sample"


@pytest.mark.validity
def test_a_permutation_of_copies_finds_dependence_that_is_not_there():
    """Independent columns, resampled: reading one of each keeps the level of .05, reading all does not."""
    rng, found = np.random.default_rng(11), {"auto": 0, "keep": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RepeatedRowsWarning)
        for seed in range(40):
            x, y = rng.standard_normal((2, 120))[:, rng.integers(120, size=120)]
            for repeats in found:
                test = independence_test(x, y, n_permutations=39, repeats=repeats, random_state=seed)
                found[repeats] += test.p_value <= 0.05
    assert binom.sf(found["auto"] - 1, 40, 0.05) > 1e-3
    assert binom.sf(found["keep"] - 1, 40, 0.05) < 1e-6, found


def test_joint_atoms_are_kept():
    generator = np.random.default_rng(3)
    x, y = pair(400, 3)
    zero = generator.random(400) < 0.4
    x[zero] = y[zero] = 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("error", RepeatedRowsWarning)
        result = mutual_info(x, y, method="ksg")
    assert result.n_samples == 400
    # Collapsed they would lose the information that both are zero at once: about .67 nats.
    assert result.estimate > 0.4


def test_rounded_and_discrete_rows_are_kept_without_a_word():
    generator = np.random.default_rng(4)
    x = generator.integers(0, 4, 300)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RepeatedRowsWarning)
        assert mutual_info(x, (x + generator.integers(0, 2, 300)) % 4).n_samples == 300
        both = np.round(generator.normal(size=(300, 2)), 0)
        assert mutual_info(both[:, 0], both[:, 1]).n_samples == 300


def test_the_caller_decides_by_ids_or_by_word():
    x, y = pair(100)
    double = np.repeat(np.arange(100), 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RepeatedRowsWarning)
        by_ids = mutual_info(x[double], y[double], ids=double)
        kept = mutual_info(x[double], y[double], repeats="keep")
        once = mutual_info(x[double], y[double], repeats="collapse")
    assert by_ids.estimate == once.estimate == mutual_info(x, y).estimate
    assert by_ids.certified.value == mutual_info(x, y).certified.value
    assert kept.n_samples == 200 and not kept.conf_low and "repeat" in kept.conf_low.reason
    with pytest.raises(ValueError, match="not both"):
        mutual_info(x, y, ids=double[:100], clusters=double[:100])


def test_covariates_of_groups_have_no_interval_without_clusters():
    generator = np.random.default_rng(5)
    group = np.repeat(np.arange(60), 5)
    x = generator.normal(size=(60, 2))[group]
    y = x[:, 0] + generator.normal(size=300)
    with pytest.warns(RepeatedRowsWarning, match="clusters="):
        result = mutual_info(x, y)
    assert "groups" in result.conf_low.reason
    by_group = mutual_info(x, y, clusters=group)
    assert by_group.n_samples == 60 and by_group.conf_low < by_group.conf_high


def test_a_series_has_no_interval_unless_declared_exchangeable():
    generator = np.random.default_rng(6)
    series = np.zeros((400, 2))
    for t in range(1, 400):
        series[t] = 0.95 * series[t - 1] + generator.normal(size=2)
    with pytest.warns(SerialDependenceWarning):
        result = LearnedMI().infer(series[:, 0], series[:, 1])
    assert "time series" in result.conf_low.reason and not result.certified.value
    with warnings.catch_warnings():
        warnings.simplefilter("error", SerialDependenceWarning)
        assert LearnedMI().infer(series[:, 0], series[:, 1], exchangeable=True).conf_low >= 0
    with pytest.warns(SerialDependenceWarning, match="blocks='auto'"):
        test = independence_test(series[:, 0], series[:, 1], n_permutations=19, random_state=0)
    assert test.guarantee.kind == "heuristic"


@pytest.mark.parametrize("by", ["x", "y"])
def test_data_that_are_sorted_by_one_side_are_no_series(by):
    x, y = pair(300, 7)
    order = np.argsort(x if by == "x" else y)
    with warnings.catch_warnings():
        warnings.simplefilter("error", SerialDependenceWarning)
        assert mutual_info(x[order], y[order]).conf_low >= 0


def test_names_and_order_of_categories_change_nothing():
    generator = np.random.default_rng(8)
    codes = generator.choice(5, 200, p=[0.35, 0.25, 0.2, 0.12, 0.08])
    y = codes + generator.normal(size=200)
    answers = [
        mutual_info(np.array(names)[codes], y).estimate
        for names in (["a", "b", "c", "d", "e"], ["z", "m", "q", "b", "x"])
    ]
    answers.append(mutual_info(codes * 7 % 5, y, discrete_x=True).estimate)
    assert np.ptp(answers) < 1e-10


def test_levels_are_not_ordered_by_what_the_other_side_says():
    """Fifty levels in 200 independent rows: an order by the mean of the other side is dependence made from the same rows."""
    generator = np.random.default_rng(9)
    values = [
        mutual_info(
            np.array([f"l{c}" for c in generator.integers(0, 50, 200)]), generator.normal(size=200)
        ).estimate
        for _ in range(3)
    ]
    assert np.median(values) < 0.05


def test_a_side_whose_every_level_occurs_once_is_refused():
    words = np.array([f"w{i}" for i in range(40)])
    for call in (mutual_info, LearnedMI().infer, independence_test):
        with pytest.raises(ValueError, match="Every level of x occurs only once"):
            call(words, np.arange(40.0) ** 2)
