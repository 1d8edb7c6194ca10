"""At least one instance of every public op for language policies, and what it is run on."""

from typing import Any

import numpy as np
import pyarrow as pa

from lit_iterative import answers
from lit_iterative.columns import read, write
from lit_iterative.generation.language import Sampling
from lit_iterative.judging.rubric import Comparison, Rubric
from lit_iterative.ops import MCDropout, ScoredCanaries
from lit_iterative.ops import language as ops
from lit_iterative.ops.context import Context
from lit_iterative.pool import Pool
from lit_iterative.testing import OpCase, candidates, completions
from lit_iterative.testing.fixtures import FakeForward
from tests.conformance_cases import LEDGER
from tests.ops.language.builder_cases import BUILDERS
from tests.ops.language.judges import ends_with_answer
from tests.ops.language.judging import Whim
from tests.ops.language.score.test_judge_pairs import pairs
from tests.ops.language.step_cases import STEPS
from tests.ops.language.tables import completions_with_all
from tests.ops.language.worlds import Parrot

TWO = ["scores.implicit", "scores.judge"]
SHORT = Sampling(max_new_tokens=6)


def prompt_item(place: int) -> dict[str, Any]:
    """Return an input of the pool; every fifth was written in round 2."""
    return {"prompt": f"given {place}", "written_in": 2 if place % 5 == 4 else None}


def judged() -> pa.Table:
    """Return completions that are right or wrong, some of which were not judged."""
    table = completions(["scores.correct"])
    correct = read(table, "scores.correct").round()
    return write(table, **{"scores.correct": np.where(np.arange(len(correct)) % 5 == 0, np.nan, correct)})


def voted() -> pa.Table:
    """Return completions that are right or wrong, with the share of the votes for each, unknown for one."""
    votes = np.linspace(0, 1, judged().num_rows)
    return write(judged(), **{"scores.vote": np.where(votes == votes[3], np.nan, votes)})


def unsolved() -> pa.Table:
    """Return completions without a right one, and a hint for each."""
    table = completions(["scores.correct"]).drop_columns(["final"])
    hints = {"context_ids": table["prompt_ids"], "scores.correct": np.zeros(table.num_rows)}
    return write(table, **hints)


def masked() -> pa.Table:
    """Return completions with a mask, which leaves out every token but the first."""
    table = completions()
    lengths = [len(ids) for ids in table["completion_ids"].to_pylist()]
    return write(table, completion_mask=pa.array([[1.0, *[0.0] * (length - 1)] for length in lengths]))


def rolled_out() -> pa.Table:
    """Return rollouts of several turns."""
    table = completions(samples=1, prompts=12).select(["id", "prompt_ids", "answer"])
    context = Context(Pool([0], 1), forward=FakeForward())
    return ops.Rollout(Parrot(), 2, 3, SHORT)(table, context).drop_columns(["scores.reward"])


def programs() -> pa.Table:
    """Return two completions with a program, and others without."""
    made = ["```python\ndef f(): return 1\n```", "```python\ndef f(): return 2\n```", *["no code"] * 10]
    return write(completions(prompts=4, samples=3), text=pa.array(made), tests=pa.array(["assert f() == 1"] * 12))


def written() -> pa.Table:
    """Return prompts, of which some have written another."""
    texts = [[f"{chr(97 + place)} {place % 9}"] if place % 2 else [] for place in range(23)]
    return pa.table({"id": np.arange(23) * 7 % 101, "written": pa.array(texts, pa.list_(pa.string()))})


POOLED = ["completion_ids", "scores.correct"]


def recalled() -> pa.Table:
    """Return a ledger that remembers candidates of some prompts, and of others."""
    table = completions(POOLED[1:2])
    others = pa.array([[60 + row, 2] for row in range(table.num_rows)], pa.list_(pa.int32()))
    seen = write(table, completion_ids=others)
    return ops.RememberCandidates(POOLED).remember(seen.slice(0, 4), Context(Pool([0], 1)))


def rated() -> pa.Table:
    """Return pairs with a consistency, which is unknown for some."""
    values = [float("nan"), 0.0, 0.5, 1.0, 0.75] * 5
    return write(candidates(), **{"scores.consistency": np.array(values)[:23]})


