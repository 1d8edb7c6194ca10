"""Predict: class probabilities of every input, by one forward pass over the pool."""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from lit_iterative.columns import Array, read, write
from lit_iterative.errors import DataError
from lit_iterative.ops.actors import Actor, Policy
from lit_iterative.ops.forward_op import ForwardOp


@dataclass(frozen=True)
class Predict(ForwardOp):
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

    def columns(self, outputs: list[Any], rows: int, index: int) -> dict[str, Array]:
        """Return the mean over the members, and what else is kept."""
        return self._columns([self._tensor(output, rows, index) for output in outputs])

    def _columns(self, outputs: list[Tensor]) -> dict[str, Array]:
        outputs = [output.float() for output in outputs]
        probs = [output.softmax(dim=-1) for output in outputs] if self.output == "logits" else outputs
        columns = {"probs": _mean(probs)}
        if self.keep_logits:
            columns["logits"] = _mean(outputs)
        if self.keep_members:
            columns["members"] = torch.cat(probs, dim=1)
        return {name: value.cpu().numpy() for name, value in columns.items()}

    def joined(self, table: pa.Table, parts: list[dict[str, Array]], like: dict[str, Array] | None) -> pa.Table:
        """Return a shard with its predictions, which must be probabilities."""
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
