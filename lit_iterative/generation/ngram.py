"""NGram: a language model of characters, counted from a few texts."""

import math
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from lit_iterative.errors import PipelineError

#: What stands for the beginning of a text, and for its end.
START, END = "\0", ""


@dataclass(frozen=True)
class NGram:
    """Tells how likely a character is after those before it, by counts of n-grams that are smoothed by shorter ones.

    ``p(c | h) = (count(h c) + s p(c | h')) / (count(h) + s)``, where ``h'`` lacks the first character of ``h``; below
    the shortest, all characters and the end are equally likely. Source: the mean of a hierarchical Dirichlet prior,
    after MacKay and Peto, 1995.

    Args:
        texts: Texts of the language.
        order: Characters of the longest n-gram, at least 1.
        smoothing: ``s``, above 0.

    Raises:
        PipelineError: If there is no text, or a number makes no sense.

    Example:
        >>> model = NGram(["abab", "ab"], order=2)
        >>> round(math.exp(model.log_prob("a", "b")), 3), round(math.exp(model.log_prob("ab", END)), 3)
        (0.98, 0.653)
    """

    texts: list[str]
    order: int = 4
    smoothing: float = 0.1

    def __post_init__(self) -> None:
        if not any(self.texts) or self.order < 1 or not self.smoothing > 0:
            raise PipelineError(
                f"NGram has {len(self.texts)} texts, order={self.order} and smoothing={self.smoothing}. Give at least "
                "one text, an order of 1 or more and smoothing above 0."
            )

    def log_prob(self, before: str, character: str) -> float:
        """Return the log-probability of a character, or of the end, after all that stands before it, in nats."""
        probability = 1 / (len(self._characters) + 1)
        for history in _histories(before, self.order):
            seen, times = self._counts[history, character], self._times[history]
            probability = (seen + self.smoothing * probability) / (times + self.smoothing)
        return math.log(probability)

    @cached_property
    def _characters(self) -> set[str]:
        return {character for text in self.texts for character in text}

    @cached_property
    def _counts(self) -> Counter[tuple[str, str]]:
        """How often each character, or the end, follows each history."""
        return Counter(
            (history, character)
            for text in self.texts
            for place, character in enumerate([*text, END])
            for history in _histories(text[:place], self.order)
        )

    @cached_property
    def _times(self) -> Counter[str]:
        """How often each history has something behind it."""
        times: Counter[str] = Counter()
        for (history, _), count in self._counts.items():
            times[history] += count
        return times


def _histories(before: str, order: int) -> list[str]:
    """Return what the last places hold, from none of them on; a text begins with a place of its own.

    Example:
        >>> _histories("ab", 3)
        ['', 'b', 'ab']
    """
    text = START + before
    return [text[len(text) - length :] for length in range(min(order, len(text) + 1))]
