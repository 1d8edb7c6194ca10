"""Stand-ins for what surrounds an op in a real run: where columns come from, a model, an earlier round."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from lit_iterative.columns import read
from lit_iterative.generation.forward import Member
from lit_iterative.ops.context import Context
from lit_iterative.ops.op import Op
from lit_iterative.testing.fake_language import FakeLanguage
from lit_iterative.testing.tables import CLASSES


@dataclass(frozen=True)
class Source(Op):
    """Provides the rows of a given table, by id, so that the executor can run any op after it.

    Args:
        table: Has a column ``id``; an id may have several rows, or none.

    Example:
        >>> source = Source(pa.table({"id": [1, 2], "label": [7, 8]}))
        >>> source(pa.table({"id": [2]}), None)["label"].to_pylist()
        [8]
    """

    table: pa.Table

    @property
    def requires(self) -> tuple[str, ...]:
        """The ids."""
        return ("id",)

    @property
    def provides(self) -> tuple[str, ...]:
        """All other columns of the table."""
        return tuple(name for name in self.table.column_names if name != "id")

    def __call__(self, table: pa.Table, context: Context | None) -> pa.Table:
        """Return the rows with these ids, in the order of the ids."""
        known, wanted = read(self.table, "id"), read(table, "id")
        order = np.argsort(known, kind="stable")
        first, last = (np.searchsorted(known, wanted, side, order) for side in ("left", "right"))
        spans = [order[start:end] for start, end in zip(first, last, strict=True)]
        return self.table.take(pa.array(np.concatenate([np.zeros(0, np.int64), *spans])))


class FakeForward:
    """Stands where a :class:`~lit_iterative.generation.forward.ForwardPass` does.

    Its dataset holds numbers; what it says of an input depends on the number and on the member, and on
    nothing else.

    Args:
        classes: Classes that it tells apart.
    """

    def __init__(self, classes: int = CLASSES) -> None:
        self.classes = classes
        self.passes = 0

    @contextmanager
    def quiet(self, *seed: int | str) -> Iterator[None]:
        """Do nothing; there is no training to disturb."""
        yield

    def run(self, batch: Tensor, index: int, members: list[Member], *seed: int | str) -> list[dict[str, Tensor]]:
        """Return ``logits`` and ``probs`` of every member, each ``(rows, classes)``."""
        self.passes += 1
        outputs = []
        for number in range(len(members)):
            angle = batch[:, None].double() * torch.arange(1, self.classes + 1) + number / 4
            logits = (3 * angle.sin()).float()
            outputs.append({"logits": logits, "probs": logits.softmax(dim=1)})
        return outputs

    @contextmanager
    def language(self, member: Member) -> Iterator[FakeLanguage]:
        """Lend a language model, another one for each member."""
        yield FakeLanguage(member)


@dataclass
class Past:
    """An earlier round whose rows are a given table.

    Args:
        round: Its number.
        rows: Its rows.
    """

    round: int
    rows: pa.Table

    def table(self, columns: list[str] | None = None) -> pa.Table:
        """Return the rows, all columns or some."""
        return self.rows if columns is None else self.rows.select(columns)


def snapshot(value: Any) -> bytes:
    """Return the content of a table as bytes, to see later whether anybody changed it."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, value.schema) as writer:
        writer.write_table(value)
    content: bytes = sink.getvalue().to_pybytes()
    return content
