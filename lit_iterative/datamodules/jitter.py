"""Jitter: light random changes of images."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from lit_iterative.errors import DataError


@dataclass(frozen=True)
class Jitter:
    """Moves every image by whole pixels and adds noise.

    The draws come from torch's global random state on the device of the images, so that a resumed run, which
    restores that state, sees the same ones. It also serves as a view of ``TestTimeAugmentation``.

    Args:
        shift: Largest move in each direction, in pixels; what moves in is 0.
        noise: Standard deviation of the Gaussian noise on every pixel.

    Raises:
        DataError: If one is negative.

    Example:
        >>> Jitter(shift=1, noise=0.1)(torch.zeros(2, 1, 8, 8)).shape
        torch.Size([2, 1, 8, 8])
    """

    shift: int = 1
    noise: float = 0.05

    def __post_init__(self) -> None:
        if self.shift < 0 or self.noise < 0:
            raise DataError(f"Jitter has shift={self.shift} and noise={self.noise}. Give 0 or more of each.")

    def __call__(self, images: Tensor) -> Tensor:
        """Return changed images, shape ``(rows, channels, height, width)`` as given."""
        if self.shift:
            images = self._shifted(images)
        return images + self.noise * torch.randn_like(images) if self.noise else images

    def _shifted(self, images: Tensor) -> Tensor:
        rows, _, height, width = images.shape
        device, reach = images.device, 2 * self.shift + 1
        padded = functional.pad(images, (self.shift,) * 4)
        top = torch.randint(reach, (rows, 1), device=device) + torch.arange(height, device=device)
        left = torch.randint(reach, (rows, 1), device=device) + torch.arange(width, device=device)
        row = torch.arange(rows, device=device)[:, None, None]
        # the two advanced indices around the slice put the channels last
        return padded[row, :, top[:, :, None], left[:, None, :]].permute(0, 3, 1, 2)
