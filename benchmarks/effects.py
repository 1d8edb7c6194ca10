"""What systems claim, shown by their recipes on small models, each against its own baseline.

Run ``python benchmarks/effects.py`` (all, some hours on two cores), with names (``effects.py scpo hiast``), or with
``--quick`` (one seed each, smaller, of which nothing follows). It needs ``pip install "lit-iterative[language]"``.

Every effect is a file in ``systems``, which says what is compared and on what. Arms of a seed begin with the same
weights and data. Numbers were chosen on seeds 100 to 102, or more; reported are others, on which nothing was chosen.
What holds is the direction and a rough size on a small task, not the numbers of the source.
"""

import argparse
import logging
import time
import warnings
from collections.abc import Sequence

import numpy as np
from common import conclude, show_table
from systems import NAMES, effects
from systems.effect import Effect


def measure(name: str, effect: Effect, seeds: Sequence[int], quick: bool) -> None:
    """Run all arms on all seeds; print the table and the verdict."""
    start, results = time.perf_counter(), []
    for seed in seeds:
        results.append(effect.run(seed, quick))
        print(f"{name}, seed {seed}: {', '.join(f'{arm} {v:.3f}' for arm, v in results[-1].items())}", flush=True)
    print(f"\n{effect.recipe}: {effect.claim}")
    rows = [
        [arm, f"{np.mean([found[arm] for found in results]):.3f}", *(f"{found[arm]:.3f}" for found in results)]
        for arm in results[0]
    ]
    show_table([effect.measure, "mean", *(f"seed {seed}" for seed in seeds)], rows)
    gains = np.array([found[effect.ours] - found[effect.baseline] for found in results])
    better = f"better on {(gains > 0).sum()} of {len(gains)} seeds"
    gain = round(float(gains.mean()), 4)
    claim = f"{name}: {effect.ours} over {effect.baseline} ({effect.measure}; {better})"
    conclude(claim, gain, effect.least, gain >= effect.least)
    print(f"{(time.perf_counter() - start) / len(seeds):.0f} s a seed\n", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(NAMES)}")
    parser.add_argument("--quick", action="store_true", help="one seed, smaller")
    parser.add_argument("--seeds", type=int, nargs="+", help="others than those that an effect is reported on")
    given = parser.parse_args()
    known = effects()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)  # which its import sets
    unknown = set(given.names) - set(known)
    if unknown:
        parser.error(f"There is no effect {', '.join(sorted(unknown))}. Name some of {', '.join(known)}.")
    for name in given.names or known:
        seeds = given.seeds or known[name].seeds
        measure(name, known[name], seeds[:1] if given.quick else seeds, given.quick)


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    main()
