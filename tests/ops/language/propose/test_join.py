"""Texts cut in two, several as one, and what each role reads."""

import pyarrow as pa
import pytest

from lit_iterative.columns import write
from lit_iterative.errors import PipelineError
from lit_iterative.generation.forward import Member
from lit_iterative.ops import Context
from lit_iterative.ops.language.builders.roles import Roles
from lit_iterative.ops.language.propose.join import Join
from lit_iterative.ops.language.propose.split import Split
from lit_iterative.ops.language.score.length import Growth
from lit_iterative.ops.language.testing import candidates
from lit_iterative.pool import Pool
from lit_iterative.testing.fake_language import FakeLanguage
from lit_iterative.testing.fixtures import FakeForward

MODEL = FakeLanguage(Member())


def context(forward=None) -> Context:
    return Context(Pool([{"prompt": f"prompt {place}"} for place in range(3)], 1), forward=forward or FakeForward())


@pytest.mark.parametrize(
    ("text", "separator", "first"),
    [
        ("a b c d", " ", "a b "),
        ("a b cccc", " ", "a b "),
        ("aaaa b c", " ", "aaaa "),
        ("a bb c", " ", "a "),
        ("abcd", "", "ab"),
        ("abc", "", "ab"),  # the later of two places
        ("abcd", " ", "abcd"),
        ("ab ", " ", "ab "),
        ("", "", ""),
        ("One. Two. Three.", ". ", "One. Two. "),
    ],
)
def test_texts_are_cut_near_their_middle(text, separator, first):
    made = Split(separator)(candidates([text]), None).to_pylist()[0]
    assert (made["first"], made["second"]) == (first, text[len(first) :])


def test_parts_are_one_completion():
    table = candidates(["x", "y", "z"], [0, 1, 2])
    ends = pa.array(["stop", "length", "stop"])
    table = write(table, a=pa.array(["1", "2", ""]), b=pa.array(["3", "", "5"]), a_finish=ends)
    told = context()
    made = Join(["a", "b"], "+")(table, told)
    assert made["text"].to_pylist() == ["1+3", "2+", "+5"]
    assert made["completion_ids"].to_pylist() == [[*map(ord, text), 2] for text in ("1+3", "2+", "+5")]
    assert made["finish"].to_pylist() == ["stop", "length", "stop"]
    assert made["draft"].to_pylist() == ["x", "y", "z"]
    assert told.tally.values() == {"joined_with_prompt": 0}


class Merging(FakeLanguage):
    """Takes the last character of a prompt and a first one that is a digit for one token."""

    def encode_example(self, prompt, completion):
        before, after = super().encode_example(prompt, completion)
        return (before[:-1], [900, *after[1:]]) if completion[:1].isdigit() else (before, after)


class MergingForward(FakeForward):
    def language(self, member):
        from contextlib import nullcontext

        return nullcontext(Merging(member))


def test_what_does_not_follow_its_prompt_goes():
    told = context(MergingForward())
    table = write(candidates(["x", "y"], [0, 1]), a=pa.array(["1", "b"]))
    made = Join(["a"])(table, told)
    assert made["text"].to_pylist() == ["b"]
    assert told.tally.values() == {"joined_with_prompt": 1}


def test_growth_is_measured():
    table, told = candidates(["abcd", "ab", "a"], draft=["ab", "abcd", ""]), context()
    assert Growth()(table, told)["scores.growth"].to_pylist() == pytest.approx([2.0, 0.5, float("nan")], nan_ok=True)
    assert told.tally.values() == {"growth": 1.25}


def test_every_role_reads_its_own():
    table = write(candidates(["ab", "cd"], [0, 1]), draft=pa.array(["a", "c"]))
    made = Roles({"generator": "{prompt}", "extender": "{prompt}|{draft}>"})(table, context())
    assert made["role"].to_pylist() == ["generator", "extender"] * 2
    read = [MODEL.decode(ids) for ids in made["prompt_ids"].to_pylist()]
    assert read == ["prompt 0", "prompt 0|a>", "prompt 1", "prompt 1|c>"]
    assert made["text"].to_pylist() == ["ab", "ab", "cd", "cd"]
    assert made["completion_ids"].to_pylist() == [ids for ids in table["completion_ids"].to_pylist() for _ in "ab"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Split(first="a", second="a"), "both parts into 'a'"),
        (lambda: Join([]), "no columns"),
        (lambda: Roles({}), "at least one role"),
        (lambda: Roles({"a": "{prompt}", "b": "x"}), r"those of \['b'\]"),
    ],
)
def test_parameters(make, message):
    with pytest.raises(PipelineError, match=message):
        make()
