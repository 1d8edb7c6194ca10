"""Tiny sequence classifiers, made on the spot."""

from typing import Any

import torch

LLAMA = {
    "model_type": "llama",
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 32,
    "vocab_size": 20,
}
BERT = {**LLAMA, "model_type": "bert", "pad_token_id": 0}
GPT2 = {
    "model_type": "gpt2",
    "n_embd": 16,
    "n_layer": 2,
    "n_head": 2,
    "n_positions": 32,
    "vocab_size": 20,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
ALL = [LLAMA, BERT, GPT2]


def network(config: dict[str, Any] = LLAMA, labels: int = 1) -> Any:
    """Return a classifier in evaluation mode, the same at every call, whose scores are far apart."""
    from transformers import AutoConfig, AutoModelForSequenceClassification

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = AutoModelForSequenceClassification.from_config(AutoConfig.for_model(**config, num_labels=labels))
        for parameter in made.parameters():
            parameter.data += 0.3 * torch.randn_like(parameter)
    return made.eval()


def saved(folder: Any, config: dict[str, Any] = LLAMA, labels: int = 1, tokenizer: Any = None) -> str:
    """Write a classifier, and a tokenizer beside it where one is given; return the folder."""
    network(config, labels).save_pretrained(str(folder))
    if tokenizer is not None:
        tokenizer.save_pretrained(str(folder))
    return str(folder)
