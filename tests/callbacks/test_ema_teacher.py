import pytest
import torch

from lit_iterative.callbacks import EMATeacher, PseudoLabels, Rounds
from lit_iterative.errors import SetupError
from lit_iterative.ops import EMA, Confidence, HardLabels, Predict
from lit_iterative.rounds import Phase, ReinitFromScratch, When
from tests.projects.tiny import TinyData, TinyModule, fit, trainer


class Watched(EMATeacher):
    """Keeps what it was given."""

    def on_train_batch_end(self, trainer, pl_module, *rest):
        super().on_train_batch_end(trainer, pl_module, *rest)
        self.history = [*getattr(self, "history", []), copy(pl_module)]


def copy(module):
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def train(tmp_path, teacher, **options):
    made = trainer(tmp_path, [teacher], **{"max_epochs": 3, **options})
    module = TinyModule()
    start = copy(module)
    made.fit(module, TinyData())
    return start, module


@pytest.mark.parametrize("decay", [0.5, 0.999])
def test_the_average_against_a_plain_loop(tmp_path, decay):
    teacher = Watched(decay)
    start, module = train(tmp_path, teacher)
    parameters = {name for name, _ in module.named_parameters()}
    expected = {name: value.double() for name, value in start.items()}
    for step, state in enumerate(teacher.history, start=1):
        keep = min(decay, (1 + step) / (10 + step))
        for name, value in state.items():
            blended = keep * expected[name] + (1 - keep) * value.double()
            expected[name] = blended if name in parameters else value.double()
    assert teacher.steps == len(teacher.history) == 6
    for name, value in teacher.weights().items():
        torch.testing.assert_close(value.double(), expected[name], rtol=1e-5, atol=1e-6)


def test_only_optimiser_steps_count(tmp_path):
    teacher = EMATeacher()
    train(tmp_path, teacher, accumulate_grad_batches=2)
    assert teacher.steps == 3


def test_training_is_not_changed(tmp_path):
    torch.manual_seed(0)
    _, with_teacher = train(tmp_path, EMATeacher())
    torch.manual_seed(0)
    module = TinyModule()
    trainer(tmp_path, [], max_epochs=3).fit(module, TinyData())
    assert all(torch.equal(value, module.state_dict()[name]) for name, value in with_teacher.state_dict().items())


def test_the_average_is_saved_and_goes_on(tmp_path):
    teacher = EMATeacher(0.9)
    first = trainer(tmp_path, [teacher], max_epochs=2)
    first.fit(TinyModule(), TinyData())
    first.save_checkpoint(tmp_path / "saved.ckpt")
    again = EMATeacher(0.9)
    second = trainer(tmp_path, [again], max_epochs=2)
    second.fit(TinyModule(), TinyData(), ckpt_path=str(tmp_path / "saved.ckpt"))
    assert again.steps == teacher.steps
    assert all(torch.equal(again.average[name], value) for name, value in teacher.average.items())


def test_a_round_from_new_weights_starts_a_new_average(tmp_path):
    teacher = EMATeacher(0.9)
    phase = Phase([Predict(EMA()), Confidence(), HardLabels()], weights=ReinitFromScratch())
    made = fit(str(tmp_path), [Rounds([phase], When(2, 2, max_rounds=1)), teacher], max_epochs=3)
    assert teacher.steps == made.num_training_batches


def test_the_default_average_labels(tmp_path):
    made = fit(str(tmp_path), [PseudoLabels(0.34, actor=EMA()), EMATeacher()], max_epochs=3)
    assert made.callback_metrics["round/rows"] > 0


@pytest.mark.parametrize("decay", [0.0, 1.0, -1, 2])
def test_decays_out_of_range_are_refused(decay):
    with pytest.raises(SetupError, match=f"decay is {decay}; it must lie between 0 and 1"):
        EMATeacher(decay)
