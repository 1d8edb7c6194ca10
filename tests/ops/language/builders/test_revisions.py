"""Pairs as examples of revision."""

import math

import numpy as np
import pyarrow as pa
import pytest

from lit_iterative.columns import read, write
from lit_iterative.errors import PipelineError
from lit_iterative.ops import Context
from lit_iterative.ops.language.builders.pairs import AllPairs
from lit_iterative.ops.language.builders.revisions import Revisions
from lit_iterative.ops.language.testing import candidates
from lit_iterative.pool import Pool
from lit_iterative.testing.fake_language import FakeLanguage
from lit_iterative.testing.fixtures import FakeForward

READS = "{prompt}|{rejected}?"


def context() -> Context:
    return Context(Pool(range(9), 1), forward=FakeForward())


def pairs() -> pa.Table:
    """Return pairs of two prompts, of which the first has two worse completions and two better ones."""
    scored = {"scores.reward": [0.0, 0.5, 2.0, 0.0, 1.0]}
    return AllPairs()(candidates(["a b c", "a b d", "d d d", "x", "y"], [0, 0, 0, 1, 1], **scored), context())


def test_the_worse_is_read_and_the_better_is_learnt():
    made, given = Revisions(READS)(pairs(), context()), pairs().to_pylist()
    assert {"chosen", "chosen_ids", "rejected_ids"} & set(made.column_names) == set()
    read_texts = [FakeLanguage().decode(ids) for ids in made["prompt_ids"].to_pylist()]
    assert read_texts == [f"{row['prompt']}|{row['rejected']}?" for row in given]
    assert made["completion_ids"].to_pylist() == [row["chosen_ids"] for row in given]
    assert made["text"].to_pylist() == [row["chosen"] for row in given]


@pytest.mark.parametrize(("gain", "similarity"), [(0.0, 0.0), (1.0, 0.0), (0.7, 2.0), (800.0, 0.0)])
def test_weights_are_the_chances_of_a_worse_completion_to_go_to_each_better_one(gain, similarity):
    made = Revisions(READS, gain, similarity)(pairs(), context())
    likeness = {("a b c", "a b d"): 2 / 3, ("a b c", "d d d"): 0.0, ("a b d", "d d d"): 1 / 3, ("x", "y"): 0.0}
    rows = pairs().to_pylist()
    for row, weight in zip(rows, read(made, "weight"), strict=True):
        rivals = [other for other in rows if (other["id"], other["rejected"]) == (row["id"], row["rejected"])]
        exponents = {
            other["chosen"]: gain * (other["chosen_score"] - other["rejected_score"])
            + similarity * likeness[other["rejected"], other["chosen"]]
            for other in rivals
        }
        top = max(exponents.values())
        total = sum(math.exp(value - top) for value in exponents.values())
        assert weight == pytest.approx(math.exp(exponents[row["chosen"]] - top) / total)


def test_a_weight_that_is_there_stays_a_factor():
    table = write(pairs(), weight=np.full(pairs().num_rows, 0.5))
    alone, both = (read(Revisions(READS)(rows, context()), "weight") for rows in (pairs().drop(["weight"]), table))
    assert both == pytest.approx(0.5 * alone)


def test_what_it_tells():
    told = context()
    Revisions(READS)(pairs(), told)
    assert told.tally.values() == {"revisions": 4, "likeness": pytest.approx((2 / 3 + 1 / 3) / 4)}


def test_a_template_without_the_worse_completion_is_refused():
    with pytest.raises(PipelineError, match=r"has no \{rejected\}"):
        Revisions("{prompt}{chosen}")
    with pytest.raises(PipelineError, match="Revisions\\(gain\\)"):
        Revisions(READS, gain=-1.0)
