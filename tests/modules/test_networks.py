import pytest
import torch

from lit_iterative.errors import SetupError
from lit_iterative.modules.networks import SmallConvNet
from lit_iterative.rounds.sync import ReinitFromScratch, SyncContext


@pytest.mark.parametrize(("colours", "size", "classes"), [(1, 8, 10), (3, 32, 4), (1, 5, 2)])
def test_logits_have_one_column_for_every_class(colours: int, size: int, classes: int) -> None:
    network = SmallConvNet(channels=2, classes=classes, colours=colours, size=size)
    assert network(torch.zeros(3, colours, size, size)).shape == (3, classes)


def test_dropout_acts_in_training_alone() -> None:
    network = SmallConvNet(channels=2, dropout=0.9)
    images = torch.rand(4, 1, 8, 8)
    network.eval()
    assert torch.equal(network(images), network(images))
    network.dropout.train()
    assert not torch.equal(network(images), network(images))


def test_every_weight_and_statistic_is_drawn_anew_from_scratch() -> None:
    torch.manual_seed(0)
    network = SmallConvNet(channels=2)
    fresh = SmallConvNet(channels=2).state_dict()
    with torch.no_grad():
        for value in network.state_dict().values():
            value.fill_(7)
    ReinitFromScratch().apply(network, SyncContext(0, 0, dict, lambda round: {}))
    for name, value in network.state_dict().items():
        assert not bool((value == 7).any()), name
        if "running" in name or "tracked" in name:
            assert torch.equal(value, fresh[name])


@pytest.mark.parametrize("wrong", [{"channels": 0}, {"classes": 1}, {"colours": 0}, {"size": 3}])
def test_numbers_that_make_no_sense_are_refused(wrong: dict[str, int]) -> None:
    (name,) = wrong
    with pytest.raises(SetupError, match=f"{name}={wrong[name]}.*at least"):
        SmallConvNet(**wrong)
