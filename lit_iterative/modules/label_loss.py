"""LabelLoss: what a classifier is trained on, in front of the network and behind it."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from lit_iterative.errors import DataError, SetupError
from lit_iterative.losses.classes import generalised_cross_entropy, mean_entropy, prior_divergence
from lit_iterative.modules.examples import Examples


@dataclass(frozen=True)
class LabelLoss:
    """Cross-entropy, and what makes it bear labels that may be wrong; nothing of that by default.

    With ``mixup=4, prior=0.8, entropy=0.4`` it is the loss of Arazo et al., 2020, arXiv:1908.02983.

    Args:
        q: Of the generalised cross-entropy, in [0, 1]; 0 is cross-entropy.
        mixup: Rows are trained on as mixtures with other rows of their batch, whose share is drawn from
            ``Beta(mixup, mixup)`` for each batch (Zhang et al., 2018, arXiv:1710.09412); 0 leaves them as they are.
        prior: Weight of :func:`~lit_iterative.losses.classes.prior_divergence` of the batch.
        entropy: Weight of :func:`~lit_iterative.losses.classes.mean_entropy` of the batch.

    Raises:
        SetupError: If a number is out of range.

    Example:
        >>> round(LabelLoss(prior=0.8).terms(torch.zeros(2, 3)).item(), 4)
        0.0
    """

    q: float = 0.0
    mixup: float = 0.0
    prior: float = 0.0
    entropy: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.q <= 1 or not all(x >= 0 for x in (self.mixup, self.prior, self.entropy)):
            raise SetupError(f"{self} has a number out of range. Give q between 0 and 1 and the others 0 or more.")

    def mixed(self, examples: Examples, classes: int) -> Examples:
        """Return the rows mixed with others, their labels soft; the rows themselves where nothing is to be mixed.

        The loss is linear in labels and weights, so that the mixture of two labels with the mixture of their weights
        is the mixture of two losses. Draws come from torch's global random state.

        Args:
            examples: The batch; its inputs are a tensor of numbers.
            classes: How many there are.

        Raises:
            DataError: If the inputs are no such tensor.
        """
        if not self.mixup:
            return examples
        inputs, labels, weights = examples
        if not isinstance(inputs, Tensor) or not inputs.is_floating_point():
            kind = str(inputs.dtype) if isinstance(inputs, Tensor) else type(inputs).__name__
            raise DataError(f"Mixup adds inputs up, but they are {kind}. Give tensors of numbers, or set mixup: 0.")
        share = float(torch.distributions.Beta(self.mixup, self.mixup).sample())
        others = torch.randperm(len(inputs)).to(inputs.device)
        soft = labels if labels.is_floating_point() else one_hot(labels, classes).to(inputs.dtype)
        weights = torch.ones(len(soft), device=soft.device) if weights is None else weights
        mine, theirs = share * weights, (1 - share) * weights[others]
        label = mine[:, None] * soft + theirs[:, None] * soft[others]
        both = (mine + theirs).clamp(min=torch.finfo(label.dtype).tiny)
        return Examples(share * inputs + (1 - share) * inputs[others], label / both[:, None], mine + theirs)

    def rows(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of every row, ``(rows,)``."""
        return generalised_cross_entropy(logits, labels, self.q)

    def terms(self, logits: Tensor) -> Tensor:
        """Return what is added for the batch as a whole."""
        zero = logits.new_zeros(())
        prior = self.prior * prior_divergence(logits) if self.prior else zero
        return prior + (self.entropy * mean_entropy(logits) if self.entropy else zero)
