"""What of a policy is saved: everything, or the trained part alone with a proof of the rest."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import torch
from torch import Tensor, nn

from lit_iterative.errors import SetupError

PROOF = "base_fingerprint"


def fingerprint(network: nn.Module) -> Tensor:
    """Return a hash of all that is saved of a network but not trained, 32 bytes, ``(32,)`` uint8.

    Of quantised weights that includes their scales, without which the packed bits mean nothing.
    """
    trained = trained_names(network)
    digest = sha256()
    for name, value in sorted(network.state_dict().items()):
        if name not in trained and isinstance(value, Tensor):
            tensor = value.detach().cpu().contiguous()
            digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)}".encode())
            digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return torch.tensor(list(digest.digest()), dtype=torch.uint8)


def trained_names(module: nn.Module) -> set[str]:
    """Return the names of the parameters that are trained."""
    return {name for name, parameter in module.named_parameters() if parameter.requires_grad}


def trained_part(module: nn.Module, state: dict[str, Any]) -> dict[str, Any]:
    """Return the entries of a state dict that are trained, and the proof."""
    names = trained_names(module) | {PROOF}
    return {name: value for name, value in state.items() if name in names}


def check_restorable(module: nn.Module, state: Mapping[str, Any]) -> None:
    """Check that a saved trained part belongs on this base, and is all of what is trained.

    Args:
        module: The policy, with its base and adapter.
        state: What is to be loaded.

    Raises:
        SetupError: If the base is another one, or the trained parameters are others.
    """
    names, found = trained_names(module), state.get(PROOF)
    shapes = {name: parameter.shape for name, parameter in module.named_parameters()}
    missing = sorted(name for name in names if name not in state or state[name].shape != shapes[name])
    if missing:
        raise SetupError(
            f"The checkpoint lacks {len(missing)} of {len(names)} trained parameters, or has them in other shapes, "
            f"for example {missing[0]}. Give the policy the LoRA (rank, targets) that it was saved with."
        )
    unknown = sorted(set(state) - names - {PROOF})
    if found is None or unknown:
        named = f", for example {unknown[0]}" if unknown else ""
        raise SetupError(
            f"The checkpoint is not the trained part of this policy: it holds {len(unknown)} tensors that are not "
            f"trained here{named}. Give the policy the LoRA (targets) and the option save that it was saved with."
        )
    if not torch.equal(found.cpu(), dict(module.named_buffers())[PROOF].cpu()):
        raise SetupError(
            "The checkpoint holds the trained part of a policy whose base has other weights than this one. Load the "
            "same model (path, revision, dtype, quantisation) as when it was saved."
        )


def check_restored(module: nn.Module, state: Mapping[str, Any]) -> None:
    """Check that every trained parameter now has the value that was saved, as far as its type can hold it.

    Raises:
        SetupError: If one has not.
    """
    for name, parameter in module.named_parameters():
        if not parameter.requires_grad:
            continue
        saved, now = state[name].detach().cpu(), parameter.detach().cpu()
        if saved.shape != now.shape or not torch.equal(saved.to(now.dtype), now):
            raise SetupError(
                f"{name} was not restored from the checkpoint: saved with mean {float(saved.float().mean()):.4g}, it "
                f"now has {float(now.float().mean()):.4g}. Does another library put its own weights in its place?"
            )
