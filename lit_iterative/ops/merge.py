"""Merges: how the rows of a new round join those of the round before."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, keep, look_up, read, write
from lit_iterative.errors import DataError
from lit_iterative.ops.context import Context
from lit_iterative.ops.parameters import check_range, number, whole
from lit_iterative.ops.schedule import Schedule


class Merge(ABC):
    """Joins new and old rows. Subclass it as a frozen dataclass."""

    @property
    def requires(self) -> tuple[str, ...]:
        """Names of the columns that must be there."""
        return ("id",)

    @abstractmethod
    def __call__(self, new: pa.Table, old: pa.Table | None, context: Context) -> pa.Table:
        """Return the rows to train on.

        Args:
            new: Rows made in this round.
            old: Rows of the round before, with the same columns; none in the first round.
            context: The round.
        """


@dataclass(frozen=True)
class Replace(Merge):
    """Takes the new rows and forgets the old ones.

    Example:
        >>> from lit_iterative.pool import Pool
        >>> new, old = pa.table({"id": [2]}), pa.table({"id": [1]})
        >>> Replace()(new, old, Context(Pool([0, 0, 0], 1)))["id"].to_pylist()
        [2]
    """

    def __call__(self, new: pa.Table, old: pa.Table | None, context: Context) -> pa.Table:
        """Return the new rows."""
        return new


@dataclass(frozen=True)
class Append(Merge):
    """Takes the new rows and, of inputs that have none, the old ones; by ascending ``id``.

    Args:
        max_age: Rounds for which an old row stays, at least 1: with 1 only rows of the round before stay.
            Without it they stay until a new row of the same input replaces them.

    Raises:
        PipelineError: If ``max_age`` is below 1.
        DataError: If old and new rows do not have the same columns, when run.

    Example:
        >>> from lit_iterative.pool import Pool
        >>> new, old = pa.table({"id": [1, 3], "label": [7, 7]}), pa.table({"id": [1, 2], "label": [5, 5]})
        >>> Append()(new, old, Context(Pool([0] * 4, 1)))["label"].to_pylist()
        [7, 5, 7]
    """

    max_age: int | Schedule | None = None

    def __post_init__(self) -> None:
        check_range("Append(max_age)", self.max_age, 1)

    def __call__(self, new: pa.Table, old: pa.Table | None, context: Context) -> pa.Table:
        """Return the new rows and the old ones of other inputs."""
        if old is None:
            return by_id(new)
        new, old = alike(new, old, self)
        _, renewed = look_up(read(old, "id"), np.unique(read(new, "id")))
        old = keep(old, ~renewed)
        if self.max_age is not None:
            old = keep(old, context.round - read(old, "round") <= whole(self.max_age))
        return by_id(pa.concat_tables([new, old]))


@dataclass(frozen=True)
class Accumulate(Merge):
    """Takes the new rows and all old ones, also those of inputs that have new rows: what a round made stays.

    The result is by ascending ``id``, and for one input by round.

    Raises:
        DataError: If old and new rows do not have the same columns, when run.

    Example:
        >>> from lit_iterative.pool import Pool
        >>> new, old = pa.table({"id": [1, 3], "label": [7, 7]}), pa.table({"id": [1, 2], "label": [5, 5]})
        >>> Accumulate()(new, old, Context(Pool([0] * 4, 1)))["label"].to_pylist()
        [5, 7, 5, 7]
    """

    def __call__(self, new: pa.Table, old: pa.Table | None, context: Context) -> pa.Table:
        """Return all rows."""
        if old is None:
            return by_id(new)
        new, old = alike(new, old, self)
        return by_id(pa.concat_tables([old, new]))


@dataclass(frozen=True)
class EditInPlace(Merge):
    """Gives old rows what is new about their inputs: every column of the new row, at the place of the old one.

    Args:
        add: Whether inputs that had no row get one, at the end and by ascending ``id``.

    Raises:
        DataError: If old and new rows do not have the same columns, or an input has two rows, when run.

    Example:
        >>> from lit_iterative.pool import Pool
        >>> new, old = pa.table({"id": [1, 3], "label": [7, 7]}), pa.table({"id": [2, 1], "label": [5, 5]})
        >>> EditInPlace()(new, old, Context(Pool([0] * 4, 1)))["label"].to_pylist()
        [5, 7]
    """

    add: bool = False

    def __call__(self, new: pa.Table, old: pa.Table | None, context: Context) -> pa.Table:
        """Return the old rows, edited."""
        if old is None:
            return new
        new, old = alike(new, old, self)
        place, edited = matched(old, new, self)
        rows = np.where(edited, place + old.num_rows, np.arange(old.num_rows))
        both = pa.concat_tables([old, new])
        if not self.add:
            return encoded(both.take(rows))
        added = np.setdiff1d(np.arange(new.num_rows), place[edited])
        added = added[np.argsort(read(new, "id")[added], kind="stable")]
        return encoded(both.take(np.concatenate([rows, added + old.num_rows])))


@dataclass(frozen=True)
class KeepIfBetter(Merge):
    """Takes all rows and, of inputs that have an old and a new one, the better; the old of equals.

    The result is by ascending ``id``. A score of NaN is worse than any other.

    Args:
        column: The score.
        keep_above: Whether large scores are better, or small ones.

    Raises:
        DataError: If old and new rows do not have the same columns, or an input has two rows, when run.

    Example:
        >>> from lit_iterative.pool import Pool
        >>> new = pa.table({"id": [1, 2], "label": [7, 7], "scores.confidence": [0.9, 0.5]})
        >>> old = pa.table({"id": [1, 2], "label": [5, 5], "scores.confidence": [0.8, 0.8]})
        >>> KeepIfBetter()(new, old, Context(Pool([0] * 3, 1)))["label"].to_pylist()
        [7, 5]
    """

    column: str = "scores.confidence"
    keep_above: bool = True

    @property
    def requires(self) -> tuple[str, ...]:
        """The score."""
        return ("id", self.column)

    def __call__(self, new: pa.Table, old: pa.Table | None, context: Context) -> pa.Table:
        """Return the better rows."""
        if old is None:
            return by_id(new)
        new, old = alike(new, old, self)
        place, both = matched(new, old, self)
        if both.any():
            score, before = read(new, self.column), read(old, self.column)[place]
            wins = score > before if self.keep_above else score < before
            wins |= np.isnan(before) & ~np.isnan(score)
        else:
            wins = both
        beaten = np.isin(np.arange(old.num_rows), place[both & wins])
        return by_id(pa.concat_tables([keep(new, ~both | wins), keep(old, ~beaten)]))


@dataclass(frozen=True)
class Blend(Merge):
    """Mixes old and new probabilities, ``alpha * old + (1 - alpha) * new``, and labels by the mixture.

    Round after round this is an exponential moving average of an input's predictions, as in temporal ensembling
    (Laine and Aila, 2017, arXiv:1610.02242), without its correction for the start. Inputs with an old or a new
    row alone keep it. All columns but ``probs`` and ``label`` are the new row's, scores too. The result is by
    ascending ``id``.

    The data must keep ``probs``: use ``HardLabels(keep_probs=True)`` or ``SoftLabels(keep_probs=True)``. A hard
    label becomes the most probable class, the first of equals; a soft one the mixture.

    Args:
        alpha: Share of the old probabilities, between 0 and 1.

    Raises:
        PipelineError: If ``alpha`` is out of range.
        DataError: If there are no ``probs``, old and new rows do not have the same columns, or an input has two
            rows, when run.

    Example:
        >>> from lit_iterative.ops.testing import example, show
        >>> from lit_iterative.pool import Pool
        >>> new, old = example(probs=[[0.25, 0.75]], label=[1]), example(probs=[[1.0, 0.0]], label=[0])
        >>> table = Blend(0.5)(new, old, Context(Pool([0], 1)))
        >>> show(table, "probs"), show(table, "label")
        ([[0.625, 0.375]], [0])
    """

    alpha: float | Schedule = 0.5

    def __post_init__(self) -> None:
        check_range("Blend(alpha)", self.alpha, 0, 1)

    @property
    def requires(self) -> tuple[str, ...]:
        """The probabilities, which ``keep_probs=True`` keeps, and the label made from them."""
        return ("id", "probs", "label")

    def __call__(self, new: pa.Table, old: pa.Table | None, context: Context) -> pa.Table:
        """Return the rows with mixed probabilities."""
        if "probs" not in new.column_names:
            raise DataError(
                f"Blend mixes probs, but the data has only {new.column_names}. Keep them with "
                "HardLabels(keep_probs=True) or SoftLabels(keep_probs=True)."
            )
        if old is None:
            return by_id(new)
        new, old = alike(new, old, self)
        place, both = matched(new, old, self)
        probs, before = read(new, "probs").astype(np.float64), read(old, "probs").astype(np.float64)
        alpha = number(self.alpha)
        probs[both] = alpha * before[place[both]] + (1 - alpha) * probs[both]
        mixed, label = probs.astype(np.float32), read(new, "label").copy()
        label[both] = mixed[both] if label.ndim == 2 else mixed[both].argmax(axis=1)
        untouched = ~np.isin(np.arange(old.num_rows), place[both])
        return by_id(pa.concat_tables([write(new, probs=mixed, label=label), keep(old, untouched)]))


def alike(new: pa.Table, old: pa.Table, merge: Merge) -> tuple[pa.Table, pa.Table]:
    """Return both tables with plain columns in the new one's order, so that their rows can be joined.

    Raises:
        DataError: If the columns or their types differ.
    """
    new, old = decoded(new), decoded(old)
    kinds, before = ({field.name: field.type for field in table.schema} for table in (new, old))
    if kinds != before:
        names = sorted(name for name in {**kinds, **before} if kinds.get(name) != before.get(name))
        differ = ", ".join(
            f"{name!r} ({before.get(name, 'absent')} before, {kinds.get(name, 'absent')} now)" for name in names
        )
        raise DataError(
            f"{type(merge).__name__} cannot join this round with the one before: they differ in {differ}. Let the ops "
            "of both phases provide the same columns, or begin the new phase with one of rounds: 1 and merge: Replace."
        )
    return new, old.select(new.column_names)


def matched(rows: pa.Table, others: pa.Table, merge: Merge) -> tuple[Array, Array]:
    """Find the row of the same input in another table.

    Returns:
        Its position (0 where absent) and whether it was found, each of shape ``(rows,)``.

    Raises:
        DataError: If an input has two rows in one of the tables.
    """
    ids = [read(table, "id") for table in (rows, others)]
    for values in ids:
        known, counts = np.unique(values, return_counts=True)
        if len(known) != len(values):
            raise DataError(
                f"{type(merge).__name__} needs one row for each input, but {int((counts > 1).sum())} have several, for "
                f"example {known[counts > 1][:3].tolist()}. Use Replace() or Append(), which keep all rows of an input."
            )
    return look_up(*ids)


def by_id(table: pa.Table) -> pa.Table:
    """Return the rows by ascending id, rows of one id in their order."""
    return encoded(decoded(table).take(np.argsort(read(table, "id"), kind="stable")))


def decoded(table: pa.Table) -> pa.Table:
    """Return the table with plain columns for dictionary ones, whose dictionaries differ from round to round."""
    for place, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            table = table.set_column(place, field.name, table.column(place).cast(field.type.value_type))
    return table.replace_schema_metadata(None)


def joined(parts: list[pa.Table]) -> pa.Table:
    """Return the rows of tables behind each other; a dictionary for ``source`` is built from them alone.

    Example:
        >>> part = pa.table({"source": pa.array(["a"]).dictionary_encode()})
        >>> joined([part, part])["source"].chunk(0).dictionary.to_pylist()
        ['a']
    """
    both = pa.concat_tables([decoded(part) for part in parts])
    was = [part.schema.field("source").type for part in parts if "source" in part.column_names]
    return encoded(both) if any(map(pa.types.is_dictionary, was)) else both


def encoded(table: pa.Table) -> pa.Table:
    """Return the table with a dictionary for ``source``, built from its rows alone."""
    if "source" not in table.column_names or pa.types.is_dictionary(table.schema.field("source").type):
        return table
    return write(table, source=table.column("source").combine_chunks().dictionary_encode())
