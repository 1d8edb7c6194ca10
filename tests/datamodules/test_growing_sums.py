"""Sums that grow."""

import pytest

from lit_iterative.datamodules import GrowingSumsData
from lit_iterative.errors import DataError

SMALL = {"prompts": 4, "examples": 5, "held_out": 3, "shortest": 3, "known": 4, "longest": 7}


def digits(record):
    return [int(digit) for digit in record["prompt"][:-1].split("+")]


def test_short_sums_are_worked_out_and_prompts_grow():
    data = GrowingSumsData(**SMALL)
    lengths = {name: [len(digits(record)) for record in data.records(name)] for name in ("prompts", "held_out")}
    assert [len(digits(record)) for record in data.records("examples")] == [3] * 5 + [4] * 5
    assert lengths["prompts"] == [5] * 4 + [6] * 4 + [7] * 4
    assert lengths["held_out"] == [5] * 3 + [6] * 3 + [7] * 3


def test_every_worked_sum_is_right():
    for record in GrowingSumsData(**SMALL).records("examples"):
        first, *steps = record["completion"].split("+")
        used, total = [int(first)], int(first)
        for step in steps:
            digit, after = map(int, step.split("="))
            used.append(digit)
            total += digit
            assert total % 10 == after
        assert used == sorted(set(digits(record)), reverse=True)
        assert str(sum(used) % 10) == record["answer"] == record["completion"][-1]


def test_no_prompt_is_held_out():
    data = GrowingSumsData(prompts=1000, examples=1, held_out=500, shortest=2, known=3, longest=4)
    prompts = [record["prompt"] for name in ("prompts", "held_out") for record in data.records(name)]
    assert len(prompts) == len(set(prompts)) == 1500


@pytest.mark.parametrize("wrong", [{"shortest": 1}, {"known": 2}, {"longest": 4}, {"longest": 10}])
def test_lengths_that_do_not_grow_are_refused(wrong):
    with pytest.raises(DataError, match="lengths that grow"):
        GrowingSumsData(**{**SMALL, **wrong})


def test_too_few_sums_are_refused():
    with pytest.raises(DataError, match="15120 sums of 5 different digits"):
        GrowingSumsData(**{**SMALL, "prompts": 8000})
