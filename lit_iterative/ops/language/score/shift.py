"""DistributionShift: how far a completion is from a few examples that are known to be good, seen by its loss."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pyarrow as pa

from lit_iterative.columns import write
from lit_iterative.errors import DataError, PipelineError
from lit_iterative.ops.actors import Actor, Policy
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.score.scoring import log_probs_of
from lit_iterative.ops.language.tokens import int_lists, lengths_of
from lit_iterative.ops.op import Op


@dataclass(frozen=True)
class DistributionShift(Op):
    """How far the loss of a completion is from that of a few labelled examples: 1 where it is the same.

    With ``l`` the policy's negative log-likelihood per token: ``w = mean_v l(x_v, y_v) / l(x, y)``, and the extent of
    the shift is ``w``, or ``1 / w`` where that is larger. Completions with a large one are left out, by ``Quantile``
    with ``keep_above: false``.

    Source: after Jiang et al., 2024, arXiv:2408.09849 (DS weight).

    Args:
        examples: The labelled examples, each with ``prompt`` and ``completion``; a few suffice.
        actor: Whose loss; over several members the mixture of their probabilities is taken.

    Requires ``prompt_ids`` and ``completion_ids``; provides ``scores.shift`` float64 ``(rows,)``, 1 or more; NaN for a
    completion without tokens. Measures ``shift`` and ``example_loss``, in nats a token.

    Raises:
        PipelineError: If there are no examples, or one lacks a field.
        DataError: If a log-probability is not finite, or the examples have no loss, when run.

    Example:
        >>> DistributionShift([{"prompt": "1+1=", "completion": "2"}]).provides
        ('scores.shift',)
    """

    examples: list[dict[str, str]]
    actor: Actor = field(default_factory=Policy)
    runs_model: ClassVar[bool] = True

    def __post_init__(self) -> None:
        lacking = [example for example in self.examples if not {"prompt", "completion"} <= set(example)]
        if lacking or not self.examples:
            raise PipelineError(
                f"DistributionShift compares with {len(self.examples)} examples, of which {len(lacking)} lack a field. "
                "Give at least one, each with prompt and completion."
            )

    @property
    def requires(self) -> tuple[str, ...]:
        """Prompts and completions."""
        return ("prompt_ids", "completion_ids")

    @property
    def provides(self) -> tuple[str, ...]:
        """The score."""
        return ("scores.shift",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return one shard with the score."""
        return next(self.map([table], context))

    def map(self, shards: Iterable[pa.Table], context: Context) -> Iterator[pa.Table]:
        """Score shard after shard; the examples are asked for once."""
        level = self._example_loss(context)
        for table in shards:
            tokens = lengths_of(table, "completion_ids")
            loss = np.abs(log_probs_of(table, "completion_ids", self.actor, context))
            ratio = np.divide(loss, level * tokens, out=np.full(len(loss), np.nan), where=tokens > 0)
            with np.errstate(divide="ignore"):  # a loss of 0 is infinitely far
                shift = np.maximum(ratio, 1 / ratio)
            context.tally.mean("shift", shift)
            context.tally.mean("example_loss", np.full(table.num_rows, level))
            yield write(table, **{"scores.shift": shift})

    def _example_loss(self, context: Context) -> float:
        """Return the mean over the examples of the loss per token."""
        with context.model().language(self.actor.members[0]) as model:
            pairs = [model.encode_example(example["prompt"], example["completion"]) for example in self.examples]
        prompts, completions = zip(*pairs, strict=True)
        table = pa.table({"prompt_ids": int_lists(list(prompts)), "completion_ids": int_lists(list(completions))})
        loss = -log_probs_of(table, "completion_ids", self.actor, context) / lengths_of(table, "completion_ids")
        level = float(loss.mean())
        if not level > 0:
            raise DataError(
                f"The examples of DistributionShift have a loss of {level} nats a token, with which nothing can be "
                "compared. Give examples that the policy does not know by heart."
            )
        return level
