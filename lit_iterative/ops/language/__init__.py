"""Ops for language policies."""

from lit_iterative.ops.language.accepted import Accept, TopCandidates
from lit_iterative.ops.language.combine import Combine, Fallback, Standardise
from lit_iterative.ops.language.dedup import DedupTokens
from lit_iterative.ops.language.extract import ExtractAnswer
from lit_iterative.ops.language.given_pairs import GoldOwn, PastFuture
from lit_iterative.ops.language.judge import Judge
from lit_iterative.ops.language.judge_pairs import JudgePairs
from lit_iterative.ops.language.known_pairs import ContrastivePrompts, CorrectIncorrect
from lit_iterative.ops.language.length import Length, LengthPenalty
from lit_iterative.ops.language.novelty import DistinctN, Novelty
from lit_iterative.ops.language.pairs import AllPairs, BestRandom, BestWorst, RankedPairs
from lit_iterative.ops.language.pass_rate import PassRate
from lit_iterative.ops.language.prompts import Prompts
from lit_iterative.ops.language.reference import ReferenceLogProbs
from lit_iterative.ops.language.reward import RewardModel
from lit_iterative.ops.language.run_code import RunCode
from lit_iterative.ops.language.sample import Sample
from lit_iterative.ops.language.unpaired import Unpaired
from lit_iterative.ops.language.utility import MBRUtility
from lit_iterative.ops.language.verify import Verify, VerifyWith
from lit_iterative.ops.language.vote import SelfConsistency
from lit_iterative.ops.language.win_rate import WinRate

__all__ = [
    "Accept",
    "AllPairs",
    "BestRandom",
    "BestWorst",
    "Combine",
    "ContrastivePrompts",
    "CorrectIncorrect",
    "DedupTokens",
    "DistinctN",
    "ExtractAnswer",
    "Fallback",
    "GoldOwn",
    "Judge",
    "JudgePairs",
    "Length",
    "LengthPenalty",
    "MBRUtility",
    "Novelty",
    "PassRate",
    "PastFuture",
    "Prompts",
    "RankedPairs",
    "ReferenceLogProbs",
    "RewardModel",
    "RunCode",
    "Sample",
    "SelfConsistency",
    "Standardise",
    "TopCandidates",
    "Unpaired",
    "Verify",
    "VerifyWith",
    "WinRate",
]
