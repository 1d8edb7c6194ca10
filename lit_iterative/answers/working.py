"""Working: a checker of sums that are worked out step by step, as a compiler checks a program; nothing is evaluated."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

#: ``9+7=16+5=21``: a number, and then steps that each add one and say what comes out.
WORKING = re.compile(r"\d{1,9}(?:\+\d{1,9}=\d{1,9})+", re.ASCII)
STEP = re.compile(r"\+(\d+)=(\d+)", re.ASCII)
NUMBER = re.compile(r"\d{1,9}", re.ASCII)


def check_working(text: str, row: Mapping[str, Any]) -> float:
    """Return how good a worked sum is, in [0, 1]: a function for ``VerifyWith(check_working, [prompt])``.

    It is 0 where the text cannot be read as a chain of additions. Else it is the mean of 1, the share of the steps that
    are right, and 1 or 0 for whether the numbers that are added are those of the prompt.

    Args:
        text: What was written.
        row: Has the ``prompt``, in which the numbers to add stand.

    Example:
        >>> row = {"prompt": "5+9+7="}
        >>> [round(check_working(text, row), 2) for text in ("9+7=16+5=21", "9+7=16+5=20", "9+7=16", "9+7")]
        [1.0, 0.83, 0.67, 0.0]
    """
    if WORKING.fullmatch(text) is None:
        return 0.0
    total = first = int(NUMBER.findall(text)[0])
    added, right = [first], []
    for number, said in STEP.findall(text):
        right.append(total + int(number) == int(said))
        added.append(int(number))
        total = int(said)
    wanted = Counter(map(int, NUMBER.findall(str(row["prompt"]))))
    return (1 + sum(right) / len(right) + (Counter(added) == wanted)) / 3
