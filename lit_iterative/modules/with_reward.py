"""PolicyWithReward: a policy and a reward model in one module, each trained on rows of its own."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lit_iterative.batches import Batch, Pairs
from lit_iterative.columns import Array
from lit_iterative.errors import DataError, SetupError
from lit_iterative.losses.preferences import preference_accuracy, reward_losses
from lit_iterative.modules.language import LanguagePolicy
from lit_iterative.modules.memory import Load
from lit_iterative.modules.reward_model import BradleyTerryReward
from lit_iterative.sequences import Tokens, pad

REWARD = "reward"


class PolicyWithReward(LanguagePolicy):
    """A policy, and a reward model that reads its tokens; rounds sample from the one and ask the other.

    Rows whose ``component`` is ``reward``, which ``Constant`` writes, train the reward model, and all others the
    policy: together, or in turn where phases make rows of one kind alone. What no row of a batch is for keeps its
    weights, bit for bit. One optimiser has both. Under DDP a step may leave one part out: give the trainer
    ``strategy="ddp_find_unused_parameters_true"``.

    Logs what :class:`LanguagePolicy` logs, and ``train_reward_loss`` and ``train_reward_accuracy``.

    Args:
        reward: The reward model, with the policy's tokens: give it the same ``alphabet``, or the same tokenizer. Its
            own optimiser is not used.
        options: Those of :class:`LanguagePolicy`.

    Raises:
        SetupError: If only a part of the policy's weights is saved, or the reward model has another tokenizer.
    """

    def __init__(self, reward: BradleyTerryReward, **options: Any) -> None:
        super().__init__(**options)
        if not self.saves_all:
            raise SetupError(
                "A policy with a reward model saves all weights. Leave save out, and give it no quantised base."
            )
        known = reward.tokenizer
        if known is not None and known.get_vocab() != self.codec.tokenizer.get_vocab():
            raise SetupError(
                "The reward model has another tokenizer than the policy, whose tokens it is to read. Give both the "
                "same alphabet or tokenizer."
            )
        self.reward = reward

    @property
    def unshardable(self) -> str | None:
        """What cannot be spread over devices: two networks."""
        return "PolicyWithReward"

    def configure_model(self) -> None:
        """Load both networks, once, where the trainer wants them.

        Raises:
            SetupError: If the reward model does not embed all of the policy's tokens.
        """
        super().configure_model()
        self.reward.configure_model()
        needed = max(self.codec.tokenizer.get_vocab().values()) + 1
        embedded = self.reward.network.get_input_embeddings().num_embeddings
        if needed > embedded:
            raise SetupError(
                f"The policy has {needed} tokens, but the reward model embeds {embedded}. Give both the same alphabet "
                "or tokenizer."
            )

    @torch.no_grad()
    def rewards_of(self, prompts: Sequence[Tokens], completions: Sequence[Tokens]) -> Array:
        """Return the reward of each completion, ``(rows,)``, float64."""
        found = []
        for start in range(0, len(prompts), self.batch_size):
            part = slice(start, start + self.batch_size)
            batch = pad(prompts[part], completions[part], self.pad_id).to(self.device)
            found.append(self.reward.score(batch).double().cpu().numpy())
        return np.concatenate([np.zeros(0), *found])

    def training_step(self, batch: Batch | Mapping[str, Any], batch_idx: int) -> Tensor:
        """Return the sum of the losses of what there are rows for."""
        mine: list[Batch] = []
        rewarded: list[Batch] = []
        for component, part in parts_of(batch):
            (rewarded if component == REWARD else mine).append(part)
        losses = [super(PolicyWithReward, self).training_step(part, batch_idx) for part in mine]
        losses += [self._reward_loss(part) for part in rewarded]
        return torch.stack(losses).sum()

    def _reward_loss(self, batch: Batch) -> Tensor:
        if not isinstance(batch, Pairs):
            raise DataError(
                f"A reward model is trained on pairs, but the batch holds {type(batch).__name__} for it. Put a builder "
                "of pairs, such as BestWorst(), before Constant(component, reward)."
            )
        with self.training_memory(Load.of([batch])):
            chosen, rejected = self.reward.rewards(batch)
        loss = (batch.weight * reward_losses(chosen, rejected, batch.columns, self.reward.margin)).mean()
        accuracy = preference_accuracy(chosen, rejected, batch.columns).mean()
        for name, value in (("loss", loss.detach()), ("accuracy", accuracy)):
            self.log(f"train_reward_{name}", value, on_step=True, on_epoch=False, batch_size=len(batch))
        return loss

    def check_reference(self, batch: Batch | Mapping[str, Any]) -> None:
        """Check the reference of the rows that train the policy; see :class:`LanguagePolicy`."""
        for component, part in parts_of(batch):
            if component != REWARD:
                super().check_reference(part)

    def export_reward(self, folder: str) -> None:
        """Write a folder that the op ``RewardModel`` reads."""
        self.reward.export(folder)


def parts_of(batch: Batch | Mapping[str, Any], component: str | None = None) -> Iterator[tuple[str | None, Batch]]:
    """Yield the batches in one that may hold several, with the component that each is for, where one is named.

    Example:
        >>> [component for component, _ in parts_of({"pseudo": {"policy": 1, "reward": 2}, "labelled": 3})]
        ['policy', 'reward', 'labelled']
    """
    if not isinstance(batch, Mapping):
        yield component, batch
        return
    for name, part in batch.items():
        yield from parts_of(part, name)
