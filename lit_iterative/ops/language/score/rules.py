"""Rules: what reads like noise, by rules that are given."""

import re
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from lit_iterative.answers.patterns import compile_safe
from lit_iterative.columns import write
from lit_iterative.errors import PipelineError
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.tokens import texts_of
from lit_iterative.ops.op import Op


@dataclass(frozen=True)
class Rules(Op):
    r"""Scores texts by rules: 1 where a text keeps all of them, 0 where it breaks one.

    As the filters of SELF-GUIDE (Zhao et al., 2024, arXiv:2407.12874), which leave out what a model wrote that is
    noise, too short or too long. ``Threshold(1, scores.rules)`` leaves out what breaks a rule.

    Args:
        column: The texts: completions, or prompts.
        form: A regular expression that a whole text must match.
        forbidden: Regular expressions of which a text may hold none.
        shortest: Characters at least.
        longest: Characters at most; longer texts are not searched.

    Requires the column; provides ``scores.rules`` float64 ``(rows,)``. Counts ``too_short``, ``too_long``,
    ``other_form`` and ``forbidden``: each row once, by the first rule that it breaks.

    Raises:
        PipelineError: If an expression is wrong, or may take for ever, or no length is between the bounds.

    Example:
        >>> from lit_iterative.ops.language.testing import candidates
        >>> from lit_iterative.pool import Pool
        >>> table = candidates(["yes", "", "As an AI, I", "no"])
        >>> Rules(forbidden=["As an AI"])(table, Context(Pool([0], 1)))["scores.rules"].to_pylist()
        [1.0, 0.0, 0.0, 1.0]
    """

    column: str = "text"
    form: str | None = None
    forbidden: list[str] = field(default_factory=list)
    shortest: int = 1
    longest: int = 10_000

    def __post_init__(self) -> None:
        for regex in [*self.forbidden, *([self.form] if self.form else [])]:
            compile_safe(regex)
        if not 0 <= self.shortest <= self.longest:
            raise PipelineError(
                f"Rules takes texts of {self.shortest} to {self.longest} characters. Give shortest <= longest."
            )

    @property
    def requires(self) -> tuple[str, ...]:
        """The texts."""
        return (self.column,)

    @property
    def provides(self) -> tuple[str, ...]:
        """The score."""
        return ("scores.rules",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table with the score."""
        broken = [self._broken(text) for text in texts_of(table, self.column)]
        for rule in ("too_short", "too_long", "other_form", "forbidden"):
            context.tally.count(rule, broken.count(rule))
        return write(table, **{"scores.rules": np.array([rule is None for rule in broken], dtype=np.float64)})

    def _broken(self, text: str) -> str | None:
        """Return the first rule that a text breaks."""
        if len(text) < self.shortest:
            return "too_short"
        if len(text) > self.longest:
            return "too_long"
        if self.form is not None and re.fullmatch(self.form, text) is None:
            return "other_form"
        return "forbidden" if any(re.search(regex, text) for regex in self.forbidden) else None
