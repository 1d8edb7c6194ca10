"""The pipeline that samples completions: what PreferencePairs and AcceptedSamples have in common."""

from lit_iterative.generation.language import Sampling
from lit_iterative.ops.actors import Actor
from lit_iterative.ops.language.propose.prompts import Prompts
from lit_iterative.ops.language.propose.sample import Sample
from lit_iterative.ops.op import Op

SHARD_SIZE = 64  # prompts; the completions of a shard are what a crash can lose


def sampled(n: int, sampling: Sampling, actor: Actor, then: list[Op]) -> list[Op]:
    """Return ops that read prompts, sample, and go on; fields of the prompts are read where a later op requires them.

    Args:
        n: Completions of each prompt.
        sampling: How they are drawn.
        actor: Who draws.
        then: What follows.

    Example:
        >>> from lit_iterative.ops.actors import Policy
        >>> from lit_iterative.ops.language import ExtractAnswer, Verify
        >>> sampled(4, Sampling(), Policy(), [ExtractAnswer(), Verify()])[0]
        Prompts(fields=['answer'])
    """
    sample = Sample(n, sampling, actor)
    known = {"id", *Prompts().provides, *sample.provides}
    fields: dict[str, None] = {}
    for op in then:
        fields |= dict.fromkeys(name for name in op.requires if name not in known and not name.startswith("scores."))
        known |= {*fields, *op.provides}
    return [Prompts(list(fields)), sample, *then]
