"""Held-out prompts: how a policy answers them, and how the answers are judged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torchmetrics import MeanMetric

from lit_iterative.answers.compare import Comparison, Exact
from lit_iterative.answers.extract import Extractor, WholeText
from lit_iterative.answers.metrics import majority_at_k, pass_at_k
from lit_iterative.errors import DataError, PipelineError
from lit_iterative.generation.language import LanguageModel, Sampling
from lit_iterative.seeds import derive_seed


@dataclass(frozen=True)
class HeldOut:
    """Answers with the most likely tokens, and with samples where asked to, and compares with the key.

    Measures ``accuracy``; with samples also ``pass_at_k`` (a sample is right; Chen et al., 2021, arXiv:2107.03374, eq.
    1) and ``majority_at_k`` (the most frequent answer is right), from the same draws in every epoch.

    Args:
        extractor: Finds the answer in a completion.
        comparison: Tells whether an answer is right.
        key: The field of an item that holds the right answer.
        sampling: How the one answer is made.
        samples: Further samples of each prompt; none when 0.
        temperature: Of these.

    Example:
        >>> sorted(HeldOut(samples=4).metrics())
        ['accuracy', 'majority_at_k', 'pass_at_k', 'tokens', 'truncated']
    """

    extractor: Extractor = field(default_factory=WholeText)
    comparison: Comparison = field(default_factory=Exact)
    key: str = "answer"
    sampling: Sampling = field(default_factory=lambda: Sampling(temperature=0.0))
    samples: int = 0
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if self.samples < 0:
            raise PipelineError(f"HeldOut(samples) is {self.samples}. Give 0 or more.")

    def metrics(self) -> dict[str, MeanMetric]:
        """Return a mean for each thing that is measured."""
        names = ["accuracy", "tokens", "truncated", *(["pass_at_k", "majority_at_k"] if self.samples else [])]
        return {name: MeanMetric(nan_strategy="ignore") for name in names}

    def answer(self, model: LanguageModel, items: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
        """Return what is measured of every prompt, ``(prompts,)`` each.

        Args:
            model: The policy.
            items: Dictionaries with ``prompt`` and the key.

        Raises:
            DataError: If an item has no key.
        """
        keys = [self._key(item) for item in items]
        prompts = [model.encode(item["prompt"]) for item in items]
        made = model.generate(prompts, [derive_seed("held out", *prompt) for prompt in prompts], self.sampling)
        right = [self._right(model.decode(completion.ids), key) for completion, key in zip(made, keys, strict=True)]
        measured = {
            "accuracy": right,
            "tokens": [float(len(completion.ids)) for completion in made],
            "truncated": [float(completion.finish == "length") for completion in made],
        }
        if self.samples:
            measured |= self._sampled(model, prompts, keys)
        return {name: torch.tensor(values) for name, values in measured.items()}

    def _key(self, item: Mapping[str, Any]) -> str:
        if item.get(self.key) is None:
            raise DataError(
                f"A held-out item has the fields {sorted(item)}, but its answers are compared with {self.key!r}. Add "
                "the answer, or name its field: HeldOut(key=...)."
            )
        return str(item[self.key])

    def _right(self, text: str, key: str) -> float:
        found = self.extractor(text)
        judged = False if found is None else self.comparison(found, key)
        return float("nan") if judged is None else float(judged)

    def _sampled(self, model: LanguageModel, prompts: list[list[int]], keys: list[str]) -> dict[str, list[float]]:
        places = [(row, draw) for row in range(len(prompts)) for draw in range(self.samples)]
        seeds = [derive_seed("held out", f"sample {draw}", *prompts[row]) for row, draw in places]
        sampling = Sampling(self.sampling.max_new_tokens, self.temperature)
        made = model.generate([prompts[row] for row, _ in places], seeds, sampling)
        found = [self.extractor(model.decode(completion.ids)) for completion in made]
        groups = [found[start : start + self.samples] for start in range(0, len(found), self.samples)]
        return {
            "pass_at_k": [self._passed(group, key) for group, key in zip(groups, keys, strict=True)],
            "majority_at_k": [self._voted(group, key) for group, key in zip(groups, keys, strict=True)],
        }

    def _passed(self, found: list[str | None], key: str) -> float:
        right = sum(self.comparison(answer, key) is True for answer in found if answer is not None)
        return pass_at_k(len(found), right, len(found))

    def _voted(self, found: list[str | None], key: str) -> float:
        return majority_at_k(found, key, self.comparison)
