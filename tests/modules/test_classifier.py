import math
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lit_iterative.errors import DataError, SetupError
from lit_iterative.modules.classifier import Classifier, unpack

CLASSES = 3


def make(**options: Any) -> Classifier:
    torch.manual_seed(0)
    return Classifier(nn.Linear(4, CLASSES), CLASSES, lambda p: torch.optim.SGD(p, lr=0.1), **options)


def data(rows: int = 6) -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(1)
    inputs = torch.randn(rows, 4, generator=draw)
    labels = torch.randint(CLASSES, (rows,), generator=draw)
    return inputs, labels, torch.rand(rows, generator=draw)


def fit(module: Classifier, loaders: Any, val: Any = None, **options: Any) -> pl.Trainer:
    settings: dict[str, Any] = {"max_epochs": 1, "log_every_n_steps": 1, **options}
    trainer = pl.Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **settings,
    )
    trainer.fit(module, loaders, val)
    return trainer


def loader(*tensors: Tensor) -> DataLoader[Any]:
    return DataLoader(TensorDataset(*tensors), batch_size=4)


def oracle(module: Classifier, inputs: Tensor, targets: Any, weights: Any, norm: str) -> float:
    """The loss in float64, row by row, from the definition of cross-entropy."""
    layer = module.model
    assert isinstance(layer, nn.Linear)
    matrix, bias = (p.detach().double().numpy() for p in (layer.weight, layer.bias))
    total = 0.0
    for row, target, weight in zip(inputs.double().numpy(), targets, weights, strict=True):
        logits = matrix @ row + bias
        log_sum = math.log(sum(math.exp(value) for value in logits))
        total += weight * sum(part * (log_sum - value) for part, value in zip(target, logits, strict=True))
    return total / (sum(weights) if norm == "weights" else len(weights))


@pytest.mark.parametrize("norm", ["weights", "rows"])
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_loss_equals_its_definition(norm: Any, soft: bool, weighted: bool) -> None:
    module = make(weight_norm=norm)
    inputs, labels, weights = data()
    probs = torch.randn(6, CLASSES, generator=torch.Generator().manual_seed(2)).softmax(1)
    batch = [inputs, probs if soft else labels, *([weights] if weighted else [])]
    targets = probs.double().numpy() if soft else np.eye(CLASSES)[labels.numpy()]
    expected = oracle(module, inputs, targets, weights.double().numpy() if weighted else np.ones(6), norm)
    assert module._loss(unpack(batch)).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("norm", ["weights", "rows"])
def test_loss_of_weights_that_are_all_zero_is_zero_with_a_gradient(norm: Any) -> None:
    module = make(weight_norm=norm)
    inputs, labels, weights = data()
    loss = module._loss(unpack([inputs, labels, torch.zeros_like(weights)]))
    loss.backward()
    assert loss.item() == 0
    assert all(p.grad is not None and not p.grad.any() for p in module.parameters())


def test_scale_of_weights_counts_only_when_divided_by_rows() -> None:
    inputs, labels, weights = data()
    for norm, factor in (("weights", 1), ("rows", 4)):
        module = make(weight_norm=norm)
        once, scaled = (module._loss(unpack([inputs, labels, times * weights])) for times in (1, 4))
        assert torch.allclose(factor * once, scaled)


@pytest.mark.parametrize("missing", ["absent", None])
def test_paired_batches_add_their_losses(missing: Any) -> None:
    module = make(pseudo_weight=0.5)
    inputs, labels, weights = data()
    first, second = [inputs[:2], labels[:2]], [inputs[2:], labels[2:], weights[2:]]
    both = module.training_step({"labelled": first, "pseudo": second}, 0)
    assert both.item() == pytest.approx((module._loss(unpack(first)) + 0.5 * module._loss(unpack(second))).item())
    alone = {"labelled": first} if missing == "absent" else {"labelled": first, "pseudo": None}
    assert module.training_step(alone, 0).item() == pytest.approx(module._loss(unpack(first)).item())


def test_paired_batch_of_neither_part_is_refused() -> None:
    with pytest.raises(DataError, match=r"parts \['gold'\].*labelled"):
        make().training_step({"gold": [torch.zeros(1, 4), torch.zeros(1, dtype=torch.int64)]}, 0)


@pytest.mark.parametrize("batch", [torch.zeros(2, 4), [torch.zeros(2, 4)], [1, 2, 3, 4], 7])
def test_batches_of_another_form_are_refused(batch: Any) -> None:
    with pytest.raises(DataError, match="Give \\(x, y\\)"):
        unpack(batch)


def test_fit_logs_what_it_measures() -> None:
    module = make()
    inputs, labels, _ = data(10)
    trainer = fit(module, loader(inputs, labels), loader(inputs, labels))
    assert set(trainer.callback_metrics) == {"train_loss", "val_loss", "val_accuracy"}
    right = (module(inputs).argmax(1) == labels).float().mean()
    assert trainer.callback_metrics["val_accuracy"].item() == pytest.approx(right.item())
    expected = oracle(module, inputs, np.eye(CLASSES)[labels.numpy()], np.ones(10), "rows")
    assert trainer.callback_metrics["val_loss"].item() == pytest.approx(expected, rel=1e-5)
    assert trainer.test(module, loader(inputs, labels), verbose=False)[0] == {
        "test_accuracy": pytest.approx(right.item())
    }


