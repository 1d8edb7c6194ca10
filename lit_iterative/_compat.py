"""The only file that touches private names of other packages; ``tests/test_compat.py`` tests each."""

from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.plugins import DoublePrecision
from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy
from torch import Tensor, nn


def to_device(trainer: pl.Trainer, batch: Any) -> Any:
    """Bring a batch to the device as Lightning's own loops do: precision, hooks, transfer."""
    batch = trainer.precision_plugin.convert_input(batch)
    batch = trainer.lightning_module._on_before_batch_transfer(batch, dataloader_idx=0)
    return trainer.strategy.batch_to_device(batch, dataloader_idx=0)


def reload_train_dataloader(trainer: pl.Trainer) -> None:
    """Ask the DataModule for its train loader again, now, in the middle of fit.

    There is no public way (Lightning issue 17327); Lightning's own tuner does the same.
    """
    loop = trainer.fit_loop
    loader_before, fetcher_before = loop._combined_loader, loop._data_fetcher
    loop._combined_loader = None
    try:
        loop.setup_data()
    except BaseException:  # else the trainer's own clean-up after an error would hide it behind another
        loop._combined_loader, loop._data_fetcher = loader_before, fetcher_before
        raise
    if fetcher_before is not None:
        fetcher_before.teardown()
    loaders: list[Any] = [] if loop._combined_loader is None else loop._combined_loader.flattened
    for loader in loaders:
        for sampler in (getattr(loader, "sampler", None), getattr(loader.batch_sampler, "sampler", None)):
            set_epoch = getattr(sampler, "set_epoch", None)
            if callable(set_epoch):
                set_epoch(trainer.current_epoch)


def resume_from(trainer: pl.Trainer, path: str, taken: Callable[[], None] = lambda: None) -> None:
    """Resume the fit that is being set up from a checkpoint, unless the user named one; call ``taken`` if so.

    ``trainer.ckpt_path`` is read before any callback is called, too early for a callback that finds out
    by itself where to resume; so the restore that follows is given the path.
    """
    connector = trainer._checkpoint_connector
    restore = connector._restore_modules_and_callbacks

    def restore_from(checkpoint_path: Any = None, *args: Any, **kwargs: Any) -> None:
        del connector._restore_modules_and_callbacks
        if isinstance(trainer.precision_plugin, DoublePrecision):
            # Lightning does so only after it has restored, and would lose what float32 cannot hold.
            trainer.precision_plugin.convert_module(trainer.lightning_module)
        if not checkpoint_path:
            taken()
        restore(checkpoint_path or path, *args, **kwargs)

    connector._restore_modules_and_callbacks = restore_from  # type: ignore[method-assign]


def at_epoch_start(checkpoint: dict[str, Any]) -> None:
    """Rewrite the epoch count of a checkpoint that is saved in ``on_train_epoch_start``.

    Lightning has begun to count the epoch by then. Afterwards the checkpoint says: all epochs before are
    complete, and none has begun.
    """
    for counter in checkpoint["loops"]["fit_loop"]["epoch_progress"].values():
        counter.update(dict.fromkeys(("ready", "started", "completed"), counter["processed"]))


def begin_epoch_afresh(trainer: pl.Trainer) -> None:
    """Tell the loops, resumed from a checkpoint of :func:`at_epoch_start`, that no epoch was interrupted.

    Else they take the counters of the epoch before for those of an epoch to be completed, and skip it. And they
    do not ask the loader for an iterator again, which draws from the random state: random changes of the first
    batch, made in the dataset or in a transfer hook, would differ from those of a run that was not interrupted.
    """
    trainer.fit_loop.restarting = False
    trainer.fit_loop._resuming_from_checkpoint = False  # unknown to and not needed by older ones


def finds_unused(strategy: DDPStrategy) -> bool:
    """Tell whether DDP looks for parameters without gradients; there is no getter."""
    return bool(strategy._ddp_kwargs.get("find_unused_parameters", False))


def begin_sharded(module: Any) -> None:
    """Tell FSDP2 that a module is the root of its sharded parts; it would take the first one that is called for it.

    A forward pass of the module tells the same, but in front of the first one there is no public way.
    """
    module._get_fsdp_state()._lazy_init()


def saves_one_file(strategy: ModelParallelStrategy) -> bool:
    """Tell whether checkpoints are one file of whole weights; there is no getter."""
    return not strategy._save_distributed_checkpoint


def attention_of(model: Any) -> str:
    """Return the name of the attention that a transformers model uses; there is a public setter, but no getter."""
    return str(model.config._attn_implementation)


def has_onednn() -> bool:
    """Tell whether torch was built with oneDNN, and with the product that it uses for linear layers."""
    available: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return available and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def onednn_linear(layer: nn.Linear) -> Callable[[Tensor], Tensor]:
    """Return a linear layer's forward pass with oneDNN's product, which has no gradient.

    There is no public way to choose it in float32; torch's own compiler calls it where weights are frozen.
    """

    def forward(input: Tensor) -> Tensor:
        product: Tensor = torch.ops.mkldnn._linear_pointwise(input, layer.weight, layer.bias, "none", [], "")
        return product

    return forward


def has_flash_attention() -> bool:
    """Tell whether torch's fused attention on a CPU can be called such that it gives its log-sum-exps as well."""
    names = ("_scaled_dot_product_flash_attention_for_cpu", "_scaled_dot_product_flash_attention_for_cpu_backward")
    return all(hasattr(torch.ops.aten, name) for name in names)


def flash_attention(
    query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, causal: bool, factor: float
) -> tuple[Tensor, Tensor]:
    """Return what queries see, and the log-sum-exp of their scores, ``(rows, heads, queries)``.

    The public function that it is behind gives only the former, or has to be compiled.
    """
    attention = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    seen, total = attention(query, keys, values, 0.0, causal, attn_mask=mask, scale=factor)
    return seen, total


def flash_attention_backward(
    upstream: Tensor,
    inputs: tuple[Tensor, Tensor, Tensor],
    outputs: tuple[Tensor, Tensor],
    mask: Tensor | None,
    causal: bool,
    factor: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the derivatives by query, keys and values; outputs are those of :func:`flash_attention`."""
    backward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward
    found = backward(upstream, *inputs, *outputs, 0.0, causal, attn_mask=mask, scale=factor)
    return found[0], found[1], found[2]
