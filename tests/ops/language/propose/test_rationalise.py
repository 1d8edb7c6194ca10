"""A second try, with a hint, for what was not solved without."""

import math

import numpy as np
import pyarrow as pa
import pytest
import torch

from lit_iterative.callbacks import Rounds
from lit_iterative.columns import read, write
from lit_iterative.errors import PipelineError
from lit_iterative.generation.language import Sampling
from lit_iterative.ops import Context
from lit_iterative.ops.language.builders.accepted import Accept
from lit_iterative.ops.language.propose.hint import Hint
from lit_iterative.ops.language.propose.prompts import Prompts
from lit_iterative.ops.language.propose.rationalise import Rationalise
from lit_iterative.ops.language.propose.sample import Sample
from lit_iterative.ops.language.testing import candidates
from lit_iterative.ops.language.tokens import int_lists
from lit_iterative.pool import Pool
from lit_iterative.rounds.plan import Phase, When
from lit_iterative.testing.fixtures import FakeForward
from lit_iterative.testing.text_tables import completions
from tests.ops.language.actors import FirstDigit
from tests.projects.words import SAMPLING, data, policy, sums, trainer

CORRECT = "scores.correct"


def hinted_table(solved=0.5) -> pa.Table:
    table = completions([CORRECT]).drop_columns(["final"])
    score = np.where(np.arange(table.num_rows) % 8 == 3, solved, 0.0)  # every second prompt is solved
    ids = int_lists([9, *row] for row in table["prompt_ids"].to_pylist())
    return write(table, context_ids=ids, **{CORRECT: score})


def test_unsolved_prompts_get_hinted_rows_and_others_none():
    table = hinted_table()
    told = Context(Pool(range(101), 1), forward=FakeForward())
    sampling = Sampling(max_new_tokens=6)
    made = Rationalise(2, sampling)(table, told)
    sizes = zip(table["group"].to_pylist()[::4], [4, 6] * 3, strict=True)
    assert made["group"].to_pylist() == [group for group, size in sizes for _ in range(size)]
    old, new = (made.filter(pa.array(read(made, "hinted") == wanted)) for wanted in (False, True))
    assert old.select(table.column_names).to_pylist() == table.to_pylist()
    assert new["candidate"].to_pylist() == [4, 5] * 3
    assert np.isnan(read(new, CORRECT)).all()
    firsts = table.take(pa.array(range(4, table.num_rows, 8)))
    drawn = Sample(2, sampling, context="context_ids", stream="rationalise")(firsts, told)
    for name in ("completion_ids", "finish", "text", "prompt_ids", "prompt", "answer", "id"):
        assert new[name].to_pylist() == drawn[name].to_pylist()
    assert told.tally.values()["unsolved"] == 3


def test_nothing_is_drawn_where_all_is_solved():
    table = write(hinted_table(), **{CORRECT: np.ones(24)})
    told = Context(Pool(range(101), 1), forward=FakeForward())
    made = Rationalise(2)(table, told)
    assert made.drop_columns(["hinted"]).to_pylist() == table.to_pylist()
    assert told.tally.values()["unsolved"] == 0


def test_what_abstains_solves_nothing_and_what_was_found_in_others_is_forgotten():
    table = candidates(["7", "9"], **{CORRECT: [math.nan, 0.4], "scores.length": [1.0, 1.0]})
    table = write(table, final=pa.array(["7", "9"]), context_ids=table["prompt_ids"])
    made = Rationalise()(table, Context(Pool([0], 1), forward=FakeForward()))
    assert made["final"].to_pylist() == ["7", "9", None]
    assert made["hinted"].to_pylist() == [False, False, True]
    assert np.isnan(read(made, "scores.length")).tolist() == [False, False, True]


def test_parameters():
    with pytest.raises(PipelineError, match="at least one completion"):
        Rationalise(0)


def test_star_trains_on_what_hints_helped_to_find(tmp_path):
    ops = [
        Prompts(["answer"]),
        Hint("{answer}={prompt}"),
        Sample(2, SAMPLING),
        FirstDigit(),
        Rationalise(6, SAMPLING),
        FirstDigit(),
        Accept(hinted="hinted", truncated="keep"),
    ]
    torch.manual_seed(0)  # the order of the examples
    callback = Rounds([Phase(ops)], When(1, 1), shard_size=5)
    trainer(tmp_path, [callback], max_epochs=2).fit(policy(), data(20))
    (version,) = callback.store.versions()
    table, counted = version.table(), version.manifest.metrics
    assert 0 < counted["unsolved"] < 20
    hinted = table.filter(table["hinted"])
    assert hinted.num_rows > 0
    answers = {row["id"]: row["answer"] for row in table.to_pylist()}
    assert all(row["text"].startswith(answers[row["id"]][0]) for row in table.to_pylist())
    prompts = {place: record["prompt"] for place, record in enumerate(sums(20))}
    module = policy()
    for row in table.to_pylist():  # training sees the prompt without the hint
        assert module.decode(row["prompt_ids"]) == prompts[row["id"]]
