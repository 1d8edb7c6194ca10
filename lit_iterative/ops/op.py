"""What an op is: a small typed step from a table of candidates to a table of candidates."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, ClassVar, Literal, TypeVar

import pyarrow as pa
from torch import nn
from typing_extensions import Self

from lit_iterative.errors import PipelineError
from lit_iterative.ops.context import Context
from lit_iterative.ops.schedule import Schedule

Scope = Literal["row", "group", "global"]
Part = TypeVar("Part")


class Op(ABC):
    """One step of a round. Subclass it as a frozen dataclass whose fields are its parameters.

    Scopes:
        ``row``: every row by itself. ``group``: all candidates of one input together. Both are given one
        shard after another, on every rank. ``global``: the whole table, once, on rank 0; it sees only the
        columns that it requires, and ``id``.

    An op of any scope may drop rows. A global op must keep the column ``row`` of the rows it keeps.
    Any parameter typed ``float | Schedule`` may change from round to round.
    """

    scope: ClassVar[Scope] = "row"
    #: Whether the op runs the model, so that ranks must do equal numbers of forward passes.
    runs_model: ClassVar[bool] = False

    @property
    def requires(self) -> tuple[str, ...]:
        """Names of the columns that must be there."""
        return ("id",)

    @property
    def provides(self) -> tuple[str, ...]:
        """Names of the columns that it adds or overwrites."""
        return ()

    @property
    def consumes(self) -> tuple[str, ...]:
        """Names of the columns that it takes away, where they are there."""
        return ()

    @property
    def recalls(self) -> tuple[str, ...]:
        """Names of the columns that it looks up in the ledger, which ``Remember`` must keep."""
        return ()

    @abstractmethod
    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table that follows from this one.

        Args:
            table: A shard, or for a global op the whole table.
            context: The round.
        """

    def map(self, shards: Iterable[pa.Table], context: Context) -> Iterator[pa.Table]:
        """Apply the op to one shard after another; ops that stream over shards do it better."""
        for shard in shards:
            yield self(shard, context)

    def remember(self, table: pa.Table, context: Context) -> pa.Table | None:
        """Return the new ledger, where the op keeps one; called for global ops with the table they were given."""
        return None

    def at(self, round: int, metrics: Mapping[str, float]) -> Self:
        """Return the op as it is in this round, every schedule replaced by its value that waits for nothing."""
        op: Self = resolve(self, round, metrics)
        return op

    @property
    def name(self) -> str:
        """Name in logs and manifests."""
        return type(self).__name__


def resolve(part: Any, round: int, metrics: Mapping[str, float], waiting: bool = False) -> Any:
    """Replace schedules in a dataclass, however deep, by their values in this round.

    Args:
        part: The dataclass, or a list of them.
        round: Rounds made before this one.
        metrics: What is known.
        waiting: Whether it is the schedules that wait for the ops before them whose values are known now, or those
            that are known when the round starts; the others stay.
    """
    if isinstance(part, Schedule):
        return part(round, metrics) if part.waits == waiting else part
    if isinstance(part, list | tuple):
        return type(part)(resolve(item, round, metrics, waiting) for item in part)
    if is_dataclass(part) and not isinstance(part, type):
        values = {f.name: getattr(part, f.name) for f in fields(part) if f.init}
        changed = {name: resolve(value, round, metrics, waiting) for name, value in values.items()}
        if any(changed[name] is not values[name] for name in values):
            return replace(part, **changed)
    return part


def waits(part: Any) -> bool:
    """Tell whether a schedule in an op, however deep, is known only when the ops before it have run."""
    return any(schedule.waits for schedule in parts_of(part, Schedule))  # type: ignore[type-abstract]


def parts_of(part: Any, kind: type[Part]) -> Iterator[Part]:
    """Yield the parts of this type in a dataclass or list, however deep.

    Example:
        >>> from lit_iterative.ops.actors import EMA, Ensemble, Policy
        >>> list(parts_of([Ensemble([Policy(), EMA()])], EMA))
        [EMA()]
    """
    if isinstance(part, kind):
        yield part
    inside: list[Any] = list(part) if isinstance(part, list | tuple) else []
    if is_dataclass(part) and not isinstance(part, type):
        inside = [getattr(part, f.name) for f in fields(part)]
    for piece in inside:
        yield from parts_of(piece, kind)


def spec(part: Any) -> Any:
    """Describe an op, or any part of a plan, in primitives: a class path and its arguments."""
    if is_dataclass(part) and not isinstance(part, type):
        kind = type(part)
        arguments = {f.name: spec(getattr(part, f.name)) for f in fields(part) if f.init}
        return {"class_path": f"{kind.__module__}.{kind.__qualname__}", "init_args": arguments}
    if isinstance(part, list | tuple):
        return [spec(item) for item in part]
    if isinstance(part, Mapping):
        return {str(key): spec(value) for key, value in part.items()}
    if part is None or isinstance(part, bool | int | float | str):
        return part
    if isinstance(part, nn.Module):
        return f"{type(part).__module__}.{part!r}"
    named = part if hasattr(part, "__qualname__") and getattr(part, "__module__", None) else type(part)
    return f"{named.__module__}.{named.__qualname__}"


def parameters_of(part: Any) -> dict[str, Any]:
    """Return the parameters of an op or a merge in primitives."""
    described = spec(part)
    return described.get("init_args", {}) if isinstance(described, dict) else {}


def check(ops: list[Op], columns: tuple[str, ...] = ("id",)) -> tuple[str, ...]:
    """Check that every op finds its columns, and return the columns at the end.

    Raises:
        PipelineError: If there is no op, or one needs a column that none before it provides.

    Example:
        >>> from lit_iterative.ops import Predict, Threshold
        >>> check([Predict(), Threshold(0.9)])
        Traceback (most recent call last):
        ...
        lit_iterative.errors.PipelineError: Threshold needs the column 'scores.confidence', ...
    """
    if not ops:
        raise PipelineError("The pipeline has no ops. Give at least one that proposes, for example Predict().")
    known = set(columns)
    for op in ops:
        for column in op.requires:
            if column not in known:
                raise PipelineError(
                    f"{op.name} needs the column {column!r}, but the ops before it provide only {sorted(known)}. "
                    f"Put an op that provides {column!r} before it."
                )
        known.difference_update(op.consumes)
        known.update(op.provides)
    return tuple(sorted(known))
