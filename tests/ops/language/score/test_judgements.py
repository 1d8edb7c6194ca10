import math

import pyarrow as pa
import pytest

from lit_iterative.datamodules.judged_sums import JUDGED_ALPHABET, JudgedSumsData
from lit_iterative.errors import PipelineError
from lit_iterative.generation.language import Completion, Sampling
from lit_iterative.judging.rubric import Comparison, Rubric
from lit_iterative.ops import Context
from lit_iterative.ops.language import Judgements, PreferShort
from lit_iterative.ops.language.testing import candidates
from lit_iterative.pool import Pool
from lit_iterative.testing.fake_language import EOS, FakeLanguage
from lit_iterative.testing.fixtures import FakeForward
from tests.ops.language.tables import run

GRADE = Rubric("{prompt}/{completion}?", {"1": 1.0, "0": 0.0}, ":", quoted=False)
COMPARE = Comparison("{prompt}/{first}/{second}?", {"1": 1.0, "0": 0.0}, ":", quoted=False)


class Judge(FakeLanguage):
    """Prefers and praises what holds an a; of the second seed and later it says nothing that can be read."""

    def generate(self, prompts, seeds, sampling):
        return [self._said(self.decode(prompt), place % 2) for place, prompt in enumerate(prompts)]

    def _said(self, question, second):
        shown = question.removesuffix("?").split("/")[1:]
        text = "hm" if second else f"well\n:{int('a' in shown[0])}"
        return Completion([*map(ord, text), EOS], "stop")


class Forward(FakeForward):
    """Lends the judge as the policy."""

    def language(self, member):
        from contextlib import nullcontext

        return nullcontext(Judge(member))


def judged(op, table):
    context = Context(Pool([{"prompt": "p"}] * 2, 1), forward=Forward())
    return op(table, context), context.tally.values()


def test_judgements_become_candidates_of_their_question():
    made, counts = judged(Judgements(GRADE, n=2), candidates(["a", "b", "c"], [0, 0, 1]))
    rows = made.to_pylist()
    assert [row["id"] for row in rows] == [0, 0, 0, 0, 1, 1]
    assert [row["prompt"] for row in rows[::2]] == ["prompt 0/a?", "prompt 0/b?", "prompt 1/c?"]
    assert rows[0]["prompt_ids"] == FakeLanguage().encode("prompt 0/a?")
    assert [row["text"] for row in rows[:2]] == ["well\n:1", "hm"]
    assert [row["scores.verdict"] for row in rows[::2]] == [1.0, 0.0, 0.0]
    assert all(math.isnan(row["scores.verdict"]) for row in rows[1::2])
    groups = [row["group"] for row in rows]
    assert groups[::2] == groups[1::2]
    assert len(set(groups)) == 3
    assert counts["parse_failures"] == 3
    assert counts["verdict"] == pytest.approx(1 / 3)


def test_a_compared_candidate_is_shown_first_or_second():
    texts = ["a" * (1 + row) for row in range(40)]
    table = candidates(texts, [0] * 40, worse=["b"] * 40)
    made, _ = judged(Judgements(COMPARE, n=1, against="worse"), table)
    rows = [row for row in made.to_pylist() if row["text"] != "hm"]
    first = ["a" in row["prompt"].split("/")[1] for row in rows]
    assert 0.2 < sum(first) / len(first) < 0.8
    assert [row["scores.verdict"] for row in rows] == [1.0] * len(rows)  # whatever the order


def test_groups_keep_their_type():
    made, _ = judged(Judgements(GRADE, n=1), candidates(["a"], [0]))
    assert pa.types.is_integer(made.schema.field("group").type)
    named = candidates(["a", "b"], [0, 0]).set_column(1, "group", pa.array(["x", "x"]))
    assert judged(Judgements(GRADE, n=1), named)[0]["group"].to_pylist() == ["x/0", "x/1"]


def test_bad_parameters_are_refused():
    for bad in ({"against": "worse"}, {"rubric": COMPARE}):
        with pytest.raises(PipelineError, match="Name the column to compare with"):
            Judgements(**{"rubric": GRADE, **bad})
    with pytest.raises(PipelineError, match="Draw at least one judgement"):
        Judgements(GRADE, 0)
    with pytest.raises(PipelineError, match="has no marker"):
        Judgements(Rubric("{prompt}{completion}", {"1": 1.0, "0": 0.0}, ""), sampling=Sampling())


def test_the_shortest_near_the_best_is_preferred():
    scores = {"scores.judge": [5.0, 4.8, 4.4, 0.0, float("nan"), 1.0, 1.0]}
    table = candidates(["aaaa", "aa", "a", "", "", "bb", "b"], [0] * 5 + [1, 1], **scores)
    made, _ = run(PreferShort(tier=0.1), table)
    assert made["scores.short"].to_pylist()[:4] == [5.0, 6.0, 4.4, 0.0]
    assert math.isnan(made["scores.short"].to_pylist()[4])
    assert made["scores.short"].to_pylist()[5:] == [1.0, 2.0]
    with pytest.raises(PipelineError, match=r"PreferShort\(tier\) is 2"):
        PreferShort(tier=2)


def test_the_warm_up_teaches_right_judgements():
    data = JudgedSumsData(judged=1.0, examples=20, orders=1, prompts=1, held_out=1)
    examples = data.records("examples")
    for example, good, bad, both, changed in zip(
        examples[:20], *(examples[20 + kind :: 4] for kind in range(4)), strict=False
    ):
        assert {*"".join(record["prompt"] + record["completion"] for record in (good, bad, both, changed))} <= {
            *JUDGED_ALPHABET
        }
        assert good["completion"].split("\n") == [good["completion"].split("\n")[0], ":1"]
        assert bad["completion"].endswith(":0")
        drafts = both["prompt"].split("?")[:2]
        right = [draft.split("=")[-1] == both["completion"].split("\n")[0] for draft in drafts]
        assert sorted(right) == [False, True]
        assert both["completion"][-1] == str(int(right[0]))
        assert changed["prompt"][:-1].count("+") == changed["completion"].count("+") == example["prompt"].count("+")
