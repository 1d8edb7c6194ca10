"""The suite for callbacks fails on callbacks that break a promise."""

from typing import Any

import lightning.pytorch as pl
import pytest
import torch

from lit_iterative.callbacks import PseudoLabels
from lit_iterative.testing import CALLBACK_CHECKS, CallbackCase, ConformanceError


class Noise(pl.Callback):
    """Shrinks the weights by a little more with every batch, and forgets how much."""

    def __init__(self) -> None:
        self.batches = 0

    def on_train_batch_start(self, trainer: Any, pl_module: pl.LightningModule, batch: Any, batch_idx: int) -> None:
        self.batches += 1
        with torch.no_grad():
            for weight in pl_module.parameters():
                weight.mul_(1 - 0.01 * self.batches)


class Remembers(Noise):
    """The same, but it remembers."""

    def state_dict(self) -> dict[str, Any]:
        return {"batches": self.batches}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.batches = state_dict["batches"]


class KeepsObjects(Remembers):
    """Keeps in its state what only pickle can save."""

    def state_dict(self) -> dict[str, Any]:
        return {"batches": self.batches, "device": torch.device("cpu")}


class LoadsNothing(Remembers):
    """Saves its state for nothing."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        pass


class KeyOfItsOwn(Remembers):
    """Has another key whenever it is made."""

    @property
    def state_key(self) -> str:
        return f"key-{self.number}"

    def __init__(self) -> None:
        super().__init__()
        KeyOfItsOwn.made += 1
        self.number = KeyOfItsOwn.made

    made = 0


class Impatient(PseudoLabels):
    """Makes a single round."""

    def __init__(self) -> None:
        super().__init__(threshold=0.5, max_rounds=1, seed=3)


class Unlucky(Remembers):
    """Trains in another way every time."""

    count = 0

    def on_train_batch_start(self, trainer: Any, pl_module: pl.LightningModule, batch: Any, batch_idx: int) -> None:
        Unlucky.count += 1
        self.batches = Unlucky.count
        super().on_train_batch_start(trainer, pl_module, batch, batch_idx)


class WantsAnObject(Remembers):
    """Has a parameter that YAML cannot give."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()


def run(name: str, kind: Any, *args: Any) -> None:
    check = next(check for check in CALLBACK_CHECKS if check.__name__ == name)
    check(CallbackCase(lambda: [kind(*args)]))


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("check_state", KeepsObjects, "tensors, numbers and strings"),
        ("check_state", LoadsNothing, "does not give back"),
        ("check_state", KeyOfItsOwn, "under its state_key"),
        ("check_state_key", KeyOfItsOwn, "state_key changes"),
        ("check_repeatable", Impatient, "makes 1 rounds"),
        ("check_repeatable", Unlucky, "other (weights|rounds)"),
        ("check_restart", Noise, "other (weights|rounds)"),
    ],
)
def test_a_broken_callback_fails(name: str, kind: Any, message: str) -> None:
    with pytest.raises(ConformanceError, match=message):
        run(name, kind)


def test_what_yaml_cannot_give_fails() -> None:
    with pytest.raises(Exception, match="device"):
        run("check_yaml", WantsAnObject, torch.device("cpu"))


def test_callbacks_that_share_a_key_fail() -> None:
    check = next(check for check in CALLBACK_CHECKS if check.__name__ == "check_state_key")
    with pytest.raises(ConformanceError, match="share the state_key"):
        check(CallbackCase(lambda: [Remembers(), Remembers()]))
