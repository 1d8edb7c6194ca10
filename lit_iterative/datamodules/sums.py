"""SumsData: sums of digits, worked out step by step in any order: a reasoning task that is made on the spot."""

from typing import Any

import numpy as np

from lit_iterative.datamodules.mixing import Mixing
from lit_iterative.datamodules.prompts import PromptData
from lit_iterative.datamodules.records import Record
from lit_iterative.errors import DataError
from lit_iterative.seeds import generator

ALPHABET = "0123456789+="


class SumsData(PromptData):
    """Sums such as ``7+5+1+5+9=``, which a completion such as ``9+7=16+5=21+1=22+5=27`` works out.

    The digits may be added in any order: there are many ways to one answer, and mistakes go apart. That is what votes
    need. The answer is the last number. Prompts, examples and held-out prompts have no sum in common.

    A prompt has its ``answer``, and in ``gold`` a completion that works it out, for whoever learns from given ones.

    Args:
        prompts: Sums to work on.
        examples: Sums that are worked out to begin with.
        orders: How often each of these is worked out, each time in another order.
        held_out: Sums to measure by.
        terms: Digits in a sum.
        keys: Share of the prompts whose ``answer`` and ``gold`` are given; they are null in the others.
        seed: Seed of the sums.
        batch_size: Rows in a training step.
        eval_batch_size: Prompts in a validation step.
        mixing: How examples and the rows of a round make up an epoch.
        seeds: Whether the examples are sums of the prompts, the first of them, in place of others: the policy is then
            asked about what it has learnt.

    Raises:
        DataError: If there are not so many sums, or more seeds than prompts.

    Example:
        >>> data = SumsData(prompts=2, examples=1, held_out=1, orders=1)
        >>> data.records("examples")
        [{'prompt': '3+5+9+9+4=', 'completion': '9+9=18+4=22+5=27+3=30', 'answer': '30'}]
    """

    def __init__(  # noqa: PLR0913  # flat, so that YAML is
        self,
        prompts: int = 800,
        examples: int = 100,
        orders: int = 20,
        held_out: int = 500,
        terms: int = 5,
        keys: float = 1.0,
        seed: int = 0,
        batch_size: int = 32,
        eval_batch_size: int = 500,
        mixing: Mixing = Mixing(mode="replace"),  # noqa: B008  # frozen
        seeds: bool = False,
        ordered: bool = False,
    ) -> None:
        if seeds and examples > prompts:
            raise DataError(f"SumsData has {examples} seeds, but {prompts} prompts. Give as many prompts, or more.")
        wanted = prompts + examples + held_out
        if wanted > 9**terms // 2:
            raise DataError(
                f"There are {9**terms} sums of {terms} digits, which are too few to draw {wanted} different ones. Ask "
                "for fewer, or set more terms."
            )
        draw = generator(seed, "sums", terms)
        sums: dict[tuple[int, ...], None] = {}
        while len(sums) < wanted:
            sums[tuple(draw.integers(1, 10, size=terms).tolist())] = None
        drawn = list(sums)
        worked = drawn[:examples] if seeds else drawn[prompts : prompts + examples]
        told, own = round(keys * prompts), generator(seed, "gold", terms)
        ways = [digits if ordered else own.permutation(digits) for digits in drawn[:prompts]]
        super().__init__(
            [_prompt(digits, way, place < told) for place, (digits, way) in enumerate(zip(drawn, ways, strict=False))],
            [_example(d, d if ordered else draw.permutation(d)) for d in worked for _ in range(orders)],
            [{"prompt": _sum(digits), "answer": str(sum(digits))} for digits in drawn[prompts + examples :]],
            batch_size=batch_size,
            eval_batch_size=eval_batch_size,
            mixing=mixing,
        )


def _prompt(digits: tuple[int, ...], order: Any, told: bool) -> Record:
    """Return a sum to work on, with its answer and the way to it where they are told."""
    known = {"answer": str(sum(digits)), "gold": _worked(order)} if told else {"answer": None, "gold": None}
    return {"prompt": _sum(digits), **known}


def _example(digits: tuple[int, ...], order: Any) -> Record:
    """Return a sum that is worked out."""
    return {"prompt": _sum(digits), "completion": _worked(order), "answer": str(sum(digits))}


def _sum(digits: tuple[int, ...]) -> str:
    return f"{'+'.join(map(str, digits))}="


def _worked(order: Any) -> str:
    """Return how digits are added in an order."""
    totals = np.cumsum(order)[1:]
    return written(order, totals)


def written(order: Any, totals: Any) -> str:
    """Return a sum worked out: its digits in an order, and what is said to come out at each step.

    Example:
        >>> written([9, 7, 5], [16, 21])
        '9+7=16+5=21'
    """
    steps = "".join(f"+{digit}={total}" for digit, total in zip(order[1:], totals, strict=True))
    return f"{order[0]}{steps}"
