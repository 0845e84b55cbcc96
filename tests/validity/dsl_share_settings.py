"""Designs of few labels that break simpler intervals of shares and bounded means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from scipy import stats
from scipy.special import expit

from validstats.dsl.fit.cell_intervals import CellInterval, cell_interval, cell_sums
from validstats.dsl.fit.cells import form_cells
from validstats.dsl.fit.exact import exact_mean, exact_share


@dataclass(frozen=True, kw_only=True)
class ShareDraw:
    """One data set: outcomes of all units, their design, and the target.

    Attributes
    ----------
    fixed : bool
        Whether a fixed number is drawn within each stratum (units are then drawn without replacement); otherwise
        each unit by its own coin.
    """

    y: np.ndarray
    probability: np.ndarray
    target: float
    surrogates: tuple = ()
    strata: np.ndarray | None = None
    size: np.ndarray | None = None
    group: np.ndarray | None = None
    fixed: bool = True
    finite: bool = False
    binary: bool = True
    options: dict = field(default_factory=dict)

    def label(self, rng: np.random.Generator) -> np.ndarray:
        """Return which units are labelled."""
        n = len(self.y)
        if not self.fixed:
            return rng.random(n) < self.probability
        strata = np.zeros(n, dtype=int) if self.strata is None else self.strata
        labelled = np.zeros(n, dtype=bool)
        for h in np.unique(strata):
            inside = np.flatnonzero(strata == h)
            n_labels = round(float(self.probability[inside].sum()))
            labelled[rng.choice(inside, n_labels, replace=False)] = True
        return labelled

    def interval(self, rng: np.random.Generator, level: float = 0.95) -> CellInterval:
        """Return the interval of cells after drawing labels."""
        labelled = self.label(rng)
        cells = form_cells(self.probability, self.surrogates, self.strata, **self.options)
        sums = cell_sums(
            self.y[labelled],
            cells.cell,
            labelled,
            self.probability,
            cells.n_cells,
            size=self.size,
            finite=self.finite,
            stratum=cells.stratum,
            group=self.group,
        )
        return cell_interval(sums, level, binary=self.binary)

    def exact(self, rng: np.random.Generator, level: float = 0.95) -> CellInterval:
        """Return the interval that holds its level at every number of labels, as ``infer(interval="exact")`` does."""
        labelled = self.label(rng)
        stratum = np.zeros(len(self.y), dtype=int) if self.strata is None else self.strata
        alike = all(np.ptp(self.probability[stratum == h]) < 1e-12 for h in np.unique(stratum))
        if self.binary and alike:
            cells = form_cells(self.probability, self.surrogates, self.strata, **self.options)
            code = np.unique(np.column_stack([stratum, cells.cell]), axis=0, return_inverse=True)[1].reshape(
                -1
            )
            word = self.surrogates[0] if self.surrogates else np.full(len(self.y), 0.5)
            found = exact_share(
                self.y[labelled], code, stratum, labelled, np.clip(word, 0, 1), level, finite=self.finite
            )
        else:
            found = exact_mean(
                self.y[labelled], stratum, labelled, self.probability, rng, level, finite=self.finite
            )
        return CellInterval(*found[:3])


def _target(y: np.ndarray, law: float, finite: bool, size: np.ndarray | None = None) -> float:
    return float(np.average(y, weights=size)) if finite else law


def probabilities_far_apart(
    rng, finite, low_share=0.5, rates=(0.02, 0.5), probabilities=(0.5, 0.002)
) -> ShareDraw:
    """Rarely drawn units of another rate, hidden in one cell with often drawn ones."""
    n = 5000
    rare = rng.random(n) < low_share
    y = (rng.random(n) < np.where(rare, rates[1], rates[0])).astype(float)
    law = low_share * rates[1] + (1 - low_share) * rates[0]
    probability = np.where(rare, probabilities[1], probabilities[0])
    return ShareDraw(y=y, probability=probability, target=_target(y, law, finite), fixed=False, finite=finite)


def nearly_certain_labels(rng, finite) -> ShareDraw:
    """Probability 1 for nine units in ten and .01 for the others, in one cell of 1,000."""
    n = 1000
    rare = np.arange(n) < 100
    y = (rng.random(n) < np.where(rare, 0.5, 0.05)).astype(float)
    probability = np.where(rare, 0.01, 1.0)
    law = 0.1 * 0.5 + 0.9 * 0.05
    return ShareDraw(y=y, probability=probability, target=_target(y, law, finite), fixed=False, finite=finite)


def many_strata(rng, finite, n_strata=20, n_labels=5, rate=0.8) -> ShareDraw:
    """Equal strata of 100 units with few labels each."""
    strata = np.repeat(np.arange(n_strata), 100)
    y = (rng.random(len(strata)) < rate).astype(float)
    probability = np.full(len(strata), n_labels / 100)
    return ShareDraw(
        y=y, probability=probability, target=_target(y, rate, finite), strata=strata, finite=finite
    )


def few_weighty_strata(rng, finite, n_strata=20, heavy=6, n_labels=5) -> ShareDraw:
    """Ninety-four per cent of the units in a few strata, with as many labels in each."""
    sizes = np.full(n_strata, max(round(6000 * 0.06 / (n_strata - heavy)), n_labels + 1))
    sizes[:heavy] = round(6000 * 0.94 / heavy)
    strata = np.repeat(np.arange(n_strata), sizes)
    y = (rng.random(len(strata)) < 0.8).astype(float)
    probability = n_labels / sizes[strata]
    return ShareDraw(
        y=y, probability=probability, target=_target(y, 0.8, finite), strata=strata, finite=finite
    )


def strata_of_one_label(rng, finite, n_single=20) -> ShareDraw:
    """Thirty strata of uneven size of which many have a single label."""
    sizes = 20 + 10 * (np.arange(30) % 5)
    labels = np.where(np.arange(30) < n_single, 1, 4)
    rates = np.linspace(0.5, 0.95, 30)
    strata = np.repeat(np.arange(30), sizes)
    y = (rng.random(len(strata)) < rates[strata]).astype(float)
    law = float(np.average(rates, weights=sizes))
    return ShareDraw(
        y=y,
        probability=(labels / sizes)[strata],
        target=_target(y, law, finite),
        strata=strata,
        finite=finite,
    )


def nearly_all_labelled(rng, finite=True, n_units=50, events=3, n_labels=48) -> ShareDraw:
    """A fixed finite population with a few events, almost all of it labelled; a good judge."""
    y = np.zeros(n_units)
    y[rng.permutation(n_units)[:events]] = 1.0
    judge = np.where(rng.random(n_units) < 0.95, y, 1 - y)
    return ShareDraw(
        y=y,
        probability=np.full(n_units, n_labels / n_units),
        target=events / n_units,
        surrogates=(judge,),
        finite=finite,
    )


def scores_with_zeros(rng, finite, n_labels=100, zeros=0.03) -> ShareDraw:
    """Scores between .99 and 1 with a few zeros that no judge sees."""
    n = 2000
    y = np.where(rng.random(n) < zeros, 0.0, 1 - 0.01 * rng.random(n))
    return ShareDraw(
        y=y,
        probability=np.full(n, n_labels / n),
        target=_target(y, (1 - zeros) * 0.995, finite),
        surrogates=(rng.integers(0, 2, n),),
        finite=finite,
        binary=False,
    )


def smooth_scores(rng, finite, correlation=0.9, gross=0.0) -> ShareDraw:
    """Logistic scores, a continuous judge, 300 labels; a share of zeros among the tenth that the judge rates best."""
    n = 4000
    judge = rng.normal(size=n)
    y = expit(correlation * judge + np.sqrt(1 - correlation**2) * rng.normal(size=n))
    best = judge > BEST_TENTH
    y = np.where(best & (rng.random(n) < gross), 0.0, y)
    law = 0.5 - gross * _of_the_best_tenth(correlation)
    return ShareDraw(
        y=y,
        probability=np.full(n, 300 / n),
        target=_target(y, law, finite),
        surrogates=(judge,),
        finite=finite,
        binary=False,
    )


BEST_TENTH = float(stats.norm.isf(0.1))


@cache
def _of_the_best_tenth(correlation: float) -> float:
    """Return ``E[score; judge in its best tenth]``, by the midpoint rule in both normal variables."""
    grid = (np.arange(400) + 0.5) / 400
    judge = stats.norm.ppf(0.9 + 0.1 * grid)[:, None]
    return 0.1 * float(
        np.mean(expit(correlation * judge + np.sqrt(1 - correlation**2) * stats.norm.ppf(grid)))
    )


def two_point_scores(rng, finite, n_labels=120, low=0.02) -> ShareDraw:
    """Scores of .9 with a .1 in two per cent, and a judge that is noise."""
    n = 2000
    y = np.where(rng.random(n) < low, 0.1, 0.9)
    return ShareDraw(
        y=y,
        probability=np.full(n, n_labels / n),
        target=_target(y, 0.9 - 0.8 * low, finite),
        surrogates=(rng.normal(size=n),),
        finite=finite,
        binary=False,
    )


def u_shaped_scores(rng, finite) -> ShareDraw:
    """Scores that are mostly near 0 or 1, in six strata of ten labels: the thinnest margin known."""
    n = 1200
    strata = np.repeat(np.arange(6), 200)
    y = rng.beta(0.3, 0.3, n)
    return ShareDraw(
        y=y,
        probability=np.full(n, 0.05),
        target=_target(y, 0.5, finite),
        strata=strata,
        finite=finite,
        binary=False,
    )


def paired_difference(rng, finite, n_labels=50) -> ShareDraw:
    """Differences of two systems in {-1, 0, 1}, rescaled to [0, 1], cells by the difference of verdicts."""
    n = 2000
    d = rng.choice([1.0, 0.0, -1.0], n, p=[0.12, 0.83, 0.05])
    judge = np.where(rng.random(n) < 0.95, d, rng.choice([1.0, 0.0, -1.0], n))
    y = (d + 1) / 2
    return ShareDraw(
        y=y,
        probability=np.full(n, n_labels / n),
        target=_target(y, 0.535, finite),
        surrogates=(judge,),
        finite=finite,
        binary=False,
    )


def oversampled_flags(rng, finite) -> ShareDraw:
    """One per cent positive; flagged units are labelled with probability .6 and the others with .03."""
    n = 20_000
    y = (rng.random(n) < 0.01).astype(float)
    flag = rng.random(n) < np.where(y == 1, 0.8, 0.01)
    return ShareDraw(
        y=y,
        probability=np.where(flag, 0.6, 0.03),
        target=_target(y, 0.01, finite),
        surrogates=(flag.astype(float),),
        fixed=False,
        finite=finite,
        options={"equal_probability": False},
    )


def labelled_clusters(rng, finite, n_labels=20, rate=0.85, correlation=0.2) -> ShareDraw:
    """Whole clusters of uneven size, judged right in nine rows of ten."""
    n_clusters = 300
    size = 1 + rng.poisson(8, n_clusters)
    a, b = rate * (1 / correlation - 1), (1 - rate) * (1 / correlation - 1)
    inside = rng.beta(a, b, n_clusters)
    ones = rng.binomial(size, inside)
    verdict = rng.binomial(ones, 0.9) + rng.binomial(size - ones, 0.1)
    y = ones / size
    return ShareDraw(
        y=y,
        probability=np.full(n_clusters, n_labels / n_clusters),
        target=_target(y, rate, finite, size),
        surrogates=(verdict / size,),
        size=size.astype(float),
        finite=finite,
        binary=False,
    )


def rows_of_clusters(
    rng, finite, n_clusters=40, size=20, n_labels=100, alike=0.7, rate=0.9, right=0.9, law="share", gross=0.03
) -> ShareDraw:
    """Rows labelled singly within clusters whose rows are alike; scores of .99 to 1 lose whole clusters to gross errors."""
    group = np.repeat(np.arange(n_clusters), size)
    n = len(group)

    def chances() -> np.ndarray:
        common = rng.normal(size=n_clusters)[group]
        return stats.norm.cdf(np.sqrt(alike) * common + np.sqrt(1 - alike) * rng.normal(size=n))

    y = (chances() < rate).astype(float)
    judge = np.where(rng.random(n) < right, y, 1 - y)
    if law == "scores":
        y = 0.99 + 0.01 * chances()
        judge = y + 0.003 * rng.normal(size=n)
        y = np.where(chances() < gross, 0.0, y)
    elif law == "U-shaped":
        y = stats.beta.ppf(chances(), 0.3, 0.3)
        judge = y + 0.3 * rng.normal(size=n)
    mean = {"share": rate, "scores": 0.995 * (1 - gross), "U-shaped": 0.5}[law]
    return ShareDraw(
        y=y,
        probability=np.full(n, n_labels / n),
        target=_target(y, mean, finite),
        surrogates=(judge,),
        group=group,
        finite=finite,
        binary=False,
    )


def probabilities_by_doubt(rng, finite) -> ShareDraw:
    """Probabilities that follow the judge's doubt, jittered, down to .001: all different."""
    n = 3000
    score = rng.random(n)
    y = (rng.random(n) < score).astype(float)
    doubt = np.clip(score * (1 - score) * 4 * np.exp(rng.normal(0, 0.5, n)), 0.02, None)
    probability = np.clip(100 * doubt / doubt.sum(), 0.001, 1)
    return ShareDraw(
        y=y,
        probability=probability,
        target=_target(y, 0.5, finite),
        surrogates=((score > 0.5).astype(float),),
        fixed=False,
        finite=finite,
        options={"equal_probability": False},
    )


