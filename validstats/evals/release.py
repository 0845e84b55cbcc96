"""``release``: which new answers may go out unread, with a bound of the wrong ones among them."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.frozen import FrozenEstimator

from validstats._typing import Float1D
from validstats.batch import BatchPredictor, Selection
from validstats.evals.readers import EvalFileError, as_scores
from validstats.evals.results import Inputs, ReleaseResult
from validstats.evals.sentences import percent, say
from validstats.guarantee import Guarantee
from validstats.intake import align, check_confidence_level, check_vector, read_array, row_labels

__all__ = ["release"]

_UNLIKE = 1e-5
"""Chance of scores so unlike each other from one source, below which a release is refused."""


class _GivenScores(RegressorMixin, BaseEstimator):
    """Scores that were computed elsewhere, as the predictions of a model."""

    def fit(self, X: Any, y: Any = None) -> _GivenScores:
        """Nothing to learn."""
        self.fitted_ = True
        return self

    def predict(self, X: Any) -> Any:
        """The scores themselves."""
        return np.asarray(X)[:, 0]


def release(
    scores_checked: Any,
    right_checked: Any,
    scores_new: Any,
    *,
    max_false: int | None = None,
    fdr: float | None = None,
    confidence_level: float = 0.95,
) -> ReleaseResult:
    """Select new answers that may go out unread, by scores and a sample of checked answers.

    Parameters
    ----------
    scores_checked : array-like of shape (n,)
        Scores of answers that humans checked; higher is better.
    right_checked : array-like of shape (n,)
        Whether each of them is right.
    scores_new : array-like of shape (m,)
        Scores of the new answers. They must be exchangeable with the checked ones: checked answers chosen by their
        score are not.
    max_false : int or None, default None
        Largest number of wrong answers among the selected ones, with probability ``confidence_level``.
    fdr : float or None, default None
        Bound of their expected share instead.
    confidence_level : float, default 0.95
        Probability of the bound of ``max_false``.

    Returns
    -------
    ReleaseResult
        The selection.

    Raises
    ------
    EvalFileError
        If scores of the checked answers are so unlike those of the new ones that checked answers cannot have been drawn
        from the same source.
    ValueError
        If neither or both of the bounds are given, or the arrays do not fit.

    References
    ----------
    Lee, Tchetgen Tchetgen and Dobriban (2024), arXiv 2409.13990. Jin and Candes (2023), arXiv 2210.01408.

    Examples
    --------
    >>> import numpy as np
    >>> from validstats import evals
    >>> rng = np.random.default_rng(0)
    >>> scores = rng.random(600)
    >>> right = rng.random(600) < scores
    >>> result = evals.release(scores[:300], right[:300], scores[300:], max_false=10)
    >>> result.estimate > 20
    True
    """
    level = float(check_confidence_level(confidence_level))
    checked = check_vector(scores_checked, "scores_checked")
    new = check_vector(scores_new, "scores_new")
    labels = align(right_checked, row_labels(scores_checked, name="scores_checked"), "right_checked")
    right = as_scores(read_array(labels, "right_checked").ravel(), "right_checked")
    if len(right) != len(checked):
        raise ValueError(
            f"scores_checked and right_checked must have one length, got {len(checked)} and {len(right)}."
        )
    if not set(np.unique(right).tolist()) <= {0.0, 1.0}:
        raise ValueError("right_checked must hold 1 (right) or 0 (wrong) for every checked answer.")
    if (max_false is None) == (fdr is None):
        raise ValueError("Give either max_false or fdr, not both or neither.")
    _refuse_chosen(checked, new)
    model = FrozenEstimator(_GivenScores().fit(checked))
    options: dict[str, Any] = {} if fdr is not None else {"confidence_level": level}
    predictor = BatchPredictor(
        model, Selection(above=0.5, max_false=max_false, fdr=fdr), random_state=0, **options
    )
    study = predictor.calibrate(checked[:, None], right).infer(new[:, None])
    selection: Any = study
    selected = np.asarray(selection.selected).reshape(-1) > 0
    bound = (
        f"at most {max_false} wrong ones" if max_false is not None else f"a share of {percent(fdr or 0.0)}"
    )
    words = {
        "selected": f"{int(selected.sum()):,}",
        "total": f"{len(new):,}",
        "bound": bound,
        "level": f"{level:g}".lstrip("0"),
    }
    if not selected.any():
        verdict = say("release_none", **words)
    elif max_false is not None:
        verdict = say("release_number", max_false=min(max_false, int(selected.sum())), **words)
    else:
        verdict = say("release_share", fdr=percent(fdr or 0.0), **words)
    return ReleaseResult(
        guarantee=_guarantee(len(checked), max_false, fdr, level),
        verdict=verdict,
        inputs=Inputs((), {}, len(new), (), len(checked)),
        options={"confidence_level": level, "max_false": max_false, "fdr": fdr},
        study=study,
        selected=selected,
        max_false=max_false,
        fdr=fdr,
        n_checked=len(checked),
    )


def _refuse_chosen(checked: Float1D, new: Float1D) -> None:
    """Refuse checked answers that were chosen by their score: their scores have another law than the new ones."""
    gap = stats.ks_2samp(checked, new, method="asymp")
    if gap.pvalue >= _UNLIKE:
        return
    at = "higher" if np.median(checked) > np.median(new) else "lower"
    if np.median(checked) == np.median(new):
        at = "spread otherwise"
    raise EvalFileError(
        f"The scores of the {len(checked):,} checked answers are {at} than those of the {len(new):,} new ones (two-sample "
        f"Kolmogorov-Smirnov test, p = {gap.pvalue:.1g}): they were chosen by their score, or come from another source, and "
        "nothing can be said about the new ones. Check a random sample of answers like the new ones."
    )


def _guarantee(n_checked: int, max_false: int | None, fdr: float | None, level: float) -> Guarantee:
    if max_false is not None:
        holds = (
            f"in {100 * level:g} of 100 such releases at most {max_false} of the answers that go out are wrong, for any score "
            "and any number of checked answers"
        )
    else:
        holds = f"over many such releases at most {percent(fdr or 0.0)} of the answers that go out are wrong on average"
    return Guarantee(
        holds=holds,
        check=(
            "the checked answers were drawn from the same source as the new ones, and not chosen by their score",
            "the score was fixed before the answers were checked",
        ),
        details=("The probability is over the draw of checked and new answers together",),
        kind="finite-sample",
        n_reference=n_checked,
        citation=(
            "Lee, Tchetgen Tchetgen and Dobriban (2024), arXiv 2409.13990"
            if max_false is not None
            else "Jin and Candes (2023), arXiv 2210.01408"
        ),
        confidence_level=level if max_false is not None else None,
    )
