"""Losses of single completions that are good or bad.

KTO and BCO compare a completion's log-ratio with a baseline that depends on many rows: it is an argument. It is taken
from statistics, which are sums: those of micro-batches and ranks are added (``all_reduce`` with SUM), and those of
earlier steps, times a decay, as well.
"""

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from lit_iterative.losses.batch import UnpairedLogProbs, given
from lit_iterative.losses.numerics import bounded_expm1
from lit_iterative.losses.parameters import Positive


def kto(
    batch: UnpairedLogProbs,
    baseline: Tensor,
    beta: Positive = 0.1,
    desirable_weight: Positive = 1.0,
    undesirable_weight: Positive = 1.0,
) -> Tensor:
    """Return Kahneman-Tversky optimisation: value saturates on both sides of a baseline.

    ``w_D * (1 - sigmoid(beta * (ratio - z)))`` for good completions, ``w_U * (1 - sigmoid(beta * (z - ratio)))`` for
    bad ones, with ``z`` the baseline.

    Source: Ethayarajh et al., 2024, arXiv:2402.01306, equation 8.

    Args:
        batch: Log-probabilities, with the reference's, and labels.
        baseline: ``z``, a scalar, as :func:`kto_baseline` returns it; 0 is a usable fixed one.
        beta: How much a nat counts.
        desirable_weight: What a good completion counts; the paper's lambda_D.
        undesirable_weight: What a bad completion counts; the paper's lambda_U.

    Raises:
        DataError: If the reference is missing.

    Example:
        >>> from lit_iterative.losses.testing import show, unpaired
        >>> show(kto(unpaired(2.0, True), torch.tensor(0.0))), show(kto(unpaired(2.0, False), torch.tensor(0.0)))
        ([0.4502], [0.5498])
    """
    shortfall = torch.sigmoid(-_signed(batch, beta, baseline))
    return torch.where(batch.desirable.bool(), desirable_weight * shortfall, undesirable_weight * shortfall)


def bco(batch: UnpairedLogProbs, baseline: Tensor, beta: Positive = 0.1) -> Tensor:
    """Return binary classifier optimisation: cross-entropy of the label, with the implicit reward as logit.

    ``-log sigmoid(beta * (ratio - d))`` for good completions, ``-log sigmoid(beta * (d - ratio))`` for bad ones, with
    ``d`` the baseline.

    Source: Jung et al., 2024, arXiv:2404.04656, section 4; its reward shift is ``beta * d``.

    Args:
        batch: Log-probabilities, with the reference's, and labels.
        baseline: ``d``, a scalar, as :func:`bco_baseline` returns it.
        beta: How much a nat counts.

    Raises:
        DataError: If the reference is missing.

    Example:
        >>> from lit_iterative.losses.testing import show, unpaired
        >>> show(bco(unpaired(2.0, True), torch.tensor(0.0)))
        [0.5981]
    """
    return -logsigmoid(_signed(batch, beta, baseline))


def nft(batch: UnpairedLogProbs, epsilon: Positive = 1.0) -> Tensor:
    """Return negative-aware fine-tuning, with whole completions as its tokens.

    With ``R = pi / pi_ref`` of the completion and ``r`` the prompt's pass rate, a good completion has the loss
    ``-(1 - r) log R`` and a bad one ``-(1 - r) log max(epsilon, (1 - r R) / (1 - r))``, the likelihood of the policy
    that is left when the trained one is taken out of the reference. Below ``epsilon`` the gradient is kept.

    Source: Chen et al., 2025, arXiv:2505.18116, the NFT loss with the ratio of sequences; as in its authors' code
    the pass rate is kept in [0.02, 0.98] and prompts are weighted by ``1 - r``. ``R`` above ``e^10`` goes on along its
    tangent.

    Args:
        batch: Log-probabilities, with those of the sampling policy as reference, labels and pass rates.
        epsilon: The least likelihood ratio of a bad completion.

    Raises:
        DataError: If the reference or the pass rate is missing.

    Example:
        >>> from lit_iterative.losses.testing import show, unpaired
        >>> show(nft(unpaired(2.0, True, pass_rate=0.5))), show(nft(unpaired(-2.0, False, pass_rate=0.5)))
        ([-1.0], [-0.3115])
    """
    ratio = batch.ratio
    rate = given(batch.pass_rate, "pass_rate", "pass_rate").to(ratio.dtype).clamp(0.02, 0.98)
    likelihood = 1 - rate / (1 - rate) * bounded_expm1(ratio, ceiling=10.0)  # (1 - r R) / (1 - r)
    bounded = likelihood.detach().clamp(min=epsilon)
    # Its value is log(bounded); its gradient that of the likelihood over bounded.
    negative = torch.log(bounded) + (likelihood - likelihood.detach()) / bounded
    return -(1 - rate) * torch.where(batch.desirable.bool(), ratio, negative)


