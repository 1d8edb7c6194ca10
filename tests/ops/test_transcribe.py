"""Transcripts as labels: lengths, members, texts that are empty."""

import numpy as np
import pyarrow as pa
import pytest
import torch

from lit_iterative.columns import read
from lit_iterative.errors import DataError, PipelineError
from lit_iterative.generation.ctc import beam_search
from lit_iterative.generation.ngram import NGram
from lit_iterative.ops import Ensemble, Policy, SequenceLabels, Transcribe
from lit_iterative.ops.context import Context
from lit_iterative.pool import Pool
from lit_iterative.testing import OpCase
from lit_iterative.testing.parts import check_example, check_spec, check_yaml_round_trip

LM = NGram(["ab", "aab"], order=2)


class Forward:
    """A stand-in for the model: logits of every frame are a function of the input, the frame and the member."""

    def __init__(self, change=lambda output: output):
        self.change = change

    def run(self, batch, index, members, *seed):
        frames = torch.arange(6.0)[:, None] * 2 + torch.arange(3.0) * 1.3
        lengths = 3 + batch.long() % 4
        logits = [3 * torch.sin(batch[:, None, None] + frames + number) for number in range(len(members))]
        return [self.change({"logits": each, "lengths": lengths}) for each in logits]


def context(rows=7, forward=None):
    return Context(Pool(torch.arange(float(rows)), 3), forward=forward or Forward())


def test_each_row_is_searched_up_to_its_length():
    table = pa.table({"id": np.arange(7)})
    op = Transcribe("ab", LM, weight=0.8, bonus=0.5, actor=Ensemble([Policy(), Policy()]))
    made = op(table, context())
    outputs = Forward().run(torch.arange(7.0), 0, [0, 1])
    log_probs = np.log(np.mean([output["logits"].double().softmax(dim=2).numpy() for output in outputs], axis=0))
    for row, length in enumerate(outputs[0]["lengths"].tolist()):
        found = beam_search(log_probs[row, :length], "ab", 8, LM, 0.8, 0.5)
        assert made["text"][row].as_py() == found.text
        assert made["scores.ctc"][row].as_py() == pytest.approx(found.ctc)
        assert made["scores.lm"][row].as_py() == pytest.approx(found.lm)
        score = (found.ctc + 0.8 * found.lm) / max(1, len(found.text))
        assert made["scores.likelihood"][row].as_py() == pytest.approx(score)
    assert made["source"].to_pylist() == ["Ensemble"] * 7
    assert Transcribe("ab")(table.slice(0, 0), context()).num_rows == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda output: output["logits"], "NoneType"),
        (lambda output: {**output, "logits": output["logits"][..., :2]}, r"a blank and 2 letters"),
        (lambda output: {"logits": output["logits"]}, "no lengths"),
        (lambda output: {**output, "logits": output["logits"] / 0}, "not finite"),
    ],
)
def test_other_outputs_are_refused(change, message):
    with pytest.raises(DataError, match=message):
        Transcribe("ab")(pa.table({"id": np.arange(3)}), context(forward=Forward(change)))


def test_a_text_becomes_tokens_and_none_goes():
    asked = context()
    made = SequenceLabels("ab ")(pa.table({"id": [4, 5, 6], "text": ["b a", "", "a"]}), asked)
    assert made["id"].to_pylist() == [4, 6]
    assert [row.tolist() for row in read(made, "label")] == [[2, 3, 1], [1]]
    assert made["weight"].to_pylist() == [1.0, 1.0]
    assert asked.tally.values() == {"empty": 1}
    with pytest.raises(DataError, match="not among the letters"):
        SequenceLabels("a")(pa.table({"id": [1], "text": ["ab"]}), asked)


@pytest.mark.parametrize("letters", ["", "aba"])
@pytest.mark.parametrize("op", [Transcribe, SequenceLabels])
def test_letters_that_make_no_sense_are_refused(op, letters):
    with pytest.raises(PipelineError, match="letters"):
        op(letters)


def test_it_is_a_part_like_any_other():
    op = Transcribe("ab", LM)
    for check in (check_spec, check_example):
        check(op)
    check_yaml_round_trip(op, type(op).__mro__[2])
    assert OpCase(op).op is op
