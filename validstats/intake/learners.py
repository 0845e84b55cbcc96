"""Learners of the caller: their own fit parameters stay with their rows, and classes that they do not know are coded."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any, Self

import numpy as np
from sklearn import get_config
from sklearn.base import BaseEstimator, ClassifierMixin, clone, is_classifier
from sklearn.utils import _safe_indexing
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import type_of_target

from validstats._typing import AnyArray, Int1D
from validstats.intake.alignment import RowLabels, align
from validstats.intake.kinds import read_array

__all__ = [
    "CodedClassifier",
    "PositiveClass",
    "fit_learner",
    "fit_parameters",
    "requested_parameters",
    "take_parameters",
]


def fit_parameters(parameters: Mapping[str, Any], rows: RowLabels) -> dict[str, Any]:
    """Bring a learner's own fit parameters into the order of the rows.

    Parameters
    ----------
    parameters : mapping of str to object
        What ``fit`` was given beyond its own arguments, such as ``sample_weight`` or ``eval_set``.
    rows : RowLabels
        Who the rows are.

    Returns
    -------
    dict of str to object
        One value a row in the order of the rows; everything else as it is.

    Raises
    ------
    ValueError
        If labels of one value a row are not those of the rows.

    Examples
    --------
    >>> from validstats.intake import row_labels
    >>> fit_parameters({"sample_weight": [1, 2], "verbose": 0}, row_labels([[1], [2]]))
    {'sample_weight': [1, 2], 'verbose': 0}
    """
    return {
        name: align(value, rows, name) if _has_labels(value) and _per_row(value, rows.n) else value
        for name, value in parameters.items()
    }


def take_parameters(parameters: Mapping[str, Any], index: Int1D, n: int) -> dict[str, Any]:
    """Keep what belongs to some of the rows.

    Parameters
    ----------
    parameters : mapping of str to object
        From :func:`fit_parameters`.
    index : ndarray of int
        Positions of the rows that are kept.
    n : int
        Number of rows before.

    Returns
    -------
    dict of str to object
        One value for each kept row; everything else as it is.

    Examples
    --------
    >>> import numpy as np
    >>> take_parameters({"sample_weight": np.array([1, 2, 3]), "verbose": 0}, np.array([0, 2]), 3)
    {'sample_weight': array([1, 3]), 'verbose': 0}
    """
    return {
        name: _safe_indexing(value, index) if _per_row(value, n) else value
        for name, value in parameters.items()
    }


def requested_parameters(
    learner: Any, given: Mapping[str, Any], caller: Callable[..., Any] | str
) -> dict[str, Any]:
    """Return what ``fit`` of a learner takes of the parameters given: with metadata routing those that it requests.

    Parameters
    ----------
    learner : estimator or None
        The learner; None for one that takes no parameters.
    given : mapping of str to object
        What the caller was given beyond its own arguments.
    caller : method or str
        Who was given them, for messages: a method, whose own arguments are then named, or its name.

    Returns
    -------
    dict of str to object
        By the names that the learner knows.

    Raises
    ------
    TypeError
        If one is neither an argument of the caller nor of the learner; the message lists both and the nearest name.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> requested_parameters(LinearRegression(), {"sample_weight": [1, 2]}, "Study.fit")
    {'sample_weight': [1, 2]}
    >>> requested_parameters(LinearRegression(), {"sampel_weight": [1, 2]}, "Study.fit")
    Traceback (most recent call last):
    ...
    TypeError: Study.fit() got 'sampel_weight', which LinearRegression.fit does not take; it takes 'sample_weight'. Did \
