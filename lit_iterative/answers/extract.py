"""Extractors: find the final answer in a completion. They read any text in time in proportion to its length."""

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

from lit_iterative.answers.numbers import last_number
from lit_iterative.answers.patterns import compile_safe, last_match
from lit_iterative.errors import PipelineError


class Extractor(ABC):
    """Finds the final answer in a text. Subclass it as a frozen dataclass whose fields are its parameters."""

    @abstractmethod
    def __call__(self, text: str) -> str | None:
        """Return the answer as it is written in the text, or nothing where there is none."""


@dataclass(frozen=True)
class WholeText(Extractor):
    r"""The whole text, without the space around it.

    Example:
        >>> WholeText()(" forty-two \n"), WholeText()(" ")
        ('forty-two', None)
    """

    def __call__(self, text: str) -> str | None:
        """Return the text."""
        return text.strip() or None


@dataclass(frozen=True)
class LastNumber(Extractor):
    """The last number in the text, with its sign, thousands separators, fraction, power and percent.

    Digits within words (``x2``, ``H2O``) and exponents of units (``25 m^2``) are no numbers.

    Example:
        >>> LastNumber()("Half of 2,500 is 1,250.")
        '1,250'
    """

    def __call__(self, text: str) -> str | None:
        """Return the number."""
        return last_number(text)


@dataclass(frozen=True)
class AfterMarker(Extractor):
    r"""What stands behind the last marker, up to the end of the line.

    Args:
        marker: The marker, at least one character.

    Raises:
        PipelineError: If the marker is empty.

    Example:
        >>> AfterMarker()("3 + 4 = 7\n#### 7\n")
        '7'
    """

    marker: str = "####"

    def __post_init__(self) -> None:
        if not self.marker:
            raise PipelineError(
                "AfterMarker(marker) is ''. Give the text that stands before the answer, such as '####'."
            )

    def __call__(self, text: str) -> str | None:
        """Return what follows the marker."""
        at = text.rfind(self.marker)
        if at < 0:
            return None
        line = text[at + len(self.marker) :].lstrip(" \t").split("\n", 1)[0]
        return line.strip() or None


@dataclass(frozen=True)
class Boxed(Extractor):
    r"""The content of the ``\boxed{...}`` that closes last; braces may be nested.

    Example:
        >>> Boxed()(r"So it is \boxed{\frac{1}{2}}.")
        '\\frac{1}{2}'
    """

    def __call__(self, text: str) -> str | None:
        """Return what is in the box."""
        answer = None
        open_braces: list[int] = []  # where the content of each open box begins; -1 for any other open brace
        for token in _BRACES.finditer(text):
            if token.group().startswith("\\boxed"):
                open_braces.append(token.end())
            elif token.group() == "{":
                open_braces.append(-1)
            elif token.group() == "}" and open_braces:
                start = open_braces.pop()
                if start >= 0:
                    answer = (start, token.start())
        return (text[slice(*answer)].strip() or None) if answer else None


_BRACES = re.compile(r"\\boxed ?\{|\\[\\{}]|[{}]")


@dataclass(frozen=True)
class Pattern(Extractor):
    r"""What a regular expression finds last, near the end of the text.

    The expression comes from you and the text from a model, so two things bound the time: only the last
    ``characters`` are searched, and an expression that repeats a group which holds a repeat or a choice, such as
    ``(a+)+``, is refused, because its search can take exponential time. What is left can still take time that grows
    as a power of ``characters``, by one for every ``*`` or ``+`` that may match the same text as another.

    Args:
        regex: The expression, in Python's syntax.
        group: The group to return, by number or name; 0 is the whole match.
        characters: How many characters at the end of the text are searched, 1 or more.

    Raises:
        PipelineError: If the expression is wrong or refused, the group is not in it, or there is nothing to search.

    Example:
        >>> Pattern(r"total: (\d+)", group=1)("total: 3 ... total: 4")
        '4'
    """

    regex: str
    group: int | str = 0
    characters: int = 1000

    def __post_init__(self) -> None:
        groups = [*range(self.compiled.groups + 1), *self.compiled.groupindex]
        if self.group not in groups:
            raise PipelineError(f"Pattern(group) is {self.group!r}, but {self.regex!r} has the groups {groups}.")
        if self.characters < 1:
            raise PipelineError(f"Pattern(characters) is {self.characters}. Give 1 or more.")

    @cached_property
    def compiled(self) -> re.Pattern[str]:
        """The expression, ready to search."""
        return compile_safe(self.regex)

    def __call__(self, text: str) -> str | None:
        """Return the group of the last match."""
        found = last_match(self.compiled, text[-self.characters :])
        return (found.group(self.group) or "").strip() or None if found else None