ALONE = completions().drop_columns(["group"])
ONCE = completions(samples=1, prompts=12).select(["id", "prompt_ids"])
ONCE_ANSWERED = completions(samples=1, prompts=12).select(["id", "prompt_ids", "answer"])
PAIRS = write(pairs(), prompt_ids=pa.array([[1, 50 + row] for row in range(pairs().num_rows)], pa.list_(pa.int32())))
RANKED = write(
    PAIRS, ranked_ids=pa.array([[[60, 2], [61, 2 + row], []][: 2 + row % 2] for row in range(PAIRS.num_rows)])
)
WON = pa.table(
    {"id": np.arange(12), "chosen_score": np.linspace(0.5, 1, 12), "rejected_score": np.linspace(0.5, 0, 12)}
)
REJECTED = write(completions(), rejected=completions()["text"], rejected_ids=completions()["completion_ids"])
WHIM = Whim(["Verdict: A", "Verdict: B", "Verdict: tie", "?"])
ANSWERED = write(completions(), final=completions()["answer"])
COMPARE = Comparison("{prompt}{first}{second}", {"a": 1.0, "b": 0.0}, "c")
GRADE = Rubric("{prompt}{completion}", {"a": 1.0, "b": 0.0}, "c")
GOOD = Rubric("{prompt}{completion}\n", {"yes": 1.0, "no": 0.0}, "Good:")

