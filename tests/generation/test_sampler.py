"""The sampler draws what the Decoder draws, keeps the batch full, keeps what it has when memory is short."""

import math
from collections import Counter
from copy import deepcopy

import numpy as np
import pytest
import torch

from lit_iterative.errors import DataError
from lit_iterative.generation.decoder import Decoder
from lit_iterative.generation.endings import Endings
from lit_iterative.generation.language import Sampling
from lit_iterative.generation.sampler import PREFILL, Sampler
from lit_iterative.generation.stores import Store
from lit_iterative.seeds import derive_seed
from tests.generation.models import CONTEXT, EOS, VOCABULARY, asked, exact, model, prompts, target, text_of

NEVER = 10**6


def shuffled(values, seed=0):
    order = np.random.default_rng(seed).permutation(len(values)).tolist()
    return [values[place] for place in order]


# ---- the same tokens ----------------------------------------------------------------------------------

SAMPLINGS = {
    "plain": Sampling(12),
    "cold": Sampling(12, temperature=0.6),
    "hot": Sampling(12, temperature=1.7),
    "greedy": Sampling(12, temperature=0.0),
    "top-k": Sampling(12, top_k=5),
    "top-p": Sampling(12, top_p=0.8),
    "narrow top-p": Sampling(12, top_p=0.3),
    "min-p": Sampling(12, min_p=0.1),
    "all": Sampling(12, temperature=1.3, top_k=30, top_p=0.9, min_p=0.02),
    "stop texts": Sampling(12, stop=[text_of([40]), text_of([17, 22]), "nowhere"]),
    "one token": Sampling(1),
}


@pytest.mark.parametrize("name", SAMPLINGS)
def test_completions_are_those_of_the_decoder(name):
    given, seeds = asked()
    expected = Decoder(target(exact())).generate(given, seeds, SAMPLINGS[name])
    assert Sampler(target(exact(), batch_size=20)).generate(given, seeds, SAMPLINGS[name]) == expected
    assert len({tuple(completion.ids) for completion in expected}) > (7 if name == "greedy" else 20)


@pytest.mark.parametrize("stop_ids", [(), (EOS,), (EOS, 5, 9, 14, 30, 44)])
@pytest.mark.parametrize("name", ["llama", "mistral", "gemma3_text"])
def test_completions_are_those_of_the_decoder_for_other_models_and_ends(name, stop_ids):
    given, seeds = asked()
    wanted = target(model(name, torch.float64), 20, stop_ids)
    made = Sampler(wanted).generate(given, seeds, Sampling(12))
    assert made == Decoder(wanted).generate(given, seeds, Sampling(12))
    assert {completion.finish for completion in made} == ({"stop", "length"} if stop_ids else {"length"})


@pytest.mark.parametrize("batch_size", [1, 3, 7, 64, 1000])
def test_completions_are_the_same_whatever_the_batch(batch_size):
    given, seeds = asked()
    expected = Decoder(target(exact())).generate(given, seeds, Sampling(8))
    order = np.random.default_rng(batch_size).permutation(len(given)).tolist()
    sampler = Sampler(target(exact(), batch_size))
    for places in (order if batch_size > 1 else order[:20], sorted(order[:9])):
        made = sampler.generate([given[place] for place in places], [seeds[place] for place in places], Sampling(8))
        assert made == [expected[place] for place in places]


@pytest.mark.parametrize("count", [1, 2, 3, 5, 15, 16, 17, 50])
def test_completions_are_the_same_however_many_branches_a_prompt_has(count):
    (given, seeds), sampling = asked([6, 1, 9], [count, 3, count]), Sampling(10)
    expected = Decoder(target(exact())).generate(given, seeds, sampling)
    assert Sampler(target(exact(), 16)).generate(given, seeds, sampling) == expected


@pytest.mark.parametrize("batch_size", [7, 64])
def test_every_completion_has_its_own_limit(batch_size):
    given, seeds = asked()
    limits = [1 + (7 * number) % 15 for number in range(len(given))]
    wanted = target(exact(), batch_size, stop_ids=())
    made = Sampler(wanted).generate(given, seeds, Sampling(12), limits)
    assert made == Decoder(wanted).generate(given, seeds, Sampling(12), limits)
    assert [len(completion.ids) for completion in made] == [min(limit, 12) for limit in limits]


