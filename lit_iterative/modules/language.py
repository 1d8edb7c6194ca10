"""LanguagePolicy: a LightningModule that wraps a causal language model from transformers.

It knows nothing of rounds. It reads and writes text (``encode``, ``decode``, ``generate``, ``log_probs``), which is
all that the ops of a round ask of it, and it trains on batches of pairs, of completions and of judged completions.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from lit_iterative.batches import Batch
from lit_iterative.errors import DataError, SetupError
from lit_iterative.generation.in_process import InProcess
from lit_iterative.generation.language import Backend, TokenScores
from lit_iterative.generation.prompt import Prompt
from lit_iterative.losses.log_probs import Scored, score
from lit_iterative.losses.reduction import weighted_mean
from lit_iterative.modes import evaluating
from lit_iterative.modules import adapters
from lit_iterative.modules.backbone import Backbone, LoRA
from lit_iterative.modules.compiling import compiled
from lit_iterative.modules.folders import whole_folder
from lit_iterative.modules.held_out import HeldOut
from lit_iterative.modules.memory import Load, Saving, advised, scoring_advice
from lit_iterative.modules.objective import Objective, reference_error
from lit_iterative.modules.rounding import arithmetic
from lit_iterative.modules.sampling import SamplingModule
from lit_iterative.modules.sharding import decoder_layers, obstacle
from lit_iterative.modules.step_metrics import StepMetrics
from lit_iterative.modules.text import Chat, TextCodec
from lit_iterative.modules.trained import PROOF, check_restorable, check_restored, fingerprint, trained_part
from lit_iterative.sequences import Sequences, Tokens, pad
from lit_iterative.sharding import shard, units_of, whole, whole_state


class LanguagePolicy(SamplingModule):
    """Trains a causal LM on what rounds make, and lets them sample from it.

    Logs ``train_loss``, and on log steps what :class:`Objective` measures; in validation what :class:`HeldOut` does.

    Args:
        backbone: The network and its tokenizer.
        objective: The loss of every kind of batch.
        lora: An adapter to train in place of all weights.
        held_out: How held-out prompts are answered and judged.
        chat: Whether prompts go through the chat template, see :class:`~lit_iterative.modules.text.TextCodec`.
        save: Whether checkpoints hold ``all`` weights or only those that are ``trained``; only these by default where
            the base is quantised, else all.
        batch_size: Rows in one forward pass when sampling and scoring.
        sampler: What samples; in this process when left out.
        gradient_checkpointing: Whether to compute activations again in the backward pass rather than keep them.
        compiler: Backend of ``torch.compile``, such as ``inductor``, for training and scoring; none when left out.
        optimizer: Makes the optimiser from the parameters that are trained.
        lr_scheduler: Makes the learning-rate schedule from the optimiser; none when left out.
        lr_interval: Whether the schedule steps every ``epoch`` or every ``step``.

    Raises:
        SetupError: If options contradict each other, or the tokenizer is not the model's.
    """

    def __init__(  # noqa: PLR0913  # flat, so that YAML is
        self,
        backbone: Backbone,
        objective: Objective = Objective(),  # noqa: B008  # frozen
        lora: LoRA | None = None,
        held_out: HeldOut = HeldOut(),  # noqa: B008  # frozen
        chat: Chat = "auto",
        save: Literal["all", "trained"] | None = None,
        batch_size: int = 64,
        sampler: Backend = InProcess(),  # noqa: B008  # frozen
        gradient_checkpointing: bool = False,
        compiler: str | None = None,
        optimizer: OptimizerCallable = torch.optim.AdamW,
        lr_scheduler: LRSchedulerCallable | None = None,
        lr_interval: Literal["epoch", "step"] = "epoch",
    ) -> None:
        saving = Saving(gradient_checkpointing, lora is not None, backbone.quantised)
        super().__init__(optimizer, lr_scheduler, lr_interval, saving)
        if backbone.quantised and (lora is None or save == "all"):
            raise SetupError(
                "A quantised policy trains an adapter, and only that can be saved. Give it a lora, and leave save "
                "out or set it to 'trained'."
            )
        self.backbone = backbone
        self.objective = objective
        self.lora = lora
        self.held_out = held_out
        self.codec = TextCodec(backbone.tokenizer(), chat)
        self.saves_all = save == "all" or (save is None and not backbone.quantised)
        self.batch_size = batch_size
        self.sampler = sampler
        self.compiler = compiler
        self.network: Any = None
        self._metrics = StepMetrics()
        self._held_out_metrics = held_out.metrics()
        self._held_out_modules = torch.nn.ModuleList(self._held_out_metrics.values())  # so that they follow the device

    def configure_model(self) -> None:
        """Load the network, once, where the trainer wants it, and spread it over devices if it is to be."""
        if self.network is None:
            self._load_network()
        if self.device_mesh is not None and not units_of(self):
            shard(self, decoder_layers(self.network), self.device_mesh["data_parallel"])

    def _load_network(self) -> None:
        network = self.backbone.network()
        self.codec.check_model(network)
        network = compiled(adapters.prepared(network, self.lora, self._saving), self.compiler)
        self.network = network.train()  # transformers loads in evaluation mode, which Lightning would keep
        if not self.saves_all:
            self.register_buffer(PROOF, fingerprint(self.network))

    # ---- what ops ask ---------------------------------------------------------------------------------

    def encode(self, prompt: Prompt) -> list[int]:
        """Return the tokens of a prompt, with exactly one BOS where the tokenizer has one."""
        return self.codec.encode(prompt)

    def encode_example(self, prompt: Prompt, completion: str) -> tuple[list[int], list[int]]:
        """Return the tokens of a prompt and of a given completion, EOS at the end.

        Raises:
            DataError: If they are longer than the model's context.
        """
        before, after = self.codec.encode_example(prompt, completion)
        if len(before) + len(after) > self.context:
            raise DataError(
                f"An example has {len(before)} + {len(after)} tokens of prompt and completion, but the model's context "
                f"is {self.context}: {str(prompt)[:60]!r}. Drop or shorten it, or take a model with a longer context."
            )
        return before, after

    @torch.no_grad()
    def log_probs(
        self, prompts: Sequence[Tokens], completions: Sequence[Tokens], details: bool = False
    ) -> list[TokenScores]:
        """Return how likely each completion is, at temperature 1, in the numerics of the training forward."""
        scores: list[TokenScores] = []
        for start in range(0, len(prompts), self.batch_size):
            part = slice(start, start + self.batch_size)
            batch = pad(prompts[part], completions[part], self.pad_id)
            with advised("scoring", partial(scoring_advice, Load(*batch.input_ids.shape))):
                scored: Scored = self(batch.to(self.device), details)
            dense = [value for value in (scored.log_probs, scored.entropy, scored.uniform) if value is not None]
            parts = [value.cpu().numpy() for value in dense]
            for row, mask in enumerate(scored.weights.bool().cpu().numpy()):
                scores.append(TokenScores(*(value[row][mask] for value in parts)))
        return scores

    @contextmanager
    def without_adapter(self) -> Iterator[None]:
        """Switch the adapter off for a while."""
        with adapters.checked(self.network, "Base()").disable_adapter():
            yield

    # ---- what weight policies ask ---------------------------------------------------------------------

    def check_adapter(self, merge: bool) -> None:
        """Check that there is an adapter, and that it can be merged where it is to be.

        Raises:
            SetupError: If not.
        """
        network = adapters.checked(self.network, "MergeAdapter()" if merge else "NewAdapter()")
        if merge:
            adapters.check_mergeable(network, self.backbone.quantised, self.saves_all)

    def merge_adapter(self) -> None:
        """Add the adapter to the base, and begin a new one in its place.

        Raises:
            SetupError: If that cannot be.
        """
        self.check_adapter(merge=True)
        adapters.merge(self.network)

    def new_adapter(self) -> None:
        """Begin a new adapter on the same base.

        Raises:
            SetupError: If there is none.
        """
        self.check_adapter(merge=False)
        adapters.renew(self.network)

    # ---- training -------------------------------------------------------------------------------------

    @property
    def unshardable(self) -> str | None:
        """What it is whose weights cannot be spread over devices; none where they can."""
        return obstacle(self)

    def forward(self, batch: Sequences, details: bool = False) -> Scored:
        """Score completions, see :func:`~lit_iterative.losses.log_probs.score`; sharded weights are gathered for it."""
        return score(self.network, batch, details)

    def on_train_start(self) -> None:
        """Let it be tried once how a sharded network can be called, in passes that no other process waits for."""
        if units_of(self):
            with self._quiet():
                self(pad([[0]], [[0]], pad_id=0).to(self.device))

    def training_step(self, batch: Batch | Mapping[str, Batch], batch_idx: int) -> Tensor:
        """Return the loss: the mean over rows of each one's loss, times its weight; of several batches, their sum."""
        parts = list(batch.values()) if isinstance(batch, Mapping) else [batch]
        with self.training_memory(Load.of(parts)):
            loss = torch.stack([self._loss(part) for part in parts]).sum()
        self.log("train_loss", loss.detach(), on_step=True, on_epoch=False, batch_size=1)
        return loss

    def _loss(self, batch: Batch) -> Tensor:
        scored: Scored = self(batch.sequences)
        losses = self.objective.losses(batch, scored, self._summed_over_ranks)
        every: int = self.trainer.log_every_n_steps  # type: ignore[attr-defined]  # 0: never
        if every and (self.global_step + 1) % every == 0:
            self._metrics.add(self.objective.metrics(batch, scored))
        return weighted_mean(losses, batch.weight, total=batch.total)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Log what was measured of the step, in its last micro-batch."""
        self._metrics.log(self)

    def _summed_over_ranks(self, values: Tensor) -> Tensor:
        summed: Tensor = self.trainer.strategy.reduce(values, reduce_op="sum")
        return summed

    def check_reference(self, batch: Batch) -> None:
        """Check that a reference that is the policy itself gives the log-probabilities that the policy gives.

        Raises:
            SetupError: If one differs.
        """
        with self._quiet(), self.training_memory(Load.of([batch])):
            kind = arithmetic(self.network, str(self.trainer.precision))
            reference_error(batch, self(batch.sequences), kind)

    @contextmanager
    def _quiet(self) -> Iterator[None]:
        """Compute as in training, but without gradients, and with no other process."""
        precision = self.trainer.precision_plugin.forward_context()
        with evaluating(self.network), torch.no_grad(), precision, whole(self):
            yield

    # ---- evaluation -----------------------------------------------------------------------------------

    def validation_step(self, batch: Sequence[Mapping[str, Any]], batch_idx: int) -> None:
        """Answer held-out prompts and judge the answers."""
        self._evaluate(batch, batch_idx, "val")

    def test_step(self, batch: Sequence[Mapping[str, Any]], batch_idx: int) -> None:
        """Answer held-out prompts and judge the answers."""
        self._evaluate(batch, batch_idx, "test")

    def _evaluate(self, batch: Sequence[Mapping[str, Any]], batch_idx: int, stage: str) -> None:
        with whole(self):
            measured = self.held_out.answer(self, batch)
        for name, values in measured.items():
            metric = self._held_out_metrics[name]
            metric.update(values)
            self.log(f"{stage}_{name}", metric, prog_bar=name == "accuracy", batch_size=len(batch))

    # ---- saving ---------------------------------------------------------------------------------------

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        """Return all weights, or what is trained and a proof of the rest."""
        state: dict[str, Any] = super().state_dict(*args, **kwargs)
        return state if self.saves_all else trained_part(self, state)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Restore the weights; where only the trained ones were saved, prove that they belong here and arrived.

        Raises:
            SetupError: If the base is another one, or a trained parameter is missing or was not restored.
        """
        if self.saves_all:
            return super().load_state_dict(state_dict, strict, assign)
        check_restorable(self, state_dict)
        result = super().load_state_dict(state_dict, strict=False, assign=assign)
        check_restored(self, state_dict)
        return result

    def export(self, folder: str) -> None:
        """Write a folder that transformers loads: the model with its adapter merged, and the tokenizer.

        Of a quantised base, into which nothing can be merged, the adapter alone is written, which PEFT loads. An older
        export is replaced once the new one is whole. Of a sharded policy all processes call this, and the first writes.

        Args:
            folder: A local path.

        Raises:
            SetupError: If there is something else in that place.
        """
        self.configure_model()
        weights = whole_state(self.network) if units_of(self.network) else None
        if weights == {}:
            return
        with whole_folder(folder) as place:
            adapters.exportable(self.network, self.backbone.quantised).save_pretrained(place, state_dict=weights)
            self.codec.tokenizer.save_pretrained(place)
