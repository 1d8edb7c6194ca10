"""Ops: the small typed steps that a round is made of."""

from lit_iterative.ops.actors import EMA, Actor, Ensemble, Initial, MCDropout, Policy, Previous, TestTimeAugmentation
from lit_iterative.ops.context import Context, OneRank
from lit_iterative.ops.labels import HardLabels
from lit_iterative.ops.merge import Merge, Replace
from lit_iterative.ops.op import Op, check
from lit_iterative.ops.predict import Predict
from lit_iterative.ops.schedule import Cosine, FromMetric, Linear, Schedule, Steps
from lit_iterative.ops.scores import Confidence
from lit_iterative.ops.select import Threshold

__all__ = [
    "EMA",
    "Actor",
    "Confidence",
    "Context",
    "Cosine",
    "Ensemble",
    "FromMetric",
    "HardLabels",
    "Initial",
    "Linear",
    "MCDropout",
    "Merge",
    "OneRank",
    "Op",
    "Policy",
    "Predict",
    "Previous",
    "Replace",
    "Schedule",
    "Steps",
    "TestTimeAugmentation",
    "Threshold",
    "check",
]
