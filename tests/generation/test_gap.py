"""The gap between engine and trainer, against sums by hand."""

import numpy as np
import pytest

from lit_iterative.generation.gap import gaps
from lit_iterative.generation.language import Completion, TokenScores


def drawn(*log_probs):
    return Completion([1] * len(log_probs), "stop", scored(*log_probs))


def scored(*log_probs):
    return TokenScores(np.array(log_probs, dtype=np.float32))


def test_differences_of_all_tokens_in_order():
    found = gaps([drawn(-1.0, -3.0), drawn(-0.5)], [scored(-2.0, -1.0), scored(-0.5)])
    assert found.tolist() == [1.0, 2.0, 0.0]


def test_completions_without_log_probs_are_left_out():
    assert gaps([Completion([1, 2], "stop"), drawn(-1.0)], [scored(-9.0, -9.0), scored(-1.25)]).tolist() == [0.25]
    assert gaps([], []).shape == (0,)


def test_other_numbers_of_tokens_are_no_gap():
    with pytest.raises(ValueError):
        gaps([drawn(-1.0)], [scored(-1.0, -2.0, -3.0)])
    with pytest.raises(ValueError):
        gaps([drawn(-1.0)], [scored(-1.0), scored(-1.0)])
