"""Forward passes of a LightningModule inside fit that leave no trace in the training."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.utilities.model_helpers import is_overridden
from lightning.pytorch.utilities.seed import isolate_rng
from torch import Tensor, nn

from lit_iterative import _compat
from lit_iterative.errors import SetupError
from lit_iterative.generation.language import LanguageModel, language_model
from lit_iterative.modes import evaluating, of_the_batch
from lit_iterative.seeds import seed_all
from lit_iterative.sharding import whole

Weights = Mapping[str, Tensor]
DROPOUT = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)


@dataclass(frozen=True)
class Member:
    """One way to run the policy.

    Args:
        weights: Name of saved weights (``ema``, ``previous``, ``initial``); the live ones when left out.
        dropout: Whether dropout layers stay active.
        view: A transformation of the inputs before the forward pass.
        adapter: Whether an adapter on the weights, such as LoRA, is active.
        batch_statistics: Whether batch norm takes the statistics of the batch, in place of those it keeps.
    """

    weights: str | None = None
    dropout: bool = False
    view: Callable[[Any], Any] | None = None
    adapter: bool = True
    batch_statistics: bool = False


class ForwardPass:
    """Runs a module on batches: on its device, in the trainer's precision, through its strategy.

    The module's ``pseudo_label_step(batch, batch_idx)`` is called where it has one, else its own
    ``predict_step``, else its ``forward`` on the inputs of the batch (the first part of a tuple).

    Args:
        trainer: The trainer whose fit is under way.
        module: Its module.
        saved: Loads other weights of the same module by name.
    """

    def __init__(
        self,
        trainer: pl.Trainer,
        module: pl.LightningModule,
        saved: Mapping[str, Callable[[], Weights]] | None = None,
    ) -> None:
        self._trainer = trainer
        self._module = module
        self._saved = dict(saved or {})
        self._loaded: dict[str, Weights] = {}

    @contextmanager
    def quiet(self, *seed: int | str) -> Iterator[None]:
        """Evaluate without gradients; restore modes, random states and the trainer's stage afterwards.

        All ranks enter together; inside, each may run the model as often as it wants.

        Args:
            seed: Parts of the seed of whatever is drawn inside.
        """
        stage = self._trainer.state.stage
        self._trainer.predicting = True  # so that hooks which augment only in training do not
        try:
            with evaluating(self._module), isolate_rng(), torch.no_grad(), self._step(), whole(self._module):
                seed_all(*seed)
                yield
        finally:
            self._trainer.state.stage = stage
            self._loaded.clear()

    def run(self, batch: Any, index: int, members: list[Member], *seed: int | str) -> list[Any]:
        """Return what each member says of a batch as it comes from the loader.

        Args:
            batch: A batch on the CPU.
            index: Number of the batch.
            members: The ways to run the policy.
            seed: Parts of the seed; every member draws its own numbers.
        """
        batch = _compat.to_device(self._trainer, batch)
        return [self._run_member(batch, index, member, number, seed) for number, member in enumerate(members)]

    def _run_member(self, batch: Any, index: int, member: Member, number: int, seed: tuple[int | str, ...]) -> Any:
        if member.view is not None:
            batch = with_inputs(batch, member.view(inputs_of(batch)))
        if member.dropout:
            seed_all(*seed, number)
        with self._as(member):
            return self._trainer.strategy.predict_step(batch, index)

    @contextmanager
    def language(self, member: Member) -> Iterator[LanguageModel]:
        """Lend the module as a language model: with a member's weights, in the precision of training.

        Raises:
            SetupError: If the module is none, or the member is of a kind that only other models know.
        """
        if member.view is not None:
            raise SetupError("Language models know no views of their inputs. Use another actor, such as Policy().")
        model = language_model(self._module)
        with self._as(member), self._trainer.precision_plugin.forward_context():
            yield model

    @contextmanager
    def _as(self, member: Member) -> Iterator[None]:
        """Give the module a member's weights, dropout, adapter and statistics."""
        adapter = nullcontext() if member.adapter else _without_adapter(self._module)
        statistics = of_the_batch(self._module) if member.batch_statistics else nullcontext()
        with self._swapped(member.weights), self._dropout(member.dropout), adapter, statistics:
            yield

    @contextmanager
    def _step(self) -> Iterator[None]:
        """Put the module's best step where the strategy looks for one."""
        module = self._module
        step = getattr(module, "pseudo_label_step", module.predict_step)
        if step == module.predict_step and not is_overridden("predict_step", module):
            step = _forward_inputs(module)
        takes_index = len(inspect.signature(step).parameters) > 1

        def predict_step(batch: Any, index: int) -> Any:
            return step(batch, index) if takes_index else step(batch)

        module.predict_step = predict_step  # type: ignore[method-assign]
        try:
            yield
        finally:
            del module.predict_step

    @contextmanager
    def _swapped(self, name: str | None) -> Iterator[None]:
        if name is None:
            yield
            return
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        with swapped(self._module, self._loaded[name]):
            yield

    def _load(self, name: str) -> Weights:
        if name not in self._saved:
            raise SetupError(
                f"An actor asks for the {name!r} weights, but only {sorted(self._saved)} are kept. "
                "For 'ema', add the callback EMATeacher to the trainer."
            )
        return {key: value.to(self._module.device) for key, value in self._saved[name]().items()}

    @contextmanager
    def _dropout(self, active: bool) -> Iterator[None]:
        layers = [layer for layer in self._module.modules() if isinstance(layer, DROPOUT)] if active else []
        if active and not layers:
            raise SetupError(
                f"MCDropout needs dropout layers, but {type(self._module).__name__} has none that are modules, so that "
                "all its samples would be alike. Add nn.Dropout to the model, or use another actor."
            )
        for layer in layers:
            layer.training = True
        try:
            yield
        finally:
            for layer in layers:
                layer.training = False


def _without_adapter(module: nn.Module) -> AbstractContextManager[None]:
    """Return the module's own way to switch its adapter off for a while."""
    switch = getattr(module, "without_adapter", None)
    if switch is None:
        raise SetupError(
            f"An actor asks for the weights below the adapter, but {type(module).__name__} has no adapter. Give the "
            "policy a LoRA, or use Initial()."
        )
    off: AbstractContextManager[None] = switch()
    return off


def _forward_inputs(module: nn.Module) -> Callable[[Any], Any]:
    return lambda batch: module(inputs_of(batch))


def inputs_of(batch: Any) -> Any:
    """Return the inputs of a batch: the first part of a tuple or list, else the batch itself."""
    return batch[0] if isinstance(batch, list | tuple) else batch


def with_inputs(batch: Any, inputs: Any) -> Any:
    """Return the batch with other inputs."""
    if isinstance(batch, list | tuple):
        return [inputs, *batch[1:]]
    return inputs


@contextmanager
def swapped(module: nn.Module, weights: Weights) -> Iterator[None]:
    """Let a module use other weights for a while; nothing is copied.

    Args:
        module: The module, unsharded.
        weights: A tensor for every name in its state dict that is to differ, on its device.
    """
    own = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    before = {name: own[name].data for name in weights if name in own}
    try:
        for name in before:
            own[name].data = weights[name]
        yield
    finally:
        for name, data in before.items():
            own[name].data = data
