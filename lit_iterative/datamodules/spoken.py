"""SpokenData: sequences of frames that spell number words, made on the spot: a speech task in small."""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset

from lit_iterative.columns import Array
from lit_iterative.datamodules.mixing import Mixing
from lit_iterative.datamodules.refreshable import Refreshable
from lit_iterative.datamodules.split import Split
from lit_iterative.errors import DataError
from lit_iterative.ops.transcribe import tokens_of
from lit_iterative.seeds import generator

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
LETTERS = " efghinorstuvwxz"
FEATURES = 8


class Utterances(Dataset[Any]):
    """Frames, with the tokens that they spell where these are told.

    Args:
        frames: Of each utterance, ``(frames, features)``.
        tokens: Of each utterance, ``(tokens,)``; none where they are not told.
    """

    def __init__(self, frames: list[Tensor], tokens: list[Tensor] | None) -> None:
        self.frames, self.tokens = frames, tokens

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        return (self.frames[index],) if self.tokens is None else (self.frames[index], self.tokens[index])


class Spoken(Split):
    """Number words in a row, spoken: each letter is a few frames of its own sound, in much noise.

    Letters sound alike in the noise; which words there are tells them apart, which is what a language model knows.

    Args:
        labelled: Utterances with their text.
        pool: Utterances without.
        held_out: Utterances to measure by.
        words: Words in an utterance.
        noise: Standard deviation of the Gaussian noise on every feature of a frame.
        seed: Seed of the utterances.
        batch_size: Utterances in a batch.
        mixing: How labelled rows and those of a round make up an epoch.

    Raises:
        DataError: If a number makes no sense.
    """

    def __init__(
        self,
        labelled: int = 48,
        pool: int = 192,
        held_out: int = 64,
        words: int = 3,
        noise: float = 0.7,
        seed: int = 0,
        batch_size: int = 16,
        mixing: Mixing = Mixing(),  # noqa: B008  # frozen
    ) -> None:
        super().__init__()
        if min(labelled, pool, held_out, words) < 1 or not noise >= 0:
            raise DataError(
                f"SpokenData has labelled={labelled}, pool={pool}, held_out={held_out}, words={words}, noise={noise}. "
                "Give at least one utterance of each kind, of a word or more, and noise of 0 or more."
            )
        self.sizes = {"labelled": labelled, "pool": pool, "held out": held_out}
        self.words, self.noise, self.seed = words, noise, seed
        self.batch_size, self.mixing = batch_size, mixing

    def setup(self, stage: str | None = None) -> None:
        """Speak; the same in every stage and on every rank."""
        made = {name: self._utterances(name, rows) for name, rows in self.sizes.items()}
        self.labelled, self.held_out = made["labelled"], made["held out"]
        self.unlabelled = Utterances(made["pool"].frames, None)

    def _utterances(self, name: str, rows: int) -> Utterances:
        draw = generator(self.seed, "spoken", name)
        texts = [" ".join(draw.choice(WORDS, size=self.words)) for _ in range(rows)]
        frames = [torch.from_numpy(speech(text, self.noise, draw)) for text in texts]
        return Utterances(frames, [torch.tensor(tokens_of(text, LETTERS), dtype=torch.int32) for text in texts])

    def _loader(self, data: Any, shuffle: bool = False) -> DataLoader[Any]:
        return DataLoader(data, self.batch_size, shuffle, collate_fn=padded)


class SpokenData(Refreshable, Spoken):
    """:class:`Spoken` whose training data is swapped by rounds."""


def padded(items: list[tuple[Any, ...]]) -> list[Tensor]:
    """Return frames and their lengths, and where they are told tokens and theirs, padded with 0.

    Example:
        >>> frames, lengths = padded([(torch.ones(3, 8),), (torch.ones(5, 8),)])
        >>> frames.shape, lengths.tolist()
        (torch.Size([2, 5, 8]), [3, 5])
    """
    made: list[Tensor] = []
    for part in zip(*items, strict=True):
        sequences = [torch.as_tensor(value) for value in part]
        made += [pad_sequence(sequences, batch_first=True), torch.tensor([len(value) for value in sequences])]
    return made


def speech(text: str, noise: float, draw: np.random.Generator) -> Array:
    """Return the frames of a text, float32, ``(frames, features)``: two or three of each letter, at times with silence.

    Args:
        text: Of known letters.
        noise: Standard deviation of the noise.
        draw: Where the draws come from.
    """
    sounds = generator(0, "sounds").normal(size=(len(LETTERS), FEATURES))
    parts = []
    for place, letter in enumerate(text):
        if letter == text[place - 1 : place] or draw.random() < 0.2:
            parts.append(np.zeros((1, FEATURES)))
        parts.append(np.repeat(sounds[LETTERS.index(letter)][None], draw.integers(2, 4), axis=0))
    frames = np.concatenate(parts)
    return np.asarray(frames + noise * draw.normal(size=frames.shape), dtype=np.float32)
