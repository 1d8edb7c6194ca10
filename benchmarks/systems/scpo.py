"""ScPO (Prasad et al., 2024, arXiv:2411.04109): rounds of votes teach more than one round with as much of everything.

The paper goes from a first round to a second and gains. Here the one round has the samples and the steps of all rounds
together, so that it is going in rounds that is compared. The task is sums of four digits, without any answer key;
votes, thresholds and loss are those of the recipe. ``benchmarks/scpo.py`` compares more, at more length. Chosen on seed
100: how many sums and steps. The rate is that of ``benchmarks/scpo.py``.
"""

import tempfile
from functools import partial

from systems.effect import Effect
from systems.runs import Config, ends
from systems.warm import NARROW, held_out, onward, sums, warm_up

ROUNDS, ROWS, RATE = 3, 640, 1e-4


def share_out(config: Config, rounds: int) -> None:
    """Make some rounds, without a warm-up, that share the samples and the steps of all."""
    (callback,) = config["trainer"]["callbacks"]
    epochs = ROUNDS // rounds
    callback["init_args"]["when"] = {"max_rounds": rounds, "every_n_epochs": epochs}
    callback["init_args"]["n"] *= epochs


def run(seed: int, quick: bool) -> dict[str, float]:
    data = {"terms": 4, "prompts": 100 if quick else 400}
    with tempfile.TemporaryDirectory() as folder:
        path = warm_up(seed, folder, 0.1 if quick else 0.6, network=NARROW, **data)
        base = onward(path, RATE, ROUNDS, **data, mixing={"mode": "replace", "rows_per_epoch": ROWS})
        arms = {"ScPO": partial(share_out, rounds=ROUNDS), "one round": partial(share_out, rounds=1)}
        return {"warm-up": held_out(path, sums(seed, **data))} | ends("scpo", seed, "val_accuracy", arms, base)


EFFECT = Effect(
    "preference/scpo",
    "rounds teach more than one round with as many samples and steps",
    "held-out accuracy",
    "ScPO",
    "one round",
    0.04,
    run,
)
