"""InProcess: the backend that samples from the network itself, in this process."""

from dataclasses import dataclass

from lightning.pytorch.utilities import rank_zero_warn

from lit_iterative.generation.decoder import Decoder
from lit_iterative.generation.language import Backend, Engine, Target


@dataclass(frozen=True)
class InProcess(Backend):
    """Samples from the network itself: fast where its attention can be replaced, else with its own, saying so."""

    def engine(self, target: Target) -> Engine:
        """Return an engine that samples from the target."""
        from lit_iterative.generation.probe import obstacle  # transformers is an extra
        from lit_iterative.generation.sampler import Sampler

        reason = obstacle(target.network)
        if reason is None:
            return Sampler(target)
        rank_zero_warn(
            f"{type(target.network).__name__} samples with its own attention and cache, which is slower: {reason}."
        )
        return Decoder(target)
