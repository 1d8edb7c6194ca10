"""Plain text for people: aligned tables, and numbers of few digits."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

GAP = "  "


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return an aligned table; columns of numbers stand to the right.

    Args:
        head: Titles of the columns.
        rows: Cells of every row, as many as titles.

    Example:
        >>> print(table(["op", "rows"], [["Predict", "900"], ["Threshold", "64"]]))
        op         rows
        ---------  ----
        Predict     900
        Threshold    64
    """
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(head)
    widths = [max(map(len, (title, *cells))) for title, cells in zip(head, columns, strict=True)]
    right = [bool(cells) and all(_is_number(cell) for cell in cells) for cells in columns]
    lines = [head, ["-" * width for width in widths], *rows]
    return "\n".join(_line(line, widths, right) for line in lines)


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    aligned = [
        cell.rjust(width) if is_right else cell.ljust(width)
        for cell, width, is_right in zip(cells, widths, right, strict=True)
    ]
    return GAP.join(aligned).rstrip()


def _is_number(cell: str) -> bool:
    return cell in ("", "-", "nan") or cell.lstrip("+-.")[:1].isdigit()


def share(value: float | None) -> str:
    """Return a share in percent.

    Example:
        >>> share(0.8251), share(None)
        ('82.5 %', '-')
    """
    return "-" if value is None else f"{100 * value:.1f} %"


def count(value: int | None) -> str:
    """Return a whole number with commas between thousands.

    Example:
        >>> count(1234567), count(None)
        ('1,234,567', '-')
    """
    return "-" if value is None else f"{value:,}"


def size(value: int) -> str:
    """Return a number of bytes.

    Example:
        >>> size(702), size(1_260_000), size(28_000_000_000)
        ('702 B', '1.3 MB', '28.0 GB')
    """
    amount, units = float(value), iter(("kB", "MB", "GB", "TB"))
    unit = "B"
    while amount >= 1000 and unit != "TB":
        amount, unit = amount / 1000, next(units)
    return f"{amount:.0f} B" if unit == "B" else f"{amount:.1f} {unit}"


def number(value: float | None) -> str:
    """Return a number with four digits.

    Example:
        >>> number(0.93218), number(3.0), number(None)
        ('0.9322', '3', '-')
    """
    return "-" if value is None else f"{value:.4g}"


def seconds(value: float | None) -> str:
    """Return a time.

    Example:
        >>> seconds(0.0341), seconds(2.52), seconds(75.2), seconds(3725)
        ('34 ms', '2.5 s', '1 min 15 s', '1 h 2 min')
    """
    if value is None:
        return "-"
    if value < 1:
        return f"{1000 * value:.0f} ms"
    if value < 60:
        return f"{value:.1f} s"
    minutes = int(value // 60)
    return f"{minutes} min {int(value % 60)} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def short(value: Any, width: int = 40) -> str:
    """Return any value in at most ``width`` characters.

    Example:
        >>> short([0.25, 0.5, 0.125, 0.125], width=18)
        '[0.25, 0.5, 0.1...'
    """
    text = number(value) if isinstance(value, float) else _listed(value) if isinstance(value, list) else clean(value)
    return text if len(text) <= width else text[: width - 3] + "..."


def clean(value: Any) -> str:
    r"""Return any value in one line that no terminal takes for a command.

    Example:
        >>> print(clean("two\nlines \x1b[31mred"))
        two\nlines \x1b[31mred
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(value))


def _listed(values: list[Any]) -> str:
    return "[" + ", ".join(number(value) if isinstance(value, float) else str(value) for value in values) + "]"


def to_json(value: Any, indent: int | None = 1) -> str:
    """Return JSON that every reader takes: a number that is not finite becomes null.

    Example:
        >>> to_json({"loss": float("nan"), "rows": [1]}, indent=None)
        '{"loss": null, "rows": [1]}'
    """
    return json.dumps(_finite(value), indent=indent, default=str, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(part) for key, part in value.items()}
    return [_finite(part) for part in value] if isinstance(value, list | tuple) else value
