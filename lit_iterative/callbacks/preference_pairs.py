"""PreferencePairs: rounds of sampling, scoring and pairing, for training with a preference loss."""

from lit_iterative.callbacks.rounds import Rounds
from lit_iterative.generation.language import Sampling
from lit_iterative.ops.actors import Actor, Policy
from lit_iterative.ops.language.pairs import BestWorst
from lit_iterative.ops.language.prompts import Prompts
from lit_iterative.ops.language.reference import ReferenceLogProbs
from lit_iterative.ops.language.sample import Sample
from lit_iterative.ops.op import Op
from lit_iterative.rounds.plan import Phase, When
from lit_iterative.rounds.sync import Continue, WeightPolicy

SHARD_SIZE = 64  # prompts; the completions of a shard are what a crash can lose


class PreferencePairs(Rounds):
    """Samples completions of the prompts, scores them, and trains on pairs of better and worse ones.

    The pipeline is ``Prompts, Sample, *scorers, builder, ReferenceLogProbs``; for any other use
    :class:`~lit_iterative.callbacks.Rounds`.

    Args:
        scorers: What scores the completions.
        builder: What makes pairs of them.
        n: Completions of each prompt.
        sampling: How they are drawn.
        fields: Fields of the prompts that scorers and builder read, such as an answer key.
        actor: Who draws.
        reference: Whose log-probabilities the loss compares with; none for losses without a reference.
        when: When a round is due.
        weights: Where the weights stand when training on new pairs begins.
        dirpath: Folder or URL of the round store; ``rounds`` below ``default_root_dir`` when left out.
    """

    def __init__(
        self,
        scorers: list[Op],
        builder: Op = BestWorst(),  # noqa: B008  # frozen
        n: int = 8,
        sampling: Sampling = Sampling(),  # noqa: B008  # frozen
        fields: list[str] | None = None,
        actor: Actor = Policy(),  # noqa: B008  # frozen
        reference: Actor | None = Policy(),  # noqa: B008  # frozen
        when: When = When(),  # noqa: B008  # frozen
        weights: WeightPolicy = Continue(),  # noqa: B008  # frozen
        dirpath: str | None = None,
    ) -> None:
        ops: list[Op] = [Prompts(list(fields or [])), Sample(n, sampling, actor), *scorers, builder]
        if reference is not None:
            ops.append(ReferenceLogProbs(reference))
        super().__init__([Phase(ops, weights=weights)], when, dirpath, shard_size=SHARD_SIZE)
