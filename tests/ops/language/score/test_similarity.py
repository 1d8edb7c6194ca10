import numpy as np
import pytest
import torch

from lit_iterative.errors import PipelineError
from lit_iterative.judging.embedding import load_encoder
from lit_iterative.modules.alphabet import character_tokenizer
from lit_iterative.ops import Context
from lit_iterative.ops.language.score.similarity import Similarity
from lit_iterative.ops.language.score.utility import chrf
from lit_iterative.ops.language.testing import candidates
from lit_iterative.pool import Pool
from lit_iterative.testing.fixtures import FakeForward
from tests.judging.classifiers import BERT

TEXTS, GOLD = ["ab", "abab", "b", ""], ["ab", "ab", "a", None]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    from transformers import AutoConfig, AutoModel

    folder, tokenizer = str(tmp_path_factory.mktemp("encoder")), character_tokenizer("ab")
    torch.manual_seed(0)
    AutoModel.from_config(AutoConfig.for_model(**{**BERT, "vocab_size": len(tokenizer)})).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def similarities(op, texts=TEXTS, gold=GOLD):
    context = Context(Pool([0], 1), forward=FakeForward())
    made = op(candidates(texts, gold=gold), context)
    return made["scores.similarity"].to_numpy(), context.tally.values()


def test_by_what_the_texts_have_in_common():
    score, counts = similarities(Similarity())
    np.testing.assert_allclose(score[:3], [chrf("ab", "ab"), chrf("abab", "ab"), chrf("b", "a")])
    assert np.isnan(score[3])
    assert counts["not_given"] == 1


def test_by_the_cosine_of_mean_hidden_states(encoder):
    score, _ = similarities(Similarity(path=encoder, batch_size=2))
    known = load_encoder(encoder)
    for row in range(3):
        means = []
        for text in (TEXTS[row], GOLD[row]):
            ids = torch.tensor([known.tokenizer(text)["input_ids"]])
            hidden = known.network(input_ids=ids).last_hidden_state[0].double()
            means.append((sum(hidden[place] for place in range(ids.shape[1])) / ids.shape[1]).numpy())
        left, right = means
        cosine = left @ right / np.linalg.norm(left) / np.linalg.norm(right)
        np.testing.assert_allclose(score[row], cosine, atol=1e-6)
    np.testing.assert_allclose(score[0], 1.0, atol=1e-6)
    assert score[2] < 0.999


def test_long_texts_are_cut_to_what_the_encoder_reads(encoder):
    score, _ = similarities(Similarity(path=encoder), ["ab" * 40], ["ab" * 30])
    np.testing.assert_allclose(score, 1.0, atol=1e-6)


def test_bad_input_is_refused():
    with pytest.raises(PipelineError, match=r"Similarity\(utility\) is 'bleu'"):
        Similarity(utility="bleu")
