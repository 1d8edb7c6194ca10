"""Sequence classifiers as reward models: loading one, and what it says of prompts with completions."""

import os
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from lit_iterative.columns import Array
from lit_iterative.errors import DataError, SetupError
from lit_iterative.sequences import Sequences, Tokens, pad


class SequenceClassifier:
    """A network that reads sequences and gives each label a logit, with its tokenizer where it has one.

    Args:
        network: A transformers sequence classifier.
        tokenizer: Its tokenizer, or none.
    """

    def __init__(self, network: Any, tokenizer: Any = None) -> None:
        self.network = network
        self.tokenizer = tokenizer

    @property
    def labels(self) -> dict[int, str]:
        """Names of the labels."""
        return {int(number): str(name) for number, name in self.network.config.id2label.items()}

    @property
    def context(self) -> int:
        """Tokens that it reads at most."""
        known = [getattr(self.network.config, "max_position_embeddings", None)]
        known += [getattr(self.tokenizer, "model_max_length", None)]
        return min(2**31, *(int(length) for length in known if length is not None))

    def encode(self, prompt: str, completion: str) -> list[int]:
        """Return the tokens of a prompt with its completion: two turns where there is a chat template, else one text.

        Raises:
            SetupError: If there is no tokenizer.
        """
        if self.tokenizer is None:
            raise SetupError(
                "The reward model has no tokenizer, so that it cannot read texts. Save one beside it "
                "(tokenizer.save_pretrained(folder)), or set reading: ids if it knows the policy's tokens."
            )
        if not self.tokenizer.chat_template:
            ids: list[int] = self.tokenizer(prompt + completion)["input_ids"]
            return ids
        turns = [{"role": "user", "content": prompt}, {"role": "assistant", "content": completion}]
        text = self.tokenizer.apply_chat_template(turns, tokenize=False)
        ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    @torch.no_grad()
    def logits(self, rows: Sequence[Tokens]) -> Array:
        """Return the logits of sequences, ``(rows, labels)``, float32.

        Raises:
            DataError: If a token is none that the network embeds.
        """
        known = self.network.get_input_embeddings().num_embeddings
        largest = max((max(row, default=0) for row in rows), default=0)
        if largest >= known:
            raise DataError(
                f"A completion has the token {largest}, but the reward model embeds {known}: its tokenizer is not the "
                "policy's. Set reading: text."
            )
        batch = pad(rows, [[]] * len(rows), pad_id(self.network)).to(self.network.device)
        values: Array = logits(self.network, batch).cpu().numpy()
        return values


def logits(network: Any, batch: Sequences) -> Tensor:
    """Return the logits of each sequence, ``(rows, labels)``, float32.

    A decoder is read at the last token that is no padding. The attention mask says which that is: transformers itself
    looks for the last token that differs from the padding token, which is another one where EOS pads.

    Args:
        network: A transformers sequence classifier.
        batch: Prompts and completions, padded on the right, on its device.
    """
    if not _is_decoder(network):
        read: Tensor = network(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
        return read.float()
    hidden = network.base_model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).last_hidden_state
    last = batch.attention_mask.sum(dim=1) - 1
    read = network.score(hidden[torch.arange(len(batch), device=hidden.device), last])
    return read.float()


def pad_id(network: Any) -> int:
    """Return what the network's batches are padded with; any token will do for a decoder.

    Raises:
        SetupError: If another network knows no padding token.
    """
    known: int | None = getattr(network.config, "pad_token_id", None)
    if known is None and not _is_decoder(network):
        raise SetupError(
            f"{type(network).__name__} has no padding token. Set pad_token_id in its config.json to its tokenizer's."
        )
    return 0 if known is None else known


def _is_decoder(network: Any) -> bool:
    """Tell whether a linear layer reads the last token, as in transformers' decoders with such a head."""
    return hasattr(network, "score")


def load(path: str, revision: str | None = None, dtype: str = "auto") -> SequenceClassifier:
    """Return the classifier in a folder or of the hub, to be read and not trained.

    Raises:
        SetupError: If its head is not there, so that its scores would be noise.
    """
    from transformers import AutoModelForSequenceClassification

    network, found = AutoModelForSequenceClassification.from_pretrained(
        path, revision=revision, dtype=dtype, output_loading_info=True
    )
    if found["missing_keys"]:
        raise SetupError(
            f"{path} is no trained classifier: it lacks {sorted(found['missing_keys'])[:3]}. Name a reward model, or "
            "train one from it with BradleyTerryReward and export that."
        )
    return SequenceClassifier(network.eval().requires_grad_(False), load_tokenizer(path, revision))


def load_tokenizer(path: str, revision: str | None = None) -> Any:
    """Return the tokenizer of a folder or of the hub, or none where a folder holds none."""
    from transformers import AutoTokenizer

    if os.path.isdir(path) and not any(name.startswith(("tokenizer", "vocab", "spiece")) for name in os.listdir(path)):
        return None
    return AutoTokenizer.from_pretrained(path, revision=revision)
