"""Benchmark laws with known mutual information: the 40 tasks of "Beyond Normal" and the test law of MIST.

They are a test. Nothing in this package trains, tunes or selects on them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

import numpy as np
from scipy.special import ndtr

from benchmarks.mi_laws import (
    AdditiveUniformLaw,
    GaussianLaw,
    StudentLaw,
    dense_correlation,
    latent_variable_correlation,
)
from validstats._typing import Float2D, FloatND
from validstats.mi.families.base import JointSample

__all__ = [
    "MIST_IN_FAMILY",
    "MIST_OUT_OF_FAMILY",
    "BenchmarkTask",
    "bmi_tasks",
    "draw_mist_set",
    "mist_test_sets",
]

TaskGroup: TypeAlias = Literal["gaussian", "student", "spiral", "additive"]
"""Gaussian under monotone maps; Student and asinh-Student; spiral and swiss roll; uniform additive noise."""

Map: TypeAlias = Callable[[FloatND], FloatND]
"""Injective map of the rows of one side; it leaves the mutual information unchanged."""


class Law(Protocol):
    """A joint law with known mutual information."""

    @property
    def dim_x(self) -> int:
        """Dimension of X."""

    @property
    def dim_y(self) -> int:
        """Dimension of Y."""

    @property
    def mutual_information(self) -> float:
        """True mutual information in nats."""

    def sample(self, n_samples: int, generator: np.random.Generator) -> tuple[Float2D, Float2D]:
        """Draw rows of X and of Y."""


# --- injective maps ---------------------------------------------------------------------------------------


def half_cube(values: FloatND) -> FloatND:
    """Signed power 3/2 of each value."""
    return values * np.sqrt(np.abs(values))


def wiggly_x(values: FloatND) -> FloatND:
    """Increasing map with ripples, for X."""
    ripples = 0.4 * np.sin(values) + 0.2 * np.sin(1.7 * values + 1.0) + 0.03 * np.sin(3.3 * values - 2.5)
    return values + ripples


def wiggly_y(values: FloatND) -> FloatND:
    """Increasing map with ripples, for Y."""
    ripples = (
        -0.4 * np.sin(0.4 * values) + 0.17 * np.sin(1.3 * values + 3.5) + 0.02 * np.sin(4.3 * values - 2.5)
    )
    return values + ripples


def _bimodal_quantile(probability: FloatND, weight: float, centres: tuple[float, float]) -> FloatND:
    """Quantile of a two-component mixture of unit normals, by bisection."""
    low = np.full_like(probability, min(centres) - 40.0)
    high = np.full_like(probability, max(centres) + 40.0)
    for _ in range(80):
        middle = 0.5 * (low + high)
        below = weight * ndtr(middle - centres[0]) + (1.0 - weight) * ndtr(middle - centres[1]) < probability
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return 0.5 * (low + high)


def bimodal_x(values: FloatND) -> FloatND:
    """Standard normal values to a 0.3 / 0.7 mixture centred at 0 and 5, increasing."""
    return _bimodal_quantile(ndtr(values), 0.3, (0.0, 5.0))


def bimodal_y(values: FloatND) -> FloatND:
    """Standard normal values to an equal mixture centred at -1 and 3, increasing."""
    return _bimodal_quantile(ndtr(values), 0.5, (-1.0, 3.0))


def swiss_roll(values: FloatND) -> FloatND:
    """Roll uniform values of shape (n, 1) up into a curve in the plane, shape (n, 2)."""
    angle = 1.5 * np.pi * (1.0 + 2.0 * values[:, :1])
    return np.hstack([angle * np.cos(angle), angle * np.sin(angle)]) / 21.0


def _spiral(rows: FloatND, first: int, second: int) -> FloatND:
    """Rotate two coordinates by the squared length of the row over its dimension."""
    angle = np.einsum("ij,ij->i", rows, rows) / rows.shape[1]
    cosine, sine = np.cos(angle), np.sin(angle)
    turned = rows.copy()
    turned[:, first] = cosine * rows[:, first] - sine * rows[:, second]
    turned[:, second] = sine * rows[:, first] + cosine * rows[:, second]
    return turned


def spiral_x(rows: FloatND) -> FloatND:
    """Spiral in the plane of the first two coordinates."""
    return _spiral(rows, 0, 1)


def spiral_y(rows: FloatND) -> FloatND:
    """Spiral in the plane of the second and third coordinates."""
    return _spiral(rows, 1, 2)


_MAPS: dict[str, tuple[Map, Map]] = {
    "base": (np.array, np.array),
    "normal_cdf": (ndtr, ndtr),
    "half_cube": (half_cube, half_cube),
    "asinh": (np.arcsinh, np.arcsinh),
    "wiggly": (wiggly_x, wiggly_y),
    "bimodal": (bimodal_x, bimodal_y),
    "spiral": (spiral_x, spiral_y),
    "swissroll_x": (swiss_roll, np.array),
}

# --- the 40 tasks -----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class BenchmarkTask:
    """One benchmark law: a base law and injective maps of its two sides.

    Attributes
    ----------
    name : str
        Identifier of the task in the benchmark.
    title : str
        Readable name.
    law : Law
        Base law with closed-form mutual information.
    maps : tuple of str
        Maps applied to both sides, in order.
    group : {"gaussian", "student", "spiral", "additive"}
        Group in which errors are reported.
    dim_x, dim_y : int
        Dimensions after the maps.
    """

    name: str
    title: str
    law: Law
    maps: tuple[str, ...]
    group: TaskGroup
    dim_x: int
    dim_y: int

    @property
    def mutual_information(self) -> float:
        """True mutual information in nats."""
        return self.law.mutual_information

    @property
    def held_out(self) -> bool:
        """Whether the evaluation weights never see its family (spirals, swiss roll, additive noise)."""
        return self.group in ("spiral", "additive")

    def sample(
        self, n_samples: int, random_state: int | np.random.Generator | None = None
    ) -> tuple[Float2D, Float2D]:
        """Draw a data set.

        Parameters
        ----------
        n_samples : int
            Number of rows.
        random_state : int, Generator or None, default None
            Seed of the draw.

        Returns
        -------
        x : ndarray of shape (n_samples, dim_x)
            Rows of X.
        y : ndarray of shape (n_samples, dim_y)
            Rows of Y.
        """
        return _apply_maps(*self.law.sample(n_samples, np.random.default_rng(random_state)), self.maps)


def _apply_maps(x: Float2D, y: Float2D, maps: tuple[str, ...]) -> tuple[Float2D, Float2D]:
    for name in maps:
        map_x, map_y = _MAPS[name]
        x, y = map_x(x), map_y(y)
    return x, y


def _gaussian_tasks() -> Iterator[BenchmarkTask]:
    pair = GaussianLaw(dense_correlation(2, 0.75), 1)
    binormal = "1v1-normal-0.75"
    yield BenchmarkTask(binormal, "Bivariate normal 1 × 1", pair, (), "gaussian", 1, 1)
    yield BenchmarkTask(
        f"normal_cdf-{binormal}",
        "Normal CDF @ Bivariate normal 1 × 1",
        pair,
        ("normal_cdf",),
        "gaussian",
        1,
        1,
    )
    yield BenchmarkTask("1v1-bimodal-0.75", "Bimodal 1 × 1", pair, ("bimodal",), "gaussian", 1, 1)
    for name, label in (("wiggly", "Wiggly"), ("half_cube", "Half-cube")):
        title = f"{label} @ Bivariate normal 1 × 1"
        yield BenchmarkTask(f"{name}-{binormal}", title, pair, (name,), "gaussian", 1, 1)
    for dim in (2, 3, 5, 25, 50):
        dense = GaussianLaw(dense_correlation(2 * dim, 0.5), dim)
        title = f"Multinormal {dim} × {dim} (dense)"
        yield BenchmarkTask(f"multinormal-dense-{dim}-{dim}-0.5", title, dense, (), "gaussian", dim, dim)


def _two_pair_law(dim: int) -> GaussianLaw:
    return GaussianLaw(latent_variable_correlation(dim, dim, 2, strength=2.0, private=2.0), dim)


def _two_pair_tasks() -> Iterator[BenchmarkTask]:
    for dim in (2, 3, 5, 25):
        base, title = f"multinormal-sparse-{dim}-{dim}-2-2.0", f"Multinormal {dim} × {dim} (2-pair)"
        law = _two_pair_law(dim)
        yield BenchmarkTask(base, title, law, (), "gaussian", dim, dim)
        if dim == 2:
            continue
        for name, label in (("normal_cdf", "Normal CDF"), ("half_cube", "Half-cube")):
            yield BenchmarkTask(f"{name}-{base}", f"{label} @ {title}", law, (name,), "gaussian", dim, dim)
        yield BenchmarkTask(f"spiral-{base}", f"Spiral @ {title}", law, ("spiral",), "spiral", dim, dim)
        yield BenchmarkTask(
            f"spiral-normal_cdf-{base}",
            f"Spiral @ Normal CDF @ {title}",
            law,
            ("normal_cdf", "spiral"),
            "spiral",
            dim,
            dim,
        )


def _student_tasks() -> Iterator[BenchmarkTask]:
    asinh_too = {(1, 1), (2, 1), (3, 2), (5, 2)}
    for dim, df in ((1, 1), (2, 1), (2, 2), (3, 2), (3, 3), (5, 2), (5, 3)):
        law = StudentLaw(np.eye(2 * dim), dim, df)
        base, title = f"student-identity-{dim}-{dim}-{df}", f"Student-t {dim} × {dim} (dof={df})"
        yield BenchmarkTask(base, title, law, (), "student", dim, dim)
        if (dim, df) in asinh_too:
            yield BenchmarkTask(f"asinh-{base}", f"Asinh @ {title}", law, ("asinh",), "student", dim, dim)


def _other_tasks() -> Iterator[BenchmarkTask]:
    for half_width, text in ((0.1, "0.1"), (0.75, "0.75")):
        law = AdditiveUniformLaw(np.array([half_width]))
        title = f"Uniform 1 × 1 (additive noise={text})"
        yield BenchmarkTask(f"1v1-additive-{text}", title, law, (), "additive", 1, 1)
    pair = GaussianLaw(dense_correlation(2, 0.75), 1)
    name = "swissroll_x-normal_cdf-1v1-normal-0.75"
    yield BenchmarkTask(name, "Swiss roll 2 × 1", pair, ("normal_cdf", "swissroll_x"), "spiral", 2, 1)


def bmi_tasks() -> dict[str, BenchmarkTask]:
    """Return the 40 tasks of the "Beyond Normal" benchmark, rebuilt from their definitions.

    Returns
    -------
    dict of str to BenchmarkTask
        Tasks by their name in the benchmark (version 1, 40 tasks).

    References
    ----------
    Czyz, Grabowski, Vogt, Beerenwinkel and Marx (2023), "Beyond Normal: On the Evaluation of Mutual
    Information Estimators", NeurIPS.

    Examples
    --------
    >>> tasks = bmi_tasks()
    >>> len(tasks)
    40
    >>> x, y = tasks["student-identity-3-3-2"].sample(100, random_state=0)
    >>> x.shape, y.shape, round(tasks["student-identity-3-3-2"].mutual_information, 4)
    ((100, 3), (100, 3), 0.2909)
    """
    makers = (_gaussian_tasks, _two_pair_tasks, _student_tasks, _other_tasks)
    return {task.name: task for make in makers for task in make()}


# --- the test law of MIST ---------------------------------------------------------------------------------

MIST_IN_FAMILY = (
    "multi_normal-dense-base",
    "multi_normal-lvm-wigglify",
    "multi_normal-dense-halfcube",
    "multi_student-dense-base",
    "multi_student-sparse-base",
    "multi_student-sparse-asinh",
)
"""Families of the test law that MIST also trains on."""

MIST_OUT_OF_FAMILY = (
    "multi_normal-dense-wigglify",
    "multi_normal-sparse-halfcube",
    "multi_normal-sparse-asinh",
    "multi_student-sparse-wigglify",
    "multi_student-dense-halfcube",
    "multi_additive_noise-base",
    "multi_additive_noise-halfcube",
)
"""Families of the test law that MIST does not train on."""

_MIST_MAPS = {"base": "base", "wigglify": "wiggly", "halfcube": "half_cube", "asinh": "asinh"}


def _mist_dispersion(structure: str, dim: int, generator: np.random.Generator) -> Float2D:
    if structure == "dense":
        return dense_correlation(2 * dim, generator.uniform(0.0, 0.5))
    if structure == "2pair":
        strength = generator.uniform(0.1, 5.0)
        return latent_variable_correlation(dim, dim, 2, strength=strength, private=strength)
    n_interacting = int(generator.integers(1, dim + 1))
    if structure == "sparse":
        strength = generator.uniform(0.1, 5.0)
        return latent_variable_correlation(dim, dim, n_interacting, strength=strength, private=strength)
    shared, strength, within, private = generator.uniform([0.0, 0.1, 0.0, 0.1], [1.0, 3.0, 1.5, 5.0])
    return latent_variable_correlation(
        dim, dim, n_interacting, shared=shared, strength=strength, within=within, private=private
    )


def _mist_law(family: str, dim: int, generator: np.random.Generator) -> Law:
    base, *rest = family.split("-")
    if base == "multi_additive_noise":
        return AdditiveUniformLaw(generator.uniform(0.1, 2.0, size=dim))
    if base == "multi_normal":
        return GaussianLaw(_mist_dispersion(rest[0], dim, generator), dim)
    if base == "multi_student":
        degrees_of_freedom = float(generator.uniform(1.0, 10.0))
        return StudentLaw(_mist_dispersion(rest[0], dim, generator), dim, degrees_of_freedom)
    raise ValueError(
        f"family must start with multi_normal, multi_student or multi_additive_noise, got {family!r}."
    )


def draw_mist_set(family: str, n_samples: int, dim: int, generator: np.random.Generator) -> JointSample:
    """Draw one data set from a family of MIST's meta-distribution, with fresh parameters.

    Parameters
    ----------
    family : str
        ``base-structure-map`` (``multi_additive_noise-map``), with structure dense, sparse, lvm or 2pair and
        map base, wigglify, halfcube or asinh.
    n_samples : int
        Number of rows.
    dim : int
        Dimension of X and of Y.
    generator : numpy.random.Generator
        Source of parameters and rows.

    Returns
    -------
    JointSample
        The data and their true mutual information.

    References
    ----------
    Gritsai, Richards, Meloux, Cho and Peyrard (2025), "MIST", arXiv 2511.18945, sections 3 and 4.

    Examples
    --------
    >>> drawn = draw_mist_set("multi_normal-dense-base", 50, 4, np.random.default_rng(0))
    >>> drawn.x.shape, drawn.y.shape
    ((50, 4), (50, 4))
    """
    law = _mist_law(family, dim, generator)
    map_name = _MIST_MAPS[family.rsplit("-", 1)[1]]
    x, y = _apply_maps(*law.sample(n_samples, generator), (map_name,))
    return JointSample(x=x, y=y, mutual_information=law.mutual_information, family=family)


def mist_test_sets(
    families: tuple[str, ...] = MIST_IN_FAMILY,
    *,
    sets_per_cell: int = 9,
    random_state: int | np.random.Generator | None = 0,
) -> Iterator[JointSample]:
    """Draw MIST's test law: every family at 20 sample sizes from 10 to 500.

    Each cell of sample size and family has one dimension, uniform on 2..32, shared by its sets, and every set
    has its own parameters. The draws are ours: the same law as the original's, not the same sets.

    Parameters
    ----------
    families : tuple of str, default MIST_IN_FAMILY
        Families, for example ``MIST_OUT_OF_FAMILY``.
    sets_per_cell : int, default 9
        Sets for each sample size and family; 9 gives the original's 1,080 sets in family and 1,260 out.
    random_state : int, Generator or None, default 0
        Seed.

    Yields
    ------
    JointSample
        One data set with its true mutual information.

    Examples
    --------
    >>> sum(1 for _ in mist_test_sets(("multi_normal-dense-base",), sets_per_cell=1))
    20
    """
    generator = np.random.default_rng(random_state)
    for n_samples in np.linspace(10, 500, 20).astype(int):
        for family in families:
            dim = int(generator.integers(2, 33))
            for _ in range(sets_per_cell):
                yield draw_mist_set(family, int(n_samples), dim, generator)
