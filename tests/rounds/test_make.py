import numpy as np
import pyarrow as pa
import torch

from lit_iterative.columns import write
from lit_iterative.ops import Append
from lit_iterative.ops.context import Context
from lit_iterative.pool import Pool
from lit_iterative.rounds.make import Facts, hash_weights, make_round
from lit_iterative.rounds.plan import Phase, Plan
from lit_iterative.rounds.store import Store
from tests.projects.ops import Halve, Square


class Labelled(Square):
    """Gives every row the label ``id % 3``."""

    provides = ("label", "weight")

    def __call__(self, table, context):
        ids = table["id"].to_numpy()
        return write(table, label=ids % 3, weight=np.ones(len(ids), dtype=np.float32))


def facts(round, previous=None, **other):
    known = {"plan": "plan", "ops": "ops", "seed": 0, "weights": "w", "pool": "p", "metrics": {"acc": 0.5}}
    return Facts(round=round, previous=previous, epoch=round, global_step=10 * round, **{**known, **other})


def make(store, phase, round=0, previous=None, rows=10, **context):
    given = Context(Pool(list(range(rows)), 4), round=round, previous=previous, **context)
    key = None if previous is None else previous.manifest.key
    store.draft(round).begin({})
    return make_round(Plan([phase], shard_size=4), phase, store, facts(round, key), given)


def test_a_round_says_all_about_itself(tmp_path):
    version = make(Store(tmp_path), Phase([Halve(), Labelled()], name="first"))
    manifest = version.manifest
    assert version.table()["id"].to_pylist() == [0, 2, 4, 6, 8]
    assert set(version.table()["round"].to_pylist()) == {0}
    assert set(version.table()["source"].to_pylist()) == {"data@w"}
    assert [shard.rows for shard in manifest.shards] == [4, 1]
    assert (manifest.phase, manifest.pool_rows, manifest.rows, manifest.serves) == ("first", 10, 5, 0)
    assert manifest.metrics["coverage"] == 0.5
    assert manifest.metrics_before == {"acc": 0.5}
    assert manifest.memory == {"0:Halve": {"calls": 1, "rows": 10}}
    assert manifest.recipe["init_args"]["phases"][0]["init_args"]["name"] == "first"
    assert set(manifest.versions) == {"lit-iterative", "torch", "lightning", "pyarrow"}
    assert manifest.seconds > 0


def test_merged_rows_keep_the_round_that_made_them(tmp_path):
    store, phase = Store(tmp_path), Phase([Halve(), Labelled()], merge=Append())
    first = make(store, phase, rows=10)
    second = make(store, phase, 1, first, rows=6)
    ids, rounds = (second.table()[name].to_pylist() for name in ("id", "round"))
    assert dict(zip(ids, rounds, strict=True)) == {0: 1, 2: 1, 4: 1, 6: 0, 8: 0}
    assert second.manifest.metrics["flip_rate"] == 0.0
    merging = second.manifest.ops[-1]
    assert (merging.name, merging.rows_in, merging.rows_out) == ("Append", 8, 5)


def test_an_empty_round_serves_what_was_served(tmp_path):
    store = Store(tmp_path)
    first = make(store, Phase([Labelled()]))
    empty = make(store, Phase([Square(drop=1), Labelled()]), 1, first)
    again = make(store, Phase([Square(drop=1), Labelled()], merge=Append()), 2, empty)
    assert (empty.manifest.serves, again.manifest.serves) == (0, 0)
    assert again.table().equals(first.table())
    assert empty.manifest.metrics == {"rows": 0, "coverage": 0.0, "new_inputs": 0}


def test_keys_depend_on_all_that_decides_the_data_and_on_nothing_else():
    base = facts(1, "k")
    other = [facts(2, "k"), facts(1, "x")]
    other += [facts(1, "k", **{name: "x"}) for name in ("plan", "ops", "weights", "pool")]
    other.append(facts(1, "k", seed=1))
    assert len({base.key, *(f.key for f in other)}) == len(other) + 1
    assert facts(1, "k", metrics={}).key == base.key


def test_weights_hash_by_name_type_shape_and_content():
    states = [
        {"a": torch.ones(2)}, {"b": torch.ones(2)}, {"a": torch.ones(1, 2)}, {"a": torch.ones(2).double()},
        {"a": torch.tensor([1.0, 1.0000001])}, {"a": torch.ones(2).bfloat16()}, {"a": torch.tensor(1)},
    ]  # fmt: skip
    assert len({hash_weights(state) for state in states}) == len(states)
    assert hash_weights({"a": torch.ones(4)[::2]}) == hash_weights(states[0])
    assert hash_weights({"x": torch.ones(1), "y": torch.zeros(1)}) == hash_weights(
        {"y": torch.zeros(1), "x": torch.ones(1)}
    )


def test_a_store_on_another_file_system(tmp_path):
    version = make(Store("memory://elsewhere"), Phase([Halve(), Labelled()]))
    assert version.table().equals(make(Store(tmp_path), Phase([Halve(), Labelled()])).table())
    assert isinstance(version.table(), pa.Table)
