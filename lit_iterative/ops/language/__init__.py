"""Ops for language policies: they read prompts, sample, score, and build the rows to train on."""

from lit_iterative.ops.language.accept_given import AcceptGiven
from lit_iterative.ops.language.accepted import Accept, TopCandidates
from lit_iterative.ops.language.add_prompts import AddPrompts
from lit_iterative.ops.language.agreed_pairs import AgreedPairs
from lit_iterative.ops.language.answer_entropy import AnswerEntropy
from lit_iterative.ops.language.balance_score import BalanceScore
from lit_iterative.ops.language.branches import Branches
from lit_iterative.ops.language.candidate_pool import RecallCandidates, RememberCandidates
from lit_iterative.ops.language.combine import Combine, Fallback, Standardise
from lit_iterative.ops.language.consistency import ConsistencyPreference, RankConsistency
from lit_iterative.ops.language.cut_steps import CutSteps
from lit_iterative.ops.language.dedup import DedupTokens
from lit_iterative.ops.language.demonstrate import Demonstrate
from lit_iterative.ops.language.divergence import Divergence
from lit_iterative.ops.language.diverse import DiverseCandidates
from lit_iterative.ops.language.elo import Elo
from lit_iterative.ops.language.encode import Encode
from lit_iterative.ops.language.extract import ExtractAnswer
from lit_iterative.ops.language.first_drop import FirstDrop
from lit_iterative.ops.language.given_pairs import GoldOwn, OwnOverGiven, PastFuture
from lit_iterative.ops.language.given_ranking import GivenRanking
from lit_iterative.ops.language.hint import Contexts, Hint
from lit_iterative.ops.language.implicit import EvenLengths, ImplicitReward
from lit_iterative.ops.language.join import Join
from lit_iterative.ops.language.judge import Judge
from lit_iterative.ops.language.judge_pairs import JudgePairs
from lit_iterative.ops.language.judgements import Judgements
from lit_iterative.ops.language.judges import LocalJudge, PolicyJudge
from lit_iterative.ops.language.known_pairs import ContrastivePrompts, CorrectIncorrect
from lit_iterative.ops.language.length import Growth, Length, LengthPenalty
from lit_iterative.ops.language.likelihood import Likelihood, SelfCertainty, TokenEntropy
from lit_iterative.ops.language.mismatched import Mismatched
from lit_iterative.ops.language.next_steps import NextSteps
from lit_iterative.ops.language.novelty import DistinctN, Novelty
from lit_iterative.ops.language.own_or_given import OwnOrGiven
from lit_iterative.ops.language.own_reward import OwnReward, PreferenceUncertainty
from lit_iterative.ops.language.pair_likelihood import PairLikelihood
from lit_iterative.ops.language.pair_win_rates import PairWinRates
from lit_iterative.ops.language.pairs import AllPairs, BestRandom, BestWorst, RankedPairs
from lit_iterative.ops.language.pass_rate import PassRate
from lit_iterative.ops.language.prefer_short import PreferShort
from lit_iterative.ops.language.prompts import Prompts
from lit_iterative.ops.language.ranking import Ranking
from lit_iterative.ops.language.rationalise import Rationalise
from lit_iterative.ops.language.reference import ReferenceLogProbs
from lit_iterative.ops.language.replay import Replay
from lit_iterative.ops.language.revisions import Revisions
from lit_iterative.ops.language.reward import RewardModel
from lit_iterative.ops.language.rewrite import Rewrite
from lit_iterative.ops.language.roles import Roles
from lit_iterative.ops.language.rollout import Rollout
from lit_iterative.ops.language.rules import Rules
from lit_iterative.ops.language.run_code import RunCode
from lit_iterative.ops.language.sample import Sample
from lit_iterative.ops.language.sample_between import SampleBetween
from lit_iterative.ops.language.self_instruct import SelfInstruct
from lit_iterative.ops.language.shift import DistributionShift
from lit_iterative.ops.language.similarity import Similarity
from lit_iterative.ops.language.solved import SkipSolved
from lit_iterative.ops.language.split import Split
from lit_iterative.ops.language.steering import Steering
from lit_iterative.ops.language.step_pairs import StepPairs
from lit_iterative.ops.language.step_search import StepSearch
from lit_iterative.ops.language.step_value import StepValue
from lit_iterative.ops.language.tree_search import TreeSearch
from lit_iterative.ops.language.turns import Turns
from lit_iterative.ops.language.unpaired import Unpaired
from lit_iterative.ops.language.utility import MBRUtility
from lit_iterative.ops.language.verify import Verify, VerifyWith
from lit_iterative.ops.language.vote import SelfConsistency
from lit_iterative.ops.language.win_rate import WinRate
from lit_iterative.ops.language.write_like import WriteLike
from lit_iterative.ops.language.written_prompts import WrittenPrompts

__all__ = [
    "Accept",
    "AcceptGiven",
    "AddPrompts",
    "AgreedPairs",
    "AllPairs",
    "AnswerEntropy",
    "BalanceScore",
    "BestRandom",
    "BestWorst",
    "Branches",
    "Combine",
    "ConsistencyPreference",
    "Contexts",
    "ContrastivePrompts",
    "CorrectIncorrect",
    "CutSteps",
    "DedupTokens",
    "Demonstrate",
    "DistinctN",
    "DistributionShift",
    "Divergence",
    "DiverseCandidates",
    "Elo",
    "Encode",
    "EvenLengths",
    "ExtractAnswer",
    "Fallback",
    "FirstDrop",
    "GivenRanking",
    "GoldOwn",
    "Growth",
    "Hint",
    "ImplicitReward",
    "Join",
    "Judge",
    "JudgePairs",
    "Judgements",
    "Length",
    "LengthPenalty",
    "Likelihood",
    "LocalJudge",
    "MBRUtility",
    "Mismatched",
    "NextSteps",
    "Novelty",
    "OwnOrGiven",
    "OwnOverGiven",
    "OwnReward",
    "PairLikelihood",
    "PairWinRates",
    "PassRate",
    "PastFuture",
    "PolicyJudge",
    "PreferShort",
    "PreferenceUncertainty",
    "Prompts",
    "RankConsistency",
    "RankedPairs",
    "Ranking",
    "Rationalise",
    "RecallCandidates",
    "ReferenceLogProbs",
    "RememberCandidates",
    "Replay",
    "Revisions",
    "RewardModel",
    "Rewrite",
    "Roles",
    "Rollout",
    "Rules",
    "RunCode",
    "Sample",
    "SampleBetween",
    "SelfCertainty",
    "SelfConsistency",
    "SelfInstruct",
    "Similarity",
    "SkipSolved",
    "Split",
    "Standardise",
    "Steering",
    "StepPairs",
    "StepSearch",
    "StepValue",
    "TokenEntropy",
    "TopCandidates",
    "TreeSearch",
    "Turns",
    "Unpaired",
    "Verify",
    "VerifyWith",
    "WinRate",
    "WriteLike",
    "WrittenPrompts",
]
