"""LightningModules that wrap a policy, a classifier or a reward model."""

from lit_iterative.modules.classifier import Classifier
from lit_iterative.modules.networks import SmallConvNet

__all__ = ["Classifier", "SmallConvNet"]
