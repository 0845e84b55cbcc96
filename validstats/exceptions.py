"""Errors and warnings, each beside the message template that it is raised with."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

from sklearn.exceptions import NotFittedError

__all__ = [
    "BudgetExhaustedError",
    "BudgetExhaustedInterrupt",
    "BudgetExhaustedWarning",
    "ConstantColumnWarning",
    "DataReuseError",
    "DataReuseWarning",
    "DependentRowsWarning",
    "DriftWarning",
    "HoldoutOverlapError",
    "LabellingWarning",
    "LedgerError",
    "LedgerMismatchError",
    "LedgerMissingError",
    "LedgerTamperedError",
    "LedgerUnavailableError",
    "NoisyReleaseError",
    "NotCalibratedError",
    "PermutationResolutionWarning",
    "SampledRowsWarning",
    "SearchRefusedInterrupt",
    "SpeedWarning",
    "SupportWarning",
    "UninformativeWarning",
    "ValidstatsWarning",
    "warn",
    "warn_once",
]

_PACKAGE = str(Path(__file__).parent) + os.sep


def warn(message: str, category: type[Warning]) -> None:
    """Warn at the first frame outside the package, so that the user sees the line that he wrote."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


_said: set[str] = set()


def warn_once(message: str, category: type[Warning]) -> None:
    """Warn once in a process about what concerns the machine and not the call."""
    if message not in _said:
        _said.add(message)
        warn(message, category)


class NotCalibratedError(NotFittedError):
    """Raised when a verb that needs a calibration is called before :meth:`calibrate`."""


not_calibrated_message = (
    "{estimator}.{verb}() needs a calibrated estimator, and this one has not been calibrated. "
    "Call {remedy} first."
)


class ValidstatsWarning(UserWarning):
    """Base class of every warning that this package issues."""


class DataReuseWarning(ValidstatsWarning):
    """Rows that trained the model also serve as its trusted reference, which voids the guarantee."""


class DataReuseError(ValueError):
    """A search was given rows of the holdout to fit its models on: what it finds would be certified nonsense."""


class SearchRefusedInterrupt(BaseException):
    """A search that would spend the holdout on nonsense; no ``Exception``, since searches turn those into missing scores."""


holdout_rows_message = (
    "{what} contains rows of the holdout ({overlap}): models that have seen them say nothing about new rows. Fit on other "
    "rows; {consequence}"
)

surprise_message = (
    "{question}: the holdout's answer is more than four standard errors better than the guess of {guess:.3g} from the training "
    "rows. This model may have seen the holdout: fit it on other rows, or guess from rows it was not fitted on."
)

data_reuse_message = (
    "{rows} were also used to train the model, so the "
    "reference is no longer independent of it and the guarantee is void. Calibrate on rows that the model has "
    "not seen. If these are honest duplicates, silence this with check_reuse=False."
)


class UninformativeWarning(ValidstatsWarning):
    """The statement is valid but says nothing: the reference is too small for the question."""


uninformative_message = (
    "The {what} is uninformative ({value}): with {n} reference rows and {m} rows in the batch no finite bound "
    "exists at confidence level {level}. {remedy}"
)

uninformative_holdout_message = (
    "Answers of mechanism={mechanism!r} say nothing here: with n = {n:,} and {queries:,} declared queries the "
    "interval of a score near one half is all of [0, 1], or nearly so. {remedy}"
)


class DependentRowsWarning(ValidstatsWarning):
    """Rows of one batch move together, so that a statement that takes rows as units does not hold for a batch."""


dependent_rows_message = (
    "Rows of one {unit} move together; calibrate on whole {units}: {remedy} "
    "(permutation test p = {p_value:.3g}, variance ratio {ratio:.3g}, intraclass correlation {correlation:.2g}). A statement "
    "from single rows does not hold for a whole {unit}."
)


class DriftWarning(ValidstatsWarning):
    """The new rows do not look like the calibration rows, or past batches changed with time."""


