import copy
import math
from types import SimpleNamespace

import pytest
import torch

from lit_iterative.losses.log_probs import from_logits, score
from lit_iterative.sequences import Sequences, pad
from tests.projects.networks import EOS, network, prompts

KINDS = ["rotary", "absolute"]
PROMPTS = prompts([3, 9, 1, 5, 7])
COMPLETIONS = [[5, 9, EOS], [14], [7, 7, 4, 11, 6, 15, EOS], [], [EOS]]


def next_token_log_probs(model, tokens):
    """Return log p of every token after the given ones: one row, no padding, float64, one logit at a time."""
    logits = model(input_ids=torch.tensor([tokens])).logits[0, -1].tolist()
    top = max(logits)
    total = top + math.log(sum(math.exp(logit - top) for logit in logits))
    return [logit - total for logit in logits]


def oracle(model, prompt, completion):
    """Return log-probability, entropy and KL(uniform || p) at every token of a completion."""
    model = copy.deepcopy(model).double()
    rows, tokens = [], list(prompt)
    with torch.no_grad():
        for token in completion:
            every = next_token_log_probs(model, tokens)
            entropy = -sum(math.exp(value) * value for value in every)
            uniform = sum((1 / len(every)) * (math.log(1 / len(every)) - value) for value in every)
            rows.append((every[token], entropy, uniform))
            tokens.append(token)
    return rows


@pytest.mark.parametrize("kind", KINDS)
def test_a_padded_batch_is_the_loop_over_tokens(kind):
    model = network(kind)
    with torch.no_grad():
        scored = score(model, pad(PROMPTS, COMPLETIONS, pad_id=0), details=True)
    for row, (prompt, completion) in enumerate(zip(PROMPTS, COMPLETIONS, strict=True)):
        expected = oracle(model, prompt, completion)
        places = scored.weights[row].bool()
        assert places.nonzero().flatten().tolist() == [len(prompt) - 1 + t for t in range(len(completion))]
        for name, column in (("log_probs", 0), ("entropy", 1), ("uniform", 2)):
            values = getattr(scored, name)[row]
            assert values[places].tolist() == pytest.approx([line[column] for line in expected], abs=1e-4), name
            assert not values[~places].any()
        assert scored.sums[row].item() == pytest.approx(sum(line[0] for line in expected), abs=1e-4)
        assert scored.tokens[row] == len(completion)


def test_the_oracle_sees_peaked_distributions():
    values = [line[0] for line in oracle(network("rotary"), PROMPTS[2], COMPLETIONS[2])]
    assert max(values) - min(values) > 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_padded_row_is_a_batch_of_one(kind):
    model = network(kind)
    with torch.no_grad():
        together = score(model, pad(PROMPTS, COMPLETIONS, pad_id=0))
        for row, (prompt, completion) in enumerate(zip(PROMPTS, COMPLETIONS, strict=True)):
            alone = score(model, pad([prompt], [completion], pad_id=0))
            torch.testing.assert_close(together.sums[row], alone.sums[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_a_padded_row_are_those_of_a_batch_of_one(kind):
    model = network(kind)

    def gradients(batch, row):
        model.zero_grad()
        score(model, batch).sums[row].backward()
        return {name: parameter.grad.clone() for name, parameter in model.named_parameters()}

    together = pad(PROMPTS, COMPLETIONS, pad_id=0)
    for row in (1, 2, 4):
        alone = gradients(pad([PROMPTS[row]], [COMPLETIONS[row]], pad_id=0), 0)
        assert any(gradient.abs().max() > 1e-3 for gradient in alone.values())
        for name, gradient in gradients(together, row).items():
            torch.testing.assert_close(gradient, alone[name], rtol=1e-4, atol=1e-5, msg=name)


@pytest.mark.parametrize("kind", KINDS)
def test_what_stands_behind_a_completion_does_not_count(kind):
    model, batch = network(kind), pad(PROMPTS, COMPLETIONS, pad_id=0)
    noise = torch.randint(4, 16, batch.input_ids.shape, generator=torch.Generator().manual_seed(3))
    noisy = torch.where(batch.attention_mask.bool(), batch.input_ids, noise)
    assert not torch.equal(noisy, batch.input_ids)
    with torch.no_grad():
        plain = score(model, Sequences(batch.input_ids, batch.attention_mask, batch.completion_mask), details=True)
        other = score(model, Sequences(noisy, batch.attention_mask, batch.completion_mask), details=True)
    for name in ("log_probs", "entropy", "uniform", "weights"):
        assert torch.equal(getattr(plain, name), getattr(other, name)), name


def test_the_prompt_is_read_but_not_scored_and_the_end_is():
    model = network("rotary")
    with torch.no_grad():
        with_end, without = (score(model, pad([[1, 5]], [ids], 0)).sums.item() for ids in ([9, EOS], [9]))
        other_prompt = score(model, pad([[1, 6]], [[9, EOS]], 0)).sums.item()
    assert with_end < without - 0.1
    assert with_end != other_prompt


def test_weights_of_tokens_weigh_their_log_probs():
    model, weights = network("rotary"), [0.5, 0.0, 2.0]
    with torch.no_grad():
        scored = score(model, pad([PROMPTS[0]], [COMPLETIONS[0]], 0, [weights]))
    expected = oracle(model, PROMPTS[0], COMPLETIONS[0])
    total = sum(weight * line[0] for weight, line in zip(weights, expected, strict=True))
    assert scored.sums.item() == pytest.approx(total, abs=1e-4)
    assert scored.tokens.item() == 2.5


def test_only_empty_completions():
    model = network("rotary")
    scored = score(model, pad([[1], [1]], [[], []], 0), details=True)
    assert scored.sums.tolist() == [0, 0]
    assert scored.tokens.tolist() == [0, 0]


def test_low_precision_logits_are_normalised_and_summed_in_float32():
    draw = torch.Generator().manual_seed(0)
    logits = (3 * torch.randn(1, 65, 5000, generator=draw)).bfloat16()
    batch = pad([[1]], [torch.randint(0, 5000, (64,), generator=draw).tolist()], 0)
    scored = from_logits(logits, batch, details=True)
    exact = logits[0, :-1].double().log_softmax(-1)
    expected = sum(exact[t, token].item() for t, token in enumerate(batch.input_ids[0, 1:].tolist()))
    assert scored.log_probs.dtype is scored.entropy.dtype is scored.uniform.dtype is torch.float32
    assert scored.sums.item() == pytest.approx(expected, abs=1e-3)


def test_impossible_tokens_give_no_nan_entropy():
    logits = torch.tensor([[[0.0, 0.0, -torch.inf], [0.0, 0.0, 0.0]]])
    scored = from_logits(logits, pad([[1]], [[0]], 0), details=True)
    assert scored.entropy.item() == pytest.approx(math.log(2))
    assert scored.uniform.item() == math.inf


def test_positions_are_given_to_the_model_and_the_cache_is_off():
    seen = {}

    def model(**inputs):
        seen.update(inputs)
        return SimpleNamespace(logits=torch.zeros(*inputs["input_ids"].shape, 20))

    score(model, pad([[1, 5], [1]], [[6, 2], [7]], 0))
    assert seen["position_ids"].tolist() == [[0, 1, 2, 3], [0, 1, 1, 1]]
    assert seen["attention_mask"].tolist() == [[1, 1, 1, 1], [1, 1, 0, 0]]
    assert seen["use_cache"] is False
