import numpy as np
import pyarrow as pa
import pytest

from lit_iterative.ops.ranking import best_first, first_mask, first_of_each_mask, id_order


@pytest.mark.parametrize("ids", [[5, 3, 5, 1, 3, 5], ["b", "a", "b", "aa", "a", "b"]])
def test_rows_of_one_id_stay_in_order(ids):
    assert id_order(pa.table({"id": ids})).tolist() == sorted(range(len(ids)), key=lambda i: (ids[i], i))


def test_ids_in_many_chunks():
    parts = [pa.table({"id": part}) for part in ([9, 2], [], [7], [2, 0])]
    parts[1] = parts[0].slice(0, 0)
    assert id_order(pa.concat_tables(parts)).tolist() == [4, 1, 3, 2, 0]


def test_sums_in_the_order_of_ids_are_the_same_to_the_last_bit():
    draw = np.random.default_rng(0)
    table = pa.table({"id": draw.permutation(1000), "x": draw.normal(size=1000) * 10.0 ** draw.integers(-8, 8, 1000)})
    sums, plain = set(), set()
    for _ in range(20):
        table = table.take(pa.array(draw.permutation(1000)))
        values = table["x"].to_numpy()
        sums.add(float(values[id_order(table)].sum()))
        plain.add(float(values.sum()))
    assert len(sums) == 1 < len(plain)


@pytest.mark.parametrize("largest", [True, False])
def test_best_first_against_python(largest):
    draw = np.random.default_rng(1)
    ids, score = draw.permutation(200).tolist(), draw.integers(-3, 3, 200)
    sign = -1 if largest else 1
    wanted = sorted(range(200), key=lambda i: (sign * score[i], ids[i]))
    assert best_first(pa.table({"id": ids}), score, largest).tolist() == wanted


def test_first_of_each_against_a_loop():
    draw = np.random.default_rng(2)
    order, groups, limits = draw.permutation(100), draw.integers(0, 5, 100), np.array([0, 3, 100, 1, 7, 2])
    left, wanted = limits.tolist(), [False] * 100
    for position in order:
        if left[groups[position]]:
            left[groups[position]] -= 1
            wanted[position] = True
    assert first_of_each_mask(order, groups, limits).tolist() == wanted


def test_nothing_to_rank():
    none = np.zeros(0, dtype=np.int64)
    assert first_mask(none, 3).tolist() == []
    assert first_of_each_mask(none, none, none).tolist() == []
