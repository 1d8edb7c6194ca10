"""Stores, and attention in two parts against plain sums over all tokens, in float64."""

import math

import numpy as np
import pytest
import torch

from lit_iterative.attention.interface import Scale
from lit_iterative.attention.parts import hidden, part
from lit_iterative.generation.branches import BranchCache, Growth, Prefill
from lit_iterative.generation.stores import GROWTH, Store

KEYS, SHARED, SIZE, LAYERS = 2, 3, 4, 2
SCALES = {
    "plain": Scale(0.5),
    "window": Scale(0.5, window=3),
    "wide window": Scale(0.5, window=6),
    "cap": Scale(0.5, cap=0.7),
    "window and cap": Scale(0.3, window=4, cap=1.5),
}


# ---- stores -------------------------------------------------------------------------------------------


def filled(store, rows, length):
    """Write numbers into the first rows and places, which say where they are."""
    for index in range(LAYERS):
        like = torch.zeros(1, KEYS, 1, SIZE)
        for number, room in enumerate(store.layer(index, like, like)):
            room[:rows, :, :length] = marks(index, number, rows, length)


def marks(layer, number, rows, length):
    row, place = torch.arange(rows)[:, None, None, None], torch.arange(length)[None, None, :, None]
    return (row * 1000 + place * 10 + layer * 2 + number + 1.0).expand(rows, KEYS, length, SIZE)


def rooms(store):
    like = torch.zeros(1, KEYS, 1, SIZE)
    return [room for index in range(LAYERS) for room in store.layer(index, like, like)]


