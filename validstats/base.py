"""The interface that all four methods share: fit, calibrate, predict, infer, summary."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Self

from sklearn.base import BaseEstimator

from validstats.exceptions import NotCalibratedError, not_calibrated_message
from validstats.guarantee import Guarantee
from validstats.results.summary import Summary
from validstats.results.table import Report

__all__ = ["CalibratedEstimator"]


class CalibratedEstimator(BaseEstimator, ABC):
    """A fallible part, a trusted reference, and a target about which a statement is made.

    ``fit`` learns the fallible part, ``calibrate`` spends the reference, ``predict`` gives plain values,
    ``infer`` a :class:`~validstats.results.Result` with its guarantee, ``summary`` a report.

    Attributes
    ----------
    calibration_ : object
        Frozen record of the calibration; exists once calibrated and is replaced by the next calibration.
    guarantee_ : Guarantee
        What the calibrated estimator promises.
    """

    calibration_: Any
    guarantee_: Guarantee

    @abstractmethod
    def fit(self, *args: Any, **kwargs: Any) -> Self:
        """Learn the fallible part."""

    @abstractmethod
    def calibrate(self, *args: Any, **kwargs: Any) -> Self:
        """Spend the trusted reference."""

    @abstractmethod
    def predict(self, *args: Any, **kwargs: Any) -> Any:
        """Return plain values about a target."""

    @abstractmethod
    def infer(self, *args: Any, **kwargs: Any) -> Any:
        """Return a result with its guarantee about a target."""

    @abstractmethod
    def _report(self) -> Report:
        """What the summary of the calibration prints."""

    def summary(self, *, details: bool = False) -> Summary:
        """Describe the calibration.

        Parameters
        ----------
        details : bool, default False
            Whether to print the details of the guarantee: strength, exact statement, conditions and source.

        Returns
        -------
        Summary
            Prints as text, shows as HTML in a notebook, exports LaTeX and Markdown.

        Raises
        ------
        NotCalibratedError
            If the estimator is not calibrated.
        """
        self._check_calibrated("summary")
        return Summary(self._report(), details)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "calibration_")

    def _check_calibrated(self, verb: str, remedy: str = "fit(...) and then calibrate(...)") -> None:
        if not self.__sklearn_is_fitted__():
            raise NotCalibratedError(
                not_calibrated_message.format(estimator=type(self).__name__, verb=verb, remedy=remedy)
            )
