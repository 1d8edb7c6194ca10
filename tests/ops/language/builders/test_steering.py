"""Pairs in all contexts, and how likely their sides are."""

import numpy as np
import pyarrow as pa
import pytest

from lit_iterative.columns import read, write
from lit_iterative.errors import PipelineError
from lit_iterative.ops import Context
from lit_iterative.ops.language import PairLikelihood, Steering
from lit_iterative.ops.language.tokens import int_lists
from lit_iterative.pool import Pool
from lit_iterative.testing.fake_language import FakeLanguage
from lit_iterative.testing.fixtures import FakeForward
from tests.ops.language.actors import told
from tests.ops.language.score.test_judge_pairs import pairs

STEERING = Steering("good {prompt}", "bad {prompt}", 0.5)


def table(rows=3):
    return write(pairs(rows), prompt_ids=int_lists([1, row] for row in range(rows)))


def context():
    return Context(Pool([{}] * 101, 1, ids=np.arange(101)), forward=FakeForward())


def test_every_pair_stands_in_all_contexts_and_is_turned_in_the_bad_one():
    given = table()
    made = STEERING(given, context()).to_pylist()
    assert [row["context"] for row in made] == ["plain", "positive", "negative"] * 3
    for old, plain, positive, negative in zip(given.to_pylist(), made[::3], made[1::3], made[2::3], strict=True):
        assert {name: plain[name] for name in old} == old
        assert positive["prompt"] == f"good {old['prompt']}"
        assert negative["prompt"] == f"bad {old['prompt']}"
        for row in (positive, negative):
            assert row["prompt_ids"] == FakeLanguage().encode(row["prompt"])
        for end in ("", "_ids", "_score"):
            assert positive[f"chosen{end}"] == negative[f"rejected{end}"] == old[f"chosen{end}"]
            assert positive[f"rejected{end}"] == negative[f"chosen{end}"] == old[f"rejected{end}"]
    assert [row["weight"] for row in made] == [1.0, 0.5, 0.5] * 3


def test_the_weight_is_a_factor_of_the_pairs_own():
    made = STEERING(write(table(), weight=np.array([2.0, 0.0, 1.0], dtype=np.float32)), context())
    assert made["weight"].to_pylist() == [2.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.5, 0.5]
    with pytest.raises(PipelineError, match="weight"):
        Steering("{prompt}", "{prompt}", -1.0)
    with pytest.raises(PipelineError, match="Say where the prompt stands"):
        Steering("{prompt}", "no place")


def test_likelihoods_of_pairs_are_means_over_tokens():
    def log_prob(prompt, completion, place):
        return -0.25 * completion[place] - 0.5 * (place == 0)

    given = write(table(2), chosen_ids=int_lists([[1, 3], [2]]), rejected_ids=int_lists([[4, 4, 4], []]))
    asked = told(live=log_prob)
    made = PairLikelihood()(given, asked)
    chosen, rejected = -0.25 * 2 - 0.25, -1.0 - 0.5 / 3
    assert read(made, "scores.gap")[0] == pytest.approx(chosen - rejected)
    assert read(made, "scores.on_policy")[0] == pytest.approx((chosen + rejected) / 2)
    assert np.isnan(read(made, "scores.gap")[1])
    assert asked.tally.values()["likelihood_gap"] == pytest.approx(chosen - rejected)
    assert isinstance(made, pa.Table)
