from collections import Counter

from lit_iterative.ops.language.select.dedup import DedupTokens
from lit_iterative.ops.language.testing import candidates
from tests.ops.language.tables import check_order_of_groups, grouped, random_candidates, run


def test_every_completion_once_with_its_copies():
    table = random_candidates(seed=13)
    made, counts = run(DedupTokens(), table)
    found = grouped(made)
    for name, everything in grouped(table).items():
        times = Counter(tuple(row["completion_ids"]) for row in everything)
        first = {}
        for row in everything:
            first.setdefault(tuple(row["completion_ids"]), row["candidate"])
        assert {tuple(row["completion_ids"]): row["copies"] for row in found[name]} == times
        assert [row["candidate"] for row in found[name]] == list(first.values())
    assert counts["duplicates"] == table.num_rows - made.num_rows > 0
    assert sum(made["copies"].to_pylist()) == table.num_rows


def test_other_prompts_and_cut_ones_are_others():
    table = candidates(["a", "a", "a~"], [1, 2, 2])
    made, counts = run(DedupTokens(), table)
    assert made["copies"].to_pylist() == [1, 1, 1]
    assert counts["duplicates"] == 0


def test_the_order_of_groups_does_not_matter():
    check_order_of_groups(DedupTokens(), random_candidates())
