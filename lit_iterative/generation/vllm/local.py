"""VLLM: vLLM in this process, on the device that trains."""

import atexit
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from lightning.pytorch.utilities.seed import isolate_rng
from torch import distributed

from lit_iterative.errors import OptionalDependencyError, SetupError
from lit_iterative.generation.language import Backend, Engine, Target
from lit_iterative.generation.vllm.engine import VLLMEngine
from lit_iterative.generation.vllm.service import Adapter, Drawn, Request
from lit_iterative.generation.vllm.weights import Pushed, lora_layers, save_base, written

#: Ranks of adapters that vLLM has kernels for, as its ``max_lora_rank`` lists them.
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
#: Options of ``vllm.LLM`` that follow from the policy.
OWN = ("model", "enable_lora", "max_lora_rank", "tokenizer", "skip_tokenizer_init")


@dataclass(frozen=True)
class VLLM(Backend):
    """Samples with ``vllm.LLM`` in this process, which shares the memory of the one device that trains.

    It starts at the first completion and stays. All weights are written to a folder and read again
    (``reload_weights``) when they have changed; of a policy with a LoRA, only the adapter is.

    Args:
        options: Further arguments of ``vllm.LLM``, such as ``{gpu_memory_utilization: 0.4, dtype: bfloat16}``.
            What it reserves is missing in training.
        tokenizer: Path or id of the tokenizer, for stop texts; that of the model where left out.
        folder: Where weights are written for vLLM to read, as large as the model; best in memory, such as
            ``/dev/shm/weights``. A temporary one when left out.
        log_probs: Whether completions carry the log-probabilities of their tokens, by which the gap between vLLM and
            the trainer is measured.

    Raises:
        OptionalDependencyError: If vLLM is not installed, when the first completion is asked for.
        SetupError: If an option is the policy's own, at once; if vLLM cannot be used, then.

    Example:
        >>> VLLM({"gpu_memory_utilization": 0.4}).log_probs
        True
    """

    options: dict[str, Any] = field(default_factory=dict)
    tokenizer: str | None = None
    folder: str | None = None
    log_probs: bool = True
    _state: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        own = sorted(set(self.options) & set(OWN))
        if own:
            raise SetupError(
                f"VLLM(options) names {', '.join(own)}, which follows from the policy. Leave it out; the tokenizer is "
                "an argument of its own: VLLM(tokenizer=...)."
            )

    def engine(self, target: Target) -> Engine:
        """Return an engine that samples from the target.

        Raises:
            SetupError: If there are several ranks.
        """
        if distributed.is_initialized() and distributed.get_world_size() > 1:
            raise SetupError(
                f"VLLM samples in one process, but training runs in {distributed.get_world_size()}. Train a lora and "
                "sample with a server (VLLMServer), which ranks can share, or train on one device."
            )
        if not self._state:
            folder = _temporary() if self.folder is None else self.folder
            self._state["service"] = LocalService(self.options, self.tokenizer, folder)
            self._state["pushed"] = Pushed(folder)
        return VLLMEngine(target, self._state["service"], self._state["pushed"], self.log_probs)


