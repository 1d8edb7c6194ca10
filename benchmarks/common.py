"""What all benchmarks share: a readable table, and the last line that a machine reads."""

import json
from collections.abc import Sequence
from typing import Any


def show_table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print rows below a header, the first column to the left and all others to the right."""
    texts = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[column]) for row in texts) for column in range(len(header))]
    for number, row in enumerate(texts):
        first, *others = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join([first.strip().ljust(widths[0]), *others]))
        if number == 0:
            print("  ".join("-" * width for width in widths))


def conclude(claim: str, value: float, bar: float, holds: bool) -> None:
    """Print the verdict as the last line."""
    print(json.dumps({"claim": claim, "value": value, "bar": bar, "holds": bool(holds)}))
