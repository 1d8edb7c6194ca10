"""Log-probabilities by chunks, against all logits at once."""

import math

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from lit_iterative.losses.head import Finish
from lit_iterative.losses.log_probs import spread
from lit_iterative.losses.projection import KEPT, token_log_probs

ROWS, WIDTH, VOCABULARY = 7, 5, 23
FINISHES = [Finish(), Finish(scale=0.25), Finish(cap=2.0), Finish(scale=3.0, cap=4.0)]
CHUNKS = [1, 2 * VOCABULARY, 10**6]


def made(bias=True, dtype=torch.float64, trained=True, shape=(ROWS, WIDTH, VOCABULARY)):
    """Return hidden states, a last layer with sharp logits, and tokens."""
    draw, (rows, width, vocabulary) = torch.Generator().manual_seed(0), shape
    layer = nn.Linear(width, vocabulary, bias=bias, dtype=dtype).requires_grad_(trained)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=draw))
    hidden = torch.randn(rows, width, generator=draw).to(dtype).requires_grad_()
    return hidden, layer, torch.randint(0, vocabulary, (rows,), generator=draw)


def plain(hidden, layer, tokens, finish=FINISHES[0]):
    """Return the same from all logits, and what autograd makes of it."""
    logits = layer(hidden) * finish.scale
    logits = logits if finish.cap is None else finish.cap * torch.tanh(logits / finish.cap)
    return logits.log_softmax(dim=-1).gather(-1, tokens[:, None]).squeeze(-1)


def gradients(values, hidden, layer):
    """Return the gradients of a sum in which every row counts otherwise."""
    wanted = [hidden, *(parameter for parameter in layer.parameters() if parameter.requires_grad)]
    return torch.autograd.grad((values * torch.linspace(-1, 2, len(values), dtype=values.dtype)).sum(), wanted)


class Largest(TorchDispatchMode):
    """Notes how many numbers the largest new tensor has, and how many products are taken."""

    def __init__(self):
        super().__init__()
        self.numbers, self.products = 0, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        self.products += func in (torch.ops.aten.mm.default, torch.ops.aten.mm.out, torch.ops.aten.addmm.default)
        if isinstance(made, torch.Tensor) and func._schema.returns[0].alias_info is None:  # no view
            self.numbers = max(self.numbers, made.numel())
        return made


@pytest.mark.parametrize("chunk", CHUNKS)
@pytest.mark.parametrize("finish", FINISHES)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kept", [0, KEPT])
def test_values_and_gradients_are_those_of_all_logits_at_once(kept, bias, finish, chunk):
    for dtype, error in ((torch.float64, 1e-12), (torch.float32, 2e-6)):
        hidden, layer, tokens = made(bias, dtype)
        (found,) = token_log_probs(hidden, layer, tokens, finish, chunk=chunk, kept=kept)
        expected = plain(hidden, layer, tokens, finish)
        assert found.dtype is dtype
        torch.testing.assert_close(found, expected, rtol=error, atol=error)
        pairs = zip(gradients(found, hidden, layer), gradients(expected, hidden, layer), strict=True)
        for ours, autograd in pairs:
            assert autograd.abs().max() > 0.1
            torch.testing.assert_close(ours, autograd, rtol=error, atol=error)


@pytest.mark.parametrize("finish", FINISHES)
@pytest.mark.parametrize("kept", [0, KEPT])
def test_gradients_are_those_of_differences(kept, finish):
    hidden, layer, tokens = made()

    def function(hidden, weight, bias):
        layer.weight, layer.bias = weight, bias
        return token_log_probs(hidden, layer, tokens, finish, chunk=3 * VOCABULARY, kept=kept)

    weight, bias = layer.weight, layer.bias
    assert torch.autograd.gradcheck(function, (hidden, weight, bias))


def test_the_loop_over_numbers():
    hidden, layer, tokens = made()
    (found,) = token_log_probs(hidden, layer, tokens, Finish(0.5, 3.0), chunk=40)
    for row in range(ROWS):
        logits = []
        for weights, bias in zip(layer.weight.tolist(), layer.bias.tolist(), strict=True):
            output = bias + sum(a * b for a, b in zip(weights, hidden[row].tolist(), strict=True))
            logits.append(3.0 * math.tanh(0.5 * output / 3.0))
        expected = logits[int(tokens[row])] - math.log(sum(math.exp(logit) for logit in logits))
        assert found[row].item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("chunk", CHUNKS)
def test_what_is_measured_is_that_of_all_logits_and_has_no_gradient(chunk):
    hidden, layer, tokens = made()
    values, entropy, uniform = token_log_probs(hidden, layer, tokens, Finish(cap=3.0), spread, chunk)
    expected = (3 * torch.tanh(layer(hidden) / 3)).log_softmax(dim=-1)
    for found, wanted in zip((entropy, uniform), spread(expected), strict=True):
        torch.testing.assert_close(found, wanted)
        assert not found.requires_grad
    assert values.requires_grad


