"""SelfConsistency against votes counted one pair of candidates after another."""

import random
from fractions import Fraction

import pyarrow as pa
import pytest

from lit_iterative.errors import DataError
from lit_iterative.ops import Context
from lit_iterative.ops.language.score.vote import SelfConsistency
from lit_iterative.pool import Pool
from tests.ops.language.judges import Fussy


def vote(op: SelfConsistency, groups: list[int], finals: list[str | None]) -> tuple[list[float], dict[str, float]]:
    context = Context(Pool([0], 1))
    table = pa.table({"id": groups, "group": groups, "final": pa.array(finals, pa.string())})
    return op(table, context).column("scores.vote").to_pylist(), context.tally.values()


def test_votes_by_hand() -> None:
    scores, measured = vote(
        SelfConsistency(), [1] * 4 + [2] * 2 + [3] * 2, ["0.5", "1/2", "3", None, "1", "2", None, None]
    )
    assert scores == [0.5, 0.5, 0.25, 0.0, 0.5, 0.5, 0.0, 0.0]
    assert measured == {
        "comparison_errors": 0,
        "no_majority": 3,
        "vote_ties": 1,
        "vote_share": pytest.approx((0.5 + 0.5 + 0.0) / 3),
    }


def test_votes_of_any_table() -> None:
    draw = random.Random(4)
    values: list[str | None] = ["1/2", "0.50", "50%", "2", "2.0", None, "so", "SO"]
    same = {"1/2": 1, "0.50": 1, "50%": 1, "2": 2, "2.0": 2, "so": 3, "SO": 3}
    for _ in range(30):
        sizes = [draw.randrange(1, 6) for _ in range(4)]
        groups = [group for group, size in enumerate(sizes) for _ in range(size)]
        finals = [draw.choice(values) for _ in groups]
        wanted, shares, ties, lost = [], [], 0, 0
        for group, size in enumerate(sizes):
            own = [final for final, place in zip(finals, groups, strict=True) if place == group]
            votes = []
            for final in own:
                number = 0
                for other in own:
                    number += final is not None and other is not None and same[final] == same[other]
                votes.append(number)
            wanted += [float(Fraction(number, size)) for number in votes]
            best = max(votes)
            shares.append(best / size)
            lost += 2 * best <= size
            ties += best > 0 and len({same[f] for f, n in zip(own, votes, strict=True) if n == best and f}) > 1
        scores, measured = vote(SelfConsistency(), groups, finals)
        assert scores == pytest.approx(wanted)
        assert measured["vote_share"] == pytest.approx(sum(shares) / len(shares))
        assert (measured["vote_ties"], measured["no_majority"]) == (ties, lost)


def test_an_answer_that_cannot_be_compared_has_no_vote() -> None:
    scores, measured = vote(SelfConsistency(Fussy()), [1] * 4, ["raise", "1", "1", None])
    assert scores == [0.0, 0.5, 0.5, 0.0]
    assert measured["comparison_errors"] == 1


def test_groups_that_stand_apart_are_refused() -> None:
    with pytest.raises(DataError, match="stand apart"):
        vote(SelfConsistency(), [1, 2, 1], ["1", "1", "1"])
