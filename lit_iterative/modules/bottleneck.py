"""Bottleneck: a small adapter between the layers of a network that stays as it is."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from lit_iterative.errors import SetupError


class Bottleneck(nn.Module):
    """Adds to features what a narrow network makes of them: ``x + up(relu(down(x)))``, at every position by itself.

    It begins as the identity. Houlsby et al., 2019, arXiv:1902.00751.

    Args:
        channels: Of the features.
        width: Of the narrow network, at least 1.

    Shapes:
        features ``(rows, channels, height, width)`` to the same.

    Raises:
        SetupError: If the width is below 1.

    Example:
        >>> features = torch.rand(2, 4, 3, 3)
        >>> Bottleneck(4, width=2)(features).equal(features)
        True
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        if width < 1:
            raise SetupError(f"Bottleneck has width={width}. Give at least 1.")
        self.down = nn.Conv2d(channels, width, 1)
        self.up = nn.Conv2d(width, channels, 1)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the way down anew, and let nothing come up."""
        self.down.reset_parameters()
        nn.init.zeros_(self.up.weight)
        if self.up.bias is not None:
            nn.init.zeros_(self.up.bias)

    def forward(self, features: Tensor) -> Tensor:
        """Return the features with the addition."""
        added: Tensor = self.up(torch.relu(self.down(features)))
        return features + added


def bottlenecks(network: nn.Module, asked: str) -> Iterator[Bottleneck]:
    """Yield the adapters of a network.

    Args:
        network: The network.
        asked: Who asks for them, for the message.

    Raises:
        SetupError: If there is none.
    """
    found = [layer for layer in network.modules() if isinstance(layer, Bottleneck)]
    if not found:
        raise SetupError(
            f"{asked} needs a network with adapters, but {type(network).__name__} has no Bottleneck. Give it some, for "
            "example SmallConvNet(adapter=4), or use Continue()."
        )
    yield from found
