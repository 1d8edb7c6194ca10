"""Small networks whose next tokens are far from equally likely, so that a wrong mask or position shows."""

from typing import Any

import torch

from lit_iterative.modules.backbone import Fresh
from tests.projects.words import ALPHABET, GPT2, LLAMA

CONFIGS = {"rotary": LLAMA, "absolute": GPT2}
PAD, BOS, EOS, FIRST = 0, 1, 2, 4


def network(kind: str, scale: float = 0.3) -> Any:
    """Return a Llama (rotary positions) or a GPT-2 (absolute ones) in evaluation mode, the same at every call."""
    made = Fresh(ALPHABET, CONFIGS[kind]).network().eval()
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, scale, generator=draw)
    return made


def prompts(lengths: list[int], seed: int = 0) -> list[list[int]]:
    """Return prompts of these lengths: BOS, then characters."""
    draw = torch.Generator().manual_seed(seed)
    size = FIRST + len(ALPHABET)
    return [[BOS, *torch.randint(FIRST, size, (length - 1,), generator=draw).tolist()] for length in lengths]
