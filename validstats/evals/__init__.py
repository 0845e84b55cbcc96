"""Evaluations of models: pass rates, comparisons, ranks, pass@k and releases, each with error bars."""

from __future__ import annotations

from validstats.evals.agreement import AgreementResult
from validstats.evals.compare import compare
from validstats.evals.doctor import DoctorReport, doctor
from validstats.evals.evaluate import evaluate
from validstats.evals.ledger import LedgerComparisonResult
from validstats.evals.pass_at_k import pass_at_k
from validstats.evals.plan import EvalPlan, plan
from validstats.evals.rank import rank
from validstats.evals.readers import Check, EvalFileError, EvalTable, read
from validstats.evals.release import release
from validstats.evals.results import (
    ComparisonResult,
    EvaluationResult,
    PassAtKResult,
    RankingResult,
    ReleaseResult,
)
from validstats.evals.sentences import Verdict
from validstats.evals.statistics import BattlesNotIdentifiedError

__all__ = [
    "AgreementResult",
    "BattlesNotIdentifiedError",
    "Check",
    "ComparisonResult",
    "DoctorReport",
    "EvalFileError",
    "EvalPlan",
    "EvalTable",
    "EvaluationResult",
    "LedgerComparisonResult",
    "PassAtKResult",
    "RankingResult",
    "ReleaseResult",
    "Verdict",
    "compare",
    "doctor",
    "evaluate",
    "pass_at_k",
    "plan",
    "rank",
    "read",
    "release",
]
