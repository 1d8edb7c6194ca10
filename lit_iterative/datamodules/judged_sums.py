"""JudgedSumsData: sums whose examples also teach to judge completions, and to change a sum."""

from typing import Any

import numpy as np

from lit_iterative.columns import Array
from lit_iterative.datamodules.records import Record
from lit_iterative.datamodules.sums import SumsData, written
from lit_iterative.seeds import generator

#: The characters that sums, judgements and requests for them are written in.
JUDGED_ALPHABET = "0123456789+=?!:\n"


class JudgedSumsData(SumsData):
    r"""Sums as :class:`SumsData` has them, and further examples for some that are worked out.

    Behind ``?`` stands a judgement: the right answer, and in a line of its own ``:1`` or ``:0``. Of one completion it
    says whether it is right, of two, with a ``?`` behind each, whether the first is the better one. Behind ``!`` stands
    another sum, one digit of which is changed. A wrong completion goes on with its mistake.

    Args:
        judged: Share of the examples for which there are such further ones.
        options: Those of :class:`SumsData`.

    Example:
        >>> data = JudgedSumsData(judged=1.0, examples=1, orders=1, prompts=1, held_out=1, terms=3)
        >>> [record["completion"] for record in data.records("examples")]
        ['2+5=7+6=13', '13\n:1', '13\n:0', '13\n:0', '6+6+2=']
    """

    def __init__(self, judged: float = 0.5, **options: Any) -> None:
        super().__init__(**options)
        worked, draw = self.records("examples"), generator(options.get("seed", 0), "judged")
        chosen = draw.choice(len(worked), size=round(judged * len(worked)), replace=False).tolist()
        self._records["examples"] = [*worked, *(record for place in chosen for record in _further(worked[place], draw))]


def _further(example: Record, draw: np.random.Generator) -> list[Record]:
    """Return a right completion judged, a wrong one, both beside each other, and a changed sum."""
    prompt, right, answer = example["prompt"], example["completion"], example["answer"]
    digits = np.array([int(digit) for digit in prompt.removesuffix("=").split("+")])
    wrong, first = _slipped(draw.permutation(digits), draw), int(draw.integers(2))
    pair = (wrong, right)[first], (right, wrong)[first]
    changed = draw.integers(len(digits))
    digits[changed] = (digits[changed] - 1 + draw.integers(1, 9)) % 9 + 1  # another one of the nine
    return [
        {"prompt": f"{prompt}{right}?", "completion": f"{answer}\n:1"},
        {"prompt": f"{prompt}{wrong}?", "completion": f"{answer}\n:0"},
        {"prompt": f"{prompt}{pair[0]}?{pair[1]}?", "completion": f"{answer}\n:{first}"},
        {"prompt": f"{prompt}!", "completion": f"{'+'.join(map(str, digits))}="},
    ]


def _slipped(order: Array, draw: np.random.Generator) -> str:
    """Return a sum worked out in an order, with a mistake."""
    totals = np.cumsum(order)[1:]
    totals[draw.integers(len(totals)) :] += draw.choice([-2, -1, 1, 2])
    return written(order, totals)
