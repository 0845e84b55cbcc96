"""Pipelines of scikit-learn that end in an estimator of this package: all its verbs, on rows as they were before the steps."""

from __future__ import annotations

from dataclasses import is_dataclass, replace
from typing import Any, Self

import sklearn.pipeline
from sklearn.utils.metaestimators import available_if

from validstats.intake import align, row_labels

__all__ = ["Pipeline", "make_pipeline"]

_BESIDE = ("y", "strata", "batches", "weights", "sample_weight")


def _last_has(name: str) -> Any:
    return lambda self: hasattr(self._final_estimator, name)


class Pipeline(sklearn.pipeline.Pipeline):
    """A pipeline of scikit-learn with the verbs of its last step.

    Rows are transformed by the steps before the last one. What arrives beside them (labels, strata, batches, weights) is
    matched to the rows as they were handed over, since a step may drop their index.

    Parameters
    ----------
    steps : list of (str, estimator)
        As in scikit-learn; the last one is an estimator of this package.
    transform_input, memory, verbose
        As in scikit-learn.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression
    >>> from sklearn.preprocessing import StandardScaler
    >>> from validstats import BatchMean, BatchPredictor
    >>> from validstats.pipeline import make_pipeline
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(400, 2)); y = X[:, 0] + rng.normal(size=400)
    >>> last = BatchPredictor(LinearRegression(), BatchMean(), bounds=(-6, 6), random_state=0)
    >>> make_pipeline(StandardScaler(), last).fit(X, y).infer(X[:10]).informative
    True
    """

    def fit(self, X: Any, y: Any = None, **params: Any) -> Self:
        """Fit the steps one after the other; labels with an index are matched to the rows first.

        Parameters
        ----------
        X : array-like or data frame of n rows
            Rows.
        y : array-like of shape (n,)
            Labels.
        **params : object
            As in scikit-learn.

        Returns
        -------
        Pipeline
            Itself.
        """
        return super().fit(X, align(y, row_labels(X), "y"), **params)

    @available_if(_last_has("calibrate"))  # type: ignore[untyped-decorator]
    def calibrate(self, X: Any, y: Any, **options: Any) -> Self:
        """Calibrate the last step on transformed rows.

        Parameters
        ----------
        X : array-like or data frame of n rows
            Rows as they were before the steps.
        y : array-like of shape (n,)
            Their labels.
        **options : object
            As in the last step.

        Returns
        -------
        Pipeline
            Itself.
        """
        self._call("calibrate", X, y=y, **options)
        return self

    @available_if(_last_has("update"))  # type: ignore[untyped-decorator]
    def update(self, X: Any, y: Any, **options: Any) -> Self:
        """Add rows whose labels have become known.

        Parameters
        ----------
        X, y, **options
            As in :meth:`calibrate`.

        Returns
        -------
        Pipeline
            Itself.
        """
        self._call("update", X, y=y, **options)
        return self

    @available_if(_last_has("infer"))  # type: ignore[untyped-decorator]
    def infer(self, X: Any, **options: Any) -> Any:
        """Make the statement of the last step about transformed rows.

        Parameters
        ----------
        X : array-like or data frame of n rows
            Rows as they were before the steps.
        **options : object
            As in the last step.

        Returns
        -------
        Result
            Of the last step.
        """
        result = self._call("infer", X, **options)
        if is_dataclass(result) and hasattr(result, "named"):
            return replace(result, named=row_labels(X, options.get("ids")))  # type: ignore[type-var]
        return result

    @available_if(_last_has("predict_interval"))  # type: ignore[untyped-decorator]
    def predict_interval(self, X: Any, **options: Any) -> Any:
        """Give an interval for each row.

        Parameters
        ----------
        X, **options
            As in :meth:`infer`.

        Returns
        -------
        ndarray of shape (n, 2)
            Lower and upper ends.
        """
        return self._call("predict_interval", X, **options)

    @available_if(_last_has("select"))  # type: ignore[untyped-decorator]
    def select(self, X: Any, **options: Any) -> Any:
        """Give the rows about which the claim is made.

        Parameters
        ----------
        X, **options
            As in :meth:`infer`.

        Returns
        -------
        ndarray of bool, shape (n,)
            True where the claim is made.
        """
        return self._call("select", X, **options)

    @available_if(_last_has("summary"))  # type: ignore[untyped-decorator]
    def summary(self, **options: Any) -> Any:
        """Describe the last step.

        Parameters
        ----------
        **options : object
            As in the last step.

        Returns
        -------
        Summary
            The report.
        """
        return self._final_estimator.summary(**options)

    def _call(self, verb: str, X: Any, **options: Any) -> Any:
        """A verb of the last step on transformed rows, with what arrives beside them in their order."""
        rows = row_labels(X, options.pop("ids", None))
        for name in _BESIDE:
            value = options.get(name)
            if value is not None and not isinstance(value, str) and not callable(value):
                options[name] = align(value, rows, name)
        for _, step in self.steps[:-1]:
            if step is not None and step != "passthrough":
                X = step.transform(X)
        return getattr(self._final_estimator, verb)(X, **options)


def make_pipeline(*steps: Any, memory: Any = None, verbose: bool = False) -> Pipeline:
    """Make a :class:`Pipeline` with names from the types of its steps.

    Parameters
    ----------
    *steps : estimator
        Transformers, and an estimator of this package.
    memory, verbose
        As in scikit-learn.

    Returns
    -------
    Pipeline
        The pipeline.

    Examples
    --------
    >>> from sklearn.preprocessing import StandardScaler
    >>> from validstats import MISelector
    >>> list(make_pipeline(StandardScaler(), MISelector()).named_steps)
    ['standardscaler', 'miselector']
    """
    named = sklearn.pipeline.make_pipeline(*steps)
    return Pipeline(named.steps, memory=memory, verbose=verbose)
