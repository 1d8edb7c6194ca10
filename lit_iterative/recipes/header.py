"""Headers: what the comment at the top of a recipe says of the system that it follows."""

from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import yaml

from lit_iterative.errors import DataError

FIELDS = ("title", "source", "base", "system", "follows the source", "our choice")


@dataclass(frozen=True)
class Header:
    """What a recipe says of itself.

    Args:
        title: Title of the publication.
        source: Who published it when, with its number.
        follows: What follows the source.
        choice: What is our choice, and where the recipe leaves the source.
        system: Number of the system in ``docs/systems.md``; none where it is not listed there.
        base: Name of the file in ``configs/base`` that the recipe is laid over; none where it is complete.
    """

    title: str
    source: str
    follows: str
    choice: str
    system: str | None = None
    base: str | None = None


def read_header(text: str, where: str) -> Header:
    r"""Return the header of a recipe: the lines of comment at its top, read as YAML.

    Args:
        text: The recipe.
        where: Its path, for messages.

    Raises:
        DataError: If the comment is no YAML, a field is missing, or there is another one.

    Example:
        >>> text = "# title: T\n# source: S\n# follows the source: F\n# our choice: C\nmodel:\n"
        >>> read_header(text, "a.yaml").follows
        'F'
    """
    fields = _fields(text, where)
    optional = {name: fields.get(name) for name in ("system", "base")}
    required = {name: fields.get(name) for name in FIELDS if name not in optional}
    missing, unknown = [name for name, value in required.items() if not value], sorted(set(fields) - set(FIELDS))
    if missing or unknown:
        raise DataError(
            f"The header of {where} lacks {missing} and has the unknown fields {unknown}. Begin the file with a "
            f"comment that holds the fields {', '.join(FIELDS)}; system and base may be left out."
        )
    title, source, follows, choice = (str(value).strip() for value in required.values())
    return Header(title, source, follows, choice, **optional)


def read_base(text: str, where: str) -> str | None:
    r"""Return the base that the header of a recipe names, the one field that is needed to run it.

    Args:
        text: The recipe.
        where: Its path, for messages.

    Raises:
        DataError: If the comment at its top is no YAML.

    Example:
        >>> read_base("# base: sums\nmodel:\n", "mine.yaml")
        'sums'
    """
    base: str | None = _fields(text, where).get("base")
    return base


def _fields(text: str, where: str) -> dict[str, Any]:
    """Return the comment at the top, read as YAML."""
    lines = takewhile(lambda line: line.startswith("#"), text.splitlines())
    comment = "\n".join(line[1:].removeprefix(" ") for line in lines)
    try:
        fields = yaml.safe_load(comment)
    except yaml.YAMLError as error:
        raise DataError(f"The header of {where} is no YAML: {error}. Put text with a colon behind '>'.") from error
    return fields if isinstance(fields, dict) else {}
