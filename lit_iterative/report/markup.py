"""HTML in which every text is escaped: what a model wrote can never become part of the page."""

import html
from collections.abc import Iterable
from typing import Any

VOID = frozenset({"img", "meta", "br"})


class Markup(str):
    """HTML that was made here; any other string is a text."""

    __slots__ = ()


def tag(element: str, *inside: Any, **attributes: Any) -> Markup:
    """Return an element.

    Args:
        element: Its name.
        inside: What is in it: markup stays as it is, all else is escaped; lists are unfolded.
        attributes: Its attributes; an underscore behind a name is dropped, others are hyphens; ``True`` leaves the
            value out, and ``None`` or ``False`` the whole attribute.

    Example:
        >>> tag("p", "a < b", tag("b", "<script>"), class_="note", hidden=True)
        '<p class="note" hidden>a &lt; b<b>&lt;script&gt;</b></p>'
    """
    given = "".join(_attribute(key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items())
    return Markup(f"<{element}{given}>" if element in VOID else f"<{element}{given}>{join(inside)}</{element}>")


def _attribute(name: str, value: Any) -> str:
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{html.escape(str(value))}"'


def join(parts: Iterable[Any]) -> Markup:
    """Return parts behind each other.

    Example:
        >>> join(["1 & 2", [tag("br"), None, 3]])
        '1 &amp; 2<br>3'
    """
    return Markup("".join(_one(part) for part in parts))


def _one(part: Any) -> str:
    if isinstance(part, Markup):
        return str(part)
    if part is None:
        return ""
    return join(part) if isinstance(part, list | tuple) else html.escape(str(part))


def table(head: list[str], rows: Iterable[list[Any]], numeric: Iterable[int] = ()) -> Markup:
    """Return a table that scrolls by itself where the page is narrow.

    Args:
        head: Titles of the columns.
        rows: Cells.
        numeric: Columns whose cells stand to the right.
    """
    right = set(numeric)
    kinds = ["n" if place in right else None for place in range(len(head))]
    titles = tag("tr", [tag("th", title, class_=kind) for title, kind in zip(head, kinds, strict=True)])
    body = [tag("tr", [tag("td", cell, class_=kind) for cell, kind in zip(row, kinds, strict=True)]) for row in rows]
    return tag("div", tag("table", tag("thead", titles), tag("tbody", body)), class_="scroll")


def folded(title: Any, *inside: Any, open_: bool = False) -> Markup:
    """Return a part that opens on a click, and is open in print."""
    return tag("details", tag("summary", title), tag("div", *inside), open=open_)
