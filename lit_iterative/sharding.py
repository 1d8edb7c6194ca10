"""Sharding: every process holds a part of each weight (FSDP2), and where passes are not those of training, all of them.

Torch gathers the weights of a layer when the training forward comes to it, which every process does as often as all
others. Sampling and scoring are not like that: each process has rows of its own.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from lit_iterative import _compat
from lit_iterative.errors import SetupError

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh


def shard(module: nn.Module, layers: Iterable[nn.Module], mesh: "DeviceMesh") -> None:
    """Spread the weights of a module over processes: those of each layer together, and the others together.

    Calling the module gathers them; its gradients are means over the processes.

    Args:
        module: Whatever is called as a whole.
        layers: Parts of it, called one after the other.
        mesh: The processes.

    Raises:
        SetupError: If torch is too old.
    """
    from torch.distributed import fsdp

    if not hasattr(getattr(fsdp, "FSDPModule", None), "reset_iter_state"):
        raise SetupError(
            f"torch {torch.__version__} cannot forget passes of sharded modules, as sampling asks for. Install torch "
            "2.13 or newer, or use Trainer(strategy='ddp')."
        )
    for part in (*layers, module):
        sharded: Any = fsdp.fully_shard(part, mesh=mesh)
        if mesh.device_type == "cpu":
            sharded.set_force_sum_reduction_for_comms(True)  # gloo adds up, and knows no mean


def units_of(module: nn.Module) -> list[Any]:
    """Return the parts of a module whose weights are gathered together; none where nothing is sharded.

    Example:
        >>> units_of(nn.Linear(1, 1))
        []
    """
    return [part for part in module.modules() if hasattr(type(part), "set_reshard_after_forward")]


@contextmanager
def whole(module: nn.Module) -> Iterator[None]:
    """Let every process hold all weights of a module for a while, in which it needs no other process to call it.

    All processes enter together. A module that is not sharded stays as it is. No gradients are to be computed inside:
    the passes made there are forgotten, since in a backward pass torch gathers weights in the order of past passes.
    """
    units = units_of(module)
    if not units:
        yield
        return
    root: Any = module
    _compat.begin_sharded(root)
    for unit in units:
        unit.set_reshard_after_forward(False, recurse=False)
        unit.unshard()
    try:
        yield
    finally:
        root.reset_iter_state()  # which frees what was gathered
        for unit in units:
            unit.set_reshard_after_forward(unit is not root, recurse=False)  # as torch has it


def whole_state(module: nn.Module) -> dict[str, Any]:
    """Return the state dict of a module.

    Of a sharded one all processes ask together, and the first alone is given it, on the CPU.
    """
    if not units_of(module):
        return module.state_dict()
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

    return dict(get_model_state_dict(module, options=StateDictOptions(full_state_dict=True, cpu_offload=True)))


def held_alike(weights: Mapping[str, Tensor], own: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return whole weights as a sharded module holds those of the same names: a part of each in every process.

    Args:
        weights: The same in all processes.
        own: The state dict of the module.
    """
    from torch.distributed.tensor import DTensor, distribute_tensor

    held = dict(weights)
    for name, value in weights.items():
        like = own.get(name)
        if isinstance(like, DTensor):
            given = value.to(like.device, like.dtype)
            held[name] = distribute_tensor(given, like.device_mesh, like.placements, src_data_rank=None)
    return held
