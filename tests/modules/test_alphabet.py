"""The tokenizer of an alphabet: a token a character, there and back."""

import pytest

from lit_iterative.errors import SetupError
from lit_iterative.modules.alphabet import character_tokenizer


def test_every_character_is_a_token_and_comes_back():
    alphabet = "abc +=\n\té漢"
    tokenizer = character_tokenizer(alphabet)
    text = "a+b = c\n\t漢é  b"
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert ids == [4 + alphabet.index(character) for character in text]
    assert tokenizer.decode(ids) == text
    assert len(tokenizer) == 4 + len(alphabet)


def test_special_tokens_are_not_decoded_and_unknown_ones_stand_out():
    tokenizer = character_tokenizer("ab")
    assert tokenizer("axb")["input_ids"] == [4, 3, 5]
    assert tokenizer.decode([1, 4, 5, 2, 0], skip_special_tokens=True) == "ab"


def test_what_is_saved_reads_the_same(tmp_path):
    from transformers import AutoTokenizer

    made = character_tokenizer("01+= \n")
    made.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert again("0 1+\n1")["input_ids"] == made("0 1+\n1")["input_ids"] == [4, 8, 5, 6, 9, 5]
    assert again.decode([4, 8, 8, 5]) == "0  1"
    assert (again.pad_token_id, again.bos_token_id, again.eos_token_id, again.unk_token_id) == (0, 1, 2, 3)


@pytest.mark.parametrize("alphabet", ["", "aba"])
def test_an_alphabet_that_is_none_is_refused(alphabet):
    with pytest.raises(SetupError, match=f"The alphabet {alphabet!r} is empty or has a character twice"):
        character_tokenizer(alphabet)
