"""PreferencePairs: rounds of sampling, scoring and pairing, for training with a preference loss."""

from typing import Literal

from lit_iterative.callbacks.rounds import Rounds
from lit_iterative.callbacks.sampled import SHARD_SIZE, sampled
from lit_iterative.generation.language import Sampling
from lit_iterative.ops.actors import Actor, Policy
from lit_iterative.ops.language.builders.pairs import BestWorst
from lit_iterative.ops.language.builders.reference import ReferenceLogProbs
from lit_iterative.ops.op import Op
from lit_iterative.rounds.plan import Phase, When
from lit_iterative.rounds.sync import Continue, WeightPolicy


class PreferencePairs(Rounds):
    """Samples completions of the prompts, scores them, and trains on pairs of better and worse ones.

    The pipeline is ``Prompts, Sample, *scorers, builder, ReferenceLogProbs``; fields of the prompts, such as an answer
    key, are read where a scorer or the builder requires them. For any other use
    :class:`~lit_iterative.callbacks.Rounds`.

    Args:
        scorers: What scores the completions.
        builder: What makes pairs or rankings of them.
        n: Completions of each prompt.
        sampling: How they are drawn.
        actor: Who draws.
        reference: Whose log-probabilities the loss compares with; none for losses without a reference.
        when: When a round is due.
        weights: Where the weights stand when training on new pairs begins.
        optimizer: Whether the optimiser keeps its state or starts anew.
        schedule: Whether learning-rate schedules go on or start anew.
        dirpath: Folder or URL of the round store; ``rounds`` below ``default_root_dir`` when left out.
    """

    def __init__(  # noqa: PLR0913  # flat, so that YAML is
        self,
        scorers: list[Op],
        builder: Op = BestWorst(),  # noqa: B008  # frozen
        n: int = 8,
        sampling: Sampling = Sampling(),  # noqa: B008  # frozen
        actor: Actor = Policy(),  # noqa: B008  # frozen
        reference: Actor | None = Policy(),  # noqa: B008  # frozen
        when: When = When(),  # noqa: B008  # frozen
        weights: WeightPolicy = Continue(),  # noqa: B008  # frozen
        optimizer: Literal["keep", "reset"] = "keep",
        schedule: Literal["keep", "rewarm"] = "keep",
        dirpath: str | None = None,
    ) -> None:
        of: Literal["ranked", "pairs"] = "ranked" if "ranked_ids" in builder.provides else "pairs"
        score = [] if reference is None else [ReferenceLogProbs(reference, of)]
        ops = sampled(n, sampling, actor, [*scorers, builder, *score])
        phase = Phase(ops, weights=weights, optimizer=optimizer, schedule=schedule)
        super().__init__([phase], when, dirpath, shard_size=SHARD_SIZE)
