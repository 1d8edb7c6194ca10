import random
import re

import numpy as np
import pytest

from lit_iterative.columns import write
from lit_iterative.errors import PipelineError
from lit_iterative.ops.language.score.utility import (
    UTILITIES,
    MBRUtility,
    chrf,
    common_subsequence,
    exact,
    rouge_l,
    token_f1,
)
from lit_iterative.ops.language.testing import candidates
from tests.ops.language.tables import check_order_of_groups, grouped, run


def subsequence(left, right):
    """The textbook table, Cormen et al., section 15.4."""
    best = [[0] * (len(right) + 1) for _ in range(len(left) + 1)]
    for i, a in enumerate(left):
        for j, b in enumerate(right):
            best[i + 1][j + 1] = best[i][j] + 1 if a == b else max(best[i][j + 1], best[i + 1][j])
    return best[-1][-1]


def overlap(left, right):
    """How many items two lists have in common, each taken away once found."""
    rest, common = list(right), 0
    for item in left:
        if item in rest:
            rest.remove(item)
            common += 1
    return common


def harmonic(common, left, right):
    if not left and not right:
        return 1.0
    if not common:
        return 0.0
    precision, recall = common / left, common / right
    return 2 * precision * recall / (precision + recall)


def words(text):
    return re.findall(r"[A-Za-z0-9_]+|[^A-Za-z0-9_\s]", text)


def slow_chrf(text, reference):
    left, right = (re.sub(r"\s", "", part) for part in (text, reference))
    precisions, recalls = [], []
    for n in range(1, 7):
        ours = [left[i : i + n] for i in range(len(left) - n + 1)]
        theirs = [right[i : i + n] for i in range(len(right) - n + 1)]
        if ours and theirs:
            precisions.append(overlap(ours, theirs) / len(ours))
            recalls.append(overlap(ours, theirs) / len(theirs))
    if not precisions:
        return float(left == right)
    precision, recall = sum(precisions) / len(precisions), sum(recalls) / len(recalls)
    return 5 * precision * recall / (4 * precision + recall) if precision + recall else 0.0


SLOW = {
    "exact": lambda a, b: float(a.strip() == b.strip()),
    "token_f1": lambda a, b: harmonic(overlap(words(a), words(b)), len(words(a)), len(words(b))),
    "rouge_l": lambda a, b: harmonic(subsequence(words(a), words(b)), len(words(a)), len(words(b))),
    "chrf": slow_chrf,
}


def texts(count, seed=0, longest=8):
    draw = random.Random(seed)
    pieces = ["a", "b ", "c=", " 12", "+", "ab ", " "]
    return ["".join(draw.choice(pieces) for _ in range(draw.randint(0, longest))) for _ in range(count)]


@pytest.mark.parametrize("name", SLOW)
def test_utilities(name):
    utility = UTILITIES[name]
    found = [utility(left, right) for left, right in zip(texts(300), texts(300, seed=1), strict=True)]
    wanted = [SLOW[name](left, right) for left, right in zip(texts(300), texts(300, seed=1), strict=True)]
    np.testing.assert_allclose(found, wanted, atol=1e-12)
    assert 0 <= min(found) < max(found) <= 1
    assert all(utility(text, text) == pytest.approx(1.0) for text in texts(50))


def test_long_common_subsequences():
    draw = random.Random(2)
    for size in (1, 63, 64, 65, 200):
        left, right = ([draw.randint(0, 5) for _ in range(size)] for _ in range(2))
        assert common_subsequence(left, right) == subsequence(left, right)
    assert common_subsequence([], [1]) == common_subsequence([1], []) == 0


def test_known_values():
    assert rouge_l("police killed the gunman", "police kill the gunman") == 0.75  # Lin, 2004, section 3.1
    assert rouge_l("the gunman kill police", "police kill the gunman") == 0.5
    assert token_f1("x x y", "x y y") == pytest.approx(2 / 3)
    assert exact("", " ") == 1.0
    assert chrf("", "") == 1.0
    assert chrf("", "a") == 0.0


@pytest.mark.parametrize("name", SLOW)
def test_mean_utility_against_the_others(name):
    lines = texts(60, seed=3, longest=3)
    groups = [group for group in range(18) for _ in range(min(group, 4) + 1)][:60]
    final = [None if place % 7 == 0 else line for place, line in enumerate(lines)]
    table = write(candidates(lines, groups), final=final)
    for column in ("text", "final"):
        made, counts = run(MBRUtility(name, column), table)
        abstained = 0
        for rows in grouped(made).values():
            for row in rows:
                others = [other[column] for other in rows if other is not row and other[column] is not None]
                alone = row[column] is None or not others
                abstained += alone
                wanted = np.nan if alone else np.mean([SLOW[name](row[column], other) for other in others])
                np.testing.assert_allclose(row["scores.mbr"], wanted, atol=1e-12)
        assert counts["abstained"] == abstained > 0


def test_hostile_text_takes_no_time_to_speak_of():
    draw = random.Random(4)
    long = [" ".join(str(draw.randint(0, 300)) for _ in range(20_000)) for _ in range(2)]
    for utility in UTILITIES.values():
        assert 0 <= utility(*long) <= 1
        assert utility("\ud800\x00", "\ud800") <= 1


def test_the_order_of_groups_does_not_matter():
    check_order_of_groups(MBRUtility(), candidates(texts(40), [place // 4 for place in range(40)]))


def test_other_utilities_are_refused():
    with pytest.raises(
        PipelineError, match=r"MBRUtility\(utility\) is 'bleu'. Give one of: exact, token_f1, rouge_l, chrf"
    ):
        MBRUtility("bleu")
