"""Kills runs the hard way and lets the same command finish them; prints what came of it as JSON.

A process of its own, which imports everything once and forks for every run, so that a run takes a second.
``python -m tests.integration.kill_driver FOLDER random 20`` or ``… FOLDER writes 0``.
"""

import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from tests.projects import tiny
from tests.projects.pipelines import stateful


class Augmented(tiny.TinyRefreshable):
    """Adds noise to training batches on their way to the device, the first of an epoch included."""

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        if not self.trainer.training:
            return batch
        return [batch[0] + 0.1 * torch.randn_like(batch[0]), *batch[1:]]


def run(folder: str, die_at_write: int | None = None) -> None:
    """Train in this process, which is a child; optionally die in the middle of the n-th write."""
    os.makedirs(folder, exist_ok=True)
    if die_at_write is not None:
        _die_at(die_at_write)
    made = tiny.fit(folder, stateful(0.6, warmup=2, shard_size=64), data=Augmented())
    with open(os.path.join(folder, "outcome.json"), "w") as file:
        json.dump(tiny.outcome(folder, made), file)


def _die_at(number: int) -> None:
    """Kill this process when the n-th file has been half written, before it has its name.

    Lightning writes checkpoints elsewhere and moves them, which between disks is a copy: they are left half in place.
    """
    writes, kinds = [0], (".parquet", ".json", ".ckpt")

    def deadly(move: Callable[..., None], source: str, target: str, **options: Any) -> None:
        if str(target).endswith(kinds):
            writes[0] += 1
            if writes[0] == number:
                with open(source, "r+b") as file:
                    file.truncate(os.path.getsize(source) // 2)
                if str(target).endswith(".ckpt"):
                    shutil.copy(source, target)
                os.kill(os.getpid(), signal.SIGKILL)
        move(source, target, **options)

    os.replace = partial(deadly, os.replace)  # type: ignore[assignment]
    os.rename = partial(deadly, os.rename)  # type: ignore[assignment]


def child(folder: str, die_at_write: int | None = None, kill_after: float | None = None) -> tuple[bool, float]:
    """Run in a fork; return whether it finished, and the seconds it took."""
    start = time.monotonic()
    pid = os.fork()
    if pid == 0:
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        try:
            run(folder, die_at_write)
        except BaseException as error:  # noqa: BLE001  # a child must not return
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(3)
        os._exit(0)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 3:
        raise SystemExit("a run failed instead of being killed")
    return os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0, time.monotonic() - start


def state_of(folder: str) -> str:
    """Say how far a killed run had come."""
    store = os.path.join(folder, "rounds")
    names = sorted(os.listdir(store)) if os.path.isdir(store) else []
    rounds = [name for name in names if name.startswith("round-")]
    if not rounds:
        return "warm-up"
    last = os.path.join(store, rounds[-1])
    marks = {"train": "manifest.json", "make": "work"}
    kind = next((kind for kind, mark in marks.items() if os.path.exists(os.path.join(last, mark))), "boundary")
    return f"{kind} {len(rounds) - 1}"


def outcome(folder: str) -> Any:
    with open(os.path.join(folder, "outcome.json")) as file:
        return json.load(file)


def trial(folder: str, **kill: Any) -> dict[str, Any]:
    """Kill a run and finish it with the same command."""
    finished, _ = child(folder, **kill)
    state = "finished" if finished else state_of(folder)
    if not finished and not child(folder)[0]:
        raise SystemExit("the second run did not finish")
    return {"state": state, "outcome": outcome(folder)}


def main(root: str, kind: str, count: int) -> None:
    torch.set_num_threads(1)
    _, seconds = child(f"{root}/whole")
    whole = outcome(f"{root}/whole")
    trials: list[dict[str, Any]] = []
    if kind == "random":
        draw = random.Random(0)
        while sum(trial["state"] != "finished" for trial in trials) < count:
            trials.append(trial(f"{root}/{len(trials)}", kill_after=draw.uniform(0.1, 0.95) * seconds))
    else:
        number = 0
        while not trials or trials[-1]["state"] != "finished":
            number += 1
            trials.append(trial(f"{root}/{number}", die_at_write=number))
    print(json.dumps({"whole": whole, "trials": trials}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