def test_soft_labels_can_be_validated() -> None:
    module = make()
    inputs, labels, _ = data(10)
    soft = nn.functional.one_hot(labels, CLASSES).float() * 0.9 + 0.1 / CLASSES
    trainer = fit(module, loader(inputs, soft), loader(inputs, soft))
    right = (module(inputs).argmax(1) == labels).float().mean()
    assert trainer.callback_metrics["val_accuracy"].item() == pytest.approx(right.item())


def test_paired_loaders_train() -> None:
    module = make()
    before = module.model.weight.clone()  # type: ignore[union-attr,operator]
    inputs, labels, weights = data(10)
    fit(module, {"labelled": loader(inputs[:4], labels[:4]), "pseudo": loader(inputs, labels, weights.double())})
    assert not torch.equal(before, module.model.weight)  # type: ignore[arg-type]


def test_labels_out_of_range_stop_the_fit_before_the_transfer(monkeypatch: pytest.MonkeyPatch) -> None:
    module = make()
    moved: list[Any] = []
    monkeypatch.setattr(module, "transfer_batch_to_device", lambda batch, *rest: moved.append(batch) or batch)
    inputs, labels, _ = data(4)
    with pytest.raises(DataError, match="num_classes to at least 4"):
        fit(module, loader(inputs, labels + (labels == 2).long()))
    assert not moved


def test_labels_out_of_range_are_found_in_either_part_of_a_pair() -> None:
    inputs, labels, weights = data(4)
    good, bad = [inputs, labels], [inputs, labels - 1, weights]
    for parts in ({"labelled": good, "pseudo": bad}, {"labelled": bad, "pseudo": None}):
        with pytest.raises(DataError, match="belong to the pool"):
            make().on_before_batch_transfer(parts, 0)


def test_weights_become_float32() -> None:
    inputs, labels, weights = data(4)
    assert make().on_before_batch_transfer([inputs, labels, weights.double()], 0)[2].dtype == torch.float32


@pytest.mark.parametrize("with_labels", [False, True])
def test_predict_returns_logits_and_looks_at_no_label(with_labels: bool) -> None:
    module = make()
    inputs, _, _ = data(5)
    unknown = [torch.full((5,), -1)] if with_labels else []
    trainer = pl.Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False)
    parts = trainer.predict(module, loader(inputs, *unknown))
    assert parts is not None
    assert torch.allclose(torch.cat(parts), module(inputs))  # type: ignore[arg-type]
    assert torch.equal(module.predict_step(inputs, 0), module(inputs))


@pytest.mark.parametrize(("interval", "steps"), [("epoch", 2), ("step", 6)])
def test_schedule_steps_at_its_interval(interval: Any, steps: int) -> None:
    module = make(lr_scheduler=lambda o: torch.optim.lr_scheduler.ExponentialLR(o, gamma=0.5), lr_interval=interval)
    inputs, labels, _ = data(10)
    trainer = fit(module, loader(inputs, labels), max_epochs=2)
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.1 * 0.5**steps)


def test_plateau_schedule_follows_val_loss() -> None:
    module = make(lr_scheduler=lambda o: torch.optim.lr_scheduler.ReduceLROnPlateau(o))
    inputs, labels, _ = data(10)
    trainer = fit(module, loader(inputs, labels), loader(inputs, labels))
    assert trainer.lr_scheduler_configs[0].monitor == "val_loss"


def test_checkpoint_holds_tensors_and_primitives_only(tmp_path: Path) -> None:
    inputs, labels, _ = data(4)
    module = make()
    trainer = fit(module, loader(inputs, labels))
    trainer.save_checkpoint(tmp_path / "x.ckpt")
    state = torch.load(tmp_path / "x.ckpt", weights_only=True)["state_dict"]
    assert set(state) == {"model.weight", "model.bias"}


@pytest.mark.parametrize(
    ("wrong", "message"), [({"num_classes": 1}, "num_classes=1"), ({"pseudo_weight": -1.0}, "=-1.0")]
)
def test_numbers_that_make_no_sense_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(SetupError, match=message):
        Classifier(**{"model": nn.Linear(1, 2), "num_classes": 2, **wrong})


def test_rows_that_contradict_the_labelled_ones_weigh_nothing(tmp_path: Path) -> None:
    inputs, labels, _ = data(8)
    module = make(reweigh=True, labelled_weight=0.0)
    wrong = (labels + 1) % CLASSES
    twice = torch.cat([inputs, inputs])
    weighed = module._reweighed(unpack((inputs, labels)), unpack((twice, torch.cat([labels, wrong]))))
    weights = weighed.weights
    assert weights is not None
    assert float(weights.sum()) == pytest.approx(1.0)
    assert float(weights[:8].sum()) > float(weights[8:].sum())
    before = [parameter.detach().clone() for parameter in module.parameters()]
    loss = module.training_step({"labelled": (inputs, labels), "pseudo": (twice, torch.cat([labels, wrong]))}, 0)
    losses = nn.functional.cross_entropy(module(twice), torch.cat([labels, wrong]), reduction="none")
    assert loss.item() == pytest.approx((weights * losses).sum().item(), abs=1e-6)
    assert all(parameter.equal(old) for parameter, old in zip(module.parameters(), before, strict=True))
    assert all(parameter.grad is None for parameter in module.parameters())


def test_without_a_second_part_nothing_is_weighed() -> None:
    batch = data(6)[:2]
    plain, reweighing = make(), make(reweigh=True, labelled_weight=0.0)
    assert reweighing.training_step({"labelled": batch}, 0).item() == plain.training_step(batch, 0).item()
