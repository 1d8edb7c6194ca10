"""Ops: the small typed steps that a round is made of."""

from lit_iterative.ops.actors import EMA, Actor, Ensemble, Initial, MCDropout, Policy, Previous, TestTimeAugmentation
from lit_iterative.ops.context import Context, OneRank
from lit_iterative.ops.labels import HardLabels, Sharpen, SmoothLabels, SoftLabels
from lit_iterative.ops.merge import Append, Blend, EditInPlace, KeepIfBetter, Merge, Replace
from lit_iterative.ops.op import Op, check
from lit_iterative.ops.pools import AllInputs, GrowingPool, RandomInputs, Stream
from lit_iterative.ops.predict import Predict
from lit_iterative.ops.remember import Remember
from lit_iterative.ops.revisit import Curriculum, Failures
from lit_iterative.ops.schedule import Cosine, FromMetric, Linear, Schedule, Steps
from lit_iterative.ops.scores import Agreement, Confidence, Energy, Entropy, Margin, MutualInformation
from lit_iterative.ops.select import Threshold

__all__ = [
    "EMA",
    "Actor",
    "Agreement",
    "AllInputs",
    "Append",
    "Blend",
    "Confidence",
    "Context",
    "Cosine",
    "Curriculum",
    "EditInPlace",
    "Energy",
    "Ensemble",
    "Entropy",
    "Failures",
    "FromMetric",
    "GrowingPool",
    "HardLabels",
    "Initial",
    "KeepIfBetter",
    "Linear",
    "MCDropout",
    "Margin",
    "Merge",
    "MutualInformation",
    "OneRank",
    "Op",
    "Policy",
    "Predict",
    "Previous",
    "RandomInputs",
    "Remember",
    "Replace",
    "Schedule",
    "Sharpen",
    "SmoothLabels",
    "SoftLabels",
    "Steps",
    "Stream",
    "TestTimeAugmentation",
    "Threshold",
    "check",
]
