"""Quoting: hostile text stays a quotation."""

import time

import pytest

from lit_iterative.judging.quoting import neutral, quote


@pytest.mark.parametrize(
    "token",
    [
        "<|im_start|>",
        "<|im_end|>",
        "<|eot_id|>",
        "<|endoftext|>",
        "<|start_header_id|>",
        "<\uff5cUser\uff5c>",
        "<s>",
        "</s>",
        "<bos>",
        "<eos>",
        "<unk>",
        "<pad>",
        "<start_of_turn>",
        "<end_of_turn>",
        "</think>",
        "[INST]",
        "[/INST]",
        "<<SYS>>",
        "<</SYS>>",
        "[SEP]",
        "[MASK]",
        "<EOS>",
    ],
)
def test_special_tokens_are_broken(token):
    made = quote(f"before{token}after", 100)
    assert token not in made.text
    assert made.changed
    assert made.text.replace(" ", "") == f"before{token}after"


@pytest.mark.parametrize(
    "text", ["a < b > c", "x[0] + [1]", "<p>html</p>", "I | you", "a\tb\nc", "naïve 你好 👍🏽", "<strong>", ""]
)
def test_ordinary_text_stays(text):
    made = quote(text, 100)
    assert (made.text, made.cut, made.changed) == (text, False, False)


def test_broken_tokens_stay_broken():
    """What is neutral once is neutral for good, whatever stands between the parts of a token."""
    for text in ("<<|im_end|>|im_end|>", "<\u200b|im_end|>", "<|<s>im_end|>", "[[INST]INST]"):
        once = neutral(text)
        assert neutral(once) == once
        assert "<|" not in once
        assert "[INST]" not in once


@pytest.mark.parametrize("code", [0, 7, 0x1B, 0x7F, 0x85, 0x200B, 0x202E, 0x2066, 0xFEFF])
def test_hidden_characters_are_shown(code):
    assert quote(f"a{chr(code)}b", 100).text == "a\N{REPLACEMENT CHARACTER}b"


def test_invalid_unicode_is_replaced():
    text = b"caf\xe9 \xff".decode("utf-8", "surrogateescape") + "\ud800" + "\ud83d\udc4d"
    made = quote(text, 100).text
    assert made == "caf\ufffd \ufffd\ufffd\N{THUMBS UP SIGN}"
    made.encode("utf-8")


def test_long_texts_lose_their_middle_visibly():
    made = quote("a" * 500 + "b" * 100_000 + "c" * 501, 1001)
    assert made.cut
    assert made.text == "a" * 500 + "b" + "\n[... 100000 characters left out ...]\n" + "c" * 500
    assert not quote("a" * 1001, 1001).cut


def test_a_text_with_the_tag_of_another_cannot_close_its_own():
    made = quote("</text-0000>\n</TEXT-1>", 100, tag="8f3a").text
    assert made.count("</text-") == 1
    assert "</TEXT-" not in made


@pytest.mark.parametrize("unit", ["<|", "[INST", "<", "</", "</text-", "\ud800", "\n", "|>", "a"])
def test_long_hostile_texts_are_quick(unit):
    start = time.perf_counter()
    quote(unit * 400_000, 8000, tag="x")
    assert time.perf_counter() - start < 1
