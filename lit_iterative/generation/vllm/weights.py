"""Weights on their way to vLLM: what has changed since the last time, and the folder through which it goes."""

import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from typing import Any
from uuid import uuid4

import torch
from torch import Tensor, distributed

from lit_iterative.errors import SetupError
from lit_iterative.generation.vllm.service import Adapter, Service

#: Adapters that vLLM keeps at a time: of the policy and of the other selves that a round asks.
KEPT = 4
#: What PEFT puts before the names of an adapter's parameters.
LORA = "lora_"
#: Integers as wide as numbers of so many bytes.
WIDTHS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


class Pushed:
    """What vLLM has of a policy's weights; sends what it lacks.

    Args:
        folder: Where weights are written for vLLM to read.
    """

    def __init__(self, folder: str) -> None:
        self._folder = os.path.abspath(folder)
        self._base = ""
        self._served = ""
        self._adapters: dict[str, Adapter] = {}
        self._made = 0

    def push(self, network: Any, service: Service) -> Adapter | None:
        """Send what has changed: all weights, or the adapter alone where there is one, which is never merged.

        Returns:
            The adapter to sample with; none where there is none, or it is switched off.

        Raises:
            SetupError: If the weights are spread over ranks, several ranks have all of them to send, the base of an
                adapter has changed, or nothing can be written.
        """
        check_whole(network)
        if not hasattr(network, "peft_config"):
            self._push_all(network, service)
            return None
        self._push_base(network, service)
        return None if _switched_off(network) else self._push_adapter(network, service)

    def _push_all(self, network: Any, service: Service) -> None:
        mark = fingerprint(network.state_dict())
        if mark == self._base:
            return
        if distributed.is_initialized() and distributed.get_world_size() > 1:  # and save_pretrained writes on the first
            raise SetupError(
                f"{distributed.get_world_size()} ranks would load all weights into one vLLM, each while others sample. "
                "Train a lora, whose adapters do not get into each other's way, or train on one device."
            )
        self._base = ""  # neither the old nor the new ones, should this fail halfway
        folder = written(self._folder, f"weights-{mark}", network.save_pretrained)
        service.load(network, folder)
        if self._served != folder:
            shutil.rmtree(self._served, ignore_errors=True)
        self._base, self._served = mark, folder

    def _push_base(self, network: Any, service: Service) -> None:
        mark = fingerprint({name: value for name, value in network.state_dict().items() if LORA not in name})
        if not self._base:
            service.begin(network, mark)
            self._base = mark
        if mark != self._base:
            raise SetupError(
                "The weights below the adapter have changed since vLLM began to serve them, and only adapters are "
                "sent to it. Use Continue() or NewAdapter() in place of MergeAdapter(), or train without lora."
            )

    def _push_adapter(self, network: Any, service: Service) -> Adapter:
        own = {name: value for name, value in network.state_dict().items() if LORA in name}
        mark = fingerprint(own, str([(layer.r, layer.scaling) for layer in lora_layers(network)]))
        known = self._adapters.pop(mark, None)
        if known is None:
            folder = written(self._folder, f"adapter-{mark}", lambda place: save_adapter(network, place))
            self._made += 1
            known = Adapter(f"adapter-{mark}", self._made, folder)
            service.attach(known)
        self._adapters[mark] = known  # the last used come last
        while len(self._adapters) > KEPT:
            oldest = self._adapters.pop(next(iter(self._adapters)))
            service.detach(oldest)
            shutil.rmtree(oldest.folder, ignore_errors=True)
        return known


def fingerprint(tensors: Mapping[str, Any], settings: str = "") -> str:
    """Return a short name of weights, another one for others.

    The bits of every tensor are summed as integers along its first and its other dimensions, on its device: one pass
    over the weights, no copy, and the same sums everywhere. The sums are hashed.

    Args:
        tensors: By name; whatever is no tensor is left out.
        settings: What else belongs to the name.

    Example:
        >>> one, other = torch.tensor([[1.0, 2.0]]), torch.tensor([[2.0, 1.0]])
        >>> fingerprint({"w": one}) == fingerprint({"w": other}), len(fingerprint({"w": one}))
        (False, 16)
    """
    digest = sha256(settings.encode())
    for name, value in sorted(tensors.items()):
        if isinstance(value, Tensor):
            digest.update(f"{name}:{value.dtype}:{tuple(value.shape)}".encode())
            for sums in _sums(value.detach()):
                digest.update(sums.cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def _sums(tensor: Tensor) -> Iterable[Tensor]:
    """Return sums of a tensor's bits, or the bits themselves where it has one dimension."""
    bits = (torch.view_as_real(tensor) if tensor.is_complex() else tensor).contiguous()
    bits = bits.view(WIDTHS[bits.element_size()])
    if bits.dim() < 2:
        return [bits]
    table = bits.flatten(start_dim=1)
    return [table.sum(dim=0, dtype=torch.int64), table.sum(dim=1, dtype=torch.int64)]


def written(folder: str, name: str, save: Callable[[str], Any]) -> str:
    """Write something to a place of its own, whole or not at all, and return where; what is there already stays.

    Args:
        folder: In which.
        name: Says what it is: a place of this name has the same content.
        save: Writes it into an empty folder.

    Raises:
        SetupError: If it cannot be written.
    """
    place = os.path.join(folder, name)
    part = os.path.join(folder, f".{name}.{uuid4().hex}")  # of this rank alone
    try:
        if not os.path.isdir(place):
            os.makedirs(part)
            save(part)
            os.rename(part, place)
    except OSError as error:
        if not os.path.isdir(place):  # else another rank was first
            raise SetupError(
                f"The weights for vLLM cannot be written to {folder} ({error}). Free some space there or name another "
                "folder, and run the same command again."
            ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return place


def save_adapter(network: Any, place: str) -> None:
    """Write the adapter of a network, and nothing of its base."""
    network.save_pretrained(place, save_embedding_layers=False)


def save_base(network: Any, place: str) -> None:
    """Write the base of a network with an adapter, as if it had none."""
    base = network.get_base_model()
    state = {name.replace(".base_layer.", "."): value for name, value in base.state_dict().items() if LORA not in name}
    base.save_pretrained(place, state_dict=state)


def lora_layers(network: Any) -> list[Any]:
    """Return the layers that have an adapter."""
    from peft.tuners.lora import LoraLayer

    return [layer for layer in network.modules() if isinstance(layer, LoraLayer)]


def _switched_off(network: Any) -> bool:
    return any(layer.disable_adapters for layer in lora_layers(network))


def check_whole(network: Any) -> None:
    """Check that this process has all weights.

    Raises:
        SetupError: If they are spread over ranks.
    """
    spread = any(hasattr(parameter, "full_tensor") for parameter in network.parameters())
    if spread or network.get_input_embeddings().weight.dim() != 2:
        raise SetupError(
            "The policy's weights are spread over ranks (FSDP, DeepSpeed stage 3, tensor parallelism), so that no rank "
            "can send them to vLLM. Use strategy: ddp or a single device with vLLM, or sample in this process."
        )
