from contextlib import contextmanager

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.demos.boring_classes import BoringModel
from torch import nn

from lit_iterative.errors import SetupError
from lit_iterative.generation.forward import ForwardPass, Member, inputs_of, swapped, with_inputs
from tests.projects.tiny import TinyData, TinyModule, trainer


class Inside(pl.Callback):
    """Calls a function in the middle of fit and keeps what it returns."""

    def __init__(self, act):
        self.act = act

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.global_step == 3:
            self.result = self.act(trainer, pl_module)


def inside(tmp_path, act, module=None):
    callback = Inside(act)
    trainer(tmp_path, [callback], max_epochs=2).fit(module or TinyModule(), TinyData())
    return callback.result


X = torch.linspace(-1, 1, 10).reshape(5, 2)


def test_the_pass_is_what_evaluation_without_gradients_gives(tmp_path):
    def act(trainer, module):
        forward = ForwardPass(trainer, module)
        with forward.quiet(0):
            (out,) = forward.run([X, torch.zeros(5)], 0, [Member()])
        assert not out.requires_grad
        module.eval()
        expected = module(X)
        module.train()
        return out, expected.detach()

    torch.testing.assert_close(*inside(tmp_path, act), rtol=0, atol=0)


def test_nothing_is_left_behind(tmp_path):
    def act(trainer, module):
        module.net[0].eval()
        modes = [m.training for m in module.modules()]
        state = {name: value.clone() for name, value in module.state_dict().items()}
        random = torch.get_rng_state()
        forward = ForwardPass(trainer, module, {"other": lambda: {k: v + 1 for k, v in state.items()}})
        with forward.quiet(0):
            assert trainer.predicting
            forward.run([X], 0, [Member(), Member(dropout=True), Member(weights="other")])
            torch.rand(7)
        assert trainer.training
        assert [m.training for m in module.modules()] == modes
        assert all(torch.equal(value, module.state_dict()[name]) for name, value in state.items())
        assert torch.equal(torch.get_rng_state(), random)
        assert torch.is_grad_enabled()
        assert "predict_step" not in vars(module)
        module.net[0].train()
        return True

    assert inside(tmp_path, act)


def test_training_goes_on_as_if_nothing_had_happened(tmp_path):
    def losses(act):
        pl.seed_everything(0, verbose=False)
        module = TinyModule()
        trainer(tmp_path, [Inside(act)], max_epochs=3).fit(module, TinyData())
        return module.state_dict()

    def act(trainer, module):
        forward = ForwardPass(trainer, module)
        with forward.quiet(1):
            forward.run([X], 0, [Member(dropout=True)] * 3)

    with_pass, without = losses(act), losses(lambda *_: None)
    assert all(torch.equal(with_pass[name], without[name]) for name in without)


def test_members_use_their_weights_their_view_and_their_dropout(tmp_path):
    def act(trainer, module):
        saved = {name: torch.zeros_like(value) for name, value in module.state_dict().items()}
        forward = ForwardPass(trainer, module, {"zero": lambda: saved})
        members = [Member(), Member(weights="zero"), Member(view=torch.neg), *[Member(dropout=True)] * 2]
        with forward.quiet(0):
            live, zero, view, *dropped = forward.run([X], 0, members, 5)
            again = forward.run([X], 0, members, 5)[3:]
            (mirrored,) = forward.run([-X], 0, [Member()])
        assert torch.equal(zero, torch.zeros(5, 3))
        assert torch.equal(view, mirrored)
        assert not torch.equal(dropped[0], dropped[1])
        assert not torch.equal(dropped[0], live)
        assert all(torch.equal(a, b) for a, b in zip(dropped, again, strict=True))
        return True

    assert inside(tmp_path, act)


@pytest.mark.parametrize("kind", ["own step", "predict_step", "short predict_step", "forward"])
def test_the_best_step_that_the_module_has_is_used(tmp_path, kind):
    class Steps(TinyModule):
        def forward(self, x):
            return super().forward(x) * 0 + 1

    if kind != "forward":
        Steps.predict_step = lambda self, batch, batch_idx: torch.full((5, 3), 2.0)
    if kind == "short predict_step":
        Steps.predict_step = lambda self, batch: torch.full((5, 3), 2.0)
    if kind == "own step":
        Steps.pseudo_label_step = lambda self, batch, batch_idx: torch.full((5, 3), 3.0)

    def act(trainer, module):
        forward = ForwardPass(trainer, module)
        with forward.quiet(0):
            return forward.run([X, torch.zeros(5)], 0, [Member()])[0].mean()

    expected = {"own step": 3, "predict_step": 2, "short predict_step": 2, "forward": 1}[kind]
    assert inside(tmp_path, act, Steps()) == expected


