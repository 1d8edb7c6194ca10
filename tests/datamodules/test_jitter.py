import pytest
import torch
from torch import Tensor

from lit_iterative.datamodules.jitter import Jitter
from lit_iterative.errors import DataError


def moved(image: Tensor, down: int, right: int) -> Tensor:
    """Move an image pixel by pixel, zeros moving in."""
    result = torch.zeros_like(image)
    _, height, width = image.shape
    for row in range(height):
        for column in range(width):
            if 0 <= row - down < height and 0 <= column - right < width:
                result[:, row, column] = image[:, row - down, column - right]
    return result


@pytest.mark.parametrize("shift", [1, 2])
def test_every_image_is_moved_by_whole_pixels_and_every_move_happens(shift: int) -> None:
    torch.manual_seed(0)
    images = torch.rand(400, 2, 5, 7)
    reach = range(-shift, shift + 1)
    seen = set()
    for image, result in zip(images, Jitter(shift, noise=0.0)(images), strict=True):
        moves = [(d, r) for d in reach for r in reach if torch.equal(moved(image, d, r), result)]
        assert len(moves) == 1
        seen.update(moves)
    assert len(seen) == len(reach) ** 2


def test_noise_has_its_standard_deviation_and_differs_in_every_pixel() -> None:
    torch.manual_seed(0)
    noise = Jitter(shift=0, noise=0.1)(torch.zeros(200, 1, 8, 8))
    assert noise.std().item() == pytest.approx(0.1, rel=0.05)
    assert len(noise.unique()) > 0.99 * noise.numel()


def test_draws_follow_the_random_state() -> None:
    images = torch.rand(8, 1, 8, 8)
    torch.manual_seed(3)
    first, second = Jitter()(images), Jitter()(images)
    torch.manual_seed(3)
    assert torch.equal(first, Jitter()(images))
    assert not torch.equal(first, second)


@pytest.mark.parametrize("rows", [0, 1])
def test_few_images_keep_their_shape(rows: int) -> None:
    assert Jitter()(torch.zeros(rows, 3, 8, 8)).shape == (rows, 3, 8, 8)


def test_without_shift_and_noise_nothing_changes() -> None:
    images = torch.rand(2, 1, 8, 8)
    assert torch.equal(Jitter(0, 0.0)(images), images)


@pytest.mark.parametrize("wrong", [{"shift": -1}, {"noise": -0.5}])
def test_negative_numbers_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(DataError, match="Give 0 or more"):
        Jitter(**wrong)  # type: ignore[arg-type]
