"""Where completions end, one token after another."""

import numpy as np
import pytest
import torch

from lit_iterative.errors import DataError
from lit_iterative.generation.endings import Endings, check_prompts
from lit_iterative.generation.language import Sampling, Target

LETTERS = "abcdefghij"
EOS, OTHER = 8, 9


class Network:
    device = torch.device("cpu")


def text_of(ids):
    return "".join(LETTERS[number] for number in ids if number != EOS)


def endings(prompts, sampling, limits=None, stop_ids=(EOS,), context=20, decode=text_of):
    return Endings(Target(Network(), 0, stop_ids, context, 4, decode), sampling, prompts, limits)


def add(kept, numbers, lengths, tokens):
    logits = torch.zeros(len(tokens), len(LETTERS))
    return kept.add(np.array(numbers), np.array(lengths), torch.tensor(tokens), logits).tolist()


def fed(kept, number, tokens):
    """Give a completion tokens until it ends; return how many it took, and the completion."""
    for length, token in enumerate(tokens):
        if add(kept, [number], [length], [token])[0]:
            return length + 1, kept.completion(number, length + 1)
    return None, None


# ---- tokens and limits --------------------------------------------------------------------------------


def test_completions_end_each_for_itself():
    kept = endings([[1], [1], [1]], Sampling(3))
    assert add(kept, [0, 1, 2], [0, 0, 0], [4, EOS, 5]) == [False, True, False]
    assert add(kept, [2, 0], [1, 1], [6, EOS]) == [False, True]
    assert add(kept, [2], [2], [7]) == [True]
    found = [kept.completion(number, length) for number, length in ((0, 2), (1, 1), (2, 3))]
    assert [(completion.ids, completion.finish) for completion in found] == [
        ([4, EOS], "stop"),
        ([EOS], "stop"),
        ([5, 6, 7], "length"),
    ]
    assert all(type(token) is int for completion in found for token in completion.ids)


@pytest.mark.parametrize(("stop_ids", "length"), [((), 4), ((EOS,), 4), ((EOS, OTHER), 2), ((OTHER, OTHER, 5), 1)])
def test_any_of_several_tokens_ends(stop_ids, length):
    kept = endings([[1]], Sampling(4), stop_ids=stop_ids)
    assert fed(kept, 0, [5, OTHER, 3, 4])[0] == length


def test_an_end_in_the_last_place_is_one():
    assert fed(endings([[1]], Sampling(3)), 0, [4, 5, EOS])[1].finish == "stop"
    assert fed(endings([[1]], Sampling(2)), 0, [4, 5, EOS])[1].finish == "length"


@pytest.mark.parametrize(
    ("length", "limit", "expected"), [(3, None, 6), (3, 4, 4), (3, 60, 6), (17, None, 3), (17, 2, 2), (19, 5, 1)]
)
def test_the_limit_is_the_least_of_what_is_asked_and_of_what_the_context_leaves(length, limit, expected):
    kept = endings([[1] * length, [1]], Sampling(6), None if limit is None else [limit, 1])
    assert kept.limits.tolist()[0] == expected
    assert fed(kept, 0, [4] * 10)[0] == expected


def test_a_completion_that_is_begun_again_forgets_its_end():
    kept = endings([[1]], Sampling(3))
    assert add(kept, [0], [0], [EOS]) == [True]
    assert fed(kept, 0, [4, 5, 6])[1].finish == "length"


@pytest.mark.parametrize("limits", [[0, 3], [-1, 3]])
def test_a_limit_that_leaves_no_token_is_refused(limits):
    with pytest.raises(DataError, match=f"limit is {limits[0]} tokens.*at least 1"):
        endings([[1], [1]], Sampling(3), limits)


# ---- texts --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stop", "length"),
    [(["d"], 4), (["cd"], 4), (["abcd"], 4), (["e", "bc"], 3), (["ba"], None), (["abcdef"], 6), (["aa", "fedc"], None)],
)
def test_a_text_ends_with_the_token_that_completes_it(stop, length):
    kept = endings([[1]], Sampling(10, stop=stop))
    assert fed(kept, 0, [0, 1, 2, 3, 4, 5])[0] == length
    if length:
        assert kept.completion(0, length).finish == "stop"


def test_a_text_may_begin_in_the_middle_of_a_token_and_end_in_another():
    pieces = {0: "The", 1: " ans", 2: "wer", 3: ": 4", 4: "2.\n\nQ", 5: "uestion", 6: ":"}
    kept = endings([[1]], Sampling(10, stop=["\nQuestion:"]), decode=lambda ids: "".join(pieces[i] for i in ids))
    assert fed(kept, 0, [0, 1, 2, 3, 4, 5, 6])[0] == 7


def test_a_text_of_the_prompt_or_across_it_does_not_count():
    kept = endings([[2, 3]], Sampling(10, stop=["cd", "da"]))
    assert fed(kept, 0, [0, 1, 4, 5, 6])[0] is None


def test_letters_of_several_tokens_are_read_whole():
    """A token a byte: four bytes of a smiley, which decode to nothing until all are there."""
    kept = endings(
        [[1]], Sampling(20, stop=["é!", "🙂"]), context=99, decode=lambda ids: bytes(ids).decode(errors="replace")
    )
    text = "aé🙂b".encode()
    for length, byte in enumerate(text):
        if add_byte(kept, length, byte):
            break
    assert bytes(kept.completion(0, length + 1).ids).decode() == "aé🙂"


def add_byte(kept, length, byte):
    return kept.add(np.array([0]), np.array([length]), torch.tensor([byte]), torch.zeros(1, 256))[0]


# ---- what is refused ----------------------------------------------------------------------------------


def test_tokens_that_are_none_are_refused():
    with pytest.raises(DataError, match="not numbers.*diverged"):
        add(endings([[1], [1]], Sampling(3)), [0, 1], [0, 0], [3, -1])


@pytest.mark.parametrize(
    ("lengths", "message"), [([3, 0], "no tokens"), ([3, 20], "20 tokens.*20, which"), ([25], "25")]
)
def test_prompts_that_cannot_be_continued_are_refused(lengths, message):
    with pytest.raises(DataError, match=message):
        check_prompts([[1] * length for length in lengths], 20)


def test_no_prompts_are_fine():
    check_prompts([], 20)
    assert endings([], Sampling(3)).limits.tolist() == []