covariate_drift_message = (
    "The rows of X do not look like the calibration rows (permutation test of {columns}, p = {p_value:.3g}, on "
    "{rows:,} random rows a side): the statement assumes that both are drawn alike. Calibrate on rows like these; or pass strata= "
    "where the mix of groups changed, or weights= and w_max= where the ratio of densities is known."
)

order_drift_message = (
    "The past {units} trend or follow one another in the order of their names (permutation test p = {p_value:.3g}, rank correlation "
    "{correlation:.2g}): the statement assumes that they and the new one are drawn alike. Predict the trend with features, or "
    "calibrate on recent {units} only."
)


class ConstantColumnWarning(ValidstatsWarning):
    """A column has one value only: it carries no information and is left out."""


constant_column_message = (
    "{side} has {n_constant} constant column(s) out of {n_columns}; a constant carries no information, so they "
    "are left out. Drop them to silence this."
)


class SupportWarning(ValidstatsWarning):
    """A data set does not look like those that the learned estimator was trained on."""


support_message = (
    "{subject}: {reasons}. The estimate is given without an interval; compare it with the classical estimates in "
    "result.anchors."
)


class RepeatedRowsWarning(ValidstatsWarning):
    """Rows repeat in a way that independent draws do not, as in a bootstrap sample or where covariates belong to groups."""


repeated_rows_message = (
    "{n_repeats:,} of {n_rows:,} rows repeat another one, and independent draws of measurements do not; {consequence}. {remedy}, or "
    "set repeats='keep' if each is a row of its own."
)

one_sided_repeats_message = (
    "The rows of {side} repeat (only {n_distinct:,} of {n_rows:,} differ) while those of the other side do not, as where "
    "covariates belong to groups; rows of a group are not independent, so there is no interval. Name the groups with clusters=."
)


class SampledRowsWarning(ValidstatsWarning):
    """A random sample of the rows was read, because the method needs rows beside each other."""


sampled_rows_message = (
    "method={method!r} compares rows with each other, and a random sample of {sampled:,} of the {n:,} rows was read: values and "
    "intervals are those of {sampled:,} rows. {remedy}"
)


class SerialDependenceWarning(ValidstatsWarning):
    """Neighbouring rows resemble each other on both sides, as in a time series."""


serial_dependence_message = (
    "Neighbouring rows resemble each other on both sides (lag-1 rank autocorrelations {first:z.2f} and {second:z.2f}), as in a time "
    "series; {consequence}. If the order of the rows means nothing, set exchangeable=True{remedy}."
)


class SparseCellsWarning(ValidstatsWarning):
    """Two discrete sides have too many levels for the rows, so that their plug-in estimate is biased upwards."""


sparse_cells_message = (
    "{x} and {y} count as discrete and fill {cells:,} cells with {n:,} rows; the plug-in estimate is biased upwards "
    "where a cell has fewer than five rows on average. If they are categories, merge rare ones; if their numbers are a "
    "scale, say so: {remedy} in Python."
)


class LedgerError(RuntimeError):
    """Base class of every refusal of the ledger that keeps a holdout's budget."""


class LedgerMissingError(LedgerError):
    """There is no ledger where one was expected, or its anchor outside the file is gone."""


class LedgerUnavailableError(LedgerError, OSError):
    """A ledger or its anchor cannot be written or read now: a full disk, a read-only folder, a lock, a hard link."""


ledger_unavailable_message = (
    "The ledger cannot be used: {place}: {why}. {charged} A ledger needs a folder that can be written to for its file, and "
    "another for this user's state, which the variable XDG_STATE_HOME names (~/.local/state without it)."
)


class LedgerTamperedError(LedgerError):
    """The ledger was edited, truncated, rolled back, or damaged."""


class LedgerMismatchError(LedgerError):
    """The ledger belongs to other data, or these data belong to another ledger."""


class HoldoutOverlapError(LedgerMismatchError):
    """Rows of a holdout that has a ledger were given to another ledger, perhaps with engineered features."""


holdout_overlap_message = (
    "These rows belong to a holdout that has a ledger already, {place}: {overlap}. What was asked there counts: {remedy}. "
    "Give the rows as they were when it was opened, or pass ids= at both times."
)

