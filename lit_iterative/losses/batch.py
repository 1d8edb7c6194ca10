"""What losses are given: log-probabilities of completions, as pairs, in order, with a label, or alone."""

from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from lit_iterative.errors import DataError

#: What to do about a field that is missing.
REMEDIES = {
    "reference": "Put ReferenceLogProbs(...) at the end of the pipeline, or choose a loss without reference, such as "
    "simpo for pairs or sft for accepted samples.",
    "preference": "Give the pairs a column 'preference' with the probability that the chosen one is preferred, or "
    "choose a loss with hard labels, such as dpo.",
    "win_rate": "Give the pairs the columns 'chosen_win_rate' and 'rejected_win_rate', or choose sppo_hard.",
    "anchor": "Put a second ReferenceLogProbs(..., role='anchor') at the end of the pipeline, or choose sppo.",
    "mismatched": "Score completions of other prompts with the policy and the reference, or keep the baseline at 0.",
    "pass_rate": "Give the rows a column 'pass_rate' with the share of right answers to their prompt.",
}


@dataclass(frozen=True)
class PairLogProbs:
    """Log-probabilities of pairs of completions to the same prompt; every tensor has shape ``(pairs,)``.

    Args:
        chosen: Sums of ``log p(token)`` over the preferred completion, its end token included, at temperature 1.
        rejected: The same over the other completion.
        chosen_tokens: Tokens in the sums of ``chosen``.
        rejected_tokens: Tokens in the sums of ``rejected``.
        reference_chosen: ``chosen`` under the reference policy, by the same forward pass and masks.
        reference_rejected: ``rejected`` under the reference policy.
        preference: The probability, in [0, 1], that the chosen completion is preferred; for losses with soft labels.
        chosen_win_rate: The probability that the chosen completion is preferred to one drawn from the reference.
        rejected_win_rate: The same of the rejected completion.

        anchor_chosen: ``chosen`` under a second reference, to which the policy is held.
        anchor_rejected: ``rejected`` under it.

    Raises:
        DataError: If shapes differ, or log-probabilities are neither float32 nor float64; when read, if a field that
            the loss needs is missing.
    """

    chosen: Tensor
    rejected: Tensor
    chosen_tokens: Tensor
    rejected_tokens: Tensor
    reference_chosen: Tensor | None = None
    reference_rejected: Tensor | None = None
    preference: Tensor | None = None
    chosen_win_rate: Tensor | None = None
    rejected_win_rate: Tensor | None = None
    anchor_chosen: Tensor | None = None
    anchor_rejected: Tensor | None = None

    def __post_init__(self) -> None:
        _check(self, "chosen")

    @property
    def chosen_ratio(self) -> Tensor:
        """``log pi(y_w) - log pi_ref(y_w)``."""
        return self.chosen - given(self.reference_chosen, "reference", "reference_chosen")

    @property
    def rejected_ratio(self) -> Tensor:
        """``log pi(y_l) - log pi_ref(y_l)``."""
        return self.rejected - given(self.reference_rejected, "reference", "reference_rejected")

    @property
    def delta(self) -> Tensor:
        """``chosen_ratio - rejected_ratio``: the margin of the implicit reward, before ``beta``."""
        return self.chosen_ratio - self.rejected_ratio

    @property
    def chosen_mean(self) -> Tensor:
        """``chosen`` per token; 0 where there is none."""
        return per_token(self.chosen, self.chosen_tokens)

    @property
    def rejected_mean(self) -> Tensor:
        """``rejected`` per token; 0 where there is none."""
        return per_token(self.rejected, self.rejected_tokens)

    @property
    def mean_delta(self) -> Tensor:
        """The difference of the two ratios, each per token of its completion."""
        chosen = per_token(self.chosen_ratio, self.chosen_tokens)
        return chosen - per_token(self.rejected_ratio, self.rejected_tokens)


@dataclass(frozen=True)
class RankedLogProbs:
    """Log-probabilities of several completions to the same prompt, the best first; shape ``(prompts, completions)``.

    Args:
        completions: Sums of ``log p(token)`` over each completion.
        tokens: Tokens in the sums.
        reference: ``completions`` under the reference policy.
        mask: Which places hold a completion; all where it is absent. The first place of a row always does.
        scores: How good each is; equal ones are not compared, and NaN equals nothing. Without, all differ.

    Raises:
        DataError: If shapes differ or are not two-dimensional, or log-probabilities are neither float32 nor float64;
            when read, if the reference is missing.
    """

    completions: Tensor
    tokens: Tensor
    reference: Tensor | None = None
    mask: Tensor | None = None
    scores: Tensor | None = None

    def __post_init__(self) -> None:
        if self.completions.dim() != 2:
            raise DataError(
                f"RankedLogProbs has completions of shape {tuple(self.completions.shape)}. Give one row a prompt, with "
                "its completions beside each other, the best first."
            )
        _check(self, "completions")

    @property
    def ratio(self) -> Tensor:
        """``log pi(y) - log pi_ref(y)``; 0 in places that hold no completion."""
        ratio = self.completions - given(self.reference, "reference", "reference")
        return torch.where(self.present, ratio, 0)

    @property
    def present(self) -> Tensor:
        """Which places hold a completion."""
        return torch.ones_like(self.completions, dtype=torch.bool) if self.mask is None else self.mask.bool()


