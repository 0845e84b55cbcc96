"""The RAND health insurance experiment, shaped for studies of prediction sets."""

from __future__ import annotations

from typing import Any

import numpy as np

from validstats._typing import FrameBackend
from validstats.intake import to_frame

__all__ = ["RANDHIE_FEATURES", "load_randhie"]

RANDHIE_FEATURES = ("lncoins", "idp", "lpi", "fmde", "physlm", "disea", "hlthg", "hlthf", "hlthp")
"""Columns that describe the person and the insurance plan."""


def load_randhie(backend: FrameBackend = "pandas", *, return_X_y: bool = False) -> Any:
    """Load 20,190 person-years of the RAND health insurance experiment: doctor visits and what explains them.

    The outcome is a count with a long tail, hard to predict, and there are enough rows to draw many batches of
    new people beside a calibration sample.

    Parameters
    ----------
    backend : {"pandas", "polars", "pyarrow"}, default "pandas"
        Library of the returned frame; it must be installed.
    return_X_y : bool, default False
        Return ``(X, y)`` in place of the whole table, X with the columns of ``RANDHIE_FEATURES``.

    Returns
    -------
    DataFrame or Table
        The table of shape (20190, 10). With ``return_X_y=True`` a tuple of the frame X of shape (20190, 9) and
        the float64 array y of shape (20190,), the number of visits.

    Notes
    -----
    ``mdvis``, outpatient visits to a physician (0 to 77); ``lncoins``, log(coinsurance + 1); ``idp``, 1 if the plan
    has an individual deductible; ``lpi``, log of the annual participation incentive payment; ``fmde``, log of the
    maximum medical deductible expenditure; ``physlm``, 1 if the person has a physical limitation (some
    values are fractions); ``disea``, number of chronic diseases; ``hlthg``, ``hlthf`` and ``hlthp``, self-rated health good,
    fair or poor (excellent if all are 0).

    The experiment followed people over years, and the table has no identifier of persons. Rows drawn at random from the
    table are exchangeable, so a guarantee for such draws holds; it is no guarantee for people outside the
    table. About half of the rows repeat another row exactly.

    References
    ----------
    A.C. Cameron and P.K. Trivedi, "Microeconometrics: methods and applications", Cambridge University Press, 2005. Data
    of the RAND Corporation, in the public domain, shipped by statsmodels as ``statsmodels.datasets.randhie``.

    Examples
    --------
    >>> from validstats.datasets import load_randhie
    >>> X, visits = load_randhie(return_X_y=True)
    >>> X.shape, float(visits.max())
    ((20190, 9), 77.0)
    """
    from statsmodels.datasets import randhie

    table = randhie.load_pandas().data
    columns = {name: table[name].to_numpy() for name in ("mdvis", *RANDHIE_FEATURES)}
    if not return_X_y:
        return to_frame(columns, backend)
    X = to_frame({name: columns[name] for name in RANDHIE_FEATURES}, backend)
    return X, columns["mdvis"].astype(np.float64)
