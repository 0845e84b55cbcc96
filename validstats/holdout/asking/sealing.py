"""Copies of a calibrated holdout: they share its ledger, and carry its rows only under the ledger's key."""

from __future__ import annotations

from typing import Any

from validstats.holdout.asking.sample import HoldoutSample, seal, unseal

__all__ = ["SealedState"]

_OPENED: dict[bytes, Any] = {}
"""The sample that was unsealed last in this process, by its seal."""


class SealedState:
    """What of an estimator is copied and pickled.

    An unfitted or fitted estimator is copied as it is. A calibrated one refuses to be copied while its ledger is in
    memory; with a ledger file its copies share the budget, and a pickle holds the holdout rows sealed.
    """

    _parts: tuple[HoldoutSample, HoldoutSample | None]
    _sealed: bytes
    ledger_: Any

    def __getstate__(self) -> dict[str, Any]:
        parent: Any = super()
        state = dict(parent.__getstate__())
        if "ledger_" not in state:
            return state
        state["ledger_"]._refuse_copy("pickled or deep-copied")
        parts = state.pop("_parts", None)
        if "_sealed" not in state:
            self._sealed = state["_sealed"] = seal(self.ledger_.secret, parts)
        return state

    def _open_parts(self) -> tuple[HoldoutSample, HoldoutSample | None]:
        if "_parts" not in self.__dict__:
            if self._sealed not in _OPENED:
                _OPENED.clear()
                _OPENED[self._sealed] = unseal(self.ledger_.secret, self._sealed)
            self._parts = _OPENED[self._sealed]
        return self._parts
