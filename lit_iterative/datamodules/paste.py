"""CopyPaste: pixels of rare classes are pasted into other images of a batch."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lit_iterative.errors import DataError


@dataclass(frozen=True)
class CopyPaste:
    """Pastes, into some images of a batch, all pixels of one class of another image, with their labels.

    The class of each is drawn in proportion to how rare it is among the labelled pixels of the batch, so that hard
    classes, of which few pixels are certain enough to have a label, come more often: after the enrichment of HIAST (Zhu
    et al., 2023). Draws come from torch's global random state.

    Args:
        share: The probability that an image gets something, in [0, 1].

    Raises:
        DataError: If the share is out of range.

    Example:
        >>> images, labels = torch.tensor([[[[0.5, 0.5]]], [[[0.9, 0.5]]]]), torch.tensor([[[0, 0]], [[1, 0]]])
        >>> CopyPaste(share=0.0)(images, labels)[1].equal(labels)
        True
    """

    share: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise DataError(f"CopyPaste has share={self.share}. Give a probability.")

    def __call__(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return changed images and labels.

        Args:
            images: Shape ``(rows, channels, height, width)``.
            labels: Shape ``(rows, height, width)``; -1 for none.
        """
        known = labels[labels >= 0]
        if not len(images) or not len(known):
            return images, labels
        counts = torch.bincount(known.flatten()).float().cpu()
        rarity = torch.where(counts > 0, 1 / counts.clamp(min=1), 0)
        drawn = torch.multinomial(rarity, len(images), replacement=True).to(labels.device)
        others = torch.randperm(len(images)).to(labels.device)
        gets = (torch.rand(len(images)) < self.share).to(labels.device)
        pasted = (labels[others] == drawn[:, None, None]) & gets[:, None, None]
        return torch.where(pasted[:, None], images[others], images), torch.where(pasted, labels[others], labels)
