import torch
from torch import nn

from lit_iterative.rounds.files import Files
from lit_iterative.rounds.weights import (
    keep_primitives,
    load_checkpoint_weights,
    load_into,
    load_weights,
    save_weights,
    tensors_of,
)


class Extra(nn.Linear):
    def get_extra_state(self):
        return {"calls": 3}

    def set_extra_state(self, state):
        self.calls = state["calls"]


def test_weights_come_back_on_any_file_system():
    files, module = Files("memory://weights"), nn.BatchNorm1d(3)
    save_weights(files, "w.pt", tensors_of(module))
    loaded = load_weights(files, "w.pt")
    assert loaded.keys() == module.state_dict().keys()
    assert all(torch.equal(value, loaded[name]) for name, value in module.state_dict().items())


def test_extra_state_is_no_weight_and_stays():
    module, other = Extra(2, 2), Extra(2, 2)
    assert set(tensors_of(module)) == {"weight", "bias"}
    load_into(module, tensors_of(other))
    assert torch.equal(module.weight, other.weight)
    assert module.calls == 3


def test_weights_of_a_checkpoint(tmp_path):
    torch.save({"state_dict": Extra(2, 2).state_dict()}, tmp_path / "x.ckpt")
    assert set(load_checkpoint_weights(Files(tmp_path), "x.ckpt")) == {"weight", "bias"}


def test_only_what_can_be_read_back_is_kept():
    checkpoint = {
        "plain": {"lr": 0.1, "sizes": [1, 2]},
        "module": {"net": nn.Linear(1, 1)},
        "function": len,
        "other": len,
    }
    checkpoint["closure"] = lambda x: x
    keep_primitives(checkpoint, ["plain", "module", "function", "closure", "absent"])
    assert set(checkpoint) == {"plain", "other"}
