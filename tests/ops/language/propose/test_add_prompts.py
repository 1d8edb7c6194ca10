"""What the policy wrote is compared with all that is known, and kept in the ledger where it is new."""

import random

import pyarrow as pa
import pytest

from lit_iterative.errors import PipelineError
from lit_iterative.ops import Context
from lit_iterative.ops.language.propose.add_prompts import FIRST_ID, AddPrompts, Written, novel, written_prompts
from lit_iterative.pool import Pool

ITEMS = [{"prompt": f"given {place}"} for place in range(7)]
TEXTS = pa.list_(pa.string())


def test_parameters():
    with pytest.raises(PipelineError, match="similar.* is 0"):
        AddPrompts(0)


def subsequence(left, right):
    """The longest common subsequence, by the table of the textbook."""
    table = [[0] * (len(right) + 1) for _ in range(len(left) + 1)]
    for i, a in enumerate(left):
        for j, b in enumerate(right):
            table[i + 1][j + 1] = table[i][j] + 1 if a == b else max(table[i][j + 1], table[i + 1][j])
    return table[-1][-1]


@pytest.mark.parametrize("seed", range(10))
def test_novelty(seed):
    draw = random.Random(seed)
    known = [" ".join(draw.choices("abcdef", k=draw.randint(1, 9))) for _ in range(12)]
    texts = [" ".join(draw.choices("abcdefGHI", k=draw.randint(1, 9))) for _ in range(30)]
    wanted, seen = [], [text.lower().split() for text in known]
    for text in texts:
        words = text.lower().split()
        if all(2 * subsequence(words, other) / (len(words) + len(other)) < 0.7 for other in seen):
            wanted.append(text)
            seen.append(words)
    assert wanted
    assert novel(texts, known, 0.7) == wanted


def test_the_bound_itself_is_not_new():
    assert novel(["a b c d e f g"], ["a b c d e f x"], 6 / 7) == []
    assert novel(["a b c d e f g"], ["a b c d e f x"], 6 / 7 + 1e-9) == ["a b c d e f g"]


def add(written, ids=None, round=0, ledger=None, items=ITEMS, keys=None):
    context = Context(Pool(items, 1, ids=keys), round=round, ledger=ledger)
    ids = ids or context.pool.keys[: len(written)].tolist()
    table = pa.table({"id": ids, "written": pa.array(written, TEXTS)})
    return AddPrompts().remember(table, context), context.tally.values()


def test_new_prompts_go_to_the_ledger():
    ledger, counted = add([["alpha beta", "given 3"], [], ["beta alpha gamma", "Alpha Beta"]])
    assert ledger.to_pylist() == [
        {"id": FIRST_ID, "written_prompt": "alpha beta", "written_in": 0},
        {"id": FIRST_ID + 1, "written_prompt": "beta alpha gamma", "written_in": 0},
    ]
    assert counted == {"added_prompts": 2, "too_similar": 2}


def test_what_was_written_earlier_is_known():
    first, _ = add([["alpha beta"]])
    second, counted = add([["alpha beta", "delta"]], round=3, ledger=first)
    assert counted == {"added_prompts": 1, "too_similar": 1}
    assert [(written.prompt, written.round) for written in written_prompts(second)] == [("alpha beta", 0), ("delta", 3)]
    assert len({written.id for written in written_prompts(second)}) == 2


def test_ids_are_texts_where_the_pools_are():
    keys = [f"p{place}" for place in range(7)]
    ledger, _ = add([["alpha"]], keys=keys)
    ledger, _ = add([[chr(0x3B1 + place) * 3 for place in range(12)]], round=2, ledger=ledger, keys=keys)
    written = written_prompts(ledger)
    assert written[0] == Written("written-0-0", "alpha", 0)
    assert [entry.id for entry in written[1:]] == [f"written-2-{place}" for place in range(12)]  # not 0, 1, 10, 11, 2


def test_what_else_is_remembered_stays():
    ledger = pa.table({"id": [0, 1], "pass_rate": [0.5, 1.0]})
    made, _ = add([["alpha"]], ledger=ledger)
    assert made["pass_rate"].to_pylist() == [0.5, 1.0, None]
    assert [written.prompt for written in written_prompts(made)] == ["alpha"]
    assert written_prompts(ledger) == written_prompts(None) == []
