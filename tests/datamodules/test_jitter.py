import math

import numpy as np
import pytest
import torch

from lit_iterative.datamodules.jitter import Jitter, transform
from lit_iterative.errors import DataError

STILL = {"shift": 0.0, "degrees": 0.0, "scale": 0.0, "shear": 0.0, "noise": 0.0}


def oracle(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Resample one channel in float64, pixel by pixel, by the definition of bilinear interpolation."""
    height, width = image.shape
    result = np.zeros_like(image)
    for row in range(height):
        for column in range(width):
            place = np.array([(2 * column + 1) / width - 1, (2 * row + 1) / height - 1, 1.0])
            across, down = matrix @ place
            x, y = ((across + 1) * width - 1) / 2, ((down + 1) * height - 1) / 2
            for r in range(height):
                for c in range(width):
                    result[row, column] += image[r, c] * max(0.0, 1 - abs(x - c)) * max(0.0, 1 - abs(y - r))
    return result


def test_transform_equals_the_definition() -> None:
    draw = np.random.default_rng(0)
    images = draw.random((5, 2, 4, 6))
    matrices = np.array([[1.0, 0, 0], [0, 1, 0]]) + draw.normal(0, 0.3, (5, 2, 3))
    result = transform(torch.from_numpy(images), torch.from_numpy(matrices)).numpy()
    for image, matrix, made in zip(images, matrices, result, strict=True):
        for channel, one in zip(image, made, strict=True):
            np.testing.assert_allclose(one, oracle(channel, matrix), atol=1e-12)


def test_moves_are_uniform_in_pixels_of_each_side() -> None:
    torch.manual_seed(0)
    matrices = Jitter(**{**STILL, "shift": 2.0}).matrices(torch.zeros(4000, 1, 4, 8))
    assert torch.allclose(matrices[:, :, :2], torch.eye(2).expand(4000, 2, 2))
    pixels = matrices[:, :, 2] * torch.tensor([8, 4]) / 2
    assert pixels.abs().max() <= 2
    assert torch.allclose(pixels.std(dim=0), torch.tensor(4 / math.sqrt(12)), rtol=0.05)


def test_turns_keep_lengths_and_stay_below_their_angle() -> None:
    torch.manual_seed(0)
    turns = Jitter(**{**STILL, "degrees": 30.0}).matrices(torch.zeros(4000, 1, 8, 8))[:, :, :2]
    assert torch.allclose(turns @ turns.transpose(1, 2), torch.eye(2).expand(4000, 2, 2), atol=1e-6)
    angle = torch.rad2deg(torch.atan2(turns[:, 1, 0], turns[:, 0, 0]))
    assert (round(angle.min().item()), round(angle.max().item())) == (-30, 30)


def test_scales_and_shears_stay_in_their_range() -> None:
    torch.manual_seed(0)
    matrices = Jitter(**{**STILL, "scale": 0.5, "shear": 0.25}).matrices(torch.zeros(4000, 1, 8, 8))
    for place, (low, high) in {(0, 0): (0.5, 1.5), (1, 1): (0.5, 1.5), (0, 1): (-0.25, 0.25), (1, 0): (0, 0)}.items():
        part = matrices[:, place[0], place[1]]
        assert (part.min().item(), part.max().item()) == pytest.approx((low, high), abs=0.01)


def test_noise_has_its_standard_deviation_and_differs_in_every_pixel() -> None:
    torch.manual_seed(0)
    noise = Jitter(noise=0.1)(torch.zeros(200, 1, 8, 8))
    assert noise.std().item() == pytest.approx(0.1, rel=0.05)
    assert len(noise.unique()) > 0.99 * noise.numel()


def test_draws_follow_the_random_state_and_differ_between_images() -> None:
    images = torch.rand(1, 1, 8, 8).expand(8, 1, 8, 8)
    jitter = Jitter(noise=0.0)
    torch.manual_seed(3)
    first, second = jitter(images), jitter(images)
    torch.manual_seed(3)
    assert torch.equal(first, jitter(images))
    assert not torch.equal(first, second)
    assert len(first.flatten(1).unique(dim=0)) == 8


@pytest.mark.parametrize("rows", [0, 1])
def test_few_images_keep_their_shape(rows: int) -> None:
    assert Jitter()(torch.zeros(rows, 3, 8, 5)).shape == (rows, 3, 8, 5)


def test_without_any_amount_nothing_changes() -> None:
    images = torch.rand(2, 1, 8, 8)
    assert torch.equal(Jitter(**STILL)(images), images)


@pytest.mark.parametrize(
    "wrong", [{"shift": -1.0}, {"degrees": -1.0}, {"noise": -0.5}, {"shear": -0.1}, {"scale": 1.0}]
)
def test_amounts_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    (name,) = wrong
    with pytest.raises(DataError, match=f"{name} is {wrong[name]}. Give 0 or more"):
        Jitter(**wrong)
