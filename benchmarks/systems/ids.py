"""IDS (Zhu et al., 2024, arXiv:2401.16335): smoothed labels keep a reward model from overfitting.

The source claims that a reward model which is trained for long on the labels as they were given learns their mistakes
by heart, and that one whose labels are blended after every epoch with its own predictions does not. Here a small reward
model learns which of two ways to work out a sum is better from 1,000 pairs, a quarter of them with the wrong label.
Both arms train for as many epochs on the same pairs, with the same optimiser and from the same weights: one blends, one
goes on with the labels of the first round. Measured are held-out pairs, with true labels, after the last epoch. All
settings are the recipe's; nothing was chosen.
"""

from systems.effect import Effect
from systems.runs import Config, ends


def run(seed: int, quick: bool) -> dict[str, float]:
    """Train on smoothed and on given labels."""

    def smoothed(config: Config) -> None:
        config["model"] = {"init_args": {"seed": seed}}
        epochs = 6 if quick else 14
        config["trainer"] |= {"max_epochs": epochs, "check_val_every_n_epoch": epochs}  # measured at the end alone

    def given(config: Config) -> None:
        smoothed(config)
        (callback,) = config["trainer"]["callbacks"]
        callback["init_args"]["when"]["max_rounds"] = 1

    return ends("ids", seed, "val_accuracy", {"IDS": smoothed, "given labels": given})


EFFECT = Effect(
    "reward/ids", "smoothed labels keep a reward model from overfitting", "held-out accuracy", "IDS", "given labels",
    0.05, run,
)  # fmt: skip
