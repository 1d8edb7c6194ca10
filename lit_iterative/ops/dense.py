"""Dense labels: a class for every pixel, or any other place of an input."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from lit_iterative.columns import Array, read, write
from lit_iterative.errors import DataError
from lit_iterative.ops.actors import Actor, Policy
from lit_iterative.ops.context import Context
from lit_iterative.ops.forward_op import ForwardOp
from lit_iterative.ops.op import Op, Scope
from lit_iterative.ops.parameters import check_range, number
from lit_iterative.ops.ranking import id_order
from lit_iterative.ops.schedule import Schedule

#: The label of a place that has none.
IGNORED = -1


@dataclass(frozen=True)
class PredictDense(ForwardOp):
    """Runs a model that returns logits for every place of an input, such as the pixels of an image.

    The model's ``pseudo_label_step``, else its ``predict_step``, returns logits ``(rows, classes, ...)``, alone or
    under the key ``logits`` of a dictionary. Places are stored in one row, in the order of the dimensions; the
    DataModule's ``relabel(item, label)`` gives a label its shape back. All inputs have the same shape.

    Args:
        actor: Who predicts; over several members the mean of their probabilities is taken.

    Provides:
        ``classes`` ``(rows, places)``, int16: the most probable class of each place, the first of equals;
        ``confidence`` ``(rows, places)``, float32: its probability; ``source``, the actor's name.

    Raises:
        DataError: If the step returns anything else, or numbers that are not finite, when run.

    Example:
        >>> PredictDense().provides
        ('classes', 'confidence', 'source')
    """

    actor: Actor = field(default_factory=Policy)

    @property
    def provides(self) -> tuple[str, ...]:
        """The predictions, and who made them."""
        return ("classes", "confidence", "source")

    def columns(self, outputs: list[Any], rows: int, index: int) -> dict[str, Array]:
        """Return the class of every place, and how probable it is."""
        probs = [_logits(output, rows).float().softmax(dim=1) for output in outputs]
        confidence, classes = torch.stack(probs).mean(dim=0).max(dim=1)
        flat = {"classes": classes.to(torch.int16), "confidence": confidence}
        return {name: value.reshape(rows, -1).cpu().numpy() for name, value in flat.items()}

    def joined(self, table: pa.Table, parts: list[dict[str, Array]], like: dict[str, Array] | None) -> pa.Table:
        """Return a shard with its predictions."""
        columns = {}
        for name in ("classes", "confidence"):
            empty = [] if like is None else [like[name][:0]]
            columns[name] = np.concatenate([part[name] for part in parts] or empty)
        source = pa.array([type(self.actor).__name__] * table.num_rows, pa.string()).dictionary_encode()
        return write(table, **columns, source=source)


def _logits(output: Any, rows: int) -> Tensor:
    if isinstance(output, dict):
        output = output.get("logits")
    if not isinstance(output, Tensor) or output.ndim < 2 or len(output) != rows or output.shape[1] < 2:
        shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise DataError(
            f"The model's step returned {shape} for {rows} inputs, but PredictDense needs logits ({rows}, classes, "
            "...) with two classes or more. Define pseudo_label_step(batch, batch_idx) in your LightningModule."
        )
    if not bool(output.isfinite().all()):
        raise DataError(
            "The model predicts NaN or infinity for some places. Lower the learning rate or clip gradients "
            "(Trainer(gradient_clip_val=1.0)), and check the inputs."
        )
    return output


@dataclass(frozen=True)
class InstanceThresholds(Op):
    """Tells which places of an input are sure enough, by a threshold for each class that runs from input to input.

    Inputs come by ascending id. For class ``c`` of input ``t``, whose confidences where ``c`` is predicted are ``P``,
    sorted from the largest: ``theta_c <- beta theta_c + (1 - beta) P[share theta_c^gamma |P|]``; a class that the input
    does not have keeps its threshold. A place is certain whose confidence is at least the threshold of its class. So an
    input asks as much as it has to offer, softened by those before it, and classes with low thresholds, which are hard,
    do not get the more of their places for it (``gamma``).

    Source: Mei et al., 2020, arXiv:2008.12197, equations 4 to 6; HIAST (Zhu et al., 2023, arXiv:2302.06992) begins with
    it. The thresholds go on from round to round.

    Args:
        share: Of the places of a class, at a threshold of 1; ``alpha`` of the paper.
        beta: Weight of the inputs before.
        gamma: How fast the share falls with the threshold, 0 or more.
        start: The thresholds in front of the first input.

    Requires ``classes`` and ``confidence`` ``(rows, places)``; provides ``certain`` ``(rows, places)``, booleans.
    Remembers ``thresholds``; measures ``certain`` (share of the places), and ``threshold_<class>`` at the end.

    Raises:
        PipelineError: If a parameter is out of its range.
        DataError: If a column has other shapes, or a confidence is NaN, when run.

    Example:
        >>> from lit_iterative.ops.testing import example, show
        >>> table = example(classes=[[0, 0, 0, 1]], confidence=[[0.9, 0.5, 0.6, 0.7]])
        >>> op = InstanceThresholds(share=0.5, beta=0.0, gamma=0.0, start=0.5)
        >>> show(op(table, Context(pool=None)), "certain")
        [[True, False, True, True]]
    """

    share: float | Schedule = 0.2
    beta: float | Schedule = 0.9
    gamma: float | Schedule = 8.0
    start: float = 0.9
    scope: ClassVar[Scope] = "global"

    def __post_init__(self) -> None:
        for name in ("share", "beta", "start"):
            check_range(f"InstanceThresholds({name})", getattr(self, name), 0, 1)
        check_range("InstanceThresholds(gamma)", self.gamma, 0)

    @property
    def requires(self) -> tuple[str, ...]:
        """What is predicted, and how surely."""
        return ("classes", "confidence")

    @property
    def provides(self) -> tuple[str, ...]:
        """Which places are certain."""
        return ("certain",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table with what is certain."""
        classes, confidence = _dense(table, "classes"), _dense(table, "confidence")
        if np.isnan(confidence).any():
            raise DataError("InstanceThresholds was given confidences that are NaN. Drop these rows before it.")
        known: list[float] = context.memory.get("thresholds", [])
        number_of_classes = max(len(known), int(classes.max(initial=-1)) + 1)
        thresholds = np.full(number_of_classes, self.start)
        thresholds[: len(known)] = known
        certain = np.zeros(classes.shape, dtype=bool)
        for row in id_order(table):
            self._run_on(thresholds, classes[row], confidence[row].astype(np.float64))
            certain[row] = confidence[row] >= thresholds[classes[row]]
        if table.num_rows:
            context.memory["thresholds"] = thresholds.tolist()
        context.tally.mean("certain", certain.mean(axis=1) if certain.size else np.zeros(0))
        for name, value in enumerate(thresholds):
            context.tally.mean(f"threshold_{name}", [value])
        return write(table, certain=certain)

    def _run_on(self, thresholds: Array, classes: Array, confidence: Array) -> None:
        """Bring the thresholds from the input before to this one."""
        beta, share, gamma = number(self.beta), number(self.share), number(self.gamma)
        for name in np.unique(classes):
            offered = np.sort(confidence[classes == name])[::-1]
            place = min(int(share * thresholds[name] ** gamma * len(offered)), len(offered) - 1)
            thresholds[name] = beta * thresholds[name] + (1 - beta) * offered[place]


