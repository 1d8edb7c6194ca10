"""Backbones: where the network of a policy and its tokenizer come from."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

import torch

from lit_iterative.errors import SetupError
from lit_iterative.modules.alphabet import BOS, EOS, PAD, character_tokenizer


class Backbone(ABC):
    """Makes a tokenizer, and a causal LM that reads its tokens. Subclass it as a frozen dataclass."""

    @abstractmethod
    def tokenizer(self) -> Any:
        """Return the tokenizer; cheap."""

    @abstractmethod
    def network(self) -> Any:
        """Return the causal LM, with its weights."""

    @property
    def quantised(self) -> bool:
        """Whether the weights are held in few bits, so that only an adapter can be trained."""
        return False


@dataclass(frozen=True)
class Pretrained(Backbone):
    """A model of the Hugging Face hub, or a folder that ``save_pretrained`` wrote.

    Args:
        path: Id on the hub, or path.
        revision: Branch, tag or commit on the hub.
        dtype: Type of the weights, such as ``float32`` or ``bfloat16``; that of the files when ``auto``. Mixed
            precision is the trainer's (``precision: bf16-mixed``) and wants ``float32``.
        quantisation: Arguments of transformers' ``BitsAndBytesConfig``, such as ``{load_in_4bit: true,
            bnb_4bit_quant_type: nf4}``; needs a LoRA to train.
        attention: Attention kernel, such as ``sdpa`` or ``eager``.

    Example:
        >>> Pretrained("my/model", quantisation={"load_in_4bit": True}).quantised
        True
    """

    path: str
    revision: str | None = None
    dtype: str = "float32"
    quantisation: dict[str, Any] = field(default_factory=dict)
    attention: str | None = None

    @property
    def quantised(self) -> bool:
        """Whether the weights are held in few bits."""
        return bool(self.quantisation)

    def tokenizer(self) -> Any:
        """Return the tokenizer beside the model."""
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(self.path, revision=self.revision)

    def network(self) -> Any:
        """Return the model.

        Raises:
            SetupError: If quantisation is asked for and bitsandbytes is not installed, the files are quantised and
                nothing says so, or four-bit weights are kept as floating-point numbers.
        """
        from transformers import AutoModelForCausalLM

        options: dict[str, Any] = {"revision": self.revision, "dtype": self.dtype}
        if self.attention is not None:
            options["attn_implementation"] = self.attention
        if self.quantisation:
            options["quantization_config"] = self._quantisation()
        network = AutoModelForCausalLM.from_pretrained(self.path, **options)
        self._prepare_quantised(network)
        return network

    def _prepare_quantised(self, network: Any) -> None:
        if getattr(network, "is_quantized", False) and not self.quantisation:
            raise SetupError(
                f"The weights in {self.path} are quantised, so that only an adapter can be trained. Give the settings "
                "they were saved with, quantisation={load_in_4bit: true, ...}, and a lora."
            )
        for weight in network.parameters():
            if type(weight).__name__ == "Params4bit" and weight.is_floating_point():
                raise SetupError(
                    f"Four-bit weights are kept as {weight.dtype}, which a trainer of another precision would take for "
                    "numbers and convert. Leave bnb_4bit_quant_storage at uint8."
                )
        for layer in network.modules():
            # On some CPUs the first pass in evaluation mode would round the scales for a kernel without gradients.
            if hasattr(layer, "support_avx512bf16_for_cpu"):
                layer.support_avx512bf16_for_cpu = False

    def _quantisation(self) -> Any:
        try:
            import bitsandbytes  # noqa: F401
        except ModuleNotFoundError as error:
            raise SetupError(
                'Quantised weights need bitsandbytes. Install it: pip install "lit-iterative[quantisation]".'
            ) from error
        from transformers import BitsAndBytesConfig

        return BitsAndBytesConfig(**self.quantisation)


@dataclass(frozen=True)
class Fresh(Backbone):
    """A small model made on the spot, one token a character; its weights are drawn from a seed.

    Args:
        alphabet: The characters that it reads and writes.
        config: Arguments of the transformers configuration, such as ``{model_type: llama, hidden_size: 96, ...}``;
            ``vocab_size`` and the special tokens follow from the alphabet.
        seed: Seed of the weights.

    Example:
        >>> config = {"model_type": "llama", "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1,
        ...           "num_attention_heads": 2, "max_position_embeddings": 32}
        >>> Fresh("01+=", config).network().config.vocab_size
        8
    """

    alphabet: str
    config: dict[str, Any]
    seed: int = 0

    def tokenizer(self) -> Any:
        """Return the tokenizer of the alphabet."""
        return character_tokenizer(self.alphabet)

    def network(self) -> Any:
        """Return the model.

        Raises:
            SetupError: If the configuration names no kind of model.
        """
        from transformers import AutoConfig, AutoModelForCausalLM

        if "model_type" not in self.config:
            raise SetupError("Fresh(config) names no kind of model. Give model_type, for example llama or gpt2.")
        tokenizer = self.tokenizer()
        special = {f"{name}_token_id": tokenizer.convert_tokens_to_ids(token) for name, token in SPECIAL.items()}
        config = AutoConfig.for_model(**{**self.config, **special, "vocab_size": len(tokenizer)})
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            return AutoModelForCausalLM.from_config(config)


SPECIAL = {"pad": PAD, "bos": BOS, "eos": EOS}


@dataclass(frozen=True)
class LoRA:
    """A low-rank adapter: the base stays as it is and ``B A`` is trained beside it (Hu et al., 2022, arXiv:2106.09685).

    Args:
        r: Rank.
        alpha: ``B A`` counts ``alpha / r``.
        dropout: Of the adapter's inputs, in training.
        targets: Names of the layers that get one, or ``all-linear``.

    Example:
        >>> LoRA(r=4).config().lora_alpha
        32
    """

    r: int = 16
    alpha: int = 32
    dropout: float = 0.0
    targets: str | list[str] = "all-linear"

    def config(self) -> Any:
        """Return what PEFT calls the configuration."""
        from peft import LoraConfig

        return LoraConfig(
            r=self.r,
            lora_alpha=self.alpha,
            lora_dropout=self.dropout,
            target_modules=self.targets,
            bias="none",
            task_type="CAUSAL_LM",
        )
