"""Design-based estimating functions: gold scores corrected by expected scores of the machine labels.

Every estimator of the module solves ``mean_i psi_i(b) = 0`` with

    psi_i(b) = w_i s_i(b) + (1 - w_i) g_i(b),        w_i = labelled_i / probability_i,

where ``s`` is the score on expert labels and ``g`` any function of what is always observed. Since
``E[w_i | everything] = 1``, the mean of ``psi`` is unbiased for the mean of ``s`` whatever ``g`` is.

Everything that an estimate needs of the rows is a sum. A :class:`LabelledSample` holds its rows in memory and is one
part; a sample whose rows arrive in several parts offers the same attributes, and ``total`` adds over its parts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial, reduce
from operator import add
from typing import Any, Literal, Protocol, Self, TypeAlias, TypeVar

import numpy as np

from validstats._typing import AnyArray, Bool1D, Float1D, Float2D, Int1D
from validstats.dsl.moments import (
    AbsorbedRows,
    ExplainedScores,
    ModelMoment,
    NewtonResult,
    RegressionRows,
    SamplingDesign,
    ScaledJacobian,
    entries_at,
    find_root,
    is_constant,
    repeated,
)

__all__ = [
    "Augmentation",
    "AugmentedFit",
    "Change",
    "Component",
    "EstimatorName",
    "LabelledSample",
    "PsiSums",
    "Sample",
    "ScoreTerm",
    "Tuning",
    "TuningKind",
    "augmentation_scores",
    "expected_jacobian",
    "expected_score",
    "fit_augmented",
    "fit_term",
    "identity_augmentation",
    "labelled_term",
    "one_step",
    "psi_leverage",
    "psi_mean",
    "psi_scores",
    "psi_sums",
    "spread_over",
    "term_sums",
]


T = TypeVar("T")

_BLOCK = 16_384
"""Least number of rows in memory that are worked on at once, so that what is made of them stays small."""

_NUMBERS = 131_072
"""Rows times coefficients that are worked on at once where the coefficients are few."""

_FEW_BLOCKS = 16
"""Most blocks of rows that share clusters or absorbed effects."""


@dataclass(frozen=True, kw_only=True)
class Component:
    """One way of completing the unlabelled variables, with its conditional probability in every row."""

    rows: RegressionRows  # all ``n`` rows with the predicted variables filled in
    weight: Float1D | float = 1.0  # conditional probability of this completion given what is always observed


ScoreTerm: TypeAlias = tuple[Component, ...]
"""A conditional expectation of the score, as a mixture of completed data sets."""


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """The function ``g`` of always-observed variables: a constant plus linearly mapped expected scores."""

    # expected scores; in a sample of several parts what its parts replace by their own
    terms: tuple[ScoreTerm, ...] = ()
    # one matrix a term: the row ``a_i`` of expected scores enters as ``a_i @ matrix``
    matrices: tuple[Float2D, ...] = ()
    # constant part, one for all rows or one a stratum; the rows of a cluster that was drawn as a whole share it
    constant: Float1D | Float2D | None = None

    @property
    def is_empty(self) -> bool:
        """Whether ``g`` is zero, so that rows without an expert label contribute nothing."""
        return not self.terms and self.constant is None

    def with_terms(self, terms: tuple[ScoreTerm, ...]) -> Augmentation:
        """Return the same function of the expected scores of other rows."""
        return Augmentation(terms=terms, matrices=self.matrices, constant=self.constant)


Change: TypeAlias = (
    "Callable[[LabelledSample, tuple[ScoreTerm, ...]], tuple[LabelledSample, tuple[ScoreTerm, ...]]]"
)
"""What turns a part and its expected scores into those of another model."""


class Sample(Protocol):
    """What an estimator needs of a data set, whether its rows are in memory together or not."""

    @property
    def moment(self) -> ModelMoment:
        """The model."""

    @property
    def gold(self) -> RegressionRows:
        """Labelled rows, completed with expert labels."""

    @property
    def design(self) -> SamplingDesign:
        """How rows were chosen."""

    @property
    def drawn(self) -> SamplingDesign:
        """The design of the labelled rows alone."""

    @property
    def clusters(self) -> tuple[Int1D, ...]:
        """Codes of dependent rows, for standard errors."""

    @property
    def n_rows(self) -> int:
        """Number of rows, labelled or not."""

    @property
    def n_labelled(self) -> int:
        """Number of labelled rows."""

    @property
    def gold_probability(self) -> Float1D:
        """Probabilities of the labelled rows."""

    @property
    def gold_weights(self) -> Float1D:
        """Their inverse."""

    @property
    def positions(self) -> AnyArray:
        """Positions of the labelled rows among all."""

    @property
    def keeps_rows(self) -> bool:
        """Whether values of single rows may be kept."""

    @property
    def n_passes(self) -> int:
        """How often rows outside memory were read so far."""

    @property
    def sums_by(self) -> Callable[..., Any] | None:
        """What sums influence functions by columns of rows that are read again; None for rows in memory."""

    def total(
        self,
        work: Callable[[LabelledSample, Augmentation], T],
        augmentation: Augmentation,
        *,
        labelled_only: bool = False,
        in_blocks: bool = True,
    ) -> T:
        """Add what ``work`` returns over the parts, or of the labelled rows where the others add nothing.

        Rows in memory are one block where ``in_blocks`` is false: little is made of each of them.
        """

    def labelled_part(self, augmentation: Augmentation) -> tuple[LabelledSample, Augmentation]:
        """Return the labelled rows as a sample of their own, with their part of an augmentation."""

    def changed(self, change: Change, terms: tuple[ScoreTerm, ...]) -> tuple[Sample, tuple[ScoreTerm, ...]]:
        """Return the sample and terms whose parts a function has changed."""


@dataclass(frozen=True, kw_only=True)
class LabelledSample:
    """Rows in memory: the model, the expert-labelled rows, and how they were drawn."""

    moment: ModelMoment
    gold: RegressionRows  # labelled rows only, completed with expert labels, in the order of the data
    labelled: Bool1D  # which of the ``n`` rows are labelled
    probability: Float1D  # probability in (0, 1] with which each row was to be labelled
    # part of the scores that absorbed effects explain, which adds to zero and is taken off for variances, and leverage
    explained: ExplainedScores | None = None
    design: SamplingDesign = field(default_factory=SamplingDesign)
    clusters: tuple[Int1D, ...] = ()  # codes of dependent rows, for standard errors
    filled: RegressionRows | None = None  # all rows, unknown labels filled in with other labels
    absorbed: AbsorbedRows | None = None  # levels of the absorbed effects of all rows

    keeps_rows = True
    n_passes = 0
    sums_by = None

    @property
    def n_rows(self) -> int:
        """Number of rows, labelled or not."""
        return len(self.labelled)

    @property
    def n_labelled(self) -> int:
        """Number of labelled rows."""
        return len(self.positions)

    @cached_property
    def positions(self) -> AnyArray:
        """Positions of the labelled rows, shape ``(n_labelled,)``."""
        return np.flatnonzero(self.labelled)

    @property
    def is_centred(self) -> bool:
        """Whether absorbed effects explain a part of the scores."""
        return self.explained is not None and bool(self.explained.effects)

    def effect_scores(self, *, of_labels: bool = False) -> Float2D:
        """Return what absorbed effects explain of the scores, of the labels alone or with the predictions."""
        assert self.explained is not None
        assert self.filled is not None
        assert self.absorbed is not None
        carriers = self.filled.X if self.filled.Z is None else self.filled.Z
        return self.explained.scores(carriers, self.absorbed, int(of_labels))

    def effect_leverage(self, rows: AnyArray | slice = slice(None)) -> Float1D | None:
        """Return the leverage of some rows on absorbed effects, None where there is none."""
        if self.explained is None or self.absorbed is None:
            return None
        return self.explained.leverage(self.absorbed.take(rows))

    @property
    def chosen(self) -> AnyArray | slice:
        """What picks the labelled rows from arrays of all rows."""
        return slice(None) if self.n_labelled == self.n_rows else self.positions

    @cached_property
    def gold_weights(self) -> Float1D:
        """Inverse probabilities of the labelled rows, shape ``(n_labelled,)``."""
        chance = self.gold_probability
        # one number is kept once, so that it multiplies all entries of a matrix in one go
        return repeated(1.0 / float(chance[0]), len(chance)) if is_constant(chance) else 1.0 / chance

    @cached_property
    def gold_probability(self) -> Float1D:
        """Probabilities of the labelled rows, shape ``(n_labelled,)``."""
        return entries_at(self.probability, self.positions)

    @cached_property
    def remainder(self) -> Float1D:
        """``1 - labelled / probability`` for all rows, the weight of the augmentation, shape ``(n,)``."""
        values = np.ones(self.n_rows)
        values[self.positions] -= self.gold_weights
        return values

    @cached_property
    def drawn(self) -> SamplingDesign:
        """The design of the labelled rows alone."""
        return self.design.take(self.positions)

    def total(
        self,
        work: Callable[[LabelledSample, Augmentation], T],
        augmentation: Augmentation,
        *,
        labelled_only: bool = False,
        in_blocks: bool = True,
    ) -> T:
        """Add what ``work`` makes of blocks of rows."""
        size = max(_BLOCK, _NUMBERS // max(self.moment.n_params(self.gold), 1))
        if self.clusters or self.absorbed is not None:
            # sums by level are put together after each block: few blocks, and one where levels have two ways
            ways = max(len(self.clusters), 0 if self.absorbed is None else len(self.absorbed.codes))
            size = max(size, self.n_rows if ways > 1 else -(-self.n_rows // _FEW_BLOCKS))
        if labelled_only or not in_blocks or self.n_rows <= size:
            return work(self, augmentation)
        blocks = (slice(begin, begin + size) for begin in range(0, self.n_rows, size))
        return reduce(add, (work(*self._block(rows, augmentation)) for rows in blocks))

    def _block(self, rows: slice, augmentation: Augmentation) -> tuple[LabelledSample, Augmentation]:
        """Return consecutive rows with their part of an augmentation."""
        first, last = np.searchsorted(self.positions, [rows.start, rows.stop])
        known = slice(first, last)
        filled = None if self.filled is None else self.filled.take(rows)
        part = replace(
            self,
            gold=self.gold.take(known),
            labelled=self.labelled[rows],
            probability=self.probability[rows],
            design=self.design.sized.take(rows),
            clusters=tuple(codes[rows] for codes in self.clusters),
            filled=filled,
            absorbed=None if self.absorbed is None else self.absorbed.take(rows),
        )
        # what is known of all rows is not made again of a block
        vars(part).update(
            positions=self.positions[known] - rows.start,
            gold_probability=self.gold_probability[known],
            gold_weights=self.gold_weights[known],
        )
        shared = _shared(self.filled, filled)
        return part, augmentation.with_terms(tuple(_taken(t, rows, shared) for t in augmentation.terms))

    def labelled_part(self, augmentation: Augmentation) -> tuple[LabelledSample, Augmentation]:
        """Return the labelled rows as a sample of their own, with their part of an augmentation."""
        if len(self.positions) == self.n_rows:
            return self, augmentation
        if not augmentation.terms:
            return self._labelled_rows, augmentation
        of_terms = self._labelled_terms
        for term in augmentation.terms:
            if id(term) not in of_terms:
                of_terms[id(term)] = term, labelled_term(self, term)
        terms = tuple(of_terms[id(term)][1] for term in augmentation.terms)
        return self._labelled_rows, augmentation.with_terms(terms)

    @cached_property
    def _labelled_terms(self) -> dict[int, tuple[ScoreTerm, ScoreTerm]]:
        """Expected scores that were asked for, with their labelled rows."""
        return {}

    @cached_property
    def _labelled_rows(self) -> LabelledSample:
        """The labelled rows as a sample of their own."""
        rows = self.positions
        part = replace(
            self,
            labelled=np.ones(len(rows), dtype=np.bool_),
            probability=self.gold_probability,
            design=self.drawn,
            clusters=tuple(codes[rows] for codes in self.clusters),
            filled=None if self.filled is None else self.gold,
            absorbed=None if self.absorbed is None else self.absorbed.take(rows),
        )
        vars(part).update(
            positions=np.arange(len(rows)),
            gold_probability=self.gold_probability,
            gold_weights=self.gold_weights,
        )
        return part

    def changed(
        self, change: Change, terms: tuple[ScoreTerm, ...]
    ) -> tuple[LabelledSample, tuple[ScoreTerm, ...]]:
        """Return the sample and terms that a function makes of them."""
        return change(self, terms)


def labelled_term(sample: LabelledSample, term: ScoreTerm) -> ScoreTerm:
    """Return the labelled rows of an expected score, in the order of ``sample.gold``."""
    return _taken(term, sample.positions, _shared(sample.filled, sample.gold))


def _shared(rows: RegressionRows | None, some: RegressionRows | None) -> dict[int, Any]:
    """Return what is known of arrays that rows share with expected scores: some of their rows, by identity."""
    if rows is None or some is None:
        return {}
    pairs = (rows.X, some.X), (rows.Z, some.Z), (rows.weights, some.weights), (rows.offset, some.offset)
    return {id(own): of_some for own, of_some in pairs}


def _taken(term: ScoreTerm, rows: AnyArray | slice, shared: Mapping[int, Any]) -> ScoreTerm:
    """Return some rows of an expected score."""
    return tuple(
        Component(
            rows=c.rows.take(rows, shared),
            weight=c.weight[rows] if isinstance(c.weight, np.ndarray) and c.weight.ndim else c.weight,
        )
        for c in term
    )


def expected_score(moment: ModelMoment, term: ScoreTerm, params: Float1D) -> Float2D:
    """Return the expected score of every row, the mixture of the scores of its completions."""
    # ``sum_k weight_k * score(rows_k, params)``.
    total: Float2D | None = None
    for component in term:
        score = moment.score(component.rows, params)
        if not _is_one(component.weight):
            score *= np.reshape(component.weight, (-1, 1))
        total = score if total is None else total + score
    assert total is not None
    return total


def expected_jacobian(moment: ModelMoment, term: ScoreTerm, params: Float1D, row_weights: Float1D) -> Float2D:
    """Return the weighted sum of the negative derivative of the expected score."""
    parts = (
        moment.jacobian(c.rows, params, row_weights if _is_one(c.weight) else row_weights * c.weight)
        for c in term
    )
    return reduce(add, parts)


def _is_one(weight: Float1D | float) -> bool:
    return not isinstance(weight, np.ndarray) and weight == 1.0


def augmentation_scores(sample: LabelledSample, augmentation: Augmentation, params: Float1D) -> Float2D:
    """Return the function ``g`` of every row of a part."""
    g: Float2D | None = None
    for term, matrix in zip(augmentation.terms, augmentation.matrices, strict=True):
        mapped = _map_scores(expected_score(sample.moment, term, params), matrix)
        g = mapped if g is None else np.add(g, mapped, out=g)
    if g is None:
        g = np.zeros((sample.n_rows, len(params)))
    if augmentation.constant is not None:
        g += sample.design.row_values(augmentation.constant)
    return g


def _map_scores(score: Float2D, matrix: Float2D) -> Float2D:
    scale = matrix[0, 0]
    if len(matrix) > 1 and not np.array_equal(matrix, scale * np.eye(len(matrix))):
        return score @ matrix
    if scale != 1.0:
        score *= scale
    return score


def psi_scores(sample: LabelledSample, augmentation: Augmentation, params: Float1D) -> Float2D:
    """Return the estimating function of every row of a part, ``w s + (1 - w) g``."""
    weight, rows = sample.gold_weights[:, None], sample.chosen
    gold = weight * sample.moment.score(sample.gold, params)
    if augmentation.is_empty:
        return spread_over(sample, gold)
    psi = augmentation_scores(sample, augmentation, params)
    psi[rows] = (1.0 - weight) * psi[rows] + gold
    return psi


def spread_over(sample: LabelledSample, values: Float2D) -> Float2D:
    """Return values of the labelled rows among those of all rows, the others zero."""
    if sample.n_labelled == sample.n_rows:
        return values
    found = np.zeros((sample.n_rows, values.shape[1]))
    found[sample.positions] = values
    return found


@dataclass(frozen=True)
class PsiSums:
    """Sums of the estimating function and of its negative derivative; sums of disjoint parts add."""

    score: Float1D
    jacobian: Float2D | None = None

    def __add__(self, other: Self) -> Self:
        both = self.jacobian is not None and other.jacobian is not None
        slope = self.jacobian + other.jacobian if both else None  # type: ignore[operator]
        return type(self)(self.score + other.score, slope)


def psi_sums(
    sample: LabelledSample, augmentation: Augmentation, params: Float1D, with_jacobian: bool = True
) -> PsiSums:
    """Return the sums of a part, without forming the estimating function of its rows."""
    # sum_i w_i s_i + sum_j [sum_i (1 - w_i) a_ij] M_j + sum_i (1 - w_i) c_i, and
    # sum_i w_i J(s_i) + sum_j M_j' sum_i (1 - w_i) J(a_ij)
    total, slope = _sums(sample.moment, sample.gold, params, sample.gold_weights, with_jacobian)
    for term, matrix in zip(augmentation.terms, augmentation.matrices, strict=True):
        score, jacobian = _expected_sums(sample.moment, term, params, sample.remainder, with_jacobian)
        total = total + score @ matrix
        if slope is not None and jacobian is not None:
            slope = slope + matrix.T @ jacobian
    if augmentation.constant is not None:
        constant = np.broadcast_to(
            sample.design.row_values(augmentation.constant), (sample.n_rows, len(params))
        )
        total = total + sample.remainder @ constant
    return PsiSums(np.asarray(total), slope)


def _sums(
    moment: ModelMoment, rows: RegressionRows, params: Float1D, row_weights: Float1D, with_jacobian: bool
) -> tuple[Float1D, Float2D | None]:
    if with_jacobian:
        return moment.sums(rows, params, row_weights)
    return moment.total(rows, params, row_weights), None


def _expected_sums(
    moment: ModelMoment, term: ScoreTerm, params: Float1D, row_weights: Float1D, with_jacobian: bool
) -> tuple[Float1D, Float2D | None]:
    """Return the weighted sums of the expected score and of its negative derivative, which form no score of a row."""
    score: Float1D | None = None
    slope: Float2D | None = None
    for c in term:
        weights = row_weights if _is_one(c.weight) else row_weights * c.weight
        own, jacobian = _sums(moment, c.rows, params, weights, with_jacobian)
        score = own if score is None else score + own
        if jacobian is not None:
            slope = jacobian if slope is None else slope + jacobian
    assert score is not None
    return score, slope


def psi_mean(sample: Sample, augmentation: Augmentation, params: Float1D) -> Float1D:
    """Return the mean of the estimating function over all parts."""
    return (
        sample.total(partial(psi_sums, params=params, with_jacobian=False), augmentation).score
        / sample.n_rows
    )


def psi_leverage(
    sample: LabelledSample,
    augmentation: Augmentation,
    params: Float1D,
    bread: Float2D,
    n_rows: int | None = None,
) -> Float1D:
    """Return the leverage of every row of a part of ``n_rows`` rows in the estimating equation."""
    # The leverage is ``trace(bread @ J_i) / n`` with ``J_i`` the negative derivative of ``psi_i``; it adds to
    # the number of parameters and is the usual hat value where all rows are labelled.
    inverse = bread / (sample.n_rows if n_rows is None else n_rows)
    values = np.zeros(sample.n_rows)
    for term, matrix in zip(augmentation.terms, augmentation.matrices, strict=True):
        for component in term:
            values += component.weight * sample.moment.leverage(component.rows, params, inverse @ matrix.T)
    values *= sample.remainder
    values[sample.labelled] += sample.gold_weights * sample.moment.leverage(sample.gold, params, inverse)
    of_effects = sample.effect_leverage()
    return values if of_effects is None else values + of_effects


def identity_augmentation(term: Any | None, n_params: int, scale: float = 1.0) -> Augmentation:
    """Return the augmentation ``g = scale * term``, none for the gold-only estimator."""
    if term is None:
        return Augmentation()
    return Augmentation(terms=(term,), matrices=(scale * np.eye(n_params),))


EstimatorName: TypeAlias = Literal["tuned", "dsl", "ppi", "ppi++", "gold"]
"""The estimators: ``g`` is tuned, cross-fitted plug-in, raw surrogate score, the same scaled, or zero."""

Tuning: TypeAlias = Literal["diagonal", "scalar", "matrix", "none"]
"""How freely ``"tuned"`` may scale, where that is asked for."""

TuningKind: TypeAlias = Literal["matrix", "diagonal", "scalar", "none"]
"""How freely the augmentation is scaled: all coefficients jointly, each alone, one number, not at all."""


@dataclass(frozen=True, kw_only=True)
class AugmentedFit:
    """A solved design-based estimating equation."""

    params: Float1D  # estimate
    sample: Sample
    augmentation: Augmentation  # the function that was used
    bread: Float2D  # inverse of the mean Jacobian of ``psi``
    newton: NewtonResult  # diagnostics of the solver
    at: Float1D  # where ``psi`` is evaluated: the estimate, or the pilot of a one-step estimate
    shift: Float1D | float = 0.0  # mean of ``psi`` there
    fallback: str | None = None  # what was done where no root was found

    @cached_property
    def psi(self) -> Float2D:
        """Estimating function of every row, shape ``(n, p)``, of a sample in memory."""
        assert isinstance(self.sample, LabelledSample)
        return self.rows_of(self.sample, self.augmentation)

    def rows_of(self, part: LabelledSample, augmentation: Augmentation) -> Float2D:
        """Return the estimating function of the rows of a part."""
        psi = psi_scores(part, augmentation, self.at)
        return psi - self.shift if self.is_shifted else psi

    @property
    def is_shifted(self) -> bool:
        """Whether ``psi`` is recentred."""
        return isinstance(self.shift, np.ndarray) and bool(self.shift.any())

    def lean(self) -> AugmentedFit:
        """Return the fit without its sample, to be sent to where a part is."""
        return AugmentedFit(
            params=self.params,
            sample=None,  # type: ignore[arg-type]
            augmentation=self.augmentation,
            bread=self.bread,
            newton=self.newton,
            at=self.at,
            shift=self.shift,
            fallback=self.fallback,
        )


def fit_term(sample: Sample, term: ScoreTerm, start: Float1D | None = None) -> NewtonResult:
    """Solve the mean expected score alone: the naive fit that takes machine labels for the truth."""
    if start is None:
        start = sample.moment.start(sample.gold, np.ones(sample.n_labelled))
    equation = _Equation(sample, identity_augmentation(term, len(start)), term_sums)
    return find_root(equation.mean, equation.jacobian, start, is_affine=sample.moment.linear_in_params)


def term_sums(
    part: LabelledSample, augmentation: Augmentation, params: Float1D, with_jacobian: bool = True
) -> PsiSums:
    """Return the sums of the expected score itself over the rows of a part."""
    (term,) = augmentation.terms
    return PsiSums(*_expected_sums(part.moment, term, params, np.ones(part.n_rows), with_jacobian))


def fit_augmented(
    sample: Sample, augmentation: Augmentation, start: Float1D | None = None
) -> AugmentedFit | None:
    """Solve the design-based estimating equation for one augmentation."""
    for attempt in range(2):
        if attempt == 0:
            candidate = sample.moment.start(sample.gold, sample.gold_weights) if start is None else start
        elif augmentation.terms:
            candidate = fit_term(sample, augmentation.terms[0]).params
        else:
            break
        if not np.isfinite(candidate).all():
            continue
        equation = _Equation(sample, augmentation, psi_sums)
        newton = find_root(
            equation.mean, equation.jacobian, candidate, is_affine=sample.moment.linear_in_params
        )
        if newton.converged:
            bread = (newton.scaled or ScaledJacobian(equation.jacobian(newton.params))).inverse()
            if bread is not None:
                return AugmentedFit(
                    params=newton.params,
                    sample=sample,
                    augmentation=augmentation,
                    bread=bread,
                    newton=newton,
                    at=newton.params,
                )
    return None


class _Equation:
    """A mean and its Jacobian, both of one pass over the rows; the Jacobian is kept where it does not depend on parameters."""

    def __init__(self, sample: Sample, augmentation: Augmentation, work: Callable[..., PsiSums]) -> None:
        self._sample = sample
        self._augmentation = augmentation
        self._work = work
        self._slope: Float2D | None = None
        self._at: Float1D | None = None
        self._slope_at: Float1D | None = None
        self._mean: Float1D | None = None

    def mean(self, params: Float1D) -> Float1D:
        if self._mean is None or params is not self._at:  # nobody changes parameters in place
            self._evaluate(params, with_jacobian=not self._slope_is_known(None))
        assert self._mean is not None
        return self._mean

    def jacobian(self, params: Float1D) -> Float2D:
        if not self._slope_is_known(params):
            self._evaluate(params, with_jacobian=True)
        assert self._slope is not None
        return self._slope

    def _slope_is_known(self, params: Float1D | None) -> bool:
        if self._slope is None:
            return False
        return self._sample.moment.linear_in_params or (params is not None and params is self._slope_at)

    def _evaluate(self, params: Float1D, with_jacobian: bool) -> None:
        sums = self._sample.total(
            partial(self._work, params=params, with_jacobian=with_jacobian),
            self._augmentation,
            labelled_only=self._augmentation.is_empty,
        )
        n = self._sample.n_rows
        self._at, self._mean = params, sums.score / n
        if sums.jacobian is not None:
            self._slope, self._slope_at = sums.jacobian / n, self._at


def one_step(sample: Sample, augmentation: Augmentation, pilot: AugmentedFit, reason: str) -> AugmentedFit:
    """Take one Newton step on a new augmentation from the root of another one."""
    # A single step from a root-n-consistent pilot has the same limiting distribution as the root; the pilot's
    # bread is used, which is invertible. ``psi`` is evaluated at the pilot and recentred to mean zero.
    mean = psi_mean(sample, augmentation, pilot.params)
    return AugmentedFit(
        params=pilot.params + pilot.bread @ mean,
        sample=sample,
        augmentation=augmentation,
        bread=pilot.bread,
        newton=pilot.newton,
        at=pilot.params,
        shift=mean,
        fallback=reason,
    )
