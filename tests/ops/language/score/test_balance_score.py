import numpy as np
import pytest

from lit_iterative.columns import write
from lit_iterative.errors import PipelineError
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.score.answer_entropy import AnswerEntropy
from lit_iterative.ops.language.score.balance_score import BalanceScore
from lit_iterative.ops.testing import example
from lit_iterative.pool import Pool


def table(groups):
    """Return candidates from lists of (completion, correct, score)."""
    import pyarrow as pa

    rows = [(number, *row) for number, group in enumerate(groups) for row in group]
    ids = pa.array([row[1] for row in rows], pa.list_(pa.int32()))
    made = pa.table({"id": [row[0] for row in rows], "group": [row[0] for row in rows], "completion_ids": ids})
    return write(
        made,
        **{"scores.correct": np.array([row[2] for row in rows]), "scores.reward": np.array([row[3] for row in rows])},
    )


def naive(group, threshold, enough):
    chosen = [row for row in group if row[3 - 1] >= threshold]
    different = {tuple(row[0]) for row in chosen if row[1] >= 0.5}
    if not chosen:
        return 0.0
    return min(len(different) / enough, 1.0) * len(different) / len(chosen)


@pytest.mark.parametrize("enough", [1, 3, 8])
def test_the_balance_score_is_that_of_the_paper(enough):
    draw = np.random.default_rng(enough)
    groups = [
        [([int(draw.integers(3))], float(draw.integers(2)), float(draw.uniform())) for _ in range(6)] for _ in range(20)
    ]
    context = Context(Pool([0], 1))
    given = table(groups)
    assert BalanceScore("scores.reward", [0.5, 0.9], enough)(given, context) is given
    values = context.tally.values()
    for threshold in (0.5, 0.9):
        expected = np.mean([naive(group, threshold, enough) for group in groups])
        assert values[f"balance_at_{threshold}"] == pytest.approx(expected)
    assert values["balance"] == values["balance_at_0.5"]


def test_prompts_that_were_not_judged_do_not_count():
    nan = float("nan")
    context = Context(Pool([0], 1))
    groups = [[([1], nan, 1.0), ([2], nan, 1.0)], [([1], 1.0, 1.0), ([2], nan, 1.0)]]
    BalanceScore("scores.reward", enough=1)(table(groups), context)
    assert context.tally.values()["balance"] == 0.5


def test_numbers_that_make_no_sense_are_refused():
    for make in (lambda: BalanceScore(thresholds=[]), lambda: BalanceScore(enough=0)):
        with pytest.raises(PipelineError):
            make()


def test_the_entropy_of_answers_is_that_of_their_shares():
    draw, groups, votes, expected = np.random.default_rng(3), [], [], []
    for number in range(30):
        answers = [draw.choice(["a", "b", "c", None]) for _ in range(6)]
        shares = [answers.count(answer) / 6 for answer in set(answers)]
        expected.append(-sum(share * np.log(share) for share in shares))
        groups += [number] * 6
        votes += [answers.count(answer) / 6 if answer is not None else 0.0 for answer in answers]
    context = Context(Pool([0], 1))
    AnswerEntropy()(example(group=groups, **{"scores.vote": votes}), context)
    assert context.tally.values()["answer_entropy"] == pytest.approx(np.mean(expected))