OPS: list[OpCase] = [
    *BUILDERS,
    *STEPS,
    OpCase(ops.AcceptGiven(), completions_with_all()),
    OpCase(ops.AddPrompts(), written(), item=prompt_item),
    OpCase(ops.AgreedPairs(TWO), completions(TWO)),
    OpCase(ops.AgreedPairs([*TWO, "scores.reward"], at_most=1, truncated="drop"), completions([*TWO, "scores.reward"])),
    OpCase(ops.AnswerEntropy(), completions(["scores.vote"])),
    OpCase(ops.BalanceByTemperature([0.5, 1.0], 0.5, 2, SHORT), ONCE_ANSWERED),
    OpCase(ops.BalanceScore(), judged()),
    OpCase(ops.BalanceScore("scores.reward", [0.5, 0.9]), completions(["scores.correct", "scores.reward"])),
    OpCase(ops.ConsistencyPreference(), rated()),
    OpCase(ops.ConsistencyPreference(average=False), rated()),
    OpCase(ops.Branches([[ops.BestWorst("scores.correct")], [ops.GoldOwn()]]), completions_with_all()),
    OpCase(ops.Contexts({"good": "Right: {prompt}", "bad": "Wrong, not {answer}: {prompt}"}), ALONE),
    OpCase(ops.Demonstrate(Parrot()), write(ALONE, actions=pa.array([["b\n", "a\n"], None] * 12))),
    OpCase(ops.DistributionShift([{"prompt": "1+1=", "completion": "2"}])),
    OpCase(ops.DiverseCandidates(2)),
    OpCase(ops.Divergence(), ALONE),
    OpCase(ops.Divergence(candidates=3)),
    OpCase(ops.Elo(WHIM)),
    OpCase(ops.Elo(WHIM, opponents=1)),
    OpCase(ops.Encode(), completions_with_all().drop_columns(["gold_ids"]), item=prompt_item),
    OpCase(ops.EvenLengths(), completions(["scores.implicit"])),
    OpCase(ops.ExtractAnswer()),
    OpCase(ops.ExtractAnswer(answers.AfterMarker())),
    OpCase(ops.Growth("prompt"), ALONE),
    OpCase(ops.Hint("{prompt} It is {answer}. Why?"), ALONE),
    OpCase(ops.ImplicitReward()),
    OpCase(ops.ImplicitReward(beta=0.5, length_penalty=0.1)),
    OpCase(ops.Join(["prompt", "answer"]), ALONE, item=prompt_item),
    OpCase(ops.Judge(Whim())),
    OpCase(ops.Judge(Whim(), GOOD, "probabilities")),
    OpCase(ops.Judge(Whim(["Score: 2"]), judgements=2, score="other")),
    OpCase(ops.Judgements(GRADE, 2, SHORT)),
    OpCase(ops.Judgements(COMPARE, 2, SHORT, against="final"), ANSWERED),
    OpCase(ops.JudgePairs(WHIM), pairs()),
    OpCase(ops.JudgePairs(WHIM, judgements=3, tie=0.2, turn=False, keep_unjudged=True), pairs()),
    OpCase(ops.JudgePairs(WHIM, reading="probabilities", tie=0.1), pairs()),
    OpCase(ops.Likelihood()),
    OpCase(ops.Likelihood(normalise=True)),
    OpCase(ops.Mismatched()),
    OpCase(ops.Mismatched(masked=True), masked()),
    OpCase(ops.PairLikelihood(), PAIRS),
    OpCase(ops.PairWinRates(), WON),
    OpCase(ops.OwnReward()),
    OpCase(ops.OwnReward(MCDropout(2))),
    OpCase(ops.PreferenceUncertainty(MCDropout(3)), PAIRS),
    OpCase(ops.PassRate(), judged()),
    OpCase(ops.PreferShort("scores.correct"), completions_with_all()),
    OpCase(ops.Prompts(), pa.table({"id": np.arange(23) * 7 % 101}), item=prompt_item),
    OpCase(ops.RankConsistency(TWO), completions(TWO)),
    OpCase(ops.Rationalise(2, SHORT), unsolved()),
    OpCase(ops.RecallCandidates(POOLED), completions(POOLED[1:2]), ledger=recalled()),
    OpCase(ops.ReferenceLogProbs(), PAIRS),
    OpCase(ops.ReferenceLogProbs(role="anchor"), PAIRS),
    OpCase(ops.ReferenceLogProbs(of="completions")),
    OpCase(ops.ReferenceLogProbs(of="ranked"), RANKED),
    OpCase(ops.Revisions("{prompt}{rejected}?", 1.0, 1.0), write(PAIRS, group=PAIRS["id"])),
    OpCase(ops.Rewrite("{prompt}{text}?", "critique", 2, SHORT)),
    OpCase(ops.Rewrite("{text}!", sampling=SHORT, keep=True)),
    OpCase(ops.Rewrite("{text}>", sampling=SHORT, keep=True, tags={"answer": "prompt"})),
    OpCase(ops.Roles({"a": "{prompt}", "b": "{prompt}{text}>"}), ALONE),
    OpCase(ops.Rollout(Parrot(), 2, 3, SHORT), ONCE_ANSWERED),
    OpCase(ops.Rules()),
    OpCase(ops.Rules("prompt", form=".*[0-4]", forbidden=["3"], longest=30)),
    OpCase(ops.Replay(), REJECTED),
    OpCase(ops.RememberCandidates(POOLED), completions(POOLED[1:2]), ledger=recalled()),
    OpCase(ops.RunCode(workers=2), programs()),
    OpCase(ops.Sample(2, SHORT), ONCE),
    OpCase(ops.SampleBetween("Good: {prompt}", "Bad: {prompt}", 0.5, 2, SHORT), ALONE),
    OpCase(ScoredCanaries(share=0.4), judged()),
    OpCase(ScoredCanaries(share=0.4, confidence="scores.vote"), voted()),
    OpCase(ops.SelfCertainty()),
    OpCase(ops.SelfConsistency()),
    OpCase(ops.SelfConsistency(answers.Exact()), write(completions(), group=completions()["prompt"])),
    OpCase(ops.SelfInstruct(6, shots=3, own=1, sampling=SHORT), written().select(["id"]), item=prompt_item),
    OpCase(ops.SkipSolved(0.5, 0.9, column="scores.agreement"), ledger=LEDGER),
    OpCase(ops.SkipSolved(0.5, 0.9, revisit=1, column="scores.agreement"), ledger=LEDGER),
    OpCase(ops.Split(), ALONE),
    OpCase(ops.Steering("Good: {prompt}", "Bad: {prompt}", 0.5), PAIRS),
    OpCase(ops.TokenEntropy()),
    OpCase(ops.Turns(), rolled_out()),
    OpCase(ops.Verify()),
    OpCase(ops.Verify(answers.Exact(), "prompt")),
    OpCase(ops.VerifyWith(ends_with_answer, ["answer"])),
    OpCase(ops.WinRate(WHIM)),
    OpCase(ops.WinRate(WHIM, judgements=2, opponents=1)),
    OpCase(ops.WriteLike(Whim(["1=2", "?", ""]), "Like {prompt}{text}:", "(?P<prompt>.*=)(?P<completion>.*)")),
    OpCase(ops.WrittenPrompts(ending="="), written()),
]

#: Parts that need a language model, or a folder with one: their own tests check them on a small one.
ELSEWHERE = {"Transcribe", "RewardModel", "AcceptedSamples", "Export", "PreferencePairs", "MergeAdapter", "NewAdapter"}
