"""Errors and warnings, each beside the message template that it is raised with."""

from __future__ import annotations

from sklearn.exceptions import NotFittedError

__all__ = [
    "ConstantColumnWarning",
    "DataReuseWarning",
    "NotCalibratedError",
    "UninformativeWarning",
    "ValidstatsWarning",
]


class NotCalibratedError(NotFittedError):
    """Raised when a verb that needs a calibration is called before :meth:`calibrate`."""


not_calibrated_message = (
    "{estimator}.{verb}() needs a calibrated estimator, and this one has not been calibrated. "
    "Call {remedy} first."
)


class ValidstatsWarning(UserWarning):
    """Base class of every warning that this package issues."""


class DataReuseWarning(ValidstatsWarning):
    """Rows that trained the model also serve as its trusted reference, which voids the guarantee."""


data_reuse_message = (
    "{n_shared} of the {n_reference} reference rows ({share:.0%}) were also used to train the model, so the "
    "reference is no longer independent of it and the guarantee is void. Calibrate on rows that the model has "
    "not seen. If these are honest duplicates, silence this with check_reuse=False."
)


class UninformativeWarning(ValidstatsWarning):
    """The statement is valid but says nothing: the reference is too small for the question."""


uninformative_message = (
    "The {what} is uninformative ({value}): with {n} reference rows and {m} rows in the batch no finite bound "
    "exists at confidence level {level}. {remedy}"
)


class ConstantColumnWarning(ValidstatsWarning):
    """A column has one value only: it carries no information and is left out."""


constant_column_message = (
    "{side} has {n_constant} constant column(s) out of {n_columns}; a constant carries no information, so they "
    "are left out. Drop them to silence this."
)
