"""What of a policy is saved: everything, or the trained part alone with a proof of the rest."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import torch
from torch import Tensor, nn

from lit_iterative.errors import SetupError

PROOF = "base_fingerprint"


def fingerprint(module: nn.Module) -> Tensor:
    """Return a hash of the parameters that are not trained, 32 bytes, ``(32,)`` uint8."""
    digest = sha256()
    for name, parameter in sorted(module.named_parameters()):
        if not parameter.requires_grad:
            tensor = parameter.detach().cpu().contiguous()
            digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)}".encode())
            digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return torch.tensor(list(digest.digest()), dtype=torch.uint8)


def trained_part(module: nn.Module, state: dict[str, Any]) -> dict[str, Any]:
    """Return the entries of a state dict that are trained, and the proof."""
    names = {name for name, parameter in module.named_parameters() if parameter.requires_grad}
    return {name: value for name, value in state.items() if name in names or name == PROOF}


def check_restorable(module: nn.Module, state: Mapping[str, Any]) -> None:
    """Check that a saved trained part belongs on this base.

    Args:
        module: The policy, with its base and adapter.
        state: What is to be loaded.

    Raises:
        SetupError: If the base is another one, or a trained parameter is missing.
    """
    found, own = state.get(PROOF), dict(module.named_buffers()).get(PROOF)
    if found is not None and own is not None and not torch.equal(found.cpu(), own.cpu()):
        raise SetupError(
            "The checkpoint holds the trained part of a policy whose base has other weights than this one. Load the "
            "same model (path, revision, quantisation) as when it was saved."
        )
    names = {name for name, parameter in module.named_parameters() if parameter.requires_grad}
    missing = sorted(names - set(state))
    if missing:
        raise SetupError(
            f"The checkpoint lacks {len(missing)} of {len(names)} trained parameters, for example {missing[0]}. Give "
            "the policy the LoRA (rank, targets) that it was saved with."
        )


def check_restored(module: nn.Module, state: Mapping[str, Any]) -> None:
    """Check that every trained parameter now has the value that was saved.

    Raises:
        SetupError: If one has not.
    """
    for name, parameter in module.named_parameters():
        if parameter.requires_grad and not torch.equal(parameter.detach().cpu(), state[name].detach().cpu()):
            raise SetupError(
                f"{name} was not restored from the checkpoint. Is its type another one than when it was saved?"
            )
