"""Whether machine labels will help, and how much, before expert labels are bought."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from validstats._typing import Float1D, Int1D
from validstats.dsl.moments import LARGEST_VALUE
from validstats.dsl.plan.label_forecast import (
    binary_r_squared,
    label_worth,
    pilot_r_squared,
    share_widths,
)
from validstats.guarantee import Guarantee
from validstats.intake import alpha_fraction, check_in_range, check_positive_int, check_vector
from validstats.results import NotApplicable, Report, Result, Table

__all__ = ["GainForecast", "forecast_gain"]


NO_PILOT = NotApplicable("without a pilot there is no interval")
"""What a forecast from stated qualities lacks."""


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class GainForecast(Result):
    """Whether machine labels help, and how much, before labels are bought.

    Attributes
    ----------
    sizes : ndarray of shape (k,)
        Numbers of expert labels.
    ratio : ndarray of shape (k,)
        Variance with expert labels alone over the variance with tuned machine labels, at least 1: what regressions gain.
    ratio_low, ratio_high : ndarray of shape (k,) or None
        Interval from the pilot.
    raw_ratio : ndarray of shape (k,) or None
        The same for machine labels taken as they are; below 1 they hurt.
    ceiling : ndarray of shape (k,)
        The ratio for perfect machine labels.
    r_squared : float
        Share of the variance of the expert label that machine labels explain.
    std_dev : float or None
        Standard deviation of the expert label, where known.
    n_rows : int
        Number of units.
    share_length, gold_share_length : ndarray of shape (k,) or None
        Lengths of the 95 % intervals of a share to expect with cells of equal machine verdict and from expert labels
        alone; None where labels are not 0/1.
    share_worth : ndarray of shape (k,) or None
        Numbers of expert labels that alone would give intervals of a share of the first length.
    """

    sizes: Int1D
    ratio: Float1D
    ratio_low: Float1D | None
    ratio_high: Float1D | None
    raw_ratio: Float1D | None
    ceiling: Float1D
    r_squared: float
    std_dev: float | None
    n_rows: int
    share_length: Float1D | None = None
    gold_share_length: Float1D | None = None
    share_worth: Float1D | None = None

    confidence_level: float | NotApplicable = NO_PILOT
    naive: ClassVar[NotApplicable] = NotApplicable("the comparator is 1, the worth of expert labels alone")

    @property
    def terms(self) -> tuple[str, ...]:
        """Numbers of labels in words."""
        return tuple(f"{size:,} labels" for size in self.sizes)

    @property
    def estimate(self) -> Float1D:
        """Variance ratios, shape ``(k,)``."""
        return self.ratio

    @property
    def conf_low(self) -> Float1D | NotApplicable:
        """Lower ends of the ratios, from the pilot."""
        return NO_PILOT if self.ratio_low is None else self.ratio_low

    @property
    def conf_high(self) -> Float1D | NotApplicable:
        """Upper ends of the ratios, from the pilot."""
        return NO_PILOT if self.ratio_high is None else self.ratio_high

    def _answer(self) -> str:
        return self.verdict.rstrip(".")

    @property
    def verdict(self) -> str:
        """One sentence: how much machine labels help."""
        gains = self.ratio if self.share_worth is None else self.share_worth / self.sizes
        best = int(np.argmax(gains))
        gain, size = float(gains[best]), int(self.sizes[best])
        if gain < 1.05:
            return "Machine labels hardly help here: they are worth less than 5 % more expert labels."
        text = f"Machine labels help: {size:,} expert labels are worth about {size * gain:,.0f} alone"
        if self.raw_ratio is not None and self.raw_ratio[best] < 1.0:
            text += ", but taken as they are, without tuning, they would hurt"
        return text + "."

    def plot(
        self, ax: Any = None, labels: Mapping[str, str] | None = None, drop: Collection[str] = ()
    ) -> Any:
        """Draw what expert labels are worth against their number.

        Parameters
        ----------
        ax : matplotlib Axes or None, default None
            Axes to draw on.
        labels : mapping of str to str or None, default None
            Words for the legend, by what it says.
        drop : collection of str, default ()
            Numbers of labels to leave out, such as ``"500 labels"``.

        Returns
        -------
        GainForecastDisplay
            The display, with ``ax_`` and ``figure_``.
        """
        from validstats.plotting.label_plan import GainForecastDisplay

        return GainForecastDisplay.from_forecast(self, drop=drop).plot(ax, labels=labels)

    def _tidy_columns(self) -> Mapping[str, Sequence[Any] | np.ndarray]:
        columns: dict[str, Sequence[Any] | np.ndarray] = {
            "term": list(self.terms),
            "n_labels": self.sizes,
            "variance_ratio": self.ratio,
            "effective_labels": self.sizes * self.ratio,
            "ceiling": self.ceiling,
        }
        if self.ratio_low is not None and self.ratio_high is not None:
            columns |= {"ratio_low": self.ratio_low, "ratio_high": self.ratio_high}
        if self.raw_ratio is not None:
            columns["untuned_ratio"] = self.raw_ratio
        if (
            self.share_worth is not None
            and self.share_length is not None
            and self.gold_share_length is not None
        ):
            columns |= {
                "share_worth": self.share_worth,
                "share_length": self.share_length,
                "gold_share_length": self.gold_share_length,
            }
        if self.std_dev is not None:
            columns["gold_std_error"] = self.std_dev / np.sqrt(self.sizes)
            columns["std_error"] = self.std_dev / np.sqrt(self.sizes * self.ratio)
        return columns

    def _glance_columns(self) -> Mapping[str, Any]:
        return {
            "n_rows": self.n_rows,
            "r_squared": self.r_squared,
            "largest_ratio": float(np.max(self.ratio)),
            "verdict": self.verdict,
        }

    def _report(self) -> Report:
        columns: dict[str, Any] = {
            "Labels": self.sizes.tolist(),
            "Worth": [round(v) for v in (self.sizes * self.ratio).tolist()],
            "Variance ratio": self.ratio.tolist(),
        }
        if self.ratio_low is not None and self.ratio_high is not None:
            columns |= {"Low": self.ratio_low.tolist(), "High": self.ratio_high.tolist()}
        if self.raw_ratio is not None:
            columns["Untuned"] = self.raw_ratio.tolist()
        columns["Perfect labels"] = self.ceiling.tolist()
        regressions = Table(
            columns,
            title="Regressions and means: number of expert labels that alone would give the same standard error",
            formats={"Labels": "int", "Worth": "int"},
        )
        tables = [regressions]
        if (
            self.share_worth is not None
            and self.share_length is not None
            and self.gold_share_length is not None
        ):
            shares: dict[str, Any] = {
                "Labels": self.sizes.tolist(),
                "Worth": [round(v) for v in self.share_worth.tolist()],
                "95% interval": self.share_length.tolist(),
                "Expert labels alone": self.gold_share_length.tolist(),
            }
            title = "A share: length of its interval, and number of labels that alone would give it"
            tables.insert(0, Table(shares, title=title, formats={"Labels": "int", "Worth": "int"}))
        return Report(
            title="Will machine labels help",
            header=(("Units", self.n_rows), ("Variance explained", f"{self.r_squared:.1%}")),
            tables=tuple(tables),
            guarantees=(self.guarantee,),
        )


def forecast_gain(
    n_rows: int,
    sizes: int | Sequence[int],
    *,
    accuracy: float | None = None,
    sensitivity: float | None = None,
    specificity: float | None = None,
    prevalence: float | None = None,
    r_squared: float | None = None,
    pilot: tuple[Any, Any] | None = None,
    confidence_level: float = 0.95,
) -> GainForecast:
    """Forecast whether machine labels help, and how much, before expert labels are bought.

    The forecast is for a mean, a share, or the coefficients of a regression whose outcome is labelled (with
    ``r_squared`` then among units with equal covariates), labels being drawn with equal probabilities.

    Parameters
    ----------
    n_rows : int
        Number of units with machine labels.
    sizes : int or sequence of int
        Numbers of expert labels, between 1 and ``n_rows``.
    accuracy : float or None, default None
        Share of binary machine labels that are right, in [0, 1], equally for positives and negatives. Needs
        ``prevalence``.
    sensitivity, specificity : float or None, default None
        Instead of ``accuracy``: shares of positives and of negatives that are recognised.
    prevalence : float or None, default None
        Share of positives, in (0, 1).
    r_squared : float or None, default None
        Share of the variance of the expert label that the machine label explains, in [0, 1].
    pilot : tuple of (array-like of shape (m,), array-like of shape (m,)) or None, default None
        Expert and machine labels of a few units drawn at random; gives an interval as well.
    confidence_level : float, default 0.95
        Level of that interval.

    Returns
    -------
    GainForecast
        Variance ratios and what they mean in labels.

    Raises
    ------
    ValueError
        If not exactly one description of the machine labels is given, or a value is out of range.

    References
    ----------
    Angelopoulos, Duchi and Zrnic (2023), PPI++, arXiv 2311.01453, Example 6.1.

    Examples
    --------
    >>> forecast = forecast_gain(20_000, [500, 1000], accuracy=0.9, prevalence=0.5)
    >>> forecast.ratio.round(2)
    array([2.66, 2.55])
    >>> print(forecast.verdict)
    Machine labels help: 500 expert labels are worth about 1,188 alone.
    """
    check_positive_int(n_rows, "n_rows", minimum=2)
    alpha = float(alpha_fraction(confidence_level))
    listed: list[Any] = list(sizes) if np.iterable(sizes) else [sizes]
    chosen = np.array([check_positive_int(s, "sizes", maximum=n_rows) for s in listed], dtype=np.int64)
    if len(chosen) == 0:
        raise ValueError("sizes is empty; pass at least one number of labels.")
    explained, raw_error, std_dev, interval, n_pilot, rates = _describe(
        accuracy, sensitivity, specificity, prevalence, r_squared, pilot, alpha
    )
    shares = None if rates is None else [share_widths(n_rows, int(s), *rates) for s in chosen]

    def ratios(share: float) -> Float1D:
        return np.array([label_worth(n_rows, int(s), share).ratio for s in chosen])

    raw = None
    if raw_error is not None:
        raw = np.array([label_worth(n_rows, int(s), explained, raw_error).raw_ratio for s in chosen])
    return GainForecast(
        guarantee=_gain_guarantee(n_pilot),
        sizes=chosen,
        ratio=ratios(explained),
        ratio_low=None if interval is None else ratios(interval[0]),
        ratio_high=None if interval is None else ratios(interval[1]),
        confidence_level=NO_PILOT if interval is None else float(confidence_level),
        raw_ratio=raw,
        ceiling=n_rows / chosen,
        r_squared=explained,
        std_dev=std_dev,
        n_rows=n_rows,
        share_length=None if shares is None else np.array([s.cells for s in shares]),
        gold_share_length=None if shares is None else np.array([s.alone for s in shares]),
        share_worth=None if shares is None else np.array([s.worth for s in shares]),
    )


def _describe(
    accuracy: float | None,
    sensitivity: float | None,
    specificity: float | None,
    prevalence: float | None,
    r_squared: float | None,
    pilot: tuple[Any, Any] | None,
    alpha: float,
) -> tuple[
    float, float | None, float | None, tuple[float, float] | None, int, tuple[float, float, float] | None
]:
    """Return explained share, raw error, standard deviation, interval, pilot size, and rates of 0/1 labels."""
    rates = sensitivity is not None or specificity is not None
    if sum([accuracy is not None, rates, r_squared is not None, pilot is not None]) != 1:
        raise ValueError(
            "Describe the machine labels in exactly one way: accuracy and prevalence; sensitivity, specificity "
            "and prevalence; r_squared; or pilot=(expert labels, machine labels)."
        )
    if r_squared is not None:
        return check_in_range(r_squared, "r_squared", 0, 1), None, None, None, 0, None
    if pilot is not None:
        outcome, machine = (check_vector(v, "pilot") for v in pilot)
        if len(outcome) != len(machine) or len(outcome) < 5:
            raise ValueError(
                f"pilot needs at least 5 units with both labels; got {len(outcome)} expert and {len(machine)} "
                "machine labels."
            )
        if max(np.abs(outcome).max(), np.abs(machine).max()) > LARGEST_VALUE:
            raise ValueError(
                f"pilot has values beyond {LARGEST_VALUE:g} in size, whose squares overflow; rescale both labels."
            )
        if np.var(outcome) == 0.0:
            raise ValueError(
                "All expert labels of the pilot are equal, so it says nothing; label more units."
            )
        explained, low, high = pilot_r_squared(outcome, machine, alpha)
        raw = float(np.var(outcome - machine) / np.var(outcome))
        found = None
        if np.all(np.isin(outcome, (0.0, 1.0))) and np.all(np.isin(machine, (0.0, 1.0))):
            right = machine == outcome
            found = (
                float(right[outcome == 1].mean()),
                float(right[outcome == 0].mean()),
                float(outcome.mean()),
            )
        return explained, raw, float(np.std(outcome, ddof=1)), (low, high), len(outcome), found
    if accuracy is not None:
        sensitivity = specificity = accuracy
    if prevalence is None or sensitivity is None or specificity is None:
        raise ValueError("Binary machine labels need prevalence, and sensitivity together with specificity.")
    name = "accuracy" if accuracy is not None else "sensitivity and specificity"
    rate = [check_in_range(v, name, 0, 1) for v in (sensitivity, specificity)]
    share = check_in_range(prevalence, "prevalence", 0, 1, low_open=True, high_open=True)
    explained, raw = binary_r_squared(rate[0], rate[1], share)
    spread = float(np.sqrt(share * (1.0 - share)))
    return explained, raw, spread, None, 0, (rate[0], rate[1], share)


def _gain_guarantee(n_pilot: int) -> Guarantee:
    source = "the pilot is a random sample" if n_pilot else "the stated quality of the machine labels is true"
    caveats = [
        "Intervals of a share are those of expected counts, of cells of equal machine verdict",
        "The variance ratio is the limiting one of tuned estimates over expert labels alone",
        "A learner that also uses covariates can only add to the gain, up to the ceiling",
    ]
    if n_pilot:
        caveats.append("The interval is approximate, from Fisher's transformation of the correlation")
    return Guarantee(
        holds="with many labels, machine labels save as many expert labels as forecast",
        kind="asymptotic",
        check=(source, "experts will get rows picked at random"),
        n_reference=n_pilot,
        citation="Angelopoulos, Duchi and Zrnic (2023), PPI++, arXiv 2311.01453, Example 6.1",
        details=tuple(caveats),
    )