ledger_missing_message = (
    "There is no ledger at {path}. A ledger is created once, explicitly, so that a lost one is not taken for a "
    "first use: call Ledger.create({path!r}) before the first calibration.{more}"
)

ledger_tampered_message = (
    "The ledger at {path} is refused: {what}. Answers given since cannot be accounted for, so no further answer "
    "would be valid. Restore the latest file; its receipt is {receipt}."
)


class BudgetExhaustedError(RuntimeError):
    """The declared budget of a holdout is used up; nothing was charged and nothing was answered."""


class BudgetExhaustedInterrupt(BaseException):
    """The same, raised by scorers: scikit-learn turns every ``Exception`` of a scorer into a silent NaN."""


budget_exhausted_message = (
    "The budget of this holdout is used up: {what}. Every further question is refused, also one that would have "
    "passed, because the refusal must not depend on the labels. {remedy}"
)


class BudgetExhaustedWarning(ValidstatsWarning):
    """A search stopped before its end because the holdout's budget was used up."""


budget_exhausted_search_message = (
    "The search stopped after {done} of {total} questions because the holdout's budget was used up; the best of "
    "those answered is kept. Declare more queries before the first look, or search fewer candidates."
)


class LabellingWarning(ValidstatsWarning):
    """Expert labels or their probabilities look unsuitable for what is asked of them."""


few_degrees_message = (
    "The coefficient {name!r} rests on few labels: its interval has {degrees:.1f} degrees of freedom. The labels of the "
    "rows {rows} carry {share:.0%} of its variance. Label more rows like these, merge rare categories, or silence this "
    "with warnings.simplefilter('ignore', LabellingWarning)."
)

skewed_labels_message = (
    "What the {n_labelled} labelled rows add to {name!r} is skewed (skewness {skewness:z.1f}): about {held} of such intervals "
    "hold the value, or fewer, where {level:.0%} are meant, mostly by missing it on the longer side. Label more rows, ask "
    "for model='quantile' or the mean of the logarithm, or {remedy}."
)

normal_interval_message = (
    "The interval of {name!r} is that of the paper of estimator={estimator!r}, which takes a normal law for granted. What the "
    "{n_labelled} labelled rows add is too heavy-tailed or skewed for it: about {held} of such intervals hold the value, or "
    "fewer, where {level:.0%} are meant. Take estimator='tuned', which is corrected for that, or label more rows."
)

sequence_not_begun_message = (
    "No interval yet: after {n_labelled} labels too few units carry the variance of the estimate (about {seen:.0f} of those "
    "labelled, and {expected:.0f} are to be expected; intervals begin at {enough_seen:.0f} and {enough_expected:.0f}). Go on "
    "labelling; where labels are rare, a larger label_share, and rule='uniform' or a larger floor, bring the first interval "
    "sooner."
)

few_events_message = (
    "Only {events} of {n_labelled} labels are of the rarer class, for {n_params} coefficients; at least {needed} keep "
    "intervals near their level. Label more rows where that class is likely, or leave out covariates."
)

unequal_weights_text = (
    "Labelling probabilities differ so much that {n} labels are worth {kish:.0f}. Were all rows labelled as rarely as the rarest, about "
    "{rarest:.0f} labels would be there, which may all lie on one side of the quantile."
)

alike_strata_text = (
    "At the quantile {events} of {n} labels are unlike the commonest of their stratum, so that a normal interval hardly knows how "
    "labels vary there."
)

short_quantile_message = (
    "{why} The interval may hold less often than it says, since {obstacle}, so that cells do not widen it. Label more rows, in "
    "fewer strata and with probabilities that differ less, or ask for a quantile nearer the median."
)

rare_labels_message = (
    "Of the {n_labelled} labels {where}, {events} differ from the rest: an interval that takes a normal law for granted "
    "hardly knows how rare such labels are, and not at all where none is seen. Label more rows where they are likely, or merge groups; "
    "interval='cells', where it is available, uses the range of the outcome."
)

separation_message = (
    "Separation: {what} ({n_labelled} labelled rows), so that the coefficient of {columns} is infinite and no interval "
    "exists. Label rows where the other class is likely, leave the columns out, or merge categories."
)

