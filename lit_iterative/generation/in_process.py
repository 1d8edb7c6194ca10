"""InProcess: the backend that samples from the network itself, in this process."""

from dataclasses import dataclass
from weakref import WeakSet

from lightning.pytorch.utilities import rank_zero_warn
from torch import nn

from lit_iterative.generation.decoder import Decoder
from lit_iterative.generation.language import Backend, Engine, Target

#: Networks of which it has been told that they sample with their own attention.
_TOLD: WeakSet[nn.Module] = WeakSet()


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
        if target.network not in _TOLD:
            _TOLD.add(target.network)
            rank_zero_warn(
                f"{type(target.network).__name__} samples with its own attention and cache, which is slower: {reason}."
            )
        return Decoder(target)