def test_completions_end_at_the_context_each_at_its_own():
    given, seeds = asked([CONTEXT - 1, 4, CONTEXT - 5], [3, 2, 3])
    wanted = target(exact(), 4, stop_ids=())
    made = Sampler(wanted).generate(given, seeds, Sampling(40))
    assert made == Decoder(wanted).generate(given, seeds, Sampling(40))
    assert [len(completion.ids) for completion in made] == [1, 1, 1, 40, 40, 5, 5, 5]


def test_a_stop_text_may_span_tokens_and_what_completes_it_is_kept():
    given, seeds = asked([5], [200])
    whole = Sampler(target(exact(), stop_ids=())).generate(given, seeds, Sampling(15))
    text = Counter(text_of(c.ids[place : place + 2]) for c in whole for place in range(14)).most_common(1)[0][0]
    made = Sampler(target(exact(), stop_ids=())).generate(given, seeds, Sampling(15, stop=[text]))
    for free, stopped in zip(whole, made, strict=True):
        place = text_of(free.ids).find(text)
        assert stopped.ids == (free.ids if place < 0 else free.ids[: place + 2])
        assert stopped.finish == ("length" if place < 0 else "stop")
    assert len({completion.finish for completion in made}) == 2


def test_more_prompts_than_are_read_at_a_time():
    length = CONTEXT - 6
    many = 2 * PREFILL // length
    given, seeds = asked([length] * many + [3], [2] * many + [5])
    wanted = target(model("gpt2", torch.float64), 300)
    assert Sampler(wanted).generate(given, seeds, Sampling(3)) == Decoder(wanted).generate(given, seeds, Sampling(3))


def test_the_same_prompt_in_other_types_is_one_prompt():
    given = [[5, 6, 7], (5, 6, 7), np.array([5, 6, 7])]
    with passes(exact()) as seen:
        made = Sampler(target(exact())).generate(given, [3, 3, 3], Sampling(5))
    assert made[0] == made[1] == made[2]
    assert seen.read == [(5, 6)]


def test_calls_repeat_bit_for_bit_in_float32():
    given, seeds = asked()
    sampler = Sampler(target(model(), 7))
    first = sampler.generate(given, seeds, Sampling(8, details=True))
    again = sampler.generate(given, seeds, Sampling(8, details=True))
    assert first == again
    assert all(np.array_equal(a.scores.log_probs, b.scores.log_probs) for a, b in zip(first, again, strict=True))


def test_rounding_moves_at_most_one_draw_in_a_hundred_thousand():
    given, seeds = asked([5, 14, 9, 1], [1250] * 4)
    made = {
        batch_size: Sampler(target(model(), batch_size, stop_ids=())).generate(given, seeds, Sampling(21))
        for batch_size in (1000, 2500)
    }
    compared = differing = 0
    for first, second in zip(*made.values(), strict=True):
        same = [a == b for a, b in zip(first.ids, second.ids, strict=True)]
        differs = not all(same)
        compared += same.index(False) + 1 if differs else len(same)
        differing += differs
    assert compared >= 100_000
    assert differing <= compared / 1e5


# ---- the distribution ---------------------------------------------------------------------------------


def statistic(counts, expected):
    """Return Pearson's chi-squared and what it stays below but for one case in 30,000 (Wilson and Hilferty)."""
    freedom = len(counts) - 1
    limit = freedom * (1 - 2 / (9 * freedom) + 4 * (2 / (9 * freedom)) ** 0.5) ** 3
    return float(((counts - expected) ** 2 / expected).sum()), limit


