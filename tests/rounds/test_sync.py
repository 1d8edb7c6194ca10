import pytest
import torch
from torch import nn

from lit_iterative.errors import SetupError
from lit_iterative.rounds.sync import (
    Continue,
    ReinitFromBase,
    ReinitFromScratch,
    Rewind,
    RollBack,
    SyncContext,
    check_schedules,
    reset_optimizers,
    rewarm_schedules,
    snapshot_schedules,
)


def net():
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def copy(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def same(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


def context(round=1, initial=None, past=None, scores=None):
    return SyncContext(round, 0, lambda: initial, lambda r: past[r], scores or {})


def trained(module):
    module.train()
    for _ in range(3):
        module(torch.randn(8, 3))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(1.0)


def test_continue_changes_nothing():
    module = net()
    before = copy(module)
    assert not Continue().apply(module, context())
    assert same(before, module.state_dict())


def test_reinit_from_base_brings_back_weights_and_buffers():
    module = net()
    before = copy(module)
    trained(module)
    assert not torch.equal(before["1.running_mean"], module[1].running_mean)
    assert ReinitFromBase().apply(module, context(initial=before))
    assert same(before, module.state_dict())


def test_reinit_from_scratch_draws_anew_and_resets_statistics():
    module = net()
    trained(module)
    ReinitFromScratch().apply(module, context(round=1))
    first = copy(module)
    assert torch.equal(module[1].running_mean, torch.zeros(4))
    assert int(module[1].num_batches_tracked) == 0
    trained(module)
    ReinitFromScratch().apply(module, context(round=1))
    assert same(first, module.state_dict())
    ReinitFromScratch().apply(module, context(round=2))
    assert not torch.equal(first["0.weight"], module[0].weight)


def test_a_modules_own_start_is_not_overwritten_by_that_of_its_layers():
    class Zero(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(2, 2)

        def reset_parameters(self):
            nn.init.zeros_(self.layer.weight)

    module = nn.Sequential(Zero(), nn.Linear(2, 2))
    ReinitFromScratch().apply(module, context())
    assert not module[0].layer.weight.any()
    assert module[1].weight.all()


def test_a_layer_that_cannot_be_reset_is_named():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(1))

    with pytest.raises(SetupError, match=r"cannot reset 1 \(Odd\).*ReinitFromBase"):
        ReinitFromScratch().apply(nn.Sequential(nn.Linear(1, 1), Odd()), context())


@pytest.mark.parametrize(
    ("values", "mode", "tolerance", "back_to"),
    [
        ([0.5, 0.9, 0.7], "max", 0.0, 1),
        ([0.5, 0.9, 0.7], "max", 0.25, None),
        ([0.5, 0.7, 0.9], "max", 0.0, None),
        ([0.5, 0.9, 0.7], "min", 0.0, 0),
        ([0.9, 0.9, 0.7], "max", 0.0, 1),
    ],
)
def test_roll_back_goes_to_the_best_boundary(values, mode, tolerance, back_to):
    states = [net() for _ in values]
    module = net()
    before = copy(module)
    scores = {round: {"acc": value} for round, value in enumerate(values)}
    given = context(2, past=[state.state_dict() for state in states], scores=scores)
    assert RollBack("acc", mode, tolerance).apply(module, given) == (back_to is not None)
    wanted = before if back_to is None else states[back_to].state_dict()
    assert same(wanted, module.state_dict())


def test_roll_back_needs_its_metric():
    with pytest.raises(SetupError, match=r"watches 'acc'.*\['loss'\]"):
        RollBack("acc").apply(net(), context(1, scores={1: {"loss": 0.0}}))


@pytest.mark.parametrize(("rounds", "back_to"), [(1, 3), (2, 1)])
def test_rewind_goes_to_an_earlier_boundary_of_the_path(rounds, back_to):
    states = {round: net() for round in (0, 1, 3)}  # round 2 was left behind
    past = {round: state.state_dict() for round, state in states.items()}
    module = net()
    assert Rewind(rounds).apply(module, context(4, past=past, scores={round: {} for round in (0, 1, 3, 4)}))
    assert same(past[back_to], module.state_dict())


def test_rewind_needs_an_earlier_round():
    with pytest.raises(SetupError, match="back 1 rounds, but only 0"):
        Rewind().apply(net(), context(0, scores={0: {}}))
    with pytest.raises(SetupError, match=r"Rewind\(rounds\) is 0"):
        Rewind(0)


def test_reset_optimizers_forgets_moments_only():
    module = net()
    optimizer = torch.optim.Adam(module.parameters(), lr=0.3)
    module(torch.randn(8, 3)).sum().backward()
    optimizer.step()
    assert optimizer.state
    reset_optimizers([optimizer])
    assert not optimizer.state
    assert optimizer.param_groups[0]["lr"] == 0.3
    optimizer.step()


@pytest.mark.parametrize(
    "make",
    [
        lambda o: torch.optim.lr_scheduler.StepLR(o, 2, 0.1),
        lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 5),
        lambda o: torch.optim.lr_scheduler.OneCycleLR(o, 1.0, total_steps=10),
        lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda step: 1 / (1 + step)),
        lambda o: torch.optim.lr_scheduler.ReduceLROnPlateau(o, patience=0),
    ],
)
def test_rewarmed_schedules_run_as_they_did(make):
    optimizer = torch.optim.SGD(net().parameters(), lr=0.5, momentum=0.9)
    scheduler = make(optimizer)
    start = snapshot_schedules([scheduler])

    def rates():
        seen = []
        for _ in range(5):
            seen.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step(*([1.0] if isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau) else []))
        return seen

    first = rates()
    assert len(set(first)) > 1
    rewarm_schedules([scheduler], start)
    assert rates() == first


