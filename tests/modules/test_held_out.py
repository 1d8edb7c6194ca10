import math

import pytest
import torch

from lit_iterative.answers.compare import Exact, Numeric
from lit_iterative.answers.extract import AfterMarker
from lit_iterative.errors import DataError, PipelineError
from lit_iterative.generation.language import Completion, Sampling
from lit_iterative.modules.held_out import HeldOut
from lit_iterative.testing.fake_language import EOS, FakeLanguage

ITEMS = [{"prompt": "1+1=", "answer": "2"}, {"prompt": "2+2=", "answer": 4}, {"prompt": "3+3=", "answer": "6"}]


class Answering(FakeLanguage):
    """Says what it was told to: for each prompt the answer of a greedy call, then those of the samples."""

    def __init__(self, said):
        super().__init__()
        self.said, self.calls = said, []

    def generate(self, prompts, seeds, sampling):
        self.calls.append((list(map(tuple, prompts)), list(seeds), sampling))
        if len(prompts) == len(self.said):
            texts = [texts[0] for texts in self.said.values()]
        else:
            texts = [text for texts in self.said.values() for text in texts[1:]]
        return [self._of(text) for text in texts]

    @staticmethod
    def _of(text):
        cut = text.endswith("~")
        return Completion([*map(ord, text.rstrip("~")), *([] if cut else [EOS])], "length" if cut else "stop")


SAID = {"1+1=": ["2", "2", "3", "2"], "2+2=": ["5", "4", "5", "5"], "3+3=": ["66~", "1", "2", "1"]}


def answers(held_out, said=SAID, items=ITEMS):
    model = Answering(said)
    return {name: value.tolist() for name, value in held_out.answer(model, items).items()}, model


def test_greedy_answers_are_compared_with_the_key():
    found, model = answers(HeldOut())
    assert found == {"accuracy": [1, 0, 0], "tokens": [2, 2, 2], "truncated": [0, 0, 1]}
    ((prompts, _, sampling),) = model.calls
    assert sampling == Sampling(temperature=0.0)
    assert prompts == [tuple(model.encode(item["prompt"])) for item in ITEMS]


def test_samples_give_pass_and_majority():
    found, model = answers(HeldOut(samples=3, temperature=0.7, sampling=Sampling(9, temperature=0.0)))
    assert found["accuracy"] == [1, 0, 0]
    assert found["pass_at_k"] == [1, 1, 0]
    assert found["majority_at_k"] == [1, 0, 0]
    prompts, seeds, sampling = model.calls[1]
    assert sampling == Sampling(9, temperature=0.7)
    assert len(set(seeds)) == 9
    assert [prompts.count(prompt) for prompt in dict.fromkeys(prompts)] == [3, 3, 3]


def test_the_same_draws_in_every_epoch_whatever_the_batch():
    held_out = HeldOut(samples=3)
    _, first = answers(held_out)
    _, again = answers(held_out)
    assert first.calls == again.calls
    _, single = answers(held_out, {"2+2=": SAID["2+2="]}, ITEMS[1:2])
    assert single.calls[1][1] == first.calls[1][1][3:6]


def test_one_sampled_answer_is_drawn_anew_for_every_prompt():
    _, model = answers(HeldOut(sampling=Sampling(temperature=1.0)))
    assert len(set(model.calls[0][1])) == 3


def test_what_cannot_be_judged_is_left_out_and_what_says_nothing_is_wrong():
    items = [{"prompt": "a", "answer": "no number"}, {"prompt": "b", "answer": "4"}]
    said = {"a": ["#### 3"], "b": ["nothing marked"]}
    found, _ = answers(HeldOut(AfterMarker(), Numeric()), said, items)
    assert math.isnan(found["accuracy"][0])
    assert found["accuracy"][1] == 0
    metric = HeldOut().metrics()["accuracy"]
    metric.update(torch.tensor(found["accuracy"]))
    assert metric.compute() == 0


def test_nothing_that_can_be_judged_is_no_number_rather_than_nought():
    metric = HeldOut().metrics()["accuracy"]
    metric.update(torch.tensor([1.0, math.nan, 0.0, 1.0]))
    assert metric.compute() == pytest.approx(2 / 3)


def test_another_field_may_be_the_key():
    found, _ = answers(HeldOut(key="solution"), {"1": ["x"]}, [{"prompt": "1", "solution": "x"}])
    assert found["accuracy"] == [1]


@pytest.mark.parametrize("item", [{"prompt": "1"}, {"prompt": "1", "answer": None}])
def test_an_item_without_key_names_the_remedy(item):
    with pytest.raises(DataError, match=r"compared with 'answer'.*HeldOut\(key="):
        answers(HeldOut(), {"1": ["x"]}, [item])


def test_a_number_of_samples_that_makes_no_sense_is_refused():
    with pytest.raises(PipelineError, match="samples.*-1"):
        HeldOut(samples=-1)


def test_metrics_are_those_that_are_measured():
    for held_out in (HeldOut(), HeldOut(samples=3)):
        found, _ = answers(held_out)
        assert set(held_out.metrics()) == set(found)
    assert HeldOut(comparison=Exact()).metrics().keys() == HeldOut().metrics().keys()
