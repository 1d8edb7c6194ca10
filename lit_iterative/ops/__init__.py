"""Ops: the small typed steps that a round is made of."""

from lit_iterative.ops.actors import (
    EMA,
    Actor,
    AtRound,
    Base,
    BatchStatistics,
    Ensemble,
    Initial,
    MCDropout,
    Policy,
    Previous,
    TestTimeAugmentation,
)
from lit_iterative.ops.adaptive import AdaMatch, FlexMatch, FreeMatch
from lit_iterative.ops.align import DistributionAlignment, Sinkhorn
from lit_iterative.ops.balance import ClassBalance
from lit_iterative.ops.canaries import Canaries, ScoredCanaries
from lit_iterative.ops.constant import Constant
from lit_iterative.ops.context import Context, OneRank
from lit_iterative.ops.curriculum import PercentileCurriculum
from lit_iterative.ops.dash import Dash
from lit_iterative.ops.dense import InstanceThresholds, MaskLabels, PredictDense
from lit_iterative.ops.diversity import Dedup, FarthestPoint
from lit_iterative.ops.first_enough import FirstEnough
from lit_iterative.ops.given_labels import GivenLabels
from lit_iterative.ops.labels import HardLabels, Sharpen, SmoothLabels, SoftLabels
from lit_iterative.ops.merge import Accumulate, Append, Blend, EditInPlace, KeepIfBetter, Merge, Replace
from lit_iterative.ops.op import Op, check
from lit_iterative.ops.pools import AllInputs, GrowingPool, RandomInputs, Stream
from lit_iterative.ops.predict import Predict
from lit_iterative.ops.remember import Remember
from lit_iterative.ops.revisit import Curriculum, Failures
from lit_iterative.ops.round_agreement import RoundAgreement
from lit_iterative.ops.schedule import Cosine, EveryK, FromMetric, Largest, Linear, SameRound, Schedule, Steered, Steps
from lit_iterative.ops.scores import Agreement, Confidence, Energy, Entropy, Margin, MutualInformation
from lit_iterative.ops.select import Quantile, Threshold, TopK
from lit_iterative.ops.shares import Shares
from lit_iterative.ops.softmatch import SoftMatch
from lit_iterative.ops.steady import SteadyMean
from lit_iterative.ops.sure_of_both import SureOfBoth
from lit_iterative.ops.transcribe import SequenceLabels, Transcribe
from lit_iterative.ops.weights import ExponentialWeights, SoftWeights
from lit_iterative.ops.where import Where

__all__ = [
    "EMA",
    "Accumulate",
    "Actor",
    "AdaMatch",
    "Agreement",
    "AllInputs",
    "Append",
    "AtRound",
    "Base",
    "BatchStatistics",
    "Blend",
    "Canaries",
    "ClassBalance",
    "Confidence",
    "Constant",
    "Context",
    "Cosine",
    "Curriculum",
    "Dash",
    "Dedup",
    "DistributionAlignment",
    "EditInPlace",
    "Energy",
    "Ensemble",
    "Entropy",
    "EveryK",
    "ExponentialWeights",
    "Failures",
    "FarthestPoint",
    "FirstEnough",
    "FlexMatch",
    "FreeMatch",
    "FromMetric",
    "GivenLabels",
    "GrowingPool",
    "HardLabels",
    "Initial",
    "InstanceThresholds",
    "KeepIfBetter",
    "Largest",
    "Linear",
    "MCDropout",
    "Margin",
    "MaskLabels",
    "Merge",
    "MutualInformation",
    "OneRank",
    "Op",
    "PercentileCurriculum",
    "Policy",
    "Predict",
    "PredictDense",
    "Previous",
    "Quantile",
    "RandomInputs",
    "Remember",
    "Replace",
    "RoundAgreement",
    "SameRound",
    "Schedule",
    "ScoredCanaries",
    "SequenceLabels",
    "Shares",
    "Sharpen",
    "Sinkhorn",
    "SmoothLabels",
    "SoftLabels",
    "SoftMatch",
    "SoftWeights",
    "SteadyMean",
    "Steered",
    "Steps",
    "Stream",
    "SureOfBoth",
    "TestTimeAugmentation",
    "Threshold",
    "TopK",
    "Transcribe",
    "Where",
    "check",
]