you mean 'sample_weight'?
    """
    if not given:
        return {}
    if learner is not None and get_config()["enable_metadata_routing"]:
        router = MetadataRouter(owner=_owner(caller).partition(".")[0]).add(
            estimator=learner, method_mapping=MethodMapping().add(caller="fit", callee="fit")
        )
        router.validate_metadata(params=dict(given), method="fit")
        return dict(router.route_params(params=dict(given), caller="fit").estimator.fit)
    taken = () if learner is None else _arguments(learner.fit)
    unknown = () if taken is None else [name for name in given if name not in taken]
    if unknown:
        raise TypeError(_unknown(unknown, learner, taken or (), caller))
    return dict(given)


def _owner(caller: Callable[..., Any] | str) -> str:
    return caller if isinstance(caller, str) else caller.__qualname__


def _arguments(method: Callable[..., Any]) -> list[str] | None:
    """Names that a method takes beside rows and labels; None if it takes any."""
    parameters = inspect.signature(method).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return None
    return [name for name in parameters if name not in ("X", "y", "Y")]


def _unknown(
    names: Iterable[str], learner: Any, taken: Iterable[str], caller: Callable[..., Any] | str
) -> str:
    own = [] if isinstance(caller, str) else list(inspect.signature(caller).parameters)
    own = [name for name in own if name not in ("X", "y", "labels", "fit_params")]
    what = f"{_owner(caller)}() got {', '.join(map(repr, names))}, which "
    if learner is None:
        what += "the learner of this package does not take; pass a learner= of your own that does"
    else:
        kind = type(learner).__name__
        listed = ", ".join(map(repr, taken))
        what += f"{kind}.fit does not take; it takes {listed or 'nothing beside rows and labels'}"
    what += f". {_owner(caller)}() itself takes {', '.join(map(repr, own))}." if own else "."
    near = get_close_matches(next(iter(names)), [*own, *taken], n=1)
    return f"{what} Did you mean {near[0]!r}?" if near else what


def fit_learner(
    learner: Any,
    X: Any,
    y: Any,
    parameters: Mapping[str, Any] | None = None,
    caller: Callable[..., Any] | str = "fit",
) -> Any:
    """Fit a copy of a learner; a classifier that refuses the names of its classes gets their numbers.

    Parameters
    ----------
    learner : estimator
        Any scikit-learn estimator.
    X : array-like or data frame of n rows
        Features.
    y : array-like of shape (n,)
        Labels, in the order of the rows.
    parameters : mapping of str to object or None, default None
        The learner's own fit parameters, as the caller was given them.
    caller : method or str, default "fit"
        Who was given them, for messages.

    Returns
    -------
    estimator
        The fitted copy, or a :class:`CodedClassifier` around it.

    Raises
    ------
    Exception
        What the learner itself raises, where coding does not help.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> fit_learner(LogisticRegression(), [[0.0], [1.0]], ["no", "yes"]).classes_.tolist()
    ['no', 'yes']
    """
    given = dict(parameters or {})
    requested = requested_parameters(learner, given, caller)
    try:
        return clone(learner).fit(X, y, **requested)
    except (TypeError, ValueError) as error:
        if not is_classifier(learner) or _are_codes(y) or type_of_target(y) not in ("binary", "multiclass"):
            raise
        try:
            return CodedClassifier(learner).fit(X, y, **given)
        except Exception:
            raise error from None


def _inner_has(name: str) -> Any:
    return lambda self: hasattr(getattr(self, "estimator_", self.estimator), name)


class CodedClassifier(ClassifierMixin, BaseEstimator):
    """A classifier whose classes are coded as 0, 1, ... for a learner that takes nothing else.

    Parameters
    ----------
    estimator : estimator
        The classifier.

    Attributes
    ----------
    estimator_ : estimator
        The fitted classifier, of the codes.
    classes_ : ndarray of shape (k,)
        The classes themselves.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> coded = CodedClassifier(LogisticRegression()).fit([[0.0], [1.0]], ["no", "yes"])
    >>> coded.predict([[2.0]]).tolist(), coded.estimator_.classes_.tolist()
    (['yes'], [0, 1])
    """

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def fit(self, X: Any, y: Any, **parameters: Any) -> Self:
        """Fit the classifier to the codes."""
        self.classes_, codes = np.unique(np.asarray(y), return_inverse=True)
        own = requested_parameters(self.estimator, parameters, "CodedClassifier.fit")
        self.estimator_ = clone(self.estimator).fit(X, codes.reshape(-1), **own)
        return self

    def get_metadata_routing(self) -> MetadataRouter:
        """Say that metadata of ``fit`` go to the classifier."""
        return MetadataRouter(owner=type(self).__name__).add(
            estimator=self.estimator, method_mapping=MethodMapping().add(caller="fit", callee="fit")
        )

    def predict(self, X: Any) -> AnyArray:
        """Predict classes."""
        return self.classes_[np.asarray(self.estimator_.predict(X)).astype(np.int64).reshape(-1)]

    @available_if(_inner_has("predict_proba"))  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> AnyArray:
        """Predict probabilities of the classes."""
        return np.asarray(self.estimator_.predict_proba(X))

    @available_if(_inner_has("decision_function"))  # type: ignore[untyped-decorator]
    def decision_function(self, X: Any) -> AnyArray:
        """Decision values of the classifier."""
        return np.asarray(self.estimator_.decision_function(X))


class PositiveClass(ClassifierMixin, BaseEstimator):
    """A fitted classifier as one of its classes against all others, with the classes 0 and 1.

    Parameters
    ----------
    estimator : estimator
        The fitted classifier.
    positive : object
        The class that counts as 1.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> fitted = LogisticRegression().fit([[0.0], [1.0]], ["fail", "pass"])
    >>> PositiveClass(fitted, "fail").predict([[-2.0], [2.0]]).tolist()
    [1, 0]
    """

    def __init__(self, estimator: Any, positive: Any) -> None:
        self.estimator = estimator
        self.positive = positive

    @property
    def classes_(self) -> AnyArray:
        """Zero and one."""
        return np.array([0, 1])

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn nothing."""
        return self

    def predict(self, X: Any) -> AnyArray:
        """One where the class is predicted."""
        return np.asarray(np.asarray(self.estimator.predict(X)) == self.positive).astype(np.int64)

    @available_if(_inner_has("predict_proba"))  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> AnyArray:
        """Probabilities of all other classes together and of the class."""
        place = list(np.asarray(self.estimator.classes_)).index(self.positive)
        share = np.asarray(self.estimator.predict_proba(X))[:, place]
        return np.column_stack([1.0 - share, share])


def _has_labels(value: Any) -> bool:
    return hasattr(value, "iloc")


def _per_row(value: Any, n: int) -> bool:
    """Whether a parameter has one value a row."""
    if value is None or isinstance(value, str | bytes | Mapping | tuple):
        return False
    shape = getattr(value, "shape", None)
    if shape is not None:
        return len(shape) > 0 and int(shape[0]) == n
    return isinstance(value, list) and len(value) == n and n > 1


def _are_codes(y: Any) -> bool:
    """Whether classes are 0, 1, ... already."""
    array = read_array(y, "y")
    if array.dtype.kind not in "iub":
        return False
    found = np.unique(array)
    return bool(np.array_equal(found, np.arange(len(found))))
