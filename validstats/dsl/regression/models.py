"""Models by their names: what each estimates, what a formula may hold, and what its coefficients are called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from validstats.dsl.moments import (
    GLMMoment,
    InstrumentalMoment,
    LinearMoment,
    MeanMoment,
    ModelMoment,
    MultinomialMoment,
)

__all__ = ["MODELS", "RegressionModel", "choose_moment"]


@dataclass(frozen=True, kw_only=True)
class RegressionModel:
    """A model of ``infer``: a subclass and an entry in :data:`MODELS` add one."""

    name: str
    moment: Callable[[Any, int], ModelMoment]  # from a family and a number of categories
    takes_covariates: bool = True
    takes_offset: bool = True
    takes_effects: bool = False  # absorbed effects and instruments
    takes_family: bool = False
    has_categories: bool = False  # whether the outcome is a class
    streams: bool = True  # whether rows need not be in memory together
    on_command_line: bool = True
    predicts_numbers: bool = (
        False  # whether a regressor, not a classifier, predicts its label on the command line
    )

    def check(
        self, outcome: str, covariates: Sequence[str], has_covariates: bool, effects: Sequence[str]
    ) -> None:
        """Refuse formulas that the model does not allow; covariates are the names of the columns."""
        if has_covariates and not self.takes_covariates:
            raise ValueError(
                f"model={self.name!r} takes no covariates; pass {outcome!r} alone, or use model='linear'."
            )
        if effects and not self.takes_effects:
            raise ValueError(f"Fixed effects ('| {effects[0]}') are for model='linear', got {self.name!r}.")

    def check_offset(self, given: bool) -> None:
        """Refuse an offset that would be ignored."""
        if given and not self.takes_offset:
            raise ValueError(f"model={self.name!r} takes no offset.")

    def names(self, outcome: str, covariates: Sequence[str], categories: Sequence[Any]) -> tuple[str, ...]:
        """Return the names of the coefficients."""
        return tuple(covariates)


class _Mean(RegressionModel):
    """A mean or a share of an outcome."""

    def names(self, outcome: str, covariates: Sequence[str], categories: Sequence[Any]) -> tuple[str, ...]:
        return (f"{self.name}({outcome})",)


class _Shares(RegressionModel):
    """Shares of all classes of an outcome."""

    def names(self, outcome: str, covariates: Sequence[str], categories: Sequence[Any]) -> tuple[str, ...]:
        return tuple(f"{outcome}={c}" for c in categories)


class _Multinomial(RegressionModel):
    """A multinomial logit, whose coefficients carry their class."""

    def names(self, outcome: str, covariates: Sequence[str], categories: Sequence[Any]) -> tuple[str, ...]:
        return tuple(f"{c}: {name}" for c in categories[1:] for name in covariates)


class _Difference(RegressionModel):
    """A difference of the means of two groups."""

    def check(
        self, outcome: str, covariates: Sequence[str], has_covariates: bool, effects: Sequence[str]
    ) -> None:
        super().check(outcome, covariates, has_covariates, effects)
        if len(covariates) != 2:
            raise ValueError(
                "model='difference' compares two groups: the formula must be 'y ~ group' with a covariate of two "
                f"levels; it gives the columns {', '.join(covariates)}."
            )


def _families() -> Any:
    from statsmodels.genmod import families

    return families


def _any_family(family: Any, _: int) -> ModelMoment:
    if not isinstance(family, _families().Family):
        raise ValueError(
            f"family must be an instance of a statsmodels family, such as families.Gamma(); got {family!r}."
        )
    return GLMMoment(family)


def _mean(family: Any, n_categories: int) -> ModelMoment:
    return MeanMoment()


def _share(family: Any, n_categories: int) -> ModelMoment:
    return MeanMoment(share=True)


def _linear(family: Any, n_categories: int) -> ModelMoment:
    return LinearMoment()


def _logit(family: Any, n_categories: int) -> ModelMoment:
    return GLMMoment(_families().Binomial())


def _probit(family: Any, n_categories: int) -> ModelMoment:
    return GLMMoment(_families().Binomial(_families().links.Probit()))


def _poisson(family: Any, n_categories: int) -> ModelMoment:
    return GLMMoment(_families().Poisson())


def _multinomial(family: Any, n_categories: int) -> ModelMoment:
    return MultinomialMoment(n_categories)


_ALONE: dict[str, bool] = {"takes_covariates": False, "takes_offset": False}
"""What describes a label without covariates."""

MODELS: dict[str, RegressionModel] = {
    model.name: model
    for model in (
        _Mean(name="mean", moment=_mean, predicts_numbers=True, **_ALONE),
        _Mean(name="proportion", moment=_share, **_ALONE),
        _Shares(name="shares", moment=_mean, has_categories=True, streams=False, **_ALONE),
        _Difference(name="difference", moment=_linear, predicts_numbers=True),
        RegressionModel(name="quantile", moment=_mean, on_command_line=False, **_ALONE),
        RegressionModel(name="linear", moment=_linear, takes_effects=True, predicts_numbers=True),
        RegressionModel(name="logit", moment=_logit),
        RegressionModel(name="probit", moment=_probit),
        RegressionModel(name="poisson", moment=_poisson, predicts_numbers=True),
        RegressionModel(name="glm", moment=_any_family, takes_family=True, on_command_line=False),
        _Multinomial(
            name="multinomial", moment=_multinomial, has_categories=True, takes_offset=False, streams=False
        ),
    )
}
"""Every model by its name."""


def choose_moment(model: str, family: Any, n_categories: int, instrumental: bool) -> ModelMoment:
    """Return the estimating function of a model."""
    chosen = MODELS[model]
    if (family is not None) != chosen.takes_family:
        raise ValueError(
            f"family={family!r} goes with model='glm' and only with it; got model={model!r}. For example "
            "model='glm', family=statsmodels.api.families.Gamma(...)."
        )
    if instrumental:
        if not chosen.takes_effects:
            raise ValueError(f"Instruments are for model='linear', got model={model!r}.")
        return InstrumentalMoment()
    return chosen.moment(family, n_categories)
