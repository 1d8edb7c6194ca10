"""Predict: class probabilities of every input, by one forward pass over the pool."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from lit_iterative.columns import Array, read, write
from lit_iterative.errors import DataError
from lit_iterative.ops.actors import Actor, Policy
from lit_iterative.ops.context import Context
from lit_iterative.ops.op import Op


@dataclass(frozen=True)
class Predict(Op):
    """Runs the model over the inputs.

    The mean over the actor's members is the prediction. Batches never cross shards, so the same rows meet
    in a batch whatever the number of ranks; every rank does the same number of forward passes.

    Args:
        actor: Who predicts.
        output: Whether the model's step returns ``logits`` or probabilities (``probs``). It may also return
            a dictionary with a key of that name.
        keep_logits: Whether to keep the column ``logits`` too (mean over members); needs ``logits``.
        keep_members: Whether to keep the column ``members``: the probabilities of each member in a row.

    Provides:
        ``probs`` of shape ``(rows, classes)``, float32; ``source``, the actor's name; on request ``logits``
        ``(rows, classes)`` and
        ``members`` ``(rows, members * classes)``.

    Raises:
        DataError: If the step returns anything else than ``(rows, classes)`` finite numbers, when run.

    Example:
        >>> Predict(keep_members=True).provides
        ('probs', 'members', 'source')
    """

    actor: Actor = field(default_factory=Policy)
    output: Literal["logits", "probs"] = "logits"
    keep_logits: bool = False
    keep_members: bool = False
    runs_model: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.keep_logits and self.output != "logits":
            raise DataError("keep_logits needs a model that returns logits. Set output: logits, or leave it out.")

    @property
    def provides(self) -> tuple[str, ...]:
        """The predictions, and who made them."""
        return (*self._predicted, "source")

    @property
    def _predicted(self) -> tuple[str, ...]:
        return ("probs", *(name for name in ("logits", "members") if getattr(self, f"keep_{name}")))

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return one shard with its predictions."""
        return next(self.map([table], context))

    def map(self, shards: Iterable[pa.Table], context: Context) -> Iterator[pa.Table]:
        """Stream over all shards of this rank with one loader, so that its workers start once."""
        tables = list(shards)  # ids, and columns of earlier ops: small
        batches = _Batches(tables, context)
        outputs = self._outputs(batches, context)
        rows_done, rows = 0, sum(table.num_rows for table in tables)
        like = next(outputs) if not rows else None  # tells the width of a table without rows
        for table in tables:
            parts = [next(outputs) for _ in batches.starts(table)]
            like = parts[0] if parts else like
            yield self._joined(table, parts, like)
            rows_done += table.num_rows
            if context.progress is not None:
                context.progress(rows_done, rows)
        for _ in outputs:
            pass  # passes that only keep the other ranks company

    def _outputs(self, batches: "_Batches", context: Context) -> Iterator[dict[str, Array]]:
        """Yield what the members say of each batch, reduced to the columns that are kept."""
        members = self.actor.members
        forward = context.model()
        for index, batch in enumerate(context.pool.loader(batches)):
            ids = batches.ids(index)
            outputs = forward.run(batch, index, members, context.seed, context.round, str(ids[0]))
            yield self._columns([self._tensor(output, len(ids), index) for output in outputs])

    def _columns(self, outputs: list[Tensor]) -> dict[str, Array]:
        outputs = [output.float() for output in outputs]
        probs = [output.softmax(dim=-1) for output in outputs] if self.output == "logits" else outputs
        columns = {"probs": _mean(probs)}
        if self.keep_logits:
            columns["logits"] = _mean(outputs)
        if self.keep_members:
            columns["members"] = torch.cat(probs, dim=1)
        return {name: value.cpu().numpy() for name, value in columns.items()}

    def _joined(self, table: pa.Table, parts: list[dict[str, Array]], like: dict[str, Array] | None) -> pa.Table:
        columns: dict[str, Array] = {}
        for name in self._predicted:
            empty = [] if like is None else [like[name][:0]]
            columns[name] = np.concatenate([part[name] for part in parts] or empty)
        bad = read(table, "id")[~np.isfinite(columns["probs"]).all(axis=1)]
        if len(bad):
            raise DataError(
                f"The model predicts NaN or infinity for {len(bad)} inputs, for example ids {bad[:3].tolist()}. "
                "Lower the learning rate or clip gradients (Trainer(gradient_clip_val=1.0)), and check the inputs."
            )
        probs = columns["probs"]
        if len(probs) and (probs.min() < -1e-3 or probs.max() > 1 + 1e-3):
            raise DataError(
                "The model's step returned numbers outside of [0, 1]. Set output: logits, or return probabilities."
            )
        source = pa.array([type(self.actor).__name__] * table.num_rows, pa.string()).dictionary_encode()
        return write(table, **columns, source=source)

    def _tensor(self, output: Any, rows: int, index: int) -> Tensor:
        """Return the tensor in what the step returned for the batch of this number, checked."""
        if isinstance(output, dict):
            output = output.get(self.output)
        if not isinstance(output, Tensor) or output.ndim != 2 or len(output) != rows or output.shape[1] < 2:
            shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise DataError(
                f"The model's step returned {shape} for {rows} inputs, but Predict needs {self.output} of shape "
                f"({rows}, classes) with two classes or more. Define pseudo_label_step(batch, batch_idx) in your "
                "LightningModule that returns them."
            )
        if self.output == "logits" and index == 0 and _sums_to_one(output):
            raise DataError(
                "The model's step returned probabilities, but Predict was told to expect logits. Set output: probs, or "
                "return logits."
            )
        return output


def _mean(tensors: list[Tensor]) -> Tensor:
    return torch.stack(tensors).mean(dim=0) if len(tensors) > 1 else tensors[0]


def _sums_to_one(output: Tensor) -> bool:
    sums = output.float().sum(dim=1)
    return bool((output >= 0).all()) and torch.allclose(sums, torch.ones_like(sums), atol=1e-3)


class _Batches(Sequence[list[int]]):
    """The positions of every batch of a rank, made when asked for, and as many more as another rank has.

    Args:
        tables: The shards of this rank.
        context: The round.
    """

    def __init__(self, tables: list[pa.Table], context: Context) -> None:
        self._pool, self._size = context.pool, context.pool.batch_size
        shards = [read(table, "id") for table in tables]
        self._places = [(ids, start) for ids in shards for start in range(0, len(ids), self._size)]
        self._passes = max(1, context.ranks.max(len(self._places)))

    def starts(self, table: pa.Table) -> range:
        """Return the first row of every batch of a shard."""
        return range(0, table.num_rows, self._size)

    def __len__(self) -> int:
        return self._passes

    def __getitem__(self, index: Any) -> Any:
        if not 0 <= index < self._passes:
            raise IndexError(index)
        positions: list[int] = self._pool.positions(self.ids(index)).tolist()
        return positions

    def ids(self, index: int) -> Array:
        """Return the ids of a batch; those of the pool's first inputs where only another rank has as many."""
        if index >= len(self._places):
            return self._pool.keys[: self._size]
        ids, start = self._places[index]
        return ids[start : start + self._size]
