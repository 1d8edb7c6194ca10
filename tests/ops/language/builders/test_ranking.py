"""Ranking against loops over every group, and in two rounds of training."""

import math

import pytest
import torch

from lit_iterative.errors import PipelineError
from lit_iterative.modules.objective import Objective
from lit_iterative.ops.language import Ranking, ReferenceLogProbs
from tests.ops.language.tables import check_order_of_groups, grouped, may_win, random_candidates, run, usable
from tests.projects.words import data, pairs, policy, trainer


@pytest.mark.parametrize("truncated", ["drop", "reject", "keep"])
@pytest.mark.parametrize(("margin", "rejected"), [(0.0, 1), (0.0, 3), (0.3, 2)])
def test_the_best_against_several_worse_ones(truncated, margin, rejected):
    table = random_candidates(seed=7)
    made, counts = run(Ranking("scores.reward", rejected, margin, truncated), table)
    found, ties, worse_ones = grouped(made), 0, 0
    for name, everything in grouped(table).items():
        rows = usable(everything, truncated)
        top = max((row["scores.reward"] for row in rows if may_win(row, truncated)), default=-math.inf)
        worse = [row for row in rows if top - row["scores.reward"] > margin]
        ties += top > -math.inf and not worse and len(rows) > 1
        assert len(found.get(name, [])) == bool(worse)
        for ranking in found.get(name, []):
            known = {tuple(row["completion_ids"]): row for row in rows}
            places = [known[tuple(ids)] for ids in ranking["ranked_ids"]]
            scores = [row["scores.reward"] for row in places]
            assert (scores, [row["text"] for row in places]) == (ranking["ranked_scores"], ranking["ranked"])
            assert scores[0] == top
            assert may_win(places[0], truncated)
            assert scores[1:] == sorted(scores[1:], reverse=True)
            assert len(set(map(tuple, ranking["ranked_ids"]))) == len(places) == 1 + min(rejected, len(worse))
            assert all(row in worse for row in places[1:])
            assert ranking["weight"] == 1
            worse_ones += len(places) - 1
    assert made.num_rows == counts["rankings"] > 10
    assert counts["groups_without_ranking"] == len(grouped(table)) - made.num_rows
    assert counts["ties"] == ties
    assert counts["rejected"] == pytest.approx(worse_ones / made.num_rows)
    assert not {"candidate", "text", "completion_ids", "finish"} & set(made.column_names)


def test_the_worse_ones_are_drawn_anew_in_every_round():
    table = random_candidates(seed=8)
    made = [run(Ranking(rejected=1), table, round)[0]["ranked"].to_pylist() for round in (0, 0, 1)]
    assert made[0] == made[1] != made[2]


def test_the_order_of_groups_changes_nothing():
    check_order_of_groups(Ranking(), random_candidates(seed=9))


def test_nothing_to_rank():
    table = random_candidates(seed=7).slice(0, 0)
    made, counts = run(Ranking(), table)
    assert made.num_rows == counts["rankings"] == 0
    assert made.schema.equals(run(Ranking(), random_candidates(seed=7))[0].schema)


@pytest.mark.parametrize("wrong", [{"rejected": 0}, {"margin": -0.1}, {"truncated": "cut"}])
def test_parameters_out_of_range_are_refused(wrong):
    with pytest.raises(PipelineError, match=rf"Ranking\({next(iter(wrong))}\) is"):
        Ranking(**wrong)


@pytest.mark.parametrize("loss", ["softmax_dpo", "plackett_luce"])
def test_two_rounds_of_training(tmp_path, loss):
    """The reference is the policy, so that the first loss of a round says only how many completions there are."""
    firsts = []
    module = policy(objective=Objective(loss))
    step = module.training_step

    def training_step(batch, batch_idx):
        made = step(batch, batch_idx)
        if "present" in batch.columns and batch_idx == 0:
            counts = batch.columns["present"].sum(dim=1).tolist()
            even = [math.log(count if loss == "softmax_dpo" else math.factorial(count)) for count in counts]
            firsts.append((made.item(), sum(even) / len(even)))
        return made

    module.training_step = training_step
    callback = pairs(builder=Ranking())
    run = trainer(tmp_path, [callback])
    run.fit(module, data(24))
    assert callback.plan.phases[0].ops[-1] == ReferenceLogProbs(of="ranked")
    assert [round.manifest.rows > 4 for round in callback.store.versions()] == [True, True]
    assert len(firsts) == 2
    assert [first for first, _ in firsts] == pytest.approx([even for _, even in firsts], abs=1e-4)
    assert torch.isfinite(run.callback_metrics["rewards/margins"])
    assert run.callback_metrics["rewards/chosen"] != 0
