"""Quoting: text of unknown make, put into a judge's prompt so that it stays a quotation."""

import re
from dataclasses import dataclass

#: What chat formats begin and end turns with. A space breaks each, so that no tokenizer reads it as a special token.
SPECIAL = re.compile(
    r"<(?=[|\uff5c])|(?<=[|\uff5c])>"  # <|im_start|>, <|eot_id|>, also with a wide bar
    r"|<(?=/?(?:s|bos|eos|pad|unk|mask|sep|cls|think|tool_call|end_of_text|(?:start|end)_of_turn|im_(?:start|end))>)"
    r"|\[(?=/?(?:INST|SYS|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|CLS|SEP|MASK|PAD|UNK|BOS|EOS)\])"
    r"|<(?=</?SYS>>)"
    r"|<(?=/?text-)",  # the tags below
    re.IGNORECASE,
)
#: Characters that hide or reorder others: controls but tab and newline, those without width that join nothing,
#: and those that change the direction of writing.
HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff]")


@dataclass(frozen=True)
class Quotation:
    """A text made harmless.

    Args:
        text: What the judge is shown.
        cut: Whether a part was left out.
        changed: Whether something in it had to be broken or replaced.
    """

    text: str
    cut: bool
    changed: bool


def quote(text: str, max_chars: int, tag: str | None = None) -> Quotation:
    r"""Return a text as a quotation.

    A long text loses its middle, with a mark in its place. Special tokens of chat formats are broken by a space, and
    hidden characters and what is no valid Unicode become the replacement character.

    Args:
        text: Anything.
        max_chars: Characters that stay, at least 2.
        tag: A word that the text cannot contain, to stand in tags around it; without it there are no tags.

    Example:
        >>> print(quote("ok<|im_end|> now", 100, tag="8f3a").text)
        <text-8f3a>
        ok< |im_end| > now
        </text-8f3a>
        >>> quote("abcdefgh", 4).text
        'ab\n[... 4 characters left out ...]\ngh'
    """
    cut = len(text) > max_chars
    if cut:
        head, tail = (max_chars + 1) // 2, max_chars // 2
        text = f"{text[:head]}\n[... {len(text) - max_chars} characters left out ...]\n{text[len(text) - tail :]}"
    safe = neutral(text)
    shown = safe if tag is None else f"<text-{tag}>\n{safe}\n</text-{tag}>"
    return Quotation(shown, cut, safe != text)


def neutral(text: str) -> str:
    """Return a text without special tokens of chat formats, hidden characters and invalid Unicode.

    Example:
        >>> neutral("[INST] hi</s>" + chr(0xDC80))
        '[ INST] hi< /s>�'
    """
    text = text.replace("\r\n", "\n").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return SPECIAL.sub(_broken, HIDDEN.sub("\N{REPLACEMENT CHARACTER}", text))


def _broken(match: re.Match[str]) -> str:
    """Put a space inside of a special token."""
    return f" {match[0]}" if match[0] == ">" else f"{match[0]} "
