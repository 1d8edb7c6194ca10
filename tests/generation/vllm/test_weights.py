"""Weights on their way to vLLM: names of weights, and folders that are whole or absent."""

import os
import threading

import pytest
import torch
from transformers import AutoModelForCausalLM

from lit_iterative.errors import SetupError
from lit_iterative.generation.vllm.weights import fingerprint, save_base, written
from tests.generation.vllm.fake import network
from tests.generation.vllm.test_server import adapted


@pytest.mark.parametrize(
    "dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16, torch.uint8, torch.bool]
)
@pytest.mark.parametrize("shape", [(), (4,), (4, 6), (2, 3, 4), (0, 3)])
def test_any_change_gives_another_name(dtype, shape):
    tensor = (torch.arange(float(torch.Size(shape).numel())) % 2).reshape(shape).to(dtype)
    name = fingerprint({"w": tensor})
    assert name == fingerprint({"w": tensor.clone(), "config": "no tensor"})
    assert name != fingerprint({"v": tensor})
    assert name != fingerprint({"w": tensor}, "alpha")
    for place in range(tensor.numel()):
        other = tensor.clone()
        other.view(-1)[place] = 1 - other.view(-1)[place].to(torch.int)
        assert fingerprint({"w": other}) != name


def test_swapped_numbers_give_another_name():
    tensor = torch.randn(5, 7)
    for one, other in [((0, 0), (0, 1)), ((0, 0), (1, 0)), ((0, 0), (1, 1))]:
        swapped = tensor.clone()
        swapped[one], swapped[other] = tensor[other], tensor[one]
        assert fingerprint({"w": swapped}) != fingerprint({"w": tensor})


def test_one_bit_in_large_tensors_gives_another_name():
    tensor = torch.randn(300, 200, dtype=torch.bfloat16)
    other = tensor.clone()
    other.view(torch.int16)[123, 45] += 1
    assert fingerprint({"w": tensor.t()}) != fingerprint({"w": other.t()})


def test_a_step_of_training_gives_another_name_and_a_look_does_not():
    policy = network()
    name = fingerprint(policy.state_dict())
    policy(torch.tensor([[1, 2]]))
    assert fingerprint(policy.state_dict()) == name
    optimizer = torch.optim.SGD(policy.parameters(), lr=1e-4)
    policy(torch.tensor([[1, 2]])).logits.sum().backward()
    optimizer.step()
    assert fingerprint(policy.state_dict()) != name


def test_the_base_below_an_adapter_is_written_as_if_there_were_none(tmp_path):
    save_base(adapted(network()), str(tmp_path))
    read, own = AutoModelForCausalLM.from_pretrained(tmp_path).state_dict(), network().state_dict()
    assert read.keys() == own.keys()
    assert all(torch.equal(read[name], own[name]) for name in own)


def test_folders_are_whole_or_absent(tmp_path):
    def save(place):
        open(os.path.join(place, "half"), "w").close()
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        written(str(tmp_path), "x", save)
    assert os.listdir(tmp_path) == []


def test_a_full_disk_is_named(tmp_path):
    def save(place):
        raise OSError(28, "No space left on device")

    with pytest.raises(SetupError, match="No space left.*Free some space"):
        written(str(tmp_path), "x", save)
    assert os.listdir(tmp_path) == []


def test_ranks_may_write_the_same_at_the_same_time(tmp_path):
    barrier, places = threading.Barrier(4), []

    def save(place):
        barrier.wait(timeout=5)
        with open(os.path.join(place, "file"), "w") as file:
            file.write("whole")

    def write():
        places.append(written(str(tmp_path), "x", save))

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert places == [str(tmp_path / "x")] * 4
    assert os.listdir(tmp_path) == ["x"]
    assert (tmp_path / "x" / "file").read_text() == "whole"
