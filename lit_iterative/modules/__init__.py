"""LightningModules that wrap a policy, a classifier or a reward model."""

from lit_iterative.modules.backbone import Fresh, LoRA, Pretrained
from lit_iterative.modules.classifier import Classifier
from lit_iterative.modules.language import LanguagePolicy
from lit_iterative.modules.networks import SmallConvNet

__all__ = ["Classifier", "Fresh", "LanguagePolicy", "LoRA", "Pretrained", "SmallConvNet"]
