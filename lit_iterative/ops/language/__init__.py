"""Ops for language policies: they read prompts, sample, score, and build the rows to train on."""

from lit_iterative.ops.language.builders.accept_given import AcceptGiven
from lit_iterative.ops.language.builders.accepted import Accept, TopCandidates
from lit_iterative.ops.language.builders.agreed_pairs import AgreedPairs
from lit_iterative.ops.language.builders.branches import Branches
from lit_iterative.ops.language.builders.given_pairs import GoldOwn, OwnOverGiven, PastFuture
from lit_iterative.ops.language.builders.given_ranking import GivenRanking
from lit_iterative.ops.language.builders.known_pairs import ContrastivePrompts, CorrectIncorrect
from lit_iterative.ops.language.builders.mismatched import Mismatched
from lit_iterative.ops.language.builders.own_or_given import OwnOrGiven
from lit_iterative.ops.language.builders.pair_win_rates import PairWinRates
from lit_iterative.ops.language.builders.pairs import AllPairs, BestRandom, BestWorst, RankedPairs
from lit_iterative.ops.language.builders.ranking import Ranking
from lit_iterative.ops.language.builders.reference import ReferenceLogProbs
from lit_iterative.ops.language.builders.revisions import Revisions
from lit_iterative.ops.language.builders.roles import Roles
from lit_iterative.ops.language.builders.steering import Steering
from lit_iterative.ops.language.builders.unpaired import Unpaired
from lit_iterative.ops.language.propose.add_prompts import AddPrompts
from lit_iterative.ops.language.propose.candidate_pool import RecallCandidates, RememberCandidates
from lit_iterative.ops.language.propose.encode import Encode
from lit_iterative.ops.language.propose.hint import Contexts, Hint
from lit_iterative.ops.language.propose.join import Join
from lit_iterative.ops.language.propose.prompts import Prompts
from lit_iterative.ops.language.propose.rationalise import Rationalise
from lit_iterative.ops.language.propose.replay import Replay
from lit_iterative.ops.language.propose.rewrite import Rewrite
from lit_iterative.ops.language.propose.sample import Sample
from lit_iterative.ops.language.propose.sample_between import SampleBetween
from lit_iterative.ops.language.propose.self_instruct import SelfInstruct
from lit_iterative.ops.language.propose.split import Split
from lit_iterative.ops.language.propose.write_like import WriteLike
from lit_iterative.ops.language.propose.written_prompts import WrittenPrompts
from lit_iterative.ops.language.score.answer_entropy import AnswerEntropy
from lit_iterative.ops.language.score.balance_by_temperature import BalanceByTemperature
from lit_iterative.ops.language.score.balance_score import BalanceScore
from lit_iterative.ops.language.score.combine import Combine, Fallback, Standardise
from lit_iterative.ops.language.score.consistency import ConsistencyPreference, RankConsistency
from lit_iterative.ops.language.score.divergence import Divergence
from lit_iterative.ops.language.score.elo import Elo
from lit_iterative.ops.language.score.extract import ExtractAnswer
from lit_iterative.ops.language.score.implicit import EvenLengths, ImplicitReward
from lit_iterative.ops.language.score.judge import Judge
from lit_iterative.ops.language.score.judge_pairs import JudgePairs
from lit_iterative.ops.language.score.judgements import Judgements
from lit_iterative.ops.language.score.judges import LocalJudge, PolicyJudge
from lit_iterative.ops.language.score.length import Growth, Length, LengthPenalty
from lit_iterative.ops.language.score.likelihood import Likelihood, SelfCertainty, TokenEntropy
from lit_iterative.ops.language.score.novelty import DistinctN, Novelty
from lit_iterative.ops.language.score.own_reward import OwnReward, PreferenceUncertainty
from lit_iterative.ops.language.score.pair_likelihood import PairLikelihood
from lit_iterative.ops.language.score.pass_rate import PassRate
from lit_iterative.ops.language.score.prefer_short import PreferShort
from lit_iterative.ops.language.score.reward import RewardModel
from lit_iterative.ops.language.score.rules import Rules
from lit_iterative.ops.language.score.run_code import RunCode
from lit_iterative.ops.language.score.shift import DistributionShift
from lit_iterative.ops.language.score.similarity import Similarity
from lit_iterative.ops.language.score.utility import MBRUtility
from lit_iterative.ops.language.score.verify import Verify, VerifyWith
from lit_iterative.ops.language.score.vote import SelfConsistency
from lit_iterative.ops.language.score.win_rate import WinRate
from lit_iterative.ops.language.select.dedup import DedupTokens
from lit_iterative.ops.language.select.diverse import DiverseCandidates
from lit_iterative.ops.language.select.solved import SkipSolved
from lit_iterative.ops.language.steps.cut_steps import CutSteps
from lit_iterative.ops.language.steps.first_drop import FirstDrop
from lit_iterative.ops.language.steps.next_steps import NextSteps
from lit_iterative.ops.language.steps.step_pairs import StepPairs
from lit_iterative.ops.language.steps.step_search import StepSearch
from lit_iterative.ops.language.steps.step_value import StepValue
from lit_iterative.ops.language.steps.tree_search import TreeSearch
from lit_iterative.ops.language.turns.demonstrate import Demonstrate
from lit_iterative.ops.language.turns.rollout import Rollout
from lit_iterative.ops.language.turns.turns import Turns

__all__ = [
    "Accept",
    "AcceptGiven",
    "AddPrompts",
    "AgreedPairs",
    "AllPairs",
    "AnswerEntropy",
    "BalanceByTemperature",
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