@dataclass(frozen=True)
class MaskLabels(Op):
    """A label for every place that is certain, and none (-1) for the others.

    Requires ``classes`` and ``certain`` ``(rows, places)``; provides ``label`` ``(rows, places)``, int16, and
    ``weight``, 1 or the one that is there. Measures ``labelled``, the share of places with a label.

    Raises:
        DataError: If the columns have other shapes, when run.

    Example:
        >>> from lit_iterative.ops.testing import example, show
        >>> from lit_iterative.pool import Pool
        >>> table = example(classes=[[3, 1]], certain=[[True, False]])
        >>> show(MaskLabels()(table, Context(Pool([0], 1))), "label")
        [[3, -1]]
    """

    @property
    def requires(self) -> tuple[str, ...]:
        """What is predicted, and where it is certain."""
        return ("classes", "certain")

    @property
    def provides(self) -> tuple[str, ...]:
        """The label and its weight."""
        return ("label", "weight")

    @property
    def consumes(self) -> tuple[str, ...]:
        """The predictions."""
        return ("classes", "confidence", "certain")

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table with labels and without the predictions."""
        classes, certain = _dense(table, "classes"), _dense(table, "certain").astype(bool)
        context.tally.mean("labelled", certain.mean(axis=1) if certain.size else np.zeros(0))
        made = write(table, label=np.where(certain, classes, IGNORED).astype(np.int16))
        if "weight" not in made.column_names:
            made = write(made, weight=np.ones(table.num_rows, dtype=np.float32))
        return made.drop_columns([name for name in self.consumes if name in made.column_names])


def _dense(table: pa.Table, name: str) -> Array:
    values = read(table, name)
    if values.ndim != 2:
        raise DataError(
            f"Column {name!r} has one value a row, but one for every place is needed. Put PredictDense() before."
        )
    return values
