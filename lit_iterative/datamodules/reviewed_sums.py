"""ReviewedSumsData: sums whose examples also teach to criticise a draft, and to write it anew."""

from typing import Any

import numpy as np

from lit_iterative.datamodules.records import Record
from lit_iterative.datamodules.sums import SumsData, written
from lit_iterative.errors import DataError
from lit_iterative.seeds import generator


class ReviewedSumsData(SumsData):
    """Sums as :class:`SumsData` has them, and reviews of some that are worked out, as further examples.

    A draft is asked about with ``?``: the critique of a right one is ``1``; that of a wrong one is ``0:`` and its first
    wrong step, put right. Behind the critique and ``!`` stands the sum worked out rightly. A wrong draft goes on with
    its mistake.

    Args:
        reviews: Examples that are reviewed, each as a right draft and as a wrong one.
        options: Those of :class:`SumsData`.

    Raises:
        DataError: If there are not so many examples.

    Example:
        >>> data = ReviewedSumsData(reviews=1, examples=1, orders=1, prompts=1, held_out=1, terms=3)
        >>> for record in data.records("examples")[:3]:
        ...     print(record["prompt"], record["completion"])
        6+5+2= 2+5=7+6=13
        6+5+2=2+5=7+6=13? 1
        6+5+2=2+5=7+6=13?1! 2+5=7+6=13
    """

    def __init__(self, reviews: int = 2000, **options: Any) -> None:
        super().__init__(**options)
        worked = self.records("examples")
        if reviews > len(worked):
            raise DataError(
                f"{reviews} examples are to be reviewed, but there are only {len(worked)}. Ask for fewer reviews, or "
                "for more examples or orders."
            )
        draw = generator(options.get("seed", 0), "reviews")
        chosen = draw.choice(len(worked), size=reviews, replace=False).tolist()
        self._records["examples"] = [*worked, *(record for place in chosen for record in _reviews(worked[place], draw))]


def _reviews(example: Record, draw: np.random.Generator) -> list[Record]:
    """Return a right draft and a wrong one of a sum, each with what is said of it and how it is written anew."""
    first, *steps = example["completion"].split("+")
    order = [int(first), *(int(step.split("=")[0]) for step in steps)]
    totals = np.cumsum(order)[1:]
    wrong, slip = int(draw.integers(len(totals))), int(draw.choice([-2, -1, 1, 2]))
    slipped = totals + np.where(np.arange(len(totals)) < wrong, 0, slip)
    before = order[0] if wrong == 0 else totals[wrong - 1]
    drafts = {
        example["completion"]: "1",
        written(order, slipped): f"0:{before}+{order[wrong + 1]}={totals[wrong]}",
    }
    return [
        record
        for draft, critique in drafts.items()
        for record in (
            {"prompt": f"{example['prompt']}{draft}?", "completion": critique},
            {"prompt": f"{example['prompt']}{draft}?{critique}!", "completion": example["completion"]},
        )
    ]