def kto_statistics(batch: UnpairedLogProbs) -> Tensor:
    """Return the sum and the number of mismatched log-ratios, shape ``(2,)``, without gradient.

    The mean of ``log pi(y') - log pi_ref(y')`` over completions ``y'`` of other prompts estimates how far the policy
    is from the reference. The caller gets them with one more forward pass without gradient, over every prompt with
    the completion of the next row (the last with the first) under policy and reference, where no two rows beside
    each other have the same prompt.

    Source: Ethayarajh et al., 2024, arXiv:2402.01306, section 4.1.

    Args:
        batch: Log-probabilities, with those of mismatched completions.

    Raises:
        DataError: If the mismatched log-probabilities are missing.

    Example:
        >>> from lit_iterative.losses.testing import unpaired
        >>> kto_statistics(unpaired(mismatched=-10.0, reference_mismatched=-13.0)).tolist()
        [3.0, 1.0]
    """
    ratio = batch.mismatched_ratio
    return torch.stack([ratio.sum(), ratio.new_tensor(len(ratio))])


def kto_baseline(statistics: Tensor) -> Tensor:
    """Return KTO's baseline ``max(0, mean)`` from the sum and the number of mismatched log-ratios; 0 where none is.

    Example:
        >>> kto_baseline(torch.tensor([3.0, 2.0])).item(), kto_baseline(torch.tensor([-3.0, 2.0])).item()
        (1.5, 0.0)
    """
    total, count = statistics.unbind()
    return (total / count.clamp(min=torch.finfo(count.dtype).tiny)).clamp(min=0)


def bco_statistics(batch: UnpairedLogProbs) -> Tensor:
    """Return sums and numbers of the log-ratios of good and of bad rows, shape ``(2, 2)``, without gradient.

    Args:
        batch: Log-probabilities, with the reference's, and labels.

    Raises:
        DataError: If the reference is missing.

    Example:
        >>> from lit_iterative.losses.testing import unpaired
        >>> bco_statistics(unpaired(2.0, True)).tolist()
        [[2.0, 1.0], [0.0, 0.0]]
    """
    ratio = batch.ratio.detach()
    good = batch.desirable.bool()
    classes = torch.stack([good, ~good]).to(ratio.dtype)
    return torch.stack([classes @ ratio, classes.sum(dim=1)], dim=1)


def bco_baseline(statistics: Tensor) -> Tensor:
    """Return BCO's baseline: the mean of the good rows' and the bad rows' mean log-ratio, however many each are.

    Where one class has no rows, the mean of the other; 0 where there is none.

    Example:
        >>> bco_baseline(torch.tensor([[6.0, 3.0], [-4.0, 1.0]])).item()
        -1.0
    """
    total, count = statistics.unbind(dim=1)
    there = count > 0
    means = torch.where(there, total / torch.where(there, count, 1), 0)
    return means.sum() / there.sum().clamp(min=1)


def _signed(batch: UnpairedLogProbs, beta: float, baseline: Tensor) -> Tensor:
    """Return the implicit reward above the baseline, with its sign turned for bad rows."""
    reward = beta * (batch.ratio - baseline.detach())
    return torch.where(batch.desirable.bool(), reward, -reward)
