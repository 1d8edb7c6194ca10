"""The stand-in for a language model keeps what ops may rely on."""

import numpy as np
import pytest

from lit_iterative.generation.forward import Member
from lit_iterative.generation.language import LanguageModel, Sampling
from lit_iterative.testing.fake_language import BOS, EOS, FakeLanguage
from lit_iterative.testing.fixtures import FakeForward

PROMPTS = [[1, 50], [1, 51, 52], [1, 50]]


def test_it_is_a_language_model():
    with FakeForward().language(Member()) as model:
        assert isinstance(model, LanguageModel)


def test_text_comes_back():
    model = FakeLanguage()
    assert model.encode("1+1") == [BOS, *map(ord, "1+1")]
    assert model.decode([*model.encode("a\n"), EOS]) == "a\n"
    chat = [{"role": "system", "content": "Add."}, {"role": "user", "content": "1+1"}]
    assert model.decode(model.encode(chat)) == "Add.\n1+1"
    assert model.encode_example("1+1", "2") == (model.encode("1+1"), [ord("2"), EOS])


def test_completions_follow_from_prompt_seed_and_member():
    sampling = Sampling(max_new_tokens=12)
    model = FakeLanguage()
    drawn = model.generate([*PROMPTS, PROMPTS[0]], [3, 3, 3, 5], sampling)
    assert drawn[0] == drawn[2]
    assert drawn[0] not in (drawn[1], drawn[3])
    assert model.generate(PROMPTS[:1], [3], sampling) == drawn[:1]
    assert FakeLanguage(Member(weights="ema")).generate(PROMPTS[:1], [3], sampling) != drawn[:1]


def test_completions_end_or_are_cut():
    drawn = FakeLanguage().generate([[1]] * 200, range(200), Sampling(max_new_tokens=6))
    assert {completion.finish for completion in drawn} == {"stop", "length"}
    for completion in drawn:
        assert (completion.ids[-1] == EOS) == (completion.finish == "stop")
        assert len(completion.ids) <= 6
        assert EOS not in completion.ids[:-1]


@pytest.mark.parametrize("details", [True, False])
def test_every_token_has_its_numbers(details):
    completions = [[7, 8, 2], [9], []]
    scores = FakeLanguage().log_probs(PROMPTS, completions, details)
    for score, completion in zip(scores, completions, strict=True):
        assert score.log_probs.dtype == np.float32
        assert score.log_probs.shape == (len(completion),)
        assert (score.log_probs <= 0).all()
        assert len(score.entropy) == len(score.uniform) == (len(completion) if details else 0)
    again = FakeLanguage().log_probs(PROMPTS[:1], completions[:1])
    np.testing.assert_array_equal(again[0].log_probs, scores[0].log_probs)
    other = FakeLanguage(Member(weights="ema")).log_probs(PROMPTS[:1], completions[:1])
    assert not np.array_equal(other[0].log_probs, scores[0].log_probs)