@pytest.mark.parametrize("kind", ["onecycle", "cosine"])
def test_schedules_with_an_end_need_epochs_of_fixed_length(kind):
    optimizer = torch.optim.SGD(net().parameters(), lr=0.5)
    made = {
        "onecycle": lambda: torch.optim.lr_scheduler.OneCycleLR(optimizer, 1.0, total_steps=10),
        "cosine": lambda: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 5),
    }[kind]()
    with pytest.raises(SetupError, match="counts steps up to a fixed end.*rows_per_epoch.*interval: epoch"):
        check_schedules(made, "step", fixed_length=False)
    check_schedules(made, "step", fixed_length=True)
    check_schedules(made, "epoch", fixed_length=False)
    check_schedules(torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9), "step", fixed_length=False)


def test_schedules_in_a_sequence_are_looked_at():
    made = torch.optim.lr_scheduler
    optimizer = torch.optim.SGD(net().parameters(), lr=0.5)
    warmup, cosine = made.LinearLR(optimizer, total_iters=2), made.CosineAnnealingLR(optimizer, 5)
    with pytest.raises(SetupError, match="CosineAnnealingLR counts steps"):
        check_schedules(made.SequentialLR(optimizer, [warmup, cosine], [2]), "step", fixed_length=False)
    with pytest.raises(SetupError, match="CosineAnnealingLR counts steps"):
        check_schedules(made.ChainedScheduler([cosine, made.ExponentialLR(optimizer, 0.9)]), "step", False)
    endless = made.SequentialLR(optimizer, [made.LinearLR(optimizer), made.ExponentialLR(optimizer, 0.9)], [2])
    check_schedules(endless, "step", fixed_length=False)


def test_a_part_alone_goes_back_to_the_base():
    module = nn.ModuleDict({"policy": nn.Linear(1, 1), "reward": nn.Linear(1, 1)})
    initial = {name: torch.full_like(value, 7.0) for name, value in module.state_dict().items()}
    before = {name: value.clone() for name, value in module.state_dict().items()}
    context = SyncContext(round=1, seed=0, initial=lambda: initial, past=dict)
    assert ReinitFromBase(only="reward.").apply(module, context)
    for name, value in module.state_dict().items():
        assert value.equal(initial[name] if name.startswith("reward.") else before[name])
    with pytest.raises(SetupError, match="No weights have a name that begins with 'critic.'"):
        ReinitFromBase(only="critic.").apply(module, context)
