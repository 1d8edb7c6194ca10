"""Objective: the loss of every kind of batch, and what is measured of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from inspect import signature
from typing import Any

import torch
from torch import Tensor

from lit_iterative.batches import Batch, Judged, Pairs, Ranked
from lit_iterative.errors import SetupError
from lit_iterative.losses.batch import PairLogProbs, RankedLogProbs, SequenceLogProbs, UnpairedLogProbs, per_token
from lit_iterative.losses.log_probs import Scored
from lit_iterative.losses.reduction import with_nll
from lit_iterative.losses.rewards import implicit_rewards
from lit_iterative.losses.table import LOSSES, BoundLoss, Kind, find_loss
from lit_iterative.modules.rounding import tolerance


@dataclass(frozen=True)
class Objective:
    """Names the losses. The kind of a batch, which the round's builder decides, says which one is used.

    Args:
        loss: Of pairs, of rankings or of judged completions, see ``lit_iterative.losses.table``.
        arguments: Arguments of that loss, such as ``{beta: 0.1}``.
        nll: Weight of the negative log-likelihood per token of chosen completions, added to the loss of pairs
            (Pang et al., 2024, arXiv:2404.19733, eq. 1).
        supervised: Of completions to imitate.
        supervised_arguments: Arguments of that loss.

    Raises:
        SetupError: If a name or an argument is unknown or out of range, or a loss is of another kind of rows.

    Example:
        >>> Objective("simpo", {"beta": 2.0}).preference.needs_reference
        False
    """

    loss: str = "dpo"
    arguments: dict[str, Any] = field(default_factory=dict)
    nll: float = 0.0
    supervised: str = "sft"
    supervised_arguments: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # refused now, not in the first step
        _check_kind("loss", self.preference, ("pairs", "ranked", "unpaired"))
        _check_kind("supervised", self.imitation, ("supervised",))
        if not self.nll >= 0:
            raise SetupError(f"Objective(nll) is {self.nll}. Give 0 or more.")
        if self.nll and self.preference.kind != "pairs":
            raise SetupError(
                f"Objective(nll={self.nll}) is added to a loss of pairs, but {self.loss} is none. Leave nll out, or "
                "choose a loss of pairs, such as dpo."
            )

    @cached_property
    def preference(self) -> BoundLoss:
        """The loss of pairs, of rankings or of judged completions."""
        return find_loss(self.loss, self.arguments)

    @cached_property
    def imitation(self) -> BoundLoss:
        """The loss of completions to imitate."""
        return find_loss(self.supervised, self.supervised_arguments)

    @property
    def beta(self) -> float:
        """What log-ratios are multiplied by in rewards; 1 where the loss knows none."""
        declared = signature(self.preference.loss.function).parameters.get("beta")
        return float(self.arguments.get("beta", 1.0 if declared is None else declared.default))

    def losses(self, batch: Batch, scored: Scored, over_ranks: Callable[[Tensor], Tensor]) -> Tensor:
        """Return the loss of every row, ``(rows,)``.

        A loss that is a sum over tokens is divided by the tokens of its own row, so that the mean over rows does not
        depend on how they are spread over micro-batches.

        Args:
            batch: The rows.
            scored: The policy's log-probabilities.
            over_ranks: Adds a tensor up over all ranks, for losses with a baseline.
        """
        if isinstance(batch, Pairs):
            pairs = pair_log_probs(batch, scored)
            losses = self.preference(pairs)
            return with_nll(losses, pairs, self.nll) if self.nll else losses
        if isinstance(batch, Ranked):
            return self.preference(ranked_log_probs(batch, scored))
        if isinstance(batch, Judged):
            return self._of_judged(unpaired_log_probs(batch, scored), over_ranks)
        losses = self.imitation(SequenceLogProbs(scored.sums, scored.tokens, batch.columns.get("ref_logp")))
        return losses / scored.tokens.clamp(min=1) if self.imitation.loss.unit == "token" else losses

    def _of_judged(self, rows: UnpairedLogProbs, over_ranks: Callable[[Tensor], Tensor]) -> Tensor:
        if not self.preference.needs_baseline:
            return self.preference(rows)
        statistics = over_ranks(self.preference.statistics(rows).detach())
        return self.preference(rows, self.preference.baseline(statistics))

    @torch.no_grad()
    def metrics(self, batch: Batch, scored: Scored) -> dict[str, Tensor]:
        """Return what is measured of every row, ``(rows,)`` each; NaN where a row does not count."""
        if isinstance(batch, Pairs):
            return _of_pairs(pair_log_probs(batch, Scored(scored.log_probs.detach(), scored.weights)), self.beta)
        if isinstance(batch, Ranked):
            return _of_pairs(strongest_pairs(ranked_log_probs(batch, scored)), self.beta)
        rows = len(batch)  # mismatched completions stand behind them
        sums, tokens = scored.sums[:rows].detach(), scored.tokens[:rows]
        measured = {
            "logps/completion": sums,
            "logps_per_token/completion": sums / tokens.clamp(min=1),
            "tokens/completion": tokens,
        }
        if isinstance(batch, Judged) and "ref_logp" in batch.columns:
            rewards, desirable = self.beta * (sums - batch.columns["ref_logp"]), batch.columns["desirable"] > 0
            measured |= {
                "rewards/desirable": _only(rewards, desirable),
                "rewards/undesirable": _only(rewards, ~desirable),
            }
        return measured


def _check_kind(name: str, loss: BoundLoss, kinds: tuple[Kind, ...]) -> None:
    if loss.kind not in kinds:
        fitting = [known for known, line in LOSSES.items() if line.kind in kinds]
        raise SetupError(
            f"Objective({name}={loss.name!r}) is a loss of {loss.kind} rows, which is not what {name} is for. Choose "
            f"one of {', '.join(fitting)}."
        )


def pair_log_probs(batch: Batch, scored: Scored) -> PairLogProbs:
    """Return the two halves of a scored batch of pairs beside each other."""
    (chosen, rejected), (chosen_tokens, rejected_tokens) = scored.sums.chunk(2), scored.tokens.chunk(2)
    known = ("preference", "chosen_win_rate", "rejected_win_rate")
    return PairLogProbs(
        chosen,
        rejected,
        chosen_tokens,
        rejected_tokens,
        batch.columns.get("chosen_ref_logp"),
        batch.columns.get("rejected_ref_logp"),
        **{name: batch.columns[name] for name in known if name in batch.columns},
        anchor_chosen=batch.columns.get("chosen_anchor_logp"),
        anchor_rejected=batch.columns.get("rejected_anchor_logp"),
    )


def ranked_log_probs(batch: Batch, scored: Scored) -> RankedLogProbs:
    """Return a scored batch of rankings, a row for each."""
    present = batch.columns["present"]
    nowhere = torch.zeros_like(present, dtype=scored.sums.dtype)
    return RankedLogProbs(
        nowhere.masked_scatter(present, scored.sums),
        nowhere.masked_scatter(present, scored.tokens),
        batch.columns.get("ranked_ref_logps"),
        present,
        batch.columns.get("ranked_scores"),
    )


def strongest_pairs(ranked: RankedLogProbs) -> PairLogProbs:
    """Return, of every ranking, the best completion and the one of the others that the policy moved towards most.

    A margin is then the smallest of the ranking, and a pair is ordered rightly where the best is above all others.
    Without a reference it is the one that is the most likely per token.
    """
    known = ranked.reference is not None
    strength = ranked.ratio if known else per_token(ranked.completions, ranked.tokens)
    rival = 1 + strength[:, 1:].masked_fill(~ranked.present[:, 1:], -torch.inf).argmax(dim=1, keepdim=True)
    parts = (ranked.completions, ranked.tokens, ranked.reference)
    sides = [(part[:, 0], part.gather(1, rival).squeeze(1)) for part in parts if part is not None]
    return PairLogProbs(*(side for part in sides for side in part))


def unpaired_log_probs(batch: Batch, scored: Scored) -> UnpairedLogProbs:
    """Return a scored batch of judged completions with its labels; mismatched ones stand behind the others."""
    rows, columns = len(batch), batch.columns
    mismatched = {"mismatched": scored.sums[rows:], "reference_mismatched": columns.get("mismatched_ref_logp")}
    return UnpairedLogProbs(
        scored.sums[:rows],
        scored.tokens[:rows],
        columns["desirable"].bool(),
        columns.get("ref_logp"),
        **(mismatched if len(scored.sums) > rows else {}),
        **({"pass_rate": columns["pass_rate"]} if "pass_rate" in columns else {}),
    )


def _only(values: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask, values, torch.nan)


def _of_pairs(pairs: PairLogProbs, beta: float) -> dict[str, Tensor]:
    measured = {
        "logps/chosen": pairs.chosen,
        "logps/rejected": pairs.rejected,
        "logps_per_token/chosen": pairs.chosen_mean,
        "logps_per_token/rejected": pairs.rejected_mean,
        "tokens/chosen": pairs.chosen_tokens,
        "tokens/rejected": pairs.rejected_tokens,
    }
    if pairs.reference_chosen is None:
        return measured
    chosen, rejected = implicit_rewards(pairs, beta)
    ties = (chosen == rejected).to(chosen.dtype)
    return measured | {
        "rewards/chosen": chosen,
        "rewards/rejected": rejected,
        "rewards/margins": chosen - rejected,
        "rewards/accuracies": (chosen > rejected).to(chosen.dtype) + 0.5 * ties,
        "rewards/ties": ties,
        "logps/chosen_drift": pairs.chosen_ratio,
    }


def reference_error(batch: Batch, scored: Scored, kind: torch.dtype) -> float:
    """Return how far the policy's log-probabilities are from the reference's, in nats, where both are the same weights.

    Then the sigmoid loss is ln 2 and every margin 0.

    Args:
        batch: Rows with reference log-probabilities; 0 is returned without.
        scored: The policy's.
        kind: The type that the policy computes in, whose rounding is allowed for.

    Raises:
        SetupError: If it is too far.
    """
    reference = _reference(batch)
    if reference is None:
        return 0.0
    errors = (scored.sums[: len(reference)] - reference).abs()
    if not (errors <= tolerance(scored.tokens[: len(reference)], kind)).all():
        raise SetupError(
            "The policy as this round's training starts is its own reference, but their log-probabilities differ by "
            f"up to {float(errors.max()):.4g} nats in the first batch. Does a hook change the weights between the "
            "round and its first step, does a layer draw random numbers in evaluation, or does the DataModule change "
            "completions?"
        )
    return float(errors.max())


def _reference(batch: Batch) -> Tensor | None:
    """Return the reference's log-probabilities in the order of the sequences, where the batch has them."""
    if isinstance(batch, Ranked):
        padded = batch.columns.get("ranked_ref_logps")
        return None if padded is None else padded[batch.columns["present"]]
    names = ("chosen_ref_logp", "rejected_ref_logp") if isinstance(batch, Pairs) else ("ref_logp",)
    known = [batch.columns[name] for name in names if name in batch.columns]
    return torch.cat(known) if len(known) == len(names) else None