SETTINGS: dict[str, Callable[..., ShareDraw]] = {
    "probabilities .5 and .002 in a cell": probabilities_far_apart,
    "probabilities .5 and .002, few rare": lambda rng, finite: probabilities_far_apart(
        rng, finite, 0.05, (0.02, 0.6)
    ),
    "probabilities 1 and .01 in a cell": nearly_certain_labels,
    "probabilities by doubt": probabilities_by_doubt,
    "20 strata of 5": many_strata,
    "100 strata of 5, rate .95": lambda rng, finite: many_strata(rng, finite, 100, 5, 0.95),
    "40 strata of 5, rate .5": lambda rng, finite: many_strata(rng, finite, 40, 5, 0.5),
    "4 strata of 20, rate .95": lambda rng, finite: many_strata(rng, finite, 4, 20, 0.95),
    "six weighty strata": few_weighty_strata,
    "two weighty strata of ten": lambda rng, finite: few_weighty_strata(rng, finite, 10, 2),
    "20 of 30 strata with one label": strata_of_one_label,
    "30 strata with one label": lambda rng, finite: strata_of_one_label(rng, finite, 30),
    "scores with 3 % zeros": scores_with_zeros,
    "scores with 1.2 % zeros": lambda rng, finite: scores_with_zeros(rng, finite, 200, 0.012),
    "scores of two values": two_point_scores,
    "smooth scores": smooth_scores,
    "smooth scores, gross errors of the judge": lambda rng, finite: smooth_scores(rng, finite, 0.99, 0.03),
    "U-shaped scores in strata": u_shaped_scores,
    "paired difference": paired_difference,
    "oversampled flags": oversampled_flags,
    "20 clusters": labelled_clusters,
    "10 clusters, rate .97": lambda rng, finite: labelled_clusters(rng, finite, 10, 0.97),
    "rows of 40 clusters": rows_of_clusters,
    "rows of 12 clusters": lambda rng, finite: rows_of_clusters(rng, finite, 12, 100, 300, 0.9, 0.5),
    "rows of pairs, rate .98": lambda rng, finite: rows_of_clusters(rng, finite, 400, 2, 100, 0.9, 0.98, 0.7),
    "scores of 100 rows of clusters, a few zeros": lambda rng, finite: rows_of_clusters(
        rng, finite, 200, 4, 100, 0.2, law="scores", gross=0.003
    ),
    "scores of rows of clusters of which whole ones are zeros": lambda rng, finite: rows_of_clusters(
        rng, finite, 50, 50, 500, 0.9, law="scores"
    ),
    "U-shaped scores of rows of clusters": lambda rng, finite: rows_of_clusters(
        rng, finite, 25, 20, 200, 0.9, law="U-shaped"
    ),
}


