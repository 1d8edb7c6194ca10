"""SPIN (Chen et al., 2024, arXiv:2401.01335): self-play goes on gaining where training on the same data does not."""

import tempfile

from systems.effect import Effect
from systems.runs import Config, follow
from systems.warm import held_out, onward, sums, warm_up


def run(seed: int, quick: bool) -> dict[str, float]:
    def change(config: Config) -> None:
        (callback,) = config["trainer"]["callbacks"]
        callback["init_args"]["when"] = {"max_rounds": 1 if quick else 3}

    with tempfile.TemporaryDirectory() as folder:
        warm = warm_up(seed, folder)
        start = held_out(warm, sums(seed))
        curve = follow("spin", seed, f"{folder}/spin", change, onward(warm, 1e-4, 1 if quick else 3)).curve()
    return {"warm-up": start, "SPIN": curve[-1]}


EFFECT = Effect("preference/spin", "self-play gains beyond SFT", "held-out accuracy", "SPIN", "warm-up", 0.0, run)