class LocalService:
    """A ``vllm.LLM``.

    Args:
        options: Its arguments.
        tokenizer: Path of the tokenizer, or none to take that of the model.
        folder: Where a base is written.
    """

    def __init__(self, options: dict[str, Any], tokenizer: str | None, folder: str) -> None:
        self._options = options
        self._tokenizer = tokenizer
        self._folder = folder
        self._llm: Any = None
        self._device = "cpu"
        self._reads_text = False

    def begin(self, network: Any, mark: str) -> None:
        """Start on the base of a network with an adapter: as it is now, or quantised by vLLM from the same files."""
        largest = max(max(layer.r.values()) for layer in lora_layers(network))
        rank = next((rank for rank in RANKS if rank >= largest), None)
        if rank is None:
            raise SetupError(f"vLLM knows adapters of rank {RANKS[-1]} at most, not {largest}. Lower LoRA(r).")
        lora = {"enable_lora": True, "max_lora_rank": rank}
        if not getattr(network, "is_quantized", False):
            base = written(self._folder, f"base-{mark}", lambda place: save_base(network, place))
            self._start(network, base, lora)
            return
        four_bits = any(type(weight).__name__ == "Params4bit" for weight in network.parameters())
        self._start(network, network.name_or_path, {**lora, **({"quantization": "bitsandbytes"} if four_bits else {})})

    def load(self, network: Any, folder: str) -> None:
        """Take all weights from a folder; start with them where it does not run yet.

        Raises:
            SetupError: If vLLM keeps what it computed with the weights before.
        """
        if self._llm is None:
            self._start(network, folder, {})
            return
        self._llm.collective_rpc("reload_weights", kwargs={"weights_path": folder})
        if self._llm.reset_prefix_cache() is False:
            raise SetupError(
                "vLLM could not empty its cache, which holds what the weights before had computed. Is it used by "
                "others as well? Otherwise switch it off: VLLM(options={enable_prefix_caching: false})."
            )

    def attach(self, adapter: Adapter) -> None:
        """Do nothing: every request says where its adapter is."""

    def detach(self, adapter: Adapter) -> None:
        """Do nothing: vLLM drops those that were not used for longest."""

    def draw(self, requests: Sequence[Request], adapter: Adapter | None) -> list[Drawn]:
        """Return the answer to each request.

        Raises:
            SetupError: If there are stop texts, and no tokenizer to know them by.
        """
        from vllm import SamplingParams
        from vllm.lora.request import LoRARequest

        if not self._reads_text and any("stop" in request.parameters for request in requests):
            raise SetupError(
                "vLLM finds stop texts by a tokenizer, but the policy's model comes from no path where one is. Give "
                "VLLM(tokenizer=...), or leave out Sampling(stop)."
            )
        prompts = [{"prompt_token_ids": request.prompt} for request in requests]
        wanted = [SamplingParams(**request.parameters, detokenize="stop" in request.parameters) for request in requests]
        lora = None if adapter is None else LoRARequest(adapter.name, adapter.number, adapter.folder)
        with self._undisturbed():
            outputs = self._llm.generate(prompts, wanted, use_tqdm=False, lora_request=lora)
        return [_drawn(output.outputs[0]) for output in outputs]

    def _start(self, network: Any, model: str, options: dict[str, Any]) -> None:
        """Start vLLM.

        Raises:
            OptionalDependencyError: If it is not installed.
        """
        try:
            from vllm import LLM
        except ModuleNotFoundError as error:
            raise OptionalDependencyError(
                'VLLM samples with vLLM, which is not installed. Install it: pip install "lit-iterative[vllm]". Or '
                "ask a server: VLLMServer(url=...), which needs no vLLM here."
            ) from error
        tokenizer = self._tokenizer or network.name_or_path
        self._reads_text, self._device = bool(tokenizer), network.device.type
        text = {"tokenizer": tokenizer} if tokenizer else {"skip_tokenizer_init": True}
        with self._undisturbed():
            self._llm = LLM(model=model, **{**options, **text, **self._options})

    @contextmanager
    def _undisturbed(self) -> Iterator[None]:
        """Keep vLLM from the trainer's random states, and the trainer's mixed precision from vLLM."""
        with isolate_rng(), torch.autocast(self._device, enabled=False):
            yield


def _drawn(output: Any) -> Drawn:
    """Return what vLLM's ``CompletionOutput`` says."""
    ids = [int(token) for token in output.token_ids]
    known = output.logprobs
    if known is not None:
        known = [known[place][token].logprob for place, token in enumerate(ids)]
    return Drawn(ids, str(output.finish_reason), known)


def _temporary() -> str:
    """Return a folder that goes when this process ends."""
    folder = tempfile.mkdtemp(prefix="lit-iterative-vllm-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
