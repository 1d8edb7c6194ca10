"""DICE (Chen et al., 2024, arXiv:2406.09760): implicit rewards go on teaching where the given preferences do not.

Claimed: what DPO on given preferences has taught a policy also tells which of its own completions are better, so that
further rounds on pairs that it makes itself gain over going on with the given pairs.

The task is to say four digits, of which any order will do; preferred is the falling one. A small policy is taught
orders by chance. Given are pairs on 100 prompts; two further rounds are on all 400, without a key. All arms make as
many steps, from the same weights; measured is how often completions that are drawn for held-out prompts are preferred.

Chosen on seed 100: the rate, the steps and the temperature; on 100 to 102 the betas. The given pairs get the one that
suits them best of 10, 3, 1, 0.5 and 0.3; at that of DICE they teach little, so that most of what DICE gains over them
there is had by a smaller one. Over the same beta DICE gained 0.16, 0.18 and 0.14; over the best one 0.00, 0.05 and
0.04, which is no more than what it scatters.

What the given pairs taught must tell better from worse among the policy's own completions. Here it has 94 of 100 such
pairs in the right order (after the first round, beta 3). Of right and wrong sums it had at best 56, at betas of 0.1 to
10: of many completions it prefers those that were rare, which are wrong. Rare ones do harm here too: a fourth and a
fifth round lost what the second and third had gained (seed 100). What the source has not, the likelihood term of IRPO,
helps the given pairs more than all rounds (seed 100, beta 3): alone they come to 0.53, and DICE to 0.23.
"""

import tempfile
from collections.abc import Callable

from lit_iterative.datamodules import Mixing, PromptData
from lit_iterative.datamodules.records import Record
from lit_iterative.seeds import generator
from systems.effect import Effect
from systems.runs import Config, follow
from systems.warm import NARROW, onward, teach

LENGTH, PROMPTS, TOLD, EXAMPLES, HELD_OUT = 4, 400, 100, 1500, 400
ROUNDS, EPOCHS, ROWS, RATE = 3, 2, 640, 1e-4
TEMPERATURE, PAIRS = 0.5, 4
#: Of DICE, and what suits the given pairs best.
BETA, LOOSE = 10.0, 1.0
#: Epochs of the warm-up.
TAUGHT = 12


class Falling(PromptData):
    """Digits such as ``4821=``, which examples say in an order by chance, and a key in the falling one, ``8421``.

    Args:
        seed: Seed of the digits and orders.
        batch_size: Rows in a training step.
        mixing: How the rows of a round make up an epoch.
    """

    def __init__(self, seed: int = 0, batch_size: int = 64, mixing: Mixing | None = None) -> None:
        draw, drawn = generator(seed, "falling"), dict[str, None]()
        while len(drawn) < PROMPTS + EXAMPLES + HELD_OUT:
            drawn["".join(map(str, 1 + draw.permutation(9)[:LENGTH]))] = None
        digits = list(drawn)
        prompts, examples, held_out = digits[:PROMPTS], digits[PROMPTS:-HELD_OUT], digits[-HELD_OUT:]
        super().__init__(
            [_prompt(each, place < TOLD) for place, each in enumerate(prompts)],
            [{"prompt": f"{each}=", "completion": "".join(draw.permutation(list(each)))} for each in examples],
            [_prompt(each, True) for each in held_out],
            batch_size=batch_size,
            eval_batch_size=HELD_OUT,
            mixing=mixing or Mixing(mode="replace"),
        )


def _prompt(digits: str, told: bool) -> Record:
    """Return digits to say, with the falling order where it is told."""
    return {"prompt": f"{digits}=", "answer": "".join(sorted(digits, reverse=True)) if told else None}


def bootstrapped(config: Config, rounds: int = ROUNDS, beta: float = BETA) -> None:
    """Make the rounds of the recipe, without its warm-up."""
    (callback,) = config["trainer"]["callbacks"]
    init = callback["init_args"]
    init["when"] = {"max_rounds": rounds, "every_n_epochs": EPOCHS}
    sampling = {"max_new_tokens": LENGTH + 1}
    for phase in init["phases"]:
        sample = next(op for op in phase["ops"] if op["class_path"] == "Sample")
        sample["init_args"]["sampling"] = {**sampling, "temperature": TEMPERATURE}
    (pairs,) = (op for op in init["phases"][0]["ops"] if op["class_path"] == "CorrectIncorrect")
    pairs["init_args"]["at_most"] = PAIRS
    config["model"]["init_args"]["objective"]["arguments"] = {"beta": beta}
    config["model"]["init_args"]["held_out"] = {"sampling": {**sampling, "temperature": 1.0}}


def given(config: Config) -> None:
    """Stay with the given preferences."""
    bootstrapped(config, rounds=1, beta=LOOSE)


def tight(config: Config) -> None:
    """Stay with the given preferences, at the beta of DICE."""
    bootstrapped(config, rounds=1)


ARMS: dict[str, Callable[[Config], None]] = {
    "DICE": bootstrapped,
    "given pairs": given,
    f"given pairs, beta {BETA:g}": tight,
}


def run(seed: int, quick: bool) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        data = Falling(seed)
        path = teach(data, data, seed, folder, 2.0, "0123456789=", NARROW, 4 if quick else TAUGHT)
        base = onward(path, RATE, ROUNDS * EPOCHS)
        mixing = {"mode": "replace", "rows_per_epoch": 128 if quick else ROWS}
        base["data"] = {"class_path": "systems.dice.Falling", "init_args": {"mixing": mixing}}
        curves = {arm: follow("dice", seed, f"{folder}/{arm}", change, base).curve() for arm, change in ARMS.items()}
    return {"first DPO": curves["DICE"][0]} | {arm: curve[-1] for arm, curve in curves.items()}


EFFECT = Effect(
    recipe="preference/dice",
    claim="implicit rewards go on teaching where given preferences do not",
    measure="share of preferred completions",
    ours="DICE",
    baseline="given pairs",
    least=0.02,
    run=run,
    seeds=(300, 301, 302),
)
