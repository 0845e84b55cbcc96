"""Claims: results that are a sequence of bits, one a claim."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from validstats._typing import Bool1D
from validstats.results.answer import NotApplicable
from validstats.results.result import Result

__all__ = ["Claims"]


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Claims(Result, Sequence[bool]):
    """Which of several claims were confirmed: a sequence of bool, with a controlled rate of false ones."""

    @property
    @abstractmethod
    def confirmed(self) -> Bool1D:
        """True where the claim is confirmed."""

    @property
    @abstractmethod
    def claim(self) -> str:
        """What was claimed, for figures."""

    @property
    def confidence_level(self) -> NotApplicable:
        """Not applicable: a false discovery rate is controlled."""
        return NotApplicable("a false discovery rate is controlled, not a level")

    @property
    def naive(self) -> NotApplicable:
        """Not applicable: there is no simpler answer."""
        return NotApplicable("claims that are tested one by one have no bound on false ones")

    @property
    def informative(self) -> bool:
        """Whether a claim was confirmed."""
        return bool(self.confirmed.any())

    def __len__(self) -> int:
        return len(self.confirmed)

    def __getitem__(self, index: Any) -> Any:
        return self.confirmed[index]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self.confirmed if dtype is None else self.confirmed.astype(dtype)

    def any(self) -> bool:
        """Tell whether a claim was confirmed.

        Returns
        -------
        bool
            As ``confirmed.any()``.
        """
        return bool(self.confirmed.any())

    def all(self) -> bool:
        """Tell whether every claim was confirmed.

        Returns
        -------
        bool
            As ``confirmed.all()``.
        """
        return bool(self.confirmed.all())

    def tolist(self) -> list[bool]:
        """Return the bits as a list.

        Returns
        -------
        list of bool
            True where the claim is confirmed.
        """
        return [bool(bit) for bit in self.confirmed]

    def _display(self, labels: Mapping[str, str] | None, drop: Collection[str]) -> Any:
        """Draw which claims were confirmed."""
        from validstats.plotting.answers import DiscoveriesDisplay

        return DiscoveriesDisplay.from_discoveries(self, labels, drop)
