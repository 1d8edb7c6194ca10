"""Batches of a round's rows: what a policy is trained on, made from the columns of the table."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from lit_iterative.errors import DataError
from lit_iterative.sequences import Sequences, pad

Row = dict[str, Any]

#: Columns of numbers that losses may read, one a row.
NUMBERS = {
    "pairs": (
        "chosen_ref_logp",
        "rejected_ref_logp",
        "preference",
        "chosen_win_rate",
        "rejected_win_rate",
        "chosen_anchor_logp",
        "rejected_anchor_logp",
        "pointwise",
    ),
    "completions": ("ref_logp", "desirable", "pass_rate", "mismatched_ref_logp"),
}
SIDES = ("chosen", "rejected", "completion", "mismatched")
#: Columns of a round's table that training reads.
COLUMNS = {
    "prompt_ids",
    "weight",
    "component",
    *NUMBERS["pairs"],
    *NUMBERS["completions"],
    "ranked_ids",
    "ranked_ref_logps",
    "ranked_scores",
    *(f"{side}_{part}" for side in SIDES for part in ("ids", "mask")),
}


class Batch:
    """Rows to train on. Lightning brings it to a device and leaves its precision alone, as it does ``Sequences``.

    Args:
        sequences: Prompts and completions; of pairs, first all chosen ones, then all rejected ones; of judged
            ones, mismatched completions may follow; of rankings, those of one row after those of another.
        columns: Numbers, one a row each: ``weight``, and those of reference log-probabilities and labels; of rankings,
            one a place as well.
        total: What the sum of the rows' losses is divided by; the number of rows when left out.
    """

    def __init__(self, sequences: Sequences, columns: dict[str, Tensor], total: float | None = None) -> None:
        self.sequences = sequences
        self.columns = columns
        self.total = len(self) if total is None else total

    @property
    def weight(self) -> Tensor:
        """The weight of every row, ``(rows,)``."""
        return self.columns["weight"]

    def __len__(self) -> int:
        return len(self.weight)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "Batch":
        """Return the batch on a device."""
        columns = {name: value.to(device, non_blocking=non_blocking) for name, value in self.columns.items()}
        return type(self)(self.sequences.to(device, non_blocking), columns, self.total)

    def pin_memory(self) -> "Batch":
        """Return the batch in pinned memory."""
        return type(self)(self.sequences.pin_memory(), {k: v.pin_memory() for k, v in self.columns.items()}, self.total)


class Completions(Batch):
    """Completions to imitate."""


class Judged(Batch):
    """Completions of which the column ``desirable`` tells which to imitate and which to avoid."""


class Pairs(Batch):
    """Chosen and rejected completions of the same prompts."""


class Ranked(Batch):
    """Several completions of each prompt, the best first.

    The column ``present`` ``(rows, places)`` tells which places hold one, the others are padding.
    """


class Collate:
    """Makes a batch of rows; which kind, their columns decide.

    Where rows have a ``component``, which part of a module they train, there is one batch for each, by its name; rows
    without stand under ``policy``.

    Args:
        pad_id: What to pad with.

    Example:
        >>> row = {"prompt_ids": [1, 5], "chosen_ids": [6, 2], "rejected_ids": [7, 2], "weight": 1.0}
        >>> batch = Collate(pad_id=0)([row])
        >>> type(batch).__name__, batch.sequences.input_ids.tolist()
        ('Pairs', [[1, 5, 6, 2], [1, 5, 7, 2]])
    """

    def __init__(self, pad_id: int) -> None:
        self._pad_id = pad_id

    def __call__(self, rows: Sequence[Row]) -> Any:
        """Return the batch, or one for each component.

        Raises:
            DataError: If rows are of no kind, or of several.
        """
        if all(row.get("component") is None for row in rows):
            return self.batch(rows)
        parts: dict[str, list[Row]] = {}
        for row in rows:
            parts.setdefault(row.get("component") or "policy", []).append(row)
        return {name: self.batch(parts[name]) for name in sorted(parts)}

    def batch(self, rows: Sequence[Row]) -> Batch:
        """Return the batch of rows of one kind."""
        kind = _kind(rows)
        if kind is Pairs:
            return Pairs(self._sequences(rows, "chosen", "rejected"), _columns(rows, NUMBERS["pairs"]))
        if kind is Ranked:
            return Ranked(self._rankings(rows), {**_columns(rows, ()), **_places(rows)})
        sides = ("completion", "mismatched") if "mismatched_ids" in rows[0] else ("completion",)
        return kind(self._sequences(rows, *sides), _columns(rows, NUMBERS["completions"]))

    def _sequences(self, rows: Sequence[Row], *sides: str) -> Sequences:
        prompts = [row["prompt_ids"] for _ in sides for row in rows]
        completions = [row[f"{side}_ids"] for side in sides for row in rows]
        weights = [row.get(f"{side}_mask") for side in sides for row in rows]
        return pad(prompts, completions, self._pad_id, weights)

    def _rankings(self, rows: Sequence[Row]) -> Sequences:
        prompts = [row["prompt_ids"] for row in rows for _ in row["ranked_ids"]]
        return pad(prompts, [ids for row in rows for ids in row["ranked_ids"]], self._pad_id)


def _kind(rows: Sequence[Row]) -> type[Batch]:
    """Return what kind of rows these are."""
    kinds = {_kind_of(row) for row in rows}
    if len(kinds) > 1:
        names = " and ".join(sorted(kind.__name__ for kind in kinds))
        raise DataError(
            f"A batch has rows of two kinds, {names}, which are trained on by two losses. Mix examples and such rows "
            "with Mixing(mode='replace') or Mixing(mode='paired')."
        )
    return kinds.pop()


def _kind_of(row: Row) -> type[Batch]:
    if "chosen_ids" in row:
        return Pairs
    if "ranked_ids" in row:
        return Ranked
    if "completion_ids" not in row:
        raise DataError(
            f"A row to train on has the columns {sorted(row)}, but none of chosen_ids, ranked_ids and completion_ids. "
            "Put a builder such as BestWorst() or Accept() at the end of the pipeline."
        )
    return Judged if "desirable" in row else Completions


def _columns(rows: Sequence[Row], names: Sequence[str]) -> dict[str, Tensor]:
    """Return the numbers of the rows that all of them have; a row without weight counts as 1."""
    columns = {"weight": torch.tensor([float(row.get("weight", 1.0)) for row in rows], dtype=torch.float32)}
    for name in names:
        if all(row.get(name) is not None for row in rows):
            columns[name] = torch.tensor([float(row[name]) for row in rows], dtype=torch.float32)
    return columns


def _places(rows: Sequence[Row]) -> dict[str, Tensor]:
    """Return which places of rankings hold a completion, and what all rows have one number a place of."""
    lengths = torch.tensor([len(row["ranked_ids"]) for row in rows])
    present = torch.arange(int(lengths.max())) < lengths[:, None]
    columns = {"present": present}
    for name in ("ranked_ref_logps", "ranked_scores"):
        if all(row.get(name) is not None for row in rows):
            values = torch.tensor([value for row in rows for value in row[name]], dtype=torch.float32)
            columns[name] = torch.zeros(present.shape).masked_scatter(present, values)
    return columns
