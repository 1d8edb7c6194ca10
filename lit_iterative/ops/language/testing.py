"""Small tables of candidates for docstring examples and tests."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from lit_iterative.columns import write
from lit_iterative.ops.language.tokens import int_lists

END = 2


def completed(text: str, finish: str = "stop") -> list[int]:
    """Return a text as token ids, one a character, with an EOS where it was not cut.

    Example:
        >>> completed("19"), completed("19", "length")
        ([49, 57, 2], [49, 57])
    """
    return [*map(ord, text), *([END] if finish == "stop" else [])]


def candidates(text: Sequence[str], group: Sequence[Any] | None = None, **columns: Any) -> pa.Table:
    """Return candidates with these texts, as ``Sample`` leaves them; all of one prompt unless groups are given.

    Args:
        text: The completions; a text that ends with ``~`` was cut there.
        group: The group of each, which is also its id.
        columns: Further columns; Arrow arrays as they are, other numbers as float64.

    Example:
        >>> candidates(["4", "4~"], **{"scores.reward": [1, 0]}).select(["id", "text", "finish"]).to_pylist()
        [{'id': 0, 'text': '4', 'finish': 'stop'}, {'id': 0, 'text': '4', 'finish': 'length'}]
    """
    groups = [0] * len(text) if group is None else list(group)
    finish = ["length" if line.endswith("~") else "stop" for line in text]
    plain = [line.removesuffix("~") for line in text]
    table = pa.table(
        {
            "id": groups,
            "group": groups,
            "candidate": pa.array([groups[:row].count(name) for row, name in enumerate(groups)], pa.int32()),
            "prompt": [f"prompt {name}" for name in groups],
            "prompt_ids": int_lists([1, *completed(f"{name}", "length")] for name in groups),
            "text": pa.array(plain, pa.string()),
            "completion_ids": int_lists(map(completed, plain, finish)),
            "finish": pa.array(finish, pa.string()),
            "source": pa.array(["Policy"] * len(text), pa.string()),
        }
    )
    return write(table, **{name: _array(values) for name, values in columns.items()})


def _array(values: Any) -> Any:
    if isinstance(values, pa.Array) or isinstance(values[0], str | bool | None):
        return pa.array(values)
    return np.asarray(values, dtype=np.float64)
