"""LightningModules that wrap a policy, a classifier or a reward model."""

from lit_iterative.modules.backbone import Fresh, LoRA, Pretrained
from lit_iterative.modules.classifier import Classifier
from lit_iterative.modules.held_out import HeldOut
from lit_iterative.modules.label_loss import LabelLoss
from lit_iterative.modules.language import LanguagePolicy
from lit_iterative.modules.networks import SmallConvNet
from lit_iterative.modules.objective import Objective
from lit_iterative.modules.reward_model import BradleyTerryReward

__all__ = [
    "BradleyTerryReward",
    "Classifier",
    "Fresh",
    "HeldOut",
    "LabelLoss",
    "LanguagePolicy",
    "LoRA",
    "Objective",
    "Pretrained",
    "SmallConvNet",
]
