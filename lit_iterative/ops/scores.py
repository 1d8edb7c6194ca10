"""Scores of single rows, from what the model or its members predict."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch

from lit_iterative.columns import Array, read, write
from lit_iterative.errors import DataError
from lit_iterative.ops.classes import read_probs
from lit_iterative.ops.context import Context
from lit_iterative.ops.op import Op
from lit_iterative.ops.parameters import check_range, number
from lit_iterative.ops.schedule import Schedule


@dataclass(frozen=True)
class Confidence(Op):
    """The largest class probability, ``max_c p_c``.

    Requires ``probs`` ``(rows, classes)``; provides ``scores.confidence`` ``(rows,)`` in [0, 1].

    Example:
        >>> from lit_iterative.ops.testing import example, show
        >>> show(Confidence()(example(probs=[[0.25, 0.75]]), None), "scores.confidence")
        [0.75]
    """

    @property
    def requires(self) -> tuple[str, ...]:
        """The probabilities."""
        return ("probs",)

    @property
    def provides(self) -> tuple[str, ...]:
        """The score."""
        return ("scores.confidence",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table with the score."""
        return write(table, **{"scores.confidence": read(table, "probs").max(axis=1)})


@dataclass(frozen=True)
class Margin(Op):
    """The lead of the most probable class over the next; large where the model is sure.

    Requires ``probs`` ``(rows, classes)`` with two classes or more; provides ``scores.margin`` ``(rows,)``
    float32 in [0, 1].

    Raises:
        DataError: If there is only one class, when run.

    Example:
        >>> from lit_iterative.ops.testing import example, show
        >>> show(Margin()(example(probs=[[0.125, 0.625, 0.25]]), None), "scores.margin")
        [0.375]
    """

    @property
    def requires(self) -> tuple[str, ...]:
        """The probabilities."""
        return ("probs",)

    @property
    def provides(self) -> tuple[str, ...]:
        """The score."""
        return ("scores.margin",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table with the score."""
        probs = read(table, "probs")
        if probs.shape[1] < 2:
            raise DataError(
                f"Margin compares two classes, but probs has {probs.shape[1]}. Use Confidence(), or let the model "
                "return one column for each class."
            )
        top = np.partition(probs, -2, axis=1)[:, -2:].astype(np.float64)
        return write(table, **{"scores.margin": (top[:, 1] - top[:, 0]).astype(np.float32)})


@dataclass(frozen=True)
class Entropy(Op):
    """The entropy of the prediction in nats, ``-sum_c p_c ln p_c``; small where the model is sure.

    Args:
        normalised: Whether to divide by its largest value, ``ln(classes)``, so that it lies in [0, 1].

    Requires ``probs`` ``(rows, classes)``; provides ``scores.entropy`` ``(rows,)`` float32.

    Raises:
        DataError: If it is to be normalised and there is only one class, when run.

    Example:
        >>> from lit_iterative.ops.testing import example, show
        >>> table = example(probs=[[0.5, 0.5], [1.0, 0.0]])
        >>> show(Entropy()(table, None), "scores.entropy")
        [0.6931, 0.0]
        >>> show(Entropy(normalised=True)(table, None), "scores.entropy")
        [1.0, 0.0]
    """

    normalised: bool = False

    @property
    def requires(self) -> tuple[str, ...]:
        """The probabilities."""
        return ("probs",)

    @property
    def provides(self) -> tuple[str, ...]:
        """The score."""
        return ("scores.entropy",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table with the score."""
        probs = read(table, "probs")
        score = entropy(probs)
        if self.normalised:
            if probs.shape[1] < 2:
                raise DataError(
                    f"The entropy over {probs.shape[1]} class is always 0 and has no largest value. Use "
                    "Entropy(normalised=False), or let the model return one column for each class."
                )
            score = score / np.log(probs.shape[1])
        return write(table, **{"scores.entropy": score.astype(np.float32)})


@dataclass(frozen=True)
class Energy(Op):
    """The free energy, ``-T ln sum_c exp(z_c / T)`` (Liu et al., 2020, arXiv:2010.03759); small on familiar inputs.

    Args:
        temperature: ``T``, above 0.

    Requires ``logits`` ``(rows, classes)``, which ``Predict(keep_logits=True)`` keeps; provides
    ``scores.energy`` ``(rows,)`` float32, in units of the logits.

    Raises:
        PipelineError: If the temperature is not above 0.

    Example:
        >>> from lit_iterative.ops.testing import example, show
        >>> show(Energy()(example(logits=[[0.0, 0.0], [10.0, 0.0]]), None), "scores.energy")
        [-0.6931, -10.0]
    """

    temperature: float | Schedule = 1.0

    def __post_init__(self) -> None:
        check_range("Energy(temperature)", self.temperature, 0, open_low=True)

    @property
    def requires(self) -> tuple[str, ...]:
        """The logits."""
        return ("logits",)

    @property
    def provides(self) -> tuple[str, ...]:
        """The score."""
        return ("scores.energy",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table with the score."""
        logits, temperature = torch.from_numpy(read(table, "logits").astype(np.float64)), number(self.temperature)
        energy = -temperature * torch.logsumexp(logits / temperature, dim=1)
        return write(table, **{"scores.energy": energy.numpy().astype(np.float32)})


@dataclass(frozen=True)
class MutualInformation(Op):
    """What the members would learn from the label: ``H(mean_m p_m) - mean_m H(p_m)``, in nats.

    This is BALD (Houlsby et al., 2011, arXiv:1112.5745) with the actor's members as draws from the posterior:
    small where members agree, however unsure each is; at most ``ln(classes)``.

    Requires ``probs`` ``(rows, classes)`` and ``members`` ``(rows, members * classes)``, which
    ``Predict(keep_members=True)`` keeps; provides ``scores.mutual_information`` ``(rows,)`` float32.

    Raises:
        DataError: If there is only one member, members do not have the classes of ``probs``, or one is NaN, when run.

    Example:
        >>> from lit_iterative.ops.testing import example, show
        >>> table = example(probs=[[0.5, 0.5], [0.5, 0.5]], members=[[1.0, 0.0, 0.0, 1.0], [0.5, 0.5, 0.5, 0.5]])
        >>> show(MutualInformation()(table, None), "scores.mutual_information")
        [0.6931, 0.0]
    """

    @property
    def requires(self) -> tuple[str, ...]:
        """The probabilities, of the mean and of each member."""
        return ("probs", "members")

    @property
    def provides(self) -> tuple[str, ...]:
        """The score."""
        return ("scores.mutual_information",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table with the score."""
        members = members_of(table, self.name).astype(np.float64)
        # The mean is taken anew: that of `probs` is rounded, and the difference could come out below zero.
        score = entropy(members.mean(axis=1)) - entropy(members).mean(axis=1)
        return write(table, **{"scores.mutual_information": score.clip(min=0).astype(np.float32)})


@dataclass(frozen=True)
class Agreement(Op):
    """The share of the members that vote for the class with most votes.

    Members are models (``Ensemble``), dropout masks (``MCDropout``) or views (``TestTimeAugmentation``); a
    member votes for its most probable class, the first of equals.

    Requires ``probs`` ``(rows, classes)`` and ``members`` ``(rows, members * classes)``, which
    ``Predict(keep_members=True)`` keeps; provides ``scores.agreement`` ``(rows,)`` float32, from
    ``1 / members`` to 1.

    Raises:
        DataError: If there is only one member, members do not have the classes of ``probs``, or one is NaN, when run.

    Example:
        >>> from lit_iterative.ops.testing import example, show
        >>> table = example(probs=[[0.5, 0.5]], members=[[0.75, 0.25, 0.0, 1.0, 0.75, 0.25, 0.5, 0.5]])
        >>> show(Agreement()(table, None), "scores.agreement")
        [0.75]
    """

    @property
    def requires(self) -> tuple[str, ...]:
        """The probabilities, of the mean and of each member."""
        return ("probs", "members")

    @property
    def provides(self) -> tuple[str, ...]:
        """The score."""
        return ("scores.agreement",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table with the score."""
        members = members_of(table, self.name)
        rows, count, classes = members.shape
        slots = np.arange(rows)[:, None] * classes + members.argmax(axis=2)
        votes = np.bincount(slots.reshape(-1), minlength=rows * classes).reshape(rows, classes)
        return write(table, **{"scores.agreement": (votes.max(axis=1) / count).astype(np.float32)})


def entropy(probs: Array) -> Array:
    """Return the entropy over the last axis in nats, float64; a class of probability 0 adds nothing.

    Example:
        >>> entropy(np.array([[0.5, 0.5], [0.0, 1.0]])).round(4).tolist()
        [0.6931, 0.0]
    """
    exact = probs.astype(np.float64).clip(min=0)
    total: Array = torch.special.entr(torch.from_numpy(exact)).sum(dim=-1).numpy()
    return total


def members_of(table: pa.Table, asker: str) -> Array:
    """Return the predictions of each member, shape ``(rows, members, classes)``.

    Args:
        table: A table with ``probs`` and ``members``.
        asker: Who needs them, for the message.

    Raises:
        DataError: If there is only one member, members do not have the classes of ``probs``, or one is NaN.
    """
    classes = read_probs(table).shape[1]
    members = read_probs(table, "members")
    count, rest = divmod(members.shape[1], classes)
    if rest:
        raise DataError(
            f"{asker} finds {members.shape[1]} numbers of members in a row, which is no multiple of the {classes} "
            "classes of probs. Both must come from the same Predict(keep_members=True)."
        )
    if count < 2:
        raise DataError(
            f"{asker} compares members, but there is {count}. Give Predict an actor with several: Ensemble, MCDropout "
            "or TestTimeAugmentation."
        )
    return members.reshape(len(members), count, classes)