def random_setting(rng: np.random.Generator, finite: bool) -> Callable[[np.random.Generator], ShareDraw]:
    """Draw a law at random: strata, shares, rates, verdicts, labels; return its maker of data sets."""
    n_strata = int(rng.integers(1, 9))
    sizes = np.maximum((rng.dirichlet(np.full(n_strata, rng.uniform(0.5, 10))) * 2000).astype(int), 12)
    n_labels = np.minimum(
        np.maximum(rng.dirichlet(np.ones(n_strata)) * rng.integers(20, 400), 2), sizes
    ).astype(int)
    rates = rng.beta(*rng.choice([(0.5, 0.5), (9, 1), (2, 2), (30, 1)], 1)[0], n_strata)
    sensitivity, false_positives = rng.uniform(0.5, 1), rng.uniform(0, 0.5)
    strata = np.repeat(np.arange(n_strata), sizes)
    frozen = (rng.random(len(strata)) < rates[strata]).astype(float) if finite else None

    def make(inner: np.random.Generator) -> ShareDraw:
        y = (inner.random(len(strata)) < rates[strata]).astype(float) if frozen is None else frozen
        flag = inner.random(len(strata)) < np.where(y == 1, sensitivity, false_positives)
        return ShareDraw(
            y=y,
            probability=(n_labels / sizes)[strata],
            target=_target(y, float(np.average(rates, weights=sizes)), finite),
            surrogates=(flag.astype(float),),
            strata=strata if n_strata > 1 else None,
            finite=finite,
        )

    return make


def coverage(
    make: Callable[[np.random.Generator], ShareDraw],
    replicates: int,
    seed,
    level: float = 0.95,
    *,
    exact: bool = False,
) -> tuple[int, float]:
    """Return how often the interval covers, and its mean width; every end must lie in [0, 1]."""
    rng = np.random.default_rng(seed)
    hits, width = 0, 0.0
    for _ in range(replicates):
        data = make(rng)
        _, low, high = data.exact(rng, level) if exact else data.interval(rng, level)
        assert 0 <= low <= high <= 1
        hits += bool(low - 1e-12 <= data.target <= high + 1e-12)
        width += float(high - low) / replicates
    return hits, width


def of_the_grid(rng, finite, share=0.95, judge=(0.98, 0.02), n_labels=50) -> ShareDraw:
    """A setting of the grid as rows: 500 units that are the population, or 2,000 that are a sample of it."""
    n = 500 if finite else 2000
    y = (rng.random(n) < share).astype(float)
    flag = (rng.random(n) < np.where(y == 1, *judge)).astype(float)
    probability = np.full(n, n_labels / n)
    target = _target(y, share, finite)
    return ShareDraw(y=y, probability=probability, target=target, surrogates=(flag,), finite=finite)
