"""Where results come from: versions, fingerprints of data, seeds, and receipts that a second person can check."""

from __future__ import annotations

import hashlib
import json
import math
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from validstats.intake import is_frame, n_rows, row_digests
from validstats.results import Report, Section, Summary, Table

__all__ = ["data_fingerprint", "package_versions", "receipt_differences", "reproducibility", "sealed"]

_PACKAGES = ("validstats", "numpy", "scipy", "scikit-learn", "numba", "statsmodels", "pandas")


def data_fingerprint(data: Any) -> str:
    """Fingerprint a data set by its rows, in order.

    Parameters
    ----------
    data : data frame or array-like
        The data; equal values give equal fingerprints in every data frame library.

    Returns
    -------
    str
        Sixteen hexadecimal digits of SHA-256 over the row digests.

    Examples
    --------
    >>> data_fingerprint([[1.0, 2.0]]) == data_fingerprint(np.array([[1.0, 2.0]]))
    True
    """
    return hashlib.sha256(np.ascontiguousarray(row_digests(data)).tobytes()).hexdigest()[:16]


def package_versions(names: Sequence[str] = _PACKAGES) -> dict[str, str]:
    """List the versions that a result was computed with.

    Parameters
    ----------
    names : sequence of str
        Distribution names.

    Returns
    -------
    dict
        Name -> version, Python first; packages that are not installed are left out.

    Examples
    --------
    >>> next(iter(package_versions()))
    'Python'
    """
    versions = {"Python": platform.python_version()}
    for name in names:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def reproducibility(data: Mapping[str, Any], seeds: Mapping[str, int]) -> Section:
    """Versions, data sets with their fingerprints, and seeds."""
    tables = []
    if data:
        tables.append(
            Table(
                {
                    "Data": list(data),
                    "Rows": [_n_rows(value) for value in data.values()],
                    "Fingerprint": [data_fingerprint(value) for value in data.values()],
                }
            )
        )
    if seeds:
        tables.append(Table({"Seed of": list(seeds), "Value": [str(seed) for seed in seeds.values()]}))
    return Section(
        "Reproducibility",
        summaries=[Summary(Report("Versions, data and seeds", tuple(package_versions().items()), tables))],
    )


def _n_rows(value: Any) -> int:
    return n_rows(value) if is_frame(value) else math.prod(np.shape(value)[:1])


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """Add to a receipt the digest of what it says."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, allow_nan=True)
    return {**content, "digest": hashlib.sha256(text.encode()).hexdigest()}


def receipt_differences(receipt: Mapping[str, Any], again: Mapping[str, Any]) -> list[str]:
    """Compare a receipt with one that was made again, versions aside.

    Parameters
    ----------
    receipt, again : mapping
        Receipts as :func:`report` and :func:`audit` write them.

    Returns
    -------
    list of str
        What differs, one sentence each; numbers may differ by one part in a million. Empty if nothing does.

    Examples
    --------
    >>> from validstats.reporting.provenance import sealed
    >>> first, second = sealed({"seeds": {"split": 7}}), sealed({"seeds": {"split": 8}})
    >>> receipt_differences(first, second)
    ['seeds: split is 8; the receipt says 7.']
    """
    said = {key: value for key, value in receipt.items() if key != "digest"}
    found = (
        []
        if sealed(said)["digest"] == receipt.get("digest")
        else ["The receipt was changed after it was made."]
    )
    for key in sorted({*said, *again} - {"digest", "versions"}):
        found += _differing(key, said.get(key), again.get(key))
    return found


def _differing(key: str, said: Any, now: Any) -> list[str]:
    if isinstance(said, Mapping) and isinstance(now, Mapping):
        parts = sorted({*said, *now})
        return [
            line for name in parts for line in _differing(f"{key}: {name}", said.get(name), now.get(name))
        ]
    if isinstance(said, list) and isinstance(now, list) and len(said) == len(now):
        return [line for i, pair in enumerate(zip(said, now), 1) for line in _differing(f"{key} {i}", *pair)]
    if _number(said) and _number(now):
        same = math.isclose(said, now, rel_tol=1e-6, abs_tol=1e-9) or (math.isnan(said) and math.isnan(now))
    else:
        same = said == now
    return [] if same else [f"{key} is {_short(now)}; the receipt says {_short(said)}."]


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _short(value: Any) -> str:
    text = "absent" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
