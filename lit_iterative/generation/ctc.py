"""CTC: what frames spell, by the best path, or by a beam search with a language model."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lit_iterative.columns import Array
from lit_iterative.generation.ngram import END, NGram

#: The token that spells nothing.
BLANK = 0


class Transcript(NamedTuple):
    """What was found.

    Args:
        text: The characters.
        ctc: The log-probability of all alignments of the text that the search saw.
        lm: That of the text, end included, by the language model; 0 without one.
    """

    text: str
    ctc: float
    lm: float


def spelled(tokens: Sequence[int], letters: str) -> str:
    """Return what a path of tokens spells: repeats count once, and blanks not at all.

    Args:
        tokens: One a frame.
        letters: The character of each token, from token 1 on.

    Example:
        >>> spelled([0, 1, 1, 0, 1, 2], "ab")
        'aab'
    """
    kept = [token for place, token in enumerate(tokens) if place == 0 or token != tokens[place - 1]]
    return "".join(letters[token - 1] for token in kept if token != BLANK)


def beam_search(
    log_probs: Array,
    letters: str,
    width: int = 8,
    model: NGram | None = None,
    weight: float = 0.0,
    bonus: float = 0.0,
) -> Transcript:
    """Return the text with the largest ``ctc + weight * lm + bonus * characters`` that the search finds.

    A beam is a text with the probability of all its alignments so far, those that end in a blank by themselves; after
    every frame the best ones stay.

    Source: Hannun et al., 2014, arXiv:1408.2873, algorithm 1.

    Args:
        log_probs: Of every token in every frame, ``(frames, tokens)``; token 0 is the blank.
        letters: The character of each token, from token 1 on.
        width: Beams.
        model: The language model.
        weight: How much it counts.
        bonus: What a character adds, against the language model's liking for short texts.

    Example:
        >>> frames = np.log([[0.1, 0.6, 0.3], [0.6, 0.3, 0.1], [0.1, 0.4, 0.5]])
        >>> beam_search(frames, "ab").text
        'ab'
    """
    search = _Search(letters, model, weight, bonus)
    beams: dict[str, tuple[float, float]] = {"": (0.0, -np.inf)}
    for frame in log_probs.astype(np.float64).tolist():
        grown = search.grown(beams, frame)
        best = sorted(grown, key=lambda text: (-search.score(text, grown[text]), text))[:width]
        beams = {text: grown[text] for text in best}
    text = max(beams, key=lambda text: search.score(text, beams[text]) + weight * search.end(text))
    return Transcript(text, float(np.logaddexp(*beams[text])), search.lm(text) + search.end(text))


class _Search:
    """What one search remembers: how likely the language model finds each text.

    Args:
        letters: The character of each token, from token 1 on.
        model: The language model.
        weight: How much it counts.
        bonus: What a character adds.
    """

    def __init__(self, letters: str, model: NGram | None, weight: float, bonus: float) -> None:
        self._letters, self._model, self._weight, self._bonus = letters, model, weight, bonus
        self._known = {"": 0.0}

    def grown(self, beams: dict[str, tuple[float, float]], frame: list[float]) -> dict[str, tuple[float, float]]:
        """Return the beams one frame later."""
        grown: dict[str, tuple[float, float]] = {}

        def add(text: str, blank: float, other: float) -> None:
            before = grown.get(text, (-np.inf, -np.inf))
            grown[text] = (float(np.logaddexp(before[0], blank)), float(np.logaddexp(before[1], other)))

        for text, (blank, other) in beams.items():
            both = float(np.logaddexp(blank, other))
            add(text, both + frame[BLANK], -np.inf)
            for token, letter in enumerate(self._letters, start=1):
                repeats = text[-1:] == letter
                if repeats:
                    add(text, -np.inf, other + frame[token])
                add(text + letter, -np.inf, (blank if repeats else both) + frame[token])
        return grown

    def lm(self, text: str) -> float:
        """Return how likely the language model finds a text, its end left out."""
        if self._model is None:
            return 0.0
        if text not in self._known:
            self._known[text] = self.lm(text[:-1]) + self._model.log_prob(text[:-1], text[-1])
        return self._known[text]

    def end(self, text: str) -> float:
        """Return how likely it finds that the text ends."""
        return 0.0 if self._model is None else self._model.log_prob(text, END)

    def score(self, text: str, beam: tuple[float, float]) -> float:
        """Return what a beam is ranked by."""
        return float(np.logaddexp(*beam)) + self._weight * self.lm(text) + self._bonus * len(text)
