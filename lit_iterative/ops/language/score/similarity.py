"""Similarity: how alike a completion is to the given one of its prompt."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, get_args

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, write
from lit_iterative.judging.embedding import TextEncoder, load_encoder
from lit_iterative.judging.frozen import Loaded
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.score.judges import device_of
from lit_iterative.ops.language.score.utility import UTILITIES, Utility
from lit_iterative.ops.language.tokens import strings_of, texts_of
from lit_iterative.ops.op import Op
from lit_iterative.ops.parameters import check_choice, check_range

ENCODERS: Loaded[TextEncoder] = Loaded()


@dataclass(frozen=True)
class Similarity(Op):
    """How alike a completion is to the given one of its prompt: by what they have in common, or by their embeddings.

    Self-Contrast (Liu et al., 2024, arXiv:2404.00604) takes the completions that are least like the given one for bad,
    without any judge.

    Args:
        gold: The column of given completions. Cells may be empty.
        utility: ``exact``, ``token_f1``, ``rouge_l`` or ``chrf``, see
            :class:`~lit_iterative.ops.language.score.utility.MBRUtility`; does not count with ``path``.
        path: Id on the hub, or folder, of an encoder, whose mean hidden states are compared by their cosine; none when
            left out. It is loaded once.
        revision: Branch, tag or commit on the hub.
        batch_size: Texts in one forward pass of the encoder.

    Requires ``text`` and the gold column; provides ``scores.similarity`` ``(rows,)``, float64, at most 1; NaN where
    nothing is given. Counts ``not_given``.

    Raises:
        PipelineError: If a parameter is out of its range.
        DataError: If a column holds no texts, when run.

    Example:
        >>> from lit_iterative.ops.language.testing import candidates
        >>> from lit_iterative.pool import Pool
        >>> table = candidates(["it is 4", "no"], gold=["it is 4", "it is 4"])
        >>> Similarity(utility="token_f1")(table, Context(Pool([0], 1)))["scores.similarity"].to_pylist()
        [1.0, 0.0]
    """

    gold: str = "gold"
    utility: Utility = "chrf"
    path: str | None = None
    revision: str | None = None
    batch_size: int = 64
    runs_model: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_choice("Similarity(utility)", self.utility, get_args(Utility))
        check_range("Similarity(batch_size)", self.batch_size, 1)

    @property
    def requires(self) -> tuple[str, ...]:
        """Both completions."""
        return ("text", self.gold)

    @property
    def provides(self) -> tuple[str, ...]:
        """The score."""
        return ("scores.similarity",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table with the score."""
        own, given = texts_of(table, "text"), strings_of(table, self.gold)
        pairs = [(text, other) for text, other in zip(own, given, strict=True) if other is not None]
        score = np.full(table.num_rows, np.nan)
        score[[other is not None for other in given]] = self._compared(pairs, context)
        context.tally.count("not_given", len(given) - len(pairs))
        context.tally.mean("similarity", score)
        return write(table, **{"scores.similarity": score})

    def _compared(self, pairs: Sequence[tuple[str, str]], context: Context) -> Array:
        """Return how alike the two texts of each pair are, ``(pairs,)``."""
        if self.path is None or not pairs:
            return np.array([UTILITIES[self.utility](text, given) for text, given in pairs], dtype=np.float64)
        path, device = self.path, device_of(context.model)
        encoder = ENCODERS.get((path, self.revision, device), path, lambda: self._load(path, device))
        texts = list(dict.fromkeys(text for pair in pairs for text in pair))
        place = {text: row for row, text in enumerate(texts)}
        vectors = encoder.embed(texts, self.batch_size)
        left, right = (vectors[[place[pair[side]] for pair in pairs]] for side in (0, 1))
        return np.asarray((left * right).sum(axis=1))

    def _load(self, path: str, device: str) -> TextEncoder:
        encoder = load_encoder(path, self.revision)
        encoder.network.to(device)
        return encoder
