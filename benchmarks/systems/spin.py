"""SPIN (Chen et al., 2024, arXiv:2401.01335): self-play goes on in rounds where one opponent has nothing left to teach.

Claimed: given completions that a model has been fine-tuned on take it further, once more, when they are preferred to
its own (58.1 and 63.2 on the Open LLM Leaderboard); and it takes rounds, as training for longer against the completions
of one round stops short of what the next round reaches (section 6.3).

The task is sums of four digits, worked out in one order. A small policy is taught 400 of them until it has settled, and
is then right on 52 to 69 % of others. Compared from there, on the same 400 with what was given: five rounds of the
recipe, each against completions that the policy at its start draws; and one round, with as many completions and steps,
at half the rate, which suits it better.

Chosen on seeds 100 to 102, on which the recipe comes from .685 .518 .618 to .786 .555 .698 and one round to
.751 .553 .637: beta 5, and the rates. One round at the recipe's rate comes to .741 .532 .648, and at twice that to .697
and .475, where the recipe comes to .771 and .545 (seeds 100 and 101).

The source also finds that fine-tuning that goes on brings nothing. **That does not show**: here imitation of what is
given, a control, does as well as SPIN or better. It follows from the loss: where a round begins its gradient is that of
imitation, scaled by beta, less one whose mean is nothing. So it was in all that was tried: 3,000 sums of five digits,
where both end at .97; a network of one layer, at .94 and .95; own completions at temperatures of 0.1, 0.3 and 0.5;
those of any order; narrow networks. Sums known by heart make no pairs, or at temperatures of 1.3 to 2 useless ones
(.352, and after six rounds .31 to .37; imitation .38 to .41).
"""

import tempfile
from collections.abc import Callable
from functools import partial

from systems.effect import Effect
from systems.runs import Config, ends
from systems.warm import NARROW, held_out, onward, sums, warm_up

GIVEN = 400
DATA = {"terms": 4, "prompts": GIVEN, "examples": GIVEN, "orders": 5, "seeds": True, "ordered": True, "held_out": 1000}
ROUNDS, EPOCHS, ROWS, BETA, RATE, RATE_OF_ONE = 5, 4, 640, 5.0, 2e-5, 1e-5


def play(config: Config, rounds: int, epochs: int, completions: int = 1, rate: float = RATE) -> None:
    """Make rounds from the start, each of some completions a prompt, without a warm-up of the recipe's own."""
    (callback,) = config["trainer"]["callbacks"]
    callback["init_args"]["when"] = {"max_rounds": rounds, "every_n_epochs": epochs}
    _sample(config)["n"] = completions
    model = config["model"]["init_args"]
    model["objective"]["arguments"] = {"beta": BETA}
    model["optimizer"] = {"class_path": "torch.optim.AdamW", "init_args": {"lr": rate}}


def _sample(config: Config) -> Config:
    (phase,) = config["trainer"]["callbacks"][0]["init_args"]["phases"]
    return next(op["init_args"] for op in phase["ops"] if op["class_path"] == "Sample")


def imitate(config: Config, rounds: int, epochs: int) -> None:
    """Imitate what is given."""
    play(config, rounds, epochs)
    (phase,) = config["trainer"]["callbacks"][0]["init_args"]["phases"]
    phase["ops"] = [*phase["ops"][:2], {"class_path": "AcceptGiven"}]
    config["model"]["init_args"]["objective"] = {}


def run(seed: int, quick: bool) -> dict[str, float]:
    """Play in rounds, and for as many steps in one."""
    rounds, epochs = (2, 1) if quick else (ROUNDS, EPOCHS)
    steps = rounds * epochs
    data = DATA | {"prompts": 100, "examples": 100, "held_out": 100} if quick else DATA
    arms: dict[str, Callable[[Config], None]] = {
        "imitation": partial(imitate, rounds=rounds, epochs=epochs),
        "one round": partial(play, rounds=1, epochs=steps, completions=rounds, rate=RATE_OF_ONE),
        "SPIN": partial(play, rounds=rounds, epochs=epochs),
    }
    with tempfile.TemporaryDirectory() as folder:
        warm = warm_up(seed, folder, 0.1 if quick else 0.4, network=NARROW, **data)
        base = onward(warm, RATE, steps, **data, mixing={"mode": "replace", "rows_per_epoch": ROWS})
        start = {"start": held_out(warm, sums(seed, **data))}
        return start | ends("spin", seed, "val_accuracy", arms, base)


EFFECT = Effect(
    recipe="preference/spin",
    claim="self-play goes further in rounds than for longer against one opponent",
    measure="held-out accuracy",
    ours="SPIN",
    baseline="one round",
    least=0.015,
    run=run,
    seeds=(300, 301, 302),
)