def kept(probs, sampling):
    """Return what truncation leaves of probabilities, token by token, as the definitions say."""
    order = sorted(range(len(probs)), key=lambda token: -probs[token])
    if sampling.top_k:
        order = order[: sampling.top_k]
    whole, before, stays = sum(probs[token] for token in order), 0.0, []
    for token in order:
        if before < sampling.top_p * whole and probs[token] >= sampling.min_p * probs[order[0]]:
            stays.append(token)
        before += probs[token]
    return {token: probs[token] / sum(probs[token] for token in stays) for token in stays}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"temperature": 0.7},
        {"temperature": 2.0},
        {"top_k": 4},
        {"top_p": 0.9},
        {"top_p": 0.4},
        {"min_p": 0.2},
        {"temperature": 1.5, "top_k": 20, "top_p": 0.9, "min_p": 0.05},
    ],
)
@pytest.mark.parametrize("position", [0, 1])
def test_tokens_are_drawn_as_the_softmax_says(options, position):
    """The token at a position, given those before: for the second, of completions with the most common first token."""
    network, sampling = exact(), Sampling(position + 1, **options)
    count, prompt = 6_000, prompts([9])[0]
    seeds = [derive_seed("chi", str(options), number) for number in range(count)]
    made = Sampler(target(network, 4000, stop_ids=())).generate([prompt] * count, seeds, sampling)
    if position:
        first = Counter(completion.ids[0] for completion in made).most_common(1)[0][0]
        made, prompt = [completion for completion in made if completion.ids[0] == first], [*prompt, first]
    with torch.no_grad():
        logits = network(input_ids=torch.tensor([prompt])).logits[0, -1].tolist()
    weights = [math.exp((value - max(logits)) / sampling.temperature) for value in logits]
    expected = kept([weight / sum(weights) for weight in weights], sampling)
    counts = Counter(completion.ids[position] for completion in made)
    assert set(counts) <= set(expected)
    common = [token for token, share in expected.items() if share * len(made) >= 5]
    assert len(common) >= 3
    found, limit = statistic(
        np.array([counts[token] for token in common]), np.array([expected[token] * len(made) for token in common])
    )
    assert found < limit


def test_branches_of_one_prompt_are_independent():
    given, sampling = [prompts([9])[0]] * 8000, Sampling(1, top_k=3)
    drawn = [c.ids[0] for c in Sampler(target(exact(), 4000)).generate(given, list(range(8000)), sampling)]
    tokens = sorted(set(drawn))
    share = np.array([drawn.count(token) for token in tokens]) / 8000
    pairs = Counter(zip(drawn[::2], drawn[1::2], strict=True))
    counts = np.array([[pairs[first, second] for second in tokens] for first in tokens], dtype=float)
    found, limit = statistic(counts.ravel(), (np.outer(share, share) * 4000).ravel())
    assert found < limit


# ---- the batch is kept full ---------------------------------------------------------------------------


class passes:  # a context manager
    """Writes down every pass of a network: how many rows were decoded while how many were open, and what was read."""

    def __init__(self, network):
        self._network = network
        self.decoded, self.read, self.ended = [], [], 0

    def __enter__(self):
        self._patch = pytest.MonkeyPatch()
        completion = Endings.completion

        def counted(endings, *arguments):
            self.ended += 1
            return completion(endings, *arguments)

        self._patch.setattr(Endings, "completion", counted)
        self._handle = self._network.register_forward_pre_hook(self._see, with_kwargs=True)
        return self

    def __exit__(self, *_):
        self._patch.undo()
        self._handle.remove()

    def _see(self, _, arguments, options):
        ids, positions = options["input_ids"], options["position_ids"]
        if (ids.shape[1] == 1 and len(ids) > 1) or positions[0, 0] > 0:
            self.decoded.append((len(ids), self.ended))
        else:
            self.read += [tuple(token for token in row if token != 0) for row in ids.tolist()]


