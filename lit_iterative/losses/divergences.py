"""DPO with other divergences than the reverse KL between policy and reference.

The implicit reward of a completion is ``beta * f'(u)`` with ``u = pi / pi_ref``, and the loss is
``-log sigmoid(beta * (f'(u_w) - f'(u_l)))``; constants in ``f'`` cancel.

Source: Wang et al., 2023, arXiv:2309.16240, theorem 1 and table 1.
"""

from torch import Tensor
from torch.nn.functional import logsigmoid

from lit_iterative.losses.batch import PairLogProbs
from lit_iterative.losses.dpo import dpo
from lit_iterative.losses.numerics import bounded_expm1
from lit_iterative.losses.parameters import Positive, Share


def f_reverse_kl(pairs: PairLogProbs, beta: Positive = 0.1) -> Tensor:
    """Return the loss of the reverse KL divergence, ``f'(u) = log u + 1``, which is DPO.

    Args:
        pairs: Log-probabilities, with the reference's.
        beta: How much the reward counts.

    Raises:
        DataError: If the reference is missing.

    Example:
        >>> from lit_iterative.losses.testing import pairs, show
        >>> show(f_reverse_kl(pairs(2.0, -1.0)))
        [0.5544]
    """
    return dpo(pairs, beta)


def f_forward_kl(pairs: PairLogProbs, beta: Positive = 0.1) -> Tensor:
    """Return the loss of the forward KL divergence, ``f'(u) = -1 / u``.

    A completion that the policy has given up counts exponentially; beyond a log-ratio of -30 the reward goes on
    along its tangent, so that losses and gradients stay finite.

    Args:
        pairs: Log-probabilities, with the reference's.
        beta: How much the reward counts.

    Raises:
        DataError: If the reference is missing.

    Example:
        >>> from lit_iterative.losses.testing import pairs, show
        >>> show(f_forward_kl(pairs(2.0, -1.0)))
        [0.5723]
    """
    return f_alpha(pairs, beta, alpha=1.0)


def f_js(pairs: PairLogProbs, beta: Positive = 0.1) -> Tensor:
    """Return the loss of the Jensen-Shannon divergence, ``f'(u) = log(2 u / (1 + u))``.

    Args:
        pairs: Log-probabilities, with the reference's.
        beta: How much the reward counts.

    Raises:
        DataError: If the reference is missing.

    Example:
        >>> from lit_iterative.losses.testing import pairs, show
        >>> show(f_js(pairs(2.0, -1.0)))
        [0.6356]
    """
    # log(u / (1 + u)) is the log-sigmoid of log u.
    return -logsigmoid(beta * (logsigmoid(pairs.chosen_ratio) - logsigmoid(pairs.rejected_ratio)))


def f_alpha(pairs: PairLogProbs, beta: Positive = 0.1, alpha: Share = 0.5) -> Tensor:
    """Return the loss of an alpha divergence, ``f'(u) = (1 - u^-alpha) / alpha``.

    The forward KL divergence where ``alpha`` is 1; the reverse one as it goes to 0. Beyond a log-ratio of
    ``-30 / alpha`` the reward goes on along its tangent, so that losses and gradients stay finite.

    Args:
        pairs: Log-probabilities, with the reference's.
        beta: How much the reward counts.
        alpha: Above 0, at most 1.

    Raises:
        DataError: If the reference is missing.

    Example:
        >>> from lit_iterative.losses.testing import pairs, show
        >>> show(f_alpha(pairs(2.0, -1.0)))
        [0.5732]
    """
    chosen, rejected = bounded_expm1(-alpha * pairs.chosen_ratio), bounded_expm1(-alpha * pairs.rejected_ratio)
    return -logsigmoid(beta / alpha * (rejected - chosen))
