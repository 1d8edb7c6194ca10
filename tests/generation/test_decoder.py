from types import SimpleNamespace

import numpy as np
import pytest
import torch

from lit_iterative.errors import DataError, SetupError
from lit_iterative.generation.decoder import Decoder
from lit_iterative.generation.language import Sampling, Target
from lit_iterative.seeds import derive_seed
from tests.generation.models import built, target
from tests.projects.networks import BOS, EOS, PAD, network, prompts

KINDS = ["rotary", "absolute"]
PROMPTS = prompts([3, 9, 1, 5, 7, 2, 11, 4])
CONTEXT = 32


class Scripted:
    """Says what follows every token, and nothing else; keeps no cache, but knows how often it was asked."""

    device = torch.device("cpu")

    def __init__(self, after):
        self.after, self.calls = after, 0

    def __call__(self, input_ids, **_):
        self.calls += 1
        following = torch.tensor([self.after[token] for token in input_ids[:, -1].tolist()])
        logits = torch.nn.functional.one_hot(following, 20).float()[:, None]
        return SimpleNamespace(logits=logits, past_key_values=None)


def decoder(model, stop_ids=(EOS,), batch_size=64, context=CONTEXT, pad_id=PAD):
    return Decoder(Target(model, pad_id, stop_ids, context, batch_size, str))


def greedy(model, given, tokens=6, **options):
    return decoder(model, **options).generate(given, [0] * len(given), Sampling(tokens, temperature=0.0))


def seeds_of(count):
    return [derive_seed("test", number) for number in range(count)]


# ---- against transformers -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stop_ids", [[EOS], [EOS, 9, 12]])
def test_greedy_completions_are_those_of_transformers(kind, stop_ids):
    model, length = network(kind), max(map(len, PROMPTS))
    ids = torch.tensor([[PAD] * (length - len(prompt)) + prompt for prompt in PROMPTS])
    mask = torch.tensor([[0] * (length - len(prompt)) + [1] * len(prompt) for prompt in PROMPTS])
    options = {"do_sample": False, "max_new_tokens": 12, "pad_token_id": PAD, "eos_token_id": stop_ids}
    expected = model.generate(input_ids=ids, attention_mask=mask, **options)[:, length:].tolist()
    made = greedy(model, PROMPTS, 12, stop_ids=stop_ids)
    for completion, row in zip(made, expected, strict=True):
        assert row[: len(completion.ids)] == completion.ids
        assert set(row[len(completion.ids) :]) <= {PAD}
    assert len({tuple(completion.ids) for completion in made}) > 4
    assert "stop" in {completion.finish for completion in made} or len(stop_ids) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_samples_are_the_draws_from_the_whole_prefix(kind):
    """Each token again, without batch, padding or cache: softmax in float64, and the place where it passes the draw."""
    from lit_iterative.generation.draws import uniforms

    model = network(kind).double()
    made = decoder(model).generate(PROMPTS, seeds_of(8), Sampling(8, temperature=0.7))
    with torch.no_grad():
        for prompt, seed, completion in zip(PROMPTS, seeds_of(8), made, strict=True):
            prefix = list(prompt)
            for position, token in enumerate(completion.ids):
                logits = model(input_ids=torch.tensor([prefix])).logits[0, -1].numpy() / 0.7
                probs = np.exp(logits - logits.max())
                below = np.concatenate([[0], np.cumsum(probs / probs.sum())])
                u = uniforms(np.array([seed], dtype=np.uint64), position)[0]
                assert below[token] - 1e-6 <= u < below[token + 1] + 1e-6
                prefix.append(token)


# ---- whatever the batch -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_completion_depends_on_its_prompt_and_its_seed_alone(kind):
    # a draw within rounding of a boundary could differ; 96 rows of up to 10 tokens have none
    model, sampling = network(kind), Sampling(10)
    many = prompts([1 + number % 13 for number in range(96)], seed=5)
    seeds = seeds_of(96)
    whole = decoder(model, batch_size=96).generate(many, seeds, sampling)
    order = np.random.default_rng(0).permutation(96).tolist()
    for batch_size, places in ((1, range(96)), (7, range(96)), (64, order), (96, order[:40])):
        made = decoder(model, batch_size=batch_size).generate(
            [many[place] for place in places], [seeds[place] for place in places], sampling
        )
        differ = sum(completion != whole[place] for completion, place in zip(made, places, strict=True))
        assert differ == 0, (batch_size, differ)
    assert len({tuple(completion.ids) for completion in whole}) > 60


def test_equal_prompts_differ_by_their_seeds_alone():
    model, prompt = network("rotary"), PROMPTS[1]
    first, second, third = decoder(model).generate([prompt] * 3, [1, 2, 1], Sampling(10))
    assert first == third
    assert first != second


