"""Jitter: light random changes of images."""

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn import functional

from lit_iterative.errors import DataError


@dataclass(frozen=True)
class Jitter:
    """Moves, turns, scales and shears every image a little, and adds noise.

    The draws come from torch's global random state on the device of the images, so that a resumed run, which
    restores that state, sees the same ones. Every amount is uniform between its negative and itself.

    Args:
        shift: Largest move in each direction, in pixels; what comes in from outside is 0.
        degrees: Largest turn.
        scale: Largest change of height and width, as a share; below 1.
        shear: Largest shear: pixels to the side for each pixel down.
        noise: Standard deviation of the Gaussian noise on every pixel.

    Raises:
        DataError: If an amount is negative, or scale is 1 or more.

    Example:
        >>> Jitter(shift=1, noise=0.1)(torch.zeros(2, 1, 8, 8)).shape
        torch.Size([2, 1, 8, 8])
    """

    shift: float = 0.6
    degrees: float = 12.0
    scale: float = 0.12
    shear: float = 0.2
    noise: float = 0.05

    def __post_init__(self) -> None:
        for name in (field.name for field in fields(self)):
            value = getattr(self, name)
            if value < 0 or (name == "scale" and value >= 1):
                upper = " and less than 1" if name == "scale" else ""
                raise DataError(f"Jitter's {name} is {value}. Give 0 or more{upper}.")

    def __call__(self, images: Tensor) -> Tensor:
        """Return changed images, shape ``(rows, channels, height, width)`` as given."""
        if self.shift or self.degrees or self.scale or self.shear:
            images = transform(images, self.matrices(images))
        return images + self.noise * torch.randn_like(images) if self.noise else images

    def matrices(self, images: Tensor) -> Tensor:
        """Draw a matrix for every image, as :func:`transform` takes it."""

        def draw(amount: float, *shape: int) -> Tensor:
            return (2 * torch.rand(len(images), *shape, device=images.device) - 1) * amount

        angle, shear, scale = draw(math.radians(self.degrees)), draw(self.shear), 1 + draw(self.scale, 2)
        size = torch.tensor([images.shape[-1], images.shape[-2]], device=images.device)
        move = draw(self.shift, 2) * 2 / size  # grids reach from -1 to 1
        cos, sin = angle.cos(), angle.sin()
        across = torch.stack([cos * scale[:, 0], cos * shear - sin * scale[:, 1], move[:, 0]], dim=1)
        down = torch.stack([sin * scale[:, 0], sin * shear + cos * scale[:, 1], move[:, 1]], dim=1)
        return torch.stack([across, down], dim=1)


def transform(images: Tensor, matrices: Tensor) -> Tensor:
    """Fill every pixel with what stands where its matrix sends it, bilinear between pixels, 0 outside.

    Args:
        images: Shape ``(rows, channels, height, width)``.
        matrices: From (across, down, 1) to (across, down), where -1 and 1 are the borders of an image; shape
            ``(rows, 2, 3)``.
    """
    if not len(images):
        return images
    grid = functional.affine_grid(matrices.to(images.dtype), list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, align_corners=False)
