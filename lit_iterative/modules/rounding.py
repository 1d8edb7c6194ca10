"""Rounding: how far a network may be from itself where nothing but the other rows of the batch differs."""

import torch
from torch import Tensor, nn

#: Nats that any log-probability of a completion may be off.
FLOOR = 1e-3
#: Epsilons of the type, times the root of the tokens. Scored under bfloat16 autocast in batches of 48, 4 and 1 rows on
#: a CPU, completions of 8 to 256 tokens by a pretrained model of stories and by random ones with sharp logits were off
#: by at most 7.7 of them (0.23 nats in 60 tokens), and under float16 autocast by 3.5; in float32 by 2e-5 nats.
FACTOR = 32.0
KINDS = {"64": torch.float64, "32": torch.float32, "16": torch.float16}
#: Bits of float32 products, by torch's setting: TF32 has as many as float16.
PRODUCTS = {"highest": torch.float32, "high": torch.float16, "medium": torch.bfloat16}


def tolerance(tokens: Tensor, kind: torch.dtype) -> Tensor:
    """Return how far the log-probabilities of completions may be off, in nats, ``(rows,)``.

    A forward pass rounds as the shape of its batch has it. The errors of tokens are about independent, so that those of
    a sum grow with the root of their number.

    Args:
        tokens: Of each completion, ``(rows,)``.
        kind: The type that the network computes in.

    Example:
        >>> tolerance(torch.tensor([16.0, 64.0]), torch.bfloat16)
        tensor([1., 2.])
    """
    return (FACTOR * torch.finfo(kind).eps * tokens.sqrt()).clamp(min=FLOOR)


def arithmetic(network: nn.Module, precision: str) -> torch.dtype:
    """Return the coarsest type that the forward pass of a network computes in.

    Args:
        network: Its weights count, and the type that those in few bits are brought to.
        precision: The trainer's, such as ``bf16-mixed``; one that is not known counts as bfloat16.

    Example:
        >>> arithmetic(nn.Linear(1, 1), "16-mixed"), arithmetic(nn.Linear(1, 1, dtype=torch.bfloat16), "32-true")
        (torch.float16, torch.bfloat16)
    """
    found = {parameter.dtype for parameter in network.parameters() if parameter.is_floating_point()}
    computed = (getattr(module, "compute_dtype", None) for module in network.modules())
    found |= {kind for kind in computed if isinstance(kind, torch.dtype)}
    found |= {KINDS.get(precision.split("-")[0], torch.bfloat16), _products()}
    return max(found, key=lambda kind: torch.finfo(kind).eps)


def _products() -> torch.dtype:
    try:
        return PRODUCTS[torch.get_float32_matmul_precision()]
    except RuntimeError:  # torch cannot tell where it was set through its newer API, as it is to allow TF32
        return torch.float16
