"""Judges in this process: the policy itself, and another model."""

from contextlib import contextmanager

import pyarrow as pa
import pytest
import torch

from lit_iterative.errors import PipelineError
from lit_iterative.generation.forward import Member
from lit_iterative.generation.language import Sampling
from lit_iterative.judging.rubric import Rubric
from lit_iterative.ops.actors import EMA, Ensemble, Initial, Policy
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.score import judges
from lit_iterative.ops.language.score.judge import Judge
from lit_iterative.ops.language.score.judges import LocalJudge, PolicyJudge
from lit_iterative.ops.op import spec
from lit_iterative.pool import Pool
from tests.projects import words

#: A rubric in the alphabet of the tiny policy: does 1 or 0 follow?
RUBRIC = Rubric("{prompt}{completion}=", {"1": 1.0, "0": 0.0}, marker="", quoted=False)
TABLE = pa.table({"id": [0, 1, 2], "prompt": ["1+2="] * 3, "text": ["3", "4", "3"]})


class Lent:
    """Stands where a forward pass does, and remembers whose weights it lent."""

    def __init__(self, model):
        self.model = model
        self.members = []

    @contextmanager
    def language(self, member):
        self.members.append(member)
        yield self.model


def policy():
    made = words.policy()
    made.configure_model()
    return made.eval()


def scores(op, forward):
    context = Context(Pool([0] * 3, 1), forward=forward)
    return op(TABLE, context)["scores.judge"].to_pylist(), context.tally.values()


def test_the_policy_judges_itself_by_probabilities():
    forward = Lent(policy())
    (first, other, again), counts = scores(Judge(PolicyJudge(), RUBRIC, "probabilities"), forward)
    assert forward.members == [Member()]
    assert first == pytest.approx(again, rel=1e-6)
    assert first != other
    ids = forward.model.encode("1+2=3=")
    with torch.no_grad():
        logits = forward.model.network(torch.tensor([ids])).logits[0, -1].double()
    no, yes = logits[forward.model.encode("01")[1:]].exp().tolist()
    assert first == pytest.approx(yes / (yes + no), rel=1e-5)
    assert counts["judge_abstains"] == 0


def test_the_actor_says_whose_weights():
    forward = Lent(policy())
    scores(Judge(PolicyJudge(Initial()), RUBRIC, "probabilities"), forward)
    assert forward.members == [Member(weights="initial")]
    with pytest.raises(PipelineError, match="2 members"):
        PolicyJudge(Ensemble([Policy(), EMA()]))


def test_a_sampled_answer_is_drawn_by_its_seed():
    judge = Judge(PolicyJudge(), Rubric("{prompt}{completion}=", {"1": 1.0, "0": 0.0}, "+", False), judgements=20)
    judge = judge.at(0, {})
    first, counts = scores(judge, Lent(policy()))
    second, _ = scores(judge, Lent(policy()))
    assert repr(first) == repr(second)
    assert counts["judgements"] == 60
    assert counts["parse_failures"] + counts["judge_unfinished"] > 0  # it has learned nothing yet


def test_what_the_policy_cannot_read_abstains():
    table = TABLE.set_column(2, "text", [["3", "three", "1" * 40]])
    context = Context(Pool([0] * 3, 1), forward=Lent(policy()))
    made = Judge(PolicyJudge(), RUBRIC, sampling=Sampling(3), reading="probabilities")(table, context)
    assert made["scores.judge"].is_nan().to_pylist() == [False, True, True]
    counts = context.tally.values()
    assert (counts["judge_unreadable"], counts["judge_too_long"], counts["judge_abstains"]) == (1, 1, 2)


def test_a_local_judge_says_what_the_saved_model_says(tmp_path):
    model = policy()
    model.export(str(tmp_path))
    alone, _ = scores(Judge(LocalJudge(str(tmp_path), device="cpu"), RUBRIC, "probabilities"), None)
    assert alone == pytest.approx(scores(Judge(PolicyJudge(), RUBRIC, "probabilities"), Lent(model))[0], rel=1e-5)


def test_a_local_judge_is_loaded_once_and_again_when_the_folder_changes(tmp_path, monkeypatch):
    loads, kind = [], judges.LanguagePolicy
    monkeypatch.setattr(judges, "LanguagePolicy", lambda *args, **named: loads.append(args) or kind(*args, **named))
    model = policy()
    model.export(str(tmp_path))
    op = Judge(LocalJudge(str(tmp_path), device="cpu"), RUBRIC, "probabilities")
    first = [scores(op, None)[0] for _ in range(2)]
    assert len(loads) == 1
    for parameter in model.parameters():
        parameter.data *= 2
    model.export(str(tmp_path))
    assert scores(op, None)[0] != first[0]
    assert first[0] == first[1]
    assert len(loads) == 2


def test_a_local_judge_runs_where_the_policy_does(tmp_path):
    model = policy()
    model.export(str(tmp_path))
    forward = Lent(model)
    scores(Judge(LocalJudge(str(tmp_path)), RUBRIC, "probabilities"), forward)
    assert judges.device_of(lambda: forward) == "cpu"


def test_a_local_judge_uses_the_chat_template_where_there_is_one(tmp_path):
    model = policy()
    model.codec.tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}+{% endfor %}"
    model.export(str(tmp_path))
    with LocalJudge(str(tmp_path), device="cpu").session(None, 1.0) as session:
        assert session._chat
        assert not session._model.training
        assert not any(parameter.requires_grad for parameter in session._model.parameters())


def test_judges_are_described_in_primitives():
    assert spec(LocalJudge("a/b"))["init_args"]["path"] == "a/b"
    assert spec(PolicyJudge(EMA()))["init_args"]["actor"]["class_path"].endswith("EMA")


def test_a_policy_judges_itself_in_two_rounds_of_a_real_fit(tmp_path):
    judge = Judge(PolicyJudge(), RUBRIC, "probabilities", score="reward")
    callback = words.PreferencePairs([judge], n=4, sampling=words.SAMPLING, when=words.When(1, 1))
    words.trainer(tmp_path, [callback]).fit(words.policy(), words.data())
    for version in callback.store.versions():
        table = version.table(["chosen_score", "rejected_score"])
        assert table.num_rows
        assert all(row["chosen_score"] > row["rejected_score"] for row in table.to_pylist())
        assert version.manifest.metrics["judgements"] == 48
        assert 0 < version.manifest.metrics["judge_score"] < 1
