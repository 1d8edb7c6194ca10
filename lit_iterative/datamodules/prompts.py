"""PromptData: prompts to work on, worked examples to begin with, and held-out prompts to measure by."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar

import lightning.pytorch as pl
import numpy as np
import pyarrow as pa
from lightning.pytorch.utilities import rank_zero_warn
from torch.utils.data import DataLoader, Dataset

from lit_iterative.batches import COLUMNS, Collate
from lit_iterative.columns import Array, read
from lit_iterative.datamodules.mixing import Mixing, Rows
from lit_iterative.datamodules.records import Record, read_records
from lit_iterative.datamodules.refreshable import Refreshable
from lit_iterative.errors import DataError, SetupError
from lit_iterative.ops.language.propose.add_prompts import ROUND, written_prompts
from lit_iterative.pool import Pool
from lit_iterative.rounds.version import Version

Source = str | list[Record]


class Examples(pl.LightningDataModule):
    """Worked examples for training and held-out prompts, as any language policy takes them.

    Args:
        prompts: What rounds work on: records with a prompt, or where to read them (see
            :func:`~lit_iterative.datamodules.records.read_records`).
        examples: Records with a prompt and a completion to begin with; none when left out.
        held_out: Records with a prompt and what its answers are judged by; none when left out.
        prompt: The field of the prompt: a text, or a list of chat messages.
        completion: The field of an example's completion.
        id: The field of a prompt's id; its position when left out. Name one when prompts come, go or move.
        batch_size: Rows in a training step.
        eval_batch_size: Prompts in a validation step.
        max_prompt_tokens: Longer prompts are left out, with a warning; all are taken when left out.
        num_workers: Processes that make batches.
    """

    def __init__(
        self,
        prompts: Source,
        examples: Source | None = None,
        held_out: Source | None = None,
        prompt: str = "prompt",
        completion: str = "completion",
        id: str | None = None,
        batch_size: int = 16,
        eval_batch_size: int = 256,
        max_prompt_tokens: int | None = None,
        num_workers: int = 0,
    ) -> None:
        super().__init__()
        self._sources = {"prompts": prompts, "examples": examples, "held_out": held_out}
        self._fields = {"prompt": prompt, "completion": completion}
        self._id = id
        self.batch_size = batch_size
        self.eval_batch_size = eval_batch_size
        self.max_prompt_tokens = max_prompt_tokens
        self.num_workers = num_workers
        self._records: dict[str, list[Record]] = {}

    def records(self, name: str) -> list[Record]:
        """Return the records called ``prompts``, ``examples`` or ``held_out``, read once."""
        if name not in self._records:
            source = self._sources[name]
            split = "train" if name != "held_out" else "test"
            records = read_records(source, split) if isinstance(source, str) else list(source or [])
            wanted = ("prompt", "completion") if name == "examples" else ("prompt",)
            self._records[name] = [self._renamed(record, wanted, name) for record in records]
        return self._records[name]

    def _renamed(self, record: Record, wanted: Sequence[str], name: str) -> Record:
        fields = {field: self._fields[field] for field in wanted}
        for field, given in fields.items():
            if record.get(given) is None:
                raise DataError(
                    f"A record of {name} has the fields {sorted(record)}, but its {field} is looked for in {given!r}, "
                    f"which is missing or empty. Name the field: PromptData({field}=...)."
                )
            if field == "prompt" and not isinstance(record[given], str | list):
                raise DataError(
                    f"A record of {name} has the prompt {record[given]!r}. Give a text, or a list of chat messages."
                )
        return {**record, **{field: record[given] for field, given in fields.items()}}

    @property
    def policy(self) -> Any:
        """The module that reads the prompts.

        Raises:
            SetupError: If it does not read text.
        """
        module = None if self.trainer is None else self.trainer.lightning_module
        if not hasattr(module, "encode_example"):
            raise SetupError(
                f"{type(self).__name__} lets the policy turn text into tokens, but {type(module).__name__} cannot. "
                "Pass a LanguagePolicy to trainer.fit, or a LightningModule with its methods encode, encode_example "
                "and pad_id."
            )
        return module

    def train_dataloader(self) -> DataLoader[Any]:
        """Return a loader over the examples, encoded; where there are none, over what is yet to be made."""
        rows = [self._encoded(record) for record in self.records("examples")]
        dataset: Any = rows or NothingYet()
        collate = Collate(self.policy.pad_id)
        return DataLoader(dataset, self.batch_size, shuffle=True, collate_fn=collate, num_workers=self.num_workers)

    def _encoded(self, record: Record) -> Record:
        prompt_ids, completion_ids = self.policy.encode_example(record["prompt"], str(record["completion"]))
        return {"prompt_ids": prompt_ids, "completion_ids": completion_ids}

    def val_dataloader(self) -> Any:
        """Return a loader over the held-out prompts."""
        held_out = self.records("held_out")
        return DataLoader(held_out, self.eval_batch_size, collate_fn=list) if held_out else []  # type: ignore[arg-type]

    def test_dataloader(self) -> Any:
        """Return a loader over the held-out prompts."""
        return self.val_dataloader()

    def predict_dataloader(self) -> Any:
        """Return a loader over the prompts."""
        return DataLoader(self.records("prompts"), self.batch_size, collate_fn=list)  # type: ignore[arg-type]


class NothingYet(Dataset[Any]):
    """Stands for the data of the first round until that is made."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Any:
        raise DataError(
            "There is nothing to train on: there are no examples, and no round has made a row yet. Is a round due "
            "before the first epoch (When(warmup_epochs=0))? If one was made, no row survived: sample more, or lower "
            "a threshold."
        )