def test_unknown_weights_name_the_remedy(tmp_path):
    def act(trainer, module):
        forward = ForwardPass(trainer, module)
        with pytest.raises(SetupError, match="'ema' weights.*EMATeacher"), forward.quiet(0):
            forward.run([X], 0, [Member(weights="ema")])
        return True

    assert inside(tmp_path, act)


def test_a_member_below_the_adapter_runs_without_it(tmp_path):
    class Adapted(TinyModule):
        adds = 1.0

        @contextmanager
        def without_adapter(self):
            self.adds = 0.0
            yield
            self.adds = 1.0

        def pseudo_label_step(self, batch):
            return batch[0] + self.adds

    def act(trainer, module):
        forward = ForwardPass(trainer, module)
        with forward.quiet(0):
            return forward.run([X], 0, [Member(adapter=False), Member()])

    base, policy = inside(tmp_path, act, Adapted())
    assert torch.equal(base, X)
    assert torch.equal(policy, X + 1)


def test_augmentation_hooks_know_that_this_is_no_training(tmp_path):
    class Augmenting(BoringModel):
        def on_after_batch_transfer(self, batch, dataloader_idx):
            return batch + 100 if self.trainer.training else batch

        def pseudo_label_step(self, batch):
            return batch

    class Check(pl.Callback):
        def on_train_start(self, trainer, pl_module):
            forward = ForwardPass(trainer, pl_module)
            with forward.quiet(0):
                self.seen = forward.run(torch.zeros(2), 0, [Member()])[0]

    check = Check()
    trainer(tmp_path, [check], max_epochs=1, limit_train_batches=1, limit_val_batches=0).fit(Augmenting())
    assert check.seen.tolist() == [0.0, 0.0]


def test_weights_are_swapped_without_copies_and_back_after_an_error():
    module = nn.Linear(2, 2)
    own, other = module.weight.data, torch.ones(2, 2)

    def fail():
        with swapped(module, {"weight": other}):
            assert module.weight.data_ptr() == other.data_ptr()
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert module.weight.data_ptr() == own.data_ptr()


def test_inputs_of_batches():
    assert inputs_of((1, 2)) == 1
    assert inputs_of({"a": 1}) == {"a": 1}
    assert with_inputs([1, 2], 9) == [9, 2]
    assert with_inputs(1, 9) == 9


def test_batch_norm_takes_the_statistics_of_the_batch(tmp_path):
    def act(trainer, module):
        before = {name: value.clone() for name, value in module.named_buffers()}
        forward = ForwardPass(trainer, module)
        with forward.quiet(0):
            (out,) = forward.run([X], 0, [Member(batch_statistics=True)])
        assert all(value.equal(before[name]) for name, value in module.named_buffers())
        norm = module.net[1]
        assert norm.training
        assert norm.track_running_stats
        hidden = module.net[0](X).double()
        scaled = (hidden - hidden.mean(0)) / (hidden.var(0, unbiased=False) + norm.eps).sqrt()
        return out, module.net[4]((scaled.float() * norm.weight + norm.bias).relu()).detach()

    torch.testing.assert_close(*inside(tmp_path, act), rtol=1e-5, atol=1e-5)


def test_statistics_of_the_batch_need_batch_norm(tmp_path):
    def act(trainer, module):
        forward = ForwardPass(trainer, module)
        with forward.quiet(0), pytest.raises(SetupError, match="BoringModel has none"):
            forward.run([torch.zeros(2, 32)], 0, [Member(batch_statistics=True)])

    class Data(pl.LightningDataModule):
        train_dataloader = staticmethod(BoringModel().train_dataloader)

    callback = Inside(act)
    trainer(tmp_path, [callback], max_epochs=1).fit(BoringModel(), Data())
