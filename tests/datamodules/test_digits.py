import sys
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from torch import Tensor

from lit_iterative.callbacks import PseudoLabels
from lit_iterative.datamodules.digits import DigitsData, load, pick, split
from lit_iterative.datamodules.jitter import Jitter
from lit_iterative.datamodules.mixing import Mixing
from lit_iterative.errors import DataError, OptionalDependencyError
from lit_iterative.modules.classifier import Classifier
from lit_iterative.modules.networks import SmallConvNet


def ready(**options: Any) -> DigitsData:
    data = DigitsData(**options)
    data.setup("fit")
    return data


def images_of(dataset: Any) -> set[bytes]:
    return {item[0].numpy().tobytes() for item in dataset}


def test_split_leaves_no_image_out_and_uses_none_twice() -> None:
    data = ready()
    images, digits = load()
    assert len(data.labelled) + len(data.unlabelled) + len(data.held_out) == len(images) == 1797
    everything = images_of(data.labelled) | images_of(data.unlabelled) | images_of(data.held_out)
    assert len(everything) == len({image.tobytes() for image in images})
    assert not images_of(data.labelled) & images_of(data.held_out)
    for label in range(10):
        held_out = int((data.held_out.tensors[1] == label).sum())
        assert held_out == pytest.approx(0.25 * (digits == label).sum(), abs=0.5)


def test_labelled_images_are_as_many_as_asked_for_with_their_own_labels() -> None:
    data = ready(labels_per_class=3)
    assert torch.bincount(data.labelled.tensors[1]).tolist() == [3] * 10
    images, digits = load()
    truth = {image.tobytes(): int(digit) for image, digit in zip(images, digits, strict=True)}
    for dataset in (data.labelled, data.held_out):
        assert all(truth[image.numpy().tobytes()] == int(label) for image, label in dataset)
    pool = zip(data.unlabelled.tensors[0], data.pool_truth(), strict=True)
    assert all(truth[image.numpy().tobytes()] == label for image, label in pool)


def test_noise_is_put_once_on_every_image() -> None:
    plain, noisy, again = ready(), ready(noise=0.4), ready(noise=0.4)
    for name in ("labelled", "unlabelled", "held_out"):
        before, after, once_more = (getattr(data, name).tensors[0] for data in (plain, noisy, again))
        assert float((after - before).std()) == pytest.approx(0.4, rel=0.05)
        assert torch.equal(after, once_more)


def test_noise_below_zero_is_refused() -> None:
    with pytest.raises(DataError, match="noise"):
        DigitsData(noise=-1.0)


def test_held_out_images_have_a_seed_of_their_own() -> None:
    one, other = ready(held_out_seed=0), ready(held_out_seed=1)
    assert len(one.held_out) == len(other.held_out)
    assert images_of(one.held_out) != images_of(other.held_out)


def test_seed_draws_other_labelled_images_from_the_same_split() -> None:
    one, same, other = ready(seed=1), ready(seed=1), ready(seed=2)
    assert images_of(one.labelled) == images_of(same.labelled)
    assert images_of(one.labelled) != images_of(other.labelled)
    assert images_of(one.held_out) == images_of(other.held_out)


def test_images_lie_between_zero_and_one() -> None:
    images, digits = load()
    assert images.shape == (1797, 1, 8, 8)
    assert (images.min(), images.max()) == (0, 1)
    assert (images.dtype, digits.dtype) == (np.float32, np.int64)


def test_loaders_serve_what_they_say() -> None:
    data = ready(batch_size=32)
    inputs, labels = next(iter(data.train_dataloader()))
    assert inputs.shape == (32, 1, 8, 8)
    assert labels.shape == (32,)
    for loader in (data.val_dataloader(), data.test_dataloader()):
        assert torch.equal(torch.cat([batch[0] for batch in loader]), data.held_out.tensors[0])
    assert all(len(batch) == 1 for batch in data.predict_dataloader())
    assert np.array_equal(data.pool().truth, data.hidden_labels)


@pytest.mark.parametrize("count", [0, 174])
def test_too_few_or_too_many_labels_are_refused(count: int) -> None:
    with pytest.raises(DataError, match=f"labels_per_class is {count}"):
        ready(labels_per_class=count)


def test_missing_scikit_learn_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(OptionalDependencyError, match=r'pip install "lit-iterative\[digits\]"'):
        ready()


def test_split_takes_its_share_of_every_class() -> None:
    labels = np.array([0] * 8 + [1] * 4)
    chosen = split(labels, 0.25, np.random.default_rng(0))
    assert np.bincount(labels[chosen]).tolist() == [2, 1]


def test_pick_takes_all_but_one_at_most() -> None:
    labels = np.array([0, 1, 0, 1, 1])
    assert sorted(labels[pick(labels, 1, np.random.default_rng(0))].tolist()) == [0, 1]
    with pytest.raises(DataError, match="give 1 to 1"):
        pick(labels, 2, np.random.default_rng(0))


class Seen(Classifier):
    """Keeps the inputs of every kind of batch."""

    def __init__(self) -> None:
        super().__init__(SmallConvNet(channels=2), 10)
        self.seen: dict[str, list[Tensor]] = {"train": [], "val": [], "label": []}

    def forward(self, inputs: Any) -> Tensor:
        kind = "label" if self.trainer.predicting else "train" if self.training else "val"
        self.seen[kind].append(inputs.clone())
        return super().forward(inputs)


@pytest.mark.parametrize("mode", ["concat", "paired"])
def test_training_batches_alone_are_augmented(tmp_path: Path, mode: Any) -> None:
    pl.seed_everything(0)
    marked = Jitter(noise=0.0)
    data = DigitsData(augment=lambda images: marked(images) + 2, mixing=Mixing(mode=mode, weighting="item"))
    module = Seen()
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=2,
        limit_train_batches=2,
        callbacks=[PseudoLabels(threshold=0.0)],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=1,
        default_root_dir=tmp_path,
    )
    trainer.fit(module, data)
    assert all(bool((batch >= 2).all()) for batch in module.seen["train"])
    assert all(bool((batch <= 1).all()) for kind in ("val", "label") for batch in module.seen[kind])
    assert sum(len(batch) for batch in module.seen["label"]) == len(data.unlabelled)
    assert sum(len(batch) for batch in module.seen["val"]) >= 2 * len(data.held_out)
