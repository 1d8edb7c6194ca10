"""Callbacks: they decide when a round is due, run it and log it."""

from lit_iterative.callbacks.accepted_samples import AcceptedSamples
from lit_iterative.callbacks.best_round import BestRound
from lit_iterative.callbacks.ema_teacher import EMATeacher
from lit_iterative.callbacks.export import Export
from lit_iterative.callbacks.guards import Guards
from lit_iterative.callbacks.preference_pairs import PreferencePairs
from lit_iterative.callbacks.pseudo_labels import PseudoLabels
from lit_iterative.callbacks.rounds import Rounds
from lit_iterative.callbacks.train_only import TrainOnly

__all__ = [
    "AcceptedSamples",
    "BestRound",
    "EMATeacher",
    "Export",
    "Guards",
    "PreferencePairs",
    "PseudoLabels",
    "Rounds",
    "TrainOnly",
]
