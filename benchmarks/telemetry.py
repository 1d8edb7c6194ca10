"""What telemetry costs: the demo with all that is logged of its rounds, against the same run without.

Run ``python benchmarks/telemetry.py`` (minutes) or with ``--quick`` (a pair of shorter runs, within a minute or two).
It needs ``pip install "lit-iterative[digits,plots]"``. The rounds of the demo take about three seconds, so that this is
a hard case: what is logged of a round costs the same for one that takes an hour.

Two measures. The share of a fit that its process spends in telemetry's hooks is exact: the time in ``begin``, ``round``
and ``end``, waiting for figures that are left included. The difference between fits with and without telemetry,
in turn on the same machine, also holds what the painter takes away from the training on its cores, and all noise.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import conclude, show_table
from pseudo_label import Recipe, quieten

from lit_iterative.callbacks.telemetry import Telemetry, monitor

BAR = 0.02


class Stopwatch:
    """Adds up the time in some methods of a class while it is open."""

    def __init__(self, owner: type, names: tuple[str, ...]) -> None:
        self.owner, self.names, self.seconds = owner, names, 0.0

    def __enter__(self) -> "Stopwatch":
        self.real = {name: getattr(self.owner, name) for name in self.names}
        for name, method in self.real.items():
            setattr(self.owner, name, self._timed(method))
        return self

    def __exit__(self, *error: object) -> None:
        for name, method in self.real.items():
            setattr(self.owner, name, method)

    def _timed(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **options: Any) -> Any:
            start = time.perf_counter()
            try:
                return method(*args, **options)
            finally:
                self.seconds += time.perf_counter() - start

        return timed


class Silent(Telemetry):
    """Logs nothing, but lets checkpoints and early stopping see the rounds."""

    def begin(self, *args: Any) -> None:
        """Nothing."""

    def round(self, trainer: Any, module: Any, version: Any, previous: Any, pool: Any) -> None:
        monitor(trainer, version)

    def end(self, *args: Any) -> None:
        """Nothing."""


def fit(options: list[str], silent: bool) -> tuple[float, float]:
    """Train with the demo's logger; return the seconds of the fit, and those of telemetry in it."""
    with tempfile.TemporaryDirectory() as folder:
        logger = [
            "--trainer.logger=TensorBoardLogger",
            f"--trainer.logger.save_dir={folder}",
            f"--trainer.default_root_dir={folder}",
        ]
        recipe = Recipe(0, [*options, *logger])
        if silent:
            recipe.rounds._begin = silently(recipe.rounds)
        with Stopwatch(Telemetry, ("begin", "round", "end")) as watch:
            start = time.perf_counter()
            recipe.trainer.fit(recipe.model, datamodule=recipe.datamodule)
            seconds = time.perf_counter() - start
        made = len(list(Path(folder, "rounds").glob("round-*")))
        if made < 2:
            raise RuntimeError(f"The run made {made} rounds: too few to measure")
    return seconds, watch.seconds


def silently(rounds: Any) -> Callable[[], None]:
    """Return a beginning of a fit after which nothing is logged."""
    begin = rounds._begin

    def begun() -> None:
        begin()
        rounds._telemetry = Silent()

    return begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    quieten()
    options = ["--trainer.max_epochs=40"] if quick else []
    pairs = 1 if quick else 5
    fit(["--trainer.max_epochs=17"], silent=False)  # imports and caches are nobody's cost
    rows, shares, ratios = [], [], []
    for pair in range(pairs):
        order = [False, True] if pair % 2 else [True, False]
        found = {silent: fit(options, silent) for silent in order}
        (whole, inside), (without, _) = found[False], found[True]
        shares.append(inside / whole)
        ratios.append(whole / without - 1)
        rows.append([f"pair {pair}", f"{whole:.1f} s", f"{inside:.2f} s", f"{inside / whole:.2%}", f"{without:.1f} s"])
    show_table(["", "with telemetry", "in its hooks", "share", "without"], rows)
    spread = f"from {min(ratios):+.1%} to {max(ratios):+.1%}"
    print(f"Difference of wall times, median: {statistics.median(ratios):+.1%}, {spread}")
    value = statistics.median(shares)
    conclude("telemetry's share of the wall time of the demo's fit", round(value, 4), BAR, value < BAR)


if __name__ == "__main__":
    main()
