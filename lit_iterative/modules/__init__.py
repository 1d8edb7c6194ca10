"""LightningModules that wrap a policy, a classifier or a reward model."""

from lit_iterative.modules.backbone import Fresh, LoRA, Pretrained
from lit_iterative.modules.classifier import Classifier
from lit_iterative.modules.held_out import HeldOut
from lit_iterative.modules.label_loss import LabelLoss
from lit_iterative.modules.language import LanguagePolicy
from lit_iterative.modules.networks import SmallConvNet, SmallSegmentationNet
from lit_iterative.modules.objective import Objective
from lit_iterative.modules.reward_model import BradleyTerryReward
from lit_iterative.modules.segmenter import Segmenter
from lit_iterative.modules.speech import FrameNet, SpeechRecognizer
from lit_iterative.modules.with_reward import PolicyWithReward

__all__ = [
    "BradleyTerryReward",
    "Classifier",
    "FrameNet",
    "Fresh",
    "HeldOut",
    "LabelLoss",
    "LanguagePolicy",
    "LoRA",
    "Objective",
    "PolicyWithReward",
    "Pretrained",
    "Segmenter",
    "SmallConvNet",
    "SmallSegmentationNet",
    "SpeechRecognizer",
]
