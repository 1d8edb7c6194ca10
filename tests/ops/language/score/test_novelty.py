import numpy as np
import pyarrow as pa
import pytest

from lit_iterative.errors import PipelineError
from lit_iterative.ops import Context
from lit_iterative.ops.language.score.novelty import DistinctN, Novelty
from lit_iterative.ops.language.testing import candidates, completed
from lit_iterative.ops.language.tokens import int_lists
from lit_iterative.testing.fixtures import Past
from tests.ops.language.tables import POOL, check_order_of_groups, grouped, random_candidates, run


def slices(ids, n):
    if len(ids) < n:
        return [tuple(ids)]
    return [tuple(ids[place : place + n]) for place in range(len(ids)) if place + n <= len(ids)]


def before(table):
    """Pairs of the round before: two texts for every other prompt."""
    names = list(grouped(table))[::2]
    return Past(
        0,
        pa.table(
            {
                "id": names,
                "chosen_ids": int_lists([completed("ab")] * len(names)),
                "rejected_ids": int_lists([completed("ba")] * len(names)),
            }
        ),
    )


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("earlier", [False, True])
def test_the_share_of_what_no_other_has(n, earlier):
    table = random_candidates(seed=15)
    past = before(table)
    made, _ = run(Novelty(n, earlier), table, previous=past)
    known = set(past.rows["id"].to_pylist()) if earlier else set()
    for name, rows in grouped(made).items():
        for row in rows:
            others = [other["completion_ids"] for other in rows if other is not row]
            others += [completed("ab"), completed("ba")] if name in known else []
            theirs = {gram for other in others for gram in slices(other, n)}
            mine = set(slices(row["completion_ids"], n))
            assert row["scores.novelty"] == pytest.approx(len(mine - theirs) / len(mine))
    assert len(set(made["scores.novelty"].to_pylist())) > 2


def test_alone_and_without_a_past_all_is_new():
    for op in (Novelty(), Novelty(earlier=True)):
        assert run(op, candidates(["a", ""], [1, 2]))[0]["scores.novelty"].to_pylist() == [1.0, 1.0]


def test_shards_are_the_whole():
    table = random_candidates()
    heads = [start for start, row in enumerate(table.to_pylist()) if row["candidate"] == 0]
    shards = [table.slice(0, heads[7]), table.slice(heads[7])]
    context = Context(POOL, previous=before(table))
    parts = list(Novelty(earlier=True).map(shards, context))
    whole = run(Novelty(earlier=True), table, previous=before(table))[0]
    assert pa.concat_tables(parts)["scores.novelty"].to_pylist() == whole["scores.novelty"].to_pylist()


def test_distinct_grams_of_a_prompt():
    table = random_candidates(seed=16)
    made, counts = run(DistinctN([1, 2, 4]), table)
    assert made is table
    for n in (1, 2, 4):
        shares = []
        for rows in grouped(table).values():
            found = [gram for row in rows for gram in slices(row["completion_ids"], n) if len(gram) == n]
            shares += [len(set(found)) / len(found)] if found else []
        assert counts[f"distinct_{n}"] == pytest.approx(np.mean(shares))


def test_the_order_of_groups_does_not_matter():
    check_order_of_groups(Novelty(2), random_candidates(strings=True))


def test_bad_parameters_are_refused():
    with pytest.raises(PipelineError, match=r"Novelty\(n\) is 0"):
        Novelty(0)
    for ns in ([], [0, 1]):
        with pytest.raises(PipelineError, match=r"DistinctN\(ns\) is \[.*\]. Give lengths of 1 or more"):
            DistinctN(ns)
