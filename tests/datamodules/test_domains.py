import pytest
import torch

from lit_iterative.datamodules import DigitsData, OtherLight
from lit_iterative.errors import DataError


def test_the_same_images_come_out_each_time() -> None:
    images = torch.rand(50, 1, 8, 8)
    light = OtherLight(contrast=0.5, brightness=0.25, noise=0.1)
    assert light(images).equal(light(images))
    noise = light(images) - (0.5 * images + 0.25)
    assert float(noise.std()) == pytest.approx(0.1, rel=0.1)
    assert not light(images).equal(OtherLight(0.5, 0.25, 0.1, seed=1)(images))


def test_pool_and_held_out_images_are_of_the_other_domain() -> None:
    near, far = DigitsData(), DigitsData(target=OtherLight(0.5, 0.25, 0.0))
    near.setup("fit")
    far.setup("fit")
    assert near.labelled.tensors[0].equal(far.labelled.tensors[0])
    for name in ("unlabelled", "held_out"):
        images, others = (getattr(data, name).tensors[0] for data in (near, far))
        assert others.allclose(0.5 * images + 0.25)


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(DataError, match=r"contrast=0\.0"):
        OtherLight(contrast=0.0)
