"""Pool samplers: what they draw, that they repeat it, and that the order of rows plays no part."""

from collections import Counter
from itertools import chain, pairwise

import numpy as np
import pyarrow as pa
import pytest

from lit_iterative.columns import read, write
from lit_iterative.errors import PipelineError
from lit_iterative.ops import AllInputs, Context, GrowingPool, Linear, RandomInputs, Stream
from lit_iterative.pool import Pool

IDS = {"numbers": np.arange(40) * 7 + 3, "names": np.array([f"input-{n}" for n in range(40)])}
SAMPLERS = [AllInputs(), RandomInputs(size=7), RandomInputs(share=0.4), GrowingPool(5, 3), Stream(9), Stream(9, True)]


def context_of(ids, round=0, seed=0) -> Context:
    return Context(Pool(range(len(ids)), 1, ids=ids), round=round, seed=seed)


def table_of(ids) -> pa.Table:
    return write(pa.table({"id": ids}), row=np.arange(len(ids)))


def drawn(op, ids, round=0, seed=0) -> list:
    return read(op(table_of(ids), context_of(ids, round, seed)), "id").tolist()


@pytest.mark.parametrize("ids", IDS.values(), ids=IDS.keys())
@pytest.mark.parametrize("op", SAMPLERS, ids=repr)
def test_the_order_of_rows_plays_no_part(op, ids):
    shuffled = np.random.default_rng(0).permutation(ids)
    for round in range(3):
        context = context_of(ids, round)
        kept = [op(table_of(order), context) for order in (ids, shuffled)]
        assert sorted(read(kept[0], "id")) == sorted(read(kept[1], "id"))
        assert all(np.all(np.diff(read(table, "row")) > 0) for table in kept)


@pytest.mark.parametrize("op", SAMPLERS, ids=repr)
def test_a_draw_repeats_and_every_row_comes_at_most_once(op):
    first, again = drawn(op, IDS["numbers"], 2, seed=5), drawn(op, IDS["numbers"], 2, seed=5)
    assert first == again
    assert len(set(first)) == len(first)
    assert set(first) <= set(IDS["numbers"].tolist())


@pytest.mark.parametrize("op", SAMPLERS, ids=repr)
def test_no_rows_stay_no_rows(op):
    context = context_of(IDS["numbers"])
    assert op(table_of(IDS["numbers"]).slice(0, 0), context).num_rows == 0


@pytest.mark.parametrize("op", SAMPLERS, ids=repr)
def test_a_pool_of_one_is_drawn_in_the_first_round(op):
    assert drawn(op, np.array([11])) == [11]


def test_all_inputs_stay():
    assert drawn(AllInputs(), IDS["names"]) == IDS["names"].tolist()


@pytest.mark.parametrize(
    ("op", "rows"),
    [
        (RandomInputs(size=7), 7),
        (RandomInputs(size=40), 40),
        (RandomInputs(size=99), 40),
        (RandomInputs(share=0.25), 10),
        (RandomInputs(share=0.26), 10),
        (RandomInputs(share=1e-9), 1),
        (RandomInputs(share=1.0), 40),
        (RandomInputs(size=Linear(4, 8, rounds=2)), 6),
        (RandomInputs(share=Linear(0.0, 1.0, rounds=2)), 20),
    ],
    ids=repr,
)
def test_random_inputs_have_the_wanted_number(op, rows):
    assert len(drawn(op.at(1, {}), IDS["numbers"], round=1)) == rows


def test_random_inputs_differ_by_round_and_by_seed_and_are_even():
    op, ids = RandomInputs(size=10), IDS["numbers"]
    draws = [drawn(op, ids, round) for round in range(400)]
    assert draws[0] != draws[1]
    assert draws[0] != drawn(op, ids, 0, seed=1)
    counts = Counter(chain.from_iterable(draws))
    # binomial: mean 100, standard deviation 8.7; 5 of them either way
    assert len(counts) == 40
    assert 56 < min(counts.values()) <= max(counts.values()) < 144


@pytest.mark.parametrize(
    "arguments", [{}, {"size": 3, "share": 0.5}, {"size": 0}, {"share": 0.0}, {"share": 1.1}, {"share": float("nan")}]
)
def test_random_inputs_refuse_what_makes_no_sense(arguments):
    with pytest.raises(PipelineError, match="RandomInputs"):
        RandomInputs(**arguments)


def test_a_growing_pool_keeps_what_it_has():
    op, ids = GrowingPool(5, 3), IDS["names"]
    rounds = [set(drawn(op, ids, round)) for round in range(15)]
    assert [len(seen) for seen in rounds] == [min(40, 5 + 3 * round) for round in range(15)]
    assert all(before <= after for before, after in pairwise(rounds))


def test_a_growing_pool_has_another_order_for_another_seed_and_not_the_pool_s():
    op, ids = GrowingPool(10, 0), IDS["numbers"]
    assert drawn(op, ids) != drawn(op, ids, seed=1)
    assert drawn(op, ids) != ids[:10].tolist()


@pytest.mark.parametrize("arguments", [(0, 1), (-1, 1), (1, -1)])
def test_a_growing_pool_refuses_to_be_empty_or_to_shrink(arguments):
    with pytest.raises(PipelineError, match="GrowingPool"):
        GrowingPool(*arguments)


@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize("size", [1, 16, 40, 50])
def test_a_stream_shows_window_after_window(wrap, size):
    ids = IDS["names"].tolist()
    for round in range(5):
        window = range(round * size, (round + 1) * size)
        places = {place % 40 for place in window} if wrap else {place for place in window if place < 40}
        assert drawn(Stream(size, wrap), ids, round) == [ids[place] for place in sorted(places)]


def test_a_stream_follows_the_pool_and_not_the_rows_it_is_given():
    ids = IDS["numbers"]
    some = table_of(ids[[12, 3, 1, 30]])
    assert read(Stream(4)(some, context_of(ids)), "id").tolist() == ids[[3, 1]].tolist()


def test_a_stream_refuses_an_empty_window():
    with pytest.raises(PipelineError, match="Stream"):
        Stream(0)
