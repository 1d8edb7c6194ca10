import pytest
import torch
from torch import nn

from lit_iterative.errors import SetupError
from lit_iterative.modules.bottleneck import Bottleneck
from lit_iterative.modules.classifier import Classifier
from lit_iterative.modules.networks import SmallConvNet
from lit_iterative.rounds import NewAdapter, ReinitFromScratch
from lit_iterative.rounds.sync import SyncContext


def context(round: int = 1) -> SyncContext:
    return SyncContext(round=round, seed=0, initial=dict, past=dict)


def test_it_adds_what_comes_up() -> None:
    layer = Bottleneck(2, width=1)
    with torch.no_grad():
        layer.down.weight.copy_(torch.tensor([[[[2.0]], [[-1.0]]]]))
        layer.down.bias.fill_(0.5)
        layer.up.weight.copy_(torch.tensor([[[[1.0]]], [[[-3.0]]]]))
    features = torch.tensor([[[[1.0]], [[0.5]]], [[[0.0]], [[5.0]]]])
    # the way down: 2 * 1 - 0.5 + 0.5 = 2, and below 0 for the second row
    assert layer(features).flatten().tolist() == [3.0, -5.5, 0.0, 5.0]


def test_a_network_with_adapters_begins_as_the_one_without() -> None:
    torch.manual_seed(0)
    plain = SmallConvNet(channels=4).eval()
    adapted = SmallConvNet(channels=4, adapter=2).eval()
    lost = adapted.load_state_dict(plain.state_dict(), strict=False)
    assert not lost.unexpected_keys
    assert {name.split(".")[1] for name in lost.missing_keys} == {"adapter0", "adapter1"}
    images = torch.rand(3, 1, 8, 8)
    assert adapted(images).equal(plain(images))


def test_new_adapters_leave_the_rest_as_it_is() -> None:
    module = Classifier(SmallConvNet(channels=4, adapter=2), 10)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    NewAdapter().check(module)
    assert NewAdapter().apply(module, context())
    after = module.state_dict()
    changed = {name for name, value in after.items() if not value.equal(before[name])}
    assert changed == {name for name in before if ".adapter" in name}
    assert not after["model.features.adapter0.up.weight"].any()
    ReinitFromScratch().apply(module, context())
    assert not module.state_dict()["model.features.adapter0.up.weight"].any()


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(SetupError, match="Linear has no Bottleneck"):
        NewAdapter().check(Classifier(nn.Linear(2, 3), 3))
    with pytest.raises(SetupError, match="cannot be merged"):
        Classifier(SmallConvNet(adapter=1), 10).merge_adapter()
    with pytest.raises(SetupError, match="width=0"):
        Bottleneck(2, 0)
