"""Regular expressions on text that a model wrote: the last match, and whether an expression is safe."""

import re
from collections import deque

from lit_iterative.errors import PipelineError

_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|[*+]|\{\d*(?:,\d*)?\}|.", re.DOTALL)


def last_match(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    """Return the last match in a text.

    Example:
        >>> last_match(re.compile("[a-z]"), "a1b2").group()
        'b'
    """
    found = deque(pattern.finditer(text), maxlen=1)
    return found[0] if found else None


def compile_safe(regex: str) -> re.Pattern[str]:
    """Compile a regular expression, and refuse one whose search may take exponential time.

    Refused is a repeat of a group that itself holds a repeat without end or a choice: ``(a+)+``, ``(a|ab)*``. What is
    left may still take time that grows as a power of the text's length, so search only short texts with it.

    Raises:
        PipelineError: If it is not a regular expression, or one of those.

    Example:
        >>> compile_safe(r"(a+)+$")
        Traceback (most recent call last):
        ...
        lit_iterative.errors.PipelineError: The regular expression '(a+)+$' repeats a group that ...
    """
    try:
        compiled = re.compile(regex)
    except re.error as error:
        raise PipelineError(
            f"{regex!r} is not a regular expression: {error}. Escape characters that stand for themselves with '\\'."
        ) from error
    if repeats_a_repeat(regex):
        raise PipelineError(
            f"The regular expression {regex!r} repeats a group that holds a repeat or a choice, which can take for "
            "ever on some texts. Repeat a set of characters instead, such as [a-z,]+ for (a|,)+ or ([a-z]+)*."
        )
    return compiled


def repeats_a_repeat(regex: str) -> bool:
    r"""Tell whether a group that holds a repeat without end or a choice is itself repeated.

    Example:
        >>> repeats_a_repeat(r"(\d+,)*"), repeats_a_repeat(r"(\d{3},)*(a|b)")
        (True, False)
    """
    tokens = _TOKEN.findall(regex)
    open_groups = [False]  # for each open group, whether it holds a repeat or a choice
    for token, following in zip(tokens, [*tokens[1:], ""], strict=False):
        if token == "(":
            open_groups.append(False)
        elif token == ")" and len(open_groups) > 1:
            holds = open_groups.pop()
            if holds and _is_repeat(following):
                return True
            open_groups[-1] |= holds
        elif (token == "|" and len(open_groups) > 1) or _is_endless(token):
            open_groups[-1] = True
    return False


def _is_repeat(token: str) -> bool:
    """Tell whether a token repeats what stands before it more than once."""
    return _is_endless(token) or (token.startswith("{") and len(token) > 1 and token not in ("{1}", "{0,1}", "{,1}"))


def _is_endless(token: str) -> bool:
    return token in ("*", "+") or (token.startswith("{") and token.endswith(",}"))