# ---- how completions end ------------------------------------------------------------------------------


def test_the_end_is_kept_once_and_what_follows_is_not():
    model = Scripted({BOS: 5, 5: 6, 6: EOS, EOS: EOS, 7: 8, 8: 8})
    ended, cut = greedy(model, [[BOS], [BOS, 7]], 5)
    assert (ended.ids, ended.finish) == ([5, 6, EOS], "stop")
    assert (cut.ids, cut.finish) == ([8, 8, 8, 8, 8], "length")


def test_tokens_after_the_end_that_are_no_padding_are_left_out():
    model = Scripted({BOS: EOS, EOS: 9, 9: 9, 7: 9})
    assert [completion.ids for completion in greedy(model, [[BOS], [7]], 4)] == [[EOS], [9, 9, 9, 9]]


def test_an_end_in_the_last_place_is_one_and_a_cut_row_is_given_none():
    model = Scripted({BOS: 5, 5: 6, 6: EOS, EOS: EOS})
    (ended,), (cut,) = greedy(model, [[BOS]], 3), greedy(model, [[BOS]], 2)
    assert (ended.ids, ended.finish) == ([5, 6, EOS], "stop")
    assert (cut.ids, cut.finish) == ([5, 6], "length")


def test_any_of_several_tokens_ends_and_stays():
    model = Scripted({BOS: 5, 5: 6, 6: EOS, EOS: EOS, 7: EOS})
    first, second = greedy(model, [[BOS], [7]], 5, stop_ids=(EOS, 6))
    assert (first.ids, second.ids) == ([5, 6], [EOS])
    assert {first.finish, second.finish} == {"stop"}


def test_one_token():
    model = Scripted({BOS: 5, 7: EOS})
    first, second = greedy(model, [[BOS], [7]], 1)
    assert (first.ids, first.finish) == ([5], "length")
    assert (second.ids, second.finish) == ([EOS], "stop")


def test_the_model_is_not_asked_further_when_all_rows_have_ended():
    model = Scripted({BOS: 5, 5: EOS, EOS: EOS, 7: EOS})
    greedy(model, [[BOS], [7]], 100, context=1000)
    assert model.calls == 2


@pytest.mark.parametrize("kind", KINDS)
def test_padding_may_be_the_end_token(kind):
    model = network(kind)
    given = [PROMPTS[0], [BOS, EOS, 5], PROMPTS[6]]  # a prompt may have one inside, too
    plain = decoder(model, pad_id=PAD).generate(given, [1, 2, 3], Sampling(10))
    assert decoder(model, pad_id=EOS).generate(given, [1, 2, 3], Sampling(10)) == plain


# ---- the context --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_completions_stop_at_the_context_each_at_its_own(kind):
    model, given = network(kind), prompts([CONTEXT - 1, 2, CONTEXT - 3])
    seeds, sampling = [1, 2, 3], Sampling(20)
    made = decoder(model, stop_ids=()).generate(given, seeds, sampling)
    assert [len(completion.ids) for completion in made] == [1, 20, 3]
    assert {completion.finish for completion in made} == {"length"}
    alone = [
        decoder(model, stop_ids=()).generate([row], [seed], sampling)[0] for row, seed in zip(given, seeds, strict=True)
    ]
    assert made == alone


def test_rows_at_their_context_do_not_keep_the_model_busy():
    model = Scripted({BOS: 5, 5: EOS, EOS: EOS, 7: 7})
    made = greedy(model, [[BOS], [7] * 7], 100, context=8)
    assert [completion.ids for completion in made] == [[5, EOS], [7]]
    assert model.calls == 2


@pytest.mark.parametrize("length", [CONTEXT, CONTEXT + 5])
def test_a_prompt_that_fills_the_context_is_refused(length):
    with pytest.raises(DataError, match=f"{length} tokens.*context is {CONTEXT}.*max_prompt_tokens"):
        greedy(network("absolute"), prompts([3, length]))


def test_a_prompt_without_tokens_is_refused():
    with pytest.raises(DataError, match="no tokens.*BOS"):
        greedy(network("rotary"), [PROMPTS[0], []])


def test_a_model_that_gives_no_numbers_is_refused():
    model = network("rotary")
    model.lm_head.weight.data[7] = torch.nan
    for sampling in (Sampling(4), Sampling(4, temperature=0.0)):
        with pytest.raises(DataError, match="not numbers.*diverged"):
            decoder(model).generate(PROMPTS, seeds_of(8), sampling)


def test_no_prompts():
    assert greedy(network("rotary"), []) == []


def test_a_model_without_a_cache_of_keys_is_refused():
    other = built("mamba", state_size=4)
    with pytest.raises(SetupError, match=r"gives no past_key_values.*VLLMServer"):
        Decoder(target(other)).generate([[3, 4]], [1], Sampling(2))
