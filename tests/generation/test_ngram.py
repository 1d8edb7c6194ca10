"""An n-gram model against counts by hand."""

import math

import pytest

from lit_iterative.errors import PipelineError
from lit_iterative.generation.ngram import END, NGram

TEXTS = ["abc", "abd", "b"]


def test_against_counts():
    model, s = NGram(TEXTS, order=2, smoothing=0.5), 0.5
    single = (3 + s / 5) / (10 + s)  # b among seven letters and three ends; four letters and an end are equally likely
    assert math.exp(model.log_prob("", "b")) == pytest.approx((1 + s * single) / (3 + s))
    assert math.exp(model.log_prob("a", "b")) == pytest.approx((2 + s * single) / (2 + s))
    ends = (3 + s / 5) / (10 + s)
    assert math.exp(model.log_prob("ab", END)) == pytest.approx((1 + s * ends) / (3 + s))


@pytest.mark.parametrize("order", [1, 2, 5])
@pytest.mark.parametrize("before", ["", "a", "ab", "zz", "dcba"])
def test_probabilities_add_up_to_one(order, before):
    model = NGram(TEXTS, order)
    assert sum(math.exp(model.log_prob(before, c)) for c in ["a", "b", "c", "d", END]) == pytest.approx(1.0)


@pytest.mark.parametrize("options", [{"texts": [""]}, {"order": 0}, {"smoothing": 0.0}])
def test_what_makes_no_sense_is_refused(options):
    with pytest.raises(PipelineError, match="at least one text"):
        NGram(**{"texts": TEXTS, **options})
