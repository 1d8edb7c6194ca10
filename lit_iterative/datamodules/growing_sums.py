"""GrowingSumsData: short sums that are worked out, and ever longer ones to go on with: a task from easy to hard."""

from collections.abc import Iterator
from itertools import islice
from math import perm

from lit_iterative.datamodules.mixing import Mixing
from lit_iterative.datamodules.prompts import PromptData
from lit_iterative.datamodules.records import Record
from lit_iterative.errors import DataError
from lit_iterative.seeds import generator

Digits = tuple[int, ...]


class GrowingSumsData(PromptData):
    """Sums that grow: those that are worked out are short; those to work on are longer, in the order of their length.

    The digits of a sum differ. They are added from the largest down, and of every total only the last digit counts:
    ``7+2+6=`` is worked out as ``7+6=3+2=5``. A longer sum so takes more steps, but none of a new kind. The answer is
    the last number. ``Stream`` with a ``size`` of ``prompts`` takes one length after the other. Prompts and held-out
    prompts have no sum in common.

    Args:
        prompts: Sums to work on, of every length.
        examples: Sums that are worked out, of every length; some come twice.
        held_out: Sums to measure by, of every length that is worked on.
        shortest: Digits in the shortest sums that are worked out.
        known: Digits in the longest of these.
        longest: Digits in the longest sums to work on, at most 9; the shortest have one more than ``known``.
        seed: Seed of the sums.
        batch_size: Rows in a training step.
        eval_batch_size: Prompts in a validation step.
        mixing: How examples and the rows of a round make up an epoch.

    Raises:
        DataError: If the lengths do not grow, or there are not so many sums of one.

    Example:
        >>> data = GrowingSumsData(prompts=1, examples=1, held_out=1, shortest=3, known=3, longest=5)
        >>> data.records("examples")
        [{'prompt': '7+2+6=', 'answer': '5', 'completion': '7+6=3+2=5'}]
        >>> [record["prompt"] for record in data.records("prompts")]
        ['7+3+9+8=', '1+4+3+2+6=']
    """

    def __init__(  # flat, so that YAML is
        self,
        prompts: int = 200,
        examples: int = 2000,
        held_out: int = 100,
        shortest: int = 2,
        known: int = 5,
        longest: int = 9,
        seed: int = 0,
        batch_size: int = 64,
        eval_batch_size: int = 500,
        mixing: Mixing = Mixing(mode="concat"),  # noqa: B008  # frozen
    ) -> None:
        if not 1 < shortest <= known < longest <= 9:
            raise DataError(
                f"Sums of {shortest} to {known} digits are worked out, and those of up to {longest} are to be worked "
                "on. Give lengths that grow, from 2 digits or more to 9 or fewer."
            )
        short = [digits for terms in range(shortest, known + 1) for digits in islice(_sums(seed, terms), examples)]
        long = [_different(seed, terms, prompts + held_out) for terms in range(known + 1, longest + 1)]
        super().__init__(
            [_record(digits) for sums in long for digits in sums[:prompts]],
            [{**_record(digits), "completion": _worked(digits)} for digits in short],
            [_record(digits) for sums in long for digits in sums[prompts:]],
            batch_size=batch_size,
            eval_batch_size=eval_batch_size,
            mixing=mixing,
        )


def _sums(seed: int, terms: int) -> Iterator[Digits]:
    """Draw sums of one length without end."""
    draw = generator(seed, "growing sums", terms)
    while True:
        yield tuple((draw.permutation(9)[:terms] + 1).tolist())


def _different(seed: int, terms: int, wanted: int) -> list[Digits]:
    """Draw different sums of one length."""
    if wanted > perm(9, terms) // 2:
        raise DataError(
            f"There are {perm(9, terms)} sums of {terms} different digits, which are too few to draw {wanted} of them. "
            "Ask for fewer, or for longer ones."
        )
    drawn, found = _sums(seed, terms), dict[Digits, None]()
    while len(found) < wanted:
        found[next(drawn)] = None
    return list(found)


def _record(digits: Digits) -> Record:
    """Return a sum with its answer."""
    return {"prompt": f"{'+'.join(map(str, digits))}=", "answer": str(sum(digits) % 10)}


def _worked(digits: Digits) -> str:
    """Return a sum worked out."""
    total, *rest = sorted(digits, reverse=True)
    text = str(total)
    for digit in rest:
        total = (total + digit) % 10
        text += f"+{digit}={total}"
    return text
