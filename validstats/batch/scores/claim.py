"""The score of a false claim, which selections and envelopes of claims bring with them."""

from __future__ import annotations

from typing import Any

from validstats._typing import AnyArray, Float1D
from validstats.batch.laws import selection_scores
from validstats.batch.scores.residual import Score, numeric_predictions

__all__ = ["ClaimScore"]


class ClaimScore(Score):
    """Score of a false claim "the label exceeds ``above``": the prediction if false, minus infinity if true.

    Parameters
    ----------
    above : float, default 0.0
        Limit of the claim.

    Examples
    --------
    >>> import numpy as np
    >>> ClaimScore(above=0.5).scores(np.array([0.2, 0.9]), np.array([0.0, 1.0]))
    array([ 0.2, -inf])
    """

    quantity = "prediction where the claim is false"

    def __init__(self, above: float = 0.0) -> None:
        self.above = above

    def outputs(self, model: Any, X: Any) -> AnyArray:
        """Return predictions, or the probability of the second class."""
        return numeric_predictions(model, X)

    def scores(self, outputs: AnyArray, y: AnyArray) -> Float1D:
        """Return predictions of false claims, minus infinity for true ones."""
        return selection_scores(outputs, y, self.above)
