"""Embeddings: texts as unit vectors, from an encoder of transformers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from lit_iterative.columns import Array


@dataclass(frozen=True)
class TextEncoder:
    """A network that turns texts into vectors, with its tokenizer.

    Args:
        network: A transformers model without a head.
        tokenizer: Its tokenizer.
    """

    network: Any
    tokenizer: Any

    @torch.no_grad()
    def embed(self, texts: Sequence[str], batch_size: int) -> Array:
        """Return the mean of the last hidden states over the tokens of every text, of length 1: ``(texts, width)``.

        Texts are cut to what the network reads. One without a token is all zeros.

        Source: Reimers and Gurevych, 2019 (Sentence-BERT), arXiv:1908.10084, section 3, mean pooling.
        """
        parts = [self._embed(texts[start : start + batch_size]) for start in range(0, len(texts), batch_size)]
        return np.concatenate(parts)

    def _embed(self, texts: Sequence[str]) -> Array:
        longest = getattr(self.network.config, "max_position_embeddings", None)
        batch = self.tokenizer(
            list(texts), padding=True, truncation=longest is not None, max_length=longest, return_tensors="pt"
        )
        ids, mask = (batch[name].to(self.network.device) for name in ("input_ids", "attention_mask"))
        hidden = self.network(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        summed: Array = (hidden * mask[:, :, None]).sum(dim=1).double().cpu().numpy()
        length = np.linalg.norm(summed, axis=1, keepdims=True)
        return summed / np.where(length > 0, length, 1)


def load_encoder(path: str, revision: str | None = None) -> TextEncoder:
    """Return the encoder in a folder or of the hub, to be read and not trained."""
    from transformers import AutoModel, AutoTokenizer

    network = AutoModel.from_pretrained(path, revision=revision).eval().requires_grad_(False)
    return TextEncoder(network, AutoTokenizer.from_pretrained(path, revision=revision))
