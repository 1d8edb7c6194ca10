"""Prompts that are always or never solved are left out, and tried again."""

import pytest
import torch

from lit_iterative.callbacks import Rounds
from lit_iterative.errors import DataError, PipelineError
from lit_iterative.ops import Context, Linear, Remember
from lit_iterative.ops.language.builders.accepted import Accept
from lit_iterative.ops.language.propose.prompts import Prompts
from lit_iterative.ops.language.propose.sample import Sample
from lit_iterative.ops.language.score.pass_rate import PassRate
from lit_iterative.ops.language.select.solved import SkipSolved
from lit_iterative.ops.testing import example, show
from lit_iterative.pool import Pool
from lit_iterative.rounds.plan import Phase, When
from tests.ops.language.actors import FirstDigit
from tests.projects.words import SAMPLING, data, policy, trainer


def ledger(**rates):
    return example(id=[int(name[1:]) for name in rates], pass_rate=list(rates.values()))


def test_bounds_are_left_out_and_what_is_new_is_tried():
    told = ledger(p0=0.0, p1=0.25, p2=0.5, p3=0.75, p4=1.0, p5=float("nan"))
    context = Context(Pool(range(7), 1), ledger=told)
    assert show(SkipSolved(0.25, 0.75)(example(id=range(7)), context), "id") == [2, 5, 6]
    assert context.tally.values() == {"never_solved": 2, "always_solved": 2, "revisited": 0}


def test_nothing_is_known_in_the_first_round():
    context = Context(Pool(range(3), 1))
    assert show(SkipSolved()(example(id=range(3)), context), "id") == [0, 1, 2]


def simulate(revisit, rates, rounds):
    """Return which prompts are tried in each round, when a tried prompt shows the rate of its round."""
    memory, told, tried = {}, {}, []
    for round in range(rounds):
        known = example(id=sorted(told), pass_rate=[told[id] for id in sorted(told)]) if told else None
        context = Context(Pool(range(len(rates)), 1), round=round, ledger=known, memory=memory)
        ids = show(SkipSolved(revisit=revisit)(example(id=range(len(rates))), context), "id")
        told |= {id: rates[id][min(round, len(rates[id]) - 1)] for id in ids}
        tried.append(ids)
    return tried


def test_revisits():
    rates = [[1.0], [0.5], [0.0, 0.0, 0.0, 0.5]]  # always, half, and one that is learned in round 3
    assert simulate(None, rates, 6) == [[0, 1, 2]] + [[1]] * 5
    # left out first in round 1; after two rounds, in round 3, tried again; then left out from round 4 on
    assert simulate(2, rates, 8) == [[0, 1, 2], [1], [1], [0, 1, 2], [1, 2], [1, 2], [0, 1, 2], [1, 2]]


def test_a_prompt_that_is_missing_from_the_table_is_no_longer_counted():
    memory: dict = {}
    context = Context(Pool(range(3), 1), ledger=ledger(p0=1.0, p1=1.0), memory=memory)
    SkipSolved(revisit=3)(example(id=[0, 1]), context)
    assert memory == {"since": {"0": 0, "1": 0}}
    SkipSolved(revisit=3)(example(id=[1]), Context(Pool(range(3), 1), round=1, ledger=context.ledger, memory=memory))
    assert memory == {"since": {"1": 0}}


def test_parameters():
    with pytest.raises(PipelineError, match="Nothing lies between"):
        SkipSolved(0.5, 0.5)
    with pytest.raises(PipelineError, match=r"revisit.* is 0"):
        SkipSolved(revisit=0)
    assert SkipSolved(high=Linear(1.0, 0.5, 3)).at(3, {}).high == 0.5
    assert SkipSolved().recalls == ("pass_rate",)


def test_a_ledger_without_the_rate_is_told():
    context = Context(Pool(range(2), 1), ledger=example(id=[0], **{"scores.x": [1.0]}))
    with pytest.raises(DataError, match=r"Remember\(\['pass_rate'\]\)"):
        SkipSolved()(example(id=[0]), context)


def test_solved_prompts_are_skipped_in_a_fit(tmp_path):
    ops = [
        SkipSolved(revisit=1),
        Prompts(["answer"]),
        Sample(8, SAMPLING),
        FirstDigit(),
        PassRate(),
        Remember(["pass_rate"]),
        Accept(truncated="keep"),
    ]
    torch.manual_seed(0)  # the order of the examples
    callback = Rounds([Phase(ops)], When(1, 1), shard_size=5)
    trainer(tmp_path, [callback], max_epochs=4).fit(policy(), data(16))
    first, second, third = callback.store.versions()
    rates = dict(zip(*(first.ledger()[name].to_pylist() for name in ("id", "pass_rate")), strict=True))
    assert len(rates) == 16
    skipped = [id for id, rate in rates.items() if rate in (0.0, 1.0)]
    assert 0 < len(skipped) < 16
    kept = next(op for op in second.manifest.ops if op.name == "SkipSolved")
    assert (kept.rows_in, kept.rows_out) == (16, 16 - len(skipped))
    counted = next(op for op in third.manifest.ops if op.name == "SkipSolved").measured
    assert counted["revisited"] == len(skipped)
