"""The suite for callbacks."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import lightning.pytorch as pl
import torch
from jsonargparse import ArgumentParser
from torch import Tensor

from lit_iterative.callbacks import PseudoLabels, Rounds
from lit_iterative.testing import parts
from lit_iterative.testing.expect import expect, fail
from lit_iterative.testing.tiny import Interrupter, Interruption, fit, rows_of, weights_of

Factory = Callable[[], list[pl.Callback]]
PRIMITIVES = (bool, int, float, str, type(None), Tensor)


@dataclass(frozen=True)
class CallbackCase:
    """Callbacks of a run; the first is the one that is checked.

    Args:
        factory: Makes them anew for every run. Where none of them makes rounds, ``PseudoLabels`` is added.
        init_args: Arguments of the first one, as in YAML.
    """

    factory: Factory
    init_args: dict[str, Any] | None = None

    def callbacks(self) -> list[pl.Callback]:
        """Return new callbacks."""
        made = self.factory()
        if not any(isinstance(callback, Rounds) for callback in made):
            made.append(PseudoLabels(threshold=0.5, seed=3))
        return made

    @property
    def name(self) -> str:
        """Name of the callback that is checked."""
        return type(self.factory()[0]).__name__

    @cached_property
    def whole(self) -> tuple[dict[str, Tensor], list[Any]]:
        """Weights and rounds of a run that nobody stops."""
        with tempfile.TemporaryDirectory() as folder:
            trainer = fit(self.callbacks(), folder)
            return weights_of(trainer), rows_of(folder)


CallbackCheck = Callable[[CallbackCase], None]


def check_state(case: CallbackCase) -> None:
    """The state in a checkpoint is tensors and primitives, and loads with ``weights_only=True``."""
    with tempfile.TemporaryDirectory() as folder:
        callbacks = case.callbacks()
        trainer = fit(callbacks, folder, epochs=2)
        for name, value in callbacks[0].state_dict().items():
            _check_primitive(f"{case.name}.{name}", value)
        trainer.save_checkpoint(f"{folder}/end.ckpt")
        loaded = torch.load(f"{folder}/end.ckpt", map_location="cpu", weights_only=True)
    again = case.callbacks()[0]
    state = loaded["callbacks"].get(again.state_key)
    expect(
        state is not None or not callbacks[0].state_dict(),
        f"The state of {case.name} is not in the checkpoint under its state_key {again.state_key!r}, which must depend "
        "on the parameters alone.",
    )
    if state is not None:
        again.load_state_dict(state)
        expect(_equal(again.state_dict(), state), f"{case.name} does not give back the state that it loaded.")


def _check_primitive(name: str, value: Any) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            expect(isinstance(key, str | int), f"{name} has the key {key!r}; use strings.")
            _check_primitive(f"{name}.{key}", item)
    elif isinstance(value, list | tuple):
        for item in value:
            _check_primitive(name, item)
    else:
        expect(isinstance(value, PRIMITIVES), f"{name} is {type(value).__name__}. Keep tensors, numbers and strings.")


def _equal(left: Any, right: Any) -> bool:
    if isinstance(left, Tensor):
        return isinstance(right, Tensor) and torch.equal(left, right)
    if isinstance(left, dict):
        return isinstance(right, dict) and left.keys() == right.keys() and all(_equal(left[k], right[k]) for k in left)
    return bool(left == right)


def check_state_key(case: CallbackCase) -> None:
    """The key of the state is the callback's alone, and the same for a callback made alike."""
    keys = [callback.state_key for callback in case.callbacks()]
    expect(len(keys) == len(set(keys)), f"Callbacks share the state_key: {keys}. Override state_key.")
    again = [callback.state_key for callback in case.callbacks()]
    expect(again == keys, f"The state_key changes from {keys} to {again}. Build it from the parameters alone.")


def check_repeatable(case: CallbackCase) -> None:
    """Two runs alike make the same rounds, at least two of them, and end with the same weights."""
    rounds = case.whole[1]
    expect(
        len(rounds) >= 2,
        f"A run of three epochs with {case.name} makes {len(rounds)} rounds; let the factory make two.",
    )
    with tempfile.TemporaryDirectory() as folder:
        trainer = fit(case.callbacks(), folder)
        _check_same(case, trainer, folder, "a second time")


def check_restart(case: CallbackCase) -> None:
    """A run that stops at any moment, and is started again, makes the same rounds and ends with the same weights."""
    for first in (False, True):
        counter = Interrupter(starts_only=first)
        with tempfile.TemporaryDirectory() as folder:
            fit(_with(case, counter, first), folder)
        for moment in range(counter.passed):
            with tempfile.TemporaryDirectory() as folder:
                _stop(case, moment, first, folder)
                trainer = fit(case.callbacks(), folder)
                _check_same(case, trainer, folder, f"after a stop at moment {moment} of {counter.passed}")


def _with(case: CallbackCase, interrupter: Interrupter, first: bool) -> list[pl.Callback]:
    """Add the interrupter: behind all others, or before them, where only starts of epochs make a difference."""
    made = case.callbacks()
    return [interrupter, *made] if first else [*made, interrupter]


def _stop(case: CallbackCase, moment: int, first: bool, folder: str) -> None:
    try:
        fit(_with(case, Interrupter(moment, starts_only=first), first), folder)
    except Interruption:
        return
    fail(f"{case.name} hides an error of another callback. Do not catch what you cannot handle.")


def _check_same(case: CallbackCase, trainer: pl.Trainer, folder: str, when: str) -> None:
    weights, rounds = case.whole
    expect(rows_of(folder) == rounds, f"A run with {case.name} makes other rounds {when}.")
    expect(_equal(weights_of(trainer), weights), f"A run with {case.name} ends with other weights {when}.")


def check_yaml(case: CallbackCase) -> None:
    """The callback is set from YAML, and what is written is what was read."""
    kind = type(case.factory()[0])
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--callback", type=pl.Callback)
    config = {"class_path": f"{kind.__module__}.{kind.__qualname__}", "init_args": case.init_args or {}}
    text = parser.dump(parser.parse_object({"callback": config}))
    same = parser.dump(parser.parse_string(text)) == text
    expect(same, f"{case.name} reads other YAML than it wrote:\n{text}")
    made = parts.instantiate(parser, text).callback
    expect(type(made) is kind, f"From YAML comes {type(made).__name__} instead of {case.name}.")


#: Every check of a callback, by itself.
CALLBACK_CHECKS: tuple[CallbackCheck, ...] = (check_state, check_state_key, check_repeatable, check_restart, check_yaml)


def check_callback(factory: Factory, init_args: dict[str, Any] | None = None) -> None:
    """Run every check on a callback, in training runs of seconds on the CPU.

    Args:
        factory: Makes the callbacks of a run anew; the first is the one that is checked. They must make at least two
            rounds in three epochs and leave ``dirpath`` at its default; where none makes rounds, ``PseudoLabels`` is
            added.
        init_args: Arguments of the first one, as in YAML; its defaults when left out.

    Raises:
        ConformanceError: If the callback breaks a promise; the message names it and the remedy.
    """
    case = CallbackCase(factory, init_args)
    for check in CALLBACK_CHECKS:
        check(case)
