"""The conformance suite: every promise that the parts of a round make, as checks that anyone can run on theirs.

Each ``check_...`` runs all checks of one kind of part and raises :class:`ConformanceError` with the promise that is
broken. ``OP_CHECKS``, ``MERGE_CHECKS`` and ``CALLBACK_CHECKS`` hold the single checks, to parametrise tests with.
"""

from lit_iterative.testing.callbacks import CALLBACK_CHECKS, CallbackCase, check_callback
from lit_iterative.testing.case import OpCase
from lit_iterative.testing.environments import check_environment
from lit_iterative.testing.expect import ConformanceError
from lit_iterative.testing.fixtures import FakeForward, Source
from lit_iterative.testing.merges import MERGE_CHECKS, MergeCase, check_merge
from lit_iterative.testing.ops import OP_CHECKS, check_op
from lit_iterative.testing.ranks import ThreadRanks, run_ranks
from lit_iterative.testing.slots import check_actor, check_schedule, check_weight_policy
from lit_iterative.testing.tables import candidates
from lit_iterative.testing.text_tables import completions

__all__ = [
    "CALLBACK_CHECKS",
    "MERGE_CHECKS",
    "OP_CHECKS",
    "CallbackCase",
    "ConformanceError",
    "FakeForward",
    "MergeCase",
    "OpCase",
    "Source",
    "ThreadRanks",
    "candidates",
    "check_actor",
    "check_callback",
    "check_environment",
    "check_merge",
    "check_op",
    "check_schedule",
    "check_weight_policy",
    "completions",
    "run_ranks",
]
