"""SumPairsData: two ways to work out a sum, of which one is preferred; a task for reward models, made on the spot."""

import numpy as np

from lit_iterative.columns import Array
from lit_iterative.datamodules.mixing import Mixing
from lit_iterative.datamodules.pairs import LABEL, PairData
from lit_iterative.datamodules.records import Record
from lit_iterative.datamodules.sums import written
from lit_iterative.errors import DataError
from lit_iterative.seeds import generator


class SumPairsData(PairData):
    """Two completions of a sum such as ``7+5+9=``, both right; the better one adds large digits before small ones.

    Of two orders the better one has the smaller sum of digits times their places; it is the first in half of the pairs.

    Args:
        pairs: Pairs to label.
        examples: Labelled pairs to begin with.
        held_out: Labelled pairs to measure by.
        terms: Digits in a sum.
        gap: By how much the sums of digits times places of the two orders differ at least; where it is large, there are
            no close calls.
        noise: Share of the labels, but for the held-out ones, that are the wrong way round.
        seed: Seed of the sums.
        batch_size: Pairs in a training step.
        eval_batch_size: Pairs in a validation step, and in a forward pass of a round.
        mixing: How labelled pairs and those that rounds label make up an epoch.

    Raises:
        DataError: If there are not so many sums, or the gap is too large for them.

    Example:
        >>> SumPairsData(pairs=1, examples=1, held_out=1).records["examples"]
        [{'prompt': '5+2+7+8=', 'first': '7+2=9+8=17+5=22', 'second': '5+8=13+7=20+2=22', 'label': 1}]
    """

    def __init__(
        self,
        pairs: int = 800,
        examples: int = 200,
        held_out: int = 400,
        terms: int = 4,
        gap: int = 1,
        noise: float = 0.0,
        seed: int = 0,
        batch_size: int = 32,
        eval_batch_size: int = 512,
        mixing: Mixing = Mixing(label_at=LABEL),  # noqa: B008  # frozen
    ) -> None:
        wanted = pairs + examples + held_out
        if wanted > 9**terms // 2:
            raise DataError(
                f"There are {9**terms} sums of {terms} digits, which are too few to draw {wanted} different ones. Ask "
                "for fewer, or set more terms."
            )
        largest = 8 * (terms**2 // 4)  # of digits between 1 and 9
        if not 1 <= gap <= largest // 3:  # so that most sums have two orders that differ by so much
            raise DataError(f"gap is {gap}; of {terms} terms it must be between 1 and {largest // 3}.")
        draw = generator(seed, "sum pairs", terms)
        sums: dict[tuple[int, ...], None] = {}
        while len(sums) < wanted:
            digits = draw.integers(1, 10, size=terms)
            if _cost(np.sort(digits)) - _cost(np.sort(digits)[::-1]) >= gap:
                sums[tuple(digits.tolist())] = None
        records = [_record(np.array(digits), gap, draw) for digits in sums]
        told = [_turned(record, draw.random() < noise) for record in records[: pairs + examples]]
        super().__init__(told[:pairs], told[pairs:], records[pairs + examples :], batch_size, eval_batch_size, mixing)


def _record(digits: Array, gap: int, draw: np.random.Generator) -> Record:
    """Return a sum with two completions and the label of the better one."""
    first = second = digits
    while abs(_cost(first) - _cost(second)) < gap:
        first, second = (draw.permutation(digits) for _ in range(2))
    texts = {name: written(order, np.cumsum(order)[1:]) for name, order in (("first", first), ("second", second))}
    return {"prompt": f"{'+'.join(map(str, digits))}=", **texts, LABEL: int(_cost(first) > _cost(second))}


def _cost(order: Array) -> int:
    """Return the sum of digits times their places."""
    return int(np.arange(len(order)) @ order)


def _turned(record: Record, wrong: bool) -> Record:
    """Return a record whose label is the wrong way round where that is asked for."""
    return {**record, LABEL: 1 - record[LABEL]} if wrong else record