near_collinearity_message = (
    "Near-collinearity: the {n_labelled} labelled rows hardly tell the columns {columns} apart (condition number "
    "{condition:.1e}), so that their separate coefficients are not known to any useful accuracy. Leave one of them out, "
    "or use their mean and difference; more labels of the same kind do not help."
)

too_few_labels_message = (
    "Too few expert labels: {n_labelled} for {n_params} coefficients. A regression needs more labels than coefficients, "
    "and at least {needed} before machine labels are used. Label more rows, or leave out covariates."
)

few_clusters_message = (
    "Only {n_clusters} clusters ({name}) carry expert labels. Standard errors clustered in this way are approximate "
    "below about 50, also with the t distribution that is used; cluster by something finer, or silence this with "
    "warnings.simplefilter('ignore', LabellingWarning)."
)

weak_overlap_message = (
    "The labelling probabilities range from {low:.2g} to {high:.2g}, and the {n_labelled} labelled rows are worth "
    "only {kish:.0f} equally weighted ones. A few rows carry the estimate; raise the smallest probabilities."
)

inconsistent_probability_message = (
    "The labelling probabilities add to {expected:.0f} expected labels, and {n_labelled} rows are labelled, which "
    "is {distance:.0f} standard deviations away. Check that they are the probabilities labels were drawn with; "
    "they are used as given."
)

unlabelled_category_message = (
    "No labelled row identifies {columns}: among the labelled rows these columns are spanned by the others. "
    "Machine labels cannot be corrected there: 'tuned' and 'gold' leave the coefficients concerned open, and the "
    "standard errors of other estimators do not show it. Label rows of these categories, or merge them."
)


class StreamingError(ValueError):
    """Rows in parts cannot be worked on: a statement needs them in memory together, or workers of a cluster died."""


dead_worker_message = (
    "The cluster lost workers again and again on one part of the rows, and nothing was answered. A part that does not fit into a "
    "worker's memory is the usual cause: use smaller partitions (dask_frame.repartition(partition_size='64MB')), more memory a "
    "worker, or fewer threads a worker. dask says: {error}"
)


class PermutationResolutionWarning(ValidstatsWarning):
    """There are too few permutations for a single feature to pass the level."""


permutation_resolution_message = (
    "With n_permutations = {n_permutations} the smallest p-value is {smallest:.2g}, too large for a single one of "
    "{n_features} features to be selected at alpha = {alpha:g}. The selection stays valid but may be empty: use "
    "n_permutations = {needed} or more, or 'auto'."
)


class NoisyReleaseError(ValueError):
    """An e-value was asked for after a noisy answer, where no proof covers it."""


noisy_release_message = (
    "e-values of claims chosen after looking are proved for countable transcripts only, and noisy answers worth "
    "mu^2 = {mu2:.3g} have been released from this holdout. Use a ledger with deterministic mechanisms only "
    "(guess-and-check, description length, bits, winners), or test the claim on fresh rows."
)


class SpeedWarning(ValidstatsWarning):
    """Answers are right, but they take long: the machine is slower than it need be, or more than a minute of work lies ahead."""


long_work_message = "{what} will take about {minutes:.1f} more minutes at the rate of the first {done:,} ({rate:.3g} a second). {remedy}"

no_numba_message = (
    "numba is not installed, so inner loops run as plain Python: every answer is the same, and large ones take much "
    "longer. Install it with: pip install numba."
)

slow_step_message = (
    "The step of Compositional runs as plain Python, which will take about {seconds:.0f} s for each bound. Write it for arrays, or "
    "such that numba can compile it (numbers and numpy functions only); or take a smaller batch."
)

no_cache_message = (
    "Compiled code cannot be kept, because neither the package's folder nor the user's cache can be written: every new "
    "process compiles anew, which takes seconds. Set NUMBA_CACHE_DIR to a folder that can be written."
)

damaged_cache_message = (
    "The cached code {path} cannot be used ({error}); it is compiled anew in every process. Delete that folder, or its "
    "files for this function, to have it kept again."
)
