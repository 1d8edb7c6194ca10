"""Pseudo-labels and confirmation bias (Arazo et al., 2020, arXiv:1908.02983): mixup and labelled rows mend it.

Claimed: naive soft pseudo-labels overfit to the network's own mistakes; mixup, and a share of labelled rows in every
batch that is well above their share of the data, mend it (their table 1, on CIFAR-10 with 500 and 4000 labels).

Compared, in as many steps from the same labelled digits: the recipe, and the recipe without mixup and with labelled
rows as often as any others, which is their baseline; the terms of the loss for classes and entropy stay in both, as in
their table. Control: no rounds, and so no mixup.

The digits have so much noise that ten labels a class teach a network about 60 % of them, and the network has no
dropout, so that it can learn labels by heart, wrong ones as well. Nothing else of the recipe is changed. Naive labels
then do harm with the rounds: on seeds 100, 101 and 102 they lead from 0.589, 0.638 and 0.687 to 0.491, 0.427
and 0.387. With both cures networks ended at 0.604, 0.647 and 0.656; without rounds seeds 101 and 102 ended at 0.629 and
0.609. In a warm-up twice as long (seed 100) naive labels ended at 0.362, labelled rows alone at 0.518, mixup alone at
0.631, and both at 0.624: nearly all that is gained is gained by mixup. So the cures take the harm away; images with
so much noise have no more to offer, and the cures are about as good as no rounds (on CIFAR-10 they are far better).

On digits as they are there is nothing to mend. On seeds 200 to 202, with four labels a class and no augmentation, naive
labels came to 0.926 on the mean, both cures to 0.927, no rounds to 0.868. With noise of 0.3, dropout and two labels a
class naive labels gain as well (seed 100: 0.647 from 0.602, both cures 0.640). Where labelled images are few and noisy,
a share of 0.16 of them is learnt by heart and harms (noise of 0.3, four a class, no dropout: 0.524, with mixup alone
0.700, naive 0.633).
"""

from collections.abc import Callable

from systems.effect import Effect
from systems.runs import Config, ends

NOISE = 0.4


def arm(
    quick: bool, mixup: float = 4.0, gold_share: float | None = 0.16, max_rounds: int | None = None
) -> Callable[[Config], None]:
    """Return how the recipe is changed."""

    def change(config: Config) -> None:
        (callback,) = config["trainer"]["callbacks"]
        callback["init_args"]["when"]["max_rounds"] = max_rounds
        model = config["model"]["init_args"]
        model["model"] = {"class_path": "SmallConvNet", "init_args": {"channels": 24, "dropout": 0.0}}
        model["loss"]["mixup"] = mixup
        if quick:
            config["trainer"]["max_epochs"] = model["lr_scheduler"]["init_args"]["T_max"] = 16
        config["data"]["init_args"] = {"noise": NOISE, "mixing": {"gold_share": gold_share}}

    return change


def run(seed: int, quick: bool) -> dict[str, float]:
    arms = {
        "mixup and labelled rows": arm(quick),
        "naive": arm(quick, mixup=0.0, gold_share=None),
        "no rounds": arm(quick, mixup=0.0, max_rounds=0),
    }
    return ends("confirmation_bias", seed, "val_accuracy", arms)


EFFECT = Effect(
    recipe="pseudo_label/confirmation_bias",
    claim="mixup and a share of labelled rows keep soft pseudo-labels from confirming their own mistakes",
    measure="held-out accuracy",
    ours="mixup and labelled rows",
    baseline="naive",
    least=0.08,
    run=run,
    seeds=(300, 301, 302),
)
