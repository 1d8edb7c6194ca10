"""Trees: prompts and completions in one stream without padding, every prompt once for all of its completions.

A prompt is a trunk; its completions are branches, of which equal ones are one. Each branch begins with the last token
of its prompt, so that its tokens are those that predict the completion's.
"""

from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate, pairwise

import torch
from torch import Tensor

Tokens = Sequence[int]


class Places:
    """Where rows of tokens stand in a stream.

    Args:
        index: For each token of each row, ``(rows, longest)``; 0 behind the end of a row.
        lengths: Tokens of every row, ``(rows,)``.
        whole: Whether all rows are as long as the longest.
    """

    def __init__(self, index: Tensor, lengths: Tensor, whole: bool) -> None:
        self.index = index
        self.lengths = lengths
        self.whole = whole

    @property
    def longest(self) -> int:
        """Tokens of the longest row."""
        return self.index.shape[1]

    @cached_property
    def inside(self) -> Tensor:
        """Which places are of a row, ``(rows, longest)``."""
        return torch.arange(self.longest, device=self.index.device) < self.lengths[:, None]

    def gather(self, stream: Tensor, behind: float | None = None) -> Tensor:
        """Return tokens ``(stream, ...)`` as rows, ``(rows, longest, ...)``.

        Args:
            stream: What the tokens have.
            behind: What stands behind the ends of rows; the first token's if left out.
        """
        rows = stream.index_select(0, self.index.flatten()).view(*self.index.shape, *stream.shape[1:])
        if behind is None or self.whole:
            return rows
        return rows.masked_fill_(~self.inside.view(*self.index.shape, *[1] * (rows.dim() - 2)), behind)

    def scatter(self, rows: Tensor, stream: Tensor) -> None:
        """Put rows back to where they stand in the stream."""
        if self.whole:
            stream.index_copy_(0, self.index.flatten(), rows.flatten(0, 1))
        else:
            stream.index_copy_(0, self.index[self.inside], rows[self.inside])

    def to(self, device: torch.device | str) -> "Places":
        """Return them on a device."""
        return Places(self.index.to(device), self.lengths.to(device), self.whole)


class Trees:
    """Prompts and completions of a batch, as a stream: first all trunks, then all branches, in the order of trees.

    Args:
        input_ids: Tokens of the stream, ``(1, tokens)``.
        position_ids: Positions; those of branches go on from their trunk's, ``(1, tokens)``.
        trunks: Prompts without their last tokens, a row each.
        branches: Completions without their last tokens, behind the last of their prompt, a row each.
        crowns: All branches of a tree behind each other, a row for each tree.
        targets: What the tokens of branches predict, ``(tokens of branches,)``.
        sources: For each row and position of the padded batch, which of the targets is its next token, ``(rows,
            length - 1)``; 0 where it is of no completion.
    """

    def __init__(
        self,
        input_ids: Tensor,
        position_ids: Tensor,
        trunks: Places,
        branches: Places,
        crowns: Places,
        targets: Tensor,
        sources: Tensor,
    ) -> None:
        self.input_ids = input_ids
        self.position_ids = position_ids
        self.trunks = trunks
        self.branches = branches
        self.crowns = crowns
        self.targets = targets
        self.sources = sources

    def to(self, device: torch.device | str) -> "Trees":
        """Return the trees on a device."""
        return Trees(*(value.to(device) for value in vars(self).values()))


def planted(prompts: Sequence[Tokens], completions: Sequence[Tokens]) -> Trees | None:
    """Return the trees of a batch; none where no completion has a token.

    Args:
        prompts: Token ids, at least one each.
        completions: Token ids.

    Example:
        >>> trees = planted([[1, 5], [1, 5], [1]], [[6, 2], [7], [8]])
        >>> trees.input_ids.tolist(), trees.position_ids.tolist(), trees.targets.tolist()
        ([[1, 5, 6, 5, 1]], [[0, 1, 2, 1, 0]], [6, 2, 7, 8])
    """
    grown: dict[tuple[int, ...], dict[tuple[int, ...], int]] = {}
    for prompt, completion in zip(prompts, completions, strict=True):
        if len(completion):
            grown.setdefault(tuple(prompt), {})[tuple(completion)] = 0
    if not grown:
        return None
    trunks = [prompt[:-1] for prompt in grown]
    stems = [prompt for prompt, branches in grown.items() for _ in branches]
    leaves = [completion for branches in grown.values() for completion in branches]
    starts = [0, *accumulate(map(len, leaves))]
    for (prompt, completion), start in zip(zip(stems, leaves, strict=True), starts, strict=False):
        grown[prompt][completion] = start
    tokens, before = list(map(len, leaves)), sum(map(len, trunks))
    crowns = _crowns([len(branches) for branches in grown.values()], tokens)
    ids = [*(token for trunk in trunks for token in trunk), *_given(stems, leaves)]
    grown_from = zip(stems, tokens, strict=True)
    positions = [*_positions(trunks), *(len(stem) - 1 + step for stem, length in grown_from for step in range(length))]
    return Trees(
        torch.tensor([ids]),
        torch.tensor([positions]),
        _places(0, list(map(len, trunks))),
        _places(before, tokens),
        _places(before, crowns),
        torch.tensor([token for completion in leaves for token in completion]),
        _sources(prompts, completions, grown),
    )


def _positions(trunks: Sequence[Tokens]) -> list[int]:
    return [step for trunk in trunks for step in range(len(trunk))]


def _given(stems: Sequence[Tokens], leaves: Sequence[Tokens]) -> list[int]:
    """Return the tokens that branches are given."""
    return [token for stem, completion in zip(stems, leaves, strict=True) for token in (stem[-1], *completion[:-1])]


def _crowns(branches: Sequence[int], tokens: Sequence[int]) -> list[int]:
    """Return the tokens of all branches of every tree."""
    ends = [0, *accumulate(branches)]
    return [sum(tokens[start:end]) for start, end in pairwise(ends)]


def _places(start: int, lengths: Sequence[int]) -> Places:
    """Return the places of rows that stand behind each other."""
    counts = torch.tensor(lengths)
    steps = torch.arange(max(lengths))
    firsts = start + counts.cumsum(0) - counts
    return Places(torch.where(steps < counts[:, None], firsts[:, None] + steps, 0), counts, len(set(lengths)) == 1)


def _sources(
    prompts: Sequence[Tokens], completions: Sequence[Tokens], grown: dict[tuple[int, ...], dict[tuple[int, ...], int]]
) -> Tensor:
    length = max(len(prompt) + len(completion) for prompt, completion in zip(prompts, completions, strict=True))
    sources = torch.zeros(len(prompts), length - 1, dtype=torch.long)
    for row, (prompt, completion) in enumerate(zip(prompts, completions, strict=True)):
        if len(completion):
            start, place = grown[tuple(prompt)][tuple(completion)], len(prompt) - 1
            sources[row, place : place + len(completion)] = torch.arange(start, start + len(completion))
    return sources
