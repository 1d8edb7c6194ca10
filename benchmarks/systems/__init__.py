"""Effects that systems claim, one a file: what is compared, on what, and why it is fair."""

from importlib import import_module

from systems.effect import Effect

#: Files of this folder that have an ``EFFECT``, by family.
NAMES = [
    "scpo",
    "irpo",
    "dice",
    "wav2vec_self_training",
    "rest_em",
    "hiast",
    "confirmation_bias",
    "predictions_for_pretraining",
    "ssrm",
    "ids",
    "length_generalisation",
    "self_correction",
    "mcts_dpo",
    "b_star",
    "spin",
]


def effects() -> dict[str, Effect]:
    """Return all effects by the names of their files."""
    return {name: import_module(f"systems.{name}").EFFECT for name in NAMES}