@pytest.mark.parametrize("growth", [[(3, 5)], [(3, 5), (3, 6)], [(3, 5), (9, 5)], [(3, 5), (4, 40), (30, 90), (2, 3)]])
def test_what_is_in_a_store_stays_as_it_grows(growth):
    store = Store(longest=100)
    store.reserve(3, 5)
    filled(store, 3, 5)
    for rows, length in growth:
        store.reserve(rows, length)
        assert all(room.shape[0] >= rows and room.shape[2] >= length for room in rooms(store))
    for place, room in enumerate(rooms(store)):
        assert torch.equal(room[:3, :, :5], marks(place // 2, place % 2, 3, 5))
        assert not room[3:].any()
        assert not room[:, :, 5:].any()


def test_a_store_grows_seldom_and_never_beyond_the_longest_row():
    store, shapes = Store(longest=100), set()
    for length in range(1, 101):
        store.reserve(2, length)
        filled(store, 2, length)
        shapes.add(rooms(store)[0].shape[2])
    assert sorted(shapes) == [GROWTH, 2 * GROWTH, 4 * GROWTH, 100]
    for rows in range(3, 200):
        store.reserve(rows, 1)
        shapes.add(rooms(store)[0].shape[0])
    assert len(shapes) < 4 + 14
    assert store.reserve(200, 100) is None
    assert {room.shape[2] for room in rooms(store)} == {100}


def test_rows_that_have_ended_are_given_up_when_the_others_grow_longer():
    store = Store(longest=100)
    store.reserve(8, 5)
    filled(store, 8, 5)
    store.reserve(3, 50)
    for place, room in enumerate(rooms(store)):
        assert room.shape[0] == 3
        assert torch.equal(room[:, :, :5], marks(place // 2, place % 2, 8, 5)[:3])


def test_rows_move_with_all_layers_and_keys_and_values():
    store = Store(longest=8)
    store.reserve(6, 8)
    filled(store, 6, 8)
    store.move(torch.tensor([5, 3]), torch.tensor([0, 2]), 4)
    for place, room in enumerate(rooms(store)):
        was = marks(place // 2, place % 2, 6, 8)
        assert torch.equal(room[[0, 2], :, :4], was[[5, 3], :, :4])
        assert torch.equal(room[[0, 2], :, 4:], was[[0, 2], :, 4:])
        assert torch.equal(room[[1, 3, 4, 5]], was[[1, 3, 4, 5]])


# ---- attention in two parts ---------------------------------------------------------------------------


class Texts:
    """Random keys, values and queries of every token of some prompts and their branches, and the attention by hand."""

    def __init__(self, prompts, branches, seed=0):
        draw = np.random.default_rng(seed)
        heads = KEYS * SHARED
        self.of_prompts = [self._tokens(draw, length, heads) for length in prompts]
        self.of_branches = [(slot, self._tokens(draw, length, heads)) for slot, length in branches]

    @staticmethod
    def _tokens(draw, length, heads):
        return {
            "queries": 2 * draw.normal(size=(LAYERS, heads, length, SIZE)),
            "keys": 2 * draw.normal(size=(LAYERS, KEYS, length, SIZE)),
            "values": draw.normal(size=(LAYERS, KEYS, length, SIZE)),
        }

    def of_text(self, branch, name, layer):
        """Return what a branch's whole text has, ``(heads, tokens, size)``."""
        slot, own = self.of_branches[branch]
        return np.concatenate([self.of_prompts[slot][name][layer], own[name][layer]], axis=1)

    def length(self, branch):
        return self.of_prompts[self.of_branches[branch][0]]["keys"].shape[2]


def by_hand(queries, keys, values, place, scale):
    """Return what a token at a place sees, ``(heads, size)``, one head and key at a time."""
    seen = []
    first = 0 if scale.window is None else max(0, place - scale.window + 1)
    for head in range(len(queries)):
        group = head // SHARED
        weights = []
        for key in range(first, place + 1):
            score = scale.factor * float(queries[head, place] @ keys[group, key])
            if scale.cap is not None:
                score = scale.cap * math.tanh(score / scale.cap)
            weights.append(math.exp(score))
        total = sum(weights)
        seen.append(sum(w / total * values[group, first + k] for k, w in enumerate(weights)))
    return np.array(seen)


def stacked(rows, dtype=torch.float64):
    """Return arrays ``(heads, tokens, size)`` of unequal length as one, padded on the right with large numbers."""
    longest = max(row.shape[1] for row in rows)
    padded = [np.pad(row, ((0, 0), (0, longest - row.shape[1]), (0, 0)), constant_values=7.0) for row in rows]
    return torch.tensor(np.stack(padded), dtype=dtype)


def read(cache, texts, order, scale, dtype=torch.float64):
    """Read prompts into slots in one pass, and return what their tokens see."""
    prompts = [texts.of_prompts[number] for number in order]
    cache.prompts.reserve(max(order) + 1, max(prompt["keys"].shape[2] for prompt in prompts))
    current, seen = Prefill(torch.tensor(order)), []
    with cache.during(current):
        for layer in range(LAYERS):
            queries, keys, values = (
                stacked([prompt[name][layer] for prompt in prompts], dtype) for name in ("queries", "keys", "values")
            )
            keys, values = cache.update(keys, values, layer)
            seen.append(current.attend(layer, queries, keys, values, scale))
    return seen


def grown(cache, texts, rows, starts, tokens, scale, dtype=torch.float64):
    """Give every branch its next tokens, and return what they see, by layer."""
    slots = torch.tensor([texts.of_branches[row][0] for row in rows])
    lengths = torch.tensor([prompt["keys"].shape[2] for prompt in texts.of_prompts])
    cache.branches.reserve(len(rows), max(starts) + tokens)
    growth, seen = Growth(cache, slots, lengths, torch.tensor(starts), tokens), []
    for layer in range(LAYERS):
        queries, keys, values = (
            stacked(
                [
                    texts.of_branches[row][1][name][layer][:, start : start + tokens]
                    for row, start in zip(rows, starts, strict=True)
                ],
                dtype,
            )
            for name in ("queries", "keys", "values")
        )
        with cache.during(growth):
            keys, values = cache.update(keys, values, layer)
        seen.append(growth.attend(layer, queries, keys, values, scale))
    return seen, growth.positions


def check(texts, seen, positions, rows, starts, tokens, scale, error=1e-12):
    for layer, found in enumerate(seen):
        for row, (branch, start) in enumerate(zip(rows, starts, strict=True)):
            whole = [texts.of_text(branch, name, layer) for name in ("queries", "keys", "values")]
            for token in range(tokens):
                place = texts.length(branch) + start + token
                assert positions[row, token] == place
                difference = np.abs(found[row, :, token].double().numpy() - by_hand(*whole, place, scale)).max()
                assert difference < error, (layer, row, token)


#: Lengths of prompts, and the prompt of every branch.
SHAPES = {
    "one prompt, one branch": ([5], [0]),
    "equally many branches, in order": ([4, 4], [0, 0, 1, 1]),
    "equally many branches, in disorder": ([5, 3], [1, 0, 0, 1]),
    "as many as they like": ([3, 6, 1], [2, 0, 1, 0, 0, 2]),
    "a prompt without a branch": ([4, 5, 2], [2, 0, 2]),
    "a prompt without tokens to share": ([0, 5], [0, 1, 0]),
    "prompts without any": ([0, 0], [1, 0, 1]),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", SCALES)
@pytest.mark.parametrize("starts", ["together", "apart"])
@pytest.mark.parametrize("tokens", [1, 3])
def test_a_branch_sees_its_prompt_and_itself_as_one_text(shape, kind, starts, tokens):
    lengths, slots = SHAPES[shape]
    scale, texts = SCALES[kind], Texts(lengths, [(slot, 8) for slot in slots])
    rows, cache = list(range(len(slots))), BranchCache(max(lengths), 8)
    if max(lengths):
        read(cache, texts, list(range(len(lengths))), scale)
    begins = [2] * len(rows) if starts == "together" else [(3 * row) % 5 for row in rows]
    for start in range(max(begins)):  # what each has so far, a token at a time; those that have enough do it again
        grown(cache, texts, rows, [min(start, max(0, begin - 1)) for begin in begins], 1, scale)
    seen, positions = grown(cache, texts, rows, begins, tokens, scale)
    check(texts, seen, positions, rows, begins, tokens, scale)


@pytest.mark.parametrize("window", [None, 1, 2, 5, 6, 7, 8, 9])
@pytest.mark.parametrize("cap", [None, 1.5])
def test_prompts_see_what_stands_before_whatever_the_padding(window, cap):
    scale, texts, order = Scale(0.5, window, cap), Texts([6, 2, 8], []), [2, 0, 1]
    seen = read(BranchCache(8, 1), texts, order, scale)
    for layer, found in enumerate(seen):
        for row, number in enumerate(order):
            prompt = {name: values[layer] for name, values in texts.of_prompts[number].items()}
            for place in range(prompt["keys"].shape[1]):
                expected = by_hand(prompt["queries"], prompt["keys"], prompt["values"], place, scale)
                assert np.abs(found[row, :, place].numpy() - expected).max() < 1e-12


def test_prompts_that_are_read_later_and_moved_are_seen_where_they_are():
    scale, texts = SCALES["window"], Texts([6, 2, 8], [(0, 4), (1, 4), (1, 4)])
    cache = BranchCache(8, 4)
    read(cache, texts, [0, 1], scale)
    read(cache, texts, [2], scale)
    cache.prompts.move(torch.tensor([2]), torch.tensor([0]), 8)
    texts.of_prompts[0] = texts.of_prompts[2]
    for start in range(4):
        seen, positions = grown(cache, texts, [0, 1, 2], [start] * 3, 1, scale)
        check(texts, seen, positions, [0, 1, 2], [start] * 3, 1, scale)


@pytest.mark.parametrize("window", range(1, 12))
def test_every_window_is_as_long_as_it_is(window):
    scale, texts, cache = Scale(0.5, window), Texts([6, 3], [(0, 4), (1, 4)]), BranchCache(6, 4)
    read(cache, texts, [0, 1], scale)
    for start in range(4):
        seen, positions = grown(cache, texts, [0, 1], [start] * 2, 1, scale)
        check(texts, seen, positions, [0, 1], [start] * 2, 1, scale)


@pytest.mark.parametrize(("dtype", "error"), [(torch.float32, 1e-5), (torch.bfloat16, 0.1)])
def test_lower_precision_is_lower_precision(dtype, error):
    lengths, slots = SHAPES["as many as they like"]
    scale, texts, cache = SCALES["plain"], Texts(lengths, [(slot, 4) for slot in slots]), BranchCache(6, 4)
    read(cache, texts, [0, 1, 2], scale, dtype)
    for start in range(4):
        seen, positions = grown(cache, texts, list(range(6)), [start] * 6, 1, scale, dtype)
        assert seen[0].dtype == dtype
    check(texts, seen, positions, list(range(6)), [3] * 6, 1, scale, error)


@pytest.mark.parametrize(("gap", "expected"), [(0.0, (1 + 3 + 3) / 3), (2000.0, 3.0), (-2000.0, 2.0)])
def test_parts_are_joined_however_far_apart_their_scores_are(gap, expected):
    query, scale = torch.ones(1, 1, 1, 1, dtype=torch.float64), Scale(1.0)
    two, values = torch.zeros(1, 1, 2, 1).double(), torch.tensor([[[[1.0], [3.0]]]]).double()
    near = part(query, two, values, scale, None)
    far = part(query, torch.full_like(query, gap), torch.full_like(query, 3.0), scale, None)
    assert near.joined(far).item() == pytest.approx(expected, abs=1e-12)
    assert far.joined(near).item() == pytest.approx(expected, abs=1e-12)


def test_a_part_of_which_all_is_hidden_counts_for_nothing():
    query, keys = torch.ones(1, 1, 1, 2), torch.ones(1, 1, 3, 2)
    nothing = part(query, keys, torch.full((1, 1, 3, 2), 9.0), Scale(1.0), hidden(torch.zeros(1, 3, dtype=torch.bool)))
    something = part(query, -50 * keys, torch.full((1, 1, 3, 2), 4.0), Scale(1.0), None)
    assert torch.equal(something.joined(nothing), torch.full((1, 1, 1, 2), 4.0))
    assert torch.equal(nothing.joined(something), torch.full((1, 1, 1, 2), 4.0))
