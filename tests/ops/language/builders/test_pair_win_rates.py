import pyarrow as pa
import pytest

from lit_iterative.errors import DataError
from lit_iterative.ops.language.builders.pair_win_rates import PairWinRates
from tests.ops.language.tables import run


def pairs(chosen, rejected):
    return pa.table({"id": [1, 2], "chosen_score": chosen, "rejected_score": rejected})


def test_scores_are_win_rates():
    made, _ = run(PairWinRates(), pairs([0.75, 1.0], [0.0, 0.5]))
    assert made["chosen_win_rate"].to_pylist() == [0.75, 1.0]
    assert made["rejected_win_rate"].to_pylist() == [0.0, 0.5]


@pytest.mark.parametrize("score", [1.5, -0.25, float("nan")])
def test_what_is_no_share_is_refused(score):
    with pytest.raises(DataError, match=f"rejected_score {score}, which is no win rate"):
        run(PairWinRates(), pairs([0.75, 1.0], [0.0, score]))
