"""Domains: images as another camera would have taken them."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lit_iterative.errors import DataError
from lit_iterative.seeds import derive_seed


@dataclass(frozen=True)
class OtherLight:
    """Images with less contrast, in another light and with noise: the same ones each time.

    Args:
        contrast: What pixels are multiplied by, above 0.
        brightness: What is added to them.
        noise: Standard deviation of the Gaussian noise on every pixel, 0 or more.
        seed: Seed of the noise.

    Raises:
        DataError: If a number is out of range.

    Example:
        >>> OtherLight(contrast=0.5, brightness=0.25, noise=0.0)(torch.tensor([0.0, 1.0])).tolist()
        [0.25, 0.75]
    """

    contrast: float = 0.5
    brightness: float = 0.3
    noise: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.contrast > 0 or not self.noise >= 0:
            raise DataError(f"{self} has a number out of range. Give a contrast above 0 and noise of 0 or more.")

    def __call__(self, images: Tensor) -> Tensor:
        """Return changed images of the same shape."""
        draw = torch.Generator().manual_seed(derive_seed(self.seed, "OtherLight"))
        noise = torch.randn(images.shape, generator=draw).to(images)
        return self.contrast * images + self.brightness + self.noise * noise
