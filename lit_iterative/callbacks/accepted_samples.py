"""AcceptedSamples: rounds of sampling, scoring and selecting, for training by imitation."""

from lit_iterative.callbacks.preference_pairs import SHARD_SIZE
from lit_iterative.callbacks.rounds import Rounds
from lit_iterative.generation.language import Sampling
from lit_iterative.ops.actors import Actor, Policy
from lit_iterative.ops.language.accepted import Accept
from lit_iterative.ops.language.prompts import Prompts
from lit_iterative.ops.language.sample import Sample
from lit_iterative.ops.op import Op
from lit_iterative.rounds.plan import Phase, When
from lit_iterative.rounds.sync import Continue, WeightPolicy


class AcceptedSamples(Rounds):
    """Samples completions of the prompts, scores them, and trains on those that are accepted.

    The pipeline is ``Prompts, Sample, *scorers, builder``; for any other use
    :class:`~lit_iterative.callbacks.Rounds`. Starting from the base in every round (``weights: ReinitFromBase``) is
    what STaR and ReST-EM do.

    Args:
        scorers: What scores the completions.
        builder: What accepts some of them.
        n: Completions of each prompt.
        sampling: How they are drawn.
        fields: Fields of the prompts that scorers and builder read, such as an answer key.
        actor: Who draws.
        when: When a round is due.
        weights: Where the weights stand when training on new completions begins.
        dirpath: Folder or URL of the round store; ``rounds`` below ``default_root_dir`` when left out.
    """

    def __init__(
        self,
        scorers: list[Op],
        builder: Op = Accept(),  # noqa: B008  # frozen
        n: int = 8,
        sampling: Sampling = Sampling(),  # noqa: B008  # frozen
        fields: list[str] | None = None,
        actor: Actor = Policy(),  # noqa: B008  # frozen
        when: When = When(),  # noqa: B008  # frozen
        weights: WeightPolicy = Continue(),  # noqa: B008  # frozen
        dirpath: str | None = None,
    ) -> None:
        ops: list[Op] = [Prompts(list(fields or [])), Sample(n, sampling, actor), *scorers, builder]
        super().__init__([Phase(ops, weights=weights)], when, dirpath, shard_size=SHARD_SIZE)
