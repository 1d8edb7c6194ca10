import numpy as np
import pytest

from lit_iterative.columns import read
from lit_iterative.errors import PipelineError
from lit_iterative.ops import Linear, PercentileCurriculum, Quantile
from tests.ops.tables import by_id, check_empty, check_keeps_order, ids, random_table, run, table_of


def test_matches_the_percentiles_of_the_paper():
    """With scores that differ and no rounding of shares, exactly the scores above the percentile pass."""
    score = np.random.default_rng(0).permutation(100) / 100
    table = table_of(np.full((100, 2), 0.5), **{"scores.confidence": score})
    percentile = 100.0
    for round in range(5):
        percentile -= 20.0
        bound = np.percentile(score, percentile, method="lower") if percentile > 0 else -1.0
        wanted = [i for i in range(100) if score[i] > bound]
        kept = ids(run(PercentileCurriculum(), table, round))
        # numpy's percentile p of 100 points stands at p % of 99 steps: at most one row off the share
        assert len(kept) == 20 * (round + 1)
        assert set(wanted) <= set(kept)
        assert len(kept) - len(wanted) <= 1


def test_everything_is_taken_in_the_end_and_stays():
    table = random_table()
    kept = [run(PercentileCurriculum(start=0.1, step=0.3), table, round).num_rows for round in range(6)]
    assert kept == [6, 24, 42, 60, 60, 60]
    assert PercentileCurriculum(start=0.5, step=0.75).share(1) == 1.0


def test_is_a_quantile_that_follows_a_line():
    table = random_table()
    for round in range(6):
        left = run(PercentileCurriculum(start=0.2, step=0.2), table, round)
        assert by_id(left) == by_id(run(Quantile(Linear(0.2, 1.0, rounds=4)), table, round))


def test_what_is_taken_stays_taken_while_scores_stay():
    table, before = random_table(), set()
    for round in range(5):
        now = set(ids(run(PercentileCurriculum(), table, round)))
        assert before < now
        before = now


def test_counts_from_its_first_round():
    table = random_table()
    assert [run(PercentileCurriculum(first_round=2), table, r).num_rows for r in (0, 2, 3)] == [12, 12, 24]


def test_small_scores_may_be_best():
    table = random_table()
    kept = run(PercentileCurriculum(keep_above=False), table)
    rest = set(ids(table)) - set(ids(kept))
    scores = dict(zip(ids(table), read(table, "scores.confidence").tolist(), strict=True))
    assert max(scores[i] for i in ids(kept)) <= min(scores[i] for i in rest)


def test_order_and_empty():
    check_keeps_order(PercentileCurriculum())
    check_empty(PercentileCurriculum())


@pytest.mark.parametrize("share", [{"start": 1.5}, {"step": -0.1}])
def test_shares_out_of_range(share):
    with pytest.raises(PipelineError, match="from 0 to 1"):
        PercentileCurriculum(**share)
