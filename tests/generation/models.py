"""Small random models of many architectures, whose next tokens depend on all that stands before."""

from functools import lru_cache
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from lit_iterative.generation.language import Target

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