@dataclass(frozen=True)
class UnpairedLogProbs:
    """Log-probabilities of completions that are good or bad by themselves; every tensor has shape ``(rows,)``.

    Args:
        completion: Sums of ``log p(token)`` over the completion.
        tokens: Tokens in the sums.
        desirable: Whether the completion is good.
        reference: ``completion`` under the reference policy.
        mismatched: Sums for a completion of another prompt after this row's prompt; see
            :func:`~lit_iterative.losses.unpaired.kto_statistics`.
        reference_mismatched: ``mismatched`` under the reference policy.
        pass_rate: The share, in [0, 1], of good completions among all that were drawn for the prompt.

    Raises:
        DataError: If shapes differ, or log-probabilities are neither float32 nor float64; when read, if a field that
            the loss needs is missing.
    """

    completion: Tensor
    tokens: Tensor
    desirable: Tensor
    reference: Tensor | None = None
    mismatched: Tensor | None = None
    reference_mismatched: Tensor | None = None
    pass_rate: Tensor | None = None

    def __post_init__(self) -> None:
        _check(self, "completion")

    @property
    def ratio(self) -> Tensor:
        """``log pi(y) - log pi_ref(y)``."""
        return self.completion - given(self.reference, "reference", "reference")

    @property
    def mismatched_ratio(self) -> Tensor:
        """The ratio of the mismatched completion."""
        mismatched = given(self.mismatched, "mismatched", "mismatched")
        return mismatched - given(self.reference_mismatched, "mismatched", "reference_mismatched")


@dataclass(frozen=True)
class SequenceLogProbs:
    """Log-probabilities of completions to imitate; every tensor has shape ``(rows,)``.

    Args:
        completion: Sums of ``log p(token)`` over the completion.
        tokens: Tokens in the sums.
        reference: ``completion`` under the reference policy.

    Raises:
        DataError: If shapes differ, or log-probabilities are neither float32 nor float64; when read, if the reference
            is missing.
    """

    completion: Tensor
    tokens: Tensor
    reference: Tensor | None = None

    def __post_init__(self) -> None:
        _check(self, "completion")

    @property
    def ratio(self) -> Tensor:
        """``log pi(y) - log pi_ref(y)``."""
        return self.completion - given(self.reference, "reference", "reference")


Batch = PairLogProbs | RankedLogProbs | UnpairedLogProbs | SequenceLogProbs


def per_token(total: Tensor, tokens: Tensor) -> Tensor:
    """Return sums per token; those over no token stay as they are. With weights, a token is as many as it weighs.

    Example:
        >>> per_token(torch.tensor([-6.0, 0.0]), torch.tensor([3, 0])).tolist()
        [-2.0, 0.0]
    """
    count = tokens.to(total.dtype)
    return total / torch.where(count > 0, count, 1)


def given(values: Tensor | None, need: str, field: str) -> Tensor:
    """Return what a loss needs beyond the policy's log-probabilities, cut from the graph.

    Args:
        values: The field.
        need: What it is for, a key of ``REMEDIES``.
        field: Its name, for the message.

    Raises:
        DataError: If it is missing.
    """
    if values is None:
        raise DataError(f"The loss needs {field!r}, which the batch does not have. {REMEDIES[need]}")
    return values.detach()


def _check(batch: Any, first: str) -> None:
    """Check that all fields have the shape of the first, and that the first is precise enough."""
    expected: Tensor = getattr(batch, first)
    kind = type(batch).__name__
    for field in fields(batch):
        value: Tensor | None = getattr(batch, field.name)
        if value is not None and value.shape != expected.shape:
            raise DataError(
                f"{kind} has {first} of shape {tuple(expected.shape)} but {field.name} of shape {tuple(value.shape)}. "
                "Give one value a completion."
            )
    if expected.dtype not in (torch.float32, torch.float64):
        raise DataError(
            f"{kind} has {first} in {expected.dtype}, in which a sum of hundreds is off by one. Take log-softmax "
            "and the sum over tokens in float32."
        )