@pytest.mark.parametrize("capacity", [3, 16, 200])
@pytest.mark.parametrize("lengths", ["equal", "skewed", "by the model"])
def test_every_pass_has_as_many_rows_as_there_can_be(capacity, lengths):
    given, seeds = asked([7, 3, 30, 18, 4, 55, 9], [1, 16, 3, 8, 4, 5, 7])
    given, seeds = shuffled(given), shuffled(seeds)
    stops = (EOS, 9, 30) if lengths == "by the model" else ()
    limits = [40 if number % 11 == 0 else 1 + number % 4 for number in range(len(given))]
    with passes(exact()) as seen:
        made = Sampler(target(exact(), capacity, stops)).generate(
            given, seeds, Sampling(40 if stops else 6), limits if lengths == "skewed" else None
        )
    assert sum(rows for rows, _ in seen.decoded) == sum(len(completion.ids) for completion in made)
    assert [rows for rows, _ in seen.decoded] == [min(capacity, len(given) - ended) for _, ended in seen.decoded]
    wanted = sorted({tuple(prompt) for prompt in given}, key=len)
    read = sorted(
        seen.read, key=lambda row: max(len(prompt) for prompt in wanted if row[: len(prompt) - 1] == prompt[:-1])
    )
    assert len(read) == len(wanted)
    for row, prompt in zip(read, wanted, strict=True):  # what stands behind is the prompt's last token
        assert row == (*prompt[:-1], *[prompt[-1]] * (len(row) - len(prompt) + 1))


def test_prompts_whose_branches_have_ended_make_room(monkeypatch):
    given, seeds = asked([3 + number % 9 for number in range(60)], [1, 3, 2] * 20)
    rooms, reserve = [], Store.reserve

    def reserved(store, rows, length):
        rooms.append(rows)
        reserve(store, rows, length)

    monkeypatch.setattr(Store, "reserve", reserved)
    Sampler(target(exact(), 16)).generate(given, seeds, Sampling(4))
    assert max(rooms) <= 16 + 16 // 8  # as many prompts as rows, and those that are read ahead


def test_a_branch_alone_takes_one_pass_a_token():
    with passes(exact()) as seen:
        (made,) = Sampler(target(exact(), 1, ())).generate([prompts([9])[0]], [3], Sampling(17))
    assert [rows for rows, _ in seen.decoded] == [1] * len(made.ids) == [1] * 17


# ---- hostile input ------------------------------------------------------------------------------------


def test_no_prompts():
    assert Sampler(target(exact())).generate([], [], Sampling(4)) == []


@pytest.mark.parametrize("length", [CONTEXT, CONTEXT + 5])
def test_a_prompt_that_fills_the_context_is_refused(length):
    with pytest.raises(DataError, match=f"{length} tokens.*context is {CONTEXT}.*max_prompt_tokens"):
        Sampler(target(exact())).generate(prompts([3, length]), [1, 2], Sampling(4))


def test_a_prompt_without_tokens_is_refused():
    with pytest.raises(DataError, match="no tokens.*BOS"):
        Sampler(target(exact())).generate([[3], []], [1, 2], Sampling(4))


@pytest.mark.parametrize(
    "sampling", [Sampling(4), Sampling(4, temperature=0.0), Sampling(4, top_k=3), Sampling(4, top_p=0.2)]
)
@pytest.mark.parametrize("weights", ["a column", "all", "infinite"])
def test_a_model_that_gives_no_numbers_is_refused(sampling, weights):
    network = deepcopy(model())
    if weights == "a column":
        network.lm_head.weight.data[7] = torch.nan
    elif weights == "infinite":
        network.lm_head.weight.data[7] = torch.inf
    else:
        network.model.layers[0].self_attn.v_proj.weight.data[:] = torch.nan
    with pytest.raises(DataError, match="not numbers.*diverged"):
        Sampler(target(network)).generate(prompts([5, 1, 9]), [1, 2, 3], sampling)


@pytest.mark.parametrize("seed", [0, 2**63, 2**64 - 1])
def test_seeds_are_any_64_bits(seed):
    made = Sampler(target(exact())).generate([[4, 5]], [seed], Sampling(9))
    assert made == Decoder(target(exact())).generate([[4, 5]], [seed], Sampling(9))


def test_a_vocabulary_of_few_likely_tokens_is_drawn_from_by_all_truncations():
    network = deepcopy(model())
    network.lm_head.weight.data *= 40  # one token takes it all
    given, seeds = asked([7, 1, 20], [3, 4, 2])
    for options in ({}, {"top_k": 1}, {"top_p": 0.01}, {"min_p": 1.0}, {"top_k": VOCABULARY}, {"top_k": NEVER}):
        made = Sampler(target(network, 9)).generate(given, seeds, Sampling(5, **options))
        assert made == Decoder(target(network, 9)).generate(given, seeds, Sampling(5, **options))
