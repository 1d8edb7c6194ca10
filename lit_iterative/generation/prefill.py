"""Reading prompts: one pass of the model over several of them, which leaves their keys and values in the cache."""

from collections.abc import Sequence

import torch

from lit_iterative.generation.branches import BranchCache, Prefill
from lit_iterative.generation.language import Target
from lit_iterative.generation.queue import Shared


def read(target: Target, cache: BranchCache, prompts: Sequence[Shared], slots: int) -> None:
    """Read prompts into their slots: all but the last token of each, which its branches are given as their first.

    Args:
        target: The model.
        cache: Where the slots are.
        prompts: What to read, with their slots set.
        slots: How many slots are in use with them.
    """
    length = max(len(shared.before) for shared in prompts)
    cache.prompts.reserve(slots, length)
    if length == 0:
        return
    device = target.network.device
    # what stands behind a prompt is never seen; its own last token, as models warn of padding without a mask
    ids = torch.tensor([[*shared.before, *[shared.ids[-1]] * (length - len(shared.before))] for shared in prompts])
    places = torch.tensor([shared.slot for shared in prompts], device=device)
    positions = torch.arange(length, device=device).expand(len(prompts), -1)
    with cache.during(Prefill(places)):
        target.network(
            input_ids=ids.to(device),
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,  # the fewest there can be: nothing is drawn here
        )
