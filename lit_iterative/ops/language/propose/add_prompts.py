"""AddPrompts: what the policy wrote joins the pool of later rounds, where it is new."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import pyarrow as pa

from lit_iterative.columns import read
from lit_iterative.generation.prompt import text_of
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.score.utility import WORD, common_subsequence, f1
from lit_iterative.ops.language.tokens import column_of
from lit_iterative.ops.op import Op, Scope
from lit_iterative.ops.parameters import check_range, number
from lit_iterative.ops.remember import Remember
from lit_iterative.ops.schedule import Schedule

#: Columns of the ledger: a prompt that the policy wrote, and in which round. The second is a field of the pool's item.
PROMPT, ROUND = "written_prompt", "written_in"
#: Integer ids from here on are of prompts that the policy wrote.
FIRST_ID, IDS_OF_A_ROUND = 2**62, 2**32


class Written(NamedTuple):
    """A prompt that the policy wrote.

    Args:
        id: Its id in the pool.
        prompt: Its text.
        round: In which round.
    """

    id: int | str
    prompt: str
    round: int


@dataclass(frozen=True)
class AddPrompts(Op):
    """Keeps what ``SelfInstruct`` wrote, where it is new; ``PromptData`` adds it to the pool from the next round on.

    New is a prompt whose ROUGE-L (the F1 of the longest common subsequence of words, whatever their case) with every
    known prompt is below a bound (Wang et al., 2023, arXiv:2212.10560, section 2.2: 0.7). Known are those of the pool,
    those that were written in earlier rounds, and those added before it in this round.

    The prompts go to the ledger, in columns ``written_prompt`` and ``written_in`` (the round), and so are saved with
    the round. Their ids are texts where the pool's are, else integers from ``2**62`` on.

    Args:
        similar: Prompts at least as similar as this to a known one are not new.

    Requires ``written``; changes no row. Counts ``added_prompts`` and ``too_similar``.

    Raises:
        PipelineError: If the bound is not above 0 and at most 1.

    Example:
        >>> from lit_iterative.pool import Pool
        >>> context = Context(Pool([{"prompt": "Name a big city."}], 1))
        >>> table = pa.table({"id": [0], "written": [["Name a very big city.", "Add 3 and 4."]]})
        >>> AddPrompts().remember(table, context).to_pylist()
        [{'id': 4611686018427387904, 'written_prompt': 'Add 3 and 4.', 'written_in': 0}]
    """

    similar: float | Schedule = 0.7
    scope: ClassVar[Scope] = "global"

    def __post_init__(self) -> None:
        check_range("AddPrompts(similar)", self.similar, 0, 1, open_low=True)

    @property
    def requires(self) -> tuple[str, ...]:
        """What was written."""
        return ("written",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table as it is."""
        column_of(table, "written")
        return table

    def remember(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the ledger with the prompts that are new."""
        rows = zip(map(str, read(table, "id").tolist()), column_of(table, "written").to_pylist(), strict=True)
        texts = [text for _, row in sorted(rows, key=lambda row: row[0]) for text in row or []]
        known = [text_of(prompt) for prompt in _pool_prompts(context)]
        known += [written.prompt for written in written_prompts(context.ledger)]
        added = novel(texts, known, number(self.similar))
        context.tally.count("added_prompts", len(added))
        context.tally.count("too_similar", len(texts) - len(added))
        named = context.pool.keys.dtype.kind not in "iu"
        ids = [_id(context.round, place, named) for place in range(len(added))]
        new = pa.table(
            {
                "id": pa.array(ids, pa.string() if named else pa.int64()),
                PROMPT: pa.array(added, pa.string()),
                ROUND: pa.array([context.round] * len(added), pa.int32()),
            }
        )
        return Remember([PROMPT, ROUND]).remember(new, context)


def written_prompts(ledger: pa.Table | None) -> list[Written]:
    """Return the prompts that the policy has written, in the order in which they were added.

    Example:
        >>> written_prompts(pa.table({"id": [3], PROMPT: ["Add 3 and 4."], ROUND: [1]}))
        [Written(id=3, prompt='Add 3 and 4.', round=1)]
    """
    if ledger is None or PROMPT not in ledger.column_names:
        return []
    rows = ledger.select(["id", PROMPT, ROUND]).to_pylist()
    found = [Written(*row.values()) for row in rows if row[PROMPT] is not None]
    return sorted(found, key=lambda written: (written.round, len(str(written.id)), written.id))


def novel(texts: Iterable[str], known: Iterable[str], similar: float) -> list[str]:
    """Return the texts that are new, each also compared with those before it.

    Args:
        texts: What may be new.
        known: What is known.
        similar: A ROUGE-L from which on a text is not new.

    Example:
        >>> novel(["a b c", "d e f", "d e g"], ["a b x c"], 0.6)
        ['d e f']
    """
    words_of_known = [words_of(text) for text in known]
    new = []
    for text in texts:
        words = words_of(text)
        if not any(_close(words, others, similar) for others in words_of_known):
            new.append(text)
            words_of_known.append(words)
    return new


def words_of(text: str) -> list[str]:
    """Return the words and signs of a text, in lower case.

    Example:
        >>> words_of("Add 3+4.")
        ['add', '3', '+', '4', '.']
    """
    return WORD.findall(text.casefold())


def _close(words: list[str], others: list[str], similar: float) -> bool:
    shorter = min(len(words), len(others))
    if f1(shorter, len(words), len(others)) < similar:  # no subsequence is longer than the shorter text
        return False
    return f1(common_subsequence(words, others), len(words), len(others)) >= similar


def _id(round: int, place: int, named: bool) -> int | str:
    return f"written-{round}-{place}" if named else FIRST_ID + round * IDS_OF_A_ROUND + place


def _pool_prompts(context: Context) -> list[Any]:
    dataset: Any = context.pool.dataset
    items = [dataset[place] for place in range(len(context.pool))]
    return [item["prompt"] for item in items if isinstance(item, dict) and "prompt" in item]
