"""What a result promises, under which assumptions, from how much reference data: one printed paragraph."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
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


@dataclass(frozen=True, kw_only=True)
class Guarantee:
    """A statistical guarantee together with everything it rests on.

    Parameters
    ----------
    statement : str
        What holds, as one sentence without a final period, including its level.
    kind : {"finite-sample", "asymptotic", "marginal-over-family", "heuristic"}
        Strength of the statement.
    assumptions : tuple of str
        Conditions under which it holds, one clause each. May be empty only for a heuristic.
    n_reference : int
        Number of trusted reference units that it rests on (rows, clusters or data sets).
    citation : str
        Paper with section or theorem.
    confidence_level : float or None, default None
        Nominal level in (0, 1), where the statement has one.
    exact_probability : float or None, default None
        Probability of the statement where it is known exactly, at least ``confidence_level``.
    caveats : tuple of str, default ()
        What the statement does not say, and every approximation made.

    Attributes
    ----------
    finite_sample : bool
        Whether the statement holds for every sample size.

    Raises
    ------
    TypeError, ValueError
        If the kind is unknown, a guarantee is stated without assumptions, or the level is not in (0, 1).

    Examples
    --------
    >>> from validstats import Guarantee
    >>> g = Guarantee(
    ...     statement="the set covers the batch mean with probability at least 0.9",
    ...     kind="finite-sample",
    ...     assumptions=("calibration and batch rows are exchangeable",),
    ...     n_reference=200,
    ...     citation="Lee et al. (2024), arXiv 2409.13990, Theorem 1",
    ...     confidence_level=0.9,
    ... )
    >>> print(g)
    Finite-sample guarantee: the set covers the batch mean with probability at least 0.9. It assumes that
    calibration and batch rows are exchangeable. Trusted reference: n = 200. Source: Lee et al. (2024),
    arXiv 2409.13990, Theorem 1.
    """

    statement: str
    kind: GuaranteeKind
    assumptions: tuple[str, ...]
    n_reference: int
    citation: str
    confidence_level: float | None = None
    exact_probability: float | None = None
    caveats: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if self.kind not in _KIND_TEXT:
            raise ValueError(f"kind must be one of {sorted(_KIND_TEXT)}, got {self.kind!r}.")
        if not self.assumptions and self.kind != "heuristic":
            raise ValueError("A guarantee is never printed without its assumptions; assumptions is empty.")
        level = self.confidence_level
        if level is None:
            return
        if not isinstance(level, Real) or isinstance(level, bool):
            raise TypeError(f"confidence_level must be a number in (0, 1) or None, got {level!r}.")
        if not 0 < level < 1:
            raise ValueError(f"confidence_level must be in (0, 1), got {level!r}.")

    @property
    def finite_sample(self) -> bool:
        """Whether the statement holds for every sample size."""
        return self.kind == "finite-sample"

    @property
    def heading(self) -> str:
        """How strong the statement is, in words."""
        return _KIND_TEXT[self.kind]

    def paragraph(self) -> str:
        """Return the guarantee as one paragraph of plain text.

        Returns
        -------
        str
            The heading and the body.
        """
        return f"{self.heading}: {self.body()}"

    def body(self) -> str:
        """Return the paragraph without its heading.

        Returns
        -------
        str
            Statement, assumptions, caveats, reference size and source, in this order.
        """
        parts = [f"{self.statement}."]
        if self.exact_probability is not None:
            parts.append(f"The probability is exactly {self.exact_probability:.4f} when there are no ties.")
        if self.assumptions:
            parts.append("It assumes that " + "; ".join(self.assumptions) + ".")
        parts.extend(caveat.rstrip(".") + "." for caveat in self.caveats)
        parts.append(f"Trusted reference: n = {self.n_reference:,}.")
        parts.append(f"Source: {self.citation}.")
        return " ".join(parts)

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
        import textwrap

        return textwrap.fill(self.paragraph(), width=104)
