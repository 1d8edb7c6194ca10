"""Tunes, and how they are extended."""

from itertools import pairwise

import pytest

from lit_iterative.datamodules.tunes import NOTES, TunesData


def in_steps(tune):
    places = [NOTES.index(note) for note in tune]
    return all((after - before) % 7 in (1, 6) for before, after in pairwise(places))


def is_part(short, long):
    """Tell whether one text is a subsequence of another."""
    rest = iter(long)
    return all(note in rest for note in short)


@pytest.mark.parametrize("notes", [2, 5, 9])
def test_tunes_go_in_steps_and_grow(notes):
    records = TunesData(prompts=3, examples=61, notes=notes).records("examples")
    assert len(records) == 61
    extended = [record for record in records if ">" in record["prompt"]]
    assert len(extended) == 30
    for record in records:
        assert in_steps(record["completion"])
        assert record["completion"][0] == record["prompt"][0]
        if ">" not in record["prompt"]:
            assert notes - 1 <= len(record["completion"]) <= notes + 1
            assert record["prompt"][1:] == ":"
    for record in extended:
        tune = record["prompt"][2:-1]
        assert is_part(tune, record["completion"])
        assert len(tune) + 2 <= len(record["completion"]) <= 3 * len(tune)


def test_prompts_name_a_note():
    prompts = [record["prompt"] for record in TunesData(prompts=60).records("prompts")]
    assert {prompt[0] for prompt in prompts} == set(NOTES)
    assert {prompt[1:] for prompt in prompts} == {":"}
    assert prompts == [record["prompt"] for record in TunesData(prompts=60).records("prompts")]
