"""Guarantees in three layers: what a reader can rely on, what he must check, and the details."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from numbers import Real
from typing import Any, Literal, TypeAlias

__all__ = ["Guarantee", "GuaranteeKind"]

GuaranteeKind: TypeAlias = Literal["finite-sample", "asymptotic", "marginal-over-family", "heuristic"]
"""How strong a statement is: exact for every n, in the limit, on average over a family, or not proved."""

_KIND_TEXT = {
    "finite-sample": "Finite-sample guarantee",
    "asymptotic": "Asymptotic guarantee",
    "marginal-over-family": "Guarantee on average over a stated family",
    "heuristic": "No guarantee (heuristic)",
}

_MOST_CHECKS = 3
"""Points that a reader can be asked to judge; what is more goes to the details."""


@dataclass(frozen=True, kw_only=True)
class Guarantee:
    """A statistical guarantee in three layers.

    Parameters
    ----------
    holds : str
        What the reader can rely on: one sentence in plain words, without a final period.
    check : tuple of str
        What the reader must judge, at most three points, most important first. May be empty only for a heuristic.
    details : tuple of str, default ()
        The exact statement, further conditions and every approximation, one sentence each. Printed by
        ``summary(details=True)``.
    kind : {"finite-sample", "asymptotic", "marginal-over-family", "heuristic"}
        Strength of the statement.
    n_reference : int
        Number of trusted reference units that it rests on (rows, clusters or data sets).
    citation : str
        Paper with section or theorem.
    confidence_level : float or None, default None
        Nominal level in (0, 1), where the statement has one.
    exact_probability : float or None, default None
        Probability of the statement where it is known exactly, at least ``confidence_level``.
    n_statements : int, default 1
        Number of statements that it speaks of, each by itself; a joint statement with others counts one of them.

    Raises
    ------
    TypeError, ValueError
        If the kind is unknown, a guarantee comes without a point to check or with more than three, or the level is
        not in (0, 1).

    Examples
    --------
    >>> from validstats import Guarantee
    >>> g = Guarantee(
    ...     holds="in 90 of 100 such batches the mean lies in the interval",
    ...     check=("the batch comes from the same source as the calibration rows",),
    ...     details=("Calibration and batch rows are exchangeable given the fitted model.",),
    ...     kind="finite-sample",
    ...     n_reference=200,
    ...     citation="Lee et al. (2024), arXiv 2409.13990, Theorem 1",
    ...     confidence_level=0.9,
    ... )
    >>> print(g)
    What you can rely on: in 90 of 100 such batches the mean lies in the interval.
    Check that the batch comes from the same source as the calibration rows.
    """

    holds: str
    check: tuple[str, ...]
    details: tuple[str, ...] = ()
    kind: GuaranteeKind
    n_reference: int
    citation: str
    confidence_level: float | None = None
    exact_probability: float | None = None
    n_statements: int = 1

    def __post_init__(self) -> None:
        if self.kind not in _KIND_TEXT:
            raise ValueError(f"kind must be one of {sorted(_KIND_TEXT)}, got {self.kind!r}.")
        if not self.check and self.kind != "heuristic":
            raise ValueError("A guarantee is never printed without what must be checked; check is empty.")
        if len(self.check) > _MOST_CHECKS:
            raise ValueError(
                f"check takes at most {_MOST_CHECKS} points, got {len(self.check)}; put the rest into details."
            )
        level = self.confidence_level
        if level is None:
            return
        if not isinstance(level, float) and (not isinstance(level, Real) or isinstance(level, bool)):
            raise TypeError(f"confidence_level must be a number in (0, 1) or None, got {level!r}.")
        if not 0 < level < 1:
            raise ValueError(f"confidence_level must be in (0, 1), got {level!r}.")

    @property
    def finite_sample(self) -> bool:
        """Whether the statement holds for every sample size."""
        return self.kind == "finite-sample"

    @property
    def in_the_limit(self) -> bool:
        """Whether the statement holds for large samples only."""
        return self.kind == "asymptotic"

    @property
    def joins(self) -> bool:
        """Whether its error level can be added to those of other statements (union bound)."""
        return self.confidence_level is not None and (self.finite_sample or self.in_the_limit)

    @property
    def heading(self) -> str:
        """How strong the statement is, in words."""
        return _KIND_TEXT[self.kind]

    def parts(self, details: bool = False) -> Iterator[tuple[str, str]]:
        """Yield the layers as pairs of a heading and a text, in reading order.

        Parameters
        ----------
        details : bool, default False
            Whether to add the details: strength, exact statement, conditions, size of the reference and source.

        Yields
        ------
        (str, str)
            Heading and text of one layer.

        Examples
        --------
        >>> g = Guarantee(holds="it holds", check=("a", "b"), kind="asymptotic", n_reference=9, citation="c")
        >>> list(g.parts())
        [('What you can rely on:', 'it holds.'), ('Check that', '(1) a; (2) b.')]
        """
        yield "What you can rely on:", f"{self.holds.rstrip('.')}."
        if len(self.check) == 1:
            yield "Check that", f"{self.check[0].rstrip('.')}."
        elif self.check:
            points = "; ".join(f"({i}) {point.rstrip('.')}" for i, point in enumerate(self.check, start=1))
            yield "Check that", f"{points}."
        if details:
            yield "Details:", self._detail_text()

    def _detail_text(self) -> str:
        sentences = [f"{self.heading}."]
        if self.exact_probability is not None:
            sentences.append(
                f"The probability is exactly {self.exact_probability:.4f} when there are no ties."
            )
        sentences += [f"{sentence.rstrip('.')}." for sentence in self.details]
        sentences += [
            f"Trusted reference: n = {self.n_reference:,}.",
            f"Source: {self.citation.rstrip('.')}.",
        ]
        return " ".join(sentences)

    def paragraph(self, details: bool = True) -> str:
        """Return the guarantee as one paragraph of plain text.

        Parameters
        ----------
        details : bool, default True
            Whether to add the details.

        Returns
        -------
        str
            All layers, joined.
        """
        return " ".join(f"{heading} {text}" for heading, text in self.parts(details))

    def to_dict(self) -> dict[str, Any]:
        """Return every field as plain Python values.

        Returns
        -------
        dict
            Field names and values, ready for JSON.
        """
        values = asdict(self)
        values["finite_sample"] = self.finite_sample
        return values

    def __str__(self) -> str:
        return "\n".join(textwrap.fill(f"{heading} {text}", width=104) for heading, text in self.parts())
