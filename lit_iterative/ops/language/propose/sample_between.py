"""SampleBetween: completions from mixtures of a good and a bad context, as far apart as asked."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pyarrow as pa

from lit_iterative.columns import read, write
from lit_iterative.errors import PipelineError
from lit_iterative.generation.language import Completion, MixingModel, Sampling, TokenMixture, mixing_model
from lit_iterative.ops.actors import Actor, Policy
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.model_op import ModelOp
from lit_iterative.ops.language.propose.hint import cells_of, encoded, filled, places_of
from lit_iterative.ops.language.tokens import int_lists, texts_of
from lit_iterative.ops.parameters import check_range, number
from lit_iterative.ops.schedule import Schedule
from lit_iterative.seeds import derive_seed

SIDES = ("positive", "negative")


@dataclass(frozen=True)
class SampleBetween(ModelOp):
    """Draws better and worse completions of every prompt, from two mixtures of a good and a bad context.

    Each token of a positive completion is drawn from a mixture in which the good context has the share
    ``(1 + gap) / 2``, and of a negative one ``(1 - gap) / 2``. At 1 this is contrastive prompting; a gap that shrinks
    from round to round makes the negative ones harder to tell. After Xu et al., 2024, arXiv:2409.17534, who prompt
    alone, without any judge. ``ContrastivePrompts`` makes pairs of them; training sees ``prompt_ids``.

    Args:
        positive: The good context: a text with places as in ``Hint``.
        negative: The bad one.
        gap: How far the mixtures are apart.
        n: Completions of each side.
        sampling: How to draw from a mixture.
        mixture: ``arithmetic``, the mean of the two distributions, for gaps up to 1; or ``geometric``, of their
            logarithms, normalised, where a gap above 1 leads away from the other context.
        actor: Who draws; of one member.
        stream: Name of the draws.

    Requires ``prompt``, ``prompt_ids`` and the columns named; provides ``2 n`` rows a prompt, which stand together:
    ``group`` (the prompt's id), ``context`` (``positive`` or ``negative``), ``candidate``, ``completion_ids``,
    ``finish``, ``text`` and ``source``. Counts ``candidates``, and measures ``gap``, ``completion_tokens`` and
    ``truncated_share``.

    Raises:
        PipelineError: If ``n`` is below 1, the gap is out of its range, a template has no place for the prompt, or the
            actor has several members.
        DataError: If a cell to fill in is empty, when run.
        SetupError: If the model cannot draw between contexts, when run.

    Example:
        >>> SampleBetween("Be kind. {prompt}", "Be rude. {prompt}", gap=0.5).requires
        ('prompt', 'prompt_ids')
    """

    positive: str
    negative: str
    gap: float | Schedule = 1.0
    n: int = 1
    sampling: Sampling = field(default_factory=Sampling)
    mixture: Literal["arithmetic", "geometric"] = "arithmetic"
    actor: Actor = field(default_factory=Policy)
    stream: str = "between"

    def __post_init__(self) -> None:
        check_range("SampleBetween(gap)", self.gap, 0, 1 if self.mixture == "arithmetic" else float("inf"))
        if self.n < 1 or len(self.actor.members) != 1:
            raise PipelineError(
                f"SampleBetween draws {self.n} completions of a side, by {len(self.actor.members)} members of an "
                "actor. Draw at least one, by one member."
            )
        for template in (self.positive, self.negative):
            places_of(self.name, template)

    @property
    def requires(self) -> tuple[str, ...]:
        """The prompts and what is filled in."""
        places = [place for text in (self.positive, self.negative) for place in places_of(self.name, text)]
        return tuple(dict.fromkeys(["prompt", "prompt_ids", *places]))

    @property
    def provides(self) -> tuple[str, ...]:
        """The candidates, and the side of each."""
        return ("group", "context", "candidate", "completion_ids", "finish", "text", "source")

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the candidates of the prompts of one shard."""
        times = 2 * self.n
        rows = table.take(pa.array(np.repeat(np.arange(table.num_rows), times)))
        rows = write(
            rows,
            group=rows.column("id"),
            context=pa.array([side for side in SIDES for _ in range(self.n)] * table.num_rows, pa.string()),
            candidate=np.array([*range(times)] * table.num_rows, dtype=np.int32),
        )
        with context.model().language(self.actor.members[0]) as model:
            drawn = self._drawn(rows, mixing_model(model), context)
            text = [model.decode(completion.ids) for completion in drawn]
        context.tally.count("candidates", len(drawn))
        context.tally.mean("gap", number(self.gap))
        context.tally.mean("completion_tokens", [len(completion.ids) for completion in drawn])
        context.tally.mean("truncated_share", [completion.finish == "length" for completion in drawn])
        return write(
            rows,
            completion_ids=int_lists(completion.ids for completion in drawn),
            finish=pa.array([completion.finish for completion in drawn], pa.string()),
            text=pa.array(text, pa.string()),
            source=pa.array([type(self.actor).__name__] * len(drawn), pa.string()).dictionary_encode(),
        )

    def _drawn(self, rows: pa.Table, model: MixingModel, context: Context) -> list[Completion]:
        """Return a completion of each row, from the mixture of its side."""
        cells, gap = cells_of(rows, self.requires), number(self.gap)
        first, second = (
            encoded(rows, [filled(template, row) for row in cells], context)
            for template in (self.positive, self.negative)
        )
        shares = [(1 + gap) / 2 if side == "positive" else (1 - gap) / 2 for side in texts_of(rows, "context")]
        names = zip(read(rows, "id").tolist(), read(rows, "candidate").tolist(), strict=True)
        seeds = [derive_seed(context.seed, self.stream, context.round, str(id), candidate) for id, candidate in names]
        both = list(zip(first, second, strict=True))
        return model.generate_mixed(both, TokenMixture(shares, self.mixture), seeds, self.sampling)
