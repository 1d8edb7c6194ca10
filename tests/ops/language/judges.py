"""Functions that a user might verify completions with, where YAML can import them."""

from typing import Any


def ends_with_answer(text: str, row: dict[str, Any]) -> bool | None:
    """Abstains where there is no right answer."""
    return None if row["answer"] is None else text.endswith(str(row["answer"]))
