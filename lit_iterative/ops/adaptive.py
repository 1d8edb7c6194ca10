"""Adaptive thresholds on the confidence: selectors that learn from round to round how much to ask for.

The papers update a threshold with every batch of training. Here one update a round is made over the whole
table, before the rows are selected; it is exact where a paper estimates a mean over the unlabelled data, and
the momentum of a round stands for that of all the steps between two rounds: ``momentum = per_step ** steps``.
The state is kept in the memory of the op and saved with the round. It is computed once, over all rows in the order
of their ids, so that neither the number of ranks nor the order of the rows can change it.

A row passes when its confidence is at least the threshold. An empty table changes no state.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, keep
from lit_iterative.ops.classes import read_probs
from lit_iterative.ops.context import Context
from lit_iterative.ops.op import Op, Scope
from lit_iterative.ops.parameters import check_range, number
from lit_iterative.ops.ranking import id_order
from lit_iterative.ops.running import running_mean
from lit_iterative.ops.schedule import Schedule

Mapping = Literal["linear", "convex", "concave"]


@dataclass(frozen=True)
class FlexMatch(Op):
    """Asks less confidence of classes that are learnt worse.

    FlexMatch (Zhang et al., 2021, arXiv:2110.08263, section 3): the status of class ``c`` is the number of rows
    predicted as ``c`` with a confidence of at least ``threshold``; ``beta(c)`` is the status divided by the largest,
    or with the warm-up by the number of rows that reach the threshold in no class, if that is larger; class ``c``
    must reach ``M(beta(c)) * threshold``. The paper's sums run over all unlabelled rows, which in training were last
    predicted at different steps; here the same weights predict all of them. As in the paper, a class without one
    confident row asks for nothing: all rows predicted as it pass.

    Args:
        threshold: Confidence asked of the class that is learnt best, in [0, 1].
        warm_up: Whether thresholds stay low while most rows are unsure.
        mapping: ``M(x)``: ``linear`` is ``x``, ``convex`` is ``x / (2 - x)``, ``concave`` is ``log(1 + x) / log 2``.
        momentum: Weight of earlier rounds in ``beta``, in [0, 1]; the paper has none.

    Requires ``probs`` ``(rows, classes)``. Remembers ``status`` (``beta``) and ``thresholds`` of every class.

    Raises:
        PipelineError: If a parameter is out of its range.

    Example:
        >>> from lit_iterative.ops.testing import example, show
        >>> table = example(probs=[[0.96, 0.04], [0.97, 0.03], [0.6, 0.4], [0.02, 0.98], [0.4, 0.6]])
        >>> context = Context(pool=None)
        >>> show(FlexMatch()(table, context), "id"), context.memory["status"]
        ([0, 1, 3, 4], [1.0, 0.5])
    """

    threshold: float | Schedule = 0.95
    warm_up: bool = True
    mapping: Mapping = "convex"
    momentum: float | Schedule = 0.0
    scope: ClassVar[Scope] = "global"

    def __post_init__(self) -> None:
        check_range("FlexMatch(threshold)", self.threshold, 0, 1)
        check_range("FlexMatch(momentum)", self.momentum, 0, 1)

    @property
    def requires(self) -> tuple[str, ...]:
        """The probabilities."""
        return ("probs",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the rows that reach the threshold of their class."""
        probs = read_probs(table)
        if not len(probs):
            return table
        status = learning_status(probs, number(self.threshold), self.warm_up)
        status = running_mean(context.memory, "status", status, number(self.momentum))
        thresholds = number(self.threshold) * mapped(status, self.mapping)
        context.memory["thresholds"] = thresholds.tolist()
        return keep(table, reaches(probs, thresholds))


def learning_status(probs: Array, threshold: float, warm_up: bool) -> Array:
    """Return how well each class is learnt, ``beta`` of FlexMatch, in [0, 1], shape ``(classes,)``."""
    confident = probs.argmax(axis=1)[reaches(probs, np.full(probs.shape[1], threshold))]
    counts = np.bincount(confident, minlength=probs.shape[1])
    most = max(counts.max(), len(probs) - len(confident)) if warm_up else counts.max()
    return np.asarray(counts / max(most, 1))


def mapped(status: Array, mapping: Mapping) -> Array:
    """Return ``M(status)``, which takes [0, 1] to itself.

    Example:
        >>> mapped(np.array([0.0, 0.5, 1.0]), "convex").round(4).tolist()
        [0.0, 0.3333, 1.0]
    """
    if mapping == "convex":
        return status / (2.0 - status)
    return np.log1p(status) / np.log(2.0) if mapping == "concave" else status


