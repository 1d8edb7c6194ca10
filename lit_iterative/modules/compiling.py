"""Compiling: torch.compile for what a network does in training and scoring, and for nothing else."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from lit_iterative.attention.probe import remember
from lit_iterative.errors import SetupError


def compiled(network: Any, backend: str | None) -> Any:
    """Return the network with its body compiled; its parameters keep their names.

    The graphs are for any number of rows and tokens; those with and without gradients are two.

    Args:
        network: A transformers causal LM, with or without an adapter of PEFT.
        backend: Of ``torch.compile``; the network is returned as it is when none.

    Raises:
        SetupError: If torch does not know the backend, or is too old to let the sampler run as it is.
    """
    if backend is None:
        return network
    known = [*torch.compiler.list_backends(), "eager", "aot_eager"]
    if backend not in known:
        raise SetupError(f"LanguagePolicy(compiler={backend!r}) is no backend of torch.compile. Choose one of {known}.")
    if not hasattr(torch.compiler, "set_stance"):
        raise SetupError(
            f"LanguagePolicy(compiler) needs torch 2.6 or newer, to sample with what is not compiled, but this is "
            f"{torch.__version__}. Leave compiler out, or install a newer torch."
        )
    inner = network.get_base_model() if hasattr(network, "get_base_model") else network
    inner.base_model.compile(backend=backend, dynamic=True)
    remember(network, "its body is compiled")  # attention over trees would be compiled for every batch
    return network


def uncompiled(backend: str | None) -> AbstractContextManager[Any]:
    """Return a context in which what is compiled runs as it was written.

    The sampler gives the network an attention and a cache of its own, whose Python would be compiled for every shape.

    Args:
        backend: That of the network; none if it is not compiled.
    """
    if backend is None:
        return nullcontext()
    stance: AbstractContextManager[Any] = torch.compiler.set_stance("force_eager")
    return stance
