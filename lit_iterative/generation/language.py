"""What ops may ask of a language model, and what an engine that samples from one must offer."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from lit_iterative.columns import Array
from lit_iterative.errors import PipelineError, SetupError
from lit_iterative.generation.prompt import Prompt
from lit_iterative.sequences import Tokens

Finish = Literal["stop", "length"]


@dataclass(frozen=True)
class Sampling:
    r"""How completions are drawn.

    Args:
        max_new_tokens: Tokens at most, EOS included.
        temperature: Divides the logits; 0 takes the most likely token.
        top_p: Draws from the fewest most likely tokens whose probability reaches this share.
        top_k: Draws from so many most likely tokens; from all when 0.
        min_p: Draws from tokens at least so likely as this share of the most likely one's probability (Nguyen et al.,
            2024, arXiv:2407.01082, section 3); from all when 0.
        stop: Texts that end a completion, such as ``["Question:"]``; the tokens that complete one are kept.
        details: Whether completions come with the :class:`TokenScores` of the distributions before temperature and
            truncation.
        alternatives: So many of the most likely tokens at each position are told with them.

    Raises:
        PipelineError: If a number makes no sense.
    """

    max_new_tokens: int = 256
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    stop: list[str] = field(default_factory=list)
    details: bool = False
    alternatives: int = 0

    def __post_init__(self) -> None:
        temperature = self.temperature == 0 or 1e-6 <= self.temperature < math.inf  # below, logits overflow
        truncation = 0 < self.top_p <= 1 and self.top_k >= 0 and 0 <= self.min_p <= 1
        if self.alternatives < 0 or (self.alternatives and not self.details):
            raise PipelineError(
                f"Sampling(alternatives) is {self.alternatives}. Give 0 or more, and set details where it is above 0."
            )
        if self.max_new_tokens < 1 or not temperature or not truncation or "" in self.stop:
            raise PipelineError(
                f"{self} makes no sense. Give max_new_tokens of at least 1, a temperature of 0 (the most likely "
                "token) or at least 1e-6, top_p above 0 and at most 1, top_k of 0 (all tokens) or more, min_p from 0 "
                "to 1, and stop texts of at least one character."
            )


@dataclass(frozen=True)
class TokenMixture:
    """How two distributions of the next token, of a first and a second context, are one.

    Args:
        shares: The first one's share in every row, ``(rows,)``.
        kind: ``arithmetic``, ``a p + (1 - a) q``, for shares from 0 to 1; or ``geometric``, ``p^a q^(1 - a)``,
            normalised, where a share above 1 leads away from the second and one below 0 away from the first.

    Raises:
        PipelineError: If a share makes no sense.
    """

    shares: Sequence[float]
    kind: Literal["arithmetic", "geometric"] = "arithmetic"

    def __post_init__(self) -> None:
        wrong = [share for share in self.shares if not math.isfinite(share)]
        if self.kind == "arithmetic":
            wrong += [share for share in self.shares if not 0 <= share <= 1]
        if wrong:
            raise PipelineError(f"A share of a mixture is {wrong[0]}. Give one from 0 to 1, or kind: geometric.")


@dataclass(frozen=True)
class TokenScores:
    """How likely a completion is, token by token, at temperature 1.

    Args:
        log_probs: Float32, ``(tokens,)``.
        entropy: Entropy in nats of the distribution of each token, ``(tokens,)``; only on request.
        uniform: Its KL divergence from the uniform distribution, ``(tokens,)``; only on request.
        alternatives: The most likely tokens, most likely first, ``(tokens, alternatives)``; only on request.
        alternative_log_probs: Their log-probabilities, of the same shape.
    """

    log_probs: Array
    entropy: Array = field(default_factory=lambda: np.zeros(0, dtype=np.float32))
    uniform: Array = field(default_factory=lambda: np.zeros(0, dtype=np.float32))
    alternatives: Array = field(default_factory=lambda: np.zeros((0, 0), dtype=np.int64))
    alternative_log_probs: Array = field(default_factory=lambda: np.zeros((0, 0), dtype=np.float32))

    @property
    def sum(self) -> float:
        """Log-probability of the completion, summed in float64."""
        return float(self.log_probs.sum(dtype=np.float64))


@dataclass(frozen=True)
class Completion:
    """What follows a prompt.

    Args:
        ids: Token ids, with the EOS where there is one.
        finish: ``stop`` where it ends with EOS or a stop text, ``length`` where it was cut; a cut one is never given
            an EOS.
        scores: How likely its tokens are, where the engine tells it.
    """

    ids: list[int]
    finish: Finish
    scores: TokenScores | None = field(default=None, compare=False)


class Engine(Protocol):
    """Samples completions. Token ids go in, token ids and the reason of the end come out."""

    def generate(self, prompts: Sequence[Tokens], seeds: Sequence[int], sampling: Sampling) -> list[Completion]:
        """Return one completion a prompt.

        Args:
            prompts: Token ids; the same prompt may come several times.
            seeds: For each, the seed of its draws. Equal prompts with equal seeds give equal completions.
            sampling: How to draw.
        """


@dataclass(frozen=True)
class Target:
    """What an engine samples from.

    Args:
        network: A transformers causal LM with the weights of the moment, on its device.
        pad_id: What to pad with.
        stop_ids: Tokens that end a completion.
        context: Tokens of prompt and completion at most.
        batch_size: Rows in one forward pass at most.
        decode: Turns token ids to text, for stop texts.
    """

    network: Any
    pad_id: int
    stop_ids: Sequence[int]
    context: int
    batch_size: int
    decode: Callable[[Tokens], str]


class Backend(ABC):
    """Makes engines. A policy asks for one whenever it samples, as its network and weights may be others then."""

    @abstractmethod
    def engine(self, target: Target) -> Engine:
        """Return an engine that samples from the target."""


@runtime_checkable
class LanguageModel(Protocol):
    """A policy that reads and writes text. ``LanguagePolicy`` is one; so may be any LightningModule."""

    @property
    def context(self) -> int:
        """Tokens of prompt and completion at most."""

    def encode(self, prompt: Prompt) -> list[int]:
        """Return the token ids of a prompt, with exactly one BOS where the model has one."""

    def encode_example(self, prompt: Prompt, completion: str) -> tuple[list[int], list[int]]:
        """Return the token ids of a prompt and of a given completion, EOS at the end.

        Raises:
            DataError: If they are longer than the context.
        """

    def decode(self, ids: Tokens) -> str:
        """Return the text of tokens, without special ones."""

    def generate(self, prompts: Sequence[Tokens], seeds: Sequence[int], sampling: Sampling) -> list[Completion]:
        """Return one completion a prompt, as :meth:`Engine.generate` does."""

    def log_probs(
        self, prompts: Sequence[Tokens], completions: Sequence[Tokens], details: bool = False
    ) -> list[TokenScores]:
        """Return how likely each completion is, in the numerics of the training forward."""


@runtime_checkable
class MixingModel(Protocol):
    """A language model that also draws between two contexts. ``LanguagePolicy`` is one."""

    def generate_mixed(
        self, contexts: Sequence[tuple[Tokens, Tokens]], mixture: TokenMixture, seeds: Sequence[int], sampling: Sampling
    ) -> list[Completion]:
        """Return a completion of every two contexts.

        Args:
            contexts: The first and the second, as token ids.
            mixture: How the two distributions of every token are one.
            seeds: For each, the seed of its draws.
            sampling: How to draw.
        """


def mixing_model(model: LanguageModel) -> MixingModel:
    """Return a language model that draws between contexts.

    Raises:
        SetupError: If it does not.
    """
    if not isinstance(model, MixingModel):
        raise SetupError(
            f"This op draws between two contexts, but {type(model).__name__} has no generate_mixed. Use "
            "LanguagePolicy, or give your LightningModule the method."
        )
    return model


def language_model(module: Any) -> LanguageModel:
    """Return the module as a language model.

    Raises:
        SetupError: If it is none.
    """
    if not isinstance(module, LanguageModel):
        raise SetupError(
            f"This op needs a language model, but {type(module).__name__} lacks context, encode, encode_example, "
            "decode, generate or log_probs. Use LanguagePolicy, or give your LightningModule these methods."
        )
    return module