@dataclass(frozen=True)
class Choice(Extractor):
    r"""The letter of a multiple-choice answer, as a capital.

    Looked for, in this order, and the last of its kind is taken: ``answer is B`` or ``Answer: (b)``; ``\boxed{B}``;
    ``(B)``; a line that is, or begins with, ``B.``, ``B)`` or ``B:``. Only the last 10,000 characters count.

    Args:
        letters: The letters there are, capitals from A to Z.

    Raises:
        PipelineError: If there are none, or others.

    Example:
        >>> Choice()("(A) is too small, (C) too large. The answer is (B).")
        'B'
    """

    letters: str = "ABCDE"

    def __post_init__(self) -> None:
        if not re.fullmatch("[A-Z]+", self.letters):
            raise PipelineError(f"Choice(letters) is {self.letters!r}. Give capitals from A to Z, such as 'ABCD'.")

    @cached_property
    def forms(self) -> list[re.Pattern[str]]:
        """The expressions for each way to state an answer, the plainest first."""
        upper, either = f"[{self.letters}]", f"[{self.letters}{self.letters.lower()}]"
        letter = rf"(?:\(({either})\)|({upper})(?![A-Za-z0-9]))"
        stated = r"(?i:answer|choice|option)(?i:\s{0,3}:|\s{1,3}is|\s{1,3}must\sbe|\s{1,3}should\sbe)?"
        return [
            re.compile(rf"{stated}[^A-Za-z0-9()\n]{{0,10}}{letter}"),
            re.compile(rf"\\boxed\{{(?:\\(?:text|mathrm|textbf)\{{)?\s?(?:\(({either})\)|({upper}))\s?\}}"),
            re.compile(rf"\(({either})\)"),
            re.compile(rf"^[ \t*_]{{0,8}}({upper})[ \t*_]{{0,8}}(?:[.):]|$)", re.MULTILINE),
        ]

    def __call__(self, text: str) -> str | None:
        """Return the letter."""
        end = text[-_CHOICE_CHARACTERS:]
        for form in self.forms:
            found = last_match(form, end)
            if found:
                return next(letter for letter in found.groups() if letter).upper()
        return None


_CHOICE_CHARACTERS = 10_000


@dataclass(frozen=True)
class PythonBlock(Extractor):
    r"""The last block of Python between lines of three backticks; one that does not end counts to the end.

    A block without a language counts as Python too.

    Example:
        >>> PythonBlock()("Try this:\n```python\nprint(1)\n```\nDone.")
        'print(1)'
    """

    def __call__(self, text: str) -> str | None:
        """Return the code."""
        block: list[str] | None = None  # the lines of the block that is open; nothing between blocks
        language, code = "", None
        for line in [*text.split("\n"), "```"]:
            fence = line.strip()
            if not fence.startswith("```"):
                if block is not None:
                    block.append(line)
            elif block is None:
                block, language = [], fence.strip("`").strip().lower()
            else:
                if language in ("", "python", "python3", "py") and any(map(str.strip, block)):
                    code = "\n".join(block)
                block = None
        return code
