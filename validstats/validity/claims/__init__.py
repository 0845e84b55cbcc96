"""Claims of the package, one file a domain: what is promised, and settings that users have."""

from __future__ import annotations

import importlib

from validstats.validity.hunt import Claim

__all__ = ["DOMAINS", "claims_of"]

DOMAINS = ("batch", "dsl", "evals", "holdout", "mi")


def claims_of(domain: str) -> list[Claim]:
    """Return the claims of a domain."""
    if domain not in DOMAINS:
        raise ValueError(f"domain must be one of {', '.join(map(repr, DOMAINS))}; got {domain!r}.")
    return list(importlib.import_module(f"validstats.validity.claims.{domain}").CLAIMS)
