"""Which linear layers multiply by oneDNN, for how long, and that nothing else of them changes."""

import torch
from torch import nn

from lit_iterative.generation import products
from lit_iterative.generation.products import quick_products
from tests.generation.models import GROUPED, built


class Mine(nn.Linear):
    pass


def replaced(network):
    return [name for name, layer in network.named_modules() if "forward" in vars(layer)]


def test_plain_layers_are_quick_for_a_while_and_give_the_same():
    network, ids = built("llama", **GROUPED), torch.arange(6).view(2, 3)
    linear = [name for name, layer in network.named_modules() if isinstance(layer, nn.Linear)]
    with torch.no_grad():
        expected = network(input_ids=ids).logits
        with quick_products(network):
            assert replaced(network) == linear
            found = network(input_ids=ids).logits
    assert replaced(network) == []
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    network(input_ids=ids).logits.sum().backward()
    assert all(layer.weight.grad is not None for layer in network.modules() if isinstance(layer, nn.Linear))


def test_layers_of_another_kind_or_type_and_those_that_somebody_replaced_stay():
    hooked = nn.Linear(2, 2)
    hooked.forward = own = lambda inputs: inputs
    network = nn.ModuleList([Mine(2, 2), nn.Linear(2, 2).double(), nn.Linear(2, 2).bfloat16(), hooked])
    with quick_products(network):
        assert replaced(network) == ["3"]
        assert hooked.forward is own
    assert hooked.forward is own


def test_autocast_and_a_torch_without_onednn_change_nothing(monkeypatch):
    network = nn.ModuleList([nn.Linear(2, 2)])
    with torch.autocast("cpu", torch.bfloat16), quick_products(network):
        assert replaced(network) == []
    monkeypatch.setattr(products._compat, "has_onednn", lambda: False)
    with quick_products(network):
        assert replaced(network) == []


def test_hooks_are_called():
    network, seen = nn.ModuleList([nn.Linear(2, 3)]), []
    network[0].register_forward_hook(lambda layer, inputs, output: seen.append(output.shape))
    with torch.no_grad(), quick_products(network):
        network[0](torch.zeros(4, 2))
    assert seen == [(4, 3)]


def test_layers_are_as_before_after_an_error():
    network = nn.ModuleList([nn.Linear(2, 2)])
    try:
        with quick_products(network):
            raise KeyError
    except KeyError:
        pass
    assert replaced(network) == []
