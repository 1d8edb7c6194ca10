import pytest
import torch
from lightning.fabric.utilities import move_data_to_device
from lightning.pytorch.plugins.precision import DoublePrecision, HalfPrecision

from lit_iterative.errors import DataError
from lit_iterative.sequences import Sequences, pad

PROMPTS, COMPLETIONS = [[1, 5, 6], [1], [1, 7]], [[8, 2], [9, 9, 9, 2], []]


def test_rows_are_padded_on_the_right_and_masked():
    batch = pad(PROMPTS, COMPLETIONS, pad_id=0)
    assert batch.input_ids.tolist() == [[1, 5, 6, 8, 2], [1, 9, 9, 9, 2], [1, 7, 0, 0, 0]]
    assert batch.attention_mask.tolist() == [[1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [1, 1, 0, 0, 0]]
    assert batch.completion_mask.tolist() == [[0, 0, 0, 1, 1], [0, 1, 1, 1, 1], [0, 0, 0, 0, 0]]
    assert batch.position_ids.tolist() == [[0, 1, 2, 3, 4], [0, 1, 2, 3, 4], [0, 1, 1, 1, 1]]
    assert len(batch) == 3


@pytest.mark.parametrize("pad_id", [2, 9])
def test_padding_with_a_token_that_is_used_changes_no_mask(pad_id):
    plain, other = (pad(PROMPTS, COMPLETIONS, pad_id=number) for number in (0, pad_id))
    assert torch.equal(plain.attention_mask, other.attention_mask)
    assert torch.equal(plain.completion_mask, other.completion_mask)
    assert other.input_ids[2].tolist() == [1, 7, pad_id, pad_id, pad_id]


def test_weights_stand_where_their_tokens_do():
    batch = pad(PROMPTS, COMPLETIONS, 0, [[0.5, 0.0], None, []])
    assert batch.completion_mask.tolist() == [[0, 0, 0, 0.5, 0], [0, 1, 1, 1, 1], [0, 0, 0, 0, 0]]


def test_no_rows_and_no_completions():
    assert pad([], [], 0).input_ids.shape == (0, 1)
    assert pad([[1]], [[]], 0).completion_mask.tolist() == [[0]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[1], []], [[2], [2]], 0), "no tokens.*BOS"),
        (([[1]], [[5, 2]], 0, [[1.0]]), "2 tokens but 1 weights.*EOS included"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, message):
    with pytest.raises(DataError, match=message):
        pad(*arguments)


@pytest.mark.parametrize("plugin", [DoublePrecision(), HalfPrecision("bf16-true")])
def test_lightning_brings_it_to_the_device_and_leaves_its_precision(plugin):
    batch = pad(PROMPTS, COMPLETIONS, 0, [[0.3, 0.7], None, None])
    converted = plugin.convert_input(batch)
    assert isinstance(converted, Sequences)
    assert converted.completion_mask.dtype is torch.float32
    assert torch.equal(converted.completion_mask, batch.completion_mask)
    moved = move_data_to_device(batch, torch.device("meta"))
    assert {part.device.type for part in (moved.input_ids, moved.attention_mask, moved.completion_mask)} == {"meta"}
