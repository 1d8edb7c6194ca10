"""SamplingModule: how a policy writes, alone or between two contexts."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from lit_iterative.generation.language import Backend, Completion, Sampling, Target, TokenMixture
from lit_iterative.modules.compiling import uncompiled
from lit_iterative.modules.fitting import FittedModule
from lit_iterative.modules.memory import Load, advised, scoring_advice
from lit_iterative.modules.text import TextCodec
from lit_iterative.sequences import Tokens

#: The context of a model that names none, in tokens.
UNLIMITED = 2**31


class SamplingModule(FittedModule):
    """Samples from its network. ``LanguagePolicy`` is one, and gives it what it needs."""

    network: Any
    codec: TextCodec
    sampler: Backend
    batch_size: int
    compiler: str | None

    def decode(self, ids: Tokens) -> str:
        """Return the text of tokens, without special ones."""
        return self.codec.decode(ids)

    @property
    def pad_id(self) -> int:
        """What batches are padded with."""
        return self.codec.pad_id

    @property
    def context(self) -> int:
        """Tokens of prompt and completion at most."""
        length = getattr(self.network.config.get_text_config(), "max_position_embeddings", None)
        return UNLIMITED if length is None else int(length)

    def generate(self, prompts: Sequence[Tokens], seeds: Sequence[int], sampling: Sampling) -> list[Completion]:
        """Return one completion a prompt; see :class:`~lit_iterative.generation.language.Engine`."""
        with self._target(prompts, sampling) as target:
            return self.sampler.engine(target).generate(prompts, seeds, sampling)

    def generate_mixed(
        self, contexts: Sequence[tuple[Tokens, Tokens]], mixture: TokenMixture, seeds: Sequence[int], sampling: Sampling
    ) -> list[Completion]:
        """Return a completion of every two contexts, see :class:`~lit_iterative.generation.mixed.MixedDecoder`.

        It is drawn in this process, whatever the sampler.
        """
        from lit_iterative.generation.mixed import MixedDecoder  # as late as the samplers

        with self._target([context for both in contexts for context in both], sampling) as target:
            return MixedDecoder(target).generate_mixed(contexts, mixture, seeds, sampling)

    @contextmanager
    def _target(self, prompts: Sequence[Tokens], sampling: Sampling) -> Iterator[Target]:
        """Lend what is sampled from."""
        stops = self.codec.stop_ids(self.network.generation_config)
        longest = max(map(len, prompts), default=0) + sampling.max_new_tokens
        advice = partial(scoring_advice, Load(self.batch_size, longest))
        with advised("sampling", advice), uncompiled(self.compiler):
            yield Target(self.network, self.pad_id, stops, self.context, self.batch_size, self.decode)