class TextRows(Rows):
    """Encoded examples, then the rows of a round; those that are drawn by their weights have none in the loss.

    Args:
        gold: Encoded examples, or none.
        table: The rows of the round.
        mixing: How items are made.
    """

    needs_several: ClassVar[bool] = False

    def __init__(self, gold: Any, table: pa.Table, mixing: Mixing) -> None:
        weights = read(table, "weight") if "weight" in table.column_names else np.ones(table.num_rows)
        super().__init__(gold, weights, mixing)
        drawn_by_weight = mixing.weighting == "sample" and "weight" in table.column_names
        self.table = table.drop_columns(["weight"]) if drawn_by_weight else table

    @cached_property
    def groups(self) -> Array:
        """The number of every row's prompt, ``(rows,)``."""
        golds = [] if self.gold is None else [self.gold[row]["prompt_ids"] for row in range(self.golds)]
        made = self.table.column("prompt_ids").to_pylist() if "prompt_ids" in self.table.column_names else []
        numbers: dict[tuple[int, ...], int] = {}
        return np.array([numbers.setdefault(tuple(ids), len(numbers)) for ids in (*golds, *made)])

    @cached_property
    def tokens(self) -> Array:
        """Tokens of every row's prompt and completions, ``(rows,)``."""
        golds = [] if self.gold is None else [self.gold[row] for row in range(self.golds)]
        names = [name for name in self.table.column_names if name.endswith("_ids")]
        return np.array(
            [sum(_length(row[name]) for name in row) for row in (*golds, *self.table.select(names).to_pylist())]
        )

    def made(self, row: int) -> Any:
        """Return a row as a dictionary."""
        return self.table.slice(row, 1).to_pylist()[0]


def _length(ids: Sequence[Any]) -> int:
    """Return the tokens of a text, or of several."""
    return sum(_length(one) if isinstance(one, list) else 1 for one in ids)


class PromptData(Refreshable, Examples):
    """Prompts for a language policy, whose train loader serves the examples first and then what rounds make.

    Takes the arguments of :class:`Examples`, and ``mixing``: with ``replace``, the default, training goes on with the
    rows of the round alone; with ``concat`` together with the examples (accepted completions only); with ``paired``
    every step has a batch of both. Weights of rows count in the loss, or with ``weighting: sample`` in the drawing of
    rows.
    """

    def __init__(
        self,
        prompts: Source,
        examples: Source | None = None,
        held_out: Source | None = None,
        prompt: str = "prompt",
        completion: str = "completion",
        id: str | None = None,
        batch_size: int = 16,
        eval_batch_size: int = 256,
        max_prompt_tokens: int | None = None,
        mixing: Mixing = Mixing(mode="replace"),  # noqa: B008  # frozen
    ) -> None:
        super().__init__(
            prompts, examples, held_out, prompt, completion, id, batch_size, eval_batch_size, max_prompt_tokens
        )
        self.mixing = mixing

    def pool(self) -> Pool:
        """Return the prompts."""
        return self.pool_after(None)

    def pool_after(self, previous: Version | None) -> Pool:
        """Return the prompts, and behind them those that the policy has written (see ``AddPrompts``) up to a round.

        These have the fields of the others, but all that is known of them is the prompt.
        """
        given = self.records("prompts")
        blank = dict.fromkeys(name for record in given for name in record)
        records = [(self._id_of(place, record), record) for place, record in enumerate(given)]
        for written in written_prompts(None if previous is None else previous.ledger()):
            records.append((written.id, {**blank, "prompt": written.prompt, ROUND: written.round}))
        kept = [(id, record) for id, record in records if self._fits(record)]
        if len(kept) < len(records):
            rank_zero_warn(
                f"{len(records) - len(kept)} of {len(records)} prompts have more than {self.max_prompt_tokens} tokens "
                "and are left out."
            )
        return Pool([record for _, record in kept], self.batch_size, ids=[id for id, _ in kept])

    def _id_of(self, place: int, record: Record) -> Any:
        if self._id is None:
            return place
        if record.get(self._id) is None:
            raise DataError(f"A prompt has the fields {sorted(record)}, but its id is looked for in {self._id!r}.")
        return record[self._id]

    def _fits(self, record: Record) -> bool:
        return self.max_prompt_tokens is None or len(self.policy.encode(record["prompt"])) <= self.max_prompt_tokens

    def rows(self, gold: Any, version: Version | None) -> Rows:
        """Return encoded examples and the rows of a round."""
        gold = None if isinstance(gold, NothingYet) else gold
        if version is None:
            return TextRows(gold, pa.table({"weight": pa.array([], pa.float32())}), self.mixing)
        return TextRows(gold, version.table([name for name in version.columns if name in COLUMNS]), self.mixing)
