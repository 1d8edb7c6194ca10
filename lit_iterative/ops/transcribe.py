"""Sequences as labels: what a CTC model hears, helped by a language model."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from lit_iterative.columns import keep, read, write
from lit_iterative.errors import DataError, PipelineError
from lit_iterative.generation.ctc import Transcript, beam_search
from lit_iterative.generation.ngram import NGram
from lit_iterative.ops.actors import Actor, Policy
from lit_iterative.ops.context import Context
from lit_iterative.ops.forward_op import ForwardOp
from lit_iterative.ops.op import Op
from lit_iterative.ops.parameters import check_range


@dataclass(frozen=True)
class Transcribe(ForwardOp):
    """Runs a model with CTC outputs over the inputs and spells what it hears, by a beam search.

    The model's ``pseudo_label_step``, else its ``predict_step``, returns a dictionary of ``logits`` ``(rows, frames,
    tokens)``, with the blank as token 0, and ``lengths`` ``(rows,)``, the frames of each row.

    Args:
        letters: The character of each token, from token 1 on.
        language_model: A second, fixed model that helps; none when left out.
        weight: How much it counts, see :func:`~lit_iterative.generation.ctc.beam_search`.
        bonus: What a character adds.
        width: Beams.
        actor: Who listens; over several members the mean of their probabilities is taken.

    Provides:
        ``text``; ``scores.ctc`` and ``scores.lm``, log-probabilities in nats; ``scores.likelihood``, the score by which
        the text was chosen, per character; all float64 ``(rows,)``; ``source``, the actor's name. Measures
        ``characters`` and ``likelihood``.

    Raises:
        PipelineError: If there are no letters, one comes twice, or there is no beam.
        DataError: If the step returns anything else, when run.

    Example:
        >>> Transcribe("ab").provides
        ('text', 'scores.ctc', 'scores.lm', 'scores.likelihood', 'source')
    """

    letters: str
    language_model: NGram | None = None
    weight: float = 0.5
    bonus: float = 0.0
    width: int = 8
    actor: Actor = field(default_factory=Policy)

    def __post_init__(self) -> None:
        _check_letters(self.name, self.letters)
        check_range("Transcribe(width)", self.width, 1)
        check_range("Transcribe(weight)", self.weight, 0)

    @property
    def provides(self) -> tuple[str, ...]:
        """Texts, their scores, and who heard them."""
        return ("text", "scores.ctc", "scores.lm", "scores.likelihood", "source")

    def columns(self, outputs: list[Any], rows: int, index: int) -> list[Transcript]:
        """Return what each row of a batch spells."""
        parts = [self._checked(output, rows) for output in outputs]
        probs = torch.stack([logits.double().softmax(dim=2) for logits, _ in parts]).mean(dim=0)
        found = []
        for frames, length in zip(probs.log().cpu().numpy(), parts[0][1].tolist(), strict=True):
            weight = 0.0 if self.language_model is None else self.weight
            found.append(
                beam_search(frames[:length], self.letters, self.width, self.language_model, weight, self.bonus)
            )
        return found

    def joined(self, table: pa.Table, parts: list[list[Transcript]], like: Any) -> pa.Table:
        """Return a shard with texts and scores."""
        found = [transcript for part in parts for transcript in part]
        ctc, lm = (np.array([getattr(t, name) for t in found], dtype=np.float64) for name in ("ctc", "lm"))
        size = np.array([len(transcript.text) for transcript in found], dtype=np.float64)
        weight = 0.0 if self.language_model is None else self.weight
        scores = {"scores.ctc": ctc, "scores.lm": lm, "scores.likelihood": (ctc + weight * lm) / size.clip(min=1)}
        source = pa.array([type(self.actor).__name__] * len(found), pa.string()).dictionary_encode()
        return write(table, text=pa.array([t.text for t in found], pa.string()), **scores, source=source)

    def _checked(self, output: Any, rows: int) -> tuple[Tensor, Tensor]:
        known = output if isinstance(output, dict) else {}
        logits, lengths = known.get("logits"), known.get("lengths")
        wanted = (rows, len(self.letters) + 1)
        if not isinstance(logits, Tensor) or logits.ndim != 3 or (len(logits), logits.shape[2]) != wanted:
            shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise DataError(
                f"The model's step returned logits {shape} for {rows} inputs, but Transcribe needs ({rows}, frames, "
                f"{wanted[1]}): a blank and {len(self.letters)} letters. Return a dictionary with logits and lengths "
                "from pseudo_label_step(batch, batch_idx)."
            )
        if not isinstance(lengths, Tensor) or lengths.shape != (rows,) or not bool(logits.isfinite().all()):
            raise DataError(
                f"The model's step returned no lengths ({rows},), or logits that are not finite. Return the frames of "
                "each row beside the logits, and check the learning rate and the inputs."
            )
        return logits, lengths


@dataclass(frozen=True)
class SequenceLabels(Op):
    """Makes a text the label of its input, as the tokens that CTC is trained on; a row without text goes.

    Args:
        letters: The character of each token, from token 1 on.

    Requires ``text``; provides ``label``, a list of int32, and ``weight``, 1 or the one that is there. Counts ``empty``
    (rows).

    Raises:
        PipelineError: If there are no letters, or one comes twice.
        DataError: If a text has other characters, when run.

    Example:
        >>> from lit_iterative.pool import Pool
        >>> table = pa.table({"id": [0, 1], "text": ["ba", ""]})
        >>> SequenceLabels("ab")(table, Context(Pool([0], 1)))["label"].to_pylist()
        [[2, 1]]
    """

    letters: str

    def __post_init__(self) -> None:
        _check_letters(self.name, self.letters)

    @property
    def requires(self) -> tuple[str, ...]:
        """The texts."""
        return ("text",)

    @property
    def provides(self) -> tuple[str, ...]:
        """The label and its weight."""
        return ("label", "weight")

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the rows with a text, labelled."""
        texts = [str(text) for text in read(table, "text")]
        context.tally.count("empty", texts.count(""))
        table = keep(table, np.array([bool(text) for text in texts], dtype=bool))
        labels = [tokens_of(text, self.letters) for text in texts if text]
        weight = {} if "weight" in table.column_names else {"weight": np.ones(len(labels), dtype=np.float32)}
        return write(table, label=pa.array(labels, pa.list_(pa.int32())), **weight)


def tokens_of(text: str, letters: str) -> list[int]:
    """Return the tokens of a text, from 1 on.

    Raises:
        DataError: If a character is not among the letters.

    Example:
        >>> tokens_of("ba", "ab")
        [2, 1]
    """
    lost = sorted(set(text) - set(letters))
    if lost:
        raise DataError(f"The text {text[:40]!r} has {lost}, which are not among the letters {letters!r}. Add them.")
    return [letters.index(character) + 1 for character in text]


def _check_letters(op: str, letters: str) -> None:
    if not letters or len(set(letters)) < len(letters):
        raise PipelineError(f"{op}(letters) is {letters!r}. Give the character of each token, each once.")
