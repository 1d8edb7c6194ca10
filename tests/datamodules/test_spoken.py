from itertools import pairwise

import numpy as np
import pytest
import torch

from lit_iterative.datamodules import SpokenData
from lit_iterative.datamodules.relabelled import Relabelled, relabel_at
from lit_iterative.datamodules.spoken import LETTERS, WORDS, padded
from lit_iterative.errors import DataError


def ready(**options):
    data = SpokenData(labelled=5, pool=4, held_out=3, **options)
    data.setup()
    return data


def test_what_is_spoken_is_what_is_told():
    data, again = ready(noise=0.0), ready(noise=0.0)
    sounds = {}
    for place in range(5):
        frames, tokens = data.labelled[place]
        assert frames.equal(again.labelled[place][0])
        heard = [frame.tolist() for frame in frames if frame.any()]
        kept = [sound for index, sound in enumerate(heard) if index == 0 or sound != heard[index - 1]]
        text = "".join(LETTERS[token - 1] for token in tokens.tolist())
        assert all(word in WORDS for word in text.split(" "))
        single = [letter for index, letter in enumerate(text) if index == 0 or letter != text[index - 1]]
        for letter, sound in zip(single, kept, strict=True):
            assert sounds.setdefault(letter, sound) == sound
    assert len(data.unlabelled[0]) == 1


def test_the_same_letter_twice_has_silence_between():
    data = ready(noise=0.0, words=12)
    spoken = {tuple(tokens.tolist()): frames for frames, tokens in data.labelled}
    for tokens, frames in spoken.items():
        silent = int((~frames.any(dim=1)).sum())
        assert silent >= sum(left == right for left, right in pairwise(tokens))


def test_transcripts_are_labels_like_any_other():
    data = ready()
    labels = np.empty(2, dtype=object)
    labels[:] = [np.array([3, 1], dtype=np.int32), np.array([2], dtype=np.int32)]
    rows = Relabelled(data.labelled, data.pool(), np.array([3, 0]), labels, np.ones(2), data.mixing, relabel_at(1))
    frames, lengths, tokens, sizes = padded([rows[5], rows[6], rows[0]])
    assert frames[0, : lengths[0]].equal(data.unlabelled[3][0])
    assert tokens[0, : sizes[0]].tolist() == [3, 1]
    assert tokens[1, : sizes[1]].tolist() == [2]
    assert tokens[2, : sizes[2]].equal(data.labelled[0][1])
    assert frames.dtype == torch.float32


def test_what_makes_no_sense_is_refused():
    with pytest.raises(DataError, match="words=0"):
        SpokenData(words=0)
