"""How many rows of keys and values fit into memory."""

import os
from collections.abc import Sequence

import torch

from lit_iterative.generation.language import Target
from lit_iterative.sequences import Tokens

#: The share of free memory that keys, values and logits may take.
SHARE = 0.7
#: Where Linux tells of the memory of the control group that this process is in.
CONTAINER = "/sys/fs/cgroup"


def rows_that_fit(target: Target, prompts: Sequence[Tokens], new_tokens: int) -> int:
    """Return how many branches can be sampled at a time: the target's batch size, or fewer where memory is short.

    A row needs keys and values of its own tokens and, at worst, of a prompt of its own, and its logits three times.

    Args:
        target: What is sampled from.
        prompts: What is to be continued.
        new_tokens: Tokens of a completion at most.
    """
    free = free_bytes(target.network.device)
    if free is None or not len(prompts):
        return target.batch_size
    config = target.network.config.get_text_config()
    heads: int = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size: int = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    tokens = max(len(prompt) for prompt in prompts) + new_tokens
    cached = 2 * int(config.num_hidden_layers) * heads * size * tokens * int(target.network.dtype.itemsize)
    return max(1, min(target.batch_size, int(free * SHARE) // (cached + 3 * 4 * int(config.vocab_size))))


def free_bytes(device: torch.device) -> int | None:
    """Return the memory that is free on a device; none where the system does not tell."""
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + unused
    if device.type == "cpu" and os.path.exists("/proc/meminfo"):
        with open("/proc/meminfo") as lines:
            known = dict(line.split(":") for line in lines)
        return int(min(int(known["MemAvailable"].split()[0]) * 1024, _left_in(CONTAINER)))
    return None


def _left_in(group: str) -> float:
    """Return what a control group of Linux may still take, such as that of a container; infinity without a limit."""
    if not os.path.exists(f"{group}/memory.max"):
        return float("inf")
    with open(f"{group}/memory.max") as limit, open(f"{group}/memory.current") as used:
        most, taken = limit.read().strip(), int(used.read())
    with open(f"{group}/memory.stat") as lines:
        files = next(int(line.split()[1]) for line in lines if line.startswith("inactive_file "))
    return float("inf") if most == "max" else int(most) - taken + files
