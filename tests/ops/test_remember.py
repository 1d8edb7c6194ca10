"""The ledger, against a dictionary of dictionaries, and through the executor and the store."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pytest

from lit_iterative.columns import read, write
from lit_iterative.errors import DataError, PipelineError
from lit_iterative.ops import Context, Failures, Op, Remember
from lit_iterative.ops.testing import example
from lit_iterative.pool import Pool
from lit_iterative.rounds.executor import Executor
from lit_iterative.rounds.store import Store

SCORE = "scores.confidence"


def context_of(ledger=None, round=0) -> Context:
    return Context(Pool(range(20), 4), ledger=ledger, round=round)


def test_the_ledger_is_the_union_and_new_values_win():
    draw = np.random.default_rng(0)
    ledger, expected = None, {}
    for _ in range(6):
        ids = draw.permutation(20)[: draw.integers(0, 12)]
        table = example(id=ids, probs=draw.random((len(ids), 3)), **{SCORE: draw.random(len(ids))})
        ledger = Remember([SCORE, "probs"]).remember(table, context_of(ledger))
        expected |= {row["id"]: row for row in table.select(["id", SCORE, "probs"]).to_pylist()}
        assert ledger.to_pylist() == [expected[id] for id in sorted(expected)]


def test_the_ledger_does_not_depend_on_the_order_of_rows():
    table = example(id=[5, 1, 3], **{SCORE: [0.5, 0.1, 0.3]})
    old = Remember([SCORE]).remember(example(id=[4, 1], **{SCORE: [0.9, 0.9]}), context_of())
    ledgers = [Remember([SCORE]).remember(rows, context_of(old)) for rows in (table, table.take([2, 0, 1]))]
    assert ledgers[0].equals(ledgers[1])
    assert ledgers[0]["id"].to_pylist() == [1, 3, 4, 5]


def test_columns_of_other_ops_stay_and_gaps_are_empty():
    first = Remember([SCORE]).remember(example(id=[1, 2], **{SCORE: [0.5, 0.75]}), context_of())
    second = Remember(["probs"]).remember(example(id=[2, 3], probs=[[1.0, 0.0], [0.0, 1.0]]), context_of(first))
    assert second.to_pylist() == [
        {"id": 1, SCORE: 0.5, "probs": None},
        {"id": 2, SCORE: 0.75, "probs": [1.0, 0.0]},
        {"id": 3, SCORE: None, "probs": [0.0, 1.0]},
    ]
    third = Remember([SCORE]).remember(example(id=[3], **{SCORE: [0.25]}), context_of(second))
    assert third[SCORE].to_pylist() == [0.5, 0.75, 0.25]
    assert third["probs"].to_pylist() == second["probs"].to_pylist()


@pytest.mark.parametrize("rows", [0, 1])
def test_few_rows(rows):
    table = example(id=np.arange(rows), probs=np.ones((rows, 2)), **{SCORE: np.ones(rows)})
    ledger = Remember([SCORE, "probs"]).remember(table, context_of())
    assert ledger.equals(table.select(["id", SCORE, "probs"]))
    again = Remember([SCORE, "probs"]).remember(table.slice(0, 0), context_of(ledger))
    assert again.equals(ledger)


def test_names_are_ids_too_and_dictionaries_are_kept_as_plain_values():
    sources = [pa.array(values).dictionary_encode() for values in (["ema", "policy"], ["policy"])]
    old = Remember(["source"]).remember(pa.table({"id": ["b", "a"], "source": sources[0]}), context_of())
    new = Remember(["source"]).remember(pa.table({"id": ["b"], "source": sources[1]}), context_of(old))
    assert new.to_pylist() == [{"id": "a", "source": "policy"}, {"id": "b", "source": "policy"}]
    assert new.schema.field("source").type == pa.string()


def test_the_table_passes_unchanged():
    table = example(**{SCORE: [0.5]})
    assert Remember([SCORE])(table, context_of()) is table


def test_an_input_whose_rows_differ_is_refused():
    with pytest.raises(DataError, match=r"one value of 'scores.confidence'.* differ in it, for example 0.75 and 0.25"):
        Remember([SCORE]).remember(example(id=[4, 1, 4], **{SCORE: [0.25, 0.5, 0.75]}), context_of())


def test_an_input_may_have_several_equal_rows():
    nan = float("nan")
    table = example(id=[4, 1, 4, 7, 7], pass_rate=[0.25, 0.5, 0.25, nan, nan], probs=[[0.5, 0.5]] * 5)
    ledgers = [Remember(["pass_rate", "probs"]).remember(t, context_of()) for t in (table, table.take([4, 2, 1, 3, 0]))]
    assert repr(ledgers[0].to_pylist()) == repr(ledgers[1].to_pylist())
    assert ledgers[0]["id"].to_pylist() == [1, 4, 7]
    assert ledgers[0]["pass_rate"].to_pylist()[:2] == [0.5, 0.25]


def test_a_column_of_another_width_is_refused():
    old = Remember(["probs"]).remember(example(probs=[[0.5, 0.5]]), context_of())
    with pytest.raises(DataError, match="number of classes"):
        Remember(["probs"]).remember(example(probs=[[0.5, 0.25, 0.25]]), context_of(old))


@pytest.mark.parametrize("columns", [[], ["id"], [SCORE, "id"]])
def test_columns_must_be_named(columns):
    with pytest.raises(PipelineError, match="Remember"):
        Remember(columns)


@dataclass(frozen=True)
class Score(Op):
    """Scores an input by its id and the round, as a model would that learns the even ids."""

    scope: ClassVar = "row"
    requires: ClassVar = ("id",)
    provides: ClassVar = (SCORE,)

    def __call__(self, table, context):
        ids = read(table, "id")
        return write(table, **{SCORE: np.where(ids % 2 == 0, 0.9, 0.1 * context.round).astype(np.float32)})


def test_failures_come_again_in_the_next_round_through_the_store(tmp_path):
    store, ledger = Store(tmp_path), None
    seen = []
    for round in range(3):
        draft, context = store.draft(round), context_of(ledger, round)
        result = Executor([Failures(0.5), Score(), Remember([SCORE])], draft, context, shard_size=3).run()
        seen.append([id for shard in range(result.shards) for id in read(draft.read(result.stage, shard), "id")])
        ledger = result.ledger
        again = Executor([Failures(0.5), Score(), Remember([SCORE])], draft, context, shard_size=3).run()
        assert again.ledger.equals(ledger)
    assert seen == [list(range(20)), list(range(1, 20, 2)), list(range(1, 20, 2))]
    assert ledger["id"].to_pylist() == list(range(20))
    np.testing.assert_allclose(ledger[SCORE].to_numpy(), [0.9, 0.2] * 10, rtol=1e-6)
