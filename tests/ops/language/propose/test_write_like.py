"""New items from the replies of a writer."""

import pyarrow as pa
import pytest

from lit_iterative.errors import DataError, PipelineError
from lit_iterative.ops import Context
from lit_iterative.ops.language.propose.write_like import WriteLike
from lit_iterative.pool import Pool
from lit_iterative.testing.fixtures import FakeForward
from tests.ops.language.judging import FakeSession, Whim

FORM = "(?P<prompt>[0-9+]*=)(?P<completion>[0-9+= ]*)"
TABLE = pa.table({"id": [4, 2], "prompt": ["1+1=", "3+4="], "answer": ["2", "7"], "finish": ["stop", "length"]})


def context():
    return Context(Pool(range(8), 1), forward=FakeForward())


def ask(lines, n=1, table=TABLE, **options):
    asked = context()
    op = WriteLike(Whim(lines), "Like {prompt}{answer}:", FORM, n, **options)
    return op(table, asked), asked.tally.values()


def test_an_item_becomes_a_row():
    made, counted = ask(["5+6= 11 "])
    assert made.to_pylist() == [
        {
            "id": id,
            "prompt": "5+6=",
            "answer": answer,
            "like": like,
            "prompt_ids": [1, *map(ord, "5+6=")],
            "text": "11",
            "completion_ids": [*map(ord, "11"), 2],
            "source": "Whim",
            "weight": 1.0,
        }
        for id, like, answer in ((4, "1+1=", "2"), (2, "3+4=", "7"))
    ]
    assert counted == {"judge_silent": 0, "unanswered": 0, "unfinished": 0, "unreadable": 0, "written": 2}


def test_what_cannot_be_read_is_counted():
    lines = {"": "unanswered", "5+6=1 ...": "unfinished", "five": "unreadable", "5+6=": "unreadable"}
    for line, name in lines.items():
        made, counted = ask([line])
        assert made.num_rows == 0
        assert made.schema.field("completion_ids").type == pa.list_(pa.int32())
        assert {key: value for key, value in counted.items() if value and key != "judge_silent"} == {name: 2}


def test_several_items_a_row_are_drawn_apart(monkeypatch):
    seen = []

    def answers(self, questions, seeds, sampling):
        seen.extend(zip(questions, seeds, strict=True))
        return [self._reply(*asked) for asked in zip(questions, seeds, strict=True)]

    monkeypatch.setattr(FakeSession, "answers", answers)
    made, _ = ask(["5+6=11", "", "5+7=12"], n=3)
    assert [question for question, _ in seen] == ["Like 1+1=2:"] * 3 + ["Like 3+4=7:"] * 3
    assert len({seed for _, seed in seen}) == 6
    assert set(made["id"].to_pylist()) <= {2, 4}


def test_a_reply_beyond_all_bounds_is_not_searched():
    made, counted = ask(["5+6=" + "1" * 30_000])
    assert (made.num_rows, counted["unreadable"]) == (0, 2)


def test_an_empty_cell_is_refused():
    with pytest.raises(DataError, match="answer"):
        ask(["5+6=11"], table=TABLE.set_column(2, "answer", pa.array([None, "7"])))


@pytest.mark.parametrize(
    "options",
    [
        {"template": "Like {answer}"},
        {"form": "(?P<prompt>.*)"},
        {"form": "(?P<prompt>(a+)+)(?P<completion>b)"},
        {"n": 0},
    ],
)
def test_what_makes_no_sense_is_refused(options):
    with pytest.raises(PipelineError):
        WriteLike(**{"writer": Whim(), "template": "{prompt}", "form": FORM, **options})
