"""Sums in two scripts."""

import pytest

from lit_iterative.datamodules import SumsData, TwoScriptSumsData
from lit_iterative.errors import DataError

SMALL = {"prompts": 6, "examples": 10, "orders": 2, "held_out": 3, "terms": 3}


def digits(text):
    return "".join(str("abcdefghij".index(sign)) if sign in "abcdefghij" else sign for sign in text)


def test_every_prompt_has_its_twin_in_the_other_script():
    plain, data = SumsData(**SMALL), TwoScriptSumsData(translations=4, **SMALL)
    for name in ("prompts", "held_out"):
        records = data.records(name)
        assert [record["language"] for record in records] == ["digits", "letters"] * len(plain.records(name))
        for first, second, known in zip(records[::2], records[1::2], plain.records(name), strict=True):
            assert first["prompt"] == second["twin"] == digits(second["prompt"]) == known["prompt"]
            assert first["twin"] == second["prompt"] != first["prompt"]
            assert first["answer"] == digits(second["answer"]) == known["answer"]
            assert (first["twin_language"], second["twin_language"]) == ("letters", "digits")


def test_few_examples_are_in_letters_and_translations_go_both_ways():
    data = TwoScriptSumsData(letters=0.25, translations=4, **SMALL)
    worked = [record for record in data.records("examples") if not record["prompt"].endswith(">")]
    translated = [record for record in data.records("examples") if record["prompt"].endswith(">")]
    assert (len(worked), sum(record["prompt"][0].isalpha() for record in worked)) == (20, 5)
    known = SumsData(**SMALL).records("examples")
    assert sorted(digits(record["completion"]) for record in worked) == sorted(one["completion"] for one in known)
    assert sum(record["prompt"][0].isalpha() for record in translated) == 4
    for record in translated:
        assert digits(record["prompt"]) == digits(record["completion"]) + ">"
        assert record["prompt"][0].isalpha() != record["completion"][0].isalpha()


@pytest.mark.parametrize("wrong", [{"translations": 21}, {"letters": 1.5, "translations": 1}])
def test_numbers_that_make_no_sense_are_refused(wrong):
    with pytest.raises(DataError, match="there are 20 examples"):
        TwoScriptSumsData(**{**SMALL, **wrong})
