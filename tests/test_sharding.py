"""A sharded module computes, is trained, saved and loaded as the module that it was; here in one process alone.

Two processes: tests/integration/test_ranks_sharded.py.
"""

import copy
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from torch import distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor

from lit_iterative import _compat
from lit_iterative.errors import SetupError
from lit_iterative.modules.sharding import decoder_layers
from lit_iterative.rounds.sync import reset_optimizers, stateless
from lit_iterative.rounds.weights import load_into, tensors_of
from lit_iterative.sharding import shard, units_of, whole
from tests.projects.words import data, policy, trainer


@pytest.fixture(scope="module")
def mesh(tmp_path_factory):
    store = distributed.FileStore(str(tmp_path_factory.mktemp("processes") / "store"), 1)
    distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield init_device_mesh("cpu", (1,))
    distributed.destroy_process_group()


@pytest.fixture
def pair(mesh):
    """A module, and a sharded copy of it."""
    plain = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 2))
    sharded = copy.deepcopy(plain)
    shard(sharded, [sharded[0], sharded[2]], mesh)
    return plain, sharded


INPUTS = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))


def test_units(pair):
    plain, sharded = pair
    assert units_of(plain) == []
    assert units_of(sharded) == [sharded, sharded[0], sharded[2]]
    assert all(isinstance(weight, DTensor) for weight in sharded.parameters())


def test_weights_are_whole_for_a_while(pair):
    plain, sharded = pair
    with whole(sharded), torch.no_grad():
        assert not any(isinstance(weight, DTensor) for weight in sharded.parameters())
        inner = sharded[0](INPUTS)  # without the root, which needs to be known by then
        assert torch.equal(inner, plain[0](INPUTS))
        assert not any(isinstance(weight, DTensor) for weight in sharded.parameters())
    assert all(isinstance(weight, DTensor) for weight in sharded.parameters())
    with whole(plain):
        assert torch.equal(plain(INPUTS), sharded(INPUTS))


def test_passes_in_between_change_no_gradient(pair):
    for module in pair:
        with whole(module), torch.no_grad():
            module(INPUTS)
            module[2](module[0](INPUTS).relu())
        (module(INPUTS).square().sum() + module(INPUTS + 1).sum()).backward()  # two kinds of rows in a step
    for expected, found in zip(*(module.parameters() for module in pair), strict=True):
        torch.testing.assert_close(found.grad.full_tensor(), expected.grad)


def test_passes_in_between_are_forgotten(pair):
    _, sharded = pair
    with whole(sharded), torch.no_grad():
        sharded(INPUTS)
    assert not sharded._get_fsdp_state()._comm_ctx.post_forward_order


def test_weights_are_saved_and_loaded_whole(pair):
    plain, sharded = pair
    expected, found = tensors_of(plain), tensors_of(sharded)
    assert expected.keys() == found.keys()
    assert all(torch.equal(found[name], value) for name, value in expected.items())
    twice = {name: 2 * value for name, value in found.items() if name.startswith("0.")}
    load_into(sharded, twice)
    changed = tensors_of(sharded)
    assert all(torch.equal(changed[name], twice.get(name, value)) for name, value in found.items())


def test_the_first_part_that_is_called_would_be_the_root(pair):
    _, sharded = pair
    sharded[0](INPUTS)
    with pytest.raises(RuntimeError, match="root"):
        _compat.begin_sharded(sharded)


def test_an_optimiser_without_a_state_keeps_none():
    used, fresh = (torch.optim.Adam([nn.Parameter(torch.ones(1))]) for _ in range(2))
    used.param_groups[0]["params"][0].grad = torch.ones(1)
    used.step()
    assert stateless([used, fresh]) == [fresh]
    reset_optimizers([used])
    assert stateless([used, fresh]) == [used, fresh]


def test_an_older_torch(monkeypatch, mesh):
    monkeypatch.delattr(FSDPModule, "reset_iter_state")
    with pytest.raises(SetupError, match=r"torch \S+ cannot forget.*2\.13.*strategy='ddp'"):
        shard(nn.Linear(1, 1), [], mesh)


def test_a_trainer_that_takes_sharded_weights_for_whole(mesh, tmp_path):
    module = policy()
    module.configure_model()
    shard(module, decoder_layers(module.network), mesh)
    with pytest.raises(SetupError, match=r"sharded by another trainer, but SingleDeviceStrategy.*new policy"):
        trainer(tmp_path, []).fit(module, data())


def test_an_optimiser_of_bitsandbytes(mesh):
    optimisers = pytest.importorskip("bitsandbytes").optim
    module = policy(optimizer=partial(optimisers.AdamW8bit, lr=1e-3))
    module.configure_model()
    shard(module, decoder_layers(module.network), mesh)
    with pytest.raises(SetupError, match=r"bitsandbytes' AdamW8bit.*torch\.optim\.AdamW"):
        module.configure_optimizers()


def test_a_body_without_a_list_of_layers():
    body = nn.Sequential(nn.Linear(1, 1))
    with pytest.raises(SetupError, match=r"Sequential keeps its layers in no nn.ModuleList.*strategy='ddp'"):
        decoder_layers(SimpleNamespace(base_model=body))
