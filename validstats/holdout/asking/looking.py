"""What can be looked at without asking: the plan, the price of the next question, the ledger."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from validstats.exceptions import NoisyReleaseError, noisy_release_message
from validstats.guarantee import Guarantee
from validstats.holdout.budget import Books, Plan, closing_nats, holdout_report, outlook, plan
from validstats.holdout.ledger import Ledger
from validstats.holdout.mechanisms.noisy import Analysis
from validstats.intake import check_positive_int
from validstats.results import Report

__all__ = ["Looking"]


class Looking:
    """Looks that cost nothing."""

    queries: int
    failures: int
    rounds: int | None
    guess: str | None
    analysis: Analysis
    confidence_level: float
    calibration_: Any
    guarantee_: Guarantee
    ledger_: Ledger
    _books: Books
    _check_calibrated: Callable[..., None]

    def plan(self, n: int | None = None) -> Plan:
        """Show what each mechanism would give for the declared budget, before anything is spent.

        Parameters
        ----------
        n : int or None, default None
            Rows of the holdout after the vault is set aside; that of the calibration if None.

        Returns
        -------
        Plan
            Half-widths by mechanism, tightest first; under a published ``analysis`` the Gaussian mechanism has that
            one only.
        """
        if n is None:
            self._check_calibrated("plan", "calibrate(...), or pass n=...,")
            n = self.calibration_.n_units
        return self._plan_for(check_positive_int(n, "n"))

    def _plan_for(self, n: int) -> Plan:
        return plan(
            n,
            self.queries,
            self.failures,
            self.rounds,
            "numeric" if self.guess is None else "guess",
            analysis=None if self.analysis == "tight" else self.analysis,
            confidence_level=self.confidence_level,
        )

    def outlook(self) -> str:
        """Say in words what the next question would give and cost, without asking it.

        Returns
        -------
        str
            One or two sentences.
        """
        self._check_calibrated("outlook")
        return outlook(self._books.look(), self._books.left)

    @property
    def exhausted_(self) -> bool:
        """Whether a question has been refused in this epoch; it stays so, in every process."""
        self._check_calibrated("exhausted_")
        return bool(self._books.look().state["exhausted"])

    @property
    def nats_(self) -> float:
        """Description nats of everything released so far: what a claim chosen now has to pay for.

        This is what :func:`~validstats.holdout.kraft_e_value` takes. It is a little more than the sum of the
        charges, since it includes what the last declared answer may say. Once a noisy answer was released there is
        no such number, and :class:`~validstats.exceptions.NoisyReleaseError` is raised.
        """
        self._check_calibrated("nats_")
        state = self._books.look().state
        nats, mu_squared = self.ledger_.totals()
        if mu_squared > 0:
            raise NoisyReleaseError(noisy_release_message.format(mu2=mu_squared))
        return nats + closing_nats(state["mechanisms"])

    def _report(self) -> Report:
        return holdout_report(self.calibration_, self.ledger_, self._books, self.guarantee_, self.outlook())

    def plot(self) -> Any:
        """Draw the ledger: budget left, guesses against answers, width along the questions.

        Returns
        -------
        LedgerDisplay
            With ``figure_``.
        """
        from validstats.plotting.ledger import LedgerDisplay

        self._check_calibrated("plot")
        return LedgerDisplay.from_ledger(self.ledger_, queries=self.calibration_.declared.queries).plot()
