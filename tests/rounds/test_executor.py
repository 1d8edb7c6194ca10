import shutil

import numpy as np
import pyarrow as pa
import pytest

from lit_iterative.columns import read
from lit_iterative.errors import DataError, PipelineError
from lit_iterative.ops import FromMetric, SameRound, Steered, Threshold
from lit_iterative.ops.context import Context
from lit_iterative.pool import Pool
from lit_iterative.rounds.executor import Executor
from lit_iterative.rounds.store import Store
from tests.projects.ops import Count, CountGlobally, Halve, Nested, Square


def run(folder, ops, rows=23, shard_size=5, **context):
    draft = Store(folder).draft(0)
    result = Executor(ops, draft, Context(Pool(list(range(rows)), 4), **context), shard_size).run()
    tables = [draft.read(result.stage, shard) for shard in range(result.shards)]
    return pa.concat_tables(tables), result


def above_the_mean():
    return Threshold(SameRound(FromMetric("round/mean_id")), "square")


def test_row_and_global_ops_against_a_plain_loop(tmp_path):
    table, result = run(tmp_path, [Square(drop=3), Halve(), Square()])
    left = [i for i in range(23) if i % 3][::2]
    assert read(table, "id").tolist() == left
    assert read(table, "square").tolist() == [i * i for i in left]
    assert read(table, "rank").tolist() == list(range(0, 2 * len(left), 2))
    counts = [(op.name, op.rows_in, op.rows_out) for op in result.ops]
    assert counts == [("Square", 23, 15), ("Halve", 15, 8), ("Square", 8, 8)]


@pytest.mark.parametrize("shard_size", [1, 2, 7, 100])
def test_the_shard_size_changes_no_row(tmp_path, shard_size):
    table, _ = run(tmp_path, [Square(), Halve(), Square(drop=4)], shard_size=shard_size)
    assert read(table, "id").tolist() == [i for i in range(0, 23, 2) if i % 4]


def test_memory_goes_on_from_round_to_round_by_op(tmp_path):
    _, first = run(tmp_path / "0", [Halve(), Halve()])
    assert first.memory == {"0:Halve": {"calls": 1, "rows": 23}, "1:Halve": {"calls": 1, "rows": 12}}
    _, second = run(tmp_path / "1", [Halve(), Halve()], memory=first.memory)
    assert second.memory["0:Halve"] == {"calls": 2, "rows": 46}


def test_finished_shards_are_not_computed_again(tmp_path):
    whole, _ = run(tmp_path, [Square(), Halve()])
    calls = []

    class Counting(Square):
        def __call__(self, table, context):
            calls.append(read(table, "id")[0])
            return super().__call__(table, context)

    draft = Store(tmp_path).draft(0)
    for name in ("00/00001.parquet", "stage-00.json", "stage-01.json"):
        draft._files.remove(f"{draft._work}/{name}")
    again, _ = run(tmp_path, [Counting(), Halve()])
    assert calls == [5]
    assert again.equals(whole)


def test_all_dropped_leaves_an_empty_table_with_all_columns(tmp_path):
    table, result = run(tmp_path, [Square(drop=1), Halve(), Square()])
    assert table.num_rows == 0
    assert set(table.column_names) == {"id", "square", "rank"}
    assert result.ops[-1].rows_in == 0


@pytest.mark.parametrize("wrong", ["order", "lost"])
def test_global_ops_must_keep_the_order_of_rows(tmp_path, wrong):
    with pytest.raises(PipelineError, match="lost, repeated or reordered the column 'row'"):
        run(tmp_path, [Halve(wrong)])


def test_a_map_that_loses_a_shard_is_refused(tmp_path):
    class Losing(Square):
        def map(self, shards, context):
            yield from list(super().map(shards, context))[:-1]

    with pytest.raises(PipelineError, match="returned 4 of 5 shards"):
        run(tmp_path, [Losing()])


def test_a_shard_that_another_rank_did_not_write_is_missed(tmp_path):
    class Half:  # the first of two ranks, whose peer writes to another disk
        rank, world_size = 0, 2

        def barrier(self):
            pass

        def broadcast(self, value):
            return value

        def max(self, value):
            return value

    with pytest.raises(DataError, match=r"Shards \[1, 3\] of 5 are missing.*every rank shares"):
        run(tmp_path, [Square()], ranks=Half())


def test_large_pools_are_resharded_as_they_stream(tmp_path):
    table, result = run(tmp_path, [Halve(), Square()], rows=997, shard_size=10)
    assert read(table, "id").tolist() == list(range(0, 997, 2))
    assert result.shards == 50
    np.testing.assert_array_equal(read(table, "square"), np.arange(0, 997, 2) ** 2)


@pytest.mark.parametrize("op", [Count(), CountGlobally()])
@pytest.mark.parametrize("shard_size", [3, 100])
def test_a_schedule_sees_what_the_whole_table_measured_in_the_same_round(tmp_path, op, shard_size):
    above = Threshold(SameRound(FromMetric("round/mean_id", scale=2.0, offset=-2.0)), "square")
    ops = [Square(), op, Halve(), above]
    table, result = run(tmp_path, ops, rows=10, shard_size=shard_size)
    assert read(table, "id").tolist() == [4, 6, 8]  # whose squares are at least 2 * 4.5 - 2
    assert result.ops[-1].parameters["value"] == 7.0
    work = tmp_path / "round-00000" / "work"
    (work / f"stage-{result.stage:02d}.json").unlink()  # as if it had been stopped in front of what waits
    shutil.rmtree(work / f"{result.stage:02d}")
    again, other = run(tmp_path, ops, rows=10, shard_size=shard_size)
    assert again.equals(table)
    assert other.ops[-1].parameters == result.ops[-1].parameters


def test_a_schedule_sees_the_place_of_the_round_and_the_factors_of_guards(tmp_path):
    above = Threshold(Steered("least", SameRound(FromMetric("round/mean_id"))), "square")
    table, result = run(tmp_path, [Square(), Count(), above], rows=10, factors={"factor/least": 10.0})
    assert result.ops[-1].parameters["value"] == 45.0
    assert read(table, "id").tolist() == [7, 8, 9]

    class Place(FromMetric):
        def __call__(self, round, metrics):
            return round

    _, result = run(tmp_path / "other", [Square(), Threshold(SameRound(Place("")), "square")], round=3, place=1)
    assert result.ops[-1].parameters["value"] == 1


@pytest.mark.parametrize("ops", [[above_the_mean(), Count()], [Nested([Count(), above_the_mean()])]])
def test_what_was_measured_in_the_round_before_or_is_measured_too_late_is_not_known(tmp_path, ops):
    with pytest.raises(PipelineError, match=r"'round/mean_id', but only \[\] are known.*behind one that measures"):
        run(tmp_path, [Square(), *ops], metrics={"round/mean_id": 4.0})


@pytest.mark.parametrize("op", [Count(), CountGlobally()])
def test_what_ops_measure_on_the_side_is_added_up_over_shards(tmp_path, op):
    _, result = run(tmp_path, [op], rows=10, shard_size=3)
    assert result.ops[0].measured == {"seen": 10, "mean_id": 4.5}
