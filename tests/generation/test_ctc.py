"""CTC: what paths spell, and the beam search against all paths."""

import math
from itertools import product

import numpy as np
import pytest

from lit_iterative.generation.ctc import beam_search, spelled
from lit_iterative.generation.ngram import END, NGram

LETTERS = "ab"


def frames(count, seed):
    logits = np.random.default_rng(seed).normal(size=(count, 3)) * 2
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def by_all_paths(log_probs, model, weight, bonus):
    """Sum the probability of every path by what it spells, and take the best text."""
    found = {}
    for path in product(range(3), repeat=len(log_probs)):
        text, last = "", 0
        for token in path:
            if token not in (0, last):
                text += LETTERS[token - 1]
            last = token
        found[text] = found.get(text, 0.0) + math.exp(sum(log_probs[place, token] for place, token in enumerate(path)))

    def lm(text):
        return sum(model.log_prob(text[:place], text[place]) for place in range(len(text))) + model.log_prob(text, END)

    best = max(found, key=lambda text: math.log(found[text]) + weight * lm(text) + bonus * len(text))
    return best, math.log(found[best]), lm(best)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("weight", "bonus"), [(0.0, 0.0), (1.5, 0.0), (0.8, 1.0)])
def test_a_wide_beam_finds_the_best_of_all_paths(seed, weight, bonus):
    model, log_probs = NGram(["abba", "ab"], order=2), frames(5, seed)
    text, ctc, lm = by_all_paths(log_probs, model, weight, bonus)
    found = beam_search(log_probs, LETTERS, 1000, model, weight, bonus)
    assert found.text == text
    assert found.ctc == pytest.approx(ctc, abs=1e-9)
    assert found.lm == pytest.approx(lm, abs=1e-9)


def test_a_language_model_tells_letters_apart():
    unsure = np.log([[0.02, 0.6, 0.38], [0.96, 0.02, 0.02], [0.02, 0.6, 0.38]])
    assert beam_search(unsure, LETTERS).text == "aa"
    assert beam_search(unsure, LETTERS, model=NGram(["ba"] * 3, order=2), weight=1.0).text == "ba"


def test_no_frames_spell_nothing():
    assert beam_search(np.zeros((0, 3)), LETTERS) == ("", 0.0, 0.0)


def test_repeats_are_told_apart_by_blanks():
    assert spelled([1, 1, 0, 1, 2, 2, 0], LETTERS) == "aab"
    assert spelled([], LETTERS) == ""
