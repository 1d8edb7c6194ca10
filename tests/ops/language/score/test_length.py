import numpy as np
import pytest

from lit_iterative.errors import PipelineError
from lit_iterative.ops import Linear
from lit_iterative.ops.language.score.length import Length, LengthPenalty
from lit_iterative.ops.language.testing import candidates
from tests.ops.language.tables import random_candidates, run


def test_tokens_count_eos_and_characters_do_not():
    table = candidates(["añ", "añ~", ""])
    assert run(Length(), table)[0]["scores.length"].to_pylist() == [3.0, 2.0, 1.0]
    assert run(Length("characters"), table)[0]["scores.length"].to_pylist() == [2.0, 2.0, 0.0]


@pytest.mark.parametrize("unit", ["tokens", "characters"])
def test_length_costs(unit):
    table = random_candidates()
    made, _ = run(LengthPenalty(0.25, unit=unit), table)
    column = {"tokens": "completion_ids", "characters": "text"}[unit]
    wanted = [row["scores.reward"] - 0.25 * len(row[column]) for row in table.to_pylist()]
    np.testing.assert_array_equal(made["scores.penalised"].to_numpy(), wanted)
    assert np.isnan(wanted).any()


def test_the_rate_follows_a_schedule():
    table = candidates(["aa"], **{"scores.reward": [1]})
    op = LengthPenalty(Linear(0.0, 1.0, 2), unit="characters", score="x")
    assert [run(op, table, round=round)[0]["scores.x"].to_pylist() for round in range(3)] == [[1.0], [0.0], [-1.0]]


def test_other_units_are_refused():
    for op in (Length, lambda unit: LengthPenalty(0.1, unit=unit)):
        with pytest.raises(PipelineError, match=r"\(unit\) is 'words'. Give one of: tokens, characters"):
            op("words")
