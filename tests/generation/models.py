"""Small random models of many architectures, whose next tokens depend on all that stands before."""

from functools import lru_cache
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from lit_iterative.generation.language import Target
from lit_iterative.seeds import derive_seed

VOCABULARY, CONTEXT, WINDOW = 61, 96, 7
PAD, BOS, EOS = 0, 1, 2
COMMON = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": CONTEXT,
    "pad_token_id": PAD,
    "bos_token_id": BOS,
    "eos_token_id": EOS,
}
MLP = {"intermediate_size": 48}
GROUPED = {**MLP, "num_key_value_heads": 2}
SLIDING = {**GROUPED, "sliding_window": WINDOW}
GEMMA = {**SLIDING, "head_dim": 8, "query_pre_attn_scalar": 8}
#: Architectures whose attention can be replaced, by the names of their configurations.
REPLACED: dict[str, dict[str, Any]] = {
    "llama": GROUPED,
    "qwen2": {**SLIDING, "use_sliding_window": True, "max_window_layers": 1},
    "qwen3": {**GROUPED, "head_dim": 16},
    "mistral": SLIDING,
    "gemma2": {**GEMMA, "attn_logit_softcapping": 2.0, "layer_types": ["sliding_attention", "full_attention"]},
    "gemma3_text": {**GEMMA, "layer_types": ["sliding_attention", "full_attention"]},
    "gpt2": {},
    "gpt_neox": MLP,
    "phi": MLP,
    "phi3": GROUPED,
    "opt": {"ffn_dim": 48, "word_embed_proj_dim": 32},
    "olmo2": GROUPED,
    "mixtral": {**GROUPED, "num_local_experts": 4},
    "starcoder2": SLIDING,
    "cohere": GROUPED,
    "granite": MLP,
}


def built(name: str, **options: Any) -> Any:
    """Return a model in evaluation mode, the same at every call."""
    config = AutoConfig.for_model(name, **{**COMMON, **options})
    model = AutoModelForCausalLM.from_config(config).eval()
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, 0.15, generator=draw)
    return model


def model(name: str = "llama", dtype: torch.dtype = torch.float32) -> Any:
    """Return a model whose attention can be replaced."""
    return built(name, **REPLACED[name]).to(dtype)


@lru_cache(maxsize=1)
def exact() -> Any:
    """Return a GPT-2 whose every number is float64; not to be changed."""
    return model("gpt2", torch.float64)


def prompts(lengths: list[int], seed: int = 0) -> list[list[int]]:
    """Return prompts of these lengths, all different where they can be."""
    draw = torch.Generator().manual_seed(seed)
    return [torch.randint(3, VOCABULARY, (length,), generator=draw).tolist() for length in lengths]


def text_of(ids: Any) -> str:
    """Return a letter for every token."""
    return "".join(chr(ord("A") + number) for number in ids)


def target(
    network: Any, batch_size: int = 64, stop_ids: tuple[int, ...] = (EOS, 9, 30), context: int = CONTEXT
) -> Target:
    """Return what to sample from."""
    return Target(network, PAD, stop_ids, context, batch_size, text_of)


#: Prompts of all lengths, and how many branches each has.
LENGTHS = [7, 1, 30, 2, 1, 18, 3, 55, 9]
BRANCHES = [1, 16, 3, 2, 1, 8, 4, 5, 7]


def asked(
    lengths: list[int] = LENGTHS, branches: list[int] = BRANCHES, seed: int = 0
) -> tuple[list[list[int]], list[int]]:
    """Return prompts, each as often as it has branches, and the seeds of all."""
    given = [prompt for prompt, n in zip(prompts(lengths, seed), branches, strict=True) for _ in range(n)]
    return given, [derive_seed("branch", seed, number) for number in range(len(given))]


class Failing:
    """Lets a network fail when a function of the rows and of the number of the pass says so.

    Args:
        network: The network.
        when: The function.
        error: What it fails with.
    """

    def __init__(self, network: Any, when: Any, error: BaseException | None = None) -> None:
        self._network, self._when = network, when
        self._error = error or torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        self.rows: list[int] = []
        self.failed = 0

    def __enter__(self) -> "Failing":
        self._handle = self._network.register_forward_pre_hook(self._fail, with_kwargs=True)
        return self

    def __exit__(self, *_: Any) -> None:
        self._handle.remove()

    def _fail(self, _: Any, arguments: Any, options: dict[str, Any]) -> None:
        self.rows.append(len(options["input_ids"]))
        if self._when(len(options["input_ids"]), len(self.rows)):
            self.failed += 1
            raise self._error
