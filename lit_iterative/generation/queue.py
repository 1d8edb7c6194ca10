"""What waits to be sampled: prompts, longest first, and the branches of each."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from lit_iterative.sequences import Tokens


@dataclass
class Shared:
    """A prompt, and its branches that have not been given a row yet.

    Args:
        ids: Its tokens.
        branches: Their numbers.
        slot: Where its keys are, once it has been read.
        open: Branches that have not ended.
    """

    ids: Tokens
    branches: deque[int] = field(default_factory=deque)
    slot: int = -1
    open: int = 0

    @property
    def before(self) -> Tokens:
        """The tokens that branches share: all but the last, which each branch is given as its first one."""
        return self.ids[:-1]


def grouped(prompts: Sequence[Tokens], numbers: Sequence[int]) -> deque[Shared]:
    """Return equal prompts as one, with the branches that are still to be sampled; the longest prompts first.

    Args:
        prompts: Of all branches.
        numbers: The branches that are to be sampled.

    Example:
        >>> [(shared.ids, list(shared.branches)) for shared in grouped([[1], [1, 2], [1]], [0, 1, 2])]
        [([1, 2], [1]), ([1], [0, 2])]
    """
    known: dict[tuple[int, ...], Shared] = {}
    for number in numbers:
        shared = known.setdefault(tuple(prompts[number]), Shared(prompts[number]))
        shared.branches.append(number)
        shared.open += 1
    return deque(sorted(known.values(), key=lambda shared: -len(shared.ids)))
