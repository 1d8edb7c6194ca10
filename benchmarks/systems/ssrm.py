"""SSRM (He et al., 2024, arXiv:2409.06903): a reward model labels pairs that it is sure of, and learns from them.

The source claims that a reward model which is trained on few labelled pairs and then in rounds on pairs that it labels
itself is better than one of the labelled pairs alone. Here it learns which of two ways to work out a sum is better from
80 labelled pairs and 1,000 others, in epochs of 10 steps, of which both arms make as many, from the same weights.

Chosen on seeds 100 and 101: how many pairs are labelled, and that one way is always clearly better. With close calls
among the pairs seed 100 gained nothing: of those that the model was sure of it had a sixth wrong, and rounds made it
surer of them.
"""

from systems.effect import Effect
from systems.runs import Config, ends


def run(seed: int, quick: bool) -> dict[str, float]:
    """Train with rounds and without."""

    def rounds(config: Config) -> None:
        config["model"] = {"init_args": {"seed": seed}}
        if quick:
            _when(config)["max_rounds"] = 1
            config["trainer"]["max_epochs"] = 11
        config["trainer"]["check_val_every_n_epoch"] = config["trainer"]["max_epochs"]  # at the end alone

    def labelled(config: Config) -> None:
        rounds(config)
        _when(config)["warmup_epochs"] = config["trainer"]["max_epochs"]  # no round is ever due

    return ends("ssrm", seed, "val_accuracy", {"SSRM": rounds, "labelled pairs alone": labelled})


def _when(config: Config) -> Config:
    (callback,) = config["trainer"]["callbacks"]
    when: Config = callback["init_args"]["when"]
    return when


EFFECT = Effect(
    "reward/ssrm", "sure labels of its own help a reward model", "held-out accuracy", "SSRM", "labelled pairs alone",
    0.03, run,
)  # fmt: skip
