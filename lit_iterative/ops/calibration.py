"""Calibration: how far confidence is from accuracy."""

import numpy as np
import torch
from torchmetrics.functional.classification import binary_calibration_error

from lit_iterative.columns import Array


def calibration_error(confidence: Array, right: Array, bins: int = 15) -> float:
    """Return the expected calibration error (Guo et al., 2017, arXiv:1706.04599, equation 3).

    Args:
        confidence: Shape ``(rows,)``; clipped to [0, 1].
        right: Whether each label is right, shape ``(rows,)``.
        bins: Number of bins of equal width.

    Example:
        >>> round(calibration_error(np.array([0.75, 0.75]), np.array([True, False])), 6)
        0.25
    """
    # torchmetrics takes a confidence and a hit as a binary problem
    probs, target = torch.from_numpy(confidence.astype(np.float64).clip(0, 1)), torch.from_numpy(right.astype(np.int64))
    return float(binary_calibration_error(probs, target, n_bins=bins))
