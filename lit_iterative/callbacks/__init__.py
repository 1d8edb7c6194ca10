"""Callbacks: they decide when a round is due, run it and log it."""

from lit_iterative.callbacks.ema_teacher import EMATeacher
from lit_iterative.callbacks.preference_pairs import PreferencePairs
from lit_iterative.callbacks.pseudo_labels import PseudoLabels
from lit_iterative.callbacks.rounds import Rounds

__all__ = ["EMATeacher", "PreferencePairs", "PseudoLabels", "Rounds"]
