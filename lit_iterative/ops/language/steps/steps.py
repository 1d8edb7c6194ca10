"""Steps: how a completion is cut, and the table of steps that continue one state.

A *state* is a prompt and the steps so far. It is a prompt like any other: ``prompt_ids`` holds both, so that an engine
reads them once for all steps that continue it, and pairs of steps train like pairs of completions. A row is a step:

| column | what it is |
|---|---|
| ``group`` | the name of the state, a text: rows of one state are the candidates of one group |
| ``prompt``, ``prompt_ids`` | the state |
| ``prefix_ids`` | its last part: the steps so far |
| ``step`` | how many they are |
| ``candidate``, ``completion_ids``, ``text``, ``finish`` | the step, as ``Sample`` has completions |
| ``done`` | whether the solution ends with it |
"""

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa

from lit_iterative.columns import read, write
from lit_iterative.errors import DataError, PipelineError
from lit_iterative.ops.language.tokens import ids_of, int_lists, repeats, texts_of
from lit_iterative.sequences import Tokens

Decode = Callable[[Tokens], str]
#: What tells a state, beside the prompt.
STATE = ("group", "prompt", "prompt_ids", "prefix_ids", "step")


def check_separator(op: str, separator: str) -> None:
    """Check that a separator is one.

    Raises:
        PipelineError: If it is empty.
    """
    if not separator:
        raise PipelineError(f"{op}(separator) is empty. Give the text with which a step ends, such as a line break.")


def step_ends(ids: Tokens, decode: Decode, separator: str) -> list[int]:
    r"""Return where the steps of a completion end: behind each token that completes a separator, and at its end.

    A step that is drawn with the separator as stop text ends in the same place.

    Args:
        ids: The completion.
        decode: Turns token ids to text.
        separator: The text with which a step ends.

    Example:
        >>> step_ends([*b"1+2;3+4;5"], lambda ids: bytes(ids).decode(), ";")
        [4, 8, 9]
    """
    ends, start = [], 0
    for end in range(1, len(ids) + 1):
        if ends_step(ids[start:end], decode, separator):
            ends.append(end)
            start = end
    return ends if start == len(ids) else [*ends, len(ids)]


def ends_step(ids: Tokens, decode: Decode, separator: str) -> bool:
    """Tell whether the last token of a step completes a separator, not whether the solution ends there.

    Example:
        >>> ends_step([*b"1+2;"], lambda ids: bytes(ids).decode(), ";")
        True
    """
    reach = len(separator.encode()) + 1  # a token has a byte or more
    return separator in decode(ids[-reach:])


def roots(table: pa.Table) -> pa.Table:
    """Return prompts as states in which no step has been made; states stay what they are.

    Args:
        table: Prompts, or states.

    Raises:
        DataError: If a prompt comes twice, so that its steps would be mixed.

    Example:
        >>> roots(pa.table({"id": [7], "prompt_ids": [[1, 5]]})).select(["group", "step"]).to_pylist()
        [{'group': '7', 'step': 0}]
    """
    if "prefix_ids" in table.column_names:
        return table
    names = [str(id) for id in read(table, "id").tolist()]
    if repeats(names).any():
        raise DataError("A prompt has several rows, but steps begin from each prompt once. Draw them behind Prompts.")
    return write(
        table,
        group=pa.array(names, pa.string()),
        prefix_ids=int_lists([[] for _ in names]),
        step=np.zeros(len(names), dtype=np.int32),
    )


def advanced(rows: pa.Table, decode: Decode) -> pa.Table:
    """Return the states that steps lead to, with the columns of their rows.

    Args:
        rows: Steps.
        decode: Turns token ids to text.
    """
    made = ids_of(rows, "completion_ids")
    prefixes = joined(ids_of(rows, "prefix_ids"), made)
    names = zip(texts_of(rows, "group"), read(rows, "candidate").tolist(), strict=True)
    beginnings = zip(first_prompts(rows, decode), prefixes, strict=True)
    return write(
        rows,
        group=pa.array([f"{state}.{candidate}" for state, candidate in names], pa.string()),
        prompt=pa.array([prompt + decode(prefix) for prompt, prefix in beginnings], pa.string()),
        prompt_ids=int_lists(joined(ids_of(rows, "prompt_ids"), made)),
        prefix_ids=int_lists(prefixes),
        step=read(rows, "step") + np.int32(1),
    )


def solutions(rows: pa.Table, tails: Sequence[Tokens], decode: Decode) -> pa.Table:
    """Return whole solutions in place of their steps, as scorers of completions read them.

    Args:
        rows: Steps.
        tails: What follows on each.
        decode: Turns token ids to text.
    """
    prefixes, prompts = ids_of(rows, "prefix_ids"), ids_of(rows, "prompt_ids")
    whole = joined(prefixes, ids_of(rows, "completion_ids"), tails)
    before = [ids[: len(ids) - len(prefix)] for ids, prefix in zip(prompts, prefixes, strict=True)]
    return write(
        rows,
        prompt=pa.array(first_prompts(rows, decode), pa.string()),
        prompt_ids=int_lists(before),
        completion_ids=int_lists(whole),
        text=pa.array([decode(ids) for ids in whole], pa.string()),
    )


def first_prompts(rows: pa.Table, decode: Decode) -> list[str]:
    """Return the prompts that states began with."""
    both = zip(texts_of(rows, "prompt"), ids_of(rows, "prefix_ids"), strict=True)
    return [prompt.removesuffix(decode(prefix)) if prefix else prompt for prompt, prefix in both]


def joined(*parts: Sequence[Tokens]) -> list[list[int]]:
    """Return the token ids of every row in one list.

    Example:
        >>> joined([[1], [2]], [[3], []])
        [[1, 3], [2]]
    """
    return [[token for part in row for token in part] for row in zip(*parts, strict=True)]
