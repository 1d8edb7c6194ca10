"""Counts and means on the side of ops."""

import json

import numpy as np

from lit_iterative.ops.tally import Tally


def test_means_over_shards_are_those_over_all_rows() -> None:
    values = np.random.default_rng(0).normal(size=37)
    total = Tally()
    for part in np.array_split(values, 5):
        shard = Tally()
        shard.mean("score", part)
        shard.count("rows", len(part))
        total.add(Tally.given(json.loads(json.dumps(shard.take()))))
    assert np.isclose(total.values()["score"], values.mean(), rtol=1e-12)
    assert total.values()["rows"] == 37


def test_take_starts_again_from_nothing() -> None:
    tally = Tally()
    tally.count("ties")
    tally.take()
    assert tally.values() == {}


def test_a_count_of_none_is_known_and_a_mean_of_nothing_is_not() -> None:
    tally = Tally()
    tally.count("ties", 0)
    tally.mean("length", [])
    assert tally.values() == {"ties": 0}
