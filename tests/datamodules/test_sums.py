"""Sums of digits."""

import pytest

from lit_iterative.datamodules.sums import ALPHABET, SumsData
from lit_iterative.errors import DataError


@pytest.mark.parametrize(("part", "field"), [("examples", "completion"), ("prompts", "gold")])
def test_every_worked_sum_is_right(part, field):
    for record in SumsData(prompts=5, examples=30, held_out=5, orders=3).records(part):
        digits = [int(digit) for digit in record["prompt"][:-1].split("+")]
        first, *steps = record[field].split("+")
        used, total = [int(first)], int(first)
        for step in steps:
            digit, after = step.split("=")
            used.append(int(digit))
            total += int(digit)
            assert total == int(after)
        assert sorted(used) == sorted(digits)
        assert str(total) == record["answer"] == str(sum(digits))
        assert set(record["prompt"] + record[field]) <= set(ALPHABET)


def test_no_sum_is_in_two_places():
    data = SumsData(prompts=200, examples=50, held_out=100, orders=2)
    parts = [{record["prompt"] for record in data.records(name)} for name in ("prompts", "examples", "held_out")]
    assert [len(part) for part in parts] == [200, 50, 100]
    assert len(set.union(*parts)) == 350


def test_keys_are_given_for_a_share_of_the_prompts():
    records = SumsData(prompts=10, examples=1, held_out=3, keys=0.3).records
    assert sum(record["answer"] is not None for record in records("prompts")) == 3
    assert sum(record["gold"] is not None for record in records("prompts")) == 3
    assert all(record["answer"] for record in records("held_out"))


def test_too_few_sums_are_refused():
    with pytest.raises(DataError, match="more terms"):
        SumsData(prompts=100, terms=2)


def test_seeds_are_sums_of_the_prompts() -> None:
    data = SumsData(prompts=5, examples=3, orders=2, seeds=True)
    prompts, examples = ([record["prompt"] for record in data.records(name)] for name in ("prompts", "examples"))
    assert examples == [prompt for prompt in prompts[:3] for _ in range(2)]
    assert not set(prompts) & {record["prompt"] for record in data.records("held_out")}
    with pytest.raises(DataError, match="3 seeds, but 2 prompts"):
        SumsData(prompts=2, examples=3, seeds=True)


@pytest.mark.parametrize(("part", "field"), [("examples", "completion"), ("prompts", "gold")])
def test_ordered_sums_are_worked_out_as_the_prompt_has_them(part, field):
    for record in SumsData(prompts=5, examples=5, held_out=5, orders=2, ordered=True).records(part):
        added = [step.split("=")[0] for step in record[field].split("+")]
        assert added == record["prompt"][:-1].split("+")
