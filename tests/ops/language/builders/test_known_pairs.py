from collections import Counter

import numpy as np
import pytest

from lit_iterative.errors import DataError, PipelineError
from lit_iterative.ops.language.builders.known_pairs import ContrastivePrompts, CorrectIncorrect
from lit_iterative.ops.language.testing import candidates
from tests.ops.language.tables import (
    check_order_of_groups,
    check_pairs,
    grouped,
    may_win,
    random_candidates,
    run,
    usable,
)


def key(pair):
    return (tuple(pair["chosen_ids"]), tuple(pair["rejected_ids"]))


def ids(row):
    return tuple(row["completion_ids"])


def contexts(seed=0):
    table = random_candidates(seed)
    names = np.random.default_rng(seed).choice(["positive", "negative", "neutral"], size=table.num_rows).tolist()
    return table.append_column("context", [names])


@pytest.mark.parametrize("truncated", ["drop", "reject", "keep"])
@pytest.mark.parametrize(("threshold", "at_most"), [(0.5, 3), (1.0, 10)])
def test_correct_against_incorrect(truncated, threshold, at_most):
    table = random_candidates(seed=7)
    made, counts = run(CorrectIncorrect("scores.reward", threshold, at_most, "none", truncated), table)
    check_pairs(made, table)
    found, expected = grouped(made), Counter()
    for name, everything in grouped(table).items():
        rows, pairs = usable(everything, truncated), found.get(name, [])
        right = [row for row in rows if row["scores.reward"] >= threshold]
        wrong = [row for row in rows if row["scores.reward"] < threshold]
        winners = [row for row in right if may_win(row, truncated)]
        expected["all_correct"] += bool(right) and not wrong
        expected["none_correct"] += not right
        assert len(set(map(key, pairs))) == len(pairs) == min(at_most, len(winners) * len(wrong))
        assert set(map(key, pairs)) <= {(ids(left), ids(right)) for left in winners for right in wrong}
        for side, members in (("chosen", winners), ("rejected", wrong)):
            used = Counter(tuple(pair[f"{side}_ids"]) for pair in pairs)
            if pairs:
                assert max(used[ids(row)] for row in members) - min(used[ids(row)] for row in members) <= 2
    assert made.num_rows > 10
    assert set(made["weight"].to_pylist()) == {1.0}
    assert {name: counts[name] for name in expected} == expected


@pytest.mark.parametrize("truncated", ["drop", "reject", "keep"])
@pytest.mark.parametrize("at_most", [1, 3])
def test_one_context_against_another(truncated, at_most):
    table = contexts()
    made, counts = run(ContrastivePrompts(at_most=at_most, truncated=truncated), table)
    check_pairs(made, table)
    found, ties = grouped(made), 0
    for name, everything in grouped(table).items():
        rows, pairs = [row for row in everything if truncated != "drop" or row["finish"] == "stop"], found.get(name, [])
        better = {ids(row) for row in rows if row["context"] == "positive" and may_win(row, truncated)}
        worse = {ids(row) for row in rows if row["context"] == "negative"}
        ties += len(better & worse)
        allowed = {(left, right) for left in better - worse for right in worse - better}
        assert set(map(key, pairs)) <= allowed
        assert len(set(map(key, pairs))) == len(pairs) == min(at_most, len(allowed))
    assert made.num_rows > 10
    assert counts["ties"] == ties > 0
    assert counts["abstained"] == table["context"].to_pylist().count("neutral")
    assert set(made["chosen_score"].to_pylist()) == {1.0}
    assert set(made["rejected_score"].to_pylist()) == {0.0}


def test_actors_are_contexts_too():
    table = candidates(["new", "old"])
    table = table.set_column(table.column_names.index("source"), "source", [["Policy", "Previous"]])
    made, _ = run(ContrastivePrompts("source", "Policy", "Previous"), table)
    assert made.select(["chosen", "rejected"]).to_pylist() == [{"chosen": "new", "rejected": "old"}]


@pytest.mark.parametrize("op", [CorrectIncorrect("scores.reward"), ContrastivePrompts(at_most=2)])
def test_the_order_of_groups_does_not_matter(op):
    check_order_of_groups(op, contexts())


def test_bad_input_is_refused():
    with pytest.raises(PipelineError, match=r"CorrectIncorrect\(at_most\) is 0"):
        CorrectIncorrect(at_most=0)
    with pytest.raises(PipelineError, match=r"ContrastivePrompts\(truncated\) is 'mask'"):
        ContrastivePrompts(truncated="mask")
    with pytest.raises(DataError, match="has type double, but texts are needed"):
        run(ContrastivePrompts("scores.reward"), random_candidates())
