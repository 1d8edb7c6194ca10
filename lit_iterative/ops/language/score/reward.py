"""RewardModel: a score for every completion from a sequence classifier."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, write
from lit_iterative.errors import DataError, PipelineError, SetupError
from lit_iterative.judging.classifier import SequenceClassifier, load
from lit_iterative.judging.frozen import Loaded
from lit_iterative.judging.quoting import neutral
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.score.judges import device_of
from lit_iterative.ops.language.tokens import ids_of, texts_of
from lit_iterative.ops.op import Op
from lit_iterative.sequences import Tokens

MODELS: Loaded[SequenceClassifier] = Loaded()


@dataclass(frozen=True)
class RewardModel(Op):
    """Scores each completion by a reward model: a sequence classifier of transformers with one label.

    It may be one that :class:`~lit_iterative.modules.reward_model.BradleyTerryReward` has trained and exported. It is
    loaded once, when first needed, and again only where the folder has changed.

    Args:
        path: Id on the hub, or folder.
        reading: ``text`` gives it the texts, through its own tokenizer and its chat template, where it has one; ``ids``
            gives it the very tokens of prompt and completion, which needs the policy's tokenizer.
        label: Which label counts, where there are several: the score is its log-odds,
            ``z_label - log sum_{k != label} exp z_k``.
        revision: Branch, tag or commit on the hub.
        dtype: Type of the weights; that of the files by default.
        batch_size: Completions in one forward pass.
        device: Where it runs; where the policy does when left out.
        score: Name of the score.

    Requires ``prompt`` and ``text``, or ``prompt_ids``, ``completion_ids`` and ``text``; provides ``scores.<score>``
    ``(rows,)``, float64, NaN where prompt and completion are longer than what the model reads.

    Counts:
        ``reward_too_long``; with ``text``, ``reward_changed``: completions in which special tokens of chat formats had
        to be broken.

    Raises:
        PipelineError: If the batch size is below 1.
        SetupError: If there are several labels and none is named, or the label is none of them, when run.
        DataError: If the tokens are not the policy's, or a score is not finite, when run.

    Source: Ouyang et al., 2022, arXiv:2203.02155, section 3.5.

    Example:
        >>> RewardModel("my/reward-model").provides, RewardModel("runs/reward", reading="ids").requires
        (('scores.reward',), ('prompt_ids', 'completion_ids', 'text'))
    """

    path: str
    reading: Literal["text", "ids"] = "text"
    label: int | None = None
    revision: str | None = None
    dtype: str = "auto"
    batch_size: int = 16
    device: str | None = None
    score: str = "reward"
    runs_model: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise PipelineError(f"RewardModel(batch_size) is {self.batch_size}. Give at least 1.")

    @property
    def requires(self) -> tuple[str, ...]:
        """What the model reads."""
        return ("prompt", "text") if self.reading == "text" else ("prompt_ids", "completion_ids", "text")

    @property
    def provides(self) -> tuple[str, ...]:
        """The score."""
        return (f"scores.{self.score}",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return one shard with its scores."""
        device = device_of(context.model) if self.device is None else self.device
        model = MODELS.get((self, device), self.path, lambda: self._load(device))
        label = self._label(model)
        rows = self._texts(model, table, context) if self.reading == "text" else self._ids(model, table)
        short = [place for place, row in enumerate(rows) if len(row) <= model.context]
        context.tally.count("reward_too_long", len(rows) - len(short))
        scores = np.full(len(rows), np.nan)
        for start in range(0, len(short), self.batch_size):
            part = short[start : start + self.batch_size]
            scores[part] = log_odds(model.logits([rows[place] for place in part]), label)
        if not np.isfinite(scores[short]).all():
            raise DataError(
                f"The reward model {self.path} gives NaN or infinity. Load it in another type (dtype: float32), or "
                "check how it was trained."
            )
        context.tally.mean("reward_score", scores)
        return write(table, **{f"scores.{self.score}": scores})

    def _load(self, device: str) -> SequenceClassifier:
        model = load(self.path, self.revision, self.dtype)
        model.network.to(device)
        return model

    def _label(self, model: SequenceClassifier) -> int:
        labels = model.labels
        if self.label is None and len(labels) == 1:
            return 0
        if self.label not in labels:
            raise SetupError(
                f"{self.path} has the labels {labels}, and label is {self.label}. A reward model has one; of "
                f"another classifier, name the good label, for example label: {max(labels)}: its log-odds are used."
            )
        return self.label

    def _texts(self, model: SequenceClassifier, table: pa.Table, context: Context) -> list[list[int]]:
        prompts, texts = texts_of(table, "prompt"), texts_of(table, "text")
        safe = [neutral(text) for text in texts]
        context.tally.count("reward_changed", sum(a != b for a, b in zip(texts, safe, strict=True)))
        return [model.encode(neutral(prompt), text) for prompt, text in zip(prompts, safe, strict=True)]

    def _ids(self, model: SequenceClassifier, table: pa.Table) -> list[list[int]]:
        prompts, completions = ids_of(table, "prompt_ids"), ids_of(table, "completion_ids")
        _check_tokenizer(model.tokenizer, completions, texts_of(table, "text"))
        return [[*prompt, *completion] for prompt, completion in zip(prompts, completions, strict=True)]


def log_odds(logits: Array, label: int) -> Array:
    """Return the logit of the only label, or the log-odds of one against all others, ``(rows,)``, float64.

    Example:
        >>> log_odds(np.array([[1.5]]), 0).tolist(), log_odds(np.log([[0.2, 0.2, 0.6]]), 2).round(4).tolist()
        ([1.5], [0.4055])
    """
    logits = logits.astype(np.float64)
    chosen, others = logits[:, label], np.delete(logits, label, axis=1)
    if not others.shape[1]:
        return np.asarray(chosen)
    top = others.max(axis=1)
    return np.asarray(chosen - top - np.log(np.exp(others - top[:, None]).sum(axis=1)))


def _check_tokenizer(tokenizer: Any, completions: Sequence[Tokens], texts: Sequence[str]) -> None:
    """Refuse tokens that say something else to the reward model than to the policy; the first completion tells."""
    if tokenizer is None or not completions:
        return
    said = tokenizer.decode(list(completions[0]), skip_special_tokens=True, clean_up_tokenization_spaces=False)
    if said != texts[0]:
        raise DataError(
            f"The tokens of {texts[0][:60]!r} mean {said[:60]!r} to the reward model: its tokenizer is not the "
            "policy's. Set reading: text."
        )