@pytest.mark.parametrize(("trained", "few", "products"), [(False, KEPT, 2), (True, KEPT, 3), (True, 0, 4)])
def test_a_frozen_layer_costs_two_products_and_keeps_no_hidden_states(trained, few, products):
    hidden, layer, tokens = made(trained=trained)
    kept = []
    with Largest() as seen, torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        (values,) = token_log_probs(hidden, layer, tokens, kept=few)
        assert seen.products == 2
        found = gradients(values, hidden, layer)
    assert seen.products == products
    torch.testing.assert_close(found[0], gradients(plain(hidden, layer, tokens), hidden, layer)[0])
    assert any(tensor is hidden for tensor in kept) is trained


def test_of_weight_and_bias_one_may_be_frozen():
    hidden, layer, tokens = made()
    layer.weight.requires_grad_(False)
    values, expected = token_log_probs(hidden, layer, tokens)[0], plain(hidden, layer, tokens)
    found = gradients(values, hidden, layer)
    assert len(found) == 2
    torch.testing.assert_close(found, gradients(expected, hidden, layer))
    (values,) = token_log_probs(hidden.detach(), layer, tokens)
    values.sum().backward()
    assert layer.weight.grad is None
    assert layer.bias.grad is not None


def test_nothing_needs_a_gradient():
    hidden, layer, tokens = made(trained=False)
    with Largest() as seen:
        (values,) = token_log_probs(hidden.detach(), layer, tokens)
    assert seen.products == 1
    assert not values.requires_grad


@pytest.mark.parametrize("trained", [True, False])
def test_no_more_logits_than_a_chunk_are_ever_there(trained):
    hidden, layer, tokens = made(trained=trained, shape=(64, 3, 500))
    chunk = 2000
    assert chunk > layer.weight.numel()
    with Largest() as seen:
        gradients(token_log_probs(hidden, layer, tokens, Finish(cap=9.0), spread, chunk, kept=0)[0], hidden, layer)
    assert seen.numbers == chunk
    with Largest() as seen:
        gradients(plain(hidden, layer, tokens), hidden, layer)
    assert seen.numbers == 64 * 500


def test_no_tokens_give_gradients_of_zero():
    hidden, layer, tokens = made(shape=(0, WIDTH, VOCABULARY))
    values, *measured = token_log_probs(hidden, layer, tokens, measure=spread)
    assert values.shape == (0,)
    assert [value.shape for value in measured] == [(0,), (0,)]
    values.sum().backward()
    assert not layer.weight.grad.any()
    assert not layer.bias.grad.any()
    assert hidden.grad.shape == (0, WIDTH)


def test_impossible_tokens_give_no_nan():
    hidden, layer, tokens = made()
    with torch.no_grad():
        layer.bias[3] = -torch.inf
    tokens[tokens == 3] = 4
    values, entropy, _ = token_log_probs(hidden, layer, tokens, measure=spread)
    assert all(torch.isfinite(found).all() for found in (values, entropy, *gradients(values, hidden, layer)))


# ---- precision --------------------------------------------------------------------------------------------


def test_low_precision_products_are_normalised_in_float32():
    hidden, layer, tokens = made(dtype=torch.bfloat16, shape=(64, 64, 5000))
    values, *measured = token_log_probs(hidden, layer, tokens, measure=spread, chunk=9 * 5000)
    exact = layer(hidden).double().log_softmax(dim=-1)
    assert {value.dtype for value in (values, *measured)} == {torch.float32}
    torch.testing.assert_close(values.double(), exact.gather(-1, tokens[:, None]).squeeze(-1), rtol=0, atol=1e-4)


@pytest.mark.parametrize("how", ["weights", "autocast"])
@pytest.mark.parametrize("chunk", CHUNKS)
def test_gradients_of_low_precision_are_as_near_as_those_of_all_logits(how, chunk):
    kind = torch.bfloat16 if how == "weights" else torch.float32
    hidden, layer, tokens = made(dtype=kind, shape=(40, 16, 50))
    with torch.autocast("cpu", torch.bfloat16, enabled=how == "autocast"):
        (values,) = token_log_probs(hidden, layer, tokens, chunk=chunk)
        found = gradients(values, hidden, layer)
        others = gradients(plain(hidden, layer, tokens), hidden, layer)
    hidden, layer = hidden.detach().double().requires_grad_(), layer.double()
    exact = gradients(plain(hidden, layer, tokens), hidden, layer)
    for ours, other, wanted in zip(found, others, exact, strict=True):
        assert ours.dtype is other.dtype is kind
        assert (ours - wanted).norm() <= 1.3 * (other - wanted).norm()
        assert (ours - wanted).norm() < 0.02 * wanted.norm()


def test_autocast_is_honoured_and_leaves_float64_alone():
    for dtype, product in ((torch.float32, torch.bfloat16), (torch.float64, torch.float64)):
        hidden, layer, tokens = made(dtype=dtype)
        with torch.autocast("cpu", torch.bfloat16):
            (found,) = token_log_probs(hidden, layer, tokens)
            logits = layer(hidden)
        assert logits.dtype is product
        assert found.dtype is dtype
        expected = logits.to(dtype).log_softmax(dim=-1).gather(-1, tokens[:, None]).squeeze(-1)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
