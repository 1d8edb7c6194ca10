"""PairData: pairs of completions for a reward model; which of the two is better, rounds may find out."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import lightning.pytorch as pl
import numpy as np
from torch.utils.data import DataLoader, Dataset

from lit_iterative.batches import Batch, Collate, Row
from lit_iterative.columns import Array, read
from lit_iterative.datamodules.mixing import Mixing, Rows
from lit_iterative.datamodules.prompts import NothingYet
from lit_iterative.datamodules.records import Record, read_records
from lit_iterative.datamodules.refreshable import Refreshable
from lit_iterative.datamodules.relabelled import Relabelled
from lit_iterative.errors import DataError, SetupError
from lit_iterative.rounds.version import Version

Source = str | list[Record]
LABEL = "label"


class LabelledPairs(pl.LightningDataModule):
    """Labelled pairs to train on, pairs to label, and held-out pairs to measure by.

    A record has a ``prompt`` and two completions: ``first`` and ``second``, with the ``label`` 0 or 1 of the better
    one where it is known, or ``chosen`` and ``rejected``. Every pair becomes a row with ``first`` at the place of the
    chosen completion, and the label tells whether it is.

    Args:
        pairs: What rounds label: records, or where to read them (see
            :func:`~lit_iterative.datamodules.records.read_records`). Labels that are there are not shown to them, but
            serve diagnostics.
        examples: Labelled records to begin with; none when left out.
        held_out: Labelled records to measure by; none when left out.
        batch_size: Pairs in a training step.
        eval_batch_size: Pairs in a validation step, and in a forward pass of a round.
    """

    def __init__(
        self,
        pairs: Source,
        examples: Source | None = None,
        held_out: Source | None = None,
        batch_size: int = 16,
        eval_batch_size: int = 256,
    ) -> None:
        super().__init__()
        self._sources = {"pairs": pairs, "examples": examples or [], "held_out": held_out or []}
        self.batch_size = batch_size
        self.eval_batch_size = eval_batch_size

    @cached_property
    def records(self) -> dict[str, list[Record]]:
        """The records called ``pairs``, ``examples`` and ``held_out``, all with ``first``, ``second`` and ``label``."""
        return {
            name: [
                _ordered(record, name)
                for record in (read_records(source, _SPLITS[name]) if isinstance(source, str) else source)
            ]
            for name, source in self._sources.items()
        }

    def train_dataloader(self) -> DataLoader[Any]:
        """Return a loader over the labelled pairs."""
        return self._loader("examples", self.batch_size, shuffle=True)

    def val_dataloader(self) -> Any:
        """Return a loader over the held-out pairs."""
        return self._loader("held_out", self.eval_batch_size) if self.records["held_out"] else []

    def test_dataloader(self) -> Any:
        """Return a loader over the held-out pairs."""
        return self.val_dataloader()

    def predict_dataloader(self) -> DataLoader[Any]:
        """Return a loader over the pairs to label."""
        return self._loader("pairs", self.eval_batch_size)

    def pool_truth(self) -> Array:
        """Return the labels of the pairs that rounds label, -1 where unknown; for diagnostics."""
        return np.array([-1 if record[LABEL] is None else record[LABEL] for record in self.records["pairs"]])

    def _loader(self, name: str, batch_size: int, shuffle: bool = False) -> DataLoader[Any]:
        rows: Dataset[Any] = self._encoded_pairs(name) if self.records[name] else NothingYet()
        return DataLoader(rows, batch_size, shuffle=shuffle, collate_fn=PairCollate(self.model.pad_id))

    def _encoded_pairs(self, name: str) -> "EncodedPairs":
        if name not in self._encoded:
            self._encoded[name] = EncodedPairs([self._row(record) for record in self.records[name]])
        return self._encoded[name]

    @cached_property
    def _encoded(self) -> dict[str, "EncodedPairs"]:
        return {}

    def _row(self, record: Record) -> Row:
        prompt, first, second = self.model.encode_pair(record["prompt"], record["first"], record["second"])
        return {"prompt_ids": prompt, "chosen_ids": first, "rejected_ids": second, LABEL: record[LABEL]}

    @property
    def model(self) -> Any:
        """The module that reads the pairs.

        Raises:
            SetupError: If it does not.
        """
        module = None if self.trainer is None else self.trainer.lightning_module
        if not hasattr(module, "encode_pair"):
            raise SetupError(
                f"{type(self).__name__} lets the reward model turn pairs into tokens, but {type(module).__name__} "
                "cannot. Pass a BradleyTerryReward to trainer.fit, or a LightningModule with encode_pair and pad_id."
            )
        return module


class PairData(Refreshable, LabelledPairs):
    """Pairs for a reward model, whose train loader serves the labelled ones, and those that rounds label.

    Takes the arguments of :class:`LabelledPairs`, and ``mixing``: with ``concat``, the default, pairs that rounds have
    labelled join the labelled ones; with ``replace`` they alone are trained on. A label may be soft: two probabilities.
    """

    def __init__(
        self,
        pairs: Source,
        examples: Source | None = None,
        held_out: Source | None = None,
        batch_size: int = 16,
        eval_batch_size: int = 256,
        mixing: Mixing = Mixing(label_at=LABEL),  # noqa: B008  # frozen
    ) -> None:
        super().__init__(pairs, examples, held_out, batch_size, eval_batch_size)
        if mixing.label_at != LABEL:
            raise SetupError(f"The label of a pair stands at {LABEL!r}. Set Mixing(label_at={LABEL!r}).")
        self.mixing = mixing

    def rows(self, gold: Any, version: Version | None) -> Rows:
        """Return labelled pairs and those of a round, which may be ``pointwise``."""
        rows = super().rows(None if isinstance(gold, NothingYet) else gold, version)
        if version is None or "pointwise" not in version.columns or not isinstance(rows, Relabelled):
            return rows
        return _Switched(rows, read(version.table(["pointwise"]), "pointwise"))


class _Switched(Rows):
    """Rows of which a column says how they are trained on; labelled ones are compared.

    Args:
        rows: The rows.
        pointwise: Of those that a round made, ``(rows,)``.
    """

    def __init__(self, rows: Rows, pointwise: Array) -> None:
        super().__init__(rows.gold, rows.weights, rows.mixing)
        self._rows = rows
        self._pointwise = pointwise

    def labelled(self, index: int) -> Any:
        """Return a labelled pair."""
        return {**self._rows.labelled(index), "pointwise": 0.0}

    def made(self, row: int) -> Any:
        """Return a pair that a round labelled."""
        return {**self._rows.made(row), "pointwise": float(self._pointwise[row])}


class EncodedPairs(Dataset[Any]):
    """Pairs as token ids.

    Args:
        rows: Of each, ``prompt_ids``, ``chosen_ids``, ``rejected_ids`` and ``label``.
    """

    def __init__(self, rows: list[Row]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Row:
        return self._rows[index]


class PairCollate(Collate):
    """Makes a batch of pairs; a label becomes the probability that the first one is preferred.

    Example:
        >>> row = {"prompt_ids": [1], "chosen_ids": [6], "rejected_ids": [7], "label": 1}
        >>> PairCollate(pad_id=0)([row]).columns["preference"].tolist()
        [0.0]
    """

    def __call__(self, rows: Sequence[Row]) -> Batch:
        """Return the batch."""
        return self.batch([{**row, "preference": _preference(row.get(LABEL))} for row in rows])


def _preference(label: Any) -> float | None:
    """Return the probability that the first completion is preferred, by a class or by two probabilities."""
    if label is None:
        return None
    return float(label[0]) if np.ndim(label) else 1.0 - float(label)


_SPLITS = {"pairs": "train", "examples": "train", "held_out": "test"}


def _ordered(record: Record, name: str) -> Record:
    """Return a record with ``first``, ``second`` and ``label``."""
    if "chosen" in record and "rejected" in record:
        record = {**record, "first": record["chosen"], "second": record["rejected"], LABEL: 0}
    texts = [record.get(field) for field in ("prompt", "first", "second")]
    if texts[0] is None or not all(isinstance(text, str) for text in texts[1:]):
        raise DataError(
            f"A record of {name} has the fields {sorted(record)}. Give prompt and, as texts, chosen and rejected, or "
            "first and second."
        )
    label = record.get(LABEL)
    if label not in ((0, 1, None) if name == "pairs" else (0, 1)):
        raise DataError(f"A record of {name} has the label {label!r}. Give 0 where first is better, 1 where second is.")
    return {**record, LABEL: label}
