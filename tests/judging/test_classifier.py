"""Sequence classifiers: padding counts nothing, whatever pads; what cannot be read is refused."""

import numpy as np
import pytest
import torch

from lit_iterative.errors import DataError, SetupError
from lit_iterative.judging.classifier import SequenceClassifier, load, logits, pad_id
from lit_iterative.modules.alphabet import character_tokenizer
from lit_iterative.sequences import pad
from tests.judging.classifiers import ALL, BERT, LLAMA, network, saved

ROWS = [[1, 5, 6, 2], [1, 3], [1, 4, 4, 4, 9, 8, 2], [7]]
CHAT = "{% for m in messages %}{{ m['role'] }}:{{ m['content'] }};{% endfor %}"


def alone(model, row):
    """Return what transformers itself says of one row, which needs no padding."""
    with torch.no_grad():
        model.config.pad_token_id, before = None, model.config.pad_token_id
        said = model(input_ids=torch.tensor([row]), attention_mask=torch.ones(1, len(row))).logits
        model.config.pad_token_id = before
    return said[0].double()


@pytest.mark.parametrize("config", ALL, ids=lambda config: config["model_type"])
@pytest.mark.parametrize("labels", [1, 3])
def test_padded_rows_are_read_as_alone(config, labels):
    model = network(config, labels)
    found = SequenceClassifier(model).logits(ROWS)
    expected = torch.stack([alone(model, row) for row in ROWS])
    assert found.shape == (len(ROWS), labels)
    assert found.dtype == np.float32
    torch.testing.assert_close(torch.tensor(found).double(), expected, rtol=1e-5, atol=1e-6)
    assert expected.std(dim=0).min() > 0.01  # there is something to tell apart


@pytest.mark.parametrize("filler", [0, 2, 6])
def test_any_token_may_pad_a_decoder(filler):
    """Transformers reads another token where EOS (2) pads, since it looks for padding among the tokens."""
    model = network()
    model.config.pad_token_id = filler
    batch = pad(ROWS, [[]] * len(ROWS), filler)
    expected = torch.stack([alone(model, row) for row in ROWS])
    with torch.no_grad():
        torch.testing.assert_close(logits(model, batch).double(), expected, rtol=1e-5, atol=1e-6)


def test_a_decoder_needs_no_padding_token_and_an_encoder_does():
    model = network()
    model.config.pad_token_id = None
    assert pad_id(model) == 0
    encoder = network(BERT)
    encoder.config.pad_token_id = None
    with pytest.raises(SetupError, match="BertForSequenceClassification has no padding token. Set pad_token_id"):
        pad_id(encoder)


def test_unknown_tokens_are_refused():
    with pytest.raises(DataError, match="token 20, but the reward model embeds 20.*reading: text"):
        SequenceClassifier(network()).logits([[1, 20]])


def test_what_is_saved_is_loaded(tmp_path):
    model = load(saved(tmp_path / "a"))
    np.testing.assert_array_equal(model.logits(ROWS), SequenceClassifier(network()).logits(ROWS))
    assert model.tokenizer is None
    assert model.labels == {0: "LABEL_0"}
    assert model.context == 32
    assert not any(parameter.requires_grad for parameter in model.network.parameters())
    assert not model.network.training


def test_texts_are_one_text_or_two_turns(tmp_path):
    tokenizer = character_tokenizer("abcdefgh:;urstin")
    model = load(saved(tmp_path / "plain", tokenizer=tokenizer))
    assert model.encode("ab", "cd") == tokenizer("abcd")["input_ids"]
    tokenizer.chat_template = CHAT
    model = load(saved(tmp_path / "chat", tokenizer=tokenizer))
    assert model.tokenizer.decode(model.encode("ab", "cd")) == "user:ab;assistant:cd;"


def test_texts_need_a_tokenizer():
    with pytest.raises(SetupError, match="no tokenizer.*reading: ids"):
        SequenceClassifier(network()).encode("a", "b")


def test_a_model_without_a_trained_head_is_refused(tmp_path):
    from transformers import AutoConfig, AutoModelForCausalLM

    AutoModelForCausalLM.from_config(AutoConfig.for_model(**LLAMA)).save_pretrained(str(tmp_path))
    with pytest.raises(SetupError, match="no trained classifier: it lacks.*score.weight.*BradleyTerryReward"):
        load(str(tmp_path))
