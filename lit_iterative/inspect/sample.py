"""``rounds sample``: rows of a round for people to read, both sides of a pair beside each other."""

import shutil
import textwrap
from typing import Any

from lit_iterative.inspect import text
from lit_iterative.inspect.pick import Picked

SIDES = ("chosen", "rejected")
#: Columns that a person does not read.
HIDDEN = ("_ids", "_mask", "probs", "logits")
WIDEST = 160


def render_sample(picked: list[Picked], width: int | None = None) -> str:
    """Return rows as text.

    Args:
        picked: The rows.
        width: Characters of a line; those of the terminal when left out.
    """
    columns = width or min(shutil.get_terminal_size((100, 24)).columns, WIDEST)
    return "\n\n".join(_row(row, columns) for row in picked) if picked else "There are no such rows."


def _row(picked: Picked, width: int) -> str:
    row = readable(picked.row)
    said = [f"{name} {text.short(row.pop(name))}" for name in ("id", "label") if name in row]
    if picked.value is not None:
        said.insert(1, f"by {text.number(picked.value)}")
    lines = [f"── {', '.join(said)} ".ljust(width, "─")]
    if set(SIDES) <= set(row):
        lines += [*_beside([row.pop(side) for side in SIDES], width, SIDES), ""]
    lines += _fields(row, width)
    if picked.before is not None:
        before = readable(picked.before)
        changed = {name: value for name, value in before.items() if value != picked.row.get(name)}
        lines += ["  before:", *_fields(changed, width)]
    return "\n".join(lines)


def readable(row: dict[str, Any]) -> dict[str, Any]:
    """Return the columns that a person reads.

    Example:
        >>> readable({"id": 3, "prompt": "1+1=", "prompt_ids": [4, 5], "probs": [0.5, 0.5]})
        {'id': 3, 'prompt': '1+1='}
    """
    return {name: value for name, value in row.items() if not name.endswith(HIDDEN) and value is not None}


def _fields(row: dict[str, Any], width: int) -> list[str]:
    indent = max(map(len, row), default=0) + 4
    return [line for name, value in row.items() for line in _field(name, value, indent, width)]


def _field(name: str, value: Any, indent: int, width: int) -> list[str]:
    shown = text.number(value) if isinstance(value, float) else str(value)
    first, *rest = _wrapped(shown, max(20, width - indent))
    return [f"  {name}".ljust(indent) + first, *(" " * indent + line for line in rest)]


def _beside(texts: list[Any], width: int, heads: tuple[str, ...]) -> list[str]:
    """Return two texts in columns beside each other."""
    half = max(20, (width - 5) // 2)
    left, right = ([head, "-" * len(head), *_wrapped(str(part), half)] for head, part in zip(heads, texts, strict=True))
    height = max(len(left), len(right))
    left, right = (lines + [""] * (height - len(lines)) for lines in (left, right))
    return [f"  {one.ljust(half)} │ {other}".rstrip() for one, other in zip(left, right, strict=True)]


def _wrapped(shown: str, width: int) -> list[str]:
    lines = [part for line in shown.splitlines() for part in textwrap.wrap(text.clean(line), width) or [""]]
    return lines or [""]
