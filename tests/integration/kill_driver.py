"""Kills runs the hard way and lets the same command finish them; prints what came of it as JSON.

A process of its own, which imports everything once and forks for every run, so that a run takes a second.
``python -m tests.integration.kill_driver FOLDER random 20`` or ``… FOLDER writes 0``; with ``words`` behind it, of the
language project, which also knows ``… FOLDER calls 0 words``; with ``guarded``, of a run that goes back, which also
knows ``… FOLDER return 0 guarded``.
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

from lit_iterative.modules.language import LanguagePolicy
from lit_iterative.ops.language.builders.pairs import BestWorst
from tests.projects import guarded, spoken, tiny, words
from tests.projects.pipelines import stateful


class Augmented(tiny.TinyRefreshable):
    """Adds noise to training batches on their way to the device, the first of an epoch included."""

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        if not self.trainer.training:
            return batch
        return [batch[0] + 0.1 * torch.randn_like(batch[0]), *batch[1:]]


def run_tiny(folder: str) -> Any:
    return tiny.fit(folder, stateful(0.6, warmup=2, shard_size=64), data=Augmented())


PROJECTS = {"tiny": run_tiny, "words": spoken.fit, "guarded": guarded.run}
TOLD = {"guarded": guarded.told}
#: In which call of what to die, in the language project: of each, one in each of two rounds, or in training on them.
CALLS = [
    (LanguagePolicy, "generate", 3),
    (LanguagePolicy, "generate", 7),
    (words.Closeness, "__call__", 2),
    (words.Closeness, "__call__", 5),
    (BestWorst, "__call__", 3),
    (BestWorst, "__call__", 4),
    (LanguagePolicy, "log_probs", 2),
    (LanguagePolicy, "log_probs", 11),
    (LanguagePolicy, "training_step", 4),
    (LanguagePolicy, "training_step", 6),
]


def run(folder: str, project: str, die_at_write: int | None = None, die_in_call: int | None = None) -> None:
    """Train in this process, which is a child; optionally die in the middle of the n-th write, or in a call."""
    os.makedirs(folder, exist_ok=True)
    os.fsync = lambda descriptor: None  # type: ignore[assignment]  # what a killed process wrote is not lost
    if die_at_write is not None:
        _die_at(die_at_write, folder)
    if die_in_call is not None:
        _die_in(*CALLS[die_in_call])
    made = PROJECTS[project](folder)
    with open(os.path.join(folder, "outcome.json"), "w") as file:
        json.dump(TOLD.get(project, tiny.outcome)(folder, made), file)


def _die_at(number: int, folder: str) -> None:
    """Kill this process when the n-th file has been half written, before it has its name; 0 notes all names instead.

    Lightning writes checkpoints elsewhere and moves them, which between disks is a copy: they are left half in place.
    """
    writes, kinds = [0], (".parquet", ".json", ".ckpt")

    def deadly(move: Callable[..., None], source: str, target: str, **options: Any) -> None:
        if str(target).endswith(kinds):
            writes[0] += 1
            if number == 0:
                with open(os.path.join(folder, "writes.txt"), "a") as names:
                    names.write(f"{os.path.relpath(target, folder)}\n")
            if writes[0] == number:
                with open(source, "r+b") as file:
                    file.truncate(os.path.getsize(source) // 2)
                if str(target).endswith(".ckpt"):
                    shutil.copy(source, target)
                os.kill(os.getpid(), signal.SIGKILL)
        move(source, target, **options)

    os.replace = partial(deadly, os.replace)  # type: ignore[assignment]
    os.rename = partial(deadly, os.rename)  # type: ignore[assignment]


def _die_in(owner: type, name: str, number: int) -> None:
    """Kill this process in the n-th call of a method."""
    calls, method = [0], getattr(owner, name)

    def deadly(*arguments: Any, **options: Any) -> Any:
        calls[0] += 1
        if calls[0] == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return method(*arguments, **options)

    setattr(owner, name, deadly)


def child(folder: str, project: str, kill_after: float | None = None, **death: int) -> tuple[bool, float]:
    """Run in a fork; return whether it finished, and the seconds it took."""
    start = time.monotonic()
    pid = os.fork()
    if pid == 0:
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        try:
            run(folder, project, **death)
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


def trial(folder: str, project: str, **kill: Any) -> dict[str, Any]:
    """Kill a run and finish it with the same command."""
    finished, _ = child(folder, project, **kill)
    state = "finished" if finished else state_of(folder)
    if not finished and not child(folder, project)[0]:
        raise SystemExit("the second run did not finish")
    return {"state": state, "outcome": outcome(folder)}


def writes_of_return(folder: str) -> range:
    """Return the numbers of the files from the first round behind which the run goes back to the one after it."""
    with open(os.path.join(folder, "writes.txt")) as file:
        names = [os.path.basename(os.path.dirname(line)) + "/" + os.path.basename(line.strip()) for line in file]
    returns = [verdict["back_to"] is not None for verdict in outcome(folder)["verdicts"]]
    first = returns.index(True)
    start, end = (names.index(f"round-{round:05d}/manifest.json") for round in (first, first + 1))
    return range(start + 1, end + 2)


def main(root: str, kind: str, count: int, project: str = "tiny") -> None:
    torch.set_num_threads(1)
    _, seconds = child(f"{root}/whole", project, die_at_write=0)
    whole = outcome(f"{root}/whole")
    trials: list[dict[str, Any]] = []
    if kind == "random":
        draw = random.Random(0)
        while sum(trial["state"] != "finished" for trial in trials) < count:
            kill_after = draw.uniform(0.1, 0.95) * seconds
            trials.append(trial(f"{root}/{len(trials)}", project, kill_after=kill_after))
    elif kind == "calls":
        for number, (_, name, _) in enumerate(CALLS):
            trials.append({**trial(f"{root}/{number}", project, die_in_call=number), "in": name})
    elif kind == "return":
        for number in writes_of_return(f"{root}/whole"):
            trials.append(trial(f"{root}/{number}", project, die_at_write=number))
    else:
        number = 0
        while not trials or trials[-1]["state"] != "finished":
            number += 1
            trials.append(trial(f"{root}/{number}", project, die_at_write=number))
    print(json.dumps({"whole": whole, "trials": trials}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), *sys.argv[4:])
