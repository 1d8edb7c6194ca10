"""Turns: rollouts taken apart, so that a turn is a completion of all that was said before it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from lit_iterative.columns import read, write
from lit_iterative.errors import DataError
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.tokens import column_of, ids_of, int_lists, texts_of
from lit_iterative.ops.op import Op


@dataclass(frozen=True)
class Turns(Op):
    """Gives every turn of the policy in a rollout a row of its own, whose prompt is all that was said before.

    What is then selected, drawn again and trained on is that turn alone. RISE (Qu et al., 2024, arXiv:2407.18219) gives
    wrong turns better ones to learn: ``Rollout``, ``Turns``, scorers, ``Threshold``, ``Sample(group="state")``.

    Requires ``id``, ``candidate``, ``prompt_ids`` and what ``Rollout`` provides of its turns. Provides a row for each
    turn, in their order: ``turn`` (its number from 0), ``state`` (a text that names prompt, rollout and turn),
    ``prompt_ids``, ``completion_ids``, ``text``, and ``finish`` (that of the rollout for its last turn, ``stop`` for
    others). Takes the masks away. Counts ``turns_taken``.

    Raises:
        DataError: If a rollout has not as many turns as starts of turns, when run.

    Example:
        >>> from lit_iterative.pool import Pool
        >>> rollout = {"turns": [["a", "b"]], "turn_starts": [[0, 2]], "completion_mask": [[1.0, 0.0, 1.0]]}
        >>> tokens = {"prompt_ids": [[1]], "completion_ids": [[97, 63, 98]], "finish": ["stop"]}
        >>> table = pa.table({"id": [0], "candidate": [0], **tokens, **rollout})
        >>> Turns()(table, Context(Pool([0], 1))).select(["state", "prompt_ids", "completion_ids"]).to_pylist()[1]
        {'state': '0 0 1', 'prompt_ids': [1, 97, 63], 'completion_ids': [98]}
    """

    @property
    def requires(self) -> tuple[str, ...]:
        """The rollouts."""
        return ("candidate", "prompt_ids", "completion_ids", "completion_mask", "finish", "turns", "turn_starts")

    @property
    def provides(self) -> tuple[str, ...]:
        """The turns."""
        return ("turn", "state", "prompt_ids", "completion_ids", "text", "finish")

    @property
    def consumes(self) -> tuple[str, ...]:
        """What rollouts have and turns have not."""
        return ("completion_mask", "turns", "turn_starts")

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the turns of all rollouts."""
        prompts, completions, starts = (ids_of(table, name) for name in ("prompt_ids", "completion_ids", "turn_starts"))
        masks, texts = column_of(table, "completion_mask").to_pylist(), column_of(table, "turns").to_pylist()
        finish = texts_of(table, "finish")
        names = [f"{id} {candidate}" for id, candidate in zip(read(table, "id"), read(table, "candidate"), strict=True)]
        _check(texts, masks, starts, completions)
        places = [(row, turn) for row in range(table.num_rows) for turn in range(len(starts[row]))]
        ends = [_ends(begins, mask) for begins, mask in zip(starts, masks, strict=True)]
        rows = table.drop_columns([*self.consumes]).take(pa.array([row for row, _ in places], pa.int64()))
        context.tally.count("turns_taken", len(places))
        return write(
            rows,
            turn=np.array([turn for _, turn in places], dtype=np.int32),
            state=pa.array([f"{names[row]} {turn}" for row, turn in places], pa.string()),
            prompt_ids=int_lists([[*prompts[row], *completions[row][: starts[row][turn]]] for row, turn in places]),
            completion_ids=int_lists([completions[row][starts[row][turn] : ends[row][turn]] for row, turn in places]),
            text=pa.array([texts[row][turn] for row, turn in places], pa.string()),
            finish=pa.array(
                [finish[row] if turn == len(starts[row]) - 1 else "stop" for row, turn in places], pa.string()
            ),
        )


def _ends(starts: list[int], mask: list[float]) -> list[int]:
    """Return where each turn ends: where the environment begins to speak, or the next turn begins.

    Example:
        >>> _ends([0, 3, 4], [1, 1, 0, 1, 1, 0])
        [2, 4, 5]
    """
    bounds = pairwise([*starts, len(mask)])
    return [next((place for place in range(start, stop) if mask[place] == 0), stop) for start, stop in bounds]


def _check(*columns: Sequence[Any]) -> None:
    """Check that rollouts have a text and a start for every turn, and a weight for every token."""
    for turns, mask, starts, ids in zip(*columns, strict=True):
        if turns is None or mask is None or len(turns) != len(starts) or len(mask) != len(ids):
            raise DataError(
                f"A rollout has the turns {turns}, which begin at the tokens {starts}, and {mask} as weights of {ids}. "
                "Turns takes rollouts apart as Rollout makes them; leave these columns as they are."
            )
