"""Small networks that train in seconds on a CPU and can be named in YAML."""

from torch import Tensor, nn

from lit_iterative.errors import SetupError
from lit_iterative.modules.bottleneck import Bottleneck


class SmallConvNet(nn.Module):
    """Three 3x3 convolutions with batch norm and two poolings, then dropout and one linear layer.

    Every layer that has weights can draw them anew, which ``ReinitFromScratch`` needs.

    Args:
        channels: Channels of the first two convolutions; the third has twice as many.
        classes: Number of classes.
        dropout: Share of the features that are dropped in training.
        colours: Channels of the images.
        size: Height and width of the images, in pixels; at least 4.
        adapter: Width of the adapters behind the first two convolutions, ``features.adapter0`` and
            ``features.adapter1``; none when 0.

    Shapes:
        images ``(rows, colours, size, size)`` to logits ``(rows, classes)``.

    Raises:
        SetupError: If a number makes no sense.

    Example:
        >>> import torch
        >>> SmallConvNet(channels=4)(torch.zeros(2, 1, 8, 8)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self,
        channels: int = 16,
        classes: int = 10,
        dropout: float = 0.3,
        colours: int = 1,
        size: int = 8,
        adapter: int = 0,
    ) -> None:
        super().__init__()
        if channels < 1 or colours < 1 or classes < 2 or size < 4 or adapter < 0:
            raise SetupError(
                f"SmallConvNet has channels={channels}, classes={classes}, colours={colours}, size={size}, "
                f"adapter={adapter}. Give at least one channel and colour, two classes and images of 4 pixels."
            )
        wide = 2 * channels
        self.features = nn.Sequential(
            *_block(colours, channels),
            *_block(channels, channels),
            nn.MaxPool2d(2),
            *_block(channels, wide),
            nn.MaxPool2d(2),
            nn.Flatten(),
        )
        if adapter:
            self.features = _adapted(self.features, channels, adapter)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(wide * (size // 4) ** 2, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of every class, shape ``(rows, classes)``."""
        logits: Tensor = self.head(self.dropout(self.features(images)))
        return logits


class SmallSegmentationNet(nn.Module):
    """Three 3x3 convolutions with batch norm, the second of them dilated, and a class for every pixel.

    Args:
        channels: Channels of the convolutions.
        classes: Number of classes.
        colours: Channels of the images.

    Shapes:
        images ``(rows, colours, height, width)`` to logits ``(rows, classes, height, width)``.

    Raises:
        SetupError: If a number makes no sense.

    Example:
        >>> import torch
        >>> SmallSegmentationNet(channels=4)(torch.zeros(2, 1, 16, 16)).shape
        torch.Size([2, 4, 16, 16])
    """

    def __init__(self, channels: int = 12, classes: int = 4, colours: int = 1) -> None:
        super().__init__()
        if channels < 1 or colours < 1 or classes < 2:
            raise SetupError(
                f"SmallSegmentationNet has channels={channels}, classes={classes}, colours={colours}. Give at least "
                "one channel and colour and two classes."
            )
        wide = nn.Conv2d(channels, channels, 3, padding=2, dilation=2, bias=False)
        self.features = nn.Sequential(
            *_block(colours, channels), wide, nn.BatchNorm2d(channels), nn.ReLU(), *_block(channels, channels)
        )
        self.head = nn.Conv2d(channels, classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of every pixel."""
        logits: Tensor = self.head(self.features(images))
        return logits


def _adapted(features: nn.Sequential, channels: int, width: int) -> nn.Sequential:
    """Return the layers with an adapter behind each of the first two blocks; their own names stay."""
    made = nn.Sequential()
    for place, layer in enumerate(features):
        made.add_module(str(place), layer)
        if place in (2, 5):
            made.add_module(f"adapter{place // 3}", Bottleneck(channels, width))
    return made


def _block(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    # batch norm has its own shift, so the convolution needs none
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
