"""ShapesData: small images of shapes whose pixels have classes, in two domains, made on the spot."""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from lit_iterative.columns import Array
from lit_iterative.datamodules.domains import OtherLight
from lit_iterative.datamodules.mixing import Mixing
from lit_iterative.datamodules.paste import CopyPaste
from lit_iterative.datamodules.refreshable import Refreshable
from lit_iterative.datamodules.split import Split
from lit_iterative.errors import DataError
from lit_iterative.seeds import generator

#: Background, disc, square, and a thin cross, which is hard; how bright each is, on the average.
BRIGHTNESS = (0.2, 0.8, 0.5, 0.35)


class Shapes(Split):
    """Images with one channel of a disc, a square and, in every other one, a cross, in front of a background.

    Those that are labelled are of one domain, the pool and the held-out ones of another, in another light.

    Args:
        labelled: Images with a class for every pixel.
        pool: Images without.
        held_out: Images to measure by.
        size: Height and width, at least 12.
        seed: Seed of the images.
        batch_size: Images in a batch.
        target: What makes the other domain.
        paste: Pastes pixels of rare classes into other images of a training batch; none when left out.
        mixing: How labelled rows and those of a round make up an epoch.

    Raises:
        DataError: If a number makes no sense.
    """

    def __init__(
        self,
        labelled: int = 64,
        pool: int = 128,
        held_out: int = 64,
        size: int = 16,
        seed: int = 0,
        batch_size: int = 16,
        target: OtherLight = OtherLight(0.6, 0.25, 0.05),  # noqa: B008  # frozen
        paste: CopyPaste | None = None,
        mixing: Mixing = Mixing(),  # noqa: B008  # frozen
    ) -> None:
        super().__init__()
        if min(labelled, pool, held_out) < 1 or size < 12:
            raise DataError(
                f"ShapesData has labelled={labelled}, pool={pool}, held_out={held_out}, size={size}. Give at least one "
                "image of each kind, of 12 pixels or more."
            )
        self.sizes = {"labelled": labelled, "pool": pool, "held out": held_out}
        self.size, self.seed, self.batch_size = size, seed, batch_size
        self.target, self.paste, self.mixing = target, paste, mixing

    def setup(self, stage: str | None = None) -> None:
        """Draw the images; the same in every stage and on every rank."""
        drawn = {name: shapes(rows, self.size, self.seed, name) for name, rows in self.sizes.items()}
        far = {name: self.target(torch.from_numpy(images)) for name, (images, _) in drawn.items()}
        self.labelled = TensorDataset(*map(torch.from_numpy, drawn["labelled"]))
        self.unlabelled = TensorDataset(far["pool"])
        self.held_out = TensorDataset(far["held out"], torch.from_numpy(drawn["held out"][1]))

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Paste pixels into the images of a training batch."""
        if self.paste is None or self.trainer is None or not self.trainer.training:
            return batch
        return list(self.paste(*batch))

    def relabel(self, item: Any, label: Any) -> tuple[Tensor, Tensor]:
        """Return an image with a label, which gets its height and width back."""
        image = item[0]
        return image, torch.as_tensor(np.asarray(label)).long().reshape(image.shape[1:])


class ShapesData(Refreshable, Shapes):
    """:class:`Shapes` whose training data is swapped by rounds."""


def shapes(rows: int, size: int, seed: int, name: str) -> tuple[Array, Array]:
    """Draw images of shapes.

    Args:
        rows: How many.
        size: Height and width.
        seed: Seed of the draws.
        name: Name of the draws.

    Returns:
        Images ``(rows, 1, size, size)``, float32, and the classes of their pixels ``(rows, size, size)``, int64.

    Example:
        >>> images, classes = shapes(2, 16, 0, "example")
        >>> images.shape, sorted(set(classes.flatten().tolist()))
        ((2, 1, 16, 16), [0, 1, 2, 3])
    """
    draw = generator(seed, "shapes", name)
    down, across = np.mgrid[:size, :size]
    classes = np.zeros((rows, size, size), dtype=np.int64)
    for row in range(rows):
        places = draw.integers(3, size - 3, size=(3, 2))
        reach = draw.integers(2, 4, size=2)
        far = [np.abs(down - y) + 0.0 for y, _ in places], [np.abs(across - x) + 0.0 for _, x in places]
        classes[row][far[0][0] ** 2 + far[1][0] ** 2 <= reach[0] ** 2] = 1
        classes[row][np.maximum(far[0][1], far[1][1]) <= reach[1]] = 2
        if row % 2 == 0:
            thin = np.minimum(far[0][2], far[1][2]) == 0
            classes[row][thin & (np.maximum(far[0][2], far[1][2]) <= 2)] = 3
    shades = np.array(BRIGHTNESS)[classes] + draw.normal(0, 0.08, size=classes.shape)
    return shades[:, None].astype(np.float32), classes
