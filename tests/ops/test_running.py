import json

import numpy as np
import pytest

from lit_iterative.errors import DataError
from lit_iterative.ops.running import running_mean


def test_against_the_sum_that_it_stands_for():
    memory, momentum = {}, 0.7
    values = np.random.default_rng(0).normal(size=(6, 3))
    for value in values:
        made = running_mean(memory, "mean", value, momentum, start=[1.0, 1.0, 1.0])
        memory = json.loads(json.dumps(memory))
    wanted = momentum**6 + sum((1 - momentum) * momentum ** (5 - t) * values[t] for t in range(6))
    np.testing.assert_allclose(made, wanted, rtol=1e-12)
    assert memory == {"mean": made.tolist()}


def test_without_a_start_the_first_value_is_the_first_mean():
    memory = {}
    assert running_mean(memory, "mean", 3.0, 0.9) == 3.0
    assert running_mean(memory, "mean", 3.0, 0.9) == pytest.approx(3.0)


def test_lists_in_memory_are_replaced_not_changed():
    before = {"mean": [1.0, 2.0]}
    after = dict(before)
    running_mean(after, "mean", [3.0, 4.0], 0.5)
    assert before == {"mean": [1.0, 2.0]}
    assert after == {"mean": [2.0, 3.0]}


def test_another_shape_is_refused():
    with pytest.raises(DataError, match=r"shape \(2,\), but this round gives \(3,\)"):
        running_mean({"mean": [0.5, 0.5]}, "mean", [0.2, 0.3, 0.5], 0.5)