@dataclass(frozen=True)
class FreeMatch(Op):
    """Asks as much confidence as the model has, less of classes that it predicts less.

    FreeMatch (Wang et al., 2023, arXiv:2205.07246, self-adaptive thresholding): the global threshold is
    the running mean of the confidence, the local one ``p(c)`` the running mean of the predictions; both start
    from ``1 / classes``. Class ``c`` must reach ``p(c) / max p * global``. The fairness loss of the paper is a part of
    training, not of selection, and is not here.

    Args:
        momentum: Weight of earlier rounds, in [0, 1]. In the first round those are the starting values.

    Requires ``probs`` ``(rows, classes)``. Remembers ``confidence`` (the global threshold), ``mean`` (``p``) and
    ``thresholds`` of every class.

    Raises:
        PipelineError: If the momentum is out of its range.
        DataError: If the number of classes is not that of earlier rounds, when run.

    Example:
        >>> from lit_iterative.ops.testing import example, show
        >>> table, context = example(probs=[[0.9, 0.1], [0.6, 0.4], [0.3, 0.7]]), Context(pool=None)
        >>> show(FreeMatch(momentum=0.0)(table, context), "id"), round(context.memory["confidence"], 4)
        ([0, 2], 0.7333)
    """

    momentum: float | Schedule = 0.5
    scope: ClassVar[Scope] = "global"

    def __post_init__(self) -> None:
        check_range("FreeMatch(momentum)", self.momentum, 0, 1)

    @property
    def requires(self) -> tuple[str, ...]:
        """The probabilities."""
        return ("probs",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the rows that reach the threshold of their class."""
        probs = read_probs(table)
        if not len(probs):
            return table
        ordered = probs[id_order(table)].astype(np.float64)
        momentum, start = number(self.momentum), 1.0 / probs.shape[1]
        level = running_mean(context.memory, "confidence", ordered.max(axis=1).mean(), momentum, start)
        starts = [start] * probs.shape[1]
        mean = running_mean(context.memory, "mean", ordered.mean(axis=0), momentum, starts)
        thresholds = mean / mean.max() * level
        context.memory["thresholds"] = thresholds.tolist()
        return keep(table, reaches(probs, thresholds))


@dataclass(frozen=True)
class AdaMatch(Op):
    """Asks for a fraction of the confidence that the model usually has.

    The relative confidence threshold of AdaMatch (Berthelot et al., 2022, arXiv:2106.04732): a row passes when its
    confidence is at least ``fraction`` times the mean confidence. The paper takes that mean over *labelled* (source)
    data. A round sees only its own table, so without ``reference`` the running mean over the pool stands in for
    it, which is lower as a rule, and lets more rows pass. To follow the paper, log the mean confidence on labelled
    data and name it: ``reference=FromMetric("train_confidence")``.

    Args:
        fraction: ``tau`` of the paper, 0 or more.
        reference: The mean confidence on labelled data; the running mean over the table where it is left out.
        momentum: Weight of earlier rounds in the running mean, in [0, 1].

    Requires ``probs`` ``(rows, classes)``. Remembers ``confidence`` (the running mean, unless a reference is given) and
    ``threshold``.

    Raises:
        PipelineError: If a parameter is out of its range.

    Example:
        >>> from lit_iterative.ops.testing import example, show
        >>> table, context = example(probs=[[0.9, 0.1], [0.6, 0.4], [0.3, 0.7]]), Context(pool=None)
        >>> show(AdaMatch(fraction=0.9)(table, context), "id"), round(context.memory["threshold"], 4)
        ([0, 2], 0.66)
    """

    fraction: float | Schedule = 0.9
    reference: float | Schedule | None = None
    momentum: float | Schedule = 0.5
    scope: ClassVar[Scope] = "global"

    def __post_init__(self) -> None:
        check_range("AdaMatch(fraction)", self.fraction, 0)
        check_range("AdaMatch(reference)", self.reference, 0, 1)
        check_range("AdaMatch(momentum)", self.momentum, 0, 1)

    @property
    def requires(self) -> tuple[str, ...]:
        """The probabilities."""
        return ("probs",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the rows that reach the threshold."""
        probs = read_probs(table)
        if not len(probs):
            return table
        if self.reference is None:
            confidence = probs[id_order(table)].max(axis=1).mean(dtype=np.float64)
            usual = float(running_mean(context.memory, "confidence", confidence, number(self.momentum)))
        else:
            usual = number(self.reference)
        threshold = number(self.fraction) * usual
        context.memory["threshold"] = threshold
        return keep(table, reaches(probs, np.full(probs.shape[1], threshold)))


def reaches(probs: Array, thresholds: Array) -> Array:
    """Return which rows have at least the confidence asked of the class they predict.

    Thresholds are compared in the precision of the predictions, so that a float32 confidence of 0.95 reaches 0.95,
    and the rounding of a mean is forgiven, so that equal confidences reach their mean.

    Args:
        probs: Shape ``(rows, classes)``.
        thresholds: Shape ``(classes,)``.

    Example:
        >>> reaches(np.array([[0.7, 0.3], [0.4, 0.6]], dtype=np.float32), np.array([0.7, 0.65]))
        array([ True, False])
    """
    asked = (thresholds * (1 - 1e-12)).astype(probs.dtype)[probs.argmax(axis=1)]
    return np.asarray(probs.max(axis=1, initial=0.0) >= asked)
