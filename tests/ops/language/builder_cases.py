"""Builders and scorers of candidates, and what they are run on by the conformance suite."""

from lit_iterative.ops.language.builders.accepted import Accept, TopCandidates
from lit_iterative.ops.language.builders.given_pairs import GoldOwn, PastFuture
from lit_iterative.ops.language.builders.given_ranking import GivenRanking
from lit_iterative.ops.language.builders.known_pairs import ContrastivePrompts, CorrectIncorrect
from lit_iterative.ops.language.builders.own_or_given import OwnOrGiven
from lit_iterative.ops.language.builders.pairs import AllPairs, BestRandom, BestWorst, RankedPairs
from lit_iterative.ops.language.builders.ranking import Ranking
from lit_iterative.ops.language.builders.unpaired import Unpaired
from lit_iterative.ops.language.score.combine import Combine, Fallback, Standardise
from lit_iterative.ops.language.score.length import Length, LengthPenalty
from lit_iterative.ops.language.score.novelty import DistinctN, Novelty
from lit_iterative.ops.language.score.similarity import Similarity
from lit_iterative.ops.language.score.utility import MBRUtility
from lit_iterative.ops.language.select.dedup import DedupTokens
from lit_iterative.testing import OpCase
from tests.ops.language.tables import abstaining, completions_with_all

REWARD, CORRECT = abstaining("scores.reward"), abstaining("scores.correct")
EVERYTHING, TWO = completions_with_all(), abstaining("scores.a", "scores.b")

BUILDERS: list[OpCase] = [
    OpCase(Accept(), CORRECT),
    OpCase(Accept(at_most=2, distinct=False, hinted="hinted"), EVERYTHING),
    OpCase(AllPairs(margin=0.1, at_most=3, weigh="rank"), REWARD),
    OpCase(BestRandom(at_most=3), REWARD),
    OpCase(BestWorst(), REWARD),
    OpCase(BestWorst("scores.correct", 0.1, 0.3, 2, "gap", "keep"), CORRECT),
    OpCase(Combine({"scores.a": 1.0, "scores.b": -0.5}, {"scores.b": 0.2}), TWO),
    OpCase(Combine({"scores.a": 1.0, "scores.b": -0.5}, missing="leave_out", score="x"), TWO),
    OpCase(ContrastivePrompts(), EVERYTHING),
    OpCase(CorrectIncorrect(), CORRECT),
    OpCase(DedupTokens()),
    OpCase(DistinctN()),
    OpCase(Fallback(["scores.a", "scores.b"]), TWO),
    OpCase(GivenRanking(score="scores.correct"), EVERYTHING),
    OpCase(GoldOwn(), EVERYTHING),
    OpCase(Length()),
    OpCase(Length("characters")),
    OpCase(LengthPenalty(0.1), REWARD),
    OpCase(MBRUtility()),
    OpCase(MBRUtility("exact", "final")),
    OpCase(Novelty()),
    OpCase(Novelty(2, earlier=True)),
    OpCase(OwnOrGiven(), EVERYTHING),
    OpCase(PastFuture()),
    OpCase(PastFuture(score="scores.reward"), REWARD),
    OpCase(RankedPairs(weigh="gap"), REWARD),
    OpCase(Ranking(), REWARD),
    OpCase(Ranking("scores.correct", 2, 0.2, "keep"), CORRECT),
    OpCase(Similarity(), EVERYTHING),
    OpCase(Standardise(), REWARD),
    OpCase(TopCandidates(2, weigh=True), REWARD),
    OpCase(Unpaired(), CORRECT),
    OpCase(Unpaired(margin=0.2, balanced=True, distinct=False, weigh=True), CORRECT),
]
